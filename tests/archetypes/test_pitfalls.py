"""What other implementations stumble over."""

import logging
import tracemalloc

import numpy as np
import pytest
from numba import config
from numpy.testing import assert_allclose, assert_array_equal

from archetypal_triplet import ArchetypalAnalysis
from archetypal_triplet.archetypes._rows import Rows

needs_compilation = pytest.mark.skipif(config.DISABLE_JIT, reason="takes minutes without compilation")


def cloud(n=80, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def check_fit(model, X):
    assert_allclose(model.coefficients_.sum(axis=1), 1, rtol=1e-5)
    assert model.coefficients_.min() >= 0
    assert np.isfinite(model.archetypes_).all()
    assert 0 <= model.explained_variance_ <= 1
    assert model.duality_gap_ <= model.tol
    return model


def test_one_archetype_is_the_mean():
    X = cloud()
    model = check_fit(ArchetypalAnalysis(1, tol=1e-10).fit(X), X)
    assert_allclose(model.archetypes_[0], X.mean(axis=0), atol=1e-6)


def test_as_many_archetypes_as_samples():
    X = cloud(n=9)
    model = check_fit(ArchetypalAnalysis(9).fit(X), X)
    assert model.reconstruction_err_ == pytest.approx(0, abs=1e-12)


def test_one_sample():
    model = ArchetypalAnalysis(1).fit([[3.0, 4.0]])
    assert_allclose(model.archetypes_, [[3, 4]])
    assert model.explained_variance_ == 1.0


def test_constant_data_have_one_archetype():
    X = np.full((10, 3), 7.0)
    with pytest.raises(ValueError, match=r"n_archetypes=2 exceeds the 1 distinct sample"):
        ArchetypalAnalysis(2).fit(X)
    model = ArchetypalAnalysis(1).fit(X)
    assert_allclose(model.archetypes_, 7)
    assert model.reconstruction_err_ == 0


def test_constant_column_and_low_rank():
    X = np.hstack([cloud(d=2) @ cloud(n=2, d=6, seed=1), np.full((80, 1), 3.0)])
    model = check_fit(ArchetypalAnalysis(5).fit(X), X)
    assert_allclose(model.archetypes_[:, -1], 3)


def test_duplicated_rows_change_nothing():
    X = cloud(40)
    once, twice = (
        ArchetypalAnalysis(4, random_state=0).fit(X),
        ArchetypalAnalysis(4, random_state=0).fit(np.tile(X, (2, 1))),
    )
    assert_allclose(2 * once.reconstruction_err_, twice.reconstruction_err_, rtol=1e-3)


def test_more_archetypes_than_the_hull_has_corners():
    square = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    X = np.vstack([square, np.random.default_rng(0).uniform(size=(60, 2))])
    model = ArchetypalAnalysis(7).fit(X)
    assert model.reconstruction_err_ == pytest.approx(0, abs=1e-9)
    assert_allclose(model.transform(X), model.coefficients_, atol=1e-9)


def test_data_far_from_the_origin():
    X = cloud()
    near, far = (
        ArchetypalAnalysis(4, random_state=0).fit(X),
        ArchetypalAnalysis(4, random_state=0).fit(X + 1e6),
    )
    assert_allclose(far.archetypes_ - 1e6, near.archetypes_, atol=1e-5)
    assert far.explained_variance_ == pytest.approx(near.explained_variance_, abs=1e-6)
    assert far.score(X + 1e6) == pytest.approx(near.score(X), abs=1e-6)


def test_wide_data_are_projected_without_loss(monkeypatch):
    X = cloud(n=30, d=300)
    narrow = ArchetypalAnalysis(4, random_state=0).fit(X)
    monkeypatch.setattr("archetypal_triplet.archetypes._solver.WIDE", np.inf)
    full = ArchetypalAnalysis(4, random_state=0).fit(X)
    assert_allclose(narrow.archetypes_, full.archetypes_, atol=1e-8)
    assert_allclose(narrow.transform(X), narrow.coefficients_, atol=1e-10)


@pytest.mark.parametrize("init", ["furthest_sum", "aa++", "greedy_residual", "random"])
def test_every_start_ends_alike(init):
    rng = np.random.default_rng(0)
    X = rng.dirichlet(np.ones(5), 150) @ rng.normal(size=(5, 8)) + 0.05 * rng.normal(size=(150, 8))
    best = ArchetypalAnalysis(5, n_init=3, random_state=1).fit(X)
    model = ArchetypalAnalysis(5, init=init, random_state=0).fit(X)
    assert model.reconstruction_err_ <= 1.01 * best.reconstruction_err_


@needs_compilation
@pytest.mark.parametrize("k", [3, 20])
def test_noise_free_corners_are_met_exactly(k):
    rng = np.random.default_rng(k)
    corners = rng.normal(size=(k, 30))
    X = np.vstack([rng.dirichlet(np.ones(k), 1000) @ corners, corners])
    Z = ArchetypalAnalysis(k, random_state=0).fit(X).archetypes_
    distance = np.linalg.norm(corners[:, None] - Z[None], axis=2).min(axis=1)
    assert np.max(distance / np.linalg.norm(corners, axis=1)) < 1e-6


@needs_compilation
def test_many_archetypes():
    X = cloud(n=600, d=10)
    check_fit(ArchetypalAnalysis(200, max_iter=3000, exchange=False).fit(X), X)


@needs_compilation
def test_memory_map_is_fitted_where_it_is(tmp_path):
    rng = np.random.default_rng(0)
    X = (rng.dirichlet(np.ones(4), 9000) @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(9000, 6))).astype(
        np.float32
    )
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    from_disk, from_memory = (ArchetypalAnalysis(4, random_state=0).fit(data) for data in (mapped, X))
    assert_array_equal(from_disk.archetypes_, from_memory.archetypes_)


@needs_compilation
def test_memory_beyond_the_input_is_little_more_than_the_coefficients():
    rng = np.random.default_rng(0)
    X = rng.dirichlet(np.ones(4), 60_000) @ rng.normal(size=(4, 60)) + 0.1 * rng.normal(size=(60_000, 60))
    X = X.astype(np.float32)
    ArchetypalAnalysis(4, random_state=0).fit(X[:20_000])
    tracemalloc.start()
    model = ArchetypalAnalysis(4, random_state=0).fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < model.coefficients_.nbytes + X.nbytes  # a copy in double precision would take twice X


def test_long_rows_make_small_blocks():
    X = np.random.default_rng(0).normal(size=(40, 9000))
    rows = Rows(X, X.mean(axis=0))
    assert rows.block == 16
    A = np.zeros((40, 3))
    rows.run(X[:3] - rows.shift, A, warm=False)
    assert_allclose(A[:3], np.eye(3), atol=1e-12)


def test_points_outside_the_hull_are_a_valid_start():
    X = cloud()
    start = ArchetypalAnalysis(3, random_state=0).fit(X).archetypes_
    again = ArchetypalAnalysis(3, init=1.5 * start, exchange=False).fit(X)
    check_fit(again, X)
    with pytest.raises(ValueError, match=r"finite points of shape \(3, 5\); got an array of shape \(2, 5\)"):
        ArchetypalAnalysis(3, init=start[:2]).fit(X)


def test_start_points_with_wide_data():
    X = cloud(n=20, d=100)
    check_fit(ArchetypalAnalysis(3, init=X[[3, 7, 11]] * 1.1, exchange=False).fit(X), X)


def test_global_random_state_is_left_alone():
    before = np.append(*np.random.get_state()[1:3])  # noqa: NPY002
    ArchetypalAnalysis(3, init="random").fit(cloud())
    assert_array_equal(before, np.append(*np.random.get_state()[1:3]))  # noqa: NPY002


def test_verbose_fit_tells_how_it_ended(caplog):
    with caplog.at_level(logging.INFO, logger="archetypal_triplet"):
        ArchetypalAnalysis(3, verbose=1, random_state=0).fit(cloud())
    assert "3 archetypes explain" in caplog.text
