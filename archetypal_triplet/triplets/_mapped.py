"""Rows of a NumPy file map, read from the file itself: pages of a map count as memory of the process."""

import mmap
import os
from pathlib import Path

import numpy as np

# bytes of a row up to which it is read whole also for a window: one call instead of one for each channel
_SMALL = 2**17
# modes of maps that show the file itself; "c" may hide changes of its own
SHARED = ("r", "r+", "w+")


class MappedFile:
    """Reads what a `numpy.memmap` shows of its file, without touching the map.

    Touching one row can map megabytes around it, which stay until the array goes. Reading from the file takes
    no memory but the result, and is faster.

    Parameters
    ----------
    source : numpy.memmap of shape (n, channels, height, width)
        One for which :meth:`fits` is true.
    """

    def __init__(self, source):
        self.source = source
        # closed with the object
        self.file = Path(source.filename).open("rb", buffering=0)  # noqa: SIM115
        base = np.frombuffer(source._mmap, dtype=np.uint8).__array_interface__["data"][0]
        first = source.__array_interface__["data"][0]
        start = source.offset - source.offset % mmap.ALLOCATIONGRANULARITY
        self.offset = start + first - base

    @classmethod
    def find(cls, source):
        """A reader for `source`, or None where it has to be read through the map."""
        if not (
            isinstance(source, np.memmap)
            and getattr(source, "mode", None) in SHARED
            and source.filename is not None
            and hasattr(os, "preadv")
            and len(source)
            and source[0].flags.c_contiguous
        ):
            return None
        try:
            reader = cls(source)
            ends = np.array([0, len(source) - 1])
            # the file may have been replaced since, or the map been made of another array's parts
            same = all(
                np.array_equal(reader.read(ends[[i]])[0], source[ends[i]], equal_nan=True) for i in (0, 1)
            )
        except (OSError, TypeError, ValueError):
            return None
        return reader if same else None

    def read(self, rows):
        """Whole rows, in the type of the file."""
        out = np.empty((len(rows), *self.source.shape[1:]), dtype=self.source.dtype)
        for image, row in zip(out, rows.tolist(), strict=True):
            self._fill(image, self.offset + row * self.source.strides[0])
        return out

    def read_windows(self, rows, corners, size, channels):
        """Windows of rows; of every channel the lines that a window crosses are read.

        Parameters
        ----------
        rows : ndarray of int
            Which rows.
        corners : ndarray of shape (n_rows, 2)
            Upper left corners.
        size : tuple of two ints
            Height and width.
        channels : list of int
            Which channels.

        Returns
        -------
        ndarray of shape (n_rows, n_channels, height, width)
            In the type of the file.
        """
        height, width = size
        if self.source[0].nbytes <= _SMALL:
            images = self.read(rows)[:, channels]
            return np.stack(
                [
                    image[:, top : top + height, left : left + width]
                    for image, (top, left) in zip(images, corners.tolist(), strict=True)
                ]
            )
        _, by_channel, by_line, _ = self.source.strides
        out = np.empty((len(rows), len(channels), height, width), dtype=self.source.dtype)
        lines = np.empty((height, self.source.shape[3]), dtype=self.source.dtype)
        for image, row, (top, left) in zip(out, rows.tolist(), corners.tolist(), strict=True):
            start = self.offset + row * self.source.strides[0] + top * by_line
            for plane, channel in zip(image, channels, strict=True):
                self._fill(lines, start + int(channel) * by_channel)
                plane[:] = lines[:, left : left + width]
        return out

    def _fill(self, array, offset):
        view = memoryview(array.reshape(-1).view(np.uint8))
        while len(view):
            n_bytes = os.preadv(self.file.fileno(), [view], offset)
            if n_bytes == 0:
                raise OSError(f"{self.source.filename} has become shorter while it was read.")
            view, offset = view[n_bytes:], offset + n_bytes

    def __del__(self):
        if hasattr(self, "file"):
            self.file.close()
