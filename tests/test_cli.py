"""The command line: exit codes, one clear message, nothing written where nothing shall be."""

import logging
import subprocess
import sys

import pandas as pd
import pytest

from archetypal_triplet import __version__, cli
from archetypal_triplet.cli._main import _Lines
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.runs import _files

NEGATIVE = "Metadata_ControlType == 'negative'"


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("screen") / "profiles.csv.gz"
    screen = make_screen(1, 2, n_replicates=2, plate_format=96, n_features=20, random_state=0)
    screen.profiles.to_csv(path, index=False)
    return path


@pytest.fixture
def run(table, tmp_path):
    def call(*more, out=tmp_path / "results"):
        options = [
            "--plate",
            "Metadata_Plate",
            "--controls",
            NEGATIVE,
            "--n-archetypes",
            "4",
            "--out",
            str(out),
            "--no-report",  # tests/report/test_command.py has it
        ]
        return cli.main(["run", str(table), *options, *more])

    return call


def test_run_then_embed(run, table, tmp_path, capsys):
    assert run() == 0
    printed = capsys.readouterr()
    assert "Archetype_3" in printed.out
    assert "run.json" in printed.out
    assert "192 rows, each one a well, with 20 features, on 2 plates" in printed.err
    assert "(1 labeling), trained the network for 400 steps" in printed.err
    out = tmp_path / "new.parquet"
    assert cli.main(["embed", str(tmp_path / "results" / "model"), str(table), "--out", str(out)]) == 0
    embedding = pd.read_parquet(tmp_path / "results" / "embedding.parquet").filter(regex="^Embedding_")
    pd.testing.assert_frame_equal(pd.read_parquet(out).filter(regex="^Embedding_"), embedding, atol=1e-6)
    capsys.readouterr()
    assert run() == 2
    assert "already holds results" in capsys.readouterr().err
    assert run("--force", "-q") == 0
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_a_dry_run_writes_nothing(run, tmp_path, capsys):
    assert run("--dry-run") == 0
    assert "Dry run: nothing was written." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_data_error_is_one_message_without_a_traceback(run, tmp_path, capsys):
    assert run("--color", "Metadata_Mood") == 2
    printed = capsys.readouterr().err
    assert printed.splitlines()[-1].startswith(
        "archetypal-triplet: error: color='Metadata_Mood' is not a column"
    )
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="Metadata_Mood"):
        run("--color", "Metadata_Mood", "--debug")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["run"], "required: SOURCE"),
        (["run", "a.csv", "--level", "tissue"], "invalid choice: 'tissue'"),
        (["run", "a.csv", "--features", "@no_such_file"], "the file 'no_such_file' cannot be read"),
        (["run", "no_such.csv", "--out", "no_such_results"], "There is no file no_such.csv"),
        (["embed", "no_such_model", "a.csv", "--out", "no_such.csv"], "'no_such_model' is not a folder"),
    ],
)
def test_usage_errors_exit_with_2(arguments, message, capsys):
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_says_that_nothing_is_half_written(run, tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_files, "_draw_map", interrupt)
    assert run() == 130
    assert "No results were written, and none are half-written." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_features_may_be_named_in_a_file(run, table, tmp_path, capsys):
    names = [c for c in pd.read_csv(table, nrows=1) if not c.startswith("Metadata_")][:12]
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    assert run("--features", f"@{tmp_path / 'names.txt'}", "--dry-run") == 0
    assert "with 12 features" in capsys.readouterr().out


def test_long_warnings_are_cut_unless_verbose():
    record = logging.LogRecord("x", logging.WARNING, "", 0, "word " * 200, None, None)
    assert len(_Lines(short=True).format(record)) < 400
    assert "run.json keeps it" in _Lines(short=True).format(record)
    assert len(_Lines(short=False).format(record)) > 900


def test_the_logger_is_left_as_it_was(run):
    logger = logging.getLogger("archetypal_triplet")
    before = (logger.level, logger.propagate, list(logger.handlers))
    run("--dry-run")
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_demo_prints_what_was_found_against_the_truth(tmp_path, capsys):
    assert cli.main(["demo", "--size", "small", "--no-report", "--out", str(tmp_path / "demo")]) == 0
    assert "Nearest other compound has the same true mechanism" in capsys.readouterr().out


def test_the_command_is_installed_and_knows_its_version():
    code = "import sys; from archetypal_triplet.cli import main; sys.exit(main(['--version']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"archetypal-triplet {__version__}"
