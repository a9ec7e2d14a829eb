"""Progress of training and embedding, for a person who waits."""

import logging
import sys

from archetypal_triplet._utils._optional import import_optional

logger = logging.getLogger("archetypal_triplet.triplets")


class Progress:
    """A bar on the terminal at `verbose` 2 and above; nothing below, or where tqdm is not installed.

    Parameters
    ----------
    total : int
        What 100 % are.
    verbose : int
        The estimator's parameter.
    what : str
        Text before the bar.
    unit : str
        What is counted.
    done : int
        Where to begin.
    """

    def __init__(self, total, *, verbose, what, unit, done=0):
        self.bar = None
        if verbose < 2:
            return
        try:
            tqdm = import_optional("tqdm", extra="screens").tqdm
        except ImportError as error:
            logger.info("no progress bar: %s", error)
            return
        self.bar = tqdm(total=total, initial=done, desc=what, unit=unit, file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.bar is not None:
            self.bar.close()

    def advance(self, n, **numbers):
        """Count `n` more and show numbers beside the bar."""
        if self.bar is None:
            return
        if numbers:
            self.bar.set_postfix({k: f"{v:.3f}" for k, v in numbers.items()}, refresh=False)
        self.bar.update(n)
