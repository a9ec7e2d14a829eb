"""Other ways to train: soft margin, instances, portions, views of progress; and a fit that is killed."""

import copy
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import naive
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from archetypal_triplet import TripletEmbedder
from archetypal_triplet._utils._exceptions import CollapseWarning
from archetypal_triplet.triplets._batches import InstanceBatches, read_ahead
from archetypal_triplet.triplets._checkpoint import compute_fingerprint
from archetypal_triplet.triplets._losses import TripletCriterion, compute_triplet_losses
from archetypal_triplet.triplets._mining import mine_triplets


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(120, n_features=6, centers=4, cluster_std=2.0, random_state=0)


def make(*args, max_steps=25, **params):
    return TripletEmbedder(*args, max_steps=max_steps, random_state=0, **params)


# --- losses and mining ---


def test_soft_losses_are_the_logistic_of_the_difference():
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(9, 4, generator=generator)
    triplets = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    for loss, (a, p, n) in zip(compute_triplet_losses(embedding, *triplets, "soft"), triplets.T, strict=True):
        gap = naive.naive_distance(embedding[a], embedding[p]) - naive.naive_distance(
            embedding[a], embedding[n]
        )
        assert loss.item() == pytest.approx(np.log1p(np.exp(gap)), rel=1e-5)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    _, _, active = TripletCriterion("batch_hard", margin="soft")(embedding, labels)
    losses = compute_triplet_losses(embedding, *mine_triplets(embedding, labels, mining="batch_hard"), "soft")
    assert active.item() == pytest.approx((losses > np.log(2)).float().mean().item())


def test_a_soft_margin_learns_and_tells_collapse(blobs):
    X, y = blobs
    assert make(margin="soft", max_steps=60).fit(X, y).score(X, y) > 0.95
    with pytest.warns(CollapseWarning, match=r"loss is 0\.693 \(margin soft\)"):
        make(margin="soft").fit(np.repeat(X[:1], 40, axis=0), np.arange(40) % 4)


# --- instances ---


def test_instances_are_told_apart_without_labels():
    X = np.random.default_rng(0).normal(size=(60, 12))
    embedder = make("instances", input_noise=0.3, max_steps=100).fit(X)
    np.testing.assert_array_equal(embedder.labels_, np.arange(60))
    assert len(embedder.classes_) == 60
    before = embedder.history_[0]
    assert embedder.history_[-1]["loss"] < before["loss"] / 2
    y = np.arange(60) % 2
    assert 0.3 < embedder.score(X, y) < 0.7
    with pytest.raises(ValueError, match=r"score requires y to be passed"):
        embedder.score(X)


def test_instances_of_images_are_augmented_views():
    images = np.random.default_rng(0).normal(size=(30, 2, 8, 8))
    embedder = make("instances", module_kwargs={"widths": (8,)}, max_steps=20, augment=None).fit(images)
    assert embedder.transform(images).shape == (30, 32)


def test_a_batch_holds_every_instance_twice():
    batches = InstanceBatches(
        torch.zeros(50, 1),
        np.arange(50)[:, None],
        None,
        labels_per_batch=3,
        samples_per_label=4,
        max_steps=5,
        steps_per_round=5,
        rng=np.random.default_rng(0),
        device=torch.device("cpu"),
    )
    for batch in batches:
        values, counts = torch.unique(batch.labels, return_counts=True)
        assert counts.tolist() == [2] * 6
        assert values.max() < 50


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"input_noise": 0.0}, r"labeler='instances' .* nothing changes them here: set augment, input_noise"),
        ({"validation_fraction": 0.2}, r"every sample its own label: leave .* validation_fraction=0"),
        ({"label_column": 0}, r"leave label_column=None .* \(got 0 and 0\.0\)"),
    ],
)
def test_instances_that_cannot_be_told_apart_are_refused(blobs, params, message):
    with pytest.raises(ValueError, match=message):
        make("instances", **params).fit(blobs[0])
    with pytest.raises(ValueError, match=r"The 'labeler' parameter of TripletEmbedder must be"):
        make("instance").fit(blobs[0])


# --- portions ---


def test_portions_train_one_network(blobs):
    X, y = blobs
    embedder = make()
    for step in range(6):
        portion = slice(step % 2, None, 2)
        assert embedder.partial_fit(X[portion], y[portion]) is embedder
    assert embedder.n_steps_ == 120
    assert [r["step"] for r in embedder.history_] == [20, 40, 60, 80, 100, 120]
    assert {r["lr"] for r in embedder.history_} == {0.0015}
    assert embedder.score(X, y) > 0.95
    # the first portion made the scaling
    np.testing.assert_allclose(embedder._mean, X[::2].mean(axis=0))
    again = make()
    for step in range(6):
        again.partial_fit(X[step % 2 :: 2], y[step % 2 :: 2])
    np.testing.assert_array_equal(again.transform(X), embedder.transform(X))
    assert embedder.fit(X, y).n_steps_ == 25


def test_a_portion_goes_on_with_the_optimizer_and_other_noise(blobs):
    X, y = blobs
    embedder = make().partial_fit(X, y)
    with_state = copy.deepcopy(embedder.partial_fit(X, y)).transform(X)
    stored = make().partial_fit(X, y)
    stored = pickle.loads(pickle.dumps(stored)).partial_fit(X, y)
    assert stored.n_steps_ == 40
    assert np.abs(stored.transform(X) - with_state).max() > 1e-5


def test_the_labeler_is_fitted_on_the_first_portion_and_predicts_the_others(blobs):
    X, _ = blobs
    embedder = make(KMeans(4, n_init=1, random_state=0)).partial_fit(X[:60])
    centers = embedder.labeler_.cluster_centers_.copy()
    embedder.partial_fit(X[60:])
    np.testing.assert_array_equal(embedder.labeler_.cluster_centers_, centers)
    np.testing.assert_array_equal(embedder.labels_, embedder.labeler_.predict(X[60:]))

    class Silent(BaseEstimator):
        def fit_predict(self, X, y=None):
            return np.arange(len(X)) % 3

    silent = make(Silent()).partial_fit(X)
    with pytest.raises(ValueError, match=r"labeler=Silent has no predict, so it cannot label the samples of"):
        silent.partial_fit(X)


def test_portions_of_other_shapes_are_refused(blobs):
    X, y = blobs
    embedder = make().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"X has 5 features, but TripletEmbedder is expecting 6"):
        embedder.partial_fit(X[:, :5], y)
    with pytest.raises(
        ValueError, match=r"partial_fit goes on with a network from .* call fit to start afresh"
    ):
        embedder.set_params(embedding_dim=5).partial_fit(X, y)
    images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)) + np.arange(20).reshape(-1, 1, 1, 1) % 2
    on_images = make(module_kwargs={"widths": (4,)}).partial_fit(images, np.arange(20) % 2)
    with pytest.raises(
        ValueError, match=r"from \(1, 8, 8\) to 32 dimensions, and is now asked for \(1, 7, 8\)"
    ):
        on_images.partial_fit(images[:, :, :7], np.arange(20) % 2)


# --- progress, reading ahead ---


def test_progress_bars_show_loss_active_triplets_and_spread(blobs, capsys):
    pytest.importorskip("tqdm")
    X, y = blobs
    images = X[:, :, None, None] + np.zeros((1, 1, 4, 4))
    make(verbose=2, module_kwargs={"widths": (4,)}).fit(images, y).transform(images)
    shown = capsys.readouterr().err
    for text in ("training: 100%", "25/25", "loss=", "active=", "spread=", "embedding: 100%", "120/120"):
        assert text in shown
    make(verbose=1).fit(X, y)
    assert capsys.readouterr().err == ""


def test_a_missing_bar_is_no_reason_to_stop(blobs, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with caplog.at_level(logging.INFO, logger="archetypal_triplet.triplets"):
        make(verbose=2).fit(*blobs)
    assert "no progress bar: tqdm is needed" in caplog.text


def test_reading_ahead_keeps_order_and_passes_errors_on():
    threads = set()

    def items():
        for i in range(5):
            threads.add(threading.get_ident())
            yield i
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk"):
        seen.extend(read_ahead(items()))
    assert threading.get_ident() not in threads
    endless = read_ahead(iter(count(1)))
    assert [next(endless) for _ in range(4)] == [1, 2, 3, 4]
    endless.close()


# --- a fit that is killed ---

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_modes

class Flipping(test_modes.Flipping):
    def __call__(self, inputs, generator):
        if self.n_calls == 37:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(inputs, generator)

test_modes.fit_flipping(Flipping(), Path(sys.argv[2]), checkpoint_path=sys.argv[2] + "/fit.ckpt")
"""


class Flipping:
    """An augmentation from outside, which counts its calls."""

    n_calls = 0

    def __call__(self, inputs, generator):
        self.n_calls += 1
        return inputs.flip(3)


def fit_flipping(augment, folder, **params):
    images = np.load(folder / "images.npy", mmap_mode="r")
    embedder = make(
        module_kwargs={"widths": (4, 8)},
        augment=augment,
        samples_per_label=4,
        max_steps=50,
        validation_fraction=0.3,
        patience=9,
        channels=[0],
        device="cpu",
        **params,
    )
    embedder.fit(images, np.arange(len(images)) % 3)
    return embedder.transform(images)


def test_a_killed_fit_resumes_and_ends_as_if_it_had_not_been(tmp_path):
    images = np.random.default_rng(0).poisson(9, (40, 2, 8, 8)).astype(np.uint16)
    images[:, 0] += 9 * (np.arange(40) % 3).astype(np.uint16)[:, None, None]
    np.save(tmp_path / "images.npy", images)
    tests = Path(__file__).parent
    command = [sys.executable, "-c", KILLED, str(tests), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(tests.parent)}
    killed = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resuming = Flipping()
    embedding = fit_flipping(resuming, tmp_path, checkpoint_path=tmp_path / "fit.ckpt")
    # at most one interval of 20 steps is lost: of the 37 steps made, the 17 since step 20 are done again
    assert resuming.n_calls == 30
    whole = Flipping()
    np.testing.assert_array_equal(embedding, fit_flipping(whole, tmp_path))
    assert whole.n_calls == 50


def test_fingerprints_do_not_hold_addresses_and_tell_data_apart():
    X = np.arange(6.0)
    texts = [
        compute_fingerprint({"random_state": 0, "module_kwargs": {"f": object()}, "augment": object()}, data)
        for data in (X, X.copy(), X + 1)
    ]
    assert texts[0] == texts[1] != texts[2]
