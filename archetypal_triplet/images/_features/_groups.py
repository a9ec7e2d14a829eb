"""The groups of features, in the order in which their columns come out."""

from typing import NamedTuple

import numpy as np

from ._correlation import correlation_names, measure_correlation
from ._granularity import granularity_names, measure_granularity
from ._intensity import intensity_names, measure_intensity, measure_nucleus, nucleus_names
from ._quality import measure_quality, quality_names
from ._radial import measure_radial, radial_names
from ._shape import measure_shape, shape_names
from ._texture import measure_texture, texture_names


class Setting(NamedTuple):
    """What every group is told.

    Attributes
    ----------
    channels : list of str
        Names of the channels, the mask left out.
    limits : ndarray of shape (n_channels, 2)
        Grey values of each channel, learned over the data set, between which it is quantized.
    ceilings : ndarray of shape (n_channels,)
        Grey value at which a pixel of the channel is saturated.
    scales : tuple of int
        Distances of the texture, in pixels.
    levels : int
        Number of grey levels of the texture.
    ring_width : int
        Width of the ring around the nucleus, in pixels.
    whole : bool
        Whether all pixels but other nuclei are measured, or only nucleus and ring.
    """

    channels: list
    limits: np.ndarray
    ceilings: np.ndarray
    scales: tuple
    levels: int
    ring_width: int
    whole: bool


class Group(NamedTuple):
    """One group: ``names(setting)`` lists its columns, ``measure(block, setting, out)`` fills them."""

    names: object
    measure: object
    needs_mask: bool = False


GROUPS = {
    "intensity": Group(intensity_names, measure_intensity),
    "nucleus": Group(nucleus_names, measure_nucleus, needs_mask=True),
    "shape": Group(shape_names, measure_shape, needs_mask=True),
    "texture": Group(texture_names, measure_texture),
    "granularity": Group(granularity_names, measure_granularity),
    "correlation": Group(correlation_names, measure_correlation),
    "radial": Group(radial_names, measure_radial),
    "quality": Group(quality_names, measure_quality),
}
# measures the image, not what it shows: for quality control, left out unless it is asked for
NOT_BY_DEFAULT = ("quality",)
