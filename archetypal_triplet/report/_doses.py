"""The section on doses: fits along the control axis and along the shares that positive controls gain."""

from dataclasses import replace

import numpy as np

from archetypal_triplet._utils._frames import count_of
from archetypal_triplet.plotting import DoseResponseDisplay
from archetypal_triplet.plotting._choices import clip_label
from archetypal_triplet.report._axis import AXIS, GAINED, name_of, title_of
from archetypal_triplet.report._figures import make_grid
from archetypal_triplet.report._file_names import file_name
from archetypal_triplet.report._parts import N_SHOWN, Missing, Table, count, number, text
from archetypal_triplet.report._texts import make_section
from archetypal_triplet.screens import compute_dose_response

N_CURVES = 8
_COLUMNS = 4


def make_doses(inputs, writer):
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
        For each response a figure of the clearest compounds and the table of all fits.
    """
    parts = []
    reason = _why_none(inputs)
    responses, gained = ([], []) if reason else choose_responses(inputs)
    if GAINED in responses:
        inputs = replace(inputs, wells=inputs.wells.assign(**{GAINED: inputs.wells[gained].sum(axis=1)}))
    for column in responses:
        fits, options, reason = _fit(inputs, column)
        if fits is None:
            break
        fits, note = _rank(fits), _say_gained(column, gained)
        parts += [_draw(inputs, column, fits, options, writer, note), _tabulate(inputs, column, fits)]
    if reason:
        parts.append(Missing("Dose response", reason))
    elif AXIS not in inputs.wells:
        parts.append(Missing("Dose response along the control axis", inputs.reason(AXIS)))
    return make_section("doses", parts)


def _why_none(inputs):
    if inputs.roles["compound"] is None:
        return "there is no column Metadata_Compound"
    if inputs.roles["dose"] is None:
        return "there is no column of concentrations or doses (such as Metadata_Concentration_uM)"
    if not (inputs.wells[inputs.roles["dose"]] > 0).any():
        return f"no well has a value above 0 in {inputs.roles['dose']}"
    return ""


def choose_responses(inputs):
    """Choose what is fitted: the axis between the controls, and the shares that positive controls gain.

    A phenotype may be split over several archetypes, each of which has an EC50 of its own; their sum does not
    depend on how it was split. Without positive controls it is the share that differs most between wells.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    responses : list of str
        Columns of the wells, and "Summed share" where several are summed.
    gained : list of str
        The shares that are larger in positive than in negative controls; empty where that is not known.
    """
    columns = [AXIS] if AXIS in inputs.wells else []
    judged = inputs.assay.get("archetypes")
    change = None
    if judged is not None and {"share_positive", "share_negative"} <= set(judged):
        change = judged.set_index("archetype").eval("share_positive - share_negative").dropna()
    gained = [] if change is None else [name for name in inputs.shares if change.get(name, 0.0) > 0]
    if len(gained) > 1:
        return [*columns, GAINED], gained
    if gained:
        return [*columns, *gained], gained
    spread = inputs.wells[inputs.shares].std()
    return [*columns, str(spread.idxmax())] if spread.notna().any() else columns, []


def _say_gained(column, gained):
    if column != GAINED:
        return ""
    numbers = [name.rpartition("_")[2] for name in gained]
    said = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    return f" Archetypes {said} have larger shares in positive than in negative controls."


def _fit(inputs, column):
    """Fit all compounds, with plates shifted to each other where every plate has controls."""
    roles, reason = inputs.roles, ""
    for plate in dict.fromkeys([roles["plate"], None]):
        options = {
            "concentration": roles["dose"],
            "by": roles["compound"],
            "unit": roles["unit"],
            "plate": plate,
            "controls": roles["controls"],
        }
        try:
            return compute_dose_response(inputs.wells, column, **options), options, ""
        except ValueError as error:
            reason = str(error)
    return None, None, reason


def _rank(fits):
    """Put compounds with an EC50 first, the clearest response of these first."""
    has_none = fits["ec50"].isna()
    return (
        fits.assign(has_none=has_none)
        .sort_values(["has_none", "p_value"], kind="stable")
        .drop(columns="has_none")
    )


def _draw(inputs, column, fits, options, writer, note):
    shown = fits[fits["p_value"].notna()].head(N_CURVES)
    what = name_of(column)
    if not len(shown):
        return Missing(f"Curves along {what}", "no compound has enough doses for a curve")
    compounds = shown[inputs.roles["compound"]].tolist()
    n_columns = min(len(compounds), _COLUMNS)
    n_rows = -(-len(compounds) // n_columns)

    def plot(figure):
        axes = make_grid(figure, len(compounds), (n_rows, n_columns), sharey=True)
        for ax, compound in zip(axes, compounds, strict=True):
            DoseResponseDisplay.from_table(
                inputs.wells, column, compound=compound, **options, ax=ax, legend=ax is axes[n_columns - 1]
            )
            ax.set_title(clip_label(compound), loc="left")

    return writer.draw(
        f"doses_{file_name(column)}", plot, size=(3.0 * n_columns + 1.4 * (n_columns < 3), 2.9 * n_rows),
        alt=f"Dose response along {what} of {', '.join(map(str, compounds))}.",
        caption=f"{title_of(column)} by dose: the {count_of(len(compounds), 'compound')} with the "
        "clearest response. Band: 95 % interval of the curve; wells without compound stand at the left."
        f"{note}",
    )  # fmt: skip


def _tabulate(inputs, column, fits):
    rows = []
    for _, one in fits.head(N_SHOWN).iterrows():
        unit = str(one["unit"])
        rows.append(
            [
                text(one[inputs.roles["compound"]]),
                _concentration(one["ec50"], one["ec50_low"], one["ec50_high"]),
                text(unit or None), number(one["hill"]), number(one["bottom"]), number(one["top"]),
                number(one["r2"]), _probability(one["p_value"]), count(one["n_doses"]), count(one["n_wells"]),
                text(_range(one)), text(one["reason"] or None),
            ]
        )  # fmt: skip
    head = [
        "compound", "EC50", "unit", "Hill", "bottom", "top", "R²", "p", "doses", "wells", "tested",
        "no EC50 because",
    ]  # fmt: skip
    n_found = int(fits["ec50"].notna().sum())
    caption = f"Fits along {name_of(column)}: {n_found:,} of {count_of(len(fits), 'compound')} have an EC50."
    titles = {"tested": "lowest and highest concentration", "p": "whether there is a response at all"}
    return Table(f"dose_response_{file_name(column)}", caption, head, rows, fits, titles)


def _concentration(value, low, high):
    cell = number(value)
    if value == value:
        cell.text = f"{value:.3g}"
        bounds = ["0" if not low > 0 else f"{low:.3g}", "∞" if not np.isfinite(high) else f"{high:.3g}"]
        cell.below = " to ".join(bounds)
    return cell


def _probability(value):
    cell = number(value, 3)
    if value == value and value < 0.001:
        cell.text = "< 0.001"
    return cell


def _range(one):
    if one["lowest"] != one["lowest"]:
        return None
    return f"{one['lowest']:.3g} to {one['highest']:.3g}"
