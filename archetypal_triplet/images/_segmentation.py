"""Nuclei by threshold, touching ones cut apart at their necks."""

import numpy as np
from scipy import ndimage

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._label_kernels import cut_necks, number_basins

METHODS = ("otsu", "local")
_N_BINS = 1024
_CONSTANT = 1e-6  # an image whose values differ by less, relatively, is constant in single precision
_LOCAL_RANGE = (0.5, 1.5)  # a local threshold stays within this range of the one of the whole image
_N_LOOKS, _MANY = 3, 2  # lower thresholds that are tried; one is taken if it finds so many times more objects
_DEPTH_SMOOTHING = 1.0
_N_CLIPPINGS = 2  # a third moves the threshold by less than 2 % on real fields


def segment_nuclei(
    image,
    *,
    method="otsu",
    smoothing=1.0,
    min_area=50,
    max_area=None,
    neck=0.8,
    min_contrast=4.0,
    block_size=101,
):
    r"""Find nuclei in the image of a nuclear stain.

    The image is smoothed and thresholded, holes are filled. Touching nuclei are cut apart by a watershed on
    the distance to the background, :math:`d`: two parts with their deepest points :math:`d_1, d_2` that meet
    at the depth :math:`d_s` are different nuclei if :math:`d_s \le \mathrm{neck} \cdot \min(d_1, d_2)`, that
    is if the neck between them is narrower than this share of the smaller one. This holds at any
    magnification.

    Parameters
    ----------
    image : array-like of shape (height, width)
        Grey values, nuclei bright. Pixels that are not finite are background.
    method : {"otsu", "local"}, default="otsu"
        Threshold: Otsu's of the whole image [1]_, taken again after clipping at the median of what is above,
        so that a few bright objects do not lift it above the dimmer nuclei (and below a first one that a
        lower one, still of sufficient contrast, outdoes by twice as many objects); or, where illumination or
        staining are uneven, Otsu's of blocks, interpolated and bounded by 0.5 and 1.5 times that of the whole
        image, after subtracting the background (the smoothed minimum of the surroundings).
    smoothing : float, default=1.0
        SD of the Gaussian that smooths the image before the threshold, in pixels; 0 for none.
    min_area : int, default=50
        Smaller objects, in pixels, are left out.
    max_area : int, default=None
        Larger objects, in pixels, are left out; None: none.
    neck : float, default=0.8
        Share of the smaller nucleus's width below which a neck is cut; 0 cuts nothing, 1 cuts at every dent.
    min_contrast : float, default=4.0
        An image where the mean above the threshold exceeds the mean below by less than this many SD of what
        is below holds no nuclei: for pure noise this contrast is 2.7, for a linear shading 3.5.
    block_size : int, default=101
        Size of the blocks, and of the surroundings, for ``method="local"``, in pixels: several nuclei wide.

    Returns
    -------
    labels : ndarray of shape (height, width), int32
        0 background, 1 .. n the nuclei, numbered from the top of the image to the bottom.

    Raises
    ------
    ValueError
        If the image is not two-dimensional or a parameter is out of its range.

    See Also
    --------
    extract_cells : Segments the fields of a screen and cuts out the cells.

    Notes
    -----
    An image without nuclei (constant, saturated everywhere, noise) gives no labels. Three nuclei about a
    common point have no neck there and stay one. Time and memory are linear in the number of pixels.

    References
    ----------
    .. [1] Otsu (1979). A threshold selection method from gray-level histograms. IEEE Transactions on Systems,
       Man, and Cybernetics 9, 62-66. https://doi.org/10.1109/TSMC.1979.4310076

    Examples
    --------
    Two discs that touch:

    >>> import numpy as np
    >>> from archetypal_triplet.images import segment_nuclei
    >>> rows, columns = np.mgrid[:40, :60]
    >>> discs = [(rows - 20) ** 2 + (columns - center) ** 2 < 100 for center in (20, 38)]
    >>> image = 100.0 * (discs[0] | discs[1])
    >>> np.unique(segment_nuclei(image)).tolist()
    [0, 1, 2]
    >>> np.unique(segment_nuclei(image, neck=0)).tolist()
    [0, 1]
    """
    image = np.asarray(image)
    check_parameters(method, smoothing, min_area, max_area, neck, min_contrast, block_size)
    if image.ndim != 2:
        raise ValueError(
            f"image has shape {image.shape}; one channel of one field is needed: (height, width)."
        )
    if image.dtype.kind not in "uifb":
        raise ValueError(f"image has dtype {image.dtype}; images hold integers or floats.")
    mask = threshold(image, method, smoothing, min_contrast, block_size)
    if not mask.any():
        return np.zeros(image.shape, dtype=np.int32)
    mask = ndimage.binary_fill_holes(mask)
    return keep_areas(cut_clumps(mask, neck), min_area, max_area)


def check_parameters(method, smoothing, min_area, max_area, neck, min_contrast, block_size):
    """Raise unless the parameters of `segment_nuclei` are in their ranges."""
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown. Pass 'otsu' or 'local'.")
    for name, value in (("smoothing", smoothing), ("min_area", min_area), ("min_contrast", min_contrast)):
        if not value >= 0:
            raise ValueError(f"{name}={value!r} is not a number from 0 up.")
    if max_area is not None and not max_area > min_area:
        raise ValueError(f"max_area={max_area!r} must be greater than min_area={min_area!r}, or None.")
    if not 0 <= neck <= 1:
        raise ValueError(f"neck={neck!r} is not a share between 0 (cut nothing) and 1.")
    if not block_size >= 3:
        raise ValueError(f"block_size={block_size!r} is not a number of pixels from 3 up.")


def threshold(image, method, smoothing, min_contrast, block_size):
    """Return the pixels above the threshold, as booleans."""
    grey = image.astype(np.float32)
    finite = np.isfinite(grey)
    if not finite.any():
        return np.zeros(image.shape, dtype=bool)
    if not finite.all():
        grey[~finite] = np.median(grey[finite])
    if smoothing > 0:
        grey = ndimage.gaussian_filter(grey, smoothing)
    level = otsu_level(grey)
    if np.isfinite(level) and method == "local":
        background = ndimage.minimum_filter(grey, block_size)
        grey = grey - ndimage.uniform_filter(background, block_size)
        level = otsu_level(grey)
    above = grey > level
    if not above.any() or contrast(grey, above) < min_contrast:
        return np.zeros(image.shape, dtype=bool)
    above = look_below(grey, level, above, min_contrast)
    for _ in range(_N_CLIPPINGS):
        clipped = np.minimum(grey, np.median(grey[above]))
        lower_level = otsu_level(clipped)
        if not (clipped > lower_level).any():
            break
        grey, level, above = clipped, lower_level, clipped > lower_level
    if method == "local":
        above = grey > np.clip(local_levels(grey, block_size), *(level * share for share in _LOCAL_RANGE))
    return above & finite


def look_below(grey, level, above, min_contrast):
    """Return the pixels above a lower threshold, if there are many more objects: those above were debris.

    A lower threshold finds cytoplasm too, but that does not make more objects.
    """
    for _ in range(_N_LOOKS):
        below = grey[grey <= level]
        level = otsu_level(below)
        if not (below > level).any() or contrast(below, below > level) < min_contrast:
            break
        lower = grey > level
        areas, lower_areas = (np.bincount(ndimage.label(mask)[0].ravel())[1:] for mask in (above, lower))
        floor = np.median(areas) / 4
        # the next may do better: between debris and nuclei there may be the halo of the debris
        if (lower_areas >= floor).sum() > _MANY * (areas >= floor).sum():
            above = lower
    return above


def otsu_level(grey):
    """Return Otsu's threshold; infinity for a constant image."""
    low, high = float(grey.min()), float(grey.max())
    span = high - low
    if not span > _CONSTANT * max(abs(low), abs(high)):
        return np.inf
    filters = import_optional("skimage.filters", extra="images")
    # not np.histogram: it refuses float32 values that lie close together
    places = ((grey.ravel() - np.float32(low)) * np.float32(_N_BINS / span)).astype(np.intp)
    counts = np.bincount(np.minimum(places, _N_BINS - 1), minlength=_N_BINS)
    return low + span * float(filters.threshold_otsu(hist=(counts, (np.arange(_N_BINS) + 0.5) / _N_BINS)))


def contrast(grey, above):
    """Difference of the means above and below a threshold, in SD of what is below."""
    below = grey[~above]
    difference = float(grey[above].mean() - below.mean())
    spread = float(below.std())
    return difference / spread if spread > 0 else np.inf


def local_levels(grey, block_size):
    """Return Otsu's thresholds of blocks, interpolated to all pixels."""
    rows, columns = (max(1, round(size / block_size)) for size in grey.shape)
    levels = np.array(
        [
            [min(otsu_level(block), float(block.max())) for block in np.array_split(band, columns, axis=1)]
            for band in np.array_split(grey, rows, axis=0)
        ]
    )
    places = [
        (np.arange(size) + 0.5) * n / size - 0.5 for size, n in zip(grey.shape, levels.shape, strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij")
    return ndimage.map_coordinates(levels, grid, order=1, mode="nearest")


def cut_clumps(mask, neck):
    """Label the parts of a mask, cut at its necks; numbered in the order of their first pixels."""
    padded = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(padded).astype(np.float32)
    depth = ndimage.gaussian_filter(depth, _DEPTH_SMOOTHING)
    depth[~padded] = 0
    inside = np.flatnonzero(padded)
    order = inside[np.argsort(-depth.ravel()[inside], kind="stable")]
    basins = np.zeros(padded.size, dtype=np.int32)
    parent = np.zeros(len(order) + 1, dtype=np.int32)
    peaks = np.zeros(len(order) + 1, dtype=np.float32)
    n_basins = cut_necks(depth, order, float(neck), basins, parent, peaks)
    number_basins(basins, parent, inside, np.zeros(n_basins + 1, dtype=np.int32))
    return np.ascontiguousarray(basins.reshape(padded.shape)[1:-1, 1:-1])


def keep_areas(labels, min_area, max_area):
    """Return labels without those that are too small or too large, numbered anew."""
    areas = np.bincount(labels.ravel())
    keep = areas >= min_area
    if max_area is not None:
        keep &= areas <= max_area
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]
