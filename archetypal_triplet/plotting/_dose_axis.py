"""The axis of a dose response, and its EC50 in words."""

import numpy as np

_VEHICLE_GAP = 1.4  # from the lowest dose to the vehicle wells, in steps between doses


def format_number(value):
    """Write a number with three digits that count, and as it is spoken: 0.0123, 6.88, 1,200."""
    if not np.isfinite(value) or value == 0:
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e6:
        n_decimals = max(0, 2 - int(np.floor(np.log10(abs(value)))))
        return f"{value:,.{n_decimals}f}"
    return f"{value:.3g}"


def describe_ec50(parameters, confidence_level):
    """Say an EC50 with its unit and interval, or why there is none."""
    reason = parameters["reason"]
    if reason:
        return f"No EC50: {reason.removeprefix('the EC50 is not determined: ')}"
    unit = f" {parameters['unit']}" if parameters["unit"] else ""
    low, high = parameters["ec50_low"], parameters["ec50_high"]
    if low == 0:
        interval = f"up to {format_number(high)}"
    elif np.isinf(high):
        interval = f"from {format_number(low)}, not bounded above"
    else:
        interval = f"{format_number(low)} to {format_number(high)}"
    level = f"{100 * confidence_level:g} %"
    return f"EC50 {format_number(parameters['ec50'])}{unit} ({level}: {interval})"


def place_vehicle(doses):
    """Where dose 0 is drawn, and the step between doses."""
    distinct = np.unique(doses)
    step = float(np.median(distinct[1:] / distinct[:-1])) if len(distinct) > 1 else 2.0
    return distinct[0] / step**_VEHICLE_GAP, step


def choose_dose_ticks(doses):
    """Decades between the doses, or also parts of them where there are few, or else the doses themselves."""
    low, high = doses[0], doses[-1]
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for factors in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
        ticks = np.sort(np.outer(factors, decades).ravel())
        ticks = ticks[(ticks > 0.9 * low) & (ticks < 1.1 * high)]
        if len(ticks) >= 3:
            return [float(tick) for tick in ticks]
    return [float(dose) for dose in doses[:: max(len(doses) // 4, 1)]]


def mark_break(ax, place):
    """Two strokes across the axis: dose 0 has no place on a logarithmic scale."""
    ax.plot(
        [place / 1.06, place * 1.06],
        [0.0, 0.0],
        transform=ax.get_xaxis_transform(),
        marker=[(-0.6, -1.0), (0.6, 1.0)],
        markersize=8,
        linestyle="none",
        color="black",
        markeredgewidth=0.8,
        clip_on=False,
    )
