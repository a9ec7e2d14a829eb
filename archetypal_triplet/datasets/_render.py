"""From the cells of a field to light: patches of single cells, summed on a canvas, a few dozen at a time."""

import numpy as np

from archetypal_triplet.datasets._image_cells import PARAMETERS
from archetypal_triplet.datasets._textures import N_ANGLES, TILE, cut_tiles

IMAGE_CHANNELS = ("DNA", "GFP", "Actin", "Tubulin", "Mito")
_HALVES = (24, 32, 48, 68)  # half sides of the patches
_PAD = 2 * _HALVES[-1] + 2  # no patch or dot that reaches into the field ends outside the canvas
_PIXELS_AT_ONCE = 1 << 17  # patches that stay in the cache together
# grey values of an average cell of the vehicle
_LEVELS = {"DNA": 650.0, "GFP": 420.0, "Actin": 380.0, "Tubulin": 420.0, "Mito": 350.0}


def _column(values):
    return np.asarray(values, dtype=np.float32)[:, None, None]


class _Patches:
    """Geometry of a few cells on patches of one size: arrays (n, size, size), float32."""

    def __init__(self, cells, draws, rows, half):
        self.rows, self.size = rows, 2 * half
        self.parameters = {name: _column(cells.parameters[rows, i]) for i, name in enumerate(PARAMETERS)}
        self.draws = {name: values[rows] for name, values in draws.items()}
        self.radius, self.angle = cells.cell_radius[rows], cells.angle[rows]
        self.phase, self.ratio = cells.phase[rows], cells.ratio[rows]
        corner_y = np.floor(cells.y[rows]).astype(int)
        corner_x = np.floor(cells.x[rows]).astype(int)
        self.corners = np.stack([corner_y, corner_x], axis=1) - half
        axis = np.arange(-half, half, dtype=np.float32)
        self.dy = axis[None, :, None] - _column(cells.y[rows] - corner_y)
        self.dx = axis[None, None, :] - _column(cells.x[rows] - corner_x)
        roundness = np.exp(-0.3 * self.parameters["Roundness"])
        self.distance, self.cell = _compute_blob(
            self.dy, self.dx, self.radius, 1 + 0.45 * roundness * _column(self.draws["elongation"]),
            self.angle, 0.12 * roundness, self.draws["cell_waves"],
        )  # fmt: skip
        self._place_nuclei(cells)

    def _place_nuclei(self, cells):
        p = self.parameters
        radius = cells.nuclear_radius[self.rows]
        metaphase = self.phase == 3
        aspect = np.where(metaphase, 2.4, 1 + 0.22 * np.exp(0.4 * p["NuclearElongation"])[:, 0, 0])
        waves = 0.035 * np.exp(0.35 * p["NuclearIrregularity"])
        n_nuclei = cells.n_nuclei[self.rows]
        self.nucleus = np.zeros_like(self.cell)
        self.nuclear_distance = np.full_like(self.cell, 9.0)
        for j in range(int(n_nuclei.max(initial=0))):
            which = np.flatnonzero(n_nuclei > j)
            turn = self.angle[which] + 2 * np.pi * j / np.maximum(n_nuclei[which], 1)
            away = np.where(n_nuclei[which] > 1, 0.95 * radius[which], 0.12 * radius[which])
            distance, mask = _compute_blob(
                self.dy[which] - _column(away * np.sin(turn)),
                self.dx[which] - _column(away * np.cos(turn)),
                radius[which], _column(aspect[which]), self.draws["nuclear_angle"][which] + j,
                waves[which], self.draws["nuclear_waves"][which] + j,
            )  # fmt: skip
            self.nucleus[which] = np.maximum(self.nucleus[which], mask)
            self.nuclear_distance[which] = np.minimum(self.nuclear_distance[which], distance)

    def cut(self, name, shift, which=None):
        return cut_tiles(name, self.size, self.draws["corner"] + shift, which)


def _compute_blob(dy, dx, radius, aspect, angle, waves, phases):
    """Relative distance to the rim (1 on it) and soft mask of an ellipse with a wavy rim."""
    radius, root = _column(radius), np.sqrt(aspect).astype(np.float32)
    cos, sin = _column(np.cos(angle)), _column(np.sin(angle))
    u = (cos * dx + sin * dy) / (radius * root)
    v = (cos * dy - sin * dx) * (root / radius)
    distance = np.sqrt(u * u + v * v + np.float32(1e-6))
    u /= distance
    v /= distance
    uu = u * u
    rim = _column(np.cos(phases[:, 0])) * u * (4 * uu - 3)  # cosine of three times the angle
    rim += _column(np.sin(phases[:, 0])) * v * (4 * uu - 1)
    rim += _column(np.cos(phases[:, 1])) * (2 * uu - 1) + _column(np.sin(phases[:, 1])) * (2 * u * v)
    distance /= 1 + waves.astype(np.float32) * rim
    return distance, np.clip((1 - distance) * radius + np.float32(0.5), 0, 1)


def _draw_dna(patch, cells):
    p, nucleus = patch.parameters, patch.nucleus
    contrast = 0.16 * np.exp(0.35 * p["ChromatinTexture"])
    area = (cells.nuclear_radius[patch.rows] / 9.6) ** 2
    concentration = (cells.dna[patch.rows] / 2) / area**0.8
    level = _column(concentration * np.where(patch.phase == 3, 0.9, 1.0)) * np.exp(0.1 * p["DNACondensation"])
    return level * nucleus * np.maximum(1 + contrast * patch.cut("chromatin", 0), 0.15) + 0.02 * patch.cell


def _draw_gfp(patch, thickness):
    """A reporter whose amount is kept while it moves between cytoplasm and nucleus."""
    ratio = _column(patch.ratio)
    outside = 2 / (1 + ratio)
    level = np.exp(0.18 * patch.parameters["GFPIntensity"])
    grain = 1 + np.float32(0.1) * patch.cut("chromatin", 71)
    return level * grain * (outside * thickness * (1 - patch.nucleus) + outside * ratio * patch.nucleus)


def _draw_actin(patch, thickness):
    fibers = patch.cut("fibers", 0, (patch.angle / np.pi * N_ANGLES).astype(int) % N_ANGLES)
    contrast = 0.6 * np.exp(0.4 * patch.parameters["ActinFibers"])
    cortex = np.clip(1 - np.abs(patch.distance - np.float32(0.9)) * 8, 0, 1) * patch.cell
    return thickness * (0.45 + contrast * fibers) + np.float32(0.7) * cortex


def _draw_tubulin(patch, thickness):
    p = patch.parameters
    thick = 1 / (1 + np.exp(1.5 - 0.8 * p["TubulinBundling"]))
    reach = 0.55 * np.exp(0.18 * p["TubulinSpread"])
    net = (1 - thick) * patch.cut("thin", 0) + thick * np.float32(1.6) * patch.cut("thick", 0)
    decay = np.exp(-np.square(patch.distance / reach) * np.float32(0.5))
    return patch.cell * (1 - np.float32(0.7) * patch.nucleus) * decay * (0.35 + 1.3 * net) + 0.08 * thickness


def _draw_mito(patch, thickness):
    reach = 0.5 * np.exp(-0.18 * patch.parameters["MitoClustering"])
    decay = np.exp(-np.square(patch.distance / reach) * np.float32(0.5))
    return patch.cell * (1 - patch.nucleus) * decay * (0.15 + patch.cut("granules", 0)) + 0.05 * thickness


def _draw_channels(patch, cells, n_channels):
    """Light of each cell in each channel, (n, n_channels, size, size)."""
    thickness = patch.cell * (0.3 + 0.7 * np.maximum(1 - np.square(patch.distance), 0))
    painters = (
        lambda: _draw_dna(patch, cells),
        lambda: _draw_gfp(patch, thickness),
        lambda: _draw_actin(patch, thickness),
        lambda: _draw_tubulin(patch, thickness),
        lambda: _draw_mito(patch, thickness),
    )
    return np.stack([paint() for paint in painters[:n_channels]], axis=1)


def _iterate_patches(cells, draws, size):
    """Patches of cells that reach into the field, cells of like extent together."""
    extent = 1.45 * cells.cell_radius + 2
    reach_y = np.minimum(cells.y + extent, size - cells.y + extent)
    reach_x = np.minimum(cells.x + extent, size - cells.x + extent)
    seen = np.minimum(reach_y, reach_x) > 0
    classes = np.minimum(np.searchsorted(_HALVES, extent), len(_HALVES) - 1)
    for index, half in enumerate(_HALVES):
        members = np.flatnonzero(seen & (classes == index))
        at_once = max(1, _PIXELS_AT_ONCE // (2 * half) ** 2)
        for start in range(0, len(members), at_once):
            yield _Patches(cells, draws, members[start : start + at_once], half)


def draw_looks(rng, n):
    """Draw what makes a cell look like itself and is no parameter."""
    return {
        "elongation": np.abs(rng.standard_normal(n)),
        "cell_waves": rng.uniform(0, 2 * np.pi, (n, 2)),
        "nuclear_waves": rng.uniform(0, 2 * np.pi, (n, 2)),
        "nuclear_angle": rng.uniform(0, np.pi, n),
        "corner": rng.integers(TILE, size=(n, 2)),
        "level": np.exp(0.15 * rng.standard_normal((n, len(IMAGE_CHANNELS)))),
    }


def _stamp_puncta(rng, canvas, cells):
    """Add the bright dots of the GFP channel, all at once."""
    p = dict(zip(PARAMETERS, cells.parameters.T, strict=True))
    number = rng.poisson(np.minimum(4.0 * np.exp(0.5 * p["PunctaNumber"]), 60) * (cells.phase != 3))
    cell = np.repeat(np.arange(len(number)), number)
    angle, away = rng.uniform(0, 2 * np.pi, len(cell)), np.sqrt(rng.uniform(0.12, 0.7, len(cell)))
    y = cells.y[cell] + away * cells.cell_radius[cell] * np.sin(angle) + _PAD
    x = cells.x[cell] + away * cells.cell_radius[cell] * np.cos(angle) + _PAD
    inside = (np.minimum(y, x) > _PAD - 8) & (np.maximum(y, x) < canvas.shape[0] - _PAD + 8)
    cell, y, x = cell[inside], y[inside], x[inside]
    sigma = np.clip(1.1 * np.exp(0.12 * p["PunctaSize"][cell]), 0.6, 2.2)
    height = 1.1 * np.exp(0.25 * rng.standard_normal(len(cell)) + 0.18 * p["GFPIntensity"][cell])
    half = 5
    iy, ix = np.floor(y).astype(int), np.floor(x).astype(int)
    axis = np.arange(-half, half + 1)
    profile_y = np.exp(-(((axis - (y - iy)[:, None]) / sigma[:, None]) ** 2) / 2) * height[:, None]
    profile_x = np.exp(-(((axis - (x - ix)[:, None]) / sigma[:, None]) ** 2) / 2)
    stamps = (profile_y[:, :, None] * profile_x[:, None, :]).astype(np.float32)
    for stamp, cy, cx in zip(stamps, (iy - half).tolist(), (ix - half).tolist(), strict=True):
        canvas[cy : cy + 2 * half + 1, cx : cx + 2 * half + 1] += stamp


def render_cells(rng, cells, size, n_channels):
    """Light of the cells in a field, (n_channels, size, size), in grey values, before optics and sensor."""
    side = size + 2 * _PAD
    canvas = np.zeros((n_channels, side, side), dtype=np.float32)
    draws = draw_looks(rng, len(cells.y))
    for patch in _iterate_patches(cells, draws, size):
        light = _draw_channels(patch, cells, n_channels)
        light *= patch.draws["level"][:, :n_channels, None, None].astype(np.float32)
        for one, (y, x) in zip(light, (patch.corners + _PAD).tolist(), strict=True):
            canvas[:, y : y + patch.size, x : x + patch.size] += one
    if n_channels > 1:
        _stamp_puncta(rng, canvas[1], cells)
    levels = np.array([_LEVELS[name] for name in IMAGE_CHANNELS[:n_channels]], dtype=np.float32)
    return canvas[:, _PAD : _PAD + size, _PAD : _PAD + size] * levels[:, None, None]


def label_nuclei(rng, cells, size):
    """Label image of the nuclei: 0 background, else the number of the cell from 1, (size, size) uint16."""
    side = size + 2 * _PAD
    canvas = np.zeros((side, side), dtype=np.uint16)
    draws = draw_looks(rng, len(cells.y))
    for patch in _iterate_patches(cells, draws, size):
        corners = (patch.corners + _PAD).tolist()
        for mask, row, (y, x) in zip(patch.nucleus > 0.5, patch.rows.tolist(), corners, strict=True):
            canvas[y : y + patch.size, x : x + patch.size][mask] = row + 1
    return canvas[_PAD : _PAD + size, _PAD : _PAD + size]
