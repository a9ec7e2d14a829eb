"""Find and report values that are not finite."""

import numpy as np


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


def check_finite(values, names, *, cure="Drop or impute these features or rows first."):
    """Raise if there are NaN or infinities.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_features)
        Floats.
    names : list of str
        Names of the columns; empty for a plain array.
    cure : str, default="Drop or impute these features or rows first."
        Last sentence of the message.

    Raises
    ------
    ValueError
        Saying how many values of how many rows are NaN or infinite, and in which columns.
    """
    n_nan, n_inf = count_not_finite(values)
    bad = np.flatnonzero(n_nan + n_inf)
    if not len(bad):
        return
    rows = np.flatnonzero(~np.isfinite(values[:, bad]).all(axis=1))
    worst = bad[np.argsort(-(n_nan + n_inf)[bad], kind="stable")]
    listed = ", ".join(f"{names[c] if names else f'column {c}'} ({n_nan[c] + n_inf[c]})" for c in worst[:5])
    more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
    raise ValueError(
        f"Input X contains {n_nan.sum()} NaN and {n_inf.sum()} infinity (inf) values, in {len(bad)} of "
        f"{values.shape[1]} features: {listed}{more}; in {len(rows)} of {len(values)} rows "
        f"(first: row {rows[0]}). {cure}"
    )
