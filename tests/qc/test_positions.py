import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypal_triplet.qc import compute_position_effects
from archetypal_triplet.qc._positions import compute_combined_p, draw_permutations, make_design, permute_sums


def by_effect(found, scope="pooled"):
    return found[found["scope"] == scope].set_index("effect")


def is_edge(row, column, shape=(16, 24)):
    return (row == 0) | (row == shape[0] - 1) | (column == 0) | (column == shape[1] - 1)


def test_sums_of_permuted_contrasts_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    row, column = np.divmod(np.arange(24), 6)
    values, orders = rng.standard_normal((24, 3)), draw_permutations(5, 24, rng)
    np.testing.assert_array_equal(orders[0], np.arange(24))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(24), (6, 1)))
    for design in make_design(row, column, (4, 6)).values():
        found = np.concatenate([sums for _, sums in permute_sums(design, orders, values)])
        for i, order in enumerate(orders):
            for j, contrast in enumerate(design):
                expected = sum(contrast[order[w]] * values[w] for w in range(24))
                np.testing.assert_allclose(found[i, j], expected, atol=1e-5)


def test_the_smallest_of_several_p_is_calibrated():
    rng = np.random.default_rng(1)
    p_values = compute_combined_p(rng.standard_normal((200, 4, 3000)))
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=0.012)  # three standard errors
    assert p_values.min() >= 1 / 200


def test_null_plates_are_rarely_accused(make_plates):
    table, *_ = make_plates(200, 2, 0, shape=(8, 12))
    found = compute_position_effects(table, n_permutations=199, random_state=0)
    for _, plates in found[found["scope"] == "plate"].groupby("effect"):
        assert np.mean(plates["p_value"] <= 0.05) == pytest.approx(0.05, abs=0.046)  # three standard errors
        assert plates["variance_explained"].mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("n_columns", "n_moved"), [(1, 1), (32, 1), (32, 32)])
def test_planted_effects_are_found_and_named(make_plates, n_columns, n_moved):
    found = []
    for seed in range(8):
        table, row, column = make_plates(4, n_columns, seed)
        moved = [f"Embedding_{j}" for j in range(n_moved)]
        table[moved] += (row / 15)[:, None]
        table[moved] += (0.8 * is_edge(row, column))[:, None]
        found.append(by_effect(compute_position_effects(table, n_permutations=99, random_state=seed)))
    assert all(one.loc[["row", "edge"], "p_value"].le(0.05).all() for one in found)
    assert {name for one in found for name in one.loc["edge", ["column"]]} <= set(moved)
    if n_moved == 1:
        assert np.mean([one.loc["row", "size"] for one in found]) == pytest.approx(1.0, abs=0.15)
        assert np.mean([one.loc["edge", "size"] for one in found]) == pytest.approx(0.8, abs=0.1)


def test_gradients_that_turn_from_plate_to_plate_are_found_together(make_plates):
    table, row, _ = make_plates(4, 1, 3)
    plate = np.repeat(np.arange(4), 384)
    table["Embedding_0"] += row / 15 * np.where(plate % 2, 1, -1)
    pooled = by_effect(compute_position_effects(table, n_permutations=99, random_state=0))
    assert pooled.loc["row", "p_value"] <= 0.05
    assert abs(pooled.loc["row", "size"]) < 0.3


def test_every_column_on_its_own(make_plates):
    table, row, _ = make_plates(2, 3, 4)
    table["Archetype_0"] = 0.1 * row / 15 + 0.05 * np.random.default_rng(0).standard_normal(len(table))
    found = compute_position_effects(
        table, features=["Archetype_0", "Embedding_1"], by_column=True, n_permutations=99, random_state=0
    )
    assert len(found) == 3 * (1 + 2) * 2
    pooled = found[(found["scope"] == "pooled") & (found["effect"] == "row")].set_index("column")
    assert pooled.loc["Archetype_0", "p_value"] == 0.01
    assert pooled.loc["Embedding_1", "p_value"] > 0.05
    assert pooled.loc["Archetype_0", "size"] > 1


@settings(max_examples=15, deadline=None)
@given(
    scale=st.floats(0.01, 1000).map(lambda v: round(v, 3)),
    shift=st.integers(-1000, 1000),
    seed=st.integers(0, 2**16),
)
def test_units_order_of_rows_and_names_of_plates_do_not_matter(scale, shift, seed):
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(96), 12)
    names = [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)]
    table = pd.DataFrame(rng.standard_normal((192, 3))).add_prefix("Embedding_")
    table = table.assign(Metadata_Plate=np.repeat(["a", "b"], 96), Metadata_Well=names * 2)
    expected = compute_position_effects(table, n_permutations=49, random_state=0)
    changed = table.assign(**{c: scale * table[c] + shift for c in table.columns[:3]})
    changed["Metadata_Plate"] = changed["Metadata_Plate"].map({"a": "x", "b": "y"})
    changed = changed.sample(frac=1, random_state=seed)
    found = compute_position_effects(changed, n_permutations=49, random_state=0)
    assert found["plate"].dropna().unique().tolist() == ["x", "y"]
    numbers = ["variance_explained", "size", "p_value"]
    np.testing.assert_allclose(found[numbers], expected[numbers], atol=1e-5)


def test_fields_of_a_well_are_averaged(make_plates):
    table, *_ = make_plates(1, 2, 5, shape=(8, 12))
    columns = ["Embedding_0", "Embedding_1"]
    fields = pd.concat([table.assign(**{c: table[c] + shift for c in columns}) for shift in (-1.0, 1.0)])
    expected = compute_position_effects(table, n_permutations=49, random_state=0)
    found = compute_position_effects(fields, n_permutations=49, random_state=0)
    numbers = ["variance_explained", "size", "p_value"]
    np.testing.assert_allclose(found[numbers], expected[numbers], atol=1e-6)


def test_too_few_wells_or_one_level_give_the_reason(make_plates):
    table, row, column = make_plates(2, 2, 6, shape=(8, 12))
    plate = np.repeat([0, 1], 96)
    kept = table[(plate == 0) & (row == 3) | (plate == 1) & (column < 1)]
    found = compute_position_effects(kept, n_permutations=19, random_state=0)
    reasons = found[found["scope"] == "plate"].set_index(["plate", "effect"])["reason"]
    assert reasons["P0000", "row"] == "all wells have one level"
    assert reasons["P0000", "column"] == ""
    assert reasons["P0001", "column"] == "only 8 wells; 12 are needed"
    assert found.loc[found["reason"] != "", "p_value"].isna().all()


def test_constant_columns_are_no_effect(make_plates):
    table, *_ = make_plates(1, 2, 7, shape=(8, 12))
    table["Embedding_1"] = 3.0
    found = compute_position_effects(table, by_column=True, n_permutations=19, random_state=0)
    constant = found[found["column"] == "Embedding_1"]
    assert (constant["p_value"] == 1).all()
    assert (constant["size"] == 0).all()


def test_what_is_wrong_is_said(make_plates):
    table, *_ = make_plates(1, 2, 8, shape=(8, 12))
    with pytest.raises(TypeError, match=r"X is a ndarray; a table with named columns is needed"):
        compute_position_effects(table.filter(like="Embedding").to_numpy())
    with pytest.raises(ValueError, match=r"plate='Metadata_Barcode' is not a column"):
        compute_position_effects(table, plate="Metadata_Barcode")
    with pytest.raises(ValueError, match=r"'center' is not the name of a well"):
        compute_position_effects(table.assign(Metadata_Well=["center", *table["Metadata_Well"][1:]]))
    with pytest.raises(
        ValueError, match=r"1 of 96 rows have no value in 'Metadata_Plate' or 'Metadata_Well'"
    ):
        compute_position_effects(table.assign(Metadata_Well=[None, *table["Metadata_Well"][1:]]))
    with pytest.raises(
        ValueError, match=r"1 of 96 wells hold NaN or infinite values \(most in 'Embedding_1'\)"
    ):
        compute_position_effects(table.assign(Embedding_1=[np.nan, *table["Embedding_1"][1:]]))
