"""From fitted weights to embeddings, and triplets held fixed to judge them by."""

import numpy as np
import torch

from archetypal_triplet.triplets._batches import read_ahead
from archetypal_triplet.triplets._images import ImageInputs, ImageRows
from archetypal_triplet.triplets._inputs import standardize
from archetypal_triplet.triplets._progress import Progress

# every forward pass has exactly so many rows, the last one padded: matrix products round differently for
# different numbers of rows, and a sample's embedding shall not depend on its company
_TABLE_BLOCK = 256
_ARRAY_BLOCK = 16
# of images so many pixels, by kind of device: a CPU's cache is small, a GPU wants much at a time
_BLOCK_PIXELS = {"cpu": 2**17, "cuda": 2**21}
_LARGEST_BLOCK = 512

# few enough to be quick, enough for a standard error of half a percent
N_TRIPLETS = 10_000


@torch.inference_mode()
def compute_embedding(module, X, mean, inverse_scale, device, *, window=None, verbose=0):
    """Embed rows in blocks of a fixed size, in evaluation mode and float32.

    Parameters
    ----------
    module : torch.nn.Module
        The encoder, on `device`.
    X : ndarray of shape (n_samples, ...) or ImageRows
        Inputs before standardization.
    mean, inverse_scale : ndarray
        From :func:`~archetypal_triplet.triplets._inputs.compute_scaling`.
    device : torch.device or str
        Where to compute.
    window : tuple of two ints or None
        Of images only the middle, of this height and width.
    verbose : int
        Above 1 a bar shows how many images are done.

    Returns
    -------
    ndarray of shape (n_samples, embedding_dim), float32
        Unit vectors. Memory beyond the result is that of one block (two of images).
    """
    kind = torch.device(device).type
    if torch.is_autocast_enabled(kind):  # by the caller
        with torch.autocast(kind, enabled=False):
            return compute_embedding(module, X, mean, inverse_scale, device, window=window, verbose=verbose)
    module.eval()
    if isinstance(X, ImageRows):
        inputs = ImageInputs(X, mean, inverse_scale, window=window, device=torch.device(device))
        return _embed_images(module, inputs, verbose)
    size = _TABLE_BLOCK if X.ndim == 2 else _ARRAY_BLOCK
    block = np.zeros((size, *X.shape[1:]), dtype=np.float32)
    out = []
    for i in range(0, X.shape[0], size):
        rows = standardize(X[i : i + size], mean, inverse_scale)
        block[: len(rows)] = rows
        block[len(rows) :] = 0
        out.append(module(torch.from_numpy(block).to(device)).cpu().numpy()[: len(rows)].copy())
    return np.concatenate(out)


def _embed_images(module, inputs, verbose):
    n, _, height, width = inputs.shape
    device = inputs.device
    n_pixels = _BLOCK_PIXELS.get(device.type, _BLOCK_PIXELS["cuda"])
    size = min(max(1, n_pixels // (height * width)), _LARGEST_BLOCK)
    blocks = (inputs.read(np.arange(i, min(i + size, n))) for i in range(0, n, size))
    out = []
    with Progress(n, verbose=verbose, what="embedding", unit="image") as progress:
        for images in read_ahead(blocks) if inputs.reads_ahead else blocks:
            padded = images
            if len(images) < size:
                padded = images.new_zeros((size, *images.shape[1:]))
                padded[: len(images)] = images
            embedding = _embed_block(module, inputs.finish(padded.to(device)), len(out) == 0)
            out.append(embedding[: len(images)].cpu().numpy())
            progress.advance(len(images))
    return np.concatenate(out)


def _embed_block(module, images, is_first):
    try:
        return module(images)
    except RuntimeError as error:
        # images need not have the size of those trained on; not every module can take others
        if not is_first or "memory" in str(error):
            raise
        raise ValueError(
            f"the network cannot take images of {images.shape[2]} x {images.shape[3]} pixels: "
            f"{str(error).splitlines()[0]} Bring images to the size of those in fit, or use a module that "
            "takes any size."
        ) from error


def draw_triplets(codes, n_triplets, rng):
    """Draw anchors, positives and negatives from all samples, without any n x n array.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_labelings)
        Labels 0..n_labels-1 in each column, -1 for none.
    n_triplets : int
        How many in all; the labelings take equal shares.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    ndarray of shape (3, n_drawn)
        Rows of anchors, positives (another row with the anchor's label) and negatives (another label).
        Empty where no labeling has two labels, one of them with two samples.
    """
    drawn = []
    for column in codes.T:
        order = np.argsort(column, kind="stable")[int((column < 0).sum()) :]
        labels = column[order]
        counts = np.bincount(labels, minlength=1)
        ends = np.cumsum(counts)
        starts = ends - counts
        usable = np.flatnonzero((counts[labels] > 1) & (counts[labels] < len(order)))
        if usable.size == 0:
            continue
        anchor = usable[rng.integers(len(usable), size=-(-n_triplets // codes.shape[1]))]
        label = labels[anchor]
        positive = starts[label] + rng.integers(counts[label] - 1)
        positive += positive >= anchor
        negative = rng.integers(len(order) - counts[label])
        negative += np.where(negative >= starts[label], counts[label], 0)
        drawn.append(order[np.stack([anchor, positive, negative])])
    return np.concatenate(drawn, axis=1) if drawn else np.empty((3, 0), dtype=np.int64)


def compute_triplet_accuracy(embedding, triplets, sample_weight=None):
    """Share of the triplets whose positive is nearer to the anchor than the negative.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, embedding_dim)
        Embedding.
    triplets : ndarray of shape (3, n_triplets)
        Rows.
    sample_weight : ndarray of shape (n_samples,), default=None
        A triplet counts as much as its anchor.

    Returns
    -------
    float
        Between 0 and 1; ties count half.
    """
    anchor, positive, negative = (embedding[rows].astype(np.float64) for rows in triplets)
    to_positive = np.square(anchor - positive).sum(axis=1)
    to_negative = np.square(anchor - negative).sum(axis=1)
    is_right = np.where(to_positive == to_negative, 0.5, to_positive < to_negative)
    return float(np.average(is_right, weights=None if sample_weight is None else sample_weight[triplets[0]]))
