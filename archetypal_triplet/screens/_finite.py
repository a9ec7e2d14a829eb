"""Find and report values that are not finite."""

import numpy as np

from archetypal_triplet._utils._frames import count_of, shorten


def count_not_finite(values):
    """Count NaN and infinities by column.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_features)
        Floats.

    Returns
    -------
    n_nan, n_inf : ndarray of shape (n_features,)
        How many there are in each column.
    """
    n_nan, n_inf = np.zeros((2, values.shape[1]), dtype=np.intp)
    with np.errstate(over="ignore", invalid="ignore"):
        # the sum of a column is finite only if all its values are, and it needs no array of the table's size
        suspects = np.flatnonzero(~np.isfinite(values.sum(axis=0)))
    for column in suspects:
        n_nan[column] = np.isnan(values[:, column]).sum()
        n_inf[column] = np.isinf(values[:, column]).sum()
    return n_nan, n_inf


def describe_not_finite(n_nan, n_inf, names, finite_rows):
    """Say how many values are NaN or infinite, in which columns and rows.

    Parameters
    ----------
    n_nan, n_inf : ndarray of shape (n_features,)
        As `count_not_finite` returns them.
    names : list of str
        Names of the columns; empty for a plain array.
    finite_rows : ndarray of shape (n_samples,), dtype bool
        Rows without such values.

    Returns
    -------
    str
        Part of a sentence.
    """
    counts = n_nan + n_inf
    worst = np.argsort(-counts, kind="stable")[: (counts > 0).sum()]
    listed = [f"{names[c] if len(names) else f'column {c}'} ({counts[c]})" for c in worst]
    rows = np.flatnonzero(~finite_rows)
    return (
        f"{n_nan.sum()} NaN and {n_inf.sum()} infinity (inf) values, in {len(worst)} of "
        f"{count_of(len(counts), 'feature')}: {shorten(listed, 5)}; in {len(rows)} of "
        f"{count_of(len(finite_rows), 'row')} (first: row {rows[0]})"
    )


def check_finite(values, names):
    """Raise if there are NaN or infinities.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_features)
        Floats.
    names : list of str
        Names of the columns; empty for a plain array.

    Raises
    ------
    ValueError
        Saying how many values of how many rows are NaN or infinite, and in which columns.
    """
    n_nan, n_inf = count_not_finite(values)
    bad = np.flatnonzero(n_nan + n_inf)
    if len(bad):
        report = describe_not_finite(n_nan, n_inf, names, np.isfinite(values[:, bad]).all(axis=1))
        raise ValueError(f"Input X contains {report}. Drop or impute these features or rows first.")
