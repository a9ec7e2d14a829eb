import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from archetypal_triplet.datasets import make_archetypes


@settings(max_examples=30, deadline=None)
@given(
    n_samples=st.integers(8, 40),
    n_features=st.integers(1, 12),
    n_archetypes=st.integers(1, 8),
    concentration=st.floats(0.1, 5.0),
    seed=st.integers(0, 10_000),
)
def test_samples_are_convex_mixtures(n_samples, n_features, n_archetypes, concentration, seed):
    data = make_archetypes(
        n_samples, n_features, n_archetypes, concentration=concentration, random_state=seed
    )
    assert data.coefficients.min() >= 0
    np.testing.assert_allclose(data.coefficients.sum(axis=1), 1.0)
    np.testing.assert_allclose(data.X, data.coefficients @ data.archetypes)
    np.testing.assert_allclose(data.X[data.vertex_idx], data.archetypes)
    assert len(set(data.vertex_idx)) == n_archetypes


def test_every_archetype_is_a_corner():
    # more archetypes than a simplex of this dimension has corners
    data = make_archetypes(30, 3, 10, random_state=0)
    assert sorted(ConvexHull(data.archetypes).vertices) == list(range(10))
    # and no sample lies outside their hull
    assert len(set(ConvexHull(np.vstack([data.archetypes, data.X])).vertices) - set(range(10))) <= 10


def test_noise_has_the_stated_spread_and_changes_nothing_else():
    clean = make_archetypes(4000, 5, 3, random_state=1)
    noisy = make_archetypes(4000, 5, 3, noise=0.5, random_state=1)
    np.testing.assert_array_equal(clean.coefficients, noisy.coefficients)
    assert np.std(noisy.X - clean.X) == pytest.approx(0.5, rel=0.02)


def test_without_contained_archetypes():
    contained = make_archetypes(50, 4, 3, random_state=2)
    free = make_archetypes(50, 4, 3, contain_archetypes=False, random_state=2)
    assert free.vertex_idx is None
    assert free.coefficients.max() < 1
    others = np.setdiff1d(np.arange(50), contained.vertex_idx)
    np.testing.assert_array_equal(free.X[others], contained.X[others])


def test_same_seed_same_data():
    first, second = make_archetypes(random_state=3), make_archetypes(random_state=3)
    np.testing.assert_array_equal(first.X, second.X)
    assert not np.array_equal(first.X, make_archetypes(random_state=4).X)


def test_too_few_samples_for_the_archetypes():
    with pytest.raises(ValueError, match=r"n_samples=3 is below n_archetypes=4.*contain_archetypes=False"):
        make_archetypes(3, 2, 4)
