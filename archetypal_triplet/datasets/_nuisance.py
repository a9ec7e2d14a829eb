"""What differs between wells, plates and batches of a simulated screen and is no phenotype."""

import numpy as np

from archetypal_triplet.datasets._features import CHANNELS, NUISANCE
from archetypal_triplet.datasets._phenotypes import N_LATENT

COUNT_SPREAD = 0.35  # SD of the log of the cell count that one unit of density stands for
_N_HARMLESS = 4
_HARMLESS_SPREAD = 3.0


def make_positions(rng, layout, shape):
    """Edge wells, and a row or column gradient of random direction on every plate, from -1 to 1."""
    row, column = layout["row"].to_numpy(), layout["column"].to_numpy()
    edge = (row == 0) | (row == shape[0] - 1) | (column == 0) | (column == shape[1] - 1)
    n_plates = layout["plate"].max() + 1
    along_rows, sign = rng.random(n_plates) < 0.5, rng.choice([-1.0, 1.0], size=n_plates)
    plate = layout["plate"].to_numpy()
    ramp = np.where(along_rows[plate], 2 * row / (shape[0] - 1) - 1, 2 * column / (shape[1] - 1) - 1)
    return edge.astype(float), sign[plate] * ramp


def make_nuisance(rngs, layout, edge, gradient, kill, effects):
    """Nuisance (n_wells, len(NUISANCE)) and stain gain (n_wells, n_channels) of every well."""
    plate, batch = layout["plate"].to_numpy(), layout["batch"].to_numpy()
    n_plates, n_batches = plate.max() + 1, batch.max() + 1
    well_spread = np.full(len(NUISANCE), 0.5 * effects["well"])
    well_spread[0] = effects["density"]
    nuisance = well_spread * rngs["wells"].standard_normal((len(layout), len(NUISANCE)))
    nuisance += effects["plate"] * 0.4 * rngs["plates"].standard_normal((n_plates, len(NUISANCE)))[plate]
    nuisance += effects["batch"] * 0.7 * rngs["batches"].standard_normal((n_batches, len(NUISANCE)))[batch]
    stains = [i for i, name in enumerate(NUISANCE) if name.startswith("Stain_")]
    nuisance[:, 0] -= effects["edge"] * edge  # edge wells dry out: fewer cells, brighter stain
    nuisance[:, stains] += effects["edge"] * 0.7 * edge[:, None]
    nuisance[:, NUISANCE.index("Temperature")] += effects["gradient"] * gradient
    nuisance[:, stains] += effects["gradient"] * 0.5 * gradient[:, None]
    nuisance[:, 0] += np.log1p(-kill) / COUNT_SPREAD
    log_gain = effects["plate"] * 0.15 * rngs["plates"].standard_normal((n_plates, len(CHANNELS)))[plate]
    log_gain += effects["batch"] * 0.15 * rngs["batches"].standard_normal((n_batches, len(CHANNELS)))[batch]
    return nuisance, np.exp(np.clip(log_gain, np.log(0.7), np.log(1.4)))


def draw_heterogeneity(rng, n_wells):
    """Harmless variation of the cells themselves, in a few directions of the phenotype's own space."""
    directions = np.linalg.qr(rng.standard_normal((N_LATENT, _N_HARMLESS)))[0]
    return _HARMLESS_SPREAD * rng.standard_normal((n_wells, _N_HARMLESS)) @ directions.T
