"""One number a well: where it lies between the negative and the positive controls."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from archetypal_triplet._utils._frames import as_pandas, count_of, is_frame
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet.qc._controls import (
    CROSSFIT_WIDENING,
    check_controls_are_finite,
    choose_columns,
    choose_controls,
    explain_shortage,
    take_column,
)
from archetypal_triplet.qc._crossfit import compute_crossfit_scores
from archetypal_triplet.qc._separation import compute_auc

MIN_SEPARATION = 1.645  # standard errors: 5 % on one side
MIN_SEPARATION_EITHER_WAY = 1.96  # 5 % on both, where there is no direction before
SCORE_COLUMNS = ("score", "axis", "reason")


def _number_plates(plates, is_control):
    """Plates by number; those that hold controls come first, so that the others have the numbers beyond."""
    pd = import_optional("pandas", extra="screens")
    missing = np.flatnonzero(pd.isna(plates))
    if len(missing):
        raise ValueError(
            f"plate has no value in {count_of(len(missing), 'row')} of {len(plates)} (first: row "
            f"{missing[0]}). Fill the column or drop these rows."
        )
    names, codes = np.unique(plates, return_inverse=True)
    with_controls = np.isin(np.arange(len(names)), codes[is_control])
    return np.argsort(np.argsort(~with_controls, kind="stable"))[codes]


def _are_apart(auc, is_positive, axis):
    """Tell whether the AUC exceeds one half by more than chance; a single column may point either way."""
    n_negative, n_positive = (~is_positive).sum(), is_positive.sum()
    # of ranks, without effect
    error = np.sqrt((n_negative + n_positive + 1) / (12 * n_negative * n_positive))
    if axis.startswith("from other"):
        return auc - 0.5 > MIN_SEPARATION * CROSSFIT_WIDENING * error
    return abs(auc - 0.5) > MIN_SEPARATION_EITHER_WAY * error


def _score(values, is_control, is_positive, plates, options):
    """Scores of all rows (0 and 1: means of the controls), how the axis was drawn, why there are none."""
    usable = np.isfinite(values).all(axis=1) & ~is_control
    target = is_positive[is_control]
    found = compute_crossfit_scores(
        values[is_control],
        target,
        None if plates is None else plates[is_control],
        others=values[usable],
        other_plates=None if plates is None else plates[usable],
        **options,
    )
    scores = np.full(len(values), np.nan)
    own = found.pooled_scores.mean(axis=0)
    zero, one = own[~target].mean(), own[target].mean()
    auc = compute_auc(own[~target], own[target])
    if not _are_apart(auc, target, found.axis):
        return scores, found.axis, f"the controls cannot be told apart (AUC {auc:.2f})"
    if (one - zero) * (auc - 0.5) <= 0:
        reason = f"the means of the controls contradict their ranks (AUC {auc:.2f}): look for outliers"
        return scores, found.axis, reason
    scores[is_control] = own
    scores[usable] = found.pooled_others.mean(axis=0)
    return (scores - zero) / (one - zero), found.axis, ""


@validate_params(
    {
        "X": "no_validation",
        "negative": [str, "array-like"],
        "positive": [str, "array-like"],
        "plate": [str, "array-like", None],
        "features": [list, None],
        "classifier": [HasMethods(["fit", "decision_function"]), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_control_scores(
    X,
    *,
    negative,
    positive,
    plate=None,
    features=None,
    classifier=None,
    n_components=None,
    random_state=None,
):
    """Score every well along the axis from the negative to the positive controls.

    The axes are those of `compute_control_separability`: a control is scored by axes that were drawn from
    other plates (or, without enough plates, from other wells), and a well that is no control by the mean over
    all of these axes, none of which it has drawn. 0 is the mean of the negative controls and 1 that of the
    positive ones; scores below 0 and above 1 occur.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_wells, n_features)
        One row per well. Of a table the ``Embedding_*`` columns are used, or where there are none, all
        numeric columns that are neither metadata nor shares of archetypes.
    negative : str or array-like of bool of shape (n_wells,)
        Negative controls: a query such as ``"Metadata_ControlType == 'negative'"``, or a mask.
    positive : str or array-like of bool of shape (n_wells,)
        Positive controls, likewise.
    plate : str or array-like of shape (n_wells,), default=None
        Column that names the plate, or the plates. The shift of every plate, and how far apart its controls
        lie, are estimated from its controls, shrunk by their uncertainty and taken away; a plate without
        controls takes the mean of the others. None: all wells count as one plate.
    features : list, default=None
        Columns to use instead: names for a table, positions for an array.
    classifier : classifier, default=None
        Draws the axis, by `fit` and `decision_function`; None is
        ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")``.
    n_components : int, default=None
        Principal components of the standardized columns to which to reduce before; None keeps all columns and
        leaves it to the shrinkage.
    random_state : int, RandomState instance or None, default=None
        Deals wells or plates to folds.

    Returns
    -------
    scores : DataFrame of shape (n_wells, 3)
        The index is that of the table. ``score``; ``axis``, how it was drawn; ``reason``, why a score is
        NaN, else empty.

    Raises
    ------
    ValueError
        If a query chooses no row, both choose the same row, a column does not exist, `features` is empty, a
        row has no plate, or a control has NaN or infinite values.

    See Also
    --------
    compute_control_separability : How well the controls can be told apart along this axis.

    Notes
    -----
    The score of a compound says how far its wells go in the direction of the positive controls, and nothing
    of where they go besides. It is no probability. A single column needs no axis and is scaled as it is.

    All scores are NaN, with the reason, below eight controls of a class; where the AUC of the controls
    exceeds one half by no more than chance explains (5 %), because there is then no unit to measure in; and
    where a few controls lie so far off that the means are in the other order than the ranks (``controls``,
    ``control_separation`` and ``control_separation_either_way`` of `load_thresholds`). A well that is no
    control and has NaN or infinite values has no score.

    Time is proportional to wells x features, and to controls x features^2 for the axes.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_control_scores
    >>> profiles = make_screen(n_plates=3, plate_format=96, random_state=0).profiles
    >>> scores = compute_control_scores(
    ...     profiles,
    ...     negative="Metadata_ControlType == 'negative'",
    ...     positive="Metadata_ControlType == 'positive'",
    ...     plate="Metadata_Plate",
    ...     random_state=0,
    ... )
    >>> means = scores["score"].groupby(profiles["Metadata_ControlType"]).mean()
    >>> bool(abs(means["negative"]) < 1e-9), round(float(means["positive"]), 6)
    (True, 1.0)
    """
    pd = import_optional("pandas", extra="screens")
    if features is not None and not len(features):
        raise ValueError("features=[] is empty. Name at least one column, or pass None.")
    X = as_pandas(X) if is_frame(X) else np.asarray(X)
    is_negative, is_positive = choose_controls(X, negative, positive)
    is_control = is_negative | is_positive
    values, names = choose_columns(X, features)
    check_controls_are_finite(values[is_control], names)
    plates = None if plate is None else _number_plates(take_column(X, plate, "plate"), is_control)
    rng = np.random.default_rng(draw_seed(random_state))
    scores, axis, reason = (
        np.full(len(values), np.nan),
        "none",
        explain_shortage(is_positive[is_control], "in all"),
    )
    if not reason:
        options = {"classifier": classifier, "n_components": n_components, "rng": rng}
        scores, axis, reason = _score(values, is_control, is_positive, plates, options)
    n_bad = (~np.isfinite(values)).sum(axis=1)
    own = [
        f"{count_of(n, 'value')} of the well NaN or infinite" if n and not reason else reason for n in n_bad
    ]
    table = pd.DataFrame({"score": scores, "axis": axis, "reason": own}, columns=list(SCORE_COLUMNS))
    return table.set_axis(X.index, axis=0) if is_frame(X) else table
