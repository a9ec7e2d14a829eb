"""One training run put together: batches, net, seeds, validation, checkpoint."""

import contextlib
from typing import NamedTuple

import numpy as np
import torch

from archetypal_triplet.triplets._batches import LabelBatches
from archetypal_triplet.triplets._checkpoint import Checkpoint, compute_fingerprint
from archetypal_triplet.triplets._encoders import UnitLengthEncoder
from archetypal_triplet.triplets._inference import (
    N_TRIPLETS,
    compute_embedding,
    compute_triplet_accuracy,
    draw_triplets,
)
from archetypal_triplet.triplets._inputs import standardize
from archetypal_triplet.triplets._labels import encode_labels
from archetypal_triplet.triplets._losses import TripletCriterion
from archetypal_triplet.triplets._net import STEPS_PER_ROUND, Perturbation, TrainingLoop, TripletNet
from archetypal_triplet.triplets._seeding import deterministic_torch, draw_seeds, seeded_torch


class Previous(NamedTuple):
    """What a warm start goes on from."""

    scaling: tuple
    weights: dict
    n_steps: int
    history: list


class Seeds(NamedTuple):
    """One seed for each use, so that none shifts another."""

    batches: int
    noise: int
    weights: int
    validation: int


def find_previous(embedder, *, in_shape):
    """The earlier fit that `warm_start` asks to go on from.

    Parameters
    ----------
    embedder : TripletEmbedder
        The estimator, fitted or not.
    in_shape : tuple of int
        Shape of one sample now.

    Returns
    -------
    Previous or None
        None without `warm_start`, or in the first fit.

    Raises
    ------
    ValueError
        If the earlier network has other dimensions.
    """
    if not (embedder.warm_start and hasattr(embedder, "net_")):
        return None
    before = (embedder.in_shape_, embedder._n_features_out)
    now = (tuple(in_shape), embedder.embedding_dim)
    if before != now:
        raise ValueError(
            f"warm_start=True goes on with a network from {before[0]} to {before[1]} dimensions, and is now "
            f"asked for {now[0]} to {now[1]}: set warm_start=False to start afresh."
        )
    return Previous(
        (embedder._mean, embedder._inverse_scale),
        embedder.net_.module_.state_dict(),
        embedder.n_steps_,
        embedder.history_,
    )


def make_net(embedder, in_shape, *, n_labelings, device):
    """The net that the estimator's parameters describe, not initialized.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its parameters.
    in_shape : tuple of int
        Shape of one sample.
    n_labelings : int
        Labelings trained on; with fewer than 4 the keep term has weight 1 unless the estimator says
        otherwise.
    device : torch.device
        Where the net goes.

    Returns
    -------
    TripletNet
        The net.
    """
    keep_weight = embedder.keep_weight
    if keep_weight is None:
        keep_weight = 1.0 if n_labelings < 4 else 0.0
    _check_callbacks(embedder.callbacks)
    return TripletNet(
        UnitLengthEncoder,
        module__in_shape=tuple(in_shape),
        module__embedding_dim=embedder.embedding_dim,
        module__factory=embedder.module,
        module__factory_kwargs=embedder.module_kwargs,
        criterion=TripletCriterion,
        criterion__mining=embedder.mining,
        criterion__margin=embedder.margin,
        criterion__keep_weight=keep_weight,
        criterion__criterion=embedder.criterion,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=embedder.weight_decay,
        optimizer__fused=device.type in ("cpu", "cuda"),
        lr=embedder.lr,
        train_split=None,
        callbacks=None if embedder.callbacks is None else list(embedder.callbacks),
        verbose=0,
        device=device,
    )


def _check_callbacks(callbacks):
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        if not hasattr(callback, "on_train_begin"):
            raise ValueError(
                f"callbacks holds {item!r}, which is no skorch callback. Allowed are such callbacks and "
                "pairs (name, callback)."
            )


def train_network(embedder, table, codes, scaling, device, previous):
    """Train a network on labeled samples.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its parameters; it is not changed.
    table : Table
        Input and groups.
    codes : ndarray of shape (n_samples, n_labelings)
        Labels.
    scaling : tuple of two ndarrays
        Column means and reciprocal standard deviations.
    device : torch.device
        Where to train.
    previous : Previous or None
        For a warm start.

    Returns
    -------
    net : TripletNet
        The trained net.
    n_steps : int
        Steps, earlier ones included.
    history : list of dict
        Records, earlier ones included.
    """
    inputs = standardize(table.features, *scaling)
    n_steps_before = 0 if previous is None else previous.n_steps
    groups = None if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    seeds = draw_seeds(embedder.random_state, len(Seeds._fields))
    checkpoint = None
    if embedder.checkpoint_path is not None:
        params = {**embedder.get_params(deep=False), "n_steps_before": n_steps_before}
        data = [inputs, codes] if groups is None else [inputs, codes, groups]
        checkpoint = Checkpoint(embedder.checkpoint_path, compute_fingerprint(params, *data))
        seeds = checkpoint.seeds(seeds)
    seeds = Seeds(*seeds)

    train, validation = hold_out(embedder, table.features, codes, scaling, device, seeds.validation)
    if train is not None:
        inputs, codes = inputs[train], _encode_rest(embedder, codes, train)
        groups = None if groups is None else groups[train]
    batches = LabelBatches(
        torch.from_numpy(inputs),
        codes,
        groups,
        labels_per_batch=embedder.labels_per_batch,
        samples_per_label=embedder.samples_per_label,
        max_steps=embedder.max_steps,
        steps_per_round=STEPS_PER_ROUND,
        rng=np.random.default_rng(seeds.batches),
        device=device,
    )
    loop = TrainingLoop(
        batches,
        Perturbation(embedder.input_noise, scaling[1] > 0, embedder.augment, device, seeds.noise),
        precision=embedder.precision,
        validation=validation,
        patience=embedder.patience,
        save=None if checkpoint is None else lambda net, loop: checkpoint.save(net, loop, seeds),
        first_step=n_steps_before,
        verbose=embedder.verbose,
    )
    net = make_net(embedder, inputs.shape[1:], n_labelings=codes.shape[1], device=device)
    _run(embedder, net, loop, seeds.weights, device, previous, checkpoint)
    history = loop.history if previous is None else previous.history + loop.history
    return net, n_steps_before + batches.step, history


def _encode_rest(embedder, codes, train):
    try:
        return encode_labels(codes[train], warn=False).codes
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={embedder.validation_fraction} leaves {len(train)} of {len(codes)} samples "
            f"to train on: lower it. {error}"
        ) from error


def _run(embedder, net, loop, seed, device, previous, checkpoint):
    # code from outside may draw from torch's global generator: such a fit borrows it to its end, the others
    # only for the first weights, so that fits in several threads do not wait for each other
    foreign = any(
        value is not None
        for value in (embedder.module, embedder.criterion, embedder.augment, embedder.callbacks)
    )
    with contextlib.ExitStack() as stack:
        if embedder.deterministic:
            stack.enter_context(deterministic_torch(device))
        if foreign:
            stack.enter_context(seeded_torch(seed, device))
            net.initialize()
        else:
            with seeded_torch(seed, device):
                net.initialize()
        if previous is not None:
            _load_previous(net, previous)
        if checkpoint is not None:
            checkpoint.resume(net, loop, exclusive=foreign)
        if embedder.compile:
            net.module_.compile()
        net.run(loop)


def _load_previous(net, previous):
    try:
        net.module_.load_state_dict(previous.weights)
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True goes on with the network of the fit before, but module or module_kwargs now "
            f"make another one: set warm_start=False to start afresh. {str(error).splitlines()[-1].strip()}"
        ) from error


def hold_out(embedder, features, codes, scaling, device, seed):
    """Set samples aside for early stopping.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its `validation_fraction`.
    features : ndarray of shape (n_samples, ...)
        Inputs before standardization.
    codes : ndarray of shape (n_samples, n_labelings)
        Labels.
    scaling : tuple of two ndarrays
        Column means and reciprocal standard deviations.
    device : torch.device
        Where the module is.
    seed : int
        Draws samples and triplets.

    Returns
    -------
    train : ndarray or None
        Rows left for training; None for all of them.
    validation : callable or None
        ``validation(module) -> float``, the share of fixed held-out triplets in the right order.

    Raises
    ------
    ValueError
        If there is no triplet among the samples set aside.
    """
    if not embedder.validation_fraction:
        return None, None
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(features))
    n_held = round(embedder.validation_fraction * len(features))
    held, train = np.sort(shuffled[:n_held]), np.sort(shuffled[n_held:])
    triplets = draw_triplets(codes[held], N_TRIPLETS, rng)
    if triplets.shape[1] == 0:
        raise ValueError(
            f"validation_fraction={embedder.validation_fraction} holds out {n_held} of {len(features)} "
            "samples, among which there is no triplet: it takes two samples of one label and one of another. "
            "Hold out more, or set validation_fraction=0."
        )
    rows = features[held]

    def validation(module):
        return compute_triplet_accuracy(compute_embedding(module, rows, *scaling, device), triplets)

    return train, validation
