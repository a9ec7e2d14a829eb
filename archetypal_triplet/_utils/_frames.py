"""Tables by duck typing: the estimators accept frames without importing pandas."""

import re
from collections import Counter
from difflib import get_close_matches

import numpy as np

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
    EMBEDDING_PREFIX,
    METADATA_PREFIX,
    PSEUDOLABEL,
)

# what a query may call: enough to choose rows, nothing that writes or runs (model folders carry queries)
_METHODS = ("isin", "isna", "isnull", "notna", "notnull", "between", "abs")
_TEXT_METHODS = ("startswith", "endswith", "contains", "match", "fullmatch", "lower", "upper", "strip")
_QUERY_CALLS = frozenset({*_METHODS, *_TEXT_METHODS, "and", "or", "not", "in"})
_N_SHOWN = 10
_NOT_MEASURED = (METADATA_PREFIX, ARCHETYPE_PREFIX, PSEUDOLABEL)


def is_frame(X):
    """Tell whether `X` is a table with named columns (pandas, polars, pyarrow-backed frames)."""
    return hasattr(X, "columns") and hasattr(X, "shape") and not isinstance(X, np.ndarray)


def as_pandas(X):
    """Return the frame `X` as a pandas frame; one that is already comes back as it is.

    Parameters
    ----------
    X : frame
        A pandas frame, or a frame with a ``to_pandas`` method.

    Returns
    -------
    pandas.DataFrame
        The table.

    Raises
    ------
    TypeError
        If `X` is not a frame and cannot be turned into one.
    """
    if hasattr(X, "eval") and hasattr(X, "groupby"):
        return X
    if hasattr(X, "to_pandas"):
        return X.to_pandas()
    raise TypeError(
        f"Expected a pandas DataFrame, got {type(X).__name__}. Convert the table with pandas first."
    )


def shorten(names, n_shown=_N_SHOWN):
    """Join names for a message, the first `n_shown` of them, and say how many more there are."""
    names = [str(name) for name in names]
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(names[:n_shown]) + more


def count_of(n, noun):
    """Return a number with its noun, "1 row" or "2 rows"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def describe_choice(columns, missing, *, features=False):
    """Say which columns a person may have meant, or else which there are to choose from.

    Parameters
    ----------
    columns : iterable of str
        The columns that exist.
    missing : str
        The name that was not found.
    features : bool, default=False
        Whether a feature was sought, so that these are listed and not metadata.

    Returns
    -------
    str
        A sentence.
    """
    present = [str(c) for c in columns]
    close = get_close_matches(missing, present, n=3)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    alike = [c for c in present if c.startswith("Metadata_") is not features] or present
    return f"Columns to choose from: {shorten(alike, 30)}."


def check_columns_exist(X, names, *, parameter):
    """Raise if the frame `X` lacks one of `names`, or has it twice.

    Parameters
    ----------
    X : frame
        The table.
    names : iterable of str
        Column names that are wanted.
    parameter : str
        The parameter that named them, for the message.

    Raises
    ------
    ValueError
        Naming the missing columns, and those that were perhaps meant or that exist.
    """
    known = Counter(map(str, X.columns))
    names = [str(name) for name in names]
    missing = [name for name in names if name not in known]
    if not missing:
        twice = [name for name in dict.fromkeys(names) if known[name] > 1]
        if twice:
            raise ValueError(
                f"The table has several columns of one name: {shorten(twice)}. Rename or drop them."
            )
        return
    what = (
        f"{parameter}={missing[0]!r} is not a column of the table"
        if len(missing) == 1
        else f"{len(missing)} names in {parameter} are not columns of the table ({shorten(missing)})"
    )
    raise ValueError(f"{what}. {describe_choice(X.columns, missing[0], features=parameter == 'features')}")


def embedding_columns(X, features=None):
    """List the columns of the frame `X` that hold an embedding.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    features : list of str, default=None
        Columns named instead.

    Returns
    -------
    list of str
        `features`; or else the ``Embedding_*`` columns; or where there are none all numeric columns that are
        neither metadata nor shares and pseudo-labels of a run.

    Raises
    ------
    ValueError
        If a named column does not exist, or there are no such columns.
    """
    if features is not None and len(features) == 0:
        raise ValueError("features=[] names no column. Name one at least, or pass None.")
    if features is not None:
        check_columns_exist(X, features, parameter="features")
        return list(features)
    names = [c for c in X.columns if str(c).startswith(EMBEDDING_PREFIX)]
    names = names or [
        c for c in X.columns if X[c].dtype.kind in "fiu" and not str(c).startswith(_NOT_MEASURED)
    ]
    if not names:
        raise ValueError(
            f"The table has neither {EMBEDDING_PREFIX}* columns nor other numbers beside its metadata. "
            "Name the columns in features."
        )
    return names


def query_words(query):
    """Return the words of a query string that may be columns, quoted values left out."""
    return set(re.findall(r"\w+", _without_quoted(query)))


def queried_columns(X, query):
    """List the columns of the frame `X` that the query string `query` speaks of, in the table's order."""
    text = _without_quoted(query)
    words = query_words(query)
    return [c for c in X.columns if str(c) in words or f"`{c}`" in text]


def select_rows(X, query, *, parameter="controls", allow_empty=False):
    """Tell which rows of the frame `X` a pandas query string chooses.

    Parameters
    ----------
    X : pandas.DataFrame
        The table.
    query : str
        A query as `pandas.DataFrame.query` understands it, about columns only: no ``@`` variables, and no
        calls but those that choose rows, such as ``isin`` and ``str.startswith``.
    parameter : str, default="controls"
        The parameter that holds the query, for the messages.
    allow_empty : bool, default=False
        Whether a query that chooses no row is accepted.

    Returns
    -------
    ndarray of shape (n_samples,), dtype bool
        True where the query holds. A missing value never matches.

    Raises
    ------
    ValueError
        If the query cannot be read, names a column that the table lacks, is not a condition, or (unless
        `allow_empty`) chooses no row; the message then lists the values that occur in the queried columns.
    """
    example = "\"Metadata_ControlType == 'negative'\""
    _check_query_is_harmless(query, parameter)
    columns = queried_columns(X, query)
    try:
        chosen = X[columns].eval(query, local_dict={}, global_dict={})
    except Exception as error:  # pandas passes on whatever its parser met
        name = re.match(r"name '(.+)' is not defined", str(error))
        if name:
            raise ValueError(
                f"{parameter}={query!r} speaks of {name[1]!r}, which is not a column of the table. "
                f"{describe_choice(X.columns, name[1])}"
            ) from error
        raise ValueError(
            f"{parameter}={query!r} is not a query that the table can answer "
            f"({type(error).__name__}: {error}). Write a condition on columns, such as {example}."
        ) from error
    if getattr(chosen, "shape", None) != (len(X),) or getattr(chosen.dtype, "kind", "b") != "b":
        raise ValueError(
            f"{parameter}={query!r} is not a condition that is true or false for each row. "
            f"Write one such as {example}."
        )
    chosen = np.asarray(chosen.fillna(False), dtype=bool)
    if not allow_empty and not chosen.any():
        seen = "; ".join(f"{c}: {_values_that_occur(X[c])}" for c in columns)
        raise ValueError(
            f"{parameter}={query!r} matches none of the {len(X)} rows. Values that occur: {seen}."
        )
    return chosen


def _values_that_occur(column):
    values = column.dropna().unique()
    return shorten([repr(v.item() if hasattr(v, "item") else v) for v in values]) if len(values) else "none"


def _without_quoted(query):
    """Empty the quoted values of a query; backquoted names stay, quotes inside them are part of the name."""
    pattern = r"`[^`]*`|'[^']*'|\"[^\"]*\""
    return re.sub(pattern, lambda match: match[0] if match[0].startswith("`") else "''", query)


def _check_query_is_harmless(query, parameter):
    text = _without_quoted(query)
    calls = [c for c in re.findall(r"(\w+)\s*\(", re.sub(r"`[^`]*`", "", text)) if c not in _QUERY_CALLS]
    odd = ["'@'"] if "@" in text else []
    # with these, our reading of the quotes could differ from that of pandas
    odd += [name for sign, name in (("\\", "a backslash"), ("\n", "a line break")) if sign in query]
    odd += [f"a call of {name!r}" for name in calls]
    odd += ["an assignment with '='"] if "=" in re.sub(r"[=!<>]=", "", text) else []
    if odd:
        raise ValueError(
            f"{parameter}={query!r} holds {odd[0]}. A query may compare columns with values (==, !=, <, in) "
            f"and call isin, isna, between or str.startswith, nothing else."
        )
