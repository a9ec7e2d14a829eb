"""Mining and losses against their naive twins, against pytorch-metric-learning, and as properties."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from archetypal_triplet.triplets import _mining
from archetypal_triplet.triplets._losses import (
    TripletCriterion,
    compute_effective_rank,
    compute_keep_loss,
    compute_spread,
    compute_triplet_losses,
)
from archetypal_triplet.triplets._mining import (
    MINERS,
    find_mates,
    find_mates_by_pair,
    find_positives,
    find_run_length,
    mine_triplets,
)


def make_batch(seed, n_labels=4, per_label=5, dim=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    embedding = functional.normalize(torch.randn(n_labels * per_label, dim, generator=generator), dim=1)
    labels = torch.arange(n_labels).repeat_interleave(per_label)
    return embedding.to(dtype), labels[torch.randperm(len(labels), generator=generator)], generator


def mine(embedding, labels, **kwargs):
    return torch.stack(mine_triplets(embedding, labels, **kwargs)).T.tolist()


def mine_from_distances(embedding, labels, mining):
    """The rules without chance, read off a matrix of distances and two masks."""
    distances = torch.cdist(embedding.double(), embedding.double())
    equal = labels[:, None] == labels
    same = equal & ~torch.eye(len(labels), dtype=torch.bool)
    if mining == "batch_hard":
        positive = distances.masked_fill(~same, -1).argmax(dim=1)
        negative = distances.masked_fill(equal, torch.inf).argmin(dim=1)
    else:
        positive = distances.masked_fill(~same, torch.inf).argmin(dim=1)
        limit = distances.gather(1, positive[:, None])
        beyond = distances.masked_fill(equal | (distances <= limit), torch.inf).min(dim=1)
        farthest = distances.masked_fill(equal, -1).argmax(dim=1)
        negative = torch.where(beyond.values < torch.inf, beyond.indices, farthest)
    anchor = (same.any(dim=1) & ~equal.all(dim=1)).nonzero()[:, 0]
    return torch.stack((anchor, positive[anchor], negative[anchor])).T.tolist()


@pytest.mark.parametrize("mining", ["batch_hard", "easy_positive"])
@pytest.mark.parametrize("layout", ["mixed", "runs", "one label", "all different"])
@pytest.mark.parametrize("size", [1, 8, 100, 600])
def test_triplets_are_those_read_off_the_distances(size, layout, mining):
    generator = torch.Generator().manual_seed(size)
    embedding = torch.randn(size, 5, generator=generator)
    labels = {
        "mixed": torch.randint(7, (size,), generator=generator),
        "runs": (torch.arange(size) // 4).flip(0),
        "one label": torch.zeros(size, dtype=torch.int64),
        "all different": torch.arange(size),
    }[layout]
    assert mine(embedding, labels, mining=mining) == mine_from_distances(embedding, labels, mining)


@pytest.mark.parametrize("mining", sorted(MINERS))
@pytest.mark.parametrize(("n_labels", "k"), [(5, 2), (2, 9), (75, 8), (2, 300)])
def test_runs_of_equal_labels_give_the_triplets_of_the_general_search(n_labels, k, mining, monkeypatch):
    embedding, _, _ = make_batch(0, n_labels, k)
    labels = torch.randperm(n_labels, generator=torch.Generator().manual_seed(1)).repeat_interleave(k)
    assert find_run_length(labels) == k
    draws = [torch.Generator().manual_seed(2) for _ in range(3)]
    fast = mine(embedding, labels, mining=mining, generator=draws[0])
    monkeypatch.setattr(_mining, "find_run_length", lambda labels: None)
    assert mine(embedding, labels, mining=mining, generator=draws[1]) == fast
    if mining != "semihard":
        # lists of another length take other random numbers
        monkeypatch.setattr(_mining, "find_mates", find_mates_by_pair)
        assert mine(embedding, labels, mining=mining, generator=draws[2]) == fast


@pytest.mark.parametrize("mining", ["batch_hard", "easy_positive"])
@pytest.mark.parametrize("layout", ["mixed", "runs"])
@pytest.mark.parametrize("shift", [1e3, -1e4])
def test_triplets_far_from_the_origin_are_those_read_off_the_distances(shift, layout, mining):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.randn(64, 32, generator=generator) + shift
    labels = torch.arange(8).repeat_interleave(8)
    if layout == "mixed":
        labels = labels[torch.randperm(64, generator=generator)]
    assert mine(embedding, labels, mining=mining) == mine_from_distances(embedding, labels, mining)


@pytest.mark.parametrize("mining", sorted(MINERS))
@pytest.mark.parametrize("layout", ["mixed", "runs"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_row_that_is_no_number_makes_the_loss_none(value, layout, mining):
    embedding, mixed, _ = make_batch(0)
    embedding[3, 1] = value
    labels = mixed if layout == "mixed" else mixed.sort().values
    total, _, _ = TripletCriterion(mining)(embedding, labels)
    assert torch.isnan(total)


@pytest.mark.parametrize("labels", [[0], [0, 0], [0, 1], [0, 0, 1], [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 0]])
def test_other_layouts_are_no_runs(labels):
    assert find_run_length(torch.tensor(labels)) is None


@pytest.mark.parametrize("seed", range(3))
def test_mates_of_a_device_are_those_of_the_host(seed):
    _, labels, generator = make_batch(seed)
    labels = torch.cat((labels, torch.tensor([9, 10])))
    groups = torch.randint(3, labels.shape, generator=generator)
    anchors = torch.arange(len(labels))
    for made in (None, groups):
        found = []
        for find in (find_mates, find_mates_by_pair):
            rows, allowed = find_positives(find(labels), anchors, made)
            found.append([sorted(r[a].tolist()) for r, a in zip(rows, allowed, strict=True)])
        expected = [naive.naive_candidates(labels, made, i)[0] for i in anchors.tolist()]
        assert found == [expected, expected]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_rows_of_another_precision_are_compared_in_float32(dtype):
    embedding, labels, _ = make_batch(0, per_label=30)
    embedding = embedding.to(dtype)
    for mining in ("batch_hard", "easy_positive"):
        expected = mine(embedding.float(), labels, mining=mining)
        assert mine(embedding, labels, mining=mining) == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("with_groups", [False, True])
@pytest.mark.parametrize("find", [find_mates, find_mates_by_pair])
def test_semihard_takes_a_legal_positive_and_the_naive_negative(seed, with_groups, find, monkeypatch):
    monkeypatch.setattr(_mining, "find_mates", find)
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
    distances = torch.cdist(embedding, embedding)
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


@pytest.mark.parametrize("find", [find_mates, find_mates_by_pair])
def test_positives_stay_in_the_group_only_where_there_is_no_other(find):
    labels, groups = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 0, 0])
    mates = find(labels)
    rows, allowed = find_positives(mates, torch.arange(5), groups)
    assert [r[a].tolist() for r, a in zip(rows, allowed, strict=True)] == [[2], [2], [0, 1], [4], [3]]
    assert bool(mates.is_mixed)
    assert not bool(find(groups[:2]).is_mixed)


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


@pytest.mark.parametrize("margin", [0.2, "soft"])
@pytest.mark.parametrize("n_triplets", [1, 20, 50])
def test_gradient_is_that_of_the_formula(n_triplets, margin):
    embedding, _, generator = make_batch(4)
    embedding.requires_grad_()
    triplets = torch.randint(len(embedding), (3, n_triplets), generator=generator)
    weights = torch.rand(n_triplets, generator=generator)
    losses = compute_triplet_losses(embedding, *triplets, margin)
    (gradient,) = torch.autograd.grad((losses * weights).sum(), embedding)
    anchor, positive, negative = embedding.double()[triplets]
    # a row and itself are 1e-6 apart, the floor of a distance
    distances = [((anchor - end).square().sum(1) + 1e-12).sqrt() for end in (positive, negative)]
    gap = distances[0] - distances[1]
    plain = functional.softplus(gap) if margin == "soft" else functional.relu(gap + margin)
    (expected,) = torch.autograd.grad((plain * weights).sum(), embedding)
    torch.testing.assert_close(losses, plain.float(), atol=2e-6, rtol=0)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("margin", [0.2, "soft"])
@pytest.mark.parametrize("lonely", [0, 3])
def test_criterion_is_the_mean_over_the_mined_triplets(lonely, margin):
    embedding, labels, _ = make_batch(5)
    labels[:lonely] = torch.arange(lonely) + 100
    embedding.requires_grad_()
    total, main, active = TripletCriterion("batch_hard", margin)(embedding, labels)
    (gradient,) = torch.autograd.grad(total, embedding)
    triplets = mine_triplets(embedding, labels, mining="batch_hard")
    assert len(triplets[0]) == len(labels) - lonely
    losses = compute_triplet_losses(embedding, *triplets, margin)
    (expected,) = torch.autograd.grad(losses.mean(), embedding)
    torch.testing.assert_close(gradient, expected, atol=1e-7, rtol=0)
    assert total.item() == main.item() == pytest.approx(losses.mean().item())
    assert active.item() == pytest.approx(
        (losses > (np.log(2) if margin == "soft" else 0)).float().mean().item()
    )


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_batch_without_triplet_has_loss_zero_in_every_precision(dtype):
    # in float16 the sum of these rows is infinite
    embedding = torch.full((16, 3), 6e4, dtype=dtype, requires_grad=True)
    total, _, _ = TripletCriterion()(embedding, torch.zeros(16, dtype=torch.int64))
    total.backward()
    assert total == 0
    assert total.dtype == torch.float32
    assert not embedding.grad.any()


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
