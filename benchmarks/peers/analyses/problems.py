"""Data for the comparison of archetypal analyses (`archetypes.py`, one folder up), and all methods."""

import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_images

from archetypal_triplet.archetypes import ArchetypalAnalysis
from archetypal_triplet.archetypes._initialization import furthest_sum


def polytope(n, d, k, noise=0.05):
    rng = np.random.default_rng(0)
    corners = rng.normal(size=(k, d))
    return rng.dirichlet(np.full(k, 0.5), size=n) @ corners + noise * rng.normal(size=(n, d))


def breast_cancer():
    X = load_breast_cancer().data
    return (X - X.mean(axis=0)) / X.std(axis=0)


def patches(n=100_000, size=8):
    rng = np.random.default_rng(0)
    images = [image.mean(axis=2) / 255 for image in load_sample_images().images]
    out = np.empty((n, size * size))
    for i in range(n):
        image = images[i % len(images)]
        row, column = rng.integers(image.shape[0] - size), rng.integers(image.shape[1] - size)
        out[i] = image[row : row + size, column : column + size].ravel()
    return out


SETS = {
    "digits": (lambda: load_digits().data, 10),
    "breast": (breast_cancer, 5),
    "1e3x100": (lambda: polytope(1000, 100, 20), 20),
    "1e4x20": (lambda: polytope(10_000, 20, 10), 10),
    "1e4x100": (lambda: polytope(10_000, 100, 20), 20),
    "1e5x20": (lambda: polytope(100_000, 20, 10), 10),
    "1e5x100": (lambda: polytope(100_000, 100, 20), 20),
    "1e5x100k10": (lambda: polytope(100_000, 100, 10), 10),
    "patches": (patches, 10),
    "patches20": (patches, 20),
}
FAST = ("digits", "1e4x20", "1e4x100", "1e5x20", "1e5x100", "patches")
SMALL = ("digits", "breast", "1e3x100", "1e4x20", "1e4x100")


def relative_error(X, A, B):
    """Residual over total sum of squares; fails if A or B are not feasible."""
    for factor in (A, B):
        data = factor.data if hasattr(factor, "nnz") else factor
        sums = np.asarray(factor.sum(axis=1)).ravel()
        if np.min(data) < -1e-6 or np.max(np.abs(sums - 1)) > 1e-3:
            return np.nan
    return float(np.sum((X - A @ (B @ X)) ** 2) / np.sum((X - X.mean(axis=0)) ** 2))


def timed(fit):
    """Return CPU time, wall time and what `fit` returns."""
    cpu, wall = time.process_time(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = fit()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def ours(X, k, **parameters):
    model = ArchetypalAnalysis(k, **{"random_state": 0, **parameters}).fit(X)
    return model.coefficients_, model.archetype_weights_


def spams_fit(X, start, steps, fista=3, compute_gram=False):
    import spams

    Z0 = np.asfortranarray(X[start].T)
    _, A, B = spams.archetypalAnalysis(
        np.asfortranarray(X.T), Z0=Z0, p=len(start), returnAB=True, stepsAS=steps, stepsFISTA=fista,
        computeXtX=compute_gram, numThreads=1,
    )  # fmt: skip
    return A.T.tocsr().toarray(), B.T.tocsr()


def pcha_fit(X, k):
    vars(np)["mat"] = np.asmatrix  # it was written for NumPy 1
    from py_pcha import PCHA

    _, S, C, _, _ = PCHA(X.T.copy(), k)
    return np.asarray(S).T, np.asarray(C).T


def partipy_fit(X, k):
    from partipy.arch import AA

    model = AA(n_archetypes=k, scaling=False)
    model.fit(X)
    return np.asarray(model.A), np.asarray(model.B)


def archetypes_fit(X, k):
    from archetypes import AA

    model = AA(n_archetypes=k, init="furthest_sum", random_state=0)
    A = model.fit_transform(X)
    return np.asarray(A), np.asarray(model.arch_coefficients_)


# as they come, from the same start where a method takes one
METHODS = {
    "ours": ours,
    "spams": lambda X, k: spams_fit(X, furthest_sum(X, k, np.ones(len(X))), 50),
    "py_pcha": pcha_fit,
    "partipy": partipy_fit,
    "archetypes": archetypes_fit,
}
