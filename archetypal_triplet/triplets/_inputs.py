"""From what the caller passes to what the network sees: columns popped, the rest standardized."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from archetypal_triplet._utils._frames import check_columns_exist, is_frame
from archetypal_triplet.triplets._features import compute_backbone_features
from archetypal_triplet.triplets._images import ImageRows, compute_image_scaling, is_images, read_images
from archetypal_triplet.triplets._labels import is_missing

# numbers that are converted at a time: 2 MB of float64, which stay in the cache
_BLOCK = 2**18


class Table(NamedTuple):
    """A validated input taken apart."""

    features: np.ndarray
    labels: np.ndarray | None
    groups: np.ndarray | None


def resolve_column(X, column, *, parameter):
    """Turn a column's name or index into its position from the left.

    Parameters
    ----------
    X : frame or ndarray of shape (n_samples, n_columns)
        The input as passed.
    column : int or str
        Name (frames only) or index; a negative index counts from the right.
    parameter : str
        The parameter that named the column, for the messages.

    Returns
    -------
    int
        Position of the column, at least 0.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if isinstance(column, Integral):
        n_columns = X.shape[1]
        if not -n_columns <= column < n_columns:
            raise ValueError(
                f"{parameter}={column} is not a column of X, which has {n_columns} columns: give an index "
                f"from {-n_columns} to {n_columns - 1}."
            )
        return int(column) % n_columns
    if not is_frame(X):
        raise ValueError(
            f"{parameter}={column!r} names a column, but X is a plain array without names: give the column's "
            f"index, e.g. {parameter}=-1, or make the steps before hand over named tables with "
            "pipeline.set_output(transform='pandas')."
        )
    check_columns_exist(X, [column], parameter=parameter)
    return [str(c) for c in X.columns].index(column)


def read_input(estimator, X, *, groups=None, reset):
    """Validate `X`, a table or images, with the groups of its samples.

    Parameters
    ----------
    estimator : TripletEmbedder
        Its parameters say what may be in `X`.
    X : array-like or frame
        The input as passed.
    groups : array-like of shape (n_samples,) or None
        Groups that are no column of `X`.
    reset : bool
        True in `fit`.

    Returns
    -------
    Table
        Its `features` are an array, or `ImageRows`.
    """
    given_images = is_images(X) and not is_frame(X)
    if not reset:
        _check_kind(estimator, X, given_images)
    if estimator.backbone is not None and not given_images:
        n_dimensions = len(getattr(X, "shape", ())) or "no"
        raise ValueError(
            f"backbone={type(estimator.backbone).__name__} takes images (n_samples, channels, height, "
            f"width), and X has {n_dimensions} dimensions: pass images, or set backbone=None."
        )
    if given_images:
        table = _read_image_table(estimator, X, reset=reset)
    else:
        table = read_table(estimator, X, reset=reset)
    if groups is None:
        return table
    if estimator.groups_column is not None:
        raise ValueError(
            f"groups are passed, and groups_column={estimator.groups_column!r} names others: give only one."
        )
    groups = np.asarray(groups)
    if groups.shape != (len(table.features),):
        raise ValueError(
            f"groups has the shape {groups.shape} and X has {len(table.features)} rows: give one for each."
        )
    _check_groups(groups, "groups")
    return table._replace(groups=groups)


def _check_kind(estimator, X, given_images):
    """Refuse a table where there were images, and images where there was a table."""
    fitted_on_images = len(estimator.in_shape_) == 3 or estimator.backbone is not None
    if given_images and not fitted_on_images:
        raise ValueError(
            f"X has 4 dimensions, and {type(estimator).__name__} was fitted on a table of "
            f"{estimator.n_features_in_} columns: pass features, not images."
        )
    if fitted_on_images and not given_images and len(getattr(X, "shape", ())) == 2:
        raise ValueError(
            f"X is a table of shape {tuple(X.shape)}, and {type(estimator).__name__} was fitted on images of "
            f"{estimator.n_features_in_} channels: pass images (n_samples, channels, height, width)."
        )


def _read_image_table(estimator, X, *, reset):
    for name in ("label_column", "groups_column"):
        if getattr(estimator, name) is not None:
            raise ValueError(
                f"{name}={getattr(estimator, name)!r} needs a table, and X has 4 dimensions: pass labels as "
                "y (or give a labeler), and groups as fit(..., groups=...)."
            )
    rows = read_images(estimator, X, reset=reset)
    if estimator.backbone is not None:
        return Table(compute_backbone_features(estimator.backbone, rows), None, None)
    return Table(rows, None, None)


def scale_input(features):
    """Means and reciprocal standard deviations of columns, or of the channels of images."""
    return compute_image_scaling(features) if isinstance(features, ImageRows) else compute_scaling(features)


def read_table(estimator, X, *, reset):
    """Validate `X` and split it into network input, label column and group column.

    Parameters
    ----------
    estimator : TripletEmbedder
        Its `label_column`, `groups_column` and `module` say what may be in `X`; `n_features_in_` and
        `feature_names_in_` are set (`reset=True`) or compared.
    X : array-like or frame of shape (n_samples, n_columns)
        The input as passed; with `module` given also (n_samples, channels, ...).
    reset : bool
        True in `fit`.

    Returns
    -------
    Table
        `features` (n_samples, ...) float64 or float32, `labels` (n_samples,) or None, `groups` (n_samples,)
        or None.
    """
    label_column, groups_column = estimator.label_column, estimator.groups_column
    if label_column is not None and is_frame(X):
        _check_label_column(X, label_column)
    kwargs = {
        "dtype": [np.float64, np.float32],
        "allow_nd": estimator.module is not None,
        "ensure_min_samples": 2 if reset else 1,
    }
    n_dimensions = len(getattr(X, "shape", ()))
    if estimator.module is None and n_dimensions > 2:
        raise ValueError(
            f"X has {n_dimensions} dimensions, and the default encoders read tables and images (n, channels, "
            "height, width): expected <= 2, or 4. Pass a torch class for such input as module."
        )
    if groups_column is None or not is_frame(X):
        if isinstance(label_column, str) or isinstance(groups_column, str):
            # names are looked up before the frame becomes an array
            positions = _positions(X, label_column, groups_column)
            values = validate_data(estimator, X, reset=reset, **kwargs)
        else:
            values = validate_data(estimator, X, reset=reset, **kwargs)
            positions = _positions(values, label_column, groups_column)
        groups = None if positions[1] is None else values[:, positions[1]]
        return _split(values, positions, groups)

    # groups may be text, which the numeric validation would refuse: checked apart from the rest
    positions = _positions(X, label_column, groups_column)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    names = list(X.columns)
    groups = np.asarray(X[names[positions[1]]])
    if reset:
        _check_groups(groups, f"groups_column={groups_column!r}")
    rest = [i for i in range(len(names)) if i != positions[1]]
    values = check_array(X[[names[i] for i in rest]], estimator=estimator, input_name="X", **kwargs)
    label_position = None if positions[0] is None else rest.index(positions[0])
    return _split(values, (label_position, None), groups)


def _check_label_column(X, label_column):
    """Refuse text before the whole table is made numbers, where the column would no longer be named."""
    name = list(X.columns)[resolve_column(X, label_column, parameter="label_column")]
    values = np.asarray(X[name])
    if values.ndim == 1 and values.dtype.kind not in "biuf":
        try:
            values.astype(float)
        except (TypeError, ValueError):
            raise ValueError(
                f"label_column={label_column!r} does not hold whole numbers (first value: {values[0]!r}). "
                "Number the labels, for example with pandas.factorize, and mark samples without label by -1, "
                "or pass the labels as y."
            ) from None


def _check_groups(groups, source):
    missing = [i for i, value in enumerate(groups) if is_missing(value)]
    if missing:
        raise ValueError(
            f"{source} has no value in {len(missing)} of {len(groups)} rows (first: "
            f"row {missing[0]}). Fill it, for example with a name that no group has, or drop these rows."
        )


def _positions(X, label_column, groups_column):
    found = [
        None if column is None else resolve_column(X, column, parameter=parameter)
        for column, parameter in ((label_column, "label_column"), (groups_column, "groups_column"))
    ]
    if found[0] is not None and found[0] == found[1]:
        raise ValueError(
            f"label_column={label_column!r} and groups_column={groups_column!r} are the same column; labels "
            "and groups must lie in two different ones."
        )
    return tuple(found)


def _split(values, positions, groups):
    taken = [p for p in positions if p is not None]
    labels = None if positions[0] is None else values[:, positions[0]]
    if not taken:
        return Table(values, labels, groups)
    if values.ndim != 2:
        raise ValueError(
            f"label_column and groups_column need a table, and X has {values.ndim} dimensions: pass the "
            "labels as y or give a labeler instead."
        )
    features = np.delete(values, taken, axis=1)
    if features.shape[1] == 0:
        raise ValueError(
            f"no column is left for the network: X has {values.shape[1]} column(s), all of them popped as "
            "label_column or groups_column. Put passthrough=True on the steps before, so that the features "
            "stay beside the labels."
        )
    return Table(features, labels, groups)


def _blocks(X):
    n_rows = max(1, _BLOCK // max(1, X[0].size if len(X) else 1))
    return [slice(i, i + n_rows) for i in range(0, X.shape[0], n_rows)]


def compute_scaling(X):
    """Column means and reciprocal standard deviations, in float64, without a float64 copy of `X`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns) or (n_samples, channels, ...)
        Finite numbers. With more than two dimensions the statistics are per channel.

    Returns
    -------
    mean : ndarray of shape (n_columns,) or (channels,)
        Means.
    inverse_scale : ndarray of the same shape
        1 / SD, and 0 for a column without variation, which therefore becomes and stays 0: a network has
        learned nothing about a column that it never saw vary.
    """
    axes = (0, *range(2, X.ndim))
    n = X.size // X.shape[1]
    mean = sum(X[rows].sum(axis=axes, dtype=np.float64) for rows in _blocks(X)) / n
    shape = (1, -1) + (1,) * (X.ndim - 2)
    variance = sum(np.square(X[rows] - mean.reshape(shape)).sum(axis=axes) for rows in _blocks(X)) / n
    # what rounding alone leaves of a constant column (the bound of sklearn's StandardScaler)
    eps = np.finfo(np.float64).eps
    constant = variance <= n * eps * variance + np.square(n * mean * eps)
    inverse_scale = np.zeros_like(mean)
    inverse_scale[~constant] = 1 / np.sqrt(variance[~constant])
    return mean, inverse_scale


def standardize(X, mean, inverse_scale):
    """``(X - mean) * inverse_scale``, computed in float64, as a new C-contiguous float32 array.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns) or (n_samples, channels, ...)
        Finite numbers.
    mean, inverse_scale : ndarray of shape (n_columns,) or (channels,)
        From :func:`compute_scaling`.

    Returns
    -------
    ndarray of the shape of X, float32
        Standardized values. Values beyond float32 are clipped to its range.
    """
    shape = (1, -1) + (1,) * (X.ndim - 2)
    mean, inverse_scale = mean.reshape(shape), inverse_scale.reshape(shape)
    largest = float(np.finfo(np.float32).max) / 1e6
    out = np.empty(X.shape, dtype=np.float32)
    for rows in _blocks(X):
        out[rows] = np.clip((X[rows] - mean) * inverse_scale, -largest, largest)
    return out
