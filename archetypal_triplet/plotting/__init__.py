"""Figures, by scikit-learn's Display convention: they return axes and never show."""

from archetypal_triplet.plotting._embedding_map import EmbeddingMapDisplay
from archetypal_triplet.plotting._overview import plot_run_overview

__all__ = ["EmbeddingMapDisplay", "plot_run_overview"]
