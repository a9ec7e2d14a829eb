"""Plain features on one scale over plates, so that an embedding has something fair beside it."""

import numpy as np
from sklearn.utils._param_validation import validate_params

from archetypal_triplet._utils._columns import PLATE, is_metadata
from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import plate_codes
from archetypal_triplet._utils._spread import MAD_TO_SD
from archetypal_triplet.qc._wells_of_plates import check_table, take_measured

MIN_PLATE_CONTROLS, MIN_PLATE_SPREAD = 4, 8
_CLIP = 20.0


@validate_params(
    {
        "X": "no_validation",
        "plate": [str, None],
        "negative": [str, None],
        "features": [list, None],
    },
    prefer_skip_nested_validation=True,
)
def compute_standardized_features(X, *, plate=PLATE, negative=None, features=None):
    """Compute features in MADs from the median of their plate, by its negative controls or all of its wells.

    Raw features differ between plates by stain and exposure, and one with large numbers outweighs all others.
    What an embedding is compared with should not fail for these reasons alone.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    plate : str or None, default="Metadata_Plate"
        Column that names the plate; None: all wells are of one plate.
    negative : str or None, default=None
        Query that chooses the negative controls. Where every plate has four or more, they give the medians
        and MADs; else, and without a query, all wells of the plate do.
    features : list of str or None, default=None
        Columns to standardize; None takes ``Embedding_*``, or where there are none all numbers that are
        neither metadata nor shares.

    Returns
    -------
    DataFrame
        The metadata of the same rows, and the features as floats, at most 20 from 0. Of fewer than eight
        wells, a MAD says little: if a plate has fewer, the MAD is that of the deviations on all plates. A
        feature whose MAD is 0 on a plate takes the median MAD of the other plates, and where all are 0 its
        standard deviation; one that does not vary becomes 0.

    Raises
    ------
    ValueError
        If a column does not exist, the query matches nothing, or values are NaN.
    TypeError
        If `X` is no table.

    Notes
    -----
    Standardizing by all wells of a plate takes away what most of its compounds have in common. It is not done
    where controls allow better.

    References
    ----------
    Chandrasekaran S. N. et al. (2021). Image-based profiling for drug discovery: due for a machine-learning
    upgrade? Nature Reviews Drug Discovery 20, 145-159, on normalization by plate and controls.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.qc import compute_standardized_features
    >>> table = pd.DataFrame({"Metadata_Plate": ["P1"] * 5, "Cells_Area": [1.0, 2.0, 3.0, 4.0, 50.0]})
    >>> compute_standardized_features(table)["Cells_Area"].round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 20.0]
    """
    pd = import_optional("pandas", extra="screens")
    table = check_table(X)
    values, names = take_measured(table, features)
    plates = plate_codes(table, plate)
    reference = np.ones(len(table), dtype=bool)
    if negative is not None:
        chosen = select_rows(table, negative, parameter="negative")
        if np.bincount(plates[chosen], minlength=plates.max() + 1).min() >= MIN_PLATE_CONTROLS:
            reference = chosen
    scaled = pd.DataFrame(_standardize(values, plates, reference), columns=names, index=table.index)
    metadata = [c for c in table.columns if is_metadata(c) and c not in names]
    return pd.concat([table[metadata], scaled], axis=1)


def _standardize(values, plates, reference):
    n_plates = plates.max() + 1
    centered, spread = np.empty_like(values), np.full((n_plates, values.shape[1]), np.nan)
    for plate in range(n_plates):
        own = plates == plate
        middle = np.median(values[own & reference], axis=0)
        centered[own] = values[own] - middle
        spread[plate] = MAD_TO_SD * np.median(np.abs(centered[own & reference]), axis=0)
    if np.bincount(plates[reference]).min() < MIN_PLATE_SPREAD:
        spread[:] = MAD_TO_SD * np.median(np.abs(centered[reference]), axis=0)
    sd = centered.std(axis=0)
    # rounding of large numbers is no spread
    tiny = np.maximum(1e-3 * sd, 1e-12 * np.abs(values).max(axis=0))
    spread[spread <= tiny] = np.nan
    usual = np.where(sd > tiny, sd, np.inf)
    known = ~np.isnan(spread).all(axis=0)
    usual[known] = np.nanmedian(spread[:, known], axis=0)
    return np.clip(centered / np.where(np.isnan(spread), usual, spread)[plates], -_CLIP, _CLIP)
