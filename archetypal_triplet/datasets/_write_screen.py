"""Write a rendered screen to disk, in the layouts of real instruments."""

import json
import logging
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from pathlib import Path

import joblib
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from archetypal_triplet._utils._columns import PLATE, SITE, WELL
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._threads import effective_n_threads
from archetypal_triplet._utils._wells import parse_wells, plate_shape
from archetypal_triplet.datasets._file_names import LAYOUTS, NAMES, ONE_FIELD
from archetypal_triplet.datasets._image_screen import RenderedImages
from archetypal_triplet.datasets._optics import SENSOR_MAX

logger = logging.getLogger("archetypal_triplet.datasets")

_RECORD = "screen.json"
_MAX_FIELDS_AHEAD = 64


class _TiffWriter:
    """Writes one file for each plane, or one OME-TIFF for each field."""

    def __init__(self, folder, channels, n_columns, layout):
        self._tifffile = import_optional("tifffile", extra="images")
        import_optional("imagecodecs", extra="images")
        self._folder, self._channels, self._n_columns, self._layout = folder, channels, n_columns, layout

    def name_files(self, place):
        """Paths of one field's files: one for each channel, or one for all."""
        if self._layout == "ome-tiff":
            names = ["{plate}/{plate}_{well}_s{site}.ome.tif".format(**place)]
        else:
            name = NAMES[self._layout]
            names = [
                name(**place, channel=c + 1, name=channel, n_columns=self._n_columns)
                for c, channel in enumerate(self._channels)
            ]
        return [self._folder / name for name in names]

    def write(self, place, image):
        paths = self.name_files(place)
        parts = list(image) if len(paths) > 1 else [image]
        options = {"compression": "zlib", "compressionargs": {"level": 1}, "photometric": "minisblack"}
        for path, part in zip(paths, parts, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._layout == "ome-tiff":
                options |= {
                    "ome": True,
                    "metadata": {"axes": "CYX", "Channel": {"Name": self._channels}, "Name": path.name},
                }
            # no reader takes the file for an image before it is whole
            unfinished = path.with_name(path.name + ".part")
            self._tifffile.imwrite(unfinished, part, **options)
            unfinished.replace(path)

    def finish(self, fields):
        """Nothing to add: the files say all."""


class _ZarrWriter:
    """Writes one OME-Zarr (0.5) plate for each plate; a field's folder appears when it is whole."""

    def __init__(self, folder, channels, n_columns, layout):
        # here, as the room of images loads numba, which nothing else of the simulated screens needs
        from archetypal_triplet.images import _write

        self._zarr, self._write = import_optional("zarr", extra="images"), _write
        self._folder, self._channels = folder, channels

    def name_files(self, place):
        """Path of one field's folder."""
        name = "{plate}.zarr/{letters}/{column}/{number}".format(
            **place, letters=place["well"][:-2], number=place["site"] - 1
        )
        return [self._folder / name]

    def write(self, place, image):
        (path,) = self.name_files(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.part")
        group = self._zarr.create_group(str(unfinished), overwrite=True, zarr_format=3)
        name = f"{place['well']} {place['site']}"
        self._write.write_zarr_field(group, image, channel_names=self._channels, name=name, white=SENSOR_MAX)
        unfinished.replace(path)

    def finish(self, fields):
        """Write what the plates and wells hold, so that the folders become HCS plates."""
        for plate, of_plate in fields.groupby(PLATE):
            path = str(self._folder / f"{plate}.zarr")
            group = self._zarr.open_group(path, mode="a", zarr_format=3)
            places = zip(*(part.tolist() for part in parse_wells(of_plate[WELL])), strict=True)
            self._write.describe_zarr_plate(group, Counter(places), name=str(plate))


def _is_whole(paths):
    return all(path.exists() for path in paths)


def _check_folder(folder, record, overwrite):
    """Begin or resume: the folder must be empty, or hold (a part of) this very screen."""
    path = folder / _RECORD
    if overwrite and path.exists():
        # only what an earlier call wrote is known to be ours
        for name in json.loads(path.read_text())["plates"]:
            shutil.rmtree(folder / name, ignore_errors=True)
    elif path.exists():
        if json.loads(path.read_text()) != record:
            raise ValueError(
                f"folder={str(folder)!r} holds another screen, or this one in another layout. Choose an "
                "empty folder, or pass overwrite=True to replace it."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(
            f"folder={str(folder)!r} is not empty, and its files are not a screen's that was written here. "
            "Choose an empty folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(path, json.dumps(record, indent=1))


def _write_text(path, text):
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text)
    unfinished.replace(path)


def _list_places(fields):
    rows, columns = parse_wells(fields[WELL])
    return [
        {"plate": p, "well": w, "row": r + 1, "column": c + 1, "site": int(s)}
        for p, w, r, c, s in zip(
            fields[PLATE], fields[WELL], rows.tolist(), columns.tolist(), fields[SITE], strict=True
        )
    ], int(plate_shape(rows, columns)[1])


def _write_fields(screen, writer, places, n_jobs, verbose):
    """Write what is not there yet."""
    missing = [i for i, place in enumerate(places) if not _is_whole(writer.name_files(place))]
    if verbose and len(missing) < len(places):
        logger.info("%d of %d fields are there already", len(places) - len(missing), len(places))
    step = max(1, len(missing) // (10 if verbose < 2 else 100))

    def write(i):
        writer.write(places[i], screen.images[i])

    with ThreadPoolExecutor(n_jobs) as pool:
        # a few at a time, so that an error stops the work and nothing piles up
        done = 0
        for start in range(0, len(missing), _MAX_FIELDS_AHEAD):
            for _ in pool.map(write, missing[start : start + _MAX_FIELDS_AHEAD]):
                done += 1
                if verbose and (done % step == 0 or done == len(missing)):
                    logger.info("%d of %d fields written", done, len(missing))


@validate_params(
    {
        "screen": [Bunch, dict],
        "folder": [str, os.PathLike],
        "layout": [StrOptions(set(LAYOUTS))],
        "overwrite": ["boolean"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def write_screen(screen, folder, layout="imagexpress", *, overwrite=False, n_jobs=None, verbose=0):
    """Write a rendered screen as image files, named as real instruments name them.

    Beside the images lie ``plate_map.csv`` (what every well holds), ``truth_wells.csv``, ``truth_fields.csv``
    and ``truth_archetypes.csv``. A file appears under its name only when it is whole. Called again after it
    was stopped, the function writes what is missing and leaves the rest.

    Parameters
    ----------
    screen : Bunch
        What ``make_screen(images=True)`` returns.
    folder : str or path-like
        Where to write: a folder that is empty, does not exist, or holds a part of the same screen.
    layout : str, default="imagexpress"
        One TIFF a plane, in a folder for each plate: "arrayscan", "cellvoyager", "imagexpress", "incell",
        "operetta", "sbs" (one field a well). One file a field: "ome-tiff". One plate a folder: "ome-zarr"
        (0.5).
    overwrite : bool, default=False
        Remove the plates of another screen that was written to `folder` by this function.
    n_jobs : int, default=None
        Threads that render and write; None is 1, -1 all cores.
    verbose : int, default=0
        1 logs ten lines of progress (logger ``archetypal_triplet.datasets``), 2 a hundred.

    Returns
    -------
    folder : Path
        The folder.

    Raises
    ------
    ValueError
        If `screen` holds no rendered images, if `folder` holds something else, or if the layout has no place
        for several fields of a well.
    ImportError
        If tifffile and imagecodecs (or zarr) are not installed.

    Notes
    -----
    TIFFs are 16 bit, compressed by Deflate at level 1, to about two thirds. Memory is that of one field a
    thread.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.datasets import make_screen, write_screen
    >>> options = {"n_replicates": 1, "plate_format": 96, "n_fields": 1, "image_size": 64, "random_state": 0}
    >>> screen = make_screen(1, 1, images=True, n_channels=2, **options)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     folder = write_screen(screen, f"{home}/screen", layout="sbs")
    ...     print(sorted(path.name for path in folder.iterdir()))
    ...     print(sorted(path.name for path in folder.glob("Plate01/*-A-0[12].tif")))
    ['Plate01', 'plate_map.csv', 'screen.json', 'truth_archetypes.csv', 'truth_fields.csv', 'truth_wells.csv']
    ['Channel1-01-A-01.tif', 'Channel1-02-A-02.tif', 'Channel2-01-A-01.tif', 'Channel2-02-A-02.tif']
    """
    if not isinstance(screen.get("images"), RenderedImages):
        raise ValueError(
            f"screen holds {', '.join(screen) or 'nothing'}, and no rendered images. "
            "Pass what make_screen(images=True) returns."
        )
    folder, fields = Path(folder), screen["fields"]
    n_fields = fields.groupby([PLATE, WELL]).size().max()
    if layout in ONE_FIELD and n_fields > 1:
        raise ValueError(
            f"layout={layout!r} has no place for the {n_fields} fields of a well in a file's name. Make the "
            "screen with n_fields=1, or choose another layout."
        )
    ending = ".zarr" if layout == "ome-zarr" else ""
    record = {
        "layout": layout,
        "images": joblib.hash(screen["images"].get_recipe()),
        "shape": list(screen["images"].shape),
        "channels": screen["channels"],
        "plates": [f"{plate}{ending}" for plate in fields[PLATE].unique()],
    }
    _check_folder(folder, record, overwrite)
    places, n_columns = _list_places(fields)
    writer = (_ZarrWriter if layout == "ome-zarr" else _TiffWriter)(
        folder, screen["channels"], n_columns, layout
    )
    _write_fields(screen, writer, places, effective_n_threads(n_jobs), verbose)
    writer.finish(fields)
    wells = screen["wells"]
    keys = wells[[PLATE, WELL]]
    _write_text(folder / "plate_map.csv", wells.to_csv(index=False))
    _write_text(folder / "truth_wells.csv", keys.join(screen["truth"]).to_csv(index=False))
    of_fields = fields[[PLATE, WELL, SITE]].join(screen["field_truth"])
    _write_text(folder / "truth_fields.csv", of_fields.to_csv(index=False))
    _write_text(folder / "truth_archetypes.csv", screen["archetypes"].to_csv())
    return folder
