"""What the parameters that are None or "auto" stand for: it depends on what the samples are."""

from typing import NamedTuple

from archetypal_triplet.triplets._augment import ImageAugmentation
from archetypal_triplet.triplets._images import ImageRows

# images with a shorter side above the first are trained on windows of the second
_LARGE, _CROP = 128, 96


class Settings(NamedTuple):
    """Parameters with their values for one fit."""

    max_steps: int
    input_noise: float
    augment: object
    keep_weight: float


def find_window(embedder, features):
    """Height and width of the random windows of images that training reads.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its `crop_size`.
    features : ndarray or ImageRows
        The input.

    Returns
    -------
    tuple of two ints or None
        None for tables and where whole images are used.

    Raises
    ------
    ValueError
        If a window is larger than the images.
    """
    if not isinstance(features, ImageRows):
        return None
    sides = features.shape[2:]
    size = embedder.crop_size
    if isinstance(size, str):
        size = _CROP if min(sides) > _LARGE else None
    if size is None or sides == (size, size):
        return None
    if size > min(sides):
        raise ValueError(
            f"crop_size={size} is larger than the images, which have {sides[0]} x {sides[1]} pixels: give at "
            f"most {min(sides)}, or None to train on whole images."
        )
    return (size, size)


def settle(embedder, features, window, *, n_labelings):
    """Values of the parameters that depend on the input.

    Parameters
    ----------
    embedder : TripletEmbedder
        Its `max_steps`, `input_noise`, `augment`, `keep_weight`, `instance_weight` and `labeler`.
    features : ndarray or ImageRows
        The input.
    window : tuple or None
        From :func:`find_window`.
    n_labelings : int
        Labelings trained on.

    Returns
    -------
    Settings
        The values.

    Raises
    ------
    ValueError
        If ``labeler="instances"`` or `instance_weight` is asked for and two views of a sample would be equal.
    """
    is_images = isinstance(features, ImageRows)
    max_steps, input_noise, keep_weight = embedder.max_steps, embedder.input_noise, embedder.keep_weight
    if max_steps is None:
        max_steps = 1200 if is_images else 400
    if input_noise is None:
        input_noise = 0.0 if is_images else 1.0
    if keep_weight is None:
        # cosines of pixels say little; with many labelings the term is not needed
        keep_weight = 1.0 if n_labelings < 4 and not is_images else 0.0
    augment = embedder.augment
    if augment is None:
        augment = ImageAugmentation() if is_images else None
    elif augment is False:
        augment = None
    what = "labeler='instances'" if isinstance(embedder.labeler, str) else None
    if embedder.instance_weight:
        what = f"instance_weight={embedder.instance_weight}"
    if what and augment is None and not input_noise and window is None:
        raise ValueError(
            f"{what} tells samples from each other by two changed views of each, and nothing "
            "changes them here: set augment, input_noise or (for images) crop_size."
        )
    return Settings(max_steps, input_noise, augment, keep_weight)
