"""The files of an extraction: rows appended field by field, a journal, and what is left when it is done.

While an extraction runs, its folder holds ``crops.npy.partial`` and ``cells.partial`` (rows of crops and of
measurements, in the order of the fields) and ``progress.jsonl``, a line a field that is written after its
rows. What a killed run wrote beyond its last whole line is cut off when it continues.
"""

import json
from pathlib import Path

import numpy as np

CROPS, CELLS, COUNTS, SETTINGS = "crops.npy", "cells.parquet", "counts.parquet", "extraction.json"
_PARTIAL_CROPS, _PARTIAL_CELLS, _JOURNAL = "crops.npy.partial", "cells.partial", "progress.jsonl"
_HEADER = 128  # bytes; numpy pads the header to multiples of 64, and one of four dimensions fits in here


class MemoryStore:
    """Keeps the rows of an extraction in memory."""

    done = ()

    def __init__(self, row_shape, dtype, n_columns):
        self._crops = [np.empty((0, *row_shape), dtype=dtype)]
        self._measured = [np.empty((0, n_columns))]

    def append(self, line, crops, measured):
        """Keep the rows of one field."""
        self._crops.append(crops)
        self._measured.append(measured)

    def finish(self):
        """Return crops and measurements of all fields."""
        return np.concatenate(self._crops), np.concatenate(self._measured)

    def close(self):
        """Nothing is open."""


class FolderStore:
    """Appends the rows of an extraction to files, and continues where an earlier run was killed.

    Parameters
    ----------
    folder : Path
        The folder.
    settings : dict
        What the extraction depends on; a folder of other settings is not continued.
    row_shape : tuple of int
        Shape of a crop.
    dtype : dtype
        Type of the crops.
    n_columns : int
        Measurements of a cell.
    resume : bool
        Whether to go on with what is there.
    """

    def __init__(self, folder, settings, row_shape, dtype, n_columns, resume):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._row_shape, self._dtype, self._n_columns = tuple(row_shape), np.dtype(dtype), n_columns
        self._crop_bytes = int(np.prod(row_shape)) * self._dtype.itemsize
        self._cell_bytes = 8 * n_columns
        self.done = self._read_journal(settings) if resume else []
        if not self.done:
            self._start(settings)
        self._n_cells = sum(line["n_cells"] for line in self.done)
        self._open()

    @staticmethod
    def is_complete(folder, settings):
        """Tell whether a folder holds a finished extraction of these settings; raise if of others."""
        path = Path(folder, SETTINGS)
        if not path.exists():
            return False
        check_settings(folder, read_json(path), settings)
        return all(Path(folder, name).exists() for name in (CROPS, CELLS, COUNTS))

    def append(self, line, crops, measured):
        """Write the rows of one field, then its line in the journal."""
        self._files[0].write(np.ascontiguousarray(crops, dtype=self._dtype))
        self._files[1].write(np.ascontiguousarray(measured, dtype=np.float64))
        for file in self._files[:2]:
            file.flush()
        self._files[2].write(json.dumps(line) + "\n")
        self._files[2].flush()
        self._n_cells += len(crops)

    def finish(self):
        """Write the header, give the crops their name; return them as a memory map, and the measurements."""
        self.close()
        header = npy_header((self._n_cells, *self._row_shape), self._dtype)
        with self._path(_PARTIAL_CROPS).open("r+b") as file:
            file.write(header)
        measured = np.fromfile(self._path(_PARTIAL_CELLS)).reshape(-1, self._n_columns)
        self._path(_PARTIAL_CROPS).replace(self._path(CROPS))
        return load_crops(self.folder), measured

    def clean(self):
        """Remove what is only needed to continue, once the tables are written."""
        for name in (_PARTIAL_CELLS, _JOURNAL):
            self._path(name).unlink(missing_ok=True)

    def close(self):
        """Close the files."""
        for file in self._files:
            file.close()

    def _path(self, name):
        return self.folder / name

    def _start(self, settings):
        for name in (CROPS, CELLS, COUNTS, _PARTIAL_CROPS, _PARTIAL_CELLS, _JOURNAL):
            self._path(name).unlink(missing_ok=True)
        write_beside(self._path(SETTINGS), json.dumps(settings, indent=1).encode())

    def _read_journal(self, settings):
        path, known = self._path(_JOURNAL), self._path(SETTINGS)
        if not known.exists():
            return []
        check_settings(self.folder, read_json(known), settings)
        if not path.exists():
            return []
        if self._path(CROPS).exists() and not self._path(_PARTIAL_CROPS).exists():
            # killed between the last rename and the tables
            self._path(CROPS).replace(self._path(_PARTIAL_CROPS))
        lines, n_cells = [], 0
        sizes = [self._size(_PARTIAL_CROPS) - _HEADER, self._size(_PARTIAL_CELLS)]
        for text in path.read_text().splitlines(keepends=True):
            line = json.loads(text) if text.endswith("\n") else None
            if line is None:
                break
            n_cells += line["n_cells"]
            if sizes[0] < n_cells * self._crop_bytes or sizes[1] < n_cells * self._cell_bytes:
                break
            lines.append(line)
        return lines

    def _size(self, name):
        path = self._path(name)
        return path.stat().st_size if path.exists() else 0

    def _open(self):
        """Open the files where the next field begins."""
        ends = (_HEADER + self._n_cells * self._crop_bytes, self._n_cells * self._cell_bytes)
        self._files = []
        for name, end in zip((_PARTIAL_CROPS, _PARTIAL_CELLS), ends, strict=True):
            path = self._path(name)
            path.touch()
            file = path.open("r+b")
            file.truncate(end)
            file.seek(end)
            self._files.append(file)
        text = "".join(json.dumps(line) + "\n" for line in self.done)
        write_beside(self._path(_JOURNAL), text.encode())
        self._files.append(self._path(_JOURNAL).open("a"))


def npy_header(shape, dtype):
    """Return the header of a .npy file, padded to the space that was left for it."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    length = _HEADER - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"


def load_crops(folder):
    """Return the crops of a folder as a memory map (an array if there are none, which cannot be mapped)."""
    path = Path(folder, CROPS)
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return np.load(path, mmap_mode="r") if shape[0] else np.empty(shape, dtype=dtype)


def check_settings(folder, found, wanted):
    """Raise if a folder was begun with other settings."""
    different = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    if different:
        key = different[0]
        raise ValueError(
            f"out={str(folder)!r} holds an extraction that differs in {', '.join(sorted(different))} ({key}: "
            f"{found.get(key)!r} there, {wanted.get(key)!r} now). Name another folder, or pass resume=False "
            "to replace it."
        )


def read_json(path):
    """Return what a JSON file says."""
    return json.loads(Path(path).read_text())


def write_beside(path, data):
    """Write bytes under another name and rename, so that the file is whole or not there."""
    beside = path.with_name(path.name + ".partial")
    beside.write_bytes(data)
    beside.replace(path)
