"""Wells by name and by number: "A01" is row 0, column 0; rows go on after Z with AA .. AF."""

import re

import numpy as np

# number of wells: (rows, columns)
PLATE_FORMATS = {6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24), 1536: (32, 48)}
_WELL = re.compile(r"([A-Za-z]|[Aa][A-Fa-f])[-_ ]?0*([1-9]\d?)")


def parse_well(name):
    """Return row and column, counted from 0, of a well's name.

    Parameters
    ----------
    name : str
        Letters of the row and number of the column: "A01", "a1", "AF48".

    Returns
    -------
    row, column : int
        Counted from 0.

    Raises
    ------
    ValueError
        If the name is none.
    """
    match = _WELL.fullmatch(str(name).strip())
    if not match:
        raise ValueError(
            f"{str(name)!r} is not the name of a well. Wells are called by the letters of their row and the "
            "number of their column: A01, a1, AF48."
        )
    letters = match[1].upper()
    row = ord(letters[-1]) - ord("A") + (26 if len(letters) == 2 else 0)
    return row, int(match[2]) - 1


def parse_wells(names):
    """Return rows and columns, counted from 0, of an array of names; each distinct name is read once.

    Parameters
    ----------
    names : array-like of str of shape (n_wells,)
        Names of wells.

    Returns
    -------
    rows, columns : ndarray of int of shape (n_wells,)
        Counted from 0.
    """
    distinct, inverse = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    found = np.array([parse_well(name) for name in distinct], dtype=int).reshape(-1, 2)
    return found[inverse, 0], found[inverse, 1]


def row_letters(row):
    """Return the letters of a row counted from 0: 0 is "A", 26 is "AA"."""
    return chr(ord("A") + row) if row < 26 else "A" + chr(ord("A") + row - 26)


def well_name(row, column):
    """Return the name of the well in this row and column, counted from 0: (0, 0) is "A01".

    Parameters
    ----------
    row, column : int
        Counted from 0.

    Returns
    -------
    str
        The name.
    """
    return f"{row_letters(row)}{column + 1:02d}"


def plate_shape(rows, columns):
    """Return rows and columns of the smallest usual plate that holds these wells.

    Parameters
    ----------
    rows, columns : array-like of int
        Wells, counted from 0.

    Returns
    -------
    n_rows, n_columns : int
        Size of the plate.

    Raises
    ------
    ValueError
        If a well lies outside of the largest plate.
    """
    n_rows, n_columns = int(np.max(rows)) + 1, int(np.max(columns)) + 1
    for shape in PLATE_FORMATS.values():
        if n_rows <= shape[0] and n_columns <= shape[1]:
            return shape
    raise ValueError(
        f"Well {well_name(n_rows - 1, n_columns - 1)} lies outside of a plate of 1536 wells, which ends "
        "at AF48."
    )
