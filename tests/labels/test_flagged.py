"""FlaggedLabeler: flagged rows get -1 and shape nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from archetypal_triplet import (
    ArchetypalAnalysis,
    EnsembleLabeler,
    PseudoLabeler,
    TripletEmbedder,
    bicross_validated_variance,
)
from archetypal_triplet.labels import FlaggedLabeler


@pytest.fixture
def X():
    return make_blobs(80, centers=4, n_features=3, random_state=0)[0]


def archetypal(k=4):
    steps = [("archetypes", ArchetypalAnalysis(k, random_state=0)), ("labels", PseudoLabeler(threshold=0.0))]
    return Pipeline(steps)


@pytest.fixture
def spoiled(X):
    """Five rows far away, which would be archetypes; and the flags."""
    flags = np.zeros(len(X), dtype=bool)
    flags[[3, 17, 40, 55, 79]] = True
    return np.where(flags[:, None], 100 + 50 * X, X), flags


def test_flagged_rows_have_no_label_and_shape_none(X, spoiled):
    rows, flags = spoiled
    labeler = FlaggedLabeler(archetypal())
    found = labeler.fit_predict(rows, flags=flags)
    assert (found[flags] == -1).all()
    np.testing.assert_array_equal(found[~flags], archetypal().fit_predict(X[~flags]))
    np.testing.assert_array_equal(labeler.predict(X), archetypal().fit(X[~flags]).predict(X))
    np.testing.assert_array_equal(labeler.predict(rows, flags=flags) == -1, flags)
    assert (labeler.predict(rows[:3], flags=[1, 1, 1]) == -1).all()


@pytest.mark.parametrize("column", [-1, 0, "flag"])
def test_flags_in_a_column_are_those_given_apart(spoiled, column):
    rows, flags = spoiled
    table = pd.DataFrame(rows, columns=list("abc"))
    table.insert(0 if column == 0 else 3, "flag", flags)
    ensemble = EnsembleLabeler(archetypal(), 3, random_state=0)
    expected = FlaggedLabeler(ensemble).fit_predict(rows, flags=flags)
    found = FlaggedLabeler(ensemble, flag_column=column).fit_predict(table)
    assert found.shape == (80, 3)
    np.testing.assert_array_equal(found, expected)
    if column != "flag":
        found = FlaggedLabeler(ensemble, flag_column=column).fit_predict(table.to_numpy(dtype=float))
        np.testing.assert_array_equal(found, expected)


def test_without_flags_all_is_as_without_the_wrapper(X):
    ensemble = EnsembleLabeler(archetypal(), 3, random_state=0)
    expected = ensemble.fit_predict(X)
    np.testing.assert_array_equal(FlaggedLabeler(ensemble).fit_predict(X), expected)
    with_column = np.column_stack([X, np.zeros(len(X))])
    np.testing.assert_array_equal(FlaggedLabeler(ensemble, flag_column=-1).fit_predict(with_column), expected)


def test_the_network_neither_sees_flags_nor_trains_on_flagged_rows(X, spoiled):
    rows, flags = spoiled
    options = {"max_steps": 20, "random_state": 0}
    plain = TripletEmbedder(archetypal(), **options).fit(X)
    none_flagged = np.column_stack([X, np.zeros(len(X))])
    labeler = FlaggedLabeler(archetypal(), flag_column=-1)
    embedder = TripletEmbedder(labeler, groups_column=-1, **options).fit(none_flagged)
    np.testing.assert_array_equal(embedder.transform(none_flagged), plain.transform(X))
    embedder = TripletEmbedder(labeler, groups_column=-1, **options).fit(np.column_stack([rows, flags]))
    np.testing.assert_array_equal(embedder.labels_ == -1, flags)
    assert embedder.in_shape_ == (3,)


def test_labelers_without_fit_predict_and_without_predict(X):
    class Halves:
        def __init__(self):
            pass

        def get_params(self, deep=True):
            return {}

        def fit(self, X):
            return self

        def predict(self, X):
            return (X[:, 0] > 0).astype(int)

    found = FlaggedLabeler(Halves()).fit_predict(X, flags=np.arange(80) == 7)
    assert found[7] == -1
    assert set(found) == {-1, 0, 1}
    assert FlaggedLabeler(DBSCAN(3.0)).fit_predict(X, flags=np.arange(80) == 7)[7] == -1


def test_what_is_wrong_is_said(X):
    with pytest.raises(ValueError, match=r"FlaggedLabeler needs a labeler for the rows that are not flagged"):
        FlaggedLabeler().fit(X)
    with pytest.raises(TypeError, match=r"labeler=KMeans is a class; pass an instance"):
        FlaggedLabeler(KMeans).fit(X)
    with pytest.raises(TypeError, match=r"has neither fit_predict nor predict"):
        FlaggedLabeler(ArchetypalAnalysis(2)).fit(X)
    with pytest.raises(ValueError, match=r"flag_column=-1 holds something else than 0 and 1"):
        FlaggedLabeler(KMeans(2), flag_column=-1).fit(X)
    with pytest.raises(ValueError, match=r"flags holds something else than 0 and 1"):
        FlaggedLabeler(KMeans(2)).fit(X, flags=["no"] * 80)
    with pytest.raises(ValueError, match=r"flags has shape \(3,\); one flag for each of 80 rows is needed"):
        FlaggedLabeler(KMeans(2)).fit(X, flags=[0, 1, 0])
    with pytest.raises(ValueError, match=r"All 80 rows are flagged, so that none is left to label"):
        FlaggedLabeler(KMeans(2)).fit(X, flags=np.ones(80))
    with pytest.raises(ValueError, match=r"flags are passed, and flag_column=0 names others: give only one"):
        FlaggedLabeler(KMeans(2), flag_column=0).fit(X, flags=np.zeros(80))
    with pytest.raises(ValueError, match=r"flag_column=7 is not a position in X, which has 3 column"):
        FlaggedLabeler(KMeans(2), flag_column=7).fit(X)
    with pytest.raises(ValueError, match=r"flag_column='flag' is a name, but X is a ndarray"):
        FlaggedLabeler(KMeans(2), flag_column="flag").fit(X)
    with pytest.raises(
        ValueError, match=r"flag_column='flog' is not a column of the table. Did you mean 'flag'"
    ):
        FlaggedLabeler(KMeans(2), flag_column="flog").fit(pd.DataFrame(X, columns=["a", "b", "flag"]))


def test_archetypes_are_counted_without_flagged_rows_and_their_column(spoiled):
    rows, flags = spoiled
    options = {"scoring": bicross_validated_variance, "cv": [(np.arange(50), np.arange(50, 80))]}
    plain = GridSearchCV(
        archetypal(), {"archetypes__n_archetypes": [1, 2]}, error_score="raise",
        scoring=options["scoring"], cv=[(np.arange(47), np.arange(47, 75))],
    )  # fmt: skip
    with pytest.warns(UserWarning, match="exceeds half"):
        plain.fit(rows[~flags])
    X = np.column_stack([rows, flags])
    labeler = FlaggedLabeler(archetypal(), flag_column=-1)
    search = GridSearchCV(
        labeler, {"labeler__archetypes__n_archetypes": [1, 2]}, error_score="raise", **options
    )
    with pytest.warns(UserWarning, match="exceeds half"):
        search.fit(X)
    expected, found = (one.cv_results_["mean_test_score"] for one in (plain, search))
    np.testing.assert_allclose(found, expected)


def test_positions_are_numbers_of_any_kind_but_not_truth_values(spoiled):
    rows, flags = spoiled
    X = np.column_stack([rows, flags])
    found = FlaggedLabeler(KMeans(2, n_init=1, random_state=0), flag_column=np.int64(-1)).fit_predict(X)
    np.testing.assert_array_equal(found == -1, flags)
    with pytest.raises(ValueError, match="flag_column=True is neither a position nor a name"):
        FlaggedLabeler(KMeans(2), flag_column=True).fit(X)
