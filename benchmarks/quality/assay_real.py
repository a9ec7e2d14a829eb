"""Real assays: the embedding beside plain features and read-outs made by hand, all by the same code."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import translocation
from scipy import ndimage
from sklearn.decomposition import PCA

from archetypal_triplet import ImageFeatures, make_archetypal_triplet
from archetypal_triplet.datasets import load_bbbc021
from archetypal_triplet.images import ImageStack, read_layout
from archetypal_triplet.qc import compute_control_separability, compute_field_scores
from archetypal_triplet.runs._assay_replicates import COMPUTE, take_replicate_spaces
from archetypal_triplet.runs._assay_tables import AssayInput

NEGATIVE = "Metadata_ControlType == 'negative'"
FLAG, DISTANCE = "Metadata_atq_IsFlagged", "Metadata_atq_WellDistance"
# Otsu nuclei and a ring of six pixels, as the data's README says; two pixels between them
_SMOOTHING, _LEAST_AREA, _GAP, _RING = 1.0, 30, 2, 6


def _folder():
    return Path(os.environ["ARCHETYPAL_TRIPLET_DATA"])


def say_separation(say, name, X, chosen, **options):
    """Print the pooled measures of one space; return them by metric."""
    found = compute_control_separability(X, **chosen, **options, random_state=0)
    one = found[found["scope"] == "pooled"].set_index("metric")
    text = ", ".join(f"{m} {r.value:.3f} ({r.low:.2f} to {r.high:.2f})" for m, r in one.iterrows())
    say(f"  {name:34s} {text}")
    return one["value"]


def _threshold_otsu(values):
    """Number between two classes whose means lie farthest apart for their sizes (Otsu 1979)."""
    counts, edges = np.histogram(values, 256)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts) / counts.sum()
    mean = np.cumsum(counts * middle) / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1 - below))
    return middle[np.nanargmax(between)]


def measure_ratio(gfp, dna):
    """Ratio of the GFP in each nucleus to that in a ring around it, made by hand.

    Parameters
    ----------
    gfp, dna : ndarray of shape (height, width)
        The two channels of a field.

    Returns
    -------
    ndarray of shape (n_nuclei,)
        Ratios of mean grey values.
    """
    smooth = ndimage.gaussian_filter(dna.astype(float), _SMOOTHING)
    labels, _ = ndimage.label(smooth > _threshold_otsu(smooth))
    is_nucleus = np.bincount(labels.ravel()) >= _LEAST_AREA
    is_nucleus[0] = False
    labels = np.where(is_nucleus[labels], labels, 0)
    distance, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    in_ring = (distance > _GAP) & (distance <= _GAP + _RING)
    ring = np.where(in_ring, labels[tuple(nearest)], 0)
    names = np.flatnonzero(is_nucleus)
    names = names[np.isin(names, ring)]
    return ndimage.mean(gfp, labels, names) / ndimage.mean(gfp, ring, names)


def run_bbbc013(_, say):
    """BBBC013, translocation: a hand-made ratio of nucleus and ring, by the code that scores embeddings."""
    layout = read_layout(_folder() / translocation.FOLDER / "plate.csv")
    stack, wells = ImageStack.from_layout(layout), layout.fields
    gfp, dna = (layout.channels.index(name) for name in ("gfp", "dna"))
    cells = [measure_ratio(image[gfp], image[dna]) for image in (np.asarray(stack[i]) for i in range(96))]
    say(f"  {sum(map(len, cells))} nuclei; 8 positive wells, 12 negative, 4 untreated")
    chosen = {}
    for kind in ("negative", "untreated"):
        chosen[kind] = {
            "negative": (wells["Metadata_ControlType"].isin([kind, "negative"])).to_numpy(),
            "positive": (wells["Metadata_ControlType"] == "positive").to_numpy(),
        }
    own = chosen["negative"]
    mean, median = (np.array([[f(one)] for one in cells]) for f in (np.mean, np.median))
    found = say_separation(say, "hand-made ratio, mean of cells", mean, own)
    say_separation(say, "the same, untreated wells too", mean, chosen["untreated"])
    say_separation(say, "hand-made ratio, median of cells", median, own)
    say_separation(say, "cell count", np.array([[float(len(one))] for one in cells]), own)
    table = translocation.measure_cells(_folder())
    ours, means = translocation.average_wells(table, table[[translocation.RATIO]].to_numpy(dtype=float))
    kind = ours["Metadata_ControlType"].to_numpy()
    chosen = {"negative": kind == "negative", "positive": kind == "positive"}
    say_separation(say, "ratio of ImageFeatures", means, chosen)
    return [("BBBC013: Z' of the hand-made ratio", float(found["z_prime"]), 0.66, 0.68)]


def run_bbbc016(_, say):
    """BBBC016, three fields a well: scores of its fields, whose truth nobody knows."""
    layout = read_layout(_folder() / "bbbc016_transfluor_gfp" / "images", pattern="arrayscan")
    stack = ImageStack.from_layout(layout)
    engine = ImageFeatures(channel_names=layout.channels).set_output(transform="pandas")
    table = layout.fields.join(engine.fit_transform(stack).set_axis(layout.fields.index))
    scores = compute_field_scores(table, random_state=0)
    distance = scores[DISTANCE]
    n_wells = scores["Metadata_Well"].nunique()
    say(
        f"  {scores[FLAG].sum()} of {len(scores)} fields of {n_wells} wells flagged; "
        f"distance: median {distance.median():.2f}, 95th percentile {distance.quantile(0.95):.2f}, "
        f"largest {distance.max():.2f}"
    )
    for _, row in scores.sort_values(DISTANCE, ascending=False).head(4).iterrows():
        flagged = f"flagged: {row['Metadata_atq_Reason']}" if row[FLAG] else "not flagged"
        say(f"  {row['Metadata_Well']}, field {row['Metadata_Site']}: {row[DISTANCE]:.2f}, {flagged}")
    return []


def run_bbbc021(_, say):
    """BBBC021, DMSO against taxol and replicates: the embedding beside features, components, cell count."""
    table = load_bbbc021()
    pipe = make_archetypal_triplet(plate="Metadata_Plate", controls=NEGATIVE, random_state=0)
    embedding = np.asarray(pipe.fit_transform(table))
    names = [c for c in table if not c.startswith("Metadata_")]
    features = table[names].to_numpy(float)
    z = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-12)
    count = table["Nuclei_Children_Cells_Count"]
    views = {
        "embedding": embedding,
        "whitened": np.asarray(pipe["normalize"].transform(table)),
        "raw features": features,
        "10 components": PCA(10, random_state=0).fit_transform(z),
        "cell count": count.to_numpy(float)[:, None],
    }
    chosen = {
        "negative": table.eval(NEGATIVE).to_numpy(),
        "positive": table.eval("Metadata_Compound == 'taxol'").to_numpy(),
    }
    counts = chosen["negative"].sum(), chosen["positive"].sum()
    say(f"  {counts[0]} wells of DMSO, {counts[1]} of taxol; they trained the embedding")
    for name, X in views.items():
        say_separation(say, name, X, chosen, plate=table["Metadata_Plate"])
    metadata = table[[c for c in table if c.startswith("Metadata_")]]
    roles = {"plate": "Metadata_Plate", "well": "Metadata_Well", "controls": NEGATIVE}
    roles["replicates"] = ["Metadata_Compound", "Metadata_Concentration_uM"]
    wells = metadata.join(pd.DataFrame(embedding, index=table.index).add_prefix("Embedding_"))
    counts = metadata.assign(Metadata_Count_Cells=count)
    source = AssayInput(wells=wells, roles=roles, features=table, counts=counts)
    say_replicates(say, take_replicate_spaces(source, names, 10, 0), roles)
    return []


def say_replicates(say, spaces, roles):
    """Print what replicates come to in each space."""
    options = {"replicate": roles["replicates"], "negative": roles["controls"], "random_state": 0}
    for space, table in spaces.tables.items():
        precision, alike = (compute(table, **options) for compute in COMPUTE.values())
        say(
            f"  {space:14s} {len(precision)} treatments: mean average precision "
            f"{precision['mean_average_precision'].mean():.3f}, "
            f"retrieved {precision['is_retrieved'].mean():.3f}, "
            f"replicating {alike['is_replicating'].mean():.3f}"
        )
