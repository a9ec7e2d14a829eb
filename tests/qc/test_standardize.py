import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.qc import compute_standardized_features

NEGATIVE = "Metadata_ControlType == 'negative'"


def make_plates(n_controls=6, seed=0):
    """Three plates with gain and offset of their own; compounds shift one of the features."""
    rng = np.random.default_rng(seed)
    plate, well = np.repeat(np.arange(3), 24), np.tile(np.arange(24), 3)
    X = rng.standard_normal((72, 4))
    X[:, 0] += 5.0 * (well >= n_controls)
    X = X * np.array([1.0, 3.0, 0.2])[plate][:, None] + 100.0 * plate[:, None]
    table = pd.DataFrame(X).add_prefix("Cells_F")
    return table.assign(
        Metadata_Plate=[f"P{p}" for p in plate],
        Metadata_ControlType=np.where(well < n_controls, "negative", "sample"),
    )


def naive(table, reference, pooled=False):
    parts = []
    deviations = []
    for _, plate in table.groupby("Metadata_Plate"):
        own = plate[reference[plate.index]].filter(like="Cells_")
        deviations.append(own - own.median())
    spread = 1.4826 * pd.concat(deviations).abs().median()
    for _, plate in table.groupby("Metadata_Plate"):
        own = plate[reference[plate.index]].filter(like="Cells_")
        middle = own.median()
        if not pooled:
            spread = 1.4826 * (own - middle).abs().median()
        parts.append((plate.filter(like="Cells_") - middle) / spread)
    return pd.concat(parts).clip(-20, 20)


@pytest.mark.parametrize(("n_controls", "by_controls"), [(9, True), (6, True), (3, False)])
def test_wells_are_measured_by_controls_or_by_all_of_their_plate(n_controls, by_controls):
    table = make_plates(n_controls)
    is_negative = (table["Metadata_ControlType"] == "negative").to_numpy()
    reference = is_negative if by_controls else np.ones(72, dtype=bool)
    found = compute_standardized_features(table, negative=NEGATIVE)
    np.testing.assert_allclose(found.filter(like="Cells_"), naive(table, reference, n_controls == 6))
    assert list(found.columns[:2]) == ["Metadata_Plate", "Metadata_ControlType"]


def test_units_and_offsets_of_plates_do_not_matter():
    table = make_plates(8)
    moved = table.copy()
    columns = [c for c in table if c.startswith("Cells_")]
    moved.loc[table["Metadata_Plate"] == "P1", columns] *= 7
    moved[columns] += 1000
    expected = compute_standardized_features(table, negative=NEGATIVE)
    found = compute_standardized_features(moved, negative=NEGATIVE)
    np.testing.assert_allclose(found[columns], expected[columns], rtol=1e-8)


def test_features_that_do_not_vary_harm_nothing():
    table = make_plates(8).assign(Cells_Constant=1e9 / 3, Cells_Rare=0.0)
    table.loc[70, "Cells_Rare"] = 1.0
    is_first = (table["Metadata_Plate"] == "P0") & (table["Metadata_ControlType"] == "negative")
    table.loc[is_first, "Cells_F1"] = 2.0
    found = compute_standardized_features(table, negative=NEGATIVE)
    assert (found["Cells_Constant"] == 0).all()
    assert found["Cells_Rare"][70] > 3
    assert found["Cells_Rare"].drop(70).eq(0).all()
    assert np.isfinite(found["Cells_F1"]).all()
    assert 0.02 < found["Cells_F1"][:24].std() < 20


def test_what_is_wrong_is_said():
    table = make_plates()
    with pytest.raises(ValueError, match=r"1 of 72 wells hold NaN or infinite values"):
        compute_standardized_features(table.assign(Cells_F0=[np.nan, *table["Cells_F0"][1:]]))
    with pytest.raises(ValueError, match=r"plate='Metadata_Plat' is not a column"):
        compute_standardized_features(table, plate="Metadata_Plat")
    with pytest.raises(TypeError, match=r"a table with named columns is needed"):
        compute_standardized_features(np.eye(3))


def test_tables_that_hold_nothing_are_refused_and_numbered_columns_are_names():
    table = make_plates()
    with pytest.raises(ValueError, match="X has no rows"):
        compute_standardized_features(table.iloc[:0])
    with pytest.raises(ValueError, match=r"features=\[\] names no column"):
        compute_standardized_features(table, features=[])
    numbered = table.rename(columns={"Cells_F0": 0})
    found = compute_standardized_features(numbered, negative=NEGATIVE)
    np.testing.assert_array_equal(
        found["0"], compute_standardized_features(table, negative=NEGATIVE)["Cells_F0"]
    )
