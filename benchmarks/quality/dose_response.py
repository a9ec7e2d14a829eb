"""What an EC50 is worth: false alarms, coverage, outliers, curves of another form, time, each beside its bar.

    python benchmarks/quality/dose_response.py                        everything
    python benchmarks/quality/dose_response.py null --compounds 200   some sections, fewer compounds
    python benchmarks/quality/dose_response.py --runs FOLDER          results of runs on BBBC013 as well

The exit code is the number of bars that are missed.
"""

import argparse
import resource
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from archetypal_triplet import ScreenNormalizer
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.qc import compute_control_scores
from archetypal_triplet.screens import compute_dose_response

NEGATIVE, POSITIVE = "Metadata_ControlType == 'negative'", "Metadata_ControlType == 'positive'"
# doses, replicates, dilution
DESIGNS = ((9, 1, 2.0), (9, 4, 2.0), (6, 3, 3.0), (8, 1, 3.0), (5, 2, 3.0))
REFERENCE = {"wortmannin": 11.6, "LY294002": 4.7}  # nM and uM: fits to the ratio of a segmentation by hand
say = partial(print, flush=True)


def draw_screen(seed, n, design, *, noise=0.05, kind="rising", n_vehicle=16, heavy=False, growing=0.0):
    """Draw compounds whose responses go from 0 to 1 ("rising"), stay ("idle"), or rise and fall ("hump").

    Parameters
    ----------
    seed : int
        Seed.
    n : int
        Compounds.
    design : tuple
        Doses, replicates, dilution.
    noise : float, default=0.05
        Standard deviation of a well.
    kind : str, default="rising"
        What the compounds do.
    n_vehicle : int, default=16
        Vehicle wells.
    heavy : bool, default=False
        Whether noise has Student's distribution with 3 degrees of freedom.
    growing : float, default=0.0
        Growth of the noise with the response.

    Returns
    -------
    table : pandas.DataFrame
        Wells.
    ec50 : ndarray of shape (n,)
        The truth.
    """
    rng = np.random.default_rng(seed)
    n_doses, n_replicates, dilution = design
    doses = np.repeat(dilution ** np.arange(n_doses), n_replicates)
    ec50 = doses[-1] ** rng.uniform(0.25, 0.75, n)
    shape = 1 / (1 + (ec50[:, None] / doses) ** rng.uniform(0.8, 3.0, n)[:, None])
    if kind == "hump":
        shape *= 1 - 1 / (1 + (np.sqrt(ec50 * doses[-1])[:, None] / doses) ** 2)
    shape *= kind != "idle"
    draws = rng.standard_t(3, shape.shape) / np.sqrt(3) if heavy else rng.standard_normal(shape.shape)
    table = pd.DataFrame(
        {
            "Metadata_Compound": np.repeat([f"C{i:05d}" for i in range(n)], len(doses)),
            "Metadata_Concentration": np.tile(doses, n),
            "Metadata_ControlType": "sample",
            "y": (shape + noise * (1 + growing * shape) * draws).ravel(),
        }
    )
    vehicle = {"Metadata_Compound": "DMSO", "Metadata_Concentration": 0.0, "Metadata_ControlType": "negative"}
    vehicle = pd.DataFrame({"y": noise * rng.standard_normal(n_vehicle)}).assign(**vehicle)
    return pd.concat([table, vehicle], ignore_index=True), ec50


def _fit(table):
    return compute_dose_response(table, "y", controls=NEGATIVE)


def run_null(n):
    """Compounds that do nothing: how many are said to respond (p < .05), and how many get an EC50."""
    bars = []
    for design in DESIGNS:
        for heavy in (False, True):
            found = _fit(draw_screen(1, n, design, kind="idle", heavy=heavy)[0])
            respond, given = (found["p_value"] < 0.05).mean(), (found["reason"] == "").mean()
            say(f"  {design}{' heavy tails' if heavy else '':12s} respond {respond:.3f}, EC50 {given:.3f}")
            bars.append((f"EC50 of idle compounds {design}{' heavy' if heavy else ''}", given, 0, 0.06))
    return bars


def run_coverage(n):
    """Compounds that respond: how many get an EC50, how often the interval holds the truth, and the error."""
    bars = []
    for design in DESIGNS:
        for noise in (0.02, 0.05, 0.1, 0.2):
            table, ec50 = draw_screen(2, n, design, noise=noise)
            found = _fit(table)
            known = (found["reason"] == "").to_numpy()
            covered = ((found["ec50_low"] <= ec50) & (ec50 <= found["ec50_high"]))[known].mean()
            error = 10 ** np.abs(np.log10(found["ec50"] / ec50))[known].median()
            say(
                f"  {design} noise {noise:4.2f}  EC50 {known.mean():.3f}, covered {covered:.3f}, "
                f"open {np.isinf(found['ec50_high'][known]).mean():.2f}, median error a factor {error:.3f}"
            )
            bars.append((f"coverage {design} noise {noise}", covered, 0.91, 0.98))
    return bars


def run_outliers(n):
    """One well in twenty is spoiled, or noise grows with the response: what is set aside, and the error."""
    bars = []
    for design in (*DESIGNS[:3], (9, 2, 2.0)):
        table, ec50 = draw_screen(3, n, design)
        rng = np.random.default_rng(0)
        hit = (rng.random(len(table)) < 0.05) & (table["Metadata_ControlType"] == "sample")
        spoiled = table.assign(y=table["y"] + hit * rng.choice([-1, 1], len(table)) * rng.uniform(0.5, 1.5))
        grown, grown_ec50 = draw_screen(4, n, design, noise=0.02, growing=4.0)
        for title, wells, truth in (
            ("clean", table, ec50), ("spoiled", spoiled, ec50), ("growing noise", grown, grown_ec50)
        ):  # fmt: skip
            found = _fit(wells)
            known = (found["reason"] == "").to_numpy()
            error = np.abs(np.log10(found["ec50"] / truth))[known]
            covered = ((found["ec50_low"] <= truth) & (truth <= found["ec50_high"]))[known].mean()
            refused = found["reason"].str.startswith("the response").mean()
            n_aside = found["n_outliers"].sum() / found["n_wells"].sum()
            say(
                f"  {design} {title:14s} refused {refused:.3f}, set aside {n_aside:.4f}, "
                f"EC50 {known.mean():.3f}, covered {covered:.3f}, error: median {10 ** error.median():.3f}, "
                f"95 % below {10 ** error.quantile(0.95):.2f}"
            )
            if title == "spoiled":
                bars.append((f"median error with outliers {design}", 10 ** error.median(), 1, 1.15))
    return bars


def run_hump(n):
    """Responses that rise and fall again: how many get an EC50."""
    bars = []
    for design in DESIGNS:
        found = _fit(draw_screen(5, n, design, kind="hump")[0])
        given = found["reason"] == ""
        say(f"  {design} EC50 {given.mean():.3f}, their median R2 {found.loc[given, 'r2'].median():.2f}")
        if design[1] > 1:
            bars.append((f"EC50 of humps {design}", given.mean(), 0, 0.2))
    return bars


def run_screens(n):
    """Simulated screens, one for 250 compounds: EC50 along the score of the controls over the true one."""
    ratios = {"plain features": [], "normalized, soft length": []}
    for seed in range(max(n // 250, 1)):
        screen = make_screen(1, 3, n_doses=9, inactive_fraction=0.3, random_state=seed)
        metadata = screen.profiles.filter(like="Metadata_")
        options = {"concentration": "Metadata_Concentration_uM", "controls": NEGATIVE}
        truth = compute_dose_response(metadata.assign(y=screen.truth["Truth_Effect"]), "y", **options)
        mechanism = screen.truth.groupby(metadata["Metadata_Compound"])["Truth_Mechanism"].first()
        alike = truth["Metadata_Compound"].map(mechanism).str.startswith("Microtubule")
        normalizer = ScreenNormalizer(plate="Metadata_Plate", controls=NEGATIVE)
        components = normalizer.set_output(transform="pandas").fit_transform(screen.profiles)
        spaces = screen.profiles, metadata.join(components)
        for found, wells in zip(ratios.values(), spaces, strict=True):
            roles = {"negative": NEGATIVE, "positive": POSITIVE, "plate": "Metadata_Plate"}
            score = compute_control_scores(wells, **roles, random_state=0)["score"]
            along = compute_dose_response(metadata.assign(y=score), "y", plate="Metadata_Plate", **options)
            found += (along["ec50"] / truth["ec50"])[alike].dropna().tolist()
    for name, found in ratios.items():
        low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
        say(f"  {name:24s} median {middle:.2f}, quartiles {low:.2f} and {high:.2f} of {len(found)} compounds")
    return [
        (f"EC50 over the true one, {name}", float(np.median(found)), low, 1.1)
        for (name, found), low in zip(ratios.items(), (0.9, 0.6), strict=True)
    ]


def run_scale(n):
    """Ten times as many compounds, 9 doses in duplicate: seconds of one core, and memory."""
    table, _ = draw_screen(6, 10 * n, (9, 2, 2.0))
    start = time.process_time()
    _fit(table)
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    say(f"  {10 * n} compounds: {seconds:.1f} s of processor, {memory:.0f} MiB at most")
    return [(f"seconds for {10 * n} compounds", seconds, 0, 60)]


def run_real(folders):
    """Runs on the translocation plate: EC50 as multiples of those of a segmentation's ratio."""
    bars = []
    for folder in folders:
        wells = pd.read_parquet(folder / "wells.parquet")
        options = {"negative": NEGATIVE, "positive": POSITIVE, "random_state": 0}
        wells["Score"] = compute_control_scores(wells, **options)["score"]
        shares = wells.filter(regex=r"^Archetype_\d+$")
        means = shares.groupby(wells["Metadata_ControlType"]).mean()
        gained = means.columns[means.loc["positive"] > means.loc["negative"]]
        wells["Shares"] = shares[gained].sum(axis=1)
        largest = means.loc["positive"].idxmax()
        found = compute_dose_response(
            wells, ["Score", "Shares", largest], unit="Metadata_Unit", controls=NEGATIVE
        )
        for row in found.itertuples():
            ratio = row.ec50 / REFERENCE[row.Metadata_Compound]
            say(
                f"  {folder} {row.column:12s} {row.Metadata_Compound:10s} {row.ec50:.2f} {row.unit} "
                f"({row.ec50_low:.2f} to {row.ec50_high:.2f}), {ratio:.2f} of the reference, R2 {row.r2:.3f}"
            )
            if row.column != largest:
                bars.append((f"{row.Metadata_Compound}, {row.column}, {folder.name}", ratio, 0.5, 2))
    return bars


SECTIONS = {
    "null": run_null,
    "coverage": run_coverage,
    "outliers": run_outliers,
    "hump": run_hump,
    "screens": run_screens,
    "scale": run_scale,
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
    parser.add_argument("sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--compounds", type=int, default=1000, help="compounds of a draw")
    parser.add_argument("--runs", nargs="+", type=Path, default=[], help="folders of results on BBBC013")
    options = parser.parse_args(argv)
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from {', '.join(SECTIONS)}")
    bars = []
    for name in options.sections or ([] if options.runs else SECTIONS):
        say(f"\n{name}: {SECTIONS[name].__doc__}")
        bars += SECTIONS[name](options.compounds)
    if options.runs:
        say(f"\nruns: {run_real.__doc__}")
        bars += run_real(options.runs)
    missed = [not low <= value <= high for _, value, low, high in bars]
    say("\nbar                                              value   wanted")
    for (name, value, low, high), is_missed in zip(bars, missed, strict=True):
        say(f"{name:47s} {value:7.3f}   {low:g} to {high:g}{'   MISSED' if is_missed else ''}")
    return sum(missed)


if __name__ == "__main__":
    sys.exit(main())
