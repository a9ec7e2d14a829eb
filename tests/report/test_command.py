"""The report from the command line: alone, and at the end of a run that succeeds whatever becomes of it."""

import pandas as pd
import pytest

from archetypal_triplet import cli
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.report import _inputs, _report


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "profiles.csv"
    screen = make_screen(1, 2, n_replicates=2, plate_format=96, n_features=20, random_state=0)
    screen.profiles.to_csv(path, index=False)
    return path


@pytest.fixture
def run(table, tmp_path):
    def call(*more):
        options = ["--plate", "Metadata_Plate", "--controls", "Metadata_ControlType == 'negative'"]
        return cli.main(
            ["run", str(table), *options, "--n-archetypes", "3", "--out", str(tmp_path / "results"), *more]
        )

    return call


def test_the_command_writes_the_page_and_says_where(change, quick, capsys):
    folder = change(keep_qc=True)
    tags = folder.parent / "tags.csv"
    pd.DataFrame({"Archetype": [1], "Tag": ["debris"], "Note": ["a <fiber>"]}).to_csv(tags, index=False)
    page = folder.parent / "page.html"
    arguments = ["report", str(folder), "--out", str(page), "--title", "My screen", "--tags", str(tags)]
    assert cli.main([*arguments, "--max-points", "100", "--thumbnails", "none"]) == 0
    printed = capsys.readouterr()
    assert str(page) in printed.out
    assert " MB, " in printed.out
    text = page.read_text(encoding="utf-8")
    assert "<title>My screen</title>" in text
    assert "debris: a &lt;fiber&gt;" in text
    assert "100 of 192" in text
    assert not (folder / "report.html").exists()


def test_a_second_report_needs_force(change, quick, capsys):
    folder = change(keep_qc=True)
    assert cli.main(["report", str(folder), "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["report", str(folder)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert cli.main(["report", str(folder), "--force", "-v"]) == 0
    assert "report: Provenance" in capsys.readouterr().err


def test_a_run_ends_with_the_report(run, quick, tmp_path, capsys):
    assert run() == 0
    assert (tmp_path / "results" / "report.html").is_file()
    assert "Report: " in capsys.readouterr().out.splitlines()[-1]
    assert (tmp_path / "results" / "report" / "tables" / "archetypes.csv").is_file()


def test_a_missing_extra_is_one_line_and_the_run_succeeds(run, tmp_path, capsys, monkeypatch):
    def missing(module, *, extra):
        raise ImportError(f"{module} is needed. Install it with: pip install 'archetypal-triplet[{extra}]'")

    monkeypatch.setattr(_report, "import_optional", missing)
    assert run() == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "report" in line]
    assert len(lines) == 1
    assert "no report was written: jinja2 is needed. Install it with: pip install" in lines[0]
    assert (tmp_path / "results" / "run.json").is_file()
    assert not (tmp_path / "results" / "report.html").exists()


def test_a_report_that_fails_does_not_spoil_the_run(run, tmp_path, capsys, monkeypatch):
    def fail(*_, **__):
        raise ValueError("the tables are odd")

    monkeypatch.setattr(_report, "read_inputs", fail)
    assert run("--force") == 0
    assert "no report was written (the results are complete)" in capsys.readouterr().err
    assert (tmp_path / "results" / "run.json").is_file()


def test_no_report_is_written_where_none_is_wanted(run, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a report is being written")

    monkeypatch.setattr(_report, "read_inputs", never)
    assert run("--no-report") == 0
    assert not (tmp_path / "results" / "report.html").exists()


def test_inputs_take_the_roles_of_an_assessment_and_else_guess_and_say_so(results, change):
    known = _inputs.read_inputs(results)
    assert known.roles["replicates"] == ["Metadata_Compound"]
    assert [line for line in known.assumed if line.startswith("replicates")] == []
    guessed = _inputs.read_inputs(change())
    assert guessed.roles["replicates"] == ["Metadata_Compound", "Metadata_Concentration_uM"]
    assert "replicates are wells of equal Metadata_Compound and Metadata_Concentration_uM" in guessed.assumed
    assert set(known.assay) <= set(guessed.assay)


def test_wells_have_the_cells_of_their_own_plate_whatever_its_column_is_called(results, change):
    keys, n_cells = ["Metadata_Barcode", "Metadata_Well"], "Metadata_Count_Cells"
    wells = pd.read_parquet(results / "embedding.parquet").rename(columns={"Metadata_Plate": keys[0]})
    folder = change(lambda _: wells.drop(columns=n_cells), parameters={"plate": keys[0]})
    wells[[*keys, n_cells]].to_parquet(folder / "counts.parquet")
    assert _inputs.read_inputs(folder).wells[n_cells].tolist() == wells[n_cells].tolist()


def test_unknown_tags_are_refused(results):
    tags = pd.DataFrame({"Archetype": [7], "Tag": ["debris"]})
    with pytest.raises(ValueError, match="there is no archetype Archetype_7"):
        _inputs.read_inputs(results, tags=tags)
