"""The parts of `ScreenNormalizer.fit`: what each step learns of a screen, set as fitted attributes."""

import warnings

import numpy as np

from archetypal_triplet._utils._columns import feature_category
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._roles import as_names, check_plates_have_controls, group_codes, plate_names
from archetypal_triplet.screens import _whitening as kernels

# of n_components="auto"
_LEAST_BETWEEN = 3  # degrees of freedom: the differences of fewer control wells are mostly chance
_MOST_COMPONENTS = 30
_ENOUGH_VARIANCE = 0.9


def fit_plate_step(normalizer, frame, values, is_control):
    """Set plates_, centers_, features_kept_, scale_; return the row of centers_ of each sample."""
    codes, normalizer.plates_ = np.zeros(len(values), dtype=np.intp), []
    reference, among = slice(None), "rows"
    if is_control is not None:
        reference, among = is_control, "controls"
        if normalizer.plate is not None:
            plates, codes = np.unique(plate_names(frame, normalizer.plate), return_inverse=True)
            normalizer.plates_ = plates.tolist()
            counts = np.bincount(codes[is_control], minlength=len(plates))
            check_plates_have_controls(normalizer.plates_, counts, flags=normalizer.flags)
        if is_control.sum() <= len(np.unique(codes)):
            raise ValueError(
                f"controls={normalizer.controls!r} matches {is_control.sum()} rows, one for each plate, "
                f"which says nothing about their spread. At least one plate needs two control rows."
            )
    centers = group_means(values[reference], codes[reference], max(1, len(normalizer.plates_)))
    scale = kernels.pooled_sd(values[reference], codes[reference], centers)
    normalizer.features_kept_ = scale > kernels.CONSTANT_RTOL * kernels.largest_magnitude(values)
    if not normalizer.features_kept_.any():
        raise ValueError(
            f"None of the {values.shape[1]} features varies among the {among}. Check that the feature "
            f"columns are measurements, and that the rows are not copies of one another."
        )
    normalizer.centers_ = centers[:, normalizer.features_kept_]
    normalizer.scale_ = scale[normalizer.features_kept_]
    return codes


def find_typical_variation(normalizer, frame, codes, is_control):
    """Return the group of each row whose deviations from the group's mean mean nothing, or None."""
    if normalizer.groups is not None:
        return group_codes(frame, normalizer.groups, plate=normalizer.plate)
    return None if is_control is None else np.where(is_control, codes, -1)


def fit_components(normalizer, values, codes, grouped):
    """Set mean_, components_, n_components_ and explained_variance_ratio_."""
    n_kept = len(normalizer.scale_)
    n_wanted = normalizer.n_components
    if n_wanted == "auto":
        n_wanted = min(_MOST_COMPONENTS, max(1, n_kept // 3))
    if grouped is not None:
        _, n_free = kernels.deviations(values[:, :1], grouped)
        if n_free == 0:
            raise ValueError(
                f"groups={normalizer.groups!r} puts no two rows into one group, so there is no variation "
                f"within groups. Name what rows share: the well of fields or cells, the treatment of "
                f"wells."
            )
        n_wanted = min(n_wanted, max(1, n_free // 2) if normalizer.n_components == "auto" else n_free)

    def blocks():
        for rows in kernels.row_blocks(len(values)):
            yield normalizer._standardize(values[rows], normalizer.centers_, codes[rows])

    normalizer.weights_ = np.ones(n_kept)
    if normalizer.balance == "category" and hasattr(normalizer, "feature_names_in_"):
        names = normalizer.feature_names_in_[normalizer.features_kept_]
        normalizer.weights_ = kernels.category_weights(blocks, np.array([*map(feature_category, names)]))
    axes = kernels.principal_axes(blocks, len(values), n_kept, n_wanted)
    normalizer.mean_, components, variance, total = axes
    if normalizer.n_components == "auto":
        n_wanted = 1 + int(np.searchsorted(np.cumsum(variance), _ENOUGH_VARIANCE * total))
    normalizer.components_, variance = components[:n_wanted], variance[:n_wanted]
    if normalizer.controls is not None and normalizer.origin == "controls":
        # step 1 has put the vehicle state at zero, and lengths in step 4 are distances from it
        normalizer.mean_ = np.zeros_like(normalizer.mean_)
    normalizer.n_components_ = len(normalizer.components_)
    normalizer.explained_variance_ratio_ = variance / total
    if grouped is not None and n_free < 2 * normalizer.n_components_:
        what = "control rows" if normalizer.groups is None else "grouped rows"
        warnings.warn(
            f"{normalizer.n_components_} components are whitened with only {n_free} degrees of freedom "
            f"among the {what}. Set n_components to {max(1, n_free // 2)} or less, or add such rows.",
            DataWarning,
            stacklevel=4,
        )


def fit_whitening(normalizer, scores, grouped, frame, codes, is_control):
    """Set ridge_ and whitening_."""
    normalizer.ridge_ = None
    if grouped is None:
        spread = np.sqrt(np.mean(np.square(scores), axis=0))
        normalizer.whitening_ = np.diag(spread**-0.5)
        return
    deviation, _ = kernels.deviations(scores, grouped)
    if not np.square(deviation).sum() > np.finfo(float).eps ** 2 * np.square(scores).sum():
        raise ValueError(
            f"All rows within a group of groups={normalizer.groups!r} are the same, so there is no variation "
            f"to whiten. Leave groups at None, or pass the table before it is averaged."
        )
    normalizer.ridge_ = _choose_ridge(normalizer, grouped, frame)
    parts = [deviation]
    if normalizer.groups is not None and is_control is not None:
        between, n_free = kernels.between_groups(scores[is_control], grouped[is_control], codes[is_control])
        parts += [between] if n_free >= _LEAST_BETWEEN and between.any() else []
    normalizer.whitening_ = kernels.whitening_matrix(parts, normalizer.ridge_)


def _choose_ridge(normalizer, grouped, frame):
    if not isinstance(normalizer.ridge, str):
        return float(normalizer.ridge)
    if normalizer.groups is None:
        return kernels.RIDGE_REPLICATES
    crosses_plates = normalizer.plate is not None and normalizer.plate not in as_names(normalizer.groups)
    plates = plate_names(frame, normalizer.plate) if crosses_plates else None
    return kernels.choose_ridge(grouped, plates)
