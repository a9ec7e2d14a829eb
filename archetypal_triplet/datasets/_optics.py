"""From light to grey values: background, focus, vignette, photons, sensor."""

import numpy as np
from scipy import ndimage

SENSOR_MAX = 4095
OFFSET = 100.0
_GREY_PER_PHOTON = 2.0
_READ_NOISE = 5.0


def compute_vignette(size, vignette):
    """Illumination of each channel, (n_channels, size, size): 1 where brightest, less in the corners."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / size - np.float32(0.5)
    strength, y, x = np.asarray(vignette, dtype=np.float32).T[:, :, None, None]
    return 1 - strength * ((axis[:, None] - y) ** 2 + (axis - x) ** 2) / np.float32(0.5)


def focus(light, field):
    """Blur by the microscope, stain and background of each channel."""
    out = np.empty_like(light)
    for c, (channel, stain, background) in enumerate(zip(light, field.stain, field.background, strict=True)):
        ndimage.gaussian_filter(channel * np.float32(stain), field.blur, output=out[c], truncate=3.0)
        out[c] += np.float32(background)
    return out


def expose(rng, light, noise):
    """Grey values (uint16, 12 bits used) of light: photon noise (as its normal limit), read noise, offset."""
    sd = np.sqrt(_GREY_PER_PHOTON * np.maximum(light, 0) + np.float32(_READ_NOISE**2))
    grey = rng.standard_normal(light.shape, dtype=np.float32)
    grey *= sd * np.float32(noise)
    grey += light
    grey += np.float32(OFFSET)
    np.rint(grey, out=grey)
    np.clip(grey, 0, SENSOR_MAX, out=grey)
    return grey.astype(np.uint16)
