"""Radial distribution of the intensity about the center."""

import math

import numpy as np

from ._jit import jit

N_RINGS = 4
MEASURES = ("FracAtD", "MeanFrac", "RadialCV")


def radial_names(setting):
    """Names of the columns of `measure_radial`."""
    return [
        f"RadialDistribution_{measure}_{channel}_{ring + 1}of{N_RINGS}"
        for channel in setting.channels
        for measure in MEASURES
        for ring in range(N_RINGS)
    ]


def measure_radial(block, setting, out):
    """Fill `out` with what each ring holds of the intensity above the channel's lower limit.

    Rings have equal width up to the farthest pixel that is measured. Where nothing is above the lower limit
    the image counts as evenly bright.
    """
    distribute(block.images, block.inside, block.centers, setting.limits[:, 0].copy(), N_RINGS, out)


@jit
def distribute(images, inside, centers, lows, n_rings, out):
    """Share, relative mean and variation over sectors of each ring of each channel of each image."""
    n, n_channels, height, width = images.shape
    sector_of = np.empty((height, width), dtype=np.int64)
    sums, counts = np.empty(8 * n_rings), np.empty(8 * n_rings)
    for i in range(n):
        find_sectors(inside[i], centers[i], n_rings, sector_of)
        for c in range(n_channels):
            sums[:], counts[:] = 0.0, 0.0
            for r in range(height):
                for x in range(width):
                    k = sector_of[r, x]
                    if k >= 0:
                        sums[k] += max(images[i, c, r, x] - lows[c], 0.0)
                        counts[k] += 1
            if np.sum(sums) <= 0:
                sums[:] = counts
            summarize_rings(sums, counts, out[i, 3 * n_rings * c : 3 * n_rings * (c + 1)])


@jit
def find_sectors(inside, center, n_rings, sector_of):
    """Number of ring and sector of each pixel inside, eight sectors a ring; -1 outside."""
    height, width = inside.shape
    farthest = 0.0
    for r in range(height):
        for x in range(width):
            if inside[r, x]:
                farthest = max(farthest, (r - center[0]) ** 2 + (x - center[1]) ** 2)
    farthest = math.sqrt(farthest)
    for r in range(height):
        for x in range(width):
            sector_of[r, x] = -1
            if inside[r, x]:
                down, across = r - center[0], x - center[1]
                share = math.sqrt(down * down + across * across) / farthest if farthest > 0 else 0.0
                ring = min(int(share * n_rings), n_rings - 1)
                sector = (4 if down >= 0 else 0) + (2 if across >= 0 else 0)
                sector_of[r, x] = 8 * ring + sector + (1 if abs(down) > abs(across) else 0)


@jit
def summarize_rings(sums, counts, out):
    """Shares, relative means and coefficients of variation of the rings; an empty ring is even."""
    n_rings = len(sums) // 8
    total, pixels = np.sum(sums), np.sum(counts)
    for ring in range(n_rings):
        own, area = np.sum(sums[8 * ring : 8 * ring + 8]), np.sum(counts[8 * ring : 8 * ring + 8])
        out[ring] = own / total
        out[n_rings + ring] = own / total / (area / pixels) if area > 0 else 1.0
        mean, squares, used = 0.0, 0.0, 0
        for k in range(8 * ring, 8 * ring + 8):
            if counts[k] > 0:
                used += 1
                mean += sums[k] / counts[k]
        out[2 * n_rings + ring] = 0.0
        if used > 0 and mean > 0:
            mean /= used
            for k in range(8 * ring, 8 * ring + 8):
                if counts[k] > 0:
                    squares += (sums[k] / counts[k] - mean) ** 2
            out[2 * n_rings + ring] = math.sqrt(squares / used) / mean
