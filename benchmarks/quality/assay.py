"""What the numbers of assay quality are worth: power, false alarms, coverage, time, each beside its bar.

    python benchmarks/quality/assay.py                                   everything
    python benchmarks/quality/assay.py --only noise drift --draws 20     some sections, fewer draws
    python benchmarks/quality/assay.py --only artifacts --cache folder   keeps the features of rendered fields

Real screens are sought in the folder that ARCHETYPAL_TRIPLET_DATA names, and left out where it is not set.
Seconds of every section are printed beside its bars. The exit code is the number of bars that are missed.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from assay_artifacts import run_artifacts, run_parts, run_restore
from assay_real import run_bbbc013, run_bbbc016, run_bbbc021, say_replicates
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from archetypal_triplet.qc import (
    compute_archetype_quality,
    compute_auc,
    compute_b_scores,
    compute_batch_mixing,
    compute_control_separability,
    compute_field_scores,
    compute_plate_drift,
    compute_position_effects,
    compute_replicate_correlation,
    compute_variance_explained,
    compute_z_prime,
)
from archetypal_triplet.runs._assay_replicates import take_replicate_spaces
from archetypal_triplet.runs._assay_tables import AssayInput

NEGATIVE, POSITIVE = "Metadata_ControlType == 'negative'", "Metadata_ControlType == 'positive'"
PLATE_SHAPE = 16, 24
say = partial(print, flush=True)


def _share(hits):
    """Share of draws, and its standard error, as text and number."""
    share = float(np.mean(hits))
    return share, f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(hits)):.3f}"


def _measure(X, is_positive, **options):
    """The pooled measures of one draw, a table by metric."""
    options = {"n_bootstrap": 500, "random_state": 0} | options
    found = compute_control_separability(X, negative=~is_positive, positive=is_positive, **options)
    return found[found["scope"] == "pooled"].set_index("metric")


def run_noise(n_draws):
    """Nothing but noise: 32 and 32 wells in 8, 64 and 128 columns."""
    bars, is_positive = [], np.repeat([False, True], 32)
    say("  columns   in-sample LDA Z' AUC   cross-fitted Z' (largest) AUC   interval covers .5")
    for n_columns in (8, 64, 128):
        covers, found, in_sample = [], [], []
        for seed in range(n_draws):
            X = np.random.default_rng([seed, n_columns]).standard_normal((64, n_columns))
            one = _measure(X, is_positive)
            covers.append(one.loc["auc", "low"] <= 0.5 <= one.loc["auc", "high"])
            found.append(one["value"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # collinear columns are the point
                score = LinearDiscriminantAnalysis().fit(X, is_positive).decision_function(X)
            groups = score[~is_positive], score[is_positive]
            in_sample.append((compute_z_prime(*groups), compute_auc(*groups)))
        found, (z, auc) = pd.DataFrame(found), np.median(in_sample, axis=0)
        share, text = _share(covers)
        say(
            f"  {n_columns:7d}   {z:8.2f} {auc:10.2f}   {found['z_prime'].median():14.1f} "
            f"({found['z_prime'].max():.2f}) {found['auc'].mean():10.3f}   {text}"
        )
        bars.append((f"noise, {n_columns} columns: AUC interval covers .5", share, 0.92, 0.98))
        bars.append((f"noise, {n_columns} columns: largest Z'", found["z_prime"].max(), -np.inf, 0))
    return bars


def run_shift(n_draws):
    """A shift of 8 SD in one of 8 columns, whose Z' is .25."""
    is_positive = np.repeat([False, True], 32)
    found = []
    for seed in range(n_draws):
        X = np.random.default_rng([seed, 8]).standard_normal((64, 8))
        X[is_positive, 0] += 8
        found.append(_measure(X, is_positive, n_bootstrap=1).loc["z_prime", "value"])
    say(f"  Z' {np.mean(found):.3f} (SD {np.std(found):.3f}), true .250")
    return [("shift: error of the mean Z'", abs(np.mean(found) - 0.25), 0, 0.1)]


def make_plates(n_plates, n_columns, seed, shape=PLATE_SHAPE):
    """Standard normal wells, and row and column of each."""
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    names = [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)]
    table = pd.DataFrame(rng.standard_normal((n_plates * len(row), n_columns))).add_prefix("Embedding_")
    table["Metadata_Plate"] = np.repeat([f"P{i:04d}" for i in range(n_plates)], len(row))
    table["Metadata_Well"] = names * n_plates
    return table, np.tile(row, n_plates), np.tile(column, n_plates)


def run_positions(n_draws):
    """A row gradient and an edge of 1 SD within plates, in one column; 4 plates of 384 wells."""
    bars = []
    for n_columns in (1, 8, 32):
        hits = {"row": [], "edge": []}
        for seed in range(n_draws):
            for effect, found in hits.items():
                table, row, column = make_plates(4, n_columns, [seed, n_columns])
                on_edge = (row == 0) | (row == 15) | (column == 0) | (column == 23)
                table["Embedding_0"] += row / 15 if effect == "row" else on_edge
                effects = compute_position_effects(table, n_permutations=99, random_state=seed)
                pooled = effects[effects["scope"] == "pooled"].set_index("effect")
                found.append(pooled.loc[effect, "p_value"] <= 0.05)
        for effect, found in hits.items():
            share, text = _share(found)
            say(f"  {effect:4s} in one of {n_columns:2d} columns: power {text}")
            bars.append((f"{effect}, {n_columns} columns: power", share, 0.9, 1))
    return bars


def run_null(n_draws):
    """Plates and runs where nothing was planted; `n_draws` of each."""
    bars = []
    table, *_ = make_plates(n_draws, 8, 0)
    effects = compute_position_effects(table, n_permutations=199, random_state=0)
    for effect, plates in effects[effects["scope"] == "plate"].groupby("effect"):
        share, text = _share(plates["p_value"] <= 0.05)
        say(f"  {effect:6s}: {text} of {len(plates)} plates")
        bars.append((f"null plates, {effect}: false positives", share, 0.03, 0.07))
    hits = [_follow(seed, 8, 0.0) for seed in range(n_draws)]
    share, text = _share(hits)
    say(f"  drift : {text} of {len(hits)} runs")
    bars.append(("null runs, drift: false positives", share, 0.03, 0.07))
    return bars


def _follow(seed, n_columns, drift, n_plates=12, n_controls=32):
    plate = np.repeat(np.arange(n_plates), n_controls)
    X = np.random.default_rng([seed, n_columns, 7]).standard_normal((len(plate), n_columns))
    X[:, 0] += drift * plate / (n_plates - 1)
    table = pd.DataFrame(X).add_prefix("Embedding_")
    table = table.assign(Metadata_Plate=[f"P{i:02d}" for i in plate], Metadata_ControlType="negative")
    found = compute_plate_drift(table, negative=NEGATIVE, n_permutations=199, random_state=seed)
    return found["p_value"][0] <= 0.05


def run_drift(n_draws):
    """A drift of 1 SD from first to last of 12 plates, in one column; 32 (and 16) controls a plate."""
    bars = []
    for n_columns in (1, 8, 32):
        share, text = _share([_follow(seed, n_columns, 1.0) for seed in range(n_draws)])
        _, few = _share([_follow(seed, n_columns, 1.0, n_controls=16) for seed in range(n_draws)])
        say(f"  one of {n_columns:2d} columns: power {text}; with 16 controls a plate {few}")
        bars.append((f"drift, {n_columns} columns: power", share, 0.9, 1))
    return bars


def _make_screen_of_plates(n_plates, n_columns=32, n_archetypes=16):
    table, _, column = make_plates(n_plates, n_columns, 0)
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(n_archetypes, 0.5), len(table)).astype(np.float32)
    shares = pd.DataFrame(shares).add_prefix("Archetype_")
    kind = np.select([column < 1, column > 22], ["negative", "positive"], "sample")
    well, plate = np.arange(len(table)) % 384, np.arange(len(table)) // 384
    return table.join(shares).assign(
        Metadata_ControlType=kind,
        Metadata_Batch=(plate // 50).astype(str),
        Metadata_Compound=np.char.add("C", (plate // 4 * 384 + well).astype(str)),
    )


def _run_scale_here(n_plates):
    """All tables but mAP of `n_plates` plates, in this process: print seconds of each and the peak memory."""
    table = _make_screen_of_plates(n_plates)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    say(f"  {len(table)} wells; {before:.2f} GB before")
    roles = {"negative": NEGATIVE, "random_state": 0}
    tasks = {
        "controls": partial(compute_control_separability, positive=POSITIVE, plate="Metadata_Plate", **roles),
        "positions": partial(compute_position_effects, random_state=0),
        "B-scores": compute_b_scores,
        "drift": partial(compute_plate_drift, **roles),
        "variance": partial(compute_variance_explained, factors=["Metadata_Plate", "Metadata_Batch"]),
        "mixing": partial(compute_batch_mixing, batch="Metadata_Batch", **roles),
        "archetypes": partial(
            compute_archetype_quality, negative=NEGATIVE, positive=POSITIVE, random_state=0
        ),
        "fields": partial(compute_field_scores, random_state=0),
        "correlation": partial(compute_replicate_correlation, replicate="Metadata_Compound", **roles),
    }
    total = 0.0
    for name, task in tasks.items():
        start, start_cpu = time.perf_counter(), time.process_time()
        task(table)
        seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        total += seconds
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        say(f"  {name:12s} {seconds:7.1f} s ({cpu:.1f} s of processor)   peak {peak:.2f} GB")
    say(f"total {total} {peak}")


def run_scale(n_draws):
    """1,000 plates of 384 wells, 32 columns and 16 archetypes: all tables but mAP, in its own process."""
    command = [sys.executable, __file__, "--scale-here", str(n_draws)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("total"):
                _, seconds, peak = line.split()
            else:
                say(line.rstrip())
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; its message stands above.")
    return [
        ("all tables but mAP: minutes", float(seconds) / 60, 0, 5),
        ("peak memory, GB", float(peak), 0, 4),
    ]


def run_replicates(n_draws):
    """Replicates of 1,000 plates of 384 wells, in the embedding and beside it: time, of a sample of wells."""
    table = _make_screen_of_plates(n_draws)
    table = table.assign(Metadata_Count_Cells=np.random.default_rng(2).poisson(100, len(table)))
    metadata = table[[c for c in table if c.startswith("Metadata_")]]
    measured = table[[c for c in table if c.startswith("Embedding_")]]
    features = metadata.join(measured.set_axis([f"Cells_F{i}" for i in range(measured.shape[1])], axis=1))
    roles = {"plate": "Metadata_Plate", "well": "Metadata_Well", "controls": NEGATIVE}
    roles["replicates"] = ["Metadata_Compound"]
    source = AssayInput(wells=metadata.join(measured), roles=roles, features=features, counts=metadata)
    start = time.perf_counter()
    names = [c for c in features if c.startswith("Cells_")]
    spaces = take_replicate_spaces(source, names, 10, 0)
    say(f"  {len(table)} wells: {'; '.join(spaces.notes)}; {time.perf_counter() - start:.0f} s")
    say_replicates(say, spaces, roles)
    return []


# section: (function, its number of draws)
SECTIONS = {
    "noise": (run_noise, 500),
    "shift": (run_shift, 500),
    "positions": (run_positions, 50),
    "drift": (run_drift, 500),
    "null": (run_null, 2000),
    "scale": (run_scale, 1000),
    "replicates": (run_replicates, 1000),
    "bbbc013": (run_bbbc013, 1),
    "bbbc016": (run_bbbc016, 1),
    "bbbc021": (run_bbbc021, 1),
    "artifacts": (run_artifacts, 20),
    "restore": (run_restore, 20),
    "parts": (run_parts, 20),
}


def main(argv=None):
    """Run sections, print their numbers, then every bar.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None means those of the process.

    Returns
    -------
    int
        The number of bars that are missed.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all if none"
    )
    parser.add_argument("--only", nargs="+", metavar="section", default=[], help="the same, behind a name")
    parser.add_argument(
        "--draws", type=int, help="draws (plates, for null, scale and replicates) of a section, at most"
    )
    parser.add_argument("--cache", type=Path, help="folder for features of rendered fields")
    parser.add_argument("--scale-here", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.scale_here:
        _run_scale_here(options.scale_here)
        return 0
    chosen = [*options.sections, *options.only]
    unknown = set(chosen) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from {', '.join(SECTIONS)}")
    bars, seconds = [], {}
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        for name in chosen or SECTIONS:
            function, n_draws = SECTIONS[name]
            n_draws = min(n_draws, options.draws or n_draws)
            start = time.perf_counter()
            if name.startswith("bbbc") and not os.environ.get("ARCHETYPAL_TRIPLET_DATA"):
                say(f"\n{name}: left out, ARCHETYPAL_TRIPLET_DATA is not set")
                continue
            say(f"\n{name} ({n_draws}): {function.__doc__.strip().splitlines()[0]}")
            more = {"cache": cache} if name in ("artifacts", "restore", "parts") else {}
            more |= {"say": say} if more or name.startswith("bbbc") else {}
            bars += function(n_draws, **more)
            seconds[name] = time.perf_counter() - start
            say(f"  {seconds[name]:.0f} s")
    say("\nseconds: " + ", ".join(f"{name} {one:.0f}" for name, one in seconds.items()))
    missed = [not low <= value <= high for _, value, low, high in bars]
    say("\nbar                                              value   wanted")
    for (name, value, low, high), is_missed in zip(bars, missed, strict=True):
        say(f"{name:47s} {value:7.3f}   {low:g} to {high:g}{'   MISSED' if is_missed else ''}")
    return sum(missed)


if __name__ == "__main__":
    sys.exit(main())
