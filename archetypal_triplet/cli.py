"""The command archetypal-triplet: it parses, calls `archetypal_triplet.runs` and prints, nothing else."""

import argparse
import logging
import sys
from contextlib import contextmanager
from pathlib import Path

DESCRIPTION = "Label-free phenotype maps and assay quality for high-content screens."
# a list of dropped columns can fill the screen
MAX_WARNING = 300
CONTROLS = "Metadata_ControlType == 'negative'"

RUN_EPILOG = f"""\
examples:
  archetypal-triplet run profiles.csv.gz --plate Metadata_Plate \\
      --controls "{CONTROLS}" --out results/
  archetypal-triplet run plate1.parquet plate2.parquet --level cell \\
      --plate Metadata_Plate --groups Metadata_Plate,Metadata_Well --out results/
  archetypal-triplet run plate1/ --dry-run
  archetypal-triplet run plate1/ --plate-map map.csv --nucleus-channel DNA --out results/

The folder of results holds report.html, the page to look at (with the extra report), embedding.parquet,
archetypes.parquet, map.png, run.json, training.csv, the model for later plates in model/ and, with positive
controls, quality.csv. Of images it also holds the features
(cells.parquet or fields.parquet, and profiles.parquet, a row a well) and counts.parquet, a row a field.
"""


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
        arguments = _make_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed what is wrong, or the help
        return stop.code or 0
    with _logging_to_stderr(arguments):
        try:
            return arguments.function(arguments) or 0
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


def _make_parser():
    parser = argparse.ArgumentParser(prog="archetypal-triplet", description=DESCRIPTION)
    parser.add_argument("--version", action=_Version, help="print the version and leave")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands)
    _add_embed(commands)
    _add_qc(commands)
    _add_report(commands)
    _add_demo(commands)
    return parser


class _Version(argparse.Action):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, nargs=0, **kwargs)

    def __call__(self, parser, *_):
        from archetypal_triplet import __version__

        print(f"archetypal-triplet {__version__}")
        parser.exit()


def _add_run(commands):
    run = commands.add_parser(
        "run",
        help="learn the map of a screen from its images or from a table of profiles",
        description="Learn a map of phenotypes, without labels, from images (a folder, a glob in quotes, a "
        "file list, or a plate in OME-Zarr) or from a table of profiles.",
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="profiles: .parquet, .csv or .csv.gz, several are joined; or images: folder, glob or file list",
    )
    run.add_argument("--plate", metavar="COL", help="column that names the plate")
    run.add_argument(
        "--controls",
        metavar="QUERY",
        help=f'which rows are negative controls, for example "{CONTROLS}" (images: assumed if the plate map '
        "says so; none: none)",
    )
    run.add_argument(
        "--positive-controls",
        metavar="QUERY",
        help="which rows are positive controls, to score the assay (no row's label is used to train)",
    )
    run.add_argument(
        "--groups", metavar="COL[,COL]", type=_names, help="columns that tell which rows belong to one well"
    )
    run.add_argument(
        "--level",
        choices=("well", "field", "cell"),
        help="what a row of the table or the map is (default: well; of images cell with --nucleus-channel, "
        "else field)",
    )
    run.add_argument(
        "--n-archetypes",
        type=int,
        metavar="K",
        help="one number of archetypes (default: several, which is better)",
    )
    run.add_argument(
        "--features", metavar="COL[,COL]|@FILE", type=_names,
        help="feature columns, or a file that names one a line (default: all numbers but metadata)",
    )  # fmt: skip
    run.add_argument("--color", metavar="COL", help="one more column to color the map by")
    run.add_argument(
        "--on-nonfinite", choices=("raise", "drop_features", "drop_rows"),
        help="what to do with missing and infinite values (default: stop and say where they are)",
    )  # fmt: skip
    run.add_argument(
        "--flag-fields", choices=("auto", "none"), default="auto",
        help="leave fields that are unlike the others of their well out of the training (default: auto)",
    )  # fmt: skip
    run.add_argument(
        "--hold-out", choices=("auto", "none"), default="auto",
        help="score controls also by fits without them, which takes two more fits (default: auto)",
    )  # fmt: skip
    run.add_argument("--out", metavar="DIR", default="results", help="folder of results (default: results)")
    run.add_argument("--force", action="store_true", help="replace older results in that folder")
    run.add_argument("--dry-run", action="store_true", help="check the source and all options, write nothing")
    _add_no_report(run)
    _add_images(run)
    _add_common(run)
    run.set_defaults(function=_run)


def _add_images(run):
    images = run.add_argument_group("images")
    images.add_argument(
        "--pattern", metavar="NAME|REGEX", help="how the files are named (default: it is recognized)"
    )
    images.add_argument(
        "--channels", metavar="A[,B]", type=_names, help="channels to take, or new names for them, or old=new"
    )
    images.add_argument("--plate-map", metavar="FILE", help="table that says what each well holds")
    images.add_argument("--plate-name", metavar="NAME", help="name of the plate, if the files do not say it")
    images.add_argument(
        "--nucleus-channel",
        metavar="A",
        help="channel of the nuclei: cells are found, and measured one by one",
    )
    images.add_argument(
        "--crop-size",
        type=int,
        metavar="PIXELS",
        help="size of what is cut out around a nucleus (default: 48)",
    )
    images.add_argument(
        "--cell-labels",
        metavar="SOURCE",
        help="label images of nuclei, of another program, one for each field",
    )
    images.add_argument(
        "--embed", choices=("features", "pixels", "both"),
        help="what the network is trained on, with labels from the features (default: features)",
    )  # fmt: skip
    images.add_argument(
        "--on-error", choices=("raise", "flag"),
        help="missing and unreadable images: stop, or leave their fields out and say so (default: raise)",
    )  # fmt: skip
    images.add_argument("--root", metavar="DIR", help="folder from which the paths of a file list start")
    images.add_argument(
        "--pages", choices=("channels", "z"), help="what the pages of a TIFF are that does not say it itself"
    )
    images.add_argument("--z", type=int, metavar="N", help="plane of a stack to take")
    images.add_argument("--timepoint", type=int, metavar="N", help="time point to take")
    images.add_argument("--jobs", type=int, metavar="N", help="threads that read and measure (default: all)")
    images.add_argument(
        "--work", metavar="DIR", help="where finished stages are kept and found (default: OUT.stages)"
    )
    images.add_argument(
        "--keep", action=argparse.BooleanOptionalAction,
        help="keep the stages when all is done (default: yes)",
    )  # fmt: skip
    images.add_argument("--fresh", action="store_true", default=None, help="remove the stages that are there")
    images.add_argument(
        "--hash-content", action="store_true", default=None,
        help="know images by their content, not by size and time",
    )  # fmt: skip


def _add_embed(commands):
    embed = commands.add_parser(
        "embed",
        help="embed later plates with the model of a run",
        description="Embed the rows of a table with the model of an earlier run. Plates that the run knew "
        "are centered as they were then, new ones on their own negative controls.",
    )
    embed.add_argument("model", metavar="MODEL_DIR", help="the folder 'model' of a run, or its results")
    embed.add_argument("table", nargs="+", metavar="TABLE", help="profiles with the columns that the run had")
    embed.add_argument(
        "--out", metavar="FILE", required=True, help="where to write: .parquet, .csv or .csv.gz"
    )
    embed.add_argument("--force", action="store_true", help="replace the file if it exists")
    _add_verbosity(embed)
    embed.set_defaults(function=_embed)


def _add_qc(commands):
    check = commands.add_parser(
        "qc",
        help="judge the assay of a run: controls, plates, archetypes, fields, replicates",
        description="Compute every number of assay quality that the results of a run allow, and write the "
        "tables. What cannot be computed is named with its reason.",
    )
    check.add_argument("results", metavar="RESULTS", help="the folder of results of a run")
    check.add_argument("--controls", metavar="QUERY", help="negative controls (default: those of the run)")
    check.add_argument(
        "--positive-controls", metavar="QUERY", help="positive controls (default: those of the run)"
    )
    check.add_argument("--plate", metavar="COL", help="column that names the plate (default: as in the run)")
    check.add_argument("--well", metavar="COL", help="column that names the well (default: Metadata_Well)")
    check.add_argument(
        "--replicates", metavar="COL[,COL]", type=_names, help="columns whose equal values mark replicates"
    )
    check.add_argument("--batch", metavar="COL", help="column that names the batch")
    check.add_argument("--order", metavar="COL", help="column that says when a plate was run")
    check.add_argument("--tags", metavar="FILE", help="table of tagged archetypes, to leave artifacts out")
    check.add_argument(
        "--fail-below",
        metavar="METRIC=VALUE[,...]",
        help="exit code 1 if the controls' z_prime, robust_z_prime, ssmd or auc in the embedding is below",
    )
    check.add_argument("--out", metavar="DIR", help="where to write (default: RESULTS/qc)")
    check.add_argument("--force", action="store_true", help="replace an older assessment there")
    check.add_argument("--seed", type=int, default=0, help="same seed, same answer (default: 0)")
    _add_verbosity(check)
    check.set_defaults(function=_qc)


def _add_report(commands):
    report = commands.add_parser(
        "report",
        help="write the page that a person looks at: map, archetypes, plates, doses, quality",
        description="Write the report of a run: one page, report.html, that needs no network and can be "
        "forwarded, and its figures and tables beside it.",
    )
    report.add_argument("results", metavar="RESULTS", help="the folder of results of a run")
    report.add_argument("--out", metavar="FILE", help="the page to write (default: RESULTS/report.html)")
    report.add_argument("--title", metavar="TEXT", help="title of the page (default: that of the folder)")
    report.add_argument("--tags", metavar="FILE", help="table of tagged archetypes")
    report.add_argument(
        "--max-points", type=int, default=20000, metavar="N",
        help="points of the map; of more rows a stratified sample is shown (default: 20000)",
    )  # fmt: skip
    report.add_argument(
        "--thumbnails", default="auto", type=_thumbnails, metavar="auto|none|PIXELS",
        help="images on the map and beside the archetypes (default: auto, where they are found)",
    )  # fmt: skip
    report.add_argument("--force", action="store_true", help="replace an older report there")
    report.add_argument("--seed", type=int, default=0, help="same seed, same answer (default: 0)")
    _add_verbosity(report)
    report.set_defaults(function=_report)


def _thumbnails(value):
    return int(value) if value.isdigit() else value


def _add_no_report(parser):
    parser.add_argument("--no-report", action="store_true", help="do not write report.html at the end")


def _add_demo(commands):
    demo = commands.add_parser(
        "demo",
        help="simulate a screen, run on it, and compare with its truth",
        description="Simulate a screen whose truth is known, run the method on its profiles, and print what "
        "was found against the truth.",
    )
    demo.add_argument(
        "--out", metavar="DIR", default="demo_results", help="folder of results (default: demo_results)"
    )
    demo.add_argument("--force", action="store_true", help="replace older results in that folder")
    demo.add_argument(
        "--size", choices=("small", "full"), default="full", help="small takes seconds (default: full)"
    )
    _add_no_report(demo)
    _add_common(demo)
    demo.set_defaults(function=_demo)


def _add_common(parser):
    parser.add_argument("--seed", type=int, default=0, help="same seed, same answer (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    _add_verbosity(parser)


def _add_verbosity(parser):
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("--debug", action="store_true", help="show where an error arose")


def _names(text):
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8").replace("\n", ",")
        except OSError as error:
            raise argparse.ArgumentTypeError(
                f"the file {text[1:]!r} cannot be read ({error.strerror})"
            ) from None
    return [name.strip() for name in text.split(",") if name.strip()]


# name of an option of images, its argument, and what it is where it is left out
IMAGE_OPTIONS = {
    "pattern": None, "channels": None, "plate_map": None, "plate_name": None, "nucleus_channel": None,
    "crop_size": 48, "cell_labels": None, "embed": "features", "on_error": "raise", "jobs": -1, "work": None,
    "keep": True,
    "fresh": False, "hash_content": False, "root": None, "pages": None, "z": None, "timepoint": None,
}  # fmt: skip
RUN_OPTIONS = (
    "plate", "controls", "positive_controls", "groups", "n_archetypes", "features", "color", "out", "force",
    "device", "flag_fields", "hold_out",
)  # fmt: skip


def _run(arguments):
    from archetypal_triplet import runs

    options = {name: getattr(arguments, name) for name in RUN_OPTIONS}
    options["random_state"] = arguments.seed
    options["progress"] = not arguments.quiet
    given = [name for name in IMAGE_OPTIONS if getattr(arguments, name) is not None]
    if runs.are_images(arguments.source):
        source, plan, run = arguments.source[0], runs.plan_images, runs.run_images
        if arguments.on_nonfinite is not None:
            raise ValueError("--on-nonfinite is for tables: the features of images are finite.")
        options["level"] = arguments.level
        options |= IMAGE_OPTIONS | {name: getattr(arguments, name) for name in given}
        options["n_jobs"] = options.pop("jobs")
        places = {"root": "root", "pages": "pages", "z": "z", "t": "timepoint"}
        options["layout_options"] = {name: options.pop(option) for name, option in places.items()}
        arguments.stages_kept = True
    else:
        source, plan, run = arguments.source, runs.plan_run, runs.run_profiles
        if given:
            raise ValueError(
                f"--{given[0].replace('_', '-')} is for images, and {source[0]} is a table of profiles."
            )
        options["level"] = arguments.level or "well"
        options["on_nonfinite"] = arguments.on_nonfinite or "raise"
    if arguments.dry_run:
        print("\n".join([*plan(source, **options).lines(), "Dry run: nothing was written."]))
        return
    result = run(source, **options)
    if not arguments.quiet:
        print(result.summary)
    _report_after_run(result.folder, arguments)


def _embed(arguments):
    from archetypal_triplet import runs

    embedding = runs.embed_profiles(
        arguments.model, arguments.table, out=arguments.out, force=arguments.force
    )
    if not arguments.quiet:
        print(f"Embedded {len(embedding)} rows: {arguments.out}")


def _qc(arguments):
    from archetypal_triplet import runs

    names = (
        "controls", "positive_controls", "plate", "well", "replicates", "batch", "order", "tags",
        "fail_below", "out", "force",
    )  # fmt: skip
    options = {name: getattr(arguments, name) for name in names}
    result = runs.assess_run(arguments.results, **options, random_state=arguments.seed)
    if not arguments.quiet:
        print(result.summary)
    for failure in result.failures:
        print(f"archetypal-triplet: below the limit: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _report(arguments):
    from archetypal_triplet.report import write_report
    from archetypal_triplet.report._after_run import describe_report

    names = ("out", "title", "tags", "max_points", "thumbnails", "force")
    options = {name: getattr(arguments, name) for name in names}
    verbose = 1 if arguments.verbose else 0
    result = write_report(arguments.results, **options, random_state=arguments.seed, verbose=verbose)
    if not arguments.quiet:
        print(describe_report(result))


def _report_after_run(folder, arguments):
    from archetypal_triplet.report._after_run import report_after_run

    line = "" if arguments.no_report else report_after_run(folder, random_state=arguments.seed)
    if line and not arguments.quiet:
        print(line)


def _demo(arguments):
    from archetypal_triplet import runs

    result = runs.run_demo(
        arguments.out,
        size=arguments.size,
        force=arguments.force,
        device=arguments.device,
        random_state=arguments.seed,
        progress=not arguments.quiet,
    )
    if not arguments.quiet:
        print(result.summary)
    _report_after_run(result.folder, arguments)


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
