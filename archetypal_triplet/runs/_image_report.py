"""What is said of the images of a run: in run.json, in the log, and at the end of the summary."""

from archetypal_triplet._utils._columns import PLATE, SITE, WELL
from archetypal_triplet._utils._frames import count_of, shorten
from archetypal_triplet.runs._image_stages import COUNT_CELLS, FAULT

_N_REPORTED = 1000


def found_words(counts, was_there):
    """Say how many cells there are, and in how many fields."""
    cells = counts[COUNT_CELLS]
    empty = int((cells == 0).sum())
    without = f"; {count_of(empty, 'field')} without any" if empty else ""
    verb = "had" if was_there else "found"
    return (
        f"{verb} {cells.sum()} cells in {count_of(len(counts), 'field')} "
        f"({cells.min()} to {cells.max()}, median {cells.median():.0f}){without}"
    )


def describe_images(plan, counts, reused):
    """Return what run.json keeps of the images of a run."""
    faulty = counts[counts[FAULT] != ""]
    columns = [PLATE, WELL, SITE, FAULT]
    facts = {
        "layout": plan.layout.lines(),
        "shape": list(plan.shape),
        "dtype": str(plan.dtype),
        "channels": list(plan.layout.channels),
        "files": plan.files,
        "problems": plan.layout.problems.head(_N_REPORTED).to_dict("records"),
        "n_problems": len(plan.layout.problems),
        "fields_left_out": faulty[columns].head(_N_REPORTED).to_dict("records"),
        "n_fields_left_out": len(faulty),
        "assumed": plan.assumed,
        "stages": {
            name: {"digest": stage.digest, "reused": name in reused, **stage.facts}
            for name, stage in plan.stages.items()
        },
    }
    if COUNT_CELLS in counts:
        cells = counts[COUNT_CELLS]
        facts["cells_per_field"] = {
            "min": cells.min(), "median": cells.median(), "max": cells.max(),
            "n_without": int((cells == 0).sum()),
        }  # fmt: skip
        facts["wells_without_cells"] = _wells_without_cells(counts)
    return facts


def closing_lines(plan, counts, keep):
    """Say what was left out, and where the stages are."""
    lines = []
    n_faulty = int((counts[FAULT] != "").sum())
    if n_faulty:
        lines.append(f"Left out: {count_of(n_faulty, 'field')} that could not be read (run.json names them)")
    empty = _wells_without_cells(counts) if COUNT_CELLS in counts else []
    if empty:
        lines.append(
            f"Without cells, and so not on the map: {count_of(len(empty), 'well')} ({shorten(empty, 5)})"
        )
    if keep:
        lines.append(f"Stages are kept in {plan.store.folder} for later runs; it may be removed")
    return lines


def _wells_without_cells(counts):
    """List wells that could be read and lack cells, such as those of toxic compounds."""
    readable = counts[counts[FAULT] == ""]
    sums = readable.groupby([PLATE, WELL], sort=False)[COUNT_CELLS].sum()
    return [f"{plate} {well}" for plate, well in sums.index[sums == 0]]
