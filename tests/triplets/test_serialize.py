"""An embedder as plain arrays and JSON, and back."""

import json

import numpy as np
import pandas as pd
import pytest
from torch import nn

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets._serialize import embedder_from_state, module_state


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(90, 5)), columns=list("abcde")).assign(label=np.arange(90) % 3)


@pytest.fixture(scope="module")
def fitted(frame):
    return TripletEmbedder(
        label_column="label",
        max_steps=25,
        embedding_dim=7,
        module_kwargs={"hidden": np.array([16, 8])},
        random_state=0,
    ).fit(frame)


def read_only(tensors):
    for array in tensors.values():
        array.setflags(write=False)
    return tensors


def test_the_rebuilt_embedder_transforms_equally(fitted, frame):
    tensors, config = module_state(fitted)
    assert all(isinstance(t, np.ndarray) for t in tensors.values())
    rebuilt = embedder_from_state(read_only(tensors), json.loads(json.dumps(config)))
    np.testing.assert_allclose(rebuilt.transform(frame), fitted.transform(frame), atol=1e-6)
    assert rebuilt.in_shape_ == (5,)
    assert rebuilt.embedding_dim == 7
    assert rebuilt.n_features_in_ == 6
    assert rebuilt.feature_names_in_.tolist() == list(frame.columns)
    assert rebuilt.get_feature_names_out().tolist() == fitted.get_feature_names_out().tolist()
    again, config_again = module_state(rebuilt)
    assert config_again == config
    for name, array in tensors.items():
        np.testing.assert_array_equal(again[name], array)
    with pytest.raises(ValueError, match="feature names should match"):
        rebuilt.transform(frame.rename(columns={"a": "z"}))


def test_safetensors_hold_the_arrays(fitted, frame, tmp_path):
    numpy_format = pytest.importorskip("safetensors.numpy")
    tensors, config = module_state(fitted)
    numpy_format.save_file(tensors, tmp_path / "model.safetensors")
    rebuilt = embedder_from_state(numpy_format.load_file(tmp_path / "model.safetensors"), config)
    np.testing.assert_allclose(rebuilt.transform(frame), fitted.transform(frame), atol=1e-6)


def test_foreign_encoders_are_refused_by_name(frame):
    embedder = TripletEmbedder(
        label_column="label",
        max_steps=1,
        module=nn.Linear,
        module_kwargs={"in_features": 5, "out_features": 32},
    ).fit(frame)
    with pytest.raises(ValueError, match="module=Linear cannot be written"):
        module_state(embedder)


def test_damaged_models_are_refused(fitted):
    tensors, config = module_state(fitted)
    with pytest.raises(ValueError, match=r"version=99; this release reads .* version=1"):
        embedder_from_state(tensors, {**config, "version": 99})
    with pytest.raises(ValueError, match=r"unknown parameters \['labeler'\]"):
        embedder_from_state(tensors, {**config, "params": {**config["params"], "labeler": 1}})
    for broken, message in (
        ({k: v for k, v in tensors.items() if k != "mean"}, "mean: missing"),
        ({**tensors, "mean": np.zeros(9)}, r"mean: \(9,\) instead of \(5,\)"),
        ({**tensors, "extra": np.zeros(9)}, "extra: not known"),
    ):
        with pytest.raises(ValueError, match=message):
            embedder_from_state(broken, config)
