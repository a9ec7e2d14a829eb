"""What is refused of a run on images before anything long starts: options, files, folders."""

import numpy as np

from archetypal_triplet._pipeline import LEVELS
from archetypal_triplet._utils._columns import PLATE, SITE, WELL
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._threads import effective_n_threads
from archetypal_triplet.runs._pixels import check_pixel_options
from archetypal_triplet.runs._progress import log_lines

_N_SHOWN = 3
_LAYOUT_OPTIONS = ("root", "barcodes", "control_types", "plate_format", "pages", "z", "t")
_CELL_OPTIONS = ("segmentation", "border", "min_area", "max_area", "min_solidity", "min_intensity")


def check_choices(options):
    """Raise for options that are not allowed, whatever the images are; dicts of options become dicts."""
    check_pixel_options(options)
    if options["on_error"] not in ("raise", "flag"):
        raise ValueError(
            f"on_error={options['on_error']!r} (--on-error) is unknown. Choose from: raise, flag."
        )
    level, channel = options["level"], options["nucleus_channel"]
    if level is not None and level not in LEVELS:
        raise ValueError(f"level={level!r} is unknown. Choose from: {', '.join(LEVELS)}.")
    if channel is None and level == "cell":
        raise ValueError(
            "level='cell' needs to know the nuclei: name the channel that shows them (--nucleus-channel)."
        )
    if channel is None and options["cell_labels"] is not None:
        raise ValueError(
            "cell_labels (--cell-labels) are of cells: name the channel of the nuclei too "
            "(--nucleus-channel)."
        )
    if channel is not None and level == "field":
        raise ValueError(
            "level='field' measures whole fields, and a nucleus_channel (--nucleus-channel) asks for cells. "
            "Leave one of them out; level='well' averages the cells of each well."
        )
    for name, allowed in (("layout_options", _LAYOUT_OPTIONS), ("cell_options", _CELL_OPTIONS)):
        options[name] = {key: value for key, value in (options[name] or {}).items() if value is not None}
        unknown = [key for key in options[name] if key not in allowed]
        if unknown:
            raise ValueError(f"{name} has {unknown[0]!r}, which is none of {', '.join(allowed)}.")
    if options["n_jobs"] == 0:
        raise ValueError("n_jobs=0 (--jobs) must be a number of threads from 1 up, or -1 for all cores.")
    size = options["crop_size"]
    if not (isinstance(size, (int, np.integer)) and size >= 8):
        raise ValueError(f"crop_size={size!r} (--crop-size) must be a whole number of pixels of at least 8.")


def check_work(work, out):
    """Raise if the stages and the results would lie in each other."""
    if work == out or out in work.parents or work in out.parents:
        raise ValueError(
            f"work={str(work)!r} (--work) and out={str(out)!r} lie in each other. Keep the stages elsewhere: "
            "the results are replaced as a whole."
        )


def check_no_well_is_lost(layout):
    """Raise for wells that a plate in OME-Zarr says it has, and lacks: no field stands for them."""
    lost = layout.problems
    lost = lost[(lost["Kind"] == "missing") & (lost[SITE] == "")]
    if len(lost):
        log_lines(layout.lines())
        raise ValueError(
            f"{count_of(len(lost), 'well')} cannot be read. The first: {lost['Message'].iloc[0]}. Complete "
            "the plate, or leave these wells out with --on-error flag (on_error='flag')."
        )


def with_label_faults(faults, labels, n_jobs):
    """Add the label images that cannot be read to the planes that cannot."""
    found = labels.find_faults(effective_n_threads(n_jobs))
    if not found:
        return faults
    pd = import_optional("pandas", extra="images")
    rows = [(row, "label image", path, message) for row, path, message in found]
    return pd.concat([faults, pd.DataFrame(rows, columns=list(faults.columns))], ignore_index=True)


def raise_for_faults(faults, layout, n_images):
    """Raise for planes that cannot be read, and name the first."""
    said = []
    of_fields = faults.drop_duplicates("row")
    for row, channel, _, message in of_fields.head(_N_SHOWN).itertuples(index=False):
        plate, well, site = layout.fields[[PLATE, WELL, SITE]].iloc[row]
        said.append(f"plate {plate}, well {well}, field {site}, channel {channel}: {message}")
    n_more = len(of_fields) - len(said)
    more = f" And of {count_of(n_more, 'more field')}." if n_more else ""
    raise ValueError(
        f"{count_of(len(faults), 'image')} of {n_images} cannot be used. Of {' Of '.join(said)}{more} Mend "
        "or complete them, or leave their fields out with --on-error flag (on_error='flag')."
    )
