"""Every kernel against its slow twin, in both precisions and at edge sizes."""

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from archetypal_triplet.archetypes._coefficients import add_product
from archetypal_triplet.archetypes._initialization import furthest_sum
from archetypal_triplet.archetypes._lanes import LANES, aligned
from archetypal_triplet.archetypes._pool import Pool
from archetypal_triplet.archetypes._rows import Rows, single_threaded_blas
from archetypal_triplet.archetypes._weights import pick_candidates, solve_hull

SIZES = [(1, 1, 1), (1, 3, 2), (5, 1, 3), (16, 4, 4), (17, 2, 5), (40, 6, 6), (300, 3, 3)]


def make_data(n, d, k, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(k, d))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "d", "k"), SIZES)
def test_coefficients(n, d, k, dtype):
    X, Z = make_data(n, d, k, dtype)
    A = np.zeros((n, k), dtype)
    Rows(X, np.zeros(d)).run(Z, A, warm=False)
    expected = naive.naive_coefficients(X.astype(float), Z)
    # the nearest point is unique, the mixture only if the archetypes are affinely independent
    assert_allclose(A @ Z, expected @ Z, atol=1e-5 if dtype == np.float32 else 1e-9)
    if k <= d + 1:
        assert_allclose(A, expected, atol=1e-4 if dtype == np.float32 else 1e-7)
    assert A.min() >= 0
    assert_allclose(A.sum(axis=1), 1, rtol=1e-6 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d", "k"), SIZES)
def test_sums_of_a_pass(n, d, k, weighted):
    X, Z = make_data(n, d, k)
    weight = np.random.default_rng(1).uniform(0.1, 3, size=n)
    A = np.zeros((n, k))
    rows = Rows(X, X[0], weight if weighted else None)
    M, C, values, found = rows.run(Z, A, warm=False, G=Z)
    W = weight if weighted else np.ones(n)
    assert_allclose(M, (A * W[:, None]).T @ A, atol=1e-12)
    assert_allclose(C, (A * W[:, None]).T @ (X - X[0]), atol=1e-11)
    assert_allclose(rows.total, np.sum(W[:, None] * (X - X[0]) ** 2))
    products = (X - X[0]) @ Z.T
    assert_allclose(values.min(axis=0), products.min(axis=0))
    assert_array_equal(found[values.argmin(axis=0), np.arange(k)], products.argmin(axis=0))
    again, rows_again = rows.search(Z)
    assert_allclose(again, values)
    assert_array_equal(rows_again, found)


def test_warm_start_changes_nothing_but_time():
    X, Z = make_data(200, 6, 5)
    cold, warm = np.zeros((200, 5)), np.zeros((200, 5))
    rows = Rows(X, np.zeros(6))
    rows.run(Z, cold, warm=False)
    rows.run(Z + 0.3, warm, warm=False)
    rows.run(Z, warm, warm=True)
    assert_allclose(warm, cold, atol=1e-12)


def test_equal_and_collinear_archetypes_are_no_trouble():
    X, Z = make_data(60, 4, 3)
    Z = np.vstack([Z, Z[0], (Z[1] + Z[2]) / 2])
    A = np.zeros((60, 5))
    Rows(X, np.zeros(4)).run(Z, A, warm=False)
    assert_allclose(A @ Z, naive.naive_coefficients(X, Z[:3]) @ Z[:3], atol=1e-7)


@pytest.mark.parametrize(("rows", "columns", "count"), [(4, 8, 1), (8, 24, 7), (12, 32, 3), (4, 40, 5)])
def test_product(rows, columns, count):
    rng = np.random.default_rng(0)
    left, right, out = (
        rng.normal(size=(rows, count)),
        rng.normal(size=(count, columns)),
        aligned(rows, columns),
    )
    out += 1.0
    add_product(out.ravel(), columns, left.ravel(), count, 1, right.ravel(), columns, rows, columns, count)
    assert_allclose(out, 1.0 + left @ right)


def test_overlapping_fits_leave_blas_as_it_was():
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with single_threaded_blas():
        pass  # loads the libraries
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        first, second = single_threaded_blas(), single_threaded_blas()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == [1] * len(before)
        second.__exit__(None, None, None)
        assert threads() == before


def test_aligned_arrays_begin_a_cache_line():
    for shape in [(3,), (5, LANES)]:
        assert aligned(*shape).ctypes.data % 64 == 0
        assert aligned(*shape).shape == shape


def test_weights_on_a_pool():
    X, Z = make_data(12, 3, 2)
    for target in Z:
        gram = X @ X.T
        a = np.zeros(12)
        a[0] = 1.0
        solve_hull(gram + 1.0, X @ target, a, float(np.trace(gram) / 12))
        assert_allclose(a @ X, naive.naive_mixture(target, X) @ X, atol=1e-8)


def test_sweeps_lower_the_loss_and_stay_in_the_hull():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    A = rng.dirichlet(np.ones(3), size=50)
    pool = Pool.of_rows(np.array([0, 1, 2]), X[:3])
    pool.add(np.arange(50), X)
    assert pool.size == 50
    losses = [naive.naive_loss(X, A, pool.Z, np.ones(50))]
    for _ in range(4):
        pool.accept(pool.improve(A.T @ A, A.T @ X, 1), limit=1000)
        losses.append(naive.naive_loss(X, A, pool.Z, np.ones(50)))
        assert_allclose(pool.weights.sum(axis=1), 1)
        assert pool.weights.min() >= 0
    assert np.all(np.diff(losses) <= 1e-12)


def test_unused_rows_leave_the_pool():
    X = np.random.default_rng(0).normal(size=(30, 3))
    pool = Pool.of_rows(np.array([4, 7]), X[[4, 7]])
    pool.add(np.arange(30), X)
    Z = pool.Z
    for _ in range(3):
        pool.accept(pool.weights.copy(), limit=10, patience=3)
    assert sorted(pool.index[: pool.size]) == [4, 7]
    assert_array_equal(pool.Z, Z)
    pool.add(np.array([9]), X[[9]])
    used = pool.rows[: pool.size]
    assert_allclose(pool.gram[: pool.size, : pool.size], used @ used.T + pool.scale)


def test_candidates_are_the_lowest_and_new():
    values = np.array([[3.0, -1.0], [1.0, -5.0], [2.0, 0.0]])
    rows = np.array([[10, 11], [20, 21], [30, 31]])
    picked = np.empty(4, np.int64)
    n = pick_candidates(values, rows, np.array([2.5, -2.0]), 2, np.array([20]), 1, picked)
    assert picked[:n].tolist() == [30, 21]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_furthest_sum(k):
    X, _ = make_data(25, 3, 1)
    assert furthest_sum(X, k, np.ones(25)).tolist() == naive.naive_furthest_sum(X, k)
