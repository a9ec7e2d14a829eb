"""Scaling of inputs, columns that are popped, labels of all kinds."""

import naive
import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import TripletEmbedder
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet.triplets._inference import compute_triplet_accuracy, draw_triplets
from archetypal_triplet.triplets._inputs import compute_scaling, read_table, standardize
from archetypal_triplet.triplets._labels import check_label_values, encode_labels


def read(X, *, reset=True, **params):
    return read_table(TripletEmbedder(**params), X, reset=reset)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [2, 3, 5000])
def test_standardizing_matches_the_naive_twin(n_samples, dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(n_samples, 5)) * [1, 1e-8, 1e4, 2, 1] + [0, 0, 1, 1e4, 3]).astype(dtype)
    X[:, 4] = 3.3
    Z = standardize(X, *compute_scaling(X))
    assert Z.dtype == np.float32
    assert Z.flags.c_contiguous
    np.testing.assert_allclose(Z, naive.naive_standardize(X), rtol=1e-4, atol=1e-4)
    assert (Z[:, 4] == 0).all()


def test_columns_far_from_the_origin_keep_their_variation():
    X = 1e8 + np.random.default_rng(0).normal(size=(500, 1))
    Z = standardize(X, *compute_scaling(X))
    assert Z.std() == pytest.approx(1, abs=1e-3)


def test_images_are_scaled_by_channel():
    X = np.random.default_rng(0).normal(size=(6, 2, 4, 4)) * np.array([1, 10])[:, None, None] + 3
    mean, inverse_scale = compute_scaling(X)
    np.testing.assert_allclose(mean, X.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(1 / inverse_scale, X.std(axis=(0, 2, 3)))
    np.testing.assert_allclose(standardize(X, mean, inverse_scale).std(axis=(0, 2, 3)), 1, rtol=1e-5)


@pytest.mark.parametrize(("column", "position"), [(-1, 3), (3, 3), (0, 0), (-4, 0)])
def test_label_column_of_an_array_is_popped(column, position):
    X = np.arange(20.0).reshape(5, 4)
    table = read(X, label_column=column)
    np.testing.assert_array_equal(table.labels, X[:, position])
    np.testing.assert_array_equal(table.features, np.delete(X, position, axis=1))


def test_columns_of_a_frame_are_popped_by_name_and_groups_may_be_text():
    frame = pd.DataFrame(
        {"a": [1.0, 2, 3], "Metadata_Plate": ["x", "y", "x"], "pseudolabel": [0, 1, -1], "b": 4.0}
    )
    table = read(frame, label_column="pseudolabel", groups_column="Metadata_Plate")
    assert table.labels.tolist() == [0, 1, -1]
    assert table.groups.tolist() == ["x", "y", "x"]
    np.testing.assert_array_equal(table.features, frame[["a", "b"]])
    by_index = read(frame, label_column=2, groups_column=1)
    np.testing.assert_array_equal(by_index.features, table.features)


@pytest.mark.parametrize(
    ("X", "params", "message"),
    [
        (np.ones((3, 2)), {"label_column": 2}, r"label_column=2 is not a column of X, which has 2 columns"),
        (np.ones((3, 2)), {"label_column": "pseudolabel"}, r"names a column, but X is a plain array"),
        (np.ones((3, 1)), {"label_column": 0}, r"no column is left for the network"),
        (np.ones((3, 3)), {"label_column": 0, "groups_column": -3}, r"are the same column"),
        (pd.DataFrame({"a": [1.0, 2]}), {"label_column": "label"}, r"label_column='label' is not a column"),
        (np.ones((3, 2, 2)), {}, r"X has 3 dimensions, and the default encoders read tables"),
        (np.array([[1.0, np.nan], [1, 2]]), {}, r"contains NaN"),
    ],
)
def test_wrong_tables_are_refused(X, params, message):
    with pytest.raises(ValueError, match=message):
        read(X, **params)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_rows_without_a_group_are_told_before_training(missing):
    frame = pd.DataFrame({"a": [1.0, 2, 3], "well": pd.Series(["x", missing, "y"], dtype=object)})
    with pytest.raises(ValueError, match=r"'well' has no value in 1 of 3 rows \(first: row 1\)"):
        read(frame, groups_column="well")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0.0, 1.0, -1.0], [0, 1, -1]),
        ([[0], [1], [2]], [0, 1, 2]),
        (np.array([0, 1, 1], dtype=object), [0, 1, 1]),
        (np.array(["a", "b", "a"], dtype=object), ["a", "b", "a"]),
        (pd.Series(["a", "b", "a"], dtype="category"), ["a", "b", "a"]),
        ([True, False, True], [True, False, True]),
    ],
)
def test_labels_of_all_kinds_are_taken(labels, expected):
    assert check_label_values(labels, source="y").tolist() == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.5, 1.0], r"y is not integral: 1 of 2 values are no whole number, e\.g\. 0\.5"),
        ([np.nan, 1.0], r"y is not integral"),
        ([np.inf, 1.0], r"y is not integral"),
        ([1e300, 1.0], r"y is not integral"),
        (pd.Series(["a", pd.NA], dtype="string"), r"y holds 1 missing values"),
        (np.zeros((2, 2, 2)), r"y has the shape \(2, 2, 2\)"),
        (np.zeros((2, 0)), r"y has the shape \(2, 0\)"),
        (np.array(["a", None], dtype=object), r"y holds 1 missing values"),
        ([1j, 0], r"y holds complex numbers"),
    ],
)
def test_values_that_are_no_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        check_label_values(labels, source="y")


def test_codes_leave_out_what_cannot_be_trained_on():
    labels = np.array([[5, 0], [5, 0], [7, 1], [7, -1], [9, -1], [-1, 2]])
    # the second labeling keeps one label and falls away
    with pytest.warns(DataWarning, match="1 of 2 labelings have fewer than 2 labels"):
        coded = encode_labels(labels)
    assert coded.codes[:, 0].tolist() == [0, 0, 1, 1, -1, -1]
    assert coded.codes.shape == (6, 1)
    assert [c.tolist() for c in coded.classes] == [[5, 7, 9], [0, 1, 2]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([-1, -1, -1], r"every label is -1 \(unlabeled\): 3 of 3 labels\. Lower the threshold"),
        ([4, 4, 4, -1], r"1 class is left .* Samples per label: 4: 3; unlabeled \(-1\): 1\. Use more"),
        ([0, 1, 2], r"0 classes are left .*Use fewer archetypes or clusters"),
        ([0, 0, 1], r"1 class is left .* 0: 2, 1: 1"),
    ],
)
def test_too_few_labels_are_refused_with_counts(labels, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(np.array(labels))


def test_text_labels_have_no_mark_for_none():
    coded = encode_labels(np.array(["-1", "-1", "a", "a"]))
    assert coded.codes[:, 0].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_fixed_triplets_are_legal(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, 4, size=(50, 3))
    anchor, positive, negative = draw_triplets(codes, 600, rng)
    assert len(anchor) == 600
    for column, part in zip(codes.T, np.split(np.arange(600), 3), strict=True):
        a, p, n = (column[rows[part]] for rows in (anchor, positive, negative))
        assert (a >= 0).all()
        assert (a == p).all()
        assert (n >= 0).all()
        assert (n != a).all()
    assert (anchor != positive).all()


def test_there_is_no_triplet_among_equal_labels():
    assert draw_triplets(np.zeros((5, 1), dtype=int), 10, np.random.default_rng(0)).shape == (3, 0)
    assert draw_triplets(np.arange(5)[:, None], 10, np.random.default_rng(0)).shape == (3, 0)


def test_triplet_accuracy_matches_the_naive_twin():
    rng = np.random.default_rng(0)
    embedding = rng.integers(0, 3, size=(12, 2)).astype(np.float32)
    triplets = rng.integers(0, 12, size=(3, 40))
    expected = naive.naive_triplet_accuracy(embedding, triplets.T)
    assert compute_triplet_accuracy(embedding, triplets) == pytest.approx(expected)
    weight = np.arange(len(embedding)) % 2  # leaves the triplets of odd anchors
    odd = triplets[:, triplets[0] % 2 == 1]
    expected = naive.naive_triplet_accuracy(embedding, odd.T)
    assert compute_triplet_accuracy(embedding, triplets, weight) == pytest.approx(expected)
