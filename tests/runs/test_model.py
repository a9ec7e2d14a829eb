"""The model folder: what can be saved, and what is refused when it is read."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from archetypal_triplet.runs import load_model, save_model
from archetypal_triplet.runs._codec import decode_estimator, encode_estimator
from archetypal_triplet.runs._model import _content_hash


@pytest.fixture
def model(finished, tmp_path):
    return shutil.copytree(finished.folder / "model", tmp_path / "model")


def rewrite(model, **changes):
    """Change model.json as its writer would, hash included."""
    content = json.loads((model / "model.json").read_text()) | changes
    content["sha256"] = _content_hash(content)
    (model / "model.json").write_text(json.dumps(content))


def test_nothing_in_the_folder_is_pickle(model):
    assert sorted(path.name for path in model.iterdir()) == [
        "embed.safetensors", "model.json", "normalize.safetensors"
    ]  # fmt: skip


def test_other_steps_are_refused_by_name(finished, tmp_path):
    steps = [("scale", StandardScaler()), *finished.pipeline.steps]
    with pytest.raises(TypeError, match=r"Step 'scale' \(StandardScaler\) cannot be saved"):
        save_model(Pipeline(steps), tmp_path / "model")
    with pytest.raises(TypeError, match="Only a Pipeline can be saved, not StandardScaler"):
        save_model(StandardScaler(), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing' is not a folder"):
        load_model(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=r"there is no model\.json in it"):
        load_model(tmp_path)


def test_a_damaged_description(model):
    (model / "model.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged: it is not readable as JSON"):
        load_model(model)


@pytest.mark.parametrize("text", ["[]", '{"format": "another program"}'])
def test_a_foreign_file(model, text):
    (model / "model.json").write_text(text)
    with pytest.raises(ValueError, match=r"was not written by archetypal-triplet"):
        load_model(model)


def test_a_newer_format(model):
    rewrite(model, format_version=2, written_by="archetypal-triplet 9.0")
    with pytest.raises(ValueError, match=r"format version 2, written by archetypal-triplet 9\.0; .* reads 1"):
        load_model(model)


def test_a_changed_description(model):
    path = model / "model.json"
    path.write_text(path.read_text().replace("Metadata_Plate", "Metadata_Week"))
    with pytest.raises(ValueError, match="was changed after it was written"):
        load_model(model)


def test_changed_or_missing_weights(model):
    path = model / "embed.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"is not the file that was saved \(its sha256 differs\)"):
        load_model(model)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing: the model folder is not complete"):
        load_model(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Exec"}, "a step of kind 'Exec', which this version does not know"),
        ({"file": "../embed.safetensors"}, "which is outside of it"),
    ],
)
def test_unknown_steps_and_files_elsewhere(model, change, message):
    steps = json.loads((model / "model.json").read_text())["steps"]
    rewrite(model, steps=[steps[0] | change, steps[1]])
    with pytest.raises(ValueError, match=message):
        load_model(model)


class Thing:
    def __init__(self, value=None):
        self.value = value

    def get_params(self, deep=True):
        return {"value": self.value}


def test_every_kind_of_value_comes_back():
    thing = Thing(("a", 1, None))
    thing.columns_ = pd.Index(["u", "v"])
    thing.array_ = np.arange(6.0).reshape(2, 3).T
    thing.names_ = np.array(["x", "y"], dtype=object)
    thing.plates_ = ["P1", "P2"]
    thing.length_ = float("inf")
    thing.counts_ = {"a": np.int64(3)}
    tensors, state = encode_estimator(thing)
    state = json.loads(json.dumps(state, allow_nan=False))
    back = decode_estimator(Thing, tensors, state)
    assert back.value == ("a", 1, None)
    assert back.columns_.tolist() == ["u", "v"]
    np.testing.assert_array_equal(back.array_, thing.array_)
    np.testing.assert_array_equal(back.names_, thing.names_)
    assert back.names_.dtype == object
    assert (back.plates_, back.length_, back.counts_) == (["P1", "P2"], float("inf"), {"a": 3})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: None, "it is of type function"),
        (np.array([object()]), "it is an array of object"),
        ({1: 2}, "its keys are not all text"),
    ],
)
def test_what_is_not_plain_is_refused(value, message):
    with pytest.raises(TypeError, match=rf"params\.value cannot be saved: {message}"):
        encode_estimator(Thing(value))
