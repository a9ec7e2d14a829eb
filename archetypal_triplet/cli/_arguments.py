"""What the command line takes: a parser for each command."""

import argparse
from pathlib import Path

DESCRIPTION = "Label-free phenotype maps and assay quality for high-content screens."
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


def make_parser():
    """Make the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
        What it parses has the name of the command in ``command``.
    """
    parser = argparse.ArgumentParser(prog="archetypal-triplet", description=DESCRIPTION)
    parser.add_argument("--version", action=_Version, help="print the version and leave")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
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
    _add_roles(run)
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


def _add_roles(run):
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
    _add_seed(check)
    _add_verbosity(check)


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
    _add_seed(report)
    _add_verbosity(report)


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


def _add_seed(parser):
    parser.add_argument("--seed", type=int, default=0, help="same seed, same answer (default: 0)")


def _add_common(parser):
    _add_seed(parser)
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
