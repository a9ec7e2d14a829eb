"""Planes of TIFF files: single and multi-page, OME, ImageJ, MetaMorph stacks."""

import math

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._formats import (
    ImageError,
    check_dtype,
    check_file,
    check_pixels,
    merge_colors,
    read_palette,
)

_MIN_IS_WHITE, _PALETTE = 0, 3


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
        self._size = check_file(path)
        # planes of an OME set that lie in other files are looked for only where they are asked for
        self._tiff = self._tifffile.TiffFile(path, _multifile=False)

    def close(self):
        """Close the file."""
        self._tiff.close()

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
            Type of the grey values.
        """
        page, _, path = self._find(index)
        self._check_segments(page, path)
        if page.dtype is None:
            raise ImageError(f"{path} holds values of {page.bitspersample} bits, which cannot be read.")
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
            Grey values.
        """
        page, offset, path = self._find(index)
        self._check_segments(page, path)
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
            n = self._count()
            if n > 1:
                raise ImageError(
                    f"{self.path} holds {n} planes, and none of them was chosen: say which channel or page is meant."
                )
            index = (0,)
        if any(index[1:]):
            raise ImageError(
                f"{self.path} is not an OME-TIFF: its planes have one number, and index {tuple(index)} was asked for."
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
            planes = "1 plane" if n == 1 else f"{n} planes"
            raise ImageError(f"{self.path} holds {planes}, and number {i} (counted from 0) was asked for.")

    def _find_in_ome(self, index):
        found = find_ome_page(self._tiff.series, index, self.path)
        if found is not None:
            return found, None, self.path
        # the set is spread over several files
        with self._tifffile.TiffFile(self.path) as whole:
            page = find_ome_page(whole.series, index, self.path)
            if page is None:
                raise ImageError(f"{self.path} describes the plane {tuple(index)} and does not hold it.")
            other = page.parent.filehandle.path
            offset = page.offset
        with self._tifffile.TiffFile(other, _multifile=False) as there:
            number = [p.offset for p in there.pages].index(offset)
        self.close()
        self.__init__(other)
        return self._tiff.pages[number], None, other

    def _check_segments(self, page, path):
        """A file that ends before its pixels do would partly be read as zeros."""
        if not page.dataoffsets or len(page.dataoffsets) != len(page.databytecounts):
            raise ImageError(
                f"{path} says nowhere where its pixels lie: it is damaged. Copy or export it again."
            )
        if min(page.dataoffsets) == 0 or min(page.databytecounts) == 0:
            raise ImageError(
                f"{path} was never written to its end: parts of it are missing. Export it again."
            )
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)))
        if end > self._size:
            raise ImageError(
                f"{path} is truncated: it has {self._size} bytes, and its pixels end at {end}. Copy or export it "
                "again."
            )

    @staticmethod
    def _plane_bytes(page):
        return page.imagelength * page.imagewidth * page.dtype.itemsize

    def _read_at(self, page, offset):
        end = offset + self._plane_bytes(page)
        if end > self._size:
            raise ImageError(
                f"{self.path} is truncated: it has {self._size} bytes, and this plane ends at {end}. Copy or export it "
                "again."
            )
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
            f"{path} holds {len(series)} image(s) of {shown}, and no plane was chosen: say which channel is meant."
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
