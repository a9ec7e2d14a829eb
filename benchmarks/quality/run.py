"""Run every arm of the benchmark on screens with known truth, print a table, end in one sentence of verdict.

    python benchmarks/quality/run.py DATA                 the development screens in the folder DATA
    python benchmarks/quality/run.py --table profiles.csv.gz --label Metadata_MOA --plate Metadata_Plate \
        --batch Metadata_Week --controls "Metadata_ControlType == 'negative'"        any other table of wells
"""

import argparse
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import translocation
from arms import ARMS, Setting
from report import format_cells_table, format_table, write_results
from score import ROLES, add_role_options
from scoring import View, compute_scores, compute_z_prime, separate_controls
from screen import Screen, read_screen, select_rows
from verdict import compare_default, make_sentence

from archetypal_triplet._utils._exceptions import DataWarning

WELLS = {
    "path": "bbbc021_profiles_dev/profiles.csv.gz",
    "label": "Metadata_MOA",
    "plate": "Metadata_Plate",
    "batch": "Metadata_Week",
    "controls": "Metadata_ControlType == 'negative'",
    "positive": "Metadata_Compound == 'taxol'",
}
CELLS = {
    "path": "cardiac_fibroblast_cellprofiles",
    "label": "Metadata_cell_type",
    "plate": "Metadata_Plate",
    "batch": "Metadata_Plate",
    "controls": "Metadata_cell_type == 'healthy'",
    "positive": "Metadata_cell_type == 'failing'",
    "compound": "Metadata_treatment",
}
IMAGES = {
    "label": "Metadata_ControlType",
    "plate": "Metadata_Plate",
    "batch": "Metadata_Plate",
    "compound": "Metadata_Compound",
    "concentration": "Metadata_DoseRank",
    "controls": "Metadata_ControlType == 'negative'",
}
CELL_GROUPS = ["Metadata_Plate", "Metadata_Well"]
CELL_ARMS = ("plate_pca", "whitened", "archetypal", "kmeans", "random")
TRANSDUCTIVE = (
    "Transductive: every embedding saw all rows, unlabelled; the scores are of rows seen in training.\n"
    "* the supervised arm alone trains on labels; a compound is scored by a network not shown its label."
)


def main(argv=None):
    """Parse the arguments, run, print, write.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None means those of the process.

    Returns
    -------
    int
        0, or 2 when the input does not fit.
    """
    parser = make_parser()
    options = parser.parse_args(argv)
    if (options.folder is None) == (options.table is None):
        parser.error("give the folder of the development screens, or --table with the roles of its columns")
    missing = [f"--{r}" for r in ("label", "plate", "batch", "controls") if getattr(options, r) is None]
    if options.table is not None and missing:
        parser.error(f"--table needs {', '.join(missing)}")
    try:
        if options.table is not None:
            screen = read_screen(options.table, **{name: getattr(options, name) for name in ROLES})
            run_wells(Path(options.table).name, screen, options)
        else:
            run_folder(Path(options.folder), options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run_folder(folder, options):
    """Run the development screens; the verdict is the last line.

    Parameters
    ----------
    folder : Path
        Holds ``bbbc021_profiles_dev`` and ``cardiac_fibroblast_cellprofiles``, perhaps
        ``bbbc013_translocation``, whose images are left out where the folder is not there.
    options : argparse.Namespace
        As `make_parser` parses them.
    """
    if options.only in (None, "translocation"):
        run_translocation(folder, options)
    if options.only == "translocation":
        return
    cells = read_screen(folder / CELLS["path"], **{k: v for k, v in CELLS.items() if k != "path"})
    wells = read_screen(folder / WELLS["path"], **{k: v for k, v in WELLS.items() if k != "path"})
    if options.only != "wells":
        run_cells("cardiac fibroblasts (cells)", cells, options)
    if options.only != "cells":
        run_wells("BBBC021 development half", wells, options, note="positive controls: 9 wells of taxol")


def run_wells(name, screen, options, *, note=""):
    """Run all arms on a table of wells, score them, print the table and the verdict.

    Parameters
    ----------
    name : str
        Name of the screen.
    screen : screen.Screen
        The screen.
    options : argparse.Namespace
        As `make_parser` parses them.
    note : str, default=""
        Said beside Z'.
    """
    setting = Setting(screen, level=options.level)
    results = []
    for arm, seed, views, seconds in run_arms(setting, [arm.name for arm in ARMS], options):
        view = _view_for_positives(screen, views)
        results.append(
            {
                "arm": arm,
                "seed": seed,
                "seconds": seconds,
                "scores": compute_scores(screen, views),
                "z_prime": None if view is None else compute_z_prime(screen, view.X),
            }
        )
    lines, merged = format_table(name, results, note=note)
    comparisons = compare_default(merged) if "archetypal" in merged else []
    write_results(options.out, "wells", results, comparisons)
    print("\n".join([*lines, "", TRANSDUCTIVE]))
    if comparisons:
        print("\n" + make_sentence(name, merged, comparisons))


def run_cells(name, screen, options):
    """Embed single cells, average them to wells, print Z' of the two kinds of wells.

    Parameters
    ----------
    name : str
        Name of the screen.
    screen : screen.Screen
        One row a cell; its two queries are the kinds of wells to be told apart; the method does not see them.
    options : argparse.Namespace
        As `make_parser` parses them.
    """
    setting = Setting(screen, level="cell", groups=CELL_GROUPS, blind=True)
    wells = screen.table.groupby(CELL_GROUPS, sort=True)
    first = wells.head(1).sort_values(CELL_GROUPS)
    is_negative = select_rows(first, screen.controls, option="--controls")
    is_positive = select_rows(first, screen.positive, option="--positive")
    number = wells.ngroup().to_numpy()
    results = []
    for arm, seed, views, seconds in run_arms(setting, CELL_ARMS, options):
        sums = np.zeros((len(first), views[0].X.shape[1]))
        np.add.at(sums, number, views[0].X)
        means = sums / np.bincount(number)[:, None]
        z = separate_controls(means, is_negative, is_positive, first[screen.plate])
        results.append({"arm": arm, "seed": seed, "seconds": seconds, "scores": None, "z_prime": z})
    note = "features as their source normalised them per plate; the method is not told which well is which"
    lines = format_cells_table(name, len(screen.table), results, note=note)
    print("\n".join([*lines, "", TRANSDUCTIVE.splitlines()[0]]))
    write_results(options.out, "cells", results, [])


def run_translocation(folder, options):
    """Find and measure the cells of the translocation plate, embed them, print the scores of its wells.

    Parameters
    ----------
    folder : Path
        As for `run_folder`.
    options : argparse.Namespace
        As `make_parser` parses them.
    """
    if not (folder / translocation.FOLDER).is_dir():
        print(f"\n{translocation.FOLDER} is not in {folder.name}: left out", flush=True)
        return
    start = time.perf_counter()
    table = translocation.measure_cells(folder, n_jobs=-1)
    print(f"  images to features: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    screen = Screen(table, **IMAGES)
    ratio = table[[translocation.RATIO]].to_numpy(dtype=float)
    results = [{"title": "hand-made: GFP ratio of nucleus and ring", "seed": 0, **_score_cells(table, ratio)}]
    settings = {
        "": Setting(screen, "cell", CELL_GROUPS),
        ", no map": Setting(screen, "cell", CELL_GROUPS, True),
    }
    for note, setting in settings.items():
        names = ("archetypal",) if note else CELL_ARMS
        for arm, seed, views, seconds in run_arms(setting, names, options):
            scores = _score_cells(table, views[0].X)
            if arm.name == "archetypal" and not note:
                scores["z_prime_unseen"] = _score_unseen(screen, seed)
            results.append({"title": arm.title + note, "seed": seed, "seconds": seconds, **scores})
    print("\n".join([*translocation.format_lines(len(table), results), "", TRANSDUCTIVE.splitlines()[0]]))
    options.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(results).to_csv(options.out / "translocation.csv", index=False)


def _score_cells(table, values):
    return translocation.score_wells(*translocation.average_wells(table, values))


def _score_unseen(screen, seed):
    """Z' of negative wells that the method was not told of."""
    wells, _ = translocation.average_wells(screen.table, np.zeros((len(screen.table), 1)))
    seen = translocation.choose_seen_controls(wells, seed)
    setting = Setting(replace(screen, controls=f"Metadata_Well in {seen}"), "cell", CELL_GROUPS)
    values = setting.make_pipeline(seed=seed).fit_transform(screen.table)
    return translocation.score_unseen(*translocation.average_wells(screen.table, values), seen)


def run_arms(setting, names, options):
    """Yield the embedding of every arm and seed; an arm without randomness is run once.

    Parameters
    ----------
    setting : arms.Setting
        The screen and how to look at it.
    names : sequence of str
        Arms to run, unless the options choose among them.
    options : argparse.Namespace
        With `arms` and `seeds`.

    Yields
    ------
    tuple
        Arm, seed, list of views, seconds.
    """
    for arm in ARMS:
        if arm.name not in names or (options.arms and arm.name not in options.arms):
            continue
        for seed in range(options.seeds if arm.is_seeded else 1):
            start = time.perf_counter()
            with warnings.catch_warnings():
                # of one labeling some labels have one sample; said every time it would drown the table
                warnings.filterwarnings("ignore", message=".*have a single sample", category=DataWarning)
                views = arm.embed(setting, seed)
            seconds = time.perf_counter() - start
            print(f"  {arm.title}, seed {seed}: {seconds:.1f} s", file=sys.stderr, flush=True)
            yield arm, seed, [views] if isinstance(views, View) else views, seconds


def _view_for_positives(screen, views):
    """Choose the view whose network did not see the labels of the positive controls."""
    if screen.is_positive is None:
        return None
    compounds = set(screen.table[screen.compound][screen.is_positive].astype(str))
    for view in views:
        if view.compounds is None or compounds <= view.compounds:
            return view
    return None


def make_parser():
    """Make the argument parser.

    Returns
    -------
    argparse.ArgumentParser
        The parser.
    """
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", help="folder of the development screens")
    parser.add_argument("--only", choices=("wells", "cells", "translocation"), help="one development screen")
    parser.add_argument("--table", help="another table of wells; give the roles of its columns with it")
    add_role_options(parser, required=False)
    parser.add_argument("--level", choices=("well", "field"), default="well", help="what a row of --table is")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the whole chain (default 3)")
    parser.add_argument("--arms", nargs="+", choices=[arm.name for arm in ARMS], help="run only these arms")
    default_out = Path(__file__).parents[1] / "results" / "quality"
    parser.add_argument("--out", type=Path, default=default_out, help="folder for the CSV and JSON files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
