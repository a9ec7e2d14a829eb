"""Choosing the number of archetypes."""

import warnings

import numpy as np
from scipy.stats import ortho_group

from .._utils._exceptions import DataWarning
from ._inputs import check_samples
from ._solver import compute_coefficients

_N_SPLITS = 4


def _find_archetypes(estimator, X):
    """Yield every archetypal fit inside `estimator` with `X` as it arrives there."""
    if hasattr(estimator, "archetypes_") and hasattr(estimator, "archetype_weights_"):
        yield estimator, X
    elif hasattr(estimator, "best_estimator_"):
        yield from _find_archetypes(estimator.best_estimator_, X)
    elif hasattr(estimator, "labelers_"):
        for labeler in estimator.labelers_:
            yield from _find_archetypes(labeler, X)
    elif hasattr(estimator, "labeler_"):
        if hasattr(estimator, "_take_labeled"):  # flagged rows, and their column, never reach the labeler
            X = estimator._take_labeled(X)
        yield from _find_archetypes(estimator.labeler_, X)
    elif hasattr(estimator, "steps"):
        found = False
        for _, step in estimator.steps:
            if step is None or step == "passthrough":
                continue
            for item in _find_archetypes(step, X):
                found = True
                yield item
            if found:
                return
            if not hasattr(step, "transform"):
                return
            X = step.transform(X)


def bicross_validated_variance(estimator, X, y=None):
    """Score archetypes by how well they predict columns that the coefficients have not seen.

    A scorer for searches over a labeler, for instance
    `GridSearchCV(labeler, {"archetypes__n_archetypes": [4, 8]}, scoring=bicross_validated_variance)`.
    The archetypes were fitted on other rows. On the rows `X` the coefficients are fitted from one half of the
    columns and predict the other half, and the halves are swapped. Unlike the explained variance of held-out
    rows, which rises with every archetype, this falls when archetypes describe noise. So that no column is
    special (after a PCA the first ones carry most), the columns are rotated by a random orthogonal matrix
    first; four rotations with a fixed seed are averaged.

    Parameters
    ----------
    estimator : estimator
        A fitted `ArchetypalAnalysis`, or what contains exactly one: a pipeline, a `TripletEmbedder` with such
        a labeler, a search.
    X : array-like of shape (n_samples, n_features)
        Held-out samples, as they enter `estimator`.
    y : Ignored
        Not used, present for API consistency by convention.

    Returns
    -------
    float
        Share of the variance about the training mean that is predicted; at most 1, larger is better.

    Raises
    ------
    ValueError
        If `estimator` does not contain exactly one archetypal fit, or the archetypes have one column only.

    Warns
    -----
    DataWarning
        If there are more archetypes than half the columns: half of them cannot tell so many apart.

    References
    ----------
    A. B. Owen and P. O. Perry, "Bi-cross-validation of the SVD and the nonnegative matrix factorization",
    Annals of Applied Statistics 3(2), 2009, section 2. Its use for archetypal analysis is our extension.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet import ArchetypalAnalysis, bicross_validated_variance
    >>> rng = np.random.default_rng(0)
    >>> X = rng.dirichlet(np.ones(3), 120) @ rng.normal(size=(3, 12)) + 0.05 * rng.normal(size=(120, 12))
    >>> scores = [
    ...     bicross_validated_variance(ArchetypalAnalysis(k).fit(X[:80]), X[80:]) for k in (1, 3)
    ... ]
    >>> bool(scores[1] > scores[0])
    True
    """
    found = list(_find_archetypes(estimator, X))
    if len(found) != 1:
        raise ValueError(
            f"bicross_validated_variance needs exactly one fitted ArchetypalAnalysis, found "
            f"{len(found)} in {type(estimator).__name__}. Pass an ArchetypalAnalysis, a Pipeline that "
            "contains it, or a TripletEmbedder whose labeler is such a Pipeline."
        )
    model, X = found[0]
    X = np.asarray(check_samples(model, X, reset=False), dtype=np.float64) - model._center
    Z = np.asarray(model.archetypes_, dtype=np.float64) - model._center
    k, d = Z.shape
    if d < 2:
        raise ValueError(
            f"bicross_validated_variance needs at least 2 features at the ArchetypalAnalysis step, got {d}."
        )
    if k > d / 2:
        warnings.warn(
            f"n_archetypes={k} exceeds half of the {d} features: coefficients from half of the columns are "
            "not unique, and bicross_validated_variance cannot judge so many archetypes. Keep more features.",
            DataWarning,
            stacklevel=2,
        )
    zero = np.zeros(d)
    error = variance = 0.0
    for split in range(_N_SPLITS):
        rotation = ortho_group.rvs(d, random_state=split)
        rows, corners = X @ rotation, Z @ rotation
        half = d // 2
        for seen, hidden in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
            A = compute_coefficients(
                np.ascontiguousarray(rows[:, seen]), np.ascontiguousarray(corners[:, seen]), zero[seen]
            )
            error += float(np.sum((rows[:, hidden] - A @ corners[:, hidden]) ** 2))
            variance += float(np.sum(rows[:, hidden] ** 2))
    return 1.0 - error / variance if variance > 0 else 0.0


class parsimonious:
    """Choose the smallest value of a parameter whose score is as good as the best.

    As good means within `max(1 standard error of the best, tolerance)` of it. For the `refit` argument of
    `GridSearchCV`: `refit=parsimonious("archetypes__n_archetypes")`.

    Parameters
    ----------
    param_name : str
        The parameter of the grid that is to be small, e.g. `"archetypes__n_archetypes"` or
        `"embed__labeler__archetypes__n_archetypes"`.
    tolerance : float, default=0.01
        Smallest difference of scores that matters, even where the standard error is tiny.

    Examples
    --------
    >>> from archetypal_triplet import parsimonious
    >>> results = {
    ...     "param_k": [2, 3, 4], "mean_test_score": [0.5, 0.795, 0.8], "std_test_score": [0.0, 0.0, 0.0],
    ...     "split0_test_score": [0.5, 0.795, 0.8],
    ... }
    >>> parsimonious("k")(results)
    1
    """

    def __init__(self, param_name, tolerance=0.01):
        self.param_name = param_name
        self.tolerance = tolerance

    def __repr__(self):
        return f"parsimonious({self.param_name!r}, tolerance={self.tolerance})"

    def __call__(self, cv_results):
        """Return the index of the chosen candidate.

        Parameters
        ----------
        cv_results : dict
            The `cv_results_` of a search with one score.

        Returns
        -------
        int
            Index of the chosen candidate.

        Raises
        ------
        ValueError
            If the grid does not have the parameter, or no candidate has a score.
        """
        key = f"param_{self.param_name}"
        if key not in cv_results:
            names = sorted(name.removeprefix("param_") for name in cv_results if name.startswith("param_"))
            raise ValueError(
                f"param_name={self.param_name!r} is not a parameter of the search; "
                f"it has: {', '.join(names)}."
            )
        values = np.array([float(value) for value in cv_results[key]])
        mean = np.asarray(cv_results["mean_test_score"], dtype=float)
        if np.isnan(mean).all():
            raise ValueError("No candidate of the search has a score: every fit failed.")
        best = int(np.nanargmax(mean))
        n_splits = sum(name.startswith("split") and name.endswith("_test_score") for name in cv_results)
        error = float(cv_results["std_test_score"][best]) / np.sqrt(max(n_splits - 1, 1))
        good = np.flatnonzero(mean >= mean[best] - max(error, self.tolerance))
        smallest = good[values[good] == values[good].min()]
        return int(smallest[np.argmax(mean[smallest])])
