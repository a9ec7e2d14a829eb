"""What is learned of each channel over a data set: the range of its grey values, where it is saturated."""

import math

import numpy as np

from ._pass import read_rows

_MOST_IMAGES = 1024
_MOST_PIXELS = 2**22


def learn_channels(X, channels, percentiles):
    """Learn limits and ceiling of each channel from evenly spaced images and pixels.

    Parameters
    ----------
    X : array-like of shape (n, n_channels, height, width)
        The images.
    channels : list of int
        The channels that are images.
    percentiles : tuple of two floats
        Percentiles of the limits.

    Returns
    -------
    limits : ndarray of shape (len(channels), 2)
        Grey values at the percentiles.
    ceilings : ndarray of shape (len(channels),)
        Grey value of a saturated pixel.
    """
    n, _, height, width = X.shape
    rows = np.unique(np.linspace(0, n - 1, min(n, _MOST_IMAGES)).astype(int))
    step = max(1, math.ceil(len(rows) * height * width / _MOST_PIXELS))
    # otherwise the same columns of each row would be looked at
    while math.gcd(step, width) > 1:
        step += 1
    samples, largest = [], np.full(len(channels), -np.inf)
    for row in rows:
        image = read_rows(X, slice(row, row + 1), None)[0][0, channels].reshape(len(channels), -1)
        samples.append(image[:, ::step])
        largest = np.maximum(largest, image.max(axis=1))
    pixels = np.concatenate(samples, axis=1).astype(np.float64)
    limits = np.percentile(pixels, percentiles, axis=1).T
    return np.ascontiguousarray(limits), np.array([ceiling(X.dtype, value) for value in largest])


def ceiling(dtype, largest):
    """Return the grey value of a saturated pixel, by the type and the largest value that was seen."""
    kind = np.dtype(dtype).kind
    if kind in "iu":
        return float(next((2**bits - 1 for bits in (8, 10, 12, 14, 16) if largest < 2**bits), largest))
    return 1.0 if largest <= 1 else float(largest)
