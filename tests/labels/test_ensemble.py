"""EnsembleLabeler: many labelings, each with its parameters and seed."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import randint
from sklearn.base import clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from archetypal_triplet import ArchetypalAnalysis, EnsembleLabeler, PseudoLabeler


@pytest.fixture
def X():
    return make_blobs(80, centers=4, n_features=3, random_state=0)[0]


def test_a_grid_is_walked_in_order_and_over_again(X):
    ensemble = EnsembleLabeler(
        KMeans(n_init=1), 5, param_distributions={"n_clusters": [2, 3]}, random_state=0
    ).fit(X)
    assert [p["n_clusters"] for p in ensemble.params_] == [2, 3, 2, 3, 2]
    assert [len(np.unique(column)) for column in ensemble.labels_.T] == [2, 3, 2, 3, 2]


def test_distributions_are_drawn(X):
    ensemble = EnsembleLabeler(
        KMeans(n_init=1), 6, param_distributions={"n_clusters": randint(2, 6)}, random_state=0
    ).fit(X)
    counts = [p["n_clusters"] for p in ensemble.params_]
    assert len(counts) == 6
    assert set(counts) <= {2, 3, 4, 5}
    assert len(set(counts)) > 1


def test_every_labeler_has_a_seed_of_its_own_and_the_same_in_a_refit(X):
    labeler = Pipeline([("archetypes", ArchetypalAnalysis(3)), ("labels", PseudoLabeler())])
    ensemble = EnsembleLabeler(labeler, 4, random_state=7).fit(X)
    seeds = [fitted.get_params()["archetypes__random_state"] for fitted in ensemble.labelers_]
    assert len(set(seeds)) == 4
    np.testing.assert_array_equal(clone(ensemble).fit_predict(X), ensemble.labels_)
    assert labeler.get_params()["archetypes__random_state"] is None


def test_without_a_seed_each_fit_differs_and_the_global_generator_is_left_alone(X):
    before = np.append(*np.random.get_state()[1:3])  # noqa: NPY002
    first, second = (EnsembleLabeler(KMeans(3, n_init=1), 4).fit(X) for _ in range(2))
    np.testing.assert_array_equal(before, np.append(*np.random.get_state()[1:3]))  # noqa: NPY002
    seeds = [[one.random_state for one in ensemble.labelers_] for ensemble in (first, second)]
    assert seeds[0] != seeds[1]


def test_threads_do_not_change_the_labels(X):
    one = EnsembleLabeler(KMeans(3, n_init=1), 4, random_state=0)
    np.testing.assert_array_equal(one.fit_predict(X), clone(one).set_params(n_jobs=2).fit_predict(X))


def test_each_labeler_is_fitted_on_its_own_share_and_labels_all(X):
    ensemble = EnsembleLabeler(KMeans(3, n_init=1), 4, max_samples=0.5, random_state=0).fit(X)
    assert [len(labeler.labels_) for labeler in ensemble.labelers_] == [40] * 4
    assert len({labeler.cluster_centers_.tobytes() for labeler in ensemble.labelers_}) == 4
    assert ensemble.labels_.shape == (80, 4)
    np.testing.assert_array_equal(ensemble.labels_, ensemble.predict(X))
    np.testing.assert_array_equal(clone(ensemble).fit_predict(X), ensemble.labels_)


def test_predict_asks_every_labeler(X):
    ensemble = EnsembleLabeler(KMeans(3, n_init=1), 3, random_state=0).fit(X)
    expected = np.column_stack([labeler.predict(X[:9]) for labeler in ensemble.labelers_])
    np.testing.assert_array_equal(ensemble.predict(X[:9]), expected)


def test_a_labeler_with_fit_and_predict_only(X):
    class OnlyPredict(KMeans):
        fit_predict = property()

    assert not hasattr(OnlyPredict(), "fit_predict")
    labels = EnsembleLabeler(OnlyPredict(3, n_init=1), 2, random_state=0).fit_predict(X)
    assert labels.shape == (80, 2)


@pytest.mark.parametrize(
    ("ensemble", "error", "message"),
    [
        (EnsembleLabeler(), ValueError, r"(?s)labeler=None was given.*EnsembleLabeler\("),
        (EnsembleLabeler(StandardScaler()), TypeError, "neither fit_predict nor predict"),
        (
            EnsembleLabeler(KMeans(), param_distributions={"k": [2]}),
            ValueError,
            "'k' is not a parameter of the labeler. Its parameters: .*n_clusters",
        ),
        (EnsembleLabeler(DBSCAN(), max_samples=0.5), TypeError, "DBSCAN has none. Use another labeler"),
        (
            EnsembleLabeler(KMeans(60), max_samples=0.5),
            ValueError,
            r"n_samples=40 .*fitted on 40 of 80 samples \(max_samples\)",
        ),
        (EnsembleLabeler(KMeans(), max_samples=0.0), ValueError, "'max_samples' parameter"),
        (EnsembleLabeler(KMeans), TypeError, r"labeler=KMeans is a class; pass an instance, .*KMeans\(\)"),
        (EnsembleLabeler(KMeans(), n_labelings=0), ValueError, "'n_labelings' parameter"),
        (
            EnsembleLabeler(EnsembleLabeler(KMeans(2, n_init=1), 2), 2),
            ValueError,
            r"its labels have shape \(80, 2\)",
        ),
    ],
)
def test_errors_say_what_is_allowed(ensemble, error, message, X):
    with pytest.raises(error, match=message):
        ensemble.fit(X)


def test_sparse_input_is_refused_with_a_cure(X):
    with pytest.raises(TypeError, match=r"Sparse data was passed .*toarray"):
        EnsembleLabeler(KMeans(2)).fit(csr_array(X))


def test_a_clusterer_without_predict_fits_but_cannot_label_new_rows(X):
    ensemble = EnsembleLabeler(DBSCAN(eps=2.0), 1).fit(X)
    assert ensemble.labels_.shape == (80, 1)
    with pytest.raises(AttributeError, match="predict"):
        ensemble.predict(X)
