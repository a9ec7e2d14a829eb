"""B-scores: what is left of a plate when its rows and columns have been taken away."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import PLATE, WELL
from archetypal_triplet._utils._spread import MAD_TO_SD
from archetypal_triplet._utils._wells import plate_shape
from archetypal_triplet.qc._wells_of_plates import check_keys, check_table, take_measured

_TOLERANCE = 0.01  # of a plate's spread; Tukey's habit


def compute_masked_median(values, axis):
    """Median along an axis, NaN left out; 0 where there is nothing else. Faster than numpy's nanmedian.

    Parameters
    ----------
    values : ndarray
        Numbers.
    axis : int
        Where to go along.

    Returns
    -------
    ndarray
        The medians, with the axis kept.
    """
    ordered = np.sort(values, axis=axis)  # NaN go to the end
    n = np.sum(~np.isnan(values), axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((n - 1) // 2, 0), axis=axis)
    high = np.take_along_axis(ordered, np.minimum(n // 2, np.maximum(n - 1, 0)), axis=axis)
    return np.where(n > 0, (low + high) / 2, 0.0)


def polish_medians(plates, max_iter, tolerance=_TOLERANCE):
    """Tukey's two-way median polish of many plates at once.

    Parameters
    ----------
    plates : ndarray of shape (n_plates, n_rows, n_columns)
        Wells; NaN where there is none.
    max_iter : int
        Largest number of rounds.
    tolerance : float, default=0.01
        Stop when no median moves further, as a share of the plate's spread.

    Returns
    -------
    ndarray of shape (n_plates, n_rows, n_columns)
        Residuals.
    """
    residuals = plates - compute_masked_median(plates.reshape(len(plates), -1), axis=1)[..., None]
    spread = compute_masked_median(np.abs(residuals).reshape(len(plates), -1), axis=1).ravel()
    active = np.arange(len(plates))
    for _ in range(max_iter):
        rows = compute_masked_median(residuals[active], axis=2)
        residuals[active] -= rows
        columns = compute_masked_median(residuals[active], axis=1)
        residuals[active] -= columns
        moved = np.maximum(np.abs(rows).max(axis=(1, 2)), np.abs(columns).max(axis=(1, 2)))
        active = active[moved > tolerance * spread[active]]
        if not len(active):
            break
    return residuals


@validate_params(
    {
        "X": "no_validation",
        "plate": [str],
        "well": [str],
        "features": [list, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def compute_b_scores(X, *, plate=PLATE, well=WELL, features=None, max_iter=10):
    """Take the effects of rows and columns from every plate, and divide by the spread that is left.

    ``B = r / (1.4826 median |r|)`` with the residuals r of a two-way median polish, for each plate and column
    of the table by itself.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    plate : str, default="Metadata_Plate"
        Column that names the plate.
    well : str, default="Metadata_Well"
        Column that names the well.
    features : list of str or None, default=None
        Columns to score; None takes ``Embedding_*``, or where there are none all numbers that are neither
        metadata nor shares.
    max_iter : int, default=10
        Largest number of rounds of the polish.

    Returns
    -------
    DataFrame
        Same rows and columns as `X`, the scores in place of the values. A plate whose residuals are mostly 0
        keeps them undivided.

    Raises
    ------
    ValueError
        If a column does not exist, a plate has two rows of one well, or values are NaN.
    TypeError
        If `X` is no table.

    See Also
    --------
    compute_position_effects : Tests whether there is anything to take away.

    Notes
    -----
    The medians assume that most wells of each row and column do nothing. Where a row or column is full of
    active wells, controls in particular, their effect is taken away too.

    References
    ----------
    Malo N. et al. (2006). Statistical practice in high-throughput screening data analysis. Nature
    Biotechnology 24(2), 167-175.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_b_scores
    >>> profiles = make_screen(1, 1, n_replicates=1, random_state=0).profiles
    >>> scores = compute_b_scores(profiles, features=["Cells_AreaShape_Area"])
    >>> bool(scores["Cells_AreaShape_Area"].abs().median() < 1)
    True
    """
    table = check_table(X)
    names, at_row, at_column = check_keys(table, plate, well)
    values, features = take_measured(table, features)
    plates, codes = np.unique(names, return_inverse=True)
    shape = plate_shape(at_row, at_column)
    place = codes, at_row, at_column
    taken = np.ravel_multi_index(place, (len(plates), *shape))
    if len(np.unique(taken)) < len(taken):
        n_twice = len(taken) - len(np.unique(taken))
        raise ValueError(
            f"{n_twice} rows of X belong to a well that another row belongs to. B-scores need one row per "
            "well: average fields or cells first, for example with screens.aggregate_profiles."
        )
    scores = np.empty_like(values)
    for j in range(values.shape[1]):
        grid = np.full((len(plates), *shape), np.nan)
        grid[place] = values[:, j]
        residuals = polish_medians(grid, max_iter)
        spread = MAD_TO_SD * compute_masked_median(np.abs(residuals).reshape(len(plates), -1), axis=1)
        scores[:, j] = (residuals / np.where(spread > 0, spread, 1.0)[..., None])[place]
    result = table.copy()
    result[features] = scores
    return result
