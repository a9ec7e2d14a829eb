"""EC50 of a real plate along what a run finds, against those of a ratio that was measured by hand."""

import pytest

pytest.importorskip("pyarrow")

from archetypal_triplet.qc import compute_control_scores
from archetypal_triplet.runs import run_images
from archetypal_triplet.screens import compute_dose_response, read_table

NEGATIVE, POSITIVE = "Metadata_ControlType == 'negative'", "Metadata_ControlType == 'positive'"


@pytest.mark.slow
def test_ec50_along_the_controls_and_along_their_archetypes(data_folder, tmp_path):
    plate = data_folder / "bbbc013_translocation"
    run_images(
        plate / "images",
        plate_map=plate / "plate.csv",
        nucleus_channel="Channel2",
        controls=NEGATIVE,
        positive_controls=POSITIVE,
        hold_out="none",
        out=tmp_path / "results",
        device="cpu",
        n_jobs=2,
    )
    wells = read_table(tmp_path / "results" / "wells.parquet")
    scores = compute_control_scores(wells, negative=NEGATIVE, positive=POSITIVE, random_state=0)
    shares = wells.filter(regex=r"^Archetype_\d+$")
    means = shares.groupby(wells["Metadata_ControlType"]).mean()
    gained = means.columns[means.loc["positive"] > means.loc["negative"]]
    wells = wells.assign(Score=scores["score"], Shares=shares[gained].sum(axis=1))
    found = compute_dose_response(wells, ["Score", "Shares"], unit="Metadata_Unit", controls=NEGATIVE)
    assert len(found) == 4
    assert (found["reason"] == "").all()
    expected = found["Metadata_Compound"].map({"wortmannin": 11.6, "LY294002": 4.7})  # nM and uM
    assert (found["ec50"] > expected / 2).all()
    assert (found["ec50"] < expected * 2).all()
    assert (found["r2"] > 0.95).all()
    assert (found["top"] > found["bottom"]).all()
    units = dict(zip(found["Metadata_Compound"], found["unit"], strict=True))
    assert units == {"wortmannin": "nM", "LY294002": "uM"}
