"""Images: rows of stacks by where they lie, limits of channels, and the memory that this takes."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tifffile
import zarr

from archetypal_triplet.images import (
    ImageStack,
    Plane,
    compute_channel_limits,
    write_ome_tiff,
    write_ome_zarr_plate,
)

N_FIELDS, N_CHANNELS, SIDE = 64, 3, 512


def make_fields(n=N_FIELDS):
    """Fields of 12 bits that compress about as well as real ones do."""
    rng = np.random.default_rng(0)
    shape = (N_CHANNELS, SIDE, SIDE)
    return (rng.normal(300, 30, size=shape).astype(np.uint16) + np.uint16(i) for i in range(n))


def layout_of(planes):
    """What a stack needs of a layout."""
    return SimpleNamespace(planes=planes, channels=["DNA", "GFP", "RNA"])


def write_fields(folder, kind):
    """Write the fields and return a function that makes their stack."""
    if kind == "tiff":
        for i, field in enumerate(make_fields()):
            for c, plane in enumerate(field):
                tifffile.imwrite(folder / f"{i}_{c}.tif", plane, compression="zlib")
        names = [[str(folder / f"{i}_{c}.tif") for c in range(N_CHANNELS)] for i in range(N_FIELDS)]
        return lambda n_jobs: ImageStack.from_layout(
            layout_of([[Plane(name) for name in row] for row in names]), n_jobs=n_jobs
        )
    if kind == "ome-tiff":
        paths = [write_ome_tiff(folder / f"{i}.ome.tif", field) for i, field in enumerate(make_fields())]
        return lambda n_jobs: ImageStack.from_layout(
            layout_of([[Plane(str(path), (c,)) for c in range(N_CHANNELS)] for path in paths]), n_jobs=n_jobs
        )
    if kind == "ome-zarr":
        plate = write_ome_zarr_plate(folder / "p.zarr", make_fields(), ["A01"] * N_FIELDS)
        return lambda n_jobs: ImageStack.from_layout(
            layout_of(
                [[Plane(str(plate / f"A/1/{i}"), (c,)) for c in range(N_CHANNELS)] for i in range(N_FIELDS)]
            ),
            n_jobs=n_jobs,
        )
    shape = (N_FIELDS, N_CHANNELS, SIDE, SIDE)
    if kind == "zarr":
        array = zarr.create_array(folder / "a.zarr", shape=shape, chunks=(1, *shape[1:]), dtype="uint16")
    else:
        array = np.memmap(folder / "a.bin", dtype=np.uint16, mode="w+", shape=shape)
    for i, field in enumerate(make_fields()):
        array[i] = field
    return lambda n_jobs: ImageStack.from_array(array)


class Fields:
    """Sixteen fields out of 64 of three channels, 512 x 512, 12 bits, in no order."""

    params = (["tiff", "ome-tiff", "ome-zarr", "zarr", "memmap"], [1, 2])
    param_names = ("kind", "threads")

    def setup(self, kind, n_jobs):
        self.folder = tempfile.TemporaryDirectory()
        self.stack = write_fields(Path(self.folder.name), kind)(n_jobs)
        self.rows = np.random.default_rng(1).permutation(N_FIELDS)[:16]

    def teardown(self, kind, n_jobs):
        self.folder.cleanup()

    def time_rows(self, kind, n_jobs):
        self.stack[self.rows]

    def track_megabytes_per_row(self, kind, n_jobs):
        return self.stack[self.rows].nbytes / len(self.rows) / 1e6

    def time_headers(self, kind, n_jobs):
        self.stack.find_faults()

    def time_limits(self, kind, n_jobs):
        compute_channel_limits(self.stack, random_state=0)

    def peakmem_rows_one_by_one(self, kind, n_jobs):
        for i in range(N_FIELDS):
            self.stack[i]


class Crops:
    """Batches of 64 small crops out of 20,000 in a memmap: what a training step reads."""

    def setup(self):
        self.folder = tempfile.TemporaryDirectory()
        shape = (20_000, 3, 48, 48)
        self.array = np.memmap(Path(self.folder.name) / "a.bin", dtype=np.uint16, mode="w+", shape=shape)
        self.stack = ImageStack.from_array(self.array)
        rng = np.random.default_rng(0)
        self.batches = [rng.integers(0, len(self.array), size=64) for _ in range(50)]

    def teardown(self):
        self.folder.cleanup()

    def time_batches(self):
        for rows in self.batches:
            self.stack[rows]

    def time_batches_of_the_bare_memmap(self):
        for rows in self.batches:
            self.array[rows]
