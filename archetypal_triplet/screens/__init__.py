"""A screen as tables: reading and writing profiles, normalization, averages of neighboring cells."""

from archetypal_triplet.screens._files import read_table, write_table
from archetypal_triplet.screens._neighbors import NeighborAverager
from archetypal_triplet.screens._normalizer import ScreenNormalizer
from archetypal_triplet.screens._profiles import ProfileSummary, check_profiles, clean_profiles, read_profiles

__all__ = [
    "NeighborAverager",
    "ProfileSummary",
    "ScreenNormalizer",
    "check_profiles",
    "clean_profiles",
    "read_profiles",
    "read_table",
    "write_table",
]
