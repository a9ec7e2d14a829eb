"""Separability of controls that did not train: the run is fitted again without them, half by half."""

import logging
import warnings

import numpy as np
from sklearn.base import clone

from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import group_codes, plate_codes, plate_names
from archetypal_triplet.qc._controls import (
    COLUMNS,
    CROSSFIT_WIDENING,
    MEASURES,
    MIN_CONTROLS,
    _measure,
)
from archetypal_triplet.qc._crossfit import MIN_TRAIN, compute_crossfit_scores, scale_by_plate
from archetypal_triplet.runs._plan import check_enough_rows

N_FOLDS = 2
MIN_PLATES = 4
HELD_OUT = "held out"
_FITTED = {
    "plates": "plate centers of their own negative controls",
    "wells": "nothing",
}
_N_BOOTSTRAP = 1000
_CONFIDENCE = 0.95

logger = logging.getLogger("archetypal_triplet.runs")


def deal_folds(table, options, groups=None, left_out=None):
    """Deal the control wells of a run to two folds, each of which is held out once.

    Parameters
    ----------
    table : pandas.DataFrame
        The profiles.
    options : dict
        Of the run: ``plate``, ``controls``, ``positive_controls``, ``random_state``.
    groups : ndarray of int of shape (n_rows,) or None, default=None
        Well of each row; None: every row is a well.
    left_out : ndarray of shape (n_rows,), dtype bool, or None, default=None
        Rows that take no part.

    Returns
    -------
    folds : ndarray of int of shape (n_rows,)
        Fold of each row; -1 for rows that always train. With ``unit`` "plates" all rows of a plate are in its
        fold, with "wells" only controls.
    unit : {"plates", "wells"}
        Whole plates where four or more have both kinds of controls, and every plate has negative ones. Else
        wells; the only negative control of a plate is never held out.
    """
    rng = np.random.default_rng(options["random_state"])
    negative = select_rows(table, options["controls"])
    positive = select_rows(table, options["positive_controls"], parameter="positive_controls")
    if left_out is not None:
        negative, positive = negative & ~left_out, positive & ~left_out
    plates = plate_codes(table, options["plate"])
    counts = [np.bincount(plates[kind], minlength=plates.max() + 1) for kind in (negative, positive)]
    has_both = (counts[0] > 0) & (counts[1] > 0)
    if has_both.sum() >= MIN_PLATES and (counts[0] > 0).all():
        fold_of_plate = np.empty(len(has_both), dtype=int)
        for kind in (np.flatnonzero(has_both), np.flatnonzero(~has_both)):
            fold_of_plate[rng.permutation(kind)] = np.arange(len(kind)) % N_FOLDS
        return fold_of_plate[plates], "plates"
    wells = np.arange(len(table)) if groups is None else groups
    negative, positive = negative & (wells >= 0), positive & (wells >= 0)
    folds = np.full(len(table), -1)
    for kind in (negative, positive):
        turn = 0  # goes on from plate to plate, so that odd numbers do not add up
        for plate in range(plates.max() + 1):
            members = np.unique(wells[kind & (plates == plate)])
            if kind is negative and len(members) < N_FOLDS:
                continue
            for well in rng.permutation(members):
                folds[kind & (wells == well)] = turn % N_FOLDS
                turn += 1
    return folds, "wells"


def compute_held_out_quality(plan, pipeline, stages):
    """Score how well controls can be told apart in an embedding that was trained without them.

    Parameters
    ----------
    plan : RunPlan
        Table, roles and options of the run.
    pipeline : Pipeline
        Cloned for each fold, never changed.
    stages : Stages
        To time this one.

    Returns
    -------
    pandas.DataFrame
        Rows as those of `archetypal_triplet.qc.compute_control_separability`, for the spaces ``embedding``
        and ``whitened``, with ``trained_on`` "held out". NaN with the reason where controls are too few.

    Notes
    -----
    For each of two folds the pipeline is fitted without the fold, and embeds the controls of it. Embeddings
    of two networks cannot be compared, so that the controls of a fold are scored along an axis drawn from
    other controls of the same fold; the scores of the two folds, lengths along their axes, are then put on
    one scale as those of plates are, and pooled. It takes the time of two more fits.
    """
    groups = None
    if plan.options["level"] != "well":
        if not plan.group_columns:
            return explain_none_held_out("nothing tells which rows belong to one well (--groups)")
        groups = group_codes(plan.table, plan.options["groups"], plate=plan.options["plate"])
    folds, unit = deal_folds(plan.table, plan.options, groups, plan.left_out)
    is_positive, held = _find_controls(plan, folds)
    wells = np.arange(len(folds)) if groups is None else groups
    held &= wells >= 0
    n = [
        [len(np.unique(wells[held & (folds == fold) & kind])) for kind in (~is_positive, is_positive)]
        for fold in range(N_FOLDS)
    ]
    total = np.sum(n, axis=0)
    shortage = _find_shortage(np.array(n), unit, plan, folds)
    if shortage:
        return explain_none_held_out(shortage, total)
    logger.info("fitting twice more, without half of the control %s each time (--hold-out none)", unit)
    with stages("hold_out") as say:
        parts = [
            _score_fold(plan, pipeline, folds == fold, held, is_positive, wells) for fold in range(N_FOLDS)
        ]
        say("scored controls that did not train: %d negative, %d positive wells", *total)
    return _pool(parts, unit, total, plan.options["random_state"])


def _find_controls(plan, folds):
    options = plan.options
    is_positive = select_rows(plan.table, options["positive_controls"], parameter="positive_controls")
    held = (folds >= 0) & (is_positive | select_rows(plan.table, options["controls"]))
    return is_positive, held if plan.left_out is None else held & ~plan.left_out


def _find_shortage(n, unit, plan, folds):
    negative, positive = n.sum(axis=0)
    if min(negative, positive) < MIN_CONTROLS:
        return (
            f"{negative} negative and {positive} positive control wells could be held out; "
            f"{MIN_CONTROLS} of each are needed"
        )
    if n.min() < MIN_TRAIN:
        return f"half of the control {unit} holds only {n.min()} wells of a kind; {MIN_TRAIN} are needed"
    kept = np.ones(len(folds), dtype=bool) if plan.left_out is None else ~plan.left_out
    try:
        check_enough_rows(min(int((kept & (folds != fold)).sum()) for fold in range(N_FOLDS)), plan.options)
    except ValueError as error:
        return f"too few rows are left to train on: {error}"
    return ""


def _score_fold(plan, pipeline, in_fold, held, is_positive, wells):
    """Fit without a fold; return scores of its control wells by space, and which of them are positive."""
    train = ~in_fold if plan.left_out is None else ~in_fold & ~plan.left_out
    test = in_fold & held
    fitted = clone(pipeline)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said of the whole table already
        fitted.fit(plan.table[train])
    normalizer, embedder = fitted["normalize"], fitted["embed"]
    components = normalizer.transform(plan.table[test])
    plates = None
    _, first, codes = np.unique(wells[test], return_index=True, return_inverse=True)
    if plan.options["plate"]:
        names = plate_names(plan.table[test], plan.options["plate"])[first]
        plates = np.unique(names, return_inverse=True)[1]
    target = is_positive[test][first]
    spaces = {
        "embedding": embedder.transform(components),
        "whitened": components[:, : normalizer.n_components_],
    }
    scores = {}
    for space, values in spaces.items():
        means = group_means(values, codes, len(first))
        rng = np.random.default_rng(plan.options["random_state"])
        scores[space] = compute_crossfit_scores(means, target, plates, rng=rng)[1:3]
    return scores, target


def _pool(parts, unit, total, random_state):
    pd = import_optional("pandas", extra="screens")
    is_positive = np.concatenate([target for _, target in parts])
    folds = np.repeat(np.arange(len(parts)), [len(target) for _, target in parts])
    rows = []
    for space in ("embedding", "whitened"):
        scores = [scores[space][0] for scores, _ in parts]
        n_repeats = max(map(len, scores))
        pooled = np.hstack([np.resize(one, (n_repeats, one.shape[1])) for one in scores])
        pooled = np.array([scale_by_plate(row, is_positive, folds) for row in pooled])
        axis = f"{parts[0][0][space][1]}, within each of {N_FOLDS} folds of {unit} that did not train"
        rng = np.random.default_rng(random_state)
        found = _measure(pooled, is_positive, CROSSFIT_WIDENING, _N_BOOTSTRAP, _CONFIDENCE, rng)
        rows += [
            (space, "pooled", None, metric, *found[metric], *map(int, total), axis, "") for metric in MEASURES
        ]
    table = pd.DataFrame(rows, columns=["space", *COLUMNS])
    return table.assign(fitted_on_these_wells=_FITTED[unit], trained_on=HELD_OUT)


def explain_none_held_out(reason, total=(0, 0)):
    """Return rows without a value, that say why.

    Parameters
    ----------
    reason : str
        Why controls were not scored.
    total : tuple of two ints, default=(0, 0)
        Negative and positive wells that could be held out.

    Returns
    -------
    pandas.DataFrame
        As `compute_held_out_quality`.
    """
    pd = import_optional("pandas", extra="screens")
    nothing = (np.nan, np.nan, np.nan)
    rows = [
        (space, "pooled", None, metric, *nothing, *map(int, total), "none", reason)
        for space in ("embedding", "whitened")
        for metric in MEASURES
    ]
    table = pd.DataFrame(rows, columns=["space", *COLUMNS])
    return table.assign(fitted_on_these_wells="nothing", trained_on=HELD_OUT)
