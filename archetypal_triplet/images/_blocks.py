"""Going through images in blocks, and the limits of their channels over the data set."""

import math

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import own_random_state

_BLOCK_BYTES = 2**26  # 64 MB of pixels at a time
_N_PIXELS, _N_IMAGES = 2**24, 64  # enough for the limits of a channel
_N_SAMPLED = 2**22  # pixels of a channel that are kept where a histogram cannot be


def iter_blocks(images, n_rows=None, *, verbose=0, description="images"):
    """Go through images in blocks of rows.

    Parameters
    ----------
    images : array of shape (n, C, H, W)
        Anything with shape, dtype and row access: `ImageStack`, NumPy, memmap, zarr, h5py.
    n_rows : int, default=None
        Images in a block; None: as many as take 64 MB.
    verbose : int, default=0
        Above 0 a progress bar is shown.
    description : str, default="images"
        What the bar is called.

    Yields
    ------
    rows : slice
        Rows of the block.
    block : ndarray of shape (m, C, H, W)
        Its images.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.images import iter_blocks
    >>> images = np.zeros((5, 1, 2, 2))
    >>> [(rows.start, rows.stop, block.shape) for rows, block in iter_blocks(images, 3)]
    [(0, 3, (3, 1, 2, 2)), (3, 5, (2, 1, 2, 2))]
    """
    n = images.shape[0]
    if n_rows is None:
        n_bytes = int(np.prod(images.shape[1:], dtype=np.int64)) * np.dtype(images.dtype).itemsize
        n_rows = max(1, _BLOCK_BYTES // max(1, n_bytes))
    if n_rows < 1:
        raise ValueError(f"n_rows={n_rows} must be at least 1, or None for blocks of 64 MB.")
    starts = range(0, n, n_rows)
    if verbose > 0:
        tqdm = import_optional("tqdm.auto", extra="screens").tqdm
        starts = tqdm(starts, desc=description, unit="block")
    for start in starts:
        rows = slice(start, min(start + n_rows, n))
        yield rows, np.asarray(images[rows])


def compute_channel_limits(images, *, low=0.1, high=99.9, n_samples=None, random_state=None, verbose=0):
    """Compute the value that counts as dark and the one that counts as bright in each channel.

    These are percentiles over the pixels of the whole data set (or of a sample of its images), one pair for
    each channel: never for each image, which would make a dim image look like a bright one. Display, features
    and network scale by them.

    Parameters
    ----------
    images : array of shape (n, C, H, W)
        Anything with shape, dtype and row access: `ImageStack`, NumPy, memmap, zarr, h5py.
    low : float, default=0.1
        Percentile that counts as dark.
    high : float, default=99.9
        Percentile that counts as bright.
    n_samples : int, default=None
        Images that are drawn without replacement; None: as many as have 16 million pixels a channel, and at
        least 64. A number of at least n takes all of them.
    random_state : int, RandomState instance or None, default=None
        Draws the images.
    verbose : int, default=0
        Above 0 a progress bar is shown.

    Returns
    -------
    ndarray of shape (C, 2)
        Lower and upper limit of each channel, as float64. A channel without variation between them gets an
        upper limit of lower + 1, so that the difference can be divided by.

    Raises
    ------
    ValueError
        If `images` has not four dimensions, no image, or no readable one, or the percentiles are not in
        order.

    Notes
    -----
    The percentile is the smallest value that at least this share of the pixels does not exceed (NumPy's
    ``inverted_cdf``). Of uint8 and uint16 images it is exact, from a histogram; of other types it is that of
    an evenly spaced sample of about four million pixels (or all). Planes that a stack flagged as unreadable
    and pixels that are not finite are left out. Takes one reading of the sample and, above the block of 64
    MB, at most 32 MB a channel.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.images import compute_channel_limits
    >>> images = np.arange(2000, dtype=np.uint16).reshape(10, 2, 10, 10)
    >>> compute_channel_limits(images, low=1, high=99)
    array([[   9., 1889.],
           [ 109., 1989.]])
    """
    if len(getattr(images, "shape", ())) != 4:
        raise ValueError(
            f"images has shape {getattr(images, 'shape', None)}; four dimensions are needed: (images, "
            "channels, height, width)."
        )
    if not 0 <= low < high <= 100:
        raise ValueError(f"low={low} and high={high} must be percentiles with 0 <= low < high <= 100.")
    if n_samples is not None and n_samples < 1:
        raise ValueError(f"n_samples={n_samples} must be at least 1.")
    n, n_channels = images.shape[:2]
    if n == 0:
        raise ValueError("images holds no image (shape[0] is 0): limits need at least one.")
    rows = np.arange(n)
    if n_samples is None:
        n_samples = max(_N_IMAGES, _N_PIXELS // max(1, images.shape[2] * images.shape[3]))
    if n_samples < n:
        rows = np.sort(own_random_state(random_state).choice(n, n_samples, replace=False))
    counted = np.dtype(images.dtype) in (np.uint8, np.uint16)
    values = (_Histogram if counted else _Sample)(n_channels, images, len(rows))
    for chosen, block in _iter_chosen(images, rows, verbose):
        bad = _flagged(images, chosen)
        for c in range(n_channels):
            good = [k for k, row in enumerate(chosen.tolist()) if (row, c) not in bad]
            for k in good:
                values.add(c, block[k, c])
    limits = np.array([values.percentiles(c, (low, high)) for c in range(n_channels)], dtype=float)
    empty = np.flatnonzero(np.isnan(limits[:, 0]))
    if len(empty):
        raise ValueError(
            f"Channel {empty[0]} has no readable, finite pixel in the {len(rows)} images that were looked "
            "at. Look at the stack's faults."
        )
    limits[:, 1] = np.where(limits[:, 1] > limits[:, 0], limits[:, 1], limits[:, 0] + 1)
    return limits


def _iter_chosen(images, rows, verbose):
    """Yield row numbers and their images in blocks; rows increase."""
    for part, _ in iter_blocks(_Numbers(rows, images), verbose=verbose, description="limits of channels"):
        chosen = rows[part]
        if len(chosen) and chosen[-1] - chosen[0] + 1 == len(chosen):
            yield chosen, np.asarray(images[int(chosen[0]) : int(chosen[-1]) + 1])
        elif hasattr(images, "oindex"):  # zarr
            yield chosen, np.asarray(images.oindex[chosen])
        else:
            yield chosen, np.asarray(images[chosen])


class _Numbers:
    """Stands for chosen images in `iter_blocks`, which then counts rows and reads none."""

    def __init__(self, rows, images):
        self.rows, self.dtype = rows, images.dtype
        self.shape = (len(rows), *images.shape[1:])

    def __getitem__(self, key):
        return self.rows[key]


def _flagged(images, rows):
    """Row and channel of the planes of a stack that could not be read."""
    find = getattr(images, "find_flagged", None)
    return set() if find is None else find(rows)


class _Histogram:
    """Counts of each value: exact for images of few bits."""

    def __init__(self, n_channels, images, n_rows):
        self.counts = np.zeros((n_channels, np.iinfo(images.dtype).max + 1), dtype=np.int64)

    def add(self, c, plane):
        counts = np.bincount(plane.ravel())
        self.counts[c, : len(counts)] += counts

    def percentiles(self, c, shares):
        total = np.cumsum(self.counts[c])
        if total[-1] == 0:
            return [np.nan] * len(shares)
        ranks = [max(1, int(np.ceil(total[-1] * share / 100))) for share in shares]
        return [int(np.searchsorted(total, rank)) for rank in ranks]


class _Sample:
    """Evenly spaced pixels of each image, for values of many bits."""

    def __init__(self, n_channels, images, n_rows):
        n_pixels = images.shape[2] * images.shape[3]
        self.step = max(1, (n_rows * n_pixels) // _N_SAMPLED)
        while math.gcd(self.step, images.shape[3]) > 1:  # or always the same columns of pixels
            self.step += 1
        self.kept = [[] for _ in range(n_channels)]

    def add(self, c, plane):
        pixels = plane.ravel()[:: self.step]
        self.kept[c].append(pixels[np.isfinite(pixels)])

    def percentiles(self, c, shares):
        pixels = np.concatenate([*self.kept[c], np.empty(0)])
        if len(pixels) == 0:
            return [np.nan] * len(shares)
        return np.percentile(pixels, shares, method="inverted_cdf")
