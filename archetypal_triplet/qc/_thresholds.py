"""The file of thresholds, as a table."""

from importlib.resources import files

from archetypal_triplet._utils._optional import import_optional

COLUMNS = ("name", "value", "unit", "where", "meaning", "source")


def load_thresholds():
    """Load every threshold of this room: its value, what it decides, and where it comes from.

    Returns
    -------
    DataFrame
        One row per threshold: name, value, unit, where (a parameter, ``function.parameter``, or the constant
        of a module), meaning and source.

    Raises
    ------
    ImportError
        If pyyaml or pandas is not installed.

    Notes
    -----
    Functions do not read the file: their defaults are the same numbers, which the tests compare. So nothing
    changes behind the back of who calls them; pass another value as an argument.

    Examples
    --------
    >>> from archetypal_triplet.qc import load_thresholds
    >>> thresholds = load_thresholds().set_index("name")
    >>> float(thresholds.loc["field_distance", "value"])
    3.5
    >>> thresholds.loc["field_distance", "where"]
    'compute_field_scores.threshold'
    """
    yaml = import_optional("yaml", extra="qc")
    pd = import_optional("pandas", extra="screens")
    text = files("archetypal_triplet.qc").joinpath("thresholds.yaml").read_text(encoding="utf-8")
    found = [{"name": name} | entry for name, entry in yaml.safe_load(text).items()]
    return pd.DataFrame(found, columns=list(COLUMNS))
