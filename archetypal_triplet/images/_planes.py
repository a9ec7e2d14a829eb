"""One plane of one image: where it lies, and reading it as a gray 2-D array."""

from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from archetypal_triplet.images._formats import CodecImage, ImageError, check_file
from archetypal_triplet.images._tiff import TiffImage
from archetypal_triplet.images._zarr import ZarrImage, is_zarr

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


class Plane(NamedTuple):
    """Where one channel of one field lies.

    Parameters
    ----------
    path : str
        An image file (TIFF, OME-TIFF, PNG, JPEG), or the folder of an OME-Zarr image.
    index : tuple of int, default=None
        Which plane of it, if there are several: ``(page,)`` of a TIFF of several pages; ``(c,)``, ``(c, z)``,
        ``(c, z, t)`` or, with the number of the image in the file, ``(c, z, t, image)`` of an OME-TIFF;
        ``(c,)``, ``(c, z)`` or ``(c, z, t)`` of an OME-Zarr image. All count from 0, and what is not said is
        0. None: its only plane.

    Examples
    --------
    >>> from archetypal_triplet.images import Plane
    >>> Plane("plate/A01_w1.tif")
    Plane(path='plate/A01_w1.tif', index=None)
    """

    path: str
    index: tuple[int, ...] | None = None  # type: ignore[assignment]


def read_plane(plane):
    """Read one plane as gray values.

    Values are those that the camera wrote: nothing is scaled, and 12 bits in a file of 16 stay 12. Of a
    palette image the index is returned (see Notes), of an OME image the level of the highest resolution.

    Parameters
    ----------
    plane : Plane, or str or Path
        What to read; a path stands for the only plane of that file.

    Returns
    -------
    ndarray of shape (height, width)
        Gray values, in the type of the file (native byte order; an image of one bit gives uint8).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is empty, truncated, not an image, in color, or lacks this plane; the message names the file.

    Notes
    -----
    - Palette: a look-up table is only for display, so that the index is the value, as long as the colors get
      brighter (or, then the index is reversed, darker) with it; the first and the last entry may be marks for
      under- and overexposure. A palette of any other kind is refused.
    - RGB: read if the channels are equal, or all but one of them 0 (a gray image colored for display).
    - A TIFF that counts from white (MinIsWhite) is reversed.
    - A chunk that an OME-Zarr image lacks counts as 0: that format leaves out empty chunks on purpose.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from archetypal_triplet.images import read_plane, write_ome_tiff
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)
    ...     path = write_ome_tiff(Path(folder) / "field.ome.tif", image, channel_names=["DNA", "GFP"])
    ...     read_plane((path, (1,)))
    array([[12, 13, 14, 15],
           [16, 17, 18, 19],
           [20, 21, 22, 23]], dtype=uint16)
    """
    plane = Plane(str(plane)) if isinstance(plane, str | Path) else Plane(str(plane[0]), *plane[1:])
    with open_image(plane.path) as image:
        return image.read(plane.index)


def probe_plane(plane):
    """Return shape and dtype of a plane, from its file's header where that tells.

    Parameters
    ----------
    plane : Plane
        What to look at.

    Returns
    -------
    shape : tuple of int
        Height and width.
    dtype : dtype
        Type of the gray values.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_plane`; what only decoding would show is not seen.
    """
    with open_image(plane.path) as image:
        return image.probe(plane.index)


@contextmanager
def open_image(path):
    """Open an image whose planes are then read with ``read(index)`` or looked at with ``probe(index)``.

    Parameters
    ----------
    path : str
        An image file, or the folder of an OME-Zarr image.

    Yields
    ------
    object
        With methods ``read`` and ``probe``.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_plane`; also for what goes wrong while it is open.
    """
    image = None
    try:
        image = _open(path)
        yield image
    except (MemoryError, ImportError, ImageError):
        raise
    except OSError as error:
        if path in str(error):
            raise
        raise OSError(f"{path} cannot be read: {error}") from error
    except Exception as error:
        # decoders raise whatever they like: struct.error, IndexError, RuntimeError, ...
        first = (str(error).splitlines() or [""])[0]
        raise ImageError(
            f"{path} cannot be read ({type(error).__name__}: {first}). It is damaged or of an unknown "
            "kind: copy or export it again."
        ) from error
    finally:
        if image is not None:
            image.close()


def _open(path):
    if is_zarr(path):
        return ZarrImage(path)
    check_file(path)
    with Path(path).open("rb") as file:
        head = file.read(8)
    if head[:4] in _TIFF:
        return TiffImage(path)
    for magic, codec in _OTHERS.items():
        if head.startswith(magic):
            return CodecImage(path, codec)
    raise ImageError(
        f"{path} is not an image that can be read: it begins with {head!r}. TIFF, PNG, JPEG and OME-Zarr "
        "can be read; export others as TIFF."
    )
