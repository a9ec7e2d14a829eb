"""Cells of tables, and the sections' own numbers against slow twins."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.report._axis import AXIS, GAINED, choose_axis
from archetypal_triplet.report._doses import choose_responses
from archetypal_triplet.report._file_names import file_name
from archetypal_triplet.report._inputs import read_inputs
from archetypal_triplet.report._movers import find_movers
from archetypal_triplet.report._outliers import find_odd_controls
from archetypal_triplet.report._overview import describe_plates, find_facts
from archetypal_triplet.report._parts import Table, count, interval, number, share, text, whisker
from archetypal_triplet.report._plates import (
    MAX_PLATES,
    choose_plates,
    find_effects,
    list_columns,
    split_doses,
)
from archetypal_triplet.report._strip import draw_run_order
from archetypal_triplet.report._viewer import pack_plates


@pytest.fixture(scope="module")
def inputs(results):
    return read_inputs(results)


def test_numbers_have_a_minus_and_what_is_missing_says_why():
    assert number(-0.256, 1).text == "\u22120.3"
    assert number(0.256, 1, percent=True).text == "25.6 %"
    missing = number(np.nan, reason="too few wells")
    assert (missing.text, missing.title, missing.sort) == ("–", "too few wells", -np.inf)
    assert count(12345.0).text == "12,345"
    assert number(-0.001).text == "0.00"
    assert count(np.nan).text == text(None).text == text(np.nan).text == "–"


def test_an_interval_stands_below_its_value():
    cell = interval(0.5, -0.25, 0.75, scale=(-1, 1))
    assert (cell.text, cell.below) == ("0.50", "\u22120.25 to 0.75")
    assert cell.picture.startswith("<svg")
    assert 'aria-hidden="true"' in cell.picture
    assert interval(0.5, np.nan, np.nan, scale=(-1, 1)).picture == ""
    wide = interval(-18.17, -311.06, -0.001)
    assert (wide.text, wide.below) == ("\u221218.2", "\u2212311 to 0.00")


def test_a_picture_of_an_interval_stays_within_its_scale():
    drawn = whisker(-90.0, -200.0, 5.0, (-1.0, 1.0))
    assert 'cx="3.0"' in drawn
    assert 'd="M3.0 7.0H69.0" class="range"' in drawn
    assert share(2.0).picture == share(1.0).picture


def test_a_table_says_how_many_rows_it_leaves_out():
    frame = pd.DataFrame({"a": range(10)})
    assert Table("t", "c", ["a"], [[text(1)]] * 4, frame).left_out == 6
    assert Table("t", "c", ["a"], [[text(1)]] * 4, frame, n_rows=4).left_out == 0


def test_movers_are_means_less_the_controls_of_their_plates(inputs):
    movers, why_not = find_movers(inputs)
    assert why_not == ""
    wells = inputs.wells
    assert set(movers["archetype"]) <= set(inputs.shares)
    assert (movers["change"] > 0).all()
    for _, row in movers.groupby("archetype").head(3).iterrows():
        mine = wells[wells["Metadata_Compound"] == row["compound"]]
        changes = []
        for plate, part in mine.groupby("Metadata_Plate"):
            here = wells[(wells["Metadata_Plate"] == plate) & (wells["Metadata_ControlType"] == "negative")]
            changes += list(part[row["archetype"]] - here[row["archetype"]].mean())
        np.testing.assert_allclose(row["change"], np.mean(changes), rtol=1e-6)
        assert row["n_wells"] == len(mine)
        if row["n_doses"] >= 4:
            rho = mine[row["archetype"]].rank().corr(mine["Metadata_Concentration_uM"].rank())
            np.testing.assert_allclose(row["rho"], rho, rtol=1e-6)
    assert not set(movers["compound"]) & {"DMSO"}


def test_odd_controls_are_those_far_from_the_median_of_their_plate(inputs):
    found = find_odd_controls(inputs)
    names = [c for c in inputs.wells if c.startswith("Embedding_")]
    wells = inputs.wells[inputs.wells["Metadata_ControlType"] == "negative"]
    for index, row in found.head(5).iterrows():
        plate = wells[wells["Metadata_Plate"] == row["Metadata_Plate"]]
        distance = np.linalg.norm(wells.loc[index, names].astype(float) - plate[names].median())
        np.testing.assert_allclose(row["distance"], distance, rtol=1e-6)
    assert found["score"].is_monotonic_decreasing
    assert len(found) == len(wells)


def test_plates_are_described_from_the_tables(inputs):
    frame = describe_plates(inputs)
    wells = inputs.wells
    for _, row in frame.iterrows():
        part = wells[wells["Metadata_Plate"] == row["plate"]]
        assert row["n_wells"] == len(part)
        assert row["n_negative"] == (part["Metadata_ControlType"] == "negative").sum()
        np.testing.assert_allclose(row["cells"], part["Metadata_Count_Cells"].median())
    assert sorted(frame["position"]) == [0, 1]


def test_the_facts_name_the_unit_of_the_doses(inputs):
    facts = dict(find_facts(inputs))
    assert facts["Compounds"].endswith(" uM")
    assert facts["Wells"] == "192"


def test_the_axis_is_0_at_the_negative_and_1_at_the_positive_controls(inputs):
    assert choose_axis(inputs) == AXIS
    means = inputs.wells.groupby("Metadata_ControlType")[AXIS].mean()
    np.testing.assert_allclose(means[["negative", "positive"]], [0, 1], atol=1e-9)


def test_doses_are_fitted_along_all_shares_that_positive_controls_gain(inputs):
    judged = inputs.assay["archetypes"].set_index("archetype")
    expected = [n for n in inputs.shares if judged.loc[n, "share_positive"] > judged.loc[n, "share_negative"]]
    responses, gained = choose_responses(inputs)
    assert gained == expected
    assert responses == [AXIS, *(expected if len(expected) == 1 else [GAINED])]
    changed = judged.assign(share_negative=0.1, share_positive=[0.2, 0.0, 0.3]).reset_index()
    both = read_like(inputs, assay=inputs.assay | {"archetypes": changed})
    assert choose_responses(both) == ([AXIS, GAINED], ["Archetype_0", "Archetype_2"])
    none = read_like(inputs, assay={})
    spread = inputs.wells[inputs.shares].std()
    assert choose_responses(none) == ([AXIS, spread.idxmax()], [])


def test_effects_of_position_are_those_of_each_plate(inputs):
    row = inputs.wells["Metadata_Well"].str[0].map(ord).to_numpy()
    first = (inputs.wells["Metadata_Plate"] == inputs.wells["Metadata_Plate"].iloc[0]).to_numpy()
    flat = np.random.default_rng(0).normal(size=len(row))
    wells = inputs.wells.assign(**{inputs.shares[0]: flat + np.where(first, 3.0 * row, 0.0)})
    names = sorted(wells["Metadata_Plate"].unique())
    found = find_effects(read_like(inputs, wells=wells), names)
    found = found[(found["effect"] == "row") & (found["column"] == inputs.shares[0])].set_index("plate")
    assert found.loc[names[0], "p_value"] == 0.001
    assert found.loc[names[1], "p_value"] > 0.05
    assert find_effects(read_like(inputs, wells=wells.iloc[:0]), names) is None


def test_doses_of_two_units_are_drawn_apart(inputs):
    wells = inputs.wells.rename(columns={"Metadata_Concentration_uM": "Metadata_Concentration"})
    wells["Metadata_Unit"] = np.where(np.arange(len(wells)) % 3, "nM", "\u00b5M")
    roles = inputs.roles | {"dose": "Metadata_Concentration", "unit": "Metadata_Unit"}
    split = split_doses(read_like(inputs, wells=wells, roles=roles))
    columns = list_columns(split)
    assert columns[-2:] == ["Concentration in nM", "Concentration in \u00b5M"]
    assert file_name(columns[-1]) == "concentration_in_um"
    in_nm = split.wells["Concentration in nM"]
    dose, is_nm = wells["Metadata_Concentration"], wells["Metadata_Unit"] == "nM"
    np.testing.assert_array_equal(in_nm, dose.where(is_nm | (dose == 0)))
    offered = [column["name"] for column in json.loads(pack_plates(split, columns))["columns"]]
    assert "Metadata_Concentration" not in offered
    assert set(columns) <= set(offered)
    assert split_doses(inputs) is inputs


def test_of_many_plates_those_with_the_largest_effects_are_drawn(inputs):
    positions = pd.DataFrame(
        {
            "scope": "plate",
            "plate": [f"P{i}" for i in range(9)],
            "variance_explained": [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5],
        }
    )
    wells = pd.DataFrame({"Metadata_Plate": positions["plate"]})
    many = read_like(inputs, wells=wells, assay={"positions": positions})
    names, note = choose_plates(many)
    assert names == ["P1", "P3", "P5", "P6", "P7", "P8"]
    assert len(names) == MAX_PLATES
    assert "Of 9 plates the 6 with the largest effects of position" in note


def read_like(inputs, **changes):
    return replace(inputs, **changes)


def test_numbers_that_json_does_not_know_are_no_values_in_the_plate_viewer(inputs):
    odd = [np.finfo(float).max, np.inf, np.nan, 2.0]  # the first becomes infinite when it is rounded
    wells = inputs.wells.assign(Metadata_Odd=np.resize(odd, len(inputs.wells)))
    columns = json.loads(pack_plates(read_like(inputs, wells=wells), []))["columns"]
    values = next(column["values"] for column in columns if column["name"] == "Metadata_Odd")
    assert values[:4] == [None, None, None, 2.0]


def test_the_plate_viewer_has_every_value_of_the_wells(inputs):
    wells = inputs.wells.assign(Metadata_Note="</script>")
    wells.loc[wells.index[:3], ["Metadata_Note", AXIS]] = ["other", np.nan]
    packed = pack_plates(read_like(inputs, wells=wells), list_columns(inputs))
    assert "<" not in packed
    data = json.loads(packed)
    assert data["shape"] == [8, 12]
    assert [data["plates"][i] for i in data["plate"]] == wells["Metadata_Plate"].tolist()
    columns = {column["name"]: column for column in data["columns"]}
    assert {AXIS, *inputs.shares, "Metadata_Count_Cells", "Metadata_Compound", "Metadata_Note"} <= set(
        columns
    )
    values = np.array(columns[AXIS]["values"], dtype=float)
    np.testing.assert_allclose(values, wells[AXIS], rtol=1e-3, atol=1e-12)
    note = columns["Metadata_Note"]
    assert [note["classes"][i] for i in note["values"]] == wells["Metadata_Note"].tolist()
    dose = columns["Metadata_Concentration_uM"]
    assert dose["log"]
    assert dose["low"] > 0
    kinds = [data["kinds"][i] for i in data["kind"]]
    expected = wells["Metadata_ControlType"].where(wells["Metadata_ControlType"] != "sample", "")
    assert kinds == expected.tolist()


def test_the_strip_of_plates_escapes_names_and_skips_what_is_not_known():
    plates = pd.DataFrame(
        {
            "plate": ["<b>1</b>", "2"],
            "z_prime": [0.5, np.nan],
            "z_prime_low": [0.2, np.nan],
            "z_prime_high": [0.7, np.nan],
            "drift": [0.0, 2.0],
        }
    )
    drawn = draw_run_order(plates)
    assert "<b>" not in drawn
    assert drawn.count("<circle") == 3
    assert draw_run_order(plates.assign(z_prime=np.nan, drift=np.nan)) == ""
