"""Label images that lie in files: types may differ, faults are named or flagged."""

from pathlib import Path

import numpy as np
import pytest

from archetypal_triplet.images import Plane
from archetypal_triplet.images._cells import extract_cells
from archetypal_triplet.images._label_images import LabelPlanes

tifffile = pytest.importorskip("tifffile")


@pytest.fixture
def planes(tmp_path):
    labels = np.zeros((40, 40), dtype=np.uint8)
    labels[10:20, 10:20] = 7
    found = []
    for name, dtype in (("a", np.uint8), ("b", np.uint16), ("c", np.int32), ("d", np.float32)):
        tifffile.imwrite(tmp_path / f"{name}.tif", labels.astype(dtype))
        found.append(Plane(str(tmp_path / f"{name}.tif")))
    return found


def test_types_may_differ(planes):
    labels = LabelPlanes(planes, (40, 40))
    assert [int(labels[i].max()) for i in range(len(labels))] == [7] * 4
    assert labels.find_faults(2) == []


def damage(planes, kind):
    path = planes[1].path
    if kind == "missing":
        return [planes[0], None, *planes[2:]]
    if kind == "size":
        tifffile.imwrite(path, np.zeros((40, 30), dtype=np.uint16))
    elif kind == "fraction":
        tifffile.imwrite(path, np.full((40, 40), 0.5, dtype=np.float32))
    else:
        Path(path).write_bytes(b"no image")
    return planes


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "There is no label image of this field"),
        ("size", r"b.tif has shape \(40, 30\), the field \(40, 40\)"),
        ("fraction", "b.tif holds fractions"),
        ("damaged", "b.tif is not an image"),
    ],
)
def test_faults_are_errors_or_flags(kind, message, planes, tmp_path):
    planes = damage(planes, kind)
    with pytest.raises(ValueError, match=message):
        LabelPlanes(planes, (40, 40))[1]
    labels = LabelPlanes(planes, (40, 40), flag=True)
    faults = labels.find_faults()
    assert [i for i, _, _ in faults] == ([] if kind == "fraction" else [1])  # that only the pixels show
    pd = pytest.importorskip("pandas")
    images = np.full((4, 1, 40, 40), 5, dtype=np.uint16)
    images[:, :, 10:20, 10:20] = 90
    fields = pd.DataFrame({"Metadata_Well": ["A01", "A02", "A03", "A04"]})
    found = extract_cells(images, fields, nucleus_channel=0, crop_size=16, labels=labels, n_jobs=2)
    assert found.counts["Metadata_Count_Cells"].tolist() == [1, 0, 1, 1]
    assert found.counts["Metadata_Fault"].tolist() == ["", "not readable: label image", "", ""]
