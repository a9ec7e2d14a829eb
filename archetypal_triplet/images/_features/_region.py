"""Which pixels of an image are measured: the nucleus, the ring around it, the rest."""

from typing import NamedTuple

import numpy as np

from ._jit import jit

OTHER, NUCLEUS, RING, BACKGROUND = 0, 1, 2, 3


class Block(NamedTuple):
    """A few images, ready to be measured.

    Attributes
    ----------
    images : ndarray of shape (n, n_channels, height, width), float64
        Pixels, the mask left out.
    mask : ndarray of shape (n, height, width), uint8
        0 background, 1 this cell's nucleus, 2 other nuclei; all 0 where there is no mask.
    parts : ndarray of shape (n, height, width), uint8
        0 other nuclei, 1 nucleus, 2 ring, 3 background.
    inside : ndarray of shape (n, height, width), uint8
        1 for the pixels that are measured.
    boxes : ndarray of shape (n, 4), intp
        First row, end of rows, first column, end of columns of the pixels that are measured.
    centers : ndarray of shape (n, 2), float64
        Row and column of the center of the nucleus; of the image, where there is no nucleus.
    """

    images: np.ndarray
    mask: np.ndarray
    parts: np.ndarray
    inside: np.ndarray
    boxes: np.ndarray
    centers: np.ndarray


def make_block(images, mask, *, ring_width, whole):
    """Find the parts of each image.

    Parameters
    ----------
    images : ndarray of shape (n, n_channels, height, width), float64
        Pixels, the mask left out.
    mask : ndarray of shape (n, height, width), uint8, or None
        0 background, 1 nucleus, 2 other nuclei.
    ring_width : int
        Width of the ring in pixels.
    whole : bool
        Whether all pixels but other nuclei are measured, or only nucleus and ring.

    Returns
    -------
    Block
        The images with their parts. An image without nucleus is measured whole.
    """
    n, _, height, width = images.shape
    shape = (n, height, width)
    if mask is None:
        mask = np.zeros(shape, dtype=np.uint8)
    parts = np.empty(shape, dtype=np.uint8)
    inside = np.empty(shape, dtype=np.uint8)
    boxes = np.empty((n, 4), dtype=np.intp)
    centers = np.empty((n, 2))
    find_parts(mask, disk_offsets(ring_width), whole, parts, inside, boxes, centers)
    return Block(images, mask, parts, inside, boxes, centers)


def disk_offsets(radius):
    """Rows and columns of the pixels within a distance of `radius` from a pixel, as (n, 2) integers."""
    span = np.arange(-radius, radius + 1)
    rows, columns = np.meshgrid(span, span, indexing="ij")
    near = rows**2 + columns**2 <= radius**2
    return np.stack([rows[near], columns[near]], axis=1).astype(np.intp)


@jit
def find_parts(mask, offsets, whole, parts, inside, boxes, centers):
    """Fill parts, inside, boxes and centers of each image from its mask."""
    n, height, width = mask.shape
    for i in range(n):
        area, row_sum, column_sum = draw_ring(mask[i], offsets, parts[i])
        if area == 0:
            centers[i, 0], centers[i, 1] = (height - 1) / 2, (width - 1) / 2
        else:
            centers[i, 0], centers[i, 1] = row_sum / area, column_sum / area
        top, bottom, left, right = height, 0, width, 0
        for r in range(height):
            for c in range(width):
                part = parts[i, r, c]
                measured = area == 0 or part in (NUCLEUS, RING) or (whole and part == BACKGROUND)
                inside[i, r, c] = measured
                if measured:
                    top, bottom = min(top, r), max(bottom, r + 1)
                    left, right = min(left, c), max(right, c + 1)
        boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = top, bottom, left, right


@jit
def draw_ring(mask, offsets, parts):
    """Fill the parts of one image; return area and sums of rows and columns of its nucleus."""
    height, width = mask.shape
    area, row_sum, column_sum = 0, 0.0, 0.0
    for r in range(height):
        for c in range(width):
            parts[r, c] = BACKGROUND if mask[r, c] == 0 else (NUCLEUS if mask[r, c] == 1 else OTHER)
    for r in range(height):
        for c in range(width):
            if mask[r, c] != 1:
                continue
            area += 1
            row_sum += r
            column_sum += c
            # a ring grows from the edge alone
            if is_deep(mask, r, c):
                continue
            for k in range(len(offsets)):
                y, x = r + offsets[k, 0], c + offsets[k, 1]
                if 0 <= y < height and 0 <= x < width and mask[y, x] == 0:
                    parts[y, x] = RING
    return area, row_sum, column_sum


@jit
def is_deep(mask, r, c):
    """Tell whether the four neighbors of a pixel lie in the image and in the nucleus."""
    height, width = mask.shape
    if r == 0 or c == 0 or r == height - 1 or c == width - 1:
        return False
    return mask[r - 1, c] == 1 and mask[r + 1, c] == 1 and mask[r, c - 1] == 1 and mask[r, c + 1] == 1
