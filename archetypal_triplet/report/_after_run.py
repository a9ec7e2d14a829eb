"""The report at the end of a run, which has succeeded whatever happens here."""

import logging

from archetypal_triplet.report._report import write_report

logger = logging.getLogger(__name__)


def describe_report(result):
    """Say in one line what `write_report` has written.

    Parameters
    ----------
    result : Bunch
        From `write_report`.

    Returns
    -------
    str
        Where it is, its size and its time.
    """
    size, seconds = result.n_bytes / 1e6, result.seconds["total"]
    return f"Report: {result.path} ({size:.1f} MB, {seconds:.0f} s); figures and tables in {result.folder}"


def report_after_run(folder, *, random_state=0):
    """Write the report of a run that has just ended; where that is not possible, log why.

    Parameters
    ----------
    folder : Path
        Results of the run.
    random_state : int, default=0
        Seed of the report.

    Returns
    -------
    str
        A line to print; empty where there is no report.
    """
    try:
        return describe_report(write_report(folder, random_state=random_state))
    except ImportError as error:
        logger.warning("no report was written: %s", error)
    except Exception as error:  # hours of work have succeeded, whatever it is
        logger.warning(
            "no report was written (the results are complete): %r. When its cause is removed: "
            "archetypal-triplet report %s (with --debug it says where the error arose)", error, folder,
        )  # fmt: skip
        logger.debug("where it arose", exc_info=True)
    return ""
