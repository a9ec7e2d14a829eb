"""What images of all formats have in common: gray values out of palettes and colors, and errors."""

from pathlib import Path

import numpy as np

from archetypal_triplet._utils._optional import import_optional


class ImageError(ValueError):
    """A file that is there and cannot be read as gray values; the message names it."""


def check_file(path):
    """Raise if there is no file under `path`, or nothing in it; return its size in bytes.

    Parameters
    ----------
    path : str
        Path of a file.

    Returns
    -------
    int
        Its size.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    ImageError
        If it has 0 bytes.
    """
    try:
        size = Path(path).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        there = Path(path).parent.is_dir()
        raise FileNotFoundError(
            f"There is no image {path}." + ("" if there else " Its folder does not exist either.")
        ) from None
    if size == 0:
        raise ImageError(f"{path} is an empty file (0 bytes). Copy or export it again.")
    return size


def check_pixels(pixels, path):
    """Return `pixels` as a 2-D array in native byte order, or raise if they are none.

    Parameters
    ----------
    pixels : ndarray
        What was decoded.
    path : str
        The file, for the messages.

    Returns
    -------
    ndarray of shape (height, width)
        The same values.

    Raises
    ------
    ImageError
        If they have another number of dimensions or are not real numbers.
    """
    if pixels.ndim != 2:
        raise ImageError(f"{path} holds an array of shape {pixels.shape} where one plane, 2-D, is expected.")
    return pixels.astype(check_dtype(pixels.dtype, path), copy=False)


def check_dtype(dtype, path):
    """Return a dtype in native byte order, uint8 for one bit, or raise if it is not that of gray values."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "uifb":
        raise ImageError(
            f"{path} holds values of type {dtype}. Gray values are integers or floats: export it again as "
            "such."
        )
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def merge_colors(pixels, path):
    """Return the one gray image that an image with colors stands for.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, n_colors)
        Colors, in the order gray, or red, green, blue; a fourth (or second) one is transparency.
    path : str
        The file, for the message.

    Returns
    -------
    ndarray of shape (height, width)
        Any of the channels, if they are equal; or the only one that is not 0 everywhere.

    Raises
    ------
    ImageError
        If the channels differ.
    """
    colors = [pixels[..., i] for i in range(pixels.shape[-1])]
    colors = colors[: 1 if len(colors) == 2 else 3]
    if all(np.array_equal(colors[0], color) for color in colors[1:]):
        return np.ascontiguousarray(colors[0])
    lit = [color for color in colors if color.any()]
    if len(lit) == 1:
        return np.ascontiguousarray(lit[0])
    raise ImageError(
        f"{path} is in color: its red, green and blue differ, so that it holds no single gray value a pixel. "
        "Export each channel as a gray image of its own."
    )


def read_palette(index, palette, path):
    """Return the gray values behind a palette image.

    Parameters
    ----------
    index : ndarray of shape (height, width), unsigned
        Entry of the palette at each pixel.
    palette : ndarray of shape (3, n_entries)
        Red, green and blue of each entry.
    path : str
        The file, for the message.

    Returns
    -------
    ndarray of shape (height, width)
        `index` where the palette gets brighter with it, ``n_entries - 1 - index`` where it gets darker.

    Raises
    ------
    ImageError
        If the palette does neither.
    """
    # brightness as the eye sees it (Rec. 601); the ends may be marks for under- and overexposure
    steps = np.diff(np.array([0.299, 0.587, 0.114]) @ np.asarray(palette, dtype=float)[:, 1:-1])
    if np.all(steps >= -1e-6):
        return index
    if np.all(steps <= 1e-6):
        return (palette.shape[1] - 1 - index.astype(np.int64)).astype(index.dtype)
    raise ImageError(
        f"{path} is a palette image whose colors get neither brighter nor darker with the index, so that the "
        "index need not be a gray value. Export it as a gray image."
    )


class CodecImage:
    """An image of one plane that imagecodecs decodes as a whole: PNG, JPEG.

    Parameters
    ----------
    path : str
        The file.
    codec : str
        ``"png"`` or ``"jpeg"``.
    """

    def __init__(self, path, codec):
        self.path = path
        self._decode = getattr(import_optional("imagecodecs", extra="images"), f"{codec}_decode")

    def read(self, index):
        """Return the only plane.

        Parameters
        ----------
        index : tuple of int or None
            None or zeros.

        Returns
        -------
        ndarray of shape (height, width)
            Gray values.
        """
        if index is not None and any(index):
            raise ImageError(f"{self.path} holds one plane, and index {tuple(index)} was asked for.")
        pixels = self._decode(Path(self.path).read_bytes())
        return check_pixels(pixels if pixels.ndim < 3 else merge_colors(pixels, self.path), self.path)

    def probe(self, index):
        """Return shape and dtype of the only plane.

        Parameters
        ----------
        index : tuple of int or None
            None or zeros.

        Returns
        -------
        shape : tuple of int
            Height and width.
        dtype : dtype
            Type of the gray values.
        """
        pixels = self.read(index)
        return pixels.shape, pixels.dtype

    def close(self):
        """Do nothing: the file is open only while it is read."""
