"""The factors of a simulated screen: each has a stream of random numbers of its own."""

import numpy as np

from archetypal_triplet._utils._random import own_random_state

# a seed depends on the place in this list: new factors go to its end
FACTORS = (
    *("layout", "compounds", "end_points", "features"),
    *("wells", "plates", "batches", "positions", "noise", "outliers"),
    *("optics", "fields", "cells", "sensor", "artifacts"),
)


def make_seeds(random_state, factor_seeds):
    """One independent SeedSequence per factor; `factor_seeds` replaces single ones."""
    rng = own_random_state(random_state)
    entropy = rng.randint(np.iinfo(np.int32).max, size=4).tolist()
    children = np.random.SeedSequence(entropy).spawn(len(FACTORS))
    seeds = dict(zip(FACTORS, children, strict=True))
    for name, seed in (factor_seeds or {}).items():
        if name not in seeds:
            raise ValueError(
                f"factor_seeds names {name!r}, which is no factor. Choose from: {', '.join(FACTORS)}."
            )
        seeds[name] = np.random.SeedSequence(seed)
    return seeds


def make_generators(seeds):
    """One Generator per factor."""
    return {name: np.random.default_rng(seed) for name, seed in seeds.items()}


def make_generator_of(seed, *key):
    """Make a Generator for one part of a factor (say one field), the same whatever else is drawn."""
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key))
    return np.random.default_rng(child)
