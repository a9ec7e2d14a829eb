"""`aggregate_profiles`: from cells to fields, from fields to wells."""

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
    PLATE,
    PSEUDOLABEL,
    SITE,
    WELL,
    is_metadata,
)
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names, feature_columns, is_numeric


@validate_params(
    {
        "by": [str, list, tuple],
        "how": [StrOptions({"mean", "median"})],
        "features": ["array-like", None],
        "count": [str, None],
    },
    prefer_skip_nested_validation=True,
)
def aggregate_profiles(table, by, *, how="mean", features=None, count=None):
    """Put one row in the place of all rows of a field, a well or any other group.

    Features become their mean or median over the rows of the group, and metadata stay where they are the same
    for all rows of every group: the compound of a well stays, the number of a cell goes. The mean embedding
    of a well's cells is an embedding of the well, and their mean archetype shares are its shares.

    Parameters
    ----------
    table : DataFrame
        One row per cell, field or well; it is not changed.
    by : str or list of str
        Columns whose equal values make a group. A well is meant within its plate and a field within its
        well, so ``"Metadata_Well"`` takes ``Metadata_Plate`` along where the table has it, and
        ``"Metadata_Site"`` both.
    how : {"mean", "median"}, default="mean"
        What the features become. Columns ``Archetype_*`` are averaged with "median" too, because medians of
        shares do not add up to 1.
    features : sequence of str or None, default=None
        Columns to aggregate; other columns without ``Metadata_`` are left out. None takes all columns
        but metadata, `by` and ``Pseudolabel``, whose numbers are names.
    count : str or None, default=None
        Name of a column to be made, such as ``"Metadata_Count_Cells"``: how many rows stand behind a row
        of the result. Where the table has that column its values are added up, so that wells made from
        fields still know their cells. None makes none.

    Returns
    -------
    DataFrame
        One row per group, in the order in which the groups first occur: columns `by`, the metadata that
        stay, `count`, the features. Rows are numbered from 0.

    Raises
    ------
    TypeError
        If `table` is not a table.
    ValueError
        If `table` has no row; if a column does not exist; if rows have no value in `by`; if a
        feature, or an existing column `count`, does not hold numbers.

    See Also
    --------
    archetypal_triplet.NeighborAverager : Averages look-alike cells, as many rows as before.

    Notes
    -----
    Missing values (NaN) are left out of a mean or median; a group that has no value keeps NaN. Each row
    counts the same: to weigh every cell of a well equally, aggregate cells to wells directly and not by
    way of fields. Time and memory are linear in the table for "mean"; "median" sorts within groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.screens import aggregate_profiles
    >>> cells = pd.DataFrame(
    ...     {
    ...         "Metadata_Well": ["A01", "A01", "A02"],
    ...         "Metadata_Compound": ["DMSO", "DMSO", "taxol"],
    ...         "Metadata_Cell": ["1", "2", "1"],
    ...         "Area": [90.0, 110.0, 240.0],
    ...     }
    ... )
    >>> wells = aggregate_profiles(cells, "Metadata_Well", count="Metadata_Count_Cells")
    >>> wells["Area"].tolist(), wells["Metadata_Count_Cells"].tolist()
    ([100.0, 240.0], [2, 1])
    >>> list(wells.columns)
    ['Metadata_Well', 'Metadata_Compound', 'Metadata_Count_Cells', 'Area']
    """
    pandas = import_optional("pandas", extra="screens")
    table = as_pandas(table)
    if not len(table):
        raise ValueError("table has no row, so there is nothing to aggregate.")
    by = _within(table, by)
    names = _choose_features(table, by, features, count)
    groups = _number_groups(table, by)
    n_groups = int(groups.max()) + 1
    first = np.full(n_groups, len(groups))
    np.minimum.at(first, groups, np.arange(len(groups)))
    parts = [table[[*by, *_constant_metadata(pandas, table, by, count, groups, first)]].iloc[first]]
    parts[0] = parts[0].reset_index(drop=True)
    if count is not None:
        parts.append(_count(pandas, table, count, groups).rename(count))
    shares = [name for name in names if how == "mean" or str(name).startswith(ARCHETYPE_PREFIX)]
    others = [name for name in names if name not in set(shares)]
    parts += [_reduce(table, shares, groups, "mean"), _reduce(table, others, groups, how)]
    result = pandas.concat([part for part in parts if part is not None], axis=1)
    head = [column for column in result.columns if column not in set(names)]
    return result[[*head, *names]]


def _within(table, by):
    """Return the columns of `by`, with those of the well and the plate in which a site or a well lies."""
    by = list(dict.fromkeys(as_names(by)))
    if not by:
        raise ValueError("by=[] is empty. Name at least one column, such as 'Metadata_Well'.")
    check_columns_exist(table, by, parameter="by")
    around = []
    if SITE in by or WELL in by:
        around = [PLATE, WELL] if SITE in by else [PLATE]
    added = [name for name in around if name in table.columns and name not in by]
    order = {PLATE: 0, WELL: 1, SITE: 2}
    return sorted([*added, *by], key=lambda name: order.get(name, 3)) if added else by


def _choose_features(table, by, features, count):
    if features is None:
        kept = [name for name in table.columns if name not in {PSEUDOLABEL, count}]
        return feature_columns(table[kept], groups=by)
    names = feature_columns(table, features=list(features))
    taken = [name for name in names if name in set(by) or name == count]
    if taken:
        raise ValueError(
            f"features names {shorten(taken)}, which by or count names too. A column is one or the other."
        )
    return names


def _number_groups(table, by):
    """Return the group of each row, numbered from 0 in the order of first occurrence."""
    for name in by:
        missing = np.flatnonzero(np.asarray(table[name].isna()))
        if len(missing):
            raise ValueError(
                f"{len(missing)} of {len(table)} rows have no value in {name!r} (first: row {missing[0]}), "
                f"so they belong to no group. Fill the column or drop these rows."
            )
    return np.asarray(table.groupby(by, sort=False, observed=True).ngroup(), dtype=np.intp)


def _constant_metadata(pandas, table, by, count, groups, first):
    """List the metadata columns that have one value (or none) within each group."""
    kept = []
    for name in table.columns:
        if is_metadata(name) and name not in by and name != count:
            codes, _ = pandas.factorize(table[name], use_na_sentinel=False)
            if (codes == codes[first[groups]]).all():
                kept.append(name)
    return kept


def _count(pandas, table, count, groups):
    if count not in table.columns:
        return pandas.Series(np.bincount(groups))
    if not is_numeric(table[count].dtype):
        raise ValueError(
            f"count={count!r} is a column of the table whose type is {table[count].dtype}, so it cannot be "
            f"added up. Choose another name."
        )
    return table[count].groupby(groups).sum().reset_index(drop=True)


def _reduce(table, names, groups, how):
    if not names:
        return None
    values = table[names]
    values = values.astype({name: np.float64 for name in names if values[name].dtype.kind in "iub"})
    return values.groupby(groups).agg(how).reset_index(drop=True)
