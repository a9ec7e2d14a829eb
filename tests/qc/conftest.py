import numpy as np
import pandas as pd
import pytest

from archetypal_triplet._utils._wells import well_name


@pytest.fixture
def make_plates():
    """Return a function that makes plates of standard normal wells, with row and column of each well."""

    def make(n_plates, n_columns, seed, shape=(16, 24)):
        rng = np.random.default_rng(seed)
        row, column = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
        names = [well_name(r, c) for r, c in zip(row, column, strict=True)]
        table = pd.DataFrame(rng.standard_normal((n_plates * len(row), n_columns))).add_prefix("Embedding_")
        table["Metadata_Plate"] = np.repeat([f"P{i:04d}" for i in range(n_plates)], len(row))
        table["Metadata_Well"] = names * n_plates
        return table, np.tile(row, n_plates), np.tile(column, n_plates)

    return make
