"""Figures, by scikit-learn's Display convention: they return axes and never show."""

from archetypal_triplet.plotting._archetype_count import ArchetypeCountDisplay
from archetypal_triplet.plotting._dose_response import DoseResponseDisplay
from archetypal_triplet.plotting._embedding_map import EmbeddingMapDisplay
from archetypal_triplet.plotting._gallery import ArchetypeGalleryDisplay
from archetypal_triplet.plotting._overview import plot_run_overview
from archetypal_triplet.plotting._plate_heatmap import PlateHeatmapDisplay
from archetypal_triplet.plotting._simplex import SimplexDisplay
from archetypal_triplet.plotting._training import TrainingDisplay

__all__ = [
    "ArchetypeCountDisplay",
    "ArchetypeGalleryDisplay",
    "DoseResponseDisplay",
    "EmbeddingMapDisplay",
    "PlateHeatmapDisplay",
    "SimplexDisplay",
    "TrainingDisplay",
    "plot_run_overview",
]
