"""Tables that people write by hand or export: file lists and plate maps."""

import gzip
import re
from pathlib import Path

from archetypal_triplet._utils._columns import is_identifier
from archetypal_triplet._utils._frames import as_pandas, is_frame
from archetypal_triplet._utils._optional import import_optional

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".txt", ".parquet")
# words that mean the same column, compared without case, underscores and "Metadata_"
ALIASES = {
    "plate": ("plate", "plateid", "platename", "platebarcode", "assayplatebarcode", "barcode"),
    "well": ("well", "wellid", "wellname", "wellposition", "welladdress"),
    "row": ("row", "wellrow", "rowid"),
    "column": ("column", "col", "wellcolumn", "wellcol", "columnid"),
    "field": ("site", "field", "fov", "fieldid", "siteid", "imagefield"),
    "z": ("z", "planeid", "plane", "zplane", "zslice"),
    "t": ("t", "timepoint", "timeid", "timeindex"),
    "channel": ("channel", "channelname"),
    "file": ("file", "path", "filename", "filepath", "image", "imagepath", "imagefile"),
    "plate_map": ("platemapname", "platemap", "layout", "layoutname"),
}


def read_frame(table, *, parameter):
    """Read a table as it is, with identifiers (plate, well, compound, ...) as text.

    Parameters
    ----------
    table : str, Path or pandas.DataFrame
        A file whose name ends in one of `SUFFIXES`, or a table in memory.
    parameter : str
        The parameter that named it, for the messages.

    Returns
    -------
    pandas.DataFrame
        The table, with text column names.
    """
    pd = import_optional("pandas", extra="images")
    if is_frame(table):
        frame = as_pandas(table).copy()
        frame.columns = [str(c) for c in frame.columns]
        return frame.reset_index(drop=True)
    path = Path(table)
    if not path.is_file():
        raise FileNotFoundError(f"{parameter}={str(table)!r} does not exist.")
    if not path.name.lower().endswith(SUFFIXES):
        raise ValueError(
            f"{parameter}={str(table)!r} is no table: its name ends in none of {', '.join(SUFFIXES)}."
        )
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = _read_text(pd, path)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{parameter}={str(table)!r} could not be read as a table: it is not written in UTF-8 ({error}). "
            "Save it as such (in Excel: CSV UTF-8)."
        ) from error
    except (ValueError, OSError) as error:  # pandas' and pyarrow's own errors are of these kinds
        raise ValueError(f"{parameter}={str(table)!r} could not be read as a table: {error}") from error
    frame = frame.dropna(how="all").reset_index(drop=True)  # spreadsheets leave empty rows at the end
    if not len(frame):
        raise ValueError(f"{parameter}={str(table)!r} has no rows.")
    frame.columns = [str(c).strip() for c in frame.columns]
    return frame


def column_names(path):
    """Return the names of the columns of a text table.

    Parameters
    ----------
    path : Path
        A file as `read_frame` takes it, but Parquet.

    Returns
    -------
    list of str
        The names.
    """
    pd = import_optional("pandas", extra="images")
    return [str(c).strip() for c in pd.read_csv(path, nrows=0, **_format(path)).columns]


def find_columns(frame):
    """Find which column of a table is the plate, the well, the field and so on.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.

    Returns
    -------
    dict of str to str
        Role, as in `ALIASES`, to column; roles without a column are left out.
    """
    plain = {}
    for column in frame.columns:
        plain.setdefault(plain_name(column), column)
    found = {}
    for role, words in ALIASES.items():
        column = next((plain[word] for word in words if word in plain), None)
        if column is not None:
            found[role] = column
    return found


def plain_name(column):
    """Write a column's name in lower case, without "Metadata_", "Image_" and signs between words."""
    name = str(column).removeprefix("Image_").removeprefix("Metadata_")
    return "".join(c for c in name.lower() if c.isalnum())


def as_text(column):
    """Turn a column into text without ".0" after whole numbers; what is missing becomes ""."""
    if column.dtype.kind == "f" and bool((column.dropna() == column.dropna().round()).all()):
        column = column.astype("Int64")
    text = column.astype(object).where(column.notna(), "")
    return text.map(lambda value: str(value).strip()).astype(object)


def _is_text(column):
    return is_identifier(column) or plain_name(column) in {w for words in ALIASES.values() for w in words}


def _read_text(pd, path):
    how = _format(path)
    names = pd.read_csv(path, nrows=0, **how).columns
    about = {
        "dtype": {c: str for c in names if _is_text(c)}, "na_values": [""], "keep_default_na": False, **how,
    }  # fmt: skip
    frame = pd.read_csv(path, **about)
    if how["sep"] == ";":
        # where semicolons part columns, numbers have a comma, or not
        commas = pd.read_csv(path, decimal=",", **about)
        for column in frame:
            if frame[column].dtype.kind not in "iufb" and commas[column].dtype.kind in "iuf":
                frame[column] = commas[column]
    return frame


def _format(path):
    """Return separator and encoding of a text table, as its first line tells."""
    with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
        head = file.read(100_000)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = head.decode(encoding, errors="replace").splitlines()
    line = re.sub('"[^"]*"', lambda quoted: re.sub(r"\W", "_", quoted[0]), lines[0]) if lines else ""
    known = {w for words in ALIASES.values() for w in words}

    def likely(separator):
        parts = line.split(separator)
        return sum(plain_name(part) in known for part in parts), len(parts)

    return {"sep": max((",", "\t", ";"), key=likely), "encoding": encoding}
