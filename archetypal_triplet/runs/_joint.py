"""Two embeddings as one: scaled to equal weight, side by side, whitened again."""

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from archetypal_triplet.screens._whitening import choose_ridge, deviations, principal_axes, whitening_matrix


class EmbeddingJoiner(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Join two embeddings that stand side by side in one array.

    Each is centered and divided by its root mean square length, so that both weigh the same. The principal
    axes of both together are whitened by (C + ridge I)^-1/2, where C is the covariance of rows of one group
    about their mean, scaled to mean eigenvalue 1: what differs within a well is nothing to look for.

    Parameters
    ----------
    n_first : int, default=32
        Columns of the first embedding; the other columns are the second.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features_in_,)
        Mean row.
    matrix_ : ndarray of shape (n_features_in_, n_components)
        What a row less the mean is multiplied by.
    ridge_ : float or None
        The ridge; None where there were no groups to whiten by.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.runs._joint import EmbeddingJoiner
    >>> rng = np.random.default_rng(0)
    >>> first, second = rng.normal(size=(60, 3)), 100 * rng.normal(size=(60, 2))
    >>> joined = EmbeddingJoiner(3).fit_transform(np.hstack([first, second]))
    >>> joined.shape
    (60, 5)
    >>> bool(np.isclose(np.square(joined).sum(axis=1).mean(), 2))
    True
    """

    def __init__(self, n_first=32):
        self.n_first = n_first

    def fit(self, X, y=None, groups=None):
        """Learn scales, axes and whitening.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Both embeddings, side by side.
        y : None
            Not used.
        groups : ndarray of int of shape (n_samples,), default=None
            Group of each row, such as its well; -1 for none. None: nothing is whitened.

        Returns
        -------
        EmbeddingJoiner
            Itself.

        Raises
        ------
        ValueError
            If `n_first` leaves one of the two without a column, or an embedding is constant.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if not 0 < self.n_first < X.shape[1]:
            raise ValueError(
                f"n_first={self.n_first!r} of {X.shape[1]} columns leaves no second embedding, or no first "
                "one. Give the number of columns of the first embedding."
            )
        self.mean_ = X.mean(axis=0)
        centered = X - self.mean_
        scale = np.empty(X.shape[1])
        for name, part in (("first", slice(self.n_first)), ("second", slice(self.n_first, None))):
            length = np.sqrt(np.square(centered[:, part]).sum(axis=1).mean())
            if not length > 0:
                raise ValueError(f"The {name} embedding is the same for all rows: there is nothing to join.")
            scale[part] = length
        centered /= scale
        n_samples, n_features = centered.shape
        _, axes, _, _ = principal_axes(lambda: iter([centered.copy()]), n_samples, n_features, n_features)
        matrix, self.ridge_ = axes.T, None
        if groups is not None:
            deviation, n_free = deviations(centered @ axes.T, np.asarray(groups))
            if n_free > 0 and deviation.any():
                self.ridge_ = choose_ridge(np.asarray(groups))
                matrix = matrix @ whitening_matrix(deviation, self.ridge_)
        self.matrix_ = np.ascontiguousarray(matrix / scale[:, None])
        self._n_features_out = self.matrix_.shape[1]
        return self

    def transform(self, X):
        """Join further rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Both embeddings, side by side.

        Returns
        -------
        ndarray of shape (n_samples, n_components), float32
            The joint embedding.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return ((X - self.mean_) @ self.matrix_).astype(np.float32)
