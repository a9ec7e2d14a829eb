"""EnsembleLabeler: many labelings of the same samples."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from archetypal_triplet._utils._random import own_random_state
from archetypal_triplet.labels._rows import check_rows

_CURE = (
    "EnsembleLabeler needs a labeler to repeat: labeler=None was given. For example:\n"
    "    EnsembleLabeler(\n"
    '        Pipeline([("archetypes", ArchetypalAnalysis()), ("labels", PseudoLabeler())]),\n'
    '        param_distributions={"archetypes__n_archetypes": [8, 12, 16, 20, 24, 32]},\n'
    "    )"
)


class EnsembleLabeler(BaseEstimator):
    """Label the same samples many times, with other parameters and seeds each time.

    No criterion that does without labels picks a good single number of archetypes for training a network.
    Many labelings remove the question: the triplet network draws one of them for every batch, and what all
    agree on wins over what one of them made up.

    Parameters
    ----------
    labeler : estimator or None, default=None
        Anything with ``fit_predict``, or ``fit`` and ``predict``: a Pipeline that ends in a `PseudoLabeler`,
        a scikit-learn clusterer. It is cloned, never fitted itself. None raises in `fit` and shows the cure.
    n_labelings : int, default=12
        Number of labelings.
    param_distributions : dict of str to list or distribution, or None, default=None
        Parameters of `labeler` to vary, as in scikit-learn's searches. If all are lists their grid is walked
        in order, over and over, so 12 labelings over 6 values use each twice; if one has an ``rvs`` method
        the parameters are drawn.
    max_samples : float or None, default=None
        Share of the samples, above 0 and up to 1, that each labeler is fitted on, drawn anew for each; all
        samples are labelled by its ``predict``. Labelers that agree because they saw the same few odd
        samples make the same mistakes; half of the samples (0.5, as in stability selection [1]_) keeps
        them apart. None fits on all samples.
    random_state : int, RandomState instance or None, default=None
        Seeds the draws, and every ``random_state`` within the labelers.
    n_jobs : int or None, default=None
        Labelings fitted at once, in threads.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples, n_labelings), int
        Labels of the training samples, one labeling a column, -1 for none.
    labelers_ : list of estimators
        The fitted labelers.
    params_ : list of dict
        The parameters that each of them was given.
    n_features_in_ : int
        Number of columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where X had any.

    See Also
    --------
    PseudoLabeler : One labeling from mixture coefficients.
    archetypal_triplet.triplets.TripletEmbedder : Takes this as its `labeler`.

    Notes
    -----
    Time and memory are those of one labeler, `n_labelings` times.

    References
    ----------
    .. [1] N. Meinshausen and P. Buehlmann, "Stability selection", Journal of the Royal Statistical Society B
       72:417-473, 2010, section 2.2, doi 10.1111/j.1467-9868.2010.00740.x

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import make_blobs
    >>> from archetypal_triplet import EnsembleLabeler
    >>> X, _ = make_blobs(60, random_state=0)
    >>> ensemble = EnsembleLabeler(
    ...     KMeans(n_init=1), n_labelings=4, param_distributions={"n_clusters": [2, 3]}, random_state=0
    ... )
    >>> ensemble.fit_predict(X).shape
    (60, 4)
    """

    _parameter_constraints = {
        "labeler": [HasMethods(["fit"]), None],
        "n_labelings": [Interval(Integral, 1, None, closed="left")],
        "param_distributions": [dict, None],
        "max_samples": [Interval(Real, 0, 1, closed="right"), None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        labeler=None,
        n_labelings=12,
        *,
        param_distributions=None,
        max_samples=None,
        random_state=None,
        n_jobs=None,
    ):
        self.labeler = labeler
        self.n_labelings = n_labelings
        self.param_distributions = param_distributions
        self.max_samples = max_samples
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit every labeling.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the labeler takes; it receives X exactly as passed.
        y : None
            Ignored.

        Returns
        -------
        self : EnsembleLabeler
            The fitted labeler.

        Raises
        ------
        ValueError
            If `labeler` is None, or a parameter to vary is not one of its parameters.
        TypeError
            If `labeler` is a class, or has neither ``fit_predict`` nor ``predict``, or `max_samples` is given
            and it has no ``predict``.
        """
        if self.labeler is None:
            raise ValueError(_CURE)
        if isinstance(self.labeler, type):
            name = self.labeler.__name__
            raise TypeError(f"labeler={name} is a class; pass an instance, such as labeler={name}().")
        if not (hasattr(self.labeler, "fit_predict") or hasattr(self.labeler, "predict")):
            raise TypeError(
                f"labeler={self.labeler!r} has neither fit_predict nor predict, so it gives no labels. "
                "Use a clusterer, or a Pipeline that ends in PseudoLabeler."
            )
        if self.max_samples is not None and not hasattr(self.labeler, "predict"):
            raise TypeError(
                f"max_samples={self.max_samples!r} needs a labeler with predict, to label the samples it "
                f"was not fitted on; {type(self.labeler).__name__} has none. "
                "Use another labeler, or max_samples=None."
            )
        check_rows(X)
        validate_data(self, X, skip_check_array=True)
        rng = own_random_state(self.random_state)
        self.params_ = self._draw_params(rng)
        labelers = [_with_params(self.labeler, params, rng) for params in self.params_]
        rows = [self._draw_rows(_num_samples(X), rng) for _ in labelers]
        fitted = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_fit_labels)(labeler, X, chosen) for labeler, chosen in zip(labelers, rows, strict=True)
        )
        self.labelers_ = [labeler for labeler, _ in fitted]
        self.labels_ = np.column_stack([labels for _, labels in fitted])
        return self

    def fit_predict(self, X, y=None):
        """Fit every labeling, and return the labels of the training samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_labelings), int
            Labels, one labeling a column, -1 for none.
        """
        return self.fit(X).labels_

    def predict(self, X):
        """Label samples by every fitted labeler.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the labeler takes.

        Returns
        -------
        ndarray of shape (n_samples, n_labelings), int
            Labels, one labeling a column, -1 for none.
        """
        check_is_fitted(self)
        check_rows(X)
        validate_data(self, X, skip_check_array=True, reset=False)
        return np.column_stack([_as_labels(labeler.predict(X)) for labeler in self.labelers_])

    def _draw_rows(self, n_samples, rng):
        """Sorted rows for one labeler, None for all."""
        if self.max_samples is None:
            return None
        n_drawn = max(1, round(self.max_samples * n_samples))
        return np.sort(rng.permutation(n_samples)[:n_drawn])

    def _draw_params(self, rng):
        distributions = self.param_distributions or {}
        allowed = self.labeler.get_params(deep=True)
        for name in distributions:
            if name not in allowed:
                raise ValueError(
                    f"param_distributions: {name!r} is not a parameter of the labeler. "
                    f"Its parameters: {', '.join(sorted(allowed))}."
                )
        if any(hasattr(value, "rvs") for value in distributions.values()):
            return list(ParameterSampler(distributions, self.n_labelings, random_state=rng))
        grid = list(ParameterGrid(distributions))
        return [grid[i % len(grid)] for i in range(self.n_labelings)]


def _with_params(labeler, params, rng):
    """A clone with `params`, and with a seed of its own wherever it has a random_state."""
    labeler = clone(labeler).set_params(**params)
    seeds = {
        name: int(rng.randint(np.iinfo(np.int32).max))
        for name in sorted(labeler.get_params(deep=True))
        if name == "random_state" or name.endswith("__random_state")
    }
    return labeler.set_params(**seeds)


def _fit_labels(labeler, X, rows):
    if rows is not None:
        try:
            labeler.fit(_safe_indexing(X, rows))
        except ValueError as error:  # its counts are those of the part, which the caller has never seen
            raise ValueError(
                f"{error} This labeler was fitted on {len(rows)} of {_num_samples(X)} samples (max_samples)."
            ) from error
        return labeler, _as_labels(labeler.predict(X))
    if hasattr(labeler, "fit_predict"):
        return labeler, _as_labels(labeler.fit_predict(X))
    return labeler, _as_labels(labeler.fit(X).predict(X))


def _as_labels(labels):
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labeler: its labels have shape {labels.shape} and type {labels.dtype}; "
            "EnsembleLabeler takes labelers that give one whole number a sample."
        )
    return labels.astype(np.int32)
