"""What `ArchetypalAnalysis` asks of its input: samples, their number, the rows or points to start from."""

import numpy as np
from scipy import sparse
from sklearn.utils.validation import validate_data

from ._initialization import STARTS

DTYPES = [np.float64, np.float32]


def check_samples(estimator, X, *, reset):
    """Validate `X` and explain what cannot be fitted.

    Parameters
    ----------
    estimator : ArchetypalAnalysis
        Its number and names of features are set (`reset=True`) or compared.
    X : array-like of shape (n_samples, n_features)
        The input as passed.
    reset : bool
        True in `fit`.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        C-contiguous, float64 or float32.

    Raises
    ------
    TypeError
        If `X` is sparse.
    ValueError
        If it holds images, NaN or infinity, or is no table of numbers.
    """
    name = type(estimator).__name__
    if sparse.issparse(X):
        raise TypeError(
            f"{name} does not accept sparse X: archetypes are dense mixtures of samples, "
            "and centring fills the zeros. Reduce it first, e.g. with TruncatedSVD, or pass X.toarray()."
        )
    if getattr(X, "ndim", 2) == 4:
        raise ValueError(
            f"Found array with dim 4, shape {tuple(X.shape)}: {name} expects a table "
            "(n_samples, n_features). These look like images: put an image-feature step before it."
        )
    X = validate_data(estimator, X, reset=reset, dtype=DTYPES, order="C", ensure_all_finite=False)
    if not np.isfinite(np.sum(X, dtype=np.float64)) and not np.isfinite(X).all():
        bad = ~np.isfinite(X)
        raise ValueError(
            f"Input X contains NaN or infinity ({int(bad.sum())} values in {int(bad.any(axis=0).sum())} "
            f"columns). {name} needs the distance of every sample to a mixture of others: "
            "drop those rows or columns, or put an imputer such as SimpleImputer before it."
        )
    return X


def check_counts(estimator, X):
    """Raise a ValueError if there are fewer samples of positive weight than archetypes."""
    if estimator.n_archetypes > len(X):
        raise ValueError(
            f"n_archetypes={estimator.n_archetypes} exceeds the number of samples with positive weight, "
            f"n_samples={len(X)}; lower n_archetypes or pass more samples."
        )


def resolve_init(estimator, kept, center, shape):
    """Return the name of a start, indices into the samples of positive weight, or centred points.

    Parameters
    ----------
    estimator : ArchetypalAnalysis
        Its `init` and `n_archetypes`.
    kept : ndarray of int
        Rows of positive weight, ascending.
    center : ndarray of shape (n_features,)
        What points are centred by.
    shape : tuple of two ints
        Of the samples, those of weight zero included.

    Returns
    -------
    str, ndarray of int of shape (n_archetypes,) or ndarray of shape (n_archetypes, n_features)
        The start.

    Raises
    ------
    ValueError
        If `init` is none of these.
    """
    if isinstance(estimator.init, str):
        return estimator.init
    init = np.asarray(estimator.init)
    k = estimator.n_archetypes
    if init.shape == (k,) and np.issubdtype(init.dtype, np.integer):
        if len(np.unique(init)) < k or not np.isin(init, kept).all():
            raise ValueError(
                f"init must name {k} different samples of positive weight among 0..{shape[0] - 1}, "
                f"got {init.tolist()}."
            )
        return np.searchsorted(kept, init)
    if init.shape == (k, shape[1]) and np.issubdtype(init.dtype, np.number) and np.isfinite(init).all():
        return init.astype(np.float64) - center
    raise ValueError(
        f"init must be one of {sorted(STARTS)}, n_archetypes={k} integer row indices, or finite points "
        f"of shape {(k, shape[1])}; got an array of shape {init.shape} and type {init.dtype}."
    )


def weighted_mean(X, weight):
    """Return the weighted mean of the rows without a copy of all of them."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), 4096):
        total += weight[start : start + 4096] @ X[start : start + 4096].astype(np.float64)
    return total / weight.sum()
