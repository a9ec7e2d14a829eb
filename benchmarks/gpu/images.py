"""Images on CUDA: throughput beside the bare encoder, agreement with the CPU, every precision; see run.py.

    python benchmarks/gpu/images.py [--device cpu] [--small]

With ``--device cpu --small`` the same code runs where there is no GPU, to see that it works; its times mean
nothing.
"""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import argparse
import pickle
import sys
import time

import numpy as np
import torch

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets import ImageAugmentation, make_cnn
from archetypal_triplet.triplets._losses import TripletCriterion

# at least this share of the bare encoder's images per second, in bf16 with batches drawn from host memory
SHARE = 0.8
# the largest difference of the triplet score between CUDA and CPU, and of a transform of the same weights
SCORE_TOLERANCE, TRANSFORM_TOLERANCE = 0.03, 1e-2


def make_mechanisms(n, side, seed=0):
    """Images of two channels with blobs of four kinds: few or many, small or large; in two batches."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 4
    batch = np.arange(n) // 4 % 2
    rows, columns = np.mgrid[:side, :side]
    images = rng.poisson(200 + 60 * batch[:, None, None, None], (n, 2, side, side)).astype(np.float32)
    for image, kind in zip(images, y, strict=True):
        for _ in range(4 if kind % 2 else 12):
            top, left = rng.uniform(0, side, 2)
            width = side / (12 if kind < 2 else 24)
            spot = np.exp(-((rows - top) ** 2 + (columns - left) ** 2) / (2 * width**2))
            image += 800 * spot * np.array([1.0, 0.5 + 0.5 * (kind % 2)])[:, None, None]
    return images.astype(np.uint16), y


def synchronize(device):
    """Wait for the device."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def time_bare(shape, size, n_steps, device):
    """Images per second of the encoder alone in bf16: all of a step but reading."""
    module = make_cnn(shape, 32).to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
    images = torch.randn(size, *shape, device=device)
    labels = torch.arange(size, device=device) // 8
    generator = torch.Generator(device=device).manual_seed(0)
    augment, criterion = ImageAugmentation(), TripletCriterion()
    for step in range(n_steps + 10):
        if step == 10:
            synchronize(device)
            start = time.perf_counter()
        optimizer.zero_grad()
        changed = augment(images, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            embedding = module(changed)
        embedding = torch.nn.functional.normalize(embedding.float(), dim=1)
        criterion(embedding, labels, images, generator=generator)[0].backward()
        optimizer.step()
    synchronize(device)
    return n_steps * size / (time.perf_counter() - start)


def time_fit(images, y, n_steps, device, **params):
    """Images per second of a fit: what it takes beyond a short one."""
    seconds = []
    for n in (n_steps // 4, n_steps // 4, n_steps):
        embedder = TripletEmbedder(max_steps=n, device=device, random_state=0, **params)
        start = time.perf_counter()
        embedder.fit(images, y)
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    size = embedder.labels_per_batch * embedder.samples_per_label
    return (n_steps - n_steps // 4) * size / (seconds[2] - seconds[1])


def compare_throughput(device, small):
    """Print images per second at several batch sizes; return whether the largest reaches its share."""
    n_steps = 8 if small else 200
    images, y = make_mechanisms(200 if small else 8000, 24 if small else 96)
    y = np.arange(len(y)) % 8
    print("batch  bare bf16 img/s  fit bf16 img/s  share  fit fp32 img/s  fit bf16 + compile img/s")
    for per_label in (2,) if small else (8, 32, 128):
        params = {"samples_per_label": per_label}
        bare = time_bare(images.shape[1:], 8 * per_label, n_steps, device)
        fit = time_fit(images, y, n_steps, device, precision="bf16", **params)
        single = time_fit(images, y, n_steps, device, **params)
        compiled = float("nan")
        if not small:
            compiled = time_fit(images, y, n_steps, device, precision="bf16", compile=True, **params)
        print(
            f"{8 * per_label:>5} {bare:>16,.0f} {fit:>15,.0f} {fit / bare:>6.2f} {single:>15,.0f} "
            f"{compiled:>25,.0f}",
            flush=True,
        )
    return fit / bare >= SHARE


def compare_quality(device, small):
    """Train on the device and on the CPU; print scores and differences; return whether they agree."""
    n, side, n_steps = (80, 16, 20) if small else (1200, 48, 300)
    images, y = make_mechanisms(n, side)
    unseen, y_unseen = make_mechanisms(n // 2, side, seed=1)
    params = {"max_steps": n_steps, "random_state": 0}
    on_cpu = TripletEmbedder(device="cpu", **params).fit(images, y).score(unseen, y_unseen)
    print(f"\nscore on images that were not trained on: CPU fp32 {on_cpu:.3f}")
    agree = True
    for name, more in (
        ("fp32", {}),
        ("bf16", {"precision": "bf16"}),
        ("deterministic", {"deterministic": True}),
    ):
        embedder = TripletEmbedder(device=device, **params, **more).fit(images, y)
        score = embedder.score(unseen, y_unseen)
        loaded = pickle.loads(pickle.dumps(embedder))
        difference = float(np.abs(loaded.transform(unseen) - embedder.transform(unseen)).max())
        again = TripletEmbedder(device=device, **params, **more).fit(images, y)
        repeats = bool((again.transform(unseen) == embedder.transform(unseen)).all())
        print(
            f"{device} {name:<14} {score:.3f}, loaded on the {loaded.device_}: difference {difference:.1e}, "
            f"a second fit is {'equal' if repeats else 'not equal'}",
            flush=True,
        )
        agree &= abs(score - on_cpu) <= SCORE_TOLERANCE and difference <= TRANSFORM_TOLERANCE
        agree &= repeats or name != "deterministic"
    return agree


def main(arguments=None):
    """Print the tables; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny images, few steps: does it run")
    arguments = parser.parse_args(arguments)
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        print(f"There is no CUDA device here (torch {torch.__version__}): nothing to measure.")
        return 0
    fast = compare_throughput(arguments.device, arguments.small)
    agree = compare_quality(arguments.device, arguments.small)
    if arguments.small:
        return 0
    print(
        f"\nthroughput {'reaches' if fast else 'MISSES'} {SHARE:.0%} of the bare encoder at the largest batch"
    )
    print(f"quality {'agrees' if agree else 'DIFFERS'}")
    return 0 if fast and agree else 1


if __name__ == "__main__":
    sys.exit(main())
