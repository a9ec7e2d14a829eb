"""Mining, loss and training steps beside pytorch-metric-learning and a bare torch loop, in one run.

    python benchmarks/peers/triplets.py [--quick] [--only losses|steps] [--threads 2]

Two tables. The first: mining and triplet loss, forward and backward, ours against `BatchHardMiner`
(batch-hard) and `TripletMarginMiner` (semi-hard) with `TripletMarginLoss`; loss and gradient are compared on
equal triplets. The second: a training step of `TripletEmbedder` against a bare loop with the same encoder,
optimizer, batches, loss and order in memory. Times are medians over turns, in which the methods follow each
other. It fails if a bar is missed."""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from pytorch_metric_learning import distances, losses, miners, reducers

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets import ImageAugmentation, make_cnn, make_mlp
from archetypal_triplet.triplets._losses import TripletCriterion, compute_triplet_losses
from archetypal_triplet.triplets._mining import mine_triplets

BATCHES = (256, 512, 1024, 2048, 4096)
DIMENSIONS = (64, 128, 256)
MARGIN = 0.2
# bars: batch-hard everywhere, semi-hard at batch 512, steps against the bare loop
BATCH_HARD, SEMIHARD, STEP, STEP_MAPPED = 2.3, 20.0, 1.15, 1.3
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-6


def take_turns(functions, n_turns):
    """Median seconds of each function; in every turn each of them runs once."""
    times = [[] for _ in functions]
    for function in functions:
        function()
    for turn in range(n_turns):
        order = range(len(functions)) if turn % 2 else reversed(range(len(functions)))
        for i in order:
            start = time.perf_counter()
            functions[i]()
            times[i].append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


def make_batch(size, dim):
    """Unit vectors of labels with 16 samples each, a little apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(size) // 16
    centers = torch.randn(size // 16, dim, generator=generator)
    rows = centers[labels] + 2 * torch.randn(size, dim, generator=generator)
    return torch.nn.functional.normalize(rows, dim=1).requires_grad_(), labels


def their_loss():
    """pytorch-metric-learning's triplet loss with a plain mean, as ours has."""
    return losses.TripletMarginLoss(margin=MARGIN, distance=plain(), reducer=reducers.MeanReducer())


def plain():
    """Their distance, spared to scale rows to unit length once more."""
    return distances.LpDistance(normalize_embeddings=False)


def compare_loss(size, dim, mining, n_turns):
    """Seconds of ours and theirs, and the differences of loss and gradient on equal triplets."""
    embedding, labels = make_batch(size, dim)
    generator = torch.Generator().manual_seed(0)
    ours = TripletCriterion(mining, margin=MARGIN)
    hard = mining == "batch_hard"
    if hard:
        miner = miners.BatchHardMiner(distance=plain())
    else:
        miner = miners.TripletMarginMiner(MARGIN, type_of_triplets="semihard", distance=plain())
    loss = their_loss()

    def run_ours():
        embedding.grad = None
        ours(embedding, labels, generator=generator)[0].backward()

    def run_theirs():
        embedding.grad = None
        loss(embedding, labels, miner(embedding, labels)).backward()

    seconds = take_turns((run_ours, run_theirs), n_turns)
    triplets = mine_triplets(embedding.detach(), labels, mining=mining, generator=generator)
    values, gradients = [], []
    for make in (
        lambda: compute_triplet_losses(embedding, *triplets, MARGIN).mean(),
        lambda: loss(embedding, labels, triplets),
    ):
        embedding.grad = None
        value = make()
        value.backward()
        values.append(value.item())
        gradients.append(embedding.grad.clone())
    return seconds, abs(values[0] - values[1]), (gradients[0] - gradients[1]).abs().max().item()


def run_losses(quick):
    """Print the first table; return the bars that were missed."""
    missed = []
    print("mining      batch  dim   ours ms  theirs ms   ratio  loss diff  gradient diff")
    cases = [("batch_hard", size, dim) for size in BATCHES for dim in DIMENSIONS]
    cases += [("semihard", 512, dim) for dim in DIMENSIONS]
    for mining, size, dim in cases[::4] if quick else cases:
        n_turns = 3 if mining == "semihard" else max(5, 20_000 // size // (4 if quick else 1))
        seconds, loss, gradient = compare_loss(size, dim, mining, n_turns)
        ratio = seconds[1] / seconds[0]
        print(
            f"{mining:<11} {size:>5} {dim:>4} {1e3 * seconds[0]:>9.2f} {1e3 * seconds[1]:>10.2f} "
            f"{ratio:>7.1f} {loss:>10.0e} {gradient:>14.0e}",
            flush=True,
        )
        if ratio < (BATCH_HARD if mining == "batch_hard" else SEMIHARD):
            missed.append(f"{mining} at {size} x {dim}: {ratio:.2f} times faster")
        if loss > LOSS_TOLERANCE or gradient > GRADIENT_TOLERANCE:
            missed.append(f"{mining} at {size} x {dim}: loss off by {loss:.0e}, gradient by {gradient:.0e}")
    return missed


class BareLoop:
    """The training loop that one would write by hand: same encoder, optimizer, schedule, batches and loss."""

    def __init__(self, X, y, mean, scale, augment, noise):
        self.X, self.mean, self.scale, self.augment, self.noise = X, mean, scale, augment, noise
        self.by_label = [np.flatnonzero(y == label) for label in np.unique(y)]

    def run(self, n_steps):
        """Train from scratch."""
        rng = np.random.default_rng(0)
        generator = torch.Generator().manual_seed(0)
        images = self.X.ndim == 4
        module = (make_cnn if images else make_mlp)(self.X.shape[1:], 32)
        order = torch.channels_last if images else torch.contiguous_format
        module = module.to(memory_format=order)
        optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=1e-4, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=n_steps + 1)
        criterion = TripletCriterion(margin=MARGIN, keep_weight=0.0 if images else 1.0)
        for _ in range(n_steps):
            chosen = rng.permutation(len(self.by_label))[:8]
            rows = np.concatenate([rng.choice(self.by_label[c], 8, replace=False) for c in chosen])
            rows = np.asarray(self.X[rows], dtype=np.float32)
            inputs = torch.from_numpy(rows).sub_(self.mean).mul_(self.scale)
            changed = inputs if self.augment is None else self.augment(inputs, generator)
            if self.noise:
                changed = changed + torch.empty_like(changed).normal_(generator=generator)
            labels = torch.from_numpy(np.repeat(chosen, 8))
            optimizer.zero_grad()
            embedding = torch.nn.functional.normalize(module(changed.contiguous(memory_format=order)), dim=1)
            loss = criterion(embedding, labels, inputs, generator=generator)[0]
            loss.backward()
            optimizer.step()
            schedule.step()


def run_steps(quick):
    """Print the second table; return the bars that were missed."""
    missed = []
    rng = np.random.default_rng(0)
    table = rng.normal(size=(3000, 30)).astype(np.float32)
    n_images = 2000 if quick else 12_000
    images = rng.integers(0, 4096, size=(n_images, 2, 40, 40), dtype=np.uint16)
    print("\ninput                 ours ms/step  bare ms/step   ratio   allowed")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", images)
        mapped = np.load(Path(folder) / "images.npy", mmap_mode="r")
        for name, X, n_steps, bar in (
            ("table 3000 x 30", table, 400, STEP),
            ("images in memory", images, 60, STEP),
            ("images, memmap", mapped, 60, STEP_MAPPED),
        ):
            ours, bare = time_steps(X, images if X is mapped else X, n_steps, n_turns=5 if quick else 9)
            ratio = ours / bare
            print(f"{name:<21} {1e3 * ours:>12.2f} {1e3 * bare:>13.2f} {ratio:>7.2f} {bar:>9.2f}", flush=True)
            if ratio > bar:
                missed.append(f"a step on {name}: {ratio:.2f} times the bare loop")
    return missed


def time_steps(X, X_bare, n_steps, n_turns):
    """Seconds per step of ours and of the bare loop: what a fit takes beyond one of few steps."""
    y = np.arange(len(X)) % 16
    images = X.ndim == 4
    X_sample = np.asarray(X[:2000], dtype=np.float32)
    axes, shape = ((0, 2, 3), (-1, 1, 1)) if images else (0, (-1,))
    mean, scale = (torch.from_numpy(v.reshape(shape)) for v in (X_sample.mean(axes), 1 / X_sample.std(axes)))
    bare = BareLoop(X_bare, y, mean, scale, ImageAugmentation() if images else None, noise=not images)
    few = n_steps // 4

    def fit(n):
        embedder = TripletEmbedder(max_steps=n, device="cpu", random_state=0)
        return lambda: embedder.fit(X, y)

    seconds = take_turns((fit(few), fit(n_steps), lambda: bare.run(few), lambda: bare.run(n_steps)), n_turns)
    return [(seconds[i + 1] - seconds[i]) / (n_steps - few) for i in (0, 2)]


def main():
    """Run both; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer cases and turns")
    parser.add_argument("--only", choices=("losses", "steps"), help="one of the two tables")
    parser.add_argument("--threads", type=int, help="torch's threads")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    missed = run_losses(arguments.quick) if arguments.only != "steps" else []
    if arguments.only != "losses":
        missed += run_steps(arguments.quick)
    for line in missed:
        print(f"MISSED: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
