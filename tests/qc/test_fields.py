import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from archetypal_triplet.qc import compute_field_scores
from archetypal_triplet.qc._fields import (
    compute_sibling_deviations,
    compute_well_deviations,
    relate_to_wells,
)

FLAG, DISTANCE = "Metadata_atq_IsFlagged", "Metadata_atq_WellDistance"


def make_fields(seed, n_wells=96, n_fields=4, n_features=20, phenotype=5.0):
    """Wells with phenotypes of their own, far larger than what fields of a well differ by."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_features, n_features))
    wells = phenotype * rng.standard_normal((n_wells, 1, n_features))
    X = (wells + rng.standard_normal((n_wells, n_fields, n_features)) @ mixing).reshape(-1, n_features)
    table = pd.DataFrame(X).add_prefix("Texture_")
    return table.assign(
        Metadata_Plate="P1",
        Metadata_Well=np.repeat([f"{chr(65 + i // 12)}{i % 12 + 1:02d}" for i in range(n_wells)], n_fields),
        Metadata_Site=np.tile([str(i + 1) for i in range(n_fields)], n_wells),
    )


def spoil(table, seed, n=20, size=30.0):
    rows = np.random.default_rng([seed, 9]).choice(len(table), n, replace=False)
    spoiled = table.copy()
    spoiled.loc[rows, ["Texture_1", "Texture_4"]] += size
    return spoiled, np.isin(np.arange(len(table)), rows)


def test_deviations_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    values, codes = rng.standard_normal((30, 3)), rng.integers(0, 9, 30)
    codes = np.unique(codes, return_inverse=True)[1]
    found = compute_sibling_deviations(values, codes)
    for i in range(30):
        others = [j for j in range(30) if codes[j] == codes[i] and j != i]
        expected = values[i] - np.median(values[others], axis=0) if others else np.full(3, np.nan)
        np.testing.assert_allclose(found[i], expected)


def test_deviations_from_the_well_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    values, codes = rng.standard_normal((30, 3)), rng.integers(0, 9, 30)
    codes = np.unique(codes, return_inverse=True)[1]
    found = compute_well_deviations(values, codes)
    for i in range(30):
        well = [j for j in range(30) if codes[j] == codes[i]]
        usual = [j for j in well if j != i] if len(well) % 2 == 0 else well
        if len(well) == 1:
            assert np.isnan(found[i]).all()
            continue
        variance = 1 + np.pi / (2 * len(usual) + np.pi - 2) - (2 / len(well) if len(well) % 2 else 0)
        expected = (values[i] - np.median(values[usual], axis=0)) / np.sqrt(variance)
        np.testing.assert_allclose(found[i], expected)


@pytest.mark.parametrize("n_fields", [2, 3, 4, 5, 8, 9])
def test_deviations_of_wells_of_all_sizes_are_of_one_unit(n_fields):
    values = np.random.default_rng(n_fields).standard_normal((n_fields * 20_000, 1))
    found = compute_well_deviations(values, np.repeat(np.arange(20_000), n_fields))
    assert found.std() == pytest.approx(1, abs=0.015)


@pytest.mark.parametrize("n_fields", [3, 4, 5])
def test_a_strange_field_is_not_held_against_its_siblings(n_fields):
    table = make_fields(7, n_fields=n_fields)
    rows = np.arange(0, len(table), 5 * n_fields) + 1  # one in each fifth well
    table.loc[rows, ["Texture_1", "Texture_4"]] += 1e4
    scores = compute_field_scores(table, random_state=0)
    assert scores[FLAG][rows].all()
    assert scores[FLAG].sum() <= len(rows) + 2


def test_artifacts_are_found_beneath_stronger_phenotypes():
    distance, isolation = [], []
    for seed in range(5):
        table, is_spoiled = spoil(make_fields(seed), seed)
        scores = compute_field_scores(table, random_state=0)
        distance.append(roc_auc_score(is_spoiled, scores[DISTANCE]))
        isolation.append(roc_auc_score(is_spoiled, scores["Metadata_atq_Isolation"]))
    assert np.mean(distance) > 0.95
    assert np.mean(isolation) < np.mean(distance)  # it looks at the phenotypes


def test_few_fields_of_a_clean_screen_are_flagged():
    flagged = [compute_field_scores(make_fields(s), random_state=0)[FLAG].mean() for s in range(5)]
    assert np.mean(flagged) < 0.005


def test_the_flag_says_why():
    table, is_spoiled = spoil(make_fields(1), 1, n=5, size=60.0)
    scores = compute_field_scores(table, random_state=0)
    np.testing.assert_array_equal(scores[FLAG], is_spoiled)
    assert scores.loc[is_spoiled, "Metadata_atq_Reason"].str.contains("Texture_[14] most of all").all()
    assert (scores.loc[~is_spoiled, "Metadata_atq_Reason"] == "").all()
    assert list(scores.columns[:3]) == ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]


def test_single_fields_are_never_flagged_and_of_two_one_is():
    table = make_fields(2)
    single = table[table["Metadata_Site"] == "1"].reset_index(drop=True)
    single.loc[3, "Texture_0"] += 1000
    scores = compute_field_scores(single, random_state=0)
    assert not scores[FLAG].any()
    assert scores[DISTANCE].isna().all()
    assert scores["Metadata_atq_Isolation"].between(0, 1).all()
    pairs = table[table["Metadata_Site"] <= "2"].reset_index(drop=True)
    pairs.loc[4, "Texture_0"] += 1000
    scores = compute_field_scores(pairs, random_state=0)
    assert scores.index[scores[FLAG]].tolist() == [4]


def test_units_and_order_do_not_matter():
    table, _ = spoil(make_fields(3), 3)
    features = [c for c in table if c.startswith("Texture_")]
    changed = table.assign(**{c: 7 * table[c] - 100 for c in features}).sample(frac=1, random_state=0)
    found = compute_field_scores(changed, random_state=0).sort_index()
    expected = compute_field_scores(table, random_state=0)
    np.testing.assert_allclose(found[DISTANCE], expected[DISTANCE], rtol=1e-6)
    np.testing.assert_array_equal(found[FLAG], expected[FLAG])


def test_what_is_wrong_is_said():
    table = make_fields(4)
    with pytest.raises(ValueError, match=r"groups='Metadata_Position' is not a column"):
        compute_field_scores(table, groups="Metadata_Position")
    with pytest.raises(ValueError, match=r"1 of 384 fields hold NaN or infinite values"):
        compute_field_scores(table.assign(Texture_0=[np.inf, *table["Texture_0"][1:]]))


def test_wells_that_vary_more_are_not_flagged_for_it():
    table = make_fields(5)
    columns = [c for c in table if c.startswith("Texture_")]
    varies = table["Metadata_Well"].str[0] == "A"
    center = table.groupby("Metadata_Well")[columns].transform("mean")
    table.loc[varies, columns] = center[varies] + 2.5 * (table.loc[varies, columns] - center[varies])
    lone = 200
    table.loc[lone, columns] = center.loc[lone] + 5 * (table.loc[lone, columns] - center.loc[lone])
    scores = compute_field_scores(table, random_state=0)
    assert scores[FLAG][lone]
    of_varying = scores.loc[varies, DISTANCE].median()
    assert 1.2 < of_varying < 2.0  # the square root of 2.5, not 2.5
    assert scores.loc[lone, DISTANCE] > 1.5 * of_varying


def test_in_wells_of_three_fields_a_strange_one_is_not_held_against_the_others():
    lengths, codes = (
        np.array([1.0, 1.0, 9.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]),
        np.repeat([0, 1, 2], [3, 4, 4]),
    )
    found = relate_to_wells(lengths, codes)
    np.testing.assert_allclose(found[:3], lengths[:3])
    np.testing.assert_allclose(found[3] / found[7], np.sqrt(2))
