"""The triplet network: mining, loss, batches, steps on tables and images, inference."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from archetypal_triplet.triplets import ImageAugmentation, TripletEmbedder
from archetypal_triplet.triplets._batches import LabelBatches
from archetypal_triplet.triplets._images import ImageInputs, ImageRows, compute_image_scaling
from archetypal_triplet.triplets._losses import TripletCriterion, compute_triplet_losses
from archetypal_triplet.triplets._mining import mine_triplets

try:
    from pytorch_metric_learning import losses, miners, reducers
except ImportError:
    losses = miners = reducers = None


def make_batch(size, dim=32):
    generator = torch.Generator().manual_seed(0)
    embedding = torch.nn.functional.normalize(torch.randn(size, dim, generator=generator), dim=1)
    return embedding, torch.arange(size) % 8, generator


class Mining:
    """Mining of one batch, each rule."""

    params = ([64, 256, 1024], ["semihard", "batch_hard", "easy_positive", "random"])
    param_names = ("batch", "mining")

    def setup(self, size, mining):
        self.embedding, self.labels, self.generator = make_batch(size)

    def time_mine(self, size, mining):
        mine_triplets(self.embedding, self.labels, mining=mining, generator=self.generator)

    def track_loss(self, size, mining):
        triplets = mine_triplets(self.embedding, self.labels, mining=mining, generator=self.generator)
        return compute_triplet_losses(self.embedding, *triplets, 0.2).mean().item()


class Loss:
    """Mining, loss and gradient of one batch, ours and pytorch-metric-learning's batch-hard."""

    params = ([64, 256, 1024], ["ours", "pytorch-metric-learning"])
    param_names = ("batch", "by")

    def setup(self, size, by):
        if by != "ours" and losses is None:
            raise NotImplementedError("pytorch-metric-learning is not installed")
        embedding, self.labels, _ = make_batch(size)
        self.embedding = embedding.requires_grad_()
        self.ours = TripletCriterion("batch_hard")
        if by != "ours":
            self.miner, self.theirs = (
                miners.BatchHardMiner(),
                losses.TripletMarginLoss(margin=0.2, reducer=reducers.MeanReducer()),
            )

    def compute(self, by):
        if by == "ours":
            return self.ours(self.embedding, self.labels)[0]
        return self.theirs(self.embedding, self.labels, self.miner(self.embedding, self.labels))

    def time_loss(self, size, by):
        self.compute(by).backward()

    def track_loss(self, size, by):
        return self.compute(by).item()


class Fit:
    """A fit of 100 steps, and the embedding of many rows."""

    params = [300, 30_000]
    param_names = ("samples",)

    def setup(self, n_samples):
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(12, 30))
        self.y = rng.integers(12, size=n_samples)
        self.X = centers[self.y] + rng.normal(size=(n_samples, 30))
        self.embedder = TripletEmbedder(max_steps=100, random_state=0, device="cpu")
        self.fitted = TripletEmbedder(max_steps=100, random_state=0, device="cpu").fit(self.X, self.y)

    def time_fit(self, n_samples):
        self.embedder.fit(self.X, self.y)

    def time_transform(self, n_samples):
        self.fitted.transform(self.X)

    def peakmem_fit(self, n_samples):
        self.embedder.fit(self.X, self.y)

    def track_score(self, n_samples):
        return self.fitted.score(self.X, self.y)


def save_images(folder, n_images, side):
    """Write a map of 16-bit images of two channels, part by part, and open it."""
    path = Path(folder) / "images.npy"
    shape = (n_images, 2, side, side)
    rng = np.random.default_rng(0)
    size = max(1, 2**22 // (2 * side * side))
    # not through a map, whose pages would count as memory of this process
    with path.open("wb") as file:
        header = {"descr": "<u2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n_images, size):
            n_rows = min(size, n_images - start)
            file.write(rng.integers(0, 4096, (n_rows, *shape[1:]), dtype=np.uint16).tobytes())
    return np.load(path, mmap_mode="r")


class Batches:
    """Drawing, reading and scaling 20 batches of 64 crops."""

    params = ["memory", "memmap"]
    param_names = ("source",)

    def setup(self, source):
        self.folder = tempfile.TemporaryDirectory()
        images = save_images(self.folder.name, 20_000, 40)
        rows = ImageRows(np.array(images) if source == "memory" else images)
        self.inputs = ImageInputs(rows, *compute_image_scaling(rows), device=torch.device("cpu"))
        self.codes = np.arange(20_000)[:, None] % 16

    def teardown(self, source):
        self.folder.cleanup()

    def time_batches(self, source):
        batches = LabelBatches(
            self.inputs,
            self.codes,
            None,
            labels_per_batch=8,
            samples_per_label=8,
            max_steps=20,
            steps_per_round=20,
            rng=np.random.default_rng(0),
            device=torch.device("cpu"),
        )
        for _ in batches:
            pass


class Augmentation:
    """Changes of one batch of 48 crops of 96 pixels."""

    params = [0.0, 1.0]
    param_names = ("blur",)

    def setup(self, blur):
        self.generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(48, 2, 96, 96, generator=self.generator)
        self.augment = ImageAugmentation(blur=blur)

    def time_augment(self, blur):
        self.augment(self.images, self.generator)


class FitImages:
    """20 steps on crops, and the embedding of many of them."""

    params = [40, 96]
    param_names = ("side",)
    timeout = 300

    def setup(self, side):
        rng = np.random.default_rng(0)
        self.y = np.arange(1000) % 8
        self.images = rng.integers(0, 4096, size=(1000, 2, side, side), dtype=np.uint16)
        self.images[:, 0] += (self.y * 500).astype(np.uint16)[:, None, None]
        self.embedder = TripletEmbedder(max_steps=20, random_state=0, device="cpu")
        self.fitted = TripletEmbedder(max_steps=20, random_state=0, device="cpu").fit(self.images, self.y)

    def time_fit(self, side):
        self.embedder.fit(self.images, self.y)

    def time_transform(self, side):
        self.fitted.transform(self.images)

    def track_score(self, side):
        return self.fitted.score(self.images, self.y)


class LargeImages:
    """Memory of a fit and of transform on 2 GB of crops in a file: at most 200 MB above the empty fit."""

    params = [100, 330_000]
    param_names = ("crops",)
    timeout = 600

    def setup(self, n_images):
        self.folder = tempfile.TemporaryDirectory()
        self.images = save_images(self.folder.name, n_images, 40)
        self.y = np.arange(n_images) % 16
        self.embedder = TripletEmbedder(max_steps=100, random_state=0, device="cpu")

    def teardown(self, n_images):
        self.folder.cleanup()

    def peakmem_fit_transform(self, n_images):
        self.embedder.fit(self.images, self.y).transform(self.images[:20_000])
