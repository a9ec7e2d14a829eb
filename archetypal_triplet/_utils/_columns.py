"""The one place that knows how columns of a screen's tables are called.

The names are cytominer's: metadata begin with ``Metadata_``; every other numeric column is a feature.
"""

import re

METADATA_PREFIX = "Metadata_"
PLATE = "Metadata_Plate"
WELL = "Metadata_Well"
SITE = "Metadata_Site"
BATCH = "Metadata_Batch"
COMPOUND = "Metadata_Compound"
CONCENTRATION = "Metadata_Concentration"
CONTROL_TYPE = "Metadata_ControlType"
CONTROL_TYPES = ("negative", "positive", "untreated", "sample")

EMBEDDING_PREFIX = "Embedding_"
ARCHETYPE_PREFIX = "Archetype_"
PSEUDOLABEL = "Pseudolabel"
CONFIDENCE = "Pseudolabel_Confidence"

# read as text even where every value looks like a number: "0042" and 42 are different plates
IDENTIFIER_WORDS = ("plate", "well", "site", "field", "batch", "week", "compound", "barcode", "replicate")
# stay numeric even though they are metadata
QUANTITY_WORDS = ("concentration", "dose", "time", "count")

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
