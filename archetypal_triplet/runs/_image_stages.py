"""The stages between images and profiles: cells of fields, features of fields or cells, their table."""

import hashlib
import json
import os
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._columns import METADATA_PREFIX, PLATE, SITE, WELL
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images import ImageFeatures, ImageStack, extract_cells, load_cells
from archetypal_triplet.images._label_images import LabelPlanes
from archetypal_triplet.runs._finite_images import FiniteImages
from archetypal_triplet.runs._progress import is_terminal
from archetypal_triplet.runs._stages import digest_files, write_atomically

# rows that are measured between two writes: some seconds of work
ROWS_PER_PART = {"fields": 16, "cells": 2048}
FEATURES_FILE, NAMES_FILE = "features.npy", "names.json"
FAULT = f"{METADATA_PREFIX}Fault"
COUNT_CELLS = f"{METADATA_PREFIX}Count_Cells"
_PACKAGES = (
    "archetypal-triplet", "imagecodecs", "numba", "numpy", "scikit-image", "scipy", "tifffile", "zarr",
)  # fmt: skip


def make_stages(store, layout, options, labels=None):
    """Return the stages of a run on images, finished or not.

    Parameters
    ----------
    store : StageStore
        Where they are kept.
    layout : Layout
        Of the images.
    options : dict
        Of the run: ``nucleus_channel``, ``crop_size``, ``cell_options``, ``hash_content``.
    labels : Layout or None, default=None
        Of the label images, in the order of the fields.

    Returns
    -------
    stages : dict of str to Stage
        "cells" (with a channel of nuclei) and "features".
    files : dict
        Number, bytes and digest of the image files.
    """
    content = options["hash_content"]
    # whether errors are raised or flagged is no part: a finished stage without faults is the same either way
    images, files = _images_key(layout, content)
    if options["nucleus_channel"] is None:
        key = {"of": "fields", "images": images, "code": code_digest()}
        return {"features": store.stage("features", key)}, files
    cells = {
        "images": images,
        "nucleus_channel": options["nucleus_channel"],
        "crop_size": options["crop_size"],
        "cell_options": options["cell_options"],
        "cell_labels": None if labels is None else _images_key(labels, content)[0],
        "code": code_digest(),
    }
    stages = {"cells": store.stage("cells", cells)}
    stages["features"] = store.stage("features", {"of": "cells", **cells})
    return stages, files


def _images_key(layout, content):
    """Say what images are: where each plane is, and what its file looked like; what wells hold is no part.

    Paths are absolute, so that it does not matter where a command is started; with `content` files may move.
    """
    paths = plane_paths(layout)
    digest, n_files, n_bytes = digest_files(map(os.path.abspath, paths), content=content)
    number = {path: i for i, path in enumerate(paths)}
    planes = [[p and (number[p.path], p.index) for p in row] for row in layout.planes]
    places = [layout.fields[[PLATE, WELL, SITE]].to_numpy().tolist(), planes]
    key = {
        "files": digest,
        "fields": hashlib.sha256(json.dumps(places).encode()).hexdigest(),
        "channels": list(layout.channels),
    }
    about = {"n_files": n_files, "bytes": n_bytes, "sha256": digest}
    about["of"] = "size and content of every file" if content else "path, size and time of every file"
    return key, about


def plane_paths(layout):
    """Return the paths of all files of a layout, sorted."""
    return sorted({plane.path for row in layout.planes for plane in row if plane is not None})


def code_digest():
    """Return a digest of the code and of the packages that turn images into features."""
    room = Path(__file__).parents[1] / "images"
    digest = hashlib.sha256()
    here = [Path(__file__), Path(__file__).with_name("_finite_images.py")]
    for path in sorted([*room.rglob("*.py"), *here]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for package in _PACKAGES:
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:
            digest.update(f"{package}\n".encode())
    return digest.hexdigest()


def find_cells(stage, stack, layout, options, *, labels=None, progress=False):
    """Cut the cells out of all fields, or find them there.

    Parameters
    ----------
    stage : Stage
        Where crops and tables are kept.
    stack : ImageStack
        The fields.
    layout : Layout
        The same fields.
    options : dict
        Of the run.
    labels : LabelPlanes or None, default=None
        Label images of the fields.
    progress : bool, default=False
        Whether to draw a bar.

    Returns
    -------
    Bunch
        As `archetypal_triplet.images.extract_cells` returns it.
    """
    if stage.state == "finished":
        return load_cells(stage.folder)
    stage.begin()
    found = extract_cells(
        stack,
        layout.fields[[PLATE, WELL, SITE]],
        nucleus_channel=options["nucleus_channel"],
        crop_size=options["crop_size"],
        labels=labels,
        **options["cell_options"],
        out=stage.folder,
        n_jobs=options["n_jobs"],
        verbose=int(progress and is_terminal()),
    )
    facts = {"n_cells": len(found.cells), "n_fields": len(found.counts)}
    stage.finish(facts, ["crops.npy", "cells.parquet", "counts.parquet"])
    return found


def label_planes(labels, shape, options):
    """Return the label images of a layout, to be read one by one.

    Parameters
    ----------
    labels : Layout
        As `match_labels` returns it.
    shape : tuple of int
        Of the stack of fields.
    options : dict
        Of the run.

    Returns
    -------
    LabelPlanes
        The label images.
    """
    return LabelPlanes([row[0] for row in labels.planes], shape[2:], options["on_error"] == "flag")


def crops_opener(stage, found):
    """Return a function that opens the crops of a finished stage anew.

    Pages of a memory map count as memory of the process as long as the map is open.
    """
    names = found.crops.channel_names

    def reopen():
        return ImageStack.from_array(np.load(stage.folder / "crops.npy", mmap_mode="r"), channel_names=names)

    return reopen


def measure(stage, stack, rows, options, *, unit, progress=False, reopen=None):
    """Compute the features of some rows of a stack, part by part, or find them there.

    Parameters
    ----------
    stage : Stage
        Where they are kept.
    stack : ImageStack
        Fields, or crops with the mask as last channel.
    rows : ndarray of int
        Rows to measure; rows that turn out to be unreadable are left out.
    options : dict
        Of the run.
    unit : {"fields", "cells"}
        What a row is.
    progress : bool, default=False
        Whether to draw a bar.
    reopen : callable or None, default=None
        Opens the stack anew for each part.

    Returns
    -------
    features : ndarray of shape (n_measured, n_features), float32
        The features, a memory map.
    names : list of str
        Their names.
    measured : ndarray of int
        The rows that were measured.
    """
    if unit == "fields" and stack.dtype.kind == "f":
        stack = FiniteImages(stack)
    if stage.state != "finished":
        stage.begin()
        engine = ImageFeatures(mask_channel=-1 if unit == "cells" else None, n_jobs=options["n_jobs"])
        names = fit_on_readable(engine, stack, rows)
        size = ROWS_PER_PART[unit]
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        done = [stage.has_part(number) for number in range(len(parts))]
        with _bar(
            len(rows), sum(len(p) for p, d in zip(parts, done, strict=True) if d), unit, progress
        ) as bar:
            for number, part in enumerate(parts):
                if not done[number]:
                    stage.write_part(number, _measure_part(engine, reopen() if reopen else stack, part))
                    bar.update(len(part))
        _join_parts(stage, len(parts), names)
    features = np.load(stage.folder / FEATURES_FILE, mmap_mode="r")
    about = json.loads((stage.folder / NAMES_FILE).read_text(encoding="utf-8"))
    return features, about["names"], np.asarray(about["rows"], dtype=np.intp)


def fit_on_readable(engine, stack, rows):
    """Fit an engine on rows, without those found to be unreadable; return the names of the features."""
    rows = np.asarray(rows)
    while True:
        engine.fit(stack.take(rows))
        bad = {row for row, _ in stack.find_flagged(rows)}
        if not bad:
            return [str(name) for name in engine.get_feature_names_out()]
        rows = rows[[row not in bad for row in rows.tolist()]]
        if not len(rows):
            raise ValueError("None of the fields can be read. Check the files, or name other ones.")


def _measure_part(engine, stack, rows):
    values = engine.transform(stack.take(rows)).astype(np.float32)
    bad = {row for row, _ in stack.find_flagged(rows)}
    kept = np.array([row not in bad for row in rows.tolist()], dtype=bool)
    return {"values": values[kept], "rows": rows[kept]}


def _join_parts(stage, n_parts, names):
    parts = [stage.read_part(number) for number in range(n_parts)]
    rows = np.concatenate([part["rows"] for part in parts])
    beside = stage.folder / f".{FEATURES_FILE}"
    with beside.open("wb") as file:
        np.save(file, np.concatenate([part["values"] for part in parts]))
    beside.replace(stage.folder / FEATURES_FILE)
    about = {"names": names, "rows": rows.tolist()}
    write_atomically(stage.folder / NAMES_FILE, json.dumps(about).encode())
    stage.finish({"n_rows": len(rows), "n_features": len(names)}, [FEATURES_FILE, NAMES_FILE])
    stage.remove_parts()


def _bar(n, n_done, unit, progress):
    if not progress:
        return nullcontext(_NoBar())
    tqdm = import_optional("tqdm", extra="screens").tqdm
    return tqdm(total=n, initial=n_done, desc="features", unit=unit.rstrip("s"), leave=False, disable=None)


class _NoBar:
    def update(self, n):
        """Show nothing."""


def make_table(metadata, features, names):
    """Join metadata and features of the same rows as one table of profiles."""
    pd = import_optional("pandas", extra="images")
    features = pd.DataFrame(np.asarray(features), columns=names)
    return pd.concat([metadata.reset_index(drop=True), features], axis=1)


def cell_metadata(fields, found):
    """Return what is known of each cell: all that is known of its field, and its nucleus."""
    pd = import_optional("pandas", extra="images")
    rows = np.repeat(np.arange(len(fields)), found.counts[COUNT_CELLS].to_numpy())
    own = [c for c in found.cells if c not in (PLATE, WELL, SITE)]
    return pd.concat([fields.iloc[rows].reset_index(drop=True), found.cells[own]], axis=1)
