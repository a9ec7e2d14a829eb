"""The results folder: what is refused before any work, and what an interruption leaves."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from archetypal_triplet.runs import _results
from archetypal_triplet.runs._results import (
    check_results_folder,
    plain,
    results_folder,
    write_json,
)


@pytest.fixture
def old_results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (folder / "old.txt").write_text("old")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_new_results_are_put_in_place_at_the_end(tmp_path):
    out = tmp_path / "results"
    with results_folder(out) as folder:
        (folder / "new.txt").write_text("new")
        assert folder.parent == tmp_path
        assert not out.exists()
    assert names(out) == ["new.txt"]
    assert names(tmp_path) == ["results"]


def test_an_empty_folder_may_become_the_results(tmp_path):
    (tmp_path / "results").mkdir()
    with results_folder(tmp_path / "results") as folder:
        (folder / "new.txt").write_text("new")
    assert names(tmp_path / "results") == ["new.txt"]


def test_results_are_refused_without_force_and_replaced_with_it(tmp_path, old_results):
    with pytest.raises(FileExistsError, match=r"already holds results.*--force"), results_folder(old_results):
        pass
    assert "old.txt" in names(old_results)
    with results_folder(old_results, force=True) as folder:
        (folder / "run.json").write_text("{}")
        assert "old.txt" in names(old_results)
    assert names(old_results) == ["run.json"]
    assert names(tmp_path) == ["results"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_old_results_untouched_and_nothing_else(tmp_path, old_results, error):
    def write_half(folder):
        (folder / "half.txt").write_text("half")
        raise error("stop")

    with pytest.raises(error, match="stop"), results_folder(old_results, force=True) as folder:
        write_half(folder)
    assert names(tmp_path) == ["results"]
    assert names(old_results) == ["old.txt", "run.json"]


def test_a_failed_rename_brings_the_old_results_back(tmp_path, old_results, monkeypatch):
    rename = Path.rename

    def fail_to_put_in_place(self, target):
        if ".partial-" in self.name:
            raise OSError("disk gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_to_put_in_place)
    with pytest.raises(OSError, match=r"disk gone"), results_folder(old_results, force=True):
        pass
    assert names(tmp_path) == ["results"]
    assert names(old_results) == ["old.txt", "run.json"]


def test_force_does_not_replace_what_is_not_ours(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"not results of a run \(there is no run.json\)"):
        check_results_folder(tmp_path, force=True)


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(NotADirectoryError, match=r"is a file\. Results are a folder"):
        check_results_folder(tmp_path / "results")
    with pytest.raises(NotADirectoryError, match=r"is a file\. Choose another place"):
        check_results_folder(tmp_path / "results" / "inner")


def test_a_missing_folder_above(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing' does not exist\. Create it"):
        check_results_folder(tmp_path / "missing" / "results")


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"you may not write to"):
        check_results_folder(tmp_path / "results")


def test_a_folder_that_only_seems_to_be_writable(tmp_path, monkeypatch):
    def refuse(self, *_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(PermissionError, match=r"nothing can be written to .* \(Read-only file system\)"),
        results_folder(tmp_path / "results"),
    ):
        pass


def test_a_mount_point_cannot_be_renamed_over(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: True)
    with pytest.raises(OSError, match=r"is a mount point .* Name a folder inside it"):
        check_results_folder(tmp_path / "results")


def test_what_a_killed_run_left_is_named(tmp_path):
    (tmp_path / f".results.partial-{os.getpid()}").mkdir()
    with (
        pytest.raises(FileExistsError, match=r"left by a run that was killed"),
        results_folder(tmp_path / "results"),
    ):
        pass


def test_links_are_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with results_folder(tmp_path / "link" / "results") as folder:
        assert folder.parent == tmp_path / "disk"
    assert names(tmp_path / "disk") == ["results"]


def test_a_place_for_a_file_is_judged(tmp_path, monkeypatch):
    with pytest.raises(IsADirectoryError, match=r"is a folder; name a file"):
        _results.check_output_file(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Create it"):
        _results.check_output_file(tmp_path / "missing" / "new.csv")
    (tmp_path / "new.csv").write_text("a")
    with pytest.raises(FileExistsError, match=r"already exists.*--force"):
        _results.check_output_file(tmp_path / "new.csv")
    assert _results.check_output_file(tmp_path / "new.csv", force=True).name == "new.csv"
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"you may not write to"):
        _results.check_output_file(tmp_path / "other.csv")


def test_json_understands_numpy_and_paths(tmp_path):
    content = {
        "n": np.int64(3),
        "x": np.float32(0.5),
        "nan": float("nan"),
        1: (np.arange(2), Path("a/b"), None),
    }
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "n": 3,
        "x": 0.5,
        "nan": None,
        "1": [[0, 1], "a/b", None],
    }
    assert plain(np.array([True])) == [True]
