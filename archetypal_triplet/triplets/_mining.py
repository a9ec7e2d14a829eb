"""Which triplets of a batch to learn from. Every function takes arrays of one batch and returns indices.

Shapes: `distances` (b, b) float32, `same` (b, b) bool, true for pairs that may be anchor and positive (never
the diagonal), `other` (b, b) bool, true for pairs with different labels. Memory is that of a few (b, b)
arrays; nothing here is cubic.
"""

import torch

# numbers of a block of distances that stays in the cache
_BLOCK = 2**18


def compute_distances(embedding):
    """Euclidean distances between the rows of `embedding`, in float32.

    Parameters
    ----------
    embedding : Tensor of shape (b, embedding_dim)
        Rows, of any length.

    Returns
    -------
    Tensor of shape (b, b), float32
        ``sqrt(max(0, |x|^2 + |y|^2 - 2 x y))``, the diagonal exactly 0.
    """
    rows = embedding.float()
    gram = rows @ rows.T
    lengths = gram.diagonal()
    squared = lengths[:, None] + lengths[None, :] - 2 * gram
    return squared.clamp_min_(0).fill_diagonal_(0).sqrt_()


def compute_pairs(labels, groups=None):
    """Masks of the pairs that may become anchor and positive, or anchor and negative.

    Parameters
    ----------
    labels : Tensor of shape (b,)
        Integer labels.
    groups : Tensor of shape (b,) or None
        Where an anchor has a positive in another group, only such positives stay.

    Returns
    -------
    same, other : Tensor of shape (b, b), bool
        The two masks.
    """
    equal = labels[:, None] == labels[None, :]
    other = ~equal
    same = equal.fill_diagonal_(False)
    if groups is not None:
        across = same & (groups[:, None] != groups[None, :])
        same = torch.where(across.any(dim=1, keepdim=True), across, same)
    return same, other


def _pick_random(mask, generator):
    draws = torch.rand(mask.shape, generator=generator, device=mask.device)
    return torch.where(mask, draws, -1.0).argmax(dim=1)


def _pick_semihard(distances, other, to_positive):
    beyond = torch.where(other & (distances > to_positive[:, None]), distances, torch.inf)
    nearest = beyond.min(dim=1)
    farthest = torch.where(other, distances, -1.0).argmax(dim=1)
    return torch.where(torch.isinf(nearest.values), farthest, nearest.indices)


def _of(distances, columns):
    return distances.gather(1, columns[:, None])[:, 0]


def mine_semihard(distances, same, other, generator=None):
    """One random positive per anchor, and the nearest negative farther away than it.

    Where no negative is farther than the positive, the farthest one is taken (Schroff et al. 2015, section
    3.2, with one positive per anchor).

    Parameters
    ----------
    distances : Tensor of shape (b, b)
        Distances.
    same, other : Tensor of shape (b, b), bool
        Masks.
    generator : torch.Generator or None
        Draws the positives.

    Returns
    -------
    positive, negative : Tensor of shape (b,)
        Indices.
    """
    positive = _pick_random(same, generator)
    return positive, _pick_semihard(distances, other, _of(distances, positive))


def mine_batch_hard(distances, same, other, generator=None):
    """The farthest positive and the nearest negative of every anchor (Hermans et al. 2017, section 2).

    Parameters
    ----------
    distances : Tensor of shape (b, b)
        Distances.
    same, other : Tensor of shape (b, b), bool
        Masks.
    generator : torch.Generator or None
        Not used.

    Returns
    -------
    positive, negative : Tensor of shape (b,)
        Indices.
    """
    positive = torch.where(same, distances, -1.0).argmax(dim=1)
    return positive, torch.where(other, distances, torch.inf).argmin(dim=1)


def mine_easy_positive(distances, same, other, generator=None):
    """The nearest positive, and the nearest negative farther away than it (Xuan et al. 2020, section 3).

    Parameters
    ----------
    distances : Tensor of shape (b, b)
        Distances.
    same, other : Tensor of shape (b, b), bool
        Masks.
    generator : torch.Generator or None
        Not used.

    Returns
    -------
    positive, negative : Tensor of shape (b,)
        Indices.
    """
    positive = torch.where(same, distances, torch.inf).argmin(dim=1)
    return positive, _pick_semihard(distances, other, _of(distances, positive))


def mine_random(distances, same, other, generator=None):
    """A random positive and a random negative of every anchor.

    Parameters
    ----------
    distances : Tensor of shape (b, b)
        Not used.
    same, other : Tensor of shape (b, b), bool
        Masks.
    generator : torch.Generator or None
        Draws both.

    Returns
    -------
    positive, negative : Tensor of shape (b,)
        Indices.
    """
    return _pick_random(same, generator), _pick_random(other, generator)


def mine_hardest(embedding, labels):
    """What :func:`mine_batch_hard` finds without groups, straight from the rows and several times faster.

    For one anchor the order of distances is that of ``|y|^2 - 2 x y``, which a product of matrices gives in
    one pass; on the CPU it is made in parts that stay in the cache.

    Parameters
    ----------
    embedding : Tensor of shape (b, embedding_dim), float32
        Rows.
    labels : Tensor of shape (b,)
        Integer labels.

    Returns
    -------
    anchor, positive, negative : Tensor of shape (n_triplets,)
        Indices.
    """
    b = len(embedding)
    size = b if embedding.is_cuda else max(1, _BLOCK // max(1, b))
    lengths = embedding.square().sum(dim=1)
    found = []
    for start in range(0, b, size):
        rows = slice(start, start + size)
        order = torch.addmm(lengths, embedding[rows], embedding.T, alpha=-2)
        other = labels[rows, None] != labels
        among_same = order.masked_fill(other, -torch.inf)
        among_same.diagonal(start).fill_(-torch.inf)
        among_other = order.masked_fill_(other.logical_not_(), torch.inf)
        found.append((*among_same.max(dim=1), *among_other.min(dim=1)))
    farthest, positive, nearest, negative = (torch.cat(parts) for parts in zip(*found, strict=True))
    anchor = ((farthest > -torch.inf) & (nearest < torch.inf)).nonzero()[:, 0]
    return anchor, positive[anchor], negative[anchor]


MINERS = {
    "batch_hard": mine_batch_hard,
    "easy_positive": mine_easy_positive,
    "random": mine_random,
    "semihard": mine_semihard,
}


@torch.no_grad()
def mine_triplets(embedding, labels, *, mining="semihard", groups=None, generator=None):
    """One triplet per anchor that has a positive and a negative in the batch.

    Parameters
    ----------
    embedding : Tensor of shape (b, embedding_dim)
        Embedding of the batch.
    labels : Tensor of shape (b,)
        Integer labels.
    mining : {"semihard", "batch_hard", "easy_positive", "random"}
        The rule.
    groups : Tensor of shape (b,) or None
        Positives of another group are preferred.
    generator : torch.Generator or None
        For the random choices.

    Returns
    -------
    anchor_idx, positive_idx, negative_idx : Tensor of shape (n_triplets,)
        Rows of the batch.
    """
    if mining == "batch_hard" and groups is None:
        return mine_hardest(embedding.float(), labels)
    same, other = compute_pairs(labels, groups)
    positive, negative = MINERS[mining](compute_distances(embedding), same, other, generator)
    anchor = (same.any(dim=1) & other.any(dim=1)).nonzero()[:, 0]
    return anchor, positive[anchor], negative[anchor]
