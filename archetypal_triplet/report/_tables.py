"""Tables of a report as files."""

import re

from archetypal_triplet.report._parts import GROUPS, Table

# what a spreadsheet would run as a formula, as in the files that the map writes; a number is none
_FORMULA = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", flags=re.IGNORECASE)


def find_tables(parts):
    """Yield every table among parts, and in what they hold."""
    for part in parts:
        if isinstance(part, Table):
            yield part
        elif isinstance(part, GROUPS):
            yield from find_tables(part.parts)


def defuse(value):
    """Put an apostrophe in front of text that a spreadsheet would take for a formula.

    Parameters
    ----------
    value : object
        Any value of a table; only text is changed.

    Returns
    -------
    object
        The value, or the text with an apostrophe in front.

    Examples
    --------
    >>> from archetypal_triplet.report._tables import defuse
    >>> defuse("=1+1"), defuse("-0.5"), defuse("DMSO"), defuse(-1)
    ("'=1+1", '-0.5', 'DMSO', -1)
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def write_tables(sections, folder):
    """Write every table of the sections as CSV, all rows of it.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, see `defuse`.

    Parameters
    ----------
    sections : list of Section
        Of the report.
    folder : Path
        Where ``NAME.csv`` goes; it is made.

    Returns
    -------
    list of str
        Names of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for table in (table for section in sections for table in find_tables(section.parts)):
        frame = table.frame.rename(columns=defuse)
        texts = [i for i, dtype in enumerate(frame.dtypes) if dtype.kind not in "biufcmM"]
        for i in texts:
            frame.isetitem(i, frame.iloc[:, i].astype(object).map(defuse, na_action="ignore"))
        name = f"{table.name}.csv"
        frame.to_csv(folder / name, index=False, errors="backslashreplace")
        names.append(name)
    return names
