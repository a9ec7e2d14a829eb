"""The network on pixels: trained on crops or fields, by the labels that their features give."""

import hashlib
import logging
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._roles import plate_codes
from archetypal_triplet.images import ImageStack
from archetypal_triplet.runs._joint import EmbeddingWhitener
from archetypal_triplet.runs._progress import TrainingBar
from archetypal_triplet.runs._tables import spread_labels

EMBEDS = ("features", "pixels", "both")
# of `TripletEmbedder`; what describes training in plain numbers, so that run.json and the model can hold it
PIXEL_OPTIONS = (
    "crop_size", "embedding_dim", "instance_weight", "labels_per_batch", "lr", "margin", "max_steps",
    "mining", "precision", "samples_per_label", "weight_decay",
)  # fmt: skip
# 8 labels x 6 images x 2 views; benchmarks/quality/README.md tells what was measured
DEFAULTS = {"max_steps": 1200, "labels_per_batch": 8, "samples_per_label": 6, "instance_weight": 0.3}
CHECKPOINT, FIELDS = "training.pt", "fields.npy"
_BYTES_PER_BLOCK = 2**26

logger = logging.getLogger("archetypal_triplet.runs")


@dataclass
class PixelPlan:
    """What the network on pixels is trained on, and where its state is kept.

    Attributes
    ----------
    embed : {"pixels", "both"}
        What the embedding of the run is made of.
    images : ImageStack
        Crops of cells, their mask last, or fields.
    positions : ndarray of int of shape (n_images,)
        Row of the table of profiles that each image belongs to. Where several belong to one row, their labels
        are those of the row, and its embedding is their mean.
    groups : ndarray of int of shape (n_images,)
        Well of each image.
    plates : ndarray of int of shape (n_images,)
        Plate of each image; positives are taken from other plates, or from other wells where there is one.
    has_mask : bool
        Whether the last channel is the mask of a cell, which the network does not get.
    make_stage : callable
        Returns the stage of a key.
    options : dict
        More of `TripletEmbedder`.
    """

    embed: str
    images: ImageStack
    positions: np.ndarray
    groups: np.ndarray
    plates: np.ndarray
    has_mask: bool
    make_stage: object
    options: dict = field(default_factory=dict)


def check_pixel_options(options):
    """Judge ``embed`` and ``pixel_options``.

    Parameters
    ----------
    options : dict
        Of a run on images; ``pixel_options`` becomes a dict.

    Raises
    ------
    ValueError
        If one of them is not allowed.
    """
    embed, more = options["embed"], options["pixel_options"]
    if embed not in EMBEDS:
        raise ValueError(f"embed={embed!r} (--embed) is unknown. Choose from: {', '.join(EMBEDS)}.")
    if more and embed == "features":
        raise ValueError(
            "pixel_options are for the network on pixels, and embed='features' (--embed) trains none. Set "
            "embed='pixels' or 'both', or leave pixel_options out."
        )
    unknown = [name for name in more or () if name not in PIXEL_OPTIONS]
    if unknown:
        raise ValueError(f"pixel_options has {unknown[0]!r}, which is none of {', '.join(PIXEL_OPTIONS)}.")
    options["pixel_options"] = dict(more or {})


def learn_pixels(plan, pixels, embedder, components, stages):
    """Train the network on images, and make the embedding of the run.

    Parameters
    ----------
    plan : RunPlan
        Of the features.
    pixels : PixelPlan
        The images.
    embedder : TripletEmbedder
        Fitted on the features; its labels are taken.
    components : ndarray of shape (n_rows, n_components)
        What it was fitted on.
    stages : Stages
        To time this one.

    Returns
    -------
    sklearn.utils.Bunch
        ``embedding`` (n_rows, n_dimensions), that of the run; ``spaces``, those that it was made from or is
        to be compared with, by name; ``models``, Pipelines by name; ``info`` for run.json.
    """
    of_features = embedder.transform(components)
    labels = spread_labels(embedder.labels_, plan.left_out)[pixels.positions]
    with stages("pixels") as say:
        network, values, was_there = _train(plan, pixels, labels)
        say(
            "%s the network on %s images of %s pixels for %d steps on %s",
            "had trained" if was_there else "trained", len(values), " x ".join(map(str, network.in_shape_)),
            network.n_steps_, network.device_,
        )  # fmt: skip
    of_pixels = mean_by_position(values, pixels.positions, len(of_features))
    spaces = {"feature_embedding": of_features}
    groups, center = _whitening_groups(plan, pixels, len(of_pixels)), _find_centering(plan)
    whitener = EmbeddingWhitener().fit(center(of_pixels), groups=groups)
    models = {"pixels": Pipeline([("embed", network), ("whiten", whitener)])}
    embedding = center(whitener.transform(of_pixels))
    if pixels.embed == "both":
        spaces["pixel_embedding"] = embedding
        both = np.hstack([center(of_features), embedding])
        joiner = EmbeddingWhitener([of_features.shape[1], embedding.shape[1]]).fit(both, groups=groups)
        embedding = center(joiner.transform(both))
        models["joint"] = Pipeline([("whiten", joiner)])
    info = _describe(pixels, network, was_there) | {"ridge": whitener.ridge_}
    return Bunch(embedding=embedding, spaces=spaces, models=models, info=info)


def mean_by_position(values, positions, n_rows):
    """Average the rows of `values` that belong to one row.

    Parameters
    ----------
    values : ndarray of shape (n_images, n_dimensions)
        Embedding of images.
    positions : ndarray of int of shape (n_images,)
        Row of each image, from 0 to `n_rows` - 1; every row has one.
    n_rows : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n_rows, n_dimensions), float32
        The means.
    """
    if len(values) == n_rows and np.array_equal(positions, np.arange(n_rows)):
        return values
    return group_means(values, positions, n_rows).astype(np.float32)


def _find_centering(plan):
    """Return a function that centers each plate on its negative controls, or does nothing without controls.

    Features were centered before they were learned from. Pixels cannot be: brightness differs between plates.
    """
    options = plan.options
    if not options["controls"]:
        return lambda values: values
    is_control = select_rows(plan.table, options["controls"])
    if plan.left_out is not None:
        is_control &= ~plan.left_out
    plates = plate_codes(plan.table, options["plate"])
    n_plates = plates.max() + 1

    def center(values):
        centers = group_means(values[is_control], plates[is_control], n_plates)
        return (values - centers[plates]).astype(np.float32)

    return center


def _whitening_groups(plan, pixels, n_rows):
    """Rows that ought to be alike: of one well; or, where each well is one row, the controls of a plate."""
    groups = np.full(n_rows, -1, dtype=np.intp)
    groups[pixels.positions] = pixels.groups
    if len(np.unique(groups)) < n_rows:
        return groups
    options = plan.options
    if not options["controls"]:
        return None
    return np.where(
        select_rows(plan.table, options["controls"]), plate_codes(plan.table, options["plate"]), -1
    )


def _train(plan, pixels, labels):
    """Fit the network, go on with an interrupted fit, or take a finished one; embed all images.

    The checkpoint of the last step is a network that needs no training any more.
    """
    from archetypal_triplet.triplets import TripletEmbedder

    options = DEFAULTS | pixels.options
    device, seed = plan.options["device"], plan.options["random_state"]
    key = {
        "labels": _digest(labels, pixels.groups),
        "options": options,
        "seed": seed,
        "device": device,
        "code": version("archetypal-triplet"),
    }
    stage = pixels.make_stage(key)
    was_there = stage.state == "finished"
    if not was_there:
        stage.begin()
    apart = pixels.plates if pixels.plates.any() else pixels.groups
    images = pixels.images if pixels.has_mask else _unpack(stage, pixels.images)
    bar = TrainingBar(options["max_steps"], shown=plan.progress)
    network = TripletEmbedder(
        channels=slice(None, -1) if pixels.has_mask else None,
        **options,
        device=device,
        random_state=seed,
        checkpoint_path=stage.folder / CHECKPOINT,
        callbacks=[bar],
    )
    network.fit(images, labels, groups=apart)
    bar.check_not_interrupted()
    network.set_params(callbacks=None, checkpoint_path=None)
    values = network.transform(images)
    (stage.folder / FIELDS).unlink(missing_ok=True)
    if not was_there:
        stage.finish({"n_images": len(values), "n_steps": network.n_steps_}, [CHECKPOINT])
    return network, values, was_there


def _digest(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype.kind}".encode())
        digest.update(np.ascontiguousarray(array, dtype=np.int64))
    return digest.hexdigest()


def _unpack(stage, stack):
    """Write fields to one file without compression: training reads each some hundred times, and windows only.

    Returns
    -------
    ndarray
        A memory map; its file is removed after training.
    """
    path, beside = stage.folder / FIELDS, stage.folder / f".{FIELDS}"
    if not path.exists():
        target = np.lib.format.open_memmap(beside, "w+", dtype=stack.dtype, shape=stack.shape)
        step = max(1, _BYTES_PER_BLOCK // max(1, target[0].nbytes))
        for start in range(0, len(target), step):
            rows = slice(start, start + step)
            target[rows] = stack[rows]
        target.flush()
        del target
        beside.replace(path)
    return np.load(path, mmap_mode="r")


def _describe(pixels, network, was_there):
    return {
        "embed": pixels.embed,
        "what": "The pseudo-labels are those of the features (trained_on). The network saw pixels and these, "
        "and no mechanism or control type.",
        "n_images": len(pixels.images),
        "in_shape": network.in_shape_,
        "channels": list(pixels.images.channel_names or ())[: network.in_shape_[0]],
        "options": DEFAULTS | pixels.options,
        "n_steps": network.n_steps_,
        "spread": network.spread_,
        "last_round": network.history_[-1],
        "reused": was_there,
    }
