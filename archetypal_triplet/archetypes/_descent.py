"""Alternating descent with extrapolation, from a start to a certified optimum of both blocks."""

import numpy as np

from ._weights import pick_candidates

SWEEPS = 3  # over the archetypes per pass; they cost next to nothing
CANDIDATES = 3  # rows per archetype and pass that enter the pool
SNAP_BELOW = 1e-4  # share of unexplained variance at which corners may be rows
MOMENTUM = 0.97  # largest weight of the extrapolation


class Descent:
    """One run of the alternating descent on one set of rows.

    Parameters
    ----------
    rows : Rows
        The data of this level.
    total : float
        Weighted sum of squares of the rows, to which the gap is relative.
    pool : Pool
        Start; its `index` counts in the rows that `lookup` maps to.
    lookup : ndarray or None
        Index of every one of `rows` in the pool's counting; None if they are the same.
    """

    def __init__(self, rows, total, pool, lookup=None):
        self.rows = rows
        self.total = total
        self.pool = pool
        self.lookup = lookup
        self.A = np.zeros((len(rows.X), len(pool.weights)), rows.X.dtype)
        self.warm = False
        self.losses = []
        self.gap = np.inf
        self.n_passes = 0
        self.converged = False

    @property
    def rss(self):
        """The smallest loss so far, that of the accepted archetypes."""
        return self.losses[-1] if self.losses else np.inf

    def loss(self, M, C, Z):
        """Return the residual sum of squares; after a pass nothing depends on the number of rows."""
        return max(float(self.total - 2 * np.vdot(C, Z) + np.vdot(M, Z @ Z.T)), 0.0)

    def goal(self, tol):
        """Return the gap to reach: `tol`, or less where nearly everything is explained."""
        return min(tol, max(0.01 * self.rss / max(self.total, 1e-300), 1e-15))

    def run(self, max_passes, tol, *, give_up_above=None, points=None):
        """Iterate until the gap is at most `tol` or passes are used up.

        With `give_up_above` it ends as soon as the loss will evidently not fall below that value. With
        `points` the first coefficients are those of these points instead of the pool's archetypes.
        """
        self.converged = False
        pool = self.pool
        limit = max(256, 16 * len(pool.weights))
        Z = previous = pool.Z
        beta, momentum, G, closing = 0.0, 1.0, None, False
        next_snap = SNAP_BELOW
        trust, wait, since = 1.0, 1, 0  # how far below the goal a lagging gap must be, and how often to look
        for _ in range(max_passes):
            trial = Z + beta * (Z - previous) if points is None else points
            points = None
            M, C, values, found = self.rows.run(trial, self.A, warm=self.warm, G=None if closing else G)
            self.warm = True
            self.n_passes += 1
            if closing:  # the coefficients are exact for Z, so this gap is not optimistic
                G = M @ Z - C
                values, found = self.rows.search(G)
                current = (G * Z).sum(axis=1)
                self.gap = self._gap(current, values.min(axis=0))
                if self.gap <= self.goal(tol):
                    self.converged = True
                    return self
                trust, wait = min(0.9 * trust * self.goal(tol) / self.gap, 0.5 * trust), 2 * wait
            if G is not None:
                lowest = values.min(axis=0)
                self._enter(values, found, current - 1e-15 * self.total)
            weights = pool.improve(M, C, SWEEPS)
            new = weights[:, : pool.size] @ pool.rows[: pool.size]
            rss = self.loss(M, C, new)
            if self.losses and rss >= self.rss - 1e-15 * self.total:
                if closing:
                    self.converged = self.gap <= tol
                    return self  # no decrease is left above rounding
                closing = beta == 0.0
                beta, momentum = 0.0, 1.0
                continue
            self.losses.append(rss)
            pool.accept(weights, limit=limit)
            previous, Z = Z, new
            if give_up_above is not None and self._is_hopeless(give_up_above):
                return self
            closing = (
                not closing
                and G is not None
                and since >= wait
                and self._gap(current, lowest) <= trust * self.goal(tol)
            )
            since = 0 if closing else since + 1
            G = M @ Z - C
            current = (G * Z).sum(axis=1)
            if self.rss < next_snap * self.total:
                next_snap = max(1e-2 * self.rss / self.total, 1e-30)
                if self._snap(limit):
                    Z = previous = pool.Z
                    G, momentum, beta, closing = None, 1.0, 0.0, False
                    continue
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            beta, momentum = min((momentum - 1) / following, MOMENTUM), following
            if closing:
                beta = 0.0
        return self

    def _snap(self, limit):
        """Replace every archetype by its heaviest row if that lowers the loss.

        Without noise the corners are rows themselves, and the descent only creeps towards them.
        """
        pool = self.pool
        snapped = np.zeros_like(pool.weights)
        snapped[np.arange(len(snapped)), pool.weights[:, : pool.size].argmax(axis=1)] = 1.0
        Z = snapped[:, : pool.size] @ pool.rows[: pool.size]
        M, C, _, _ = self.rows.run(Z, self.A, warm=True)
        self.n_passes += 1
        rss = self.loss(M, C, Z)
        if rss >= self.rss:
            return False
        self.losses.append(rss)
        pool.accept(snapped, limit=limit)
        return True

    def close(self, Z, tol):
        """Compute coefficients and gap of the final archetypes as `transform` does; return the loss."""
        # where the coefficients are unique, the previous ones are as good a start as none
        M, C, _, _ = self.rows.run(Z, self.A, warm=self.warm and is_well_conditioned(Z))
        G = M @ Z - C
        self.gap = self._gap((G * Z).sum(axis=1), self.rows.search(G)[0].min(axis=0))
        rss = self.loss(M, C, Z)
        if rss <= self.rss:  # rounding to the type of the data may have raised it
            self.losses.append(rss)
        self.converged = self.converged or self.gap <= tol
        return rss

    def _gap(self, current, lowest):
        return max(2 * float((current - lowest).sum()), 0.0) / max(self.total, 1e-300)

    def _enter(self, values, found, reference):
        """Put the rows that violate optimality most into the pool."""
        pool = self.pool
        index = found if self.lookup is None else self.lookup[found]
        picked = np.empty(CANDIDATES * len(reference), np.int64)
        n_picked = pick_candidates(values, index, reference, CANDIDATES, pool.index, pool.size, picked)
        if n_picked:
            picked = picked[:n_picked]
            rows = picked if self.lookup is None else np.searchsorted(self.lookup, picked)
            pool.add(picked, self.rows.take(rows), new=True)

    def _is_hopeless(self, goal):
        n = len(self.losses)
        return n >= 8 and self.losses[-1] - 4 * (self.losses[-4] - self.losses[-1]) > goal


def is_well_conditioned(Z):
    """Tell whether the archetypes are affinely independent by a margin: mixtures are unique then."""
    gram = Z @ Z.T
    scale = max(float(np.trace(gram)) / len(Z), 1e-300)
    return bool(np.linalg.eigvalsh(gram + scale)[0] > 1e-7 * scale)
