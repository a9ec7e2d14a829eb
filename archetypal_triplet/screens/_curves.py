"""Four-parameter curves of many compounds at once: arrays in, arrays out.

Given the EC50 and the Hill slope, bottom and top are a straight-line fit, so only two parameters are
searched: on a grid, from which nothing can lead astray, and then in ever smaller steps around its best point.
"""

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from archetypal_triplet._utils._spread import MAD_TO_SD

HILL_LIMITS = (0.25, 10.0)
# how far beyond the tested range an EC50 is looked for, to be able to say that it lies there
MARGIN_DECADES = 1.0
N_EC50, N_HILL = 48, 12
N_PARAMETERS = 4
SAME_DOSE = 1e-9  # decades; doses that differ by less are one
OUTLIER_RISK = 0.01  # chance that any well of a compound without outliers is set aside
_HUBER, _BISQUARE = 1.345, 4.685
_N_HUBER, _N_BISQUARE = 4, 3
_N_REFINE, _N_BISECT, _N_ZOOM = 22, 16, 4
_N_BAND = 81  # EC50, and slopes, of which a band is made
_MAX_BLOCK = 3_000_000  # values of the grid held at a time


class Wells(NamedTuple):
    """Wells of many compounds; row c holds the wells of compound c, padded at the end."""

    dose: np.ndarray  # (n_compounds, n_wells), log10, rising along the row
    response: np.ndarray  # (n_compounds, n_wells)
    is_well: np.ndarray  # (n_compounds, n_wells), False where padded
    vehicle: np.ndarray  # (n_compounds,) response at dose 0
    vehicle_weight: np.ndarray  # (n_compounds,) in wells; 0: none
    noise_floor: np.ndarray  # (n_compounds,) spread below which no deviation is remarkable

    def take(self, rows):
        """Wells of some of the compounds, without needless padding."""
        part = Wells(*(values[rows] for values in self))
        width = max(int(part.is_well.sum(axis=1).max(initial=0)), 1)
        return Wells(*(values[:, :width] if values.ndim == 2 else values for values in part))


class Curves(NamedTuple):
    """Fitted curves; bottom is the response without compound, top that at saturation."""

    bottom: np.ndarray
    top: np.ndarray
    log_ec50: np.ndarray
    log_hill: np.ndarray
    log_ec50_low: np.ndarray  # -inf or inf: not bounded within the tested range
    log_ec50_high: np.ndarray
    covariance: np.ndarray  # (n_compounds, 4, 4) of bottom, top, log_ec50, log_hill
    df: np.ndarray  # degrees of freedom of the residuals
    r2: np.ndarray
    p_value: np.ndarray  # of the curve against no response
    p_lack_of_fit: np.ndarray  # of one mean for every dose against the curve; NaN without replicates
    missed: np.ndarray  # share of the variance between doses that the curve leaves
    is_outlier: np.ndarray  # (n_compounds, n_wells)


class _Sums(NamedTuple):
    """What a fit needs of the wells: sums over those of one dose, and the moments of all responses."""

    dose: np.ndarray  # (n_compounds, n_levels)
    weight: np.ndarray
    weighted: np.ndarray  # weight times response, less the mean of all
    total: np.ndarray  # (n_compounds,) weight with vehicle
    mean: np.ndarray
    squares: np.ndarray  # around the mean


def compute_response(dose, bottom, top, log_ec50, log_hill):
    """Response at log10 doses: ``bottom + (top - bottom) / (1 + 10^(hill (log_ec50 - dose)))``."""
    return bottom + (top - bottom) * special.expit(np.log(10) * 10**log_hill * (dose - log_ec50))


def _number_levels(wells):
    """Number of the dose of each well within its compound, from 0; wells are sorted by dose."""
    steps = np.diff(wells.dose, axis=1) > SAME_DOSE
    return np.concatenate([np.zeros((len(steps), 1), dtype=int), np.cumsum(steps, axis=1)], axis=1)


def _sum_levels(level, *values):
    """Sums (n_compounds, n_levels) over the wells of one dose, of each of `values` (n_compounds, n_wells)."""
    n, n_levels = len(level), int(level.max()) + 1
    flat = (level + n_levels * np.arange(n)[:, None]).ravel()
    return [np.bincount(flat, v.ravel(), n * n_levels).reshape(n, n_levels) for v in values]


def _sum_up(wells, level, weight):
    total = weight.sum(axis=1) + wells.vehicle_weight
    mean = ((weight * wells.response).sum(axis=1) + wells.vehicle_weight * wells.vehicle) / total
    centered = wells.response - mean[:, None]
    squares = (weight * centered**2).sum(axis=1) + wells.vehicle_weight * (wells.vehicle - mean) ** 2
    sums = _sum_levels(level, weight, weight * centered)
    dose = np.zeros_like(sums[0])
    np.put_along_axis(dose, level, wells.dose, axis=1)
    return _Sums(dose, *sums, total, mean, squares)


def _evaluate(sums, shape):
    """Residual sums of squares (n_compounds, n_points), from the shape 0 .. 1 at (compound, dose, point)."""
    weight, weighted = sums.weight[:, None], sums.weighted[:, None]
    first = (weight @ shape)[:, 0]
    spread = (weight @ shape**2)[:, 0] - first**2 / sums.total[:, None]
    # the responses have mean 0 with the vehicle, whose shape is 0
    product = (weighted @ shape)[:, 0]
    usable = spread > 1e-12 * sums.total[:, None]
    explained = np.divide(product**2, spread, out=np.zeros_like(product), where=usable)
    return np.maximum(sums.squares[:, None] - explained, 0.0)


def _compute_shape(sums, log_ec50, log_hill):
    """Shape 0 .. 1 (n_compounds, n_levels, n_points) at points (n_compounds, n_points)."""
    slope = np.log(10) * 10 ** log_hill[:, None]
    return special.expit(slope * (sums.dose[..., None] - log_ec50[:, None]))


def _solve_ends(sums, log_ec50, log_hill):
    """Bottom and top for one EC50 and Hill slope a compound."""
    shape = _compute_shape(sums, log_ec50[:, None], log_hill[:, None])[..., 0]
    first = (sums.weight * shape).sum(axis=1)
    spread = (sums.weight * shape**2).sum(axis=1) - first**2 / sums.total
    product = (sums.weighted * shape).sum(axis=1)
    usable = spread > 1e-12 * sums.total
    height = np.divide(product, spread, out=np.zeros_like(product), where=usable)
    bottom = sums.mean - height * first / sums.total
    return bottom, bottom + height


def _make_grid(low, high):
    """Points of the grid (n_compounds, n_points) for doses between `low` and `high`."""
    at = np.linspace(0, 1, N_EC50)
    log_ec50 = (low - MARGIN_DECADES)[:, None] + (high - low + 2 * MARGIN_DECADES)[:, None] * at
    log_hill = np.linspace(*np.log10(HILL_LIMITS), N_HILL)
    return np.repeat(log_ec50, N_HILL, axis=1), np.tile(log_hill, (len(low), N_EC50))


def _compute_spread(residuals, is_well, n_parameters):
    """Robust standard deviation of the residuals: the median of all but as many small ones as were fitted."""
    n = is_well.sum(axis=1)
    ordered = np.sort(np.where(is_well, np.abs(residuals), np.inf), axis=1)
    start = np.minimum(n_parameters - 1, n - 1)
    low, high = (start + n - 1) // 2, (start + n) // 2
    rows = np.arange(len(n))
    return MAD_TO_SD * (ordered[rows, low] + ordered[rows, high]) / 2


def _find_outliers(wells, level, shape, grid, n_parameters):
    """Wells too far from a robust curve (Huber's weights, then Tukey's, each round a search of the grid)."""
    weight = wells.is_well.astype(float)
    for step in range(_N_HUBER + _N_BISQUARE + 1):
        sums = _sum_up(wells, level, weight)
        best = _evaluate(sums, shape).argmin(axis=1)[:, None]
        point = [np.take_along_axis(values, best, axis=1)[:, 0] for values in grid]
        curve = compute_response(wells.dose, *(v[:, None] for v in (*_solve_ends(sums, *point), *point)))
        residuals = wells.response - curve
        spread = np.maximum(_compute_spread(residuals, wells.is_well, n_parameters), wells.noise_floor)
        floor = 1e-9 * np.abs(wells.response).max(axis=1)
        ratio = np.abs(residuals) / np.maximum(np.maximum(spread, floor), np.finfo(float).tiny)[:, None]
        if step < _N_HUBER:
            weight = wells.is_well / np.maximum(ratio / _HUBER, 1.0)
        else:
            weight = wells.is_well * (1 - np.minimum(ratio / _BISQUARE, 1.0) ** 2) ** 2
    n = wells.is_well.sum(axis=1)
    limit = stats.t.isf(OUTLIER_RISK / (2 * n), np.maximum(n - n_parameters, 1))
    is_outlier = wells.is_well & (ratio > limit[:, None])
    # where several replicates of a dose, half of them or more, are strange, it is the curve that is
    share, replicates = _average_levels(level, wells.is_well.astype(float), is_outlier)
    return is_outlier & ~((share >= 0.5) & (share * replicates > 1.5)).any(axis=1, keepdims=True)


def _average_levels(level, weight, values):
    """Weighted means and sums of weights (n_compounds, n_levels) of the wells of one dose."""
    total, sums = _sum_levels(level, weight, weight * values)
    return sums / np.maximum(total, 1.0), total


def _test_lack_of_fit(wells, level, weight, rss, squares):
    """P value of what replicates say of the curve, and the share of the variance between doses it leaves."""
    means, total = _average_levels(level, weight, wells.response)
    within = (weight * (wells.response - np.take_along_axis(means, level, axis=1)) ** 2).sum(axis=1)
    n_levels = (total > 0).sum(axis=1)
    df_within = weight.sum(axis=1) - n_levels
    df_misfit = n_levels + (wells.vehicle_weight > 0) - N_PARAMETERS
    misfit = np.maximum(rss - within, 0.0)
    usable = (df_within > 0) & (df_misfit > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (misfit / df_misfit) / (within / df_within)
        p_value = np.where(usable, stats.f.sf(ratio, df_misfit, df_within), np.nan)
        return p_value, misfit / (squares - within)


def _refine(sums, log_ec50, log_hill, step_ec50, step_hill):
    """Go on from the best points of the grid in steps that shrink wherever no neighbor is better."""
    offset = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    sideways, upward = (v.ravel() for v in np.meshgrid(offset, offset))
    inner = (np.abs(sideways) < 1) & (np.abs(upward) < 1)
    scale = np.ones((len(log_ec50), 1))
    rows = np.arange(len(log_ec50))
    for _ in range(_N_REFINE):
        points = log_ec50[:, None] + scale * step_ec50[:, None] * sideways
        hills = np.clip(log_hill[:, None] + scale * step_hill * upward, *np.log10(HILL_LIMITS))
        best = _evaluate(sums, _compute_shape(sums, points, hills)).argmin(axis=1)
        log_ec50, log_hill = points[rows, best], hills[rows, best]
        scale = np.where(inner[best][:, None], scale / 2, scale)
    return log_ec50, log_hill


def _profile(sums, log_ec50):
    """Smallest residual sum of squares over all Hill slopes, for one EC50 a compound."""
    low, high = np.log10(HILL_LIMITS)
    center, half = np.full(len(log_ec50), (low + high) / 2), (high - low) / 2
    rows = np.arange(len(log_ec50))
    for _ in range(_N_ZOOM):
        hills = np.clip(center[:, None] + half * np.linspace(-1, 1, 9), low, high)
        rss = _evaluate(sums, _compute_shape(sums, np.repeat(log_ec50[:, None], 9, axis=1), hills))
        best = rss.argmin(axis=1)
        center, half = hills[rows, best], half / 4
    return rss[rows, best]


def _find_bound(sums, start, step, estimate, limit, allowed, side):
    """Where the profile exceeds what is allowed, from `start` on; infinite if not before `limit`."""
    inside = side * np.maximum(side * start, side * estimate)
    is_open = (side * (inside - limit) >= 0) | (_profile(sums, limit) <= allowed)
    outside = side * np.minimum(side * inside + step, side * limit)
    for _ in range(N_EC50):
        goes_on = ~is_open & (_profile(sums, outside) <= allowed)
        if not goes_on.any():
            break
        inside = np.where(goes_on, outside, inside)
        outside = np.where(goes_on, side * np.minimum(side * inside + step, side * limit), outside)
    for _ in range(_N_BISECT):
        middle = (inside + outside) / 2
        is_inside = _profile(sums, middle) <= allowed
        inside, outside = np.where(is_inside, middle, inside), np.where(is_inside, outside, middle)
    return np.where(is_open, side * np.inf, inside)


def _bound_ec50(sums, on_grid, grid, step, log_ec50, allowed, low, high):
    """Interval of the EC50 by the profile of the likelihood, as far as the tested range reaches."""
    nodes = grid[0][:, ::N_HILL]
    profile = on_grid.reshape(len(on_grid), N_EC50, N_HILL).min(axis=2)
    fits = (profile <= allowed[:, None]) & (nodes > low[:, None]) & (nodes < high[:, None])
    bounds = []
    for limit, side in ((low, -1.0), (high, 1.0)):
        farthest = side * np.where(fits, side * nodes, -np.inf).max(axis=1)
        bounds.append(_find_bound(sums, farthest, step, log_ec50, limit, allowed, side))
    return tuple(bounds)


def compute_gradient(dose, bottom, top, log_ec50, log_hill):
    """Derivatives of the response by bottom, top, log_ec50 and log_hill, on a last axis."""
    slope = np.log(10) * 10**log_hill
    shape = special.expit(slope * (dose - log_ec50))
    steep = (top - bottom) * shape * (1 - shape)
    return np.stack(
        [1 - shape, shape, -steep * slope, steep * slope * (dose - log_ec50) * np.log(10)], axis=-1
    )


def _compute_covariance(wells, weight, parameters, variance):
    """Covariance of the parameters by linearization; a Hill slope at its limit counts as known."""
    gradient = compute_gradient(wells.dose, *(v[:, None] for v in parameters))
    at_limit = np.isin(parameters[3], np.log10(HILL_LIMITS))
    gradient[at_limit, :, 3] = 0.0
    information = np.einsum("cw,cwi,cwj->cij", weight, gradient, gradient)
    information[:, 0, 0] += wells.vehicle_weight
    return np.linalg.pinv(information, rcond=1e-12, hermitian=True) * variance[:, None, None]


def _settle(wells):
    """Wells of which none that is padding has a dose of its own, and lowest and highest dose."""
    low, high = wells.dose[:, 0], np.where(wells.is_well, wells.dose, -np.inf).max(axis=1)
    return wells._replace(dose=np.where(wells.is_well, wells.dose, high[:, None])), low, high


def _fit_block(wells, confidence_level):
    wells, low, high = _settle(wells)
    level, has_vehicle = _number_levels(wells), wells.vehicle_weight > 0
    grid = _make_grid(low, high)
    shape = _compute_shape(_sum_up(wells, level, wells.is_well.astype(float)), *grid)
    is_outlier = _find_outliers(wells, level, shape, grid, N_PARAMETERS - has_vehicle)
    weight = (wells.is_well & ~is_outlier).astype(float)
    sums = _sum_up(wells, level, weight)
    on_grid = _evaluate(sums, shape)
    best = on_grid.argmin(axis=1)[:, None]
    start = [np.take_along_axis(values, best, axis=1)[:, 0] for values in grid]
    steps = (high - low + 2 * MARGIN_DECADES) / (N_EC50 - 1), np.diff(np.log10(HILL_LIMITS))[0] / (N_HILL - 1)
    point = _refine(sums, *start, *steps)
    rss = _evaluate(sums, _compute_shape(sums, *(v[:, None] for v in point)))[:, 0]
    df = (weight.sum(axis=1) + has_vehicle - N_PARAMETERS).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        allowed = rss * (1 + stats.f.ppf(confidence_level, 1, df) / df)
        p_value = stats.f.sf((sums.squares - rss) / (N_PARAMETERS - 1) / (rss / df), N_PARAMETERS - 1, df)
        variance = rss / df
        bounds = _bound_ec50(sums, on_grid, grid, steps[0], point[0], allowed, low, high)
        parameters = (*_solve_ends(sums, *point), *point)
        residuals = wells.response - compute_response(wells.dose, *(v[:, None] for v in parameters))
        mean = (weight * wells.response).sum(axis=1) / weight.sum(axis=1)
        spread = (weight * (wells.response - mean[:, None]) ** 2).sum(axis=1)
        r2 = 1 - (weight * residuals**2).sum(axis=1) / spread
    covariance = _compute_covariance(wells, weight, parameters, variance)
    lack_of_fit = _test_lack_of_fit(wells, level, weight, rss, sums.squares)
    return Curves(*parameters, *bounds, covariance, df, r2, p_value, *lack_of_fit, is_outlier)


def fit_curves(wells, confidence_level=0.95):
    """Fit a curve to the wells of each compound.

    Parameters
    ----------
    wells : Wells
        Wells of all compounds; each has more wells (vehicle counted as one) than there are parameters.
    confidence_level : float, default=0.95
        Level of the interval of the EC50.

    Returns
    -------
    Curves
        The curves. Wells farther from a robust curve than chance explains were set aside, and the curve is
        that of least squares through the others.
    """
    n = wells.is_well.sum(axis=1)
    order = np.argsort(n, kind="stable")
    width = wells.is_well.shape[1]
    parts, start = [], 0
    while start < len(order):
        per_compound = N_EC50 * N_HILL * int(n[order[start]])
        stop = start + max(1, _MAX_BLOCK // per_compound)
        part = _fit_block(wells.take(order[start:stop]), confidence_level)
        padding = ((0, 0), (0, width - part.is_outlier.shape[1]))
        parts.append(part._replace(is_outlier=np.pad(part.is_outlier, padding)))
        start = stop
    back = np.argsort(order)
    return Curves(*(np.concatenate(values)[back] for values in zip(*parts, strict=True)))


def _spread_points(curves, row, limits):
    """EC50 and slopes (1, n_points) around those of a curve, as far as they may fit nearly as well."""
    low, high = curves.log_ec50_low[row], curves.log_ec50_high[row]
    low = low if np.isfinite(low) else limits[0] - MARGIN_DECADES
    high = high if np.isfinite(high) else limits[1] + MARGIN_DECADES
    center, error = curves.log_hill[row], np.sqrt(max(curves.covariance[row, 3, 3], 0.0))
    hills = np.log10(HILL_LIMITS)
    if 0 < error < 0.1:  # well known: a finer net around it
        hills = np.clip([center - 5 * error, center + 5 * error], *hills)
    log_ec50, log_hill = np.meshgrid(np.linspace(low, high, _N_BAND), np.linspace(*hills, _N_BAND))
    best = curves.log_ec50[row], center
    return [
        np.append(values.ravel(), own)[None] for values, own in zip((log_ec50, log_hill), best, strict=True)
    ]


def compute_band(wells, curves, row, dose, confidence_level):
    """Curve of one compound at log10 doses, and the limits between which it lies.

    The limits at a dose are those of the profile likelihood, as for the EC50: what all curves reach there
    that are not worse than F(1, df) allows.

    Parameters
    ----------
    wells : Wells
        What was fitted.
    curves : Curves
        What was found.
    row : int
        The compound.
    dose : ndarray of shape (n_doses,)
        Doses, log10.
    confidence_level : float
        Level of the limits.

    Returns
    -------
    response, low, high : ndarray of shape (n_doses,)
        The curve and its limits.
    """
    own = wells.take([row])
    width = own.is_well.shape[1]
    own, low, high = _settle(own)
    level = _number_levels(own)
    sums = _sum_up(own, level, (own.is_well & ~curves.is_outlier[[row], :width]).astype(float))
    points = _spread_points(curves, row, (low[0], high[0]))
    rss = _evaluate(sums, _compute_shape(sums, *points))[0]
    allowed = rss[-1] * (1 + stats.f.ppf(confidence_level, 1, curves.df[row]) / curves.df[row])
    points = [values[:, rss <= allowed] for values in points]
    spare = (allowed - rss)[rss <= allowed]
    shape = _compute_shape(sums, *points)[0]
    center = sums.weight[0] @ shape / sums.total[0]
    spread = sums.weight[0] @ shape**2 - sums.total[0] * center**2
    height = sums.weighted[0] @ shape / spread
    beyond = special.expit(np.log(10) * 10 ** points[1].T * (dose - points[0].T)) - center[:, None]
    response = sums.mean[0] + height[:, None] * beyond
    half = np.sqrt(spare[:, None] * (1 / sums.total[0] + beyond**2 / spread[:, None]))
    return response[-1], (response - half).min(axis=0), (response + half).max(axis=0)
