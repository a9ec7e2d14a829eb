"""Where the labels come from, and how they become integer codes for the batches."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from archetypal_triplet._utils._exceptions import DataWarning

NO_SOURCE = """TripletEmbedder requires y to be passed, but the target y is None: it has no
labels to train on. Give it exactly one source of labels, for instance

    TripletEmbedder(labeler=Pipeline([
        ("archetypes", ArchetypalAnalysis(8)), ("labels", PseudoLabeler(threshold=0.5))]))

or keep the features beside the labels in a line of steps

    Pipeline([("archetypes", ArchetypalAnalysis(8, passthrough=True)),
              ("labels", PseudoLabeler(passthrough=True)),
              ("embed", TripletEmbedder(label_column=-1))])"""


class LabelCodes(NamedTuple):
    """Labels as the batches need them."""

    codes: np.ndarray
    classes: list


def check_label_values(labels, *, source):
    """Check that `labels` are classes, one row per sample, and return them as an array.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or (n_samples, n_labelings)
        Integers, floats that are whole numbers, booleans or strings.
    source : str
        Where they came from, for the messages.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_labelings)
        Whole floats become int64.

    Raises
    ------
    ValueError
        If there are more than two dimensions, or numbers that are not whole.
    """
    labels = np.asarray(labels)
    if labels.ndim not in (1, 2) or (labels.ndim == 2 and labels.shape[1] == 0):
        raise ValueError(
            f"{source} has the shape {labels.shape}; allowed are (n_samples,) for one labeling and "
            "(n_samples, n_labelings) for several."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "O":
        labels = _tidy_objects(labels, source)
    if labels.dtype.kind == "c":
        raise ValueError(f"{source} holds complex numbers; labels are whole numbers or strings.")
    if labels.dtype.kind == "f":
        # beyond 2^53 neighboring whole numbers are one float
        wrong = labels[~(np.abs(labels) < 2.0**53) | (labels != np.round(labels))]
        if wrong.size:
            raise ValueError(
                f"{source} is not integral: {wrong.size} of {labels.size} values are no whole number, e.g. "
                f"{wrong.flat[0]:.6g}. Labels are whole numbers, with -1 for unlabeled samples; check that "
                "this is the column of labels and not a feature."
            )
        labels = labels.astype(np.int64)
    return labels


def _tidy_objects(labels, source):
    try:
        numbers = labels.astype(np.float64)
    except (TypeError, ValueError):
        missing = [v for v in labels.ravel() if is_missing(v)]
        if missing:
            raise ValueError(
                f"{source} holds {len(missing)} missing values; mark a sample without label with -1, and all "
                "other samples with whole numbers."
            ) from None
        return labels.astype(str)
    return numbers


def is_missing(value):
    """Tell whether `value` is None, NaN or pandas.NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal nor unequal to anything
        return True


def find_labels(estimator, X, n_samples, label_values, y):
    """Labels of the one source that the estimator names, and the fitted labeler.

    Parameters
    ----------
    estimator : TripletEmbedder
        Its `labeler` and `label_column` name the source; `y` counts only where both are None.
    X : array-like
        The input exactly as passed to `fit`; a labeler gets this.
    n_samples : int
        Rows of `X`.
    label_values : ndarray of shape (n_samples,) or None
        The popped label column.
    y : array-like of shape (n_samples,) or (n_samples, n_labelings), or None
        The target.

    Returns
    -------
    labels : ndarray of shape (n_samples,) or (n_samples, n_labelings)
        The labels.
    labeler : estimator or None
        A fitted clone of `labeler`.
    """
    if estimator.labeler is not None and estimator.label_column is not None:
        raise ValueError(
            f"labeler={estimator.labeler!r} and label_column={estimator.label_column!r} are two sources of "
            "labels; give one of them and leave the other at None."
        )
    if estimator.label_column is not None:
        return check_label_values(label_values, source=f"label_column={estimator.label_column!r}"), None
    if estimator.labeler is None:
        if y is None:
            raise ValueError(NO_SOURCE)
        labels = check_label_values(y, source="y")
        if len(labels) != n_samples:
            raise ValueError(
                f"y has {len(labels)} rows and X has {n_samples}: found input variables with inconsistent "
                "numbers of samples. Pass one row of labels per row of X."
            )
        return labels, None
    if isinstance(estimator.labeler, type):
        name = estimator.labeler.__name__
        raise TypeError(f"labeler={name} is a class; pass an instance, such as labeler={name}().")
    labeler = clone(estimator.labeler)
    labels = labeler.fit_predict(X) if hasattr(labeler, "fit_predict") else labeler.fit(X).predict(X)
    labels = check_label_values(labels, source=f"what labeler={type(labeler).__name__} returned")
    if len(labels) != n_samples:
        raise ValueError(
            f"labeler={type(labeler).__name__} returned {len(labels)} labels for {n_samples} samples; it "
            "must return one row of labels per row of X."
        )
    return labels, labeler


class FoundLabels(NamedTuple):
    """The labels of a fit, what the batches make of them, and who gave them."""

    labels: np.ndarray
    codes: np.ndarray
    classes: list
    labeler: object


def find_codes(estimator, X, table, y, labeler):
    """Labels of the one source, encoded for the batches.

    Parameters
    ----------
    estimator : TripletEmbedder
        Names the source.
    X : array-like
        The input exactly as passed.
    table : Table
        The validated input.
    y : array-like or None
        The target.
    labeler : estimator or None
        Already fitted, to predict instead of fitting a clone.

    Returns
    -------
    FoundLabels
        The labels.
    """
    n_samples = len(table.features)
    if isinstance(estimator.labeler, str):
        if estimator.label_column is not None or estimator.validation_fraction:
            raise ValueError(
                "labeler='instances' makes every sample its own label: leave label_column=None and "
                f"validation_fraction=0 (got {estimator.label_column!r} and {estimator.validation_fraction})."
            )
        labels = np.arange(n_samples)
        return FoundLabels(labels, labels[:, None], [labels], None)
    if labeler is not None:
        if not hasattr(labeler, "predict"):
            raise ValueError(
                f"labeler={type(labeler).__name__} has no predict, so it cannot label the samples of a later "
                "call of partial_fit: use one with predict, or pass the labels as y."
            )
        labels = check_label_values(labeler.predict(X), source="the labeler's prediction")
    else:
        labels, labeler = find_labels(estimator, X, n_samples, table.labels, y)
    coded = encode_labels(labels)
    return FoundLabels(labels, coded.codes, coded.classes, labeler)


def is_unlabeled(labels):
    """Mask of the entries that are -1, scikit-learn's mark for "no label"."""
    return labels == -1 if labels.dtype.kind in "if" else np.zeros(labels.shape, dtype=bool)


def encode_labels(labels, *, warn=True):
    """Turn labels into codes, leaving out what cannot be trained on.

    Label -1, and labels with a single sample in their labeling, get code -1. A labeling with fewer than two
    labels left is dropped.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,) or (n_samples, n_labelings)
        From :func:`check_label_values`.
    warn : bool
        Whether to warn of what is left out.

    Returns
    -------
    LabelCodes
        `codes` int64 (n_samples, n_labelings_kept), 0..n_labels-1 in each column or -1; `classes` a list with
        the sorted labels other than -1 of every column, kept or not.

    Raises
    ------
    ValueError
        If no labeling has two labels with two samples each.

    Warns
    -----
    DataWarning
        If labels or labelings are dropped.
    """
    columns = labels[:, None] if labels.ndim == 1 else labels
    n, n_labelings = columns.shape
    codes = np.full((n, n_labelings), -1, dtype=np.int64)
    classes, singles, kept = [], [], []
    for j, column in enumerate(columns.T):
        labeled = ~is_unlabeled(column)
        names, inverse, counts = np.unique(column[labeled], return_inverse=True, return_counts=True)
        classes.append(names)
        singles.append(names[counts == 1])
        enough = counts > 1
        recode = np.where(enough, np.cumsum(enough) - 1, -1)
        codes[labeled, j] = recode[inverse]
        if enough.sum() > 1:
            kept.append(j)
    if not kept:
        raise ValueError(_explain_too_few(columns))
    if warn:
        _warn_dropped(n_labelings, singles, len(kept))
    return LabelCodes(np.ascontiguousarray(codes[:, kept]), classes)


def _explain_too_few(columns):
    n_unlabeled = int(is_unlabeled(columns).sum())
    best = max(columns.T, key=lambda column: len(np.unique(column[~is_unlabeled(column)])))
    names, counts = np.unique(best[~is_unlabeled(best)], return_counts=True)
    if names.size == 0:
        return (
            f"every label is -1 (unlabeled): {n_unlabeled} of {columns.size} labels. Lower the threshold of "
            "the PseudoLabeler, or check the labeler on these samples."
        )
    n_usable = int((counts > 1).sum())
    words = "1 class is" if n_usable == 1 else f"{n_usable} classes are"
    # labels of single samples come from too many archetypes, one label for all from too few
    number = "fewer" if names.size > 1 else "more"
    shown = ", ".join(f"{a}: {c}" for a, c in list(zip(names.tolist(), counts.tolist(), strict=True))[:10])
    return (
        f"{words} left to train on, and a triplet needs 2 with at least 2 samples each. Samples per label: "
        f"{shown}; unlabeled (-1): {n_unlabeled}. Use {number} archetypes or clusters, lower the threshold "
        "of the PseudoLabeler, or pass more samples."
    )


def _warn_dropped(n_labelings, singles, n_kept):
    # where there are many labelings another one teaches what the lone sample would have
    if n_labelings == 1 and len(singles[0]):
        warnings.warn(
            f"{len(singles[0])} label(s) have a single sample (first: {singles[0][0]!s}) and are not trained "
            "on: a positive pair needs two samples of a label.",
            DataWarning,
            stacklevel=8,
        )
    if n_kept < n_labelings:
        warnings.warn(
            f"{n_labelings - n_kept} of {n_labelings} labelings have fewer than 2 labels with 2 samples each "
            "and are not trained on.",
            DataWarning,
            stacklevel=8,
        )
