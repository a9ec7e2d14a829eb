"""Label images of nuclei: our own, or those that a user brings."""

from pathlib import Path
from threading import Lock

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._segmentation import segment_nuclei

_SPECK = 10  # pixels: smaller objects of our own segmentation are not even counted


class Labeler:
    """Gives the label image of a field: by `segment_nuclei`, a function, or as the user brought them."""

    def __init__(self, labels, segmentation, channel, shape):
        self._labels, self._channel, self._shape = labels, channel, shape
        self._segmentation = {"min_area": _SPECK, **(segmentation or {})}
        self._one = Lock()  # a network or a reader may not bear several threads
        if labels is not None and not callable(labels):
            n = len(labels)
            if n != shape[0]:
                raise ValueError(
                    f"labels holds {n} label images for {shape[0]} fields. Give one for each field, "
                    "in their order."
                )

    def read(self, stack, i):
        """Return the images of a field, finite, and what is wrong with it."""
        images = stack[i]
        flagged = sorted(c for _, c in stack.find_flagged([i]))
        names = stack.channel_names or list(map(str, range(stack.shape[1])))
        if flagged:
            return images, "not readable: " + ", ".join(names[c] for c in flagged)
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            images = images.copy()
            for c, image in enumerate(images):
                finite = np.isfinite(image)
                if not finite.any():
                    images[c] = 0
                    return images, f"no finite pixel: {names[c]}"
                image[~finite] = np.median(image[finite])
        return images, ""

    def label(self, images, i):
        """Return the label image of a field, int64 or int32."""
        if self._labels is None:
            return segment_nuclei(images[self._channel], **self._segmentation)
        with self._one:
            found = self._labels(images) if callable(self._labels) else self._labels[i]
            if isinstance(found, str | Path):
                found = read_labels(found)
        return check_labels(found, images.shape[1:], i)


def read_labels(path):
    """Read a label image from a .npy, .tif or .png file."""
    path = Path(path)
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix.lower() in (".tif", ".tiff"):
        return import_optional("tifffile", extra="images").imread(path)
    return import_optional("skimage.io", extra="images").imread(path)


def check_labels(labels, shape, i):
    """Return a label image as integers, or raise if it does not fit its field."""
    labels = np.asarray(labels)
    found = labels.shape
    while labels.ndim > 2 and labels.shape[0] == 1:
        labels = labels[0]
    if labels.shape != tuple(shape):
        raise ValueError(
            f"The label image of field {i} has shape {found}, the field {tuple(shape)}. "
            "Labels must have the size of the images."
        )
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        raise ValueError(f"The label image of field {i} holds fractions; labels are whole numbers.")
    labels = labels.astype(np.int64)
    if labels.min() < 0:
        raise ValueError(
            f"The label image of field {i} holds {labels.min()}; labels are 0 (background) or positive."
        )
    return labels


def number_labels(labels):
    """Return the numbers that occur in a label image, and the image with 1 .. n instead."""
    n = int(labels.max(initial=0))
    if n < 4 * labels.size:
        present = np.bincount(labels.ravel(), minlength=1) > 0
        present[0] = False
        values, new = np.flatnonzero(present), np.cumsum(present)
        new[~present] = 0
        return values, new.astype(np.int32)[labels]
    values, inverse = np.unique(labels, return_inverse=True)
    inverse = inverse.reshape(labels.shape) + (values[0] != 0)
    return values[values > 0], inverse.astype(np.int32)
