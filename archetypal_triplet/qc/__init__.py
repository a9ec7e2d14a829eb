"""Assay quality: how well the controls can be told apart."""

from archetypal_triplet.qc._controls import compute_control_separability
from archetypal_triplet.qc._separation import (
    compute_auc,
    compute_robust_z_prime,
    compute_ssmd,
    compute_z_prime,
)

__all__ = [
    "compute_auc",
    "compute_control_separability",
    "compute_robust_z_prime",
    "compute_ssmd",
    "compute_z_prime",
]
