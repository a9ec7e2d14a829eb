"""Fields unlike the other fields of their well: which ones stay out of the fit of a run."""

import numpy as np

from archetypal_triplet._utils._columns import ATQ_PREFIX, FLAG_REASON, IS_FLAGGED, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import count_of, select_rows
from archetypal_triplet._utils._roles import plate_codes
from archetypal_triplet.qc import compute_field_scores
from archetypal_triplet.qc._fields import compute_well_deviations

_N_REPORTED = 1000


def is_asked_for(plan):
    """Tell whether a run flags fields at all, and if not, why."""
    options = plan.options
    if options["level"] != "field":
        return False, f"rows are {options['level']}s"
    if options["flag_fields"] == "none":
        return False, "flag_fields='none' (--flag-fields none)"
    if not plan.group_columns:
        return False, "nothing tells which fields belong to one well (--groups)"
    by_group = plan.table.groupby(plan.group_columns, sort=False, observed=True)
    if not (by_group.size() > 1).any():
        return False, "each well has one field: there is nothing to compare it with"
    for column in {plan.options["plate"], WELL} & set(plan.table.columns):
        if column not in plan.group_columns and (by_group[column].nunique() > 1).any():
            return False, f"the groups span several values of {column}: their fields are not of one well"
    return True, ""


def flag_fields(plan):
    """Score the fields of a run, and say which of them stay out of its fit.

    Parameters
    ----------
    plan : RunPlan
        The table, its features and options.

    Returns
    -------
    scores : pandas.DataFrame or None
        The ``Metadata_atq_*`` columns of `archetypal_triplet.qc.compute_field_scores`; None where no field
        can be, or is to be, judged.
    left_out : ndarray of shape (n_rows,), dtype bool, or None
        The flagged fields, but none of a plate that would have no controls left.
    info : dict
        For run.json.

    Notes
    -----
    At most half of the fields of a well are flagged, the most distant ones: where the fields of a well do not
    agree, none shows what is right.

    The label -1 alone would not do: centers, scales and whitening would be fitted on spoiled fields still.
    """
    is_asked, why_not = is_asked_for(plan)
    if not is_asked:
        return None, None, {"n_flagged": 0, "n_left_out": 0, "why_none": why_not, "fields": []}
    table, options = plan.table, plan.options
    scored = compute_field_scores(
        table, groups=plan.group_columns, features=plan.features, random_state=options["random_state"]
    )
    scores = scored[[c for c in scored if str(c).startswith(ATQ_PREFIX)]]
    codes = table.groupby(plan.group_columns, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    is_flagged = scores[IS_FLAGGED].to_numpy(dtype=bool, copy=True)
    # of two fields, which are equally distant, the flag has chosen one
    lengths = _measure_deviations(table[plan.features].to_numpy(dtype=float), codes)
    is_flagged &= _is_in_minority(np.where(is_flagged, lengths, 0.0), codes)
    scores = scores.assign(**{IS_FLAGGED: is_flagged, FLAG_REASON: scores[FLAG_REASON].where(is_flagged, "")})
    left_out = is_flagged.copy()
    if options["controls"]:
        plates = plate_codes(table, options["plate"])
        left_out &= _has_any(~left_out & select_rows(table, options["controls"]), plates)
    info = {
        "n_flagged": int(is_flagged.sum()),
        "n_left_out": int(left_out.sum()),
        "why_none": "" if is_flagged.any() else "no field is so unlike the others of its well",
        "fields": _describe(table, scores, is_flagged, left_out),
    }
    return scores, left_out if left_out.any() else None, info


def _has_any(chosen, codes):
    """Tell for each row whether any row of its group is chosen."""
    return np.bincount(codes, weights=chosen)[codes] > 0


def _measure_deviations(values, codes):
    """Length of each row's difference to the median of its well, not clipped as the scores' is.

    Where clipped, two strange fields would look equally far off.
    """
    deviations = np.nan_to_num(compute_well_deviations(values, codes))
    typical, sd = np.median(np.abs(deviations), axis=0), deviations.std(axis=0)
    spread = np.where(typical > 1e-3 * sd, typical, sd)
    return np.linalg.norm(deviations / np.where(spread > 0, spread, 1.0), axis=1)


def _is_in_minority(distance, codes):
    """Tell for each row whether it is of the more distant half of its group; of three that is one."""
    order = np.lexsort((-distance, codes))
    counts = np.bincount(codes)
    rank = np.empty(len(codes), dtype=int)
    rank[order] = np.arange(len(codes)) - (np.cumsum(counts) - counts)[codes[order]]
    return rank < counts[codes] // 2


def _describe(table, scores, is_flagged, left_out):
    columns = [c for c in (PLATE, WELL, SITE) if c in table]
    rows = np.flatnonzero(is_flagged)[:_N_REPORTED]
    fields = table[columns].iloc[rows].assign(row=rows, reason=scores[FLAG_REASON].to_numpy()[rows])
    return fields.assign(left_out=left_out[rows]).to_dict("records")


def flag_lines(info, n_rows):
    """Say in a line how many fields stayed out of the fit; no line where none is flagged.

    Parameters
    ----------
    info : dict
        From `flag_fields`.
    n_rows : int
        Number of all fields.

    Returns
    -------
    list of str
        One line or none.
    """
    if not info["n_flagged"]:
        return []
    kept = info["n_flagged"] - info["n_left_out"]
    more = f"; {kept} more flagged, but trained on" if kept else ""
    what = f"Not trained on: {info['n_left_out']} of {count_of(n_rows, 'field')}"
    return [f"{what}, unlike the others of their wells{more} (run.json names them; --flag-fields none)"]
