"""The triplet network: mining, loss, one step, inference."""

import numpy as np
import torch

from archetypal_triplet.triplets import TripletEmbedder
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
