"""Starting rows for the archetypes."""

import numpy as np


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


STARTS = {"furthest_sum": furthest_sum, "random": random_rows}
