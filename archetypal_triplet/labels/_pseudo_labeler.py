"""PseudoLabeler: samples close to an archetype get its number as label."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from archetypal_triplet.labels._columns_of_coefficients import find_coefficient_columns


class PseudoLabeler(TransformerMixin, BaseEstimator):
    r"""Give samples that lie close to an archetype the number of that archetype as label.

    With the mixture coefficients :math:`a_{ij}` of sample i over archetypes j, the candidate is
    :math:`j^* = \arg\max_j a_{ij}` and the confidence :math:`a_{ij^*}`. The label is :math:`j^*` where the
    confidence reaches `threshold`, and -1, scikit-learn's word for "none", everywhere else. What is labelled
    -1 never trains the triplet network; it is embedded all the same.

    Parameters
    ----------
    threshold : float, default=0.5
        Least confidence of a label, from 0 to 1. At 0.5 a sample belongs to its archetype more than to all
        others together; 0 labels every sample (argmax).
    per_label : int or None, default=None
        Keep only about this many of the purest samples of each label. The fit turns it into one threshold a
        label (`thresholds_`), so that `predict` follows the same rule; samples that tie there stay together.
    exclude : sequence of int or None, default=None
        Archetypes that give no label, for example because their purest images are debris. Samples nearest to
        them get -1; they do not fall to the next archetype.
    columns : sequence of int or str, or None, default=None
        The coefficient columns of X. None finds them: in a named table those called
        ``archetypalanalysis<number>`` (with any prefix ending in ``__``); in a plain array with
        `passthrough` the block of columns at the right end whose rows are mixtures; else all columns.
    passthrough : bool, default=False
        Whether `transform` returns the other columns of X with the label behind them, for a
        `TripletEmbedder` with ``label_column=-1`` (or ``"pseudolabel"``). The coefficients are left out, so
        that the network sees the features alone.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int
        Labels of the training samples, -1 for none.
    confidence_ : ndarray of shape (n_samples,)
        Largest coefficient of each training sample, cut to 0..1.
    label_counts_ : ndarray of shape (n_labels,), int
        Number of training samples of each label, unlabelled ones not counted.
    thresholds_ : ndarray of shape (n_labels,)
        Least confidence of each label; infinite for an excluded one.
    columns_ : ndarray of shape (n_labels,), int
        Positions of the coefficient columns.
    n_features_in_ : int
        Number of columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where X had any.

    See Also
    --------
    EnsembleLabeler : Many labelings at once, which is what a network should be trained on.
    archetypal_triplet.archetypes.ArchetypalAnalysis : Where the coefficients come from.

    Notes
    -----
    Time and memory are linear in the size of X.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet import PseudoLabeler
    >>> coefficients = np.array([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.0, 0.2, 0.8]])
    >>> PseudoLabeler().fit_predict(coefficients)
    array([ 0, -1,  2], dtype=int32)
    """

    _parameter_constraints = {
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "per_label": [Interval(Integral, 1, None, closed="left"), None],
        "exclude": ["array-like", None],
        "columns": ["array-like", None],
        "passthrough": ["boolean"],
    }

    def __init__(self, threshold=0.5, *, per_label=None, exclude=None, columns=None, passthrough=False):
        self.threshold = threshold
        self.per_label = per_label
        self.exclude = exclude
        self.columns = columns
        self.passthrough = passthrough

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the coefficient columns and the thresholds, and label the training samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Mixture coefficients, alone or (`passthrough`) behind other columns.
        y : None
            Ignored.

        Returns
        -------
        self : PseudoLabeler
            The fitted labeler.

        Raises
        ------
        ValueError
            If no coefficient columns are found, or `exclude` names an archetype that does not exist.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        self.columns_ = find_coefficient_columns(
            X, self.columns, getattr(self, "feature_names_in_", None), passthrough=self.passthrough
        )
        n_labels = len(self.columns_)
        candidate, confidence = self._candidates(X)
        self.thresholds_ = np.full(n_labels, float(self.threshold))
        if self.per_label is not None:
            self._raise_thresholds(candidate, confidence)
        self.thresholds_[self._check_exclude(n_labels)] = np.inf
        self.labels_ = self._cut(candidate, confidence)
        self.confidence_ = confidence
        self.label_counts_ = np.bincount(self.labels_[self.labels_ >= 0], minlength=n_labels)
        return self

    def fit_predict(self, X, y=None):
        """Fit, and return the labels of the training samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples,), int
            Labels, -1 for none.
        """
        return self.fit(X).labels_

    def predict(self, X):
        """Label samples by the thresholds of the fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Columns as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), int
            Labels, -1 for none.
        """
        return self._cut(*self._candidates(self._validate(X)))

    def transform(self, X):
        """Return the labels as a column, behind the other columns where `passthrough` is set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Columns as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, 1) or (n_samples, n_features - n_labels + 1)
            The label column, named ``pseudolabel``, is the last one; numbers have the type of X.
        """
        X = self._validate(X)
        label = self._cut(*self._candidates(X)).astype(X.dtype)[:, None]
        return np.hstack([X[:, self._other_columns()], label]) if self.passthrough else label

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns, where `fit` saw none.

        Returns
        -------
        ndarray of str
            The passed columns' names, then ``pseudolabel``.
        """
        check_is_fitted(self)
        if not self.passthrough:
            return np.asarray(["pseudolabel"], dtype=object)
        names = _check_feature_names_in(self, input_features)
        return np.append(names[self._other_columns()], "pseudolabel").astype(object)

    def _validate(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)

    def _candidates(self, X):
        coefficients = X[:, self.columns_]
        candidate = coefficients.argmax(axis=1)
        confidence = np.take_along_axis(coefficients, candidate[:, None], axis=1)[:, 0]
        return candidate, np.clip(confidence, 0.0, 1.0)

    def _cut(self, candidate, confidence):
        return np.where(confidence >= self.thresholds_[candidate], candidate, -1).astype(np.int32)

    def _raise_thresholds(self, candidate, confidence):
        for label in range(len(self.thresholds_)):
            own = confidence[candidate == label]
            if own.size > self.per_label:
                nth_purest = np.partition(own, -self.per_label)[-self.per_label]
                self.thresholds_[label] = max(self.thresholds_[label], nth_purest)

    def _check_exclude(self, n_labels):
        if self.exclude is None:
            return []
        exclude = np.asarray(self.exclude)
        whole_numbers = exclude.dtype.kind in "iu" and exclude.ndim == 1
        if exclude.size and not (whole_numbers and exclude.min() >= 0 and exclude.max() < n_labels):
            raise ValueError(
                f"exclude={self.exclude!r} must hold archetypes' numbers, integers from 0 to {n_labels - 1}."
            )
        return exclude.astype(int)

    def _other_columns(self):
        return np.setdiff1d(np.arange(self.n_features_in_), self.columns_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
