"""Quality of the image: focus and saturation."""

import numpy as np

MEASURES = ("LaplacianVariance", "PowerSlope", "ShareSaturated", "ShareZero")


def quality_names(setting):
    """Names of the columns of `measure_quality`."""
    return [f"ImageQuality_{measure}_{channel}" for channel in setting.channels for measure in MEASURES]


def measure_quality(block, setting, out):
    """Fill `out` with measures of focus and saturation of the whole image, whatever the mask.

    Out of focus the Laplacian varies little and the power spectrum falls steeply.
    """
    images = block.images
    columns = out.reshape(*images.shape[:2], len(MEASURES))
    columns[..., 0] = laplacian_variance(images)
    columns[..., 1] = power_slope(images)
    columns[..., 2] = (images >= setting.ceilings[:, None, None]).mean(axis=(2, 3))
    columns[..., 3] = (images == 0).mean(axis=(2, 3))


def laplacian_variance(images):
    """Variance of the four-neighbor Laplacian over pixels that have four neighbors; 0 without any."""
    if min(images.shape[2:]) < 3:
        return 0.0
    middle = images[:, :, 1:-1, 1:-1]
    vertical = images[:, :, :-2, 1:-1] + images[:, :, 2:, 1:-1]
    return (vertical + images[:, :, 1:-1, :-2] + images[:, :, 1:-1, 2:] - 4 * middle).var(axis=(2, 3))


def power_slope(images):
    """Slope of the logarithm of the power against that of the frequency; 0 where it is not defined.

    The power is averaged over rings of whole frequencies, 1 to half of the shorter side.
    """
    height, width = images.shape[2:]
    half = min(height, width) // 2
    slopes = np.zeros(images.shape[:2])
    if half < 3:
        return slopes
    rows, columns = np.fft.fftfreq(height) * height, np.fft.rfftfreq(width) * width
    # by the shorter side, so that equal numbers are equal frequencies; halves are rounded down
    frequency = np.hypot(rows[:, None] / height, columns / width) * min(height, width)
    ring = np.rint(frequency - 1e-9).astype(int).ravel()
    # all columns but the first and, of even widths, the last stand for their mirror image too
    twice = np.full((height, len(columns)), 2.0)
    twice[:, 0] = 1
    if width % 2 == 0:
        twice[:, -1] = 1
    weights, wanted = twice.ravel(), slice(1, half + 1)
    counts = np.bincount(ring, weights)[wanted]
    x = np.log(np.arange(1, half + 1))
    for index in np.ndindex(*slopes.shape):
        plane = images[index]
        spectrum = np.fft.rfft2(plane - plane.mean())
        power = np.bincount(ring, weights * np.square(np.abs(spectrum)).ravel())[wanted] / counts
        # what rounding leaves is no power
        used = power > 1e-20 * max(np.square(plane).sum(), 1e-300)
        if used.sum() >= 3:
            slopes[index] = np.polyfit(x[used], np.log(power[used]), 1)[0]
    return slopes
