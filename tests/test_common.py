"""scikit-learn's own checks, on every public estimator in each of its modes."""

import inspect

import numpy as np
import pytest
from as_images import AsImages
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import archetypal_triplet
from archetypal_triplet import (
    ArchetypalAnalysis,
    EnsembleLabeler,
    FlaggedLabeler,
    ImageFeatures,
    NeighborAverager,
    PseudoLabeler,
    ScreenNormalizer,
    TripletEmbedder,
)


def clusters():
    return KMeans(n_clusters=2, n_init=1, random_state=0)


ESTIMATORS = [
    ArchetypalAnalysis(2, random_state=0),
    ArchetypalAnalysis(2, passthrough=True, random_state=0),
    ArchetypalAnalysis(2, n_init=2, n_jobs=2, random_state=0),
    PseudoLabeler(),
    PseudoLabeler(threshold=0.0),
    PseudoLabeler(per_label=2),
    PseudoLabeler(columns=[0], passthrough=True),
    EnsembleLabeler(clusters(), n_labelings=2, random_state=0),
    FlaggedLabeler(clusters()),
    ScreenNormalizer(),
    ScreenNormalizer(soft_length=None, n_components=2),
    ScreenNormalizer(balance="category", n_components="auto"),
    NeighborAverager(n_neighbors=3),
    NeighborAverager(n_neighbors=3, groups_column=-1, max_group_share=0.25),
    make_pipeline(AsImages(), ImageFeatures()),
    make_pipeline(AsImages(), ImageFeatures("all", n_jobs=2, batch_size=3)),
    TripletEmbedder(clusters(), max_steps=3, device="cpu", random_state=0),
    # label_column needs a table that holds labels, so that mode is checked where they are made
    make_pipeline(
        ArchetypalAnalysis(3, passthrough=True, random_state=0),
        PseudoLabeler(threshold=0.0, passthrough=True),
        TripletEmbedder(label_column=-1, max_steps=3, device="cpu", random_state=0),
    ),
    TripletEmbedder(max_steps=3, device="cpu", random_state=0),
]

# (class name, check name) -> reason; nothing is expected to fail silently
FITS_IN_PLACE = "scikit-learn's Pipeline fits its steps in place, whatever they are"
EXPECTED_FAILURES = {
    ("Pipeline", "check_estimators_overwrite_params"): FITS_IN_PLACE,
    ("Pipeline", "check_dont_overwrite_parameters"): FITS_IN_PLACE,
}


def expected_failures(estimator):
    name = type(estimator).__name__
    return {check: reason for (owner, check), reason in EXPECTED_FAILURES.items() if owner == name}


# some checks have ten rows, so that an archetype may well have one
@pytest.mark.filterwarnings("ignore:.*have a single sample")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    public = {
        name
        for name in archetypal_triplet.__all__
        if inspect.isclass(value := getattr(archetypal_triplet, name)) and issubclass(value, BaseEstimator)
    }
    steps = [
        e for one in ESTIMATORS for e in (dict(one.steps).values() if isinstance(one, Pipeline) else [one])
    ]
    assert public == {type(step).__name__ for step in steps} - {"AsImages"}


@pytest.mark.parametrize("estimator", [e for e in ESTIMATORS if not isinstance(e, Pipeline)], ids=repr)
def test_constructor_stores_and_nothing_else(estimator):
    for name, parameter in inspect.signature(type(estimator)).parameters.items():
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
        assert hasattr(estimator, name)
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))


@pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if getattr(e, "label_column", None) is None], ids=repr
)
def test_global_random_state_is_neither_read_nor_changed(estimator):
    X = np.random.default_rng(0).normal(size=(40, 4))
    y = np.arange(40) % 2 if isinstance(estimator, TripletEmbedder) and estimator.labeler is None else None
    before = np.append(*np.random.get_state()[1:3])  # noqa: NPY002
    estimator.fit(X, y)
    np.testing.assert_array_equal(np.append(*np.random.get_state()[1:3]), before)  # noqa: NPY002
