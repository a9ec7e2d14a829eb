"""The images behind the rows of a run, as small pictures of one size, color and contrast."""

import json
from functools import cached_property
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from archetypal_triplet._utils._columns import EMBEDDING_PREFIX, IS_FLAGGED, PLATE, SITE, WELL
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.report._thumbnails_color import (
    MAX_REDUCTION,
    choose_colors,
    compose,
    compute_limits,
    draw_missing,
    resize_planes,
)
from archetypal_triplet.report._thumbnails_keys import KeyTable
from archetypal_triplet.report._thumbnails_read import CELL, UnavailableError, find_images

# percentiles that are black and full color: some background is black, the brightest grain does not rule
_LOW, _HIGH = 1.0, 99.8
# images that tell the contrast, evenly spaced over the data set
_N_FOR_LIMITS = {"cell": 512, "field": 64}
_PER_GROUP = {"cell": 4, "field": 1}
_BLOCK_BYTES = 2**26


def open_images(results, info=None, *, n_jobs=None):
    """Find the images of a run: the crops that its stages keep, or else the files that it read.

    Parameters
    ----------
    results : str or Path
        Folder of results.
    info : dict or None, default=None
        The content of its run.json; None reads it.
    n_jobs : int or None, default=None
        Threads that read files of images; None is 1, -1 all cores.

    Returns
    -------
    source : ImageSource or None
        The images, None if there are none.
    reason : str
        Why there are none; else empty.

    Notes
    -----
    Crops whose stage was removed are cut out of the fields again, if these are still there. The files count
    as those of the run if their number and sizes are the same.

    Examples
    --------
    >>> from archetypal_triplet.report._thumbnails import open_images
    >>> open_images("results", {"images": None})
    (None, 'the run started from a table of features, not from images')
    """
    results = Path(results).expanduser().resolve()
    if info is None:
        info = json.loads((results / "run.json").read_text(encoding="utf-8"))
    try:
        found = find_images(results, info, n_jobs)
    except UnavailableError as error:
        return None, str(error)
    except (KeyError, TypeError, AttributeError) as error:  # run.json was changed by hand
        return None, f"run.json does not say where the images are ({error!r})"
    return ImageSource(found, results), ""


class ImageSource:
    """Pictures for the rows of a run's tables.

    A row of cells or fields has its own image; of a field more than eight times as large as the picture the
    middle is seen. A row of a table of wells is shown by those of its images that
    lie nearest to their mean in the embedding: one field, or four cells. All pictures have the same contrast,
    which is taken from images that are evenly spaced over the whole data set.

    Parameters
    ----------
    found : FoundImages
        The images.
    results : Path
        Folder of results, whose embedding tells which cells or fields of a well are typical.

    Attributes
    ----------
    unit : {"cell", "field"}
        What an image shows.
    legend : list of (str, str)
        Name of each channel and of its color.
    bytes_per_image : int
        What has to be read for a picture.
    """

    def __init__(self, found, results):
        self.unit = found.unit
        self._images, self._keys, self._results = found.images, KeyTable(found.keys), results
        n_channels = found.images.shape[1]
        self._colors = choose_colors(n_channels, found.nucleus)
        self.legend = list(zip(found.channels, self._colors, strict=True))
        self.bytes_per_image = int(np.prod(found.images.shape[1:])) * np.dtype(found.images.dtype).itemsize
        self._limits = {}

    def __len__(self):
        """Return the number of images."""
        return len(self._keys)

    def find(self, rows):
        """Say which images show the rows of a table.

        Parameters
        ----------
        rows : DataFrame
            Rows with ``Metadata_Plate`` and ``Metadata_Well``; ``Metadata_Site`` and ``Metadata_Cell`` where
            a row is a field or cell.

        Returns
        -------
        list of ndarray of int
            Numbers of images, none for a row without: one for a cell or field, up to four cells or one field
            for a well.
        """
        names = self._key_columns(rows)
        limit = _PER_GROUP[self.unit]
        at = self._keys.find(rows, names) if names else [-1] * len(rows)
        return [self._most_typical(self._keys.members(names, k), limit) for k in at]

    def has(self, rows):
        """Say which rows of a table have an image, as an array of booleans; see `find`."""
        names = self._key_columns(rows)
        return self._keys.find(rows, names) >= 0 if names else np.zeros(len(rows), dtype=bool)

    def _key_columns(self, rows):
        """Return the columns by which images belong to rows; none if the rows do not know their well."""
        names = [c for c in (PLATE, WELL, SITE, CELL) if c in rows and c in self._keys.columns]
        return names if {PLATE, WELL} <= set(names) else []

    def take(self, rows, size=64):
        """Draw a picture for each row of a table.

        Parameters
        ----------
        rows : DataFrame
            As for `find`.
        size : int, default=64
            Height and width.

        Returns
        -------
        ndarray of shape (n_rows, size, size, 3), uint8
            The pictures; gray and crossed out where there is no image.

        Raises
        ------
        ValueError
            If `size` is not an integer of at least 8.
        """
        if not isinstance(size, Integral) or size < 8:
            raise ValueError(f"size={size!r} must be an integer of at least 8: the pixels of a picture.")
        size, found = int(size), self.find(rows)
        pictures = np.empty((len(found), size, size, 3), dtype=np.uint8)
        pictures[:] = draw_missing(size)
        alone = [k for k, images in enumerate(found) if len(images) == 1]
        several = [k for k, images in enumerate(found) if len(images) > 1]
        for tile, chosen in ((size, alone), (size // 2, several)):
            places = {}
            for k in chosen:
                for position, image in enumerate(found[k].tolist()):
                    places.setdefault(image, []).append((k, position))
            pictures[[k for k in chosen if tile < size]] = 0
            for image, picture in self._draw(sorted(places), tile):
                for k, position in places[image]:
                    top, left = (0, 0) if tile == size else divmod(position, 2)
                    top, left = top * (size - tile), left * (size - tile)
                    pictures[k, top : top + tile, left : left + tile] = picture
        return pictures

    def describe(self):
        """Say in words what the pictures show, and how they were colored."""
        height, width = self._images.shape[2:]
        what = f"{self.unit.capitalize()}s of {height} x {width} pixels"
        names = [f"{name} in {color}" for name, color in self.legend]
        colors = f": {', '.join(names)}" if len(names) > 1 else ""
        n = min(len(self), _N_FOR_LIMITS[self.unit])
        among = f"all {n}" if n == len(self) else f"{n} that are evenly spaced over all {len(self)}"
        if max(height, width) > 64 * MAX_REDUCTION:
            what += ", of which small pictures show the middle"
        return (
            f"{what}{colors}. The contrast is the same for all: black is the {_LOW:g}st percentile and the "
            f"full color the {_HIGH:g}th, of {among}."
        )

    def _draw(self, numbers, size):
        """Yield the number and picture of each image, in order."""
        if not numbers:
            return
        limits = self._find_limits(size)
        for image, planes in self._read(numbers, size):
            yield image, draw_missing(size) if planes is None else compose(planes, limits, self._colors)

    def _find_limits(self, size):
        """Return the limits of the channels for pictures of this size: fewer pixels, less noise."""
        if size not in self._limits:
            n = min(len(self), _N_FOR_LIMITS[self.unit])
            chosen = np.unique(np.linspace(0, len(self) - 1, n).round().astype(int)).tolist()
            planes = [planes for _, planes in self._read(chosen, size) if planes is not None]
            if not planes:
                planes = [np.zeros((len(self._colors), size, size), dtype=np.float32)]
            self._limits[size] = compute_limits(np.stack(planes), _LOW, _HIGH)
        return self._limits[size]

    def _read(self, numbers, size):
        """Yield number and resized planes of images, block by block; None where a file cannot be read."""
        step = max(1, _BLOCK_BYTES // max(1, self.bytes_per_image))
        for start in range(0, len(numbers), step):
            part = np.asarray(numbers[start : start + step])
            block = np.asarray(self._images[part])
            faults = getattr(self._images, "find_flagged", lambda rows: ())(part)
            bad = {row for row, _ in faults}
            for number, image in zip(part.tolist(), block, strict=True):
                yield number, None if number in bad else resize_planes(image, size)

    def _most_typical(self, images, limit):
        """Return the images of a group that lie nearest to its mean, or are evenly spaced in it."""
        if len(images) <= limit:
            return images
        if self._embedding is not None:
            own = self._embedding[images]
            known = np.isfinite(own).all(axis=1)
            if known.sum() >= limit:
                images, own = images[known], own[known]
                distances = ((own - own.mean(axis=0)) ** 2).sum(axis=1)
                return images[np.argsort(distances, kind="stable")[:limit]]
        return images[np.linspace(0, len(images) - 1, limit + 2)[1:-1].round().astype(int)]

    @cached_property
    def _embedding(self):
        """The embedding of each image, NaN where its row is flagged or none; None where there is none."""
        return _read_embedding(self._results / "embedding.parquet", self._keys)


def _read_embedding(path, keys):
    parquet = import_optional("pyarrow.parquet", extra="report")
    pd = import_optional("pandas", extra="report")
    try:
        columns = parquet.read_schema(path).names
    except OSError:
        return None
    names = [c for c in (PLATE, WELL, SITE, CELL) if c in keys.columns]
    values = [c for c in columns if c.startswith(EMBEDDING_PREFIX)]
    if not values or not set(names) <= set(columns):  # its rows are wells
        return None
    flagged = [IS_FLAGGED] if IS_FLAGGED in columns else []
    table = pd.read_parquet(path, columns=[*names, *values, *flagged])
    at = keys.find(table, names)
    if keys.n_groups(names) < len(keys) or len(np.unique(at[at >= 0])) < (at >= 0).sum():
        return None  # several rows would be one image, or several images one row
    if flagged:
        at = np.where(table[IS_FLAGGED].fillna(False).to_numpy(dtype=bool), -1, at)
    images = keys.first_members(names)[at[at >= 0]]
    embedding = np.full((len(keys), len(values)), np.nan, dtype=np.float32)
    embedding[images] = table[values].to_numpy(dtype=np.float32)[at >= 0]
    return embedding


def purest_images(source, rows, shares, n=8, *, size=96, per_well=1):
    """Draw the rows with the largest shares of each archetype.

    Parameters
    ----------
    source : ImageSource
        The images.
    rows : DataFrame
        Rows of the run, as for `ImageSource.find`.
    shares : array-like of shape (n_rows, n_archetypes)
        Their shares.
    n : int, default=8
        Pictures of each archetype, if there are as many.
    size : int, default=96
        Height and width of a picture.
    per_well : int, default=1
        Pictures of one well at most, so that a gallery does not show one well alone.

    Returns
    -------
    list of Bunch
        For each archetype ``rows`` (positions in the table, the largest share first, of equal ones the first
        row), ``shares`` and ``images`` of shape (n, size, size, 3). Flagged rows and rows without an image
        are left out.
    """
    shares = np.asarray(shares, dtype=float)
    if shares.ndim != 2 or len(shares) != len(rows):
        raise ValueError(f"shares has shape {shares.shape}; a row for each of {len(rows)} rows is needed.")
    wells = rows.groupby([PLATE, WELL], sort=False, observed=True, dropna=False).ngroup().to_numpy()
    usable = source.has(rows)
    if IS_FLAGGED in rows:
        usable &= ~rows[IS_FLAGGED].fillna(False).to_numpy(dtype=bool)
    chosen = [_choose_purest(column, wells, usable, n, per_well) for column in shares.T]
    needed = np.unique(np.concatenate([*chosen, np.empty(0, dtype=np.intp)]))
    pictures = source.take(rows.iloc[needed], size)
    return [
        Bunch(rows=at, shares=shares[at, k], images=pictures[np.searchsorted(needed, at)])
        for k, at in enumerate(chosen)
    ]


def _choose_purest(share, wells, usable, n, per_well):
    """Return the rows with the largest shares, not more than `per_well` of a well."""
    order = np.argsort(-np.where(np.isfinite(share), share, -np.inf), kind="stable")
    taken, chosen = {}, []
    for row in order[usable[order] & np.isfinite(share[order])].tolist():
        if len(chosen) == n:
            break
        count = taken.get(wells[row], 0)
        if count < per_well:
            taken[wells[row]] = count + 1
            chosen.append(row)
    return np.array(chosen, dtype=np.intp)
