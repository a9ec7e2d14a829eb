"""run_images with embed="pixels" and "both": the network on crops and fields, by labels of their features."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import cli
from archetypal_triplet.datasets import make_screen, write_screen
from archetypal_triplet.runs import embed_profiles, load_model, plan_images, run_images
from archetypal_triplet.runs._joint import EmbeddingWhitener
from archetypal_triplet.runs._pixels import mean_by_position
from archetypal_triplet.runs._quality import quality_lines

SHORT = {"max_steps": 40, "labels_per_batch": 3, "samples_per_label": 4}


@pytest.fixture(scope="session")
def plate(tmp_path_factory):
    """Three rows of a plate, one field a well."""
    size = {"n_replicates": 1, "plate_format": 96, "n_fields": 1, "n_channels": 2, "image_size": 96}
    folder = tmp_path_factory.mktemp("pixels") / "screen"
    write_screen(make_screen(1, 1, images=True, random_state=0, **size), folder)
    for path in folder.rglob("*.tif*"):
        if path.name.split("_")[1][0] not in "ABC":
            path.unlink()
    return folder


@pytest.fixture
def options(plate, tmp_path):
    about = {"plate_map": plate / "plate_map.csv", "channels": ["DNA", "GFP"], "n_archetypes": 3}
    return {**about, "pixel_options": SHORT, "out": tmp_path / "results", "work": tmp_path / "stages"}


@pytest.fixture(scope="session")
def both(plate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    return run_images(
        plate,
        plate_map=plate / "plate_map.csv",
        channels=["DNA", "GFP"],
        n_archetypes=3,
        nucleus_channel="DNA",
        crop_size=32,
        embed="both",
        pixel_options=SHORT,
        out=folder / "results",
        work=folder / "stages",
    )


def values(table):
    return table.filter(regex="^Embedding_").to_numpy()


def open_crops(folder):
    (path,) = folder.glob("stages/cells-*/crops.npy")
    return np.load(path, mmap_mode="r")


def test_the_models_of_a_run_make_its_embedding_again(both):
    model = both.folder / "model"
    assert sorted(path.name for path in model.iterdir()) == ["features", "joint", "pixels"]
    of_features = embed_profiles(model / "features", both.folder / "cells.parquet")
    of_pixels = load_model(model / "pixels").transform(open_crops(both.folder.parent))
    joint = load_model(model / "joint").transform(np.hstack([values(of_features), of_pixels]))
    # on one plate, centered on its controls
    is_control = (both.embedding["Metadata_ControlType"] == "negative").to_numpy()
    np.testing.assert_allclose(joint - joint[is_control].mean(axis=0), values(both.embedding), atol=1e-4)
    np.testing.assert_allclose(values(both.embedding)[is_control].mean(axis=0), 0, atol=1e-5)
    # crops of any size go through
    assert load_model(model / "pixels").transform(np.zeros((2, 3, 40, 50), dtype=np.uint16)).shape == (2, 32)


def test_run_json_says_what_the_embedding_is(both):
    info = json.loads((both.folder / "run.json").read_text())
    assert info["embedding"] == {"of": "both", "n_dimensions": values(both.embedding).shape[1]}
    pixels = info["pixels"]
    assert pixels["in_shape"] == [2, 32, 32]  # the mask is not learned from
    assert pixels["channels"] == ["DNA", "GFP"]
    assert pixels["n_steps"] == 40
    assert pixels["options"] == {"instance_weight": 0.3, **SHORT}
    assert pixels["n_images"] == len(both.embedding)
    assert pixels["ridge"] is not None
    assert info["parameters"]["embed"] == "both"
    assert "pixels" in info["seconds"]


def test_all_embeddings_are_scored_side_by_side(both):
    expected = ["embedding", "feature_embedding", "pixel_embedding", "whitened", "features"]
    assert both.quality["space"].unique().tolist() == expected


def test_a_run_on_pixels_says_that_no_controls_were_held_out(both):
    quality = pd.read_csv(both.folder / "quality.csv")
    held_out = quality[quality["trained_on"] == "held out"]
    assert set(held_out["space"]) == {"embedding", "whitened"}
    assert held_out["value"].isna().all()
    reason = "the network on pixels would have to be trained twice more"
    assert set(held_out["reason"]) == {reason}
    # three rows of a plate hold too few controls for the other numbers, which would come first
    quality.loc[quality["trained_on"] == "seen", ["value", "low", "high"]] = 0.5
    assert quality_lines(quality)[-1] == f"  With controls that did not train: not computed: {reason}"


def test_a_folder_of_several_models_says_so(both):
    with pytest.raises(FileNotFoundError, match="holds 3 models, because its run learned from pixels"):
        embed_profiles(both.folder, both.folder / "cells.parquet")
    with pytest.raises(ValueError, match="does not begin with a ScreenNormalizer"):
        embed_profiles(both.folder / "model" / "pixels", both.folder / "cells.parquet")


def test_pixels_alone_and_training_used_again(plate, options, monkeypatch):
    first = run_images(plate, **options, embed="pixels")
    assert sorted(path.name for path in (first.folder / "model").iterdir()) == ["features", "pixels"]
    assert len(first.embedding) == 36  # one field a well: rows are wells
    assert first.info["pixels"]["ridge"] is not None  # by the controls: no well has two rows
    assert first.info["pixels"]["reused"] is False
    assert first.info["pixels"]["in_shape"] == (2, 96, 96)
    assert not list(options["work"].rglob("fields.npy"))  # unpacked for training only
    # another joining needs no training, another seed does
    again = run_images(plate, **options, embed="pixels", force=True)
    assert again.info["pixels"]["reused"] is True
    np.testing.assert_array_equal(values(again.embedding), values(first.embedding))
    other = run_images(plate, **options, embed="pixels", force=True, random_state=1)
    assert other.info["pixels"]["reused"] is False
    assert not np.array_equal(values(other.embedding), values(first.embedding))


def test_a_stopped_training_goes_on_to_the_same_end(plate, options, monkeypatch):
    from archetypal_triplet.triplets import _checkpoint

    whole = run_images(plate, **options, embed="pixels")
    options |= {"out": options["out"].with_name("other"), "work": options["work"].with_name("other_stages")}
    save = _checkpoint.Checkpoint.save

    def save_and_stop(self, *args):
        save(self, *args)
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(_checkpoint.Checkpoint, "save", save_and_stop)
        with pytest.raises(RuntimeError, match="the power fails"):
            run_images(plate, **options, embed="pixels")
    assert not options["out"].exists()
    resumed = run_images(plate, **options, embed="pixels")
    np.testing.assert_array_equal(values(resumed.embedding), values(whole.embedding))


def test_wells_are_means_of_their_cells(both, plate, options):
    result = run_images(plate, **options, nucleus_channel="DNA", crop_size=32, level="well", embed="pixels")
    network = load_model(result.folder / "model" / "pixels")
    assert list(network.named_steps) == ["embed", "whiten"]
    (path,) = options["work"].glob("cells-*/crops.npy")
    cells = pd.read_parquet(result.folder / "cells.parquet")
    of_cells = network.transform(np.load(path))
    well = result.embedding["Metadata_Well"][5]
    expected = of_cells[(cells["Metadata_Well"] == well).to_numpy()].mean(axis=0)
    shift = values(result.embedding)[5] - expected
    well = result.embedding["Metadata_Well"][8]
    expected = of_cells[(cells["Metadata_Well"] == well).to_numpy()].mean(axis=0)
    np.testing.assert_allclose(values(result.embedding)[8] - expected, shift, atol=1e-5)


def test_features_are_the_default_and_unchanged(plate, options):
    del options["pixel_options"]
    result = run_images(plate, **options)
    assert result.info["embedding"] == {"of": "features", "n_dimensions": 32}
    assert result.info["pixels"] is None
    assert (result.folder / "model" / "model.json").is_file()


def test_what_does_not_fit_is_said_before_any_work(plate, options):
    with pytest.raises(ValueError, match=r"embed='pixel' .* is unknown\. Choose from: features, pixels"):
        plan_images(plate, **options, embed="pixel")
    with pytest.raises(ValueError, match="pixel_options are for the network on pixels"):
        plan_images(plate, **options)
    options["pixel_options"] = {"steps": 3}
    with pytest.raises(ValueError, match="pixel_options has 'steps', which is none of crop_size"):
        plan_images(plate, **options, embed="both")


def test_the_command_plans_it(plate, options, capsys):
    arguments = ["run", str(plate), "--plate-map", str(options["plate_map"]), "--out", str(options["out"])]
    assert cli.main([*arguments, "--n-archetypes", "3", "--embed", "both", "--dry-run"]) == 0
    assert "the embedding will be made from features and pixels" in capsys.readouterr().out
    table = shutil.copy(options["plate_map"], options["out"].with_name("profiles.csv"))
    assert cli.main(["run", str(table), "--embed", "pixels"]) == 2
    assert "--embed is for images" in capsys.readouterr().err


def test_means_of_rows():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(7, 2))
    positions = np.array([1, 0, 1, 2, 2, 2, 0])
    expected = [images[positions == i].mean(axis=0) for i in range(3)]
    np.testing.assert_allclose(mean_by_position(images, positions, 3), expected, rtol=1e-6)
    np.testing.assert_array_equal(mean_by_position(images, np.arange(7), 7), images)


def test_each_embedding_is_whitened_by_groups_whatever_its_scale():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 20)
    signal = rng.normal(size=(30, 6))[groups]
    noise = rng.normal(size=(600, 6)) * [3, 1, 0.1, 2, 1, 0.1]
    X = signal + noise
    joined = EmbeddingWhitener([3, 3]).fit(X, groups=groups).transform(X)
    for part in (slice(3), slice(3, None)):
        alone = EmbeddingWhitener().fit(X[:, part], groups=groups).transform(X[:, part])
        np.testing.assert_allclose(joined[:, part], alone, atol=1e-5)
    scaled = X * np.repeat([1, 50], 3)
    np.testing.assert_allclose(
        np.abs(EmbeddingWhitener([3, 3]).fit(scaled, groups=groups).transform(scaled)),
        np.abs(joined),
        atol=1e-4,
    )

    def within(Z):
        means = np.array([Z[groups == g].mean(axis=0) for g in range(30)])
        return np.linalg.eigvalsh(np.cov((Z - means[groups]).T))

    plain = EmbeddingWhitener([3, 3]).fit_transform(X)
    assert within(joined)[-1] / within(joined)[0] < 0.3 * within(plain)[-1] / within(plain)[0]


def test_what_cannot_be_whitened_is_refused():
    X = np.random.default_rng(0).normal(size=(10, 4))
    with pytest.raises(ValueError, match=r"widths=\[2, 3\] do not fit an array of 4 columns"):
        EmbeddingWhitener([2, 3]).fit(X)
    X[:, 2:] = 1
    with pytest.raises(ValueError, match="Embedding 1 is the same for all rows"):
        EmbeddingWhitener([2, 2]).fit(X)
