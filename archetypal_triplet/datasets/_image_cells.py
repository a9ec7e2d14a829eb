"""The cells of a rendered field: where they lie, what they are, and the end points that move them."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from archetypal_triplet.datasets._factors import make_generator_of
from archetypal_triplet.datasets._nuisance import COUNT_SPREAD
from archetypal_triplet.datasets._phenotypes import END_POINTS, TOXIC, get_end_point_names, place_near

# what a phenotype changes, each in units of its spread from cell to cell; N_LATENT of them
PARAMETERS = (
    *("NuclearArea", "NuclearElongation", "NuclearIrregularity", "ChromatinTexture", "DNACondensation"),
    *("CytoplasmArea", "Roundness", "Multinucleation"),
    *("NucleusCytoplasmRatio", "GFPIntensity", "PunctaNumber", "PunctaSize"),
    *("ActinFibers", "TubulinBundling", "TubulinSpread", "MitoClustering"),
)
PHASES = ("G1", "S", "G2", "M")
PIXELS_PER_CELL = 2300.0
MARGIN = 40  # cells whose middle lies this far outside still reach into the field

_SHIFTS = {
    "MicrotubuleDestabilization": {
        "NuclearArea": -0.8, "NuclearIrregularity": 1.5, "CytoplasmArea": -1.6, "Roundness": 1.2,
        "NucleusCytoplasmRatio": 3.2, "ActinFibers": 1.2, "TubulinBundling": -1.5, "TubulinSpread": -2.5,
        "MitoClustering": 1.5, "Multinucleation": 1.0,
    },
    # the part in which it differs from its near twin
    "MicrotubuleStabilization": {
        "TubulinBundling": 3.0, "Multinucleation": 2.0, "NuclearIrregularity": 1.5, "CytoplasmArea": 1.0,
    },
    "ActinDisruption": {
        "ActinFibers": -3.0, "CytoplasmArea": -2.0, "Roundness": 1.5, "PunctaNumber": 1.2,
        "NucleusCytoplasmRatio": -1.2, "NuclearArea": -0.5,
    },
    "DNADamage": {
        "NuclearArea": 2.6, "ChromatinTexture": 2.2, "CytoplasmArea": 1.8, "NuclearIrregularity": 0.8,
        "GFPIntensity": 0.8, "DNACondensation": -1.0,
    },
    "KinaseInhibition": {
        "PunctaNumber": 3.2, "PunctaSize": 2.5, "NucleusCytoplasmRatio": -1.5, "NuclearElongation": 1.5,
        "Roundness": -1.0,
    },
    "ProteinDegradation": {
        "GFPIntensity": 2.6, "NucleusCytoplasmRatio": 1.2, "DNACondensation": 1.5, "MitoClustering": -2.0,
        "NuclearArea": -1.2, "ChromatinTexture": -1.8,
    },
    "Multinucleation": {"Multinucleation": 4.5, "NuclearArea": 1.0, "CytoplasmArea": 2.2, "ActinFibers": 0.8},
    "Toxicity": {
        "NuclearArea": -3.2, "DNACondensation": 3.2, "CytoplasmArea": -3.2, "Roundness": 2.0,
        "GFPIntensity": -1.5, "ActinFibers": -1.5, "NuclearIrregularity": 1.0, "PunctaNumber": -1.0,
    },
}  # fmt: skip
TOXIC_SHIFT = np.array([_SHIFTS[TOXIC].get(p, 0.0) for p in PARAMETERS])
_SIGNAL = 1.2  # makes simple features retrieve mechanisms about as well as on real screens
_CONCENTRATION = 10.0  # of the mixtures of responding cells around their well's (Dirichlet)
_PHASE_SHARES = np.array([0.56, 0.22, 0.19, 0.03])
_DISTANCE = 25.0  # middles of cells hardly come closer


class Field(NamedTuple):
    """All that is known of a field before its cells are drawn."""

    key: tuple  # well, field: the key of its random numbers
    size: int
    density: float  # in units of COUNT_SPREAD of the log of the cell count
    kill: float
    mixture: np.ndarray
    responders: float
    shift: np.ndarray  # harmless shift of all cells of the well
    cycle: float
    stain: np.ndarray  # factor of each channel
    background: np.ndarray
    blur: float
    vignette: np.ndarray  # (n_channels, 3): strength, middle y, middle x
    artifact: str
    strength: float
    channel: int


class Cells(NamedTuple):
    """Cells of a field, those in the margin included."""

    y: np.ndarray
    x: np.ndarray
    mixture: np.ndarray
    parameters: np.ndarray  # (n_cells, len(PARAMETERS)), standardized
    phase: np.ndarray  # index into PHASES
    dna: np.ndarray  # content of one nucleus, 2 to 4 N
    n_nuclei: np.ndarray
    nuclear_radius: np.ndarray
    cell_radius: np.ndarray
    ratio: np.ndarray
    angle: np.ndarray


def make_image_end_points(rng, n_end_points):
    """Vehicle (zeros) and end points as shifts of the parameters, (1 + n_end_points, len(PARAMETERS))."""
    names = get_end_point_names(n_end_points)
    directions = np.array([[_SHIFTS[name].get(p, 0.0) for p in PARAMETERS] for name in names])
    if n_end_points > 2:  # the second end point nearly repeats the first
        length = np.linalg.norm(directions[0])
        directions[1] = length * place_near(directions[0] / length, directions[1])
    # drawn for all that there are, so that more end points leave the others alone
    strengths = dict(zip((TOXIC, *END_POINTS), rng.uniform(0.9, 1.1, size=len(END_POINTS) + 1), strict=True))
    directions *= _SIGNAL * np.array([strengths[name] for name in names])[:, None]
    return np.vstack([np.zeros(len(PARAMETERS)), directions])


def _expit(values):
    return 1.0 / (1.0 + np.exp(-values))


def _draw_positions(rng, field):
    """Middles of the cells (n, 2): at random, then pushed apart."""
    side = field.size + 2 * MARGIN
    expected = side**2 / PIXELS_PER_CELL * np.exp(COUNT_SPREAD * field.density)
    n = rng.poisson(min(expected, 5.0 * side**2 / PIXELS_PER_CELL))
    points = rng.uniform(-MARGIN, field.size + MARGIN, size=(n, 2))
    for _ in range(4 if n > 1 else 0):
        pairs = cKDTree(points).query_pairs(_DISTANCE, output_type="ndarray")
        delta = points[pairs[:, 0]] - points[pairs[:, 1]]
        length = np.maximum(np.linalg.norm(delta, axis=1, keepdims=True), 1e-3)
        push = 0.35 * (_DISTANCE - length) / length * delta
        for d in (0, 1):
            points[:, d] += np.bincount(pairs[:, 0], push[:, d], n) - np.bincount(pairs[:, 1], push[:, d], n)
    survives = rng.random(n) >= field.kill  # drawn last, so that toxicity only removes cells
    return points[survives]


def _draw_mixtures(rng, field, n):
    """Mixture of each cell: responders lie around the well's, others are vehicle; the mean is the well's."""
    share = field.mixture[1:].sum()
    mixture = np.zeros((n, len(field.mixture)))
    mixture[:, 0] = 1.0
    if share > 0:
        responders = max(field.responders, share)
        alpha = field.mixture / responders
        alpha[0] = max(0.0, 1.0 - share / responders)
        draws = rng.standard_gamma(_CONCENTRATION * alpha, size=(n, len(alpha)))
        draws += 1e-12 * alpha
        responds = rng.random(n) < responders
        mixture[responds] = (draws / draws.sum(axis=1, keepdims=True))[responds]
    return mixture


def draw_cells(seeds, field, end_points):
    """Draw the cells of a field."""
    rng = make_generator_of(seeds["cells"], *field.key, 0)
    points = _draw_positions(make_generator_of(seeds["fields"], *field.key, 1), field)
    n = len(points)
    mixture = _draw_mixtures(make_generator_of(seeds["cells"], *field.key, 1), field, n)
    z = rng.standard_normal((n, len(PARAMETERS))) + mixture @ end_points + field.shift
    p = dict(zip(PARAMETERS, z.T, strict=True))
    shares = _PHASE_SHARES * np.exp(0.25 * field.cycle * np.array([0.0, 1.0, 1.0, 1.0]))
    phase = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], rng.random(n))
    dna = np.select([phase == 0, phase == 1], [2.0, rng.uniform(2, 4, n)], 4.0)
    mitotic = phase == 3
    p_multi = _expit(-4.0 + 1.1 * p["Multinucleation"])
    n_nuclei = np.where(mitotic, 1, 1 + (rng.random(n) < p_multi) * (1 + (rng.random(n) < 0.4 * p_multi)))
    area = 290.0 * np.exp(0.16 * p["NuclearArea"]) * (dna / 2) ** 0.6
    area *= np.where(mitotic, 0.4, np.where(n_nuclei > 1, 0.75, 1.0))
    nuclear = np.clip(np.sqrt(area / np.pi), 3.5, 22.0)
    cell = 23.0 * np.exp(0.1 * p["CytoplasmArea"]) * np.where(mitotic, 0.7, 1.0) * (1 + 0.12 * (n_nuclei - 1))
    cell = np.clip(np.maximum(cell, nuclear * np.sqrt(1.5 + 1.5 * (n_nuclei - 1))), 8.0, 44.0)
    return Cells(
        y=points[:, 0],
        x=points[:, 1],
        mixture=mixture,
        parameters=z,
        phase=phase,
        dna=dna,
        n_nuclei=n_nuclei,
        nuclear_radius=nuclear,
        cell_radius=cell,
        ratio=np.where(mitotic, 1.0, np.exp(np.log(0.8) + 0.28 * p["NucleusCytoplasmRatio"])),
        angle=rng.uniform(0, np.pi, n),
    )
