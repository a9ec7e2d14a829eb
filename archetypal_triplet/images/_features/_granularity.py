"""Granularity: which sizes of bright grains openings remove."""

import numpy as np

from ._jit import jit

N_SIZES = 6


def granularity_names(setting):
    """Names of the columns of `measure_granularity`."""
    return [f"Granularity_{size + 1}_{channel}" for channel in setting.channels for size in range(N_SIZES)]


def measure_granularity(block, setting, out):
    """Fill `out` with the share that each size has in what openings up to the largest size remove.

    The structuring element of radius r is an octagon: r steps, by turns with the four neighbors (odd steps)
    and with all eight (even steps). What lies beyond the image is ignored.
    """
    pattern_spectrum(block.images, block.inside, N_SIZES, out)


@jit
def pattern_spectrum(images, inside, n_sizes, out):
    """Differences of the sums of successive openings, as shares of all that is removed."""
    n, n_channels, height, width = images.shape
    shape = (height + 2, width + 2)
    eroded, worn = np.full(shape, np.inf), np.full(shape, np.inf)
    grown, wider = np.full(shape, -np.inf), np.full(shape, -np.inf)
    sums = np.empty(n_sizes + 1)
    for i in range(n):
        for c in range(n_channels):
            eroded[1:-1, 1:-1] = images[i, c]
            sums[0] = sum_inside(eroded, inside[i])
            for size in range(1, n_sizes + 1):
                erode(eroded, worn, size % 2 == 0)
                eroded, worn = worn, eroded
                grown[1:-1, 1:-1] = eroded[1:-1, 1:-1]
                for step in range(size, 0, -1):
                    dilate(grown, wider, step % 2 == 0)
                    grown, wider = wider, grown
                sums[size] = sum_inside(grown, inside[i])
            removed = sums[0] - sums[n_sizes]
            for size in range(n_sizes):
                # below rounding nothing was removed
                flat = removed <= 1e-12 * abs(sums[0])
                out[i, c * n_sizes + size] = 0.0 if flat else (sums[size] - sums[size + 1]) / removed


@jit
def sum_inside(padded, inside):
    """Sum of the pixels inside; `padded` has a border of one pixel."""
    height, width = inside.shape
    total = 0.0
    for r in range(height):
        for c in range(width):
            if inside[r, c]:
                total += padded[r + 1, c + 1]
    return total


@jit
def erode(source, target, square):
    """Smallest of each pixel and its four or eight neighbors; the border stays."""
    height, width = source.shape
    for r in range(1, height - 1):
        above, row, below, result = source[r - 1], source[r], source[r + 1], target[r]
        for c in range(1, width - 1):
            value = min(min(row[c - 1], row[c]), min(row[c + 1], min(above[c], below[c])))
            result[c] = value
        if square:
            for c in range(1, width - 1):
                value = min(min(above[c - 1], above[c + 1]), min(below[c - 1], below[c + 1]))
                result[c] = min(result[c], value)


@jit
def dilate(source, target, square):
    """Largest of each pixel and its four or eight neighbors; the border stays."""
    height, width = source.shape
    for r in range(1, height - 1):
        above, row, below, result = source[r - 1], source[r], source[r + 1], target[r]
        for c in range(1, width - 1):
            value = max(max(row[c - 1], row[c]), max(row[c + 1], max(above[c], below[c])))
            result[c] = value
        if square:
            for c in range(1, width - 1):
                value = max(max(above[c - 1], above[c + 1]), max(below[c - 1], below[c + 1]))
                result[c] = max(result[c], value)
