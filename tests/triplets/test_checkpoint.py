"""Checkpoints: what is refused as damaged, and what is told apart by the fingerprint."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets import make_cnn, make_mlp
from archetypal_triplet.triplets._checkpoint import compute_fingerprint

X = np.random.default_rng(0).normal(size=(24, 5))
Y = np.arange(24) % 3
NO_CHECKPOINT = r"checkpoint_path='.*fit\.ckpt' is not a checkpoint of a fit, or is damaged.* Delete the file"


def fit(path, **params):
    return TripletEmbedder(max_steps=20, random_state=0, checkpoint_path=path, **params).fit(X, Y)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "fit.ckpt"
    fit(path)
    return path


def describe(value):
    return compute_fingerprint({"random_state": 0, "augment": value})


# --- files that are no checkpoint ---


def test_one_wrong_bit_in_a_weight_is_noticed(path):
    content = bytearray(path.read_bytes())
    weight = next(w for w in torch.load(path)["module"].values() if w.numel() > 100)
    content[content.index(weight.numpy().tobytes()) + 101] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=NO_CHECKPOINT):
        fit(path)


def test_half_a_file_and_the_old_format_without_checksums_are_refused(path):
    state, content = torch.load(path), path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=NO_CHECKPOINT):
        fit(path)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=NO_CHECKPOINT):
        fit(path)


def test_a_file_that_lacks_anything_is_refused(path):
    state = torch.load(path)
    for key in state:
        torch.save({k: v for k, v in state.items() if k != key}, path)
        with pytest.raises(ValueError, match=NO_CHECKPOINT):
            fit(path)
    for other in ({"version": 1}, [1], torch.zeros(2)):
        torch.save(other, path)
        with pytest.raises(ValueError, match=NO_CHECKPOINT):
            fit(path)


class Perceptron:
    """Its text does not tell its width."""

    def __init__(self, width):
        self.width = width

    def __call__(self, in_shape, embedding_dim):
        return nn.Sequential(nn.Linear(in_shape[0], self.width), nn.Linear(self.width, embedding_dim))


def test_weights_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "fit.ckpt"
    fit(path, module=Perceptron(8))
    with pytest.raises(ValueError, match=r"'.*fit\.ckpt' does not fit the network, .* Delete the file"):
        fit(path, module=Perceptron(9))


# --- what is another fit ---


def make_shift(by):
    return lambda x, g: x + by


def make_recursive(depth):
    def recurse(x, g, n=depth):
        return recurse(-x, g, n - 1) if n else x

    return recurse


class Shift:
    def add(self, x, g):
        return x + 1

    def subtract(self, x, g):
        return x - 1


LONG = np.zeros(2000)
DIFFERENT = {
    "keywords": (functools.partial(make_cnn, widths=(16, 16)), functools.partial(make_cnn, widths=(16, 32))),
    "args": (functools.partial(make_mlp, (5,)), functools.partial(make_mlp, (6,))),
    "func": (functools.partial(make_mlp), functools.partial(make_cnn)),
    "nested": tuple(functools.partial(max, key=functools.partial(make_mlp, n)) for n in (1, 2)),
    "code": (lambda x, g: x, lambda x, g: -x),
    "constants": (lambda x, g: x + 1, lambda x, g: x + 2),
    "types of constants": (lambda x, g: "1", lambda x, g: 1),
    "names": (lambda x, g: x.sin(), lambda x, g: x.cos()),
    "inner code": (lambda x, g: [(lambda v: v)(v) for v in x], lambda x, g: [(lambda v: -v)(v) for v in x]),
    "defaults": (lambda x, g, a=1: a, lambda x, g, a=2: a),
    "keyword defaults": (lambda x, g, *, a=1: a, lambda x, g, *, a=2: a),
    "closures": (make_shift(1), make_shift(2)),
    "arrays": (make_shift(LONG), make_shift(LONG + (np.arange(2000) == 1000))),
    "tensors": (make_shift(torch.zeros(2)), make_shift(torch.full((2,), 1e-7))),
    "functions in closures": (make_shift(lambda: 1), make_shift(lambda: 2)),
    "recursion": (make_recursive(1), make_recursive(2)),
    "methods": (Shift().add, Shift().subtract),
    "in a list": ([lambda: 1], [lambda: 2]),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_what_does_something_else_is_told_apart(pair):
    assert describe(pair[0]) != describe(pair[1])


def test_a_value_under_way_is_no_hindrance():
    augment = make_recursive(1)
    del augment.__closure__[0].cell_contents
    assert describe(augment) != describe(make_recursive(1))


def test_another_function_is_another_fit(tmp_path):
    path = tmp_path / "fit.ckpt"
    fit(path, augment=lambda x, g: x)
    fit(path, augment=lambda x, g: x)
    with pytest.raises(ValueError, match="other data, labels or parameters"):
        fit(path, augment=lambda x, g: -x)


def print_all():
    names = [lambda x, g: x in {"a", "b", "c", "d"}, {"flips", "turns", "blur"}]
    return "\n".join(map(describe, [*names, *(value for pair in DIFFERENT.values() for value in pair)]))


def test_another_process_tells_the_same():
    tests = Path(__file__).parent
    command = "import sys; sys.path.insert(0, sys.argv[1]); import test_checkpoint as t; print(t.print_all())"
    told = subprocess.run(
        [sys.executable, "-c", command, str(tests)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(tests.parent), "PYTHONHASHSEED": "1"},
    ).stdout
    assert told.strip() == print_all()
