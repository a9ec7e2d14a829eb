"""choose_points: a stratified sample of rows, and a sentence that says so."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypal_triplet.report._sample import choose_points


def make_table(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["sample", "negative", "positive"], size=n, p=[0.9, 0.08, 0.02])
    compounds = np.where(kinds == "sample", [f"C{i}" for i in rng.zipf(1.6, size=n) % 60], kinds)
    plates = [f"P{i}" for i in rng.integers(4, size=n)]
    return pd.DataFrame(
        {"Metadata_Plate": plates, "Metadata_Compound": compounds, "Metadata_ControlType": kinds}
    )


def test_few_rows_are_all_shown():
    rows, sentence = choose_points(make_table(50), 50)
    assert rows.tolist() == list(range(50))
    assert sentence == "All 50 rows are shown."
    assert choose_points(make_table(1), 50, noun="well")[1] == "The only well is shown."
    assert choose_points(make_table(0), 50, noun="well")[1] == "All 0 wells are shown."


@given(st.integers(1, 400), st.integers(1, 300), st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_the_sample_has_the_size_wanted_and_distinct_ascending_rows(n, max_points, seed):
    rows, _ = choose_points(make_table(n, seed), max_points, random_state=seed)
    assert len(rows) == min(n, max_points)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < n


@pytest.mark.parametrize("max_points", [500, 1000, 2500])
def test_every_stratum_stays_on_the_map(max_points):
    table = make_table()
    by = ["Metadata_ControlType", "Metadata_Compound", "Metadata_Plate"]
    n_strata = table.groupby(by).ngroups
    assert n_strata < max_points
    rows, sentence = choose_points(table, max_points)
    assert table.iloc[rows].groupby(by).ngroups == n_strata
    assert "stratified by ControlType, Compound and Plate" in sentence
    assert f"{max_points:,} of 3,000 rows" in sentence


def test_what_is_common_is_shown_in_proportion():
    table = pd.DataFrame({"Metadata_Compound": np.repeat(["a", "b", "c"], [70_000, 29_990, 10])})
    rows, _ = choose_points(table, 10_000)
    shown = table.iloc[rows]["Metadata_Compound"].value_counts()
    assert shown["c"] == 10  # all of the rare ones: less than their fair part
    # a tenth is dealt out evenly, the rest by size
    assert shown["a"] == pytest.approx(333 + 9324 * 69_667 / (69_667 + 29_657), abs=2)


def test_more_strata_than_points_gives_up_the_last_columns():
    table = make_table()
    rows, sentence = choose_points(table, 100)
    shown = table.iloc[rows]
    assert len(rows) == 100
    assert set(shown["Metadata_Compound"]) == set(table["Metadata_Compound"])
    assert "stratified by ControlType and Compound." in sentence
    names = pd.DataFrame({"Metadata_Compound": [f"C{i}" for i in range(1000)]})
    rows, sentence = choose_points(names, 10)
    assert len(rows) == 10
    assert sentence == "Shown are 10 of 1,000 rows, a random sample."


def test_rows_of_missing_compounds_are_a_stratum_too():
    table = pd.DataFrame({"Metadata_Compound": ["a"] * 500 + [None] * 2})
    rows, _ = choose_points(table, 50)
    assert (rows >= 500).sum() == 2


def test_the_same_seed_gives_the_same_rows_and_leaves_the_global_generator_alone():
    table, before = make_table(), np.random.get_state()[1].copy()  # noqa: NPY002 - its state is looked at
    first, second = (choose_points(table, 300, random_state=1)[0] for _ in range(2))
    other = choose_points(table, 300, random_state=2)[0]
    assert (first == second).all()
    assert (first != other).any()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_the_order_of_rows_does_not_matter_to_the_quota():
    table = make_table()
    turned = table.sample(frac=1, random_state=0)
    counts = [t.iloc[choose_points(t, 700)[0]].value_counts().sort_index().to_dict() for t in (table, turned)]
    differ = sum(abs(counts[0][k] - counts[1].get(k, 0)) for k in counts[0])
    assert differ <= 0.02 * 700  # ties between equal remainders may fall otherwise


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"max_points=0 is too few\. Allowed: 1 or more"):
        choose_points(make_table(10), 0)
    with pytest.raises(ValueError, match=r"by='Metadata_Plte' is not a column.*Metadata_Plate"):
        choose_points(make_table(10), 5, by=["Metadata_Plte"])
