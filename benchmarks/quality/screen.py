"""A screen to be scored: a table, and which of its columns play which role."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from archetypal_triplet._utils import _columns, _frames

_CONCENTRATION_WORDS = ("Metadata_Concentration", "Metadata_Dose")


class ScreenError(ValueError):
    """The table, a column, a query or an array does not fit; the message says what and how to cure it."""


@dataclass(frozen=True)
class Screen:
    """A table of wells (or cells) with the roles that scoring needs.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a well; ``Metadata_*`` columns and numeric features.
    label, plate, batch, compound, concentration : str
        Column names. `label` and `compound` are used for scoring only.
    controls, positive : str or None
        Queries (pandas) that select the negative and the positive control wells.
    """

    table: pd.DataFrame
    label: str
    plate: str
    batch: str
    compound: str
    concentration: str
    controls: str
    positive: str | None = None

    @cached_property
    def is_negative(self):
        """Mask of the negative controls."""
        return select_rows(self.table, self.controls, option="--controls")

    @cached_property
    def is_positive(self):
        """Mask of the positive controls; None without a query."""
        return None if self.positive is None else select_rows(self.table, self.positive, option="--positive")

    @cached_property
    def features(self):
        """Names of the numeric columns that are neither metadata nor positions, nor say what a row is."""
        roles = {self.label, self.plate, self.batch, self.compound, self.concentration}
        for query in (self.controls, self.positive):
            roles.update(_frames.queried_columns(self.table, query) if query else ())
        names = [
            c
            for c in self.table.columns
            if not _columns.is_metadata(c)
            and not _columns.is_position_like(c)
            and pd.api.types.is_numeric_dtype(self.table[c])
            and not pd.api.types.is_bool_dtype(self.table[c])
            and c not in roles
        ]
        if not names:
            raise ScreenError("the table has no numeric feature column beside its metadata and positions")
        return names

    @property
    def X(self):
        """The features as an array of shape (n_rows, n_features)."""
        return self.table[self.features].to_numpy(dtype=np.float64)


def read_screen(
    table_path, *, label, plate, batch, controls, positive=None, compound=None, concentration=None
):
    """Read a table and check every role before any work.

    Parameters
    ----------
    table_path : path-like
        CSV, CSV.gz or Parquet file, or a folder of Parquet files (their common columns are used).
    label, plate, batch : str
        Column names.
    controls : str
        Query that selects the negative controls, e.g. ``"Metadata_ControlType == 'negative'"``.
    positive : str or None, default=None
        Query that selects the positive controls.
    compound : str or None, default=None
        Column of the compound; None means ``Metadata_Compound``.
    concentration : str or None, default=None
        Column of the concentration; None means the first that begins with ``Metadata_Concentration`` or
        ``Metadata_Dose``; without any, all wells of a compound are one treatment.

    Returns
    -------
    Screen
        The screen.

    Raises
    ------
    ScreenError
        If the file is missing or of an unknown kind, a column does not exist, or a query fails or selects
        no row.
    """
    table = read_table(table_path)
    compound = compound or _columns.COMPOUND
    if concentration is None:
        found = [c for c in table.columns if c.startswith(_CONCENTRATION_WORDS)]
        numeric = [c for c in found if pd.api.types.is_numeric_dtype(table[c])]
        concentration = (numeric or found or [compound])[0]
    roles = {"label": label, "plate": plate, "batch": batch, "compound": compound}
    for role, column in {**roles, "concentration": concentration}.items():
        if column not in table.columns:
            metadata = [c for c in table.columns if _columns.is_metadata(c)] or list(table.columns[:10])
            raise ScreenError(
                f"--{role} {column!r} is not a column of {Path(table_path).name}. "
                f"Columns to choose from: {', '.join(metadata)}."
            )
    screen = Screen(table, **roles, concentration=concentration, controls=controls, positive=positive)
    if screen.is_positive is not None and (screen.is_positive & screen.is_negative).any():
        n_both = int((screen.is_positive & screen.is_negative).sum())
        raise ScreenError(
            f"--positive {positive!r} and --controls {controls!r} both select {n_both} of the same rows; "
            "a well is one or the other"
        )
    return screen


def read_table(table_path):
    """Read CSV, CSV.gz, Parquet, or a folder of Parquet files; identifiers become text.

    Parameters
    ----------
    table_path : path-like
        The file or folder.

    Returns
    -------
    pandas.DataFrame
        The rows in the order of the file.
    """
    path = Path(table_path)
    if path.is_dir():
        parts = [pd.read_parquet(p) for p in sorted(path.glob("*.parquet"))]
        if not parts:
            raise ScreenError(f"the folder {path.name!r} holds no .parquet file")
        common = [c for c in parts[0].columns if all(c in part.columns for part in parts)]
        table = pd.concat([part[common] for part in parts], ignore_index=True)
    elif not path.is_file():
        raise ScreenError(f"there is no table {str(path)!r}")
    elif path.name.endswith(".parquet"):
        table = pd.read_parquet(path).reset_index(drop=True)
    elif path.name.endswith((".csv", ".csv.gz")):
        names = pd.read_csv(path, nrows=0).columns
        text = [c for c in names if _columns.is_metadata(c) and _columns.is_identifier(c)]
        table = pd.read_csv(path, dtype=dict.fromkeys(text, str))
    else:
        raise ScreenError(f"{path.name!r} is of an unknown kind; use .csv, .csv.gz or .parquet")
    if len(table) == 0:
        raise ScreenError(f"{path.name!r} has no rows")
    return table


def select_rows(table, query, *, option):
    """Evaluate a query to a mask of rows.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.
    query : str
        As `pandas.DataFrame.query` takes it.
    option : str
        The option that carried the query, for messages.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        True for the rows selected.
    """
    try:
        chosen = table.reset_index(drop=True).query(query).index
    except Exception as error:  # pandas raises many kinds here: syntax, names, types
        raise ScreenError(f"{option} {query!r} cannot be evaluated on the table: {error}") from error
    if len(chosen) == 0:
        raise ScreenError(f"{option} {query!r} selects no row of the table")
    mask = np.zeros(len(table), dtype=bool)
    mask[chosen] = True
    return mask


def read_array(array_path, *, n_rows):
    """Read an embedding that is aligned to the rows of a table.

    Parameters
    ----------
    array_path : path-like
        An ``.npy`` file of a numeric array of shape (n_rows, n_dimensions).
    n_rows : int
        Rows of the table.

    Returns
    -------
    ndarray of shape (n_rows, n_dimensions)
        The embedding.
    """
    path = Path(array_path)
    if not path.is_file():
        raise ScreenError(f"there is no array {str(path)!r}")
    try:
        X = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ScreenError(f"--array {path.name!r} is not a plain numeric .npy file: {error}") from error
    if X.ndim != 2 or X.shape[0] != n_rows or X.dtype.kind not in "fiu":
        raise ScreenError(
            f"--array {path.name!r} has shape {X.shape} and dtype {X.dtype}; wanted is a numeric array with "
            f"one row for each of the table's {n_rows} rows, in the same order"
        )
    return check_finite(X, name=f"--array {path.name!r}")


def check_finite(X, *, name):
    """Return `X` as float64, or raise saying how many rows have NaN or infinite values.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Features or embedding.
    name : str
        What it is, for the message.

    Returns
    -------
    ndarray of float64
        The same values.
    """
    X = np.asarray(X, dtype=np.float64)
    bad = ~np.isfinite(X)
    if bad.any():
        rows = np.flatnonzero(bad.any(axis=1))
        raise ScreenError(
            f"{name}: NaN or infinite values in {len(rows)} of {len(X)} rows (first: row {rows[0]}) and "
            f"{int(bad.any(axis=0).sum())} columns; drop or fill them first"
        )
    return X
