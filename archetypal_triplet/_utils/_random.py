"""Randomness without a global generator."""

import numpy as np
from sklearn.utils import check_random_state


def own_random_state(random_state):
    """Return `random_state` as a RandomState; None gives fresh entropy, never the global generator.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An int gives the same numbers each time, a RandomState moves on.

    Returns
    -------
    RandomState
        The generator.
    """
    return np.random.RandomState() if random_state is None else check_random_state(random_state)


def draw_seed(random_state):
    """Return a seed drawn from `random_state`, or None for fresh entropy where it is None.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        An int gives the same seed each time, a RandomState moves on.

    Returns
    -------
    int or None
        Below 2^31. The global generator is neither read nor moved.
    """
    return None if random_state is None else check_random_state(random_state).randint(np.iinfo(np.int32).max)
