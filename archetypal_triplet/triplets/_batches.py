"""Batches of P labels times K samples, drawn with a generator of their own."""

import json
from typing import NamedTuple

import numpy as np
import torch


class Batch(NamedTuple):
    """What one training step needs, on the device."""

    inputs: torch.Tensor
    labels: torch.Tensor
    groups: torch.Tensor | None


def draw_distinct(counts, k, rng):
    """Draw up to `k` distinct integers below each count: Floyd's algorithm, all counts at once.

    Parameters
    ----------
    counts : ndarray of shape (p,)
        Upper bounds, each at least 1.
    k : int
        How many to draw from each.
    rng : numpy.random.Generator
        Draws p * k uniform numbers, whatever the counts.

    Returns
    -------
    drawn : ndarray of shape (p, k)
        Integers in 0..count-1; row i holds ``min(k, counts[i])`` distinct ones.
    valid : ndarray of shape (p, k), bool
        Which entries count: where a count is below `k`, the rest of the row is False.
    """
    uniform = rng.random((len(counts), k))
    drawn = np.full((len(counts), k), -1, dtype=np.int64)
    top = counts - k
    valid = np.empty((len(counts), k), dtype=bool)
    for i in range(k):
        last = top + i
        valid[:, i] = last >= 0
        candidate = (uniform[:, i] * (last + 1)).astype(np.int64)
        taken = (drawn[:, :i] == candidate[:, None]).any(axis=1)
        drawn[:, i] = np.where(valid[:, i], np.where(taken, last, candidate), -1)
    return drawn, valid


class LabelBatches(torch.utils.data.Dataset):
    """Endless P x K batches in rounds of `steps_per_round`; data set and iterator of the net in one.

    Every batch draws one labeling, up to P of its labels and up to K distinct samples of each. A label with
    fewer samples gives all of them. Time per batch is O(P K), whatever the number of samples; memory is the
    inputs and one permutation of the samples per labeling.

    Parameters
    ----------
    inputs : Tensor of shape (n_samples, ...)
        Standardized inputs, float32, on the host.
    codes : ndarray of shape (n_samples, n_labelings)
        From :func:`~archetypal_triplet.triplets._labels.encode_labels`; -1 is never drawn.
    groups : ndarray of shape (n_samples,) or None
        Integer groups.
    labels_per_batch, samples_per_label : int
        P and K.
    max_steps, steps_per_round : int
        Total steps, and steps between two looks at the monitor.
    rng : numpy.random.Generator
        The only source of randomness.
    device : torch.device
        Where the batches go.
    """

    def __init__(
        self,
        inputs,
        codes,
        groups,
        *,
        labels_per_batch,
        samples_per_label,
        max_steps,
        steps_per_round,
        rng,
        device,
    ):
        self.inputs = inputs
        self.groups = None if groups is None else torch.from_numpy(groups)
        self.labels_per_batch = labels_per_batch
        self.samples_per_label = samples_per_label
        self.max_steps = max_steps
        self.steps_per_round = steps_per_round
        self.rng = rng
        self.device = device
        self.step = 0
        self.labelings = []
        offset = 0
        for column in codes.T:
            order = np.argsort(column, kind="stable")
            counts = np.bincount(column[column >= 0])
            starts = np.concatenate(([0], np.cumsum(counts)[:-1])) + int((column < 0).sum())
            # a label's number differs between labelings, so that a criterion with proxies can tell them apart
            self.labelings.append((order, starts, counts, offset))
            offset += len(counts)

    def __len__(self):
        return len(self.inputs)

    def draw(self):
        """Draw the rows of one batch.

        Returns
        -------
        rows, labels : ndarray of shape (b,)
            Row numbers, distinct, and the labels' numbers.
        """
        which = int(self.rng.integers(len(self.labelings))) if len(self.labelings) > 1 else 0
        order, starts, counts, offset = self.labelings[which]
        chosen = self.rng.permutation(len(counts))[: self.labels_per_batch]
        drawn, valid = draw_distinct(counts[chosen], self.samples_per_label, self.rng)
        rows = order[(starts[chosen][:, None] + drawn)[valid]]
        labels = np.broadcast_to(chosen[:, None] + offset, drawn.shape)[valid]
        return rows, labels

    def __iter__(self):
        for _ in range(min(self.steps_per_round, self.max_steps - self.step)):
            rows, labels = self.draw()
            rows = torch.from_numpy(rows)
            groups = None if self.groups is None else self.groups[rows].to(self.device)
            self.step += 1
            yield Batch(
                self.inputs[rows].to(self.device, non_blocking=True),
                torch.from_numpy(labels).to(self.device, non_blocking=True),
                groups,
            )

    def get_state(self):
        """The position in the sequence of batches, as text."""
        return json.dumps({"step": self.step, "rng": self.rng.bit_generator.state})

    def set_state(self, text):
        """Go to a position from :meth:`get_state`."""
        state = json.loads(text)
        self.step = state["step"]
        self.rng.bit_generator.state = state["rng"]
