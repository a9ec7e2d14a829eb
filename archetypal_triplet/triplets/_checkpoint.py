"""Training state on disk: an interrupted fit goes on where it stopped, and ends as if it had not been."""

import hashlib
import json
import os
from numbers import Integral
from pathlib import Path

import numpy as np
import torch

from archetypal_triplet.triplets._images import ImageRows

# images that stand for all of them in the fingerprint
_N_IMAGES = 64
_VERSION = 1
# what does not change the numbers may differ between the interrupted and the resumed fit; the device is
# judged apart, by its kind, and labels and groups by their values
_IRRELEVANT = {
    "checkpoint_path",
    "verbose",
    "callbacks",
    "device",
    "backbone",
    "labeler",
    "label_column",
    "groups_column",
}


def compute_fingerprint(params, *arrays):
    """Text that is equal for two fits that would do the same steps.

    Parameters
    ----------
    params : dict
        The estimator's own parameters; of `random_state` only a whole number is compared, since the drawn
        seeds lie in the checkpoint.
    *arrays : ndarray or ImageRows
        The data, hashed; of images a sample of 64.

    Returns
    -------
    str
        Hexadecimal digest.
    """
    digest = hashlib.sha256()
    random_state = params["random_state"]
    for key in sorted(params):
        if key in _IRRELEVANT or key == "random_state":
            continue
        value = params[key]
        digest.update(f"{key}={_describe(value)}".encode())
    digest.update(f"random_state={int(random_state) if isinstance(random_state, Integral) else '?'}".encode())
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        if isinstance(array, ImageRows):
            array = array.read(np.linspace(0, len(array) - 1, min(len(array), _N_IMAGES)).astype(np.int64))
        digest.update(memoryview(array).cast("B"))
    return digest.hexdigest()


def _describe(value):
    """Text that is the same in another process: the default one of an object holds its address."""
    text = str(getattr(value, "__qualname__", value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_describe(v)}" for k, v in value.items()) + "}"
    return type(value).__qualname__ if " at 0x" in text else text


class Checkpoint:
    """One file with everything that a later step depends on.

    Parameters
    ----------
    path : str or path-like
        The file. It is written beside and renamed, so that it is never half a file.
    fingerprint : str
        From :func:`compute_fingerprint`.

    Raises
    ------
    ValueError
        If the file exists and belongs to other data or parameters, or is no checkpoint.
    """

    def __init__(self, path, fingerprint):
        self.path = Path(path)
        self.fingerprint = fingerprint
        self.state = None
        if not self.path.parent.is_dir():
            raise ValueError(
                f"checkpoint_path={str(path)!r} lies in a folder that does not exist: make it first."
            )
        if self.path.exists():
            self.state = self._read()

    def _read(self):
        cure = "Delete the file to start afresh, or choose another checkpoint_path."
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            version = state["version"]
        except Exception as error:
            raise ValueError(
                f"checkpoint_path={str(self.path)!r} is not a checkpoint of a fit. {cure}"
            ) from error
        if version != _VERSION:
            raise ValueError(
                f"checkpoint_path={str(self.path)!r} has version {version}; this release reads {_VERSION}. "
                f"{cure}"
            )
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"checkpoint_path={str(self.path)!r} was written by a fit with other data, labels or "
                f"parameters. {cure} (A labeler without a fixed random_state gives other labels each time.)"
            )
        return state

    def seeds(self, fresh):
        """The seeds of the interrupted fit, or `fresh` ones where there is none."""
        return fresh if self.state is None else list(self.state["seeds"])

    def save(self, net, loop, seeds):
        """Write the state after a round."""
        device = loop.batches.device
        state = {
            "version": _VERSION,
            "fingerprint": self.fingerprint,
            "seeds": list(seeds),
            "module": net.module_.state_dict(),
            "criterion": net.criterion_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "batches": loop.batches.get_state(),
            "generator": loop.perturb.generator.get_state(),
            "device": device.type,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "history": json.dumps(loop.history),
            "best_score": loop.best_score,
            "best_weights": loop.best_weights,
            "n_stale": loop.n_stale,
        }
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            torch.save(state, beside)
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)

    def resume(self, net, loop, *, exclusive):
        """Put a freshly built net and loop where the interrupted fit was.

        Parameters
        ----------
        net : TripletNet
            Initialized.
        loop : TrainingLoop
            At step 0.
        exclusive : bool
            Whether torch's global generators are borrowed, and may therefore be set.

        Raises
        ------
        ValueError
            If the interrupted fit ran on another kind of device, whose random numbers are others.
        """
        state = self.state
        if state is None:
            return
        device = loop.batches.device
        if state["device"] != device.type:
            raise ValueError(
                f"checkpoint_path={str(self.path)!r} was written by a fit on {state['device']!r}, and "
                f"{device.type!r} draws other random numbers. Set device={state['device']!r}, or delete the "
                "file to start afresh."
            )
        net.module_.load_state_dict(state["module"])
        net.criterion_.load_state_dict(state["criterion"])
        net.optimizer_.load_state_dict(state["optimizer"])
        loop.batches.set_state(state["batches"])
        loop.perturb.generator.set_state(state["generator"])
        if exclusive:
            torch.set_rng_state(state["torch_rng"])
            if device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"], device)
        loop.history = json.loads(state["history"])
        loop.best_score = state["best_score"]
        loop.best_weights = state["best_weights"]
        loop.n_stale = state["n_stale"]
