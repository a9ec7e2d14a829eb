"""The specification of the features of images: slow, obvious versions of what the kernels compute fast.

An image is (n_channels, height, width); `inside` says which of its pixels are measured. Nothing here imports
the package.
"""

import math
from itertools import combinations, pairwise

import numpy as np
from scipy import ndimage

PERCENTILES = (1, 10, 25, 50, 75, 90, 99)


def naive_parts(mask, ring_width):
    """0 other nuclei, 1 nucleus, 2 ring, 3 background."""
    parts = np.where(mask == 0, 3, np.where(mask == 1, 1, 0))
    if (mask == 1).any():
        near = ndimage.distance_transform_edt(mask != 1) <= ring_width
        parts[near & (mask == 0)] = 2
    return parts


def naive_inside(mask, ring_width, whole):
    """Pixels that are measured."""
    parts = naive_parts(mask, ring_width)
    if not (mask == 1).any():
        return np.ones(mask.shape, dtype=bool)
    return parts > 0 if whole else (parts == 1) | (parts == 2)


def naive_describe(values):
    """Mean, SD, sum, median absolute deviation."""
    return [values.mean(), values.std(), values.sum(), np.median(np.abs(values - np.median(values)))]


def naive_intensity(image, inside):
    """Statistics of each channel."""
    row = []
    for plane in image:
        row += [*naive_describe(plane[inside]), *np.percentile(plane[inside], PERCENTILES)]
    return row


def naive_nucleus(image, parts, inside, floors):
    """Nucleus against ring; what stands in for an empty part."""
    row = []
    for plane, floor in zip(image, floors, strict=True):
        background = plane[parts == 3] if (parts == 3).any() else plane[inside]
        nucleus = plane[parts == 1] if (parts == 1).any() else plane[inside]
        ring = plane[parts == 2] if (parts == 2).any() else background
        mean, sd, _, mad = naive_describe(ring)
        bottom = max(mean, floor)
        size = abs(nucleus.mean()) + abs(mean)
        row += [
            *naive_describe(nucleus),
            np.median(nucleus),
            mean,
            sd,
            mad,
            np.median(ring),
            background.mean(),
        ]
        row += [
            nucleus.mean() / bottom if bottom > 0 else 1.0,
            (nucleus.mean() - mean) / size if size else 0.0,
        ]
    return row


def naive_levels(plane, low, high, n_levels):
    """Grey levels between two limits."""
    if high <= low:
        return np.zeros(plane.shape, dtype=int)
    return np.clip(np.floor((plane - low) / (high - low) * n_levels), 0, n_levels - 1).astype(int)


def naive_pairs(levels, inside, n_levels, scale):
    """Symmetric matrix of the shares of pairs of levels, four directions together."""
    slanted = max(1, round(scale * math.sqrt(0.5)))
    counts = np.zeros((n_levels, n_levels))
    height, width = levels.shape
    for down, across in [(0, scale), (slanted, slanted), (scale, 0), (slanted, -slanted)]:
        for r in range(height):
            for c in range(width):
                y, x = r + down, c + across
                if 0 <= y < height and 0 <= x < width and inside[r, c] and inside[y, x]:
                    counts[levels[r, c], levels[y, x]] += 1
                    counts[levels[y, x], levels[r, c]] += 1
    if not counts.any():
        counts[0, 0] = 1
    return counts / counts.sum()


def naive_entropy(shares):
    """Entropy in nats."""
    return -sum(float(p) * math.log(p) for p in np.ravel(shares) if p > 0)


def naive_haralick(p):
    """Haralick's measures 1 to 13, by his formulas."""
    n = len(p)
    i, j = np.indices(p.shape)
    px = p.sum(axis=1)
    mean = sum(k * px[k] for k in range(n))
    variance = ((i - mean) ** 2 * p).sum()
    sums = np.array([p[i + j == k].sum() for k in range(2 * n - 1)])
    gaps = np.array([p[abs(i - j) == k].sum() for k in range(n)])
    sum_average = (np.arange(2 * n - 1) * sums).sum()
    gap_average = (np.arange(n) * gaps).sum()
    product = np.outer(px, px)
    hxy, hx = naive_entropy(p), naive_entropy(px)
    hxy1 = -sum(p[a, b] * math.log(product[a, b]) for a in range(n) for b in range(n) if p[a, b] > 0)
    hxy2 = naive_entropy(product)
    return [
        (p**2).sum(),
        ((i - j) ** 2 * p).sum(),
        ((i - mean) * (j - mean) * p).sum() / variance if variance > 1e-15 else 1.0,
        variance,
        (p / (1 + (i - j) ** 2)).sum(),
        sum_average,
        ((np.arange(2 * n - 1) - sum_average) ** 2 * sums).sum(),
        naive_entropy(sums),
        hxy,
        ((np.arange(n) - gap_average) ** 2 * gaps).sum(),
        naive_entropy(gaps),
        (hxy - hxy1) / hx if hx > 1e-15 else 0.0,
        math.sqrt(1 - math.exp(-2 * (hxy2 - hxy))) if hxy2 - hxy > 1e-12 else 0.0,
    ]


def naive_patterns(plane, inside, radius):
    """Shares of the rotation-invariant uniform patterns of eight neighbors."""
    height, width = plane.shape
    circle = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]
    shares = np.zeros(10)
    for r in range(radius, height - radius):
        for c in range(radius, width - radius):
            if inside[r, c]:
                bits = [plane[r + radius * y, c + radius * x] >= plane[r, c] for y, x in circle]
                changes = sum(a != b for a, b in zip(bits, [*bits[1:], bits[0]], strict=True))
                shares[sum(bits) if changes <= 2 else 9] += 1
    if not shares.any():
        shares[8] = 1
    return shares / shares.sum()


def naive_differences(plane, inside, sigmas=(1, 2, 4)):
    """Root mean squares of differences of Gaussians."""
    before, row = plane, []
    for sigma in sigmas:
        after = ndimage.gaussian_filter(plane, sigma, mode="nearest", truncate=4)
        row.append(math.sqrt(((after - before)[inside] ** 2).mean()))
        before = after
    return row


def naive_texture(image, inside, limits, scales, n_levels):
    """Haralick's measures, patterns and differences of each channel."""
    row = []
    for plane, (low, high) in zip(image, limits, strict=True):
        levels = naive_levels(plane, low, high, n_levels)
        for scale in scales:
            row += naive_haralick(naive_pairs(levels, inside, n_levels, scale))
        row += [*naive_patterns(plane, inside, scales[0]), *naive_differences(plane, inside)]
    return row


def octagon(radius):
    """Structuring element: `radius` steps, by turns with four and with eight neighbors."""
    element = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=bool)
    element[radius, radius] = True
    for step in range(1, radius + 1):
        near = ndimage.generate_binary_structure(2, 2 if step % 2 == 0 else 1)
        element = ndimage.binary_dilation(element, near)
    return element


def naive_opening(plane, radius):
    """Opening by an octagon, pixel by pixel; what lies beyond the image is ignored."""
    steps = np.argwhere(octagon(radius)) - radius
    height, width = plane.shape

    def extreme(values, choose):
        out = np.empty_like(values)
        for r in range(height):
            for c in range(width):
                near = [(r + y, c + x) for y, x in steps if 0 <= r + y < height and 0 <= c + x < width]
                out[r, c] = choose(values[position] for position in near)
        return out

    return extreme(extreme(plane, min), max)


def naive_granularity(image, inside, n_sizes=6):
    """Share of each size in what openings remove."""
    row = []
    for plane in image:
        openings = [plane, *(naive_opening(plane, radius) for radius in range(1, n_sizes + 1))]
        sums = [float(opening[inside].sum()) for opening in openings]
        removed = sums[0] - sums[-1]
        flat = removed <= 1e-12 * abs(sums[0])
        row += [0.0 if flat else (a - b) / removed for a, b in pairwise(sums)]
    return row


def naive_correlation(image, inside, limits):
    """Pearson, overlap and Manders of each pair of channels."""
    row = []
    for a, b in combinations(range(len(image)), 2):
        x, y = image[a][inside], image[b][inside]
        row.append(np.corrcoef(x, y)[0, 1] if x.std() > 0 and y.std() > 0 else 0.0)
        x, y = np.maximum(x - limits[a][0], 0), np.maximum(y - limits[b][0], 0)
        row.append((x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum()) if x.any() and y.any() else 0.0)
        over_a = x > 0.15 * (limits[a][1] - limits[a][0])
        over_b = y > 0.15 * (limits[b][1] - limits[b][0])
        row.append(x[over_b].sum() / x.sum() if x.any() else 0.0)
        row.append(y[over_a].sum() / y.sum() if y.any() else 0.0)
    return row


def naive_radial(image, inside, center, limits, n_rings=4):
    """Shares, relative means and variation over eight sectors of each ring."""
    positions = np.argwhere(inside)
    lengths = [math.hypot(r - center[0], c - center[1]) for r, c in positions]
    farthest = max(lengths)
    rings = [min(int(n_rings * d / farthest), n_rings - 1) if farthest else 0 for d in lengths]
    sectors = [
        (r >= center[0], c >= center[1], abs(r - center[0]) > abs(c - center[1])) for r, c in positions
    ]
    row = []
    for plane, (low, _) in zip(image, limits, strict=True):
        values = np.array([max(plane[r, c] - low, 0) for r, c in positions])
        if values.sum() <= 0:
            values = np.ones(len(values))
        shares, means, variations = [], [], []
        for ring in range(n_rings):
            own = [k for k in range(len(values)) if rings[k] == ring]
            shares.append(values[own].sum() / values.sum())
            means.append(values[own].mean() / values.mean() if own else 1.0)
            by_sector = {}
            for k in own:
                by_sector.setdefault(sectors[k], []).append(values[k])
            of_sectors = np.array([np.mean(v) for v in by_sector.values()])
            variations.append(of_sectors.std() / of_sectors.mean() if own and of_sectors.mean() > 0 else 0.0)
        row += [*shares, *means, *variations]
    return row


def naive_slope(plane):
    """Slope of power against frequency, both as logarithms."""
    height, width = plane.shape
    half = min(height, width) // 2
    if half < 3 or plane.std() == 0:
        return 0.0
    power = np.abs(np.fft.fft2(plane - plane.mean())) ** 2
    rings = {}
    for r in range(height):
        for c in range(width):
            y, x = min(r, height - r) / height, min(c, width - c) / width
            rings.setdefault(round(math.hypot(y, x) * min(height, width) - 1e-9), []).append(power[r, c])
    points = [(math.log(k), math.log(np.mean(rings[k]))) for k in range(1, half + 1)]
    return np.polyfit(*zip(*points, strict=True), 1)[0]


def naive_quality(image, ceilings):
    """Focus and saturation of each channel."""
    row = []
    for plane, ceiling in zip(image, ceilings, strict=True):
        interior = ndimage.laplace(plane)[1:-1, 1:-1]
        row += [interior.var() if interior.size else 0.0, naive_slope(plane)]
        row += [(plane >= ceiling).mean(), (plane == 0).mean()]
    return row
