"""Matching fits, typical samples, shares of groups; paths, criteria, stability."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from archetypal_triplet import ArchetypalAnalysis
from archetypal_triplet.archetypes import (
    archetype_path,
    archetype_stability,
    compute_group_shares,
    find_typical_samples,
    match_archetypes,
    suleman_criterion,
)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(3), 120) @ (5 * rng.normal(size=(3, 8))) + 0.1 * rng.normal(size=(120, 8))


def test_matching_is_the_best_of_all_pairings():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    first_idx, second_idx, distances = match_archetypes(first, second)
    best = min(
        sum(np.sum((first[i] - second[j]) ** 2) for i, j in enumerate(order))
        for order in itertools.permutations(range(4))
    )
    assert np.sum(distances**2) == pytest.approx(best)
    assert_allclose(distances, np.linalg.norm(first[first_idx] - second[second_idx], axis=1))


def test_matching_different_numbers_and_features():
    assert len(match_archetypes(np.eye(3), np.eye(3)[:2])[0]) == 2
    with pytest.raises(ValueError, match="first has 3 features and second has 2"):
        match_archetypes(np.eye(3), np.eye(2))


def test_typical_samples_are_the_purest(X):
    A = ArchetypalAnalysis(3, random_state=0).fit_transform(X)
    typical = find_typical_samples(A, 4)
    assert typical.shape == (3, 4)
    for archetype, samples in enumerate(typical):
        assert_allclose(A[samples, archetype], np.sort(A[:, archetype])[::-1][:4])
    with pytest.raises(ValueError, match="n_samples=121 must be between 1 and the number of samples, 120"):
        find_typical_samples(A, 121)


def test_group_shares_are_means(X):
    A = ArchetypalAnalysis(3, random_state=0).fit_transform(X)
    groups = np.repeat(["b", "a"], [20, 100])
    names, shares, counts = compute_group_shares(A, groups)
    assert names.tolist() == ["a", "b"]
    assert counts.tolist() == [100, 20]
    assert_allclose(shares, [A[20:].mean(axis=0), A[:20].mean(axis=0)])


def test_path_is_monotone_and_leaves_no_trace(X):
    template = ArchetypalAnalysis(random_state=0, tol=1e-5)
    models = archetype_path(X, [1, 2, 3, 5], estimator=template)
    errors = [model.reconstruction_err_ for model in models]
    assert np.all(np.diff(errors) < 0)
    assert [model.n_archetypes for model in models] == [1, 2, 3, 5]
    assert models[-1].init == "furthest_sum"
    assert template.n_archetypes == 8
    with pytest.raises(ValueError, match=r"n_archetypes=\[3, 2\] must be a non-empty, increasing"):
        archetype_path(X, [3, 2])


def test_criterion_is_least_at_the_truth(X):
    values = [suleman_criterion(model, X) for model in archetype_path(X, [2, 3, 4, 5])]
    assert int(np.argmin(values)) == 1


def test_stability_tells_the_truth_from_too_many(X):
    right = archetype_stability(ArchetypalAnalysis(3, random_state=0).fit(X), X, n_repeats=3, random_state=0)
    wrong = archetype_stability(ArchetypalAnalysis(6, random_state=0).fit(X), X, n_repeats=3, random_state=0)
    assert right.stability > 0.9 > wrong.stability
    assert right.distances.shape == (3, 3)
    again = archetype_stability(ArchetypalAnalysis(3, random_state=0).fit(X), X, n_repeats=3, random_state=0)
    assert_array_equal(right.distances, again.distances)
    with pytest.raises(
        ValueError, match=r"subsample=0.01 must be in \(0, 1\] and leave at least n_archetypes=3"
    ):
        archetype_stability(ArchetypalAnalysis(3, random_state=0).fit(X), X, subsample=0.01)
