"""ArchetypalAnalysis: time, memory, loss and gap over sizes, precision and threads; time to compile."""

import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from archetypal_triplet import ArchetypalAnalysis
from archetypal_triplet.archetypes._rows import Rows


def polytope(n, d, k, dtype=np.float64):
    rng = np.random.default_rng(0)
    corners = rng.normal(size=(k, d))
    return (rng.dirichlet(np.full(k, 0.5), size=n) @ corners + 0.05 * rng.normal(size=(n, d))).astype(dtype)


def fit(X, k, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return ArchetypalAnalysis(k, random_state=0, **parameters).fit(X)


class Fit:
    """Whole default fits."""

    params = ([1_000, 10_000, 100_000], [(20, 10), (100, 20)], ["float64", "float32"])
    param_names = ("n", "d_and_k", "dtype")
    timeout = 120

    def setup(self, n, d_and_k, dtype):
        d, self.k = d_and_k
        self.X = polytope(n, d, self.k, dtype)
        fit(self.X[:200], self.k)

    def time_fit(self, n, d_and_k, dtype):
        fit(self.X, self.k)

    def peakmem_fit(self, n, d_and_k, dtype):
        fit(self.X, self.k)

    def track_loss(self, n, d_and_k, dtype):
        return 1 - fit(self.X, self.k).explained_variance_

    def track_gap(self, n, d_and_k, dtype):
        return fit(self.X, self.k).duality_gap_


class Threads:
    """The same fit on one and two threads."""

    params = ([1, 2],)
    param_names = ("n_jobs",)

    def setup(self, n_jobs):
        self.X = polytope(100_000, 50, 20)
        fit(self.X[:200], 20)

    def time_fit(self, n_jobs):
        fit(self.X, 20, n_jobs=n_jobs)


class Pass:
    """One steady iteration, and the two products that no method can avoid."""

    params = ([(20, 10), (100, 10), (100, 20)],)
    param_names = ("d_and_k",)

    def setup(self, d_and_k):
        d, k = d_and_k
        self.X = polytope(50_000, d, k)
        model = fit(self.X, k)
        self.rows = Rows(self.X, self.X.mean(axis=0))
        self.Z = model.archetypes_ - self.rows.shift
        self.A = model.coefficients_.copy()
        self.B = np.random.default_rng(0).random((k, len(self.X)))

    def time_pass(self, d_and_k):
        self.rows.run(self.Z, self.A, warm=True, G=self.Z)

    def time_two_products(self, d_and_k):
        self.X @ self.Z.T
        self.B @ self.X


class Transform:
    """Coefficients of new rows."""

    params = ([5, 10, 20, 50],)
    param_names = ("k",)

    def setup(self, k):
        self.X = polytope(20_000, 60, k)
        self.model = fit(self.X[:4000], k)

    def time_transform(self, k):
        self.model.transform(self.X)


class Start:
    """Starts and what exchanges are worth."""

    params = (["furthest_sum", "aa++", "greedy_residual", "random"], [True, False])
    param_names = ("init", "exchange")

    def setup(self, init, exchange):
        self.X = polytope(1000, 100, 20)

    def time_fit(self, init, exchange):
        fit(self.X, 20, init=init, exchange=exchange)

    def track_loss(self, init, exchange):
        return 1 - fit(self.X, 20, init=init, exchange=exchange).explained_variance_


class Compilation:
    """The first fit of a fresh process."""

    params = (["cold", "cached"],)
    param_names = ("cache",)
    timeout = 300

    def track_first_fit(self, cache):
        code = (
            "import time, numpy as np; from archetypal_triplet import ArchetypalAnalysis;"
            "X = np.random.default_rng(0).normal(size=(300, 5)); t = time.perf_counter();"
            "ArchetypalAnalysis(4, random_state=0).fit(X); print(time.perf_counter() - t)"
        )
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            for _ in range(1 if cache == "cold" else 2):
                command = [sys.executable, "-c", code]
                run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return float(run.stdout)

    track_first_fit.unit = "s"
