"""Replicates in the embedding and beside it: the same wells in each space, bounded, features found again."""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import qc
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.runs import _assay_replicates, assess_run, run_profiles
from archetypal_triplet.runs._assay_replicates import take_replicate_spaces
from archetypal_triplet.runs._assay_tables import AssayInput

NEGATIVE = "Metadata_ControlType == 'negative'"
ROLES = {
    "plate": "Metadata_Plate",
    "well": "Metadata_Well",
    "controls": NEGATIVE,
    "replicates": ["Metadata_Compound"],
}
SPACES = ["embedding", "features", "features_pca", "cell_count"]


@pytest.fixture(scope="module")
def profiles():
    return make_screen(1, 3, n_replicates=3, plate_format=96, n_features=12, random_state=0).profiles


@pytest.fixture
def source(profiles):
    """The features of a screen, in another order, and an embedding that knows nothing."""
    metadata = profiles[[c for c in profiles if c.startswith("Metadata_")]]
    rng = np.random.default_rng(0)
    embedding = pd.DataFrame(rng.standard_normal((len(profiles), 8)), index=metadata.index)
    wells = metadata.join(embedding.add_prefix("Embedding_"))
    counts = metadata.assign(Metadata_Count_Cells=rng.poisson(100, len(wells)))
    features = profiles.sample(frac=1, random_state=0)
    return AssayInput(wells=wells, roles=ROLES, features=features, counts=counts.iloc[3:])


def names_of(table):
    return [c for c in table if not c.startswith("Metadata_")]


def test_every_space_holds_the_same_wells(source, profiles):
    names = names_of(profiles)
    spaces = take_replicate_spaces(source, names, 10, 0)
    assert list(spaces.tables) == SPACES
    keys = ["Metadata_Plate", "Metadata_Well"]
    for table in spaces.tables.values():
        pd.testing.assert_frame_equal(table[keys], spaces.tables["embedding"][keys])
    assert spaces.notes == [f"replicates: 3 of {len(profiles)} wells lack features or cells; left out"]
    expected = qc.compute_standardized_features(profiles, negative=NEGATIVE).set_index(keys)
    found = spaces.tables["features"].set_index(keys)
    np.testing.assert_allclose(found.filter(like="Embedding_"), expected.loc[found.index, names])


def test_features_find_replicates_that_an_empty_embedding_does_not(source, profiles):
    pytest.importorskip("copairs")
    spaces = take_replicate_spaces(source, names_of(profiles), 10, 0)
    shares = {}
    for space, table in spaces.tables.items():
        options = {"replicate": "Metadata_Compound", "negative": NEGATIVE, "n_null": 1000, "random_state": 0}
        found = qc.compute_replicate_precision(table, **options).set_index("replicate")
        shares[space] = found.loc["PositiveControl", "normalized"]
    assert min(shares["features"], shares["features_pca"]) > 0.4
    assert abs(shares["embedding"]) < 0.1
    assert abs(shares["cell_count"]) < 0.1


def test_large_screens_are_sampled_and_it_is_said(source, profiles, monkeypatch):
    for name, limit in {"MAX_TREATMENTS": 10, "MAX_REPLICATES": 2, "MAX_CONTROLS": 3}.items():
        monkeypatch.setattr(_assay_replicates, name, limit)
    spaces = take_replicate_spaces(source, names_of(profiles), 10, 0)
    table = spaces.tables["features"]
    is_negative = table["Metadata_ControlType"] == "negative"
    assert (table[is_negative].groupby("Metadata_Plate").size() == 3).all()
    assert (table[~is_negative].groupby("Metadata_Compound").size() == 2).all()
    assert table.loc[~is_negative, "Metadata_Compound"].nunique() == 10
    assert [note.split(": ")[1].split(" ")[0] for note in spaces.notes[1:]] == ["10", "at", "at"]
    again = take_replicate_spaces(source, names_of(profiles), 10, 0)
    pd.testing.assert_frame_equal(again.tables["features"], table)


def test_a_run_on_a_file_is_judged_beside_its_features(profiles, tmp_path):
    path = tmp_path / "screen.csv"
    profiles.to_csv(path, index=False)
    run = run_profiles(
        path, plate="Metadata_Plate", controls=NEGATIVE, n_archetypes=4, positive_controls=None,
        hold_out="none", out=tmp_path / "results",
    )  # fmt: skip
    found = assess_run(run.folder, replicates="Metadata_Compound")
    assert found.tables["replicate_correlation"]["space"].unique().tolist() == SPACES
    assert "replicates, embedding: " in found.summary
    assert "replicates, features, PCA: " in found.summary
    profiles.iloc[::-1].to_csv(path, index=False)
    found = assess_run(run.folder, replicates="Metadata_Compound", force=True)
    assert found.impossible["replicates in features"].endswith("screen.csv has changed since the run")
    assert found.tables["replicate_correlation"]["space"].unique().tolist() == ["embedding", "cell_count"]
    damaged = {
        "run.json does not say which file": [{"of": "the file"}],
        "run.json does not say which": {"file": "screen.csv"},
        "screen.csv cannot be read as the run did": None,
    }
    for reason, inputs in damaged.items():
        info = json.loads((run.folder / "run.json").read_text())
        if inputs is None:
            info["input"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            info["parameters"]["features"] = ["Nowhere"]
        else:
            info["input"] = inputs
        copy = tmp_path / f"copy {len(reason)}"
        shutil.copytree(run.folder, copy, ignore=shutil.ignore_patterns("qc"))
        (copy / "run.json").write_text(json.dumps(info))
        again = assess_run(copy, replicates="Metadata_Compound")
        assert reason in again.impossible["replicates in features"]
    path.unlink()
    found = assess_run(run.folder, replicates="Metadata_Compound", force=True)
    assert found.impossible["replicates in features"].endswith("screen.csv is no longer there")
    assert json.loads((found.folder / "qc.json").read_text())["impossible"] == found.impossible


def test_without_wells_the_embedding_alone_is_compared(source, profiles):
    source.roles = ROLES | {"well": None}
    spaces = take_replicate_spaces(source, names_of(profiles), 10, 0)
    assert list(spaces.tables) == ["embedding"]
    assert spaces.notes[0].startswith("replicates: without a column of wells (--well) only the embedding")
