"""A fitted embedder as named arrays and a JSON-able description, and back; no pickle, no code in the file."""

import json

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from archetypal_triplet.triplets._encoders import default_factory
from archetypal_triplet.triplets._estimator import TripletEmbedder
from archetypal_triplet.triplets._images import resolve_channels
from archetypal_triplet.triplets._net import TripletNet
from archetypal_triplet.triplets._seeding import resolve_device, seeded_torch
from archetypal_triplet.triplets._training import make_net

_FORMAT = "archetypal_triplet.TripletEmbedder"
_VERSION = 1
_WEIGHTS = "weights."
# what describes the encoder or the training in plain numbers; objects stay behind
_PLAIN = (
    "channels",
    "crop_size",
    "embedding_dim",
    "groups_column",
    "input_noise",
    "instance_weight",
    "keep_weight",
    "label_column",
    "labels_per_batch",
    "lr",
    "margin",
    "max_steps",
    "mining",
    "module_kwargs",
    "precision",
    "samples_per_label",
    "weight_decay",
)


def module_state(embedder):
    """Weights and description of a fitted embedder with the default encoder.

    Parameters
    ----------
    embedder : TripletEmbedder
        Fitted, with ``module=None``.

    Returns
    -------
    tensors : dict of str to ndarray
        The encoder's weights (names begin with ``weights.``), `mean` and `inverse_scale` of the columns.
    config : dict
        What else :func:`embedder_from_state` needs; survives JSON unchanged.

    Raises
    ------
    ValueError
        If the encoder is not the default one, which is refused by name.
    """
    check_is_fitted(embedder)
    if embedder.module is not None:
        name = getattr(embedder.module, "__qualname__", repr(embedder.module))
        raise ValueError(
            f"module={name} cannot be written: only the default encoder (module=None) is stored as weights "
            "and numbers. Save such an embedder with joblib.dump, or its weights with torch.save."
        )
    if embedder.backbone is not None:
        raise ValueError(
            f"backbone={type(embedder.backbone).__name__} cannot be written: only the head would be stored. "
            "Save such an embedder with joblib.dump, or compute features in a step before it."
        )
    state = embedder.net_.module_.state_dict()
    tensors = {_WEIGHTS + key: value.cpu().numpy().copy() for key, value in state.items()}
    tensors["mean"] = np.asarray(embedder._mean, dtype=np.float64)
    tensors["inverse_scale"] = np.asarray(embedder._inverse_scale, dtype=np.float64)
    config = {
        "format": _FORMAT,
        "version": _VERSION,
        "params": {name: getattr(embedder, name) for name in _PLAIN} | {"channels": _list_channels(embedder)},
        "in_shape": list(embedder.in_shape_),
        "n_features_in": embedder.n_features_in_,
        "feature_names_in": list(getattr(embedder, "feature_names_in_", [])) or None,
        "n_steps": embedder.n_steps_,
        "spread": embedder.spread_,
    }
    try:
        config = json.loads(json.dumps(config, default=_to_plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"module_kwargs={embedder.module_kwargs!r} cannot be written as JSON: use numbers, text and "
            "lists."
        ) from error
    return tensors, config


def _list_channels(embedder):
    channels = resolve_channels(embedder.channels, embedder.n_features_in_)
    return None if channels is None or len(embedder.in_shape_) == 1 else channels.tolist()


def _to_plain(value):
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not plain")


def embedder_from_state(tensors, config, *, device="cpu"):
    """Rebuild an embedder that transforms, from :func:`module_state`'s two results.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Weights and column statistics.
    config : dict
        The description.
    device : str or torch.device
        Where it shall compute.

    Returns
    -------
    TripletEmbedder
        Fitted; without labeler and labels, which are not needed to transform.

    Raises
    ------
    ValueError
        If the description is of another format or version, or the arrays do not fit it.
    """
    if config.get("format") != _FORMAT or config.get("version") != _VERSION:
        raise ValueError(
            f"the model's description has format={config.get('format')!r}, "
            f"version={config.get('version')!r}; this release reads format={_FORMAT!r}, version={_VERSION}. "
            "Write the model again with this release."
        )
    unknown = sorted(set(config["params"]) - set(_PLAIN))
    if unknown:
        raise ValueError(
            f"the model's description has the unknown parameters {unknown}; allowed are {list(_PLAIN)}."
        )
    embedder = TripletEmbedder(**config["params"], device=str(device))
    target = resolve_device(device)
    net = make_net(embedder, config["in_shape"], keep_weight=0.0, device=target)
    with seeded_torch(0, target):
        net.initialize()
    _load_weights(net, tensors)

    embedder._mean = np.asarray(tensors["mean"], dtype=np.float64)
    embedder._inverse_scale = np.asarray(tensors["inverse_scale"], dtype=np.float64)
    embedder._n_features_out = embedder.embedding_dim
    embedder.in_shape_ = tuple(config["in_shape"])
    embedder.n_features_in_ = config["n_features_in"]
    if config["feature_names_in"] is not None:
        embedder.feature_names_in_ = np.asarray(config["feature_names_in"], dtype=object)
    embedder.device_ = str(target)
    embedder.net_ = net
    embedder.n_steps_ = config["n_steps"]
    embedder.spread_ = config["spread"]
    embedder.history_ = []
    return embedder


def _load_weights(net: TripletNet, tensors):
    expected = net.module_.state_dict()
    shapes = {_WEIGHTS + key: tuple(value.shape) for key, value in expected.items()}
    shapes |= dict.fromkeys(("mean", "inverse_scale"), (net.module__in_shape[0],))
    wrong = [
        f"{name}: {np.shape(tensors[name]) if name in tensors else 'missing'} instead of {shape}"
        for name, shape in shapes.items()
        if name not in tensors or np.shape(tensors[name]) != shape
    ]
    wrong += [f"{name}: not known" for name in tensors if name not in shapes]
    if wrong:
        name = default_factory(net.module__in_shape).__name__
        raise ValueError(
            f"the model's arrays do not fit its description ({name}): {'; '.join(wrong[:5])}. "
            "The two files do not belong together, or one of them is damaged."
        )
    # a copy each: torch shares memory with numpy, and the caller's arrays may be read-only maps of a file
    net.module_.load_state_dict(
        {key: torch.from_numpy(np.array(tensors[_WEIGHTS + key])) for key in expected}
    )
    net.module_.eval()
