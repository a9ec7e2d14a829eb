"""Images as input: rows of anything with shape, dtype and row access, read when needed, never whole."""

import mmap
from numbers import Integral

import numpy as np
import torch

from archetypal_triplet.triplets._mapped import SHARED, MappedFile

# values that are read at a time where all rows, or a sample of them, are looked at
_BLOCK = 2**22
# the sample from which the channels' scaling is computed: at least so many images, and so many values
_N_SAMPLE_IMAGES = 64
_N_SAMPLE_VALUES = 2**24
# pixels of an image that the scaling looks at; of larger ones every second, third ... in both directions
_N_SAMPLE_PIXELS = 2**18
# beyond this a standardized value is cut off: products of float32 shall stay finite
_LARGEST = 1e30
# pages of a file map that are kept in memory before they are given back
_MAP_BYTES = 2**25


class ImageRows:
    """Some rows and channels of images, not copied.

    Parameters
    ----------
    source : ndarray, memmap, zarr array, h5py data set or any other object
        Images (n, channels, height, width): has `shape`, `dtype` and row access, ``source[integers]``.
    channels : ndarray of int or None
        Channels to keep; None for all.
    index : ndarray of int or None
        Rows to keep; None for all.
    mapped : MappedFile or None
        The reader of `source`, if it is already known.
    """

    ndim = 4

    def __init__(self, source, channels=None, index=None, mapped=None):
        self.source = source
        self.channels = channels
        self.index = index
        n, n_channels, height, width = source.shape
        self.shape = (
            n if index is None else len(index),
            n_channels if channels is None else len(channels),
            height,
            width,
        )
        self.dtype = np.dtype(source.dtype).newbyteorder("=")
        self._mapped = MappedFile.find(source) if mapped is None else mapped
        # the system maps up to 2 MB around a page that is touched
        self._n_bytes_row = int(np.prod(source.shape[1:])) * self.dtype.itemsize + 2**21
        self._n_touched = 0

    def __len__(self):
        return self.shape[0]

    @property
    def is_in_memory(self):
        """Whether reading rows is no more than copying memory."""
        return isinstance(self.source, np.ndarray) and not isinstance(self.source, np.memmap)

    def number(self, rows):
        """Rows of the source that `rows` of these are."""
        return rows if self.index is None else self.index[rows]

    def subset(self, index):
        """The rows `index` of these, not copied."""
        index = self.number(index)
        return ImageRows(self.source, self.channels, index, self._mapped)

    def read(self, rows, corners=None, size=None):
        """Read rows into a new array.

        Parameters
        ----------
        rows : ndarray of int, or slice
            Which rows, in this order.
        corners : ndarray of shape (n_rows, 2) or None
            Upper left corners of the windows to read; None for whole images.
        size : tuple of two ints or None
            Height and width of the windows.

        Returns
        -------
        ndarray of shape (n_rows, channels, height, width)
            C-contiguous, in the type of the source with the machine's byte order.
        """
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = self.number(rows)
        if corners is None:
            images = self._read_whole(rows)
        else:
            images = self._read_windows(rows, corners, size)
        self._release(len(rows))
        # what hands out rows that cannot be written to would have torch warn
        return np.require(images, self.dtype, "CW")

    def _read_whole(self, rows):
        source = self.source
        if self._mapped is not None:
            out = self._mapped.read(rows)
        elif isinstance(source, np.ndarray):
            return source[rows] if self.channels is None else source[rows[:, None], self.channels]
        elif _is_h5py(source):
            # its own selection of several rows is many times slower than one row after the other
            out = np.empty((len(rows), *source.shape[1:]), dtype=source.dtype)
            for i, row in enumerate(rows):
                source.read_direct(out, np.s_[int(row)], np.s_[i])
        else:
            out = np.asarray(source.oindex[rows] if hasattr(source, "oindex") else source[rows])
        return out if self.channels is None else out[:, self.channels]

    def _read_windows(self, rows, corners, size):
        if self._mapped is not None:
            channels = range(self.source.shape[1]) if self.channels is None else self.channels
            return self._mapped.read_windows(rows, corners, size, list(channels))
        height, width = size
        out = np.empty((len(rows), self.shape[1], height, width), dtype=self.dtype)
        channels = slice(None) if self.channels is None else self.channels
        if isinstance(self.source, np.ndarray) or _is_h5py(self.source) or hasattr(self.source, "oindex"):
            for i, (row, (top, left)) in enumerate(zip(rows.tolist(), corners.tolist(), strict=True)):
                window = self.source[row, :, top : top + height, left : left + width]
                out[i] = window[channels]
            return out
        # what can only be read by whole rows, is read few at a time
        n_rows = max(1, _MAP_BYTES // max(1, int(np.prod(self.source.shape[1:])) * self.dtype.itemsize))
        for start in range(0, len(rows), n_rows):
            images = np.asarray(self.source[rows[start : start + n_rows]])
            for i, image in enumerate(images, start):
                top, left = corners[i]
                out[i] = image[channels, top : top + height, left : left + width]
        return out

    def _release(self, n_rows):
        """Give pages of a file map back, which would count as this process's memory for ever."""
        is_map = isinstance(self.source, np.memmap) and self.source.mode in SHARED
        if self._mapped is not None or not is_map:
            return
        self._n_touched += n_rows * self._n_bytes_row
        if self._n_touched > _MAP_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self.source._mmap.madvise(mmap.MADV_DONTNEED)
            self._n_touched = 0


def _is_h5py(source):
    return hasattr(source, "read_direct") and type(source).__module__.partition(".")[0] == "h5py"


def is_images(X):
    """Tell whether `X` is a stack of images: four dimensions, or a list of arrays of three."""
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and np.ndim(X[0]) == 3
    return len(getattr(X, "shape", ())) == 4


def read_images(estimator, X, *, reset):
    """Check images without copying them.

    Parameters
    ----------
    estimator : TripletEmbedder
        Its `channels` are kept; `n_features_in_` is set (`reset=True`) or compared.
    X : array-like of shape (n_samples, channels, height, width)
        The input as passed.
    reset : bool
        True in `fit`.

    Returns
    -------
    ImageRows
        The images.

    Raises
    ------
    ValueError
        If they hold no numbers, none at all, NaN or infinities (looked for in arrays of floats here, and in
        everything else when a row is read), or other channels than in `fit`.
    """
    if isinstance(X, (list, tuple)):
        shapes = sorted({np.shape(image) for image in X})
        if len(shapes) > 1:
            raise ValueError(
                f"X is a list of images of {len(shapes)} shapes, such as {shapes[0]} and {shapes[1]}; they "
                "must be equal. Crop or pad them to one."
            )
        X = np.asarray(X)
    elif isinstance(X, torch.Tensor):
        # NumPy has no bfloat16
        X = (X.float() if X.dtype == torch.bfloat16 else X).detach().cpu().numpy()
    try:
        kind = np.dtype(X.dtype).kind
    except TypeError:
        kind = "?"
    if kind not in "biuf":
        raise ValueError(
            f"X holds images of type {getattr(X, 'dtype', None)}; allowed are whole numbers, floats and "
            "bool. Convert them first."
        )
    n_samples, n_channels = X.shape[:2]
    name = type(estimator).__name__
    if n_samples < (2 if reset else 1) or 0 in X.shape:
        raise ValueError(
            f"X has the shape {tuple(X.shape)}: {name} needs images (n_samples, channels, height, width) "
            f"with at least {2 if reset else 1} of them and at least one channel and pixel."
        )
    if not reset and n_channels != estimator.n_features_in_:
        raise ValueError(
            f"X has {n_channels} channels, but {name} is expecting {estimator.n_features_in_} features as "
            "input: pass the channels that it was fitted on, in their order; `channels` picks from these."
        )
    rows = ImageRows(X, resolve_channels(estimator.channels, n_channels))
    if reset:
        estimator.n_features_in_ = n_channels
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    if kind == "f" and isinstance(X, np.ndarray):
        size = _n_block(rows)
        for start in range(0, n_samples, size):
            check_finite(rows.read(slice(start, start + size)), np.arange(start, n_samples))
    return rows


def resolve_channels(channels, n_channels):
    """Turn the parameter `channels` into positions.

    Parameters
    ----------
    channels : sequence of int, slice or None
        The parameter.
    n_channels : int
        Channels of the input.

    Returns
    -------
    ndarray of int or None
        None for all of them.

    Raises
    ------
    ValueError
        If there is no such channel, or none is left.
    """
    if channels is None:
        return None
    if isinstance(channels, slice):
        found = np.arange(n_channels)[channels]
    else:
        allowed = range(-n_channels, n_channels)
        wrong = [
            c for c in channels if isinstance(c, bool) or not isinstance(c, Integral) or c not in allowed
        ]
        if wrong:
            raise ValueError(
                f"channels={channels!r} names channel {wrong[0]!r}, and X has {n_channels} channels: give "
                f"numbers from {-n_channels} to {n_channels - 1}."
            )
        found = np.array([int(c) % n_channels for c in channels], dtype=np.int64)
    if len(found) == 0:
        raise ValueError(
            f"channels={channels!r} leaves none of the {n_channels} channels of X: name at least one."
        )
    return found


def check_finite(images, rows):
    """Raise if floats hold NaN or infinities.

    Parameters
    ----------
    images : ndarray of shape (n_rows, channels, height, width)
        What was read.
    rows : ndarray of int
        Their row numbers, for the message.

    Raises
    ------
    ValueError
        With the first such row and channel.
    """
    # NaN and infinities survive a sum; only if there are any (or the sum overflows) each value is looked at
    if images.dtype.kind != "f" or np.isfinite(images.sum(dtype=np.float64)):
        return
    wrong = ~np.isfinite(images).all(axis=(2, 3))
    if wrong.any():
        row, channel = np.argwhere(wrong)[0]
        raise ValueError(
            f"X contains NaN or infinity in {int(wrong.any(axis=1).sum())} of {len(images)} images that were "
            f"looked at (first: row {rows[row]}, channel {channel}). Leave such images out, or replace the "
            "pixels, for example with numpy.nan_to_num."
        )


def _n_block(rows):
    return max(1, _BLOCK // int(np.prod(rows.shape[1:])))


def compute_image_scaling(rows):
    """Mean and reciprocal standard deviation of every channel, over a sample of the images.

    The sample is spread evenly over all rows: all of them up to 16 million values, never fewer than 64; of
    images with more than 262,144 pixels every second (third ...) pixel in both directions.

    Parameters
    ----------
    rows : ImageRows
        The images.

    Returns
    -------
    mean, inverse_scale : ndarray of shape (channels,)
        The reciprocal is 0 for a channel without variation, which therefore stays 0.
    """
    n, n_channels, height, width = rows.shape
    n_sample = min(n, max(_N_SAMPLE_IMAGES, _N_SAMPLE_VALUES // (n_channels * height * width)))
    sample = np.linspace(0, n - 1, n_sample).astype(np.int64)
    step = int(np.ceil(np.sqrt(height * width / _N_SAMPLE_PIXELS)))
    count, mean, squares = 0, np.zeros(n_channels), np.zeros(n_channels)
    for start in range(0, n_sample, _n_block(rows)):
        chosen = sample[start : start + _n_block(rows)]
        images = rows.read(chosen)
        check_finite(images, rows.number(chosen))
        for image in images:
            # one channel of one image fits the cache, and means are merged as of samples (Chan et al. 1983)
            values = image[:, ::step, ::step].reshape(n_channels, -1).astype(np.float64)
            size = values.shape[1]
            own = values.mean(axis=1)
            own_squares = np.square(values - own[:, None]).sum(axis=1)
            difference = own - mean
            mean += difference * size / (count + size)
            squares += own_squares + np.square(difference) * count * size / (count + size)
            count += size
    variance = squares / count
    eps = np.finfo(np.float64).eps
    constant = variance <= count * eps * variance + np.square(count * mean * eps)
    inverse_scale = np.zeros(n_channels)
    inverse_scale[~constant] = 1 / np.sqrt(variance[~constant])
    return mean, inverse_scale


def is_wide(dtype):
    """Tell whether float32 cannot hold all values of a type, so that it is scaled in float64, on the host."""
    return dtype.itemsize > 4 or (dtype.itemsize == 4 and dtype.kind in "iu")


class ImageInputs:
    """What the batches read images through: windows, the check for NaN, and scaling on the device.

    Parameters
    ----------
    rows : ImageRows
        The images.
    mean, inverse_scale : ndarray of shape (channels,)
        From :func:`compute_image_scaling`.
    window : tuple of two ints or None
        Height and width of the random windows that training reads; None for whole images.
    device : torch.device
        Where the batches go.
    """

    def __init__(self, rows, mean, inverse_scale, *, window=None, device):
        self.rows = rows
        self.window = window
        self.device = device
        self.wide = (
            (mean.reshape(1, -1, 1, 1), inverse_scale.reshape(1, -1, 1, 1)) if is_wide(rows.dtype) else None
        )
        # on the host in float64 first: not every device knows it
        self.mean = torch.from_numpy(np.asarray(mean, dtype=np.float32)).view(1, -1, 1, 1).to(device)
        self.inverse_scale = (
            torch.from_numpy(np.asarray(inverse_scale, dtype=np.float32)).view(1, -1, 1, 1).to(device)
        )

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        """Shape of all images, those of the windows where there are some."""
        return self.rows.shape if self.window is None else (*self.rows.shape[:2], *self.window)

    @property
    def reads_ahead(self):
        """Whether a thread should read the next images while these are computed."""
        return self.device.type != "cpu" or not self.rows.is_in_memory

    def read(self, chosen, rng=None):
        """Read rows as a tensor on the host, in their own type.

        Windows are drawn with `rng`; without it they are the middle of the images.
        """
        corners = None
        if self.window is not None and rng is None:
            corners = np.tile((np.array(self.rows.shape[2:]) - self.window) // 2, (len(chosen), 1))
        elif self.window is not None:
            room = np.array(self.rows.shape[2:]) - self.window + 1
            corners = (rng.random((len(chosen), 2)) * room).astype(np.int64)
        images = self.rows.read(chosen, corners, self.window)
        check_finite(images, self.rows.number(chosen))
        if self.wide is not None:
            scaled = np.clip((images - self.wide[0]) * self.wide[1], -_LARGEST, _LARGEST)
            images = scaled.astype(np.float32)
        return torch.from_numpy(images)

    def finish(self, images):
        """``(images - mean) * inverse_scale`` in float32, of a batch that has arrived on the device."""
        if self.wide is not None:
            return images
        scaled = torch.empty(images.shape, dtype=torch.float32, device=images.device).copy_(images)
        return scaled.sub_(self.mean).mul_(self.inverse_scale)
