"""What one does with fitted archetypes: match two fits, look at typical samples, compare groups."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_array, check_consistent_length


def match_archetypes(first, second):
    """Pair the archetypes of two fits so that the sum of squared distances is smallest.

    Parameters
    ----------
    first, second : array-like of shape (n_archetypes, n_features)
        Archetypes of two fits in the same features. The numbers of archetypes may differ.

    Returns
    -------
    first_idx, second_idx : ndarray of shape (n_pairs,)
        Archetype `first_idx[i]` belongs to archetype `second_idx[i]`; n_pairs is the smaller number.
    distances : ndarray of shape (n_pairs,)
        Euclidean distance of each pair, in the units of the features.

    Raises
    ------
    ValueError
        If the numbers of features differ.

    Examples
    --------
    >>> from archetypal_triplet.archetypes import match_archetypes
    >>> first_idx, second_idx, distances = match_archetypes([[0, 0], [4, 0]], [[4, 3], [0, 0]])
    >>> second_idx.tolist(), distances.tolist()
    ([1, 0], [0.0, 3.0])
    """
    first = check_array(first, dtype=np.float64, input_name="first")
    second = check_array(second, dtype=np.float64, input_name="second")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"first has {first.shape[1]} features and second has {second.shape[1]}; archetypes can only be "
            "matched in the same features."
        )
    difference = first[:, None, :] - second[None, :, :]
    squared = np.einsum("ijf,ijf->ij", difference, difference)
    first_idx, second_idx = linear_sum_assignment(squared)
    return first_idx, second_idx, np.sqrt(squared[first_idx, second_idx])


def find_typical_samples(coefficients, n_samples=5):
    """Find the samples that are most purely of each archetype.

    Parameters
    ----------
    coefficients : array-like of shape (n_samples_total, n_archetypes)
        Mixtures, as `ArchetypalAnalysis.transform` returns them.
    n_samples : int, default=5
        Number of samples per archetype, at most n_samples_total.

    Returns
    -------
    ndarray of shape (n_archetypes, n_samples)
        Indices of the samples with the largest coefficient, largest first; ties by index.

    Raises
    ------
    ValueError
        If `n_samples` is not between 1 and the number of samples.

    Examples
    --------
    >>> from archetypal_triplet.archetypes import find_typical_samples
    >>> find_typical_samples([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], n_samples=2).tolist()
    [[0, 2], [1, 2]]
    """
    coefficients = check_array(coefficients, dtype=np.float64, input_name="coefficients")
    if not 1 <= n_samples <= len(coefficients):
        raise ValueError(
            f"n_samples={n_samples} must be between 1 and the number of samples, {len(coefficients)}."
        )
    return np.argsort(-coefficients, axis=0, kind="stable")[:n_samples].T


def compute_group_shares(coefficients, groups):
    """Average the coefficients within groups of samples: wells, treatments, plates.

    Parameters
    ----------
    coefficients : array-like of shape (n_samples, n_archetypes)
        Mixtures, as `ArchetypalAnalysis.transform` returns them.
    groups : array-like of shape (n_samples,)
        Group of every sample.

    Returns
    -------
    names : ndarray of shape (n_groups,)
        The groups, sorted.
    shares : ndarray of shape (n_groups, n_archetypes)
        Mean coefficients; rows lie on the simplex.
    counts : ndarray of shape (n_groups,)
        Number of samples of each group.

    Examples
    --------
    >>> from archetypal_triplet.archetypes import compute_group_shares
    >>> names, shares, counts = compute_group_shares([[1, 0], [0, 1], [0, 1]], ["b", "a", "b"])
    >>> names.tolist(), shares.tolist(), counts.tolist()
    (['a', 'b'], [[0.0, 1.0], [0.5, 0.5]], [1, 2])
    """
    coefficients = check_array(coefficients, dtype=np.float64, input_name="coefficients")
    groups = np.asarray(groups)
    check_consistent_length(coefficients, groups)
    names, members, counts = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.zeros((len(names), coefficients.shape[1]))
    np.add.at(sums, members, coefficients)
    return names, sums / counts[:, None], counts
