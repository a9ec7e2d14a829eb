"""What must hold for any data."""

import naive
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import config
from numpy.testing import assert_allclose, assert_array_equal

from archetypal_triplet import ArchetypalAnalysis

COMPILED = not config.DISABLE_JIT
FEW = settings(
    max_examples=25 if COMPILED else 2,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

problems = st.tuples(
    st.integers(6, 60),
    st.integers(1, 8),
    st.integers(1, 6),
    st.integers(0, 10_000),
    st.sampled_from([1e-3, 1.0, 1e4]),
)


def make(problem):
    n, d, k, seed, scale = problem
    rng = np.random.default_rng(seed)
    X = scale * (rng.dirichlet(np.ones(k), n) @ rng.normal(size=(k, d)) + 0.2 * rng.normal(size=(n, d)))
    return X, k, rng


@FEW
@given(problems)
def test_fit_is_feasible_descends_and_is_certified(problem):
    X, k, _ = make(problem)
    model = ArchetypalAnalysis(k, random_state=0).fit(X)
    A, B, Z = model.coefficients_, model.archetype_weights_.toarray(), model.archetypes_
    total = np.sum((X - X.mean(axis=0)) ** 2)
    for factor in (A, B):
        assert factor.min() >= 0
        assert_allclose(factor.sum(axis=1), 1, rtol=1e-9)
    assert_allclose(B @ X, Z, atol=1e-9 * np.abs(X).max())
    assert_allclose(naive.naive_loss(X, A, Z, np.ones(len(X))), model.reconstruction_err_, atol=1e-10 * total)
    assert np.all(np.diff(model.loss_curve_) <= 0)
    assert_allclose(naive.naive_gap(X, A, Z, np.ones(len(X))) / total, model.duality_gap_, atol=1e-8)
    assert model.duality_gap_ <= model.tol


@FEW
@given(problems)
def test_order_of_samples_does_not_matter(problem):
    X, k, rng = make(problem)
    order = rng.permutation(len(X))
    first = ArchetypalAnalysis(k, random_state=0).fit(X)
    second = ArchetypalAnalysis(k, random_state=0).fit(X[order])
    assert_allclose(
        first.reconstruction_err_, second.reconstruction_err_, rtol=0.02, atol=1e-9 * np.sum(X**2)
    )


@FEW
@given(problems, st.floats(-100, 100), st.floats(0.01, 100))
def test_shift_and_scale_are_followed(problem, shift, factor):
    X, k, _ = make(problem)
    shift = shift * np.abs(X).max()
    first = ArchetypalAnalysis(k, random_state=0, exchange=False).fit(X)
    second = ArchetypalAnalysis(k, random_state=0, exchange=False).fit(factor * (X + shift))
    total = np.sum((X - X.mean(axis=0)) ** 2)
    assert_allclose(second.reconstruction_err_ / factor**2, first.reconstruction_err_, atol=2e-3 * total)


@FEW
@given(problems)
def test_more_archetypes_never_fit_worse_on_a_path(problem):
    from archetypal_triplet.archetypes import archetype_path

    X, k, _ = make(problem)
    errors = [model.reconstruction_err_ for model in archetype_path(X, range(1, k + 1))]
    assert np.all(np.diff(errors) <= 1e-6 * np.sum((X - X.mean(axis=0)) ** 2))


@FEW
@given(problems)
def test_integer_weights_are_repetitions(problem):
    X, k, rng = make(problem)
    weight = rng.integers(0, 4, size=len(X))
    weight[: max(k, 2)] = 1
    repeated = ArchetypalAnalysis(k, random_state=0).fit(np.repeat(X, weight, axis=0))
    weighted = ArchetypalAnalysis(k, random_state=0).fit(X, sample_weight=weight)
    total = np.sum((X - X.mean(axis=0)) ** 2)
    assert_allclose(weighted.reconstruction_err_, repeated.reconstruction_err_, atol=1e-3 * total)


@pytest.mark.skipif(not COMPILED, reason="thousands of rows take minutes without compilation")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_bits_at_any_number_of_threads(dtype):
    rng = np.random.default_rng(0)
    X = (
        rng.dirichlet(np.ones(6), 12_000) @ rng.normal(size=(6, 9)) + 0.1 * rng.normal(size=(12_000, 9))
    ).astype(dtype)
    one, two, again = (ArchetypalAnalysis(6, random_state=0, n_jobs=n).fit(X) for n in (1, 2, 2))
    for other in (two, again):
        assert_array_equal(one.archetypes_, other.archetypes_)
        assert_array_equal(one.coefficients_, other.coefficients_)
        assert one.duality_gap_ == other.duality_gap_
    assert_allclose(one.transform(X), one.coefficients_, atol=1e-5 if dtype == np.float32 else 1e-10)
