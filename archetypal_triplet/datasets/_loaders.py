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


def load_bbbc013(data_home=None):
    """Load the list of images of BBBC013: FKHR-GFP moving from cytoplasm to nucleus, one plate of 96 wells.

    Human U2OS cells, two channels (GFP, DNA), one field of 640 x 640 pixels (8 bit) a well. Two compounds,
    nine doses each, drive the reporter into the nucleus, so the ratio of GFP in nucleus and cytoplasm rises
    with the dose. The table is a file list as `archetypal_triplet.images.read_layout` takes it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder in which ``bbbc013_translocation/plate.csv`` lies; None reads the environment variable
        ``ARCHETYPAL_TRIPLET_DATA``. Nothing is downloaded.

    Returns
    -------
    fields : DataFrame of shape (96, 13)
        One row per well: ``Metadata_Plate``, ``Metadata_Well``, ``Metadata_Site``, ``Metadata_Compound``
        ("none" without a drug), ``Metadata_Concentration_uM``, ``Metadata_ControlType`` (positive 8,
        negative 12, untreated 4, sample 72), ``Metadata_Block`` (the compound of this half of the plate),
        ``Metadata_Dose_Rank`` (0 no drug, 1 to 9 the series, 10 positive control), ``Metadata_Row``, and
        ``FileName_*`` and ``PathName_*`` of both channels.

    Raises
    ------
    ValueError
        If `data_home` is None and the environment variable is not set.
    FileNotFoundError
        If the folder does not hold the files.

    References
    ----------
    Image set BBBC013v1, provided by Ilya Ravkin, Broad Bioimage Benchmark Collection: Ljosa et al. (2012).
    Nature Methods 9, 637. Licence of the images: CC BY 3.0.

    Examples
    --------
    >>> from archetypal_triplet.datasets import load_bbbc013
    >>> try:
    ...     load_bbbc013("an/empty/folder")
    ... except FileNotFoundError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    data_home is 'an/empty/folder', which holds no file bbbc013_translocation/plate.csv. ...
    """
    pd = import_optional("pandas", extra="screens")
    (path,) = _find_files(data_home, "bbbc013_translocation", "plate.csv")
    table = pd.read_csv(path, dtype={"plate": str, "well": str, "row": str})
    micromolar = table["unit"].map({"nM": 1e-3, "uM": 1.0})
    fields = pd.DataFrame(
        {
            "Metadata_Plate": table["plate"],
            "Metadata_Well": table["well"],
            "Metadata_Site": "1",
            "Metadata_Compound": table["compound"].fillna("none"),
            "Metadata_Concentration_uM": (table["concentration"] * micromolar).round(9),
            "Metadata_ControlType": table["control_type"],
            "Metadata_Block": table["block"],
            "Metadata_Dose_Rank": table["dose_rank"],
            "Metadata_Row": table["row"],
        }
    )
    return _add_files(fields, path.parent, {"GFP": table["file_gfp"], "DNA": table["file_dna"]})


def load_bbbc016(data_home=None):
    """Load the list of images of BBBC016: Transfluor (beta-arrestin-GFP), 24 wells of one row, 3 fields each.

    One channel (GFP), 512 x 512 pixels (8 bit), names as a Cellomics ArrayScan gives them. There are no doses
    and no controls; the mean grey value rises along the row. The table is a file list as
    `archetypal_triplet.images.read_layout` takes it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder in which ``bbbc016_transfluor_gfp/images.csv`` lies; None reads the environment variable
        ``ARCHETYPAL_TRIPLET_DATA``. Nothing is downloaded.

    Returns
    -------
    fields : DataFrame of shape (72, 5)
        One row per field: ``Metadata_Plate`` (the barcode), ``Metadata_Well`` (O01 to O24), ``Metadata_Site``
        ("0" to "2", as in the file's name), ``FileName_GFP``, ``PathName_GFP``.

    Raises
    ------
    ValueError
        If `data_home` is None and the environment variable is not set.
    FileNotFoundError
        If the folder does not hold the files.

    References
    ----------
    Image set BBBC016v1, provided by Ilya Ravkin, Broad Bioimage Benchmark Collection: Ljosa et al. (2012).
    Nature Methods 9, 637. Licence of the images: CC BY 3.0.

    Examples
    --------
    >>> from archetypal_triplet.datasets import load_bbbc016
    >>> try:
    ...     load_bbbc016("an/empty/folder")
    ... except FileNotFoundError as error:
    ...     print(error)  # doctest: +ELLIPSIS
    data_home is 'an/empty/folder', which holds no file bbbc016_transfluor_gfp/images.csv. ...
    """
    pd = import_optional("pandas", extra="screens")
    (path,) = _find_files(data_home, "bbbc016_transfluor_gfp", "images.csv")
    table = pd.read_csv(path, dtype=str)
    fields = table[["plate", "well", "field"]].set_axis(
        ["Metadata_Plate", "Metadata_Well", "Metadata_Site"], axis=1
    )
    return _add_files(fields, path.parent, {"GFP": table["file"]})


def _add_files(fields, folder, files):
    """Name the files of each channel as CellProfiler's LoadData does, with absolute folders."""
    columns = {}
    for channel, names in files.items():
        paths = [folder.resolve() / name for name in names]
        columns[f"FileName_{channel}"] = [path.name for path in paths]
        columns[f"PathName_{channel}"] = [str(path.parent) for path in paths]
    return fields.assign(**columns)
