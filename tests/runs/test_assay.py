"""assess_run and the command qc: tables beside their functions, reasons instead of crashes, exit codes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import cli, qc
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.runs import assess_run, run_profiles

NEGATIVE = "Metadata_ControlType == 'negative'"
POSITIVE = "Metadata_ControlType == 'positive'"
SPACES = ["embedding", "features", "features_pca", "cell_count"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a run on two fields a well, with the tables that a run on images adds."""
    profiles = make_screen(1, 2, n_replicates=2, plate_format=96, n_features=12, random_state=0).profiles
    rng = np.random.default_rng(0)
    features = [c for c in profiles if not c.startswith("Metadata_")]
    fields = pd.concat([profiles.assign(Metadata_Site=str(site)) for site in (1, 2)], ignore_index=True)
    fields[features] += rng.normal(scale=0.3, size=(len(fields), len(features)))
    out = tmp_path_factory.mktemp("assay") / "results"
    run_profiles(
        fields, plate="Metadata_Plate", controls=NEGATIVE, positive_controls=POSITIVE, level="field",
        groups=["Metadata_Plate", "Metadata_Well"], n_archetypes=4, out=out,
    )  # fmt: skip
    counts = rng.poisson(100, size=len(profiles))
    profiles.assign(Metadata_Count_Cells=counts).to_parquet(out / "profiles.parquet", index=False)
    fields.to_parquet(out / "fields.parquet", index=False)
    return out


@pytest.fixture(scope="module")
def assay(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "qc"
    return assess_run(
        folder, replicates="Metadata_Compound", batch="Metadata_Batch", out=out, fail_below="auc=0.1, ssmd=99"
    )


@pytest.fixture
def bare(folder, tmp_path):
    """A copy of what a run on a table writes, its roles forgotten."""
    copy = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("model", "*.png", "qc"))
    for name in ("profiles", "fields", "wells"):
        (copy / f"{name}.parquet").unlink()
    info = json.loads((copy / "run.json").read_text())
    info["parameters"] |= {"controls": None, "positive_controls": None}
    (copy / "run.json").write_text(json.dumps(info))
    return copy


def test_every_table_is_written_twice(assay):
    expected = {
        "controls", "positions", "drift", "variance", "mixing", "b_scores", "fields", "archetypes",
        "replicate_correlation",
    }  # fmt: skip
    assert expected <= set(assay.tables)
    assert set(assay.tables) | set(assay.impossible) >= {"replicate_precision"}  # copairs may be missing
    for name, table in assay.tables.items():
        for read, ending in ((pd.read_parquet, "parquet"), (pd.read_csv, "csv")):
            written = read(assay.folder / f"{name}.{ending}")
            assert written.shape == table.shape
            assert list(written) == list(table)
    info = json.loads((assay.folder / "qc.json").read_text())
    assert {row["name"] for row in info["thresholds"]} == set(qc.load_thresholds()["name"])
    assert info["parameters"]["controls"] == NEGATIVE
    assert info["impossible"] == assay.impossible
    assert set(info["files"]) == {path.name for path in assay.folder.iterdir()} - {"qc.json"}


def test_controls_are_those_of_the_function_in_every_space(assay, folder):
    table = assay.tables["controls"]
    table = table[table["trained_on"] == "seen"]
    assert table["space"].drop_duplicates().tolist()[:4] == SPACES
    roles = {"negative": NEGATIVE, "positive": POSITIVE, "plate": "Metadata_Plate", "random_state": 0}
    for space, name in (("embedding", "wells"), ("features", "profiles")):
        wells = pd.read_parquet(folder / f"{name}.parquet")
        expected = qc.compute_control_separability(wells, **roles)
        found = table[table["space"] == space].reset_index(drop=True)
        np.testing.assert_allclose(found["value"], expected["value"], rtol=1e-5)
    count = table[(table["space"] == "cell_count") & (table["scope"] == "pooled")].set_index("metric")
    assert count.loc["auc", "low"] < 0.5 < count.loc["auc", "high"]  # counts are noise


def test_every_number_says_whether_its_wells_trained_the_embedding(assay):
    for name in set(assay.tables) - {"b_scores", "fields", "controls"}:
        assert set(assay.tables[name]["trained_on"]) == {"seen"}


def test_archetypes_are_judged_by_fields(assay):
    assert assay.tables["archetypes"]["artifact_score"].notna().all()
    assert len(assay.tables["fields"]) == 2 * len(assay.tables["b_scores"])


def test_what_is_below_its_limit_is_named_with_its_interval(assay):
    (failure,) = assay.failures
    table = assay.tables["controls"]
    table = table[table["trained_on"] == "seen"]
    row = (
        table[(table["space"] == "embedding") & (table["scope"] == "pooled")].set_index("metric").loc["ssmd"]
    )
    assert failure == f"ssmd {row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}), limit 99"
    assert f"Below the limit: {failure}" in assay.summary
    assert "controls, cell count alone: Z'" in assay.summary


def test_missing_roles_and_tables_are_reasons(bare):
    result = assess_run(bare, fail_below={"z_prime": -10})
    assert result.folder == bare / "qc"
    assert "no negative controls are known" in result.impossible["controls"]
    assert "no negative controls are known" in result.impossible["drift"]
    assert "--batch" in result.impossible["mixing"]
    assert {"positions", "variance", "b_scores", "fields", "archetypes"} <= set(result.tables)
    assert result.failures[0].startswith("z_prime not computed (no negative controls are known")
    assert result.impossible["mixing"] in result.summary


def test_options_stand_in_for_roles(bare):
    result = assess_run(bare, controls=NEGATIVE, positive_controls=POSITIVE)
    assert "profiles.parquet" in result.impossible["controls in features"]
    assert result.tables["controls"]["space"].unique().tolist() == ["embedding", "cell_count"]


def test_few_controls_fail_with_their_reason(bare):
    wells = pd.read_parquet(bare / "embedding.parquet").query(POSITIVE)["Metadata_Well"]
    few = f"{POSITIVE} and Metadata_Well == '{wells.iloc[0]}'"
    result = assess_run(bare, controls=NEGATIVE, positive_controls=few, fail_below="auc=0")
    assert result.failures[0].startswith("auc not computed (")
    assert result.failures[0].endswith("limit 0")


def test_what_the_run_held_out_is_kept_beside(folder, bare):
    quality = pd.read_csv(folder / "quality.csv")
    quality = quality[quality["trained_on"] == "seen"]
    held_out = quality[quality["space"] == "embedding"].assign(trained_on="held out", value=-5.0)
    pd.concat([quality, held_out]).to_csv(bare / "quality.csv", index=False)
    shutil.copy(folder / "run.json", bare / "run.json")
    result = assess_run(bare, fail_below="ssmd=0")
    table = result.tables["controls"]
    assert not result.failures  # limits are for the map that was written
    assert (table["trained_on"] == "held out").sum() == len(held_out)
    assert {"features", "whitened"} <= set(table["space"])
    assert table["reason"].notna().all()
    assert "controls, embedding, held out: Z' -5.000" in result.summary
    assert "controls in features" not in result.impossible
    other = assess_run(bare, controls=f"{NEGATIVE} and Metadata_Well != 'A01'", force=True)
    assert set(other.tables["controls"]["trained_on"]) == {"seen"}


def test_flagged_fields_stay_out_of_their_wells(bare):
    table = pd.read_parquet(bare / "embedding.parquet")
    expected = assess_run(bare, controls=NEGATIVE, positive_controls=POSITIVE).tables["controls"]
    odd = table[table["Metadata_Site"] == "2"].query(POSITIVE).index[0]
    strange = pd.concat([table, table.loc[[odd]].assign(Metadata_Site="3")], ignore_index=True)
    strange.loc[len(table), [c for c in table if c.startswith("Embedding_")]] = 1e3
    strange["Metadata_atq_IsFlagged"] = np.arange(len(strange)) == len(table)
    strange["Metadata_atq_WellDistance"] = 1.0
    strange.to_parquet(bare / "embedding.parquet", index=False)
    found = assess_run(bare, controls=NEGATIVE, positive_controls=POSITIVE, force=True)
    pd.testing.assert_frame_equal(found.tables["controls"], expected)
    assert "archetypes" in found.tables


def test_cells_need_their_wells(bare):
    table = pd.read_parquet(bare / "embedding.parquet")
    table.drop(columns="Metadata_Well").to_parquet(bare / "embedding.parquet", index=False)
    with pytest.raises(ValueError, match="no column names their wells"):
        assess_run(bare)


def test_results_of_wells_without_plates(bare):
    table = pd.read_parquet(bare / "embedding.parquet")
    table = table[table["Metadata_Site"] == "1"].drop(columns=["Metadata_Plate", "Metadata_Site"])
    table.to_parquet(bare / "embedding.parquet", index=False)
    info = json.loads((bare / "run.json").read_text())
    info["parameters"] |= {"plate": None, "groups": None, "level": "well"}
    (bare / "run.json").write_text(json.dumps(info))
    result = assess_run(bare, controls=NEGATIVE, positive_controls=POSITIVE, fail_below={"auc": 0.5})
    assert not result.failures
    assert "there is no column of plates" in result.impossible["positions"]
    assert "controls" in result.tables


def test_tags_leave_artifacts_out_of_the_shares(bare):
    tags = pd.DataFrame({"Archetype": ["Archetype_1"], "Tag": ["debris"]})
    result = assess_run(bare, tags=tags)
    assert "Archetype_1" not in set(result.tables["archetypes"]["archetype"])
    assert "Archetype_1" not in result.tables["b_scores"]
    assert "Archetype_0" in result.tables["b_scores"]


def test_the_same_seed_gives_the_same_tables(bare):
    first = assess_run(bare, controls=NEGATIVE, random_state=1)
    again = assess_run(bare, controls=NEGATIVE, random_state=1, force=True)
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fail_below": "zprime=0.3"}, "'zprime', which is no metric. Metrics: z_prime, robust_z_prime"),
        ({"fail_below": "auc=high"}, "auc='high' is no number"),
        ({"fail_below": "auc"}, "auc='' is no number"),
        ({"fail_below": ""}, "names no metric"),
        ({"fail_below": "auc=0.5, auc=0.9"}, "fail_below names auc twice"),
        ({"batch": "Metadata_Bach"}, "batch='Metadata_Bach' is not a column"),
        ({"well": "Metadata_Wel"}, "well='Metadata_Wel' is not a column"),
        ({"controls": "Metadata_ControlType == 'none'"}, "matches none of the"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(bare, options, message):
    with pytest.raises(ValueError, match=message):
        assess_run(bare, **options)
    assert not (bare / "qc").exists()


def test_only_an_assessment_is_replaced(bare):
    (bare / "qc").mkdir()
    (bare / "qc" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"there is no qc\.json"):
        assess_run(bare, force=True)
    with pytest.raises(FileExistsError, match=r"there is no qc\.json"):
        assess_run(bare, out=bare, force=True)


@pytest.mark.parametrize("content", ["[]", "{", '{"parameters": 1}'])
def test_a_folder_without_a_run_is_refused(bare, content):
    (bare / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json"):
        assess_run(bare)


def test_exit_codes(bare, tmp_path, capsys):
    roles = ["--controls", NEGATIVE, "--positive-controls", POSITIVE]
    assert cli.main(["qc", str(bare), *roles, "--fail-below", "auc=0"]) == 0
    assert "What to look at first" in capsys.readouterr().out
    assert cli.main(["qc", str(bare)]) == 2
    assert "--force" in capsys.readouterr().err
    assert cli.main(["qc", str(bare), *roles, "--force", "-q", "--fail-below", "z_prime=1.5"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "below the limit: z_prime" in printed.err
    assert printed.err.rstrip().endswith("limit 1.5")
    assert cli.main(["qc", str(bare), "--force", "--fail-below", "nonsense=1"]) == 2
    assert "Metrics: z_prime" in capsys.readouterr().err
    assert cli.main(["qc", str(tmp_path)]) == 2
    assert "is no results folder" in capsys.readouterr().err
    assert cli.main(["qc", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err
