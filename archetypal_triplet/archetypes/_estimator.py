"""The estimator `ArchetypalAnalysis`."""

import logging
import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_array,
    check_is_fitted,
)

from .._utils._random import own_random_state
from .._utils._threads import effective_n_threads
from ._initialization import STARTS
from ._inputs import DTYPES, check_counts, check_samples, resolve_init, weighted_mean
from ._rows import Rows
from ._solver import EXCHANGE_FAILURES, Plan, compute_coefficients, solve

logger = logging.getLogger(__name__)


class ArchetypalAnalysis(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Archetypal analysis: every sample is a mixture of a few extreme, pure types.

    Solves

    .. math:: \min_{A, B} \; \sum_i w_i \| x_i - a_i Z \|^2, \qquad Z = B X,

    where the rows of `A` and of `B` lie on the simplex (non-negative, summing to one): a sample is a convex
    mixture of the archetypes `Z`, an archetype a convex mixture of a few samples. The archetypes lie on the
    boundary of the data's convex hull.

    Parameters
    ----------
    n_archetypes : int, default=8
        Number of archetypes, at most the number of samples.
    init : {"furthest_sum", "aa++", "greedy_residual", "random"} or array-like, default="furthest_sum"
        Where to start. With `exchange` it hardly matters; without it:

        - `"furthest_sum"`: samples far from each other. Good on clean data with many corners.
        - `"aa++"`: samples drawn by their squared distance to the hull of those drawn before. Good with
          outliers, and for several starts, which all differ.
        - `"greedy_residual"`: always the sample furthest from the hull so far. Finds the corners of
          noise-free data at once; picks outliers.
        - `"random"`: samples drawn by their weight.
        - an array of shape (n_archetypes,) of integers: samples by their index.
        - an array of shape (n_archetypes, n_features): points, such as the archetypes of an earlier fit.
          They need not lie in the hull of `X`.
    n_init : int, default=1
        Number of starts. Each is fitted on a coarse level; the best goes on. The first start of
        `"furthest_sum"` is deterministic, further ones begin at a random sample. Ignored if `init` is an
        array.
    max_iter : int, default=1000
        Largest number of passes over the data per start.
    tol : float, default=1e-4
        The fit ends when the duality gap, relative to the total variance, is at most `tol`.
    exchange : bool, default=True
        Whether to search for a better local optimum by exchanges: the archetype that is missed least is given
        up for the sample that is fitted worst, and the exchange is kept if the loss falls. This makes the
        result nearly independent of the start.
    passthrough : bool, default=False
        If True, `transform` returns the input columns followed by the coefficients.
    random_state : int, RandomState instance or None, default=None
        Determines random starts. Pass an int for the same result at every call.
    n_jobs : int, default=None
        Number of threads. None means 1. The result does not depend on it.
    verbose : int, default=0
        If positive, how the fit ended is logged with level INFO to the logger of this module.

    Attributes
    ----------
    archetypes_ : ndarray of shape (n_archetypes, n_features)
        The archetypes `Z`.
    coefficients_ : ndarray of shape (n_samples, n_archetypes)
        The mixture of every training sample, `A`; rows lie on the simplex.
    archetype_weights_ : sparse matrix of shape (n_archetypes, n_samples)
        The make-up of every archetype, `B`, in CSR format; rows lie on the simplex.
    reconstruction_err_ : float
        Residual sum of squares, weighted by `sample_weight`.
    explained_variance_ : float
        One minus the residual sum of squares over the total sum of squares about the mean.
    loss_curve_ : ndarray of shape (n_iter_,)
        Residual sum of squares after each accepted iteration; never rises.
    n_iter_ : int
        Number of accepted iterations of the best start.
    duality_gap_ : float
        Upper bound, relative to the total sum of squares, of what is still to be gained by changing the
        coefficients alone or the archetypes alone. It certifies the optimum of each block, not the global
        optimum of the joint problem, which is not convex.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all are strings.

    Notes
    -----
    *Under the hood.* Coefficients and archetypes are improved in turn. Given the archetypes, the coefficients
    of every row are found exactly, by an active set that starts from the previous support, sixteen rows at a
    time. Given the coefficients, everything else depends on two small sums, `A'WA` and `A'WX`: the archetypes
    are improved on a pool of candidate rows, to which every pass adds those that violate optimality most, so
    that `B` is sparse from the beginning. The archetypes are extrapolated between passes, and the loss of the
    accepted ones never rises. With many samples coarse subsamples are solved first; there the exchange search
    is made. The last pass measures the gap with the final coefficients, which are those of `transform`.

    *Cost.* Time per pass is O(n_samples * n_features * n_archetypes), and 10 to 60 passes are usual. Memory
    beyond the input is O(n_samples * n_archetypes) for the coefficients. `X` is read in blocks: a float32
    memory map larger than memory can be fitted where it is.

    *What the gap certifies.* No other coefficients for these archetypes, and no other archetypes in the hull
    for these coefficients, would lower the loss by more than the gap. Other pairs of both may be better: use
    `n_init`.

    *Curved data.* Archetypes in a kernel's feature space: put
    `Nystroem(kernel="rbf", n_components=100)` before this step in a Pipeline.

    While a fit runs, BLAS is limited to one thread in the whole process.

    References
    ----------
    A. Cutler and L. Breiman, "Archetypal Analysis", Technometrics 36(4), 1994, section 2.
    M. Morup and L. K. Hansen, "Archetypal analysis for machine learning and data mining",
    Neurocomputing 80, 2012, section 2.3 (furthest sum).
    S. Mair and J. Sjolund, "Archetypal Analysis++: Rethinking the Initialization Strategy", 2023, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet import ArchetypalAnalysis
    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> mixtures = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    >>> X = np.vstack([corners, mixtures @ corners])
    >>> model = ArchetypalAnalysis(n_archetypes=3).fit(X)
    >>> bool(np.allclose(np.sort(model.archetypes_, axis=0), np.sort(corners, axis=0)))
    True
    >>> bool(np.allclose(model.inverse_transform(model.transform([[0.25, 0.25]])), [[0.25, 0.25]]))
    True
    """

    _parameter_constraints = {
        "n_archetypes": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions(set(STARTS)), "array-like"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "exchange": ["boolean"],
        "passthrough": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_archetypes=8,
        *,
        init="furthest_sum",
        n_init=1,
        max_iter=1000,
        tol=1e-4,
        exchange=True,
        passthrough=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_archetypes = n_archetypes
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.exchange = exchange
        self.passthrough = passthrough
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None):
        """Find the archetypes of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every sample in the loss. Samples of weight zero are ignored: they are never part of an
            archetype. None means equal weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are fewer samples, or fewer distinct samples, than archetypes, if `X` is not a
            two-dimensional table of finite numbers, or if `sample_weight` is negative or zero throughout.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ends the fit before the duality gap reaches `tol`.
        """
        self._fit(X, sample_weight)
        return self

    def fit_transform(self, X, y=None, sample_weight=None):
        """Find the archetypes of `X` and return its coefficients.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every sample in the loss.

        Returns
        -------
        ndarray of shape (n_samples, n_archetypes)
            The coefficients; preceded by the columns of `X` if `passthrough`.
        """
        X = self._fit(X, sample_weight)
        return self._output(X, self.coefficients_.copy())

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        X = check_samples(self, X, reset=True)
        if sample_weight is not None and not np.any(np.asarray(sample_weight)):
            raise ValueError("sample_weight is zero for every sample; give at least one a positive weight.")
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = np.flatnonzero(weight > 0)
        rows = X if len(kept) == len(X) else X[kept]
        weight = weight[kept]
        check_counts(self, rows)
        center = weighted_mean(rows, weight).astype(X.dtype).astype(np.float64)
        plan = Plan(
            n_archetypes=self.n_archetypes,
            init=resolve_init(self, kept, center, X.shape),
            n_init=self.n_init if isinstance(self.init, str) else 1,
            max_iter=self.max_iter,
            tol=self.tol,
            n_threads=effective_n_threads(self.n_jobs),
            n_failures=EXCHANGE_FAILURES if self.exchange else 0,
        )
        rng = own_random_state(self.random_state)
        best = solve(rows, None if np.all(weight == 1.0) else weight, center, plan, rng)
        self._store(X, rows, kept, center, best)
        return X

    def _store(self, X, rows, kept, center, best):
        self._center = center
        self.archetypes_ = (best.Z + center).astype(X.dtype)
        self.coefficients_ = best.A if len(rows) == len(X) else self._mix(X)
        weights = best.B
        if len(rows) != len(X):
            weights = csr_matrix((weights.data, kept[weights.indices], weights.indptr), (len(best.Z), len(X)))
        self.archetype_weights_ = weights.astype(X.dtype)
        self.reconstruction_err_ = float(best.rss)
        self.explained_variance_ = max(1.0 - best.rss / best.total, 0.0) if best.total > 0 else 1.0
        self.loss_curve_ = np.array(best.losses)
        self.n_iter_ = best.n_iter
        if self.verbose:
            logger.info(
                "ArchetypalAnalysis: %d archetypes explain %.4f of the variance after %d iterations, "
                "relative duality gap %.2g",
                len(best.Z),
                self.explained_variance_,
                best.n_iter,
                best.gap,
            )
        self.duality_gap_ = float(best.gap)
        if not best.converged:
            warnings.warn(
                f"The fit ended after {best.n_iter} iterations (max_iter={self.max_iter}) at a relative "
                f"duality gap of {best.gap:.2g}, above tol={self.tol:.2g}. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _mix(self, X):
        Z = self.archetypes_.astype(np.float64) - self._center
        return compute_coefficients(X, Z, self._center, effective_n_threads(self.n_jobs))

    def _output(self, X, coefficients):
        return np.hstack([X, coefficients]) if self.passthrough else coefficients

    def transform(self, X):
        """Return the mixture of archetypes that is nearest to every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, seen in `fit` or new.

        Returns
        -------
        ndarray of shape (n_samples, n_archetypes)
            Coefficients, rows on the simplex; preceded by the columns of `X` if `passthrough`.
        """
        check_is_fitted(self)
        X = check_samples(self, X, reset=False)
        return self._output(X, self._mix(X))

    def inverse_transform(self, X):
        """Return the samples that the coefficients describe.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_archetypes)
            Coefficients. What `transform` returned with `passthrough` is accepted as well: of n_features +
            n_archetypes columns the last n_archetypes are used.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The mixtures of the archetypes.
        """
        check_is_fitted(self)
        A = check_array(X, dtype=DTYPES)
        k = len(self.archetypes_)
        if A.shape[1] not in (k, k + self.n_features_in_):
            raise ValueError(
                f"X has {A.shape[1]} columns; inverse_transform expects {k} coefficients per sample, or the "
                f"{k + self.n_features_in_} columns that transform returns with passthrough=True."
            )
        return A[:, -k:] @ self.archetypes_.astype(A.dtype, copy=False)

    def score(self, X, y=None, sample_weight=None):
        """Return the share of variance that mixtures of the archetypes explain.

        One minus the residual sum of squares over the sum of squares about the mean of the training samples.
        For the training samples this is `explained_variance_`. It always rises with `n_archetypes`, so it
        cannot choose their number: see `bicross_validated_variance`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every sample.

        Returns
        -------
        float
            At most 1, larger is better.
        """
        check_is_fitted(self)
        X = check_samples(self, X, reset=False)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        residual = X - self._mix(X).astype(np.float64) @ self.archetypes_
        rss = float(weight @ np.einsum("ij,ij->i", residual, residual))
        total = Rows(X, self._center, weight).total
        if total == 0.0:
            return 1.0 if rss == 0.0 else 0.0
        return 1.0 - rss / total

    @property
    def _n_features_out(self):
        return len(self.archetypes_) + (self.n_features_in_ if self.passthrough else 0)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns, used with `passthrough`; by default those seen in `fit`.

        Returns
        -------
        ndarray of str
            "archetypalanalysis0" and so on, preceded by the input names if `passthrough`.
        """
        check_is_fitted(self)
        own = [f"archetypalanalysis{j}" for j in range(len(self.archetypes_))]
        if not self.passthrough:
            return np.asarray(own, dtype=object)
        return np.asarray([*_check_feature_names_in(self, input_features), *own], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
