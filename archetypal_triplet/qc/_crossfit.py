"""Scores of control wells along an axis that was drawn without them."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from archetypal_triplet._utils._groups import group_means

MAX_PLATE_FOLDS = 10
N_WELL_FOLDS = 5
N_REPEATS = 5
# an axis drawn through fewer wells of a class points nowhere
MIN_TRAIN = 4
# a plate whose controls are further apart, or closer, than this is not the same assay at another exposure
MAX_GAIN = 3.0


def make_default_classifier():
    """Linear discriminant with a shrunken covariance, which stands more columns than wells."""
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def estimate_plate_shifts(X, is_positive, plates):
    """Estimate the shift of every plate, as far as it exceeds what chance explains.

    A plate's shift is estimated by the mean of its negative controls and shrunk by ``t / (t + s / n)``, where
    s is the variance within plates, t that between plates (method of moments, per column) and n the number of
    the plate's negative controls. With three controls a plate and no plate effect, plain centering would only
    add noise.

    Parameters
    ----------
    X : ndarray of shape (n_wells, n_features)
        Control wells.
    is_positive : ndarray of shape (n_wells,), dtype bool
        Which wells are positive controls.
    plates : ndarray of shape (n_wells,), dtype int
        Plate of each well, 0 .. n_plates - 1.

    Returns
    -------
    ndarray of shape (n_plates, n_features)
        What to take away from the wells of each plate; 0 for plates without negative controls.
    """
    n_plates = plates.max() + 1
    negative = ~is_positive
    counts = np.bincount(plates[negative], minlength=n_plates).astype(float)
    with_controls = counts > 0
    n_negative, n_known = counts.sum(), with_controls.sum()
    if n_known < 2 or n_negative <= n_known:
        return np.zeros((n_plates, X.shape[1]))
    means = group_means(X[negative], plates[negative], n_plates)
    grand = X[negative].mean(axis=0)
    within = ((X[negative] - means[plates[negative]]) ** 2).sum(axis=0) / (n_negative - n_known)
    spread = (counts[:, None] * (means - grand) ** 2)[with_controls].sum(axis=0)
    between = (spread - (n_known - 1) * within) / (n_negative - (counts**2).sum() / n_negative)
    between = np.maximum(between, 0.0)
    error = within / np.maximum(counts, 1.0)[:, None]
    share = np.divide(between, between + error, out=np.zeros_like(error), where=between + error > 0)
    share[~with_controls] = 0.0
    return share * (means - grand)


def fit_reduction(X, n_components):
    """Learn to standardize the columns, drop constant ones, and keep principal components (None: all).

    Blind to which well is which, so it may look at all of them. Returned is a function of wells.
    """
    mean, spread = X.mean(axis=0), X.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(X).max(axis=0), np.finfo(float).tiny)

    def standardize(wells):
        return (wells[:, varies] - mean[varies]) / spread[varies]

    if n_components is None or n_components >= min(len(X), varies.sum()):
        return standardize
    axes = PCA(n_components, svd_solver="full").fit(standardize(X)).components_
    return lambda wells: standardize(wells) @ axes.T  # of columns without a mean


def choose_plate_folds(is_positive, plates, rng):
    """Fold of every well such that a plate is never split, or None where the plates do not allow it.

    Every fold holds at least one plate with both classes, and the wells outside of it are enough to draw an
    axis.
    """
    n_plates = plates.max() + 1
    has_both = (np.bincount(plates[is_positive], minlength=n_plates) > 0) & (
        np.bincount(plates[~is_positive], minlength=n_plates) > 0
    )
    n_folds = min(int(has_both.sum()), MAX_PLATE_FOLDS)
    if n_folds < 2:
        return None
    fold_of_plate = np.empty(n_plates, dtype=int)
    for group in (np.flatnonzero(has_both), np.flatnonzero(~has_both)):
        fold_of_plate[rng.permutation(group)] = np.arange(len(group)) % n_folds
    folds = fold_of_plate[plates]
    for fold in range(n_folds):
        outside = is_positive[folds != fold]
        if min(outside.sum(), (~outside).sum()) < MIN_TRAIN:
            return None
    return folds


def draw_well_folds(is_positive, rng):
    """Random fold of every well, each class dealt evenly over `N_WELL_FOLDS` or fewer folds."""
    n_folds = min(N_WELL_FOLDS, is_positive.sum(), (~is_positive).sum())
    folds = np.empty(len(is_positive), dtype=int)
    for members in (np.flatnonzero(is_positive), np.flatnonzero(~is_positive)):
        folds[rng.permutation(members)] = np.arange(len(members)) % n_folds
    return folds


def score_out_of_fold(X, is_positive, folds, classifier, others):
    """Score every well by a classifier fitted to the other folds, and other wells by all of them.

    A linear classifier's scores are lengths along its axis, in standardized columns: of the scales tried
    (also the spread and the window of the training wells) the one that recovers a known Z' best from few
    wells, since it does not depend on how far the axis was overfitted. Others are divided by their window.
    Zero lies in the middle between the class means of the training wells.

    Returns
    -------
    scores : ndarray of shape (n_wells,)
        Scores, higher towards the positive controls.
    of_others : ndarray of shape (n_others,)
        The mean over the folds; none of these wells has drawn an axis.
    """
    scores, of_others = np.empty(len(X)), np.zeros(len(others))
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        target = is_positive[train]
        fitted = clone(classifier).fit(X[train], target)
        seen = fitted.decision_function(X[train])
        means = seen[target].mean(), seen[~target].mean()
        unit = np.linalg.norm(fitted.coef_) if hasattr(fitted, "coef_") else means[0] - means[1]
        unit = unit if unit > 0 else 1.0
        scores[test] = (fitted.decision_function(X[test]) - np.mean(means)) / unit
        if len(others):
            of_others += (fitted.decision_function(others) - np.mean(means)) / unit
    return scores, of_others / len(np.unique(folds))


def estimate_plate_gains(scores, is_positive, plates):
    """How far apart the classes are on each plate, as a multiple of the common distance.

    Plates differ in stain and exposure, and their axes were drawn from different wells, so one and the same
    effect is longer on one plate than on another. The distance d of a plate's class means is shrunk towards
    the common one by ``t / (t + v)``, where v is the sampling variance of d and t the variance between plates
    (method of moments); the more the plates agree, the nearer all gains are to 1. Plates without
    `MIN_TRAIN` wells of each class have gain 1.

    Returns
    -------
    gains : ndarray of shape (n_plates,)
        Between 1 / `MAX_GAIN` and `MAX_GAIN`.
    share : float
        The mean weight ``t / (t + v)``: the share of a degree of freedom that a plate's gain has used up.
    """
    n_plates = plates.max() + 1
    n = np.array([np.bincount(plates[kind], minlength=n_plates) for kind in (~is_positive, is_positive)])
    sums = [
        np.bincount(plates[kind], scores[kind], minlength=n_plates) for kind in (~is_positive, is_positive)
    ]
    known = (n >= MIN_TRAIN).all(axis=0)
    gains = np.ones(n_plates)
    if known.sum() < 2:
        return gains, 0.0
    means = np.array(sums) / np.maximum(n, 1)
    inside = known[plates]
    residual = (scores - means[is_positive.astype(int), plates])[inside]
    variance = (residual**2).sum() / (inside.sum() - 2 * known.sum())
    if variance == 0:  # constant columns
        return gains, 0.0
    distance, error = (means[1] - means[0])[known], variance * (1 / n[:, known]).sum(axis=0)
    common = np.average(distance, weights=1 / error)
    between = max(distance.var(ddof=1) - error.mean(), 0.0)
    if between == 0 or common == 0:
        return gains, 0.0
    weight = between / (between + error)
    gains[known] = np.clip(1 + weight * (distance - common) / common, 1 / MAX_GAIN, MAX_GAIN)
    return gains, float(weight.mean())


def estimate_plate_offsets(scores, is_positive, plates):
    """What the controls of a plate have in common, both kinds of them.

    Least squares of ``score = plate + class effect + residual``. A plate with one control takes the mean
    offset of the others.

    Returns
    -------
    effect : float
        The class effect.
    offsets : ndarray of shape (n_plates,), or None
        None where there is one plate, or no plate has both classes: plate and class cannot be told apart.
    """
    n = np.bincount(plates).astype(float)
    target = is_positive.astype(float)
    inside = target - (np.bincount(plates, target) / n)[plates]
    weight = (inside**2).sum()
    if len(n) < 2 or weight == 0:
        return 0.0, None
    effect = (inside * scores).sum() / weight
    offsets = np.bincount(plates, scores - effect * target) / n
    several = n > 1
    offsets[~several] = np.average(offsets[several], weights=n[several])
    return effect, offsets


def remove_plate_offsets(scores, is_positive, plates, share=0.0):
    """Take away what the controls of a plate have in common.

    Returned are class effect plus residual of `estimate_plate_offsets`, the residuals of a plate with n
    controls multiplied by ``sqrt(n / (n - 1 - share))`` for the mean, and the share of a gain, that were
    estimated from them. Without offsets the scores come back as they are.
    """
    effect, offsets = estimate_plate_offsets(scores, is_positive, plates)
    if offsets is None:
        return scores
    n = np.bincount(plates).astype(float)
    several = n > 1
    widening = np.sqrt(n / np.where(several, n - 1 - share * (n > 2), n))
    explained = effect * is_positive
    return explained + (scores - explained - offsets[plates]) * widening[plates]


def scale_by_plate(scores, is_positive, plates):
    """Put the scores of all plates on one scale: the same zero, and the same distance between the classes."""
    gains, share = estimate_plate_gains(scores, is_positive, plates)
    return remove_plate_offsets(scores / gains[plates], is_positive, plates, share)


def scale_others_by_plate(of_others, other_plates, scores, is_positive, plates):
    """Put scores of other wells on the scale that `scale_by_plate` gives to those of the controls.

    Plates beyond those of the controls have gain 1, and the mean offset.
    """
    gains, _ = estimate_plate_gains(scores, is_positive, plates)
    _, offsets = estimate_plate_offsets(scores / gains[plates], is_positive, plates)
    if offsets is None:
        return of_others
    n_more = max(int(other_plates.max(initial=-1)) + 1 - len(gains), 0)
    mean = np.average(offsets, weights=np.bincount(plates))
    gains, offsets = np.append(gains, np.ones(n_more)), np.append(offsets, np.full(n_more, mean))
    return of_others / gains[other_plates] - offsets[other_plates]


class CrossfitScores(NamedTuple):
    """Scores of control wells, and of others, along an axis drawn without them."""

    scores: np.ndarray  # (n_repeats, n_wells): comparable within a plate; repeats differ in their folds
    pooled_scores: np.ndarray  # (n_repeats, n_wells): comparable between plates
    axis: str  # how it was drawn
    pooled_others: np.ndarray  # (n_repeats, n_others): like pooled_scores


def compute_crossfit_scores(
    X, is_positive, plates, *, classifier=None, n_components=None, rng, others=None, other_plates=None
):
    """Score control wells along an axis drawn without them.

    Parameters
    ----------
    X : ndarray of shape (n_wells, n_features)
        Control wells.
    is_positive : ndarray of shape (n_wells,), dtype bool
        Which wells are positive controls.
    plates : ndarray of shape (n_wells,), dtype int, or None
        Plate of each well, 0 .. n_plates - 1.
    classifier : classifier with ``decision_function``, default=None
        Draws the axis; None is a linear discriminant with shrinkage.
    n_components : int, default=None
        Principal components to reduce to.
    rng : Generator
        Deals wells and plates to folds.
    others : ndarray of shape (n_others, n_features), default=None
        Wells that are no controls and are to be scored by the mean of all axes.
    other_plates : ndarray of shape (n_others,), dtype int, default=None
        Plate of each of them, on which there may be no controls (n_plates and more).

    Returns
    -------
    CrossfitScores
        Scores, how the axis was drawn, and the scores of the others.
    """
    others = np.empty((0, X.shape[1])) if others is None else others
    if plates is not None:
        shifts = estimate_plate_shifts(X, is_positive, plates)
        X = X - shifts[plates]
        if len(others):
            n_more = max(int(other_plates.max()) + 1 - len(shifts), 0)
            others = others - np.vstack([shifts, np.zeros((n_more, X.shape[1]))])[other_plates]
    reduce = fit_reduction(X, n_components)
    X, others = reduce(X), reduce(others)
    folds = None if plates is None else choose_plate_folds(is_positive, plates, rng)
    classifier = make_default_classifier() if classifier is None else classifier
    if X.shape[1] == 0:
        found, axis = [(np.zeros(len(X)), np.zeros(len(others)))], "none: every column is constant"
    elif X.shape[1] == 1:
        found, axis = [(X[:, 0].copy(), others[:, 0].copy())], "the only column"
    elif folds is not None:
        found = [score_out_of_fold(X, is_positive, folds, classifier, others)]
        axis = f"from other plates ({folds.max() + 1} folds)"
    else:
        repeats = [draw_well_folds(is_positive, rng) for _ in range(N_REPEATS)]
        found = [score_out_of_fold(X, is_positive, folds, classifier, others) for folds in repeats]
        axis = f"from other wells ({repeats[0].max() + 1} folds, {N_REPEATS} times)"
    scores, of_others = (np.array(part) for part in zip(*found, strict=True))
    if plates is None:
        return CrossfitScores(scores, scores, axis, of_others)
    if not np.isin(plates[is_positive], plates[~is_positive]).any():
        # said beside every number: the axis may be that of the plates
        axis += "; no plate holds both classes"
    pooled = np.array([scale_by_plate(row, is_positive, plates) for row in scores])
    if len(others):
        pairs = zip(of_others, scores, strict=True)
        of_others = np.array(
            [scale_others_by_plate(row, other_plates, own, is_positive, plates) for row, own in pairs]
        )
    return CrossfitScores(scores, pooled, axis, of_others)
