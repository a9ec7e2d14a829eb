"""Stage 1: archetypes of the samples, and how many of them there are."""

from ._estimator import ArchetypalAnalysis
from ._selection import bicross_validated_variance, parsimonious

__all__ = ["ArchetypalAnalysis", "bicross_validated_variance", "parsimonious"]
