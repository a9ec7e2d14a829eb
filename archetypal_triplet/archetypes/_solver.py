"""From starting rows to certified archetypes: levels of nested subsamples, exchange search, final descent."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ._descent import Descent
from ._pool import Pool
from ._rows import Rows, single_threaded_blas


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
    Z : ndarray of shape (n_archetypes, n_features)
        Archetypes, minus `shift`.
    shift : ndarray of shape (n_features,)
    n_threads : int, default=1
    """
    A = np.empty((len(X), len(Z)), dtype=X.dtype)
    if len(X):
        with single_threaded_blas():
            Rows(X, shift, n_threads=n_threads).run(Z, A, warm=False, sums=False)
    return A


def solve(X, weight, shift, start, *, max_iter, tol, n_threads=1):
    """Fit archetypes from starting rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous
    weight : ndarray of shape (n_samples,), all positive, or None
    shift : ndarray of shape (n_features,)
        A point in the middle of the data; subtracted from every row.
    start : ndarray of shape (n_archetypes,), rows to start from
    max_iter : int
        Largest number of passes over all rows.
    tol : float
        The duality gap, relative to the total sum of squares, at which the fit ends.
    n_threads : int, default=1
    """
    with single_threaded_blas():
        rows = Rows(X, shift, weight, n_threads)
        total = rows.total()
        pool = Pool.of_rows(start, rows.take(start))
        descent = Descent(rows, total, pool)
        descent.run(max_iter, tol)
        return _finish(descent, tol)


def _finish(descent, tol):
    """Round the archetypes as they will be stored, and measure gap and loss with their exact coefficients."""
    rows, pool = descent.rows, descent.pool
    Z = (pool.Z + rows.shift).astype(rows.X.dtype).astype(np.float64) - rows.shift
    descent.close(Z, tol)
    weights = pool.weights[:, : pool.size]
    k = len(weights)
    row, column = np.nonzero(weights)
    B = csr_matrix((weights[row, column], (row, pool.index[column])), shape=(k, len(rows.X)))
    B.sort_indices()
    return Solution(
        Z, descent.A, B, descent.rss, descent.total, descent.gap, descent.losses, len(descent.losses),
        descent.converged,
    )  # fmt: skip
