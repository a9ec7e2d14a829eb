"""Choose feature columns by name and by value, and report what is wrong with them."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from archetypal_triplet._utils._columns import is_position_like, looks_like_metadata
from archetypal_triplet._utils._frames import check_columns_exist, count_of, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names, is_numeric
from archetypal_triplet.screens._finite import count_not_finite, describe_not_finite
from archetypal_triplet.screens._whitening import CONSTANT_RTOL, largest_magnitude

POSITION_LIKE = "position-like"
_COLUMNS_PER_BLOCK = 64
LEAVE_OUT = (
    "Impute them, or leave out these features or rows with on_nonfinite='drop_features' or "
    "on_nonfinite='drop_rows'."
)


def check_features(features):
    """Return the parameter `features` as a list of different names, or None as it is.

    Parameters
    ----------
    features : str, sequence of str or None
        What the user passed.

    Returns
    -------
    list of str or None
        The names.

    Raises
    ------
    TypeError
        If it is no list of names.
    ValueError
        If it is empty or names a column twice.
    """
    if features is None:
        return None
    if not isinstance(features, str) and not isinstance(features, Iterable):
        raise TypeError(f"features={features!r} must be a list of column names, or None to choose by name.")
    names = as_names(features)
    if not names:
        raise ValueError(
            "features=[] is empty. Name at least one column, or pass None for all numbers but metadata."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"features names a column twice: {shorten(twice)}. Name each column once.")
    return names


def clean_features(frame, metadata, features, on_nonfinite):
    """Choose and check the features of a table.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; it is not changed.
    metadata : list of str
        Columns that are no features.
    features : list of str or None
        Features asked for: these are taken as they are, constants too. None chooses.
    on_nonfinite : {"raise", "drop_features", "drop_rows"}
        What to do with NaN and infinities.

    Returns
    -------
    values : pandas.DataFrame
        The features as floats, of all rows.
    left_out : dict of str to list of str
        Columns left out, by reason.
    kept : ndarray of shape (n_samples,), dtype bool
        False for rows to be dropped.

    Raises
    ------
    ValueError
        If a feature mixes numbers and text or holds NaN or infinities, or no feature or row is left.
    """
    left_out = {}
    if features is None:
        names = _choose_by_name(frame, set(metadata), left_out)
    else:
        names = list(features)
        check_columns_exist(frame, names, parameter="features")
    numbers, text = _split_text(frame, names)
    if text and features is not None:
        raise ValueError(
            f"{len(text)} of the {len(names)} columns in features hold text, not numbers: {shorten(text)}."
        )
    if text:
        left_out["text"] = text
    names = [name for name in names if name not in set(text)]
    if not names:
        found = (
            "; ".join(f"{reason}: {shorten(columns, 3)}" for reason, columns in left_out.items()) or "none"
        )
        raise ValueError(
            f"The table has no feature column. Columns that are not metadata: {found}. "
            f"Name the features with features=[...]."
        )
    values = frame[names].assign(**numbers)
    kept = np.ones(len(values), dtype=bool)
    names, kept = _drop_not_finite(values, names, kept, on_nonfinite, left_out)
    if features is None:
        names = _drop_constants(values, names, kept, left_out)
    return _to_floats(values, names), left_out, kept


def _choose_by_name(frame, metadata, left_out):
    names = [c for c in frame.columns if c not in metadata]
    position = [c for c in names if is_position_like(c)]
    alike = [c for c in names if looks_like_metadata(c) and c not in set(position)]
    if position:
        left_out[POSITION_LIKE] = position
    if alike:
        left_out["named like metadata without Metadata_"] = alike
    dropped = {*position, *alike}
    return [c for c in names if c not in dropped]


def _split_text(frame, names):
    """Return columns that are numbers in disguise, as numbers, and the names of those that are text."""
    pandas = import_optional("pandas", extra="screens")
    numbers, text, mixed = {}, [], {}
    types = dict(zip(frame.columns, frame.dtypes, strict=True))
    for name in names:
        if is_numeric(types[name]):
            continue
        if getattr(types[name], "kind", "O") in "mM":
            text.append(name)
            continue
        column = frame[name].astype(object)
        try:
            as_number = pandas.to_numeric(column, errors="coerce")
        except TypeError:  # lists and the like
            text.append(name)
            continue
        filled = np.asarray(column.notna())
        bad = filled & np.asarray(as_number.isna())
        if not bad.any():
            numbers[name] = as_number
        elif bad.sum() == filled.sum():
            text.append(name)
        else:
            mixed[name] = (column, np.flatnonzero(bad))
    if mixed:
        name, (column, rows) = next(iter(mixed.items()))
        seen = shorten(dict.fromkeys(repr(value) for value in column.iloc[rows[:1000]]), 3)
        raise ValueError(
            f"{len(mixed)} of {len(names)} feature columns mix numbers and text: {shorten(mixed)}. {name} "
            f"holds {count_of(len(rows), 'value')} that cannot be numbers: {seen} (first: row {rows[0]}). "
            f"Correct or empty these values, or rename the column to Metadata_{name} if it is no feature."
        )
    return numbers, text


def _blocks(values, names):
    for start in range(0, len(names), _COLUMNS_PER_BLOCK):
        block = slice(start, start + _COLUMNS_PER_BLOCK)
        yield block, values[names[block]].to_numpy(dtype=float, na_value=np.nan)


def _drop_not_finite(values, names, kept, on_nonfinite, left_out):
    n_nan, n_inf = np.zeros((2, len(names)), dtype=np.intp)
    finite_rows = np.ones(len(values), dtype=bool)
    for block, array in _blocks(values, names):
        n_nan[block], n_inf[block] = count_not_finite(array)
        if (n_nan[block] + n_inf[block]).any():
            finite_rows &= np.isfinite(array).all(axis=1)
    bad = n_nan + n_inf > 0
    if not bad.any():
        return names, kept
    report = describe_not_finite(n_nan, n_inf, names, finite_rows)
    if on_nonfinite == "raise":
        raise ValueError(f"The features hold {report}. {LEAVE_OUT}")
    if on_nonfinite == "drop_features":
        if bad.all():
            raise ValueError(f"No feature is free of NaN and infinities: there are {report}. {LEAVE_OUT}")
        left_out["with NaN or infinities"] = [n for n, b in zip(names, bad, strict=True) if b]
        return [n for n, b in zip(names, bad, strict=True) if not b], kept
    if not finite_rows.any():
        raise ValueError(f"No row is free of NaN and infinities: there are {report}. {LEAVE_OUT}")
    return names, finite_rows


def _drop_constants(values, names, kept, left_out):
    constant = np.zeros(len(names), dtype=bool)
    for block, array in _blocks(values, names):
        array = array if kept.all() else array[kept]
        constant[block] = np.ptp(array, axis=0) <= CONSTANT_RTOL * largest_magnitude(array)
    if constant.all():
        raise ValueError(
            f"All of {count_of(len(names), 'feature')} are constant over {count_of(kept.sum(), 'row')} "
            f"({shorten(names, 5)}), so there is nothing to learn. Check that the table is the "
            f"right one and has several rows."
        )
    if constant.any():
        left_out["constant"] = [n for n, c in zip(names, constant, strict=True) if c]
    return [n for n, c in zip(names, constant, strict=True) if not c]


def _to_floats(values, names):
    values = values[names]
    target = "float32" if all(t.name.lower() == "float32" for t in values.dtypes) else "float64"
    others = {n: target for n, t in zip(names, values.dtypes, strict=True) if t.name != target}
    return values.astype(others) if others else values
