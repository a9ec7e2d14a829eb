"""The rows of which archetypes are made: few of all rows, found by column generation."""

import numpy as np

from ._lanes import aligned
from ._weights import update_weights


class Pool:
    """Candidate rows, their Gram matrix, and the weights of the archetypes on them.

    Rows enter when they violate the optimality of an archetype, and leave when no archetype has used them for
    a while. `Z` is always `weights @ rows`: the archetypes never leave the hull of the data.
    """

    def __init__(self, index, rows, k):
        capacity = max(64, 2 * len(rows))
        self.size = 0
        self.index = np.empty(capacity, np.int64)
        self.rows = aligned(capacity, rows.shape[1])
        self.gram = aligned(capacity, capacity)
        self.weights = np.zeros((k, capacity))
        self.unused = np.zeros(capacity, np.int64)
        self.scale = max(float(np.mean(np.einsum("ij,ij->i", rows, rows))), 1e-300)
        self.add(index, rows)

    @classmethod
    def of_rows(cls, index, rows):
        """Make a pool in which every archetype is one of the rows; equal rows share a place."""
        distinct, places = np.unique(index, return_index=True)
        pool = cls(distinct, rows[places], len(index))
        pool.weights[np.arange(len(index)), np.searchsorted(distinct, index)] = 1.0
        return pool

    @property
    def Z(self):
        """The archetypes."""
        return self.weights[:, : self.size] @ self.rows[: self.size]

    def copy_weights(self):
        """Return the weights together with the rows that they refer to, for a later `restore`."""
        return (
            self.index[: self.size].copy(),
            self.rows[: self.size].copy(),
            self.weights[:, : self.size].copy(),
        )

    @classmethod
    def restore(cls, saved):
        """Make a pool from what `copy_weights` returned."""
        index, rows, weights = saved
        pool = cls(index, rows, len(weights))
        pool.weights[:, : pool.size] = weights
        return pool

    def add(self, index, rows, *, new=False):
        """Add rows (centred) that are not in the pool yet; `new` says that none of them is."""
        if not new:
            fresh = ~np.isin(index, self.index[: self.size])
            index, rows = index[fresh], rows[fresh]
        start, stop = self.size, self.size + len(index)
        if stop > len(self.index):
            self._grow(max(stop, 2 * len(self.index)))
        self.index[start:stop] = index
        self.rows[start:stop] = rows
        products = self.rows[start:stop] @ self.rows[:stop].T + self.scale
        self.gram[start:stop, :stop] = products
        self.gram[:stop, start:stop] = products.T
        self.weights[:, start:stop] = 0.0
        self.unused[start:stop] = 0
        self.size = stop

    def improve(self, M, C, n_sweeps=3, weights=None):
        """Return weights with a lower loss for the sums `M` and `C`; the pool stays as it is."""
        weights = (self.weights if weights is None else weights).copy()
        update_weights(
            self.gram, self.size, C @ self.rows[: self.size].T, M, weights, self.scale, n_sweeps
        )  # fmt: skip
        return weights

    def accept(self, weights, *, limit, patience=12):
        """Take over weights; of more than `limit` rows drop those unused for `patience` iterations."""
        self.weights = weights
        used = weights[:, : self.size].any(axis=0)
        self.unused[: self.size] = np.where(used, 0, self.unused[: self.size] + 1)
        if self.size > limit:
            kept = np.flatnonzero(self.unused[: self.size] < patience)
            if len(kept) < self.size:
                size = len(kept)
                self.index[:size] = self.index[kept]
                self.rows[:size] = self.rows[kept]
                self.gram[:size, :size] = self.gram[np.ix_(kept, kept)]
                self.weights[:, :size] = self.weights[:, kept]
                self.weights[:, size:] = 0.0
                self.unused[:size] = self.unused[kept]
                self.size = size

    def _grow(self, capacity):
        size = self.size
        for name in ("index", "rows", "gram", "weights", "unused"):
            old = getattr(self, name)
            if name == "gram":
                new = aligned(capacity, capacity)
                new[:size, :size] = old[:size, :size]
            elif name == "weights":
                new = np.zeros((len(old), capacity))
                new[:, :size] = old[:, :size]
            else:
                new = np.zeros((capacity, *old.shape[1:]), old.dtype)
                new[:size] = old[:size]
            setattr(self, name, new)
