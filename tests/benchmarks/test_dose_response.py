"""The benchmark of dose responses runs, and its screens are what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "quality"))

import dose_response


@pytest.mark.parametrize("kind", ["rising", "idle", "hump"])
def test_screens_are_what_they_say(kind):
    table, ec50 = dose_response.draw_screen(0, 50, (9, 2, 2.0), noise=0.0, kind=kind)
    assert len(table) == 50 * 18 + 16
    means = table[table["Metadata_Compound"] != "DMSO"]["y"].to_numpy().reshape(50, 9, 2).mean(axis=2)
    assert (ec50 > 1).all()
    assert (ec50 < 256).all()
    steps = np.diff(means, axis=1)
    assert {"rising": (steps > 0).all(), "idle": (means == 0).all(), "hump": (steps < 0).any(1).all()}[kind]


def test_sections_run_and_count_what_they_miss(capsys):
    assert dose_response.main([*dose_response.SECTIONS, "--compounds", "12"]) >= 0
    text = capsys.readouterr().out
    assert "seconds for 120 compounds" in text
    assert text.count("coverage (") == 20
    with pytest.raises(SystemExit, match="2"):
        dose_response.main(["nothing"])
