"""`compute_dose_response`: how much of each compound is needed, with the reason where that cannot be said."""

from numbers import Real

import numpy as np
from scipy import stats
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import COMPOUND
from archetypal_triplet._utils._frames import count_of, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.screens._curves import N_PARAMETERS, Curves, fit_curves
from archetypal_triplet.screens._dose_table import CONCENTRATION, RESULT_COLUMNS, check_table, collect_doses

# A curve is refused if replicates contradict it and it leaves this share of the variance between doses. Of
# simulated responses that rise and fall 2 to 14 % pass (a share of 0.25: 20 %), and of true curves, outliers
# and growing noise among them, less than 0.5 % are refused: benchmarks/quality/dose_response.py.
_MISFIT_RISK, _MISFIT_SHARE = 0.01, 0.15


def fit_doses(found, confidence_level):
    """Curves of the compounds that have enough doses; the others have NaN."""
    n, width = found.wells.is_well.shape
    empty = np.full(n, np.nan)
    full = Curves(
        *(empty.copy() for _ in range(6)),
        np.full((n, N_PARAMETERS, N_PARAMETERS), np.nan),
        *(empty.copy() for _ in range(5)),
        np.zeros((n, width), dtype=bool),
    )
    if not found.can_fit.any():
        return full
    curves = fit_curves(found.wells.take(found.can_fit), confidence_level)
    for name, values in zip(Curves._fields, curves, strict=True):
        target = getattr(full, name)
        if name == "is_outlier":
            target[found.can_fit, : values.shape[1]] = values
        else:
            target[found.can_fit] = values
    return full


def _explain(found, curves, lowest, highest, alpha):
    """Why a compound has no EC50, else an empty text."""
    needed = N_PARAMETERS + 1 - (found.n_vehicle > 0)
    reasons = []
    for c in range(len(needed)):
        log_ec50, p_value = curves.log_ec50[c], curves.p_value[c]
        if found.n_doses[c] == 0:
            reason = "no concentration with a value"
        elif len(found.unit[c]) > 1:
            reason = f"several units ({shorten(name or 'none' for name in found.unit[c])})"
        elif not found.can_fit[c]:
            reason = f"{count_of(found.n_doses[c], 'concentration')}; {needed[c]} are needed"
        elif np.isnan(p_value):
            reason = "no response: all values are equal"
        elif p_value >= alpha:
            reason = f"no response (p = {p_value:.2g})"
        elif curves.p_lack_of_fit[c] < _MISFIT_RISK and curves.missed[c] > _MISFIT_SHARE:
            reason = "the response does not follow such a curve; it may rise and fall"
        elif log_ec50 > highest[c]:
            reason = "the EC50 lies above the highest concentration"
        elif log_ec50 < lowest[c]:
            # an inert compound beside vehicle wells at the plate's edge looks the same
            reason = "the EC50 lies below the lowest concentration"
            reason += ", if vehicle wells are comparable" if found.n_vehicle[c] else ""
        elif np.isinf(curves.log_ec50_low[c]) and np.isinf(curves.log_ec50_high[c]):
            reason = "the EC50 is not determined: its interval spans all concentrations"
        else:
            reason = ""
        reasons.append(reason)
    return np.array(reasons, dtype=object)


def tabulate_curves(found, curves, column, confidence_level):
    """One row a compound."""
    wells = found.wells
    has_wells = found.n_doses > 0
    lowest = np.where(has_wells, wells.dose[:, 0], np.nan)
    highest = np.where(wells.is_well, wells.dose, -np.inf).max(axis=1)
    highest = np.where(has_wells, highest, np.nan)
    reason = _explain(found, curves, lowest, highest, 1 - confidence_level)
    fine = reason == ""
    outside = np.array([text.startswith("the EC50") for text in reason], dtype=bool)
    half = stats.t.ppf((1 + confidence_level) / 2, curves.df)[:, None] * np.sqrt(
        np.maximum(np.diagonal(curves.covariance, axis1=1, axis2=2), 0.0)
    )
    table = found.keys.assign(
        column=column,
        n_wells=wells.is_well.sum(axis=1),
        n_doses=found.n_doses,
        n_vehicle=found.n_vehicle,
        lowest=10**lowest,
        highest=10**highest,
        unit=["/".join(filter(None, names)) for names in found.unit],
    )
    bounded = fine | outside
    low = np.minimum(curves.log_ec50_low, highest)  # an EC50 outside of the range is bounded by its end
    high = np.maximum(curves.log_ec50_high, lowest)
    table["ec50"] = np.where(fine, 10**curves.log_ec50, np.nan)
    table["ec50_low"], table["ec50_high"] = (10 ** np.where(bounded, v, np.nan) for v in (low, high))
    parameters = {"bottom": 0, "top": 1, "log_hill": 3}
    for name, place in parameters.items():
        value = getattr(curves, name)
        limits = [value, value - half[:, place], value + half[:, place]]
        if name == "log_hill":
            known = half[:, place] > 0  # not where the slope is at its limit
            with np.errstate(over="ignore"):
                limits = [10**value, *(np.where(known, 10**v, np.nan) for v in limits[1:])]
            name = "hill"
        for ending, values in zip(("", "_low", "_high"), limits, strict=True):
            table[name + ending] = np.where(fine, values, np.nan)
    table["r2"] = np.where(fine, curves.r2, np.nan)
    table["p_value"], table["p_lack_of_fit"] = curves.p_value, curves.p_lack_of_fit
    table["n_outliers"] = curves.is_outlier.sum(axis=1)
    table["reason"] = reason.tolist()
    return table[[*found.keys.columns, *RESULT_COLUMNS]]


@validate_params(
    {
        "table": "no_validation",
        "column": [str, list],
        "concentration": [str],
        "by": [str, list],
        "unit": [str, None],
        "plate": [str, None],
        "controls": [str, None],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def compute_dose_response(
    table,
    column,
    *,
    concentration=CONCENTRATION,
    by=COMPOUND,
    unit=None,
    plate=None,
    controls=None,
    confidence_level=0.95,
):
    """Fit a four-parameter curve to the wells of each compound.

    ``response = bottom + (top - bottom) / (1 + (ec50 / dose)^hill)``, with a Hill slope above 0, so that
    ``bottom`` is the response without compound and ``top`` that at saturation; ``top < bottom`` where the
    response falls. Every number is NaN, and ``reason`` says why, where the wells do not carry it: no EC50 is
    extrapolated beyond the concentrations that were tested.

    Parameters
    ----------
    table : DataFrame
        One row per well.
    column : str or list of str
        Response: a share such as ``"Archetype_2"``, a score between the controls, or any other column of
        numbers. Wells without a value are left out. Several columns are fitted one after the other.
    concentration : str, default="Metadata_Concentration"
        Column that holds the concentration. Wells at 0 or without one belong to no curve.
    by : str or list of str, default="Metadata_Compound"
        Columns that name the compound.
    unit : str, default=None
        Column that holds the units, or the unit itself, such as ``"uM"``. None takes it from the name of
        the column `concentration` ("Metadata_Concentration_uM"), if it is there.
    plate : str, default=None
        Column of plates. With `controls`, plates are shifted so that the medians of their vehicle wells
        agree, and only the vehicle wells on a compound's plates count for it. None: all wells as they are.
    controls : str, default=None
        Query that chooses the vehicle wells, such as ``"Metadata_ControlType == 'negative'"``. They belong
        to no compound, and their median is the response of every compound at dose 0. None: there are none.
    confidence_level : float, default=0.95
        Level of the intervals, and of the test for a response.

    Returns
    -------
    DataFrame
        One row per column and compound, with the columns of `by` and

        column
            The response.
        n_wells, n_doses, n_vehicle
            Wells with a value, distinct concentrations, vehicle wells.
        lowest, highest, unit
            The tested range.
        ec50, ec50_low, ec50_high
            The concentration at half of the way from bottom to top, with its interval; 0 or infinite where
            the tested range does not bound it. Where the EC50 lies outside of the range, the bounds stay.
        hill, bottom, top, each also with _low and _high
            The other parameters. The interval of a slope at the end of what is allowed (0.25 to 10) is NaN.
        r2
            Share of the variance of the wells that the curve explains, without vehicle wells and outliers.
        p_value
            Of the curve against no response (F test), before any correction for many compounds.
        p_lack_of_fit
            Of the curve against a mean of its own for every dose (F test); NaN without replicates.
        n_outliers
            Wells that were set aside.
        reason
            Why there is no EC50, else empty.

        Compounds without any concentration other than 0 are left out.

    Raises
    ------
    TypeError
        If `table` is not a table.
    ValueError
        If the table has no rows, a column does not exist, is there twice or does not hold numbers, a
        concentration is below 0 or infinite, the query chooses no row, or a plate has no vehicle wells.

    See Also
    --------
    archetypal_triplet.qc.compute_control_scores : Where wells lie between the controls, a response to fit.

    Notes
    -----
    First a robust curve (Huber's weights, then Tukey's) finds wells that lie farther from it than chance
    explains (1 % for any well of a compound); then least squares fits the others, as in [1]_. Spreads below
    that of the vehicle wells count as theirs, and where several replicates of a dose, half of them or more,
    are strange, no well is set aside. Given EC50 and slope, bottom and top are a linear fit, so only two
    parameters are searched: on a grid that reaches one decade beyond the tested range, then by halving steps.
    Nothing is drawn at random.

    The interval of the EC50 is that of the profile likelihood: all values at which the best curve is not
    worse than F(1, df) allows. A linearization is symmetric and always finite, also where the wells do not
    bound the EC50 on one side; resampling needs replicates at every dose. The other parameters have
    linearized intervals. They hold for independent wells with one spread: replicates on one plate share its
    errors, and noise that grows with the response lowers the coverage (five times as much at the top: .85
    instead of .95).

    The vehicle median weighs as much as all wells of the compound at most, since vehicle wells often lie at
    the plate's edge. Five concentrations are needed, or four with vehicle wells. A response that rises and
    falls again is refused if replicates contradict the curve (p < 0.01) and it leaves more than 15 % of the
    variance between doses; without replicates it is not noticed, but ``r2`` is low.

    Of compounds that do nothing about `1 - confidence_level` pass the test. For a list of hits correct
    ``p_value`` for their number.

    Time and memory are linear in the number of compounds: 10,000 with 9 doses in duplicate take seconds.

    References
    ----------
    .. [1] Motulsky H. J., Brown R. E. (2006). Detecting outliers when fitting data with nonlinear regression.
       BMC Bioinformatics 7, 123.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.screens import compute_dose_response
    >>> screen = make_screen(1, 3, plate_format=96, random_state=0)
    >>> wells = screen.profiles.assign(Effect=screen.truth["Truth_Effect"])
    >>> curves = compute_dose_response(
    ...     wells,
    ...     "Effect",
    ...     concentration="Metadata_Concentration_uM",
    ...     controls="Metadata_ControlType == 'negative'",
    ... )
    >>> active = curves[curves["reason"] == ""]
    >>> len(curves), len(active), set(active["unit"])
    (12, 3, {'uM'})
    """
    pd = import_optional("pandas", extra="screens")
    columns, by = as_names(column), as_names(by)
    table = check_table(table, columns, by)
    options = {"concentration": concentration, "by": by, "unit": unit, "plate": plate, "controls": controls}
    parts = []
    for name in columns:
        found = collect_doses(table, name, **options)
        parts.append(tabulate_curves(found, fit_doses(found, confidence_level), name, confidence_level))
    return pd.concat(parts, ignore_index=True)
