"""How instruments name their image files: named patterns, a user's own, and recognising which one it is."""

import re
from typing import NamedTuple

from archetypal_triplet._utils._frames import shorten

# what a name may say; a well is one group, or row and column
GROUPS = ("plate", "well", "row", "column", "field", "channel", "z", "t")
# CellProfiler's and others' words for the same
_SYNONYMS = {
    "site": "field",
    "fov": "field",
    "col": "column",
    "wellrow": "row",
    "wellcolumn": "column",
    "wellcol": "column",
    "barcode": "plate",
    "channelnumber": "channel",
    "wavelength": "channel",
    "slice": "z",
    "stackslice": "z",
    "timepoint": "t",
    "time": "t",
}
_GUID = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
# as instruments write it, in capitals and two digits; else the "s1" of a field would be well S01
_WELL_NAME = r"(?:[A-Z]|A[A-F])\d\d"
_WELL = rf"(?P<well>{_WELL_NAME})"
_SUFFIX = r"(?:\.ome)?\.[A-Za-z]\w*"
# at least so large a share of the files must match for a pattern to be recognized
_SHARE = 0.9
_N_TRIED = 2000


class NamePattern(NamedTuple):
    """How one kind of instrument or software names its files.

    Parameters
    ----------
    expression : str
        Regular expression of the whole file name, with named groups.
    example : str
        A name that it matches.
    pages : str or None, default=None
        What the pages of one file are, if one file holds several planes: "channels".
    """

    expression: str
    example: str
    pages: str | None = None


PATTERNS = {
    "imagexpress": NamePattern(
        rf"(?:TimePoint_(?P<t>\d+)/)?(?:ZStep_(?P<z>\d+)/)?(?:[^/]*?_)?{_WELL}(?=_[sw]\d)(?:_s(?P<field>\d+))?"
        rf"(?:_(?P<channel>w\d{{1,2}}))?(?:{_GUID})?\.[A-Za-z]\w*",
        "Plate1_G10_s1_w1BEDC2073-A983-4B98-95E9-84466707A25D.tif",
    ),
    "operetta": NamePattern(
        r"r(?P<row>\d+)c(?P<column>\d+)f(?P<field>\d+)p(?P<z>\d+)-(?P<channel>ch\d+)(?:t\d+)?"
        rf"sk(?P<t>\d+)fk\d+fl\d+{_SUFFIX}",
        "r01c01f01p01-ch1sk1fk1fl1.tiff",
    ),
    "opera": NamePattern(
        r"(?P<row>\d{3})(?P<column>\d{3})(?P<field>\d{3})\.flex", "001001001.flex", pages="channels"
    ),
    "cellvoyager": NamePattern(
        rf"(?P<plate>[^/]+)_{_WELL}_T(?P<t>\d+)F(?P<field>\d+)L\d+A\d+Z(?P<z>\d+)(?P<channel>C\d+){_SUFFIX}",
        "Plate1_A01_T0001F001L01A01Z01C01.tif",
    ),
    "arrayscan": NamePattern(
        rf"(?:[^/]*_)?(?P<plate>[^_/]+)_{_WELL}f(?P<field>\d+)(?P<channel>d\d+)\.\w+",
        "AS_09047_050428030001_O01f00d2.TIF",
    ),
    "sbs": NamePattern(
        rf"(?P<channel>[A-Za-z]+\d*)-\d+-(?P<row>[A-Za-z]|[Aa][A-Fa-f])-(?P<column>\d+){_SUFFIX}",
        "Channel1-01-A-01.tif",
    ),
    "incell": NamePattern(
        r"(?P<row>[A-Za-z]{1,2}) - (?P<column>\d+)\(fld (?P<field>\d+) wv (?P<channel>[^()]+?)"
        rf"(?: z (?P<z>\d+))?(?: time (?P<t>\d+)[^()]*)?\){_SUFFIX}",
        "A - 01(fld 1 wv DAPI - DAPI).tif",
    ),
    "well": NamePattern(
        rf"(?:(?P<plate>[^/]+?)_)?{_WELL}(?:_(?:s|f|site|field)?(?P<field>\d+))?"
        rf"(?:_(?P<channel>(?!{_WELL_NAME}[._])[A-Za-z][A-Za-z0-9-]*))?{_SUFFIX}",
        "Plate1_A01_f1_DNA.tif",
    ),
}
# says so little that it is only tried when no other pattern matches
_LAST = ("well",)


def compile_pattern(pattern):
    """Return the regular expression of a pattern, by name or written out, and what the pages of a file are.

    Parameters
    ----------
    pattern : str
        One of `PATTERNS`, or a regular expression with named groups.

    Returns
    -------
    expression : re.Pattern
        To be searched in a path.
    pages : str or None
        What the pages of a file are.

    Raises
    ------
    ValueError
        If it is neither, or lacks the group ``well`` (or ``row`` and ``column``).
    """
    if not isinstance(pattern, str) or not pattern:
        raise ValueError(f"pattern={pattern!r} is no text. {_choices()}")
    if pattern.lower() in PATTERNS:
        known = PATTERNS[pattern.lower()]
        return re.compile(rf"(?:^|/){known.expression}$"), known.pages
    if re.fullmatch(r"[\w -]+", pattern):
        raise ValueError(f"pattern={pattern!r} is unknown. {_choices()}")
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern={pattern!r} is no regular expression: {error}. {_choices()}") from error
    groups = _group_names(expression)
    unknown = [name for name in expression.groupindex if name not in groups]
    if "well" not in groups.values() and not {"row", "column"} <= set(groups.values()):
        found = shorten(expression.groupindex) if expression.groupindex else "none"
        raise ValueError(
            f"pattern={pattern!r} does not say where the well stands: its named groups are {found}. Name a "
            "group 'well', or two groups 'row' and 'column', as in r'(?P<plate>.+)_(?P<well>[A-Z]\\d+)_"
            f"s(?P<field>\\d+)_w(?P<channel>\\d+)'. Groups that are understood: {', '.join(GROUPS)}."
        )
    if unknown:
        raise ValueError(
            f"pattern={pattern!r} has groups that are not understood: {shorten(unknown)}. Groups that are: "
            f"{', '.join(GROUPS)}. Write (?:...) for a group without a name."
        )
    return expression, None


def match_names(expression, names):
    """Match every name and return what its groups say.

    Parameters
    ----------
    expression : re.Pattern
        As `compile_pattern` returns it.
    names : list of str
        Paths with "/", relative to the folder that was read.

    Returns
    -------
    dict of str to list
        A list for each group of `GROUPS` that the expression has, with None where a name does not say it; and
        the list "matched" of bool.
    """
    groups = _group_names(expression)
    search = expression.search
    found = [search(name) for name in names]
    parts = {group: [m[name] if m else None for m in found] for name, group in groups.items()}
    parts["matched"] = [m is not None for m in found]
    return parts


def recognize(names):
    """Find the one pattern of `PATTERNS` that all, or nearly all, names match.

    Parameters
    ----------
    names : list of str
        Paths of image files with "/".

    Returns
    -------
    str
        Name of the pattern.

    Raises
    ------
    ValueError
        If no pattern matches nine in ten of the names, or several do.
    """
    step = max(1, len(names) // _N_TRIED)
    tried = names[::step]
    shares = share_matched(tried)
    for candidates in ([n for n in PATTERNS if n not in _LAST], _LAST):
        found = [name for name in candidates if shares[name] >= _SHARE]
        if len(found) > 1:
            raise ValueError(
                f"The names of the image files (such as {tried[0]!r}) match several patterns: "
                f"{', '.join(found)}. Say which it is with pattern=."
            )
        if found:
            return found[0]
    best = max(shares, key=shares.get)
    partly = f" The nearest is {best!r}, which {shares[best]:.0%} match." if shares[best] else ""
    raise ValueError(
        f"The names of the image files (such as {shorten(map(repr, tried), 3)}) match no known "
        f"pattern.{partly} {_choices()}"
    )


def share_matched(names):
    """Return for every pattern of `PATTERNS` the share of names that it matches."""
    shares = {}
    for name in PATTERNS:
        search = compile_pattern(name)[0].search
        shares[name] = sum(search(n) is not None for n in names) / max(1, len(names))
    return shares


def _group_names(expression):
    """Return which of `GROUPS` each named group of an expression stands for."""
    plain = {name: re.sub("[^a-z]", "", name.lower()) for name in expression.groupindex}
    meant = {name: _SYNONYMS.get(word, word) for name, word in plain.items()}
    return {name: word for name, word in meant.items() if word in GROUPS}


def _choices():
    known = ", ".join(f"{name!r} ({pattern.example})" for name, pattern in PATTERNS.items())
    return (
        f"Choose one of {known}; or write a regular expression with the named groups {', '.join(GROUPS)}; or "
        "give a list file (CSV) instead of a folder."
    )
