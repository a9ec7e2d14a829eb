"""PseudoLabeler: who gets a label, and where the coefficients are found."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import naive_pseudo_labels

from archetypal_triplet import ArchetypalAnalysis, PseudoLabeler


def random_mixtures(seed, n_samples=40, n_labels=4, dtype=np.float64):
    return np.random.default_rng(seed).dirichlet(np.full(n_labels, 0.4), n_samples).astype(dtype)


@given(
    seed=st.integers(0, 2**20),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
    per_label=st.sampled_from([None, 1, 5]),
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_labels_equal_the_naive_twin(seed, threshold, per_label, dtype):
    mixtures = random_mixtures(seed, dtype=dtype)
    labeler = PseudoLabeler(threshold, per_label=per_label, exclude=[2])
    labels = labeler.fit_predict(mixtures)
    np.testing.assert_array_equal(labels, naive_pseudo_labels(mixtures, threshold, per_label, exclude=[2]))
    np.testing.assert_array_equal(labels, labeler.predict(mixtures))
    np.testing.assert_array_equal(labeler.label_counts_, [np.sum(labels == j) for j in range(4)])


def test_excluded_archetype_gives_no_label_and_no_second_choice():
    mixtures = np.array([[0.8, 0.2], [0.3, 0.7]])
    np.testing.assert_array_equal(PseudoLabeler(exclude=[0]).fit_predict(mixtures), [-1, 1])


def test_a_tie_goes_to_the_first_archetype():
    np.testing.assert_array_equal(PseudoLabeler().fit_predict([[0.5, 0.5], [0.0, 1.0]]), [0, 1])


def test_one_archetype_labels_everything_zero():
    np.testing.assert_array_equal(PseudoLabeler().fit_predict(np.ones((3, 1))), [0, 0, 0])


def test_passthrough_of_a_plain_array_finds_the_trailing_mixtures():
    features = np.random.default_rng(0).normal(size=(40, 3))
    mixtures = random_mixtures(1)
    table = PseudoLabeler(passthrough=True).fit_transform(np.hstack([features, mixtures]))
    np.testing.assert_array_equal(table[:, :3], features)
    np.testing.assert_array_equal(table[:, 3], PseudoLabeler().fit_predict(mixtures))


def test_columns_of_the_fit_are_used_in_transform():
    features = np.random.default_rng(0).normal(size=(40, 3))
    labeler = PseudoLabeler(passthrough=True).fit(np.hstack([features, random_mixtures(1)]))
    np.testing.assert_array_equal(labeler.columns_, [3, 4, 5, 6])
    # a single new row whose last column alone sums to one must not move the block
    new = np.array([[1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(labeler.transform(new), [[1.0, 2.0, 3.0, 3.0]])


@pytest.mark.parametrize("prefix", ["", "mixtures__"])
def test_passthrough_of_a_named_table_goes_by_name(prefix):
    features = np.random.default_rng(0).normal(size=(40, 2))
    mixtures = random_mixtures(1)
    table = pd.DataFrame(
        np.hstack([mixtures, features]),
        columns=[f"{prefix}archetypalanalysis{j}" for j in range(4)] + ["area", "dna"],
    )
    out = PseudoLabeler(passthrough=True).set_output(transform="pandas").fit_transform(table)
    assert list(out.columns) == ["area", "dna", "pseudolabel"]
    np.testing.assert_array_equal(out["pseudolabel"], PseudoLabeler().fit_predict(mixtures))


def test_the_archetype_step_before_it_is_understood():
    X = np.random.default_rng(0).normal(size=(60, 3))
    archetypes = ArchetypalAnalysis(4, passthrough=True, random_state=0)
    table = PseudoLabeler(passthrough=True).fit_transform(archetypes.fit_transform(X))
    np.testing.assert_array_equal(table[:, :3], X)
    np.testing.assert_array_equal(table[:, 3], PseudoLabeler().fit_predict(archetypes.coefficients_))


@pytest.mark.parametrize(
    ("labeler", "message"),
    [
        (PseudoLabeler(passthrough=True), r"no block of columns at the right end of X \(n_features = 3\)"),
        (PseudoLabeler(columns=[3]), "columns: 3 is not a position in X, which has 3 feature"),
        (PseudoLabeler(columns=["a"]), "X is a plain array without names"),
        (PseudoLabeler(columns=[]), "names no column"),
        (PseudoLabeler(columns=[0, -3]), "names a column twice"),
        (PseudoLabeler(exclude=[3]), r"exclude=\[3\] must hold archetypes' numbers, integers from 0 to 2"),
        (PseudoLabeler(exclude=[0.5]), r"exclude=\[0.5\] must hold archetypes' numbers"),
        (PseudoLabeler(threshold=1.5), "'threshold' parameter .* in the range"),
        (PseudoLabeler(per_label=0), "'per_label' parameter"),
    ],
)
def test_errors_name_the_parameter_and_what_is_allowed(labeler, message):
    with pytest.raises(ValueError, match=message):
        labeler.fit(np.random.default_rng(0).normal(size=(10, 3)))


def test_passthrough_of_a_named_table_without_coefficients_shows_the_cure():
    table = pd.DataFrame({"area": [1.0, 2.0], "dna": [0.0, 1.0]})
    with pytest.raises(
        ValueError, match=r"(?s)none of the 2 column names.*ArchetypalAnalysis\(passthrough=True\)"
    ):
        PseudoLabeler(passthrough=True).fit(table)


def test_an_unknown_column_name_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"'size' is not a column of X. Its columns: area, dna"):
        PseudoLabeler(columns=["size"]).fit(pd.DataFrame({"area": [1.0, 2.0], "dna": [0.0, 1.0]}))
