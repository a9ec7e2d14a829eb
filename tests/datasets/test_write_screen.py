"""Screens on disk: what was rendered is read back, and a stopped call is taken up again."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.datasets import make_screen, write_screen
from archetypal_triplet.datasets._file_names import LAYOUTS
from archetypal_triplet.images import ImageStack, read_layout

OPTIONS = {"n_replicates": 1, "plate_format": 96, "images": True, "image_size": 64, "n_channels": 2}


def make(n_plates=1, **options):
    return make_screen(1, n_plates, **OPTIONS | {"n_fields": 1, "random_state": 0} | options)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_back(layout, tmp_path):
    screen = make(n_fields=1 if layout == "sbs" else 2, n_plates=2 if layout == "cellvoyager" else 1)
    folder = write_screen(screen, tmp_path / "screen", layout)
    source = folder / "Plate01.zarr" if layout == "ome-zarr" else folder
    read = read_layout(str(source), plate_map=str(folder / "plate_map.csv"))
    assert read.problems.empty
    for name in ("Metadata_Plate", "Metadata_Well", "Metadata_ControlType", "Metadata_Compound"):
        assert read.fields[name].tolist() == screen.fields[name].tolist()
    stack = ImageStack.from_layout(read)
    assert (stack.shape, stack.dtype) == (screen.images.shape, screen.images.dtype)
    rows = [0, 1, 50, len(stack) - 1]
    np.testing.assert_array_equal(stack[rows], screen.images[rows])
    assert not list(folder.rglob("*.part"))
    truth = pd.read_csv(folder / "truth_fields.csv")
    assert truth["Metadata_Well"].tolist() == screen.fields["Metadata_Well"].tolist()


def test_a_stopped_call_is_taken_up_again(tmp_path, caplog):
    screen = make()
    whole = write_screen(screen, tmp_path / "whole", "imagexpress", n_jobs=2)
    names = sorted(p.relative_to(whole) for p in whole.rglob("*.tif"))
    write_screen(screen, tmp_path / "part", "imagexpress")
    kept = tmp_path / "part" / names[0]
    lost = [tmp_path / "part" / name for name in names[10:30]]
    for path in lost:
        path.unlink()
    lost[0].with_name(lost[0].name + ".part").write_bytes(b"broken off")
    before = kept.stat().st_mtime_ns
    with caplog.at_level(logging.INFO, logger="archetypal_triplet.datasets"):
        write_screen(screen, tmp_path / "part", "imagexpress", verbose=1)
    assert "86 of 96 fields are there already" in caplog.text
    assert "10 of 10 fields written" in caplog.text
    assert kept.stat().st_mtime_ns == before
    for name in names:
        assert (tmp_path / "part" / name).read_bytes() == (whole / name).read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_an_error_while_rendering_leaves_whole_files_only(tmp_path, monkeypatch):
    screen = make()
    render, calls = type(screen.images)._render, []

    def fail_late(self, row):
        calls.append(row)
        if len(calls) > 20:
            raise MemoryError("no memory")
        return render(self, row)

    monkeypatch.setattr(type(screen.images), "_render", fail_late)
    with pytest.raises(MemoryError, match="no memory"):
        write_screen(screen, tmp_path / "s", "ome-tiff")
    monkeypatch.undo()
    assert 0 < len(list((tmp_path / "s").rglob("*.tif"))) <= 20
    write_screen(screen, tmp_path / "s", "ome-tiff")
    assert len(list((tmp_path / "s").rglob("*.tif"))) == 96


def test_foreign_folders_are_left_alone(tmp_path):
    screen, other = make(), make(random_state=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty, and its files are not a screen's"):
        write_screen(screen, tmp_path / "mine")
    folder = write_screen(screen, tmp_path / "s", "incell")
    for again, layout in ((other, "incell"), (screen, "operetta")):
        with pytest.raises(ValueError, match=r"holds another screen.*overwrite=True to replace it"):
            write_screen(again, folder, layout)
    (folder / "notes.txt").write_text("mine")
    write_screen(other, folder, "operetta", overwrite=True)
    assert not list(folder.rglob("*wv DNA*"))
    assert len(list(folder.rglob("*.tiff"))) == 192
    assert (folder / "notes.txt").exists()
    assert json.loads((folder / "screen.json").read_text())["layout"] == "operetta"


def test_errors_teach(tmp_path):
    table = make_screen(1, 1, n_replicates=1, plate_format=96)
    with pytest.raises(ValueError, match=r"no rendered images. Pass what make_screen\(images=True\) returns"):
        write_screen(table, tmp_path)
    with pytest.raises(ValueError, match=r"layout='sbs' has no place for the 2 fields .* n_fields=1"):
        write_screen(make(n_fields=2), tmp_path, "sbs")
