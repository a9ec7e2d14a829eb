"""The stages composed: what the README promises, literally."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

from archetypal_triplet import (
    ArchetypalAnalysis,
    EnsembleLabeler,
    PseudoLabeler,
    ScreenNormalizer,
    TripletEmbedder,
    bicross_validated_variance,
    make_archetypal_triplet,
    parsimonious,
)
from archetypal_triplet.datasets import make_archetypes


@pytest.fixture(scope="module")
def X():
    return make_archetypes(160, 16, 4, noise=0.05, random_state=0).X


@pytest.fixture(scope="module")
def X_new():
    return make_archetypes(30, 16, 4, noise=0.05, random_state=0).X


def one_labeling(n_archetypes=4, **pipeline):
    return Pipeline(
        [
            ("archetypes", ArchetypalAnalysis(n_archetypes, random_state=0)),
            ("labels", PseudoLabeler(threshold=0.5)),
        ],
        **pipeline,
    )


def embedder(labeler=None, **params):
    return TripletEmbedder(labeler, max_steps=10, device="cpu", random_state=0, **params)


def nested(labeler):
    return Pipeline([("normalize", ScreenNormalizer(n_components=8)), ("embed", embedder(labeler))])


def inline(label_column=-1):
    return Pipeline(
        [
            ("archetypes", ArchetypalAnalysis(4, passthrough=True, random_state=0)),
            ("labels", PseudoLabeler(passthrough=True)),
            ("embed", embedder(label_column=label_column)),
        ]
    )


def search(estimator, key, **params):
    return GridSearchCV(
        estimator,
        {key: [3, 4]},
        scoring=bicross_validated_variance,
        refit=parsimonious(key),
        cv=3,
        error_score="raise",
        **params,
    )


def test_fit_without_labels_and_transform_new_rows(X, X_new):
    pipe = nested(one_labeling()).fit(X)
    embedding = pipe.transform(X_new)
    assert embedding.shape == (30, 32)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-5)
    assert pipe["embed"].labeler_["archetypes"].archetypes_.shape == (4, 8)


def test_nested_and_inline_give_the_same_embedding(X, X_new):
    nested_embedding = embedder(one_labeling()).fit(X).transform(X_new)
    np.testing.assert_array_equal(inline().fit(X).transform(X_new), nested_embedding)


def test_inline_on_a_named_table(X, X_new):
    names = [f"feature_{i}" for i in range(16)]
    pipe = inline("pseudolabel").set_output(transform="pandas").fit(pd.DataFrame(X, columns=names))
    table = pipe.transform(pd.DataFrame(X_new, columns=names))
    assert list(table.columns) == [f"tripletembedder{i}" for i in range(32)]
    np.testing.assert_array_equal(table.to_numpy(), inline().fit(X).transform(X_new))


@pytest.mark.parametrize("labels", [KMeans(4, n_init=1, random_state=0), "search", "ensemble"])
def test_anything_that_labels_takes_the_labelers_place(X, labels):
    labeler = {
        "search": search(one_labeling(), "archetypes__n_archetypes"),
        "ensemble": EnsembleLabeler(
            one_labeling(), 3, param_distributions={"archetypes__n_archetypes": [3, 4, 5]}, random_state=0
        ),
    }.get(labels, labels)
    pipe = nested(labeler).fit(X)
    assert pipe["embed"].labels_.shape == ((160, 3) if labels == "ensemble" else (160,))
    assert pipe.transform(X).shape == (160, 32)


@pytest.mark.parametrize(
    ("estimator", "key"),
    [
        (one_labeling(), "archetypes__n_archetypes"),
        (nested(one_labeling()), "embed__labeler__archetypes__n_archetypes"),
        (inline(), "archetypes__n_archetypes"),
    ],
    ids=["labeler", "nested", "inline"],
)
def test_grid_search_over_the_number_of_archetypes(X, estimator, key):
    found = search(estimator, key).fit(X)
    assert found.best_params_[key] in (3, 4)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


def test_grid_search_finds_the_true_number(X):
    found = GridSearchCV(
        one_labeling(),
        {"archetypes__n_archetypes": range(2, 8)},
        scoring=bicross_validated_variance,
        refit=parsimonious("archetypes__n_archetypes"),
        error_score="raise",
    ).fit(X)
    assert found.best_params_ == {"archetypes__n_archetypes": 4}


def test_grid_search_in_two_processes_and_with_a_cache(X, tmp_path):
    key = "archetypes__n_archetypes"
    plain = search(one_labeling(), key).fit(X)
    cached = search(one_labeling(memory=str(tmp_path)), key).fit(X)
    with warnings.catch_warnings():
        # worker processes may be recycled by joblib; that is its business
        warnings.filterwarnings("ignore", message="A worker stopped", category=UserWarning)
        parallel = search(one_labeling(), key, n_jobs=2).fit(X)
    scores = plain.cv_results_["mean_test_score"]
    for other in (cached, parallel):
        # arrays from a cache or another process may be aligned differently, which BLAS rounds differently
        np.testing.assert_allclose(other.cv_results_["mean_test_score"], scores, rtol=1e-12)


def test_a_score_against_known_classes_never_trains_on_them(X):
    pipe = nested(one_labeling())
    y = np.arange(len(X)) % 3
    shuffled = np.random.default_rng(0).permutation(y)
    np.testing.assert_array_equal(pipe.fit(X, y).transform(X), clone(pipe).fit(X, shuffled).transform(X))
    scores = cross_val_score(pipe, X, y, cv=3, error_score="raise")
    assert np.isfinite(scores).all()


def test_a_pipeline_scores_with_metadata_routing(X):
    pipe = nested(one_labeling()).fit(X)
    expected = pipe.score(X)
    assert 0.5 < expected <= 1
    with config_context(enable_metadata_routing=True):
        assert pipe.score(X) == expected


def test_pickle_and_clone_and_refit_are_identical(X, X_new):
    pipe = nested(one_labeling()).fit(X)
    embedding = pipe.transform(X_new)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pipe)).transform(X_new), embedding)
    np.testing.assert_array_equal(clone(pipe).fit(X).transform(X_new), embedding)
    np.testing.assert_array_equal(pipe.fit(X).transform(X_new), embedding)


def test_names_of_the_embedding(X):
    pipe = nested(one_labeling()).set_output(transform="pandas").fit(X)
    names = [f"tripletembedder{i}" for i in range(32)]
    assert list(pipe.get_feature_names_out()) == names
    assert list(pipe.transform(X).columns) == names


def test_three_plain_steps_say_what_is_missing(X):
    pipe = Pipeline(
        [("archetypes", ArchetypalAnalysis(4)), ("labels", PseudoLabeler()), ("embed", embedder())]
    )
    with pytest.raises(ValueError, match=r"(?s)passthrough=True.*label_column"):
        pipe.fit(X)


def test_images_before_the_archetypes_ask_for_features():
    with pytest.raises(ValueError, match="image-feature step"):
        one_labeling().fit(np.zeros((4, 1, 8, 8)))


@pytest.mark.parametrize("level", ["well", "field", "cell"])
def test_the_recommended_pipeline_runs_at_every_level(X, level):
    pipe = make_archetypal_triplet(
        [3, 4], level=level, n_labelings=2, max_steps=5, device="cpu", random_state=0
    ).fit(X)
    assert pipe.transform(X).shape == (160, 32)
    assert pipe["embed"].labels_.shape == (160, 2)


def test_one_number_of_archetypes_is_one_labeling_and_a_grid_key():
    pipe = make_archetypal_triplet(5)
    assert pipe.get_params()["embed__labeler__archetypes__n_archetypes"] == 5
    many = make_archetypal_triplet().get_params()["embed__labeler"]
    assert many.n_labelings == 48


@pytest.mark.parametrize("n_archetypes", [[], [2.5], [0]])
def test_counts_that_are_none_are_refused(n_archetypes):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        make_archetypal_triplet(n_archetypes)


def test_flagged_rows_shape_neither_step_of_the_pipeline():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(make_archetypes(160, 16, 4, noise=0.05, random_state=0).X).add_prefix("F")
    table["Metadata_Well"] = np.arange(160) // 4
    is_flagged = np.isin(np.arange(160), rng.choice(160, 8, replace=False))
    spoiled = table.assign(Metadata_IsBad=is_flagged, F0=np.where(is_flagged, 99, table["F0"]))
    options = {"level": "field", "groups": "Metadata_Well", "n_labelings": 3, "max_steps": 10}
    pipe = make_archetypal_triplet(**options, flags="Metadata_IsBad", random_state=0).fit(spoiled)
    alone = make_archetypal_triplet(**options, random_state=0).fit(table[~is_flagged])
    assert (pipe["embed"].labels_[is_flagged] == -1).all()
    np.testing.assert_array_equal(pipe["embed"].labels_[~is_flagged], alone["embed"].labels_)
    later = table.drop(columns="Metadata_Well").assign(Metadata_Well="A01")
    assert pipe.transform(later).shape == (160, 32)
    none = make_archetypal_triplet(**options, flags="Metadata_IsBad", random_state=0)
    found = none.fit(table.assign(Metadata_IsBad=False)).transform(table)
    expected = make_archetypal_triplet(**options, random_state=0).fit(table).transform(table)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"flags='Metadata_IsBad': cells in groups cannot be flagged"):
        make_archetypal_triplet(level="cell", groups="Metadata_Well", flags="Metadata_IsBad")
