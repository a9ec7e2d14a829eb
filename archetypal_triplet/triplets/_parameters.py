"""What each parameter of the estimator may be."""

import os
from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from archetypal_triplet.triplets._mining import MINERS

CONSTRAINTS = {
    "labeler": [HasMethods("fit_predict"), HasMethods(["fit", "predict"]), StrOptions({"instances"}), None],
    "label_column": [Interval(Integral, None, None, closed="neither"), str, None],
    "module": [callable, None],
    "module_kwargs": [dict, None],
    "backbone": [callable, None],
    "criterion": [callable, None],
    "mining": [StrOptions(set(MINERS))],
    "margin": [Interval(Real, 0, None, closed="neither"), StrOptions({"soft"})],
    "embedding_dim": [Interval(Integral, 1, None, closed="left")],
    "labels_per_batch": [Interval(Integral, 2, None, closed="left")],
    "samples_per_label": [Interval(Integral, 2, None, closed="left")],
    "max_steps": [Interval(Integral, 1, None, closed="left"), None],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "input_noise": [Interval(Real, 0, None, closed="left"), None],
    "keep_weight": [Interval(Real, 0, None, closed="left"), None],
    "instance_weight": [Interval(Real, 0, None, closed="left")],
    "augment": [callable, Options(bool, {False}), None],
    "channels": ["array-like", slice, range, None],
    "crop_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
    "groups_column": [Interval(Integral, None, None, closed="neither"), str, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "device": [str, torch.device],
    "precision": [StrOptions({"fp32", "bf16"})],
    "compile": ["boolean"],
    "deterministic": ["boolean"],
    "checkpoint_path": [str, os.PathLike, None],
    "callbacks": [list, tuple, None],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
