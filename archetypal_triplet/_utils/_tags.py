"""What a person says an archetype is: the table of tags, below the rooms that read and use it."""

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, is_frame, shorten

TAGS = ("phenotype", "artifact", "empty", "debris", "out_of_focus")
# these leave the shares
EXCLUDED_TAGS = TAGS[1:]
ARCHETYPE, TAG, NOTE = "Archetype", "Tag", "Note"


def check_tags(tags, archetypes=None):
    """Return a table of tags with tidy columns, or raise where it cannot be meant.

    Parameters
    ----------
    tags : DataFrame
        One row per tagged archetype, with the columns ``Archetype`` (``Archetype_3``, or its number 3),
        ``Tag`` (phenotype, artifact, empty, debris or out_of_focus) and, if wanted, ``Note``.
    archetypes : list of str, default=None
        Names that exist, such as ``["Archetype_0", "Archetype_1"]``; None does not compare.

    Returns
    -------
    DataFrame
        Columns ``Archetype``, ``Tag`` and ``Note``, all text; numbers are made names, and rows without a tag
        dropped.

    Raises
    ------
    ValueError
        If a column is missing, a tag is unknown, an archetype is tagged twice or does not exist.
    TypeError
        If `tags` is no table.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.qc import check_tags
    >>> check_tags(pd.DataFrame({"Archetype": [0, 3], "Tag": ["phenotype", "debris"]})).to_dict("list")
    {'Archetype': ['Archetype_0', 'Archetype_3'], 'Tag': ['phenotype', 'debris'], 'Note': ['', '']}
    """
    if not is_frame(tags):
        raise TypeError(
            f"tags is a {type(tags).__name__}; a table with the columns {ARCHETYPE}, {TAG} and {NOTE} "
            "is needed."
        )
    table = as_pandas(tags)
    check_columns_exist(table, [ARCHETYPE, TAG], parameter="tags")
    table = table.assign(**{NOTE: table.get(NOTE, "")})[[ARCHETYPE, TAG, NOTE]]
    table = table.fillna("").astype(str).apply(lambda column: column.str.strip())
    table = table[table[TAG] != ""].reset_index(drop=True)
    numbers = table[ARCHETYPE].str.fullmatch(r"\d+(\.0)?")
    names = table[ARCHETYPE].where(~numbers, ARCHETYPE_PREFIX + table[ARCHETYPE].str.removesuffix(".0"))
    table[ARCHETYPE] = names
    unknown = sorted(set(table[TAG]) - set(TAGS))
    if unknown:
        raise ValueError(f"tags: {shorten(unknown)} is no tag. Choose from: {', '.join(TAGS)}.")
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        raise ValueError(f"tags: {shorten(twice)} has more than one row. Keep one tag for each archetype.")
    if archetypes is not None:
        missing = [name for name in names if name not in set(archetypes)]
        if missing:
            raise ValueError(
                f"tags: there is no archetype {shorten(missing)}. Tags belong to one fit; its archetypes are "
                f"{shorten(archetypes, 40)}."
            )
    return table
