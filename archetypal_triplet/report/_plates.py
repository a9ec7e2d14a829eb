"""The section on the plates: heat maps of every share, of the control axis, of cells and doses."""

from dataclasses import replace

import numpy as np

from archetypal_triplet._utils._columns import CELL_COUNT, CONTROL_TYPE
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting import PlateHeatmapDisplay
from archetypal_triplet.plotting._choices import clip_label, make_norm
from archetypal_triplet.qc import compute_position_effects
from archetypal_triplet.report._axis import AXIS, colors_of, explain_no_plates, name_of, title_of
from archetypal_triplet.report._figures import make_grid
from archetypal_triplet.report._file_names import file_name
from archetypal_triplet.report._parts import Folded, Html, Missing, Table, count, number, text
from archetypal_triplet.report._texts import make_section
from archetypal_triplet.report._viewer import make_viewer

MAX_PLATES = 6  # on one figure; the viewer shows any
_COLUMNS = 3
_DOSE_IN = "Concentration in "
MAX_UNITS = 4  # of doses, each of which has a scale of its own


def make_plates(inputs, writer, *, random_state=0):
    """Make the section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    writer : FigureWriter
        Draws its figures.
    random_state : int, default=0
        Draws the permutations that effects of position are tested by.

    Returns
    -------
    Section
        Figures, one a column, and the table of effects of position.
    """
    parts = []
    reason = explain_no_plates(inputs)
    if reason:
        parts.append(Missing("Heat maps", reason))
    else:
        if AXIS not in inputs.wells:
            parts.append(Missing("The axis between the controls", inputs.reason(AXIS)))
        # plates are text, which is how tables of assay quality name them
        wells = inputs.wells.assign(**{inputs.roles["plate"]: inputs.plates})
        inputs = split_doses(replace(inputs, wells=wells))
        columns = list_columns(inputs)
        parts.append(Html(make_viewer(inputs, columns)))
        names, note = choose_plates(inputs)
        effects = find_effects(inputs, names, random_state)
        figures = [_draw(inputs, column, names, note, effects, writer) for column in columns]
        parts.append(Folded("The same as figures, which are printed", figures))
    parts.append(_tabulate_effects(inputs))
    return make_section("plates", parts)


def list_columns(inputs):
    """List what is drawn: the axis between the controls, all shares, cells, doses.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    list of str
        Columns of the wells.
    """
    wells = inputs.wells
    first = [AXIS] if AXIS in wells else []
    doses = [c for c in wells if str(c).startswith(_DOSE_IN)] or [inputs.roles["dose"]]
    more = [c for c in (CELL_COUNT, *doses) if c is not None and c in wells]
    return [*first, *inputs.shares, *more]


def split_doses(inputs):
    """Give doses a column for each of their units, since 10 nM and 10 uM have no color in common.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    ReportInputs
        With columns such as ``Concentration in nM``, NaN in wells of other units; the same where there is no
        column of units.
    """
    wells, dose, unit = inputs.wells, inputs.roles["dose"], inputs.roles["unit"]
    if dose is None or unit is None:
        return inputs
    named = wells[unit].astype(object).where(wells[unit].notna(), "").astype(str)
    units = named[(wells[dose] > 0) & (named != "")].value_counts().index[:MAX_UNITS]
    is_zero = wells[dose] == 0
    columns = {f"{_DOSE_IN}{one}": wells[dose].where((named == one) | is_zero) for one in units}
    return replace(inputs, wells=wells.assign(**columns))


def find_effects(inputs, names, random_state=0):
    """Test each column of each plate for effects of position on its own.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    names : list of str
        Plates.
    random_state : int, default=0
        Draws the permutations.

    Returns
    -------
    DataFrame or None
        Table of `compute_position_effects` of the axis between the controls and the shares; None where they
        cannot be tested.
    """
    plate, well = inputs.roles["plate"], inputs.roles["well"]
    wells = inputs.wells[inputs.plates.isin(names)]
    tested = [c for c in (AXIS, *inputs.shares) if c in wells and np.isfinite(wells[c]).all()]
    if not tested or not len(wells):
        return None
    try:
        return compute_position_effects(
            wells, plate=plate, well=well, features=tested, by_column=True, random_state=random_state
        )
    except ValueError:  # the table below says why
        return None


def choose_plates(inputs):
    """Choose the plates that are drawn: all, or those with the clearest effects of position.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    names : list of str
        In natural order.
    note : str
        Which they are, if not all.
    """
    names = inputs.plate_names
    if len(names) <= MAX_PLATES:
        return names, ""
    table = inputs.assay.get("positions")
    sizes = {}
    if table is not None:
        part = table[table["scope"] == "plate"]
        sizes = part.groupby(part["plate"].astype(str))["variance_explained"].max().dropna().to_dict()
    chosen = sorted(names, key=lambda name: (-sizes.get(name, -np.inf), natural_key(name)))[:MAX_PLATES]
    what = "with the largest effects of position" if sizes else "that come first"
    note = f" Of {len(names)} plates the {MAX_PLATES} {what}; the viewer above shows all."
    return sorted(chosen, key=natural_key), note


def _draw(inputs, column, names, note, effects, writer):
    wells, roles = inputs.wells, inputs.roles
    values = wells[column].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    norm = make_norm(values, column) if len(values) else None
    n_columns = min(len(names), _COLUMNS)
    n_rows = -(-len(names) // n_columns)
    width = 5.2 if len(names) == 1 else 3.55

    def plot(figure):
        for ax, name in zip(make_grid(figure, len(names), (n_rows, n_columns)), names, strict=True):
            PlateHeatmapDisplay.from_table(
                wells, column, plate=name, plate_column=roles["plate"], well_column=roles["well"],
                control_column=CONTROL_TYPE, effects=effects, norm=norm,
                cmap=colors_of(column), ax=ax, legend=name == names[-1],
            )  # fmt: skip
            ax.set_title(clip_label(name), loc="left")

    return writer.draw(
        f"plates_{file_name(column)}", plot, size=(width * n_columns + 1.0, (0.66 * width + 0.55) * n_rows),
        alt=f"Heat map of {name_of(column)} on {count_of(len(names), 'plate')}: {', '.join(names)}.",
        caption=f"{title_of(column)}{_say_scale(column, names)}.{note}",
    )  # fmt: skip


def _say_scale(column, names):
    if str(column).startswith(_DOSE_IN):
        return "; wells with doses in other units are left out"
    return "; all plates on one scale" if len(names) > 1 else ""


def _tabulate_effects(inputs):
    table = inputs.assay.get("positions")
    if table is None:
        return Missing("Effects of position", inputs.reason("positions"))
    if table["p_value"].isna().all():
        reasons = table["reason"].value_counts().index
        more = ", and the like on other plates" if len(reasons) > 1 else ""
        return Missing("Effects of position", f"{reasons[0]}{more}")
    shown = table[table["scope"] == "pooled"].assign(plate="all plates")
    per_plate = table[(table["scope"] == "plate") & table["p_value"].notna()]
    per_plate = per_plate.sort_values("p_value", kind="stable")
    if per_plate["plate"].nunique() < 2:
        per_plate = per_plate.iloc[:0]
    table = import_optional("pandas", extra="report").concat([shown, per_plate], ignore_index=True)
    rows = [
        [
            text(row["plate"]), text(row["wells"]), text(row["effect"]),
            number(row["variance_explained"], 1, percent=True), number(row["size"]),
            number(row["p_value"], 3, reason=row["reason"]), text(row["column"]), count(row["n_wells"]),
        ]
        for _, row in table.head(60).iterrows()
    ]  # fmt: skip
    head = ["plate", "wells", "effect", "variance", "size", "p", "most in", "wells tested"]
    titles = {
        "variance": "share of the variance that the effect explains, less what chance would; below 0: none",
        "size": "largest difference, in spreads within plates",
        "wells": "all wells, or the negative controls, which the layout should not make differ",
    }
    caption = "Effects of row, column and edge in the embedding, by permutation."
    return Table("positions", caption, head, rows, table, titles)
