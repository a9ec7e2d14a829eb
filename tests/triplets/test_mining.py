"""Mining and losses against their naive twins, against pytorch-metric-learning, and as properties."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from archetypal_triplet.triplets._losses import (
    TripletCriterion,
    compute_effective_rank,
    compute_keep_loss,
    compute_spread,
    compute_triplet_losses,
)
from archetypal_triplet.triplets._mining import MINERS, compute_distances, compute_pairs, mine_triplets


def make_batch(seed, n_labels=4, per_label=5, dim=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    embedding = functional.normalize(torch.randn(n_labels * per_label, dim, generator=generator), dim=1)
    labels = torch.arange(n_labels).repeat_interleave(per_label)
    return embedding.to(dtype), labels[torch.randperm(len(labels), generator=generator)], generator


def mine(embedding, labels, **kwargs):
    return torch.stack(mine_triplets(embedding, labels, **kwargs)).T.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_distances_match_the_naive_twin_in_float32(seed, dtype):
    embedding, _, _ = make_batch(seed, dtype=dtype)
    distances = compute_distances(embedding)
    expected = [[naive.naive_distance(x, y) for y in embedding] for x in embedding]
    assert distances.dtype == torch.float32
    assert (distances.diagonal() == 0).all()
    np.testing.assert_allclose(distances, expected, atol=2e-3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("with_groups", [False, True])
def test_semihard_takes_a_legal_positive_and_the_naive_negative(seed, with_groups):
    embedding, labels, generator = make_batch(seed)
    groups = torch.randint(3, labels.shape, generator=generator) if with_groups else None
    triplets = mine(embedding, labels, groups=groups, generator=generator)
    assert [a for a, _, _ in triplets] == list(range(len(labels)))
    for anchor, positive, negative in triplets:
        positives, negatives = naive.naive_candidates(labels, groups, anchor)
        assert positive in positives
        assert negative == naive.naive_semihard_negative(embedding, anchor, positive, negatives)


@pytest.mark.parametrize("seed", range(5))
def test_batch_hard_and_easy_positive_match_the_naive_twins(seed):
    embedding, labels, _ = make_batch(seed)
    for anchor, positive, negative in mine(embedding, labels, mining="batch_hard"):
        expected = naive.naive_hardest(embedding, anchor, *naive.naive_candidates(labels, None, anchor))
        assert (positive, negative) == expected
    for anchor, positive, negative in mine(embedding, labels, mining="easy_positive"):
        positives, negatives = naive.naive_candidates(labels, None, anchor)
        assert positive == min(
            positives, key=lambda i, a=anchor: naive.naive_distance(embedding[a], embedding[i])
        )
        assert negative == naive.naive_semihard_negative(embedding, anchor, positive, negatives)


@pytest.mark.parametrize("seed", range(3))
def test_batch_hard_agrees_with_pytorch_metric_learning(seed):
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    embedding, labels, _ = make_batch(seed, n_labels=8, per_label=8, dim=32)
    theirs = miners.BatchHardMiner()(embedding, labels)
    ours = mine_triplets(embedding, labels, mining="batch_hard")
    for a, b in zip(ours, theirs, strict=True):
        assert a.tolist() == b.tolist()
    loss = losses.TripletMarginLoss(margin=0.2, reducer=reducers.MeanReducer())(embedding, labels, theirs)
    assert compute_triplet_losses(embedding, *ours, 0.2).mean().item() == pytest.approx(loss.item(), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_semihard_triplets_are_among_those_of_pytorch_metric_learning(seed):
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    embedding, labels, generator = make_batch(seed, n_labels=8, per_label=8, dim=32)
    theirs = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard")(embedding, labels)
    theirs = set(map(tuple, torch.stack(theirs).T.tolist()))
    distances = compute_distances(embedding)
    n_semihard = 0
    for a, p, n in mine(embedding, labels, generator=generator):
        gap = float(distances[a, n] - distances[a, p])
        if 1e-4 < gap < 0.2 - 1e-4:
            assert (a, p, n) in theirs
            n_semihard += 1
    assert n_semihard > 10


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), mining=st.sampled_from(sorted(MINERS)), data=st.data())
def test_every_rule_gives_legal_triplets(seed, mining, data):
    generator = torch.Generator().manual_seed(seed)
    n = data.draw(st.integers(1, 12))
    labels = torch.randint(3, (n,), generator=generator)
    # coarse coordinates make ties and duplicated rows
    embedding = torch.randint(-1, 2, (n, 2), generator=generator).float()
    found = mine(embedding, labels, mining=mining, generator=generator)
    usable = [a for a in range(n) if all(naive.naive_candidates(labels, None, a))]
    assert [a for a, _, _ in found] == usable
    for a, p, n_ in found:
        positives, negatives = naive.naive_candidates(labels, None, a)
        assert p in positives
        assert n_ in negatives


def test_random_choices_reach_every_candidate():
    embedding, labels, generator = make_batch(0, n_labels=2, per_label=3)
    seen = {
        tuple(t) for _ in range(300) for t in mine(embedding, labels, mining="random", generator=generator)
    }
    assert len(seen) == 6 * 2 * 3


def test_positives_stay_in_the_group_only_where_there_is_no_other():
    labels, groups = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 0, 0])
    same, other = compute_pairs(labels, groups)
    assert same.int().tolist() == [
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 1, 0],
    ]
    assert other.sum() == 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_match_the_naive_twin(dtype):
    embedding, labels, generator = make_batch(1, dtype=dtype)
    triplets = mine_triplets(embedding, labels, mining="random", generator=generator)
    expected = naive.naive_triplet_losses(embedding, torch.stack(triplets).T.tolist(), 0.3)
    np.testing.assert_allclose(compute_triplet_losses(embedding, *triplets, 0.3), expected, atol=1e-6)


def test_gradient_is_finite_where_anchor_and_positive_coincide():
    embedding = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    index = torch.tensor
    compute_triplet_losses(embedding, index([0]), index([1]), index([2]), 5.0).sum().backward()
    assert torch.isfinite(embedding.grad).all()
    assert embedding.grad.abs().sum() > 0


def test_keep_loss_matches_the_naive_twin_and_vanishes_for_the_input_itself():
    embedding, _, generator = make_batch(2)
    inputs = torch.randn(len(embedding), 9, generator=generator)
    inputs[0] = 0
    expected = naive.naive_keep_loss(embedding.numpy(), inputs.numpy())
    assert compute_keep_loss(embedding, inputs).item() == pytest.approx(expected, abs=1e-6)
    assert compute_keep_loss(embedding, embedding * 7).item() == pytest.approx(0, abs=1e-10)


def test_criterion_adds_the_weighted_keep_loss():
    embedding, labels, generator = make_batch(3)
    inputs = torch.randn(len(embedding), 9, generator=generator)
    plain = TripletCriterion("batch_hard")(embedding, labels, inputs)
    kept = TripletCriterion("batch_hard", keep_weight=2.0)(embedding, labels, inputs)
    extra = 2 * compute_keep_loss(embedding, inputs)
    assert kept[0].item() == pytest.approx((plain[0] + extra).item(), abs=1e-6)
    assert kept[1] == plain[1]


def test_a_batch_without_triplet_has_loss_and_gradient_zero():
    embedding = torch.randn(4, 3, requires_grad=True)
    total, _, active = TripletCriterion()(embedding, torch.zeros(4, dtype=torch.int64))
    total.backward()
    assert total == 0
    assert not embedding.grad.any()
    assert torch.isnan(active) or active == 0


@pytest.mark.parametrize("dim", [1, 5])
def test_spread_matches_the_naive_twin(dim):
    rows = np.random.default_rng(0).normal(size=(20, dim))
    assert compute_spread(torch.from_numpy(rows)) == pytest.approx(naive.naive_spread(rows))
    assert compute_spread(torch.ones(5, dim)) == pytest.approx(0, abs=1e-7)


def test_effective_rank_counts_equally_used_dimensions():
    corners = torch.cat([torch.eye(4), -torch.eye(4)])
    assert compute_effective_rank(corners) == pytest.approx(4)
    assert compute_effective_rank(corners[:, :2]) == pytest.approx(2)
    assert compute_effective_rank(torch.ones(6, 3)) == 0
    line = torch.linspace(-1, 1, 9)[:, None] * torch.tensor([[1.0, 2.0, 3.0]])
    assert compute_effective_rank(line) == pytest.approx(1, abs=1e-5)
