"""Stage 1: archetypes of the samples, and how many of them there are."""

from ._estimator import ArchetypalAnalysis
from ._path import archetype_path, archetype_stability, suleman_criterion
from ._selection import bicross_validated_variance, parsimonious
from ._tools import compute_group_shares, find_typical_samples, match_archetypes

__all__ = [
    "ArchetypalAnalysis",
    "archetype_path",
    "archetype_stability",
    "bicross_validated_variance",
    "compute_group_shares",
    "find_typical_samples",
    "match_archetypes",
    "parsimonious",
    "suleman_criterion",
]
