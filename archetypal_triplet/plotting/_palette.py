"""Colors and markers: safe for color-blind readers, the same in every figure."""

import numpy as np

from archetypal_triplet._utils._names import natural_key

# Okabe and Ito (2008) without black and yellow, then four of Paul Tol's "muted" scheme
CATEGORY_COLORS = (
    *("#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2"),
    *("#332288", "#882255", "#999933", "#44AA99"),
)
OTHER_COLOR = "#BDBDBD"
NEUTRAL_COLOR = "#DADADA"
CONTROL_COLORS = {"negative": "#0072B2", "positive": "#D55E00", "untreated": "#009E73", "sample": OTHER_COLOR}
CONTROL_FACE = "#FFFFFF"  # of controls whose marker says it all
CONTROL_MARKERS = {"negative": "s", "positive": "^", "untreated": "D"}
OTHER = "other"
MISSING = "missing"
UNLABELED = "unlabeled"
# say that there is nothing to say: gray, and no color of their own
NEUTRAL = (OTHER, MISSING, UNLABELED, "None", "none", "nan", "unknown", "Unknown", "")


def to_kinds(control_type, shape):
    """Kind of control of every sample or well; "sample" where it is none."""
    if control_type is None:
        return np.full(shape, "sample")
    kinds = np.asarray(control_type).astype(str)
    return np.where(np.isin(kinds, list(CONTROL_MARKERS)), kinds, "sample")


def is_categorical(values, max_categories):
    """Tell whether a column is drawn in classes: text, booleans, or few whole numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        return True
    return values.dtype.kind in "iu" and len(np.unique(values)) <= max_categories


def group_categories(labels, max_categories, strength, left_out=()):
    """Choose the categories that get a color of their own.

    Parameters
    ----------
    labels : ndarray of str of shape (n_samples,)
        Category of each sample.
    max_categories : int
        How many may be shown; if there are more, the last one shown is "other".
    strength : ndarray of shape (n_samples,)
        Decides between categories of the same size: those with the larger mean are shown.
    left_out : collection of str
        Categories that are drawn otherwise.

    Returns
    -------
    list of str
        The categories, in natural order; all others are "other".
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.bincount(codes, weights=strength) / counts
    eligible = [i for i in range(len(names)) if names[i] not in {*left_out, *NEUTRAL}]
    if len(eligible) > max_categories:
        eligible.sort(key=lambda i: (-counts[i], -means[i]))
        eligible = eligible[: max_categories - 1]
    return sorted((str(names[i]) for i in eligible), key=natural_key)


def assign_colors(labels, is_control, strength, max_categories):
    """Give every category a color.

    What only controls are called needs no color of its own, for their marker names them; what is not known is
    gray.

    Returns
    -------
    labels : ndarray of str of shape (n_samples,)
        With "other" for what is not shown.
    colors : dict of str to str
        Color of every label that is left, in the order of the legend.
    """
    only_controls = set(np.unique(labels[is_control])) - set(np.unique(labels[~is_control])) - {*NEUTRAL}
    shown = group_categories(labels, max_categories, strength, only_controls)
    colors = dict(zip(shown, CATEGORY_COLORS, strict=False))
    colors |= dict.fromkeys(sorted(only_controls), CONTROL_FACE)
    neutral = [name for name in NEUTRAL if name != OTHER and (labels == name).any()]
    colors |= dict.fromkeys(neutral, NEUTRAL_COLOR)
    is_other = ~np.isin(labels, list(colors))
    if is_other.any():
        colors[OTHER] = OTHER_COLOR
    return np.where(is_other, OTHER, labels), colors


def compute_point_style(n):
    """Area (points squared) and opacity of `n` points that share one panel."""
    size = float(np.clip(420.0 / np.sqrt(max(n, 1)), 1.2, 30.0))
    alpha = float(np.interp(np.log10(max(n, 1)), [2.3, 5.0], [0.85, 0.35]))
    return size, alpha
