"""One training run put together: batches, net, seeds, validation, checkpoint."""

import contextlib
from typing import NamedTuple

import numpy as np
import torch

from archetypal_triplet.triplets._augment import ImageAugmentation
from archetypal_triplet.triplets._batches import InstanceBatches, LabelBatches, TwoViewBatches
from archetypal_triplet.triplets._checkpoint import Checkpoint, compute_fingerprint
from archetypal_triplet.triplets._encoders import UnitLengthEncoder
from archetypal_triplet.triplets._images import ImageInputs, ImageRows
from archetypal_triplet.triplets._inputs import standardize
from archetypal_triplet.triplets._labels import encode_labels
from archetypal_triplet.triplets._losses import TripletCriterion
from archetypal_triplet.triplets._net import STEPS_PER_ROUND, Perturbation, TrainingLoop, TripletNet
from archetypal_triplet.triplets._seeding import deterministic_torch, draw_seeds, seeded_torch
from archetypal_triplet.triplets._settings import settle
from archetypal_triplet.triplets._validation import hold_out, pick


class Previous(NamedTuple):
    """What a warm start goes on from; a partial fit takes the optimizer and the criterion too."""

    scaling: tuple
    weights: dict
    n_steps: int
    history: list
    optimizer: dict | None
    criterion: dict | None


class Seeds(NamedTuple):
    """One seed for each use, so that none shifts another."""

    batches: int
    noise: int
    weights: int
    validation: int


def find_previous(embedder, *, in_shape, partial):
    """The earlier fit that `warm_start`, or a partial fit, goes on from.

    Parameters
    ----------
    embedder : TripletEmbedder
        The estimator, fitted or not.
    in_shape : tuple of int
        Shape of one sample now, as the network gets it.
    partial : bool
        Whether this is a partial fit.

    Returns
    -------
    Previous or None
        None in the first fit, or where nothing asks for it.

    Raises
    ------
    ValueError
        If the earlier network has other dimensions.
    """
    if not ((embedder.warm_start or partial) and hasattr(embedder, "net_")):
        return None
    before = (embedder.in_shape_, embedder._n_features_out)
    now = (tuple(in_shape), embedder.embedding_dim)
    if before != now:
        what, cure = ("partial_fit", "call fit") if partial else ("warm_start=True", "set warm_start=False")
        raise ValueError(
            f"{what} goes on with a network from {before[0]} to {before[1]} dimensions, and is now "
            f"asked for {now[0]} to {now[1]}: {cure} to start afresh."
        )
    net = embedder.net_
    # a model that was stored has lost the state of its optimizer
    optimizer = net.optimizer_.state_dict() if partial and hasattr(net, "optimizer_") else None
    return Previous(
        (embedder._mean, embedder._inverse_scale),
        net.module_.state_dict(),
        embedder.n_steps_,
        embedder.history_,
        optimizer,
        net.criterion_.state_dict() if partial else None,
    )


def make_net(embedder, in_shape, *, keep_weight, device):
    """The net that the estimator's parameters describe, not initialized.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its parameters.
    in_shape : tuple of int
        Shape of one sample.
    keep_weight : float
        Weight of the keep term.
    device : torch.device
        Where the net goes.

    Returns
    -------
    TripletNet
        The net.
    """
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
        criterion__instance_weight=embedder.instance_weight,
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


def train_network(embedder, table, codes, scaling, device, previous, *, window=None, partial=False):
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
        Column (or channel) means and reciprocal standard deviations.
    device : torch.device
        Where to train.
    previous : Previous or None
        For a warm start.
    window : tuple of two ints or None
        From :func:`~archetypal_triplet.triplets._settings.find_window`.
    partial : bool
        Whether to train one round only, at a constant rate, without validation and checkpoint.

    Returns
    -------
    net : TripletNet
        The trained net.
    n_steps : int
        Steps, earlier ones included.
    history : list of dict
        Records, earlier ones included.
    """
    features = table.features
    settings = settle(embedder, features, window, n_labelings=codes.shape[1])
    inputs = features if isinstance(features, ImageRows) else standardize(features, *scaling)
    n_steps_before = 0 if previous is None else previous.n_steps
    groups = None if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    seeds = draw_seeds(embedder.random_state, len(Seeds._fields))
    checkpoint, train, validation = None, None, None
    if partial:
        # the same seed for every call would repeat batches and noise
        seeds = [(seed + n_steps_before) % (2**31 - 1) for seed in seeds]
    elif embedder.checkpoint_path is not None:
        params = {**embedder.get_params(deep=False), "n_steps_before": n_steps_before}
        data = [inputs, codes] if groups is None else [inputs, codes, groups]
        checkpoint = Checkpoint(embedder.checkpoint_path, compute_fingerprint(params, *data))
        seeds = checkpoint.seeds(seeds)
    seeds = Seeds(*seeds)

    if not partial:
        train, validation = hold_out(
            embedder, features, codes, scaling, device, seeds.validation, window=window
        )
    if train is not None:
        inputs, codes = pick(inputs, train), _encode_rest(embedder, codes, train)
        groups = None if groups is None else groups[train]
    if isinstance(inputs, ImageRows):
        inputs = ImageInputs(inputs, *scaling, window=window, device=device)
    make_batches = TwoViewBatches if embedder.instance_weight else LabelBatches
    if isinstance(embedder.labeler, str):
        make_batches = InstanceBatches
    batches = make_batches(
        inputs if isinstance(inputs, ImageInputs) else torch.from_numpy(inputs),
        codes,
        groups,
        labels_per_batch=embedder.labels_per_batch,
        samples_per_label=embedder.samples_per_label,
        max_steps=STEPS_PER_ROUND if partial else settings.max_steps,
        steps_per_round=STEPS_PER_ROUND,
        rng=np.random.default_rng(seeds.batches),
        device=device,
    )
    loop = TrainingLoop(
        batches,
        Perturbation(settings.input_noise, scaling[1] > 0, settings.augment, device, seeds.noise),
        precision=embedder.precision,
        validation=validation,
        patience=embedder.patience,
        save=None if checkpoint is None else lambda net, loop: checkpoint.save(net, loop, seeds),
        first_step=n_steps_before,
        constant_rate=partial,
        verbose=embedder.verbose,
    )
    net = make_net(embedder, inputs.shape[1:], keep_weight=settings.keep_weight, device=device)
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
    augment = loop.perturb.augment
    foreign = (augment is not None and type(augment) is not ImageAugmentation) or any(
        value is not None for value in (embedder.module, embedder.criterion, embedder.callbacks)
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
        if device.type in net.module_.channels_last:
            net.module_.to(memory_format=torch.channels_last)
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
        if previous.criterion is not None:
            net.criterion_.load_state_dict(previous.criterion)
        if previous.optimizer is not None:
            net.optimizer_.load_state_dict(previous.optimizer)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            "warm_start=True and partial_fit go on with the network of the fit before, but criterion, "
            "module or module_kwargs now make another one: set warm_start=False and call fit to start "
            f"afresh. {str(error).splitlines()[-1].strip()}"
        ) from error
