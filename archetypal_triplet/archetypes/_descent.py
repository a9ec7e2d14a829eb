"""Alternating descent with extrapolation, from a start to a certified optimum of both blocks."""

import numpy as np

from ._weights import pick_candidates

SWEEPS = 3  # over the archetypes per pass; they cost next to nothing
CANDIDATES = 3  # rows per archetype and pass that enter the pool
LEAP_WAIT = 8  # passes before the first leap; longer after failures
FAR = 10  # times the gap to reach, above which leaps are tried
SNAP_BELOW = 1e-4  # share of unexplained variance at which corners may be rows
MOMENTUM = 0.99  # largest weight of the extrapolation


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
        self.next_snap, self.failed_leaps, self.since_leap = SNAP_BELOW, 0, 0

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
        leads = None
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
                leads = current - lowest, found[values.argmin(axis=0), np.arange(len(lowest))]
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
            if leads is not None and self._leap(leads, limit, tol):
                Z = previous = pool.Z
                G, momentum, beta, closing = None, 1.0, 0.0, False
                continue
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            beta, momentum = min((momentum - 1) / following, MOMENTUM), following
            if closing:
                beta = 0.0
        return self

    def _leap(self, leads, limit, tol):
        """Now and then propose archetypes far from the present ones; take them if the loss falls.

        Without noise the corners are rows themselves, and the descent only creeps towards them: every
        archetype becomes its heaviest row. It also creeps towards outliers, because all coefficients have to
        change with the archetype: the one that gains most becomes the row that it should move to.
        """
        pool = self.pool
        violation, rows = leads
        proposed = pool.weights.copy()
        self.since_leap += 1
        if self.rss < self.next_snap * self.total:
            self.next_snap = max(1e-2 * self.rss / self.total, 1e-30)
            heaviest = pool.weights[:, : pool.size].argmax(axis=1)
            proposed[:] = 0.0
            proposed[np.arange(len(proposed)), heaviest] = 1.0
            return self._try(proposed, 0, limit)
        is_far = 2 * violation.sum() > FAR * self.goal(tol) * self.total
        if not is_far or self.since_leap < LEAP_WAIT * (1 + self.failed_leaps):
            return False
        moving = int(np.argsort(-violation, kind="stable")[self.failed_leaps % len(violation)])
        row = rows[moving] if self.lookup is None else self.lookup[rows[moving]]
        place = np.flatnonzero(pool.index[: pool.size] == row)
        if len(place) == 0:
            return False
        proposed[moving] = 0.0
        proposed[moving, place[0]] = 1.0
        self.since_leap = 0
        recent = self.losses[-min(LEAP_WAIT, len(self.losses))] - self.rss  # else momentum does better
        taken = self._try(proposed, SWEEPS, limit, gain=recent)
        self.failed_leaps = 0 if taken else self.failed_leaps + 1
        return taken

    def _try(self, weights, n_sweeps, limit, gain=0.0):
        """Accept weights on the pool, improved in some sweeps, if they lower the loss by more than `gain`."""
        pool = self.pool
        M, C, _, _ = self.rows.run(weights[:, : pool.size] @ pool.rows[: pool.size], self.A, warm=True)
        self.n_passes += 1
        if n_sweeps:
            weights = pool.improve(M, C, n_sweeps, weights)
        rss = self.loss(M, C, weights[:, : pool.size] @ pool.rows[: pool.size])
        if rss >= self.rss - gain:
            return False
        self.losses.append(rss)
        pool.accept(weights, limit=limit)
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
