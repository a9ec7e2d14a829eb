"""run_images: a folder of images in, a folder of results out, by way of stages that are kept."""

import errno
import time
from contextlib import contextmanager

import numpy as np

from archetypal_triplet._utils._columns import PLATE, SITE, WELL
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet.images import ImageStack
from archetypal_triplet.runs._image_plan import plan_images
from archetypal_triplet.runs._image_report import closing_lines, describe_images, found_words
from archetypal_triplet.runs._image_stages import (
    COUNT_CELLS,
    FAULT,
    cell_metadata,
    crops_opener,
    find_cells,
    label_planes,
    make_table,
    measure,
)
from archetypal_triplet.runs._model import sha256_of
from archetypal_triplet.runs._pixels import PixelPlan
from archetypal_triplet.runs._plan import plan_run
from archetypal_triplet.runs._progress import Stages, log_lines
from archetypal_triplet.runs._results import RUN_FILE, results_folder, write_json
from archetypal_triplet.runs._run import execute
from archetypal_triplet.runs._summary import summarize
from archetypal_triplet.screens import aggregate_profiles

_ROLES = (
    "plate", "controls", "positive_controls", "groups", "features", "level", "n_archetypes", "color",
    "flag_fields", "hold_out", "device", "random_state",
)  # fmt: skip
_TABLES = {"cells": "cells.parquet", "fields": "fields.parquet"}
_WELLS = "profiles.parquet"
_COUNTS = "counts.parquet"
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


def run_images(
    source,
    *,
    pattern=None,
    channels=None,
    plate_map=None,
    plate_name=None,
    nucleus_channel=None,
    crop_size=48,
    cell_labels=None,
    layout_options=None,
    cell_options=None,
    on_error="raise",
    level=None,
    plate=None,
    controls=None,
    positive_controls=None,
    groups=None,
    features=None,
    n_archetypes=None,
    embed="features",
    pixel_options=None,
    color=None,
    flag_fields="auto",
    hold_out="auto",
    out="results",
    force=False,
    work=None,
    keep=True,
    fresh=False,
    hash_content=False,
    device="auto",
    random_state=0,
    n_jobs=None,
    progress=False,
):
    """Learn the map of a screen from its images, and write a folder of results.

    The stages are: the layout of the plates, cells (with a `nucleus_channel`), features of cells or whole
    fields, and then all that `run_profiles` does. Cells and features are kept in the folder `work`. They are
    used again if neither the images (path, size, time of change), nor the parameters that they depend on,
    nor the package have changed; so another plate map, other controls or another seed need no image. A run
    that was stopped or killed goes on behind the last field or part that it has finished, with the same
    result in the end.

    Parameters
    ----------
    source : str, Path or DataFrame
        A folder, a glob, a file list, or one plate or several in OME-Zarr, as for
        `archetypal_triplet.images.read_layout`.
    pattern : str or None, default=None
        How the files of a folder or glob are named: one of `archetypal_triplet.images.PATTERNS` or a regular
        expression; None recognizes it.
    channels : list of str, dict of str to str or None, default=None
        Channels to take, or new names for them.
    plate_map : str, Path, DataFrame or None, default=None
        Table that says what each well holds.
    plate_name : str or None, default=None
        Name of the plate, if there is one and the files do not say it.
    nucleus_channel : str or None, default=None
        Channel that shows the nuclei. With it cells are found, without it whole fields are measured.
    crop_size : int, default=48
        Height and width of a cell's crop, in pixels: three to four times the width of a nucleus.
    cell_labels : str, Path, DataFrame or None, default=None
        Label images of the nuclei, found as `source` is, one for each field. None: nuclei are segmented.
    layout_options : dict or None, default=None
        More of `archetypal_triplet.images.read_layout`, such as ``{"root": "images/", "z": 3}``.
    cell_options : dict or None, default=None
        More of `archetypal_triplet.images.extract_cells`: any of ``segmentation``, ``border``, ``min_area``,
        ``max_area``, ``min_solidity`` and ``min_intensity``.
    on_error : {"raise", "flag"}, default="raise"
        Whether images that are missing or cannot be read are an error, or their fields are left out of
        everything, and reported in run.json and counts.parquet.
    level : {"well", "field", "cell"} or None, default=None
        What a row of the map is. None: "cell" with a `nucleus_channel`, else "field", or "well" where each
        well has one field only. Wells are means of their cells or fields.
    plate : str or None, default=None
        Column that names the plate. None: ``Metadata_Plate`` if there are controls.
    controls : str or None, default=None
        Query that chooses the negative controls. None: the wells that the plate map calls "negative" as their
        ``Metadata_ControlType``, if every plate has some. ``"none"``: none.
    positive_controls : str or None, default=None
        Query that chooses the positive controls. None: likewise "positive". ``"none"``: none.
    groups : str, list of str or None, default=None
        Columns whose equal values mark rows of one kind. None: plate and well, for fields and cells.
    features : list of str or None, default=None
        Features to learn from; None takes all.
    n_archetypes : int or None, default=None
        None trains on many labelings, which is better; an int on one.
    embed : {"features", "pixels", "both"}, default="features"
        What the network is trained on, and so what the embedding is made from: the features, the pixels of
        the crops (without their mask) or fields, or both, each with a network of its own. The embedding of
        pixels is whitened by what differs within wells (or between negative controls, where each well has one
        row); for "both" that of the features is whitened likewise, and the two stand side by side with equal
        weight. Each plate is centered on its negative controls in the end, if there are any. The labels are
        always those of the features.
    pixel_options : dict or None, default=None
        More of `archetypal_triplet.TripletEmbedder` for the network on pixels: any of ``crop_size``,
        ``embedding_dim``, ``instance_weight``, ``labels_per_batch``, ``lr``, ``margin``, ``max_steps``,
        ``mining``, ``precision``, ``samples_per_label`` and ``weight_decay``. Otherwise it trains 1200 steps
        of 8 labels x 6 images, each of these in two views (``instance_weight=0.3``).
    color : str or None, default=None
        One more column to color the map by.
    flag_fields : {"auto", "none"}, default="auto"
        Whether fields that are unlike the other fields of their well are left out of the fit, where rows are
        fields and `groups` tells of their wells. They get an embedding and the pseudo-label -1, and stay out
        of the means of their wells.
    hold_out : {"auto", "none"}, default="auto"
        Whether controls are also scored by fits that they did not train, which takes the time of two more
        fits (not with an embedding of pixels).
    out : str or Path, default="results"
        Folder of results.
    force : bool, default=False
        Whether older results in `out` are replaced.
    work : str, Path or None, default=None
        Folder where the stages are kept; None is `out` with ``.stages`` at its end.
    keep : bool, default=True
        Whether the stages are kept when all is done. Crops of cells may be as large as the images.
    fresh : bool, default=False
        Whether stages that are there are removed first.
    hash_content : bool, default=False
        Whether the images are known by their content, and not by size and time of change: slower, and right
        for files that were copied.
    device : str, default="auto"
        Where the network is trained.
    random_state : int, default=0
        Seed of archetypes and network.
    n_jobs : int or None, default=None
        Threads that read and measure images; None is 1, -1 all cores. The results do not depend on it.
    progress : bool, default=False
        Whether to draw bars.

    Returns
    -------
    sklearn.utils.Bunch
        As `run_profiles`, and ``counts``: a row for each field, with its number of cells and what is wrong
        with it. The folder holds the features too: ``cells.parquet`` or ``fields.parquet``, and their means
        per well ``profiles.parquet``, tables of profiles that `run_profiles` takes.

    Raises
    ------
    ValueError
        If the images or an option have a fault; the message says which and what to do.
    OSError
        If a file does not exist, or a folder cannot be written to.
    ImportError
        If the extra ``images`` is not installed.

    See Also
    --------
    plan_images : The checks alone.
    run_profiles : The same from a table.

    Notes
    -----
    The model folder holds normalizer and network: later plates are embedded from their table of features,
    not from their images. With ``embed="pixels"`` or ``"both"`` it holds a folder for each model:
    ``features``, ``pixels`` (which takes crops or fields) and ``joint`` (which takes the results of both,
    side by side); `load_model` reads each. The network on pixels keeps its state in the folder of stages too:
    a run that was stopped goes on where it was, and the same labels, options and seed need no training again.
    Whole fields are unpacked there while it trains.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.runs import run_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         run_images(folder, out=folder + "/results")
    ...     except ValueError as error:
    ...         print(str(error).replace(folder, "plate"))  # doctest: +ELLIPSIS
    source='plate' has no image files ...
    """
    given = locals()
    begin = time.perf_counter()
    plan = plan_images(**given, estimate=False)
    log_lines(plan.lines())
    seconds = {"layout": round(time.perf_counter() - begin, 3)}
    with plan.store.locked(), _said_when_full(plan):
        if fresh:  # not before: another run may be using them
            plan.store.remove_stages()
        for stage in plan.stages.values():
            stage.remove_superseded("code")
        table, wells, counts, images, reused = _make_profiles(plan, seconds)
        with results_folder(out, force=force) as folder:
            about = {"seconds": seconds, "reused": reused, "images": images, "keep": keep}
            result = _finish(plan, folder, table, wells, counts, about)
    if not keep:
        plan.store.clear()
    result.folder = plan.out
    result.summary = "\n".join([summarize(result), *closing_lines(plan, counts, keep)])
    return result


@contextmanager
def _said_when_full(plan):
    """Say of a full disk, which Python reports without a place, where it is and what is kept."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            f"{error.strerror}: the stages are in {plan.store.folder}, and results go to {plan.out.parent}. "
            "Make space there, or choose another place for the latter (--out). Finished work on images is "
            "kept: the same command goes on there."
        ) from error


def _make_profiles(plan, seconds):
    """Do the stages that lead to a table of profiles.

    Returns
    -------
    table : DataFrame
        A row for each cell or readable field.
    wells : DataFrame
        Their means.
    counts : DataFrame
        A row for each field.
    images : ImageStack
        The image of each row of `table`.
    reused : list of str
        Stages that were there.
    """
    reused = [name for name, stage in plan.stages.items() if stage.state == "finished"]
    timed = Stages()
    layout, options = plan.layout, plan.options
    # a stack that nothing was read from yet: what is found unreadable must not depend on earlier reading
    stack = ImageStack.from_layout(layout, on_error=options["on_error"], n_jobs=options["n_jobs"])
    rows, unit, found, reopen = plan.readable, "fields", None, None
    if "cells" in plan.stages:
        labels = None if plan.labels is None else label_planes(plan.labels, plan.shape, options)
        with timed("cells") as say:
            found = find_cells(
                plan.stages["cells"], stack, layout, options, labels=labels, progress=plan.progress
            )
            say(found_words(found.counts, "cells" in reused))
        _check_faults(layout.fields, found.counts[FAULT], options)
        _check_cells(found.counts, options)
        stack, rows, unit = found.crops, np.arange(len(found.crops)), "cells"
        reopen = crops_opener(plan.stages["cells"], found)
    with timed("features") as say:
        features, names, rows = measure(
            plan.stages["features"], stack, rows, options, unit=unit, progress=plan.progress, reopen=reopen
        )
        verb = "had" if "features" in reused else "measured"
        say("%s %d features of %s", verb, len(names), count_of(len(rows), unit.rstrip("s")))
    if found is None:
        metadata = layout.fields.iloc[rows]
        counts = layout.fields.assign(**{FAULT: _field_faults(plan, stack, rows)})
        _check_faults(layout.fields, counts[FAULT], options)
    else:
        metadata = cell_metadata(layout.fields, found)
        own = [c for c in found.counts if c not in layout.fields]
        counts = layout.fields.join(found.counts[own])
    table = make_table(metadata, features, names)
    count = COUNT_CELLS if found is not None else "Metadata_Count_Fields"
    wells = aggregate_profiles(table, [PLATE, WELL], features=names, count=count)
    seconds.update(timed.seconds)
    return table, wells, counts, (reopen() if reopen else stack).take(rows), reused


def _check_faults(fields, faults, options):
    """Raise if a stage that was made with on_error="flag" lacks fields, and that is not allowed now."""
    rows = np.flatnonzero(faults != "")
    if options["on_error"] == "flag" or not len(rows):
        return
    plate, well, site = fields[[PLATE, WELL, SITE]].iloc[rows[0]]
    raise ValueError(
        f"{count_of(len(rows), 'field')} could not be read, now or by an earlier run with --on-error flag. "
        f"The first is plate {plate}, well {well}, field {site}: {faults.iloc[rows[0]]}. Leave them out "
        "with --on-error flag (on_error='flag'), or mend the files; --fresh (fresh=True) reads all anew."
    )


def _check_cells(counts, options):
    if counts[COUNT_CELLS].sum():
        return
    columns = [c for c in counts if str(c).startswith("Metadata_Count_")]
    said = ", ".join(f"{c.removeprefix('Metadata_Count_')} {counts[c].sum()}" for c in columns)
    raise ValueError(
        f"No cells were found in {count_of(len(counts), 'field')} ({said}). Does nucleus_channel="
        f"{options['nucleus_channel']!r} (--nucleus-channel) show the nuclei? Label images of another "
        "program can be given with --cell-labels."
    )


def _field_faults(plan, stack, rows):
    """Say for each field what is wrong with it, or nothing."""
    known = [*plan.faults.itertuples(index=False), *stack.faults.itertuples(index=False)]
    channels = {}
    for row in known:
        channels.setdefault(int(row.row), {})[row.Channel] = True  # in their order, each once
    measured = set(rows.tolist())
    said = {i: f"not readable: {', '.join(names)}" for i, names in channels.items()}
    return ["" if i in measured else said.get(i, "not readable") for i in range(len(plan.layout))]


def _finish(plan, folder, table, wells, counts, about):
    """Run the method on the profiles, and add to its results what is known of the images."""
    unit = "cells" if "cells" in plan.stages else "fields"
    files = {
        _TABLES[unit]: (table, f"{count_of(len(table), unit.rstrip('s'))}: metadata and features"),
        _WELLS: (wells, f"{count_of(len(wells), 'well')}: their mean features"),
        _COUNTS: (counts, f"{count_of(len(counts), 'field')}: cells, faults" if unit == "cells" else
                  f"{count_of(len(counts), 'field')}: faults"),
    }  # fmt: skip
    for name, (content, _) in files.items():
        content.to_parquet(folder / name, index=False)
    used = _WELLS if plan.options["level"] == "well" else _TABLES[unit]
    roles = {name: plan.options[name] for name in _ROLES}
    profiles = plan_run(files[used][0], **roles, out=folder / "unused", progress=plan.progress)
    profiles.inputs = [{"file": used, "sha256": sha256_of(folder / used), "of": "the file"}]
    log_lines(profiles.lines())
    result = execute(profiles, folder, _plan_pixels(plan, profiles.table, table, about["images"]))
    info = result.info
    info["parameters"] = {**plan.given, **plan.options}
    info["images"] = describe_images(plan, counts, about["reused"])
    info["images"]["work"] = {"folder": plan.store.folder, "kept": about["keep"]}
    info["seconds"] = {**about["seconds"], **info["seconds"]}
    info["seconds"]["total"] = round(sum(about["seconds"].values()) + info["seconds"]["total"], 3)
    info["files"] = {**{name: what for name, (_, what) in files.items()}, **info["files"]}
    write_json(folder / RUN_FILE, info)
    result.counts = counts
    return result


def _plan_pixels(plan, rows, table, images):
    """Say which image belongs to which row of the map, or nothing where only features are learned from."""
    if plan.options["embed"] == "features":
        return None
    wells = table.groupby([PLATE, WELL], sort=False, observed=True).ngroup().to_numpy()
    plates = table.groupby(PLATE, sort=False, observed=True).ngroup().to_numpy()
    positions = np.arange(len(table))
    if plan.options["level"] == "well":
        places = {key: i for i, key in enumerate(rows[[PLATE, WELL]].itertuples(index=False, name=None))}
        positions = np.array([places[key] for key in table[[PLATE, WELL]].itertuples(index=False, name=None)])

    def make_stage(key):
        return plan.store.stage("pixels", {"images": plan.stages["features"].digest, **key})

    options = plan.options["pixel_options"]
    has_mask = "cells" in plan.stages
    return PixelPlan(plan.options["embed"], images, positions, wells, plates, has_mask, make_stage, options)
