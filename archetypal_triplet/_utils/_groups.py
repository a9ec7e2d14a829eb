"""Means of groups of rows."""

import numpy as np
from scipy import sparse


def group_means(values, codes, n_groups):
    """Return the mean row of each group, (n_groups, n_features); `codes` lie in 0..n_groups-1.

    A group without rows gives a row of zeros.
    """
    counts = np.bincount(codes, minlength=n_groups)
    weights = 1.0 / counts[codes]
    rows = np.arange(len(codes))
    return sparse.csr_array((weights, (codes, rows)), shape=(n_groups, len(codes))) @ values
