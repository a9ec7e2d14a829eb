"""Label images of nuclei: our own, or those that a user brings."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._planes import probe_plane, read_plane
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
        return check_labels(found, images.shape[1:], f"of field {i}")

    def find_fault(self, i):
        """Say what is wrong with the label image of a field that was read, or nothing."""
        find = getattr(self._labels, "find_flagged", None)
        return "not readable: label image" if find is not None and find([i]) else ""


class LabelPlanes:
    """Label images that lie in files; their types may differ, as programs take the smallest that holds them.

    Parameters
    ----------
    planes : list of (Plane or None)
        One for each field.
    shape : tuple of int
        Height and width of the fields.
    flag : bool, default=False
        Whether one that is missing, damaged or unfit is a fault (and read as zeros), instead of an error.
    """

    def __init__(self, planes, shape, flag=False):
        self._planes, self._shape, self._flag = planes, tuple(shape), flag
        self._faults = {}

    def __len__(self):
        return len(self._planes)

    def __getitem__(self, i):
        try:
            return check_labels(read_plane(self._get_plane(i)), self._shape, self._planes[i].path)
        except (OSError, ValueError) as error:
            if not self._flag:
                raise
            self._faults[i] = str(error)
            return np.zeros(self._shape, dtype=np.int64)

    def find_flagged(self, rows):
        """Tell which of some label images were found to be unreadable when they were read."""
        return {(i, 0) for i in rows if i in self._faults}

    def find_faults(self, n_threads=1):
        """Look at the header of every file.

        Parameters
        ----------
        n_threads : int, default=1
            Files that are opened at the same time.

        Returns
        -------
        list of (int, str, str)
            Field, file and message of each that is missing, damaged or of another size.
        """
        with ThreadPoolExecutor(n_threads) as pool:
            said = list(pool.map(self._probe, range(len(self))))
        paths = ["" if plane is None else plane.path for plane in self._planes]
        return [(i, paths[i], message) for i, message in enumerate(said) if message]

    def _get_plane(self, i):
        if self._planes[i] is None:
            raise ValueError("There is no label image of this field. An empty one needs an image of zeros.")
        return self._planes[i]

    def _probe(self, i):
        try:
            plane = self._get_plane(i)
            shape, _ = probe_plane(plane)
            if tuple(shape) != self._shape:
                return _differs(plane.path, tuple(shape), self._shape)
        except (OSError, ValueError) as error:
            return str(error)
        return ""


def read_labels(path):
    """Read a label image from a .npy, .tif or .png file."""
    path = Path(path)
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix.lower() in (".tif", ".tiff"):
        return import_optional("tifffile", extra="images").imread(path)
    return import_optional("skimage.io", extra="images").imread(path)


def check_labels(labels, shape, called):
    """Return a label image as integers, or raise if it does not fit its field."""
    labels = np.asarray(labels)
    found = labels.shape
    while labels.ndim > 2 and labels.shape[0] == 1:
        labels = labels[0]
    if labels.shape != tuple(shape):
        raise ValueError(_differs(called, found, tuple(shape)))
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        raise ValueError(f"The label image {called} holds fractions; labels are whole numbers.")
    labels = labels.astype(np.int64)
    if labels.min() < 0:
        raise ValueError(
            f"The label image {called} holds {labels.min()}; labels are 0 (background) or positive."
        )
    return labels


def _differs(called, found, shape):
    return (
        f"The label image {called} has shape {found}, the field {shape}. Labels must have the size of the "
        "images."
    )


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
