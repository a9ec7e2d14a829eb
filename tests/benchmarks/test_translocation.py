"""Scores of the translocation plate on wells whose answer is known."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "quality"))

import translocation

from archetypal_triplet.qc import compute_z_prime


@pytest.fixture
def wells():
    """Twelve negative, eight positive wells, and two compounds with four doses in three wells each."""
    kinds = ["negative"] * 12 + ["positive"] * 8 + ["sample"] * 24
    compound = ["none"] * 20 + ["a"] * 12 + ["b"] * 12
    return pd.DataFrame(
        {
            "Metadata_Plate": "p",
            "Metadata_Well": [f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}" for i in range(44)],
            "Metadata_ControlType": kinds,
            "Metadata_Compound": compound,
            "Metadata_DoseRank": [0] * 12 + [5] * 8 + list(np.tile(np.repeat([1, 2, 3, 4], 3), 2)),
        }
    )


def make_means(wells, noise):
    rng = np.random.default_rng(0)
    means = rng.normal(scale=noise, size=(len(wells), 4))
    means[:, 0] -= wells["Metadata_DoseRank"]  # the sign of the axis means nothing
    return means


def test_a_dose_axis_scores_high_and_noise_low(wells):
    scores = translocation.score_wells(wells, make_means(wells, 0.1))
    assert scores["z_prime"] > 0.8
    assert scores["z_prime_crossfit"] > 0.8
    assert scores["rho"] > 0.9
    assert scores["ari"] == 1.0
    nothing = translocation.score_wells(wells, np.random.default_rng(1).normal(size=(44, 4)))
    assert nothing["z_prime"] < 0
    assert abs(nothing["rho"]) < 0.6
    assert nothing["ari"] < 0.5


def test_z_prime_of_one_column_is_that_of_the_column(wells):
    column = make_means(wells, 0.3)[:, :1]
    expected = compute_z_prime(column[:12, 0], column[12:20, 0])
    assert translocation.score_wells(wells, column)["z_prime"] == pytest.approx(expected)


def test_unseen_wells_alone_are_scored(wells):
    seen = translocation.choose_seen_controls(wells, 0)
    assert len(seen) == 6
    means = make_means(wells, 0.1)
    before = translocation.score_unseen(wells, means, seen)
    told = wells["Metadata_Well"].isin(seen).to_numpy()
    unseen = (wells["Metadata_ControlType"] == "negative").to_numpy() & ~told
    axis = translocation.project(means)
    assert before == pytest.approx(compute_z_prime(axis[unseen], axis[12:20]))
    assert before != pytest.approx(translocation.score_wells(wells, means)["z_prime"])


def test_cells_are_averaged_by_well(wells):
    cells = pd.concat([wells, wells, wells.iloc[:5]])
    values = np.arange(len(cells) * 2.0).reshape(-1, 2)
    averaged, means = translocation.average_wells(cells, values)
    assert averaged["Metadata_Well"].tolist() == wells["Metadata_Well"].tolist()
    np.testing.assert_allclose(means[0], values[[0, 44, 88]].mean(axis=0))
    np.testing.assert_allclose(means[-1], values[[43, 87]].mean(axis=0))


def test_the_table_has_a_line_for_each_arm():
    results = [
        {"title": "one", "z_prime": 0.5, "rho": 0.9, "ari": 1.0},
        {"title": "two", "z_prime": 0.1, "z_prime_unseen": 0.2},
        {"title": "two", "z_prime": 0.3, "z_prime_unseen": 0.2},
    ]
    text = "\n".join(translocation.format_lines(7, results))
    assert "7 cells" in text
    assert "0.200 +-0.141" in text
    assert text.count("two") == 1
