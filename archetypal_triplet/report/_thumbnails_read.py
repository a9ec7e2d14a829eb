"""Where the images of a run are: crops that its stages keep, or the fields that it read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._columns import METADATA_PREFIX, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images import ImageStack, load_cells, read_layout
from archetypal_triplet.images._cut import mirror
from archetypal_triplet.runs._image_stages import plane_paths
from archetypal_triplet.runs._sources import parse_channels
from archetypal_triplet.runs._stages import digest_files

CELL = METADATA_PREFIX + "Cell"
_CENTER = [f"{METADATA_PREFIX}Nucleus{word}" for word in ("Row", "Column")]
_FIELD_KEYS = [PLATE, WELL, SITE]
_DIGITS = 12


@dataclass
class FoundImages:
    """Images of a run, and what each one shows.

    Attributes
    ----------
    images : array of shape (n, n_channels, height, width)
        `ImageStack`, or what can be read like one.
    keys : DataFrame
        Plate, well and field of each image, as text; and the cell, if images are crops.
    channels : list of str
        Names of the channels.
    nucleus : int or None
        Number of the channel of nuclei.
    unit : {"cell", "field"}
        What an image shows.
    """

    images: object
    keys: object
    channels: list
    nucleus: int | None
    unit: str


class UnavailableError(Exception):
    """There are no images; the message says why."""


class CutCells:
    """Crops that are cut out of their fields when they are asked for.

    Parameters
    ----------
    fields : ImageStack
        The fields.
    field : ndarray of int of shape (n,)
        Field of each cell.
    centers : ndarray of shape (n, 2)
        Row and column of each cell's nucleus.
    size : int
        Height and width of a crop.
    """

    def __init__(self, fields, field, centers, size):
        self._fields, self._field = fields, field
        self._starts = np.rint(centers).astype(np.intp) - size // 2
        self.shape = (len(field), fields.shape[1], size, size)
        self.dtype = fields.dtype

    def __getitem__(self, rows):
        """Return the crops of some rows; each field is read once."""
        _, _, height, width = self._fields.shape
        size = self.shape[2]
        out = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        wanted = self._field[rows]
        for number in np.unique(wanted):
            pixels = self._fields[int(number)]
            for k in np.flatnonzero(wanted == number):
                top, left = self._starts[rows[k]]
                ys, xs = mirror(top + np.arange(size), height), mirror(left + np.arange(size), width)
                out[k] = pixels[:, ys[:, None], xs]
        return out


def find_images(results, info, n_jobs):
    """Find the images of a run.

    Parameters
    ----------
    results : Path
        Folder of results.
    info : dict
        The content of its run.json.
    n_jobs : int or None
        Threads that read files.

    Returns
    -------
    FoundImages
        The images.

    Raises
    ------
    UnavailableError
        If there are none.
    """
    about = info.get("images")
    if not about:
        raise UnavailableError("the run started from a table of features, not from images")
    if "cells" not in about["stages"]:
        return _find_fields(results, info, n_jobs)
    try:
        return _find_crops(results, info)
    except UnavailableError as error:
        try:
            return _cut_anew(results, info, n_jobs)
        except UnavailableError as other:
            raise UnavailableError(f"{error}; and {other}") from None


def _find_crops(results, info):
    name = f"cells-{info['images']['stages']['cells']['digest'][:_DIGITS]}"
    places = [folder / name for folder in _stage_folders(results, info)]
    place = next((place for place in places if place.is_dir()), None)
    if place is None:
        raise UnavailableError(f"the crops of its cells are no longer kept ({places[0]} does not exist)")
    try:
        cells = load_cells(place)
    except (OSError, ValueError) as error:
        raise UnavailableError(f"the crops of its cells cannot be read ({error})") from None
    if len(cells.crops) != len(cells.cells):
        raise UnavailableError(f"the crops of its cells do not fit their table ({place})")
    channels = list(info["images"]["channels"])
    # the last channel is the mask, and no picture
    images = cells.crops.select_channels(list(range(len(channels))))
    return FoundImages(images, cells.cells, channels, _nucleus(info, channels), "cell")


def _stage_folders(results, info):
    """Say where the stages of a run may be; the results may have been moved, and the stages with them."""
    beside = results.with_name(f"{results.name}.stages")
    told = info["images"].get("work", {}).get("folder")
    if told is None:  # an older run
        told = info["parameters"].get("work") or f"{info['parameters']['out']}.stages"
    return list(dict.fromkeys([beside, Path(told).expanduser().resolve()]))


def _nucleus(info, channels):
    name = info["parameters"].get("nucleus_channel")
    return channels.index(name) if name in channels else None


def _find_fields(results, info, n_jobs):
    layout = _read_layout(results, info)
    try:
        stack = ImageStack.from_layout(layout, on_error="flag", n_jobs=n_jobs)
    except ValueError as error:
        raise UnavailableError(f"its images cannot be read ({error})") from None
    channels = list(layout.channels)
    return FoundImages(stack, layout.fields[_FIELD_KEYS], channels, _nucleus(info, channels), "field")


def _read_layout(results, info):
    """Find the files of the fields again, and look whether they are still the same."""
    given, about = info["parameters"], info["images"]
    options = dict(given.get("layout_options") or {})
    base = _find_base(results, given["source"])
    source, plate_map = _from(base, given["source"]), _from(base, given.get("plate_map"))
    if "root" in options:
        options["root"] = _from(base, options["root"])
    if _exists(plate_map):  # it may name the plate; what wells hold is of no use here
        options["plate_map"] = plate_map
    else:
        options.pop("barcodes", None)
    options.pop("control_types", None)
    channels = parse_channels(given.get("channels"))
    try:
        layout = read_layout(
            source,
            pattern=given.get("pattern"),
            channels=channels,
            plate=given.get("plate_name"),
            **options,
        )
    except (OSError, ValueError) as error:
        raise UnavailableError(f"its images cannot be found again ({error})") from None
    _, n_files, n_bytes = digest_files(plane_paths(layout))
    files = about["files"]
    if (n_files, n_bytes) != (files["n_files"], files["bytes"]):
        raise UnavailableError(
            f"its images have changed since the run: {count_of(n_files, 'file')} of {n_bytes} bytes, "
            f"{files['n_files']} of {files['bytes']} then"
        )
    return layout


def _find_base(results, source):
    """Return the folder that relative paths of a run begin at: where we are, or where its results are."""
    first = Path(source).expanduser().parts[:1]
    here = Path.cwd()
    return next((base for base in (here, results.parent) if _exists(str(base.joinpath(*first)))), here)


def _from(base, path):
    return str(base / Path(path).expanduser()) if isinstance(path, str) else path


def _exists(path):
    """Tell whether something is the path of a file; a table that was given instead was written as text."""
    try:
        return isinstance(path, str) and Path(path).exists()
    except OSError:
        return False


def _cut_anew(results, info, n_jobs):
    found = _find_fields(results, info, n_jobs)
    pd = import_optional("pandas", extra="report")
    columns = [*_FIELD_KEYS, CELL, *_CENTER]
    path = results / "cells.parquet"
    try:
        cells = pd.read_parquet(path, columns=columns)
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{path.name} does not say where its cells are ({error})") from None
    fields = pd.MultiIndex.from_frame(found.keys.astype(str))
    at = fields.get_indexer(pd.MultiIndex.from_frame(cells[_FIELD_KEYS].astype(str)))
    if (at < 0).any():
        raise UnavailableError("its cells lie in fields that the images do not have")
    crops = CutCells(
        found.images, at, cells[_CENTER].to_numpy(dtype=float), int(info["parameters"]["crop_size"])
    )
    return FoundImages(crops, cells[[*_FIELD_KEYS, CELL]], found.channels, found.nucleus, "cell")
