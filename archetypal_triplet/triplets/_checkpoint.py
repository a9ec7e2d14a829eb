"""Training state on disk: an interrupted fit goes on where it stopped, and ends as if it had not been."""

import functools
import hashlib
import json
import os
import types
import zipfile
from numbers import Integral
from pathlib import Path

import numpy as np
import torch

from archetypal_triplet.triplets._images import ImageRows

# images that stand for all of them in the fingerprint
_N_IMAGES = 64
_VERSION = 1
_KEYS = {
    "version",
    "fingerprint",
    "seeds",
    "module",
    "criterion",
    "optimizer",
    "batches",
    "generator",
    "device",
    "torch_rng",
    "cuda_rng",
    "history",
    "best_score",
    "best_weights",
    "n_stale",
}
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
        digest.update(f"{key}={value if isinstance(value, str) else _describe(value)}".encode())
    digest.update(f"random_state={int(random_state) if isinstance(random_state, Integral) else '?'}".encode())
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        if isinstance(array, ImageRows):
            array = array.read(np.linspace(0, len(array) - 1, min(len(array), _N_IMAGES)).astype(np.int64))
        digest.update(memoryview(array).cast("B"))
    return digest.hexdigest()


def _describe(value, above=()):
    """Text that is the same in another process, and another one for what does something else.

    Functions go by their code, which another version of Python compiles to another one; objects by their
    type, unless they have a text of their own: the default one holds their address.
    """
    if any(value is other for other in above):
        return "itself"
    describe = functools.partial(_describe, above=(*above, value))
    match value:
        case str() | bytes():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{k}: {describe(v)}" for k, v in value.items()) + "}"
        case set() | frozenset():
            return "{" + ", ".join(sorted(map(describe, value))) + "}"
        case list() | tuple():
            text = ", ".join(map(describe, value))
            return f"[{text}]" if isinstance(value, list) else f"({text})"
        case torch.Tensor():
            return f"{value.dtype}{describe(value.tolist())}"
        case np.ndarray() if not value.dtype.hasobject:
            data = np.ascontiguousarray(value).view(np.uint8)
            return f"{value.shape}{value.dtype}{hashlib.sha256(data).hexdigest()}"
        case functools.partial():
            return f"partial{describe((value.func, value.args, value.keywords))}"
        case types.MethodType():
            return f"{describe(value.__func__)} of {describe(value.__self__)}"
        case types.FunctionType():
            # a cell is empty while what it is for has not been computed
            cells = [c.cell_contents for c in value.__closure__ or () if c != types.CellType()]
            parts = (value.__code__, value.__defaults__, value.__kwdefaults__, cells)
            return value.__qualname__ + describe(parts)
        case types.CodeType():
            return f"code{describe((value.co_code, value.co_consts, value.co_names))}"
    text = str(getattr(value, "__qualname__", value))
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
        If the file exists and belongs to other data or parameters, is damaged, or is no checkpoint.
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
        try:
            with self.path.open("rb") as file:
                # torch.load does not compare the checksums
                if (damaged := zipfile.ZipFile(file).testzip()) is not None:
                    raise ValueError(f"The checksum of {damaged} is wrong.")
                file.seek(0)
                state = torch.load(file, map_location="cpu", weights_only=True)
            version, missing = state["version"], sorted(_KEYS - state.keys())
        except Exception as error:
            raise self._refuse("is not a checkpoint of a fit, or is damaged.") from error
        if version != _VERSION:
            raise self._refuse(f"has version {version}; this release reads {_VERSION}.")
        if missing:
            raise self._refuse(f"is not a checkpoint of a fit, or is damaged: it lacks {', '.join(missing)}.")
        if state["fingerprint"] != self.fingerprint:
            raise self._refuse(
                "was written by a fit with other data, labels or parameters.",
                " (A labeler without a fixed random_state gives other labels each time.)",
            )
        return state

    def _refuse(self, reason, hint=""):
        return ValueError(
            f"checkpoint_path={str(self.path)!r} {reason} Delete the file to start afresh, or choose another "
            f"checkpoint_path.{hint}"
        )

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
            If the interrupted fit ran on another kind of device, whose random numbers are others, or its
            state does not fit `net` and `loop`.
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
        try:
            self._restore(net, loop, exclusive)
        except Exception as error:
            raise self._refuse("does not fit the network, criterion and batches of this fit.") from error

    def _restore(self, net, loop, exclusive):
        state, device = self.state, loop.batches.device
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
