"""Looking at an embedding: samples held out to stop training early, and the judgement at the end."""

import math
import warnings

import numpy as np
import torch

from archetypal_triplet._utils._exceptions import CollapseWarning
from archetypal_triplet._utils._spread import COLLAPSED_SPREAD
from archetypal_triplet.triplets._images import ImageRows
from archetypal_triplet.triplets._inference import (
    N_TRIPLETS,
    compute_embedding,
    compute_triplet_accuracy,
    draw_triplets,
)
from archetypal_triplet.triplets._losses import compute_spread

# images looked at every round, and for the spread, at most
_N_IMAGES = 256
# rows of a table from which the spread is computed at most
_N_ROWS = 4096


def pick(features, rows):
    """The rows of an array or, not copied, of images."""
    return features.subset(rows) if isinstance(features, ImageRows) else features[rows]


def hold_out(embedder, features, codes, scaling, device, seed, *, window=None):
    """Set samples aside for early stopping.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its `validation_fraction`.
    features : ndarray of shape (n_samples, ...) or ImageRows
        Inputs before standardization.
    codes : ndarray of shape (n_samples, n_labelings)
        Labels.
    scaling : tuple of two ndarrays
        Column means and reciprocal standard deviations.
    device : torch.device
        Where the module is.
    seed : int
        Draws samples and triplets.
    window : tuple of two ints or None
        Of images only the middle is embedded.

    Returns
    -------
    train : ndarray or None
        Rows left for training; None for all of them.
    validation : callable or None
        ``validation(module) -> float``, the share of fixed held-out triplets in the right order.

    Raises
    ------
    ValueError
        If there is no triplet among the samples set aside.
    """
    if not embedder.validation_fraction:
        return None, None
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(features))
    n_held = round(embedder.validation_fraction * len(features))
    held, train = np.sort(shuffled[:n_held]), np.sort(shuffled[n_held:])
    looked_at = held
    if isinstance(features, ImageRows) and n_held > _N_IMAGES:
        looked_at = np.sort(shuffled[:_N_IMAGES])
    triplets = draw_triplets(codes[looked_at], N_TRIPLETS, rng)
    if triplets.shape[1] == 0:
        raise ValueError(
            f"validation_fraction={embedder.validation_fraction} holds out {n_held} of {len(features)} "
            "samples, among which there is no triplet: it takes two samples of one label and one of another. "
            "Hold out more, or set validation_fraction=0."
        )
    rows = pick(features, looked_at)

    def validation(module):
        embedding = compute_embedding(module, rows, *scaling, device, window=window)
        return compute_triplet_accuracy(embedding, triplets)

    return train, validation


def measure_spread(embedder, features, window):
    """Spread of the training samples' embedding, with a warning where it has collapsed.

    Parameters
    ----------
    embedder : TripletEmbedder
        Trained.
    features : ndarray of shape (n_samples, ...) or ImageRows
        The training samples; some of them are looked at.
    window : tuple of two ints or None
        Of images only the middle is embedded.

    Returns
    -------
    float
        The spread.

    Raises
    ------
    ValueError
        If the embedding holds NaN or infinities.

    Warns
    -----
    CollapseWarning
        If it is below 0.2 and the loss within 5 % of that of a single point.
    """
    n_rows = _N_IMAGES if isinstance(features, ImageRows) else _N_ROWS
    step = -(-len(features) // n_rows)
    looked_at = pick(features, np.arange(0, len(features), step))
    spread = compute_spread(torch.from_numpy(embedder._embed(looked_at, window=window)))
    if not math.isfinite(spread):
        raise ValueError(
            "The trained network's embedding holds NaN or infinities, and its loss did not: look for what "
            f"module={embedder.module!r} does otherwise in evaluation mode than in training."
        )
    # no step, no loss: a callback may stop before the first
    loss = embedder.history_[-1]["loss"] if embedder.history_ else math.nan
    at_a_point = math.log(2) if embedder.margin == "soft" else embedder.margin
    is_at_a_point = embedder.criterion is not None or abs(loss - at_a_point) <= 0.05 * at_a_point
    if spread < COLLAPSED_SPREAD and is_at_a_point:
        warnings.warn(
            f"The embedding has collapsed: its spread is {spread:.3f} (1 at most, collapsed below "
            f"{COLLAPSED_SPREAD}) and the loss is {loss:.3f} (margin {embedder.margin}). Use "
            "mining='semihard', more labelings or more samples per label, a lower lr, or look whether the "
            "labels can be told from the input at all.",
            CollapseWarning,
            stacklevel=5,
        )
    return spread
