import pandas as pd
import pytest

from archetypal_triplet.datasets import load_bbbc021, load_cardiac_fibroblasts


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


@pytest.mark.parametrize("load", [load_bbbc021, load_cardiac_fibroblasts])
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
