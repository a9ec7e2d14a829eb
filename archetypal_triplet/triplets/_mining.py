"""Which triplets of a batch to learn from.

Rows with the anchor's label, its mates, are few in a batch of P labels: they are looked up in a table, or lie
beside each other, and only the search for a negative passes over all pairs. Memory is that of a few (b, b)
arrays, on the CPU less; nothing here is cubic.
"""

import functools
from typing import NamedTuple

import numpy as np
import torch

# numbers of a block of pairs that stays in the cache
_BLOCK = 2**18

MINERS = ("batch_hard", "easy_positive", "random", "semihard")
# the rules whose negative does not depend on the positive
_APART = ("batch_hard", "random")


class Mates(NamedTuple):
    """Which rows share a label.

    Row i shares its label with the rows ``table[list_of[i]]``, itself among them, in ascending order; -1
    stands for nothing. `is_mixed` is true where there is more than one label.
    """

    table: torch.Tensor
    list_of: torch.Tensor
    is_mixed: bool | torch.Tensor


def find_mates(labels):
    """Tabulate the rows of every label.

    Parameters
    ----------
    labels : Tensor of shape (b,)
        Integer labels.

    Returns
    -------
    Mates
        On the CPU one list per label, as long as the largest label; elsewhere one list of length b per row,
        because the host would have to wait for the sizes.
    """
    if labels.device.type != "cpu":
        return find_mates_by_pair(labels)
    values = labels.numpy()
    order = values.argsort(kind="stable")
    ordered = values[order]
    changes = (ordered[1:] != ordered[:-1]).nonzero()[0] + 1
    counts = np.concatenate((changes, [len(values)])) - np.concatenate(([0], changes))
    table = np.full((len(counts), counts.max()), -1, dtype=order.dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = order
    list_of = np.empty_like(order)
    list_of[order] = np.arange(len(counts)).repeat(counts)
    return Mates(torch.from_numpy(table), torch.from_numpy(list_of), len(counts) > 1)


def find_mates_by_pair(labels):
    """What :func:`find_mates` returns on a device.

    Parameters
    ----------
    labels : Tensor of shape (b,)
        Integer labels.

    Returns
    -------
    Mates
        One list per row.
    """
    rows = torch.arange(len(labels), device=labels.device)
    table = torch.where(labels[:, None] == labels, rows, -1)
    return Mates(table, rows, (labels != labels[0]).any())


def find_positives(mates, anchors, groups=None):
    """Candidates for the positives of some anchors.

    Parameters
    ----------
    mates : Mates
        From :func:`find_mates`.
    anchors : Tensor of shape (m,)
        Rows of the batch.
    groups : Tensor of shape (b,) or None
        Where an anchor has a positive in another group, only such positives stay.

    Returns
    -------
    rows : Tensor of shape (m, k)
        The mates of every anchor; where there are fewer than k, the anchor again.
    allowed : Tensor of shape (m, k), bool
        Which of them may be its positive.
    """
    own = anchors[:, None]
    rows = mates.table.index_select(0, mates.list_of.index_select(0, anchors))
    rows = torch.where(rows < 0, own, rows)
    allowed = rows != own
    if groups is not None:
        across = allowed & (groups[rows] != groups[own])
        allowed = torch.where(across.any(dim=1, keepdim=True), across, allowed)
    return rows, allowed


def find_run_length(labels):
    """Number k of rows of every label, where each label's rows lie beside each other and are as many.

    Parameters
    ----------
    labels : Tensor of shape (b,)
        Integer labels.

    Returns
    -------
    int or None
        At least 2, and less than b. None for labels in any other order, and for those that are not on the
        CPU, for which the host would have to wait.
    """
    if labels.device.type != "cpu":
        return None
    values = labels.numpy()
    k = int((values != values[0]).argmax())
    if k < 2 or len(values) % k:
        return None
    runs = values.reshape(-1, k)
    firsts = runs[:, 0]
    if len(set(firsts.tolist())) < len(firsts) or (firsts != runs.T).any():
        return None
    return k


def _argmin(values):
    # torch's own on the CPU looks at one number at a time: three to ten times slower
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy().argmin(axis=-1))
    return values.argmin(dim=-1)


def _argmax(values):
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy().argmax(axis=-1))
    return values.argmax(dim=-1)


def _wish(to_mates, mining, generator):
    """Numbers of which the largest belongs to the positive."""
    if mining == "semihard":
        return torch.rand(to_mates.shape, generator=generator, device=to_mates.device)
    return to_mates.neg() if mining == "easy_positive" else to_mates


def _pick_negative(order, exclude, to_positive):
    """The first in `order`, or the first beyond the positive and else the last; never a mate."""
    if to_positive is None:
        exclude(torch.inf)
        return _argmin(order)
    exclude(-torch.inf)
    last = _argmax(order)
    order.masked_fill_(order <= to_positive, torch.inf)
    first = _argmin(order)
    found = order.gather(1, first[:, None])[:, 0] < torch.inf
    return torch.where(found, first, last)


def _mine_listed(order, anchors, mates, groups, mining, generator):
    """Triplets of anchors whose mates are anywhere; `order` is overwritten."""
    rows, allowed = find_positives(mates, anchors, groups)
    to_rows = order.gather(1, rows)
    wish = torch.where(allowed, _wish(to_rows, mining, generator), -torch.inf)
    column = _argmax(wish)[:, None]
    to_positive = None if mining in _APART else to_rows.gather(1, column)
    negative = _pick_negative(order, functools.partial(order.scatter_, 1, rows), to_positive)
    usable = (allowed.any(dim=1) & mates.is_mixed).nonzero()[:, 0]
    return tuple(found.index_select(0, usable) for found in (anchors, rows.gather(1, column)[:, 0], negative))


def _mine_runs(order, start, anchors, k, mining, generator):
    """What `_mine_listed` finds where every label has k rows in one run, for the whole runs from `start`."""
    m, b = order.shape
    # (m / k, k, k): from the rows of a run to themselves
    to_run = order.as_strided((m // k, k, k), ((b + 1) * k, b, 1), start)
    wish = _wish(to_run, mining, generator)
    wish.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    column = _argmax(wish)
    to_positive = None if mining in _APART else to_run.gather(2, column[:, :, None]).view(m, 1)
    negative = _pick_negative(order, to_run.fill_, to_positive)
    positive = column.add_(anchors[::k, None]).view(m)
    return anchors, positive, negative


@torch.no_grad()
def mine_triplets(embedding, labels, *, mining="semihard", groups=None, generator=None):
    """One triplet per anchor that has a positive and a negative in the batch.

    For one anchor x the order of Euclidean distances is that of ``|y|^2 - 2 x y``, which a product of
    matrices gives for all pairs; on the CPU it is made in parts that stay in the cache. Time is
    O(b^2 embedding_dim).

    Parameters
    ----------
    embedding : Tensor of shape (b, embedding_dim)
        Embedding of the batch; it is compared in float32.
    labels : Tensor of shape (b,)
        Integer labels.
    mining : {"semihard", "batch_hard", "easy_positive", "random"}
        The rule. "semihard": a random positive, and the nearest negative farther away than it; where no
        negative is farther, the farthest one (Schroff et al. 2015, section 3.2, with one positive per
        anchor). "batch_hard": the farthest positive and the nearest negative (Hermans et al. 2017, section
        2). "easy_positive": the nearest positive, and the negative as in "semihard" (Xuan et al. 2020,
        section 3). "random": both at random.
    groups : Tensor of shape (b,) or None
        Positives of another group are preferred.
    generator : torch.Generator or None
        For the random choices.

    Returns
    -------
    anchor_idx, positive_idx, negative_idx : Tensor of shape (n_triplets,)
        Rows of the batch; the anchors ascend.
    """
    # far from the origin |y|^2 would drown the differences; where rows lie does not change their distances
    embedding = embedding.float()
    embedding = embedding - embedding.mean(dim=0)
    b, device = len(embedding), embedding.device
    lengths = torch.linalg.vecdot(embedding, embedding)
    k = None if groups is not None else find_run_length(labels)
    mates = find_mates(labels) if k is None else None
    size = max(1, _BLOCK // b) if device.type == "cpu" else b
    if k is not None:
        size = max(1, size // k) * k
    rows = torch.arange(b, device=device)
    found = []
    for start in range(0, b, size):
        anchors = rows[start : start + size]
        if mining == "random":
            # the extremes of random numbers are random choices
            order = torch.rand((len(anchors), b), generator=generator, device=device)
        else:
            order = torch.addmm(lengths, embedding[start : start + size], embedding.T, alpha=-2)
        if k is None:
            found.append(_mine_listed(order, anchors, mates, groups, mining, generator))
        else:
            found.append(_mine_runs(order, start, anchors, k, mining, generator))
    return found[0] if len(found) == 1 else tuple(torch.cat(part) for part in zip(*found, strict=True))
