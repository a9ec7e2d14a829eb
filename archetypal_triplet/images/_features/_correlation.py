"""Correlation of pairs of channels."""

import math
from itertools import combinations

from ._jit import jit

MANDERS_SHARE = 0.15  # of a channel's range: a pixel above it counts as stained


def correlation_names(setting):
    """Names of the columns of `measure_correlation`."""
    names = []
    for a, b in combinations(setting.channels, 2):
        names += [f"Correlation_Pearson_{a}_{b}", f"Correlation_Overlap_{a}_{b}"]
        names += [f"Correlation_Manders_{a}_{b}", f"Correlation_Manders_{b}_{a}"]
    return names


def measure_correlation(block, setting, out):
    """Fill `out` with Pearson's r, the overlap coefficient and Manders' coefficients of each pair.

    For all but the first a pixel counts from the channel's lower limit up (0 below it). Manders' coefficient
    of A in B is the share of A's intensity that lies where B exceeds its lower limit by 15 % of its range.
    """
    lows = setting.limits[:, 0].copy()
    thresholds = MANDERS_SHARE * (setting.limits[:, 1] - lows)
    correlate(block.images, block.inside, lows, thresholds, out)


@jit
def correlate(images, inside, lows, thresholds, out):
    """Four coefficients of each pair of channels of each image."""
    n, n_channels = images.shape[:2]
    for i in range(n):
        start = 0
        for a in range(n_channels):
            for b in range(a + 1, n_channels):
                row = out[i, start : start + 4]
                row[0] = pearson(images[i, a], images[i, b], inside[i])
                overlap(
                    images[i, a], images[i, b], inside[i], lows[a], lows[b], thresholds[a], thresholds[b], row
                )
                start += 4


@jit
def pearson(first, second, inside):
    """Pearson's r over the pixels inside; 0 if one of the channels is flat."""
    height, width = first.shape
    count, sum_a, sum_b = 0, 0.0, 0.0
    for r in range(height):
        for c in range(width):
            if inside[r, c]:
                count += 1
                sum_a += first[r, c]
                sum_b += second[r, c]
    mean_a, mean_b = sum_a / count, sum_b / count
    aa, bb, ab = 0.0, 0.0, 0.0
    for r in range(height):
        for c in range(width):
            if inside[r, c]:
                x, y = first[r, c] - mean_a, second[r, c] - mean_b
                aa += x * x
                bb += y * y
                ab += x * y
    # what rounding leaves of a flat channel is no variation
    if aa <= count * (1e-14 * mean_a) ** 2 or bb <= count * (1e-14 * mean_b) ** 2:
        return 0.0
    return min(1.0, max(-1.0, ab / math.sqrt(aa) / math.sqrt(bb)))


@jit
def overlap(first, second, inside, low_a, low_b, threshold_a, threshold_b, out):
    """Overlap and Manders' coefficients into out[1:4]; 0 where a channel is nowhere above its lower limit."""
    height, width = first.shape
    aa, bb, ab, sum_a, sum_b, a_in_b, b_in_a = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for r in range(height):
        for c in range(width):
            if inside[r, c]:
                x, y = max(first[r, c] - low_a, 0.0), max(second[r, c] - low_b, 0.0)
                aa += x * x
                bb += y * y
                ab += x * y
                sum_a += x
                sum_b += y
                if y > threshold_b:
                    a_in_b += x
                if x > threshold_a:
                    b_in_a += y
    out[1] = ab / math.sqrt(aa) / math.sqrt(bb) if aa > 0 and bb > 0 else 0.0
    out[2] = a_in_b / sum_a if sum_a > 0 else 0.0
    out[3] = b_in_a / sum_b if sum_b > 0 else 0.0
