"""A screen as tables: reading and writing, normalization, averages of neighboring cells and of wells."""

from archetypal_triplet.screens._aggregate import aggregate_profiles
from archetypal_triplet.screens._dose_response import compute_dose_response
from archetypal_triplet.screens._files import read_table, write_table
from archetypal_triplet.screens._neighbors import NeighborAverager
from archetypal_triplet.screens._normalizer import ScreenNormalizer
from archetypal_triplet.screens._profiles import ProfileSummary, check_profiles, clean_profiles, read_profiles
from archetypal_triplet.screens._tags import read_tags, write_tags

__all__ = [
    "NeighborAverager",
    "ProfileSummary",
    "ScreenNormalizer",
    "aggregate_profiles",
    "check_profiles",
    "clean_profiles",
    "compute_dose_response",
    "read_profiles",
    "read_table",
    "read_tags",
    "write_table",
    "write_tags",
]
