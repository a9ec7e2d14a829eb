"""Controls that did not train: who is held out, what is scored, and what is said where that cannot be."""

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import make_archetypal_triplet
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.runs import plan_run, run_profiles
from archetypal_triplet.runs._hold_out import compute_held_out_quality, deal_folds
from archetypal_triplet.runs._progress import Stages

NEGATIVE = "Metadata_ControlType == 'negative'"
POSITIVE = "Metadata_ControlType == 'positive'"
OPTIONS = {"plate": "Metadata_Plate", "controls": NEGATIVE, "positive_controls": POSITIVE, "random_state": 0}


def make_plates(n_plates, n_negative, n_positive):
    kinds = ["negative"] * n_negative + ["positive"] * n_positive + ["sample"] * 10
    return pd.DataFrame(
        {
            "Metadata_Plate": np.repeat([f"P{i}" for i in range(n_plates)], len(kinds)),
            "Metadata_ControlType": kinds * n_plates,
        }
    )


def test_whole_plates_are_held_out_where_there_are_four():
    table = make_plates(5, 3, 2)
    folds, unit = deal_folds(table, OPTIONS)
    assert unit == "plates"
    assert (table.assign(fold=folds).groupby("Metadata_Plate")["fold"].nunique() == 1).all()
    assert set(folds) == {0, 1}


@pytest.mark.parametrize("n_plates", [1, 3])
def test_wells_are_held_out_otherwise_and_plates_keep_controls(n_plates):
    table = make_plates(n_plates, 5, 3)
    folds, unit = deal_folds(table, OPTIONS)
    assert unit == "wells"
    kind = table["Metadata_ControlType"]
    assert (folds[kind == "sample"] == -1).all()
    assert (folds[kind != "sample"] >= 0).all()
    for fold in (0, 1):
        trained = table[(folds != fold) & (kind == "negative")]
        assert trained["Metadata_Plate"].nunique() == n_plates
    for name in ("negative", "positive"):
        sizes = np.bincount(folds[kind == name])
        assert abs(sizes[0] - sizes[1]) <= 1


def test_the_only_control_of_a_plate_always_trains():
    folds, _ = deal_folds(make_plates(2, 1, 4), OPTIONS)
    assert (folds[[0, 15]] == -1).all()


def test_rows_of_a_well_stay_together():
    table = make_plates(1, 6, 6)
    wells = np.repeat(np.arange(11), 2)
    folds, _ = deal_folds(table, OPTIONS, wells)
    for well in range(6):
        assert len(set(folds[wells == well])) == 1


@pytest.fixture(scope="module")
def result(profiles, tmp_path_factory):
    out = tmp_path_factory.mktemp("held") / "results"
    return run_profiles(profiles, **OPTIONS, n_archetypes=4, out=out)


def test_both_numbers_are_written_and_said(result):
    quality = pd.read_csv(result.folder / "quality.csv")
    held = quality[quality["trained_on"] == "held out"]
    assert set(held["space"]) == {"embedding", "whitened"}
    assert len(held) == 8
    values = held.set_index(["space", "metric"])
    assert np.isfinite(values["value"]).all()
    assert (values["low"] <= values["value"]).all()
    assert (values["value"] <= values["high"]).all()
    assert values.loc[("embedding", "auc"), "value"] > 0.9
    assert values["axis"].str.endswith("within each of 2 folds of wells that did not train").all()
    assert {"features", "embedding", "whitened"} == set(quality["space"][quality["trained_on"] == "seen"])
    assert "embedded by a fit without it" in result.summary
    assert result.info["seconds"]["hold_out"] > 0


def test_no_held_out_row_trains_the_fit_that_scores_it(profiles, result, tmp_path, monkeypatch):
    seen = []

    class Spy:
        def fit(self, table):
            seen.append(table.index)
            raise RuntimeError("seen enough")

    monkeypatch.setattr("archetypal_triplet.runs._hold_out.clone", lambda _: Spy())
    plan = plan_run(profiles, **OPTIONS, n_archetypes=4, out=tmp_path / "none")
    with pytest.raises(RuntimeError, match="seen enough"):
        compute_held_out_quality(plan, result.pipeline, Stages())
    folds, _ = deal_folds(plan.table, plan.options)
    assert not set(seen[0]) & set(plan.table.index[folds == 0])
    assert len(seen[0]) == (folds != 0).sum()


def test_held_out_plates_are_embedded_as_new_ones(tmp_path):
    profiles = make_screen(1, 4, n_replicates=2, plate_format=96, n_features=12, random_state=0).profiles
    plan = plan_run(profiles, **OPTIONS, n_archetypes=4, out=tmp_path / "none")
    pipeline = make_archetypal_triplet(
        4,
        plate=plan.options["plate"],
        controls=NEGATIVE,
        features=plan.features,
        max_steps=40,
        random_state=0,
    )
    table = compute_held_out_quality(plan, pipeline, Stages())
    assert np.isfinite(table["value"]).all()
    assert table["axis"].str.startswith("from other plates (2 folds), within each of 2 folds of plates").all()
    assert set(table["fitted_on_these_wells"]) == {"plate centers of their own negative controls"}
    assert not hasattr(pipeline["normalize"], "plates_")


def test_too_few_controls_give_the_reason(profiles, tmp_path):
    few = profiles[
        ~profiles["Metadata_ControlType"].eq("positive")
        | profiles.index.isin(profiles.index[profiles["Metadata_ControlType"].eq("positive")][:5])
    ]
    plan = plan_run(few, **OPTIONS, n_archetypes=4, out=tmp_path / "none")
    table = compute_held_out_quality(plan, None, None)
    assert table["value"].isna().all()
    assert table["reason"].str.contains("5 positive control wells could be held out; 8 of each").all()
    assert set(table["trained_on"]) == {"held out"}


def test_an_unknown_choice_is_refused(profiles, tmp_path):
    with pytest.raises(ValueError, match=r"hold_out='some' \(--hold-out\) is unknown"):
        plan_run(profiles, **OPTIONS, hold_out="some", out=tmp_path / "none")
