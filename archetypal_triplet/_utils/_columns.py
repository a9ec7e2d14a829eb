"""The one place that knows how columns of a screen's tables are called.

The names are cytominer's: metadata begin with ``Metadata_``; every other numeric column is a feature.
"""

import re

METADATA_PREFIX = "Metadata_"
PLATE = "Metadata_Plate"
WELL = "Metadata_Well"
SITE = "Metadata_Site"
COMPOUND = "Metadata_Compound"
CONTROL_TYPE = "Metadata_ControlType"
CELL_COUNT = "Metadata_Count_Cells"

# what assay quality says of rows
ATQ_PREFIX = "Metadata_atq_"
WELL_DISTANCE = ATQ_PREFIX + "WellDistance"
ISOLATION = ATQ_PREFIX + "Isolation"
IS_FLAGGED = ATQ_PREFIX + "IsFlagged"
FLAG_REASON = ATQ_PREFIX + "Reason"
ATQ_TAG = ATQ_PREFIX + "Tag"

EMBEDDING_PREFIX = "Embedding_"
ARCHETYPE_PREFIX = "Archetype_"
PSEUDOLABEL = "Pseudolabel"
CONFIDENCE = "Pseudolabel_Confidence"

# read as text even where every value looks like a number: "0042" and 42 are different plates
IDENTIFIER_WORDS = ("plate", "well", "site", "field", "batch", "week", "compound", "barcode", "replicate")
# stay numeric even though they are metadata
QUANTITY_WORDS = ("concentration", "dose", "time", "count")
# a quantity's unit or name is text
_TEXT_ENDINGS = ("unit", "units", "name", "label", "type", "id", "category")
# begin the names of columns that somebody forgot to call Metadata_
_METADATA_WORDS = (
    "plate", "well", "site", "batch", "week", "compound", "concentration", "dose", "replicate", "barcode",
    "treatment", "moa",
)  # fmt: skip
_METADATA_NAMES = ("row", "column", "col", "field", "fov", "index", "")

_COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei", "Image")

# where a thing lies or which number it bears says nothing about its phenotype
_POSITION = re.compile(
    r"(^|_)(Location|Center|Number|Parent|Children|BoundingBox(Minimum|Maximum)|ObjectNumber|ImageNumber)(_|$)"
)


def is_metadata(name):
    """Tell whether a column name is metadata by the ``Metadata_`` convention."""
    return str(name).startswith(METADATA_PREFIX)


def is_position_like(name):
    """Tell whether a feature name is a position, a number of an object or a link (CellProfiler's words)."""
    return _POSITION.search(str(name)) is not None


def split_words(name):
    """Split a column name into its words, lower case, without ``Metadata``: "WellRow" gives well, row."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", str(name).removeprefix(METADATA_PREFIX))
    return [word.lower() for word in words]


def is_quantity(name):
    """Tell whether a metadata column holds a concentration, dose, time or count, so that it stays numeric."""
    words = split_words(name)
    return bool(words) and words[-1] not in _TEXT_ENDINGS and any(word in QUANTITY_WORDS for word in words)


def is_identifier(name):
    """Tell whether a metadata column names a plate, well, compound or the like, so that it stays text."""
    return not is_quantity(name) and any(word in IDENTIFIER_WORDS for word in split_words(name))


def looks_like_metadata(name):
    """Tell whether a column without ``Metadata_`` is rather metadata than a feature, by how it begins."""
    words = split_words(name)
    whole = str(name).lower()
    return (
        whole in _METADATA_NAMES
        or whole.startswith("unnamed:")
        or (bool(words) and words[0] in _METADATA_WORDS)
    )


def feature_category(name):
    """Return what kind of thing a feature measures, the word that CellProfiler calls its category.

    "Cells_Texture_Contrast_DNA" and "Texture_Contrast_DNA" give "Texture".
    """
    words = str(name).split("_")
    return words[1] if len(words) > 1 and words[0] in _COMPARTMENTS else words[0]


def pad_well(name):
    """Write a well as an upper-case row and a column of two digits ("a1" gives "A01"); other names stay."""
    match = re.fullmatch(r"([A-Za-z]{1,2})0*(\d{1,2})", str(name).strip())
    return f"{match[1].upper()}{int(match[2]):02d}" if match else name


def metadata_name(name):
    """Write a column's name as cytominer does ("control_type": "Metadata_ControlType"); such names stay."""
    name = str(name).strip().removeprefix("Image_")
    if is_metadata(name):
        return name
    return METADATA_PREFIX + "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", name))
