"""run_profiles: what is refused before any work, what is written, and that it can be repeated."""

import json

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.runs import (
    _files,
    embed_profiles,
    load_model,
    plan_run,
    run_demo,
    run_profiles,
    save_model,
)
from archetypal_triplet.runs._demo import match_archetypes, score_neighbors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_results_hold_what_is_promised(finished, profiles):
    assert names(finished.folder) == [
        "archetypes.parquet", "embedding.parquet", "map.png", "model", "quality.csv", "run.json",
        "training.csv",
    ]  # fmt: skip
    table = pd.read_parquet(finished.folder / "embedding.parquet")
    assert len(table) == len(profiles)
    np.testing.assert_array_equal(table["Metadata_Well"], profiles["Metadata_Well"])
    shares = table.filter(regex=r"^Archetype_\d+$").to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(table["Pseudolabel_Confidence"], shares.max(axis=1))
    labeled = table["Pseudolabel"] >= 0
    np.testing.assert_array_equal(table["Pseudolabel"][labeled], shares[labeled].argmax(axis=1))
    lengths = np.linalg.norm(table.filter(regex="^Embedding_").to_numpy(), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    archetypes = pd.read_parquet(finished.folder / "archetypes.parquet")
    assert len(archetypes) == shares.shape[1]
    np.testing.assert_allclose(archetypes["Mean_Share"].sum(), 1, atol=1e-6)
    purest = profiles.iloc[shares[:, 0].argmax()]
    assert archetypes["Typical_Rows"][0].startswith(f"{purest['Metadata_Plate']}/{purest['Metadata_Well']};")


def test_run_json_tells_how_it_was_made(finished):
    info = json.loads((finished.folder / "run.json").read_text())
    assert info["seed"] == 3
    assert info["parameters"]["plate"] == "Metadata_Plate"
    assert {"python", "torch", "archetypal-triplet"} <= set(info["versions"])
    assert len(info["input"][0]["sha256"]) == 64
    assert info["seconds"]["total"] >= info["seconds"]["archetypes_and_network"] > 0
    assert "every row of the table" in info["trained_on"]["what"]
    counts = [one["n_archetypes"] for one in info["archetypes"]["labelings"]]
    assert len(counts) == 48
    assert info["archetypes"]["reference_n_archetypes"] == min(counts)


def test_quality_says_what_was_fitted_on_its_wells(finished):
    quality = pd.read_csv(finished.folder / "quality.csv")
    assert set(quality["trained_on"]) == {"seen"}
    fitted = quality.drop_duplicates("space").set_index("space")["fitted_on_these_wells"]
    assert "network" in fitted["embedding"]
    assert "network" not in fitted["whitened"]
    assert "are no estimate for other plates" in finished.summary


def test_the_model_embeds_like_the_pipeline(finished, profiles, tmp_path):
    expected = finished.pipeline.transform(profiles)
    np.testing.assert_allclose(load_model(finished.folder / "model").transform(profiles), expected, atol=1e-6)
    table = embed_profiles(finished.folder, profiles, out=tmp_path / "new.csv.gz")
    np.testing.assert_allclose(table.filter(regex="^Embedding_"), expected, atol=1e-6)
    assert "Metadata_Compound" in table
    with pytest.raises(FileExistsError, match=r"already exists"):
        embed_profiles(finished.folder, profiles, out=tmp_path / "new.csv.gz")


def test_a_file_may_hold_several_rows_a_well_and_a_feature_that_is_constant_there(
    finished, profiles, tmp_path
):
    feature = next(c for c in profiles if not c.startswith("Metadata_"))
    cells = pd.concat([profiles.head(5)] * 2).assign(**{feature: 1.0})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    table = embed_profiles(finished.folder / "model", tmp_path / "cells.csv")
    expected = finished.pipeline.transform(cells)
    np.testing.assert_allclose(table.filter(regex="^Embedding_"), expected, atol=1e-5)


def test_a_new_plate_needs_controls_of_its_own(finished, profiles):
    new = profiles[profiles["Metadata_Plate"] == "Plate01"].assign(Metadata_Plate="Plate99")
    assert len(embed_profiles(finished.folder, new)) == len(new)
    treated = new[new["Metadata_ControlType"] == "sample"]
    with pytest.raises(ValueError, match=r"1 of 1 plates have no control rows.*Plate99"):
        embed_profiles(finished.folder, treated)


def test_the_same_seed_gives_the_same_bytes(profiles, roles, tmp_path):
    for name in ("a", "b"):
        run_profiles(profiles, **roles, n_archetypes=4, out=tmp_path / name)
    for file in ("embedding.parquet", "archetypes.parquet", "quality.csv", "model/model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_a_failure_in_the_middle_leaves_old_results_untouched(profiles, roles, tmp_path, monkeypatch):
    out = tmp_path / "results"
    out.mkdir()
    (out / "run.json").write_text("old")

    def fail(*_):
        raise RuntimeError("out of ink")

    monkeypatch.setattr(_files, "_draw_map", fail)
    with pytest.raises(RuntimeError, match=r"out of ink"):
        run_profiles(profiles, **roles, n_archetypes=4, out=out, force=True)
    assert names(tmp_path) == ["results"]
    assert (out / "run.json").read_text() == "old"


def test_a_plan_writes_nothing_and_says_what_will_be_done(profiles, roles, tmp_path):
    plan = plan_run(profiles, **roles, out=tmp_path / "results")
    assert names(tmp_path) == []
    assert plan.lines()[0] == "192 rows, each one a well, with 20 features, on 2 plates"
    assert "32 rows are negative controls" in plan.lines()[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "tissue"}, "level='tissue' is unknown. Choose from: well, field, cell"),
        ({"n_archetypes": 0}, "n_archetypes=0 .* must be a whole number of at least 2"),
        ({"n_archetypes": 1}, "n_archetypes=1 .* of at least 2, since triplets need two labels"),
        ({"n_archetypes": 500}, "500 archetypes are sought, but the table has only 192 rows"),
        ({"random_state": -1}, "random_state=-1 .* must be a whole number from 0"),
        ({"device": "abacus"}, "device='abacus' is not a device"),
        ({"color": "Metadata_Mood"}, "color='Metadata_Mood' is not a column"),
        ({"groups": ["Metadata_Mood"]}, "groups='Metadata_Mood' is not a column"),
        ({"plate": "Metadata_Plat"}, "plate='Metadata_Plat' is not a column"),
        ({"controls": None}, "Positive controls .* are compared with negative ones"),
        ({"controls": "Metadata_ControlType == 'vehicle'"}, "matches none of the 192 rows"),
        ({"positive_controls": "Metadata_ControlType == 'up'"}, "positive_controls=.* matches none"),
        ({"positive_controls": "Metadata_ControlType == 'negative'"}, "32 rows are chosen by controls="),
    ],
)
def test_errors_come_before_any_work(options, message, profiles, roles, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_profiles(profiles, **(roles | options), out=tmp_path / "results")
    assert names(tmp_path) == []


def test_too_few_rows_and_an_embedding_are_refused(profiles, roles, tmp_path):
    few = profiles.groupby(["Metadata_Plate", "Metadata_ControlType"]).head(10)
    message = r"Up to 32 archetypes are sought, but the table has only 56 rows, of which .* fitted on 50%"
    with pytest.raises(ValueError, match=message):
        plan_run(few, **roles, out=tmp_path / "results")
    assert plan_run(few, **roles, n_archetypes=32, out=tmp_path / "results").facts["n_rows"] == len(few)
    with pytest.raises(ValueError, match=r"already holds an embedding"):
        plan_run(profiles.assign(Embedding_0=np.arange(len(profiles)) / 7), **roles, out=tmp_path / "results")


def test_weak_choices_are_warned_of_and_kept(profiles, tmp_path):
    plan = plan_run(profiles, plate="Metadata_Plate", level="cell", out=tmp_path / "results")
    assert any("plates are not centered" in text for text in plan.warnings)
    assert any("--groups Metadata_Plate,Metadata_Well" in text for text in plan.warnings)
    plan = plan_run(profiles, controls="Metadata_Count_Cells > 0", level="cell", out=tmp_path / "results")
    assert any("chooses all of the 192 rows" in text for text in plan.warnings)
    assert any("holds 2 plates in Metadata_Plate, but no plate is named" in text for text in plan.warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"table": None},
            "table is a NoneType; it must be a DataFrame with named columns, a file, or a list",
        ),
        ({"table": np.zeros((3, 3))}, "table is a ndarray; it must be"),
        ({"table": [pd.DataFrame({"a": [1]})]}, "table is a list; .* Join several tables with pandas.concat"),
        ({"controls": np.ones(192, dtype=bool)}, "controls is a ndarray; it must be a query as a string"),
        ({"plate": ["Metadata_Plate"]}, "plate is a list; it must be the name of a column as a string"),
    ],
)
def test_types_are_judged_by_name(options, message, profiles, tmp_path):
    with pytest.raises(TypeError, match=message):
        plan_run(**({"table": profiles, "out": tmp_path / "results"} | options))


def test_the_map_may_be_colored_by_a_feature_and_names_may_break_lines(profiles, roles, tmp_path):
    feature = next(c for c in profiles if not c.startswith("Metadata_"))
    broken = profiles.assign(Metadata_Compound=profiles["Metadata_Compound"] + "\n(salt)")
    out = tmp_path / "results"
    result = run_profiles(broken, **roles, n_archetypes=3, color=feature, out=out)
    assert (out / "map.png").stat().st_size > 10_000
    assert feature not in result.embedding
    lines = result.summary.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["Archetype_0", "Archetype_1", "Archetype_2"]
    assert "(salt)" in lines[2]


def test_a_table_that_is_read_is_never_replaced(finished, profiles, roles, tmp_path):
    out = tmp_path / "results"
    out.mkdir()
    (out / "run.json").write_text("old")
    path = out / "profiles.csv"
    profiles.to_csv(path, index=False)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"out='.*results' would replace the table that is read"):
        run_profiles(path, **roles, out=out, force=True)
    with pytest.raises(ValueError, match=r"out='.*profiles.csv' would replace the table that is read"):
        embed_profiles(finished.folder, [str(path)], out=path, force=True)
    assert path.read_bytes() == before


def test_missing_values_of_later_plates_get_a_cure_that_exists(finished, profiles, tmp_path):
    feature = next(c for c in profiles if not c.startswith("Metadata_"))
    profiles.assign(**{feature: np.nan}).to_csv(tmp_path / "new.csv", index=False)
    message = (
        r"The features hold 192 NaN .* drop these rows from the table: the model needs all of its features"
    )
    with pytest.raises(ValueError, match=message) as caught:
        embed_profiles(finished.folder, tmp_path / "new.csv")
    assert "on_nonfinite" not in str(caught.value)


def test_a_model_that_knows_no_columns_says_how_to_be_used(finished, profiles, tmp_path):
    save_model(finished.pipeline[1:], tmp_path / "network")
    with pytest.raises(ValueError, match=r"does not begin with a ScreenNormalizer .* Use load_model\("):
        embed_profiles(tmp_path / "network", profiles)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_roles_need_no_prefix_in_files_of_a_run_and_of_later_plates(profiles, tmp_path, suffix):
    names = {"Metadata_ControlType": "Kind", "Metadata_Plate": "Plate", "Metadata_Compound": "Drug"}
    cells = profiles[profiles["Metadata_ControlType"] != "untreated"].rename(columns=names)
    cells["Positive"] = np.where(cells["Kind"] == "positive", "yes", "no")
    paths = []
    for plate, rows in cells.groupby("Plate"):
        paths.append(tmp_path / f"{plate}.{suffix}")
        getattr(rows, f"to_{suffix}")(paths[-1], index=False)
    roles = {"plate": "Plate", "controls": "Kind == 'negative'", "positive_controls": "Positive == 'yes'"}
    result = run_profiles(paths[0], **roles, groups="Drug", n_archetypes=3, out=tmp_path / "results")
    assert {"Kind", "Plate", "Drug", "Positive"} <= set(result.embedding)
    assert result.info["table"]["n_features"] == 20
    # the second plate is new: its controls are found by the query of the run
    later = embed_profiles(result.folder, paths[1])
    assert {"Kind", "Plate", "Drug"} <= set(later)
    new = cells[cells["Plate"] == later["Plate"][0]]
    np.testing.assert_allclose(later.filter(regex="^Embedding_"), result.pipeline.transform(new), atol=1e-5)


def test_a_field_belongs_to_its_plate_everywhere(profiles, roles, tmp_path):
    fields = pd.concat([profiles] * 2, ignore_index=True)
    fields["Metadata_Site"] = np.repeat(["1", "2"], len(profiles))
    plan = plan_run(fields, **roles, level="field", groups="Metadata_Site", out=tmp_path / "results")
    assert plan.group_columns == ["Metadata_Plate", "Metadata_Site"]
    assert plan.facts["n_groups"] == 4


def test_cells_give_a_table_of_wells(profiles, roles, tmp_path):
    rng = np.random.default_rng(0)
    cells = profiles.iloc[np.repeat(np.arange(0, 192, 6), 10)].reset_index(drop=True)
    features = [c for c in cells if not c.startswith("Metadata_")]
    cells[features] += rng.normal(size=cells[features].shape) * cells[features].std().to_numpy()
    groups = ["Metadata_Plate", "Metadata_Well"]
    del roles["positive_controls"]
    result = run_profiles(cells, **roles, level="cell", groups=groups, out=tmp_path / "results")
    wells = pd.read_parquet(tmp_path / "results" / "wells.parquet")
    assert len(wells) == 32
    assert set(wells["Metadata_Count_Rows"]) == {10}
    first = result.embedding.iloc[:10]["Embedding_0"].mean()
    np.testing.assert_allclose(wells["Embedding_0"][0], first, atol=1e-6)
    loaded = load_model(tmp_path / "results").transform(cells)
    np.testing.assert_allclose(loaded, result.embedding.filter(regex="^Embedding_"), atol=1e-6)


def test_a_real_screen(data_folder, roles, tmp_path):
    del roles["positive_controls"]
    path = data_folder / "bbbc021_profiles_dev" / "profiles.csv.gz"
    result = run_profiles(path, **roles, n_archetypes=8, out=tmp_path / "results")
    assert len(result.embedding) == 302
    assert result.info["table"]["n_plates"] == 55
    assert any("position-like" in text for text in result.info["warnings"])


def test_the_demo_scores_against_its_truth(tmp_path):
    result = run_demo(tmp_path / "demo", size="small")
    assert {"profiles.parquet", "truth.parquet", "demo.json", "run.json"} <= set(names(tmp_path / "demo"))
    assert result.info["input"][0]["file"] == "profiles.parquet"
    assert set(result.scores["neighbors"]) == {"features", "whitened", "embedding"}
    assert "used for this comparison only, never to train" in result.summary
    with pytest.raises(ValueError, match=r"size='huge' is unknown. Choose from: small, full"):
        run_demo(tmp_path / "other", size="huge")


def test_neighbors_are_sought_among_other_compounds_only():
    values = np.array([[1, 0], [1, 0.1], [0.9, 0.5], [0, 1], [0.1, 1]], dtype=float)
    share, n = score_neighbors(values, list("abcde"), ["x", "x", "y", "z", "w"], ["m", "m", "m", "q", "q"])
    assert (share, n) == (1.0, 5)
    share, n = score_neighbors(values[:2], list("ab"), ["x", "x"], ["m", "m"])
    assert np.isnan(share)
    assert n == 0


def test_archetypes_are_matched_by_the_wells_that_they_dominate():
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.7, 0.3]])
    found = match_archetypes(shares, np.array(["Vehicle", "Vehicle", "Toxicity", "Toxicity"]))
    assert found["end_points"]["Toxicity"] == {"n_wells": 2, "archetypes": ["Archetype_1"], "share": 0.5}
    assert found["balanced_share"] == 0.75
