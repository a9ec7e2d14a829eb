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


def test_neighbors_come_from_all_groups_where_groups_explain_much():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 20)
    alike = rng.standard_normal((120, 3))
    apart = alike + 3 * rng.standard_normal((6, 3))[groups]
    for rows, share in ((alike, 0.0), (apart, 0.9)):
        X = np.column_stack([rows, groups])
        averager = NeighborAverager(5, groups_column=-1, max_group_share=0.25).fit(X)
        assert averager.group_share_ == pytest.approx(share, abs=0.1)
        same = NeighborAverager(5, groups_column=-1) if share == 0 else NeighborAverager(5)
        expected = same.fit_transform(X if share == 0 else rows)
        np.testing.assert_allclose(averager.transform(X), expected)


def test_many_rows_look_among_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr("archetypal_triplet.screens._neighbors._MOST_REFERENCES", 50)
    rng = np.random.default_rng(1)
    groups = np.repeat([0.0, 1.0], 60)
    rows = rng.standard_normal((120, 2)) + 10 * groups[:, None]
    X = np.column_stack([rows, groups])
    found = NeighborAverager(4, groups_column=-1, max_group_share=0.0).fit_transform(X)
    np.testing.assert_allclose(found, NeighborAverager(4).fit(rows[::3]).transform(rows))
