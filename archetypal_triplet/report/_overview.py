"""The first section: what was screened, whether the assay is good, what stands out, plate by plate."""

import math
import re

from archetypal_triplet._utils._columns import CELL_COUNT, CONTROL_TYPE, IS_FLAGGED, METADATA_PREFIX
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet.report._parts import (
    Facts,
    Html,
    Lines,
    Missing,
    Row,
    Table,
    as_table,
    count,
    interval,
    number,
    text,
)
from archetypal_triplet.report._strip import draw_run_order
from archetypal_triplet.report._summary import draw_summary
from archetypal_triplet.report._texts import WITHOUT_CONTROLS, make_section
from archetypal_triplet.runs._assay_summary import summarize_assay

SPACES = {
    "embedding": "the map (embedding)",
    "feature_embedding": "embedding of features",
    "pixel_embedding": "embedding of pixels",
    "whitened": "whitened components",
    "features": "measured features",
    "features_pca": "measured features, PCA",
    "cell_count": "cell count alone",
}
METRICS = {"z_prime": "Z′", "ssmd": "SSMD", "auc": "AUC", "robust_z_prime": "robust Z′"}
TRAINED = {"seen": "yes", "held out": "no, held out"}
# of the table of plates, by their head
_PLATE_COLUMNS = {
    "plate": "plate", "wells": "n_wells", "negative": "n_negative", "positive": "n_positive",
    "Z′": "z_prime", "SSMD": "ssmd", "drift": "drift", "position, p": "position_p",
    "cells a well": "cells", "flagged": "n_flagged",
}  # fmt: skip
_SCALES = {"z_prime": (-1.0, 1.0)}  # of the metrics that are drawn beside their number
_TITLES = {
    "Z′": "1 - 3 (SD negative + SD positive) / distance of their means, along the axis between the controls",
    "robust Z′": "the same from medians and median absolute deviations",
    "SSMD": "distance of the means in units of the joint SD",
    "AUC": "how often a positive control lies farther along the axis than a negative one",
    "trained the map": "whether the wells that are scored were used, without their labels, to make the map",
}


def make_overview(inputs, writer):
    """Make the section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    writer : FigureWriter
        Draws its figures.

    Returns
    -------
    Section
        The overview.
    """
    side_by_side = Row([Facts(find_facts(inputs)), _make_quality(inputs)])
    parts = [side_by_side, draw_summary(inputs, writer), _stand_out(inputs)]
    parts += _make_plates(inputs)
    reading = WITHOUT_CONTROLS if inputs.assay.get("controls") is None else None
    return make_section("overview", parts, reading=reading)


def find_facts(inputs):
    """Say what was screened, as pairs of a word and a number."""
    wells, roles, info = inputs.wells, inputs.roles, inputs.info
    plate, compound, dose = (roles[name] for name in ("plate", "compound", "dose"))
    facts = []
    if plate is not None:
        names = inputs.plate_names
        shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        facts.append(("Plates", f"{len(names):,} ({shown})"))
    facts.append(("Wells", f"{len(wells):,}"))
    if inputs.level != "well":
        facts.append((f"{inputs.level.capitalize()}s", f"{len(inputs.rows):,}"))
    facts += _say_controls(wells)
    if compound is not None:
        facts.append(("Compounds", _say_compounds(wells[inputs.is_treated], compound, dose, roles["unit"])))
    images = info.get("images")
    if images:
        facts.append(("Images", f"{images['files']['n_files']:,} files, {', '.join(images['channels'])}"))
    facts.append(("Features", f"{info['table']['n_features']:,} for each {inputs.level}"))
    facts.append(("Archetypes", _say_archetypes(info)))
    return facts


def _say_controls(wells):
    if CONTROL_TYPE not in wells:
        return [("Controls", "the table does not say which wells are controls")]
    counts = wells[CONTROL_TYPE].astype(str).value_counts()
    order = [name for name in ("negative", "positive", "untreated") if name in counts]
    said = ", ".join(f"{counts[name]:,} {name}" for name in order)
    return [("Controls", f"{said} (wells)" if said else "none")]


def _say_compounds(treated, compound, dose, unit):
    n = treated[compound].nunique()
    names = sorted(treated[compound].dropna().astype(str).unique(), key=natural_key)
    said = f"{n:,}" + (f" ({', '.join(names)})" if 0 < n <= 3 else "")
    if dose is None:
        return said
    values = treated[dose][treated[dose] > 0].dropna()
    if not len(values):
        return said
    units = treated[unit].dropna().astype(str).unique() if unit is not None else _unit_in(dose)
    if len(units) > 1:  # a range over units would be nonsense
        return f"{said}, {count_of(values.nunique(), 'dose')} in {' and '.join(units[:3])}"
    word = f" {units[0]}" if len(units) else ""
    return f"{said}, {count_of(values.nunique(), 'dose')} from {values.min():.3g} to {values.max():.3g}{word}"


def _unit_in(name):
    """Unit at the end of a column's name: Metadata_Concentration_uM."""
    ending = str(name).removeprefix(METADATA_PREFIX).rpartition("_")[2]
    return [ending] if re.fullmatch(r"[pnuµm]?(M|g|mol)([_/]?m?[lL])?", ending) else []


def _say_archetypes(info):
    known = info["archetypes"]
    n = len(known["labelings"])
    said = f"{known['reference_n_archetypes']} are shown"
    return f"{said}; {n} labelings trained the map" if n > 1 else said


def _make_quality(inputs):
    table = inputs.assay.get("controls")
    if table is None:
        return Missing("Separation of the controls", inputs.reason("controls"))
    pooled = table[table["scope"] == "pooled"]
    rows = []
    for space, words in SPACES.items():
        for trained, part in pooled[pooled["space"] == space].groupby("trained_on", sort=False):
            rows.append(_quality_row(words, trained, part.set_index("metric")))
    head = ["measured in", "trained the map", *METRICS.values()]
    first = pooled.iloc[0]
    return Table(
        "controls",
        f"Separation of {first['n_positive']:,.0f} positive and {first['n_negative']:,.0f} negative control "
        "wells, all plates together, with 95 % intervals. The axis is always drawn from other wells than "
        "those that it scores.",
        head, rows, pooled, _TITLES, n_rows=len(rows),
    )  # fmt: skip


def _quality_row(words, trained, part):
    cells = [text(words), text(TRAINED.get(trained, trained))]
    for metric in METRICS:
        row = part.loc[metric]
        digits = 1 if metric == "ssmd" else 2
        bounds = (row["low"], row["high"])
        shown = interval(
            row["value"], *bounds, digits=digits, reason=row["reason"], scale=_SCALES.get(metric)
        )
        cells.append(shown)
    return cells


def _stand_out(inputs):
    lines = summarize_assay(inputs.assay, {}, [])
    marked = [line.removeprefix("! ") for line in lines if line.startswith("! ")]
    marked = [_say_plainly(line[:1].upper() + line[1:]) for line in marked]
    if not marked:
        marked = ["Nothing in what could be tested; what could not has its reason in its section."]
    return Lines("What stands out", marked)


def _say_plainly(line):
    """A dimension of the embedding has no meaning of its own, and a minus is no hyphen."""
    line = re.sub(r" in Embedding_(\d+)", r" along dimension \1 of the embedding", line)
    return re.sub(r"(?<= )-(?=\d)", "\u2212", line)


def _make_plates(inputs):
    plate = inputs.roles["plate"]
    if plate is None:
        return [Missing("Plates", "there is no column of plates; name it with --plate")]
    frame = describe_plates(inputs)
    columns = {head: column for head, column in _PLATE_COLUMNS.items() if frame[column].notna().any()}
    rows = [[_plate_cell(one, column) for column in columns.values()] for _, one in frame.iterrows()]
    titles = _TITLES | {
        "drift": "distance of the negative controls from those of the first plate, in spreads within plates",
        "position, p": "smallest p of the effects of row, column and edge, in negative controls or all wells",
        "cells a well": "median number of cells",
        "flagged": "fields that are unlike the others of their well",
    }
    first = "lowest Z′ first" if "Z′" in columns else "in their order"
    caption = f"Plates in the embedding, {first}. Empty cells say why when the pointer rests on them."
    parts = [Table("plates", caption, list(columns), rows, frame, titles)]
    if len(frame) > 1:
        parts.append(Html(draw_run_order(frame.sort_values("position"))))
    return parts


def _plate_cell(one, column):
    value = one[column]
    if column in ("z_prime", "ssmd"):
        bounds = (one[f"{column}_low"], one[f"{column}_high"])
        return interval(value, *bounds, reason=one["reason"], scale=_SCALES.get(column))
    if column == "drift":
        return number(value, reason="no negative controls")
    if column == "position_p":
        return number(value, 3, reason="too few wells, or none are known")
    if column == "cells":
        return number(value, 0)
    return text(value) if column == "plate" else count(value)


def describe_plates(inputs):
    """Return a row for each plate: wells, separation of the controls, drift, positions, cells, flags.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    DataFrame
        Lowest Z' first, then plates without one in natural order; ``position`` is the order of the run.
    """
    wells, plates, names = inputs.wells, inputs.plates, inputs.plate_names
    order = _find_order(inputs, names)
    controls, drift = inputs.assay.get("controls"), inputs.assay.get("drift")
    lowest_p = _lowest_p(inputs.assay.get("positions"))
    sizes = plates.value_counts()
    cells = wells.groupby(plates)[CELL_COUNT].median() if CELL_COUNT in wells else {}
    flagged = _count_flagged(inputs)
    kinds = {"n_negative": "controls", "n_positive": "positive_controls"}
    kinds = {column: _count_controls(inputs, role) for column, role in kinds.items()}
    rows = []
    for name in names:
        one = {"plate": name, "position": order.index(name), "n_wells": int(sizes[name])}
        one |= {column: math.nan if found is None else found.get(name, 0) for column, found in kinds.items()}
        one |= _controls_of(controls, name)
        one["drift"] = _drift_of(drift, name) if len(names) > 1 else math.nan
        one["position_p"] = lowest_p.get(name, math.nan)
        one["cells"] = float(cells[name]) if name in cells else math.nan
        one["n_flagged"] = flagged.get(name, 0 if flagged else math.nan)
        rows.append(one)
    frame = as_table(rows)
    return frame.sort_values("z_prime", kind="stable", na_position="last").reset_index(drop=True)


def _find_order(inputs, names):
    """Take the order of the plates from the table of drift, which is counted from the first of them."""
    drift = inputs.assay.get("drift")
    if drift is None:
        return names
    part = drift[(drift["scope"] == "plate") & drift["position"].notna()]
    position = part.groupby(part["plate"].astype(str))["position"].min().to_dict()
    return sorted(names, key=lambda name: (position.get(name, math.inf), natural_key(name)))


def _count_controls(inputs, role):
    """Wells of a kind of control on each plate."""
    chosen = inputs.select(role)
    return None if chosen is None else inputs.plates[chosen].value_counts().to_dict()


def _controls_of(table, name):
    empty = {"reason": "no positive or negative controls"}
    for metric in ("z_prime", "ssmd"):
        empty |= {metric: math.nan, f"{metric}_low": math.nan, f"{metric}_high": math.nan}
    if table is None:
        return empty
    chosen = (table["scope"] == "plate") & (table["space"] == "embedding") & (table["trained_on"] == "seen")
    part = table[chosen & (table["plate"].astype(str) == name)].set_index("metric")
    if "z_prime" not in part.index:
        return empty
    found = {"reason": part.loc["z_prime", "reason"]}
    for metric in ("z_prime", "ssmd"):
        row = part.loc[metric]
        found |= {metric: row["value"], f"{metric}_low": row["low"], f"{metric}_high": row["high"]}
    return found


def _drift_of(table, name):
    if table is None:
        return math.nan
    chosen = (table["space"] == "embedding") & (table["scope"] == "plate")
    part = table[chosen & (table["plate"].astype(str) == name)]
    return float(part["from_first"].iloc[0]) if len(part) else math.nan


def _lowest_p(table):
    if table is None:
        return {}
    part = table[(table["scope"] == "plate") & table["p_value"].notna()]
    negative = part[part["wells"] == "negative"]
    part = negative if len(negative) else part
    return part.groupby(part["plate"].astype(str))["p_value"].min().to_dict()


def _count_flagged(inputs):
    fields, plate = inputs.assay.get("fields"), inputs.roles["plate"]
    if fields is None:
        return {}
    flags = fields[IS_FLAGGED].fillna(False).astype(bool)
    return flags.groupby(fields[plate].astype(str)).sum().to_dict()
