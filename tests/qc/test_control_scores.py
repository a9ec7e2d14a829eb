import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsRegressor

from archetypal_triplet.datasets import load_bbbc021, make_screen
from archetypal_triplet.qc import compute_control_scores, compute_control_separability

NEGATIVE = "Metadata_ControlType == 'negative'"
POSITIVE = "Metadata_ControlType == 'positive'"
PLATE = "Metadata_Plate"


def make_wells(seed, *, n_plates=4, n_each=8, n_samples=20, n_features=6, distance=8.0, offset=0.0):
    """Controls `distance` spreads apart, and samples whose true place between them is known."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["negative", "positive", "sample"], [n_each, n_each, n_samples])
    place = np.concatenate([np.zeros(n_each), np.ones(n_each), np.linspace(-0.2, 1.2, n_samples)])
    n = len(kinds)
    X = rng.standard_normal((n_plates * n, n_features))
    X[:, 0] += distance * np.tile(place, n_plates)
    X += offset * np.repeat(rng.standard_normal((n_plates, n_features)), n, axis=0)
    table = pd.DataFrame(X).add_prefix("Embedding_")
    table[PLATE] = np.repeat([f"P{i}" for i in range(n_plates)], n)
    table["Metadata_ControlType"] = np.tile(kinds, n_plates)
    return table, np.tile(place, n_plates)


def score(table, **options):
    options = {"negative": NEGATIVE, "positive": POSITIVE, "random_state": 0} | options
    return compute_control_scores(table, **options)


@pytest.mark.parametrize("plate", [None, PLATE])
@pytest.mark.parametrize("seed", range(3))
def test_wells_lie_at_their_true_place_between_the_controls(seed, plate):
    table, place = make_wells(seed)
    table.index = table.index[::-1] + 7
    found = score(table, plate=plate)
    assert found.columns.tolist() == ["score", "axis", "reason"]
    assert found.index.equals(table.index)
    assert (found["reason"] == "").all()
    kinds = table["Metadata_ControlType"]
    assert found["score"][kinds == "negative"].mean() == pytest.approx(0, abs=1e-12)
    assert found["score"][kinds == "positive"].mean() == pytest.approx(1)
    error = (found["score"] - place)[kinds == "sample"]
    # one spread is an eighth of the distance: the mean error of 80 wells, and the spread of one
    assert abs(error.mean()) < 0.08
    assert error.std() == pytest.approx(1 / 8, rel=0.35)


def test_shifts_of_plates_are_taken_away():
    shifted, place = make_wells(1, offset=20.0, n_features=2)
    samples = shifted["Metadata_ControlType"] == "sample"
    aware, blind = score(shifted, plate=PLATE)["score"], score(shifted)["score"]
    assert np.abs(aware - place)[samples].mean() < 0.2
    assert not np.abs(blind - place)[samples].mean() < 0.5


def test_controls_have_the_scores_that_their_separability_is_measured_on():
    """AUC and Z' of the scores are those of compute_control_separability, where nothing is drawn by lot."""
    table, _ = make_wells(2, n_features=3, distance=4.0)
    found = score(table, plate=PLATE)
    measured = compute_control_separability(
        table, negative=NEGATIVE, positive=POSITIVE, plate=PLATE, n_bootstrap=1, random_state=0
    )
    expected = measured[measured["scope"] == "pooled"].set_index("metric")["value"]
    negative, positive = (
        found["score"][table["Metadata_ControlType"] == kind] for kind in ("negative", "positive")
    )
    z_prime = 1 - 3 * (negative.std() + positive.std()) / (positive.mean() - negative.mean())
    assert z_prime == pytest.approx(expected["z_prime"])
    assert np.mean(negative.to_numpy()[:, None] < positive.to_numpy()) == pytest.approx(expected["auc"])
    assert set(found["axis"]) == set(measured["axis"])


def test_scores_by_other_plates_against_a_slow_twin():
    """Leave one plate out, discriminant of the others, length along its axis; no effect of plates."""
    table, _ = make_wells(3, n_plates=3, n_each=20, n_features=4)
    table[PLATE] = np.random.default_rng(0).permutation(table[PLATE].to_numpy())
    found = score(table, plate=PLATE)["score"].to_numpy()
    X = table.filter(like="Embedding_").to_numpy()
    kinds, plates = table["Metadata_ControlType"].to_numpy(), table[PLATE].to_numpy()
    control = kinds != "sample"
    X = (X - X[control].mean(axis=0)) / X[control].std(axis=0)
    total, n = np.zeros(len(X)), np.zeros(len(X))
    for plate in np.unique(plates):
        train = control & (plates != plate)
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        lda.fit(X[train], kinds[train] == "positive")
        seen = X[train] @ lda.coef_[0] / np.linalg.norm(lda.coef_)
        middle = (seen[kinds[train] == "positive"].mean() + seen[kinds[train] == "negative"].mean()) / 2
        scored = ~control | (plates == plate)
        total[scored] += (X[scored] @ lda.coef_[0] / np.linalg.norm(lda.coef_)) - middle
        n[scored] += 1
    expected = total / n
    zero, one = expected[kinds == "negative"].mean(), expected[kinds == "positive"].mean()
    # what is left are the shrunken shifts and gains of the plates, of which there are none
    np.testing.assert_allclose(found, (expected - zero) / (one - zero), atol=0.1)
    assert np.corrcoef(found, expected)[0, 1] > 0.995


def test_a_plate_without_controls_is_scored_by_the_axes_of_the_others():
    table, place = make_wells(4, n_plates=5)
    dropped = (table[PLATE] == "P0") & (table["Metadata_ControlType"] != "sample")
    table, place = table[~dropped].reset_index(drop=True), place[~dropped]
    found = score(table, plate=PLATE)["score"]
    on_plate = (table[PLATE] == "P0").to_numpy()
    assert on_plate.sum() == 20
    assert np.abs((found - place)[on_plate]).mean() < 0.2
    assert found.notna().all()


def test_one_column_is_scaled_whichever_way_it_points():
    table, _ = make_wells(0, n_features=1, distance=-8.0)
    found = score(table)
    values, kinds = table["Embedding_0"], table["Metadata_ControlType"]
    zero, one = values[kinds == "negative"].mean(), values[kinds == "positive"].mean()
    np.testing.assert_allclose(found["score"], (values - zero) / (one - zero))
    assert set(found["axis"]) == {"the only column"}


def test_units_and_order_of_rows_change_nothing():
    table, _ = make_wells(5)
    expected = score(table, plate=PLATE)["score"]
    changed = table.copy()
    changed[table.columns[:6]] = table[table.columns[:6]] * np.arange(1, 7) * 100.0 - 5.0
    np.testing.assert_allclose(score(changed, plate=PLATE)["score"], expected, atol=1e-8)
    order = np.random.default_rng(0).permutation(len(table))
    np.testing.assert_allclose(
        score(table.iloc[order], plate=PLATE)["score"], expected.iloc[order], atol=1e-8
    )
    before = table.copy()
    score(table, plate=PLATE)
    pd.testing.assert_frame_equal(table, before)


def test_same_seed_same_scores_and_arrays_as_tables():
    table, _ = make_wells(6)
    pd.testing.assert_frame_equal(score(table), score(table))
    kinds = table["Metadata_ControlType"].to_numpy()
    found = score(
        table.filter(like="Embedding_").to_numpy(),
        negative=kinds == "negative",
        positive=kinds == "positive",
        plate=table[PLATE].to_numpy(),
    )
    pd.testing.assert_frame_equal(found, score(table, plate=PLATE))


def test_a_sample_tells_the_axis_nothing():
    table, _ = make_wells(7)
    expected = score(table, plate=PLATE)["score"]
    samples = table["Metadata_ControlType"] == "sample"
    changed = table.copy()
    changed.loc[samples, "Embedding_1"] = 1000.0
    np.testing.assert_array_equal(score(changed, plate=PLATE)["score"][~samples], expected[~samples])


def test_wells_without_numbers_have_no_score_and_the_reason():
    table, _ = make_wells(8)
    samples = np.flatnonzero(table["Metadata_ControlType"] == "sample")
    table.loc[samples[3], ["Embedding_1", "Embedding_2"]] = np.nan, np.inf
    found = score(table)
    assert found["score"].isna().to_numpy().nonzero()[0].tolist() == [samples[3]]
    assert found["reason"][samples[3]] == "2 values of the well NaN or infinite"
    table.loc[0, "Embedding_1"] = np.nan
    with pytest.raises(ValueError, match=r"1 of the 64 control rows hold NaN or infinite .*'Embedding_1'"):
        score(table)


def test_no_score_without_enough_controls_that_differ():
    table, _ = make_wells(9, n_plates=1, n_each=7)
    found = score(table)
    assert found["score"].isna().all()
    assert set(found["reason"]) == {"7 negative and 7 positive controls in all; 8 of each are needed"}
    table, _ = make_wells(9, n_plates=1, n_each=8)
    table[table.columns[:6]] = 1.0
    found = score(table)
    assert found["score"].isna().all()
    assert set(found["reason"]) == {"the controls cannot be told apart (AUC 0.50)"}


@pytest.mark.parametrize("plate", [None, PLATE])
def test_controls_that_differ_by_chance_give_no_scores(plate):
    scored = [
        score(make_wells([seed, 1], distance=0.0)[0], plate=plate)["score"].notna().any()
        for seed in range(60)
    ]
    assert np.mean(scored) < 0.15  # 5 % are expected: three standard errors
    weak = [
        score(make_wells([seed, 1], distance=2.0)[0], plate=plate)["score"].notna().all()
        for seed in range(10)
    ]
    assert all(weak)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"positive": "Metadata_ControlType == 'taxol'"},
            ValueError,
            "matches none of the 144 rows. Values that occur",
        ),
        ({"positive": NEGATIVE}, ValueError, "32 rows are chosen by negative and by positive"),
        ({"plate": "Metadata_Plat"}, ValueError, "plate='Metadata_Plat' is not a column of the table"),
        ({"features": ["Embedding_9"]}, ValueError, "features='Embedding_9' is not a column"),
        ({"features": []}, ValueError, r"features=\[\] is empty\. Name at least one column, or pass None"),
        (
            {"plate": np.array(["P0", None] * 72, dtype=object)},
            ValueError,
            r"plate has no value in 72 rows of 144 \(first: row 1\)\. Fill the column",
        ),
        ({"n_components": 0}, ValueError, "n_components"),
        ({"classifier": KNeighborsRegressor()}, ValueError, "classifier"),
    ],
)
def test_errors(parameters, error, message):
    with pytest.raises(error, match=message):
        score(make_wells(0)[0], **parameters)


def test_a_single_column_without_effect_passes_no_oftener_than_it_should():
    rng = np.random.default_rng(0)
    is_positive = np.arange(64) < 32
    passed = [
        compute_control_scores(
            rng.standard_normal((64, 1)), negative=~is_positive, positive=is_positive
        )["reason"].eq("").all()
        for _ in range(400)
    ]  # fmt: skip
    # either direction would do: 5 % of both together, and two standard errors
    assert np.mean(passed) < 0.05 + 2 * 0.011


def test_means_that_one_well_turns_around_give_no_scores():
    table, _ = make_wells(0, n_plates=1, n_each=16, n_features=1)
    table.loc[0, "Embedding_0"] = 1e4
    found = score(table)
    assert found["score"].isna().all()
    assert found["reason"].str.startswith("the means of the controls contradict their ranks (AUC 0.94)").all()


def test_constant_columns_give_no_scores():
    table, _ = make_wells(0)
    found = score(table.assign(**dict.fromkeys(table.filter(like="Embedding_"), 2.5)), plate=PLATE)
    assert found["score"].isna().all()
    assert (found["reason"] == "the controls cannot be told apart (AUC 0.50)").all()


def test_the_effect_of_a_simulated_screen_is_followed():
    """Wells of the positive controls' mechanism rise along the axis with their true effect."""
    screen = make_screen(n_plates=3, plate_format=96, inactive_fraction=0.3, random_state=0)
    found = score(screen.profiles, plate=PLATE)["score"]
    mechanism = screen.truth["Truth_Mechanism"]
    same = (mechanism == "MicrotubuleDestabilization") & (screen.profiles["Metadata_ControlType"] == "sample")
    effect = screen.truth["Truth_Mixture_MicrotubuleDestabilization"]
    assert spearmanr(found[same], effect[same])[0] > 0.7
    idle = (mechanism == "None") & (screen.profiles["Metadata_ControlType"] == "sample")
    assert abs(found[idle].median()) < 0.1


def test_bbbc021_taxol(data_folder):
    table = load_bbbc021(data_folder)
    found = score(
        table, negative="Metadata_Compound == 'DMSO'", positive="Metadata_Compound == 'taxol'", plate=PLATE
    )["score"]
    assert found.notna().all()
    # stabilizers of microtubules, taxol's mechanism, lie nearer to it than the actin disruptors do
    medians = found.groupby(table["Metadata_MOA"]).median()
    assert medians["Microtubule stabilizers"] > medians["Actin disruptors"]
