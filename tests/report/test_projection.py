"""compute_projections: UMAP beside principal components."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

from archetypal_triplet.report._projection import compute_projections


def make_groups(n=240, n_groups=6, noise=0.25, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_groups, 16))
    labels = np.arange(n) % n_groups
    X = centers[labels] + noise * rng.normal(size=(n, 16))
    return X / np.linalg.norm(X, axis=1, keepdims=True), labels


@pytest.fixture(scope="module")
def groups():
    return make_groups()


@pytest.fixture(scope="module")
def planes(groups):
    return compute_projections(groups[0], random_state=0)


def test_both_planes_have_a_place_for_every_row(groups, planes):
    assert list(planes) == ["UMAP", "PCA"]
    for plane in planes.values():
        assert plane.shape == (len(groups[0]), 2)
        assert plane.dtype == np.float32
        assert np.isfinite(plane).all()
    assert planes.axes["UMAP"] == ("UMAP 1", "UMAP 2")
    assert "distances between groups" in planes.sentence


def test_pca_is_the_two_widest_directions(groups, planes):
    pca = PCA(2).fit(groups[0])
    expected = pca.transform(groups[0])
    signs = np.sign((expected * planes["PCA"]).sum(axis=0))
    np.testing.assert_allclose(planes["PCA"] * signs, expected, atol=1e-4)
    share = round(100 * pca.explained_variance_ratio_[0])
    assert planes.axes["PCA"][0] == f"PC 1 ({share} % of variance)"


def test_umap_keeps_neighbors_better_than_two_components(groups, planes):
    kept = {name: trustworthiness(groups[0], plane, n_neighbors=10) for name, plane in planes.items()}
    assert kept["UMAP"] > 0.9
    assert kept["UMAP"] > kept["PCA"]


def test_the_same_seed_gives_the_same_plane_and_leaves_the_global_generator_alone(groups, planes):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - its state is looked at
    again = compute_projections(groups[0], random_state=0)
    assert (again["UMAP"] == planes["UMAP"]).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_rows_beyond_max_fit_lie_in_their_group(groups):
    X, labels = groups
    planes = compute_projections(X, max_fit=120, random_state=0)
    assert "It was fitted to 120 of 240 rows" in planes.sentence
    nearest = KNeighborsClassifier(4).fit(planes["UMAP"], labels)  # itself is one of them
    assert nearest.score(planes["UMAP"], labels) > 0.95


def test_rows_that_were_not_fitted_stay_between_those_that_were(groups):
    X, _ = groups
    planes = compute_projections(X, max_fit=60, random_state=0)["UMAP"]
    rows = np.random.RandomState(0).permutation(len(X))[:60]
    low, high = planes[rows].min(axis=0), planes[rows].max(axis=0)
    assert (planes >= low - 1e-4).all()
    assert (planes <= high + 1e-4).all()


@pytest.mark.parametrize("n", [5, 6, 16])
def test_few_rows_have_fewer_neighbors(n):
    planes = compute_projections(make_groups(n, 2)[0])
    assert planes["UMAP"].shape == (n, 2)
    assert np.isfinite(planes["UMAP"]).all()


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_too_few_rows_have_components_alone(n):
    if n == 0:
        with pytest.raises(ValueError, match=r"The embedding has shape \(0, 16\)"):
            compute_projections(np.zeros((0, 16)))
        return
    planes = compute_projections(make_groups(n, 2)[0])
    assert list(planes) == ["PCA"]
    assert f"UMAP needs at least 5 rows, and there are {n}." in planes.sentence


def test_repeated_and_equal_rows():
    X = np.repeat(make_groups(8, 4)[0], 5, axis=0)
    assert np.isfinite(compute_projections(X)["UMAP"]).all()
    same = compute_projections(np.ones((30, 4)))
    assert list(same) == ["PCA"]
    assert "all rows are the same" in same.sentence
    assert not same["PCA"].any()


def test_one_column_has_a_second_axis_of_zero():
    planes = compute_projections(np.linspace(0, 1, 40)[:, None])
    assert not planes["PCA"][:, 1].any()
    assert np.isfinite(planes["UMAP"]).all()


def test_without_umap_learn_there_are_components_and_the_reason(groups, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    planes = compute_projections(groups[0])
    assert list(planes) == ["PCA"]
    assert "umap-learn is not installed (pip install 'archetypal-triplet[report]')" in planes.sentence


def test_errors_say_what_is_wrong(groups):
    X = groups[0].copy()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"1 rows of the embedding hold NaN"):
        compute_projections(X)
    with pytest.raises(ValueError, match=r"max_fit=4 is too few rows to fit\. Allowed: 5 or more"):
        compute_projections(groups[0], max_fit=4)


THREADS = """
import numpy as np
import torch
from archetypal_triplet.report._projection import compute_projections

before = torch.get_num_threads()
found = compute_projections(np.random.default_rng(0).normal(size=(60, 8)))
print("UMAP" in found, before, torch.get_num_threads())
"""


def test_the_threads_of_the_process_are_as_before():
    """Training has the same bits for the same number of threads: a map drawn before must not change it."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    run = subprocess.run(
        [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["True", "1", "1"]
