"""What every labeler asks of its samples."""

import numpy as np
from scipy.sparse import issparse


def check_rows(X):
    """Raise unless the samples are dense and lie in rows (of tables, or images)."""
    if issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but dense data is required: archetypes are dense mixtures. "
            "Use X.toarray(), or reduce it first, for example with TruncatedSVD."
        )
    if np.ndim(X) == 1:
        raise ValueError(
            "Expected samples as rows, got a 1D array. Reshape your data: X.reshape(-1, 1) if it has a "
            "single feature, X.reshape(1, -1) if it is a single sample."
        )
