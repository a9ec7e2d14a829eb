"""The instance term: two views of a sample ought to be nearer to each other than to any other sample."""

import torch
from torch.nn import functional

from archetypal_triplet.triplets._batches import LabelBatches
from archetypal_triplet.triplets._losses import TripletCriterion

# cosines are divided by it: below, only the nearest samples count
TEMPERATURE = 0.2


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


class TwoViewCriterion(TripletCriterion):
    """The loss of labels and, with a weight, that of instances.

    Parameters
    ----------
    instance_weight : float
        Weight of :func:`compute_instance_loss`.
    **others
        Of :class:`~archetypal_triplet.triplets._losses.TripletCriterion`.
    """

    def __init__(self, instance_weight, **others):
        super().__init__(**others)
        self.instance_weight = instance_weight

    def forward(self, embedding, labels, inputs=None, groups=None, generator=None):
        """Return (total loss, its part from labels, share of triplets with a loss above 0)."""
        total, main, active = super().forward(embedding, labels, inputs, groups, generator)
        return total + self.instance_weight * compute_instance_loss(embedding), main, active


class TwoViewBatches(LabelBatches):
    """Batches of P x K samples with labels, each of which is there twice, one after the other.

    Parameters are those of :class:`~archetypal_triplet.triplets._batches.LabelBatches`.
    """

    def draw(self):
        """Draw the rows of one batch, each of them twice, and their labels."""
        rows, labels = super().draw()
        return rows.repeat(2), labels.repeat(2)
