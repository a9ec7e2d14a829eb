"""A table of wells as arrays, the way the numbers about plates want it."""

from dataclasses import dataclass, replace

import numpy as np

from archetypal_triplet._utils._frames import (
    as_pandas,
    check_columns_exist,
    embedding_columns,
    is_frame,
    select_rows,
)
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._wells import parse_wells


@dataclass
class Wells:
    """The chosen wells of a table, one row each.

    Attributes
    ----------
    values : ndarray of shape (n_wells, n_columns)
        What was measured.
    names : list of str
        Names of the columns.
    plate_names : ndarray of shape (n_plates,)
        Names of the plates, sorted.
    plates, rows, columns : ndarray of int of shape (n_wells,)
        Where each well lies, counted from 0.
    """

    values: np.ndarray
    names: list
    plate_names: np.ndarray
    plates: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def take_measured(X, features, *, what="wells"):
    """Return the measured columns of a frame as float64, and their names; NaN is refused.

    Parameters
    ----------
    X : DataFrame
        The table.
    features : list of str or None
        Columns to take; None takes ``Embedding_*``, else all numbers that are neither metadata nor shares.
    what : str, default="wells"
        What a row is, for messages.

    Returns
    -------
    values : ndarray of shape (n_rows, n_columns)
        What was measured.
    names : list of str
        The columns.

    Raises
    ------
    ValueError
        If there is no such column, or a value is NaN or infinite.
    """
    columns = embedding_columns(X, features)
    names = [str(name) for name in columns]
    values = X[columns].to_numpy(dtype=np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        worst = names[int(bad.sum(axis=0).argmax())]
        raise ValueError(
            f"{bad.any(axis=1).sum()} of {len(values)} {what} hold NaN or infinite values (most in "
            f"{worst!r}). Drop or fill them, or name other columns in features."
        )
    return values, names


def check_table(X):
    """Return `X` as a pandas frame, or raise.

    Parameters
    ----------
    X : frame
        The table.

    Returns
    -------
    pandas.DataFrame
        The same table.

    Raises
    ------
    TypeError
        If `X` is no table.
    ValueError
        If it has no rows.
    """
    if not is_frame(X):
        raise TypeError(
            f"X is a {type(X).__name__}; a table with named columns is needed, since plates and wells are "
            "columns. Make one with pandas.DataFrame."
        )
    if not len(X):
        raise ValueError("X has no rows, so there is nothing to judge. Check what the table was chosen by.")
    return as_pandas(X)


def check_keys(table, plate, well):
    """Return plate, row and column of every row of a table.

    Parameters
    ----------
    table : DataFrame
        The table.
    plate, well : str
        Columns that name plate and well.

    Returns
    -------
    plates : ndarray of str of shape (n_rows,)
        Names.
    rows, columns : ndarray of int of shape (n_rows,)
        Counted from 0.

    Raises
    ------
    ValueError
        If a column or a value is missing, or a well cannot be read.
    """
    check_columns_exist(table, [plate], parameter="plate")
    check_columns_exist(table, [well], parameter="well")
    missing = table[[plate, well]].isna().any(axis=1)
    if missing.any():
        raise ValueError(
            f"{missing.sum()} of {len(table)} rows have no value in {plate!r} or {well!r}. Drop these rows."
        )
    return table[plate].astype(str).to_numpy(), *parse_wells(table[well].astype(str).to_numpy())


def read_wells(X, *, plate, well, features=None, rows=None):
    """Take wells from a table; rows of one well (fields, cells) are averaged.

    Parameters
    ----------
    X : DataFrame
        The table.
    plate, well : str
        Columns that name plate and well.
    features : list of str or None, default=None
        Columns to take; None takes ``Embedding_*``, else all numbers that are neither metadata nor shares.
    rows : str or None, default=None
        Query that chooses the rows to use; None takes all.

    Returns
    -------
    Wells
        Sorted by plate, row and column.
    """
    table = check_table(X)
    if rows is not None:
        table = table[select_rows(table, rows, parameter="rows")]
    names_of_plates, at_row, at_column = check_keys(table, plate, well)
    values, names = take_measured(table, features)
    plate_names, plates = np.unique(names_of_plates, return_inverse=True)
    key = np.stack([plates, at_row, at_column])
    distinct, members = np.unique(key, axis=1, return_inverse=True)
    values = group_means(values, members.ravel(), distinct.shape[1])
    return Wells(values, names, plate_names, *distinct)


def divide_by_spread(values, spread, measured):
    """Divide columns by their spread; a spread that is rounding of the measured values makes them 0.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Centered values.
    spread : ndarray of shape (n_columns,)
        Their spread.
    measured : ndarray of shape (n_wells, n_columns)
        The values before they were centered.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        In units of the spread.
    """
    tiny = spread <= 1e-12 * np.abs(measured).max(axis=0, initial=np.finfo(float).tiny)
    return np.where(tiny, 0.0, values / np.where(tiny, 1.0, spread))


def standardize_within_plates(wells):
    """Return the wells in units of a well's spread within its plate, centered on each plate.

    Parameters
    ----------
    wells : Wells
        From `read_wells`.

    Returns
    -------
    Wells
        With other values; columns that never vary within a plate become 0.
    """
    n_plates = len(wells.plate_names)
    values = wells.values - group_means(wells.values, wells.plates, n_plates)[wells.plates]
    spread = np.sqrt((values**2).sum(axis=0) / max(len(values) - n_plates, 1))
    return replace(wells, values=divide_by_spread(values, spread, wells.values))
