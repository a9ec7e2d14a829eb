"""The columns of a map: what is packed into the page, how each is colored and what its legend says."""

import base64
import re
from dataclasses import dataclass

import numpy as np

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
    ATQ_PREFIX,
    CELL_COUNT,
    COMPOUND,
    CONFIDENCE,
    CONTROL_TYPE,
    EMBEDDING_PREFIX,
    METADATA_PREFIX,
    PLATE,
    PSEUDOLABEL,
    SITE,
    WELL,
    is_metadata,
    split_words,
)
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet.plotting._choices import (
    DOMINANT_ARCHETYPE,
    compute_dominant_archetype,
    take_control_type,
)
from archetypal_triplet.plotting._palette import MISSING, UNLABELED, to_kinds
from archetypal_triplet.report._map_colors import make_classes, make_scale

_LABELS = {
    CELL_COUNT: "Cell count",
    PSEUDOLABEL: "Pseudo-label",
    CONFIDENCE: "Confidence of the pseudo-label",
    DOMINANT_ARCHETYPE: "Largest archetype",
}
_FIRST = (COMPOUND, PLATE, WELL, SITE, CONTROL_TYPE)
_MAX_CLASSES = 30  # text with more values gets colors only where it names compounds, plates or archetypes
_ALWAYS_COLORED = (CONTROL_TYPE, COMPOUND, PLATE, PSEUDOLABEL, DOMINANT_ARCHETYPE)
_MOLAR = {"pm": 1e-12, "nm": 1e-9, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "mm": 1e-3, "m": 1.0}
_MICRO = 1e-6
_NO_UNIT = "no unit"
_SMALL_INTEGER = 2**24  # whole numbers up to here are exact in four bytes


@dataclass
class MapColumn:
    """One column as the page holds it.

    Attributes
    ----------
    name, label : str
        The column in the table, and what a reader sees.
    group : str
        Heading under which the list of colors shows it.
    codes, levels : ndarray of int, list of str or None
        Text: the value of a row is ``levels[codes[row]]``; None is a missing value.
    numbers : ndarray
        Numbers, NaN where missing.
    coloring : dict or None
        Classes (see `make_classes`) or scale (see `make_scale`); None: not offered as a color.
    is_derived : bool
        Whether the column serves colors alone, and is not in the table.
    """

    name: str
    label: str
    group: str
    codes: np.ndarray | None = None
    levels: list | None = None
    numbers: np.ndarray | None = None
    coloring: dict | None = None
    is_derived: bool = False

    def reorder(self, order):
        """Bring the rows into another order."""
        if self.numbers is None:
            self.codes = self.codes[order]
            return
        self.numbers = self.numbers[order]
        if self.coloring is not None and "numbers" in self.coloring:
            self.coloring["numbers"] = self.coloring["numbers"][order]

    def pack(self):
        """Return the column as it is written into the page."""
        packed = {"name": self.name, "label": self.label, "derived": self.is_derived}
        if self.numbers is None:
            packed |= {"levels": self.levels, "codes": pack_array(_shrink(self.codes))}
        else:
            packed |= {"numbers": pack_array(_shrink(self.numbers))}
        coloring = self.coloring
        if coloring is not None and "numbers" in coloring:
            coloring = coloring | {"numbers": pack_array(_shrink(coloring["numbers"]))}
        return packed | {"coloring": coloring}


def pack_array(values):
    """Return an array as text for the page: its type, and its bytes (little-endian) in base64."""
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return {
        "type": f"{values.dtype.kind}{values.dtype.itemsize}",
        "bytes": base64.b64encode(values.tobytes()).decode("ascii"),
    }


def _shrink(values):
    """Give numbers the smallest type that holds what a reader can see of them (7 digits)."""
    if values.dtype.kind in "iu":
        for kind in (np.uint8, np.uint16, np.uint32, np.int32):
            if len(values) == 0 or (
                values.min() >= np.iinfo(kind).min and values.max() <= np.iinfo(kind).max
            ):
                return values.astype(kind)
        return values.astype(np.float64)
    finite = values[np.isfinite(values)]
    is_whole = len(finite) > 0 and (finite == np.round(finite)).all()
    needs_all = is_whole and np.abs(finite).max() > _SMALL_INTEGER
    return values.astype(np.float64 if needs_all else np.float32)


def label_column(name):
    """Return what a reader sees of a column's name: "Metadata_ControlType" is "Control type"."""
    name = str(name)
    if name in _LABELS:
        return _LABELS[name]
    prefix = "Quality: " if name.startswith(ATQ_PREFIX) else ""
    words = name.removeprefix(ATQ_PREFIX).removeprefix(METADATA_PREFIX).replace("_", " ")
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", words).strip() or name
    first, *rest = words.split(" ")
    rest = [word.lower() if re.fullmatch(r"[A-Z][a-z]+", word) else word for word in rest]
    label = " ".join([first, *rest])
    return prefix + (label[:1].lower() if prefix else label[:1].upper()) + label[1:]


def choose_columns(table):
    """List the columns of a table that a map shows: metadata, shares and pseudo-labels, best known first."""
    names = [
        name
        for name in map(str, table.columns)
        if (is_metadata(name) or name.startswith((ARCHETYPE_PREFIX, PSEUDOLABEL)))
        and not name.startswith(EMBEDDING_PREFIX)
    ]
    return sorted(names, key=lambda name: (_rank(name), names.index(name)))


def _rank(name):
    if name == COMPOUND:
        return 0
    if is_dose(name):
        return 1
    if is_unit(name):
        return 2
    if name in _FIRST:
        return 2 + _FIRST.index(name)
    if name == CELL_COUNT:
        return 8
    if name.startswith((ARCHETYPE_PREFIX, PSEUDOLABEL)):
        return 10
    return 9


def is_dose(name):
    """Tell whether a column holds doses as numbers."""
    words = split_words(name)
    return not {"concentration", "dose"}.isdisjoint(words) and words[-1] not in (
        "rank",
        "unit",
        "units",
        "code",
    )


def is_unit(name):
    """Tell whether a column holds units."""
    return is_metadata(name) and split_words(name)[-1:] in (["unit"], ["units"])


def describe_columns(table, strength, *, columns=None, labels=None):
    """Describe the columns of a table for a map.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per point.
    strength : ndarray of shape (n_samples,)
        Decides between equally large classes which are shown: those with the larger mean.
    columns : list of str, default=None
        Columns to take; None chooses.
    labels : dict of str to str, default=None
        What a reader sees of a column's name, where it is not the usual.

    Returns
    -------
    list of MapColumn
        In the order of the table under the map.
    """
    names = choose_columns(table) if columns is None else [str(name) for name in columns]
    kinds = to_kinds(take_control_type(table), len(table))
    described = [_describe(table, name, kinds, strength) for name in names]
    described += _derive(table, names, kinds, strength)
    for column in described:
        column.label = (labels or {}).get(column.name, column.label)
    _rename_archetypes(described, labels or {})
    return described


def _describe(table, name, kinds, strength):
    values = table[name]
    column = MapColumn(name, label_column(name), _find_group(name))
    is_text = values.dtype.kind not in "fiu" or name == PSEUDOLABEL
    if is_text:
        column.codes, column.levels = _encode(values)
        shown = [_show(level, name) for level in column.levels]
        few = len(column.levels) <= _MAX_CLASSES or name in _ALWAYS_COLORED
        if few and len(column.levels) > 1 and not is_unit(name):
            column.coloring = make_classes(
                column.codes, shown, kinds, strength, is_control=name == CONTROL_TYPE
            )
    else:
        column.numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if values.dtype.kind in "iu" and not values.isna().any():
            column.numbers = values.to_numpy()
        column.coloring = _scale(table, name, column)
    return column


def _scale(table, name, column):
    numbers = np.asarray(column.numbers, dtype=np.float64)
    if not is_dose(name):
        return make_scale(numbers, column.label, from_zero=name.startswith(ARCHETYPE_PREFIX))
    converted, title = _to_one_unit(table, numbers, column.label)
    scale = make_scale(converted, title, is_dose=True)
    if scale is not None and converted is not numbers:
        scale["numbers"] = converted
    return scale


def _to_one_unit(table, doses, title):
    """Doses in one unit, where a column says in which molar unit each row is."""
    units = next((str(c) for c in table.columns if is_unit(c)), None)
    if units is None:
        return doses, title
    names = table[units].astype(object).where(table[units].notna(), _NO_UNIT)
    names = names.astype(str).str.strip().to_numpy().astype(str)
    told = np.unique(names[np.isfinite(doses) & (doses > 0)])
    if len(told) == 1:
        return doses, title if told[0] == _NO_UNIT else f"{title} ({told[0]})"
    factors = {name: _MOLAR.get(str(name).lower()) for name in told}
    if not len(told) or None in factors.values():
        return doses, f"{title} (mixed units: {', '.join(told[:4])})" if len(told) else title
    levels, codes = np.unique(names, return_inverse=True)
    factor = np.array([factors.get(name, np.nan) for name in levels])[codes] / _MICRO
    return np.where(doses == 0, 0.0, doses * factor), f"{title} (µM)"


def _derive(table, names, kinds, strength):
    """Colors that no single column holds: the largest archetype of each row."""
    if sum(name.startswith(ARCHETYPE_PREFIX) for name in names) < 2:
        return []
    shares = table[[n for n in names if n.startswith(ARCHETYPE_PREFIX)]]
    levels, codes = np.unique(compute_dominant_archetype(shares.fillna(0.0)), return_inverse=True)
    column = MapColumn(DOMINANT_ARCHETYPE, _LABELS[DOMINANT_ARCHETYPE], "Archetypes", is_derived=True)
    column.codes, column.levels = codes, levels.tolist()
    shown = [label_column(level) for level in column.levels]
    if len(levels) > 1:
        column.coloring = make_classes(column.codes, shown, kinds, strength)
    return [column]


def _rename_archetypes(columns, labels):
    """Let the classes of the largest archetype be called as their columns are."""
    own = {label_column(name): label for name, label in labels.items() if name.startswith(ARCHETYPE_PREFIX)}
    for column in columns:
        if column.name == DOMINANT_ARCHETYPE and column.coloring is not None:
            for entry in column.coloring["classes"]:
                entry["label"] = own.get(entry["label"], entry["label"])


def _encode(values):
    """Codes and texts of the distinct values, in natural order; a missing value is None, the last one."""
    texts = values.astype(object).where(values.notna(), None)
    texts = np.array([None if text is None else str(text) for text in texts], dtype=object)
    is_there = np.array([text is not None for text in texts], dtype=bool)
    distinct, inverse = np.unique(texts[is_there].astype(str), return_inverse=True)
    are_numbers = all(re.fullmatch(r"-?\d{1,15}", text) for text in distinct)
    sort_key = int if are_numbers else natural_key
    order = sorted(range(len(distinct)), key=lambda i: sort_key(distinct[i]))
    place = np.empty(len(distinct), dtype=np.int64)
    place[order] = np.arange(len(distinct))
    codes = np.full(len(texts), len(distinct), dtype=np.int64)
    codes[is_there] = place[inverse]
    levels = [str(distinct[i]) for i in order]
    return codes, [*levels, None] if not is_there.all() else levels


def _show(level, name):
    if level is None:
        return MISSING
    return UNLABELED if name == PSEUDOLABEL and level == "-1" else level


def _find_group(name):
    if name.startswith(ARCHETYPE_PREFIX):
        return "Archetypes"
    if name.startswith(PSEUDOLABEL):
        return "Pseudo-labels"
    if name.startswith(ATQ_PREFIX):
        return "Quality"
    known = (CONTROL_TYPE, COMPOUND, PLATE, CELL_COUNT)
    return "Screen" if name in known or is_dose(name) else "Other columns"
