"""Alternating minimization of |X - A B X|^2: exact coefficients, archetypes on a growing pool of rows."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ._kernels import solve_rows, update_weights

BLOCK = 4096


@dataclass
class Solution:
    """What one fit of the solver returns; `Z` is centred."""

    Z: np.ndarray
    A: np.ndarray
    B: csr_matrix
    rss: float
    total: float
    gap: float
    losses: list
    n_iter: int
    converged: bool


def prepare_gram(Z):
    """Return the Gram matrix plus a constant, and its scale.

    On the simplex the constant changes nothing; it makes the matrix definite for affinely independent rows.
    """
    gram = Z @ Z.T
    constant = max(float(np.mean(np.diag(gram))), 1e-300)
    return gram + constant, constant


def compute_coefficients(X, Z, center, A=None):
    """Return the mixture of every row of `X`: exact minimizers on the simplex, in blocks of rows."""
    warm = A is not None
    if not warm:
        A = np.zeros((len(X), len(Z)), dtype=X.dtype)
    gram, scale = prepare_gram(Z)
    for start in range(0, len(X), BLOCK):
        rows = X[start : start + BLOCK].astype(np.float64) - center
        solve_rows(rows @ Z.T, gram, scale, A[start : start + BLOCK], warm)
    return A


def _accumulate(X, A, weight, center):
    M = np.zeros((A.shape[1],) * 2)
    C = np.zeros((A.shape[1], X.shape[1]))
    for start in range(0, len(X), BLOCK):
        block = slice(start, start + BLOCK)
        coefficients = A[block].astype(np.float64)
        weighted = coefficients * weight[block, None]
        M += weighted.T @ coefficients
        C += weighted.T @ (X[block] - center)
    return M, C


def _find_violators(X, G, center):
    """Return per archetype the lowest <G_l, x_i> over the rows, and the rows that attain low values."""
    lowest = np.full(len(G), np.inf)
    rows = []
    for start in range(0, len(X), BLOCK):
        products = (X[start : start + BLOCK] - center) @ G.T
        arg = products.argmin(axis=0)
        values = products[arg, np.arange(len(G))]
        rows.append((values, arg + start))
        lowest = np.minimum(lowest, values)
    values, arg = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    order = np.argsort(values, axis=0, kind="stable")[:3]
    return lowest, np.unique(np.take_along_axis(arg, order, axis=0))


def _loss(total, M, C, Z):
    return max(total - 2 * np.sum(C * Z) + np.sum(M * (Z @ Z.T)), 0.0)


def _improve(pool_rows, pool, M, C, weights):
    """Return better weights on the pool."""
    gram, scale = prepare_gram(pool_rows)
    # the constant in the Gram matrix enters the linear term the same way for every member of the pool
    update_weights(gram, C @ pool_rows.T + 0.0, M, weights, scale, 3)
    return weights


def solve(X, weight, center, total, start, *, max_iter, tol):
    """Fit archetypes from the given starting rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,), all positive
    center : ndarray of shape (n_features,)
        Subtracted from every row.
    total : float
        Weighted sum of squares of the centred rows.
    start : ndarray of shape (n_archetypes,), rows to start from
    max_iter : int
    tol : float
        The duality gap, relative to `total`, at which the fit ends.
    """
    pool = np.asarray(start)
    k = len(pool)
    pool_rows = X[pool].astype(np.float64) - center
    weights = np.eye(k)
    Z = previous = pool_rows.copy()
    A, losses, beta, momentum, closing = None, [], 0.0, 1.0, False
    for _ in range(max_iter):
        A = compute_coefficients(X, Z + beta * (Z - previous), center, A)
        M, C = _accumulate(X, A, weight, center)
        if closing:  # these coefficients are exact for Z, so the gap is not optimistic
            gap, rows = _measure_gap(X, M @ Z - C, Z, center, total)
            if gap <= tol:
                break
            pool, pool_rows, weights = _grow(X, center, rows, pool, pool_rows, weights)
        new = _improve(pool_rows, pool, M, C, weights.copy())
        rss = _loss(total, M, C, new @ pool_rows)
        if losses and rss >= losses[-1] * (1 - 1e-14):
            if beta == 0.0 and closing:
                break  # no decrease is left above rounding
            beta, momentum, closing = 0.0, 1.0, beta == 0.0
            continue
        losses.append(rss)
        previous, Z, weights = Z, new @ pool_rows, new
        gap, rows = _measure_gap(X, M @ Z - C, Z, center, total)
        pool, pool_rows, weights = _grow(X, center, rows, pool, pool_rows, weights)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        beta, momentum = min((momentum - 1) / following, 0.97), following
        closing = gap <= tol
        if closing:
            beta, momentum = 0.0, 1.0
    A = compute_coefficients(X, Z, center)
    M, C = _accumulate(X, A, weight, center)
    rss = _loss(total, M, C, Z)
    gap, _ = _measure_gap(X, M @ Z - C, Z, center, total)
    losses.append(min(rss, losses[-1]) if losses else rss)
    row, column = np.nonzero(weights)
    B = csr_matrix((weights[row, column], (row, pool[column])), shape=(k, len(X)))
    B.sort_indices()
    return Solution(Z, A, B, rss, total, gap, losses, len(losses), gap <= tol or closing)


def _measure_gap(X, G, Z, center, total):
    lowest, rows = _find_violators(X, G, center)
    gap = 2 * max(np.sum(np.sum(G * Z, axis=1) - lowest), 0.0) / total if total > 0 else 0.0
    return gap, rows


def _grow(X, center, rows, pool, pool_rows, weights):
    rows = np.setdiff1d(rows, pool)
    pool = np.concatenate([pool, rows])
    pool_rows = np.concatenate([pool_rows, X[rows].astype(np.float64) - center])
    return pool, pool_rows, np.concatenate([weights, np.zeros((len(weights), len(rows)))], axis=1)
