"""Types of metadata columns: identifiers are text, quantities numbers, the rest what its values say."""

import numpy as np

from archetypal_triplet._utils._columns import WELL, is_identifier, is_quantity, pad_well, split_words
from archetypal_triplet._utils._frames import shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import is_numeric

# these must be numbers; a time or a count may be written in words
_STRICT_QUANTITIES = ("concentration", "dose")


def type_metadata(frame, names, *, identifiers=()):
    """Give metadata columns their types.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; it is not changed.
    names : list of str
        Its metadata columns.
    identifiers : collection of str, default=()
        Columns to be made text whatever their name says.

    Returns
    -------
    dict of str to pandas.Series
        The typed columns. Identifiers become text ("0042" stays, 42.0 becomes "42"), wells "A01".

    Raises
    ------
    ValueError
        If a concentration or dose holds values that are not numbers.
    """
    typed = {}
    for name in names:
        column = frame[name]
        if name in identifiers or is_identifier(name):
            column = _to_text(column)
            if name == WELL:
                column = column.map(pad_well, na_action="ignore")
        elif not is_numeric(column.dtype) and getattr(column.dtype, "kind", "O") not in "mM":
            column = _to_numbers_if_it_is(column, name)
        typed[name] = column
    return typed


def _to_text(column):
    if column.dtype.kind == "f" and bool((column.dropna() == column.dropna().round()).all()):
        column = column.astype("Int64")
    missing = column.isna()
    text = column.astype(str)
    return text.where(~missing, np.nan) if bool(missing.any()) else text


def _to_numbers_if_it_is(column, name):
    pandas = import_optional("pandas", extra="screens")
    if column.dtype.name == "category":
        column = column.astype(column.cat.categories.dtype)
    if hasattr(column.dtype, "pyarrow_dtype"):
        column = column.astype(object)  # to_numeric would make NaN of its text, and not call that missing
    filled = column.notna()
    numbers = pandas.to_numeric(column, errors="coerce")
    bad = np.flatnonzero(np.asarray(filled & numbers.isna()))
    if len(bad):
        if is_quantity(name) and set(split_words(name)) & set(_STRICT_QUANTITIES):
            seen = shorten(dict.fromkeys(repr(value) for value in column.iloc[bad[:1000]]), 3)
            raise ValueError(
                f"{len(bad)} of {len(column)} values of {name!r} are not numbers: {seen} (first: row "
                f"{bad[0]}). Put the unit into a column of its own, and leave the value empty where there "
                f"is none."
            )
        return column
    # "007" is a name, and a column without any value says nothing
    is_name = column.dropna().astype(str).str.fullmatch(r"[+-]?0\d+").any()
    return column if not bool(filled.any()) or (bool(is_name) and not is_quantity(name)) else numbers
