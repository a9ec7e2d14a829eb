"""Classes and scales: how the values of a column become colors, and what the legend says of it."""

import numpy as np

from archetypal_triplet.plotting._palette import (
    CONTROL_COLORS,
    CONTROL_FACE,
    CONTROL_MARKERS,
    NEUTRAL_COLOR,
    OTHER,
    assign_colors,
)

_MAX_CATEGORIES = 10
_PERCENTILES = (1, 99)  # one outlier does not take all colors
_LOG_SPAN = 30  # doses that span more are drawn on a logarithmic scale, as in the displays
_N_TICKS = 4


def make_classes(codes, shown, kinds, strength, *, is_control=False):
    """Give the values of a text column their colors.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Value of each row, as a position in `shown`.
    shown : list of str
        What the legend calls each value.
    kinds : ndarray of str of shape (n_samples,)
        Kind of control of each row.
    strength : ndarray of shape (n_samples,)
        Decides between equally large classes.
    is_control : bool, default=False
        Whether the column is the kind of control itself, which has its own colors.

    Returns
    -------
    dict
        ``classes``: label, color, count and marker of each legend entry, ``neutral`` where it says that there
        is nothing to say; ``class_of``: the entry of each value.
    """
    labels = np.array(shown, dtype=object).astype(str)[codes]
    if is_control:
        names = [*CONTROL_MARKERS, "sample"]
        labels = np.where(np.isin(labels, names), labels, "sample")
        colors = {name: CONTROL_COLORS[name] for name in names if (labels == name).any()}
        seen = {label: label if label in names else "sample" for label in shown}
    else:
        labels, colors = assign_colors(labels, kinds != "sample", strength, _MAX_CATEGORIES)
        seen = {label: label if label in colors else OTHER for label in shown}
    names, counts = np.unique(labels, return_counts=True)
    count = dict(zip(names, counts.tolist(), strict=True))
    order = list(colors)
    return {
        "classes": [
            {
                "label": name,
                "color": color,
                "count": count.get(name, 0),
                "marker": _find_marker(labels == name, kinds, color, is_control),
                "neutral": color in (NEUTRAL_COLOR, CONTROL_COLORS["sample"]),
            }
            for name, color in colors.items()
        ],
        "class_of": [order.index(seen[label]) for label in shown],
    }


def _find_marker(rows, kinds, color, is_control):
    """Marker of a class: that of its control, where it is one or has no color but that of controls."""
    if not is_control and color != CONTROL_FACE:
        return "o"
    names, counts = np.unique(kinds[rows], return_counts=True)
    return CONTROL_MARKERS.get(str(names[counts.argmax()]), "o") if len(names) else "o"


def make_scale(numbers, title, *, is_dose=False, from_zero=False):
    """Spread numbers over the color scale.

    Linear between the 1st and 99th percentile; logarithmic for doses that span more than a factor of 30,
    where a dose of zero has a gray of its own.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples,)
        The values; NaN is missing.
    title : str
        Title of the scale.
    is_dose : bool, default=False
        Whether they are doses.
    from_zero : bool, default=False
        Whether the scale begins at 0 (shares).

    Returns
    -------
    dict or None
        ``low``, ``high``, ``log``, ``title``, ``ticks`` (place on the scale 0 to 1, text), ``below`` and
        ``above`` (rows beyond the ends), ``missing`` and ``zero`` (rows without a place). None: all values
        are the same.
    """
    finite = numbers[np.isfinite(numbers)]
    if not len(finite) or finite.min() == finite.max():
        return None
    positive = finite[finite > 0]
    log = bool(
        is_dose and len(positive) and finite.min() >= 0 and positive.max() > _LOG_SPAN * positive.min()
    )
    if log:
        low, high = positive.min(), positive.max()
    else:
        low, high = (
            (0.0, finite.max()) if is_dose and finite.min() >= 0 else np.percentile(finite, _PERCENTILES)
        )
        low = 0.0 if from_zero and finite.min() >= 0 else low
        if not high > low:
            low, high = finite.min(), finite.max()
    seen = positive if log else finite
    return {
        "title": title,
        "low": float(low),
        "high": float(high),
        "log": log,
        "ticks": _find_ticks(float(low), float(high), log),
        "below": int((seen < low).sum()),
        "above": int((seen > high).sum()),
        "missing": int((~np.isfinite(numbers)).sum()),
        "zero": int((finite == 0).sum()) if log else 0,
    }


def _find_ticks(low, high, log):
    if log:
        powers = np.arange(np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high) + 1e-9) + 1)
        step = max(1, int(np.ceil(len(powers) / (_N_TICKS + 1))))
        values = 10.0 ** powers[::step]
        if len(values) < 2:
            values = np.array([low, high])
        places = np.log(values / low) / np.log(high / low)
    else:
        rough = (high - low) / _N_TICKS
        unit = 10.0 ** np.floor(np.log10(rough))
        step = min((m * unit for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(s - rough))
        values = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step + 0.0  # no -0
        places = (values - low) / (high - low)
    return [[round(float(p), 4), f"{v:.6g}"] for p, v in zip(places, values, strict=True)]
