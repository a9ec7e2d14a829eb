"""Batches of P labels times K samples, drawn with a generator of their own."""

import json
from concurrent.futures import ThreadPoolExecutor
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
    last = (counts - k)[:, None] + np.arange(k)
    valid = last >= 0
    drawn = (rng.random((len(counts), k)) * (last + 1)).astype(np.int64)
    if not valid.all():
        drawn[~valid] = -1
    # a number that was drawn before gives way to the last one allowed, which cannot have been
    ordered = np.sort(drawn, axis=1)
    for i in (ordered[:, 1:] == ordered[:, :-1]).any(axis=1).nonzero()[0].tolist():
        seen = {}
        for number, other in zip(drawn[i, valid[i]].tolist(), last[i, valid[i]].tolist(), strict=True):
            seen[other if number in seen else number] = None
        drawn[i, valid[i]] = list(seen)
    return drawn, valid


def read_ahead(items):
    """Iterate over `items`, the next one being made in a thread while the last one is used.

    Parameters
    ----------
    items : iterator
        Its items, never None, are made one after the other, so that what draws numbers draws the same ones.

    Yields
    ------
    object
        The items, in order.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        ahead = pool.submit(next, items, None)
        while (item := ahead.result()) is not None:
            ahead = pool.submit(next, items, None)
            yield item


class LabelBatches(torch.utils.data.Dataset):
    """Endless P x K batches in rounds of `steps_per_round`; data set and iterator of the net in one.

    Every batch draws one labeling, up to P of its labels and up to K distinct samples of each. A label with
    fewer samples gives all of them. Time per batch is O(P K), whatever the number of samples; memory is the
    inputs and one permutation of the samples per labeling.

    Parameters
    ----------
    inputs : Tensor of shape (n_samples, ...), or ImageInputs
        Standardized inputs, float32, on the host; or images, read by batch. Those that are not in memory, and
        all on CUDA, are read while the step before is computed.
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
        labels = (chosen + offset).repeat(valid.sum(axis=1))
        return rows, labels

    def __iter__(self):
        n_steps = min(self.steps_per_round, self.max_steps - self.step)
        if isinstance(self.inputs, torch.Tensor):
            yield from self._slice(n_steps)
            return
        # nothing is read beyond the round, so that between rounds the generator tells where the sequence is
        hosted = (self._read() for _ in range(n_steps))
        for images, labels, groups in read_ahead(hosted) if self.inputs.reads_ahead else hosted:
            self.step += 1
            images, labels, groups = (
                None if t is None else t.to(self.device, non_blocking=True) for t in (images, labels, groups)
            )
            yield Batch(self.inputs.finish(images), labels, groups)

    def _slice(self, n_steps):
        for _ in range(n_steps):
            rows, labels = self.draw()
            rows = torch.from_numpy(rows)
            groups = None if self.groups is None else self.groups[rows].to(self.device)
            self.step += 1
            yield Batch(
                self.inputs.index_select(0, rows).to(self.device, non_blocking=True),
                torch.from_numpy(labels).to(self.device, non_blocking=True),
                groups,
            )

    def _read(self):
        rows, labels = self.draw()
        images = self.inputs.read(rows, self.rng)
        groups = None if self.groups is None else self.groups[torch.from_numpy(rows)]
        batch = (images, torch.from_numpy(labels), groups)
        if self.device.type == "cuda":
            # from pinned memory a copy runs beside the computation
            batch = tuple(None if t is None else t.pin_memory() for t in batch)
        return batch

    def get_state(self):
        """The position in the sequence of batches, as text."""
        return json.dumps({"step": self.step, "rng": self.rng.bit_generator.state})

    def set_state(self, text):
        """Go to a position from :meth:`get_state`."""
        state = json.loads(text)
        self.step = state["step"]
        self.rng.bit_generator.state = state["rng"]


class InstanceBatches(LabelBatches):
    """Batches in which every sample is a label of its own, and is there twice: two views of it.

    Parameters are those of :class:`LabelBatches`; of `codes` only the number of rows counts. A batch holds
    labels_per_batch * samples_per_label / 2 distinct samples, or all where there are fewer.
    """

    def draw(self):
        """Draw the rows of one batch, each of them twice; a row's label is its number."""
        n_pairs = min(self.labels_per_batch * self.samples_per_label // 2, len(self))
        rows = np.repeat(self.rng.choice(len(self), n_pairs, replace=False), 2)
        return rows, rows


class TwoViewBatches(LabelBatches):
    """Batches of P x K samples with labels, each of which is there twice, one after the other.

    Parameters are those of :class:`LabelBatches`.
    """

    def draw(self):
        """Draw the rows of one batch, each of them twice, and their labels."""
        rows, labels = super().draw()
        return rows.repeat(2), labels.repeat(2)
