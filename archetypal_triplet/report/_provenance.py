"""The last section: how the results came about, so that somebody else can make them again."""

import json

from archetypal_triplet._utils._columns import PSEUDOLABEL
from archetypal_triplet._utils._spread import COLLAPSED_SPREAD
from archetypal_triplet.plotting import TrainingDisplay
from archetypal_triplet.report._parts import (
    Facts,
    Folded,
    Lines,
    Missing,
    Table,
    as_table,
    number,
    text,
)
from archetypal_triplet.report._texts import make_section
from archetypal_triplet.runs._model import sha256_of

_CHECKED = (
    "run.json",
    "embedding.parquet",
    "archetypes.parquet",
    "wells.parquet",
    "profiles.parquet",
    "quality.csv",
)


def make_provenance(inputs, writer, options):
    """Make the section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    writer : FigureWriter
        Draws its figures.
    options : dict
        Those of this report.

    Returns
    -------
    Section
        Training, versions, parameters, hashes, warnings.
    """
    info = inputs.info
    parts = [
        Facts(_find_facts(inputs, options)),
        _draw_training(inputs, writer),
        Lines("Warnings of the run", info["warnings"]) if info.get("warnings") else None,
        Lines("What nobody said and was assumed", _list_assumptions(inputs)),
        Lines("What was left out of assay quality", inputs.notes) if inputs.notes else None,
        Folded(
            "Parameters of the run", [_tabulate("parameters", "Parameters", _flatten(info["parameters"]))]
        ),
        Folded("Versions", [_tabulate("versions", "Versions of the packages", info["versions"].items())]),
        Folded("Hashes", [_make_hashes(inputs)]),
        Folded("Thresholds of assay quality and their sources", [_make_thresholds(inputs)]),
    ]
    return make_section("provenance", parts)


def _find_facts(inputs, options):
    info, trained = inputs.info, inputs.info["trained_on"]
    labeled = f"{trained['n_rows_labeled_at_least_once']:,} of {trained['n_rows']:,} rows had a pseudo-label"
    spread = f"spread {trained['spread']:.2f} (below {COLLAPSED_SPREAD} it has collapsed)"
    left_out = info.get("flagged_fields", {})
    return [
        ("Run", f"{info['started_utc']}, {info['seconds']['total']:.0f} s, on {info['device']}"),
        ("Seed", f"{info['seed']} (run), {options['random_state']} (this report)"),
        ("Trained on", trained["what"]),
        ("Labels", f"{trained['n_labelings']} labelings; {labeled} in at least one"),
        ("Rows labeled now", f"{int((inputs.rows[PSEUDOLABEL] >= 0).sum()):,} of {len(inputs.rows):,}"),
        ("Network", f"{trained['n_steps']} steps, {spread}"),
        ("Left out", f"{left_out.get('n_left_out', 0)} flagged fields" + _because(left_out)),
        ("Held out", _say_held_out(inputs)),
        ("Embedding of", f"{info['embedding']['of']}, {info['embedding']['n_dimensions']} dimensions"),
        ("Input", "; ".join(_say_input(one) for one in info["input"])),
    ]


def _because(left_out):
    reason = left_out.get("why_none")
    return f" ({reason})" if reason else ""


def _say_held_out(inputs):
    table = inputs.quality
    if table is None:
        return "nothing: no positive controls were scored"
    held_out = table[table["trained_on"] == "held out"]
    if not len(held_out):
        return "nothing: every score is of wells that trained the map"
    if held_out["value"].isna().all():
        return f"not computed: {held_out['reason'].iloc[0]}"
    return f"controls, for the rows that say so ({held_out['axis'].iloc[0]})"


def _say_input(one):
    return f"{one['file']} (sha256 {one['sha256'][:16]}…, of {one['of']})"


def _draw_training(inputs, writer):
    if inputs.history is None or not len(inputs.history):
        return Missing(
            "Course of the training", "the results hold no training.csv; an older version made them"
        )

    def plot(figure):
        TrainingDisplay.from_table(inputs.history, ax=figure.subplots())

    return writer.draw(
        "training", plot, size=(7.5, 3.4),
        alt="Loss, share of active triplets and spread of the embedding by training step.",
        caption="The training: a loss that stays at the margin while the spread falls would be a collapse.",
    )  # fmt: skip


def _list_assumptions(inputs):
    images = inputs.info.get("images") or {}
    return [*images.get("assumed", []), *inputs.assumed] or ["nothing"]


def _flatten(values, prefix=""):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def _tabulate(name, caption, pairs):
    pairs = list(pairs)
    rows = [[text(key), text(value)] for key, value in pairs]
    frame = as_table([{"name": key, "value": value} for key, value in pairs])
    return Table(name, caption, ["name", "value"], rows, frame)


def _make_hashes(inputs):
    pairs = []
    for name in _CHECKED:
        path = inputs.folder / name
        if path.is_file():
            pairs.append((name, sha256_of(path)))
    return _tabulate("hashes", "SHA-256 of the files that this page was made from", pairs)


def _make_thresholds(inputs):
    known = inputs.assay_info["thresholds"]
    rows = [
        [
            text(one["name"]),
            number(one["value"], 2),
            text(one["unit"]),
            text(one["meaning"]),
            text(one["source"]),
        ]
        for one in known
    ]
    head = ["name", "value", "unit", "meaning", "source"]
    return Table("thresholds", "Thresholds", head, rows, as_table(known))
