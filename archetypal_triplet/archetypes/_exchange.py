"""Leaving poor local optima: give up the archetype that is missed least for the row that is fitted worst."""

import numpy as np

from ._descent import Descent
from ._pool import Pool
from ._weights import solve_hull

PASSES = 60  # of a refit; most are given up long before
MAX_TRIES = 20  # with many archetypes there is always something left to gain
GAIN = 1e-4  # relative decrease of the loss that counts


def exchange(descent, tol, rng, *, n_failures=3, max_passes=PASSES):
    """Try exchanges until `n_failures` in a row do not lower the loss; return the best descent.

    Parameters
    ----------
    descent : Descent
        A descent that has been run.
    tol : float
        Gap at which a refit ends.
    rng : RandomState
        Draws the rows that are inserted.
    n_failures : int, default=3
        Failures in a row that end the search.
    max_passes : int, default=60
        Of each refit.

    Notes
    -----
    The first try after a success inserts the worst-fitted row, later ones draw a row with probability
    proportional to its squared residual. The draw does not depend on the order of the rows, nor on whether a
    row is repeated or weighted.
    """
    failures = 0
    k = len(descent.pool.weights)
    for _ in range(MAX_TRIES):
        if failures == n_failures or k == 1 or descent.rss <= 1e-12 * descent.total:
            break
        Z = descent.pool.Z
        M, _, _, _ = descent.rows.run(Z, descent.A, warm=True)
        costs, mixtures = removal_costs(Z, M)
        leaving = int(np.argsort(costs, kind="stable")[min(failures // 2, k - 1)])
        entering = _draw_row(descent, Z, rng if failures else None)
        trial = _replace(descent, leaving, entering, mixtures[leaving])
        trial.run(min(PASSES, max_passes), tol, give_up_above=(1 - GAIN) * descent.rss)
        if trial.rss < (1 - GAIN) * descent.rss:
            descent, failures = trial, 0
        else:
            failures += 1
    return descent


def removal_costs(Z, M):
    """Bound what the loss rises by if an archetype is replaced by the nearest mixture of the others.

    Returns
    -------
    costs : ndarray of shape (k,)
        The bounds.
    mixtures : ndarray of shape (k, k)
        Row l: the mixture of the others nearest to archetype l.
    """
    k = len(Z)
    gram = Z @ Z.T
    scale = max(float(np.trace(gram)) / k, 1e-300)
    costs, mixtures = np.zeros(k), np.zeros((k, k))
    for el in range(k):
        others = np.delete(np.arange(k), el)
        a = np.zeros(k - 1)
        nearest = np.argmin(np.diag(gram)[others] - 2 * gram[el, others])
        a[nearest] = 1.0
        solve_hull(gram[np.ix_(others, others)] + scale, gram[el, others].copy(), a, scale)
        mixtures[el, others] = a
        costs[el] = M[el, el] * np.sum((Z[el] - mixtures[el] @ Z) ** 2)
    return costs, mixtures


def _draw_row(descent, Z, rng):
    rows = descent.rows
    residual = np.empty(len(rows.X))
    for start in range(0, len(residual), 4096):
        block = slice(start, start + 4096)
        difference = rows.take(block) - descent.A[block] @ Z
        residual[block] = np.einsum("ij,ij->i", difference, difference)
    if rng is None:
        return int(np.argmax(residual))
    order = np.argsort(-residual, kind="stable")
    mass = np.cumsum(residual[order] * (rows.weight[order] if len(rows.weight) else 1.0))
    return int(order[min(np.searchsorted(mass, rng.uniform() * mass[-1]), len(order) - 1)])


def _replace(descent, leaving, entering, mixture):
    pool = Pool.restore(descent.pool.copy_weights())
    index = entering if descent.lookup is None else descent.lookup[entering]
    pool.add(np.array([index]), descent.rows.take(np.array([entering])))
    pool.weights[leaving] = 0.0
    pool.weights[leaving, np.flatnonzero(pool.index[: pool.size] == index)[0]] = 1.0
    trial = Descent(descent.rows, descent.total, pool, descent.lookup)
    trial.A = descent.A + descent.A[:, leaving, None] * mixture.astype(descent.A.dtype)
    trial.A[:, leaving] = 0.0
    trial.warm = True
    return trial
