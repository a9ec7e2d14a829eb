"""The translocation plate BBBC013: from its TIFFs to cells, features, and scores of wells."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from archetypal_triplet import ImageFeatures
from archetypal_triplet.images import ImageStack, extract_cells, read_layout
from archetypal_triplet.qc import compute_control_separability, compute_z_prime
from archetypal_triplet.screens import aggregate_profiles

FOLDER = "bbbc013_translocation"
WELL = ["Metadata_Plate", "Metadata_Well"]
RATIO = "Intensity_RatioNucleusRing_gfp"
SCORES = {
    "z_prime": "Z' of PC1",
    "z_prime_crossfit": "Z' cross-fitted",
    "z_prime_unseen": "Z' unseen wells",
    "rho": "rho with dose",
    "ari": "ARI",
}
_WIDTH = 46


def measure_cells(folder, *, n_jobs=None):
    """Segment the plate's nuclei and measure every cell with the package's defaults.

    Parameters
    ----------
    folder : Path
        Holds ``bbbc013_translocation``.
    n_jobs : int, default=None
        Threads.

    Returns
    -------
    pandas.DataFrame
        A row a cell: metadata of its well, then the features.
    """
    layout = read_layout(folder / FOLDER / "plate.csv")
    found = extract_cells(ImageStack.from_layout(layout), layout.fields, nucleus_channel="dna", n_jobs=n_jobs)
    engine = ImageFeatures(mask_channel=-1, channel_names=layout.channels, n_jobs=n_jobs)
    features = np.asarray(engine.fit_transform(found.crops))
    features = pd.DataFrame(features, columns=engine.get_feature_names_out(), index=found.cells.index)
    return pd.concat([found.cells, features], axis=1)


def average_wells(cells, values):
    """Average an embedding of cells over wells.

    Parameters
    ----------
    cells : pandas.DataFrame
        One row a cell.
    values : ndarray of shape (n_cells, n_dimensions)
        Their embedding.

    Returns
    -------
    wells : pandas.DataFrame
        Metadata of the wells.
    means : ndarray of shape (n_wells, n_dimensions)
        Their embedding.
    """
    names = [f"Embedding_{i}" for i in range(values.shape[1])]
    metadata = cells[[c for c in cells if c.startswith("Metadata_")]].reset_index(drop=True)
    wells = aggregate_profiles(metadata.join(pd.DataFrame(values, columns=names)), WELL)
    return wells.drop(columns=names), wells[names].to_numpy()


def project(means):
    """Project wells on their first principal axis, as an array of shape (n_wells,)."""
    centered = means - means.mean(axis=0)
    return centered @ np.linalg.svd(centered, full_matrices=False)[2][0]


def score_wells(wells, means):
    """Score the embedding of the plate's wells; labels are used here and nowhere before.

    Parameters
    ----------
    wells : pandas.DataFrame
        With ``Metadata_ControlType``, ``Metadata_Compound`` and ``Metadata_DoseRank``.
    means : ndarray of shape (n_wells, n_dimensions)
        Their embedding.

    Returns
    -------
    dict of str to float
        ``z_prime``: positive against negative wells along the first principal axis of all wells.
        ``z_prime_crossfit``: along an axis found on other wells. ``rho``: rank correlation of the first axis
        and the dose within the series, mean of the compounds. ``ari``: of k-means with two clusters on all
        wells that are controls or untreated.
    """
    kind = wells["Metadata_ControlType"].to_numpy()
    negative, positive = kind == "negative", kind == "positive"
    axis = project(means)
    axis = axis * np.sign(axis[positive].mean() - axis[negative].mean())
    found = compute_control_separability(
        means, negative=negative, positive=positive, n_bootstrap=1, random_state=0
    )
    pooled = found[found["scope"] == "pooled"].set_index("metric")["value"]
    rho = []
    for compound in wells["Metadata_Compound"][kind == "sample"].unique():
        own = (kind == "sample") & (wells["Metadata_Compound"] == compound).to_numpy()
        rho.append(spearmanr(axis[own], wells["Metadata_DoseRank"][own].astype(float)).statistic)
    known = kind != "sample"
    clusters = KMeans(2, n_init=10, random_state=0).fit_predict(means[known])
    return {
        "z_prime": compute_z_prime(axis[negative], axis[positive]),
        "z_prime_crossfit": float(pooled["z_prime"]),
        "rho": float(np.mean(rho)),
        "ari": adjusted_rand_score(positive[known], clusters),
    }


def choose_seen_controls(wells, seed):
    """Choose half of the negative wells, whom the method is told of; the others are scored."""
    names = wells.loc[wells["Metadata_ControlType"] == "negative", "Metadata_Well"].to_numpy()
    return sorted(np.random.default_rng(seed).permutation(names)[: len(names) // 2])


def score_unseen(wells, means, seen):
    """Compute Z' along the first principal axis of positive wells against negative ones not in `seen`."""
    kind = wells["Metadata_ControlType"].to_numpy()
    unseen = (kind == "negative") & ~wells["Metadata_Well"].isin(seen).to_numpy()
    axis = project(means)
    return compute_z_prime(axis[unseen], axis[kind == "positive"])


def format_lines(n_cells, results):
    """Format one line an arm: mean and standard deviation over seeds.

    Parameters
    ----------
    n_cells : int
        Number of cells.
    results : list of dict
        One an arm and seed: ``title`` and the scores that it has.

    Returns
    -------
    list of str
        To print.
    """
    by_arm = {}
    for result in results:
        by_arm.setdefault(result["title"], []).append(result)
    head = " ".join(title.ljust(16) for title in SCORES.values())
    lines = ["", f"BBBC013, translocation: {n_cells} cells, 96 wells", "", f"{'':{_WIDTH}s} {head}"]
    for title, runs in by_arm.items():
        cells = [_mean_and_spread([run[name] for run in runs if name in run]) for name in SCORES]
        lines.append(f"{title:{_WIDTH}s} {' '.join(cell.ljust(16) for cell in cells)}".rstrip())
    return [
        *lines,
        "",
        "8 positive and 12 negative wells; mean +- SD over seeds. The method is told which are negative, but",
        "of no dose, compound or positive well (no map: of none). Unseen: it is told of six, and",
        "the other six are scored.",
    ]


def _mean_and_spread(values):
    if not values:
        return "-"
    spread = f" +-{np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
