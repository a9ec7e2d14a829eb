"""The loss of a batch, and the numbers that tell a good embedding from a collapsed one."""

import copy
import functools
import math

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from archetypal_triplet.triplets._mining import mine_triplets

# the instance term divides cosines by it: below, only the nearest samples count
TEMPERATURE = 0.2


class _TripletLosses(torch.autograd.Function):
    """Losses of triplets and their mean; the way back goes through the chosen rows only.

    No `anchor_idx` means that every row is an anchor, in order.
    """

    @staticmethod
    def forward(ctx, rows, anchor_idx, positive_idx, negative_idx, margin):
        ends_idx = torch.cat((positive_idx, negative_idx))
        anchors = rows if anchor_idx is None else rows.index_select(0, anchor_idx)
        # (2, n_triplets, embedding_dim): to the positives, to the negatives
        steps = rows.index_select(0, ends_idx).view(2, *anchors.shape).sub_(anchors)
        # the derivative of a length at 0 is undefined: a floor far below float32 noise keeps it finite
        lengths = torch.linalg.vector_norm(steps, dim=2).clamp_min_(1e-6)
        losses = lengths[0] - lengths[1]
        losses = functional.softplus(losses) if margin == "soft" else losses.add_(margin).clamp_min_(0)
        ctx.save_for_backward(anchor_idx, ends_idx, steps, lengths, losses)
        ctx.margin, ctx.shape = margin, rows.shape
        ctx.set_materialize_grads(False)
        return losses, losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, by_loss, by_mean):
        anchor_idx, ends_idx, steps, lengths, losses = ctx.saved_tensors
        slopes = 0 if by_loss is None else by_loss
        if by_mean is not None:
            slopes = slopes + by_mean / len(losses)
        # 1 - exp(-softplus(x)) is the derivative of softplus at x
        slopes = slopes * (losses.neg().expm1().neg() if ctx.margin == "soft" else losses.sign())
        pulls = steps * (torch.stack((slopes, -slopes)) / lengths)[:, :, None]
        out = steps.new_zeros(ctx.shape).index_add_(0, ends_idx, pulls.flatten(0, 1))
        if anchor_idx is None:
            out.sub_(pulls[0]).sub_(pulls[1])
        else:
            out.index_add_(0, anchor_idx, pulls[0] + pulls[1], alpha=-1)
        return out, None, None, None, None


def compute_triplet_losses(embedding, anchor_idx, positive_idx, negative_idx, margin):
    """Loss of every triplet: ``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, or a soft one.

    Parameters
    ----------
    embedding : Tensor of shape (b, embedding_dim)
        Embedding of a batch; gradients flow through the chosen rows only.
    anchor_idx, positive_idx, negative_idx : Tensor of shape (n_triplets,)
        Rows of the batch.
    margin : float or "soft"
        By how much the negative should be farther away than the positive, in Euclidean distance. "soft" is
        ``log(1 + exp(d(anchor, positive) - d(anchor, negative)))``, which never ends to pull (Hermans et al.
        2017, section 2).

    Returns
    -------
    Tensor of shape (n_triplets,), float32
        The losses.
    """
    return _TripletLosses.apply(embedding.float(), anchor_idx, positive_idx, negative_idx, margin)[0]


def compute_keep_loss(embedding, inputs):
    """Mean squared difference between the cosines of embedding and input over the pairs of a batch.

    Parameters
    ----------
    embedding : Tensor of shape (b, embedding_dim)
        Embedding of a batch.
    inputs : Tensor of shape (b, ...)
        The standardized inputs of the same rows, without noise.

    Returns
    -------
    Tensor, scalar, float32
        Mean over the b (b - 1) ordered pairs.
    """
    rows = functional.normalize(embedding.float(), dim=1)
    inputs = functional.normalize(inputs.float().flatten(1), dim=1)
    difference = rows @ rows.T - inputs @ inputs.T
    b = difference.shape[0]
    return (difference.square().sum() - difference.diagonal().square().sum()) / max(1, b * (b - 1))


def compute_instance_loss(embedding, temperature=TEMPERATURE):
    """How well each view's twin is told from the other views of a batch.

    For the view z_i with the twin z_j and s the temperature::

        loss = mean over i of -log(exp(z_i z_j / s) / sum over k other than i of exp(z_i z_k / s))

    Labels do not count: samples of one label are told apart too, so what differs among them is kept.

    Parameters
    ----------
    embedding : Tensor of shape (2 n, embedding_dim)
        Unit vectors; rows 2 i and 2 i + 1 are the two views of one sample, and every sample is there once.
    temperature : float
        What cosines are divided by.

    Returns
    -------
    Tensor, scalar, float32
        The loss: log(2 n - 1) where nothing is told apart.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi, G. Hinton. A simple framework for contrastive learning of visual
    representations. ICML 2020, section 2.1.
    """
    rows = embedding.float()
    cosines = (rows @ rows.T / temperature).fill_diagonal_(-torch.inf)
    twins = torch.arange(len(rows), device=rows.device).bitwise_xor(1)
    return functional.cross_entropy(cosines, twins)


class TripletCriterion(nn.Module):
    """Mining, triplet loss, keep term and instance term as one torch module.

    Parameters
    ----------
    mining : {"semihard", "batch_hard", "easy_positive", "random"}
        Rule by which triplets are chosen.
    margin : float or "soft"
        Margin of the triplet loss, see :func:`compute_triplet_losses`.
    keep_weight : float
        Weight of :func:`compute_keep_loss`.
    criterion : callable or None
        Any ``(embedding, labels) -> scalar`` in the triplet loss's place: a class or `functools.partial` is
        called without arguments to make one; a torch module is copied, so that its weights, if it has any,
        are trained without changing the caller's object.
    instance_weight : float
        Weight of :func:`compute_instance_loss`.
    """

    def __init__(self, mining="semihard", margin=0.2, keep_weight=0.0, criterion=None, instance_weight=0.0):
        super().__init__()
        self.mining = mining
        self.margin = margin
        self.keep_weight = keep_weight
        self.instance_weight = instance_weight
        self.criterion = build_criterion(criterion)

    def forward(self, embedding, labels, inputs=None, groups=None, generator=None):
        """Return (total loss, its part from labels, share of triplets with a loss above 0)."""
        if self.criterion is not None:
            main = self.criterion(embedding.float(), labels)
            _check_scalar(main)
            active = embedding.new_tensor(float("nan"))
        else:
            main, active = self._compute_loss(embedding, labels, groups, generator)
        total = main
        if self.keep_weight:
            total = main + self.keep_weight * compute_keep_loss(embedding, inputs)
        if self.instance_weight:
            total = total + self.instance_weight * compute_instance_loss(embedding)
        return total, main.detach(), active

    def _compute_loss(self, embedding, labels, groups, generator):
        """Mean loss of the mined triplets, and the share of active ones."""
        anchor_idx, positive_idx, negative_idx = mine_triplets(
            embedding.detach(), labels, mining=self.mining, groups=groups, generator=generator
        )
        if not len(anchor_idx):
            # keeps the graph, so that backward works and yields zeros
            return embedding.float().sum() * 0, embedding.new_tensor(float("nan"))
        if len(anchor_idx) == len(embedding):
            anchor_idx = None
        losses, main = _TripletLosses.apply(
            embedding.float(), anchor_idx, positive_idx, negative_idx, self.margin
        )
        losses = losses.detach()
        # the soft loss is above 0 always: active are triplets in the wrong order
        active = (losses > math.log(2)).float() if self.margin == "soft" else losses.sign()
        return main, active.mean()


def build_criterion(criterion):
    """Make the loss that the parameter `criterion` asks for.

    Parameters
    ----------
    criterion : class, functools.partial, callable, torch module or None
        See :class:`TripletCriterion`.

    Returns
    -------
    callable or None
        ``(embedding, labels) -> scalar``.

    Raises
    ------
    ValueError
        If a class makes something that cannot be called.
    """
    if criterion is None:
        return None
    if isinstance(criterion, (type, functools.partial)):
        made = criterion()
        if not callable(made):
            raise ValueError(
                f"criterion={criterion!r} made a {type(made).__name__}, which cannot be called; it must make "
                "a callable (embeddings, labels) -> scalar tensor."
            )
        return made
    return copy.deepcopy(criterion) if isinstance(criterion, nn.Module) else criterion


def _check_scalar(loss):
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        raise ValueError(
            f"criterion returned {got}; it must return a tensor of one number for "
            "(embeddings, labels): take the mean of the losses."
        )


@torch.no_grad()
def compute_spread(embedding):
    """Root mean square distance of the rows to their mean; 1 at most for unit vectors, 0 for one point.

    Parameters
    ----------
    embedding : Tensor of shape (n, embedding_dim)
        Embedding.

    Returns
    -------
    float
        The spread.
    """
    # not every device knows float64
    rows = embedding.detach().cpu().double()
    return float((rows - rows.mean(dim=0)).square().sum(dim=1).mean().sqrt())


@torch.no_grad()
def compute_effective_rank(embedding):
    """Exponential of the entropy of the covariance's eigenvalues: how many dimensions are really used.

    Parameters
    ----------
    embedding : Tensor of shape (n, embedding_dim)
        Embedding.

    Returns
    -------
    float
        Between 1 and embedding_dim; 0 where all rows are equal.

    References
    ----------
    O. Roy, M. Vetterli. The effective rank: a measure of effective dimensionality. EUSIPCO 2007, section 2
    (there on the singular values, here on the eigenvalues).
    """
    rows = embedding.detach().cpu().double()
    rows = rows - rows.mean(dim=0)
    values = torch.linalg.eigvalsh(rows.T @ rows).clamp_min(0)
    total = values.sum()
    if total <= 1e-12:
        return 0.0
    shares = values / total
    shares = shares[shares > 0]
    return float(torch.exp(-(shares * shares.log()).sum()))
