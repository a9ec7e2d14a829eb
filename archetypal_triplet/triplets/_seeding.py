"""Randomness and process-wide torch switches, borrowed and given back."""

import contextlib
import os
import threading

import numpy as np
import torch

# torch's global generator and its switches belong to the process: only one thread may borrow them at a time
_LOCK = threading.RLock()


def draw_seeds(random_state, n):
    """Draw `n` seeds below 2^31 without touching a global generator.

    Parameters
    ----------
    random_state : int, numpy.random.RandomState or None
        An int gives the same seeds each time, a RandomState is advanced, None draws from the system.
    n : int
        How many.

    Returns
    -------
    list of int
        The seeds.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state.randint(2**31 - 1, size=n).tolist()
    return np.random.default_rng(random_state).integers(2**31 - 1, size=n).tolist()


@contextlib.contextmanager
def seeded_torch(seed, device=None):
    """Seed torch's global generators inside the block and restore them after; one thread at a time.

    Parameters
    ----------
    seed : int
        The seed.
    device : torch.device or None
        A CUDA device whose generator is seeded and restored too.

    Yields
    ------
    None
    """
    cuda = device is not None and device.type == "cuda"
    devices = [torch.cuda.current_device() if device.index is None else device.index] if cuda else []
    with _LOCK, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextlib.contextmanager
def deterministic_torch(device):
    """Have torch use deterministic algorithms inside the block; one thread at a time.

    Parameters
    ----------
    device : torch.device
        On CUDA the environment variable CUBLAS_WORKSPACE_CONFIG must be set.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        If that variable is missing.
    """
    if device.type == "cuda" and os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in (":4096:8", ":16:8"):
        raise ValueError(
            "deterministic=True on CUDA needs the environment variable CUBLAS_WORKSPACE_CONFIG=:4096:8, set "
            "before Python starts."
        )
    with _LOCK:
        before = torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        benchmark = torch.backends.cudnn.benchmark
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warn_only)
            torch.backends.cudnn.benchmark = benchmark


def resolve_device(device):
    """Turn the parameter `device` into a device that exists.

    Parameters
    ----------
    device : str or torch.device
        "auto" is CUDA where there is one, else the CPU.

    Returns
    -------
    torch.device
        The device, with an index on CUDA.

    Raises
    ------
    ValueError
        If the name is unknown, or this machine has no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device; allowed are 'auto', 'cpu', 'cuda', 'cuda:0' and what else "
            "torch.device accepts."
        ) from error
    if found.type == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) >= n_devices:
            raise ValueError(
                f"device={str(device)!r} is asked for, and torch {torch.__version__} sees {n_devices} CUDA "
                "device(s) here; use device='auto' or 'cpu', or install a CUDA build of torch."
            )
        return torch.device("cuda", found.index if found.index is not None else torch.cuda.current_device())
    try:
        torch.zeros(1, device=found).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={str(device)!r} is asked for and cannot be used here; use device='auto' or 'cpu'. "
            f"{str(error).splitlines()[0]}"
        ) from error
    return found
