"""One plate of a table as a grid of wells, and what is known of effects of their position."""

from dataclasses import dataclass

import numpy as np

from archetypal_triplet._utils._columns import CONTROL_TYPE, PLATE
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, count_of, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import is_numeric, plate_names
from archetypal_triplet._utils._wells import PLATE_FORMATS, parse_wells, plate_shape, well_name
from archetypal_triplet.plotting._choices import to_labels

EFFECTS = ("row", "column", "edge")
MAX_CLASSES = 10


@dataclass
class Grid:
    """Wells of one plate.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Numbers, or text of classes.
    is_measured : ndarray of bool of shape (n_rows, n_columns)
        Where there is a row of the table.
    control_type : ndarray of str of shape (n_rows, n_columns) or None
        What kind of control a well is; "" where it is none.
    title : str
        Which plate it is, or how many.
    """

    values: np.ndarray
    is_measured: np.ndarray
    control_type: np.ndarray | None
    title: str


def read_grid(table, column, *, plate, plate_column, well_column, control_column, plate_format):
    """Take one plate, or the mean of all, out of a table.

    Parameters
    ----------
    table : DataFrame
        Rows of wells, fields or cells.
    column : str
        What is shown.
    plate : str or None
        The plate; None takes all.
    plate_column, well_column : str
        Columns that name plate and well.
    control_column : str or None
        Column of control types, if there is one.
    plate_format : int or None
        Number of wells of a plate; None takes the smallest that holds all rows of the table.

    Returns
    -------
    Grid
        Rows of a well are averaged first, then plates; of text the most frequent counts.

    Raises
    ------
    ValueError
        If a column, the plate or the format does not exist, or a well lies outside.
    """
    table = as_pandas(table)
    check_columns_exist(table, [column], parameter="column")
    check_columns_exist(table, [well_column], parameter="well_column")
    if control_column is not None and control_column != CONTROL_TYPE:
        check_columns_exist(table, [control_column], parameter="control_column")
    if not len(table):
        raise ValueError("The table has no rows: there is no plate to draw.")
    if table[well_column].isna().any():
        raise ValueError(
            f"{count_of(int(table[well_column].isna().sum()), 'row')} of {len(table)} have no value in "
            f"{well_column!r}. Drop these rows."
        )
    at_row, at_column = parse_wells(table[well_column])
    shape = _choose_shape(at_row, at_column, plate_format)
    plates = _read_plates(table, plate_column, plate)
    chosen = np.ones(len(table), dtype=bool) if plate is None else plates == str(plate)
    if not chosen.any():
        raise ValueError(
            f"plate={plate!r} is not a plate of the table. Plates to choose from: "
            f"{shorten(np.unique(plates))}."
        )
    codes, kept = (at_row * shape[1] + at_column)[chosen], table[chosen]
    n_plates = len(np.unique(plates[chosen]))
    values = _to_values(kept[column], column)
    if values.dtype.kind == "f":
        grid = _average(values, codes, plates[chosen], shape)
    else:
        grid = _most_frequent(values, codes, shape)
    kinds = None
    if control_column is not None and control_column in table.columns:
        kinds = _most_frequent(to_labels(kept[control_column], control_column), codes, shape)
    is_measured = np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape) > 0
    what = "Mean of" if values.dtype.kind == "f" else "Most frequent on"
    title = _name_plate(plates[chosen][0]) if n_plates == 1 else f"{what} {n_plates} plates"
    return Grid(grid, is_measured, kinds, title)


def _name_plate(name):
    return str(name) if str(name).lower().startswith("plate") else f"Plate {name}".strip()


def _choose_shape(rows, columns, plate_format):
    if plate_format is None:
        return plate_shape(rows, columns)
    if plate_format not in PLATE_FORMATS:
        raise ValueError(
            f"plate_format={plate_format!r} is none of the plates that there are: "
            f"{', '.join(map(str, PLATE_FORMATS))} wells."
        )
    shape = PLATE_FORMATS[plate_format]
    if rows.max() >= shape[0] or columns.max() >= shape[1]:
        raise ValueError(
            f"plate_format={plate_format} has {shape[0]} rows and {shape[1]} columns, but the table has "
            f"wells up to {well_name(rows.max(), columns.max())}. Choose a larger format, or None."
        )
    return shape


def _read_plates(table, plate_column, plate):
    if plate_column == PLATE and plate_column not in table.columns and plate is None:
        return np.full(len(table), "")
    check_columns_exist(table, [plate_column], parameter="plate_column")
    return plate_names(table, plate_column)


def _to_values(series, name):
    """Numbers as float64, infinite ones as NaN; text, booleans and few whole numbers as labels."""
    pd = import_optional("pandas", extra="screens")
    if is_numeric(series.dtype) and series.dtype.kind != "b":
        few = series.dtype.kind in "iu" and series.nunique() <= MAX_CLASSES
        if not few:
            values = pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
            return np.where(np.isfinite(values), values, np.nan)
    return to_labels(series.astype(object), name)


def _average(values, codes, plates, shape):
    pd = import_optional("pandas", extra="screens")
    frame = pd.DataFrame({"value": values, "well": codes, "plate": plates})
    means = frame.groupby(["plate", "well"])["value"].mean().groupby("well").mean()
    grid = np.full(shape[0] * shape[1], np.nan)
    grid[means.index.to_numpy()] = means.to_numpy()
    return grid.reshape(shape)


def _most_frequent(labels, codes, shape):
    pd = import_optional("pandas", extra="screens")
    counts = pd.DataFrame({"well": codes, "label": labels}).groupby(["well", "label"]).size().reset_index()
    counts = counts.sort_values(["well", 0, "label"], ascending=[True, False, True]).drop_duplicates("well")
    grid = np.full(shape[0] * shape[1], "", dtype=object)
    grid[counts["well"].to_numpy()] = counts["label"].to_numpy()
    return grid.reshape(shape).astype(str)


def read_effects(effects, column, plate):
    """Take the p of the effects that concern one plate and column.

    Parameters
    ----------
    effects : DataFrame, dict of str to float, or None
        Table of `qc.compute_position_effects`, or p by the name of the effect.
    column : str
        The column that is drawn.
    plate : str or None
        The plate; None stands for all.

    Returns
    -------
    dict of str to float
        Values of p of the effects that were tested.

    Raises
    ------
    ValueError
        If the table lacks a column, holds several kinds of wells, or a name is no effect.
    """
    if effects is None:
        return {}
    if hasattr(effects, "columns"):
        effects = _choose_effects(effects, column, plate)
    unknown = [name for name in effects if name not in EFFECTS]
    if unknown:
        raise ValueError(f"effects names {unknown[0]!r}; allowed are {', '.join(EFFECTS)}.")
    return {name: float(p) for name, p in effects.items() if p is not None and p == p}


def _choose_effects(effects, column, plate):
    effects = as_pandas(effects)
    check_columns_exist(effects, ["scope", "plate", "effect", "column", "p_value"], parameter="effects")
    if "wells" in effects.columns and effects["wells"].nunique() > 1:
        raise ValueError(
            f"effects holds rows of several kinds of wells ({shorten(effects['wells'].unique())}). Choose "
            "those of one kind."
        )
    if plate is None:
        rows = effects[effects["scope"] == "pooled"]
    else:
        rows = effects[(effects["scope"] == "plate") & (effects["plate"].astype(str) == str(plate))]
    if rows["effect"].duplicated().any():  # every column was tested on its own
        rows = rows[rows["column"] == column]
    return dict(zip(rows["effect"], rows["p_value"], strict=True))
