"""Progress: a log line a stage with its seconds, a bar while the network trains, warnings kept."""

import logging
import sys
import time
import warnings
from contextlib import contextmanager

from archetypal_triplet._utils._exceptions import CollapseWarning, DataWarning
from archetypal_triplet._utils._optional import import_optional

logger = logging.getLogger("archetypal_triplet.runs")


class Stages:
    """Times the stages of a run and logs a line at the end of each.

    Examples
    --------
    >>> from archetypal_triplet.runs._progress import Stages
    >>> stages = Stages()
    >>> with stages("read") as say:
    ...     say("read %d rows", 302)
    >>> list(stages.seconds)
    ['read']
    """

    def __init__(self):
        self.seconds = {}

    @contextmanager
    def __call__(self, name):
        """Time a stage; the function that it yields takes the words of the line, as `logging` does."""
        said = []
        start = time.perf_counter()
        yield lambda *words: said.append(words)
        self.seconds[name] = round(time.perf_counter() - start, 3)
        for text, *values in said:
            logger.info("%7.1f s  " + text, self.seconds[name], *values)


@contextmanager
def heard_warnings():
    """Log what the package warns of about data and network, and keep it in the list that is yielded.

    Each text is heard once. Other libraries' warnings go their way.
    """
    heard = []
    with warnings.catch_warnings():
        for category in (DataWarning, CollapseWarning):
            warnings.simplefilter("always", category)
        show = warnings.showwarning

        def hear(message, category, *rest, **options):
            if not issubclass(category, (DataWarning, CollapseWarning)):
                show(message, category, *rest, **options)
            elif str(message) not in heard:
                heard.append(str(message))
                logger.warning("%s", message)

        warnings.showwarning = hear
        yield heard


def log_plan(plan):
    """Log what a run will work on."""
    log_lines(plan.lines())


def log_lines(lines):
    """Log lines of text, a record each."""
    for line in lines:
        logger.info("%s", line)


def is_terminal():
    """Tell whether progress is seen by a person, not written to a file."""
    return sys.stderr is not None and sys.stderr.isatty()


class TrainingBar:
    """Watches the training of the network: notes when it begins, and draws a bar of its steps.

    It is what skorch wants of a callback without being one, so that this room needs neither skorch nor torch.

    Parameters
    ----------
    n_steps : int
        Steps that are planned.
    shown : bool
        Whether to draw.
    """

    def __init__(self, n_steps, *, shown):
        self.n_steps = n_steps
        self.shown = shown
        self._interrupted = False

    def check_not_interrupted(self):
        """Raise a KeyboardInterrupt that came while the bar was drawn: the net takes it for an early stop."""
        if self._interrupted:
            raise KeyboardInterrupt

    def initialize(self):
        """Do nothing; skorch asks for it."""
        return self

    def on_train_begin(self, net, **_):
        """Open the bar."""
        tqdm = import_optional("tqdm", extra="screens").tqdm
        self._bar = tqdm(
            total=self.n_steps,
            desc="training",
            unit="step",
            leave=False,
            disable=None if self.shown else True,
        )

    def on_batch_end(self, net, training=False, **_):
        """Count a step."""
        try:
            self._bar.update(bool(training))
        except KeyboardInterrupt:
            self._interrupted = True
            raise

    def on_train_end(self, net, **_):
        """Close the bar."""
        self._bar.close()
        del self._bar

    def get_params(self, deep=True):
        """Return no parameters; skorch asks for them."""
        return {}

    def set_params(self, **params):
        """Set nothing; skorch asks for it."""
        return self

    def _nothing(self, net, **_):
        pass

    on_epoch_begin = on_epoch_end = on_batch_begin = on_grad_computed = _nothing
