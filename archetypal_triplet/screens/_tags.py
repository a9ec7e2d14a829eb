"""Tags of archetypes on disk: a small CSV file that a person edits."""

from archetypal_triplet._utils._tags import ARCHETYPE, NOTE, TAG, check_tags
from archetypal_triplet.screens._files import read_table, write_table


def read_tags(path):
    """Read a table of tags.

    Parameters
    ----------
    path : str or Path
        A CSV or Parquet file with the columns ``Archetype``, ``Tag`` and perhaps ``Note``.

    Returns
    -------
    DataFrame
        As `qc.check_tags` returns it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, a tag is unknown or an archetype is tagged twice.

    See Also
    --------
    archetypal_triplet.qc.apply_tags : Leaves tagged archetypes out.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from archetypal_triplet.screens import read_tags, write_tags
    >>> tags = pd.DataFrame({"Archetype": ["Archetype_4"], "Tag": ["debris"], "Note": ["a fiber"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_tags(tags, Path(folder) / "tags.csv")
    ...     read_tags(path)["Note"].tolist()
    ['a fiber']
    """
    return check_tags(read_table(path, text=(ARCHETYPE, TAG, NOTE)))


def write_tags(tags, path, *, overwrite=False):
    """Write a table of tags, so that a broken-off write never leaves half a file.

    Parameters
    ----------
    tags : DataFrame
        As for `qc.check_tags`.
    path : str or Path
        File to write, ``.csv`` or any other that `write_table` knows.
    overwrite : bool, default=False
        Whether to replace a file that exists.

    Returns
    -------
    Path
        Where it lies.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ValueError
        If the table is not one of tags.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> from archetypal_triplet.screens import write_tags
    >>> tags = pd.DataFrame({"Archetype": [4], "Tag": ["empty"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_tags(tags, Path(folder) / "tags.csv").read_text())
    Archetype,Tag,Note
    Archetype_4,empty,
    <BLANKLINE>
    """
    return write_table(check_tags(tags), path, overwrite=overwrite)
