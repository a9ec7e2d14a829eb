"""Which rows of one table are rows of another: by plate, well, field and cell, all taken as text."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional


class KeyTable:
    """Rows that are found again by their keys, millions of them too.

    Parameters
    ----------
    keys : DataFrame
        A column for each part of the key.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.report._thumbnails_keys import KeyTable
    >>> table = KeyTable(pd.DataFrame({"well": ["A01", "A02", "A01"], "cell": ["1", "1", "2"]}))
    >>> at = table.find(pd.DataFrame({"well": ["A02", "B01", "A01"]}), ["well"])
    >>> [table.members(["well"], k).tolist() for k in at]
    [[1], [], [0, 2]]
    """

    def __init__(self, keys):
        self.columns = list(keys.columns)
        self._keys, self._coded, self._grouped = keys, {}, {}

    def __len__(self):
        """Return the number of rows."""
        return len(self._keys)

    def find(self, rows, names):
        """Return the number of the group of rows that agrees with each row in the columns `names`, or -1."""
        known, _, _ = self._group(tuple(names))
        wanted, missing = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
        for name in names:
            _, values = self._code(name)
            codes = values.get_indexer(rows[name].astype(str))
            missing |= codes < 0
            wanted = wanted * len(values) + codes
        at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        found = ~missing & (known[at] == wanted) if len(known) else np.zeros(len(rows), dtype=bool)
        return np.where(found, at, -1)

    def members(self, names, group):
        """Return the rows of a group, in order; none of group -1."""
        _, order, starts = self._group(tuple(names))
        return order[starts[group] : starts[group + 1]] if group >= 0 else order[:0]

    def first_members(self, names):
        """Return the first row of each group."""
        _, order, starts = self._group(tuple(names))
        return order[starts[:-1]]

    def n_groups(self, names):
        """Return how many different keys there are."""
        return len(self._group(tuple(names))[0])

    def _code(self, name):
        if name not in self._coded:
            pd = import_optional("pandas", extra="report")
            codes, values = pd.factorize(self._keys[name].astype(str))
            self._coded[name] = codes, pd.Index(values)
        return self._coded[name]

    def _group(self, names):
        """Return the numbers of all keys, sorted, the rows sorted by them, and where each key begins."""
        if names not in self._grouped:
            number = np.zeros(len(self), dtype=np.int64)
            for name in names:
                codes, values = self._code(name)
                number = number * len(values) + codes
            order = np.argsort(number, kind="stable")
            known, starts = np.unique(number[order], return_index=True)
            self._grouped[names] = known, order, np.append(starts, len(self))
        return self._grouped[names]
