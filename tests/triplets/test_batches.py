"""Batches of labels times samples."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypal_triplet.triplets._batches import LabelBatches, draw_distinct


def make_batches(codes, **kwargs):
    codes = np.asarray(codes)
    codes = codes[:, None] if codes.ndim == 1 else codes
    defaults = {
        "labels_per_batch": 3,
        "samples_per_label": 4,
        "max_steps": 50,
        "steps_per_round": 20,
        "rng": np.random.default_rng(0),
        "device": torch.device("cpu"),
        "groups": None,
    }
    inputs = torch.arange(len(codes), dtype=torch.float32)[:, None]
    return LabelBatches(inputs, codes, **{**defaults, **kwargs})


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=6), k=st.integers(1, 9), seed=st.integers(0, 99)
)
def test_draws_are_distinct_and_in_range(counts, k, seed):
    counts = np.array(counts)
    drawn, valid = draw_distinct(counts, k, np.random.default_rng(seed))
    for count, row, mask in zip(counts, drawn, valid, strict=True):
        kept = row[mask]
        assert len(kept) == min(k, count)
        assert len(set(kept.tolist())) == len(kept)
        assert ((kept >= 0) & (kept < count)).all()


def draw_one_by_one(counts, k, rng):
    """Floyd's algorithm as it is written down, on the same random numbers."""
    out = []
    for count, numbers in zip(counts.tolist(), rng.random((len(counts), k)).tolist(), strict=True):
        row = []
        for last, number in zip(range(count - k, count), numbers, strict=True):
            if last >= 0:
                candidate = int(number * (last + 1))
                row.append(last if candidate in row else candidate)
        out.append(row)
    return out


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6), k=st.integers(1, 20), seed=st.integers(0, 99)
)
def test_draws_are_those_of_floyds_algorithm(counts, k, seed):
    counts = np.array(counts)
    drawn, valid = draw_distinct(counts, k, np.random.default_rng(seed))
    expected = draw_one_by_one(counts, k, np.random.default_rng(seed))
    assert [row[mask].tolist() for row, mask in zip(drawn, valid, strict=True)] == expected
    assert (drawn[~valid] == -1).all()


def test_every_subset_is_equally_likely():
    counts = np.full(6000, 4)
    drawn, _ = draw_distinct(counts, 2, np.random.default_rng(0))
    _, frequency = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert len(frequency) == 6
    # six pairs, 1000 expected each, standard deviation 29
    assert frequency.min() > 870
    assert frequency.max() < 1130


def test_a_batch_holds_labels_times_samples_and_nothing_unlabeled():
    codes = np.repeat([0, 1, 2, 3, -1], [20, 10, 4, 30, 50])
    batches = make_batches(np.random.default_rng(1).permutation(codes))
    for _ in range(30):
        rows, labels = batches.draw()
        assert (batches.labelings[0][0][rows] >= 0).all()
        assert len(set(rows.tolist())) == len(rows) == 12
        assert np.unique(labels, return_counts=True)[1].tolist() == [4, 4, 4]


def test_rows_bear_the_labels_that_the_batch_says():
    codes = np.random.default_rng(0).integers(-1, 5, size=(80, 3))
    batches = make_batches(codes)
    seen = set()
    for _ in range(60):
        rows, labels = batches.draw()
        fits = [
            which
            for which, (_, _, _, offset) in enumerate(batches.labelings)
            if (codes[rows, which] + offset == labels).all()
        ]
        assert len(fits) == 1
        seen |= set(fits)
    assert seen == {0, 1, 2}


def test_small_labels_give_all_their_samples():
    batches = make_batches([0, 0, 1, 1, 1, 1, 1, 1])
    rows, labels = batches.draw()
    assert sorted(rows[labels == 0].tolist()) == [0, 1]
    assert (labels == 1).sum() == 4


def test_rounds_end_and_steps_are_counted():
    batches = make_batches([0, 0, 1, 1])
    assert [sum(1 for _ in batches) for _ in range(4)] == [20, 20, 10, 0]
    assert batches.step == 50


def test_inputs_and_groups_follow_the_rows():
    batches = make_batches([0, 0, 1, 1, -1], groups=np.array([5, 6, 7, 8, 9]))
    batch = next(iter(batches))
    assert batch.inputs[:, 0].tolist() == [g - 5 for g in batch.groups.tolist()]


@pytest.mark.parametrize("n_before", [1, 17])
def test_the_sequence_goes_on_from_a_stored_position(n_before):
    codes = np.random.default_rng(0).integers(0, 4, size=(40, 2))
    one = make_batches(codes)
    for _ in range(n_before):
        one.draw()
    other = make_batches(codes, rng=np.random.default_rng(123))
    other.set_state(one.get_state())
    for _ in range(5):
        assert one.draw()[0].tolist() == other.draw()[0].tolist()
