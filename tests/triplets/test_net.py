"""The schedule, the noise, the compiled and the pickled net."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets._net import Perturbation, TrainingLoop, compute_one_cycle
from archetypal_triplet.triplets._seeding import draw_seeds, resolve_device


@pytest.mark.parametrize("n_steps", [5, 20, 400])
def test_schedule_is_torchs_one_cycle(n_steps):
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=n_steps)
    for step in range(n_steps):
        group = optimizer.param_groups[0]
        assert compute_one_cycle(step, n_steps, 3e-3) == pytest.approx((group["lr"], group["betas"][0]))
        optimizer.step()
        if step < n_steps - 1:
            theirs.step()


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_schedule_is_defined_for_a_handful_of_steps(n_steps):
    for step in range(n_steps):
        rate, beta = compute_one_cycle(step, n_steps, 0.1)
        assert 0 < rate <= 0.1
        assert 0.85 <= beta <= 0.95


def test_noise_has_the_asked_deviation_and_spares_constant_columns():
    perturb = Perturbation(0.5, np.array([True, False, True]), None, torch.device("cpu"), 0)
    noise = perturb(torch.zeros(20_000, 3))
    assert noise.std(dim=0).tolist() == pytest.approx([0.5, 0, 0.5], abs=0.01)
    images = perturb(torch.zeros(10, 3, 20, 20))
    assert images.std(dim=(0, 2, 3)).tolist() == pytest.approx([0.5, 0, 0.5], abs=0.03)


def test_a_callback_may_stop_before_the_first_step():
    class Stop(Callback):
        def on_epoch_begin(self, net, **kwargs):
            raise KeyboardInterrupt

    X = np.random.default_rng(0).normal(size=(40, 5))
    fitted = TripletEmbedder(max_steps=25, callbacks=[Stop()], device="cpu").fit(X, np.arange(40) % 4)
    assert fitted.n_steps_ == 0
    assert fitted.history_ == []
    assert np.isfinite(fitted.transform(X)).all()


class BrokenOutsideTraining(torch.nn.Module):
    """Returns NaN in evaluation mode."""

    def __init__(self, in_shape, embedding_dim):
        super().__init__()
        self.linear = torch.nn.Linear(*in_shape, embedding_dim)

    def forward(self, inputs):
        return self.linear(inputs) * (1 if self.training else torch.nan)


def test_a_module_that_is_broken_outside_training_is_named():
    X = np.random.default_rng(0).normal(size=(40, 5))
    embedder = TripletEmbedder(module=BrokenOutsideTraining, max_steps=5, device="cpu")
    with pytest.raises(ValueError, match=r"NaN or infinities, .*BrokenOutsideTraining.* in evaluation mode"):
        embedder.fit(X, np.arange(40) % 4)


def test_every_step_trains_in_training_mode_whatever_a_callback_leaves_behind():
    class Eval(Callback):
        def on_batch_end(self, net, **kwargs):
            net.module_.eval()

    class Look(Callback):
        modes = ()

        def on_grad_computed(self, net, **kwargs):
            self.modes += ({part.training for part in net.module_.modules()},)

    look = Look()
    X = np.random.default_rng(0).normal(size=(40, 5))
    TripletEmbedder(max_steps=25, callbacks=[Eval(), look], device="cpu").fit(X, np.arange(40) % 4)
    assert look.modes == ({True},) * 25


def test_noise_leaves_the_batch_alone():
    inputs = torch.zeros(4, 2)
    Perturbation(1.0, np.array([True, True]), None, torch.device("cpu"), 0)(inputs)
    assert not inputs.any()
    unchanged = Perturbation(0.0, np.array([True, True]), None, torch.device("cpu"), 0)(inputs)
    assert unchanged is inputs


def test_the_weights_of_the_best_score_come_back():
    net = SimpleNamespace(module_=nn.Linear(2, 2))
    loop = TrainingLoop(None, None, precision="fp32", validation=lambda module: 0.0, patience=2)
    best = net.module_.weight.detach().clone()
    for score in (0.7, 0.6, 0.7):  # a score that is only reached again is no better one
        loop._judge(net, score)
        with torch.no_grad():
            net.module_.weight += 1
    assert loop.n_stale == 2
    loop.restore_best(net)
    assert torch.equal(net.module_.weight, best)


def test_seeds_repeat_for_an_int_and_advance_a_state():
    assert draw_seeds(7, 3) == draw_seeds(7, 3)
    state = np.random.RandomState(0)
    assert draw_seeds(state, 3) != draw_seeds(state, 3)
    assert len(set(draw_seeds(None, 4))) == 4


def test_auto_is_a_device_that_exists():
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_training_agrees_and_pickles():
    import pickle

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.arange(60) % 3
    plain = TripletEmbedder(max_steps=3, random_state=0).fit(X, y)
    compiled = TripletEmbedder(max_steps=3, random_state=0, compile=True).fit(X, y)
    np.testing.assert_allclose(compiled.transform(X), plain.transform(X), atol=1e-3)
    twin = pickle.loads(pickle.dumps(compiled))
    np.testing.assert_allclose(twin.transform(X), plain.transform(X), atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_training_on_images_agrees():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    images = rng.normal(size=(30, 2, 8, 8)) + y[:, None, None, None]
    params = {"max_steps": 3, "random_state": 0, "module_kwargs": {"widths": (4,)}, "samples_per_label": 4}
    plain = TripletEmbedder(**params).fit(images, y)
    compiled = TripletEmbedder(**params, compile=True).fit(images, y)
    np.testing.assert_allclose(compiled.transform(images), plain.transform(images), atol=1e-3)


def test_bf16_and_deterministic_train_on_images():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    images = (rng.normal(size=(30, 2, 8, 8)) + y[:, None, None, None]).astype(np.float32)
    params = {"max_steps": 20, "random_state": 0, "module_kwargs": {"widths": (4,)}, "samples_per_label": 4}
    half = TripletEmbedder(**params, precision="bf16").fit(images, y)
    assert half.transform(images).dtype == np.float32
    assert half.score(images, y) > 0.9
    plain = TripletEmbedder(**params).fit(images, y).transform(images)
    same = TripletEmbedder(**params, deterministic=True).fit(images, y).transform(images)
    np.testing.assert_array_equal(same, plain)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_autocast_of_the_caller_changes_nothing(precision):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 6)).astype(np.float32), np.arange(80) % 4
    embedder = TripletEmbedder(precision=precision, keep_weight=1.0, max_steps=20, random_state=0)
    expected = embedder.fit(X, y).transform(X)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(embedder.fit(X, y).transform(X), expected)


@pytest.mark.parametrize("params", [{}, {"precision": "bf16"}, {"crop_size": 12}])
def test_images_are_trained_on_cuda_and_loaded_on_the_cpu(params):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    import pickle

    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    images = rng.poisson(20 + 10 * y[:, None, None, None], (60, 2, 16, 16)).astype(np.uint16)
    fitted = TripletEmbedder(max_steps=40, device="cuda", random_state=0, **params).fit(images, y)
    assert fitted.score(images, y) > 0.9
    twin = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(twin.transform(images), fitted.transform(images), atol=1e-2)


@pytest.mark.gpu
def test_a_fit_on_cuda_is_loaded_on_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    import pickle

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 10)), np.arange(200) % 5
    fitted = TripletEmbedder(max_steps=40, device="cuda", random_state=0).fit(X, y)
    assert next(fitted.net_.module_.parameters()).is_cuda
    twin = pickle.loads(pickle.dumps(fitted))
    assert not next(twin.net_.module_.parameters()).is_cuda
    np.testing.assert_allclose(twin.transform(X), fitted.transform(X), atol=1e-3)


def make_dropping(in_shape, embedding_dim):
    return nn.Sequential(nn.Linear(in_shape[0], 16), nn.Dropout(0.5), nn.Linear(16, embedding_dim))


@pytest.mark.gpu
@pytest.mark.parametrize("module", [None, make_dropping])
def test_an_interrupted_fit_on_cuda_ends_as_if_it_had_not_been(tmp_path, module):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 32)), np.arange(200) % 5
    params = {"module": module, "max_steps": 60, "device": "cuda", "random_state": 0}
    whole = TripletEmbedder(**params).fit(X, y).transform(X)
    calls = []

    def interrupt(inputs, generator):
        calls.append(1)
        if len(calls) > 45:
            raise RuntimeError("power cut")
        return inputs

    path = tmp_path / "fit.ckpt"
    with pytest.raises(RuntimeError, match="power cut"):
        TripletEmbedder(**params, augment=interrupt, checkpoint_path=path).fit(X, y)
    resumed = TripletEmbedder(**params, augment=interrupt, checkpoint_path=path)
    calls.clear()
    # sums on CUDA have no fixed order, so the bits differ; other random numbers would show at once
    np.testing.assert_allclose(resumed.fit(X, y).transform(X), whole, atol=0.02)
