"""From what the caller passes to `ScreenNormalizer` to the numbers of its features."""

import numpy as np
from sklearn.utils.validation import validate_data

from archetypal_triplet._utils._columns import is_metadata
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, is_frame, shorten
from archetypal_triplet._utils._roles import as_names, feature_columns
from archetypal_triplet.screens._finite import check_finite


def read_features(normalizer, X, *, reset):
    """Validate `X` and take its features out.

    Parameters
    ----------
    normalizer : ScreenNormalizer
        Its `plate`, `controls`, `groups` and `features` say what the columns are; `n_features_in_` and
        `feature_names_in_` are set (`reset=True`) or compared.
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
    roles = {name: getattr(normalizer, name) for name in ("plate", "controls", "groups", "features")}
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


def _choose_columns(normalizer, frame, roles, reset):
    if reset:
        check_columns_exist(frame, as_names(normalizer.plate), parameter="plate")
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
