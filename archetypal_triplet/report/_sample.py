"""Which rows a map shows when there are more than it can carry: a stratified sample, said in a sentence."""

import numpy as np

from archetypal_triplet._utils._columns import COMPOUND, CONTROL_TYPE, METADATA_PREFIX, PLATE
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist
from archetypal_triplet._utils._random import own_random_state

_DEFAULT_BY = (CONTROL_TYPE, COMPOUND, PLATE)
_FAIR_PART = 10  # a tenth of the points is dealt out evenly, so that what is rare is seen


def choose_points(table, max_points, *, by=None, noun="row", random_state=0):
    """Choose the rows of a table that a map shows.

    All of them while they are few enough. Else every combination of the values in `by` is a stratum: each
    gives some rows first (a tenth of the points is dealt out evenly), and the rest goes to the strata in
    proportion to their rows, so that the map stays an honest picture of where the rows lie and rare strata
    stay on it. Where there are more strata than points, the last columns of `by` are given up one after the
    other.

    Parameters
    ----------
    table : DataFrame
        One row per sample.
    max_points : int
        How many rows may be shown, 1 at least.
    by : list of str, default=None
        Columns that make the strata, the most important first; None takes those of ``Metadata_ControlType``,
        ``Metadata_Compound`` and ``Metadata_Plate`` that exist.
    noun : str, default="row"
        What a row is called in the sentence ("cell", "well").
    random_state : int, RandomState instance or None, default=0
        Decides which rows of a stratum are taken.

    Returns
    -------
    rows : ndarray of int
        Positions of the chosen rows, ascending.
    sentence : str
        What is shown, for the reader of the map.

    Raises
    ------
    ValueError
        If `max_points` is below 1 or a column of `by` does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.report._sample import choose_points
    >>> table = pd.DataFrame({"Metadata_Compound": ["common"] * 998 + ["rare"] * 2})
    >>> rows, sentence = choose_points(table, 100)
    >>> len(rows), int((rows >= 998).sum())
    (100, 2)
    >>> sentence
    'Shown are 100 of 1,000 rows, a random sample stratified by Compound.'
    """
    table = as_pandas(table)
    if max_points < 1:
        raise ValueError(f"max_points={max_points!r} is too few. Allowed: 1 or more; the default is 20000.")
    if by is None:
        by = [column for column in _DEFAULT_BY if column in table.columns]
    check_columns_exist(table, by, parameter="by")
    n = len(table)
    if n <= max_points:
        return np.arange(n), f"All {n:,} {noun}s are shown." if n != 1 else f"The only {noun} is shown."
    rng = own_random_state(random_state)
    used, codes = _find_strata(table, list(by), max_points)
    quota = _deal_out(np.bincount(codes), int(max_points))
    order = rng.permutation(n)
    order = order[np.argsort(codes[order], kind="stable")]  # by stratum, at random within
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    rank = np.arange(n) - starts[codes[order]]
    rows = np.sort(order[rank < quota[codes[order]]])
    names = [name.removeprefix(METADATA_PREFIX) for name in used]
    how = f"a random sample stratified by {_join(names)}" if names else "a random sample"
    return rows, f"Shown are {len(rows):,} of {n:,} {noun}s, {how}."


def _find_strata(table, by, max_points):
    """Columns that make at most `max_points` strata, and the stratum of each row."""
    while by:
        codes = table.groupby(by, dropna=False, sort=False, observed=True).ngroup().to_numpy()
        if codes.max() < max_points:
            return by, codes
        by = by[:-1]
    return by, np.zeros(len(table), dtype=int)


def _deal_out(counts, n_points):
    """How many rows each stratum gives: a fair part first, the rest by size (largest remainders)."""
    fair = max(1, n_points // (_FAIR_PART * len(counts)))
    quota = np.minimum(counts, fair)
    left = n_points - quota.sum()
    rest = counts - quota
    if left <= 0 or not rest.any():
        return quota
    exact = rest * (left / rest.sum())
    more = np.floor(exact).astype(int)
    largest = np.argsort(more - exact, kind="stable")[: left - more.sum()]
    more[largest] += 1
    return quota + more


def _join(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
