"""Starting rows for the archetypes."""

import numpy as np

from ._rows import Rows


def _squared_distances(X, row):
    difference = X - row
    return np.einsum("ij,ij->i", difference, difference, dtype=np.float64)


def furthest_sum(X, n_archetypes, weight, rng=None, *, n_exchanges=10):
    """Pick rows that are far from each other (Morup and Hansen 2012, section 2.3).

    Starts at the weighted centroid, or at a random row if `rng` is given; the first picks, which depend on
    the start, are replaced at the end. Rows whose value was picked already are not picked again.
    """
    start = np.average(X, axis=0, weights=weight) if rng is None else X[random_rows(X, 1, weight, rng)[0]]
    sums = np.sqrt(_squared_distances(X, start))
    free = np.ones(len(X), dtype=bool)
    chosen = []
    from_start = sums.copy()
    distances = {}
    n_exchanges = n_exchanges if n_archetypes > 1 else 0
    for turn in range(n_archetypes + n_exchanges):
        if turn == 1:
            sums = sums - from_start
        if turn >= n_archetypes:
            dropped = chosen.pop(0)
            sums = sums - distances.pop(dropped)
            free[_squared_distances(X, X[dropped]) == 0] = True
        if not free.any():
            break
        best = int(np.argmax(np.where(free, sums, -np.inf)))
        chosen.append(best)
        squared = _squared_distances(X, X[best])
        free[squared == 0] = False
        free[best] = False
        distances[best] = np.sqrt(squared)
        sums = sums + distances[best]
    return np.array(chosen)


def random_rows(X, n_archetypes, weight, rng):
    """Draw rows of different values, each with probability proportional to its weight.

    The rows are drawn along a random projection, so that neither their order nor whether a row is repeated or
    weighted changes what is drawn.
    """
    key = X @ rng.normal(size=X.shape[1]).astype(X.dtype)
    order = np.argsort(key, kind="stable")
    cumulative = np.cumsum(weight[order])
    chosen = []
    for _ in range(20 * n_archetypes + 20):
        row = order[min(np.searchsorted(cumulative, rng.uniform() * cumulative[-1]), len(X) - 1)]
        if not chosen or np.min(np.abs(key[chosen] - key[row])) > 0:
            chosen.append(int(row))
        if len(chosen) == n_archetypes:
            return np.array(chosen)
    for row in order:  # few distinct values: take them in order
        if len(chosen) < n_archetypes and np.min(np.abs(key[chosen] - key[row])) > 0:
            chosen.append(int(row))
    return np.array(chosen)


def hull_residuals(X, chosen, A=None):
    """Return the squared distance of every row to the convex hull of the chosen rows, and the mixtures."""
    Z = X[chosen]
    mixtures = np.zeros((len(X), len(chosen)))
    warm = A is not None
    if warm:
        mixtures[:, : A.shape[1]] = A
    Rows(X, np.zeros(X.shape[1])).run(Z, mixtures, warm=warm, sums=False)
    residual = X - mixtures @ Z
    return np.einsum("ij,ij->i", residual, residual), mixtures


def aa_plus_plus(X, n_archetypes, weight, rng):
    """Draw rows with probability proportional to their squared distance to the hull of those drawn before.

    AA++ (Mair and Sjolund 2023, algorithm 2); the first row is drawn by weight alone.
    """
    chosen = [int(random_rows(X, 1, weight, rng)[0])]
    A = None
    while len(chosen) < n_archetypes:
        distance, A = hull_residuals(X, chosen, A)
        distance = _without_rounding(distance, X)
        order = np.argsort(-distance, kind="stable")  # the draw must not depend on the order of the rows
        mass = np.cumsum(distance[order] * weight[order])
        if not mass[-1] > 0.0:
            return _fill_with_distinct(X, chosen, n_archetypes)
        chosen.append(int(order[min(np.searchsorted(mass, rng.uniform() * mass[-1]), len(X) - 1)]))
    return np.array(chosen)


def greedy_residual(X, n_archetypes, weight, rng=None):
    """Pick the row furthest from the centroid, then always the row furthest from the hull of those picked."""
    centre = np.average(X, axis=0, weights=weight)
    chosen = [int(np.argmax(_squared_distances(X, centre)))]
    A = None
    while len(chosen) < n_archetypes:
        distance, A = hull_residuals(X, chosen, A)
        distance = _without_rounding(distance, X)
        if not distance.max() > 0.0:
            return _fill_with_distinct(X, chosen, n_archetypes)
        chosen.append(int(np.argmax(distance)))
    return np.array(chosen)


def _without_rounding(distance, X):
    scale = float(np.max(np.einsum("ij,ij->i", X, X)))
    return np.where(distance > 1e-12 * scale, distance, 0.0)


def _fill_with_distinct(X, chosen, n_archetypes):
    """Add rows inside the hull, of values that were not chosen yet, as far as there are any."""
    free = np.ones(len(X), dtype=bool)
    for row in chosen:
        free[_squared_distances(X, X[row]) == 0] = False
    chosen = list(chosen)
    while len(chosen) < n_archetypes and free.any():
        chosen.append(int(np.flatnonzero(free)[0]))
        free[_squared_distances(X, X[chosen[-1]]) == 0] = False
    return np.array(chosen)


STARTS = {
    "furthest_sum": furthest_sum,
    "aa++": aa_plus_plus,
    "greedy_residual": greedy_residual,
    "random": random_rows,
}
DETERMINISTIC = {"furthest_sum", "greedy_residual"}
