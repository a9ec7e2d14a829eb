"""The benchmark of assay quality: its hand-made ratio on a field whose answer is known, and its command."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "quality"))

import assay
from assay_real import measure_ratio


def test_ratio_of_disks_is_that_of_their_grey_values():
    y, x = np.mgrid[:200, :200]
    dna, gfp, wanted = np.full((200, 200), 5.0), np.full((200, 200), 50.0), []
    for i, ratio in enumerate((0.5, 1.0, 3.0)):
        distance = np.hypot(y - 100, x - 40 - 60 * i)
        dna[distance < 12] = 200
        gfp[distance < 13] = 50 * ratio
        wanted.append(ratio)
    dna[20, 20] = 200  # too small for a nucleus
    np.testing.assert_allclose(measure_ratio(gfp, dna), wanted, rtol=0.05)


def test_sections_are_chosen_and_their_seconds_told(capsys):
    assert assay.main(["--only", "shift", "--draws", "3"]) == 0
    printed = capsys.readouterr().out
    assert "shift (3): A shift of 8 SD" in printed
    assert "seconds: shift " in printed
    assert printed.rstrip().endswith("0 to 0.1")
    with pytest.raises(SystemExit):
        assay.main(["--only", "shifts"])
    assert "no section shifts; choose from noise, shift" in capsys.readouterr().err
