"""NeighborAverager against its naive twin, and where neighbors are hard to tell."""

import numpy as np
import pytest
from naive import naive_neighbor_mean

from archetypal_triplet.screens import NeighborAverager


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [1, 3, 40])
def test_against_naive_twin(dtype, n_features):
    rng = np.random.default_rng(0)
    rows, X = rng.normal(size=(60, n_features)).astype(dtype), rng.normal(size=(11, n_features)).astype(dtype)
    averager = NeighborAverager(n_neighbors=7).fit(rows)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for given in (rows, X):
        result = averager.transform(given)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, naive_neighbor_mean(rows, given, 7), atol=tolerance)
    np.testing.assert_array_equal(
        NeighborAverager(n_neighbors=7).fit_transform(rows), averager.transform(rows)
    )


def test_a_row_is_its_own_neighbor():
    rows = np.random.default_rng(0).normal(size=(30, 20))
    np.testing.assert_allclose(NeighborAverager(n_neighbors=1).fit_transform(rows), rows, atol=1e-14)


@pytest.mark.parametrize("n_features", [3, 40])
def test_far_from_the_origin(n_features):
    # inner products of such rows carry no digit of their distances
    rows = np.random.default_rng(0).normal(size=(50, n_features))
    expected = NeighborAverager(n_neighbors=4).fit_transform(rows)
    moved = NeighborAverager(n_neighbors=4).fit_transform(rows + 1e8)
    np.testing.assert_allclose(moved - 1e8, expected, atol=1e-6)


def test_duplicated_rows():
    rows = np.repeat(np.random.default_rng(0).normal(size=(5, 3)), 4, axis=0)
    np.testing.assert_allclose(NeighborAverager(n_neighbors=4).fit_transform(rows), rows, atol=1e-14)


def test_fewer_rows_than_neighbors():
    rows = np.random.default_rng(0).normal(size=(6, 3))
    averager = NeighborAverager(n_neighbors=25).fit(rows)
    assert averager.n_neighbors_ == 6
    np.testing.assert_allclose(averager.transform(rows[:2]), np.tile(rows.mean(axis=0), (2, 1)), atol=1e-14)


def test_averaging_brings_rows_closer_to_their_phenotype():
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0], [20, 0], [0, 20]])
    phenotype = rng.integers(0, 3, 300)
    rows = centers[phenotype] + rng.normal(size=(300, 2))
    averaged = NeighborAverager().fit_transform(rows)
    scatter = np.linalg.norm(averaged - centers[phenotype], axis=1).mean()
    assert scatter < 0.7 * np.linalg.norm(rows - centers[phenotype], axis=1).mean()
