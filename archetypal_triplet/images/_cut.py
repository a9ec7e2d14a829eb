"""One field with its label image becomes crops, measurements and counts."""

from typing import NamedTuple

import numpy as np

from archetypal_triplet.images._label_images import number_labels
from archetypal_triplet.images._label_kernels import empty_like_hull, measure_hulls, measure_labels

# written for each cell, after its number
MEASURES = ("Row", "Column", "Area", "Solidity", "Intensity", "RelativeIntensity")
# why a nucleus is no cell, in the order in which it is asked
REASONS = ("Border", "Small", "Large", "Ragged", "Dim")
BORDERS = ("nucleus", "crop", "keep")


class Filters(NamedTuple):
    """What a nucleus must be like to become a cell."""

    border: str
    min_area: float
    max_area: float
    min_solidity: float
    min_intensity: float


def cut_field(images, labels, channel, crop_size, filters, dtype):
    """Measure the nuclei of a field, drop some, cut out the others.

    Parameters
    ----------
    images : ndarray of shape (n_channels, height, width)
        The field.
    labels : ndarray of int of shape (height, width)
        Its nuclei.
    channel : int
        Channel of the nuclei.
    crop_size : int
        Size of the crops.
    filters : Filters
        What is dropped.
    dtype : dtype
        Type of the crops.

    Returns
    -------
    crops : ndarray of shape (n_cells, n_channels + 1, crop_size, crop_size)
        The crops, the mask last.
    measured : ndarray of shape (n_cells, 1 + len(MEASURES)), float64
        Number of each cell, and its measures.
    counts : list of int
        Nuclei found, cells kept, and dropped for each of REASONS.
    """
    values, labels = number_labels(labels)
    n = len(values)
    table, boxes = measure_nuclei(labels, images[channel], n)
    starts = np.rint(table[:, :2]).astype(np.intp) - crop_size // 2
    reasons = judge(table, boxes, starts, crop_size, labels.shape, filters)
    kept = np.flatnonzero(reasons < 0)
    crops = np.empty((len(kept), len(images) + 1, crop_size, crop_size), dtype=dtype)
    rows = starts[kept, 0, None, None] + np.arange(crop_size)[:, None]
    columns = starts[kept, 1, None, None] + np.arange(crop_size)
    inside = (rows >= 0) & (rows < labels.shape[0]) & (columns >= 0) & (columns < labels.shape[1])
    rows, columns = mirror(rows, labels.shape[0]), mirror(columns, labels.shape[1])
    for c, image in enumerate(images):
        crops[:, c] = image[rows, columns]
    around = labels[rows, columns]
    # the mirror image of this nucleus is another one
    crops[:, -1] = np.where((around == (kept + 1)[:, None, None]) & inside, 1, 2 * (around > 0))
    counts = [n, len(kept), *np.bincount(reasons[reasons >= 0], minlength=len(REASONS)).tolist()]
    return crops, np.column_stack([values[kept], table[kept]]).astype(np.float64), counts


def measure_nuclei(labels, image, n):
    """Return the MEASURES of each label, and its bounding box."""
    table, boxes = np.zeros((n, 4)), np.zeros((n, 4), dtype=np.intp)
    out = np.zeros((n, len(MEASURES)))
    if n == 0:
        return out, boxes
    measure_labels(labels, np.ascontiguousarray(image, dtype=np.float32), table, boxes)
    solidity = np.empty(n)
    measure_hulls(labels, boxes, table[:, 0].copy(), *empty_like_hull(len(labels)), solidity)
    outside = image[labels == 0]
    above = table[:, 3] - (float(np.median(outside)) if outside.size else 0.0)
    middle = float(np.median(above))
    out[:, 0], out[:, 1], out[:, 2], out[:, 3] = table[:, 1], table[:, 2], table[:, 0], solidity
    out[:, 4], out[:, 5] = above, above / middle if middle > 0 else 1.0
    return out, boxes


def judge(table, boxes, starts, crop_size, shape, filters):
    """Return for each nucleus the first of REASONS that holds, or -1."""
    ends = starts + crop_size
    if filters.border == "nucleus":
        at_edge = (boxes[:, [0, 2]] <= 0).any(axis=1) | (boxes[:, [1, 3]] >= shape).any(axis=1)
    elif filters.border == "crop":
        at_edge = (starts < 0).any(axis=1) | (ends > shape).any(axis=1)
    else:
        at_edge = np.zeros(len(table), dtype=bool)
    area, solidity, relative = table[:, 2], table[:, 3], table[:, 5]
    held = np.stack(
        [
            at_edge,
            area < filters.min_area,
            area > filters.max_area,
            solidity < filters.min_solidity,
            relative < filters.min_intensity,
        ]
    )
    return np.where(held.any(axis=0), held.argmax(axis=0), -1)


def mirror(places, size):
    """Fold places outside of 0 .. size - 1 back inside, as in a mirror beyond the last pixel."""
    places = np.mod(places, 2 * size)
    return np.minimum(places, 2 * size - 1 - places)
