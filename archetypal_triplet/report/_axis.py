"""What plates and doses are looked at along: the axis between the controls, and the shares of archetypes."""

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX, CELL_COUNT, METADATA_PREFIX
from archetypal_triplet._utils._wells import parse_well

AXIS = "Control axis"
GAINED = "Summed share"
_NAMES = {
    AXIS: "the axis between the controls (0 negative, 1 positive)",
    GAINED: "the summed share of the archetypes that positive controls gain",
    CELL_COUNT: "the number of cells",
}


def choose_axis(inputs):
    """Choose the column that is shown where there is room for one.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    str
        The axis between the controls where there is one; else the share that differs most between wells.
    """
    if AXIS in inputs.wells:
        return AXIS
    spread = inputs.wells[inputs.shares].std()
    return str(spread.idxmax()) if len(spread) else CELL_COUNT


def name_of(column):
    """Say what a column is, in the middle of a sentence."""
    if column in _NAMES:
        return _NAMES[column]
    if str(column).startswith(ARCHETYPE_PREFIX):
        return f"the share of {str(column).replace('_', ' ').lower()}"
    return str(column).removeprefix(METADATA_PREFIX)


def title_of(column):
    """Say what a column is, at the beginning of a line."""
    what = name_of(column)
    return what[:1].upper() + what[1:]


def colors_of(column):
    """Name the color map of a column on plates; that of the axis between the controls is its own."""
    return "cividis" if column == AXIS else "viridis"


def explain_no_plates(inputs):
    """Say why no plate can be drawn.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.

    Returns
    -------
    str
        The reason; empty where plates can be drawn.
    """
    plate, well = inputs.roles["plate"], inputs.roles["well"]
    for name, role in (("plates", plate), ("wells", well)):
        if role is None:
            return f"there is no column of {name}; name it with --{name[:-1]}"
    try:
        for name in inputs.wells[well].unique():
            parse_well(name)
    except ValueError as error:
        return str(error)
    return ""
