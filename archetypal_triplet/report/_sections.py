"""The sections of a report in their order."""

import logging
import time

from sklearn.utils import Bunch

from archetypal_triplet.report._archetypes import make_archetypes
from archetypal_triplet.report._batches import make_batches, make_replicates
from archetypal_triplet.report._doses import make_doses
from archetypal_triplet.report._explore import make_maps
from archetypal_triplet.report._outliers import make_outliers
from archetypal_triplet.report._overview import make_overview
from archetypal_triplet.report._parts import Missing, find_parts
from archetypal_triplet.report._plates import make_plates
from archetypal_triplet.report._provenance import make_provenance
from archetypal_triplet.report._thumbnails import open_images

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
        ``sections``; ``seconds`` and ``missing`` by section;
        ``bokeh``, ``map_script`` and ``map_style`` of the map.
    """
    made = Bunch(sections=[], seconds={}, missing={}, bokeh="", map_script="", map_style="")
    source, why_none = _open_images(inputs, options)
    for name, make in _list_makers(inputs, source, why_none, writer, options, made).items():
        begin = time.perf_counter()
        section = make()
        made.sections.append(section)
        made.seconds[name] = round(time.perf_counter() - begin, 3)
        made.missing |= {part.what: part.reason for part in find_parts(section.parts, Missing)}
        if verbose:
            logger.info("report: %s (%.1f s)", section.title, made.seconds[name])
    return made


def _list_makers(inputs, source, why_none, writer, options, made):
    def make_map():
        section, made.bokeh, made.map_script, made.map_style = make_maps(inputs, source, why_none, options)
        return section

    return {
        "overview": lambda: make_overview(inputs, writer),
        "map": make_map,
        "archetypes": lambda: make_archetypes(inputs, source, why_none, writer),
        "plates": lambda: make_plates(inputs, writer, random_state=options["random_state"]),
        "doses": lambda: make_doses(inputs, writer),
        "batches": lambda: make_batches(inputs),
        "outliers": lambda: make_outliers(inputs, source, writer),
        "replicates": lambda: make_replicates(inputs),
        "provenance": lambda: make_provenance(inputs, writer, options),
    }


def _open_images(inputs, options):
    if options["thumbnails"] == "none":
        return None, "they were not asked for (thumbnails='none')"
    return open_images(inputs.folder, inputs.info)
