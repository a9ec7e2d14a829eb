"""Fields that are unlike the others of their well stay out of the fit, and of the means of wells."""

import json

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.runs import plan_run, run_profiles
from archetypal_triplet.runs._flag_fields import _is_in_minority, flag_fields, flag_lines

WELLS = ["Metadata_Plate", "Metadata_Well"]
SPOILED = [5, 101, 250]


@pytest.fixture(scope="module")
def fields(profiles):
    """Three fields a well: the profile of the well and noise; a few of them are spoiled."""
    table = profiles.loc[np.repeat(profiles.index, 3)].reset_index(drop=True)
    features = [c for c in table if not c.startswith("Metadata_")]
    spread = profiles[features].std().to_numpy()
    noise = np.random.default_rng(0).standard_normal((len(table), len(features)))
    table[features] += 0.2 * spread * noise
    table.loc[SPOILED, features] += 12 * spread
    return table.assign(Metadata_Site=np.tile(["1", "2", "3"], len(profiles)))


@pytest.fixture(scope="module")
def result(fields, tmp_path_factory):
    roles = {
        "plate": "Metadata_Plate",
        "controls": "Metadata_ControlType == 'negative'",
        "positive_controls": "Metadata_ControlType == 'positive'",
    }
    out = tmp_path_factory.mktemp("flagged") / "results"
    return run_profiles(fields, **roles, level="field", groups=WELLS, n_archetypes=4, out=out)


@pytest.fixture
def options(roles, tmp_path):
    return dict(roles, level="field", groups=WELLS, n_archetypes=4, out=tmp_path / "results")


def test_spoiled_fields_stay_out_of_the_fit_and_of_the_means(fields, result):
    table = pd.read_parquet(result.folder / "embedding.parquet")
    flagged = np.flatnonzero(table["Metadata_atq_IsFlagged"])
    assert set(SPOILED) <= set(flagged)
    assert len(flagged) <= len(SPOILED) + 6
    assert (table["Pseudolabel"][flagged] == -1).all()
    assert np.isfinite(table.filter(regex="^Embedding_")).all(axis=None)
    assert table["Metadata_atq_Reason"][5] != ""
    told = json.loads((result.folder / "run.json").read_text())
    assert told["flagged_fields"]["n_left_out"] == len(flagged)
    assert [one["row"] for one in told["flagged_fields"]["fields"]] == flagged.tolist()
    assert told["trained_on"]["n_rows"] == len(fields) - len(flagged)
    assert f"Not trained on: {len(flagged)} of {len(fields)} fields" in result.summary
    wells = pd.read_parquet(result.folder / "wells.parquet").set_index(WELLS)
    well = table[
        table["Metadata_Well"].eq(table["Metadata_Well"][5]) & (table["Metadata_Plate"] == "Plate01")
    ]
    expected = well[~well["Metadata_atq_IsFlagged"]].filter(regex="^Embedding_").mean()
    found = wells.loc[("Plate01", table["Metadata_Well"][5])]
    assert found["Metadata_Count_Rows"] == 2
    np.testing.assert_allclose(found[expected.index].astype(float), expected, rtol=1e-5)
    assert len(wells) == len(fields) // 3


def test_what_is_left_out_does_not_shape_the_pipeline(fields, result, options):
    kept = ~result.embedding["Metadata_atq_IsFlagged"].to_numpy()
    without = run_profiles(fields[kept], **options, flag_fields="none")
    columns = result.embedding.filter(regex="^(Embedding_|Pseudolabel$)").columns
    np.testing.assert_allclose(result.embedding.loc[kept, columns], without.embedding[columns], atol=1e-5)
    assert not any(c.startswith("Metadata_atq_") for c in without.embedding)
    assert without.info["flagged_fields"]["why_none"] == "flag_fields='none' (--flag-fields none)"
    pd.testing.assert_frame_equal(
        result.groups.filter(like="Embedding"), without.groups.filter(like="Embedding"), atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"level": "well", "groups": None}, "rows are wells"),
        ({"groups": None}, "nothing tells which fields"),
        ({"groups": ["Metadata_ControlType"]}, "the groups span several values"),
        ({"groups": [*WELLS, "Metadata_Site"]}, "each well has one field"),
    ],
)
def test_nothing_is_flagged_without_siblings(fields, options, changes, why):
    table = fields[::3] if changes.get("level") == "well" else fields
    scores, left_out, info = flag_fields(plan_run(table, **(options | changes)))
    assert scores is None
    assert left_out is None
    assert info["why_none"].startswith(why)


def test_controls_of_a_plate_are_never_all_left_out(fields, options, monkeypatch):
    plan = plan_run(fields, **options)
    is_control = (fields["Metadata_ControlType"] == "negative") & (fields["Metadata_Plate"] == "Plate01")
    rows = np.flatnonzero(is_control)
    other = len(fields) - 1

    def flag_all_controls(table, **_):
        flags = np.zeros(len(table), dtype=bool)
        flags[rows], flags[other] = True, True
        found = {"IsFlagged": flags, "Reason": "strange", "WellDistance": 1.0}
        return pd.DataFrame(found).add_prefix("Metadata_atq_")

    monkeypatch.setattr("archetypal_triplet.runs._flag_fields.compute_field_scores", flag_all_controls)
    monkeypatch.setattr("archetypal_triplet.runs._flag_fields._is_in_minority", lambda *_: True)
    _, left_out, info = flag_fields(plan)
    assert np.flatnonzero(left_out).tolist() == [other]
    assert info["n_flagged"] == len(rows) + 1
    (line,) = flag_lines(info, len(fields))
    assert line.startswith(f"Not trained on: 1 of {len(fields)} fields, unlike the others of their wells; ")
    assert f"; {len(rows)} more flagged, but trained on" in line


def test_at_most_half_of_a_well_is_flagged():
    distance = np.array([9.0, 5.0, 5.0, 1.0, 2.0, 0.0, 3.0, 4.0, 5.0, 6.0])
    codes = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])
    expected = [True, False, False, False, True, False, False, False, True, True]
    assert _is_in_minority(distance, codes).tolist() == expected


def test_an_unknown_choice_is_refused(fields, options):
    with pytest.raises(ValueError, match=r"flag_fields='some' \(--flag-fields\) is unknown"):
        plan_run(fields, **options, flag_fields="some")
