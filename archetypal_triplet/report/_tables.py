"""Tables of a report as files."""

import re

from archetypal_triplet.report._parts import Table, find_parts

# what a spreadsheet would run as a formula, as in the files that the map writes; a number is none
_FORMULA = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", flags=re.IGNORECASE)


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
    """
    folder.mkdir(parents=True, exist_ok=True)
    for table in find_parts([part for section in sections for part in section.parts], Table):
        frame = table.frame.rename(columns=defuse)
        for i, dtype in enumerate(frame.dtypes):
            if dtype.kind not in "biufcmM":
                frame.isetitem(i, frame.iloc[:, i].astype(object).map(defuse, na_action="ignore"))
        frame.to_csv(folder / f"{table.name}.csv", index=False, errors="backslashreplace")
