"""Fit on CUDA, pickle, load on the CPU, compare: what `make gpu` prints.

Without a CUDA device it says so and ends well. It fails if an embedding differs by more than 1e-3, or if
images (images.py) are trained on at less than 80 % of the bare encoder's speed or not as well as on the CPU.
"""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import pickle
import sys
import time

import images
import numpy as np
import torch

from archetypal_triplet import TripletEmbedder

TOLERANCE = 1e-3
N_STEPS = 400
# samples, columns, samples per label of a batch (times 8 labels)
CASES = [(2_000, 30, 8), (100_000, 200, 8), (100_000, 500, 64)]


def time_fit(embedder, X, y):
    """Fit, and return the milliseconds per step with those of the first 20 taken off."""
    short = TripletEmbedder(**{**embedder.get_params(), "max_steps": 20})
    start = time.perf_counter()
    short.fit(X, y)
    middle = time.perf_counter()
    embedder.fit(X, y)
    end = time.perf_counter()
    return 1e3 * ((end - middle) - (middle - start)) / (embedder.max_steps - 20)


def run_case(n_samples, n_columns, per_label):
    """Run one case and return its line of the table and the largest difference."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(16, n_columns))
    y = rng.integers(16, size=n_samples)
    X = (centers[y] + rng.normal(size=(n_samples, n_columns))).astype(np.float32)
    params = {"max_steps": N_STEPS, "samples_per_label": per_label, "random_state": 0}
    TripletEmbedder(**{**params, "max_steps": 20}, device="cuda").fit(X[:500], y[:500])
    on_cuda = TripletEmbedder(**params, device="cuda")
    cuda_ms = time_fit(on_cuda, X, y)
    cpu_ms = time_fit(TripletEmbedder(**params, device="cpu"), X, y)
    stored = pickle.dumps(on_cuda)
    loaded = pickle.loads(stored)
    rows = X[:5000]
    difference = float(np.abs(on_cuda.transform(rows) - loaded.transform(rows)).max())
    line = (
        f"{n_samples:>9,} {n_columns:>8} {8 * per_label:>6} {cuda_ms:>13.2f} {cpu_ms:>12.2f} "
        f"{len(stored) / 1e6:>10.2f} {loaded.device_:>10} {difference:>11.1e}"
    )
    return line, difference


def main():
    """Print the table; return the exit status."""
    if not torch.cuda.is_available():
        print(f"There is no CUDA device here (torch {torch.__version__}): nothing to measure.")
        return 0
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {torch.get_num_threads()} CPU threads")
    print("  samples  columns  batch  CUDA ms/step  CPU ms/step  pickle MB  loaded on  difference")
    worst = 0.0
    for case in CASES:
        line, difference = run_case(*case)
        print(line, flush=True)
        worst = max(worst, difference)
    print(f"largest difference between CUDA and CPU {worst:.1e}, allowed {TOLERANCE:.0e}")
    print()
    return max(images.main([]), 0 if worst <= TOLERANCE else 1)


if __name__ == "__main__":
    sys.exit(main())
