"""From starting rows to certified archetypes: levels of nested subsamples, exchange search, final descent."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr
from scipy.sparse import csr_matrix

from ._descent import Descent
from ._exchange import GAIN, exchange
from ._initialization import DETERMINISTIC, STARTS
from ._pool import Pool
from ._rows import Rows, single_threaded_blas

LEVEL_RATIO = 8  # rows of a level over those of the next coarser one
COARSE_TOL = 5e-4  # gap to which coarse levels and the exchange search are solved
COARSE_PASSES = 150
EXCHANGE_FAILURES = 5  # in a row, that end the search: 3 leave 6 % of the starts on small data 6 % too high
WIDE = 1.25  # columns over rows from which it pays to project first


@dataclass
class Solution:
    """What one fit of the solver returns; `Z` is centred and already rounded to the type of the data."""

    Z: np.ndarray
    A: np.ndarray
    B: csr_matrix
    rss: float
    total: float
    gap: float
    losses: list
    n_iter: int
    converged: bool


def compute_coefficients(X, Z, shift, n_threads=1):
    """Return the mixture of every row of `X`: exact minimizers on the simplex, in blocks of rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous
        The samples.
    Z : ndarray of shape (n_archetypes, n_features)
        Archetypes, minus `shift`.
    shift : ndarray of shape (n_features,)
        Subtracted from every row.
    n_threads : int, default=1
        They do not change the result.

    Returns
    -------
    ndarray of shape (n_samples, n_archetypes)
        In the type of `X`; rows lie on the simplex.
    """
    A = np.empty((len(X), len(Z)), dtype=X.dtype)
    if len(X):
        with single_threaded_blas():
            Rows(X, shift, n_threads=n_threads).run(Z, A, warm=False, sums=False)
    return A


@dataclass(frozen=True)
class Plan:
    """How to fit: what the estimator's parameters say, resolved."""

    n_archetypes: int
    init: object  # name of a start, indices of rows, or points (centred)
    n_init: int
    max_iter: int
    tol: float
    n_threads: int
    n_failures: int  # of the exchange search; 0 switches it off


def solve(X, weight, shift, plan, rng):
    """Fit archetypes: coarse levels and exchange search first, then the certified descent on all rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous
        The samples.
    weight : ndarray of shape (n_samples,), all positive, or None
        Weights of the samples; None means equal weights.
    shift : ndarray of shape (n_features,)
        A point in the middle of the data; subtracted from every row.
    plan : Plan
        The parameters of the estimator.
    rng : RandomState
        Subsamples, random starts and exchanges.

    Returns
    -------
    Solution
        The certified fit.

    Raises
    ------
    ValueError
        If there are fewer different rows than archetypes.
    """
    with single_threaded_blas():
        full = rows = Rows(X, shift, weight, plan.n_threads)
        if X.shape[1] > WIDE * len(X):
            rows, basis = _project(full)
        levels = _choose_levels(len(X), plan, rng)
        best = None
        for turn in range(plan.n_init):
            start, points = _start(full, levels, plan, rng, turn)
            if points is not None and rows is not full:
                points = points @ basis
            pool = Pool.of_rows(start, rows.take(start))
            descent = _descend(rows, levels[:1], pool, plan, points)
            if plan.n_failures:
                descent = exchange(
                    descent, _coarse(plan.tol), rng, n_failures=plan.n_failures, max_passes=plan.max_iter
                )
            if best is None or descent.rss < (1 - GAIN) * best.rss:
                best = descent
        if len(levels) > 1:
            best = _descend(rows, levels[1:], Pool.restore(best.pool.copy_weights()), plan)
        best.run(plan.max_iter, plan.tol)
        if rows is not full:
            best = _lift(best, full)
        return _finish(best, plan.tol)


def _project(rows):
    """Turn rows with more columns than there are rows into their coordinates in the space that they span.

    All lengths and angles stay as they are, so the problem and its solution are the same.
    """
    basis, coordinates = qr(rows.take(slice(None)).T, mode="economic")
    small = np.ascontiguousarray(coordinates.T)
    weight = rows.weight if len(rows.weight) else None
    return Rows(small, np.zeros(small.shape[1]), weight, rows.n_threads), basis


def _lift(descent, rows):
    """Return a descent on the original rows that has arrived where `descent` is."""
    index, _, weights = descent.pool.copy_weights()
    lifted = Descent(rows, descent.total, Pool.restore((index, rows.take(index), weights)))
    lifted.losses, lifted.converged = descent.losses, descent.converged
    return lifted


def _coarse(tol):
    return max(tol, COARSE_TOL)


def _choose_levels(n, plan, rng):
    """Return nested subsamples as sorted row indices, coarse to fine; the last is None, all rows."""
    sizes = []
    size = n // LEVEL_RATIO
    while size >= max(1000, 40 * plan.n_archetypes):
        sizes.append(size)
        size //= LEVEL_RATIO
    if not sizes:
        return [None]
    order = rng.permutation(n)[: sizes[0]]
    return [*(np.sort(order[:size]) for size in sizes[::-1]), None]


def _start(rows, levels, plan, rng, turn):
    """Return rows to start from, and points to compute the first coefficients from, if they were given."""
    k = plan.n_archetypes
    if not isinstance(plan.init, str):
        if plan.init.ndim == 2:
            return _nearest_rows(rows, plan.init), plan.init
        return plan.init, None
    for level in (levels[0], None) if levels[0] is not None else (None,):
        index = slice(None) if level is None else level
        points = rows.take(index)
        weight = rows.weight[index] if len(rows.weight) else np.ones(len(points))
        is_fixed = turn == 0 and plan.init in DETERMINISTIC
        start = STARTS[plan.init](points, k, weight, None if is_fixed else rng)
        if len(start) == k:
            break
    if len(start) < k:
        raise ValueError(
            f"n_archetypes={k} exceeds the {len(start)} distinct sample(s) of X: {rows.X.shape[0]} rows, "
            f"the others are copies. Lower n_archetypes to {len(start)} or less, or see why rows repeat."
        )
    return (start if level is None else level[start]), None


def _nearest_rows(rows, points):
    """Return for every point the index of the nearest row."""
    best, index = np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    for start in range(0, len(rows.X), 4096):
        block = rows.take(slice(start, start + 4096))
        distance = np.einsum("ij,ij->i", block, block)[:, None] - 2 * block @ points.T
        nearest = distance.argmin(axis=0)
        values = distance[nearest, np.arange(len(points))]
        index = np.where(values < best, nearest + start, index)
        best = np.minimum(values, best)
    return index


def _descend(rows, levels, pool, plan, points=None):
    """Run the descent on each of the levels in turn; on all rows only as far as the exchange search needs."""
    for level in levels:
        if level is None:
            descent = Descent(rows, rows.total, pool)
        else:
            lookup = np.union1d(level, pool.index[: pool.size])
            weight = rows.weight[lookup] if len(rows.weight) else None
            coarse = Rows(rows.X[lookup], rows.shift, weight, rows.n_threads)
            descent = Descent(coarse, coarse.total, pool, lookup)
        if level is not None or plan.n_failures:
            descent.run(min(plan.max_iter, COARSE_PASSES), _coarse(plan.tol), points=points)
        pool, points = Pool.restore(descent.pool.copy_weights()), None
    return descent


def _finish(descent, tol):
    """Round the archetypes as they will be stored, and measure gap and loss with their exact coefficients."""
    rows, pool = descent.rows, descent.pool
    Z = (pool.Z + rows.shift).astype(rows.X.dtype).astype(np.float64) - rows.shift
    rss = descent.close(Z, tol)
    weights = pool.weights[:, : pool.size]
    row, column = np.nonzero(weights)
    B = csr_matrix((weights[row, column], (row, pool.index[column])), shape=(len(weights), len(rows.X)))
    B.sort_indices()
    return Solution(
        Z,
        descent.A,
        B,
        rss,
        descent.total,
        descent.gap,
        descent.losses,
        len(descent.losses),
        descent.converged,
    )
