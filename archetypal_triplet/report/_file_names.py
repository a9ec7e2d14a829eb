"""Names of files that are made of names in the data, which may be anything."""

import hashlib
import re

from archetypal_triplet._utils._columns import METADATA_PREFIX

MAX_NAME = 100  # most file systems allow 255 bytes, with the ending; some paths are long already


def file_name(column):
    """Return what a file about a column is called, without its ending."""
    plain = str(column).removeprefix(METADATA_PREFIX).replace("\u00b5", "u").replace("\u03bc", "u")
    return re.sub(r"[^\w.-]+", "_", plain, flags=re.ASCII).lower()


def safe_name(name):
    """Return a name that is one file in its folder, on every system.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    str
        Letters, digits, ``_``, ``-`` and ``.``, of which none is the first; what was cut ends with a hash of
        the whole, so that two long names stay two.

    Examples
    --------
    >>> from archetypal_triplet.report._file_names import safe_name
    >>> safe_name("plates_dose (ug/ml)"), safe_name("../../x"), len(safe_name("x" * 300))
    ('plates_dose_ug_ml_', '_.._x', 100)
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip(".") or "_"
    if len(plain) <= MAX_NAME:
        return plain
    end = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: MAX_NAME - 9]}_{end}"
