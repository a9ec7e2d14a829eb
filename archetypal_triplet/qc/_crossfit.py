"""Scores of control wells along an axis that was drawn without them."""

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


def center_plates(X, is_positive, plates):
    """Take away the shift of every plate, as far as it exceeds what chance explains.

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
    ndarray of shape (n_wells, n_features)
        The wells without their plate's shift; those of plates without negative controls are left as they are.
    """
    n_plates = plates.max() + 1
    negative = ~is_positive
    counts = np.bincount(plates[negative], minlength=n_plates).astype(float)
    with_controls = counts > 0
    n_negative, n_known = counts.sum(), with_controls.sum()
    if n_known < 2 or n_negative <= n_known:
        return X
    means = group_means(X[negative], plates[negative], n_plates)
    grand = X[negative].mean(axis=0)
    within = ((X[negative] - means[plates[negative]]) ** 2).sum(axis=0) / (n_negative - n_known)
    spread = (counts[:, None] * (means - grand) ** 2)[with_controls].sum(axis=0)
    between = (spread - (n_known - 1) * within) / (n_negative - (counts**2).sum() / n_negative)
    between = np.maximum(between, 0.0)
    error = within / np.maximum(counts, 1.0)[:, None]
    share = np.divide(between, between + error, out=np.zeros_like(error), where=between + error > 0)
    share[~with_controls] = 0.0
    return X - (share * (means - grand))[plates]


def reduce_columns(X, n_components):
    """Standardize the columns, drop constant ones, and keep `n_components` principal components (None: all).

    Blind to which well is which, so it may look at all of them.
    """
    spread = X.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(X).max(axis=0), np.finfo(float).tiny)
    X = (X[:, varies] - X[:, varies].mean(axis=0)) / spread[varies]
    if n_components is None or n_components >= min(X.shape):
        return X
    return PCA(n_components, svd_solver="full").fit_transform(X)


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


def score_out_of_fold(X, is_positive, folds, classifier):
    """Score every well by a classifier fitted to the other folds.

    A linear classifier's scores are lengths along its axis, in standardized columns: of the scales tried
    (also the spread and the window of the training wells) the one that recovers a known Z' best from few
    wells, since it does not depend on how far the axis was overfitted. Others are divided by their window.
    Zero lies in the middle between the class means of the training wells.

    Returns
    -------
    ndarray of shape (n_wells,)
        Scores, higher towards the positive controls.
    """
    scores = np.empty(len(X))
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        target = is_positive[train]
        fitted = clone(classifier).fit(X[train], target)
        seen = fitted.decision_function(X[train])
        means = seen[target].mean(), seen[~target].mean()
        unit = np.linalg.norm(fitted.coef_) if hasattr(fitted, "coef_") else means[0] - means[1]
        scores[test] = (fitted.decision_function(X[test]) - np.mean(means)) / (unit if unit > 0 else 1.0)
    return scores


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
    distance, error = (means[1] - means[0])[known], variance * (1 / n[:, known]).sum(axis=0)
    common = np.average(distance, weights=1 / error)
    between = max(distance.var(ddof=1) - error.mean(), 0.0)
    if between == 0 or common == 0:
        return gains, 0.0
    weight = between / (between + error)
    gains[known] = np.clip(1 + weight * (distance - common) / common, 1 / MAX_GAIN, MAX_GAIN)
    return gains, float(weight.mean())


def remove_plate_offsets(scores, is_positive, plates, share=0.0):
    """Take away what the controls of a plate have in common, both kinds of them.

    Least squares of ``score = plate + class effect + residual``; returned are class effect plus residual, the
    residuals of a plate with n controls multiplied by ``sqrt(n / (n - 1 - share))`` for the mean, and the
    share of a gain, that were estimated from them. A plate with one control takes the mean offset of the
    others. If no plate has both classes, plate and class cannot be told apart and the scores come back as
    they are.
    """
    n = np.bincount(plates).astype(float)
    target = is_positive.astype(float)
    inside = target - (np.bincount(plates, target) / n)[plates]
    weight = (inside**2).sum()
    if len(n) < 2 or weight == 0:
        return scores
    effect = (inside * scores).sum() / weight
    rest = scores - effect * target
    offsets = np.bincount(plates, rest) / n
    several = n > 1
    offsets[~several] = np.average(offsets[several], weights=n[several])
    widening = np.sqrt(n / np.where(several, n - 1 - share * (n > 2), n))
    return effect * target + (rest - offsets[plates]) * widening[plates]


def scale_by_plate(scores, is_positive, plates):
    """Put the scores of all plates on one scale: the same zero, and the same distance between the classes."""
    gains, share = estimate_plate_gains(scores, is_positive, plates)
    return remove_plate_offsets(scores / gains[plates], is_positive, plates, share)


def compute_crossfit_scores(X, is_positive, plates, *, classifier=None, n_components=None, rng):
    """Score control wells along an axis drawn without them.

    Parameters
    ----------
    X : ndarray of shape (n_wells, n_features)
        Control wells.
    is_positive : ndarray of shape (n_wells,), dtype bool
        Which wells are positive controls.
    plates : ndarray of shape (n_wells,), dtype int, or None
        Plate of each well.
    classifier : classifier with ``decision_function``, default=None
        Draws the axis; None is a linear discriminant with shrinkage.
    n_components : int, default=None
        Principal components to reduce to.
    rng : Generator
        Deals wells and plates to folds.

    Returns
    -------
    scores : ndarray of shape (n_repeats, n_wells)
        Comparable within a plate; repeats differ in their folds.
    pooled_scores : ndarray of shape (n_repeats, n_wells)
        Comparable between plates.
    axis : str
        How the axis was drawn.
    """
    if plates is not None:
        X = center_plates(X, is_positive, plates)
    X = reduce_columns(X, n_components)
    folds = None if plates is None else choose_plate_folds(is_positive, plates, rng)
    classifier = make_default_classifier() if classifier is None else classifier
    if X.shape[1] == 0:
        scores, axis = np.zeros((1, len(X))), "none: every column is constant"
    elif X.shape[1] == 1:
        scores, axis = X.T.copy(), "the only column"
    elif folds is not None:
        scores = score_out_of_fold(X, is_positive, folds, classifier)[None]
        axis = f"from other plates ({folds.max() + 1} folds)"
    else:
        repeats = [draw_well_folds(is_positive, rng) for _ in range(N_REPEATS)]
        scores = np.array([score_out_of_fold(X, is_positive, folds, classifier) for folds in repeats])
        axis = f"from other wells ({repeats[0].max() + 1} folds, {N_REPEATS} times)"
    if plates is None:
        return scores, scores, axis
    if not np.isin(plates[is_positive], plates[~is_positive]).any():
        # said beside every number: the axis may be that of the plates
        axis += "; no plate holds both classes"
    return scores, np.array([scale_by_plate(row, is_positive, plates) for row in scores]), axis
