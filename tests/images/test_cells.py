"""Cells: crops, masks, filters, counts, label images of others, folders that are continued."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from archetypal_triplet.images import (
    ImageStack,
    _cells,
    _label_images,
    extract_cells,
    load_cells,
    segment_nuclei,
)
from archetypal_triplet.images._cut import mirror
from archetypal_triplet.images._label_images import number_labels

pd = pytest.importorskip("pandas")
pytest.importorskip("skimage")

DISCS = {
    0: [(30, 30, 7), (30, 70, 7), (70, 40, 8)],
    1: [],
    2: [(50, 50, 7)],
    3: [(2, 40, 7), (50, 93, 7), (20, 14, 7), (60, 60, 7), (80, 80, 3), (70, 20, 16)],
}


def draw_fields(dtype=np.uint16):
    """Four fields of two channels: three nuclei, none, one, and one with something of everything."""
    rows, columns = np.mgrid[:100, :96]
    images = np.full((4, 2, 100, 96), 20.0)
    for i, discs in DISCS.items():
        for k, (row, column, radius) in enumerate(discs):
            near = (rows - row) ** 2 + (columns - column) ** 2
            images[i, 1][near <= radius**2] += 100 + k
            images[i, 0][near <= (radius + 6) ** 2] += 30 + rows[near <= (radius + 6) ** 2] % 7
    return images.astype(dtype)


def table_of_fields(n=4):
    return pd.DataFrame(
        {
            "Metadata_Plate": ["P1"] * n,
            "Metadata_Well": [f"A{i + 1:02d}" for i in range(n)],
            "Metadata_Site": ["1"] * n,
        }
    )


def extract(images=None, fields=None, **options):
    images = draw_fields() if images is None else images
    fields = table_of_fields(len(images)) if fields is None else fields
    return extract_cells(images, fields, **{"nucleus_channel": 1, "crop_size": 24, **options})


def counts_of(found, *words):
    return found.counts[[f"Metadata_Count_{word}" for word in words]].to_numpy().T.tolist()


def assert_same(one, other):
    np.testing.assert_array_equal(one.crops[:], other.crops[:])
    pd.testing.assert_frame_equal(one.cells, other.cells)
    pd.testing.assert_frame_equal(one.counts, other.counts)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_crops_are_windows_of_the_fields_around_each_nucleus(dtype):
    images = draw_fields(dtype)
    found = extract(images)
    assert found.crops.dtype == dtype
    assert found.crops.shape == (len(found.cells), 3, 24, 24)
    assert counts_of(found, "Cells")[0][:3] == [3, 0, 1]
    for k, (row, column, radius) in enumerate(DISCS[0]):
        crop = found.crops[k]
        window = (slice(row - 12, row + 12), slice(column - 12, column + 12))
        np.testing.assert_array_equal(crop[:2], images[0][:, window[0], window[1]])
        assert crop[2, 12, 12] == 1
        cell = found.cells.iloc[k]
        assert abs(cell.Metadata_NucleusRow - row) < 0.5
        assert abs(cell.Metadata_NucleusColumn - column) < 0.5
        assert cell.Metadata_NucleusArea == pytest.approx((crop[2] == 1).sum())
        assert cell.Metadata_NucleusArea == pytest.approx(np.pi * radius**2, rel=0.15)
        assert cell.Metadata_NucleusIntensity == pytest.approx(100 + k, rel=0.05)


def test_the_table_of_cells_repeats_what_is_known_of_the_field():
    found = extract()
    n_cells = found.counts["Metadata_Count_Cells"]
    assert found.cells["Metadata_Well"].tolist() == np.repeat(found.counts["Metadata_Well"], n_cells).tolist()
    assert found.cells["Metadata_Cell"].tolist()[:4] == ["1", "2", "3", "1"]
    assert all(column.startswith("Metadata_") for column in found.cells)


def test_every_nucleus_is_kept_or_counted_with_a_reason():
    found = extract(segmentation={"neck": 0}, max_area=500)
    kept, border, small, large = counts_of(found, "Cells", "Border", "Small", "Large")
    assert counts_of(found, "Nuclei") == [[3, 0, 1, 6]]
    assert (kept[3], border[3], small[3], large[3]) == (2, 2, 1, 1)
    totals = found.counts.filter(regex="Count_(?!Nuclei)").sum(axis=1)
    assert totals.tolist() == found.counts["Metadata_Count_Nuclei"].tolist()


def test_borders():
    assert counts_of(extract(border="keep", min_area=0), "Border") == [[0, 0, 0, 0]]
    cropped = extract(border="crop", min_area=0, crop_size=40)
    row, column = cropped.cells["Metadata_NucleusRow"], cropped.cells["Metadata_NucleusColumn"]
    assert row.between(19.5, 80.5).all()
    assert column.between(19.5, 76.5).all()
    kept = extract(border="keep", min_area=0)
    first = kept.cells.query("Metadata_Well == 'A04'").index[0]
    crop = kept.crops[first]
    center = round(kept.cells.loc[first, "Metadata_NucleusRow"])
    above = 12 - center
    # what lies beyond the edge is the mirrored field, and the mirrored nucleus is another one
    np.testing.assert_array_equal(crop[:2, :above], crop[:2, above : 2 * above][:, ::-1])
    assert (crop[2] == 1).sum() == kept.cells.loc[first, "Metadata_NucleusArea"]


def test_places_are_mirrored_at_both_ends():
    assert mirror(np.arange(-5, 9), 3).tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]


def test_debris_is_dropped_by_its_shape_and_brightness():
    labels = np.zeros((1, 100, 96), dtype=int)
    labels[0, 10:25, 10:25] = 5
    labels[0, 40:44, 40:70] = labels[0, 40:70, 40:44] = 7
    labels[0, 70:85, 10:25] = 9
    labels[0, 70:85, 70:85] = 11
    images = np.full((1, 1, 100, 96), 10, dtype=np.uint8)
    images[0, 0][labels[0] > 0] = 200
    images[0, 0][labels[0] == 9] = 20
    found = extract(images, labels=labels, nucleus_channel=0)
    assert counts_of(found, "Nuclei", "Cells", "Ragged", "Dim") == [[4], [2], [1], [1]]
    assert found.cells["Metadata_Cell"].tolist() == ["5", "11"]


def test_other_nuclei_are_marked_in_the_mask():
    labels = np.zeros((1, 40, 40), dtype=np.uint16)
    labels[0, 14:26, 14:20], labels[0, 14:26, 22:28] = 60000, 3
    images = np.where(labels > 0, 100, 0).astype(np.uint8)[:, None]
    found = extract(images, labels=labels, nucleus_channel=0)
    assert found.cells["Metadata_Cell"].tolist() == ["3", "60000"]
    for k, number in enumerate((3, 60000)):
        row = round(found.cells["Metadata_NucleusRow"][k]) - 12
        column = round(found.cells["Metadata_NucleusColumn"][k]) - 12
        window = labels[0][row : row + 24, column : column + 24]
        expected = np.where(window == number, 1, np.where(window > 0, 2, 0))
        np.testing.assert_array_equal(found.crops[k][1], expected)


@pytest.mark.parametrize("high", [9, 2**40])
def test_labels_are_numbered(high):
    labels = np.array([[high, 0, 3], [3, 5, high]])
    values, numbered = number_labels(labels)
    assert values.tolist() == [3, 5, high]
    assert numbered.tolist() == [[3, 0, 1], [1, 2, 3]]
    values, numbered = number_labels(np.full((2, 2), high))
    assert (values.tolist(), numbered.tolist()) == ([high], [[1, 1], [1, 1]])


def test_label_images_may_come_as_arrays_files_stacks_or_from_a_function(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    io = pytest.importorskip("skimage.io")
    images = draw_fields()
    labels = [segment_nuclei(image[1], min_area=10) for image in images]
    expected = extract(images)
    paths = []
    for i, suffix in enumerate((".npy", ".tif", ".png", ".tiff")):
        paths.append(tmp_path / f"{i}{suffix}")
        if suffix == ".npy":
            np.save(paths[-1], labels[i])
        elif suffix == ".png":
            io.imsave(paths[-1], labels[i].astype(np.uint8), check_contrast=False)
        else:
            tifffile.imwrite(paths[-1], labels[i].astype(np.uint16))
    stack = ImageStack.from_array(np.stack(labels)[:, None])
    for given in (labels, np.stack(labels).astype(float), list(map(str, paths)), paths, stack):
        assert_same(extract(images, labels=given), expected)
    assert_same(extract(images, labels=lambda field: segment_nuclei(field[1], min_area=10)), expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 100, 96), int), "labels holds 3 label images for 4 fields"),
        (np.zeros((4, 96, 100), int), r"label image of field 0 has shape \(96, 100\), the field \(100, 96\)"),
        (np.full((4, 100, 96), 0.5), "field 0 holds fractions"),
        (np.full((4, 100, 96), -1), "field 0 holds -1"),
    ],
)
def test_label_images_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        extract(labels=labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": table_of_fields(3)}, "fields has 3 rows for 4 images"),
        ({"fields": [1, 2, 3, 4]}, "fields must be a pandas DataFrame"),
        ({"nucleus_channel": "DNA"}, "nucleus_channel='DNA' is not a channel"),
        ({"nucleus_channel": 2}, "nucleus_channel=2 is not a channel. There are numbers 0 to 1"),
        ({"border": "drop"}, "border='drop' is unknown"),
        ({"crop_size": 2.5}, "crop_size=2.5 is not a whole number"),
        ({"min_area": 80, "max_area": 40}, "min_area=80 and max_area=40 leave no nucleus"),
        ({"min_solidity": 2}, "min_solidity=2 is not a share"),
        ({"segmentation": {"method": "li"}}, "method='li' is unknown"),
        ({"segmentation": {}, "labels": len}, "segmentation and labels are both given"),
    ],
)
def test_parameters_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        extract(**options)


def test_fields_without_cells_are_rows_of_the_counts(tmp_path):
    images = np.zeros((3, 2, 40, 40), dtype=np.uint8)
    images[1] = 255
    for out in (None, tmp_path / "none"):
        found = extract(images, out=out)
        assert found.crops.shape == (0, 3, 24, 24)
        assert counts_of(found, "Nuclei", "Cells") == [[0, 0, 0], [0, 0, 0]]
        assert found.counts["Metadata_Fault"].tolist() == ["", "", ""]
        assert len(found.cells) == 0


def test_pixels_that_are_not_finite_become_the_median_of_their_field():
    images = draw_fields(np.float32)
    images[0, 0, 28:32, 28:32] = np.nan
    images[2, 1] = np.inf
    found = extract(images)
    assert np.isfinite(found.crops[:]).all()
    finite = images[0, 0][np.isfinite(images[0, 0])]
    assert found.crops[0][0, 10, 10] == np.median(finite)
    assert counts_of(found, "Cells")[0][:3] == [3, 0, 0]
    assert found.counts["Metadata_Fault"].tolist() == ["", "", "no finite pixel: 1", ""]
    assert np.isnan(images[0, 0, 28, 28])


def test_a_field_that_cannot_be_read_is_flagged(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    images = draw_fields()
    for i in range(4):
        for c in range(2):
            tifffile.imwrite(tmp_path / f"{i}_{c}.tif", images[i, c])
    (tmp_path / "0_0.tif").write_bytes(b"no image")
    table = table_of_fields().assign(
        file_GFP=[str(tmp_path / f"{i}_0.tif") for i in range(4)],
        file_DNA=[str(tmp_path / f"{i}_1.tif") for i in range(4)],
    )
    from archetypal_triplet.images import read_layout

    layout = read_layout(table)
    found = extract(ImageStack.from_layout(layout, on_error="flag"), layout.fields, nucleus_channel="DNA")
    assert found.counts["Metadata_Fault"].tolist() == ["not readable: GFP", "", "", ""]
    assert counts_of(found, "Cells")[0] == [0, *counts_of(extract(), "Cells")[0][1:]]
    assert found.crops.channel_names == ["GFP", "DNA", "Nuclei"]


def test_order_of_fields_and_number_of_threads_change_nothing_else():
    images, fields = draw_fields(), table_of_fields()
    found = extract(images)
    order = [2, 3, 0, 1]
    permuted = extract(images[order], fields.iloc[order], n_jobs=3)
    wells = found.cells["Metadata_Well"].to_numpy()
    rows = np.concatenate([np.flatnonzero(wells == fields["Metadata_Well"][i]) for i in order])
    np.testing.assert_array_equal(permuted.crops[:], found.crops[rows])
    pd.testing.assert_frame_equal(permuted.cells, found.cells.iloc[rows].reset_index(drop=True))
    pd.testing.assert_frame_equal(permuted.counts, found.counts.iloc[order].reset_index(drop=True))


def test_a_folder_holds_the_same_and_is_loaded(tmp_path):
    found = extract(out=tmp_path / "cells")
    assert_same(found, extract())
    assert sorted(p.name for p in (tmp_path / "cells").iterdir()) == [
        "cells.parquet", "counts.parquet", "crops.npy", "extraction.json",
    ]  # fmt: skip
    np.testing.assert_array_equal(np.load(tmp_path / "cells" / "crops.npy"), found.crops[:])
    loaded = load_cells(tmp_path / "cells")
    assert_same(loaded, found)
    assert loaded.crops.channel_names == ["0", "1", "Nuclei"]
    with pytest.raises(FileNotFoundError, match=r"holds no finished extraction of cells: extraction\.json"):
        load_cells(tmp_path)


def test_a_finished_folder_is_not_computed_again(tmp_path, monkeypatch):
    first = extract(out=tmp_path)
    monkeypatch.setattr(_label_images, "segment_nuclei", None)
    assert_same(extract(out=tmp_path), first)


@pytest.mark.parametrize("survivors", [0, 1, 2, 3])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_killed_extraction_continues_to_the_same_bytes(tmp_path, monkeypatch, survivors, n_jobs):
    images = draw_fields()
    whole = extract(images, out=tmp_path / "whole")

    class Killed(BaseException):
        pass

    def dying(field, *rest):
        if np.array_equal(field, images[survivors]):
            raise Killed
        return cut(field, *rest)

    cut = _cells.cut_field
    monkeypatch.setattr(_cells, "cut_field", dying)
    with pytest.raises(Killed):
        extract(images, out=tmp_path / "killed", n_jobs=n_jobs)
    monkeypatch.setattr(_cells, "cut_field", cut)
    assert not (tmp_path / "killed" / "crops.npy").exists()
    assert len((tmp_path / "killed" / "progress.jsonl").read_text().splitlines()) == survivors
    _scribble(tmp_path / "killed")
    assert_same(extract(images, out=tmp_path / "killed", n_jobs=n_jobs), whole)
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "killed" / path.name).read_bytes() == path.read_bytes()


def _scribble(folder):
    """What a process that is killed while it writes may leave: rows without a line, half a line."""
    for name, extra in (
        ("crops.npy.partial", b"\1" * 777),
        ("cells.partial", b"\2" * 20),
        ("progress.jsonl", b'{"n_cells": 3, "cou'),
    ):
        with (folder / name).open("ab") as file:
            file.write(extra)


def test_rows_that_were_lost_are_computed_again(tmp_path):
    images = draw_fields()
    whole = extract(images, out=tmp_path / "whole")
    # a machine that stopped: the journal reached the disk, the last crops did not
    broken = tmp_path / "broken"
    broken.mkdir()
    shutil.copy(tmp_path / "whole" / "extraction.json", broken)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cells._crops.FolderStore, "finish", _stop)
        with pytest.raises(KeyboardInterrupt):
            extract(images, out=broken)
    data = (broken / "crops.npy.partial").read_bytes()
    (broken / "crops.npy.partial").write_bytes(data[:-100])
    assert_same(extract(images, out=broken), whole)


def _stop(self):
    raise KeyboardInterrupt


def test_a_run_that_is_killed_before_its_tables_are_written_continues(tmp_path, monkeypatch):
    whole = extract(out=tmp_path / "whole")

    def fail(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_cells, "write_tables", fail)
        with pytest.raises(KeyboardInterrupt):
            extract(out=tmp_path / "killed")
    assert (tmp_path / "killed" / "crops.npy").exists()
    assert_same(extract(out=tmp_path / "killed"), whole)


def test_a_folder_of_another_extraction_is_refused_or_replaced(tmp_path):
    extract(out=tmp_path)
    with pytest.raises(ValueError, match=r"differs in crop_size \(crop_size: 24 there, 20 now\)"):
        extract(out=tmp_path, crop_size=20)
    other = draw_fields() + 1
    with pytest.raises(ValueError, match="differs in images"):
        extract(other, out=tmp_path)
    assert_same(extract(other, out=tmp_path, resume=False), extract(other))
    assert json.loads(Path(tmp_path, "extraction.json").read_text())["crop_size"] == 24


def test_crops_of_a_field_that_is_smaller_than_they_are():
    images = draw_fields()[2:3, :, 40:60, 40:60]
    found = extract(images, crop_size=48)
    assert found.crops.shape == (1, 3, 48, 48)
    assert (found.crops[0][2] == 1).sum() == found.cells["Metadata_NucleusArea"][0]


def test_progress_is_shown(capsys):
    extract(verbose=1)
    assert "cells" in capsys.readouterr().err


def test_the_translocation_plate(data_folder):
    folder = data_folder / "bbbc013_translocation"
    plate = pd.read_csv(folder / "plate.csv")
    tifffile = pytest.importorskip("tifffile")
    wells = plate.iloc[[0, 23, 47, 58, 91]]
    names = wells[["file_gfp", "file_dna"]].to_numpy()
    images = np.stack([[tifffile.imread(next(folder.rglob(Path(f).name))) for f in row] for row in names])
    found = extract_cells(images, table_of_fields(5), nucleus_channel=1, n_jobs=2)
    cells = found.counts["Metadata_Count_Cells"]
    assert cells.between(100, 310).all()
    assert found.cells["Metadata_NucleusArea"].median() == pytest.approx(205, rel=0.1)
    # every crop has its own nucleus, in the middle
    crops = found.crops[:]
    assert ((crops[:, -1] == 1).sum(axis=(1, 2)) >= 50).all()
    assert (crops[:, -1, 22:26, 22:26] == 1).any(axis=(1, 2)).mean() > 0.99
