"""What a network sees in pixels: cells of the plate BBBC013, and of simulated screens.

    python benchmarks/quality/pixels.py bbbc013     three seeds: ten minutes on two cores
    python benchmarks/quality/pixels.py simulated   16 screens: half an hour

BBBC013 is sought in the folder that ARCHETYPAL_TRIPLET_DATA names. Controls, doses and mechanisms are used
for scores only, and negative controls by the normalization, which centers plates on them. All rows were seen,
without labels, before they were scored. The exit code is the number of bars that are missed.
"""

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import metrics
import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from archetypal_triplet import ImageFeatures, TripletEmbedder, make_archetypal_triplet
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.images import ImageStack, extract_cells
from archetypal_triplet.qc import compute_control_separability
from archetypal_triplet.runs import run_images
from archetypal_triplet.runs._joint import EmbeddingWhitener
from archetypal_triplet.runs._pixels import DEFAULTS

PLATE = "bbbc013_translocation"
WELL = ["Metadata_Plate", "Metadata_Well"]
CONTROLS = "Metadata_ControlType == 'negative'"
BARS = {"Z'": 0.65, "rho": 0.89}
MIN_EFFECT = 0.4  # weaker treatments look like the vehicle
SCREEN = {
    "n_batches": 2, "n_plates": 1, "n_replicates": 1, "plate_format": 96, "n_fields": 2, "n_channels": 2,
    "image_size": 200, "n_end_points": 5, "n_doses": 2, "inactive_fraction": 0.2, "images": True,
}  # fmt: skip
CROP = 48
# the network of `archetypal-triplet run`; with other labels; without labels; without the instance term
ARCHETYPAL, RANDOM = "pixels, archetypal labels", "pixels, random labels"
INSTANCES, NO_TERM = "pixels, instances alone", "pixels, archetypal labels alone"
say = partial(print, flush=True)


def score_assay(wells, values):
    """Score well means of the translocation plate.

    Parameters
    ----------
    wells : DataFrame
        Metadata of the wells.
    values : ndarray of shape (n_wells, n_dimensions)
        Their embedding.

    Returns
    -------
    dict
        Cross-fitted Z' of the controls; Z' and Spearman's rho with the dose (mean of two compounds) along the
        first principal component.
    """
    kind = wells["Metadata_ControlType"].to_numpy()
    negative, positive = kind == "negative", kind == "positive"
    rows = negative | positive
    found = compute_control_separability(
        values[rows], negative=negative[rows], positive=positive[rows], random_state=0
    )
    pooled = found[found["scope"] == "pooled"].set_index("metric")["value"]
    axis = PCA(1, random_state=0).fit_transform(values)[:, 0]
    gap = abs(axis[positive].mean() - axis[negative].mean())
    spread = axis[positive].std(ddof=1) + axis[negative].std(ddof=1)
    rho = []
    for compound in ("wortmannin", "LY294002"):
        dosed = (wells["Metadata_Compound"] == compound).to_numpy() & (kind == "sample")
        rank = wells["Metadata_DoseRank"].astype(float)[dosed]
        rho.append(abs(spearmanr(axis[dosed], rank).statistic))
    return {"Z'": float(pooled["z_prime"]), "Z' of PC1": 1 - 3 * spread / gap, "rho": float(np.mean(rho))}


def run_bbbc013(seeds, steps, folder):
    """Run what the command runs, three ways, and score each; cells, features and training are used again."""
    root = os.environ.get("ARCHETYPAL_TRIPLET_DATA")
    if not root or not (Path(root) / PLATE).is_dir():
        say("BBBC013 was not found (ARCHETYPAL_TRIPLET_DATA): left out")
        return None
    rows = []
    for seed in seeds:
        for embed in ("features", "pixels", "both"):
            start = time.perf_counter()
            options = {} if embed == "features" else {"pixel_options": {"max_steps": steps}}
            result = run_images(
                Path(root) / PLATE / "plate.csv",
                nucleus_channel="dna",
                embed=embed,
                **options,
                out=folder / "results",
                work=folder / "stages",
                force=True,
                random_state=seed,
                n_jobs=-1,
            )
            values = result.groups.filter(regex="^Embedding_").to_numpy()
            scores = score_assay(result.groups, values)
            rows.append({"arm": embed, "seed": seed, **scores, "seconds": time.perf_counter() - start})
            say(f"  {embed:9} seed {seed}: " + ", ".join(f"{name} {scores[name]:.3f}" for name in scores))
    return pd.DataFrame(rows)


class Simulated:
    """Cells of a simulated screen with their features, and how an embedding of them is scored.

    Two plates, each a batch of its own; a treatment counts if it does something.
    """

    def __init__(self, seed, folder):
        screen = make_screen(**SCREEN, random_state=seed)
        fields = screen.fields.reset_index(drop=True)
        wells = fields.drop_duplicates(WELL).assign(**screen.truth.reset_index(drop=True).set_index(
            fields.drop_duplicates(WELL).index))  # fmt: skip
        stack = ImageStack.from_array(screen.images[np.arange(len(fields))], channel_names=screen.channels)
        found = extract_cells(
            stack, fields[[*WELL, "Metadata_Site"]], nucleus_channel="DNA", crop_size=CROP, out=folder
        )
        self.crops = found.crops[:]
        engine = ImageFeatures(mask_channel=-1, channel_names=[*screen.channels, "Mask"]).fit(self.crops)
        self.names = engine.get_feature_names_out().tolist()
        features = pd.DataFrame(engine.transform(self.crops), columns=self.names)
        cells = found.cells[WELL].merge(wells[[*WELL, "Metadata_ControlType"]], how="left", on=WELL)
        self.table = cells.join(features)
        # wells without a cell are not there
        self.wells = self.table[WELL].drop_duplicates().merge(wells, how="left", on=WELL)
        self.well_of = self.table.groupby(WELL, sort=False).ngroup().to_numpy()
        self.truth = self.wells
        self.plate = np.unique(self.wells["Metadata_Plate"], return_inverse=True)[1]
        self.is_negative = (self.wells["Metadata_ControlType"] == "negative").to_numpy()

    def score(self, values):
        """NSC and NSCB of well means, from which each plate's mean control was subtracted."""
        means = np.array([values[self.well_of == i].mean(axis=0) for i in range(len(self.wells))])
        for plate in np.unique(self.plate):
            rows = self.plate == plate
            means[rows] -= means[rows & self.is_negative].mean(axis=0)
        treatments = metrics.make_treatments(
            means,
            labels=self.truth["Truth_Mechanism"],
            compounds=self.wells["Metadata_Compound"],
            concentrations=self.wells["Metadata_Concentration_uM"],
            batches=self.wells["Metadata_Batch"],
            is_treated=(self.wells["Metadata_ControlType"] == "sample").to_numpy()
            & (self.truth["Truth_Effect"] > MIN_EFFECT).to_numpy(),
        )
        return {
            "NSC": metrics.compute_retrieval(treatments).mean,
            "NSCB": metrics.compute_retrieval(treatments, not_same_batch=True).mean,
        }


def run_simulated(seeds, steps, folder):
    """Run one screen for each seed, as many at a time as there are cores, on one thread each.

    One screen has some 60 treatments, too few to tell .02 from nothing.
    """
    rows = []
    with parallel_config("loky", inner_max_num_threads=1):
        jobs = (delayed(run_screen)(seed, steps, folder / str(seed)) for seed in seeds)
        for found in Parallel(n_jobs=-1, return_as="generator")(jobs):
            rows += found
            for row in found:
                say(f"  {row['arm']:32} seed {row['seed']}: NSC {row['NSC']:.3f}, NSCB {row['NSCB']:.3f}")
    return pd.DataFrame(rows)


def run_screen(seed, steps, folder):
    """Train the same network on the same images by several kinds of labels; the features stand beside."""
    screen = Simulated(seed, folder)
    pipeline = make_archetypal_triplet(
        level="cell", plate="Metadata_Plate", controls=CONTROLS, groups=WELL, features=screen.names,
        random_state=seed,
    )  # fmt: skip
    components = pipeline["normalize"].fit_transform(screen.table)
    of_features = pipeline["embed"].fit_transform(components)
    labels = pipeline["embed"].labels_
    rng = np.random.default_rng(seed)
    shuffled = np.column_stack([rng.permutation(column) for column in labels.T])
    embeddings = {
        "whitened features": components[:, : pipeline["normalize"].n_components_],
        "network on features": of_features,
    }
    # 96 images a step, each way
    labels_alone = {"samples_per_label": 2 * DEFAULTS["samples_per_label"], "instance_weight": 0.0}
    pairs = {
        "labeler": "instances", "labels_per_batch": 48, "samples_per_label": 2, "instance_weight": 1.0,
    }  # fmt: skip
    for arm, y, more in (
        (ARCHETYPAL, labels, {}),
        (RANDOM, shuffled, {}),
        (INSTANCES, None, pairs),
        (NO_TERM, labels, labels_alone),
    ):
        options = {**DEFAULTS, **more, "max_steps": steps}
        network = TripletEmbedder(**options, channels=slice(None, -1), random_state=seed)
        network.fit(screen.crops, y, groups=screen.plate[screen.well_of])
        values = network.transform(screen.crops)
        embeddings[arm] = EmbeddingWhitener().fit(values, groups=screen.well_of).transform(values)
    return [{"arm": arm, "seed": seed, **screen.score(values)} for arm, values in embeddings.items()]


def show(title, rows):
    """Print mean and standard deviation over seeds."""
    say(f"\n{title}")
    scores = [c for c in rows if c not in ("arm", "seed")]
    for arm, part in rows.groupby("arm", sort=False):
        cells = [f"{name} {part[name].mean():7.3f} ({part[name].std(ddof=0):.3f})" for name in scores]
        say(f"  {arm:32} " + "   ".join(cells))


def judge_bbbc013(rows):
    """Compare means over seeds with the bars; return how many are missed."""
    means = rows.drop(columns="seed").groupby("arm").mean()
    missed = 0
    for name, bar in BARS.items():
        found = means.loc["pixels", name]
        missed += _judge(f"pixels: {name} {found:.3f}, at least {bar}", found >= bar)
        best = max(means.loc[["features", "pixels"], name])
        found = means.loc["both", name]
        missed += _judge(f"both: {name} {found:.3f}, at least {best:.3f} - .03", found >= best - 0.03)
    slowest = rows["seconds"].max()
    return missed + _judge(f"slowest run {slowest:.0f} s, at most 600 s", slowest <= 600)


def judge_simulated(rows):
    """Archetypal labels must beat the others by NSC, by more than twice the standard error over screens."""
    nsc = rows.pivot(index="seed", columns="arm", values="NSC")
    missed = 0
    for other in (RANDOM, INSTANCES):
        gain = nsc[ARCHETYPAL] - nsc[other]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        words = f"{ARCHETYPAL} beat {other}: NSC {gain.mean():+.3f}, standard error {error:.3f}"
        missed += _judge(words, gain.mean() > 2 * error)
    return missed


def _judge(words, is_met):
    say(f"  {'met   ' if is_met else 'MISSED'} {words}")
    return int(not is_met)


def main(argv=None):
    """Run the sections, print tables; return the number of bars that are missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help="bbbc013, simulated (default: both)")
    parser.add_argument("--seeds", type=int, help="number of seeds (default: 3; simulated screens: 16)")
    parser.add_argument(
        "--steps",
        type=int,
        default=DEFAULTS["max_steps"],
        help="training steps on pixels (default: %(default)d)",
    )
    arguments = parser.parse_args(argv)
    chosen = arguments.sections or ["bbbc013", "simulated"]
    missed = 0
    if "bbbc013" in chosen:
        with tempfile.TemporaryDirectory() as folder:
            rows = run_bbbc013(range(arguments.seeds or 3), arguments.steps, Path(folder))
        if rows is not None:
            show("BBBC013, mean (SD) over seeds", rows)
            missed += judge_bbbc013(rows)
    if "simulated" in chosen:
        with tempfile.TemporaryDirectory() as folder:
            rows = run_simulated(range(arguments.seeds or 16), arguments.steps, Path(folder))
        show("Simulated cells, mean (SD) over screens", rows)
        missed += judge_simulated(rows)
    return missed


if __name__ == "__main__":
    sys.exit(main())
