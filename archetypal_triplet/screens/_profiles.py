"""`read_profiles` and what it is made of: tables of profiles that are checked before any work begins."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from archetypal_triplet._utils._columns import (
    PLATE,
    SITE,
    WELL,
    is_metadata,
    looks_like_metadata,
)
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet._utils._frames import (
    as_pandas,
    check_columns_exist,
    count_of,
    is_frame,
    queried_columns,
    query_words,
    select_rows,
    shorten,
)
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names, check_plates_have_controls, plate_names
from archetypal_triplet.screens._features import POSITION_LIKE, check_features, clean_features
from archetypal_triplet.screens._files import read_table
from archetypal_triplet.screens._metadata import type_metadata
from archetypal_triplet.screens._profile_summary import ProfileSummary

NONFINITE = ("raise", "drop_features", "drop_rows")
LEVELS = {"well": (WELL,), "field": (WELL, SITE), "cell": None}
_EXTRA = "screens"
_N_LISTED = 100
_HOW_TO_KEEP = "Columns named in features=[...] are kept; Metadata_ before a name makes it metadata."


def read_profiles(
    path_or_paths,
    *,
    plate=PLATE,
    controls=None,
    features=None,
    metadata=None,
    level="well",
    on_nonfinite="raise",
):
    """Read profiles from Parquet or CSV files, and refuse what would spoil the work that follows.

    Columns that begin with ``Metadata_`` and those that have a role are metadata: identifiers (plate, well,
    site, batch, compound and the like, by name) become text, so that plate "0042" stays what it is;
    concentrations and doses become numbers; wells are written "A01". Every other numeric column is a feature.
    What is not a feature by its name or its values is left out with a `DataWarning` that lists it: positions
    and numbers of objects (``Location``, ``Center``, ``Number``, ``Parent``, ``Children``, bounding boxes),
    text, columns called like metadata without the prefix, constants.

    Parameters
    ----------
    path_or_paths : str, Path or list of them
        A file, or several with different plates, which are joined on the features that all of them have.
        Names end in .parquet, .pq, .csv or .csv.gz.
    plate : str or None, default="Metadata_Plate"
        Column that names the plate of a row; None if there is none.
    controls : str, default=None
        Query that chooses the negative (vehicle) controls, such as ``"Metadata_ControlType == 'negative'"``;
        checked, not applied.
    features : list of str, default=None
        Features to read, whatever their names look like, constant or not; None chooses as above.
    metadata : list of str, default=None
        Further columns that describe rows, whatever their names look like, such as those that name groups;
        names that the table lacks are passed over.
    level : {"well", "field", "cell"}, default="well"
        What a row is. Wells must be unique by plate and ``Metadata_Well``, fields by these and
        ``Metadata_Site`` (as far as the table has these columns); cells may share them.
    on_nonfinite : {"raise", "drop_features", "drop_rows"}, default="raise"
        What to do with NaN and infinities among the features: raise, or leave out the features or the rows
        that hold them, with a `DataWarning`.

    Returns
    -------
    pandas.DataFrame
        Metadata first, then the features as floats; rows numbered from 0.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ImportError
        If pandas or pyarrow is not installed.
    ValueError
        If a file is empty or not a table; a column is unknown; rows repeat a key, or have no plate; the query
        matches nothing, or a plate has no controls; a feature column mixes numbers and text, or holds NaN or
        infinities; concentrations are not numbers; no feature is left.

    See Also
    --------
    check_profiles : The same checks, without reading for good.
    clean_profiles : The same for a table in memory.
    write_table : Writes such tables.

    Notes
    -----
    Tried on tables that pycytominer wrote (single cells, Parquet) and on the BBBC021 well profiles (CSV.gz).
    Time and memory are a small multiple of the table's size.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from archetypal_triplet.screens import read_profiles
    >>> table = pd.DataFrame(
    ...     {"Metadata_Plate": ["0042", "0042"], "Metadata_Well": ["A1", "A2"], "Cells_Area": [1.0, 2.0]}
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table.to_csv(Path(folder) / "profiles.csv", index=False)
    ...     read_profiles(Path(folder) / "profiles.csv")
      Metadata_Plate Metadata_Well  Cells_Area
    0           0042           A01         1.0
    1           0042           A02         2.0
    """
    features = check_features(features)
    frame, left_out = _read(path_or_paths, plate, controls, features, metadata)
    frame, summary = _clean(frame, left_out, plate, controls, features, metadata, level, on_nonfinite)
    _warn_of_left_out(summary)
    return frame


def clean_profiles(
    frame,
    *,
    plate=PLATE,
    controls=None,
    features=None,
    metadata=None,
    level="well",
    on_nonfinite="raise",
):
    """Do to a table in memory what `read_profiles` does to files: type, choose, check.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; it is not changed.
    plate : str or None, default="Metadata_Plate"
        Column that names the plate of a row; None if there is none.
    controls : str, default=None
        Query that chooses the negative (vehicle) controls; checked, not applied.
    features : list of str, default=None
        Features to take as they are; None chooses by name and value.
    metadata : list of str, default=None
        Further columns that describe rows, whatever their names look like, such as those that name groups;
        names that the table lacks are passed over.
    level : {"well", "field", "cell"}, default="well"
        What a row is, which says how far keys must be unique.
    on_nonfinite : {"raise", "drop_features", "drop_rows"}, default="raise"
        What to do with NaN and infinities among the features.

    Returns
    -------
    pandas.DataFrame
        Metadata first, then the features as floats; rows numbered from 0.

    Raises
    ------
    ValueError
        As `read_profiles`.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.screens import clean_profiles
    >>> table = pd.DataFrame({"Metadata_Plate": [7, 7], "Cells_Area": [1, 2], "Cells_Count": [3, 5]})
    >>> clean_profiles(table).dtypes.astype(str).tolist()[1:]
    ['float64', 'float64']
    """
    features = check_features(features)
    frame, summary = _clean(as_pandas(frame), {}, plate, controls, features, metadata, level, on_nonfinite)
    _warn_of_left_out(summary)
    return frame


def check_profiles(
    table,
    *,
    plate=PLATE,
    controls=None,
    features=None,
    metadata=None,
    level="well",
    on_nonfinite="raise",
):
    """Check profiles as `read_profiles` does and say what they hold, without a warning.

    Parameters
    ----------
    table : pandas.DataFrame, str, Path or list of paths
        A table in memory, or files.
    plate : str or None, default="Metadata_Plate"
        Column that names the plate of a row; None if there is none.
    controls : str, default=None
        Query that chooses the negative (vehicle) controls; checked, not applied.
    features : list of str, default=None
        Features to take as they are; None chooses by name and value.
    metadata : list of str, default=None
        Further columns that describe rows, whatever their names look like, such as those that name groups;
        names that the table lacks are passed over.
    level : {"well", "field", "cell"}, default="well"
        What a row is, which says how far keys must be unique.
    on_nonfinite : {"raise", "drop_features", "drop_rows"}, default="raise"
        What to do with NaN and infinities among the features.

    Returns
    -------
    ProfileSummary
        Counts of rows, features, plates and controls, and the columns that `read_profiles` leaves out.

    Raises
    ------
    ValueError
        As `read_profiles`.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.screens import check_profiles
    >>> table = pd.DataFrame(
    ...     {"Metadata_Plate": ["P1", "P1"], "Cells_Area": [1.0, 2.0], "Cells_Location_Center_X": [3.0, 4.0]}
    ... )
    >>> summary = check_profiles(table, controls="Metadata_Plate == 'P1'")
    >>> summary.n_features, summary.controls, summary.left_out
    (1, {'P1': 2}, {'position-like': ['Cells_Location_Center_X']})
    """
    features = check_features(features)
    if is_frame(table):
        frame, left_out = as_pandas(table), {}
    else:
        frame, left_out = _read(table, plate, controls, features, metadata)
    return _clean(frame, left_out, plate, controls, features, metadata, level, on_nonfinite)[1]


def _read(path_or_paths, plate, controls, features, metadata):
    """Read the files and join them; return the table and the features that are not in every file."""
    single = isinstance(path_or_paths, str) or not isinstance(path_or_paths, Iterable)
    paths = [Path(path) for path in ([path_or_paths] if single else path_or_paths)]
    if not paths:
        raise ValueError("path_or_paths is an empty list. Name at least one file.")
    twice = [path for i, path in enumerate(paths) if path.resolve() in {p.resolve() for p in paths[:i]}]
    if twice:
        raise ValueError(f"path_or_paths names {twice[0]} twice, which would double its rows. Name it once.")
    roles = {*as_names(plate), *(query_words(controls) if controls else ()), *as_names(metadata)}
    wanted = None if features is None else set(features)
    frames = []
    for path in paths:
        frame = read_table(path, text=roles, columns=wanted)
        names = [c for c in frame.columns if is_metadata(c) or c in roles or looks_like_metadata(c)]
        names = [c for c in names if wanted is None or c not in wanted]
        frames.append(frame.assign(**type_metadata(frame, names, identifiers=set(as_names(plate)))))
    if len(frames) == 1:
        return frames[0], {}
    return _join(frames, paths, roles)


def _join(frames, paths, roles):
    pandas = import_optional("pandas", extra=_EXTRA)
    measured = [[c for c in f.columns if not is_metadata(c) and c not in roles] for f in frames]
    shared = set(measured[0]).intersection(*measured[1:])
    if not shared:
        raise ValueError(
            f"The {len(paths)} files have no feature in common ({paths[0].name}: {shorten(measured[0], 3)}; "
            f"{paths[-1].name}: {shorten(measured[-1], 3)}). Join tables of one pipeline only."
        )
    rest = dict.fromkeys(c for names in measured for c in names if c not in shared)
    joined = pandas.concat([f[[c for c in f.columns if c not in rest]] for f in frames], ignore_index=True)
    return joined, {f"not in all {len(paths)} files": list(rest)} if rest else {}


def _clean(frame, left_out, plate, controls, features, metadata, level, on_nonfinite):
    """Return the table as it is used, and its summary."""
    for name, value, allowed in (("level", level, LEVELS), ("on_nonfinite", on_nonfinite, NONFINITE)):
        if value not in allowed:
            raise ValueError(f"{name}={value!r} is unknown. Choose one of {', '.join(map(repr, allowed))}.")
    if len(frame) == 0:
        raise ValueError(
            f"The table has {frame.shape[1]} columns and no rows, so there is nothing to work on."
        )
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"The table has several columns of one name: {shorten(twice)}. Rename or drop them.")
    check_columns_exist(frame, as_names(plate), parameter="plate")
    roles = {*as_names(plate), *(queried_columns(frame, controls) if controls else ()), *as_names(metadata)}
    named = set() if features is None else set(features)
    metadata = [c for c in frame.columns if (is_metadata(c) or c in roles) and c not in named]
    typed = type_metadata(frame, metadata, identifiers=set(as_names(plate)))
    pandas = import_optional("pandas", extra=_EXTRA)
    known = pandas.DataFrame(typed, index=frame.index)
    plates, n_controls = _count_by_plate(known, plate, controls)
    _check_keys(known, plate, level)
    values, more, kept = clean_features(frame, metadata, features, on_nonfinite)
    cleaned = pandas.concat([known, values], axis=1)
    if not kept.all():
        cleaned = cleaned[kept].reset_index(drop=True)
        plates, n_controls = _count_by_plate(cleaned, plate, controls)
    n_dropped = len(kept) - int(kept.sum())
    left_out = {**left_out, **more}
    summary = ProfileSummary(len(cleaned), values.shape[1], metadata, plates, n_controls, left_out, n_dropped)
    return cleaned, summary


def _count_by_plate(known, plate, controls):
    """Count rows and control rows by plate; raise if a plate has no control."""
    chosen = None if controls is None else select_rows(known, controls)
    if plate is None:
        return {}, {} if chosen is None else {"": int(chosen.sum())}
    names, codes = np.unique(plate_names(known, plate), return_inverse=True)
    n_rows = dict(zip(names.tolist(), np.bincount(codes).tolist(), strict=True))
    if chosen is None:
        return n_rows, {}
    counts = np.bincount(codes[chosen], minlength=len(names)).tolist()
    check_plates_have_controls(names.tolist(), counts)
    return n_rows, dict(zip(names.tolist(), counts, strict=True))


def _check_keys(known, plate, level):
    if LEVELS[level] is None:
        return
    keys = [*as_names(plate), *(name for name in LEVELS[level] if name in known.columns)]
    if any(name not in known.columns for name in LEVELS[level]):
        return  # without a column of wells (of sites) there is nothing to compare
    repeated = np.flatnonzero(np.asarray(known[keys].duplicated() & known[keys].notna().all(axis=1)))
    if len(repeated):
        first = known[keys].iloc[repeated[0]]
        named = ", ".join(f"{name} {value!r}" for name, value in first.items())
        finer = "level='field' or level='cell'" if level == "well" else "level='cell'"
        plates = "" if plate else f"Name the column that tells plates apart, plate={PLATE!r} (--plate). Or: "
        raise ValueError(
            f"{len(repeated)} of {len(known)} rows repeat the {' and '.join(keys)} of a row before them "
            f"(first: row {repeated[0]}, {named}). {plates}Drop one of each, or pass {finer} if rows are no "
            f"{level}s."
        )


def _warn_of_left_out(summary):
    for reason, names in summary.left_out.items():
        named = [name or "(a column without a name)" for name in names]
        listed = shorten(named, _N_LISTED if reason == POSITION_LIKE else 10)
        warnings.warn(
            f"Left out {count_of(len(names), 'column')}, {reason}: {listed}. {_HOW_TO_KEEP}",
            DataWarning,
            stacklevel=3,
        )
    if summary.n_rows_dropped:
        warnings.warn(
            f"Left out {count_of(summary.n_rows_dropped, 'row')} with NaN or infinities; "
            f"{summary.n_rows} are left.",
            DataWarning,
            stacklevel=3,
        )
