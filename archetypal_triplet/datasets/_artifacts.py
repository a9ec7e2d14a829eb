"""Labeled artifacts of rendered fields: how they are spread over a screen, and what they do to pixels."""

import numpy as np
from scipy import fft, ndimage

ARTIFACTS = (
    *("out_of_focus", "debris", "fiber", "bubble", "empty", "overconfluent", "dead", "saturated"),
    *("swapped_channels", "missing_channel", "shifted_channel", "stitched", "dispensing_stripe"),
)
_OF_WELLS = ("empty", "overconfluent", "dead")  # all fields of a well share them
_SATURATED = 6000.0


def check_fractions(fractions):
    """Share of the fields with each kind of artifact, as a dict over all kinds."""
    if not isinstance(fractions, dict):
        return dict.fromkeys(ARTIFACTS, fractions / len(ARTIFACTS))
    for kind, share in fractions.items():
        if kind not in ARTIFACTS:
            raise ValueError(
                f"outlier_fraction names {kind!r}, which is no artifact. Choose from: {', '.join(ARTIFACTS)}."
            )
        if not 0 <= share <= 1:
            raise ValueError(f"outlier_fraction[{kind!r}]={share!r} is not a share of the fields, 0 to 1.")
    if sum(fractions.values()) > 1:
        raise ValueError(
            f"outlier_fraction adds up to {sum(fractions.values()):g}, more than 1 (all fields). "
            "Lower the shares."
        )
    return {kind: float(fractions.get(kind, 0.0)) for kind in ARTIFACTS}


def assign_artifacts(rng, plate, column, n_fields, fractions):
    """Kind of artifact of every field, (n_wells * n_fields,), "none" for most; one at most for each."""
    n_wells = len(plate)
    kind = np.full((n_wells, n_fields), "none", dtype=object)
    stripes = np.unique(np.stack([plate, column], axis=1), axis=0)
    n_stripes = round(fractions["dispensing_stripe"] * len(stripes))
    if fractions["dispensing_stripe"] > 0:
        n_stripes = max(1, n_stripes)
    for p, c in stripes[rng.permutation(len(stripes))[:n_stripes]]:
        kind[(plate == p) & (column == c)] = "dispensing_stripe"
    wells = rng.permutation(n_wells)
    wells = wells[kind[wells, 0] == "none"]
    for name in _OF_WELLS:
        n = round(fractions[name] * n_wells)
        kind[wells[:n]] = name
        wells = wells[n:]
    kind = kind.ravel()
    order = rng.permutation(len(kind))
    order = order[kind[order] == "none"]
    for name in ARTIFACTS:
        if name not in (*_OF_WELLS, "dispensing_stripe"):
            n = round(fractions[name] * len(kind))
            kind[order[:n]] = name
            order = order[n:]
    return kind.astype(str)


def defocus(image, radius):
    """Average over a disk of `radius` pixels, as a lens out of focus does; the rim mirrors."""
    pad = int(np.ceil(radius)) + 1
    axis = np.arange(-pad, pad + 1)
    disk = np.clip(radius + 0.5 - np.hypot(axis[:, None], axis), 0, 1)
    padded = np.pad(image, [(0, 0), (pad, pad), (pad, pad)], mode="symmetric")
    shape = [fft.next_fast_len(side, real=True) for side in padded.shape[1:]]
    kernel = np.zeros(shape, dtype=np.float32)
    kernel[: len(axis), : len(axis)] = disk / disk.sum()
    kernel = np.roll(kernel, (-pad, -pad), axis=(0, 1))
    blurred = fft.irfft2(fft.rfft2(padded, s=shape) * fft.rfft2(kernel), s=shape)
    return blurred[:, pad : pad + image.shape[1], pad : pad + image.shape[2]].astype(np.float32)


def _add_debris(rng, light, strength):
    """Bright lumps in all channels."""
    size = light.shape[-1]
    y, x = np.ogrid[:size, :size]
    lumps = np.zeros((size, size), dtype=np.float32)
    for _ in range(2 + int(4 * strength)):
        cy, cx = rng.uniform(0.1, 0.9, 2) * size
        radius, wave, turn = size * rng.uniform(0.015, 0.06), rng.uniform(0.1, 0.4), rng.uniform(0, 6.3)
        angle = np.arctan2(y - cy, x - cx)
        rim = radius * (1 + wave * np.cos(3 * angle + turn))
        lumps = np.maximum(lumps, np.clip((rim - np.hypot(y - cy, x - cx)) / 3 + 0.5, 0, 1))
    light += lumps * (_SATURATED * rng.uniform(0.6, 1.5, size=(len(light), 1, 1))).astype(np.float32)


def _add_fiber(rng, light, strength):
    """A bright thread through the field, in all channels."""
    size = light.shape[-1]
    ends = rng.uniform(-0.05, 1.05, size=(2, 2)) * size
    ends[0, rng.integers(2)], ends[1, rng.integers(2)] = 0, size
    t = np.linspace(0, 1, 6 * size)[:, None]
    bend = ends.mean(axis=0) + size * rng.uniform(-0.4, 0.4, 2)
    curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * bend + t**2 * ends[1]
    at = np.round(curve[((curve >= 0) & (curve <= size - 1)).all(axis=1)]).astype(int)
    thread = np.zeros((size, size), dtype=np.float32)
    thread[at[:, 0], at[:, 1]] = 1.0
    thread = ndimage.gaussian_filter(ndimage.grey_dilation(thread, size=3), 1.2)
    light += thread * ((1 + strength) * _SATURATED * rng.uniform(0.4, 1.0, (len(light), 1, 1))).astype(
        np.float32
    )


def _add_bubble(rng, light, strength):
    """A disk in which there is hardly any light, with a bright rim."""
    size = light.shape[-1]
    y, x = np.ogrid[:size, :size]
    cy, cx = rng.uniform(0.3, 0.7, 2) * size
    radius = size * (0.25 + 0.2 * strength)
    distance = np.hypot(y - cy, x - cx).astype(np.float32)
    inside = np.clip((radius - distance) / 4 + 0.5, 0, 1)
    light *= 1 - np.float32(0.92) * inside
    light += 900 * np.exp(-(((distance - radius) / 5) ** 2) / 2)


def apply_artifact(rng, light, kind, strength, channel):
    """Change the light of a field, (n_channels, size, size), by one kind of artifact; returns the new light.

    Those that are matters of the cells (empty, overconfluent, dead, stripe) are drawn with the cells.
    """
    size = light.shape[-1]
    painter = {"debris": _add_debris, "fiber": _add_fiber, "bubble": _add_bubble}.get(kind)
    if painter is not None:
        painter(rng, light, strength)
    elif kind == "out_of_focus":
        light = defocus(light, 4.0 + 8.0 * strength)
    elif kind == "saturated":
        light[channel] = light[channel] * (8 + 16 * strength) + 600
    elif kind == "swapped_channels":
        other = (channel + 1) % len(light)
        light[[channel, other]] = light[[other, channel]]
    elif kind == "missing_channel":
        light[channel] = 0.0
    elif kind == "shifted_channel":
        step = max(4, round(size * (0.03 + 0.07 * strength)))
        light[channel] = np.roll(light[channel], rng.choice([-step, step], 2), axis=(0, 1))
    elif kind == "stitched":
        seam = round(size * rng.uniform(0.3, 0.7))
        light[:, seam:] = np.roll(light[:, seam:], max(8, round(size * (0.1 + 0.3 * strength))), axis=2)
    return light
