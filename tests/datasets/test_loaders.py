from pathlib import Path

import pandas as pd
import pytest

from archetypal_triplet.datasets import (
    load_bbbc013,
    load_bbbc016,
    load_bbbc021,
    load_cardiac_fibroblasts,
)
from archetypal_triplet.images import read_layout


def test_bbbc021(data_folder):
    profiles = load_bbbc021()
    assert profiles.shape == (302, 8 + 516)
    assert profiles["Metadata_ControlType"].eq("negative").sum() == 165
    assert profiles["Metadata_Replicate"].map(type).eq(str).all()
    pd.testing.assert_frame_equal(profiles, load_bbbc021(data_folder))


def test_cardiac_fibroblasts_are_joined_on_common_features(data_folder):
    cells = load_cardiac_fibroblasts()
    assert len(cells) == 1520
    assert cells["Metadata_Plate"].nunique() == 3
    features = [c for c in cells if not c.startswith("Metadata_")]
    assert 500 < len(features) < 632
    assert not cells[features].isna().any(axis=None)
    assert cells.groupby("Metadata_Plate")["Metadata_Well"].nunique().eq(8).all()


def is_there(fields, channel):
    paths = zip(fields[f"PathName_{channel}"], fields[f"FileName_{channel}"], strict=True)
    return all(Path(folder, name).is_file() for folder, name in paths)


def test_bbbc013_is_a_file_list(data_folder):
    fields = load_bbbc013()
    assert fields.shape == (96, 13)
    assert fields["Metadata_ControlType"].value_counts().to_dict() == {
        "sample": 72,
        "negative": 12,
        "positive": 8,
        "untreated": 4,
    }
    top = fields.groupby("Metadata_Block")["Metadata_Concentration_uM"].max()
    assert top.to_dict() == {"wortmannin": 0.25, "LY294002": 80.0}
    assert is_there(fields, "GFP")
    assert is_there(fields, "DNA")
    layout = read_layout(fields)
    assert (len(layout), layout.channels) == (96, ["GFP", "DNA"])
    assert layout.problems.empty


def test_bbbc016_is_a_file_list(data_folder):
    fields = load_bbbc016()
    assert fields.shape == (72, 5)
    assert fields.groupby("Metadata_Well").size().eq(3).all()
    assert fields["Metadata_Plate"].eq("050428030001").all()
    assert is_there(fields, "GFP")
    layout = read_layout(fields)
    assert (len(layout), layout.channels) == (72, ["GFP"])
    assert layout.problems.empty


@pytest.mark.parametrize("load", [load_bbbc013, load_bbbc016, load_bbbc021, load_cardiac_fibroblasts])
def test_the_error_says_how_to_name_the_folder(load, monkeypatch, tmp_path):
    monkeypatch.delenv("ARCHETYPAL_TRIPLET_DATA", raising=False)
    with pytest.raises(
        ValueError, match=r"ARCHETYPAL_TRIPLET_DATA is not set.*export ARCHETYPAL_TRIPLET_DATA="
    ):
        load()
    with pytest.raises(FileNotFoundError, match=r"data_home is .* which holds no file"):
        load(tmp_path)
    monkeypatch.setenv("ARCHETYPAL_TRIPLET_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="the environment variable ARCHETYPAL_TRIPLET_DATA is"):
        load()
