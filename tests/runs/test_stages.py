"""Stages that are kept: found again by their key, complete or not, continued after a kill."""

import os
import signal
import subprocess
import sys
import time

import pytest

from archetypal_triplet.runs._stages import STORE_FILE, StageStore, digest_files, write_atomically

KEY = {"inputs": "abc", "parameters": {"crop_size": 64, "level": "cell"}}


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path / "work")


def finish(store, name="cells", key=KEY, **facts):
    with store.locked():
        stage = store.stage(name, key)
        stage.begin()
        write_atomically(stage.folder / "table.bin", b"12345")
        stage.finish(facts, ["table.bin"])
    return stage


def test_nothing_is_written_before_a_stage_begins(store):
    assert store.stage("cells", KEY).state == "absent"
    assert not store.folder.exists()


def test_a_finished_stage_is_found_by_an_equal_key_and_by_no_other(store):
    finish(store, n_cells=7)
    again = StageStore(store.folder)
    same = again.stage("cells", {"parameters": {"level": "cell", "crop_size": 64}, "inputs": "abc"})
    assert same.state == "finished"
    assert same.facts == {"n_cells": 7}
    assert again.stage("features", KEY).state == "absent"
    for key in ({}, KEY | {"inputs": "abx"}, KEY | {"parameters": {"crop_size": 64.5, "level": "cell"}}):
        assert again.stage("cells", key).state == "absent"


def test_what_changed_is_named(store):
    finish(store)
    assert store.stage("features", KEY).explain() is None
    other = store.stage("cells", {"inputs": "abc", "parameters": {"crop_size": 48, "level": "cell"}})
    assert other.explain() == "crop_size (64 to 48) changed"
    long = store.stage("cells", KEY | {"inputs": "x" * 64})
    assert long.explain() == "inputs changed"


def test_a_truncated_output_is_not_taken_for_a_finished_stage(store):
    stage = finish(store)
    (stage.folder / "table.bin").write_bytes(b"123")
    assert stage.state == "begun"
    assert stage.explain() == "the earlier one is damaged"
    stage.begin()
    assert stage.state == "begun"


def test_parts_come_back_and_are_removed(store):
    with store.locked():
        stage = store.stage("features", KEY)
        stage.begin()
        assert not stage.has_part(3)
        stage.write_part(3, {"values": [[1.5, float("inf")]], "text": "a ü"})
    part = stage.read_part(3)
    assert part["values"].tolist() == [[1.5, float("inf")]]
    assert part["text"].item() == "a ü"
    stage.remove_parts()
    assert not stage.has_part(3)
    assert stage.state == "begun"


def test_a_part_that_fails_in_the_middle_is_not_there(store, monkeypatch):
    stage = store.stage("features", KEY)
    with store.locked():
        stage.begin()
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            stage.write_part(0, {"values": [1]})
    assert not stage.has_part(0)
    assert [path.name for path in stage.folder.iterdir()] == ["key.json"]


def test_only_stages_are_ever_removed(store):
    finish(store)
    (store.folder / "notes.txt").write_text("mine")
    store.clear()
    assert [path.name for path in store.folder.iterdir()] == ["notes.txt"]
    (store.folder / "notes.txt").unlink()
    finish(store)
    store.clear()
    assert not store.folder.exists()
    store.clear()


def test_stages_of_other_code_alone_are_superseded(store):
    old = finish(store, key=KEY | {"code": "1"})
    other = finish(store, key={"inputs": "abx", "code": "1"})
    another = finish(store, name="features", key=KEY | {"code": "1"})
    new = finish(store, key=KEY | {"code": "2"})
    new.remove_superseded("code")
    assert [stage.state for stage in (old, other, another, new)] == ["absent", *["finished"] * 3]


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"\(--work\) is a file, or a folder that holds something else"):
        StageStore(tmp_path / "thesis")
    with pytest.raises(FileExistsError, match=r"Choose another place"):
        StageStore(tmp_path / "thesis" / "chapter.txt")
    with pytest.raises(FileNotFoundError, match=r"nowhere' does not exist"):
        StageStore(tmp_path / "nowhere" / "work")
    (tmp_path / "empty").mkdir()
    assert StageStore(tmp_path / "empty").stages() == []


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"work=.*\(--work\): nothing can be written there"):
        StageStore(tmp_path / "stages")


def test_two_runs_do_not_share_a_folder(store):
    pytest.importorskip("fcntl")
    with (
        store.locked(),
        pytest.raises(BlockingIOError, match="is in use by another run"),
        StageStore(store.folder).locked(),
    ):
        pass
    with store.locked():
        assert (store.folder / STORE_FILE).is_file()


def test_the_digest_of_files_knows_size_time_and_content(tmp_path):
    (tmp_path / "plate").mkdir()
    paths = [tmp_path / "plate" / "b.tif", tmp_path / "a.tif"]
    for path in paths:
        path.write_bytes(b"1234")
        os.utime(path, ns=(10**9, 10**9))
    first = digest_files(paths)
    assert first[1:] == (2, 8)
    assert digest_files(paths[::-1]) == first
    content = digest_files(paths, content=True)
    os.utime(paths[0], ns=(10**9, 2 * 10**9))
    assert digest_files(paths)[0] != first[0]
    assert digest_files(paths, content=True) == content
    os.utime(paths[0], ns=(10**9, 10**9))
    assert digest_files(paths) == first
    paths[0].write_bytes(b"4321")
    os.utime(paths[0], ns=(10**9, 10**9))
    assert digest_files(paths) == first  # neither size nor time tells
    assert digest_files(paths, content=True) != content
    folders = digest_files([tmp_path / "plate"])
    (tmp_path / "plate" / "c.tif").write_bytes(b"1")
    assert digest_files([tmp_path / "plate"])[0] != folders[0]
    assert digest_files([tmp_path / "gone.tif"])[1:] == (0, 0)


COUNT = """
import sys, time
from archetypal_triplet.runs._stages import StageStore
store = StageStore(sys.argv[1])
with store.locked():
    stage = store.stage("count", {"to": 40})
    stage.begin()
    for number in range(40):
        if not stage.has_part(number):
            stage.write_part(number, {"value": number**2})
            print(number, flush=True)
            time.sleep(float(sys.argv[2]))
    stage.finish({"sum": sum(int(stage.read_part(number)["value"]) for number in range(40))})
"""


def test_a_killed_process_leaves_whole_parts_and_another_goes_on(store):
    command = [sys.executable, "-c", COUNT, str(store.folder)]
    killed = subprocess.Popen([*command, "0.05"], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    stage = store.stage("count", {"to": 40})
    assert stage.state == "begun"
    done = [number for number in range(40) if stage.has_part(number)]
    assert 5 <= len(done) < 40
    assert [int(stage.read_part(number)["value"]) for number in done] == [number**2 for number in done]
    start = time.perf_counter()
    rest = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 60
    assert [int(line) for line in rest.stdout.split()] == list(range(len(done), 40))
    assert stage.state == "finished"
    assert stage.facts == {"sum": sum(number**2 for number in range(40))}
