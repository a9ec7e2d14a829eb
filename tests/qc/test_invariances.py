"""Numbers about an assay do not depend on units, on the order of rows or on what plates are called."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archetypal_triplet import qc

NEGATIVE, POSITIVE = "Metadata_ControlType == 'negative'", "Metadata_ControlType == 'positive'"
SEED = {"random_state": 0}
SPREADS = ["z_prime", "robust_z_prime", "ssmd", "auc"]
COLUMNS = ["Embedding_0", "Embedding_1", "Embedding_2", "Embedding_3"]


def make_screen(seed, n_plates=5, n_fields=1):
    """Plates of 96 wells with controls, replicated compounds, drift, fields and shares."""
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(96), 12)
    well = [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)]
    n = n_plates * 96 * n_fields
    plate = np.repeat(np.arange(n_plates), 96 * n_fields)
    at = np.tile(np.repeat(np.arange(96), n_fields), n_plates)
    kind = np.select([column < 2, column > 9], ["negative", "positive"], "sample")[at]
    X = rng.standard_normal((n, 4))
    X[kind == "positive", 0] += 4
    X[:, 1] += 0.3 * plate
    X += np.repeat(rng.standard_normal((96, 4)), n_fields, axis=0)[np.arange(n) % (96 * n_fields)]
    table = pd.DataFrame(X, columns=COLUMNS)
    shares = pd.DataFrame(rng.dirichlet(np.ones(3), n)).add_prefix("Archetype_")
    return table.join(shares).assign(
        Metadata_Plate=np.array([f"P{i}" for i in range(n_plates)])[plate],
        Metadata_Order=plate,
        Metadata_Well=np.array(well)[at],
        Metadata_Compound=np.char.add("C", at.astype(str)),
        Metadata_Batch=np.where(plate < 2, "a", "b"),
        Metadata_ControlType=kind,
        Row=np.arange(n),
    )


def by_row(found, columns):
    """Columns of a table with the rows of the input, in the order in which these were made."""
    return found.sort_values("Row")[columns].to_numpy(dtype=float)


def by_plate(found, columns, keys):
    """Columns of a table of results, sorted by what a row is about."""
    plates = found["plate"].map(lambda name: "" if name is None else str(name)[-1])
    return found.assign(plate=plates).sort_values(["plate", *keys])[columns].to_numpy(dtype=float)


def compute_controls(table):
    options = {"plate": "Metadata_Plate", "features": COLUMNS, "n_bootstrap": 1}
    found = qc.compute_control_separability(table, negative=NEGATIVE, positive=POSITIVE, **options, **SEED)
    return by_plate(found, ["value", "n_negative", "n_positive"], ["metric"])


def compute_scores(table):
    options = {"plate": "Metadata_Plate", "features": COLUMNS}
    found = qc.compute_control_scores(table, negative=NEGATIVE, positive=POSITIVE, **options, **SEED)
    return by_row(table.join(found), ["score"])


def compute_positions(table):
    found = qc.compute_position_effects(table, features=COLUMNS, n_permutations=19, **SEED)
    return by_plate(found, ["variance_explained", "size", "p_value"], ["effect"])


def compute_drift(table):
    found = qc.compute_plate_drift(
        table, negative=NEGATIVE, order="Metadata_Order", features=COLUMNS, n_permutations=19, **SEED
    )
    return by_plate(found, ["position", "step", "from_first", "size", "p_value"], [])


def compute_variance(table):
    factors = ["Metadata_Plate", "Metadata_Batch"]
    return qc.compute_variance_explained(table, factors, features=COLUMNS)["variance_explained"].to_numpy()


def compute_mixing(table):
    found = qc.compute_batch_mixing(
        table, batch="Metadata_Batch", negative=NEGATIVE, features=COLUMNS, n_permutations=1, **SEED
    )
    return found["lisi"].to_numpy()  # what is expected by chance is drawn by row


def compute_archetypes(table):
    found = qc.compute_archetype_quality(table, negative=NEGATIVE, n_permutations=19, **SEED)
    numbers = ["mean_share", "share_negative", "share_by_plate", "p_row", "p_column", "p_edge"]
    return found[numbers].to_numpy(dtype=float)


def compute_correlation(table):
    options = {"replicate": "Metadata_Compound", "negative": NEGATIVE, "n_null": 100}
    return qc.compute_replicate_correlation(table, features=COLUMNS, **options, **SEED)[
        "correlation"
    ].to_numpy()


def compute_standardized(table):
    found = qc.compute_standardized_features(table, negative=NEGATIVE, features=COLUMNS)
    return by_row(found.assign(Row=table["Row"]), COLUMNS)


FUNCTIONS = {
    "controls": compute_controls,
    "scores": compute_scores,
    "positions": compute_positions,
    "b_scores": lambda table: by_row(qc.compute_b_scores(table, features=COLUMNS), COLUMNS),
    "drift": compute_drift,
    "variance": compute_variance,
    "mixing": compute_mixing,
    "archetypes": compute_archetypes,
    "correlation": compute_correlation,
    "standardized": compute_standardized,
}
# similarities of profiles, which no scale of single columns leaves alone
PROFILES = ("correlation",)
EXACT = {"atol": 1e-5, "rtol": 1e-5}
few = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**16)


@pytest.mark.parametrize("name", FUNCTIONS)
@few
@given(seed=seeds, log_scale=st.floats(-3, 3), shift=st.integers(-100, 100))
def test_units_do_not_matter(name, seed, log_scale, shift):
    table = make_screen(seed)
    rng = np.random.default_rng(seed)
    scale, offset = 10**log_scale, 10.0**log_scale * shift
    if name not in PROFILES:
        scale, offset = scale * rng.uniform(0.1, 10, 4), offset * rng.uniform(-1, 1, 4)
    changed = table.copy()
    changed[COLUMNS] = changed[COLUMNS] * scale + offset
    np.testing.assert_allclose(FUNCTIONS[name](changed), FUNCTIONS[name](table), **EXACT)


@pytest.mark.parametrize("name", FUNCTIONS)
@few
@given(seed=seeds)
def test_the_order_of_rows_does_not_matter(name, seed):
    table = make_screen(seed)
    shuffled = table.sample(frac=1, random_state=seed)
    before = shuffled.copy()
    np.testing.assert_allclose(FUNCTIONS[name](shuffled), FUNCTIONS[name](table), **EXACT)
    pd.testing.assert_frame_equal(shuffled, before)


@pytest.mark.parametrize("name", FUNCTIONS)
@few
@given(seed=seeds, plates=st.permutations("vwxyz"))
def test_names_of_plates_do_not_matter(name, seed, plates):
    table = make_screen(seed)
    # the last letter sorts the results
    names = {f"P{i}": f"{letter}{i}" for i, letter in enumerate(plates)}
    changed = table.assign(Metadata_Plate=table["Metadata_Plate"].map(names))
    np.testing.assert_allclose(FUNCTIONS[name](changed), FUNCTIONS[name](table), **EXACT)


@few
@given(seed=seeds, log_scale=st.floats(-3, 3))
def test_fields_are_judged_whatever_the_units_order_and_names(seed, log_scale):
    table = make_screen(seed, n_plates=2, n_fields=3)
    expected = qc.compute_field_scores(table.assign(Metadata_Row=table["Row"]), features=COLUMNS, **SEED)
    changed = table.assign(Metadata_Row=table["Row"]).sample(frac=1, random_state=seed)
    changed[COLUMNS] = changed[COLUMNS] * 10**log_scale - 7
    changed["Metadata_Plate"] = changed["Metadata_Plate"].map({"P0": "z", "P1": "a"})
    found = qc.compute_field_scores(changed, features=COLUMNS, **SEED).sort_values("Metadata_Row")
    column = "Metadata_atq_WellDistance"
    np.testing.assert_allclose(found[column], expected[column], rtol=1e-6)
    assert found["Metadata_atq_IsFlagged"].tolist() == expected["Metadata_atq_IsFlagged"].tolist()


@few
@given(seed=seeds, log_scale=st.floats(-3, 3), shift=st.integers(-100, 100))
def test_measures_of_two_groups_have_no_units_and_no_order(seed, log_scale, shift):
    rng = np.random.default_rng(seed)
    groups = rng.standard_normal(12), rng.standard_normal(9) + 3
    changed = [rng.permutation(g) * 10**log_scale + shift * 10**log_scale for g in groups]
    for name in SPREADS:
        compute = getattr(qc, f"compute_{name}")
        assert compute(*changed) == pytest.approx(compute(*groups), rel=1e-9)
        turned = compute(*(-group for group in groups))
        expected = {"ssmd": -compute(*groups), "auc": 1 - compute(*groups)}
        assert turned == pytest.approx(expected.get(name, compute(*groups)))


@few
@given(seed=seeds, log_scale=st.floats(-3, 3))
def test_precision_of_replicates_has_no_unit_and_no_order(seed, log_scale):
    pytest.importorskip("copairs")
    table = make_screen(seed, n_plates=3)
    options = {"replicate": "Metadata_Compound", "negative": NEGATIVE, "features": COLUMNS, "n_null": 100}
    numbers = ["n_replicates", "mean_average_precision", "normalized", "p_value"]
    expected = qc.compute_replicate_precision(table, **options, **SEED)[numbers]
    changed = table.sample(frac=1, random_state=seed)
    changed[COLUMNS] *= 10**log_scale
    changed["Metadata_Plate"] = changed["Metadata_Plate"].map({"P0": "z", "P1": "a", "P2": "m"})
    found = qc.compute_replicate_precision(changed, **options, **SEED)[numbers]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_every_function_is_in_one_of_these_tests():
    covered = {
        "compute_control_separability", "compute_control_scores", "compute_position_effects",
        "compute_b_scores", "compute_plate_drift", "compute_standardized_features",
        "compute_variance_explained", "compute_batch_mixing", "compute_archetype_quality",
        "compute_replicate_correlation", "compute_field_scores", "compute_replicate_precision",
        *(f"compute_{name}" for name in SPREADS),
    }  # fmt: skip
    assert covered == {name for name in qc.__all__ if name.startswith("compute_")}
