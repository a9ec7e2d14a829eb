"""Stage 2: pseudo-labels from mixtures, one labeling or many."""

from archetypal_triplet.labels._ensemble import EnsembleLabeler
from archetypal_triplet.labels._flagged import FlaggedLabeler
from archetypal_triplet.labels._pseudo_labeler import PseudoLabeler

__all__ = ["EnsembleLabeler", "FlaggedLabeler", "PseudoLabeler"]
