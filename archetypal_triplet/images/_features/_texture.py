"""Texture: co-occurrence of grey levels, local binary patterns, differences of Gaussians."""

import math

import numpy as np

from ._jit import jit

HARALICK = (
    "AngularSecondMoment", "Contrast", "Correlation", "Variance", "InverseDifferenceMoment",
    "SumAverage", "SumVariance", "SumEntropy", "Entropy",
    "DifferenceVariance", "DifferenceEntropy", "InfoMeas1", "InfoMeas2",
)  # fmt: skip
N_PATTERNS = 10
DOG_SIGMAS = (1, 2, 4)


def texture_names(setting):
    """Names of the columns of `measure_texture`."""
    names = []
    for channel in setting.channels:
        for scale in setting.scales:
            names += [f"Texture_{measure}_{channel}_{scale}" for measure in HARALICK]
        names += [f"Texture_LBP{k}_{channel}_{setting.scales[0]}" for k in range(N_PATTERNS)]
        names += [f"Texture_DoG_{channel}_{sigma}" for sigma in DOG_SIGMAS]
    return names


def measure_texture(block, setting, out):
    """Fill `out` with Haralick's measures at each scale, patterns and differences of Gaussians."""
    n, n_channels = block.images.shape[:2]
    per_channel = out.reshape(n, n_channels, -1)
    n_haralick = len(HARALICK) * len(setting.scales)
    steps = np.array([offsets_at(scale) for scale in setting.scales], dtype=np.intp)
    limits = setting.limits
    gains = np.divide(
        setting.levels,
        limits[:, 1] - limits[:, 0],
        out=np.zeros(len(limits)),
        where=limits[:, 1] > limits[:, 0],
    )
    arguments = (block.images, block.inside, block.boxes)
    haralick(*arguments, limits[:, 0].copy(), gains, setting.levels, steps, per_channel[:, :, :n_haralick])
    patterns = per_channel[:, :, n_haralick : n_haralick + N_PATTERNS]
    count_patterns(*arguments, setting.scales[0], PATTERN_OF_CODE, patterns)
    weights, radii = gaussian_weights(DOG_SIGMAS)
    differences(block.images, block.inside, weights, radii, per_channel[:, :, n_haralick + N_PATTERNS :])


def offsets_at(scale):
    """Steps of `scale` pixels in four directions, as (4, 2) whole rows and columns."""
    slanted = max(1, round(scale * math.sqrt(0.5)))
    return [(0, scale), (slanted, slanted), (scale, 0), (slanted, -slanted)]


def gaussian_weights(sigmas):
    """Weights of Gaussians cut off at four sigma, one a row, and their radii."""
    radii = np.array([int(4 * sigma + 0.5) for sigma in sigmas], dtype=np.intp)
    weights = np.zeros((len(sigmas), 2 * radii.max() + 1))
    for row, sigma, radius in zip(weights, sigmas, radii, strict=True):
        bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        row[: 2 * radius + 1] = bell / bell.sum()
    return weights, radii


def _pattern_of_code():
    """Number of the rotation-invariant uniform pattern of each code of eight neighbors in a circle."""
    table = np.empty(256, dtype=np.uint8)
    for code in range(256):
        bits = [code >> k & 1 for k in range(8)]
        changes = sum(bits[k] != bits[k - 1] for k in range(8))
        table[code] = sum(bits) if changes <= 2 else 9
    return table


PATTERN_OF_CODE = _pattern_of_code()


@jit
def haralick(images, inside, boxes, lows, gains, n_levels, steps, out):
    """Haralick's measures of each channel of each image at each scale, four directions pooled."""
    n, n_channels, height, width = images.shape
    levels = np.empty((height, width), dtype=np.uint8)
    # the last row and column take the pairs that leave what is measured
    counts = np.empty((n_levels + 1, n_levels + 1), dtype=np.int64)
    marginal, sums, gaps = np.empty(n_levels), np.empty(2 * n_levels - 1), np.empty(n_levels)
    for i in range(n):
        for c in range(n_channels):
            quantize(images[i, c], inside[i], lows[c], gains[c], n_levels, levels)
            for s in range(len(steps)):
                count_pairs(levels, boxes[i], steps[s], counts)
                summarize_pairs(counts, marginal, sums, gaps, out[i, c, 13 * s : 13 * s + 13])


@jit
def quantize(plane, inside, low, gain, n_levels, levels):
    """Grey levels from 0; the number of levels outside."""
    height, width = plane.shape
    for r in range(height):
        for c in range(width):
            scaled = (plane[r, c] - low) * gain
            level = 0 if scaled < 0 else (n_levels - 1 if scaled >= n_levels else int(scaled))
            levels[r, c] = level if inside[r, c] else n_levels


@jit
def count_pairs(levels, box, steps, counts):
    """Count how often a level stands beside another, one step away in any of the directions."""
    counts[:] = 0
    for k in range(len(steps)):
        down, across = steps[k, 0], steps[k, 1]
        for r in range(box[0], box[1] - down):
            for c in range(max(box[2], box[2] - across), min(box[3], box[3] - across)):
                counts[levels[r, c], levels[r + down, c + across]] += 1


@jit
def summarize_pairs(counts, marginal, sums, gaps, out):
    """Haralick's thirteen measures of the symmetric matrix of pairs; of a flat one, where there is none."""
    n_levels = len(marginal)
    total = 0
    for i in range(n_levels):
        for j in range(n_levels):
            total += counts[i, j]
    if total == 0:
        counts[0, 0] = total = 1
    marginal[:], sums[:], gaps[:] = 0.0, 0.0, 0.0
    energy, similar, entropy = 0.0, 0.0, 0.0
    for i in range(n_levels):
        for j in range(i + 1):
            pairs = counts[i, j] + counts[j, i]
            if pairs == 0:
                continue
            # of one of the two equal entries; the diagonal counts its own twice already
            p = pairs / (2 * total)
            twice = 1 if i == j else 2
            energy += twice * p * p
            similar += twice * p / (1 + (i - j) ** 2)
            entropy -= twice * p * math.log(p)
            marginal[i] += p
            if i != j:
                marginal[j] += p
            sums[i + j] += twice * p
            gaps[i - j] += twice * p
    _, variance, own = moments(marginal)
    sum_mean, sum_variance, sum_entropy = moments(sums)
    gap_mean, gap_variance, gap_entropy = moments(gaps)
    contrast = gap_variance + gap_mean**2
    out[0], out[1] = energy, contrast
    out[2] = 1 - contrast / (2 * variance) if variance > 1e-15 else 1.0
    out[3], out[4], out[5], out[6], out[7] = variance, similar, sum_mean, sum_variance, sum_entropy
    out[8], out[9], out[10] = entropy, gap_variance, gap_entropy
    out[11] = (entropy - 2 * own) / own if own > 1e-15 else 0.0
    # the root would make much of what rounding leaves of nothing
    shared = 2 * own - entropy
    out[12] = math.sqrt(1 - math.exp(-2 * shared)) if shared > 1e-12 else 0.0


@jit
def moments(shares):
    """Mean, variance and entropy of a distribution over 0, 1, 2, ..."""
    mean, entropy = 0.0, 0.0
    for k in range(len(shares)):
        mean += k * shares[k]
        if shares[k] > 0:
            entropy -= shares[k] * math.log(shares[k])
    variance = 0.0
    for k in range(len(shares)):
        variance += shares[k] * (k - mean) ** 2
    return mean, variance, entropy


@jit
def count_patterns(images, inside, boxes, radius, pattern_of_code, out):
    """Shares of the ten uniform patterns among the pixels inside; all 8 where none has neighbors."""
    n, n_channels, height, width = images.shape
    for i in range(n):
        top, bottom = max(boxes[i, 0], radius), min(boxes[i, 1], height - radius)
        left, right = max(boxes[i, 2], radius), min(boxes[i, 3], width - radius)
        for c in range(n_channels):
            shares, plane, total = out[i, c], images[i, c], 0
            shares[:] = 0.0
            for y in range(top, bottom):
                for x in range(left, right):
                    if inside[i, y, x]:
                        shares[pattern_of_code[code_of(plane, y, x, radius)]] += 1
                        total += 1
            if total == 0:
                shares[8] = total = 1
            for k in range(10):
                shares[k] /= total


@jit
def code_of(plane, y, x, radius):
    """Bits of the eight neighbors, in a circle, that are at least as bright as the pixel."""
    middle, up, down, left, right = plane[y, x], y - radius, y + radius, x - radius, x + radius
    code = 1 if plane[y, right] >= middle else 0
    code |= 2 if plane[up, right] >= middle else 0
    code |= 4 if plane[up, x] >= middle else 0
    code |= 8 if plane[up, left] >= middle else 0
    code |= 16 if plane[y, left] >= middle else 0
    code |= 32 if plane[down, left] >= middle else 0
    code |= 64 if plane[down, x] >= middle else 0
    return code | (128 if plane[down, right] >= middle else 0)


@jit
def differences(images, inside, weights, radii, out):
    """Root mean square, over the pixels inside, of each Gaussian's difference from the one before."""
    n, n_channels, height, width = images.shape
    line = np.empty(max(height, width) + 2 * radii.max())
    before, after = np.empty((height, width)), np.empty((height, width))
    wide = np.empty((height + 2 * radii.max(), width))
    for i in range(n):
        for c in range(n_channels):
            before[:] = images[i, c]
            for k in range(len(radii)):
                blur(images[i, c], weights[k], radii[k], line, wide, after)
                squares, count = 0.0, 0
                for r in range(height):
                    for x in range(width):
                        if inside[i, r, x]:
                            squares += (after[r, x] - before[r, x]) ** 2
                            count += 1
                out[i, c, k] = math.sqrt(squares / count)
                before, after = after, before


@jit
def blur(plane, weights, radius, line, wide, out):
    """Gaussian of a plane, whose border goes on as it ends: along rows into `wide`, then along columns."""
    height, width = plane.shape
    for r in range(height):
        line[:radius] = plane[r, 0]
        line[radius : radius + width] = plane[r]
        line[radius + width : 2 * radius + width] = plane[r, width - 1]
        row = wide[radius + r]
        for x in range(width):
            row[x] = weights[radius] * line[radius + x]
        for k in range(radius):
            for x in range(width):
                row[x] += weights[k] * (line[x + k] + line[x + 2 * radius - k])
    for r in range(radius):
        wide[r] = wide[radius]
        wide[radius + height + r] = wide[radius + height - 1]
    for r in range(height):
        row = out[r]
        for x in range(width):
            row[x] = weights[radius] * wide[radius + r, x]
        for k in range(radius):
            for x in range(width):
                row[x] += weights[k] * (wide[r + k, x] + wide[r + 2 * radius - k, x])
