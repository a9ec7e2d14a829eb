"""Embeddings of pixels, or of features and pixels side by side, freed from what varies for no reason."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from archetypal_triplet.screens._whitening import choose_ridge, deviations, principal_axes, whitening_matrix


class EmbeddingWhitener(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Whiten embeddings that stand side by side in one array, each by itself, and give them equal weight.

    The columns of an embedding are centered, turned to their principal axes, and multiplied by
    (C + ridge I)^-1/2, where C is the covariance of rows of one group about their mean, scaled to mean
    eigenvalue 1: what differs within a well is nothing to look for. The result is divided by its root mean
    square length. Whitening several embeddings together would weigh down what they agree on.

    Parameters
    ----------
    widths : list of int or None, default=None
        Number of columns of each embedding; None is one embedding.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features_in_,)
        Mean row.
    matrix_ : ndarray of shape (n_features_in_, n_features_in_)
        What a row less the mean is multiplied by; it has one block for each embedding.
    ridge_ : float or None
        The ridge; None where there were no groups to whiten by.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.runs._joint import EmbeddingWhitener
    >>> rng = np.random.default_rng(0)
    >>> first, second = rng.normal(size=(60, 3)), 100 * rng.normal(size=(60, 2))
    >>> joined = EmbeddingWhitener([3, 2]).fit_transform(np.hstack([first, second]))
    >>> joined.shape
    (60, 5)
    >>> [bool(np.isclose(np.square(part).sum(axis=1).mean(), 1)) for part in (joined[:, :3], joined[:, 3:])]
    [True, True]
    """

    def __init__(self, widths=None):
        self.widths = widths

    def fit(self, X, y=None, groups=None):
        """Learn means, axes and whitening.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embeddings, side by side.
        y : None
            Not used.
        groups : ndarray of int of shape (n_samples,), default=None
            Group of each row, such as its well; -1 for none. None, and groups of one row each: nothing is
            whitened.

        Returns
        -------
        EmbeddingWhitener
            Itself.

        Raises
        ------
        ValueError
            If `widths` do not fit the columns, or an embedding is constant.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        widths = [X.shape[1]] if self.widths is None else list(self.widths)
        if not all(isinstance(w, Integral) and w > 0 for w in widths) or sum(widths) != X.shape[1]:
            raise ValueError(
                f"widths={self.widths!r} do not fit an array of {X.shape[1]} columns. Give the number of "
                "columns of each embedding."
            )
        self.mean_ = X.mean(axis=0)
        self.matrix_ = np.zeros((X.shape[1], X.shape[1]))
        self.ridge_ = None
        for number, end in enumerate(np.cumsum(widths)):
            block = slice(end - widths[number], end)
            matrix = self._whiten(X[:, block] - self.mean_[block], groups, number)
            self.matrix_[block, block.start : block.start + matrix.shape[1]] = matrix
        self._n_features_out = X.shape[1]
        return self

    def _whiten(self, centered, groups, number):
        n_samples, n_features = centered.shape
        if not centered.any():
            raise ValueError(f"Embedding {number} is the same for all rows: there is nothing to whiten.")
        _, axes, _, _ = principal_axes(lambda: iter([centered.copy()]), n_samples, n_features, n_features)
        matrix = axes.T
        if groups is not None:
            deviation, n_free = deviations(centered @ matrix, np.asarray(groups))
            if n_free > 0 and deviation.any():
                self.ridge_ = choose_ridge(np.asarray(groups))
                matrix = matrix @ whitening_matrix([deviation], self.ridge_)
        return matrix / np.sqrt(np.square(centered @ matrix).sum(axis=1).mean())

    def transform(self, X):
        """Whiten further rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embeddings, side by side.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            The joint embedding.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return ((X - self.mean_) @ self.matrix_).astype(np.float32)
