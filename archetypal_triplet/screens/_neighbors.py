"""`NeighborAverager`: cells averaged with the cells that look most alike."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from archetypal_triplet._utils._groups import group_means

_MOST_COLUMNS_OF_A_TREE = 6
_MOST_REFERENCES = 50_000  # rows among which the cells of every group look for neighbors


class NeighborAverager(TransformerMixin, BaseEstimator):
    r"""Replace every row by the mean of the training rows nearest to it.

    :math:`\hat x_i = \frac{1}{k} \sum_{j \in N_k(i)} x_j`, where :math:`N_k(i)` are the `k` training rows
    with the smallest Euclidean distance to :math:`x_i`, with `groups_column` among those of its own group. A
    training row is its own nearest neighbor, so it is part of its own mean, and `fit_transform` equals
    `transform` of the training rows.

    Single cells scatter far beyond the phenotypes: an archetypal fit on raw cells settles on odd, bright and
    crowded ones. Averages of 20 to 30 look-alikes keep the phenotypes at the corners and drop the scatter.
    Where single cells hardly show which well they come from, only look-alikes from the same well bring out
    the small shift of all of its cells; where they do show it, look-alikes from all wells average out what
    is peculiar to one of them.

    Parameters
    ----------
    n_neighbors : int, default=25
        Number of training rows in a mean. All of them (or of the group's) are used where there are fewer.
    groups_column : int, str or None, default=None
        Column of X that numbers the groups, usually wells. Neighbors are then sought among the training rows
        of the same group; it takes no part in distances and is left out of the result. Rows of a group that
        `fit` has not seen are averaged with neighbors from all groups. None seeks among all rows.
    max_group_share : float, default=1.0
        Largest share of the variance between groups (adjusted R^2, all columns together) at which neighbors
        are sought within groups; above it they are sought among all rows, or 50,000 evenly spaced ones. 1
        always keeps to the groups.
    n_jobs : int, default=None
        Number of jobs for the search, as scikit-learn counts them.

    Attributes
    ----------
    group_share_ : float or None
        Share of the variance between groups; None without `groups_column`.
    n_neighbors_ : int
        Largest number of rows in a mean.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if fitted on a table whose column names are all strings.

    See Also
    --------
    ScreenNormalizer : What should come before, so that distances mean something.

    Notes
    -----
    The training rows are kept. The search is exact: time is O(n_samples^2 * n_features) in more than a
    few dimensions, memory O(n_samples * n_neighbors) beside the data; distances are computed in chunks.

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
        "groups_column": [Integral, str, None],
        "max_group_share": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Integral, None],
    }

    def __init__(self, n_neighbors=25, *, groups_column=None, max_group_share=1.0, n_jobs=None):
        self.n_neighbors = n_neighbors
        self.groups_column = groups_column
        self.max_group_share = max_group_share
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Keep the training rows and prepare the search.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Rows to look for neighbors among.
        y : None
            Ignored.

        Returns
        -------
        NeighborAverager
            The fitted transformer.

        Raises
        ------
        ValueError
            If `groups_column` is not a column of X.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        rows, groups = self._split(X)
        # distances are found from inner products: far from the origin they would drown in rounding
        self._offset = rows.mean(axis=0)
        self._rows = rows - self._offset
        self._searches = {}
        sizes = [len(rows)]
        self.group_share_ = None if groups is None else _compute_group_share(self._rows, groups)
        among = slice(None)
        if groups is not None and self.group_share_ > self.max_group_share:
            among = slice(None, None, 1 + (len(rows) - 1) // _MOST_REFERENCES)
        elif groups is not None:
            order = np.argsort(groups, kind="stable")
            values, starts = np.unique(groups[order], return_index=True)
            members = np.split(order, starts[1:])
            self._searches = {
                value: (chosen, self._search_among(chosen))
                for value, chosen in zip(values, members, strict=True)
            }
            sizes = [len(chosen) for chosen in members]
        self._among_all = np.arange(len(rows))[among]
        self._search_all = self._search_among(among)
        self.n_neighbors_ = min(self.n_neighbors, max(sizes))
        return self

    def transform(self, X):
        """Average every row with its neighbors among the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Rows; they need not be training rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            For each row the mean of its nearest training rows, without the column of groups.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return (self._weigh(X) @ self._rows + self._offset).astype(X.dtype, copy=False)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns, where `fit` saw none.

        Returns
        -------
        ndarray of str
            The input's names without the column of groups.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return names if self.groups_column is None else np.delete(names, self._groups_position())

    def _groups_position(self):
        column, n_columns = self.groups_column, self.n_features_in_
        names = list(getattr(self, "feature_names_in_", []))
        if isinstance(column, str) and column in names:
            return names.index(column)
        if isinstance(column, Integral) and -n_columns <= column < n_columns:
            return column % n_columns
        raise ValueError(
            f"groups_column={column!r} is not a column of X, which has {n_columns} columns"
            f"{': ' + ', '.join(names) if names else ' without names'}. Give the position or the name of one."
        )

    def _split(self, X):
        if self.groups_column is None:
            return X, None
        position = self._groups_position()
        if X.shape[1] == 1:
            raise ValueError(
                f"groups_column={self.groups_column!r} is the only column of X (n_features = 1), "
                "so nothing is left to average. Pass the features beside it."
            )
        return np.delete(X, position, axis=1), X[:, position]

    def _search_among(self, members):
        rows = self._rows[members]
        n_neighbors = min(self.n_neighbors, len(rows))
        # whitened components have no direction along which a tree could split the rows
        algorithm = "brute" if rows.shape[1] > _MOST_COLUMNS_OF_A_TREE else "auto"
        return NearestNeighbors(n_neighbors=n_neighbors, algorithm=algorithm, n_jobs=self.n_jobs).fit(rows)

    def _weigh(self, X):
        rows, groups = self._split(X)
        columns, counts = [None] * len(rows), np.empty(len(rows), dtype=np.intp)
        kinds = np.unique(groups) if self._searches else [None]
        for kind in kinds:
            own = np.arange(len(rows)) if kind is None else np.flatnonzero(groups == kind)
            members, search = self._searches.get(kind, (self._among_all, self._search_all))
            neighbors = members[search.kneighbors(rows[own] - self._offset, return_distance=False)]
            counts[own] = neighbors.shape[1]
            for row, found in zip(own, neighbors, strict=True):
                columns[row] = found
        starts = np.concatenate([[0], np.cumsum(counts)])
        weights = np.repeat(1.0 / counts, counts).astype(self._rows.dtype)
        return sparse.csr_array(
            (weights, np.concatenate(columns), starts), shape=(len(rows), len(self._rows))
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _compute_group_share(rows, groups):
    """Share of the variance of centered rows that lies between groups, less what chance explains."""
    codes, counts = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    n_free = len(rows) - len(counts)
    total = float(np.square(rows, dtype=np.float64).sum())
    if n_free < 1 or total == 0:
        return 0.0
    between = float((counts[:, None] * group_means(rows, codes, len(counts)) ** 2).sum())
    return 1 - (1 - between / total) * (len(rows) - 1) / n_free
