"""Groups that travel as a column: numbered by ScreenNormalizer, used by NeighborAverager."""

import numpy as np
import pandas as pd
import pytest
from naive import naive_neighbor_mean

from archetypal_triplet import NeighborAverager, ScreenNormalizer


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(120, 9)), columns=[f"Cells_{i}" for i in range(9)])
    table["Metadata_Plate"] = np.repeat(["p1", "p2"], 60)
    table["Metadata_Well"] = np.tile(np.repeat(["A01", "A02", "B01"], 20), 2)
    return table


def make_normalizer(**params):
    return ScreenNormalizer(
        "Metadata_Plate", groups="Metadata_Well", n_components="auto", append_groups=True, **params
    )


def test_a_third_of_the_features_become_components(cells):
    assert make_normalizer().fit(cells).n_components_ == 3


def test_groups_are_numbered_within_their_plate_and_keep_their_number(cells):
    normalizer = make_normalizer().fit(cells)
    assert normalizer.groups_ == ["p1/A01", "p1/A02", "p1/B01", "p2/A01", "p2/A02", "p2/B01"]
    assert list(normalizer.get_feature_names_out()) == [*[f"screennormalizer{i}" for i in range(3)], "group"]
    np.testing.assert_array_equal(normalizer.transform(cells)[:, -1], np.repeat(np.arange(6), 20))
    backwards = normalizer.transform(cells[::-1])
    np.testing.assert_array_equal(backwards[:, -1], np.repeat(np.arange(6)[::-1], 20))


def test_new_groups_get_new_numbers_and_missing_ones_none(cells):
    normalizer = make_normalizer().fit(cells)
    new = cells.assign(Metadata_Well=cells["Metadata_Well"].replace("A01", "H12"))
    new.loc[119, "Metadata_Well"] = None
    numbers = normalizer.transform(new)[:, -1]
    np.testing.assert_array_equal(numbers[[0, 20, 40, 60, 80, 119]], [6, 1, 2, 7, 4, -1])


def test_the_components_are_those_without_the_column(cells):
    plain = make_normalizer().set_params(append_groups=False)
    np.testing.assert_array_equal(make_normalizer().fit_transform(cells)[:, :-1], plain.fit_transform(cells))


def test_appending_groups_without_groups_is_refused(cells):
    with pytest.raises(ValueError, match=r"append_groups=True .* groups=None names no groups"):
        ScreenNormalizer(append_groups=True).fit(cells)


@pytest.mark.parametrize("column", [-1, "group"])
@pytest.mark.parametrize("n_neighbors", [1, 3, 50])
def test_averages_stay_within_their_group(column, n_neighbors):
    rng = np.random.default_rng(1)
    X, groups = rng.normal(size=(40, 3)), rng.integers(0, 4, 40)
    table = pd.DataFrame(np.column_stack([X, groups]), columns=["a", "b", "c", "group"])
    averager = NeighborAverager(n_neighbors, groups_column=column).set_output(transform="pandas")
    averaged = averager.fit_transform(table)
    assert list(averaged.columns) == ["a", "b", "c"]
    for group in range(4):
        own = groups == group
        expected = naive_neighbor_mean(X[own], X[own], n_neighbors)
        np.testing.assert_allclose(averaged[own], expected, rtol=1e-12)
    assert averager.n_neighbors_ == min(n_neighbors, np.bincount(groups).max())


def test_an_unseen_group_is_averaged_with_all_rows():
    X = np.array([[0.0, 0], [1.0, 0], [10.0, 1], [11.0, 1]])
    averager = NeighborAverager(2, groups_column=-1).fit(X)
    np.testing.assert_allclose(averager.transform([[9.0, 0], [9.0, 7]]), [[0.5], [10.5]])


@pytest.mark.parametrize("column", [4, "group"])
def test_a_column_of_groups_that_does_not_exist_is_named(column):
    with pytest.raises(ValueError, match=rf"groups_column={column!r} is not a column of X, which has 2"):
        NeighborAverager(groups_column=column).fit(np.zeros((3, 2)))


def test_groups_alone_leave_nothing_to_average():
    with pytest.raises(ValueError, match="is the only column of X"):
        NeighborAverager(groups_column=0).fit(np.zeros((3, 1)))
