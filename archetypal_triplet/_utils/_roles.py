"""What the roles of a table's columns stand for: features, plate names, groups of rows."""

import numpy as np

from archetypal_triplet._utils._columns import METADATA_PREFIX, SITE, WELL, is_metadata
from archetypal_triplet._utils._frames import check_columns_exist, queried_columns, shorten


def as_names(value):
    """Return one name or several as a list of names; None gives an empty list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def is_numeric(dtype):
    """Tell whether a column type holds numbers (integers, floats, true or false)."""
    return getattr(dtype, "kind", "O") in "fiub"


def feature_columns(X, *, plate=None, controls=None, groups=None, features=None, flags=None):
    """Choose the feature columns of a pandas frame.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    plate, controls, groups : str, list of str or None
        The roles as `ScreenNormalizer` takes them; the columns that they name are no features.
    features : list of str or None
        The features; None takes every column that has no role and does not begin with ``Metadata_``.
    flags : str or None
        Column of flags, which is no feature either.

    Returns
    -------
    list of str
        Names of the feature columns.

    Raises
    ------
    ValueError
        If a name is not a column, none is left, or a feature column does not hold numbers.
    """
    if features is not None:
        names = as_names(features)
        check_columns_exist(X, names, parameter="features")
        taken = set(names)
        types = {c: t for c, t in zip(X.columns, X.dtypes, strict=True) if c in taken}
    else:
        roles = {*as_names(plate), *as_names(groups), *as_names(flags)}
        if controls is not None:
            roles.update(queried_columns(X, controls))
        pairs = zip(X.columns, X.dtypes, strict=True)
        types = {c: t for c, t in pairs if c not in roles and not is_metadata(c)}
        names = list(types)
    if len(set(X.columns)) < X.shape[1]:
        twice = dict.fromkeys(c for i, c in enumerate(X.columns) if c in set(X.columns[:i]))
        raise ValueError(f"The table has several columns of one name: {shorten(twice)}. Rename or drop them.")
    if not names:
        raise ValueError(
            f"The table has no feature column: all of its {X.shape[1]} columns are metadata "
            f"({METADATA_PREFIX}*) or have a role. Name the features with features=[...]."
        )
    text = [c for c in names if not is_numeric(types[c])]
    if text:
        raise ValueError(
            f"{len(text)} of {len(names)} feature columns do not hold numbers: {shorten(text)} "
            f"(type {types[text[0]]}). Rename such a column to {METADATA_PREFIX}{text[0]}, or name the "
            f"features with features=[...]."
        )
    return names


def plate_names(X, plate):
    """Return the plate of each row as text.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    plate : str
        The column.

    Returns
    -------
    ndarray of shape (n_samples,), dtype str
        Plate names; whole numbers that were read as floats lose their ".0".

    Raises
    ------
    ValueError
        If the column does not exist or rows have no plate.
    """
    check_columns_exist(X, [plate], parameter="plate")
    column = X[plate]
    missing = np.flatnonzero(np.asarray(column.isna()))
    if len(missing):
        raise ValueError(
            f"{len(missing)} of {len(X)} rows have no plate in {plate!r} (first: row {missing[0]}). "
            f"Fill the column or drop these rows."
        )
    if column.dtype.kind == "f" and bool((column == column.round()).all()):
        column = column.astype("int64")
    return np.asarray(column.astype(str), dtype=str)


def plate_codes(X, plate):
    """Number the plate of each row by its name's place in the alphabet; without a column all are 0.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    plate : str or None
        The column, if there is one.

    Returns
    -------
    ndarray of shape (n_samples,), dtype int
        Plates, 0 .. n_plates - 1.
    """
    if not plate:
        return np.zeros(len(X), dtype=np.intp)
    return np.unique(plate_names(X, plate), return_inverse=True)[1]


def group_codes(X, groups, *, plate=None):
    """Number the groups that rows belong to, by the columns that `group_columns` lists.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    groups : str or list of str
        Columns that name a group together.
    plate : str, default=None
        The column of plates.

    Returns
    -------
    ndarray of shape (n_samples,), dtype intp
        Group of each row, from 0; -1 where one of the columns has no value.

    Raises
    ------
    ValueError
        If `groups` is empty or names a column that does not exist.
    """
    names = group_columns(X, groups, plate)
    codes = X.groupby(names, sort=False, dropna=True, observed=True).ngroup()
    return np.asarray(codes.fillna(-1), dtype=np.intp)


def group_names(X, groups, codes, *, plate=None):
    """Name the groups that `group_codes` numbered.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    groups : str or list of str
        Columns that name a group together.
    codes : ndarray of shape (n_samples,)
        What `group_codes` returned for these arguments.
    plate : str, default=None
        The column of plates.

    Returns
    -------
    list of str
        Name of group 0, 1, ...: its values in the columns of `groups`, joined by ``/``.
    """
    used, first = np.unique(codes, return_index=True)
    rows = X[group_columns(X, groups, plate)].iloc[first[used >= 0]]
    return ["/".join(map(str, values)) for values in rows.itertuples(index=False, name=None)]


def group_columns(X, groups, plate=None):
    """List the columns that name a group together.

    A well or a site is only meant within its plate: where `groups` names the column of wells or sites and
    not that of plates, the plate is added.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    groups : str or list of str
        Columns that the user named.
    plate : str, default=None
        The column of plates.

    Returns
    -------
    list of str
        The columns, that of plates first if it was added.

    Raises
    ------
    ValueError
        If `groups` is empty or names a column that does not exist.
    """
    names = as_names(groups)
    if not names:
        raise ValueError(f"groups={groups!r} is empty. Name at least one column, or pass None.")
    check_columns_exist(X, names, parameter="groups")
    if plate is not None and plate not in names and (WELL in names or SITE in names):
        check_columns_exist(X, [plate], parameter="plate")
        names = [plate, *names]
    return names


def check_plates_have_controls(plates, counts, seen=None, flags=None):
    """Raise if a plate has no control rows.

    Parameters
    ----------
    plates : list of str
        Names of plates.
    counts : sequence of int
        Control rows on each.
    seen : list of str, default=None
        Plates that `fit` has seen, if these are plates that it has not.
    flags : str, default=None
        Column of flags, if flagged rows were not counted.

    Raises
    ------
    ValueError
        Naming the plates and the cure.
    """
    without = [plate for plate, count in zip(plates, counts, strict=True) if count == 0]
    if without:
        known = "" if seen is None else f" and fit has not seen them (it saw {shorten(seen)})"
        of, cure = "", ""
        if flags is not None:
            of, cure = f" that flags={flags!r} does not flag", " and the flags"
        raise ValueError(
            f"{len(without)} of {len(plates)} plates have no control rows{of}{known}: {shorten(without)}. "
            f"Add their controls, or drop the plates, or check the query in controls{cure}."
        )
