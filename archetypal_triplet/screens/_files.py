"""Tables on disk: Parquet, CSV, CSV.gz. Read into pandas, written beside and renamed."""

import gzip
import re
import secrets
from pathlib import Path

from archetypal_triplet._utils._columns import is_metadata, looks_like_metadata
from archetypal_triplet._utils._frames import as_pandas, count_of, describe_choice, shorten
from archetypal_triplet._utils._optional import import_optional

SUFFIXES = (".parquet", ".pq", ".csv", ".csv.gz")
_EXTRA = "screens"


def table_suffix(path):
    """Return which of `SUFFIXES` a path ends in.

    Parameters
    ----------
    path : Path
        Path of a table.

    Returns
    -------
    str
        The suffix, lower case.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise ValueError(f"{path} does not end in {', '.join(SUFFIXES)}. Save the table as Parquet or CSV.")


def read_table(path, *, text=(), columns=None):
    """Read one file as it is, with metadata of a CSV file as text.

    Parameters
    ----------
    path : str or Path
        A file whose name ends in one of `SUFFIXES`.
    text : iterable of str, default=()
        Columns of a CSV file to be read as text, besides those that look like metadata.
    columns : collection of str, default=None
        Features to read; None reads all columns. Metadata always come along.

    Returns
    -------
    pandas.DataFrame
        The table. Columns that are not metadata are numbers if all their values are, else text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty, not a table, lacks one of `columns`, or has two columns of one name.

    See Also
    --------
    read_profiles : Reads tables of profiles, with types, choice of features and checks.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from archetypal_triplet.screens import read_table, write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_table(pd.DataFrame({"Embedding_0": [0.5, 1.5]}), Path(folder) / "table.parquet")
    ...     read_table(path)["Embedding_0"].tolist()
    [0.5, 1.5]
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}. Its folder {_describe_folder(path.parent)}.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Name its files, such as a list of all that end in .parquet.")
    suffix = table_suffix(path)
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is an empty file (0 bytes). Export the table again.")
    arrow = import_optional("pyarrow", extra=_EXTRA)
    import_optional("pandas", extra=_EXTRA)
    try:
        if suffix in (".parquet", ".pq"):
            table = _read_parquet(path, set(text), columns)
        else:
            table = _read_csv(path, set(text), columns)
    except (arrow.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        kind = "Parquet" if suffix in (".parquet", ".pq") else "comma-separated UTF-8 text"
        raise ValueError(
            f"{path} cannot be read as {kind}: {str(error).splitlines()[0]} "
            f"Check that the file is complete and that its name ends in what it is."
        ) from error
    if table.num_rows == 0:
        raise ValueError(f"{path} has a header of {table.num_columns} columns and no rows. Export it again.")
    return table.to_pandas(ignore_metadata=True, split_blocks=True, self_destruct=True)


def write_table(table, path, *, overwrite=False):
    """Write a table beside its place and rename it, so that no half-written file is ever seen under `path`.

    Parameters
    ----------
    table : pandas.DataFrame
        The table; its index is not written.
    path : str or Path
        Where to write; the name says how: .parquet, .pq, .csv or .csv.gz. Compressed text carries no time, so
        that the same table gives the same bytes.
    overwrite : bool, default=False
        Whether a file that exists is replaced.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the name ends in none of these.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from archetypal_triplet.screens import read_profiles, write_table
    >>> table = pd.DataFrame({"Metadata_Plate": ["0042", "0042"], "Cells_Area": [1.0, 2.0]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_table(table, Path(folder) / "profiles.csv.gz")
    ...     read_profiles(path)["Metadata_Plate"].tolist()
    ['0042', '0042']
    """
    path = Path(path)
    suffix = table_suffix(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another path, or pass overwrite=True to replace it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}. Create it first.")
    table = as_pandas(table)
    # the name is nobody else's, and the file gets the rights that the user's other files get
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}{suffix}")
    try:
        if suffix in (".parquet", ".pq"):
            import_optional("pyarrow", extra=_EXTRA)
            table.to_parquet(beside, index=False)
        else:
            _write_csv(table, beside, compress=suffix == ".csv.gz")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _write_csv(table, path, *, compress):
    if not compress:
        table.to_csv(path, index=False, compression=None)
        return
    # neither the time nor the temporary name goes into the header
    with Path(path).open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        table.to_csv(packed, index=False, compression=None)


def _describe_folder(folder):
    if not folder.is_dir():
        return "does not exist either"
    tables = sorted(p.name for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES))
    return f"holds {shorten(tables)}" if tables else "holds no tables"


def _read_parquet(path, text, columns):
    parquet = import_optional("pyarrow.parquet", extra=_EXTRA)
    names = parquet.read_schema(path).names
    _check_names(path, names)
    names = [name for name in names if not re.fullmatch(r"__index_level_\d+__", name)]
    if columns is not None:
        _check_has_features(path, names, columns)
        names = [name for name in names if name in columns or _is_text(name, text)]
    return parquet.ParquetFile(path).read(columns=names)


def _read_csv(path, text, columns):
    arrow = import_optional("pyarrow", extra=_EXTRA)
    csv = import_optional("pyarrow.csv", extra=_EXTRA)
    with csv.open_csv(path) as reader:
        names = reader.schema.names
    _check_names(path, names)
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        raise ValueError(
            f"{path} has one column, named {names[0][:60]!r}. Columns must be separated by commas."
        )
    if columns is not None:
        _check_has_features(path, names, columns)
    is_text = {name: _is_text(name, text) and name not in (columns or ()) for name in names}
    wanted = [name for name in names if columns is None or is_text[name] or name in columns]

    def read(as_text):
        types = {name: arrow.string() if as_text[name] else arrow.float64() for name in wanted}
        options = csv.ConvertOptions(column_types=types, include_columns=wanted, strings_can_be_null=True)
        return csv.read_csv(path, convert_options=options)

    try:
        return read(is_text)
    except arrow.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
    # some column is not made of numbers: read all as text and turn back the columns that are
    table = read(dict.fromkeys(names, True))
    for i, name in enumerate(wanted):
        if not is_text[name]:
            numbers = _numbers_of_text(arrow, table.column(i))
            table = table if numbers is None else table.set_column(i, name, numbers)
    return table


def _numbers_of_text(arrow, column):
    """Return a column of text as floats, True and False as 1 and 0 like in Parquet; None if it is text."""
    for steps in ((arrow.float64(),), (arrow.bool_(), arrow.float64())):
        numbers = column
        try:
            for step in steps:
                numbers = numbers.cast(step)
        except arrow.ArrowInvalid:
            continue
        return numbers
    return None


def _check_has_features(path, names, columns):
    missing = sorted(set(columns) - set(names))
    if missing:
        raise ValueError(
            f"{path.name} lacks {len(missing)} of {count_of(len(columns), 'column')} named in features: "
            f"{shorten(missing)}. {describe_choice(names, missing[0], features=True)}"
        )


def _is_text(name, text):
    return name in text or is_metadata(name) or looks_like_metadata(name)


def _check_names(path, names):
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"{path} has several columns of one name: {shorten(twice)}. Rename or drop them.")
