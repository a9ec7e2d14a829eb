"""Many small pictures as few large ones, which a page holds within itself."""

import base64
import io
from dataclasses import dataclass

import numpy as np

from archetypal_triplet._utils._optional import import_optional

# a browser unpacks a sheet as a whole when one of its pictures is shown: 16 MB for one of 2048 pixels
_SIDE = 2048
_MAX_BYTES = 16_000_000
_LOWER_QUALITIES = (60, 45, 30, 15)
_FORMATS = {"webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}


@dataclass(frozen=True)
class Sprites:
    """Pictures on sheets.

    Attributes
    ----------
    sheets : list of str
        The sheets, as data URIs.
    sheet, x, y : ndarray of int of shape (n,)
        Sheet, left edge and upper edge of each picture, in pixels; sheet -1 where there is none.
    size : int
        Height and width of a picture.
    shapes : list of (int, int)
        Width and height of each sheet.
    n_bytes : int
        Characters of all data URIs.
    """

    sheets: list
    sheet: np.ndarray
    x: np.ndarray
    y: np.ndarray
    size: int
    shapes: list
    n_bytes: int

    def __len__(self):
        """Return the number of pictures."""
        return len(self.sheet)


def make_sprites(images, *, present=None, image_format="webp", quality=75, max_bytes=_MAX_BYTES, side=_SIDE):
    """Lay pictures out on sheets, and pack these.

    Parameters
    ----------
    images : ndarray of shape (n, size, size, 3), uint8
        The pictures.
    present : ndarray of bool of shape (n,), default=None
        Which of them are pictures, see `ImageSource.has`; the others take no space. None: all.
    image_format : {"webp", "jpeg", "png"}, default="webp"
        How sheets are packed; "png" loses nothing.
    quality : int, default=75
        Of WebP and JPEG, from 1 to 100.
    max_bytes : int, default=16_000_000
        Characters that all sheets may take; if they took more, WebP and JPEG lower their quality step by
        step, down to 15. What is too large even so stays so: look at ``n_bytes``.
    side : int, default=2048
        Width of a sheet, and its largest height, in pixels.

    Returns
    -------
    Sprites
        The sheets, and where each picture is.

    Raises
    ------
    ValueError
        If `images` has another shape or type, `present` another length, the format is unknown, or a picture
        is larger than a sheet.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.report._sprites import make_sprites
    >>> sprites = make_sprites(np.zeros((5, 16, 16, 3), dtype=np.uint8), side=32)
    >>> sprites.sheet.tolist(), sprites.x.tolist(), sprites.y.tolist()
    ([0, 0, 0, 0, 1], [0, 16, 0, 16, 0], [0, 0, 16, 16, 0])
    >>> sprites.sheets[0][:23]
    'data:image/webp;base64,'
    """
    images = np.asarray(images)
    if (
        images.ndim != 4
        or images.shape[1] != images.shape[2]
        or images.shape[3] != 3
        or images.dtype != np.uint8
    ):
        raise ValueError(
            f"images has shape {images.shape} and dtype {images.dtype}; square pictures in color are needed: "
            "(n, size, size, 3), uint8."
        )
    if image_format not in _FORMATS:
        raise ValueError(f"image_format={image_format!r} is none of {', '.join(map(repr, _FORMATS))}.")
    n, size = images.shape[:2]
    if not 0 < size <= side:
        raise ValueError(f"side={side!r} is smaller than the pictures, which have {size} pixels.")
    present = np.ones(n, dtype=bool) if present is None else np.asarray(present, dtype=bool)
    if present.shape != (n,):
        raise ValueError(f"present has shape {present.shape}; a value for each of {n} pictures is needed.")
    chosen, per_row = np.flatnonzero(present), side // size
    sheet, at = np.divmod(np.where(present, np.cumsum(present) - 1, 0), per_row**2)
    row, column = np.divmod(at, per_row)
    starts = range(0, len(chosen), per_row**2)
    pages = [_lay_out(images[chosen[start : start + per_row**2]], per_row) for start in starts]
    lower = () if image_format == "png" else (q for q in _LOWER_QUALITIES if q < quality)
    for now in (quality, *lower):
        sheets = [_pack(page, image_format, now) for page in pages]
        n_bytes = sum(map(len, sheets))
        if n_bytes <= max_bytes:
            break
    sheet = np.where(present, sheet, -1)
    shapes = [(page.shape[1], page.shape[0]) for page in pages]
    return Sprites(sheets, sheet, column * size, row * size, size, shapes, n_bytes)


def _lay_out(images, per_row):
    n, size = images.shape[:2]
    n_columns = min(n, per_row)
    n_rows = -(-n // n_columns)
    full = np.zeros((n_rows * n_columns, size, size, 3), dtype=np.uint8)
    full[:n] = images
    return (
        full.reshape(n_rows, n_columns, size, size, 3)
        .swapaxes(1, 2)
        .reshape(n_rows * size, n_columns * size, 3)
    )


def _pack(pixels, image_format, quality):
    Image = import_optional("PIL.Image", extra="report")
    options = {
        "webp": {"quality": quality, "method": 4},
        "jpeg": {"quality": quality, "optimize": True},
        "png": {"optimize": True},
    }[image_format]
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format=image_format.upper(), **options)
    return f"data:{_FORMATS[image_format]};base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"
