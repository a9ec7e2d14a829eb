"""The sections of a report in their order."""

import logging
import time

from sklearn.utils import Bunch

from archetypal_triplet.report._overview import make_overview
from archetypal_triplet.report._parts import Folded, Missing, Row
from archetypal_triplet.report._provenance import make_provenance

logger = logging.getLogger(__name__)


def make_sections(inputs, writer, options, *, verbose=0):
    """Make every section.

    Parameters
    ----------
    inputs : ReportInputs
        What is known of the run.
    writer : FigureWriter
        Draws and keeps figures.
    options : dict
        ``max_points``, ``thumbnails``, ``title`` and ``random_state`` of the report.
    verbose : int, default=0
        1 logs every section.

    Returns
    -------
    sklearn.utils.Bunch
        ``sections``; ``seconds`` and ``missing`` by section; ``styles`` and ``scripts``, names of files;
        ``head`` and ``tail``, HTML of the map's library.
    """
    made = Bunch(
        sections=[], seconds={}, missing={}, styles=["report.css"], scripts=["report.js"], head=[], tail=[]
    )
    makers = {
        "overview": lambda: make_overview(inputs, writer),
        "provenance": lambda: make_provenance(inputs, writer, options),
    }
    for name, make in makers.items():
        begin = time.perf_counter()
        section = make()
        made.sections.append(section)
        made.seconds[name] = round(time.perf_counter() - begin, 3)
        made.missing |= {part.what: part.reason for part in find_missing(section.parts)}
        if verbose:
            logger.info("report: %s (%.1f s)", section.title, made.seconds[name])
    return made


def find_missing(parts):
    """Yield what is not there among parts, and in what they hold."""
    for part in parts:
        if isinstance(part, Missing):
            yield part
        elif isinstance(part, Row | Folded):
            yield from find_missing(part.parts)
