"""The strip of plates in the order of the run: drift of the negative controls, Z' and its interval."""

import math
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT = 1080, 62, 92, 10


def draw_run_order(plates):
    """Draw the plates in the order of the run.

    Parameters
    ----------
    plates : DataFrame
        From `describe_plates`, sorted by ``position``.

    Returns
    -------
    str
        A figure in HTML; names of plates are escaped.
    """
    lanes, said = [], []
    if plates["z_prime"].notna().any():
        bounds = plates[["z_prime", "z_prime_low", "z_prime_high"]].to_numpy(dtype=float)
        lanes.append(_draw_lane("Z′", bounds, (max(-1.0, _least(bounds)), 1.0), plates["plate"]))
        said.append("Z′ of the controls with its interval")
    if plates["drift"].notna().any():
        values = plates[["drift"]].to_numpy(dtype=float)
        top = max(1.0, float(plates["drift"].max()))
        lanes.append(_draw_lane("drift", values, (0.0, top), plates["plate"]))
        said.append(
            "how far the negative controls lie from those of the first plate, in spreads within plates"
        )
    if not lanes:
        return ""
    first, last = escape(plates["plate"].iloc[0]), escape(plates["plate"].iloc[-1])
    return (
        '<figure class="strip" role="group" aria-label="Plates in the order of the run">'
        f"{''.join(lanes)}<figcaption>Plates in the order of the run, from <bdi>{first}</bdi> to "
        f"<bdi>{last}</bdi>: {', and '.join(said)}. The numbers are in the table "
        "above.</figcaption></figure>"
    )


def _least(bounds):
    finite = bounds[~(bounds != bounds)]
    return math.floor(10 * min(float(finite.min()), 0.0)) / 10


def _draw_lane(label, values, scale, names):
    low, high = scale

    def place(value):
        part = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(_HEIGHT - 8 - (_HEIGHT - 16) * part, 1)

    step = (_WIDTH - _LEFT - _RIGHT) / max(len(values), 1)
    marks = []
    for at in sorted({low, 0.0, high}) if low <= 0.0 else (low, high):
        marks.append(f'<path d="M{_LEFT} {place(at)}H{_WIDTH - _RIGHT}" class="scale"/>')
        shown = f"{at:.1f}".replace("-", "\u2212")
        marks.append(f'<text x="{_LEFT - 6}" y="{place(at) + 4}" text-anchor="end">{shown}</text>')
    for i, (row, name) in enumerate(zip(values, names, strict=True)):
        if not math.isfinite(row[0]):
            continue
        x = round(_LEFT + (i + 0.5) * step, 1)
        title = f"<title>{escape(name)}: {label} {row[0]:.2f}</title>"
        if len(row) == 3 and math.isfinite(row[1]) and math.isfinite(row[2]):
            marks.append(f'<path d="M{x} {place(row[1])}V{place(row[2])}" class="range"/>')
        marks.append(f'<circle cx="{x}" cy="{place(row[0])}" r="3.2">{title}</circle>')
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true">'
        f'<text x="0" y="{_HEIGHT / 2 + 4}" class="lane">{label}</text>{"".join(marks)}</svg>'
    )
