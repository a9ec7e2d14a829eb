"""Which columns of a table are mixture coefficients."""

import re
from numbers import Integral

import numpy as np

_COEFFICIENT_NAME = re.compile(r"(^|__)archetypalanalysis\d+$")

_CURE = (
    "Put ArchetypalAnalysis(passthrough=True) directly before PseudoLabeler(passthrough=True), "
    "or name the coefficient columns: PseudoLabeler(columns=[...])."
)


def find_coefficient_columns(X, columns, feature_names, *, passthrough):
    """Return the positions of the coefficient columns of `X`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The validated table.
    columns : None or sequence of int or str
        What the user asked for; None means to find them.
    feature_names : ndarray of str or None
        Column names, where the table has any.
    passthrough : bool
        Whether `X` holds other columns beside the coefficients.

    Returns
    -------
    ndarray of int
        Positions, in the order of the labels.

    Raises
    ------
    ValueError
        If a wanted column does not exist, or none can be found.
    """
    if columns is not None:
        return _resolve(columns, X.shape[1], feature_names)
    if feature_names is not None:
        found = [i for i, name in enumerate(feature_names) if _COEFFICIENT_NAME.search(name)]
        if found:
            return np.asarray(found)
        if passthrough:
            raise ValueError(
                f"columns=None finds no coefficients: none of the {X.shape[1]} column names ends in "
                f"'archetypalanalysis<number>'. {_CURE}"
            )
    if passthrough:
        return _trailing_simplex_block(X)
    return np.arange(X.shape[1])


def _resolve(columns, n_features, feature_names):
    columns = list(columns)
    if not columns:
        raise ValueError("columns=[] names no column; give at least one, or None to find them.")
    positions = []
    for column in columns:
        if isinstance(column, str):
            if feature_names is None:
                raise ValueError(
                    f"columns={columns!r} are names, but X is a plain array without names. "
                    "Give positions, or pass a DataFrame."
                )
            matches = np.flatnonzero(feature_names == column)
            if not matches.size:
                raise ValueError(
                    f"columns: {column!r} is not a column of X. Its columns: {', '.join(feature_names)}."
                )
            positions.append(int(matches[0]))
        elif (
            isinstance(column, Integral)
            and not isinstance(column, bool)
            and -n_features <= column < n_features
        ):
            positions.append(int(column) % n_features)
        else:
            raise ValueError(
                f"columns: {column!r} is not a position in X, which has {n_features} feature(s) "
                f"(n_features = {n_features}). "
                f"Allowed: integers from {-n_features} to {n_features - 1}, or names."
            )
    if len(set(positions)) < len(positions):
        raise ValueError(f"columns={columns!r} names a column twice; every column gives one label.")
    return np.asarray(positions)


def _trailing_simplex_block(X):
    """The shortest run of columns at the right whose rows are all mixtures (nonnegative, sum one)."""
    tolerance = 1e-3 if X.dtype == np.float32 else 1e-6
    total = np.zeros(X.shape[0], dtype=np.float64)
    for position in range(X.shape[1] - 1, -1, -1):
        total += X[:, position]
        if X[:, position].min() < -tolerance or total.max() > 1 + tolerance:
            break
        if total.min() > 1 - tolerance:
            return np.arange(position, X.shape[1])
    raise ValueError(
        f"columns=None finds no coefficients: no block of columns at the right end of X "
        f"(n_features = {X.shape[1]}) has rows that are nonnegative and sum to 1. {_CURE}"
    )
