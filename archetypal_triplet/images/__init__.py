"""A screen as images: layouts of plates, lazy access to fields, cells and their crops, features."""

from archetypal_triplet.images._blocks import compute_channel_limits, iter_blocks
from archetypal_triplet.images._cells import extract_cells, load_cells
from archetypal_triplet.images._image_features import ImageFeatures
from archetypal_triplet.images._layout import Layout, read_layout
from archetypal_triplet.images._planes import Plane, read_plane
from archetypal_triplet.images._segmentation import segment_nuclei
from archetypal_triplet.images._stack import ImageStack
from archetypal_triplet.images._write import write_ome_tiff, write_ome_zarr_plate

__all__ = [
    "ImageFeatures",
    "ImageStack",
    "Layout",
    "Plane",
    "compute_channel_limits",
    "extract_cells",
    "iter_blocks",
    "load_cells",
    "read_layout",
    "read_plane",
    "segment_nuclei",
    "write_ome_tiff",
    "write_ome_zarr_plate",
]
