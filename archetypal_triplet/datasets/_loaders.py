"""Real screens, read where they lie."""

import os
from functools import reduce
from pathlib import Path

from archetypal_triplet._utils._optional import import_optional

_VARIABLE = "ARCHETYPAL_TRIPLET_DATA"


def _find_files(data_home, folder, pattern):
    """Files of one data set, sorted; an error that teaches where none is found."""
    home = data_home if data_home is not None else os.environ.get(_VARIABLE)
    if not home:
        raise ValueError(
            f"data_home=None and the environment variable {_VARIABLE} is not set, so {folder!r} cannot be "
            f"found. Pass data_home, or set the variable: "
            f"export {_VARIABLE}=/path/to/the/folder/that/holds/{folder}"
        )
    files = sorted(Path(home).joinpath(folder).glob(pattern))
    if not files:
        source = "data_home" if data_home is not None else f"the environment variable {_VARIABLE}"
        raise FileNotFoundError(
            f"{source} is {str(home)!r}, which holds no file {folder}/{pattern}. "
            f"It must name the folder in which {folder!r} lies."
        )
    return files


def load_bbbc021(data_home=None):
    """Load well profiles of BBBC021: MCF7 cells, compounds with a known mechanism of action.

    One row per well, the mean of its cells' CellProfiler features, not normalised. The columns
    `Metadata_Week` (batch), `Metadata_MOA` (mechanism) and `Metadata_ControlType` (``negative`` = DMSO, else
    ``sample``) are there beside plate, well, replicate, compound and concentration (micromolar).

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder in which ``bbbc021_profiles_dev/profiles.csv.gz`` lies; None reads the environment variable
        ``ARCHETYPAL_TRIPLET_DATA``. Nothing is downloaded.

    Returns
    -------
    profiles : DataFrame
        Eight ``Metadata_*`` columns (identifiers as text, the concentration as a number), then the features.

    Raises
    ------
    ValueError
        If `data_home` is None and the environment variable is not set.
    FileNotFoundError
        If the folder does not hold the file.

    References
    ----------
    Images: Caie et al. (2010). Molecular Cancer Therapeutics 9, 1913. Profiles: Ljosa
    et al. (2013). Journal of Biomolecular Screening 18, 1321. Broad Bioimage Benchmark Collection, BBBC021v1.

    Examples
    --------
    >>> from archetypal_triplet.datasets import load_bbbc021
    >>> try:
    ...     load_bbbc021("an/empty/folder")
    ... except FileNotFoundError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    data_home is 'an/empty/folder', which holds no file bbbc021_profiles_dev/profiles.csv.gz. ...
    """
    pd = import_optional("pandas", extra="screens")
    (path,) = _find_files(data_home, "bbbc021_profiles_dev", "profiles.csv.gz")
    text = ("Plate", "Week", "Well", "Replicate", "Compound", "MOA", "ControlType")
    return pd.read_csv(path, dtype={f"Metadata_{name}": str for name in text})


def load_cardiac_fibroblasts(data_home=None):
    """Load single cells of healthy and failing hearts: Cell Painting profiles of three plates.

    Each plate comes with its own selection of features, so the plates are joined on those that all of them
    have. One row per cell; the classes are donors: ``Metadata_cell_type`` is ``healthy`` or ``failing``.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder in which ``cardiac_fibroblast_cellprofiles/*.parquet`` lie, one file a plate; None reads the
        environment variable ``ARCHETYPAL_TRIPLET_DATA``. Nothing is downloaded.

    Returns
    -------
    cells : DataFrame
        ``Metadata_*`` columns, then the features common to all plates, in the order of the first plate.

    Raises
    ------
    ValueError
        If `data_home` is None and the environment variable is not set.
    FileNotFoundError
        If the folder does not hold the files.

    References
    ----------
    Way Science lab, repository targeted_fibrosis_drug_screen, licence CC0 1.0.

    Examples
    --------
    >>> from archetypal_triplet.datasets import load_cardiac_fibroblasts
    >>> try:
    ...     load_cardiac_fibroblasts("an/empty/folder")
    ... except FileNotFoundError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    data_home is 'an/empty/folder', which holds no file cardiac_fibroblast_cellprofiles/*.parquet. ...
    """
    pd = import_optional("pandas", extra="screens")
    paths = _find_files(data_home, "cardiac_fibroblast_cellprofiles", "*.parquet")
    plates = [pd.read_parquet(path) for path in paths]
    common = reduce(set.intersection, (set(plate.columns) for plate in plates))
    columns = [c for c in plates[0].columns if c in common]
    columns.sort(key=lambda c: not c.startswith("Metadata_"))
    cells = pd.concat([plate[columns] for plate in plates], ignore_index=True)
    for name in ("Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_heart_number"):
        if name in cells:
            cells[name] = cells[name].astype(str)
    return cells
