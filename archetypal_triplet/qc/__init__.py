"""Assay quality: controls, plates, batches, replicates."""

from archetypal_triplet._utils._tags import check_tags
from archetypal_triplet.qc._archetypes import compute_archetype_quality
from archetypal_triplet.qc._b_scores import compute_b_scores
from archetypal_triplet.qc._batches import compute_batch_mixing, compute_variance_explained
from archetypal_triplet.qc._control_scores import compute_control_scores
from archetypal_triplet.qc._controls import compute_control_separability
from archetypal_triplet.qc._drift import compute_plate_drift
from archetypal_triplet.qc._fields import compute_field_scores
from archetypal_triplet.qc._positions import compute_position_effects
from archetypal_triplet.qc._replicates import compute_replicate_correlation, compute_replicate_precision
from archetypal_triplet.qc._separation import (
    compute_auc,
    compute_robust_z_prime,
    compute_ssmd,
    compute_z_prime,
)
from archetypal_triplet.qc._standardize import compute_standardized_features
from archetypal_triplet.qc._tags import apply_tags
from archetypal_triplet.qc._thresholds import load_thresholds

__all__ = [
    "apply_tags",
    "check_tags",
    "compute_archetype_quality",
    "compute_auc",
    "compute_b_scores",
    "compute_batch_mixing",
    "compute_control_scores",
    "compute_control_separability",
    "compute_field_scores",
    "compute_plate_drift",
    "compute_position_effects",
    "compute_replicate_correlation",
    "compute_replicate_precision",
    "compute_robust_z_prime",
    "compute_ssmd",
    "compute_standardized_features",
    "compute_variance_explained",
    "compute_z_prime",
    "load_thresholds",
]
