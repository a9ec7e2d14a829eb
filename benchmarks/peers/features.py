"""ImageFeatures beside scikit-image, called as one does without it: crop by crop, measure by measure.

    make peers-features [PEERS_ARGS="--crops 200"]
    python benchmarks/peers/features.py [--crops 200] [--size 64] [--turns 5]

One process, one thread; the two take turns, and the table shows medians of CPU time. Values are compared
first, feature by feature, and the run fails where they differ. Binary patterns, radial distribution and
some of Haralick's measures have no equal in scikit-image: they are left out of its time, while ImageFeatures
measures a group as a whole. Features per second count the columns that each returns.
"""

# ruff: noqa: E402 - the thread limits must come before the imports

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import json
import statistics
import sys
import time

import numpy as np
import skimage
from skimage import feature, filters, measure, morphology

from archetypal_triplet import ImageFeatures

CHANNELS = ["DNA", "GFP"]
SCALES, LEVELS, RING_WIDTH = (1, 3, 6), 32, 6
PERCENTILES = (1, 10, 25, 50, 75, 90, 99)
RTOL = 1e-6


def make_crops(n, size):
    """Crops of two channels and a mask: a bright nucleus of changing shape, pieces of others at the edges."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((size, size)) - size / 2
    crops = np.empty((n, 3, size, size), dtype=np.uint8)
    for crop in crops:
        angle, long, short = rng.uniform(0, np.pi), rng.uniform(8, 12), rng.uniform(6, 9)
        along = rows * np.cos(angle) + columns * np.sin(angle)
        across = columns * np.cos(angle) - rows * np.sin(angle)
        nucleus = (along / long) ** 2 + (across / short) ** 2 <= 1
        others = (np.hypot(rows - rng.uniform(-30, 30), columns - size / 2) < 12) & ~nucleus
        background = 15 + 25 * np.exp(-np.hypot(rows, columns) / 15)
        crop[0] = rng.poisson(filters.gaussian(5 + 60.0 * (nucleus | others), 1))
        crop[1] = rng.poisson(background + rng.uniform(0, 40) * nucleus)
        crop[2] = np.where(nucleus, 1, np.where(others, 2, 0))
    return crops


# --- the peer: what one writes with scikit-image and NumPy ----------------------------------------------


def parts_of(mask):
    nucleus = mask == 1
    ring = morphology.dilation(nucleus, morphology.disk(RING_WIDTH)) & (mask == 0)
    return nucleus, ring, nucleus | ring


def describe(values):
    mad = np.median(np.abs(values - np.median(values)))
    return {"Mean": values.mean(), "SD": values.std(), "Integrated": values.sum(), "MAD": mad}


def peer_intensity(image, mask, limits):
    out = {}
    inside = parts_of(mask)[2]
    for channel, plane in zip(CHANNELS, image, strict=True):
        values = plane[inside]
        out |= {f"Intensity_{name}_{channel}": value for name, value in describe(values).items()}
        for p, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True):
            out[f"Intensity_Percentile{p}_{channel}"] = value
    return out


def peer_nucleus(image, mask, limits):
    out = {}
    nucleus, ring, inside = parts_of(mask)
    for channel, plane in zip(CHANNELS, image, strict=True):
        for part, where in (("Nucleus", nucleus), ("Ring", ring)):
            out |= {f"Intensity_{name}{part}_{channel}": v for name, v in describe(plane[where]).items()}
            out[f"Intensity_Median{part}_{channel}"] = np.median(plane[where])
        del out[f"Intensity_IntegratedRing_{channel}"]
        out[f"Intensity_MeanBackground_{channel}"] = plane[(mask == 0) & ~inside].mean()
        first, second = plane[nucleus].mean(), plane[ring].mean()
        out[f"Intensity_RatioNucleusRing_{channel}"] = first / second
        out[f"Intensity_ContrastNucleusRing_{channel}"] = (first - second) / (first + second)
    return out


def peer_shape(image, mask, limits):
    (region,) = measure.regionprops((mask == 1).astype(np.uint8))
    values = {
        "Area": region.area,
        "Perimeter": region.perimeter,
        "FormFactor": 4 * np.pi * region.area / region.perimeter**2,
        "MajorAxisLength": region.axis_major_length,
        "MinorAxisLength": region.axis_minor_length,
        "Eccentricity": region.eccentricity,
        "ConvexArea": region.area_convex,
        "Solidity": region.solidity,
        "Extent": region.extent,
        "EquivalentDiameter": region.equivalent_diameter_area,
    }
    return {f"AreaShape_{name}_Nucleus": value for name, value in values.items()}


def peer_texture(image, mask, limits):
    out = {}
    inside = parts_of(mask)[2]
    names = {
        "ASM": "AngularSecondMoment", "contrast": "Contrast", "correlation": "Correlation",
        "homogeneity": "InverseDifferenceMoment", "variance": "Variance", "entropy": "Entropy",
    }  # fmt: skip
    for channel, plane, (low, high) in zip(CHANNELS, image, limits, strict=True):
        levels = np.clip((plane - low) / (high - low) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
        # a level of its own for what is outside, whose row and column are dropped
        levels[~inside] = LEVELS
        for scale in SCALES:
            pairs = feature.graycomatrix(
                levels, [scale], np.arange(4) * np.pi / 4, levels=LEVELS + 1, symmetric=True
            )[:-1, :-1].sum(axis=3)
            pairs = (pairs / pairs.sum())[..., None]
            for theirs, ours in names.items():
                out[f"Texture_{ours}_{channel}_{scale}"] = feature.graycoprops(pairs, theirs)[0, 0]
        before = plane
        for sigma in (1, 2, 4):
            after = filters.gaussian(plane, sigma, mode="nearest", preserve_range=True)
            out[f"Texture_DoG_{channel}_{sigma}"] = np.sqrt(np.square(after - before)[inside].mean())
            before = after
    return out


def octagon(radius):
    element = np.ones((1, 1), dtype=np.uint8)
    for step in range(1, radius + 1):
        near = morphology.footprint_rectangle((3, 3)) if step % 2 == 0 else morphology.disk(1)
        element = morphology.dilation(np.pad(element, 1), near)
    return element


def peer_granularity(image, mask, limits):
    out = {}
    inside = parts_of(mask)[2]
    for channel, plane in zip(CHANNELS, image, strict=True):
        openings = [morphology.opening(plane, octagon(radius), mode="ignore") for radius in range(1, 7)]
        sums = np.array([plane[inside].sum(), *(opening[inside].sum() for opening in openings)])
        shares = -np.diff(sums) / (sums[0] - sums[-1])
        out |= {f"Granularity_{k + 1}_{channel}": share for k, share in enumerate(shares)}
    return out


def peer_correlation(image, mask, limits):
    inside = parts_of(mask)[2]
    first, second = np.maximum(image - limits[:, :1, None], 0)
    over = [plane > 0.15 * np.ptp(limit) for plane, limit in zip((first, second), limits, strict=True)]
    return {
        "Correlation_Pearson_DNA_GFP": measure.pearson_corr_coeff(image[0], image[1], mask=inside)[0],
        "Correlation_Overlap_DNA_GFP": measure.manders_overlap_coeff(first, second, mask=inside),
        "Correlation_Manders_DNA_GFP": measure.manders_coloc_coeff(first, over[1], mask=inside),
        "Correlation_Manders_GFP_DNA": measure.manders_coloc_coeff(second, over[0], mask=inside),
    }


PEERS = {
    "intensity": peer_intensity,
    "nucleus": peer_nucleus,
    "shape": peer_shape,
    "texture": peer_texture,
    "granularity": peer_granularity,
    "correlation": peer_correlation,
}


def run_peer(group, crops, limits):
    return [PEERS[group](crop[:2].astype(float), crop[2], limits) for crop in crops]


# --- the comparison -------------------------------------------------------------------------------------


def largest_difference(features, crops, group, limits):
    """Largest relative difference over the features that both measure; raises where it is above RTOL."""
    ours = features.transform(crops)
    column = {name: k for k, name in enumerate(features.get_feature_names_out())}
    rows = run_peer(group, crops, limits)
    largest = 0.0
    for name in rows[0]:
        theirs = np.array([row[name] for row in rows], dtype=float)
        difference = np.abs(ours[:, column[name]] - theirs) / np.maximum(np.abs(theirs), 1e-6)
        if difference.max() > RTOL:
            raise SystemExit(f"{name} differs by {difference.max():.2g} (relative)")
        largest = max(largest, float(difference.max()))
    return largest, len(rows[0])


def cpu_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def compare(group, crops, n_turns):
    features = ImageFeatures(
        group, channel_names=CHANNELS, mask_channel=-1, scales=SCALES, levels=LEVELS, ring_width=RING_WIDTH
    ).fit(crops)
    difference, n_both = largest_difference(features, crops[:20], group, features.limits_)
    ours, theirs = [], []
    for _ in range(n_turns):
        ours.append(cpu_seconds(lambda: features.transform(crops)))
        theirs.append(cpu_seconds(lambda: run_peer(group, crops, features.limits_)))
    ours, theirs = (1000 * statistics.median(times) / len(crops) for times in (ours, theirs))
    return {
        "group": group,
        "n_features": features.n_features_out_,
        "n_features_peer": n_both,
        "largest_difference": difference,
        "ms_per_crop": ours,
        "ms_per_crop_peer": theirs,
        "features_per_s": 1000 * features.n_features_out_ / ours,
        "features_per_s_peer": 1000 * n_both / theirs,
        "times_faster": theirs / ours,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--crops", type=int, default=200)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON instead of a table")
    arguments = parser.parse_args()
    crops = make_crops(arguments.crops, arguments.size)
    rows = [compare(group, crops, arguments.turns) for group in PEERS]
    if arguments.json:
        json.dump(rows, sys.stdout, indent=1)
        return
    print(f"{len(crops)} crops of {arguments.size} x {arguments.size}, scikit-image {skimage.__version__}")
    print(f"{'group':<12}{'features':>9}{'compared':>9}{'max diff':>10}{'ms/crop':>9}{'peer':>9}{'times':>7}")
    for row in rows:
        print(
            f"{row['group']:<12}{row['n_features']:>9}{row['n_features_peer']:>9}{row['largest_difference']:>10.1e}"
            f"{row['ms_per_crop']:>9.3f}{row['ms_per_crop_peer']:>9.2f}{row['times_faster']:>7.0f}"
        )
    ms, ms_peer = (sum(row[key] for row in rows) for key in ("ms_per_crop", "ms_per_crop_peer"))
    n, n_peer = (sum(row[key] for row in rows) for key in ("n_features", "n_features_peer"))
    print(f"features per second: {1000 * n / ms:,.0f}, scikit-image {1000 * n_peer / ms_peer:,.0f}")


if __name__ == "__main__":
    main()
