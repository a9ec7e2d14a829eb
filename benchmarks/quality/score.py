"""Score a table of well profiles, or an embedding aligned to its rows, by what is known of the compounds.

    python benchmarks/quality/score.py profiles.csv.gz --label Metadata_MOA --plate Metadata_Plate \
        --batch Metadata_Week --controls "Metadata_ControlType == 'negative'" \
        --positive "Metadata_Compound == 'taxol'" [--array embedding.npy]

The features are scored as they stand in the table: nothing is normalised. Labels are used for scoring only.
"""

import argparse
import sys

from scoring import View, compute_scores, compute_z_prime, format_scores, format_z_prime
from screen import check_finite, read_array, read_screen


def main(argv=None):
    """Parse the arguments, score, print.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None means those of the process.

    Returns
    -------
    int
        0, or 2 when the input does not fit.
    """
    options = make_parser().parse_args(argv)
    try:
        print("\n".join(score_table(options)))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def score_table(options):
    """Score what the options name.

    Parameters
    ----------
    options : argparse.Namespace
        As `make_parser` parses them.

    Returns
    -------
    list of str
        Lines to print.
    """
    screen = read_screen(options.table, **{name: getattr(options, name) for name in ROLES})
    if options.array is None:
        name = f"{len(screen.features)} features of {options.table}"
        X = check_finite(screen.X, name="the features of the table")
    else:
        name = f"{options.array}, aligned to {options.table}"
        X = read_array(options.array, n_rows=len(screen.table))
    n_negative = int(screen.is_negative.sum())
    lines = [
        f"scored: {name}: {X.shape[0]} rows x {X.shape[1]} columns, {n_negative} negative controls",
        f"treatment {screen.compound} x {screen.concentration}, label {screen.label}, batch {screen.batch}",
        "intervals: 95 %, bootstrap over compounds",
        "",
    ]
    lines += format_scores(compute_scores(screen, View(X)))
    lines += format_z_prime(compute_z_prime(screen, X))
    return lines


ROLES = ("label", "plate", "batch", "controls", "positive", "compound", "concentration")


def add_role_options(parser, *, required):
    """Add the options that name the roles of a table's columns.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser to extend.
    required : bool
        Whether the roles without a default must be given.
    """
    parser.add_argument("--label", required=required, help="column of the label, e.g. Metadata_MOA")
    parser.add_argument("--plate", required=required, help="column of the plate")
    parser.add_argument("--batch", required=required, help="column of the batch (week, run)")
    parser.add_argument("--controls", required=required, help="query of the negative controls")
    parser.add_argument("--positive", help="query of the positive controls; without it there is no Z'")
    parser.add_argument("--compound", help="column of the compound (default Metadata_Compound)")
    parser.add_argument("--concentration", help="column of the concentration (default: found by its name)")


def make_parser():
    """Make the argument parser.

    Returns
    -------
    argparse.ArgumentParser
        The parser.
    """
    parser = argparse.ArgumentParser(prog="score.py", description=__doc__.splitlines()[0])
    parser.add_argument("table", help=".csv, .csv.gz or .parquet; one row a well")
    parser.add_argument(
        "--array", help=".npy embedding aligned to the rows of the table, scored in its place"
    )
    add_role_options(parser, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
