"""One plane of one image: where it lies, and reading it as a grey 2-D array."""

from typing import NamedTuple


class Plane(NamedTuple):
    """Where one channel of one field lies.

    Parameters
    ----------
    path : str
        An image file, or the folder of an OME-Zarr image.
    index : tuple of int, default=None
        Which plane of it, if there are several: ``(page,)`` of a TIFF of several pages; ``(c,)``, ``(c, z)`` or
        ``(c, z, t)`` of an OME-TIFF or OME-Zarr image. None: its only plane.
    """

    path: str
    index: tuple[int, ...] | None = None
