"""From planes of channels to one small picture: the same colors and contrast for all of a data set."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional

# green and magenta, or orange and blue, are told apart by color-blind readers
_COLORS = {
    "white": "#FFFFFF", "green": "#00FF60", "magenta": "#FF00FF", "orange": "#FF8000", "blue": "#2080FF",
    "red": "#FF3030", "yellow": "#FFD000", "cyan": "#00FFFF", "violet": "#B080FF",
}  # fmt: skip
_NUCLEI_BESIDE_ONE, _NUCLEI = "magenta", "blue"
_OTHERS = ("green", "orange", "magenta", "yellow", "red", "cyan", "violet")
_EMPTY, _STROKE = 96, 160
MAX_REDUCTION = 8


def choose_colors(n_channels, nucleus=None):
    """Give each channel a color.

    Parameters
    ----------
    n_channels : int
        Number of channels.
    nucleus : int or None, default=None
        Channel of the nuclei, which are magenta beside one other channel, blue beside several; None: the
        last one gets that color.

    Returns
    -------
    list of str
        Names of colors. One channel alone is white; beyond eight they repeat.
    """
    if n_channels == 1:
        return ["white"]
    own = _NUCLEI_BESIDE_ONE if n_channels == 2 else _NUCLEI
    others = [name for name in _OTHERS if name != own]
    at = n_channels - 1 if nucleus is None else nucleus
    colors = [others[i % len(others)] for i in range(n_channels - 1)]
    return [*colors[:at], own, *colors[at:]]


def resize_planes(image, size):
    """Bring the planes of one image to a square, without distortion.

    An image is made smaller by a factor of at most `MAX_REDUCTION`, or nothing would be left of its cells: of
    a larger one the middle is shown.

    Parameters
    ----------
    image : ndarray of shape (n_channels, height, width)
        The planes.
    size : int
        Height and width of the square.

    Returns
    -------
    planes : ndarray of shape (n_channels, size, size), float32
        The planes. What lies beside an image that is not square is NaN.
    """
    Image = import_optional("PIL.Image", extra="report")
    image = _cut_middle(image, MAX_REDUCTION * size)
    height, width = image.shape[1:]
    scale = size / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    how = Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC
    planes = np.full((len(image), size, size), np.nan, dtype=np.float32)
    top, left = (size - shape[0]) // 2, (size - shape[1]) // 2
    for plane, out in zip(image, planes, strict=True):
        pixels = np.asarray(plane, dtype=np.float32)
        if plane.dtype.kind == "f":
            pixels = np.nan_to_num(pixels, posinf=0, neginf=0)
        if scale != 1:
            pixels = np.asarray(Image.fromarray(pixels).resize(shape[::-1], how))
        out[top : top + shape[0], left : left + shape[1]] = pixels
    return planes


def _cut_middle(image, side):
    height, width = image.shape[1:]
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    return image[:, top : top + side, left : left + side]


def compute_limits(planes, low, high):
    """Return the values that are black and full color in each channel.

    Parameters
    ----------
    planes : ndarray of shape (n_images, n_channels, size, size)
        Resized images of the whole data set, NaN where there is none.
    low, high : float
        Percentiles.

    Returns
    -------
    ndarray of shape (n_channels, 2)
        The limits; the upper is above the lower.
    """
    by_channel = np.moveaxis(planes, 1, 0).reshape(planes.shape[1], -1)
    limits = np.nanpercentile(by_channel, (low, high), axis=1).T
    limits[:, 1] = np.where(limits[:, 1] > limits[:, 0], limits[:, 1], limits[:, 0] + 1)
    return limits


def compose(planes, limits, colors):
    """Add the channels up in their colors.

    Parameters
    ----------
    planes : ndarray of shape (n_channels, size, size)
        One resized image; NaN becomes black.
    limits : ndarray of shape (n_channels, 2)
        What is black and what is full color.
    colors : list of str
        Name of each channel's color.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        The picture.
    """
    rgb = np.array([[int(_COLORS[name][i : i + 2], 16) / 255 for i in (1, 3, 5)] for name in colors])
    low, high = limits.T[:, :, None, None]
    share = np.nan_to_num(np.clip((planes - low) / (high - low), 0, 1))
    picture = np.einsum("chw,ck->hwk", share, rgb)
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def draw_missing(size):
    """Return the gray, crossed-out picture that stands where there is no image, (size, size, 3) uint8."""
    picture = np.full((size, size, 3), _EMPTY, dtype=np.uint8)
    rows, columns = np.indices((size, size))
    thick = max(1, size // 32)
    on_line = (abs(rows - columns) < thick) | (abs(rows + columns - size + 1) < thick)
    picture[on_line] = _STROKE
    return picture
