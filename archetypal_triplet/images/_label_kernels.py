"""Kernels on label images: cutting clumps at their necks, measuring labels."""

import numpy as np

from archetypal_triplet.images._features._jit import jit


@jit
def find_root(parent, k):
    """Return the basin that basin `k` was joined to."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@jit
def cut_necks(depth, order, neck, basins, parent, peaks):
    """Flood a mask from its deepest pixels; where two basins meet, join them unless they meet in a neck.

    Parameters
    ----------
    depth : ndarray of shape (height, width), float32
        Distance to the background; 0 outside. The outermost pixels of the image are 0.
    order : ndarray of shape (n_pixels,), intp
        Flat places of the pixels of the mask, the deepest first.
    neck : float
        Two basins stay apart where they meet less deep than this share of the peak of the shallower one.
    basins : ndarray of shape (height * width,), int32
        Zeros; filled with the basin of each pixel, from 1.
    parent, peaks : ndarray of shape (n_pixels + 1,), int32 and float32
        Filled: the basin that each basin was joined to, the greatest depth of each.

    Returns
    -------
    int
        Number of basins, joined ones included.
    """
    width = depth.shape[1]
    flat = depth.ravel()
    n_basins = 0
    for i in order:
        best, best_depth = 0, -1.0
        for step in (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1):
            if basins[i + step] > 0 and flat[i + step] > best_depth:
                best, best_depth = find_root(parent, basins[i + step]), flat[i + step]
        if best == 0:
            n_basins += 1
            parent[n_basins] = n_basins
            peaks[n_basins] = flat[i]
            basins[i] = n_basins
            continue
        for step in (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1):
            if basins[i + step] > 0:
                other = find_root(parent, basins[i + step])
                if other != best and flat[i] > neck * min(peaks[best], peaks[other]):
                    low, high = min(best, other), max(best, other)
                    parent[high] = low
                    peaks[low] = max(peaks[low], peaks[high])
                    best = low
        basins[i] = best
    return n_basins


@jit
def number_basins(basins, parent, order, numbers):
    """Replace basins by what they were joined to, numbered from 1 in the order of their first pixels."""
    n_labels = 0
    for i in order:
        root = find_root(parent, basins[i])
        if numbers[root] == 0:
            n_labels += 1
            numbers[root] = n_labels
        basins[i] = numbers[root]
    return n_labels


@jit
def measure_labels(labels, image, out, boxes):
    """Measure each label.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int32
        0 background, 1 .. n the labels.
    image : ndarray of shape (height, width), float32
        Grey values.
    out : ndarray of shape (n, 4), float64
        Zeros; filled with area, mean row, mean column and mean grey value.
    boxes : ndarray of shape (n, 4), intp
        Filled with first row, end of rows, first column, end of columns.
    """
    height, width = labels.shape
    for k in range(len(boxes)):
        boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = height, 0, width, 0
    for r in range(height):
        for c in range(width):
            k = labels[r, c] - 1
            if k < 0:
                continue
            out[k, 0] += 1
            out[k, 1] += r
            out[k, 2] += c
            out[k, 3] += image[r, c]
            boxes[k, 0], boxes[k, 1] = min(boxes[k, 0], r), max(boxes[k, 1], r + 1)
            boxes[k, 2], boxes[k, 3] = min(boxes[k, 2], c), max(boxes[k, 3], c + 1)
    for k in range(len(boxes)):
        area = max(out[k, 0], 1.0)
        out[k, 1] /= area
        out[k, 2] /= area
        out[k, 3] /= area


@jit
def measure_hulls(labels, boxes, areas, bounds, chain, solidity):
    """Fill `solidity` with the area of each label over that of its convex hull.

    The hull is that of the middles of the pixels' sides, plus the four half corners that a rectangle loses by
    it.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int32
        0 background, 1 .. n the labels.
    boxes : ndarray of shape (n, 4), intp
        What `measure_labels` filled.
    areas : ndarray of shape (n,), float64
        Numbers of pixels.
    bounds : ndarray of shape (2, 2 * height + 1), int64
        Space for the first and last half pixel of each half row.
    chain : ndarray of shape (2 * height + 1, 2), int64
        Space for the corners of one side of a hull.
    solidity : ndarray of shape (n,), float64
        Filled.
    """
    empty = 4 * labels.shape[1]
    for k in range(len(boxes)):
        top, bottom, left, right = boxes[k]
        n_lines = 2 * (bottom - top) + 1
        bounds[0, :n_lines] = empty
        bounds[1, :n_lines] = empty
        for r in range(top, bottom):
            j = 2 * (r - top) + 1
            for c in range(left, right):
                if labels[r, c] == k + 1:
                    bounds[0, j], bounds[1, j] = min(bounds[0, j], 2 * c - 1), min(bounds[1, j], -2 * c - 1)
                    for near in (j - 1, j + 1):
                        bounds[0, near] = min(bounds[0, near], 2 * c)
                        bounds[1, near] = min(bounds[1, near], -2 * c)
        # between the two sides, in quarters of a pixel
        quarters = -side_integral(bounds[0], n_lines, empty, chain) - side_integral(
            bounds[1], n_lines, empty, chain
        )
        solidity[k] = min(areas[k] / (quarters / 4 + 0.5), 1.0)


@jit
def side_integral(bounds, n_lines, empty, chain):
    """Area between a line and the convex hull of the points that lie furthest out in each half row."""
    size = 0
    for y in range(n_lines):
        x = bounds[y]
        if x == empty:
            continue
        while size > 1:
            y1, x1 = chain[size - 2, 0], chain[size - 2, 1]
            y2, x2 = chain[size - 1, 0], chain[size - 1, 1]
            if (x2 - x1) * (y - y1) < (x - x1) * (y2 - y1):
                break
            size -= 1
        chain[size, 0], chain[size, 1] = y, x
        size += 1
    total = 0.0
    for j in range(size - 1):
        total += (chain[j, 1] + chain[j + 1, 1]) * (chain[j + 1, 0] - chain[j, 0]) / 2
    return total


def empty_like_hull(height):
    """Space that `measure_hulls` needs for images of this height."""
    return np.empty((2, 2 * height + 1), dtype=np.int64), np.empty((2 * height + 1, 2), dtype=np.int64)
