"""Arrays in, arrays out: plate centers, principal axes, regularized whitening, soft length."""

import numpy as np
from scipy import linalg

from archetypal_triplet._utils._groups import group_means

# a feature whose spread is below this share of its largest value is a constant seen through rounding
CONSTANT_RTOL = 1e-8
RIDGE_REPLICATES = 0.1  # vehicle wells, or replicates of a treatment on several plates
_RIDGE_FEW = 2.0  # fields of a well
_RIDGE_MANY = 0.5  # cells of a well
_FEW = 10
_ROWS_PER_BLOCK = 4096


def row_blocks(n_samples):
    """Yield slices that cover `n_samples` rows in order."""
    for start in range(0, n_samples, _ROWS_PER_BLOCK):
        yield slice(start, min(start + _ROWS_PER_BLOCK, n_samples))


def pooled_sd(values, codes, means):
    """Return the standard deviation of rows about their group's mean, pooled over groups, (n_features,)."""
    total = np.zeros(values.shape[1])
    for rows in row_blocks(len(values)):
        total += np.square(values[rows] - means[codes[rows]]).sum(axis=0)
    return np.sqrt(total / (len(values) - len(np.unique(codes))))


def largest_magnitude(values):
    """Return the largest absolute value of each column without an array of the size of `values`."""
    return np.maximum(np.abs(values.max(axis=0)), np.abs(values.min(axis=0)))


def standardize(values, centers, codes, scale, clip):
    """Return (values - centers[codes]) / scale, clipped at +-clip (None: not clipped)."""
    z = values - centers[codes]
    z /= scale
    return z if clip is None else np.clip(z, -clip, clip, out=z)


def principal_axes(blocks, n_samples, n_features, n_components):
    """Find the principal axes of rows that come in blocks.

    Parameters
    ----------
    blocks : callable
        Returns an iterator of row blocks, (rows, n_features), which are overwritten; it is asked twice.
    n_samples, n_features, n_components : int
        Sizes; fewer axes come back where the rows span fewer dimensions.

    Returns
    -------
    mean : ndarray of shape (n_features,)
        Mean row.
    axes : ndarray of shape (n_axes, n_features)
        Axes by falling variance; the largest entry of each is positive.
    variance : ndarray of shape (n_axes,)
        Variance along each axis.
    total : float
        Sum of the variances of all axes.
    """
    n_wanted = min(n_components, n_samples, n_features)
    mean = sum(block.sum(axis=0) for block in blocks()) / n_samples
    if n_samples >= n_features:
        gram = np.zeros((n_features, n_features))
        for block in blocks():
            block -= mean
            gram += block.T @ block
        squares, vectors = linalg.eigh(gram, subset_by_index=[n_features - n_wanted, n_features - 1])
        squares, axes, total = squares[::-1], vectors[:, ::-1].T, np.trace(gram)
    else:
        _, singular, axes = linalg.svd(np.vstack(list(blocks())) - mean, full_matrices=False)
        squares = np.square(singular)
        total = squares.sum()
    spanned = squares[:n_wanted] > squares[0] * max(n_samples, n_features) * np.finfo(float).eps
    axes, squares = axes[:n_wanted][spanned], squares[:n_wanted][spanned]
    largest = np.argmax(np.abs(axes), axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    return mean, np.ascontiguousarray(axes), squares / n_samples, total / n_samples


def category_weights(blocks, categories):
    """Weights of features such that no category counts more than another (multiple factor analysis).

    Parameters
    ----------
    blocks : callable
        Returns an iterator of row blocks, (rows, n_features), which are overwritten; it is asked three times.
    categories : ndarray of str of shape (n_features,)
        Category of each feature.

    Returns
    -------
    ndarray of shape (n_features,)
        One divided by the standard deviation along the first principal axis of the feature's category.
    """
    n_samples = sum(len(block) for block in blocks())
    mean = sum(block.sum(axis=0) for block in blocks()) / n_samples
    members = [np.flatnonzero(categories == name) for name in np.unique(categories)]
    grams = [np.zeros((len(columns), len(columns))) for columns in members]
    for block in blocks():
        block -= mean
        for columns, gram in zip(members, grams, strict=True):
            gram += block[:, columns].T @ block[:, columns]
    weights = np.ones(len(categories))
    for columns, gram in zip(members, grams, strict=True):
        largest = linalg.eigvalsh(gram, subset_by_index=[len(gram) - 1, len(gram) - 1])[0]
        weights[columns] = np.sqrt(n_samples / largest) if largest > 0 else 1.0
    return weights


def deviations(scores, codes):
    """Return rows minus their group's mean, for groups of two rows or more, and the degrees of freedom.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_components)
        Rows.
    codes : ndarray of shape (n_samples,)
        Group of each row; -1 for none.

    Returns
    -------
    deviation : ndarray of shape (n_used, n_components)
        Deviations.
    n_free : int
        Rows used minus groups used.
    """
    counts = np.bincount(codes[codes >= 0])
    used = codes >= 0
    used[used] = counts[codes[used]] >= 2
    if not used.any():
        return scores[:0], 0
    _, codes = np.unique(codes[used], return_inverse=True)
    n_groups = codes.max() + 1
    scores = scores[used]
    return scores - group_means(scores, codes, n_groups)[codes], len(codes) - n_groups


def choose_ridge(codes, plates=None):
    """Choose the ridge of the whitening by what the groups are.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Group of each row; -1 for none.
    plates : ndarray of shape (n_samples,), default=None
        Plate of each row, where a group may lie on several.

    Returns
    -------
    float
        That of replicates where most groups span plates, else by the median size of groups of two or more.
    """
    used = codes >= 0
    sizes = np.bincount(codes[used])
    several = sizes >= 2
    if plates is not None:
        numbers = np.unique(plates, return_inverse=True)[1]
        pairs = np.unique(np.column_stack([codes[used], numbers[used]]), axis=0)
        if np.median(np.bincount(pairs[:, 0])[several]) > 1:
            return RIDGE_REPLICATES
    return _RIDGE_FEW if np.median(sizes[several]) < _FEW else _RIDGE_MANY


def between_groups(scores, codes, plates):
    """Return means of groups minus the mean of their plate's groups, and the degrees of freedom.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_components)
        Rows that should not differ from group to group: negative controls.
    codes, plates : ndarray of shape (n_samples,)
        Group and plate of each row; group -1 for none.

    Returns
    -------
    deviation : ndarray of shape (n_used_groups, n_components)
        Deviations, of plates with two groups or more.
    n_free : int
        Groups used minus plates used.
    """
    scores, codes, plates = scores[codes >= 0], codes[codes >= 0], plates[codes >= 0]
    if not len(codes):
        return scores, 0
    pairs, number = np.unique(np.column_stack([plates, codes]), axis=0, return_inverse=True)
    means = group_means(scores, number.ravel(), len(pairs))
    return deviations(means, pairs[:, 0])


def whitening_matrix(parts, ridge):
    """Return (C + ridge I)^-1/2, C the mean of the covariances of `parts`, each of mean eigenvalue 1."""
    covariance = 0.0
    for deviation in parts:
        gram = deviation.T @ deviation
        covariance = covariance + gram * (len(gram) / (np.trace(gram) * len(parts)))
    eigenvalues, vectors = linalg.eigh(covariance)
    return (vectors / np.sqrt(np.maximum(eigenvalues, 0.0) + ridge)) @ vectors.T


def soften_length(scores, constant):
    """Return scores / sqrt(|scores|^2 + constant^2), row by row: the length of long rows tends to 1."""
    return scores / np.sqrt(np.square(scores).sum(axis=1, keepdims=True) + constant**2)
