"""The entry point: exit codes, errors as one line, and what is logged on standard error."""

import logging
import sys
from contextlib import contextmanager

from archetypal_triplet.cli._arguments import make_parser
from archetypal_triplet.cli._commands import COMMANDS

# a list of dropped columns can fill the screen
MAX_WARNING = 300


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        0 when all went well, 1 where a limit of ``qc --fail-below`` is not reached, 2 after an error in the
        arguments or the data, 130 after Ctrl-C.
    """
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed what is wrong, or the help
        return stop.code or 0
    with _logging_to_stderr(arguments):
        try:
            return COMMANDS[arguments.command](arguments) or 0
        except KeyboardInterrupt:
            print("\nInterrupted. No results were written, and none are half-written.", file=sys.stderr)
            if getattr(arguments, "stages_kept", False):
                print("Finished work on images is kept: the same command goes on there.", file=sys.stderr)
            return 130
        except (ValueError, TypeError, OSError, ImportError) as error:
            if arguments.debug:
                raise
            print(f"archetypal-triplet: error: {error}", file=sys.stderr)
            return 2


@contextmanager
def _logging_to_stderr(arguments):
    logger = logging.getLogger("archetypal_triplet")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(short=not arguments.verbose))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(
        logging.ERROR if arguments.quiet else logging.DEBUG if arguments.verbose else logging.INFO
    )
    # what it says of a damaged file is said by our own message
    reader = logging.getLogger("tifffile")
    reader_level = reader.level
    reader.setLevel(reader_level if arguments.verbose else logging.CRITICAL)
    try:
        yield
    finally:
        reader.setLevel(reader_level)
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _Lines(logging.Formatter):
    def __init__(self, *, short):
        super().__init__()
        self.short = short

    def format(self, record):
        text = record.getMessage()
        if self.short and record.levelno == logging.WARNING and len(text) > MAX_WARNING:
            text = text[:MAX_WARNING].rsplit(" ", 1)[0] + " ... (-v shows all of it, run.json keeps it)"
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return prefix + text
