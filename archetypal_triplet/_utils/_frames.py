"""Tables by duck typing: the estimators accept frames without importing pandas."""

import numpy as np


def is_frame(X):
    """Tell whether `X` is a table with named columns (pandas, polars, pyarrow-backed frames)."""
    return hasattr(X, "columns") and hasattr(X, "shape") and not isinstance(X, np.ndarray)


def check_columns_exist(X, names, *, parameter):
    """Raise if the frame `X` lacks one of `names`.

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
        Naming the missing columns and those of the same kind that exist.
    """
    present = [str(c) for c in X.columns]
    missing = [n for n in names if n not in present]
    if missing:
        metadata = [c for c in present if c.startswith("Metadata_")] or present[:10]
        raise ValueError(
            f"{parameter}={missing[0]!r} is not a column of the table. "
            f"Columns to choose from: {', '.join(metadata)}."
        )
