"""ImageStack: images of shape (n, C, H, W) that lie on disk, read row by row."""

from numbers import Integral

import numpy as np

from archetypal_triplet._utils._frames import count_of, shorten
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._threads import effective_n_threads
from archetypal_triplet.images._formats import ImageError
from archetypal_triplet.images._sources import ArraySource, FileSource, as_planes, probe_planes


class ImageStack:
    """Images of shape (n, C, H, W) that are read where and when their rows are asked for.

    A stack is made by `ImageStack.from_layout` over the files of a screen, or by `ImageStack.from_array` over
    an array. It has `shape`, `dtype`, `ndim` and a length; ``stack[rows]`` reads rows into a NumPy array of
    shape (m, C, H, W), and nothing else is ever read: no file is looked at before, but a few headers, and no
    image is kept. A stack is never copied as a whole by accident: ``numpy.asarray(stack)`` is an error,
    ``stack[:]`` reads all.

    Rows are chosen as in NumPy: an integer (giving (C, H, W)), a slice, an array of integers, negative ones
    count from the end, or one of booleans; then channels, and a window of pixels. Only the channels that are
    asked for are read.

    Stacks can be pickled and hashed by joblib: of files, memmaps and HDF5 only the paths are kept, so that
    the hash knows where the images lie, not what is in them.

    Parameters
    ----------
    source : FileSource or ArraySource
        Where rows come from: made by the constructors that are named above.
    rows : ndarray of intp, default=None
        The rows of the source that this stack shows; None: all.
    channels : list of int, default=None
        Its channels; None: all.
    channel_names : list of str, default=None
        Their names.
    n_jobs : int, default=None
        Threads that read files; None is 1, -1 all cores.

    Attributes
    ----------
    shape : tuple of int
        (n, C, H, W).
    dtype : dtype
        Type of the pixels.
    ndim : int
        4.
    channel_names : list of str or None
        Names of the channels.
    faults : pandas.DataFrame
        Planes that could not be read.

    See Also
    --------
    read_plane : Reads one plane.
    compute_channel_limits : Darkest and brightest value of each channel over a stack.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.images import ImageStack
    >>> images = np.arange(3 * 2 * 4 * 5, dtype=np.uint16).reshape(3, 2, 4, 5)
    >>> stack = ImageStack.from_array(images, channel_names=["DNA", "GFP"])
    >>> stack
    ImageStack of 3 images, 2 channels (DNA, GFP), 4 x 5 pixels of uint16
    >>> stack[[2, 0]].shape, stack[-1].shape, stack[:, 1].shape
    ((2, 2, 4, 5), (2, 4, 5), (3, 4, 5))
    >>> stack.select_channels("GFP").shape
    (3, 1, 4, 5)
    """

    ndim = 4

    def __init__(self, source, rows=None, channels=None, channel_names=None, n_jobs=None):
        self._source = source
        self._rows = rows
        self._channels = list(range(source.shape[1])) if channels is None else list(channels)
        self.channel_names = channel_names
        self.n_jobs = n_jobs

    @classmethod
    def from_layout(cls, layout, *, on_error="raise", n_jobs=None):
        """Make a stack of a screen's fields, one row each.

        Parameters
        ----------
        layout : Layout
            What `read_layout` found: its `planes` and `channels`.
        on_error : {"raise", "flag"}, default="raise"
            What happens to a plane that is missing, damaged, or of another size or type: an error that names
            the file, or zeros and a row in `faults`.
        n_jobs : int, default=None
            Threads that read files; None is 1, -1 all cores.

        Returns
        -------
        ImageStack
            The stack; row i is row i of ``layout.fields``.

        Raises
        ------
        ValueError
            If the planes have different sizes or types, none can be read, or (``on_error="raise"``) some are
            missing.
        """
        if on_error not in ("raise", "flag"):
            raise ValueError(f"on_error={on_error!r} is unknown. Pass 'raise' or 'flag'.")
        planes, flag = as_planes(layout.planes), on_error == "flag"
        if not planes:
            raise ValueError("The layout holds no field: there is nothing to read.")
        missing = [(i, c) for i, row in enumerate(planes) for c, plane in enumerate(row) if plane is None]
        if missing and not flag:
            i, c = missing[0]
            n = len(planes) * len(planes[0])
            raise ImageError(
                f"{len(missing)} of {n} planes are missing (first: {_describe_field(layout, i)}, channel "
                f"{layout.channels[c]}). Complete the folder, or pass on_error='flag' to go on without them."
            )
        shape, dtype, reference = probe_planes(planes, flag)
        source = FileSource(planes, shape, dtype, reference, flag)
        return cls(source, channel_names=list(layout.channels), n_jobs=n_jobs)

    @classmethod
    def from_array(cls, array, *, channel_names=None):
        """Make a stack of an array that lies in memory or on disk.

        Parameters
        ----------
        array : array of shape (n, C, H, W)
            NumPy array, memmap, zarr array, HDF5 dataset: anything with shape, dtype and access to rows. It
            is not copied.
        channel_names : list of str, default=None
            Names of the channels.

        Returns
        -------
        ImageStack
            The stack.

        Raises
        ------
        ValueError
            If the array has not four dimensions or does not hold real numbers.
        """
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            raise ValueError(f"An array with shape and dtype is needed, got {type(array).__name__}.")
        shape, dtype = tuple(array.shape), np.dtype(array.dtype)
        if len(shape) != 4:
            raise ValueError(
                f"array has shape {shape}; a stack has four dimensions: (images, channels, height, width). "
                "Add a channel with array[:, None]."
            )
        if dtype.kind not in "uifb":
            raise ValueError(f"array has dtype {dtype}; images hold integers or floats.")
        if channel_names is not None and len(channel_names) != shape[1]:
            raise ValueError(
                f"channel_names has {len(channel_names)} names for an array of {shape[1]} channels."
            )
        return cls(ArraySource(array), channel_names=None if channel_names is None else list(channel_names))

    @property
    def shape(self):
        """Number of images, channels, rows and columns of pixels."""
        n = self._source.shape[0] if self._rows is None else len(self._rows)
        return (n, len(self._channels), *self._source.shape[2:])

    @property
    def dtype(self):
        """Type of the pixels."""
        return self._source.dtype

    @property
    def size(self):
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self):
        """Bytes that all images would take in memory."""
        return self.size * self.dtype.itemsize

    @property
    def faults(self):
        """Planes that were zeros because they could not be read, as far as they were asked for so far.

        With columns ``row`` (in this stack), ``Channel`` (its name, or else number), ``File`` and
        ``Message``; filled only with ``on_error="flag"``. A plane that is missing in the layout is there from
        the beginning.
        """
        return self._list_faults(self._source.faults.copy())

    def find_faults(self, *, verbose=0):
        """Look at the header of every file, without decoding: before a long run, a matter of seconds.

        What is missing, empty, truncated, no image, or of another size or type is found; what only decoding
        would show is not.

        Parameters
        ----------
        verbose : int, default=0
            Above 0 a progress bar is shown.

        Returns
        -------
        pandas.DataFrame
            One row for each faulty plane, with the columns of `faults`, whatever `on_error` is. Empty for a
            stack over an array.
        """
        if not isinstance(self._source, FileSource):
            return self._list_faults({})
        rows = range(len(self)) if self._rows is None else np.unique(self._rows).tolist()
        n_threads = effective_n_threads(self.n_jobs)
        return self._list_faults(self._source.probe_all(rows, self._channels, n_threads, verbose))

    def _list_faults(self, faults):
        pd = import_optional("pandas", extra="images")
        faulty = {row for row, _ in faults}
        rows = range(len(self)) if self._rows is None else self._rows.tolist()
        lines = [
            (k, self._name(j), *faults[row, c])
            for k, row in enumerate(rows)
            if row in faulty
            for j, c in enumerate(self._channels)
            if (row, c) in faults
        ]
        return pd.DataFrame(lines, columns=["row", "Channel", "File", "Message"])

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        n, n_channels, height, width = self.shape
        names = "" if self.channel_names is None else f" ({shorten(self.channel_names)})"
        return (
            f"ImageStack of {count_of(n, 'image')}, {count_of(n_channels, 'channel')}{names}, {height} x "
            f"{width} pixels of {self.dtype}"
        )

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            f"This {self!r} is not copied into memory as a whole ({self.nbytes / 1e9:.1f} GB) without "
            "being told to: read some rows with stack[rows], or all of them with stack[:]."
        )

    def __getitem__(self, key):
        key, *rest = key if isinstance(key, tuple) else (key,)
        if key is Ellipsis:
            key = slice(None)
        rest = [part for part in rest if part is not Ellipsis]
        rows, single = self._find_rows(key)
        channels, window = self._channels, (slice(None), *rest)
        if rest and not (isinstance(rest[0], slice) and rest[0] == slice(None)):
            numbers = self._find_channels(rest[0])
            channels = [self._channels[c] for c in numbers]
            window = (slice(None), 0 if isinstance(rest[0], Integral) else slice(None), *rest[1:])
        out = self._source.read(rows, channels, effective_n_threads(self.n_jobs))
        out = out[window] if rest else out
        return out[0] if single else out

    def take(self, rows):
        """Return a stack of some of the rows, without reading them.

        Parameters
        ----------
        rows : int array, slice, or bool array of shape (n,)
            Rows, in any order.

        Returns
        -------
        ImageStack
            The stack of these rows; ``stack[rows]`` reads them.
        """
        rows, _ = self._find_rows(rows)
        return ImageStack(self._source, rows, self._channels, self.channel_names, self.n_jobs)

    def select_channels(self, channels):
        """Return a stack of some of the channels, without reading them.

        Parameters
        ----------
        channels : str, int, or list of them
            Names or numbers of channels, in any order.

        Returns
        -------
        ImageStack
            The stack of these channels.

        Raises
        ------
        ValueError
            If there is no such channel.
        """
        numbers = self._find_channels([channels] if isinstance(channels, str | Integral) else channels)
        names = None if self.channel_names is None else [self.channel_names[c] for c in numbers]
        return ImageStack(self._source, self._rows, [self._channels[c] for c in numbers], names, self.n_jobs)

    def find_flagged(self, rows):
        """Tell which planes of some rows were found to be unreadable when they were read.

        Parameters
        ----------
        rows : iterable of int
            Rows of this stack.

        Returns
        -------
        set of (int, int)
            Row and channel of each plane, both counted in this stack.
        """
        faults = self._source.faults
        if not faults:
            return set()
        found = (
            (int(row), self._source_row(row), j, c) for row in rows for j, c in enumerate(self._channels)
        )
        return {(row, j) for row, at, j, c in found if (at, c) in faults}

    def _source_row(self, row):
        return int(row if self._rows is None else self._rows[row])

    def _name(self, c):
        return str(c) if self.channel_names is None else self.channel_names[c]

    def _find_rows(self, key):
        """Return rows of the source for a key, and whether it was a single number."""
        n = len(self)
        single = isinstance(key, Integral) and not isinstance(key, bool | np.bool_)
        if isinstance(key, slice):
            rows = np.arange(*key.indices(n))
        else:
            rows = np.asarray([key] if single else key)
            if rows.size == 0 and rows.dtype.kind == "f":
                rows = rows.astype(np.intp)
            if rows.ndim != 1 or rows.dtype.kind not in "iub":
                raise IndexError(
                    "Rows of a stack are chosen by an integer, a slice, or a 1-D array of integers or "
                    f"booleans; got {type(key).__name__} of dtype {rows.dtype} and shape {rows.shape}."
                )
            if rows.dtype.kind == "b":
                if len(rows) != n:
                    raise IndexError(
                        f"A mask of {len(rows)} values cannot choose among {count_of(n, 'row')}."
                    )
                rows = np.flatnonzero(rows)
        rows = rows.astype(np.intp, copy=False)
        outside = rows[(rows < -n) | (rows >= n)]
        if len(outside):
            raise IndexError(f"row {outside[0]} is out of range: the stack has {count_of(n, 'row')}.")
        rows = np.where(rows < 0, rows + n, rows)
        return (rows if self._rows is None else self._rows[rows]), single

    def _find_channels(self, key):
        if isinstance(key, slice):
            return list(range(len(self._channels)))[key]
        return [
            find_channel(self, channel) for channel in ([key] if isinstance(key, str | Integral) else key)
        ]


def find_channel(stack, channel, called=""):
    """Return the number of a channel, from 0, for its name or number; `called` begins the error's message."""
    n, known = stack.shape[1], stack.channel_names or []
    if isinstance(channel, str) and channel in known:
        return known.index(channel)
    if isinstance(channel, Integral) and -n <= channel < n:
        return int(channel) % n
    names = f" and names {', '.join(map(repr, known))}" if known else ", and no names"
    raise ValueError(f"{called}{channel!r} is not a channel. There are numbers 0 to {n - 1}{names}.")


def _describe_field(layout, i):
    fields = getattr(layout, "fields", None)
    if fields is None:
        return f"row {i}"
    row = fields.iloc[i]
    named = [(word, f"Metadata_{word}") for word in ("Plate", "Well", "Site")]
    return ", ".join(f"{word.lower()} {row[column]}" for word, column in named if column in fields.columns)
