"""Grey values: of what is measured as a whole, and of nucleus against ring."""

import numpy as np

from ._jit import jit
from ._region import BACKGROUND, NUCLEUS, RING

PERCENTILES = (1, 10, 25, 50, 75, 90, 99)
MEASURES = ("Mean", "SD", "Integrated", "MAD", *(f"Percentile{p}" for p in PERCENTILES))
NUCLEUS_MEASURES = (
    "MeanNucleus", "SDNucleus", "IntegratedNucleus", "MADNucleus", "MedianNucleus",
    "MeanRing", "SDRing", "MADRing", "MedianRing",
    "MeanBackground", "RatioNucleusRing", "ContrastNucleusRing",
)  # fmt: skip


def intensity_names(setting):
    """Names of the columns of `measure_intensity`."""
    return [f"Intensity_{measure}_{channel}" for channel in setting.channels for measure in MEASURES]


def measure_intensity(block, setting, out):
    """Fill `out` with mean, SD, sum, median absolute deviation and percentiles of every channel."""
    describe_inside(block.images, block.inside, np.array(PERCENTILES) / 100, out)


def nucleus_names(setting):
    """Names of the columns of `measure_nucleus`."""
    return [f"Intensity_{measure}_{channel}" for channel in setting.channels for measure in NUCLEUS_MEASURES]


def measure_nucleus(block, setting, out):
    """Fill `out` with the grey values of nucleus, ring and background, and nucleus against ring.

    Without nucleus its place is taken by all pixels; an empty ring takes the background, and where there is
    none either, all pixels. The ratio's denominator is at least 1/256 of the channel's range.
    """
    floors = (setting.limits[:, 1] - setting.limits[:, 0]) / 256
    compare_parts(block.images, block.parts, block.inside, floors, out)


@jit
def describe_inside(images, inside, shares, out):
    """Statistics of each channel of each image over the pixels inside."""
    n, n_channels, height, width = images.shape
    values = np.empty(height * width)
    step = 4 + len(shares)
    for i in range(n):
        for c in range(n_channels):
            count = gather(images[i, c], inside[i], 1, values)
            ordered = np.sort(values[:count])
            describe(ordered, out[i, c * step : c * step + 4])
            for k in range(len(shares)):
                out[i, c * step + 4 + k] = quantile(ordered, shares[k])


@jit
def compare_parts(images, parts, inside, floors, out):
    """Statistics of nucleus and ring of each channel of each image."""
    n, n_channels, height, width = images.shape
    values = np.empty(height * width)
    stats = np.empty(4)
    for i in range(n):
        for c in range(n_channels):
            row = out[i, c * 12 : c * 12 + 12]
            ordered = part_values(images[i, c], parts[i], NUCLEUS, inside[i], values)
            describe(ordered, row[:4])
            row[4] = quantile(ordered, 0.5)
            ordered = part_values(images[i, c], parts[i], RING, inside[i], values)
            describe(ordered, stats)
            row[5], row[6], row[7], row[8] = stats[0], stats[1], stats[3], quantile(ordered, 0.5)
            count = gather(images[i, c], parts[i], BACKGROUND, values)
            if count == 0:
                count = gather(images[i, c], inside[i], 1, values)
            row[9] = np.mean(values[:count])
            bottom = max(row[5], floors[c])
            row[10] = row[0] / bottom if bottom > 0 else 1.0
            size = abs(row[0]) + abs(row[5])
            row[11] = (row[0] - row[5]) / size if size > 0 else 0.0


@jit
def part_values(plane, parts, part, inside, values):
    """Sorted values of a part; of what stands for it where it is empty."""
    count = gather(plane, parts, part, values)
    if count == 0 and part == RING:
        count = gather(plane, parts, BACKGROUND, values)
    if count == 0:
        count = gather(plane, inside, 1, values)
    return np.sort(values[:count])


@jit
def gather(plane, codes, code, values):
    """Copy the pixels that bear a code; return how many there are."""
    height, width = plane.shape
    count = 0
    for r in range(height):
        for c in range(width):
            if codes[r, c] == code:
                values[count] = plane[r, c]
                count += 1
    return count


@jit
def describe(ordered, out):
    """Mean, SD, sum and median absolute deviation of sorted values."""
    total = np.sum(ordered)
    mean = total / len(ordered)
    squares = 0.0
    for value in ordered:
        squares += (value - mean) ** 2
    out[0], out[1], out[2], out[3] = mean, np.sqrt(squares / len(ordered)), total, spread(ordered)


@jit
def quantile(ordered, share):
    """Quantile of sorted values, linear between neighbors."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


@jit
def spread(ordered):
    """Median absolute deviation from the median: sorted values are walked from the median outwards."""
    n = len(ordered)
    median = quantile(ordered, 0.5)
    left, right = (n - 1) // 2, (n - 1) // 2 + 1
    last, previous = 0.0, 0.0
    for _ in range(n // 2 + 1):
        previous = last
        if right >= n or (left >= 0 and median - ordered[left] <= ordered[right] - median):
            last = median - ordered[left]
            left -= 1
        else:
            last = ordered[right] - median
            right += 1
    return last if n % 2 else (previous + last) / 2
