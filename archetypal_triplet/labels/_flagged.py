"""FlaggedLabeler: rows that are known to be bad get no label and shape none."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from archetypal_triplet._utils._flags import check_flags
from archetypal_triplet._utils._frames import check_columns_exist, is_frame
from archetypal_triplet.labels._rows import check_rows

_CURE = (
    "FlaggedLabeler needs a labeler for the rows that are not flagged: labeler=None was given. For example:\n"
    "    FlaggedLabeler(KMeans(8), flag_column=-1)"
)


class FlaggedLabeler(BaseEstimator):
    """Label samples, except those that are flagged: they get -1, and the labeler never sees them.

    Lost focus, debris and empty fields lie at the rim of the data, where archetypes are looked for. Flagged
    rows therefore stay out of the fit, and since the label -1 is never trained on, out of the triplets too.

    Parameters
    ----------
    labeler : estimator or None, default=None
        Anything with ``fit_predict``, or ``fit`` and ``predict``: a Pipeline that ends in a `PseudoLabeler`,
        an `EnsembleLabeler`, a clusterer. It is cloned, never fitted itself. None raises in `fit` and shows
        the cure.
    flag_column : int, str or None, default=None
        Position or name of the column of `X` with the flags, 0 or 1 (False or True); the labeler gets `X`
        without it. None: flags are given to `fit`, or nothing is flagged.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,) or (n_samples, n_labelings), int
        Labels of the training samples, -1 where they are flagged or have none.
    labeler_ : estimator
        The fitted labeler.
    n_features_in_ : int
        Number of columns seen by `fit`, the flags included.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where X had any.

    See Also
    --------
    EnsembleLabeler : Many labelings of the same samples.
    archetypal_triplet.qc.compute_field_scores : Flags fields.
    archetypal_triplet.make_archetypal_triplet : With `flags`, puts this class where it belongs.

    Notes
    -----
    In a `TripletEmbedder` name the column twice: ``TripletEmbedder(FlaggedLabeler(labeler, flag_column=-1),
    groups_column=-1)``. A group column is kept from the network and given to the labeler, and all samples
    that are trained on lie in one group.

    The label alone does not undo what flagged rows have done to a step before: a few spoiled controls shift
    the means and raise the standard deviations by which all features of their plate are measured. Keep them
    from that too, as ``make_archetypal_triplet(flags=...)`` and ``ScreenNormalizer(flags=...)`` do.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from archetypal_triplet.labels import FlaggedLabeler
    >>> X = np.array([[0.0], [0.1], [5.0], [5.1], [99.0]])
    >>> labels = FlaggedLabeler(KMeans(2, n_init=1)).fit_predict(X, flags=[0, 0, 0, 0, 1])
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3]), int(labels[4])
    (True, -1)
    """

    _parameter_constraints = {"labeler": [HasMethods(["fit"]), None], "flag_column": [Integral, str, None]}

    def __init__(self, labeler=None, *, flag_column=None):
        self.labeler = labeler
        self.flag_column = flag_column

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, flags=None):
        """Fit the labeler on the rows that are not flagged.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the labeler takes, and the column of flags where there is one.
        y : None
            Ignored.
        flags : array-like of shape (n_samples,), default=None
            True or 1 for rows that get no label; only without `flag_column`.

        Returns
        -------
        FlaggedLabeler
            The fitted labeler.

        Raises
        ------
        ValueError
            If `labeler` is None, flags are given twice or are no flags, or all rows are flagged.
        TypeError
            If `labeler` is a class, or has neither ``fit_predict`` nor ``predict``.
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
        rest, is_flagged = self._take_flags(X, flags, reset=True)
        if is_flagged.all():
            raise ValueError(
                f"All {len(is_flagged)} rows are flagged, so that none is left to label. Check the flags."
            )
        self.labeler_ = clone(self.labeler)
        kept = _take_rest(rest, is_flagged)
        if hasattr(self.labeler_, "fit_predict"):
            labels = self.labeler_.fit_predict(kept)
        else:
            labels = self.labeler_.fit(kept).predict(kept)
        self.labels_ = _spread(labels, is_flagged)
        return self

    def fit_predict(self, X, y=None, flags=None):
        """Fit the labeler, and return the labels of the training samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As in `fit`.
        y : None
            Ignored.
        flags : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labelings), int
            Labels, -1 where a row is flagged or has none.
        """
        return self.fit(X, flags=flags).labels_

    def predict(self, X, flags=None):
        """Label samples by the fitted labeler, flagged ones by -1.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As in `fit`.
        flags : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labelings), int
            Labels, -1 where a row is flagged or has none.
        """
        check_is_fitted(self)
        rest, is_flagged = self._take_flags(X, flags, reset=False)
        if is_flagged.all():
            shape = (len(is_flagged), *self.labels_.shape[1:])
            return np.full(shape, -1, dtype=self.labels_.dtype)
        return _spread(self.labeler_.predict(_take_rest(rest, is_flagged)), is_flagged)

    def _take_labeled(self, X):
        """Return the part of `X` that reaches the labeler, for scorers of what is inside of it."""
        return _take_rest(*self._take_flags(X, None, reset=False))

    def _take_flags(self, X, flags, *, reset):
        """X without the column of flags, and which rows are flagged."""
        check_rows(X)
        validate_data(self, X, skip_check_array=True, reset=reset)
        n_samples = _num_samples(X)
        if self.flag_column is None:
            source = "flags"
            flags = np.zeros(n_samples) if flags is None else np.asarray(flags)
        elif isinstance(self.flag_column, bool):
            raise ValueError(
                f"flag_column={self.flag_column} is neither a position nor a name. Give such as -1 for the "
                "last column, or None."
            )
        elif flags is not None:
            raise ValueError(
                f"flags are passed, and flag_column={self.flag_column!r} names others: give only one."
            )
        else:
            source = f"flag_column={self.flag_column!r}"
            X, flags = _split_column(X, self.flag_column)
        return X, check_flags(flags, n_samples, source)


def _split_column(X, column):
    """X without a column, and that column."""
    if is_frame(X):
        if isinstance(column, str):
            check_columns_exist(X, [column], parameter="flag_column")
        elif not -X.shape[1] <= column < X.shape[1]:
            raise ValueError(_say_out_of_range(column, X.shape[1]))
        name = column if isinstance(column, str) else X.columns[column]
        return X[[c for c in X.columns if c != name]], np.asarray(X[name])
    if isinstance(column, str):
        raise ValueError(
            f"flag_column={column!r} is a name, but X is a {type(X).__name__} without column names. Give its "
            "position, such as -1 for the last column."
        )
    X = np.asarray(X)
    if not -X.shape[1] <= column < X.shape[1]:
        raise ValueError(_say_out_of_range(column, X.shape[1]))
    return np.delete(X, column, axis=1), X[:, column]


def _take_rest(X, is_flagged):
    """Rows that are not flagged; without a flag the very same object, whatever its type."""
    return _safe_indexing(X, np.flatnonzero(~is_flagged)) if is_flagged.any() else X


def _say_out_of_range(column, n_columns):
    return (
        f"flag_column={column} is not a position in X, which has {n_columns} column(s). Allowed: integers "
        f"from {-n_columns} to {n_columns - 1}, or a name."
    )


def _spread(labels, is_flagged):
    labels = np.asarray(labels)
    if not is_flagged.any():
        return labels
    found = np.full((len(is_flagged), *labels.shape[1:]), -1, dtype=labels.dtype)
    found[~is_flagged] = labels
    return found
