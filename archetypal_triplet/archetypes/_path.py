"""Several numbers of archetypes at once: warm-started paths, criteria and stability."""

from itertools import pairwise

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch

from .._utils._random import own_random_state
from ._estimator import ArchetypalAnalysis
from ._inputs import check_samples
from ._tools import match_archetypes


def suleman_criterion(estimator, X):
    """Compute an information criterion of the fit, to be minimized over the number of archetypes.

    ``log(RSS / (n d)) + 2 (2 k - 1) / trace(S_fit S^-1)`` with the covariances S of the samples and S_fit of
    their reconstructions. Cheaper than cross-validation, and less often right.

    Parameters
    ----------
    estimator : ArchetypalAnalysis
        Fitted.
    X : array-like of shape (n_samples, n_features)
        The samples that it was fitted on.

    Returns
    -------
    float
        Smaller is better.

    References
    ----------
    A. Suleman, "Validation of archetypal analysis", IEEE International Conference on Fuzzy Systems, 2017,
    doi 10.1109/FUZZ-IEEE.2017.8015385.

    Examples
    --------
    >>> from archetypal_triplet import ArchetypalAnalysis
    >>> from archetypal_triplet.archetypes import suleman_criterion
    >>> from archetypal_triplet.datasets import make_archetypes
    >>> X = make_archetypes(200, 10, n_archetypes=3, noise=0.3, random_state=0).X
    >>> values = [suleman_criterion(ArchetypalAnalysis(k, random_state=0).fit(X), X) for k in (2, 3)]
    >>> bool(values[1] < values[0])
    True
    """
    X = np.asarray(check_samples(estimator, X, reset=False), dtype=np.float64)
    fitted = estimator._mix(X).astype(np.float64) @ estimator.archetypes_
    n, d = X.shape
    k = len(estimator.archetypes_)
    rss = max(float(np.sum((X - fitted) ** 2)), np.finfo(np.float64).tiny)
    covariance = np.atleast_2d(np.cov(X, rowvar=False, bias=True))
    covariance_of_fit = np.atleast_2d(np.cov(fitted, rowvar=False, bias=True))
    trace = float(np.trace(covariance_of_fit @ np.linalg.pinv(covariance, hermitian=True)))
    return float(np.log(rss / (n * d)) + 2 * (2 * k - 1) / max(trace, 1e-12))


def archetype_path(X, n_archetypes, *, estimator=None, sample_weight=None):
    """Fit increasing numbers of archetypes, each started from the one before.

    Every further archetype starts at the sample that is fitted worst.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Training samples.
    n_archetypes : iterable of int
        The numbers, in increasing order.
    estimator : ArchetypalAnalysis, default=None
        Whose other parameters are used; None means the defaults with `random_state=0`. Its `init` is used for
        the first number only.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of every sample.

    Returns
    -------
    list of ArchetypalAnalysis
        One fitted estimator per number.

    Raises
    ------
    ValueError
        If the numbers do not increase.

    Examples
    --------
    >>> from archetypal_triplet.archetypes import archetype_path
    >>> from archetypal_triplet.datasets import make_archetypes
    >>> X = make_archetypes(200, 10, n_archetypes=3, random_state=0).X
    >>> [round(model.explained_variance_, 3) for model in archetype_path(X, [2, 3])][-1]
    1.0
    """
    numbers = [int(k) for k in n_archetypes]
    if not numbers or any(b <= a for a, b in pairwise(numbers)):
        raise ValueError(f"n_archetypes={numbers} must be a non-empty, increasing sequence of numbers.")
    template = ArchetypalAnalysis(random_state=0) if estimator is None else estimator
    models = []
    for k in numbers:
        model = clone(template).set_params(n_archetypes=k)
        if models:
            model.set_params(init=_extend(models[-1], X, k, sample_weight))
        model.fit(X, sample_weight=sample_weight)
        model.set_params(init=template.init)
        models.append(model)
    return models


def _extend(model, X, k, sample_weight):
    """Return the archetypes of `model` and the samples fitted worst, up to `k` points."""
    X = np.asarray(check_samples(model, X, reset=False), dtype=np.float64)
    points = model.archetypes_.astype(np.float64)
    usable = np.ones(len(X), dtype=bool) if sample_weight is None else np.asarray(sample_weight) > 0
    residual = np.where(usable, np.sum((X - model.coefficients_ @ points) ** 2, axis=1), -1.0)
    worst = np.argsort(-residual, kind="stable")[: k - len(points)]
    return np.vstack([points, X[worst]])


def archetype_stability(estimator, X, *, n_repeats=8, subsample=0.8, random_state=None):
    """Measure how well archetypes are found again on random parts of the samples.

    Every repeat fits a random subset from random rows, and its archetypes are matched with those of
    `estimator`.

    Parameters
    ----------
    estimator : ArchetypalAnalysis
        Fitted; it is not changed.
    X : array-like of shape (n_samples, n_features)
        The samples that it was fitted on.
    n_repeats : int, default=8
        Number of subsets.
    subsample : float, default=0.8
        Share of the samples in each subset; 1.0 tries other starts only.
    random_state : int, RandomState instance or None, default=None
        Determines subsets and starts.

    Returns
    -------
    Bunch
        Dictionary-like, with attributes

        stability : float
            Mean over repeats and archetypes of `similarity`; near 1 if the archetypes are well determined.
        similarity : ndarray of shape (n_archetypes,)
            Per archetype the mean over repeats of ``max(0, 1 - d / s)``: d is the distance to its partner, s
            the root mean square distance of the archetypes to their mean.
        distances : ndarray of shape (n_repeats, n_archetypes)
            The distances d.

    Raises
    ------
    ValueError
        If `subsample` leaves fewer samples than archetypes or is not in (0, 1].

    Examples
    --------
    >>> from archetypal_triplet import ArchetypalAnalysis
    >>> from archetypal_triplet.archetypes import archetype_stability
    >>> from archetypal_triplet.datasets import make_archetypes
    >>> X = make_archetypes(300, 5, n_archetypes=3, noise=0.1, random_state=0).X
    >>> model = ArchetypalAnalysis(3, random_state=0).fit(X)
    >>> bool(archetype_stability(model, X, n_repeats=2, random_state=0).stability > 0.8)
    True
    """
    X = check_samples(estimator, X, reset=False)
    Z = estimator.archetypes_.astype(np.float64)
    size = round(subsample * len(X)) if 0 < subsample <= 1 else 0
    if size < len(Z):
        raise ValueError(
            f"subsample={subsample} must be in (0, 1] and leave at least n_archetypes={len(Z)} of the "
            f"{len(X)} samples."
        )
    rng = own_random_state(random_state)
    spread = max(float(np.sqrt(np.mean(np.sum((Z - Z.mean(axis=0)) ** 2, axis=1)))), np.finfo(float).tiny)
    distances = np.empty((n_repeats, len(Z)))
    for repeat in range(n_repeats):
        rows = rng.permutation(len(X))[:size]
        model = clone(estimator).set_params(init="random", random_state=rng.randint(2**31 - 1))
        order, _, distance = match_archetypes(Z, model.fit(X[np.sort(rows)]).archetypes_)
        distances[repeat, order] = distance
    similarity = np.maximum(0.0, 1.0 - distances / spread).mean(axis=0)
    return Bunch(stability=float(similarity.mean()), similarity=similarity, distances=distances)
