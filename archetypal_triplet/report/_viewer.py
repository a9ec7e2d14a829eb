"""The plates to page through: any column of the wells, drawn by the page itself."""

import math

import numpy as np

from archetypal_triplet._utils._columns import is_metadata
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import is_numeric
from archetypal_triplet._utils._wells import parse_wells, plate_shape
from archetypal_triplet.plotting._choices import make_norm, take_control_type
from archetypal_triplet.plotting._palette import CATEGORY_COLORS, CONTROL_MARKERS, OTHER_COLOR, to_kinds
from archetypal_triplet.report._axis import colors_of, title_of
from archetypal_triplet.report._templates import to_script

MAX_COLUMNS = 40
MANY_WELLS = 20_000  # more wells are shown by shares, axis and counts alone
_N_COLORS = 64
_DIGITS = 4


def pack_plates(inputs, first):
    """Pack the wells for the page's script.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run; its plates can be drawn (`explain_no_plates`).
    first : list of str
        Columns that are offered first.

    Returns
    -------
    str
        JSON that can stand in a script of a page.
    """
    wells, roles = inputs.wells, inputs.roles
    names = inputs.plate_names
    number = {name: i for i, name in enumerate(names)}
    rows, columns = parse_wells(wells[roles["well"]])
    kinds = {"sample": 0, **{kind: i for i, kind in enumerate(CONTROL_MARKERS, start=1)}}
    packed = {
        "plates": names,
        "shape": list(plate_shape(rows, columns)),
        "plate": [number[name] for name in inputs.plates],
        "row": rows.tolist(),
        "column": columns.tolist(),
        "well": wells[roles["well"]].astype(str).tolist(),
        "kinds": ["", *CONTROL_MARKERS],
        "kind": [kinds[kind] for kind in to_kinds(take_control_type(wells), len(wells))],
        "columns": [_pack(wells, column) for column in _list_columns(inputs, first)],
        "scales": {name: _list_colors(name) for name in ("viridis", "cividis")},
        "other": OTHER_COLOR,
    }
    return to_script(packed)


def _list_columns(inputs, first):
    wells = inputs.wells
    if len(wells) > MANY_WELLS:
        return first
    skipped = {inputs.roles["plate"], inputs.roles["well"], *first}
    if inputs.roles["unit"] is not None:  # doses stand among the first, by unit
        skipped.add(inputs.roles["dose"])
    more = [c for c in wells if is_metadata(c) and c not in skipped and _differs(wells[c])]
    return [*first, *more][:MAX_COLUMNS]


def _differs(values):
    """Tell whether a column has two values; a cell may hold a list, which cannot be hashed."""
    return values[values.notna()].map(str).nunique() > 1


def _pack(wells, column):
    """Numbers as they are with the ends of their scale; text as numbers of classes."""
    values = wells[column]
    about = {"name": str(column), "label": title_of(column)}
    if is_numeric(values.dtype) and values.dtype.kind != "b":
        numbers = values.to_numpy(dtype=float)
        finite = numbers[np.isfinite(numbers)]
        norm = make_norm(finite, str(column))
        about |= {
            "low": float(norm.vmin), "high": float(norm.vmax), "log": type(norm).__name__ == "LogNorm",
            "scale": colors_of(column),
        }  # fmt: skip
        rounded = [float(f"{value:.{_DIGITS}g}") for value in numbers]  # the largest number becomes inf
        return {**about, "values": [value if math.isfinite(value) else None for value in rounded]}
    text = values.astype(object).where(values.notna(), None)
    counts = text[values.notna()].map(str).value_counts()
    classes = counts.index.tolist()
    number = {name: i for i, name in enumerate(classes)}
    codes = [None if value is None else number[str(value)] for value in text]
    return {**about, "classes": classes, "colors": list(CATEGORY_COLORS), "values": codes}


def _list_colors(name):
    matplotlib = import_optional("matplotlib", extra="report")
    to_hex = import_optional("matplotlib.colors", extra="report").to_hex
    return [to_hex(color) for color in matplotlib.colormaps[name](np.linspace(0, 1, _N_COLORS))]


def make_viewer(inputs, first):
    """Make the elements of the viewer; its script is ``static/plates.js``.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    first : list of str
        Columns that are offered first.

    Returns
    -------
    str
        Safe HTML.
    """
    return (
        '<div id="plate-viewer" class="screen-only">'
        '<p class="controls"><label>Column <select id="plate-column"></select></label> '
        '<button type="button" id="plate-back">Previous plates</button> '
        '<button type="button" id="plate-on">Next plates</button> '
        '<span id="plate-page" aria-live="polite"></span></p>'
        '<div id="plate-sheet"></div>'
        '<p id="plate-legend"></p><p id="plate-well" class="note" aria-live="polite">'
        "Rest on a well to read its value.</p>"
        f'<script type="application/json" id="plate-data">{pack_plates(inputs, first)}</script></div>'
    )
