"""plan_images: everything about a run on images that can be judged before anything long starts."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._columns import SITE, WELL
from archetypal_triplet._utils._frames import count_of, is_frame
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images import ImageStack, Layout, read_layout, segment_nuclei
from archetypal_triplet.runs._image_checks import (
    check_choices,
    check_no_well_is_lost,
    check_work,
    raise_for_faults,
    with_label_faults,
)
from archetypal_triplet.runs._image_roles import assume_roles, check_roles, match_labels
from archetypal_triplet.runs._image_stages import label_planes, make_stages, plane_paths
from archetypal_triplet.runs._plan import check_options
from archetypal_triplet.runs._progress import is_terminal, log_lines
from archetypal_triplet.runs._results import check_inputs_survive, check_results_folder
from archetypal_triplet.runs._sources import describe_source, parse_channels
from archetypal_triplet.runs._stages import StageStore

_NEEDED = ("skimage", "tifffile", "imagecodecs", "pandas", "pyarrow")
# about so many features of each channel; only to say how large a table will be
_N_FEATURES = 90
_N_SHOWN = 3
# fewer are looked at before a bar can be read
_MANY_FILES = 5000


@dataclass
class ImagePlan:
    """What `plan_images` found: the images, the roles of their wells, the stages, what will be done.

    Attributes
    ----------
    layout : Layout
        Fields, channels, planes, problems.
    labels : Layout or None
        Label images, in the order of the fields.
    options : dict
        The parameters, those that were left out as they were assumed.
    given : dict
        The parameters as they were given.
    assumed : list of str
        What was assumed, in words.
    out : Path
        The folder of results, absolute.
    store : StageStore
        The folder of stages.
    stages : dict of str to Stage
        The stages.
    files : dict
        Number, bytes and digest of the image files.
    shape : tuple of int
        Fields, channels, height, width.
    dtype : dtype
        Type of the pixels.
    faults : pandas.DataFrame
        Planes whose file cannot be read, as far as their headers tell.
    progress : bool
        Whether to draw bars.
    estimates : list of str
        How many cells and bytes there may be, in words.
    """

    layout: Layout
    labels: Layout | None
    options: dict
    given: dict
    assumed: list
    out: Path
    store: StageStore
    stages: dict
    files: dict
    shape: tuple
    dtype: object
    faults: object
    progress: bool = False
    estimates: list = field(default_factory=list)

    @property
    def readable(self):
        """Rows of the fields whose files look whole."""
        return np.setdiff1d(np.arange(len(self.layout)), self.faults["row"].to_numpy(dtype=int))

    def lines(self):
        """Say what was found and assumed, which stages are there, and which are to be done."""
        lines = self.layout.lines()
        _, _, height, width = self.shape
        size = show_size(self.files["bytes"])
        lines.insert(2, f"images of {height} x {width} pixels, {self.dtype}; {size} in all")
        if len(self.faults):
            n_fields = self.faults["row"].nunique()
            of_fields = self.faults.drop_duplicates("row")["Message"].tolist()
            messages = "; ".join(of_fields[:_N_SHOWN])
            more = f"; and {len(of_fields) - _N_SHOWN} more" if len(of_fields) > _N_SHOWN else ""
            lines.append(f"left out: {count_of(n_fields, 'field')} that cannot be read ({messages}{more})")
        if self.options["embed"] != "features":
            of = "pixels" if self.options["embed"] == "pixels" else "features and pixels"
            lines.append(f"the embedding will be made from {of}, with labels from the features (--embed)")
        lines += [f"assumed: {text}" for text in self.assumed]
        lines.append(f"stages in {self.store.folder}:")
        lines += [f"  {name:<9} {self._describe_stage(stage)}" for name, stage in self.stages.items()]
        return lines + self._unused() + self.estimates

    def _describe_stage(self, stage):
        state = stage.state
        if state == "finished":
            facts = ", ".join(f"{n} {key.removeprefix('n_')}" for key, n in stage.facts.items())
            return f"there already, will be used again ({facts})"
        if state == "begun":
            return "begun earlier, will go on where it was"
        why = stage.explain()
        return "to be done" + (f" anew: {why}" if why else "")

    def _unused(self):
        used = {stage.folder for stage in self.stages.values()}
        old = [one for one in self.store.stages() if one["folder"] not in used]
        if not old:
            return []
        size = show_size(sum(one["bytes"] for one in old))
        what = f"{count_of(len(old), 'older stage')} of {size}, not used by this run"
        return [f"  {what} (--fresh removes all stages)"]


def plan_images(
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
    estimate=True,
):
    """Judge a run on images before anything long starts: find the images, check every option; write nothing.

    Parameters
    ----------
    source : str, Path or DataFrame
        A folder, a glob, a file list, or one plate or several in OME-Zarr, as for
        `archetypal_triplet.images.read_layout`.
    pattern : str or None, default=None
        How the files are named; None recognizes it.
    channels : list of str, dict of str to str or None, default=None
        Channels to take, or new names for them.
    plate_map : str, Path, DataFrame or None, default=None
        Table that says what each well holds.
    plate_name : str or None, default=None
        Name of the plate, if there is one and the files do not say it.
    nucleus_channel : str or None, default=None
        Channel that shows the nuclei. With it cells are found, without it whole fields are measured.
    crop_size : int, default=48
        Height and width of a cell's crop, in pixels.
    cell_labels : str, Path, DataFrame or None, default=None
        Label images of the nuclei, found as `source` is, one for each field.
    layout_options : dict or None, default=None
        More of `archetypal_triplet.images.read_layout`, such as ``{"root": "images/", "z": 3}``.
    cell_options : dict or None, default=None
        More of `archetypal_triplet.images.extract_cells`: any of ``segmentation``, ``border``, ``min_area``,
        ``max_area``, ``min_solidity`` and ``min_intensity``.
    on_error : {"raise", "flag"}, default="raise"
        Whether images that are missing or cannot be read are an error, or their fields are left out and
        reported.
    level : {"well", "field", "cell"} or None, default=None
        What a row of the map is. None: "cell" with a `nucleus_channel`, else "field", or "well" where each
        well has one field only. Wells are means of their cells or fields.
    plate : str or None, default=None
        Column that names the plate; None is ``Metadata_Plate``, where there are controls.
    controls : str or None, default=None
        Query that chooses the negative controls. None takes those whose ``Metadata_ControlType`` the plate
        map (or the list) calls "negative"; ``"none"`` takes none.
    positive_controls : str or None, default=None
        Query that chooses the positive controls; None and ``"none"`` likewise.
    groups : str, list of str or None, default=None
        Columns that tell which rows belong to one well; None is plate and well.
    features : list of str or None, default=None
        Features to use; None takes all that are measured.
    n_archetypes : int or None, default=None
        None trains on many labelings with different numbers of archetypes, an int on one.
    embed : {"features", "pixels", "both"}, default="features"
        What the embedding would be made from.
    pixel_options : dict or None, default=None
        More of `archetypal_triplet.TripletEmbedder`, for the network on pixels.
    color : str or None, default=None
        One more column to color the map by.
    flag_fields : {"auto", "none"}, default="auto"
        Whether fields that are unlike the other fields of their well are left out of the fit.
    hold_out : {"auto", "none"}, default="auto"
        Whether controls are also scored by fits that they did not train, which takes the time of two more
        fits (not with an embedding of pixels).
    out : str or Path, default="results"
        Folder of results.
    force : bool, default=False
        Whether older results may be replaced.
    work : str, Path or None, default=None
        Folder where the stages are kept; None is `out` with ``.stages`` at its end.
    keep : bool, default=True
        Whether the stages would be kept when all is done.
    fresh : bool, default=False
        Whether stages that are there would be removed first.
    hash_content : bool, default=False
        Whether the images are known by their content, and not by size and time of change.
    device : str, default="auto"
        Where the network would be trained.
    random_state : int, default=0
        Seed.
    n_jobs : int or None, default=None
        Threads that read and measure images; None is 1, -1 all cores.
    progress : bool, default=False
        Whether bars would be drawn.
    estimate : bool, default=True
        Whether to look for nuclei in one field, to say how many cells there may be.

    Returns
    -------
    ImagePlan
        What was found and will be done; ``lines()`` says it in words.

    Raises
    ------
    ValueError
        If an option is not allowed or does not fit the images, or images are faulty (``on_error="raise"``).
    OSError
        If a file does not exist, or a folder cannot be written to.
    ImportError
        If the extra ``images`` is not installed.

    See Also
    --------
    run_images : Plans, and does it.
    plan_run : The same for a table.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from archetypal_triplet.images import write_ome_tiff
    >>> from archetypal_triplet.runs import plan_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = Path(folder) / "P1"
    ...     images.mkdir()
    ...     for well in range(1, 65):
    ...         name = f"{'ABCDEFGH'[(well - 1) // 12]}{(well - 1) % 12 + 1:02}.ome.tif"
    ...         _ = write_ome_tiff(images / name, np.full((1, 8, 8), well, dtype=np.uint8))
    ...     plan = plan_images(images, out=folder + "/results")
    ...     plan.lines()[0], plan.options["level"], plan.stages["features"].state
    ('1 plate (P1), 64 wells, 64 fields (1 a well)', 'well', 'absent')
    """
    given = {k: v for k, v in locals().items() if k not in ("progress", "force", "estimate")}
    given["source"] = describe_source(source)
    for package in _NEEDED:
        import_optional(package, extra="images")
    options = dict(given)
    check_choices(options)
    out = check_results_folder(out, force=force)
    work = out.with_name(f"{out.name}.stages") if work is None else Path(work).expanduser().resolve()
    check_work(work, out)
    store = StageStore(work)
    about = {"channels": parse_channels(channels), "plate": plate_name, "plate_map": plate_map}
    layout = read_layout(source, pattern=pattern, **about, **options["layout_options"])
    check_inputs_survive([] if is_frame(source) else [source], out)
    check_inputs_survive(plane_paths(layout)[:1], out)
    if nucleus_channel is not None and nucleus_channel not in layout.channels:
        raise ValueError(
            f"nucleus_channel={nucleus_channel!r} (--nucleus-channel) is not a channel of the images, which "
            f"are {', '.join(map(repr, layout.channels))}. Name one of these, or give them new names, in "
            "this order, with --channels (channels)."
        )
    flag = on_error == "flag"
    labels = None if cell_labels is None else match_labels(cell_labels, layout, pattern, flag=flag)
    assumed = assume_roles(layout, options)
    check_options(options)
    check_roles(layout, options)
    stack = ImageStack.from_layout(layout, on_error="flag", n_jobs=n_jobs)
    if nucleus_channel is not None and crop_size > min(stack.shape[2:]):
        raise ValueError(
            f"crop_size={crop_size} (--crop-size) is larger than the images, which have {stack.shape[2]} x "
            f"{stack.shape[3]} pixels. Three to four times the width of a nucleus is enough."
        )
    stages, files = make_stages(store, layout, options, labels)
    faults = stack.find_faults(verbose=int(progress and files["n_files"] > _MANY_FILES and is_terminal()))
    if labels is not None:
        faults = with_label_faults(faults, label_planes(labels, stack.shape, options), n_jobs)
    if not flag:
        check_no_well_is_lost(layout)
    if len(faults) and not flag:
        log_lines(layout.lines())
        n_images = len(layout) * (len(layout.channels) + (labels is not None))
        raise_for_faults(faults, layout, n_images)
    plan = ImagePlan(
        layout, labels, options, given, assumed, out, store, stages, files, stack.shape, stack.dtype, faults,
        progress,
    )  # fmt: skip
    if not len(plan.readable):
        raise ValueError("None of the fields can be read. Check the files, or name other ones.")
    if estimate:
        plan.estimates = _estimate(plan, stack)
    return plan


def _estimate(plan, stack):
    """Say how many cells and bytes there may be, from one field in the middle."""
    if plan.stages["features"].state == "finished":
        return []
    n_fields, n_channels, _, _ = plan.shape
    free = shutil.disk_usage(plan.store.folder.parent).free
    n_rows, n_bytes, lines = n_fields, 0, []
    if "cells" in plan.stages and plan.stages["cells"].state != "finished":
        row = plan.readable[len(plan.readable) // 2]
        channel, size = plan.options["nucleus_channel"], plan.options["crop_size"]
        if plan.labels is None:
            n_nuclei = int(segment_nuclei(stack[[row], plan.layout.channels.index(channel)][0]).max())
            n_rows = n_nuclei * n_fields
            n_bytes = n_rows * (n_channels + 1) * size**2 * plan.dtype.itemsize
            key = plan.layout.fields.iloc[row]
            place = f"field {key[SITE]} of well {key[WELL]}"
            lines.append(f"estimate: nuclei in {place}: {n_nuclei}; so about {n_rows:,} cells in all")
            if not n_nuclei:
                lines.append("  no nucleus there: is it the right --nucleus-channel?")
    n_bytes += 4 * n_rows * _N_FEATURES * n_channels
    lines.append(f"estimate: stages of {show_size(n_bytes)}; {show_size(free)} are free there")
    return lines


def show_size(n_bytes):
    """Write a number of bytes as people do: "27 MB"."""
    units = ["TB", "GB", "MB", "kB", "bytes"]
    while n_bytes >= 1000 and len(units) > 1:
        n_bytes /= 1000
        units.pop()
    unit = units[-1]
    return f"{n_bytes:.0f} {unit}" if n_bytes >= 10 or unit == "bytes" else f"{n_bytes:.1f} {unit}"
