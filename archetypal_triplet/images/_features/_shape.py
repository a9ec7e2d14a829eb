"""Shape of the nucleus."""

import math

import numpy as np

from ._jit import jit

MEASURES = (
    "Area", "Perimeter", "FormFactor", "MajorAxisLength", "MinorAxisLength", "Eccentricity",
    "ConvexArea", "Solidity", "Extent", "EquivalentDiameter",
)  # fmt: skip
# length of the outline at a pixel by the pattern of its neighbors on the outline (Benkrid, Crookes 2000)
_LENGTHS = np.zeros(50)
_LENGTHS[[5, 7, 15, 17, 25, 27]] = 1
_LENGTHS[[21, 33]] = math.sqrt(2)
_LENGTHS[[13, 23]] = (1 + math.sqrt(2)) / 2


def shape_names(setting):
    """Names of the columns of `measure_shape`."""
    return [f"AreaShape_{measure}_Nucleus" for measure in MEASURES]


def measure_shape(block, setting, out):
    """Fill `out` with the shape of each nucleus; with zeros where there is none."""
    measure_masks(block.mask, _LENGTHS, out)


@jit
def measure_masks(mask, lengths, out):
    """Shape of the pixels that bear 1, for each mask."""
    n, height, width = mask.shape
    edge = np.zeros((height + 2, width + 2), dtype=np.uint8)
    chain = np.empty((2 * height + 3, 2), dtype=np.int64)
    first = np.empty(2 * height + 3, dtype=np.int64)
    last = np.empty(2 * height + 3, dtype=np.int64)
    for i in range(n):
        out[i] = 0.0
        area, top, bottom, left, right = measure_moments(mask[i], out[i])
        if area == 0:
            continue
        length = perimeter(mask[i], edge, lengths)
        hull = convex_area(mask[i], top, bottom, first, last, chain)
        out[i, 0] = area
        out[i, 1] = length
        out[i, 2] = 4 * math.pi * area / length**2 if length > 0 else 0.0
        out[i, 6] = hull
        out[i, 7] = area / hull
        out[i, 8] = area / ((bottom - top) * (right - left))
        out[i, 9] = math.sqrt(4 * area / math.pi)


@jit
def measure_moments(mask, out):
    """Axes of the ellipse with the same second moments into out[3:6]; return area and bounding box."""
    height, width = mask.shape
    area, sum_r, sum_c = 0, 0.0, 0.0
    top, bottom, left, right = height, 0, width, 0
    for r in range(height):
        for c in range(width):
            if mask[r, c] == 1:
                area += 1
                sum_r += r
                sum_c += c
                top, bottom = min(top, r), max(bottom, r + 1)
                left, right = min(left, c), max(right, c + 1)
    if area == 0:
        return area, top, bottom, left, right
    mean_r, mean_c = sum_r / area, sum_c / area
    rr, cc, rc = 0.0, 0.0, 0.0
    for r in range(top, bottom):
        for c in range(left, right):
            if mask[r, c] == 1:
                rr += (r - mean_r) ** 2
                cc += (c - mean_c) ** 2
                rc += (r - mean_r) * (c - mean_c)
    middle, half = (rr + cc) / (2 * area), math.sqrt((rr - cc) ** 2 + 4 * rc**2) / (2 * area)
    small = max(middle - half, 0.0)
    out[3] = 4 * math.sqrt(middle + half)
    out[4] = 4 * math.sqrt(small)
    out[5] = math.sqrt(1 - small / (middle + half)) if middle + half > 0 else 0.0
    return area, top, bottom, left, right


@jit
def perimeter(mask, edge, lengths):
    """Length of the outline through the centers of the edge's pixels."""
    height, width = mask.shape
    edge[:] = 0
    for r in range(height):
        for c in range(width):
            if mask[r, c] == 1:
                deep = 0 < r < height - 1 and 0 < c < width - 1
                if deep:
                    deep = mask[r - 1, c] == 1 and mask[r + 1, c] == 1
                    deep = deep and mask[r, c - 1] == 1 and mask[r, c + 1] == 1
                edge[r + 1, c + 1] = 0 if deep else 1
    total = 0.0
    for r in range(1, height + 1):
        for c in range(1, width + 1):
            if edge[r, c]:
                straight = edge[r - 1, c] + edge[r + 1, c] + edge[r, c - 1] + edge[r, c + 1]
                slanted = edge[r - 1, c - 1] + edge[r - 1, c + 1] + edge[r + 1, c - 1] + edge[r + 1, c + 1]
                total += lengths[1 + 2 * straight + 10 * slanted]
    return total


@jit
def convex_area(mask, top, bottom, first, last, chain):
    """Number of pixels whose centers lie in the convex hull of the middles of the pixels' sides.

    Coordinates are doubled, so that they are whole numbers and the count is exact.
    """
    width = mask.shape[1]
    n_lines = 2 * (bottom - top) + 1
    for k in range(n_lines):
        first[k], last[k] = 4 * width, -4 * width
    for r in range(top, bottom):
        k = 2 * (r - top) + 1
        for c in range(width):
            if mask[r, c] == 1:
                first[k], last[k] = min(first[k], 2 * c - 1), max(last[k], 2 * c + 1)
                for near in (k - 1, k + 1):
                    first[near], last[near] = min(first[near], 2 * c), max(last[near], 2 * c)
    hull_side(first, n_lines, 1, 4 * width, chain)
    hull_side(last, n_lines, -1, 4 * width, chain)
    count = 0
    for k in range(1, n_lines, 2):
        # from the first whole pixel on the left to the last on the right
        count += last[k] // 2 - -(-first[k] // 2) + 1
    return count


@jit
def hull_side(bounds, n_lines, sign, empty, chain):
    """Replace a side's bound in each line by that of the convex hull, rounded inwards to whole numbers."""
    size = 0
    for k in range(n_lines):
        x = sign * bounds[k]
        if x == empty:
            continue
        while size > 1:
            y1, x1 = chain[size - 2, 0], chain[size - 2, 1]
            y2, x2 = chain[size - 1, 0], chain[size - 1, 1]
            if (x2 - x1) * (k - y1) < (x - x1) * (y2 - y1):
                break
            size -= 1
        chain[size, 0], chain[size, 1] = k, x
        size += 1
    for j in range(size - 1):
        y1, x1 = chain[j, 0], chain[j, 1]
        y2, x2 = chain[j + 1, 0], chain[j + 1, 1]
        for k in range(y1, y2 + 1):
            # rounded up: the smallest whole number inside
            bounds[k] = sign * (x1 + -((-(x2 - x1) * (k - y1)) // (y2 - y1)))
