import numpy as np
import pytest

from archetypal_triplet.qc import compute_b_scores
from archetypal_triplet.qc._b_scores import compute_masked_median, polish_medians


def naive_polish(plate, n_rounds=10):
    """Two-way median polish, one row and column at a time."""
    residuals = plate - np.nanmedian(plate)
    for _ in range(n_rounds):
        for r in range(plate.shape[0]):
            residuals[r] -= np.nanmedian(residuals[r])
        for c in range(plate.shape[1]):
            residuals[:, c] -= np.nanmedian(residuals[:, c])
    return residuals


@pytest.mark.parametrize("axis", [0, 1])
def test_median_without_missing_values(axis):
    values = np.random.default_rng(0).standard_normal((7, 6))
    values[[0, 0, 3, 5], [1, 2, 3, 0]] = np.nan
    expected = np.nanmedian(values, axis=axis, keepdims=True)
    np.testing.assert_allclose(compute_masked_median(values, axis), expected)


def test_polish_is_that_of_a_loop():
    plates = np.random.default_rng(1).standard_normal((3, 8, 12))
    plates[1, 2, 3] = np.nan
    found = polish_medians(plates, max_iter=40, tolerance=0)
    for plate, residuals in zip(plates, found, strict=True):
        np.testing.assert_allclose(residuals, naive_polish(plate, 40), atol=1e-9)


def test_rows_and_columns_go_and_hits_stay(make_plates):
    table, row, column = make_plates(2, 2, 0)
    quiet = table.copy()
    hits = np.random.default_rng(0).choice(len(table), 40, replace=False)
    table.loc[hits, "Embedding_0"] += 8.0
    table["Embedding_0"] += 0.3 * row - 0.1 * column
    found = compute_b_scores(table)
    assert np.median(found["Embedding_0"][hits]) > 5
    rest = np.setdiff1d(np.arange(len(table)), hits)
    for place in (row, column):
        assert abs(np.corrcoef(found["Embedding_0"].iloc[rest], place[rest])[0, 1]) < 0.05
    np.testing.assert_array_equal(found["Embedding_1"], compute_b_scores(quiet)["Embedding_1"])
    assert list(found.columns) == list(table.columns)


def test_units_do_not_matter_and_the_input_stays(make_plates):
    table, *_ = make_plates(1, 1, 1, shape=(8, 12))
    before = table.copy()
    expected = compute_b_scores(table)
    changed = table.assign(Embedding_0=40 * table["Embedding_0"] - 7)
    np.testing.assert_allclose(compute_b_scores(changed)["Embedding_0"], expected["Embedding_0"], atol=1e-9)
    assert table.equals(before)


def test_two_rows_of_a_well_are_refused(make_plates):
    table, *_ = make_plates(1, 1, 2, shape=(8, 12))
    with pytest.raises(ValueError, match=r"1 rows of X belong to a well that another row belongs to"):
        compute_b_scores(table.assign(Metadata_Well=["A02", *table["Metadata_Well"][1:]]))
