"""Tables of a report as files."""

from archetypal_triplet.report._parts import GROUPS, Table


def find_tables(parts):
    """Yield every table among parts, and in what they hold."""
    for part in parts:
        if isinstance(part, Table):
            yield part
        elif isinstance(part, GROUPS):
            yield from find_tables(part.parts)


def write_tables(sections, folder):
    """Write every table of the sections as CSV, all rows of it.

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
        table.frame.to_csv(folder / f"{table.name}.csv", index=False)
        names.append(f"{table.name}.csv")
    return names
