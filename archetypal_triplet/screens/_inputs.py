"""From what the caller passes to `ScreenNormalizer` to the numbers of its features."""

import numpy as np
from sklearn.utils.validation import validate_data

from archetypal_triplet._utils._columns import is_metadata
from archetypal_triplet._utils._flags import check_flags
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, is_frame, shorten
from archetypal_triplet._utils._roles import as_names, feature_columns
from archetypal_triplet.screens._finite import check_finite


def read_features(normalizer, X, *, reset):
    """Validate `X` and take its features out.

    Parameters
    ----------
    normalizer : ScreenNormalizer
        Its `plate`, `controls`, `groups`, `features` and `flags` say what the columns are; `n_features_in_`
        and `feature_names_in_` are set (`reset=True`) or compared.
    X : DataFrame or array-like of shape (n_samples, n_columns)
        The input as passed.
    reset : bool
        True in `fit`.

    Returns
    -------
    frame : pandas.DataFrame or None
        The table with its other columns; None where there are no roles and no metadata.
    values : ndarray of shape (n_samples, n_features), float64
        The features, all finite.
    """
    roles = {name: getattr(normalizer, name) for name in ("plate", "controls", "groups", "features", "flags")}
    given = [name for name, value in roles.items() if value is not None]
    if given and not is_frame(X):
        raise TypeError(
            f"{given[0]}={roles[given[0]]!r} speaks of columns, but X is a {type(X).__name__} without "
            f"column names. Pass a pandas DataFrame, or leave these parameters at None."
        )
    frame = None
    if is_frame(X) and (given or any(is_metadata(c) for c in X.columns)):
        frame = as_pandas(X)
        X = frame[_choose_columns(normalizer, frame, roles, reset)]
    n_least = 2 if reset else 1
    values = validate_data(
        normalizer, X, reset=reset, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=n_least
    )
    check_finite(values, list(getattr(normalizer, "feature_names_in_", [])))
    return frame, values


def read_flags(frame, flags):
    """Tell which rows of a table are flagged.

    Parameters
    ----------
    frame : pandas.DataFrame or None
        The table.
    flags : str or None
        Column of flags, 0 or 1. Where None, or where the table lacks it, no row is flagged.

    Returns
    -------
    ndarray of shape (n_rows,), dtype bool, or None
        True where a row is flagged; None where no row can be.
    """
    if flags is None or flags not in frame:
        return None
    return check_flags(frame[flags], len(frame), f"flags={flags!r}")


def check_appended(normalizer):
    """Refuse to append what is not named, or more than one column: a network is kept from one.

    Parameters
    ----------
    normalizer : ScreenNormalizer
        Its `append_groups`, `groups`, `append_flags` and `flags`.

    Raises
    ------
    ValueError
        Naming the parameter and the cure.
    """
    for append, what, it_is in (
        ("append_groups", "groups", "the number of each row's group"),
        ("append_flags", "flags", "each row's flag"),
    ):
        if getattr(normalizer, append) and getattr(normalizer, what) is None:
            raise ValueError(
                f"{append}=True appends {it_is}, but {what}=None names no {what}. "
                f"Name {'the columns that make a group' if what == 'groups' else 'the column of flags'}, "
                f"or set {append}=False."
            )
    if normalizer.append_groups and normalizer.append_flags:
        raise ValueError(
            "append_groups=True and append_flags=True: only one last column can be appended. Set one of "
            "them to False, or fit on the rows that are not flagged."
        )


def _choose_columns(normalizer, frame, roles, reset):
    if reset:
        for name in ("plate", "flags"):
            check_columns_exist(frame, as_names(getattr(normalizer, name)), parameter=name)
        if normalizer.flags is not None and normalizer.flags in as_names(normalizer.features):
            raise ValueError(
                f"features names {normalizer.flags!r}, which is the column of flags and no feature. Take it "
                f"out of features, or set flags=None."
            )
        return feature_columns(frame, **roles)
    names = list(getattr(normalizer, "feature_names_in_", []))
    present = set(frame.columns)
    missing = [c for c in names if c not in present]
    if missing:
        raise ValueError(
            f"X lacks {len(missing)} of the {len(names)} features seen in fit: {shorten(missing)}. "
            f"Pass a table with these columns, or fit with features=[...] on what all tables share."
        )
    return feature_columns(frame, **{**roles, "features": names or None})
