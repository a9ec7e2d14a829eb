"""Flags of rows: 0 or 1, False or True, and nothing else."""

import numpy as np


def check_flags(flags, n_rows, source):
    """Return flags as an array of truth values, or raise.

    Parameters
    ----------
    flags : array-like
        What was given.
    n_rows : int
        Number of rows that need one each.
    source : str
        Where the flags came from, for the messages.

    Returns
    -------
    ndarray of shape (n_rows,), dtype bool
        True where a row is flagged.

    Raises
    ------
    ValueError
        If the number of flags is another, or one is neither 0 nor 1.
    """
    flags = np.asarray(flags)
    if flags.shape != (n_rows,):
        raise ValueError(f"{source} has shape {flags.shape}; one flag for each of {n_rows} rows is needed.")
    try:
        numbers = flags.astype(float)
    except (TypeError, ValueError):
        numbers = np.array([_to_number(flag) for flag in flags])
    wrong = np.flatnonzero(~np.isin(numbers, (0, 1)))
    if len(wrong):
        raise ValueError(
            f"{source} holds something else than 0 and 1 (False and True) in {len(wrong)} of {n_rows} rows "
            f"(first: row {wrong[0]}, {flags[wrong[0]]!s}). Flag bad rows by 1 and all others by 0."
        )
    return numbers == 1


def _to_number(flag):
    try:
        return float(flag)
    except (TypeError, ValueError):
        return np.nan
