"""Planes of TIFF files: single and multi-page, OME, ImageJ, MetaMorph stacks."""

import math
import re
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._formats import (
    ImageError,
    check_dtype,
    check_pixels,
    merge_colors,
    read_palette,
)

_MIN_IS_WHITE, _PALETTE = 0, 3
_FILE_OF_SET = re.compile(r"<UUID\s[^>]*?FileName=\"([^\"]+)\"")
_LARGEST = 2**32  # bytes of a plane; beyond is rather a damaged header than a camera


class TiffImage:
    """One open TIFF file.

    Parameters
    ----------
    path : str
        The file.
    """

    def __init__(self, path):
        self._tifffile = import_optional("tifffile", extra="images")
        self.path = path
        # planes of an OME set that lie in other files are looked for only where they are asked for
        self._tiff = self._tifffile.TiffFile(path, _multifile=False)
        self._whole_set = self._opened = None

    def close(self):
        """Close the file, and the others of its set."""
        for file in (self._tiff, self._whole_set, self._opened):
            if file is not None:
                file.close()

    def probe(self, index):
        """Return shape and dtype of a plane, without decoding it.

        Parameters
        ----------
        index : tuple of int or None
            Which plane.

        Returns
        -------
        shape : tuple of int
            Height and width.
        dtype : dtype
            Type of the gray values.
        """
        page, offset, path = self._find(index)
        self._check_segments(page, offset, path)
        return (page.imagelength, page.imagewidth), check_dtype(page.dtype, path)

    def read(self, index):
        """Return a plane.

        Parameters
        ----------
        index : tuple of int or None
            Which plane.

        Returns
        -------
        ndarray of shape (height, width)
            Gray values.
        """
        page, offset, path = self._find(index)
        self._check_segments(page, offset, path)
        if offset is None:
            pixels = page.asarray(maxworkers=1)
        else:
            pixels = self._read_at(page, offset)
        if page.samplesperpixel > 1:
            pixels = np.moveaxis(pixels, 0, -1) if page.axes.startswith("S") else pixels
            pixels = merge_colors(pixels, path)
        elif page.photometric == _PALETTE and page.colormap is not None:
            pixels = read_palette(pixels, page.colormap, path)
        pixels = check_pixels(pixels, path)
        if page.photometric == _MIN_IS_WHITE:
            pixels = _reverse(pixels, page.bitspersample)
        return pixels

    def _find(self, index):
        """Return page, offset in the file if the page does not know it, and path of a plane's file."""
        pages = self._tiff.pages
        if self._tiff.is_ome and (index is not None or len(pages) > 1):
            return self._find_in_ome(index)
        if index is None:
            n = 1 if self._tiff.is_ome else self._count()
            if n > 1:
                raise ImageError(
                    f"{self.path} holds {n} planes, and none of them was chosen: say which channel or page "
                    "is meant."
                )
            index = (0,)
        if any(index[1:]):
            raise ImageError(
                f"{self.path} is not an OME-TIFF: its planes have one number, and index {tuple(index)} was "
                "asked for."
            )
        if len(pages) == 1:
            n = self._count()
            if n > 1:  # planes behind each other and a header of the first only: ImageJ, MetaMorph
                self._check_index(index[0], n)
                page = pages[0]
                return page, page.dataoffsets[0] + index[0] * self._plane_bytes(page), self.path
        self._check_index(index[0], len(pages))
        return pages[index[0]], None, self.path

    def _count(self):
        """Number of planes; thumbnails beside the first one are none."""
        pages = self._tiff.pages
        if len(pages) > 1:
            return sum(not page.is_reduced for page in pages) or 1
        page, series = pages[0], self._tiff.series
        if not series or series[0].dataoffset is None or page.samplesperpixel > 1:
            return 1
        return max(1, math.prod(series[0].shape) // (page.imagelength * page.imagewidth))

    def _check_index(self, i, n):
        if not 0 <= i < n:
            raise ImageError(
                f"{self.path} holds {count_of(n, 'plane')}, and number {i} (counted from 0) was asked for."
            )

    def _find_in_ome(self, index):
        tiff = self._tiff
        if index is not None and len(set(_FILE_OF_SET.findall(tiff.pages[0].description))) > 1:
            # the planes of the set are numbered over its files, which tifffile looks for beside this one
            tiff = self._whole_set = self._tifffile.TiffFile(self.path)
        page = find_ome_page(tiff.series, index, self.path)
        if page is None:
            raise ImageError(
                f"{self.path} describes the plane {tuple(index)}, and the file that should hold it is not "
                "beside it. Copy all files of the set to one folder."
            )
        file = page.parent.filehandle
        if file.closed:
            file.open()
            self._opened = file
        return page, None, str(Path(file.path))

    def _check_segments(self, page, offset, path):
        """A file that ends before its pixels do would partly be read as zeros."""
        if page.dtype is None:
            raise ImageError(f"{path} holds values of {page.bitspersample} bits, which cannot be read.")
        n = len(page.dataoffsets)
        if n == 0 or n != len(page.databytecounts) or n < math.prod(page.chunked):
            raise ImageError(
                f"{path} does not say where its pixels lie: it is damaged. Copy or export it again."
            )
        if min(page.dataoffsets) == 0 or min(page.databytecounts) == 0:
            raise ImageError(
                f"{path} was not written to its end: parts of it have no pixels. Export it again."
            )
        if offset is None:
            end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)))
        else:
            end = offset + self._plane_bytes(page)
        if self._plane_bytes(page) > _LARGEST:
            raise ImageError(
                f"{path} claims to be of {page.imagelength} x {page.imagewidth} pixels, more than 4 GB in "
                "one plane: it is damaged. Copy or export it again."
            )
        size = page.parent.filehandle.size
        if end > size:
            raise ImageError(
                f"{path} is truncated: it has {size} bytes, and its pixels end at {end}. Copy or export it "
                "again."
            )

    @staticmethod
    def _plane_bytes(page):
        return page.imagelength * page.imagewidth * page.dtype.itemsize

    def _read_at(self, page, offset):
        file = self._tiff.filehandle
        file.seek(offset)
        dtype = page.dtype.newbyteorder(self._tiff.byteorder)
        return file.read_array(dtype, page.imagelength * page.imagewidth).reshape(page.imagelength, -1)


def find_ome_page(series, index, path):
    """Find the page of an OME-TIFF by channel, z, time and image.

    Parameters
    ----------
    series : list of tifffile.TiffPageSeries
        The images of the file.
    index : tuple of int or None
        (c, z, t, image), as many of them as were said; None: the only plane.
    path : str
        The file, for the messages.

    Returns
    -------
    tifffile.TiffPage or None
        The page; None if it lies in another file.

    Raises
    ------
    ImageError
        If there is no such plane, or several and none was chosen.
    """
    c, z, t, number = (*(index or ()), 0, 0, 0, 0)[:4]
    if not 0 <= number < len(series):
        raise ImageError(f"{path} holds {len(series)} images, and image {number} was asked for.")
    image = series[number]
    sizes = {axis: n for axis, n in zip(image.axes, image.shape, strict=True) if axis not in "YXS"}
    shown = ", ".join(f"{axis}={n}" for axis, n in sizes.items()) or "one plane"
    if index is None and (len(series) > 1 or math.prod(sizes.values()) > 1):
        raise ImageError(
            f"{path} holds {len(series)} image(s) of {shown}, and no plane was chosen: say which channel "
            "is meant."
        )
    wanted = {"C": c, "Z": z, "T": t}
    outside = [a for a, i in wanted.items() if not 0 <= i < sizes.get(a, 1)]
    if outside:
        asked = ", ".join(f"{a}={i}" for a, i in wanted.items())
        raise ImageError(f"{path} holds {shown}, and {asked} was asked for (counted from 0).")
    position = 0
    for axis, n in sizes.items():
        position = position * n + wanted.get(axis, 0)
    page = image.pages[position]
    # later pages share the header of the first one
    return page if page is None or hasattr(page, "samplesperpixel") else page.aspage()


def _reverse(pixels, bits):
    if pixels.dtype.kind != "u":
        return pixels
    return (2**bits - 1 - pixels.astype(np.int64)).astype(pixels.dtype)
