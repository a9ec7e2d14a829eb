"""Planes of OME-Zarr images, versions 0.4 and 0.5."""

from itertools import product
from pathlib import Path

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._formats import ImageError, check_dtype, check_pixels

_BLOSC_HEAD = 16  # bytes; the last four hold the size of the chunk (c-blosc, README_CHUNK_FORMAT)
_AXES = {2: "yx", 3: "cyx", 4: "czyx", 5: "tczyx"}


class ZarrImage:
    """One OME-Zarr image, at its highest resolution.

    Parameters
    ----------
    path : str
        Folder of the image, with ``zarr.json`` (0.5) or ``.zattrs`` (0.4).
    """

    def __init__(self, path):
        zarr = import_optional("zarr", extra="images")
        self.path = path
        try:
            group = zarr.open(path, mode="r")
        except FileNotFoundError:
            raise ImageError(
                f"{path} is a folder and holds no OME-Zarr image: neither zarr.json nor .zgroup is there."
            ) from None
        if hasattr(group, "shape"):
            raise ImageError(
                f"{path} is a Zarr array without the description of an OME image: name the folder above it."
            )
        attributes = dict(group.attrs)
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if not multiscales:
            raise ImageError(
                f"{path} is a Zarr group, and no OME image: its attributes lack 'multiscales'. Name the "
                "folder of one field, such as plate.zarr/A/1/0."
            )
        level = multiscales[0]["datasets"][0]["path"]
        try:
            self._array = group[level]
        except KeyError:
            raise ImageError(
                f"{path} lacks its array {level!r}: it was not copied or written whole."
            ) from None
        self.axes = axis_names(multiscales[0], self._array.ndim)
        if len(self.axes) != self._array.ndim or self.axes[-2:] != ["y", "x"]:
            raise ImageError(f"{path} has axes {self.axes} for an array of shape {self._array.shape}.")

    def close(self):
        """Do nothing: chunks are opened only while they are read."""

    def probe(self, index):
        """Return shape and dtype of a plane, without reading it.

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
        self._key(index)
        return tuple(self._array.shape[-2:]), check_dtype(self._array.dtype, self.path)

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
        key = self._key(index)
        self._check_blosc(key)
        return check_pixels(self._array[key], self.path)

    def _check_blosc(self, key):
        """Blosc reads on behind the end of a chunk that was cut short, and returns what lies there."""
        array, root = self._array, getattr(self._array.store, "root", None)
        if root is None or array.shards is not None or "Blosc" not in repr(array.compressors):
            return
        at = [i // size for i, size in zip(key, array.chunks, strict=False)]
        grid = [range(-(-n // size)) for n, size in zip(array.shape[-2:], array.chunks[-2:], strict=True)]
        for place in product(*grid):
            path = Path(root) / array.path / array.metadata.encode_chunk_key((*at, *place))
            try:
                with path.open("rb") as file:
                    head = file.read(_BLOSC_HEAD)
            except FileNotFoundError:  # an empty chunk
                continue
            size = path.stat().st_size
            if len(head) < _BLOSC_HEAD or int.from_bytes(head[12:16], "little") != size:
                raise ImageError(
                    f"{self.path} cannot be read: its chunk {path.relative_to(root)} is truncated. Copy or "
                    "write it again."
                )

    def _key(self, index):
        sizes = dict(zip(self.axes[:-2], self._array.shape, strict=False))
        shown = ", ".join(f"{axis}={n}" for axis, n in sizes.items())
        if index is None and any(n > 1 for n in sizes.values()):
            raise ImageError(
                f"{self.path} holds planes of {shown}, and none was chosen: say which channel is meant."
            )
        wanted = dict(zip("czt", index or (), strict=False))
        if any(not 0 <= i < sizes.get(axis, 1) for axis, i in wanted.items()):
            asked = ", ".join(f"{axis}={i}" for axis, i in wanted.items())
            raise ImageError(
                f"{self.path} holds {shown or 'one plane'}, and {asked} was asked for (counted from 0)."
            )
        return tuple(wanted.get(axis, 0) for axis in self.axes[:-2])


def axis_names(multiscale, n_dimensions):
    """Return the names of the axes of a described image, which versions before 0.4 wrote otherwise or not."""
    axes = multiscale.get("axes") or _AXES[n_dimensions]
    return [axis["name"] if isinstance(axis, dict) else axis for axis in axes]


def is_zarr(path):
    """Tell whether a path is a folder, which only OME-Zarr images are."""
    return Path(path).is_dir()
