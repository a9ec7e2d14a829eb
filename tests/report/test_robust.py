"""What goes wrong around a report: other files, other processes, odd names, results changed by hand."""

import json
import logging
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import cli
from archetypal_triplet.report import _after_run, _report, write_report
from archetypal_triplet.report._figures import FigureWriter
from archetypal_triplet.report._file_names import safe_name
from archetypal_triplet.report._parts import Section, Table
from archetypal_triplet.report._tables import write_tables
from archetypal_triplet.report._thumbnails import open_images

DOSE = "Metadata_Concentration_uM"


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def write_table_of(frame, folder, name="t"):
    write_tables([Section("s", "S", "", "", [Table(name, "", [], [], frame)])], folder)


def test_columns_of_any_name_become_files_in_their_folder(change, tmp_path, monkeypatch):
    name = "Metadata_Dose (ug/ml) ../../../" + "x" * 300
    monkeypatch.setattr("archetypal_triplet.report._explore.compute_projections", project)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **options: file.write(b"<svg/>"))
    result = write_report(change(lambda table: table.rename(columns={DOSE: name}), keep_qc=True))
    stems = [path.stem for path in (result.folder / "figures").iterdir()]
    assert any(stem.startswith("plates_dose_") for stem in stems)
    assert {path.name for path in tmp_path.iterdir()} == {"changed"}
    page = result.path.read_text(encoding="utf-8")
    assert all(f"figures/{stem}.png" in page for stem in stems)


def project(embedding, **_):
    from archetypal_triplet.report._projection import Projections

    return Projections({"PCA": np.asarray(embedding)[:, :2]}, axes={"PCA": ("1", "2")}, sentence="PCA.")


def test_names_of_files_stay_in_their_folder_and_apart(tmp_path):
    for name in ("a/b", "../../x", "..", "", "x" * 300, "\udce9\x00", "C:\\x", "NUL\n"):
        safe = safe_name(name)
        assert (tmp_path / f"{safe}.svg").parent == tmp_path
        assert safe
        assert safe[0] != "."
        (tmp_path / f"{safe}.svg").write_text("")
    assert safe_name("x" * 300 + "a") != safe_name("x" * 300 + "b")


def test_figures_keep_within_their_folder(tmp_path):
    drawn = FigureWriter(tmp_path / "figures").draw("../out/a", lambda f: f.subplots(), size=(1, 1), alt="")
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
    assert (tmp_path / "figures" / f"{drawn.name}.png").is_file()


def test_formulas_are_text_in_tables_and_numbers_stay_numbers(tmp_path):
    texts = ["=cmd|' /C calc'!A0", "+1+1", "-x", "@SUM(A1)", "\t=1", "\uff1d1", "-0.5", "DMSO", None]
    frame = pd.DataFrame({"=name": texts, "kind": pd.Categorical(texts), "n": np.arange(9) - 4.5})
    write_table_of(frame, tmp_path)
    found = pd.read_csv(tmp_path / "t.csv")
    for column in ("'=name", "kind"):
        assert found[column].tolist()[:6] == [f"'{text}" for text in texts[:6]]
        assert found[column].tolist()[6:8] == ["-0.5", "DMSO"]
        assert found[column].isna().tolist() == [False] * 8 + [True]
    assert found["n"].tolist() == frame["n"].tolist()
    assert frame["=name"].iloc[0] == texts[0]


def test_dates_and_lists_in_columns_are_shown_as_text(change, quick):
    def odd(table):
        days = pd.to_datetime(["2024-01-01", "2024-01-02"])
        n = np.arange(len(table))
        return table.assign(Metadata_Day=days[n % 2], Metadata_List=[[int(i % 3), 1] for i in n])

    page = write_report(change(odd, keep_qc=True)).path.read_text(encoding="utf-8")
    assert "2024-01-02 00:00:00" in page
    assert '"Metadata_List"' in page


def test_names_of_files_that_are_no_utf8_do_not_stop_the_page(change, quick):
    folder = change(keep_qc=True)
    more = {"file": "plate\udce91.csv", "sha256": "", "of": "the file"}
    edit_json(folder / "run.json", lambda info: info["input"].append(more))
    assert "plate\\udce91.csv" in write_report(folder).path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"), [("started_utc", None), ("seconds", 3), ("trained_on", "all"), ("versions", [])]
)
def test_a_run_json_that_was_changed_is_named_with_its_cure(change, name, value):
    folder = change(keep_qc=True)
    edit_json(folder / "run.json", lambda info: info.update({name: value}))
    with pytest.raises(ValueError, match=f"run.json lacks {name}, .* Make the results again"):
        write_report(folder)


def test_a_damaged_table_is_named(change):
    folder = change(keep_qc=True)
    (folder / "archetypes.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"archetypes\.parquet' cannot be read .* Copy the results again"):
        write_report(folder)


@pytest.mark.parametrize("images", ["all", {"stages": {}}, {"stages": {"cells": 3}}])
def test_images_that_run_json_does_not_place_have_a_reason(tmp_path, images):
    source, reason = open_images(tmp_path, {"images": images, "parameters": {}})
    assert source is None
    assert "run.json does not say where the images are" in reason


@pytest.mark.parametrize("text", ["{", "[]", '{"run": {}}'])
def test_a_damaged_assessment_is_named_with_its_cure(change, text):
    folder = change(keep_qc=True)
    (folder / "qc" / "qc.json").write_text(text)
    with pytest.raises(ValueError, match=r"qc\.json' cannot be used .* archetypal-triplet qc"):
        write_report(folder)


def test_an_assessment_of_another_run_is_not_shown(change, quick):
    folder = change(keep_qc=True)
    edit_json(folder / "qc" / "qc.json", lambda qc: qc["run"].update(started_utc="2001-01-01T00:00:00+00:00"))
    page = write_report(folder).path.read_text(encoding="utf-8")
    assert "the folder qc is of another run (2001-01-01T00:00:00+00:00)" in page


def test_force_never_replaces_a_table_by_a_page(change):
    folder = change(keep_qc=True)
    before = (folder / "embedding.parquet").read_bytes()
    with pytest.raises(ValueError, match=r"must end with \.html"):
        write_report(folder, out=folder / "embedding.parquet", force=True)
    assert (folder / "embedding.parquet").read_bytes() == before


def test_a_full_disk_at_the_very_end_leaves_the_older_report(change, quick, monkeypatch):
    folder = change(keep_qc=True)
    first = write_report(folder, title="first")
    (first.folder / "tables" / "old.csv").write_text("old")
    replace = _report.Path.replace

    def full(self, target):
        if str(target).endswith("report.html"):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(_report.Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(folder, force=True, title="second")
    assert "<title>first</title>" in first.path.read_text(encoding="utf-8")
    assert (first.folder / "tables" / "old.csv").is_file()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_report_written_meanwhile_is_not_replaced(change, quick, monkeypatch):
    folder = change(keep_qc=True)

    def write_too(*_):
        (folder / "report.html").write_text("theirs")
        return []

    monkeypatch.setattr(_report, "write_tables", write_too)
    with pytest.raises(FileExistsError, match="already exists"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "theirs"


def test_where_nothing_can_be_written_the_cure_is_told(change, monkeypatch):
    folder = change(keep_qc=True)
    mkdir = _report.Path.mkdir

    def refuse(self, *args, **options):
        if ".partial-" in self.name:
            raise OSError(30, "Read-only file system")
        return mkdir(self, *args, **options)

    monkeypatch.setattr(_report.Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"Read-only file system.* --out"):
        write_report(folder)


def test_a_killed_report_leaves_the_older_one_and_is_told_of(change, quick, caplog):
    folder = change(keep_qc=True)
    first = write_report(folder, title="first")
    code = (
        "import os, signal\n"
        "from archetypal_triplet.report import _report\n"
        "_report.make_sections = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"_report.write_report({str(folder)!r}, force=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert "<title>first</title>" in first.path.read_text(encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="archetypal_triplet"):
        write_report(folder, force=True)
    assert "was left by a report that was killed. Remove it" in caplog.text


def test_results_are_found_by_relative_paths_and_through_links(change, quick, tmp_path, monkeypatch):
    folder = change(keep_qc=True)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    assert write_report("changed").path == folder / "report.html"
    assert write_report("link", force=True).path == folder / "report.html"


@pytest.mark.parametrize("error", [IndexError("odd"), RuntimeError("odd"), MemoryError()])
def test_no_error_of_the_report_spoils_a_run(tmp_path, caplog, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(_after_run, "write_report", fail)
    with caplog.at_level(logging.WARNING, logger="archetypal_triplet"):
        assert _after_run.report_after_run(tmp_path) == ""
    assert f"archetypal-triplet report {tmp_path}" in caplog.text


def test_ctrl_c_in_the_report_says_that_the_results_are_complete(tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(_after_run, "write_report", interrupt)
    assert cli.main(["demo", "--size", "small", "-q", "--out", str(tmp_path / "demo")]) == 130
    said = capsys.readouterr().err
    assert "no report was written. The results are complete" in said
    assert "No results were written" not in said
    assert (tmp_path / "demo" / "run.json").is_file()
