"""A screen as tables: reading and writing profiles, normalization, averages of neighboring cells."""

from archetypal_triplet.screens._neighbors import NeighborAverager
from archetypal_triplet.screens._normalizer import ScreenNormalizer

__all__ = ["NeighborAverager", "ScreenNormalizer"]
