import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.qc import compute_replicate_correlation, compute_replicate_precision
from archetypal_triplet.qc._replicates import _break_ties_of_directions

NEGATIVE = "Metadata_ControlType == 'negative'"


def make_replicates(seed, effect, n_treatments=10, n_plates=4, n_controls=12, n_columns=8):
    """One well of each treatment a plate; the first half of the treatments do something."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((n_treatments, n_columns))
    directions[n_treatments // 2 :] = 0
    treatment = np.r_[np.arange(n_treatments), np.full(n_controls, -1)]
    X = rng.standard_normal((n_plates, len(treatment), n_columns))
    X[:, :n_treatments] += effect * directions
    table = pd.DataFrame(X.reshape(-1, n_columns)).add_prefix("Embedding_")
    name = [f"c{t}" if t >= 0 else "DMSO" for t in treatment]
    return table.assign(
        Metadata_Plate=np.repeat([f"P{p}" for p in range(n_plates)], len(treatment)),
        Metadata_Compound=name * n_plates,
        Metadata_ControlType=["sample" if t >= 0 else "negative" for t in treatment] * n_plates,
    )


def measure(function, table, **options):
    defaults = {"replicate": "Metadata_Compound", "negative": NEGATIVE, "random_state": 0}
    return function(table, **(defaults | options))


def naive_average_precision(table, row):
    """Of one well: its replicates among them and the controls of its plate, by cosine similarity."""
    X = table.filter(like="Embedding_").to_numpy()
    one = table.iloc[row]
    alike = (table["Metadata_Compound"] == one["Metadata_Compound"]).to_numpy()
    controls = (table["Metadata_ControlType"] == "negative") & (
        table["Metadata_Plate"] == one["Metadata_Plate"]
    )
    others = [i for i in np.flatnonzero(alike | controls.to_numpy()) if i != row]
    cosine = X[others] @ X[row] / np.linalg.norm(X[others], axis=1) / np.linalg.norm(X[row])
    hits = alike[np.array(others)[np.argsort(-cosine)]]
    return np.mean([hits[: i + 1].mean() for i in np.flatnonzero(hits)])


def test_precision_is_that_of_a_loop():
    table = make_replicates(0, 1.0)
    found = measure(compute_replicate_precision, table, n_null=200).set_index("replicate")
    for name in ("c0", "c7"):
        rows = np.flatnonzero(table["Metadata_Compound"] == name)
        expected = np.mean([naive_average_precision(table, row) for row in rows])
        assert found.loc[name, "mean_average_precision"] == pytest.approx(expected, abs=1e-5)
    assert "DMSO" not in found.index
    assert (found["n_replicates"] == 4).all()


def test_active_treatments_are_retrieved_and_others_are_not():
    found = measure(compute_replicate_precision, make_replicates(1, 3.0), n_null=2000)
    assert found["is_retrieved"].tolist() == 5 * [True] + 5 * [False]


def test_neither_the_seed_nor_the_home_is_touched(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    state = np.append(*np.random.get_state()[1:3])  # noqa: NPY002
    table = make_replicates(2, 1.0)
    first, second = (measure(compute_replicate_precision, table, n_null=200) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    np.testing.assert_array_equal(np.append(*np.random.get_state()[1:3]), state)  # noqa: NPY002
    assert list(tmp_path.iterdir()) == []


def test_correlation_is_the_median_of_pairs():
    table = make_replicates(3, 2.0)
    found = measure(compute_replicate_correlation, table).set_index("replicate")
    rows = table[table["Metadata_Compound"] == "c3"].filter(like="Embedding_").to_numpy()
    pairs = np.corrcoef(rows)[np.triu_indices(4, 1)]
    assert found.loc["c3", "correlation"] == pytest.approx(np.median(pairs))
    assert found["is_replicating"].iloc[:5].all()


def make_counts(seed, shift, n_treatments=40):
    """Whole numbers of cells, of which many are equal; half of the treatments kill some."""
    table = make_replicates([seed, 6], 0.0, n_treatments=n_treatments)
    rng = np.random.default_rng([seed, 7])
    number = table["Metadata_Compound"].str.removeprefix("c").replace("DMSO", str(n_treatments)).astype(int)
    mean = np.where(number < n_treatments // 2, 6 + shift, 6)
    metadata = table[[c for c in table if c.startswith("Metadata_")]]
    return metadata.assign(Cells=rng.poisson(mean).astype(float))


def test_in_a_single_column_wells_are_ranked_by_distance_without_favor_in_ties():
    shares, means = [], []
    for seed in range(6):
        table = make_counts(seed, 0)
        found = measure(compute_replicate_precision, table, features=["Cells"], n_null=500)
        means.append(found["normalized"].mean())
        shares.append(measure(compute_replicate_correlation, table)["is_replicating"].mean())
    assert np.mean(means) == pytest.approx(0, abs=0.03)  # replicates first in a tie: .3
    assert np.mean(shares) == pytest.approx(0.05, abs=0.045)


def test_a_single_column_that_differs_is_found():
    table = make_counts(0, 60)
    found = measure(compute_replicate_precision, table, features=["Cells"], n_null=2000)
    is_active = found["replicate"].str[1:].astype(int) < 20
    assert found.loc[is_active, "is_retrieved"].mean() > 0.9
    assert found.loc[~is_active, "is_retrieved"].mean() < 0.1
    alike = measure(compute_replicate_correlation, table)
    assert alike["correlation"].isna().all()
    row = alike.set_index("replicate").loc["c3"]
    values = table.loc[table["Metadata_Compound"] == "c3", "Cells"].to_numpy()
    own = table.loc[table["Metadata_ControlType"] != "negative", "Cells"].to_numpy()
    pairs = np.abs(values[:, None] - values)[np.triu_indices(4, 1)] / own.std()
    assert row["similarity"] == pytest.approx(-np.median(pairs), abs=1e-3)


def test_unlike_treatments_replicate_as_often_as_chance():
    shares = [
        measure(compute_replicate_correlation, make_replicates([s, 4], 0.0, n_treatments=40))[
            "is_replicating"
        ]
        for s in range(10)
    ]
    assert np.mean(shares) == pytest.approx(0.05, abs=0.033)  # three standard errors


def test_what_is_wrong_is_said():
    table = make_replicates(5, 1.0)
    with pytest.raises(
        ValueError, match=r"replicate='Embedding_0': no two rows beside the negative controls"
    ):
        measure(compute_replicate_precision, table, replicate="Embedding_0")
    elsewhere = table.assign(
        Metadata_Plate=np.where(table["Metadata_ControlType"] == "negative", "other", table["Metadata_Plate"])
    )
    with pytest.raises(ValueError, match=r"No replicate has a negative control on its own plate"):
        measure(compute_replicate_precision, elsewhere)
    with pytest.raises(
        ValueError, match=r"10 treatments with replicates in 2 columns: a correlation needs 3"
    ):
        measure(compute_replicate_correlation, table, features=["Embedding_0", "Embedding_1"])


@pytest.mark.parametrize("spread", [0.0, 1e-6])
@pytest.mark.parametrize("center", [0.0, 1.0])
def test_a_collapsed_embedding_finds_no_replicates(spread, center):
    pytest.importorskip("copairs")
    table = make_replicates(3, 0.0)
    columns = [c for c in table if c.startswith("Embedding_")]
    table[columns] = center + spread * table[columns]
    found = measure(compute_replicate_precision, table, n_null=2000)
    assert not found["is_retrieved"].any()
    assert abs(found["normalized"].mean()) < 0.15


def test_distinct_directions_are_not_touched():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 4))
    assert _break_ties_of_directions(values, 0) is values
    found = _break_ties_of_directions(np.vstack([values, 2 * values[:1]]), 0)
    np.testing.assert_array_equal(found[1:50], values[1:])
    assert 0 < np.linalg.norm(found[0] - found[50]) < 0.05


@pytest.mark.parametrize("function", [compute_replicate_precision, compute_replicate_correlation])
def test_bars_in_names_do_not_join_treatments(function):
    pytest.importorskip("copairs")
    table = make_replicates(4, 1.0)
    is_first = table["Metadata_Compound"] == "c0"
    first = np.where(is_first, "a | b", np.where(table["Metadata_Compound"] == "c1", "a", "x"))
    second = np.where(is_first, "c", np.where(first == "a", "b | c", table["Metadata_Compound"]))
    table = table.assign(Metadata_A=first, Metadata_B=second)
    found = measure(function, table, replicate=["Metadata_A", "Metadata_B"])
    assert (found["n_replicates"] == 4).all()
    assert len(found) == 10
    assert {"a || b | c", "a | b || c"} <= set(found["replicate"])


def test_rows_without_plate_and_replicates_without_name_are_refused():
    table = make_replicates(0, 1.0)
    with pytest.raises(ValueError, match=r"replicate=\[\] names no column"):
        measure(compute_replicate_correlation, table, replicate=[])
    pytest.importorskip("copairs")
    table.loc[3, "Metadata_Plate"] = None
    with pytest.raises(ValueError, match=r"1 of 88 rows have no plate in 'Metadata_Plate'"):
        measure(compute_replicate_precision, table)
