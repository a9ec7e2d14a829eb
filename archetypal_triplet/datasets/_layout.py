"""Which well holds what: plates, controls, compounds and doses of a simulated screen."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import PLATE_FORMATS


def compute_default_controls(plate_format):
    """Numbers of negative and positive controls that fill whole columns of a plate."""
    n_rows = PLATE_FORMATS[plate_format][0]
    return 2 * n_rows, n_rows


def _place_controls(rng, shape, n_negative, n_positive, controls):
    """Give every well of a plate map "negative", "positive" or "sample"; wells are counted row by row."""
    n_rows, n_columns = shape
    kind = np.full(n_rows * n_columns, "sample", dtype=object)
    if controls == "scattered":
        order = rng.permutation(kind.size)
    else:
        order = np.arange(kind.size).reshape(shape).T.ravel()  # column by column from the left
    kind[order[:n_negative]] = "negative"
    kind[order[len(order) - n_positive :]] = "positive"
    return kind


def make_plate_map(rng, shape, *, n_negative, n_positive, controls, n_doses, ordered):
    """Lay out one plate map.

    Returns a frame with one row per well: row, column, kind, and the compound (counted within the map) and
    dose of the sample wells, -1 elsewhere. Sample wells too few for a whole dose series stay "untreated".
    """
    pd = import_optional("pandas", extra="screens")
    kind = _place_controls(rng, shape, n_negative, n_positive, controls)
    sample = np.flatnonzero(kind == "sample")
    n_used = len(sample) // n_doses * n_doses
    # both drawn, so that `ordered` leaves every later draw alone
    shuffled = rng.permutation(sample)
    order = sample if ordered else shuffled
    kind[order[n_used:]] = "untreated"
    compound = np.full(kind.size, -1)
    dose = np.full(kind.size, -1)
    compound[order[:n_used]], dose[order[:n_used]] = np.divmod(np.arange(n_used), n_doses)
    row, column = np.divmod(np.arange(kind.size), shape[1])
    return pd.DataFrame({"row": row, "column": column, "kind": kind, "compound": compound, "dose": dose})


def make_layout(rng, *, n_batches, n_plates, n_replicates, plate_format, ordered_fraction, **map_options):
    """Lay out a whole screen: every batch has its own plate maps, each on `n_replicates` plates.

    Returns a frame with one row per well (columns of `make_plate_map`, then batch, plate, replicate;
    compounds counted through all maps) and the number of compounds of each map.
    """
    pd = import_optional("pandas", extra="screens")
    maps_per_batch = n_plates // n_replicates
    n_maps = n_batches * maps_per_batch
    ordered = rng.permutation(n_maps) < round(ordered_fraction * n_maps)
    plates, n_compounds = [], []
    for batch in range(n_batches):
        for m in range(maps_per_batch):
            plate_map = make_plate_map(
                rng, PLATE_FORMATS[plate_format], ordered=ordered[batch * maps_per_batch + m], **map_options
            )
            first = sum(n_compounds)
            n_compounds.append(int(plate_map["compound"].max()) + 1)
            plate_map.loc[plate_map["compound"] >= 0, "compound"] += first
            for replicate in range(n_replicates):
                number = batch * n_plates + m * n_replicates + replicate
                plates.append(plate_map.assign(batch=batch, plate=number, replicate=replicate))
    return pd.concat(plates, ignore_index=True), n_compounds
