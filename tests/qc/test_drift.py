import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.qc import compute_plate_drift

NEGATIVE = "Metadata_ControlType == 'negative'"


def make_run(seed, n_plates=12, n_controls=16, n_columns=4, drift=0.0):
    rng = np.random.default_rng(seed)
    plate = np.repeat(np.arange(n_plates), n_controls)
    X = rng.standard_normal((len(plate), n_columns))
    X[:, 0] += drift * plate / (n_plates - 1)
    table = pd.DataFrame(X).add_prefix("Embedding_")
    return table.assign(Metadata_Plate=[f"P{i:02d}" for i in plate], Metadata_ControlType="negative")


def follow(table, **options):
    return compute_plate_drift(
        table, **({"negative": NEGATIVE, "n_permutations": 199, "random_state": 0} | options)
    )


def test_a_planted_drift_is_found_and_none_where_there_is_none():
    found = [follow(make_run([seed, 0], drift=1.0)).iloc[0] for seed in range(30)]
    assert np.mean([one["p_value"] <= 0.05 for one in found]) >= 0.8
    assert np.mean([one["size"] for one in found if one["column"] == "Embedding_0"]) == pytest.approx(
        1, abs=0.2
    )
    null = [follow(make_run([seed, 1])).iloc[0]["p_value"] <= 0.05 for seed in range(100)]
    assert np.mean(null) == pytest.approx(0.05, abs=0.066)  # three standard errors


def test_a_step_is_where_it_was_planted():
    table = make_run(2, n_controls=64)
    table.loc[table["Metadata_Plate"] >= "P07", "Embedding_2"] += 2.0
    found = follow(table)
    plates = found[found["scope"] == "plate"].set_index("plate")
    assert plates["step"].idxmax() == "P07"
    assert plates.loc["P07", "step"] == pytest.approx(2.0, abs=0.5)
    assert plates["step"].isna().tolist() == [True] + 11 * [False]
    assert found.loc[0, "p_value"] <= 0.01


def test_chance_is_taken_from_lengths():
    steps = np.concatenate([follow(make_run([s, 3], n_columns=32))["step"].iloc[2:] for s in range(10)])
    assert np.mean(steps == 0) > 0.3  # as often below what chance gives as above
    assert np.mean(steps) < 1.0  # without it sqrt(32 * 2 / 16) = 2


def test_the_order_is_that_of_the_column():
    table = make_run(4, drift=3.0)
    table["Metadata_Time"] = 100 - table["Metadata_Plate"].str[1:].astype(int)
    found = follow(table, order="Metadata_Time")
    assert found["plate"].iloc[1] == "P11"
    assert found.loc[0, "size"] == pytest.approx(-3, abs=0.6)
    with pytest.raises(
        ValueError, match=r"order='Metadata_Time' does not hold exactly one value for each plate"
    ):
        follow(table.assign(Metadata_Time=np.arange(len(table))), order="Metadata_Time")


def test_without_a_column_the_second_week_comes_before_the_tenth():
    table = make_run(4, drift=3.0)
    number = table["Metadata_Plate"].str[1:].astype(int)
    found = follow(table.assign(Metadata_Plate=number.map("Week{}".format)))
    assert found["plate"].iloc[1:].tolist() == [f"Week{i}" for i in sorted(number.unique())]
    assert found.loc[0, "size"] == pytest.approx(3, abs=0.6)


def test_units_do_not_matter():
    table = make_run(5, drift=1.0)
    columns = list(table.columns[:4])
    changed = table.assign(**{c: 100 * table[c] + 5 for c in columns}).sample(frac=1, random_state=0)
    numbers = ["step", "from_first", "size", "p_value"]
    np.testing.assert_allclose(follow(changed)[numbers], follow(table)[numbers], atol=1e-7)


def test_too_little_gives_the_reason():
    few = follow(make_run(6, n_plates=3))
    assert np.isnan(few.loc[0, "p_value"])
    assert few.loc[0, "reason"] == "3 plates; a trend needs 5"
    single = follow(make_run(7, n_controls=1))
    assert "12 negative controls on 12 plates do not tell the spread" in single.loc[0, "reason"]
