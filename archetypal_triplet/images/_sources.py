"""Where the rows of a stack come from: image files, or an array that lies on disk or in memory."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Lock

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.images._formats import ImageError
from archetypal_triplet.images._planes import Plane, open_image, probe_plane

_MISSING = ("", "There is no file of this plane.")
_N_PROBES = 5  # planes of each channel that are looked at to learn shape and type


class FileSource:
    """Rows read from files, plane by plane.

    Parameters
    ----------
    planes : list of list of (Plane or None)
        One list for each row, with one plane for each channel.
    shape : tuple of int
        Height and width that each plane must have.
    dtype : dtype
        Type that each plane must have.
    reference : str
        A file that has them, for the messages.
    flag : bool
        Whether a plane that cannot be read becomes zeros and a fault, instead of an error.
    """

    def __init__(self, planes, shape, dtype, reference, flag):
        self.planes, self.reference, self.flag = planes, reference, flag
        self.shape = (len(planes), len(planes[0]), *shape)
        self.dtype = np.dtype(dtype)
        self._forget()

    def _forget(self):
        self.faults = {
            (i, c): _MISSING
            for i, row in enumerate(self.planes)
            for c, plane in enumerate(row)
            if plane is None
        }
        self._lock = Lock()

    def __getstate__(self):
        # what was found while reading is no part of the stack: its hash must not change with use
        return {k: v for k, v in self.__dict__.items() if k not in ("faults", "_lock")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._forget()

    def probe_all(self, rows, channels, n_threads, verbose):
        """Look at the headers of the files behind some rows.

        Parameters
        ----------
        rows : iterable of int
            Rows, not negative.
        channels : list of int
            Channels.
        n_threads : int
            Files that are opened at the same time.
        verbose : int
            Above 0 a progress bar is shown.

        Returns
        -------
        dict of (int, int) to (str, str)
            File and message of each faulty plane, by row and channel.
        """
        found = {}
        jobs = [(row, at, found) for row in rows for at in self._files(row, channels)]
        run_all(self._probe_file, jobs, n_threads, verbose)
        return found

    def _probe_file(self, row, at, found):
        path, wanted = at
        for _, c in wanted:
            plane = self.planes[row][c]
            if plane is None:
                found[row, c] = _MISSING
                continue
            try:
                shape, dtype = probe_plane(plane)
                self._check(shape, dtype, path)
            except (OSError, ImageError) as error:
                found[row, c] = (path, str(error))

    def read(self, rows, channels, n_threads):
        """Read rows into a new array.

        Parameters
        ----------
        rows : ndarray of intp of shape (m,)
            Rows, not negative.
        channels : list of int
            Channels.
        n_threads : int
            Files that are read at the same time.

        Returns
        -------
        ndarray of shape (m, len(channels), height, width)
            The images.
        """
        out = np.empty((len(rows), len(channels), *self.shape[2:]), dtype=self.dtype)
        jobs = [
            (int(row), at, out[k]) for k, row in enumerate(rows) for at in self._files(int(row), channels)
        ]
        run_all(self._read_file, jobs, n_threads)
        return out

    def _files(self, row, channels):
        """Group a row's planes by their file, so that each file is opened once."""
        files = {}
        for k, c in enumerate(channels):
            plane = self.planes[row][c]
            files.setdefault(None if plane is None else plane.path, []).append((k, c))
        return list(files.items())

    def _read_file(self, row, at, out):
        path, wanted = at
        if path is None:
            for k, _ in wanted:
                out[k] = 0
            return
        done = set()
        try:
            with open_image(path) as image:
                for k, c in wanted:
                    pixels = image.read(self.planes[row][c].index)
                    self._check(pixels.shape, pixels.dtype, path)
                    out[k] = pixels
                    done.add(c)
                    self._record(row, c, None)
        except (OSError, ImageError) as error:
            if not self.flag:
                raise
            left = [(k, c) for k, c in wanted if c not in done]
            k, c = left.pop(0)
            out[k] = 0
            self._record(row, c, (path, str(error)))
            if left:  # another plane of the same file may be readable
                self._read_file(row, (path, left), out)

    def _check(self, shape, dtype, path):
        if tuple(shape) == self.shape[2:] and dtype == self.dtype:
            return
        raise ImageError(
            f"{path} has {describe(shape, dtype)}, while {self.reference} has "
            f"{describe(self.shape[2:], self.dtype)}. All planes of a stack need one size and type: export "
            "the file again, or leave it out (on_error='flag' makes it a flagged field)."
        )

    def _record(self, row, channel, fault):
        with self._lock:
            if fault is None:
                self.faults.pop((row, channel), None)
            else:
                self.faults[row, channel] = fault


class ArraySource:
    """Rows of an array with four dimensions: NumPy, memmap, zarr, h5py.

    Parameters
    ----------
    array : array of shape (n, C, H, W)
        Anything with shape, dtype and row access.
    """

    def __init__(self, array):
        self.array = array
        self.shape = tuple(int(n) for n in array.shape)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.faults = {}
        self._lock = Lock()

    def __getstate__(self):
        return {"array": _freeze(self.array)}

    def __setstate__(self, state):
        self.__init__(_thaw(state["array"]))

    def read(self, rows, channels, n_threads):
        """Read rows into a new array.

        Parameters
        ----------
        rows : ndarray of intp of shape (m,)
            Rows, not negative.
        channels : list of int
            Channels.
        n_threads : int
            Not used: these arrays have threads of their own, or need none.

        Returns
        -------
        ndarray of shape (m, len(channels), height, width)
            The images.
        """
        out = np.empty((len(rows), len(channels), *self.shape[2:]), dtype=self.dtype)
        all_channels = channels == list(range(self.shape[1]))
        if isinstance(self.array, np.ndarray):
            if all_channels and self.array.dtype == self.dtype:
                np.take(self.array, rows, axis=0, out=out, mode="clip")
            else:
                for k, row in enumerate(rows):
                    out[k] = self.array[row, channels]
            return out
        if len(rows) == 0:
            return out
        # zarr decodes a chunk, and h5py wants increasing order: runs of rows, each read once
        order = np.argsort(rows, kind="stable")
        distinct, first = np.unique(rows[order], return_index=True)
        starts = np.flatnonzero(np.diff(distinct, prepend=-2) != 1)
        for begin, end in zip(starts, [*starts[1:], len(distinct)], strict=True):
            block = np.asarray(self.array[int(distinct[begin]) : int(distinct[end - 1]) + 1])
            block = block if all_channels else block[:, channels]
            stop = first[end] if end < len(distinct) else len(rows)
            places = order[first[begin] : stop]
            out[places] = block[rows[places] - distinct[begin]]
        return out


def run_all(function, jobs, n_threads, verbose=0):
    """Call `function` with each tuple of arguments, on threads; the first job's error is the one raised.

    Parameters
    ----------
    function : callable
        What to call.
    jobs : list of tuple
        Its arguments.
    n_threads : int
        Threads at most.
    verbose : int, default=0
        Above 0 a progress bar is shown.
    """

    def show(steps):
        if verbose <= 0:
            return steps
        return import_optional("tqdm.auto", extra="screens").tqdm(steps, total=len(jobs), unit="file")

    n_threads = min(n_threads, len(jobs))
    if n_threads <= 1:
        for job in show(jobs):
            function(*job)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(function, *job) for job in jobs]
        try:
            for future in show(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def describe(shape, dtype):
    """Return size and type of a plane in words."""
    return f"{shape[0]} x {shape[1]} pixels of {np.dtype(dtype)}"


def probe_planes(planes, flag):
    """Learn which size and type the planes of a stack have, from a few files of each channel.

    Parameters
    ----------
    planes : list of list of (Plane or None)
        One list for each row, with one plane for each channel.
    flag : bool
        Whether files that cannot be read, or are unlike the most, are passed over.

    Returns
    -------
    shape : tuple of int
        Height and width.
    dtype : dtype
        Type.
    reference : str
        A file that has them.

    Raises
    ------
    ImageError
        If none can be read, or sizes or types differ: between channels, or (unless `flag`) anywhere.
    """
    found, failed = {}, None
    for c in range(len(planes[0])):
        there = [row[c] for row in planes if row[c] is not None]
        # spread over the stack; where these fail, any other
        spread = np.unique(np.linspace(0, len(there) - 1, min(_N_PROBES, len(there))).astype(int))
        rest = (p for i, p in enumerate(there) if i not in set(spread.tolist()))
        seen = []
        for plane in chain((there[i] for i in spread), _none_after(rest, seen)):
            try:
                seen.append((plane.path, *probe_plane(plane)))
            except (OSError, ImageError) as error:
                if not flag:
                    raise
                failed = failed or error
        if seen:
            found[c] = seen
    if not found:
        raise ImageError(
            f"None of the planes can be read. The first error: {failed or 'all planes are missing'}"
        )
    counts = Counter(tuple(kind) for seen in found.values() for _, *kind in seen)
    (shape, dtype), _ = counts.most_common(1)[0]
    reference = next(path for seen in found.values() for path, *kind in seen if tuple(kind) == (shape, dtype))
    for seen in found.values():
        odd = [(path, kind) for path, *kind in seen if tuple(kind) != (shape, dtype)]
        if odd and (not flag or len(odd) == len(seen)):
            raise ImageError(
                f"The planes have different sizes or types: {odd[0][0]} has {describe(*odd[0][1])}, "
                f"{reference} has {describe(shape, dtype)}. A stack needs one: read such channels or "
                "plates as stacks of their own, or export them alike."
            )
    return shape, dtype, reference


def _none_after(rest, seen):
    """Yield more planes as long as nothing was seen."""
    for plane in rest:
        if seen:
            return
        yield plane


def as_planes(rows):
    """Return rows of planes as lists of Plane or None."""
    return [[None if p is None else Plane(str(p[0]), *p[1:]) for p in row] for row in rows]


class _Frozen(tuple):
    """How an array on disk is found again: kind and arguments."""

    __slots__ = ()


def _freeze(array):
    if isinstance(array, np.memmap) and array.filename is not None and array.flags["C_CONTIGUOUS"]:
        base = array
        while isinstance(base.base, np.memmap):
            base = base.base
        begin = array.__array_interface__["data"][0] - base.__array_interface__["data"][0] + base.offset
        return _Frozen(("memmap", str(array.filename), array.dtype.str, int(begin), array.shape))
    package = type(array).__module__.partition(".")[0]
    if package == "h5py":
        return _Frozen(("h5py", array.file.filename, array.name))
    if package == "zarr" and hasattr(getattr(array, "store", None), "root"):
        return _Frozen(("zarr", str(array.store.root), array.path))
    return array


def _thaw(frozen):
    if not isinstance(frozen, _Frozen):
        return frozen
    kind, path, *rest = frozen
    if kind == "memmap":
        dtype, offset, shape = rest
        return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    if kind == "zarr":
        return import_optional("zarr", extra="images").open_array(path, path=rest[0] or None, mode="r")
    return import_optional("h5py", extra="test").File(path, mode="r")[rest[0]]
