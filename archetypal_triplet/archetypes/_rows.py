"""Passes over the rows of the data: in blocks that stay in the cache, in threads, always the same bits."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from itertools import pairwise
from threading import Lock

import numpy as np

from ._coefficients import pass_rows, search_rows
from ._lanes import CHUNK, LANES, TILE, aligned

BLOCK = 256  # rows of a block: with its coefficients it stays in the second-level cache
BLOCK_ELEMENTS = 2**17  # of a block, at most, where rows are long
_TASKS = 16  # the rows are cut into at most this many tasks, whatever the number of threads


@cache
def _blas():
    import scipy.linalg  # noqa: F401 - its BLAS, which the kernels call, must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_lock = Lock()
_active = {"fits": 0, "limiter": None}


@contextmanager
def single_threaded_blas():
    """Limit BLAS to one thread: its threads would fight with ours. Holds for the whole process meanwhile.

    Fits may overlap in threads of the caller: the first sets the limit, the last takes it back.
    """
    with _lock:
        if _active["fits"] == 0:
            _active["limiter"] = _blas().limit(limits=1, user_api="blas")
        _active["fits"] += 1
    try:
        yield
    finally:
        with _lock:
            _active["fits"] -= 1
            if _active["fits"] == 0:
                _active["limiter"].restore_original_limits()


def prepare_gram(Z):
    """Return the padded Gram matrix of `Z` plus a constant, flat, with its row length and its scale.

    On the simplex the constant changes nothing; it makes the matrix definite for affinely independent rows.
    Columns beyond the last are huge, so that they never enter.
    """
    k = len(Z)
    width = _pad(k)
    gram = Z @ Z.T
    scale = max(float(gram.trace()) / k, 1e-100)
    padded = aligned(k, width)
    padded[:, k:] = 1e300
    padded[:, :k] = gram + scale
    return padded.ravel(), width, scale


_NOTHING = np.empty(0)
_NO_GUESS = (_NOTHING, _NOTHING)


def prepare_guess(gram, width, scale):
    """Return operator and offset of the affine minimizer over all archetypes, padded and flat.

    ``operator @ h + offset`` minimizes 1/2 a'Ka - h'a with the sum of a equal to one. Nothing is guessed from
    archetypes that are affinely dependent, or too many: the supports would be long and wrong.
    """
    k = len(gram) // width
    K = gram.reshape(k, width)[:, :k]
    if k > 64 or np.linalg.eigvalsh(K)[0] < 1e-7 * scale:
        return _NO_GUESS
    inverse = np.linalg.inv(K)
    sums = inverse.sum(axis=1)
    operator, offset = aligned(k, width), aligned(width)
    operator[:, :k] = inverse - np.outer(sums, sums) / sums.sum()
    offset[:k] = sums / sums.sum()
    return operator.ravel(), offset


def _pad(length, unit=CHUNK):
    return -(-length // unit) * unit


class _Workspace:
    """Arrays that one task writes to; made once, because fresh memory costs page faults."""

    def __init__(self, size, k, d):
        self.size = _pad(size, TILE)
        self.h = {width: aligned(self.size * width) for width in {_pad(k), _pad(2 * k)}}
        self.floats = (
            aligned(self.size * _pad(k)),
            aligned((k * k + 3 * k + 4) * LANES),
            aligned(_pad(k)),
            aligned(self.size * _pad(d)),
            aligned(self.size * _pad(k)),
        )
        self.sums = (aligned(_pad(k, TILE) * _pad(k)), aligned(_pad(k, TILE) * _pad(d)))
        self.integers = (
            np.zeros(self.size * _pad(k) + 1, np.int32),
            *(np.zeros(self.size, np.int64) for _ in range(4)),
            np.zeros(k + 3, np.int64),
            np.zeros(LANES, np.int64),
        )


class Rows:
    """The data as the solver sees them: centred rows with weights, passed over block by block.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), C-contiguous
        The samples, float64 or float32; may be a memory map. Never copied as a whole.
    shift : ndarray of shape (n_features,)
        Subtracted from every row of a block.
    weight : ndarray of shape (n_samples,) or None
        Weight of every row in the sums; None means equal weights.
    n_threads : int, default=1
        Threads of a pass; they do not change its result.
    """

    def __init__(self, X, shift, weight=None, n_threads=1):
        self.X = X.view()
        self.X.flags.writeable = False  # one compiled version for arrays and read-only memory maps
        self.shift = shift
        self.weight = np.empty(0) if weight is None else weight
        n, d = X.shape
        self.block = min(BLOCK, _pad(n, TILE), max(LANES, BLOCK_ELEMENTS // d // LANES * LANES))
        n_blocks = -(-n // self.block)
        n_tasks = min(_TASKS, max(1, n_blocks // 5))
        edges = np.linspace(0, n_blocks, n_tasks + 1).astype(int) * self.block
        self.tasks = [(int(lo), int(min(hi, n))) for lo, hi in pairwise(edges)]
        self.n_blocks = n_blocks
        self.n_threads = min(n_threads, n_tasks)
        self._spaces = {}

    def take(self, rows):
        """Return centred rows in double precision."""
        return self.X[rows].astype(np.float64) - self.shift

    @cached_property
    def total(self):
        """The weighted sum of squares of the centred rows."""
        totals = [0.0] * len(self.tasks)

        def task(index):
            lo, hi = self.tasks[index]
            for start in range(lo, hi, 4096):
                block = slice(start, min(start + 4096, hi))
                rows = self.take(block)
                lengths = np.einsum("ij,ij->i", rows, rows)
                totals[index] += float(self.weight[block] @ lengths if len(self.weight) else lengths.sum())

        self._each(task)
        return float(sum(totals))

    def run(self, Z, A, *, warm, G=None, sums=True):
        """Compute the coefficients of all rows for the centred archetypes `Z`, in place.

        Returns
        -------
        M, C : ndarray of shape (k, k) and (k, d)
            A'WA and A'WX, if `sums`.
        values, rows : ndarray of shape (n_blocks, k)
            The lowest <x_i, G_l> of every block and its row, if `G` is given.
        """
        k, d = Z.shape
        gram, width, scale = prepare_gram(Z)
        guess = _NO_GUESS if warm else prepare_guess(gram, width, scale)
        if not warm and guess is _NO_GUESS:
            A[:] = 0
        targets = _stack(Z) if G is None else _stack(Z, G)
        values = np.empty((self.n_blocks if G is not None else 0, k))
        rows = np.empty(values.shape, np.int64)
        spaces = [self._workspace(index, k, d) for index in range(len(self.tasks))]

        def task(index):
            lo, hi = self.tasks[index]
            space = spaces[index]
            M, C = space.sums
            M.fill(0.0)
            C.fill(0.0)
            h = space.h[targets.shape[1]]
            pass_rows(
                self.X, self.shift, self.weight, lo, hi, targets, k, gram, width, scale, guess, A,
                M, C if sums else _NOTHING, values, rows, (h, *space.floats), space.integers,
            )  # fmt: skip

        self._each(task)
        if not sums:
            return None, None, values, rows
        M, C = spaces[0].sums
        for space in spaces[1:]:
            M += space.sums[0]
            C += space.sums[1]
        M = M.reshape(-1, width)[:k, :k].copy()
        return M, C.reshape(-1, _pad(d))[:k, :d].copy(), values, rows

    def search(self, G):
        """Return the lowest <x_i, G_l> of every block and its row."""
        k, d = G.shape
        targets = _stack(G)
        values = np.empty((self.n_blocks, k))
        rows = np.empty(values.shape, np.int64)

        def task(index):
            lo, hi = self.tasks[index]
            space = self._workspace(index, k, d)
            h, block = space.h[targets.shape[1]], space.floats[3]
            search_rows(self.X, self.shift, lo, hi, targets, values, rows, h, block, space.size)

        self._each(task)
        return values, rows

    def _workspace(self, index, k, d):
        key = (index, k)
        if key not in self._spaces:
            self._spaces[key] = _Workspace(self.block, k, d)
        return self._spaces[key]

    def _each(self, task):
        if self.n_threads == 1:
            for index in range(len(self.tasks)):
                task(index)
        else:
            list(self._threads.map(task, range(len(self.tasks))))

    @cached_property
    def _threads(self):
        # lives as long as the rows; to start threads anew costs as much as a small pass
        return ThreadPoolExecutor(self.n_threads)


def _stack(*targets):
    """Return the transposed targets side by side, padded to whole chunks."""
    k, d = targets[0].shape
    out = aligned(d, _pad(k * len(targets)))
    for i, target in enumerate(targets):
        out[:, i * k : (i + 1) * k] = target.T
    return out
