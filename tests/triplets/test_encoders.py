"""Encoders for tables and images, frozen backbones, features from torch modules."""

import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets import TorchFeatures, make_cnn, make_mlp
from archetypal_triplet.triplets._encoders import UnitLengthEncoder, build_body
from archetypal_triplet.triplets._image_encoders import MeanSDPooling


@pytest.mark.parametrize("side", [1, 2, 3, 8, 33, 40, 70])
@pytest.mark.parametrize("n_channels", [1, 7])
def test_the_image_encoder_takes_any_size_and_number_of_channels(side, n_channels):
    network = make_cnn((n_channels, side, side), 5, widths=(4, 6, 8)).eval()
    assert network(torch.randn(2, n_channels, side, side)).shape == (2, 5)
    assert network(torch.randn(3, n_channels, side + 9, 2 * side)).shape == (3, 5)


def test_pooling_is_mean_and_deviation_with_a_finite_gradient():
    images = torch.randn(3, 4, 5, 6)
    pooled = MeanSDPooling()(images)
    np.testing.assert_allclose(pooled[:, :4], images.mean(dim=(2, 3)), atol=1e-6)
    np.testing.assert_allclose(pooled[:, 4:], images.std(dim=(2, 3), unbiased=False), atol=1e-5)
    flat = torch.ones(1, 2, 3, 3, requires_grad=True)
    MeanSDPooling()(flat).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_the_way_around_a_perceptron_starts_at_the_input_itself():
    inputs = torch.randn(10, 6)
    same = make_mlp((6,), 6, hidden=(4,), skip=True).eval()
    torch.testing.assert_close(same(inputs) - same.body(inputs), inputs)
    wider = make_mlp((6,), 20, hidden=(4,), skip=True).eval()
    around = wider(inputs) - wider.body(inputs)
    torch.testing.assert_close(around @ around.T, inputs @ inputs.T, atol=1e-4, rtol=0)
    X = np.random.default_rng(0).normal(size=(60, 6)) + 2 * np.eye(6)[np.arange(60) % 3]
    embedder = TripletEmbedder(module_kwargs={"skip": True}, max_steps=20, random_state=0)
    assert embedder.fit(X, np.arange(60) % 3).transform(X).shape == (60, 32)


def make_for_five_channels(in_shape):
    return nn.Conv2d(5, 4, 3)


def test_a_module_that_fails_on_its_own_shape_is_named():
    with pytest.raises(
        ValueError, match=r"fails on a batch of zeros of shape \(2, 3, 8, 8\): .* in_shape, the"
    ):
        build_body((3, 8, 8), 4, make_for_five_channels)


@pytest.mark.parametrize(
    ("factory", "kwargs", "message"),
    [
        (None, {"width": 3}, r"module_kwargs=\{'width': 3\} do not fit module=make_cnn\(.*'width'"),
        (
            lambda depth: nn.Flatten(),
            None,
            r"module_kwargs=None do not fit module=<lambda>\(depth\): .*'depth'",
        ),
    ],
)
def test_arguments_that_a_module_does_not_take_are_named(factory, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build_body((2, 8, 8), 4, factory, kwargs)


class FirstPixels(nn.Module):
    """Reads its input as rows of numbers, which `view` can do of no other order in memory."""

    def __init__(self, in_shape, embedding_dim):
        super().__init__()
        self.linear = nn.Linear(math.prod(in_shape), embedding_dim)

    def forward(self, images):
        return self.linear(images.view(len(images), -1))


class Volumes(nn.Module):
    """Takes channels for depth; the order in memory has no name for its weights."""

    def __init__(self, embedding_dim):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(1, 4, (2, 3, 3)), nn.Flatten(), nn.LazyLinear(embedding_dim))

    def forward(self, images):
        return self.layers(images[:, None])


@pytest.mark.parametrize(
    ("factory", "kwargs", "in_shape", "expected"),
    [
        (None, {}, (2, 12, 12), ("cpu", "cuda")),
        (make_cnn, {"widths": (16, 48), "blocks": 2}, (3, 40, 40), ("cpu", "cuda")),
        (None, {"widths": (8, 16)}, (2, 12, 12), ("cuda",)),
        (lambda in_shape, embedding_dim: make_cnn(in_shape, embedding_dim), {}, (2, 12, 12), ("cuda",)),
        (None, {}, (5,), ()),
        (FirstPixels, {}, (2, 12, 12), ()),
        (Volumes, {}, (2, 12, 12), ()),
    ],
)
def test_the_order_in_memory_is_one_that_the_network_can_take(factory, kwargs, in_shape, expected):
    network = UnitLengthEncoder(in_shape, 4, factory, kwargs)
    assert network.channels_last == expected
    inputs = torch.randn(6, *in_shape, generator=torch.Generator().manual_seed(0))
    rows = network.eval()(inputs)
    network.channels_last = ()
    network.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(rows, network(inputs), atol=1e-6, rtol=1e-5)


def test_narrow_networks_are_trained_in_sound_memory(tmp_path):
    code = (
        "import numpy as np\nfrom archetypal_triplet import TripletEmbedder\n"
        "X = np.random.default_rng(0).integers(0, 1000, (24, 2, 20, 20)).astype(np.uint16)\n"
        "for widths in ((8, 8), (4, 8), (16, 32)):\n"
        "    embedder = TripletEmbedder(module_kwargs={'widths': widths}, max_steps=60, device='cpu',\n"
        "                               labels_per_batch=3, samples_per_label=3, random_state=0)\n"
        "    assert np.isfinite(embedder.fit_transform(X, np.arange(24) % 3)).all()\n"
    )
    # memory written past its end ends the process: only a process of its own can tell; one thread hides it
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=env)


# --- features from a torch module ---


class Backbone(nn.Module):
    def __init__(self, n_channels=2, width=6):
        super().__init__()
        self.conv = nn.Conv2d(n_channels, width, 3)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, images):
        return torch.relu(self.norm(self.conv(images)))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    found = rng.integers(0, 1000, (30, 2, 9, 9)).astype(np.uint16)
    found[1::2, 0] += 2000
    return found


def test_features_are_the_modules_in_evaluation_mode(images):
    backbone = Backbone()
    found = TorchFeatures(backbone, limits=((0, 0), (1000, 500)), batch_size=7)(images)
    scaled = torch.from_numpy(images / np.array([1000, 500])[:, None, None]).float()
    with torch.no_grad():
        expected = backbone.eval()(scaled).mean(dim=(2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert found.dtype == np.float32
    one = TorchFeatures(backbone, limits=((0, 0), (1000, 500)), batch_size=7)(images[3:4])
    np.testing.assert_array_equal(one, found[3:4])


def test_channels_one_by_one_and_another_size(images):
    backbone = Backbone(n_channels=3)
    found = TorchFeatures(backbone, per_channel=3, size=16)(images)
    assert found.shape == (30, 12)
    alone = TorchFeatures(backbone, per_channel=3, size=(16, 16))(images[:, 1:])
    np.testing.assert_allclose(found[:, 6:], alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TorchFeatures(Backbone), r"is not a module .* pass an instance"),
        (lambda: TorchFeatures(3), r"module=3 is not a module"),
        (
            lambda: TorchFeatures(Backbone(), limits=(5, 5)),
            r"limits=\(5, 5\) are not allowed: high must be above",
        ),
        (lambda: TorchFeatures(Backbone(), limits=((0, 0, 0), 1)), r"do not fit images with 2 channels"),
        (lambda: TorchFeatures(nn.Identity(), size=None), None),
        (lambda: TorchFeatures(lambda x: x[0]), r"module=function returned \(2, 9, 9\) for 32 images"),
        (lambda: TorchFeatures(lambda x: "text"), r"returned str for 32 images"),
    ],
)
def test_modules_and_limits_that_do_not_fit_are_refused(images, make, message):
    if message is None:
        assert make()(images).shape == (30, 2)
        return
    with pytest.raises(ValueError, match=message):
        make()(images)
    with pytest.raises(ValueError, match=r"got an input of shape \(30, 2\)"):
        TorchFeatures(Backbone())(images[:, :, 0, 0])


def test_a_frozen_backbone_is_run_once_and_only_the_head_is_trained(images):
    backbone = TorchFeatures(Backbone(), limits=(0, 3000))
    before = {k: v.clone() for k, v in backbone.module.state_dict().items()}
    calls = []

    def counted(chunk):
        calls.append(len(chunk))
        return backbone(chunk)

    y = np.arange(30) % 2
    embedder = TripletEmbedder(backbone=counted, max_steps=20, random_state=0).fit(images, y)
    assert sum(calls) == 30
    on_features = TripletEmbedder(max_steps=20, random_state=0).fit(backbone(images), y)
    np.testing.assert_allclose(embedder.transform(images), on_features.transform(backbone(images)), atol=1e-5)
    assert embedder.in_shape_ == (6,)
    assert embedder.n_features_in_ == 2
    for name, value in backbone.module.state_dict().items():
        assert torch.equal(value, before[name])
    whole = TripletEmbedder(backbone=backbone, max_steps=20, random_state=0)
    fitted = pickle.loads(pickle.dumps(clone(whole).fit(images, y)))
    np.testing.assert_allclose(fitted.transform(images), embedder.transform(images), atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (lambda chunk: chunk, r"backbone=function returned an array of shape \(30, 2, 9, 9\) for 30 images"),
        (lambda chunk: np.full((len(chunk), 3), np.nan), r"returned NaN or infinity \(first: row 0\)"),
        (Backbone(), r"backbone=Backbone is a torch module: wrap it, backbone=TorchFeatures\("),
    ],
)
def test_backbones_that_give_no_features_are_named(images, backbone, message):
    with pytest.raises(ValueError, match=message):
        TripletEmbedder(backbone=backbone, max_steps=1).fit(images, np.arange(30) % 2)


def test_a_backbone_needs_images():
    table = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(ValueError, match=r"backbone=.* takes images .*, and X has 2 dimensions"):
        TripletEmbedder(backbone=TorchFeatures(Backbone()), max_steps=1).fit(table, np.arange(10) % 2)
