"""`NeighborAverager`: cells averaged with the cells that look most alike."""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data


class NeighborAverager(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Replace every row by the mean of the training rows nearest to it.

    :math:`\hat x_i = \frac{1}{k} \sum_{j \in N_k(i)} x_j`, where :math:`N_k(i)` are the `k` training rows
    with the smallest Euclidean distance to :math:`x_i`. A training row is its own nearest neighbor, so it is
    part of its own mean, and `fit_transform` equals `transform` of the training rows.

    Single cells scatter far beyond the phenotypes: an archetypal fit on raw cells settles on odd, bright and
    crowded ones. Averages of 20 to 30 look-alikes keep the phenotypes at the corners and drop the scatter.

    Parameters
    ----------
    n_neighbors : int, default=25
        Number of training rows in a mean. All training rows are used where there are fewer.
    n_jobs : int, default=None
        Number of jobs for the search, as scikit-learn counts them.

    Attributes
    ----------
    n_neighbors_ : int
        Number of rows in each mean.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if fitted on a table whose column names are all strings.

    See Also
    --------
    ScreenNormalizer : What should come before, so that distances mean something.

    Notes
    -----
    The training rows are kept. The search is exact: time is O(n_samples^2 * n_features) in more than about
    15 dimensions, memory O(n_samples * n_neighbors) beside the data; distances are computed in chunks.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet import NeighborAverager
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> NeighborAverager(n_neighbors=2).fit(X).transform([[0.4], [9.0]])
    array([[0.5],
           [6. ]])
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    def __init__(self, n_neighbors=25, *, n_jobs=None):
        self.n_neighbors = n_neighbors
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Keep the training rows and prepare the search.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to look for neighbors among.
        y : None
            Ignored.

        Returns
        -------
        NeighborAverager
            The fitted transformer.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        self.n_neighbors_ = min(self.n_neighbors, len(X))
        # distances are found from inner products: far from the origin they would drown in rounding
        self._offset = X.mean(axis=0)
        self._rows = X - self._offset
        self._search = NearestNeighbors(n_neighbors=self.n_neighbors_, n_jobs=self.n_jobs).fit(self._rows)
        return self

    def transform(self, X):
        """Average every row with its neighbors among the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; they need not be training rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            For each row the mean of its `n_neighbors_` nearest training rows.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        neighbors = self._search.kneighbors(X - self._offset, return_distance=False)
        n_samples, k = neighbors.shape
        weights = np.full(n_samples * k, 1.0 / k, dtype=self._rows.dtype)
        starts = np.arange(0, n_samples * k + 1, k)
        chosen = sparse.csr_array((weights, neighbors.ravel(), starts), shape=(n_samples, len(self._rows)))
        return (chosen @ self._rows + self._offset).astype(X.dtype, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
