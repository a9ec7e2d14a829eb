"""Choosing the number of archetypes."""

import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from archetypal_triplet import ArchetypalAnalysis, bicross_validated_variance, parsimonious
from archetypal_triplet._utils._exceptions import DataWarning


class _Holder:
    """Stands for an estimator with a fitted labeler."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(3), 90) @ rng.normal(size=(3, 12)) + 0.05 * rng.normal(size=(90, 12))


def test_every_nesting_gives_the_same_score(X):
    pca = PCA(8, random_state=0).fit(X)
    model = ArchetypalAnalysis(3).fit(pca.transform(X))
    bare = bicross_validated_variance(model, pca.transform(X))
    pipeline = Pipeline([("pca", pca), ("skip", "passthrough"), ("archetypes", model), ("labels", _Holder())])
    assert bicross_validated_variance(pipeline, X) == bare
    search = _Holder(best_estimator_=pipeline)
    embed = Pipeline([("first", "passthrough"), ("embed", _Holder(labeler_=search))])
    assert bicross_validated_variance(embed, X) == bare


def test_score_peaks_at_the_truth(X):
    scores = [bicross_validated_variance(ArchetypalAnalysis(k).fit(X[:60]), X[60:]) for k in (1, 2, 3)]
    assert scores[0] < scores[1] < scores[2] < 1


def test_score_refuses_what_it_cannot_judge(X):
    with pytest.raises(ValueError, match=r"exactly one fitted ArchetypalAnalysis, found 0 in PCA"):
        bicross_validated_variance(PCA(2).fit(X), X)
    with pytest.raises(ValueError, match="at least 2 features"):
        bicross_validated_variance(ArchetypalAnalysis(2).fit(X[:, :1]), X[:, :1])
    with pytest.warns(DataWarning, match="n_archetypes=7 exceeds half of the 12 features"):
        bicross_validated_variance(ArchetypalAnalysis(7).fit(X), X)


def _results(mean, std=0.0, values=(2, 3, 4)):
    return {
        "param_k": list(values),
        "mean_test_score": np.array(mean),
        "std_test_score": np.full(len(mean), std),
        "split0_test_score": np.array(mean),
        "split1_test_score": np.array(mean),
    }


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (_results([0.5, 0.795, 0.8]), 1),
        (_results([0.5, 0.7, 0.8]), 2),
        (_results([0.5, 0.7, 0.8], std=0.15), 1),
        (_results([0.8, np.nan, 0.7], values=(4, 3, 2)), 0),
    ],
)
def test_parsimonious(results, expected):
    assert parsimonious("k")(results) == expected


def test_parsimonious_explains_a_wrong_name():
    with pytest.raises(ValueError, match="param_name='n' is not a parameter of the search; it has: k"):
        parsimonious("n")(_results([1, 1, 1]))
    with pytest.raises(ValueError, match="every fit failed"):
        parsimonious("k")(_results([np.nan] * 3))


def test_parsimonious_can_be_sent_to_other_processes():
    assert repr(pickle.loads(pickle.dumps(parsimonious("k")))) == "parsimonious('k', tolerance=0.01)"
