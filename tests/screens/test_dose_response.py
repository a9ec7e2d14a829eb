import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from naive import naive_curve_fit, naive_ec50_interval
from scipy import ndimage

from archetypal_triplet.datasets import load_bbbc013, make_screen
from archetypal_triplet.images import read_plane
from archetypal_triplet.screens import compute_dose_response
from archetypal_triplet.screens._curves import compute_gradient, compute_response

COMPOUND, DOSE = "Metadata_Compound", "Metadata_Concentration"
NEGATIVE = "Metadata_ControlType == 'negative'"
NUMBERS = ["ec50", "ec50_low", "ec50_high", "hill", "bottom", "top", "r2", "p_value"]
few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make_wells(
    seed,
    n_compounds=50,
    *,
    n_doses=9,
    n_replicates=2,
    dilution=2.0,
    noise=0.05,
    active=True,
    n_vehicle=0,
    hill=(0.8, 3.0),
):
    """Wells of compounds whose curves go from 0 to 1, and the true EC50 and slopes."""
    rng = np.random.default_rng(seed)
    doses = np.repeat(dilution ** np.arange(n_doses), n_replicates)
    inner = rng.uniform(0.25, 0.75, n_compounds)
    ec50, slopes = doses[-1] ** inner, rng.uniform(*hill, n_compounds)
    response = active / (1 + (ec50[:, None] / doses) ** slopes[:, None])
    response = response + noise * rng.standard_normal(response.shape)
    table = pd.DataFrame(
        {
            COMPOUND: np.repeat([f"C{i:04d}" for i in range(n_compounds)], len(doses)),
            DOSE: np.tile(doses, n_compounds),
            "y": response.ravel(),
            "Metadata_ControlType": "sample",
        }
    )
    if n_vehicle:
        vehicle = {COMPOUND: "DMSO", DOSE: 0.0, "Metadata_ControlType": "negative"}
        values = noise * rng.standard_normal(n_vehicle)
        table = pd.concat([table, pd.DataFrame({"y": values}).assign(**vehicle)], ignore_index=True)
    return table, ec50, slopes


def fit(table, column="y", **options):
    return compute_dose_response(table, column, **options)


# --- against a general solver


@pytest.mark.parametrize("n_replicates", [1, 3])
@pytest.mark.parametrize("noise", [0.02, 0.15])
def test_curves_are_those_of_a_general_solver(n_replicates, noise):
    table, _, _ = make_wells([n_replicates, int(100 * noise)], 3, n_replicates=n_replicates, noise=noise)
    found = fit(table)
    compared = 0
    for _, row in found[(found["reason"] == "") & (found["n_outliers"] == 0)].iterrows():
        own = table[table[COMPOUND] == row[COMPOUND]]
        bottom, top, ec50, hill, rss = naive_curve_fit(own[DOSE], own["y"])
        found_rss = ((own["y"] - _predict(row, own[DOSE])) ** 2).sum()
        assert found_rss <= rss * (1 + 1e-6)
        assert found_rss == pytest.approx(rss, rel=1e-4)
        assert row["ec50"] == pytest.approx(ec50, rel=0.01)
        assert row["hill"] == pytest.approx(hill, rel=0.02)
        assert [row["bottom"], row["top"]] == pytest.approx([bottom, top], abs=0.005)
        total = ((own["y"] - own["y"].mean()) ** 2).sum()
        assert row["r2"] == pytest.approx(1 - rss / total, abs=1e-5)
        compared += 1
    assert compared >= 2


def _predict(row, doses):
    return row["bottom"] + (row["top"] - row["bottom"]) / (1 + (row["ec50"] / doses) ** row["hill"])


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_intervals_are_the_profile_of_a_general_solver(noise):
    table, _, _ = make_wells(7, 2, n_replicates=2, noise=noise)
    found = fit(table, confidence_level=0.9)
    assert (found["reason"] == "").all()
    for _, row in found[found["n_outliers"] == 0].iterrows():
        own = table[table[COMPOUND] == row[COMPOUND]]
        low, high = naive_ec50_interval(own[DOSE], own["y"], 0.9)
        assert row["ec50_low"] == pytest.approx(low, rel=0.01)
        assert row["ec50_high"] == pytest.approx(high, rel=0.01)


def test_vehicle_wells_count_as_their_median_at_dose_0():
    table, _, _ = make_wells(1, 3, n_vehicle=10, n_replicates=3)
    table.loc[table[COMPOUND] == "DMSO", "y"] += 0.1  # pulls at the bottom
    found = fit(table, controls=NEGATIVE)
    assert (found["n_vehicle"] == 10).all()
    vehicle = table.loc[table[COMPOUND] == "DMSO", "y"].median()
    for _, row in found.iterrows():
        own = table[table[COMPOUND] == row[COMPOUND]]
        expected = naive_curve_fit(own[DOSE], own["y"], vehicle, 10 * 2 / np.pi)
        assert row["ec50"] == pytest.approx(expected[2], rel=0.01)
        assert row["bottom"] == pytest.approx(expected[0], abs=0.002)
        # a thousand vehicle wells count like the wells of the compound
    many = pd.concat([table, *[table[table[COMPOUND] == "DMSO"]] * 99])
    row = fit(many, controls=NEGATIVE).iloc[0]
    own = table[table[COMPOUND] == row[COMPOUND]]
    assert row["n_vehicle"] == 1000
    expected = naive_curve_fit(own[DOSE], own["y"], vehicle, 27.0)
    assert row["bottom"] == pytest.approx(expected[0], abs=0.002)


def test_gradients_are_differences():
    rng = np.random.default_rng(0)
    dose, parameters = rng.uniform(-1, 2, 5), np.array([0.2, 1.5, 0.7, 0.3])
    gradient = compute_gradient(dose, *parameters)
    for i, step in enumerate(1e-6 * np.eye(4)):
        above, below = compute_response(dose, *parameters + step), compute_response(dose, *parameters - step)
        np.testing.assert_allclose(gradient[:, i], (above - below) / 2e-6, atol=1e-6)


# --- known truth


def test_curves_without_noise_are_found_exactly():
    table, ec50, slopes = make_wells(0, 100, noise=0.0, n_doses=9)
    found = fit(table)
    assert (found["reason"] == "").all()
    np.testing.assert_allclose(found["ec50"], ec50, rtol=1e-3)
    np.testing.assert_allclose(found["hill"], slopes, rtol=2e-3)
    np.testing.assert_allclose(found["bottom"], 0, atol=1e-3)
    np.testing.assert_allclose(found["top"], 1, atol=1e-3)
    assert (found["r2"] > 1 - 1e-6).all()


@pytest.mark.parametrize(
    ("n_doses", "n_replicates", "noise", "n_vehicle"),
    [(9, 1, 0.05, 0), (9, 4, 0.02, 16), (6, 3, 0.1, 16), (9, 2, 0.02, 0)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(n_doses, n_replicates, noise, n_vehicle):
    n = 400
    table, ec50, slopes = make_wells(
        3, n, n_doses=n_doses, n_replicates=n_replicates, noise=noise, n_vehicle=n_vehicle
    )
    found = fit(table, controls=NEGATIVE if n_vehicle else None)
    known = (found["reason"] == "").to_numpy()
    assert known.mean() > 0.9
    covered = ((found["ec50_low"] <= ec50) & (ec50 <= found["ec50_high"]))[known].mean()
    # four standard errors of a share of 400 around .95
    assert 0.95 - 4 * 0.011 < covered < 0.95 + 4 * 0.011
    held = ((found["hill_low"] <= slopes) & (slopes <= found["hill_high"]))[known & found["hill_low"].notna()]
    assert held.mean() > 0.9


@pytest.mark.parametrize("n_vehicle", [0, 16])
@pytest.mark.parametrize(("n_doses", "n_replicates"), [(9, 1), (9, 4), (5, 2)])
def test_compounds_that_do_nothing_get_no_ec50(n_doses, n_replicates, n_vehicle):
    n = 500
    table, _, _ = make_wells(
        5, n, n_doses=n_doses, n_replicates=n_replicates, active=False, n_vehicle=n_vehicle
    )
    found = fit(table, controls=NEGATIVE if n_vehicle else None)
    assert found["p_value"].lt(0.05).mean() < 0.06
    assert found["reason"].eq("").mean() < 0.04
    silent = found["reason"].str.startswith("no response (p = ")
    assert silent.mean() > 0.93
    assert (
        found.loc[silent, ["ec50", "ec50_low", "ec50_high", "hill", "bottom", "top", "r2"]]
        .isna()
        .all(axis=None)
    )


def test_outliers_are_set_aside():
    table, ec50, _ = make_wells(11, 100, n_replicates=3, noise=0.03)
    rng = np.random.default_rng(0)
    spoiled = table.copy()
    first = table.drop_duplicates([COMPOUND, DOSE])  # one replicate of a dose at most
    rows = first.groupby(COMPOUND).sample(2, random_state=0).index
    spoiled.loc[rows, "y"] += rng.choice([-1.0, 1.0], len(rows)) * rng.uniform(0.7, 2.0, len(rows))
    clean, found = fit(table), fit(spoiled)
    assert (found["n_outliers"] >= 2).mean() > 0.95
    assert clean["n_outliers"].mean() < 0.1
    error = np.abs(np.log10(found["ec50"] / ec50))
    assert error.median() < 1.2 * np.abs(np.log10(clean["ec50"] / ec50)).median()
    assert (error < np.log10(1.5)).mean() > 0.95
    # what least squares would have made of them
    some = range(5)
    plain = [
        naive_curve_fit(own[DOSE], own["y"])[2]
        for own in (spoiled[spoiled[COMPOUND] == f"C{i:04d}"] for i in some)
    ]
    assert np.abs(np.log10(plain / ec50[:5])).max() > 2 * error[:5].max()


def test_of_duplicates_one_may_be_an_outlier_and_both_may_not():
    table, ec50, _ = make_wells(11, 100, n_replicates=2, noise=0.03)
    clean = fit(table)
    first = table.drop_duplicates([COMPOUND, DOSE])
    rows = first.groupby(COMPOUND).sample(1, random_state=0).index
    spoiled = table.copy()
    spoiled.loc[rows, "y"] += 1.5
    found = fit(spoiled)
    assert (found["n_outliers"] >= 1).mean() > 0.95
    error = np.abs(np.log10(found["ec50"] / ec50))
    assert error.median() < 1.2 * np.abs(np.log10(clean["ec50"] / ec50)).median()
    assert (error < np.log10(1.5)).mean() > 0.95
    spoiled.loc[rows + 1, "y"] += 1.5
    assert (fit(spoiled)["n_outliers"] == 0).mean() > 0.95


def test_all_replicates_of_a_dose_are_no_outliers():
    table, _, _ = make_wells(2, 20, n_replicates=4, noise=0.02)
    hump = table[DOSE] == 2.0**4
    table.loc[hump, "y"] += 2.0
    found = fit(table)
    assert (found["n_outliers"] == 0).all()
    assert found["ec50"].isna().all()
    refused = found["reason"] == "the response does not follow such a curve; it may rise and fall"
    assert (refused | found["reason"].str.startswith("no response")).all()
    assert refused.any()
    assert (found["p_lack_of_fit"] < 1e-6).all()
    # without replicates nobody can tell, and no number is given
    assert fit(table.drop_duplicates([COMPOUND, DOSE]))["p_lack_of_fit"].isna().all()


def test_effects_of_a_simulated_screen_have_the_ec50_that_drew_them():
    """Along a column of the screen's truth, and along a feature with all its nuisance."""
    screen = make_screen(
        1, 3, n_doses=9, plate_format=384, inactive_fraction=0.5, random_state=0, edge_effect=0.0
    )
    wells = screen.profiles.assign(Effect=screen.truth["Truth_Effect"])
    options = {"concentration": "Metadata_Concentration_uM", "controls": NEGATIVE}
    truth = fit(wells, "Effect", **options)
    assert set(truth["unit"]) == {"uM"}
    idle = wells.groupby(COMPOUND)["Effect"].max() == 0
    assert set(truth.loc[truth[COMPOUND].map(idle), "reason"]) == {"no response: all values are equal"}
    active = (truth["reason"] == "").to_numpy()
    assert active.sum() == (~idle).sum() - 1  # the positive control has no dose
    assert (truth["r2"][active] > 0.9999).all()
    noisy = wells.assign(Noisy=wells["Effect"] + 0.1 * np.random.default_rng(0).standard_normal(len(wells)))
    found = fit(noisy, "Noisy", **options)
    both = active & (found["reason"] == "").to_numpy()
    assert both.sum() > 0.8 * active.sum()
    ratio = np.abs(np.log10(found["ec50"] / truth["ec50"]))[both]
    assert ratio.median() < np.log10(1.3)
    assert (found["reason"] == "")[truth[COMPOUND].map(idle)].mean() < 0.1


# --- what must not matter


@few
@given(
    seed=st.integers(0, 2**16),
    scale=st.sampled_from([-1000.0, -1.0, 1e-6, 3.0]),
    shift=st.floats(-50, 50),
    unit=st.sampled_from([1e-9, 1e-3, 1e6]),
)
def test_units_of_response_and_dose_and_the_order_of_rows(seed, scale, shift, unit):
    table, _, _ = make_wells(seed, 5, n_vehicle=6, noise=0.08)
    expected = fit(table, controls=NEGATIVE)
    changed = table.sample(frac=1.0, random_state=seed)
    changed["y"] = changed["y"] * scale + shift * abs(scale)
    changed[DOSE] *= unit
    found = fit(changed, controls=NEGATIVE)
    assert found["reason"].tolist() == expected["reason"].tolist()
    doses = ["ec50", "ec50_low", "ec50_high", "lowest", "highest"]
    np.testing.assert_allclose(found[doses] / unit, expected[doses], rtol=2e-3)
    np.testing.assert_allclose(found[["hill", "r2"]], expected[["hill", "r2"]], rtol=5e-3)
    for name in ("bottom", "top"):
        np.testing.assert_allclose(found[name] / scale - shift * np.sign(scale), expected[name], atol=2e-3)
    assert found["n_outliers"].tolist() == expected["n_outliers"].tolist()


@few
@given(seed=st.integers(0, 2**16))
def test_a_compound_does_not_depend_on_the_others(seed):
    table, _, _ = make_wells(seed, 8, noise=0.1)
    together = fit(table)
    drop = np.random.default_rng(seed).random(len(table)) < 0.2
    part = pd.concat([table[table[COMPOUND] == "C0003"], table[(table[COMPOUND] != "C0003") & ~drop]])
    alone = fit(part)
    for name in NUMBERS:
        np.testing.assert_allclose(alone[name][3], together[name][3], rtol=1e-6)


def test_the_input_is_left_as_it_was_and_the_answer_is_the_same():
    table, _, _ = make_wells(0, 4, n_vehicle=4)
    before = table.copy()
    first = fit(table, controls=NEGATIVE)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(fit(table, controls=NEGATIVE), first)


def test_large_blocks_are_small_ones(monkeypatch):
    table, _, _ = make_wells(0, 30)
    table = table.drop(table.sample(60, random_state=0).index)  # compounds of different numbers of wells
    expected = fit(table)
    monkeypatch.setattr("archetypal_triplet.screens._curves._MAX_BLOCK", 20_000)
    # a minimum is flat, so parameters agree to half of the digits; responses are about 1
    pd.testing.assert_frame_equal(fit(table), expected, rtol=1e-6, atol=1e-6)


# --- shape of the answer


def test_columns_and_several_responses_at_once():
    table, _, _ = make_wells(0, 3, n_vehicle=5)
    table["z"] = 1.0 - table["y"]
    found = fit(table, ["y", "z"], controls=NEGATIVE, unit="nM")
    assert found[COMPOUND].tolist() == ["C0000", "C0001", "C0002"] * 2
    assert found["column"].tolist() == ["y"] * 3 + ["z"] * 3
    assert found.columns.tolist() == [
        *(COMPOUND, "column", "n_wells", "n_doses", "n_vehicle", "lowest", "highest", "unit"),
        *("ec50", "ec50_low", "ec50_high", "hill", "hill_low", "hill_high"),
        *("bottom", "bottom_low", "bottom_high", "top", "top_low", "top_high"),
        *("r2", "p_value", "p_lack_of_fit", "n_outliers", "reason"),
    ]
    assert set(found["unit"]) == {"nM"}
    assert found[["n_wells", "n_doses", "n_vehicle"]].drop_duplicates().to_numpy().tolist() == [[18, 9, 5]]
    np.testing.assert_allclose(found["lowest"], 1.0)
    np.testing.assert_allclose(found["highest"], 256.0)
    rising, falling = found[found["column"] == "y"], found[found["column"] == "z"]
    np.testing.assert_allclose(rising["ec50"], falling["ec50"], rtol=1e-3)
    assert (rising["bottom"] < rising["top"]).all()
    assert (falling["bottom"] > falling["top"]).all()


def test_compounds_by_several_columns():
    table, _, _ = make_wells(0, 2)
    twice = pd.concat([table.assign(Metadata_Batch="b"), table.assign(Metadata_Batch="a")])
    found = fit(twice, by=["Metadata_Batch", COMPOUND])
    names = [("a", "C0000"), ("a", "C0001"), ("b", "C0000"), ("b", "C0001")]
    assert list(found[["Metadata_Batch", COMPOUND]].itertuples(index=False, name=None)) == names
    np.testing.assert_allclose(found["ec50"][:2], found["ec50"][2:])


def test_units():
    table, _, _ = make_wells(0, 3)
    table["Metadata_Unit"] = table[COMPOUND].map({"C0000": "nM", "C0001": "uM", "C0002": "uM"})
    assert fit(table, unit="Metadata_Unit")["unit"].tolist() == ["nM", "uM", "uM"]
    assert fit(table)["unit"].tolist() == ["", "", ""]
    named = table.rename(columns={DOSE: "Metadata_Dose_ng_mL"})
    assert set(fit(named, concentration="Metadata_Dose_ng_mL")["unit"]) == {"ng_mL"}
    mixed = table.copy()
    mixed.loc[mixed.index[0], "Metadata_Unit"] = "uM"
    row = fit(mixed, unit="Metadata_Unit").iloc[0]
    assert row["reason"] == "several units (nM, uM)"
    assert np.isnan(row["ec50"])


def test_plates_are_aligned_by_their_vehicle_wells():
    table, ec50, _ = make_wells(0, 10, n_vehicle=12, n_replicates=3, noise=0.02)
    table["Metadata_Plate"] = np.array(["P1", "P2", "P3"])[np.arange(len(table)) % 3]
    shift = table["Metadata_Plate"].map({"P1": 0.0, "P2": 5.0, "P3": -3.0})
    options = {"controls": NEGATIVE, "plate": "Metadata_Plate"}
    expected, found = fit(table, **options), fit(table.assign(y=table["y"] + shift), **options)
    np.testing.assert_allclose(found["ec50"], expected["ec50"], rtol=1e-4)
    assert np.abs(np.log10(found["ec50"] / ec50)).max() < np.log10(1.3)
    assert not np.abs(np.log10(fit(table.assign(y=table["y"] + shift))["ec50"] / ec50)).max() < 0.2
    # only vehicle wells on the plates of the compound count
    one = table[(table[COMPOUND] == "DMSO") | (table["Metadata_Plate"] == "P1") | (table[COMPOUND] > "C0005")]
    assert fit(one, **options)["n_vehicle"].tolist() == [4] * 6 + [12] * 4
    with pytest.raises(ValueError, match=r"1 of 3 plates have no control rows: P2\."):
        fit(table[(table[COMPOUND] != "DMSO") | (table["Metadata_Plate"] != "P2")], **options)


def test_wells_without_a_value_a_dose_or_a_compound_are_left_out():
    table, _, _ = make_wells(0, 3)
    expected = fit(table)
    more = table.iloc[[0, 1, 2, 3]].copy()
    more["y"] = [np.nan, np.inf, 9.0, 9.0]
    more.loc[more.index[2], DOSE] = np.nan
    more.loc[more.index[3], COMPOUND] = None
    pd.testing.assert_frame_equal(fit(pd.concat([table, more])), expected)  # the index holds rows twice
    # whole numbers, categories and compounds called by numbers
    other = table.astype({COMPOUND: "category"}).assign(y=(1000 * table["y"]).round().astype(int))
    np.testing.assert_allclose(fit(other)["ec50"], expected["ec50"], rtol=0.01)


def test_reasons():
    table, _, _ = make_wells(0, 9, noise=0.02, n_replicates=3)
    names = sorted(table[COMPOUND].unique())
    doses = table[DOSE].to_numpy()

    def own(i):
        return (table[COMPOUND] == names[i]).to_numpy()

    table = table[~(own(0) & (doses > 8))]  # four concentrations
    doses = table[DOSE].to_numpy()
    rng = np.random.default_rng(0)
    for i, ec50 in ((1, 2000.0), (2, 0.05)):
        noise = 0.002 * rng.standard_normal(own(i).sum())
        table.loc[own(i), "y"] = 1 / (1 + ec50 / doses[own(i)]) + noise
    table.loc[own(3), "y"] = 7.0
    table.loc[own(4), "y"] = np.nan
    table.loc[own(5), DOSE] = np.nan
    table.loc[own(6), DOSE] = 0.0
    table.loc[own(7), "y"] = rng.standard_normal(own(7).sum())
    found = fit(table)
    assert found[COMPOUND].tolist() == [*names[:6], *names[7:]]  # nothing but dose 0: no compound
    reasons = dict(zip(found[COMPOUND], found["reason"], strict=True))
    assert reasons["C0000"] == "4 concentrations; 5 are needed"
    assert reasons["C0001"] == "the EC50 lies above the highest concentration"
    assert reasons["C0002"] == "the EC50 lies below the lowest concentration"
    assert reasons["C0003"] == "no response: all values are equal"
    assert reasons["C0004"] == reasons["C0005"] == "no concentration with a value"
    assert reasons["C0007"].startswith("no response (p = ")
    assert reasons["C0008"] == ""
    assert (found["ec50"].notna() == (found["reason"] == "")).all()
    rows = found.set_index(COMPOUND)
    # what is known of an EC50 outside of the range: on which side it lies
    assert rows.loc["C0001", "ec50_low"] == pytest.approx(256.0)
    assert rows.loc["C0001", "ec50_high"] == np.inf
    assert rows.loc["C0002", "ec50_low"] == 0
    assert 1.0 <= rows.loc["C0002", "ec50_high"] < 1.5
    assert rows.loc["C0005", "n_doses"] == 0
    assert np.isnan(rows.loc["C0005", "lowest"])
    # vehicle wells are a fifth dose
    vehicle = pd.DataFrame({"y": 0.02 * rng.standard_normal(8)}).assign(
        **{COMPOUND: "DMSO", DOSE: 0.0, "Metadata_ControlType": "negative"}
    )
    found = fit(pd.concat([table, vehicle]), controls=NEGATIVE).set_index(COMPOUND)
    assert not found.loc["C0000", "reason"].endswith("are needed")


def test_an_interval_that_the_doses_do_not_bound_is_open():
    """Half of the way is reached, but not the top."""
    rng = np.random.default_rng(0)
    doses = np.repeat(2.0 ** np.arange(9), 2)
    table = pd.DataFrame({COMPOUND: "a", DOSE: doses})
    table["y"] = 1 / (1 + (150.0 / doses) ** 1.2) + 0.03 * rng.standard_normal(18)
    row = fit(table).iloc[0]
    assert row["reason"] == ""
    assert row["ec50_high"] == np.inf
    assert 1 < row["ec50_low"] < row["ec50"] <= 256


def test_an_offset_of_the_vehicle_wells_is_no_potency():
    """Inert compounds beside vehicle wells that lie elsewhere: the reason names both readings."""
    table, _, _ = make_wells(0, 20, active=False, n_vehicle=16, n_replicates=3)
    table.loc[table[COMPOUND] == "DMSO", "y"] += 1.0
    found = fit(table, controls=NEGATIVE)
    assert found["ec50"].isna().all()
    reason = "the EC50 lies below the lowest concentration, if vehicle wells are comparable"
    assert (found["reason"] == reason).mean() > 0.9
    assert (found["ec50_low"] == 0).all()


REASONS = (
    *("no response (p = ", "no response: all values are equal", "the EC50 lies below the lowest"),
    *("the EC50 lies above the highest", "the EC50 is not determined", "the response does not follow"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    n_wells=st.integers(5, 12),
    n_vehicle=st.sampled_from([0, 1, 7]),
    kind=st.sampled_from(["cauchy", "binary", "one", "tiny", "step"]),
)
@example(seed=7, n_wells=5, n_vehicle=7, kind="binary")
def test_whatever_the_numbers_an_ec50_lies_in_its_interval_and_the_range_or_there_is_a_reason(
    seed, n_wells, n_vehicle, kind
):
    rng = np.random.default_rng(seed)
    doses = np.sort(
        np.append(rng.permutation(2.0 ** np.arange(8))[:5], 2.0 ** rng.integers(0, 8, n_wells - 5))
    )
    values = {
        "cauchy": rng.standard_cauchy((10, n_wells)),
        "binary": rng.integers(0, 2, (10, n_wells)).astype(float),
        "one": np.eye(n_wells)[rng.integers(0, n_wells, 10)],
        "tiny": 1e8 + 1e-6 * rng.standard_normal((10, n_wells)),
        "step": (doses > 10) + 1e-12 * rng.standard_normal((10, n_wells)),
    }[kind]
    table = pd.DataFrame({COMPOUND: np.repeat(np.arange(10), n_wells), DOSE: np.tile(doses, 10)})
    table["y"] = values.ravel()
    table["Metadata_ControlType"] = "sample"
    vehicle = {COMPOUND: -1, DOSE: 0.0, "Metadata_ControlType": "negative"}
    vehicle = pd.DataFrame({"y": values[0, 0] * np.ones(n_vehicle)}).assign(**vehicle)
    found = fit(pd.concat([table, vehicle]), controls=NEGATIVE if n_vehicle else None)
    given = found["reason"] == ""
    assert found.loc[~given, "reason"].str.startswith(REASONS).all()
    assert (found["ec50"].notna() == given).all()
    known = found[given]
    assert (known["ec50"] >= known["lowest"] * (1 - 1e-9)).all()
    assert (known["ec50"] <= known["highest"] * (1 + 1e-9)).all()
    assert (known["ec50_low"] <= known["ec50"] * (1 + 1e-6)).all()
    assert (known["ec50_high"] >= known["ec50"] * (1 - 1e-6)).all()
    assert known[["hill", "bottom", "top", "r2", "p_value"]].notna().all(axis=None)
    assert (found["n_outliers"] < found["n_wells"] / 2).all()


def test_a_table_without_a_dosed_compound_gives_an_empty_one():
    table, _, _ = make_wells(0, 2)
    found = fit(table.assign(**{DOSE: 0.0}))
    assert len(found) == 0
    assert "ec50" in found


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"column": "x"}, ValueError, "column='x' is not a column of the table"),
        ({"column": COMPOUND}, ValueError, "column='Metadata_Compound' holds .*, not numbers"),
        ({"by": "Metadata_Compund"}, ValueError, "by='Metadata_Compund' is not .* mean 'Metadata_Compound'"),
        ({"concentration": "Dose"}, ValueError, "concentration='Dose' is not a column"),
        ({"concentration": COMPOUND}, ValueError, "concentration='Metadata_Compound' holds .*, not numbers"),
        ({"unit": "Metadata_Units"}, ValueError, "unit='Metadata_Units' is not a column"),
        ({"controls": "Metadata_ControlType == 'vehicle'"}, ValueError, "matches none of the 36 rows"),
        ({"plate": "Plate", "controls": NEGATIVE.replace("neg", "posi")}, ValueError, "matches none"),
        ({"plate": "Plate", "controls": "y > 0.9"}, ValueError, "plate='Plate' is not a column"),
        ({"confidence_level": 1.0}, ValueError, "confidence_level"),
        ({"table": [1, 2]}, TypeError, "Expected a pandas DataFrame, got list"),
        ({"column": []}, ValueError, r"column=\[\] is empty\. Name at least one column"),
        ({"by": []}, ValueError, r"by=\[\] is empty\. Name at least one column"),
        ({"by": "unit"}, ValueError, "by='unit' is the name of a column of the results"),
    ],
)
def test_errors(parameters, error, message):
    table = make_wells(0, 2)[0].assign(unit="uM")
    options = {"table": table, "column": "y"} | parameters
    with pytest.raises(error, match=message):
        compute_dose_response(**options)


def test_negative_concentrations_are_refused():
    table, _, _ = make_wells(0, 2)
    with pytest.raises(ValueError, match=r"holds 4 values below 0\. Concentrations are needed as they"):
        fit(table.assign(**{DOSE: np.log10(table[DOSE] / 1.5)}))


def test_concentrations_that_are_none_are_refused():
    table, _, _ = make_wells(0, 2)
    spoiled = table.copy()
    spoiled.loc[3, DOSE] = np.inf
    with pytest.raises(ValueError, match=r"holds 1 infinite value\. Correct these concentrations"):
        fit(spoiled)
    with pytest.raises(ValueError, match=r"concentration='Metadata_Concentration' holds bool.*, not numbers"):
        fit(table.assign(**{DOSE: table[DOSE] > 1}))


@pytest.mark.parametrize("controls", [None, NEGATIVE])
def test_an_empty_table_is_refused(controls):
    table, _, _ = make_wells(0, 2, n_vehicle=4)
    with pytest.raises(ValueError, match="The table has no rows: there is nothing to fit"):
        fit(table.iloc[:0], controls=controls)


@pytest.mark.parametrize("twice", ["y", DOSE, COMPOUND])
def test_columns_of_one_name_are_refused(twice):
    table, _, _ = make_wells(0, 2)
    with pytest.raises(ValueError, match=f"several columns of one name: {twice}"):
        fit(pd.concat([table, table[[twice]]], axis=1))


def test_an_index_may_bear_the_name_of_a_column():
    table, _, _ = make_wells(0, 2, n_vehicle=4)
    found = fit(table.set_index(COMPOUND, drop=False), controls=NEGATIVE)
    pd.testing.assert_frame_equal(found, fit(table, controls=NEGATIVE))


def test_plates_whose_vehicle_wells_have_no_value_are_named():
    table, _, _ = make_wells(0, 2, n_vehicle=4)
    table["Plate"] = np.where(np.arange(len(table)) % 2, "P1", "P2")
    table.loc[(table["Metadata_ControlType"] == "negative") & (table["Plate"] == "P2"), "y"] = np.nan
    with pytest.raises(ValueError, match=r"column='y' has no value in any vehicle well of 1 plate: P2\."):
        fit(table, controls=NEGATIVE, plate="Plate")


def test_spellings_of_one_unit_are_one_unit():
    table, _, _ = make_wells(0, 3)
    table["Unit"] = np.where(np.arange(len(table)) % 2, "\u00b5M", " \u03bcM")  # micro sign, Greek mu
    assert set(fit(table, unit="Unit")["unit"]) == {"\u00b5M"}
    table.loc[0, "Unit"] = None
    found = fit(table, unit="Unit").iloc[0]
    assert found["reason"] == "several units (none, \u00b5M)"


# --- a real plate


def measure_ratio(path_gfp, path_dna):
    """Ratio of the reporter in nuclei and in rings around them, by a threshold of Otsu's, made by hand."""
    gfp, dna = (np.asarray(read_plane(path), dtype=float) for path in (path_gfp, path_dna))
    counts, edges = np.histogram(ndimage.gaussian_filter(dna, 1.0), bins=256)
    below, centers = np.cumsum(counts), (edges[1:] + edges[:-1]) / 2
    mass = np.cumsum(counts * centers)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    nuclei = ndimage.gaussian_filter(dna, 1.0) > centers[np.nanargmax(between)]
    nuclei = ndimage.binary_opening(nuclei, iterations=2)
    ring = ndimage.binary_dilation(nuclei, iterations=7) & ~ndimage.binary_dilation(nuclei, iterations=1)
    background = np.percentile(gfp, 1)
    return (gfp[nuclei].mean() - background) / (gfp[ring].mean() - background)


def test_ec50_of_the_translocation_plate(data_folder):
    """Wortmannin 11.6 nM and LY294002 4.7 uM, fitted to a segmentation's ratio by others."""
    fields = load_bbbc013(data_folder)
    fields["Ratio"] = [
        measure_ratio(f"{r.PathName_GFP}/{r.FileName_GFP}", f"{r.PathName_DNA}/{r.FileName_DNA}")
        for r in fields.itertuples()
    ]
    found = fit(
        fields,
        "Ratio",
        concentration="Metadata_Concentration_uM",
        controls=NEGATIVE,
        plate="Metadata_Plate",
    ).set_index(COMPOUND)
    assert found.index.tolist() == ["LY294002", "wortmannin"]
    for compound, ec50 in (("wortmannin", 0.0116), ("LY294002", 4.7)):
        row = found.loc[compound]
        assert row["reason"] == ""
        assert ec50 / 1.2 < row["ec50"] < 1.2 * ec50
        assert row["ec50_high"] / row["ec50_low"] < 2
        assert row["top"] > row["bottom"]
        assert row["r2"] > 0.9
