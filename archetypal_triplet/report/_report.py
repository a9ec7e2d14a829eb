"""write_report: a results folder in, one stand-alone page with its figures and tables out."""

import logging
import os
import secrets
import shutil
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from numbers import Integral
from pathlib import Path

from sklearn.utils import Bunch

from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.report._figures import FigureWriter
from archetypal_triplet.report._inputs import read_inputs
from archetypal_triplet.report._sections import make_sections
from archetypal_triplet.report._tables import write_tables
from archetypal_triplet.report._templates import read_static, render
from archetypal_triplet.runs._read import read_run_info
from archetypal_triplet.runs._results import check_output_file

logger = logging.getLogger(__name__)

PAGE = "report.html"
_ENDINGS = (".html", ".htm")
_KEPT = ("figures", "tables")


def write_report(
    results,
    *,
    out=None,
    force=False,
    tags=None,
    max_points=20000,
    thumbnails="auto",
    title=None,
    random_state=0,
    verbose=0,
):
    """Write the report of a run: one page that a person opens, understands, explores and forwards.

    The page holds all that it shows; no network is needed to open it. Beside it stands a folder ``report``
    with every figure as PNG and SVG and every table as CSV. Its sections are overview, map, archetypes,
    plates, dose response, batches, outliers, replicates and provenance. Each says how to read it and what it
    cannot show, and what is not there has a reason.

    Parameters
    ----------
    results : str or Path
        Results folder of a run.
    out : str, Path or None, default=None
        The page to write; None is ``report.html`` in `results`. Figures and tables go to the folder of the
        same name without its ending.
    force : bool, default=False
        Whether an older report there is replaced.
    tags : DataFrame, str, Path or None, default=None
        What a person says the archetypes are, as `archetypal_triplet.screens.read_tags` reads it; None takes
        the tags of the assessment in `results`, where there is one.
    max_points : int, default=20000
        Points of the map: of more rows a stratified sample is shown, and the page says so.
    thumbnails : {"auto", "none"} or int, default="auto"
        Whether images are shown on the map and beside the archetypes: where they are found, never, or found
        and of so many pixels.
    title : str or None, default=None
        Title of the page; None makes one of the name of the results.
    random_state : int, default=0
        Seed of projections, samples, resamples and permutations.
    verbose : int, default=0
        1 logs every section.

    Returns
    -------
    sklearn.utils.Bunch
        ``path`` of the page, ``folder`` of figures and tables, ``n_bytes`` of the page, ``seconds`` by
        section, ``sections`` and ``missing`` (what is not there, with its reason).

    Raises
    ------
    ValueError
        If `results` is no results folder, an option is not allowed, or a tag is unknown.
    FileNotFoundError
        If `results` does not exist.
    FileExistsError
        If there is a report already and `force` is not set.
    PermissionError
        If nothing can be written where the page shall stand.
    ImportError
        If the extra ``report`` is not installed.

    See Also
    --------
    archetypal_triplet.runs.assess_run : The numbers of assay quality; computed here where there are none.

    Notes
    -----
    Time is that of drawing: a plate's heat map takes about .1 s, a projection by UMAP about 10 s for 10,000
    rows.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.report import write_report
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         write_report(folder)
    ...     except ValueError as error:
    ...         print(str(error).replace(folder, "results"))  # doctest: +ELLIPSIS
    results='results' is no results folder: there is no run.json. Name the folder ...
    """
    begin = time.perf_counter()
    options = _check_options(
        max_points=max_points, thumbnails=thumbnails, title=title, random_state=random_state
    )
    for package in ("jinja2", "bokeh"):  # before the work that needs them at its end
        import_optional(package, extra="report")
    source = Path(results).expanduser().resolve()
    read_run_info(source)  # it is a results folder, before anything is said of the page
    page = _check_page(source / PAGE if out is None else out, force)
    inputs = read_inputs(source, tags=tags, random_state=random_state)
    with _beside(page, force) as partial:
        writer = FigureWriter(partial / "figures")
        made = make_sections(inputs, writer, options, verbose=verbose)
        write_tables(made.sections, partial / "tables")
        content = _render(inputs, made, options)
        # names of files that are no UTF-8 come as surrogates
        (partial / PAGE).write_text(content, encoding="utf-8", errors="backslashreplace")
    return Bunch(
        path=page,
        folder=page.with_suffix(""),
        n_bytes=page.stat().st_size,
        seconds={**made.seconds, "total": round(time.perf_counter() - begin, 3)},
        sections=[section.name for section in made.sections],
        missing=made.missing,
    )


def _check_options(*, max_points, thumbnails, title, random_state):
    if not isinstance(max_points, Integral) or max_points < 1:
        raise ValueError(f"max_points={max_points!r} is not allowed. Choose a whole number from 1.")
    is_size = isinstance(thumbnails, Integral) and not isinstance(thumbnails, bool) and thumbnails >= 8
    if not is_size and thumbnails not in ("auto", "none"):
        raise ValueError(
            f"thumbnails={thumbnails!r} is not allowed. Choose 'auto', 'none', or a size from 8 pixels."
        )
    return {
        "max_points": int(max_points),
        "thumbnails": thumbnails,
        "title": title,
        "random_state": random_state,
    }


def _check_page(out, force):
    page = check_output_file(out, force=force)
    folder = page.with_suffix("")
    if page.suffix.lower() not in _ENDINGS:  # --force must never replace a table
        raise ValueError(f"out={str(page)!r} is no page: its name must end with .html. Try report.html.")
    others = [path.name for path in folder.iterdir() if path.name not in _KEPT] if folder.is_dir() else []
    if others or folder.is_file():
        raise FileExistsError(
            f"out={str(page)!r}: figures and tables would go to {str(folder)!r}, which holds files that are "
            "not those of a report, so it is left alone. Choose another name."
        )
    return page


@contextmanager
def _beside(page, force):
    """Give a folder to write page, figures and tables to, and put them in place when all went well."""
    start = f".{page.stem}.partial-"
    for left in sorted(path for path in page.parent.iterdir() if path.name.startswith(start)):
        logger.warning("%s was left by a report that was killed. Remove it if nothing writes to it.", left)
    # processes of two containers may have the same number
    own = f"{os.getpid()}-{secrets.token_hex(4)}"
    partial = page.with_name(f"{start}{own}")
    try:
        partial.mkdir()
    except OSError as error:
        raise PermissionError(
            f"out={str(page)!r}: nothing can be written to {str(page.parent)!r} ({error.strerror}). "
            "Choose another place with --out (out=...)."
        ) from error
    try:
        yield partial
        _check_page(page, force)  # somebody else may have written there in the meantime
        _put_in_place(partial, page, page.with_name(f".{page.stem}.replaced-{own}"))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(partial, page, old):
    """Replace page and folder; after an error in between the older folder stands where it stood."""
    folder, fresh = page.with_suffix(""), partial.with_name(f"{partial.name}.html")
    (partial / PAGE).rename(fresh)
    try:
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        fresh.replace(page)
    except BaseException:
        if not partial.exists():
            shutil.rmtree(folder, ignore_errors=True)
        if old.exists():
            old.rename(folder)
        raise
    finally:
        fresh.unlink(missing_ok=True)
        shutil.rmtree(old, ignore_errors=True)


def _render(inputs, made, options):
    return render(
        "report.html.j2",
        title=options["title"] or f"Screen {inputs.folder.name}",
        subtitle=_subtitle(inputs),
        version=version("archetypal-triplet"),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        sections=made.sections,
        style=f"{read_static('report.css')}\n{made.map_style}",
        bokeh=made.bokeh,
        script="\n".join([read_static("report.js"), read_static("plates.js"), made.map_script]),
    )


def _subtitle(inputs):
    wells = count_of(len(inputs.wells), "well")
    rows = "" if inputs.level == "well" else f", {count_of(len(inputs.rows), inputs.level)}"
    plate = inputs.roles["plate"]
    plates = "" if plate is None else f"{count_of(inputs.wells[plate].nunique(), 'plate')}, "
    return f"{plates}{wells}{rows}; run of {inputs.info['started_utc'][:10]}"
