"""The instance term: its loss, its batches, and that it keeps what labels alone would flatten."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets._batches import TwoViewBatches
from archetypal_triplet.triplets._losses import TripletCriterion, compute_instance_loss


def make(**params):
    return TripletEmbedder(**{"max_steps": 40, "random_state": 0, **params})


def unit_rows(n, seed=0):
    rows = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def naive_instance_loss(rows, temperature):
    rows = rows.double().numpy()
    losses = []
    for i, row in enumerate(rows):
        shares = {k: np.exp(row @ rows[k] / temperature) for k in range(len(rows)) if k != i}
        twin = i + 1 if i % 2 == 0 else i - 1
        losses.append(-np.log(shares[twin] / sum(shares.values())))
    return np.mean(losses)


@pytest.mark.parametrize("n", [2, 4, 14])
@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_the_loss_is_that_of_its_formula(n, temperature):
    rows = unit_rows(n)
    expected = naive_instance_loss(rows, temperature)
    assert compute_instance_loss(rows, temperature).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_loss_of_views_that_are_alike_is_that_of_chance_and_of_twins_nearly_none():
    alike = torch.ones(8, 4) / 2
    assert compute_instance_loss(alike).item() == pytest.approx(np.log(7), rel=1e-5)
    apart = torch.eye(4).repeat_interleave(2, dim=0)
    assert compute_instance_loss(apart, 0.05).item() < 1e-6


def test_the_gradient_is_finite_and_pulls_twins_together():
    rows = unit_rows(10).requires_grad_()
    compute_instance_loss(rows).backward()
    assert torch.isfinite(rows.grad).all()
    before = (rows[::2] * rows[1::2]).sum(dim=1).mean()
    moved = torch.nn.functional.normalize(rows - 0.5 * rows.grad, dim=1)
    assert (moved[::2] * moved[1::2]).sum(dim=1).mean() > before


def test_the_weight_scales_what_is_added_to_the_loss_of_labels():
    rows, labels = unit_rows(12), torch.arange(12) // 4
    alone, main, active = TripletCriterion("batch_hard")(rows, labels)
    added = compute_instance_loss(rows)
    for weight in (0.5, 2.0):
        found = TripletCriterion("batch_hard", instance_weight=weight)(rows, labels)
        assert found[0].item() == pytest.approx((alone + weight * added).item())
        assert (found[1].item(), found[2].item()) == (main.item(), active.item())


def test_a_batch_holds_every_sample_twice_in_a_row_with_its_label():
    codes = np.column_stack([np.arange(60) % 5, np.arange(60) // 20])
    batches = TwoViewBatches(
        torch.arange(60.0)[:, None],
        codes,
        np.arange(60) % 2,
        labels_per_batch=3,
        samples_per_label=4,
        max_steps=6,
        steps_per_round=6,
        rng=np.random.default_rng(0),
        device=torch.device("cpu"),
    )
    for batch in batches:
        rows = batch.inputs[:, 0].long()
        assert torch.equal(rows[::2], rows[1::2])
        assert len(rows.unique()) == len(rows) // 2 == 12
        assert torch.equal(batch.labels[::2], batch.labels[1::2])
        assert torch.equal(batch.groups, rows % 2)


def test_what_differs_within_a_label_is_kept():
    """Labels are the sign of one column; another, of which no label tells, spreads the samples of a label."""
    X = np.random.default_rng(0).normal(size=(400, 2))
    y = (X[:, 0] > 0).astype(int)
    within = {}
    for weight in (0.0, 1.0):
        embedder = make(instance_weight=weight, input_noise=0.2, keep_weight=0, max_steps=150)
        embedding = embedder.fit_transform(X, y)
        apart = [embedding[y == label] - embedding[y == label].mean(axis=0) for label in (0, 1)]
        within[weight] = sum(np.square(part).sum() for part in apart) / len(X) / embedder.spread_**2
    assert within[1.0] > 2 * within[0.0]


def test_labels_are_still_learned():
    X, y = make_blobs(160, n_features=6, centers=4, cluster_std=2.0, random_state=0)
    assert make(instance_weight=1.0, max_steps=80).fit(X, y).score(X, y) > 0.95


def test_images_are_told_apart_in_views_and_fits_repeat():
    images = np.random.default_rng(0).normal(size=(24, 2, 8, 8)).astype(np.float32)
    y = np.arange(24) % 3
    params = {"instance_weight": 1.0, "module_kwargs": {"widths": (8,)}, "max_steps": 20}
    first = make(**params).fit_transform(images, y)
    assert first.shape == (24, 32)
    np.testing.assert_array_equal(first, make(**params).fit_transform(images, y))
    # windows are drawn for each view
    assert make(**params, crop_size=6).fit(images, y).in_shape_ == (2, 6, 6)


def test_a_checkpoint_is_taken_up_and_another_weight_is_another_fit(tmp_path):
    X, y = make_blobs(80, n_features=4, centers=3, random_state=0)
    whole = make(instance_weight=1.0, max_steps=60).fit(X, y).transform(X)
    path = tmp_path / "training.pt"
    make(instance_weight=1.0, max_steps=60, checkpoint_path=path).fit(X, y)
    np.testing.assert_array_equal(
        make(instance_weight=1.0, max_steps=60, checkpoint_path=path).fit_transform(X, y), whole
    )
    with pytest.raises(ValueError, match="checkpoint_path"):
        make(instance_weight=2.0, max_steps=60, checkpoint_path=path).fit(X, y)


def test_equal_views_and_negative_weights_are_refused():
    X, y = make_blobs(40, n_features=3, centers=2, random_state=0)
    with pytest.raises(ValueError, match=r"instance_weight=1\.0 tells .* set augment, input_noise"):
        make(instance_weight=1.0, input_noise=0.0).fit(X, y)
    with pytest.raises(ValueError, match=r"The 'instance_weight' parameter .* must be a float"):
        make(instance_weight=-1.0).fit(X, y)
