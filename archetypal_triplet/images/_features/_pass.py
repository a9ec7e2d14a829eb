"""One pass over the images: blocks that fit in memory, read by one thread, measured by several."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Lock

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._threads import effective_n_threads

from ._region import make_block

_BLOCK_BYTES = 2**24  # of the float64 copy of a block
_MOST_ROWS = 64


def check_images(X):
    """Return `X`, made an array if it is a list; raise unless it holds images (n, C, H, W).

    Parameters
    ----------
    X : array-like
        Anything with shape, dtype and rows, or nested lists.

    Returns
    -------
    array-like of shape (n, n_channels, height, width)
        The same object if it has a shape.

    Raises
    ------
    ValueError
        If there are not four dimensions, none of them zero, or no numbers.
    """
    if not hasattr(X, "shape") or not hasattr(X, "dtype"):
        # a frame has a shape, and two dimensions are found below
        X = X if hasattr(X, "columns") else np.asarray(X)
    shape = tuple(X.shape)
    if len(shape) != 4:
        raise ValueError(
            f"ImageFeatures takes images of shape (n, C, H, W), got an X of shape {shape}. A single image "
            "needs a first axis, images[None]; grey images need a channel axis, images[:, None]; a table of "
            "features goes to ScreenNormalizer without this step."
        )
    if shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required.")
    if 0 in shape:
        raise ValueError(f"X of shape {shape} has no pixels: channels, height and width must be at least 1.")
    if np.dtype(X.dtype).kind not in "buif":
        raise ValueError(f"X has dtype {X.dtype}; pixels must be real numbers (integers or floats).")
    return X


def block_slices(X, batch_size):
    """Cut the rows of `X` into slices that are read at once, whatever the number of threads."""
    row = 8 * int(np.prod(X.shape[1:]))
    size = batch_size or max(1, min(_MOST_ROWS, _BLOCK_BYTES // row))
    return [slice(start, min(start + size, X.shape[0])) for start in range(0, X.shape[0], size)]


def read_rows(X, rows, mask_channel):
    """Read a slice of images and take them apart.

    Parameters
    ----------
    X : array-like of shape (n, n_channels, height, width)
        The images.
    rows : slice
        Rows to read.
    mask_channel : int or None
        Channel of the mask.

    Returns
    -------
    images : ndarray of shape (m, n_image_channels, height, width)
        Pixels in their own dtype.
    mask : ndarray of shape (m, height, width), uint8, or None
        The mask.

    Raises
    ------
    ValueError
        If pixels are NaN or infinite, or the mask holds other values than 0, 1 and 2.
    """
    images = np.asarray(X[rows])
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        i, c, r, k = np.argwhere(~np.isfinite(images))[0]
        raise ValueError(
            f"Input X contains NaN or infinity: image {rows.start + i}, channel {c}, row {r}, column {k} is "
            f"{images[i, c, r, k]}. Fill such pixels, for example with the background, or drop the image."
        )
    if mask_channel is None:
        return images, None
    values = images[:, mask_channel]
    mask = np.clip(values, 0, 255).astype(np.uint8)
    if mask.max() > 2 or (mask != values).any():
        odd = values[(mask > 2) | (mask != values)][0]
        raise ValueError(
            f"mask_channel={mask_channel} holds {odd}; a mask is 0 for the background, 1 for the nucleus of "
            "the cell and 2 for other nuclei. Is it another channel? extract_cells puts it last "
            "(mask_channel=-1)."
        )
    return np.delete(images, mask_channel, axis=1), mask


def measure_rows(images, mask, groups, setting, out):
    """Measure the images of a block, group after group, into the columns of `out`."""
    images = np.ascontiguousarray(images, dtype=np.float64)
    block = make_block(images, mask, ring_width=setting.ring_width, whole=setting.whole)
    start = 0
    for group in groups:
        width = len(group.names(setting))
        columns = np.empty((len(images), width))
        if width:
            group.measure(block, setting, columns)
        out[:, start : start + width] = columns
        start += width


def engine_rows(engine, images, n_features=None):
    """Call the engine and check what it returns.

    Parameters
    ----------
    engine : callable
        Turns images (m, C, H, W) into features (m, p).
    images : ndarray of shape (m, n_channels, height, width)
        The images.
    n_features : int, default=None
        Number of features that it returned before.

    Returns
    -------
    ndarray of shape (m, p), float64
        The features.

    Raises
    ------
    ValueError
        If it returns something else.
    """
    features = np.asarray(engine(images))
    expected = f"({len(images)}, {'p' if n_features is None else n_features})"
    wrong = features.ndim != 2 or len(features) != len(images) or features.shape[1] == 0
    if wrong or (n_features is not None and features.shape[1] != n_features):
        raise ValueError(
            f"engine returned an array of shape {features.shape} for images of shape {images.shape}; it must "
            f"return one row of features for each image, shape {expected}."
        )
    if features.dtype.kind not in "buif" or not np.isfinite(features).all():
        raise ValueError(
            f"engine returned values that are not finite numbers (dtype {features.dtype}). Check how it "
            f"scales its input: these images have dtype {images.dtype}."
        )
    return features.astype(np.float64)


def run_blocks(X, blocks, mask_channel, measure, *, n_jobs, verbose):
    """Read each block and call ``measure(rows, images, mask)`` on it, in threads.

    Only one thread reads at a time, because files behind `X` may not bear more; the others measure meanwhile.
    """
    reading = Lock()
    bar = nullcontext()
    if verbose > 0:
        tqdm = import_optional("tqdm", extra="screens").tqdm
        bar = tqdm(total=X.shape[0], desc="features", unit="image", leave=False)

    def work(rows):
        with reading:
            images, mask = read_rows(X, rows, mask_channel)
        measure(rows, images, mask)
        return rows.stop - rows.start

    with bar as shown:
        n_threads = min(effective_n_threads(n_jobs), len(blocks))
        if n_threads == 1:
            for rows in blocks:
                done = work(rows)
                if shown is not None:
                    shown.update(done)
            return
        pool = ThreadPoolExecutor(n_threads)
        try:
            for done in pool.map(work, blocks):
                if shown is not None:
                    shown.update(done)
        finally:
            pool.shutdown(cancel_futures=True)
