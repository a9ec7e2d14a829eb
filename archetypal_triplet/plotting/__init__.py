"""Figures, by scikit-learn's Display convention: they return axes and never show."""

from archetypal_triplet.plotting._embedding_map import EmbeddingMapDisplay
from archetypal_triplet.plotting._gallery import ArchetypeGalleryDisplay
from archetypal_triplet.plotting._overview import plot_run_overview
from archetypal_triplet.plotting._plate_heatmap import PlateHeatmapDisplay

__all__ = ["ArchetypeGalleryDisplay", "EmbeddingMapDisplay", "PlateHeatmapDisplay", "plot_run_overview"]
