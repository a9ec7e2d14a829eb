"""Separability of the controls: can an assay tell its positive from its negative wells?"""

from numbers import Integral, Real

import numpy as np
from scipy.stats import rankdata
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from archetypal_triplet._utils._frames import (
    as_pandas,
    check_columns_exist,
    embedding_columns,
    is_frame,
    select_rows,
)
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet._utils._spread import MAD_TO_SD
from archetypal_triplet.qc._crossfit import compute_crossfit_scores
from archetypal_triplet.qc._separation import MEASURES

COLUMNS = ("scope", "plate", "metric", "value", "low", "high", "n_negative", "n_positive", "axis", "reason")
MIN_CONTROLS = 8
# The wells that score one axis point the axes of the other folds. Where nothing separates the classes the two
# errors are one and the same, and the statistic has twice the variance that its scores, taken as fixed, show.
CROSSFIT_WIDENING = np.sqrt(2.0)
_MAX_BLOCK = 2_000_000  # values resampled at a time


def _compute_all(scores, n_negative):
    """Measures (n_measures, n_rows) of the rows of `scores` (n_rows, n_negative + n_positive)."""
    negative, positive = scores[:, :n_negative], scores[:, n_negative:]
    n_positive = positive.shape[1]
    mean = positive.mean(axis=1) - negative.mean(axis=1)
    sd = negative.std(axis=1, ddof=1), positive.std(axis=1, ddof=1)
    medians = np.median(negative, axis=1), np.median(positive, axis=1)
    mad = sum(
        MAD_TO_SD * np.median(np.abs(values - median[:, None]), axis=1)
        for values, median in zip((negative, positive), medians, strict=True)
    )
    ranks = rankdata(scores, axis=1)[:, n_negative:].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array(
            [
                1 - 3 * (sd[0] + sd[1]) / np.abs(mean),
                1 - 3 * mad / np.abs(medians[1] - medians[0]),
                mean / np.hypot(*sd),
                (ranks - n_positive * (n_positive + 1) / 2) / (n_negative * n_positive),
            ]
        )


def _bootstrap(scores, n_negative, n_bootstrap, rng):
    """Measures (n_measures, n_bootstrap) of resampled wells, each the median over the repeats."""
    n_repeats, n_wells = scores.shape
    block = max(1, _MAX_BLOCK // (n_repeats * n_wells))
    results = []
    for start in range(0, n_bootstrap, block):
        n = min(block, n_bootstrap - start)
        drawn = np.hstack(
            [
                rng.integers(0, n_negative, size=(n, n_negative)),
                rng.integers(n_negative, n_wells, size=(n, n_wells - n_negative)),
            ]
        )
        every = _compute_all(scores[:, drawn].reshape(n_repeats * n, n_wells), n_negative)
        results.append(np.median(every.reshape(len(every), n_repeats, n), axis=1))
    return np.concatenate(results, axis=1)


def _measure(scores, is_positive, widening, n_bootstrap, confidence_level, rng):
    """Value and interval (low, high) of each measure, over the repeats of `scores`."""
    ordered = np.hstack([scores[:, ~is_positive], scores[:, is_positive]])
    n_negative = int((~is_positive).sum())
    values = np.median(_compute_all(ordered, n_negative), axis=1)
    tail = (1 - confidence_level) / 2
    resampled = _bootstrap(ordered, n_negative, n_bootstrap, rng)
    limits = {"z_prime": (-np.inf, 1.0), "robust_z_prime": (-np.inf, 1.0), "auc": (0.0, 1.0)}
    results = {}
    for name, value, draws in zip(MEASURES, values, resampled, strict=True):
        draws = draws[~np.isnan(draws)]
        if np.isfinite(value) and len(draws):
            low, high = np.quantile(draws, [tail, 1 - tail], method="nearest")
            low, high = value - widening * max(value - low, 0.0), value + widening * max(high - value, 0.0)
            low, high = np.clip([low, high], *limits.get(name, (-np.inf, np.inf)))
        else:
            low = high = np.nan
        results[name] = value, low, high
    return results


def explain_shortage(is_positive, where):
    """Say that there are too few controls of a class; empty where there are enough."""
    n_positive = int(is_positive.sum())
    n_negative = len(is_positive) - n_positive
    if min(n_negative, n_positive) >= MIN_CONTROLS:
        return ""
    return (
        f"{n_negative} negative and {n_positive} positive controls {where}; {MIN_CONTROLS} of each are needed"
    )


def _choose_rows(X, chosen, name):
    """Boolean mask of the rows that a query or a mask chooses."""
    if isinstance(chosen, str):
        if not is_frame(X):
            raise ValueError(
                f"{name}={chosen!r} is a query, but X is an array. Pass a boolean mask of its rows."
            )
        return select_rows(X, chosen, parameter=name)
    mask = np.asarray(chosen)
    if mask.dtype != bool or mask.shape != (len(X),):
        raise ValueError(
            f"{name} has dtype {mask.dtype} and shape {mask.shape}; a query, or a boolean mask of shape "
            f"{(len(X),)}, is needed."
        )
    if not mask.any():
        raise ValueError(f"{name} chooses no row. Check the mask.")
    return mask


def choose_columns(X, features):
    """Array (n_rows, n_features) of the columns that hold the embedding, and their names."""
    if not is_frame(X):
        values = np.asarray(X, dtype=np.float64)
        if values.ndim != 2:
            raise ValueError(f"X has shape {values.shape}; a table or an array of two dimensions is needed.")
        if features is not None:
            values = values[:, features]
        return values, [f"column {j}" for j in range(values.shape[1])]
    names = embedding_columns(X, features)
    return X[names].to_numpy(dtype=np.float64), [str(name) for name in names]


def take_column(X, column, name):
    """Values of one column by its name, or an array with one value a row."""
    if isinstance(column, str):
        if not is_frame(X):
            raise ValueError(f"{name}={column!r} is a column name, but X is an array. Pass one value a row.")
        check_columns_exist(X, [column], parameter=name)
        column = X[column]
    values = np.asarray(column)
    if values.shape != (len(X),):
        raise ValueError(
            f"{name} has shape {values.shape}; one value for each of the {len(X)} rows is needed."
        )
    return values


def _aggregate(values, is_positive, plates, groups):
    """Means of the groups, and the class and plate of each."""
    pd = import_optional("pandas", extra="screens")
    keys = pd.DataFrame(dict(enumerate(groups)))
    if plates is not None:
        keys["plate"] = plates
    by = keys.groupby(list(keys.columns), sort=True, observed=True, dropna=False)
    code = by.ngroup().to_numpy()
    n = np.bincount(code)
    shares = np.bincount(code, weights=is_positive) / n
    mixed = np.flatnonzero((shares > 0) & (shares < 1))
    if len(mixed):
        which = tuple(str(v) for v in keys.iloc[np.flatnonzero(code == mixed[0])[0]])
        raise ValueError(
            f"{len(mixed)} groups hold negative and positive controls at once, the first of them "
            f"{', '.join(which)}. A group must lie within one well: name more columns in groups, or "
            "check the queries."
        )
    means = group_means(values, code, len(n))
    first = np.unique(code, return_index=True)[1]
    return means, shares > 0.5, None if plates is None else plates[first]


def choose_controls(X, negative, positive):
    """Boolean masks of the negative and the positive controls, which exclude each other."""
    is_negative, is_positive = _choose_rows(X, negative, "negative"), _choose_rows(X, positive, "positive")
    both = is_negative & is_positive
    if both.any():
        raise ValueError(
            f"{both.sum()} rows are chosen by negative and by positive. A well can only be one of the two: "
            "make the queries exclude each other."
        )
    return is_negative, is_positive


def check_controls_are_finite(values, names):
    """Raise if values (n_controls, n_features) of control rows are NaN or infinite."""
    bad = ~np.isfinite(values)
    if bad.any():
        worst = names[int(bad.sum(axis=0).argmax())]
        raise ValueError(
            f"{bad.any(axis=1).sum()} of the {len(values)} control rows hold NaN or infinite values in "
            f"{bad.any(axis=0).sum()} columns (most in {worst!r}). Drop or fill them, or leave columns "
            "out by features."
        )


def _check_controls(X, negative, positive, plate, groups, features):
    """Wells, which of them are positive, and their plates (or None)."""
    X = as_pandas(X) if is_frame(X) else np.asarray(X)
    is_negative, is_positive = choose_controls(X, negative, positive)
    chosen = is_negative | is_positive
    values, names = choose_columns(X, features)
    values, target = values[chosen], is_positive[chosen]
    check_controls_are_finite(values, names)
    plates = None if plate is None else take_column(X, plate, "plate")[chosen]
    if groups is not None:
        several = isinstance(groups, list | tuple) and all(isinstance(g, str) for g in groups)
        columns = [take_column(X, g, "groups")[chosen] for g in (groups if several else [groups])]
        values, target, plates = _aggregate(values, target, plates, columns)
    return values, target, plates


@validate_params(
    {
        "X": "no_validation",
        "negative": [str, "array-like"],
        "positive": [str, "array-like"],
        "plate": [str, "array-like", None],
        "groups": [str, "array-like", None],
        "features": [list, None],
        "classifier": [HasMethods(["fit", "decision_function"]), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_bootstrap": [Interval(Integral, 1, None, closed="left")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_control_separability(
    X,
    *,
    negative,
    positive,
    plate=None,
    groups=None,
    features=None,
    classifier=None,
    n_components=None,
    n_bootstrap=500,
    confidence_level=0.95,
    random_state=None,
):
    """Compute how well the negative and positive controls of an assay can be told apart.

    The controls are projected on the axis that separates them best, and that axis is always drawn from other
    wells than those it scores (cross-fitting). With several plates that hold both classes it comes from the
    other plates, otherwise from the other wells (5 stratified folds, repeated 5 times; a measure is the
    median over the repeats). Along it, Z', robust Z', SSMD and AUC are computed over all plates together, and
    on each plate that has eight controls of each class.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_features)
        Rows are wells, or with `groups` cells or fields. Of a table the ``Embedding_*`` columns are used, or
        where there are none, all numeric columns that are neither metadata nor shares of archetypes.
    negative : str or array-like of bool of shape (n_rows,)
        Negative controls: a query such as ``"Metadata_ControlType == 'negative'"``, or a mask.
    positive : str or array-like of bool of shape (n_rows,)
        Positive controls, likewise.
    plate : str or array-like of shape (n_rows,), default=None
        Column that names the plate, or the plates. Every plate's shift, estimated from its negative controls
        and shrunk by its uncertainty, is taken away first. None: all wells count as one plate.
    groups : str, list of str or array-like of shape (n_rows,), default=None
        Columns (or one array) that name the well of each row; rows of one well and plate are averaged first.
        None: every row is a well.
    features : list, default=None
        Columns to use instead: names for a table, positions for an array.
    classifier : classifier, default=None
        Draws the axis, by `fit` and `decision_function`; None is
        ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")``.
    n_components : int, default=None
        Principal components of the standardized columns to which to reduce before; None keeps all columns and
        leaves it to the shrinkage. They are those of all controls, whose kinds they do not see.
    n_bootstrap : int, default=500
        Resamples of the wells within each class, for the intervals.
    confidence_level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=None
        Deals wells or plates to folds, and resamples.

    Returns
    -------
    separability : DataFrame
        One row per scope (``pooled``, then ``plate`` for each plate) and metric (``z_prime``,
        ``robust_z_prime``, ``ssmd``, ``auc``), with the columns scope, plate, metric, value, low, high,
        n_negative, n_positive, axis (how it was drawn) and reason (why the value is NaN, else empty).

    Raises
    ------
    ValueError
        If a query chooses no row, both choose the same row, a column does not exist, a group holds both
        classes, or a control has NaN or infinite values.

    See Also
    --------
    compute_z_prime : Z' of two groups of numbers, such as one feature of the controls.

    Notes
    -----
    Measured on the wells that drew the axis, Z' and AUC of pure noise reach 1 as soon as there
    are about as many columns as wells; therefore no such version is offered.

    The intervals are percentile intervals of the bootstrap over wells with the axes held fixed, widened by
    ``sqrt(2)``: without an effect, the wells that score an axis err in the same direction in which they turn
    the other folds' axes, which doubles the variance. With a clear effect the intervals are somewhat too
    wide. A single column needs no axis; it is measured as it is, its sign kept, without widening.

    Fewer than eight controls of a class give NaN: spreads of fewer wells are too uncertain for a ratio of
    them. A number says nothing about whether the same wells trained the embedding: if they did, the labels
    were not used, but it still is not a test on new plates.

    Time is proportional to wells x features^2 for the axis and to wells x `n_bootstrap` for the intervals.

    References
    ----------
    Zhang J.-H., Chung T. D. Y., Oldenburg K. R. (1999). Journal of Biomolecular Screening 4(2), 67-73 (Z').
    Zhang X. D. (2007). Genomics 89(4), 552-561 (SSMD).

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_control_separability
    >>> profiles = make_screen(n_plates=3, plate_format=96, random_state=0).profiles
    >>> separability = compute_control_separability(
    ...     profiles,
    ...     negative="Metadata_ControlType == 'negative'",
    ...     positive="Metadata_ControlType == 'positive'",
    ...     plate="Metadata_Plate",
    ...     random_state=0,
    ... )
    >>> pooled = separability[separability["scope"] == "pooled"].set_index("metric")
    >>> pooled["axis"].iloc[0]
    'from other plates (6 folds)'
    >>> bool(pooled.loc["auc", "value"] > 0.95)
    True
    """
    values, is_positive, plates = _check_controls(X, negative, positive, plate, groups, features)
    rng = np.random.default_rng(draw_seed(random_state))
    codes, members = None, [("pooled", None, np.arange(len(values)))]
    if plates is not None:
        names, codes = np.unique(plates, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        on_plates = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        members += [("plate", name, rows) for name, rows in zip(names, on_plates, strict=True)]
    shortage = explain_shortage(is_positive, "in all")
    axis = "none"
    if not shortage:
        by_plate, over_plates, axis, _ = compute_crossfit_scores(
            values, is_positive, codes, classifier=classifier, n_components=n_components, rng=rng
        )
    table = []
    for scope, name, rows in members:
        target = is_positive[rows]
        reason = shortage or explain_shortage(target, "on this plate")
        found = dict.fromkeys(MEASURES, (np.nan, np.nan, np.nan))
        if not reason:
            widening = CROSSFIT_WIDENING if axis.startswith("from other") else 1.0
            scores = over_plates if scope == "pooled" else by_plate
            found = _measure(scores[:, rows], target, widening, n_bootstrap, confidence_level, rng)
        counts = int((~target).sum()), int(target.sum())
        table += [(scope, name, metric, *found[metric], *counts, axis, reason) for metric in MEASURES]
    pd = import_optional("pandas", extra="screens")
    return pd.DataFrame(table, columns=list(COLUMNS))
