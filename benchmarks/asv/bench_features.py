"""ImageFeatures: time and memory by group, size, type and threads; time to compile."""

import os
import subprocess
import sys
import tempfile

import numpy as np

from archetypal_triplet import ImageFeatures

GROUPS = ["intensity", "nucleus", "shape", "texture", "granularity", "correlation", "radial", "quality"]


def make_crops(n, size=64, dtype=np.uint8):
    """Crops of two channels and a mask, a round nucleus in the middle."""
    rng = np.random.default_rng(0)
    crops = rng.poisson(30, size=(n, 3, size, size)).astype(dtype)
    crops[:, 2] = np.hypot(*(np.indices((size, size)) - size / 2)) < 9
    return crops


class Groups:
    """Each group on 640 crops of cells."""

    params = (GROUPS, ["uint8", "float32"])
    param_names = ("group", "dtype")

    def setup(self, group, dtype):
        self.X = make_crops(640, dtype=dtype)
        self.features = ImageFeatures(group, mask_channel=-1).fit(self.X)
        self.features.transform(self.X[:2])

    def time_transform(self, group, dtype):
        self.features.transform(self.X)


class Cells:
    """All default groups on crops, by their size and the number of threads."""

    params = ([48, 64, 96], [1, 2])
    param_names = ("size", "n_jobs")

    def setup(self, size, n_jobs):
        self.X = make_crops(640, size)
        self.features = ImageFeatures(mask_channel=-1, n_jobs=n_jobs).fit(self.X)
        self.features.transform(self.X[:2])

    def time_fit(self, size, n_jobs):
        self.features.fit(self.X)

    def time_transform(self, size, n_jobs):
        self.features.transform(self.X)

    def track_features_per_crop(self, size, n_jobs):
        return self.features.n_features_out_


class Fields:
    """Whole fields of a memory map: memory does not grow with their number."""

    params = ([4, 16],)
    param_names = ("n",)

    def setup(self, n):
        self.folder = tempfile.TemporaryDirectory()
        shape = (n, 3, 1024, 1024)
        path = os.path.join(self.folder.name, "fields.npy")  # noqa: PTH118
        fields = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=shape)
        rng = np.random.default_rng(0)
        for field in fields:
            field[:] = rng.poisson(300, size=shape[1:])
        del fields
        self.X = np.load(path, mmap_mode="r")

    def teardown(self, n):
        self.folder.cleanup()

    def time_fit_transform(self, n):
        ImageFeatures().fit_transform(self.X)

    def peakmem_fit_transform(self, n):
        ImageFeatures(n_jobs=2).fit_transform(self.X)


class Compilation:
    """The first images of a fresh process."""

    params = (["cold", "cached"],)
    param_names = ("cache",)
    timeout = 300

    def track_first_transform(self, cache):
        code = (
            "import time, numpy as np; from archetypal_triplet import ImageFeatures;"
            "X = np.zeros((2, 3, 16, 16)); X[:, 2, 4:9, 4:9] = 1; t = time.perf_counter();"
            "ImageFeatures(mask_channel=-1).fit_transform(X); print(time.perf_counter() - t)"
        )
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            for _ in range(1 if cache == "cold" else 2):
                command = [sys.executable, "-c", code]
                run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return float(run.stdout)

    track_first_transform.unit = "s"
