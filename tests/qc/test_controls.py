import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from archetypal_triplet import make_archetypal_triplet
from archetypal_triplet.datasets import load_bbbc021, load_cardiac_fibroblasts, make_screen
from archetypal_triplet.qc import compute_control_separability, compute_z_prime
from archetypal_triplet.qc._crossfit import (
    choose_plate_folds,
    draw_well_folds,
    estimate_plate_gains,
    estimate_plate_shifts,
    remove_plate_offsets,
    scale_by_plate,
)

NEGATIVE = "Metadata_ControlType == 'negative'"
POSITIVE = "Metadata_ControlType == 'positive'"


def make_controls(seed, n=32, n_features=8, shift=0.0, plates=1):
    """Normal controls with a shift of the positive ones along the first column."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((2 * n, n_features))
    is_positive = np.arange(2 * n) >= n
    X[is_positive, 0] += shift
    table = pd.DataFrame(X).add_prefix("Embedding_")
    table["Metadata_Plate"] = np.arange(2 * n) % plates
    table["Metadata_ControlType"] = np.where(is_positive, "positive", "negative")
    return table


def separate(table, **parameters):
    options = {"negative": NEGATIVE, "positive": POSITIVE, "n_bootstrap": 100, "random_state": 0} | parameters
    return compute_control_separability(table, **options)


def pooled(result):
    return result[result["scope"] == "pooled"].set_index("metric")


@pytest.mark.parametrize("n_features", [8, 64])
@pytest.mark.parametrize("plate", [None, "Metadata_Plate"])
def test_nothing_is_found_in_noise(n_features, plate):
    covered, auc = 0, []
    for seed in range(25):
        found = pooled(
            separate(make_controls([seed, n_features], n_features=n_features, plates=4), plate=plate)
        )
        assert found["value"][["z_prime", "robust_z_prime"]].max() < 0
        covered += found["low"]["auc"] <= 0.5 <= found["high"]["auc"]
        auc.append(found["value"]["auc"])
    assert covered >= 21  # fewer than one run in a thousand where the coverage is .95
    assert np.mean(auc) == pytest.approx(0.5, abs=0.06)  # three standard errors


@pytest.mark.parametrize("plate", [None, "Metadata_Plate"])
def test_a_true_shift_is_recovered(plate):
    # 8 SD along one column: Z' = 1 - 6 / 8
    found = [pooled(separate(make_controls(seed, shift=8.0, plates=4), plate=plate)) for seed in range(12)]
    assert np.mean([f["value"]["z_prime"] for f in found]) == pytest.approx(0.25, abs=0.1)
    assert np.mean([f["value"]["ssmd"] for f in found]) == pytest.approx(8 / np.sqrt(2), rel=0.15)
    assert np.mean([f["low"]["z_prime"] <= 0.25 <= f["high"]["z_prime"] for f in found]) >= 0.75
    assert all(f["value"]["auc"] > 0.99 for f in found)


@pytest.mark.parametrize("spread_of_plates", [0.0, 3.0])
def test_few_wells_on_shifted_plates_do_not_bias_the_window(spread_of_plates):
    # three plates of four against four wells, 8 SD apart
    values = []
    for seed in range(30):
        table = make_controls([seed, 1], n=12, shift=8.0, plates=3)
        shifts = spread_of_plates * np.random.default_rng([seed, 2]).standard_normal((3, 8))
        table[table.columns[:8]] += shifts[table["Metadata_Plate"].to_numpy()]
        values.append(pooled(separate(table, plate="Metadata_Plate", n_bootstrap=1))["value"]["z_prime"])
    assert np.mean(values) == pytest.approx(0.25, abs=0.1)


def test_the_input_is_left_as_it_was():
    table = make_controls(0, plates=2)
    before = table.copy()
    separate(table, plate="Metadata_Plate")
    pd.testing.assert_frame_equal(table, before)


def test_same_seed_same_table_and_the_global_generator_is_left_alone():
    table = make_controls(0)
    state = np.append(*np.random.get_state()[1:3])  # noqa: NPY002
    pd.testing.assert_frame_equal(separate(table), separate(table))
    separate(table, random_state=None)
    np.testing.assert_array_equal(np.append(*np.random.get_state()[1:3]), state)  # noqa: NPY002


def test_rescaling_and_plate_shifts_change_nothing():
    table = make_controls(0, n=60, shift=4.0, plates=5)
    columns = table.columns[:8]
    changed = table.copy()
    changed[columns] = 1000.0 * changed[columns] - 5.0
    expected = separate(table, plate="Metadata_Plate")
    numbers = ["value", "low", "high"]
    np.testing.assert_allclose(
        separate(changed, plate="Metadata_Plate")[numbers], expected[numbers], rtol=1e-6
    )
    shifted = table.copy()
    shifted[columns] += 50.0 * np.arange(40.0).reshape(5, 8)[table["Metadata_Plate"].to_numpy()]
    found, expected = pooled(separate(shifted, plate="Metadata_Plate")), pooled(expected)
    assert found["value"]["z_prime"] == pytest.approx(expected["value"]["z_prime"], abs=0.15)
    # without the plate's controls the shifts drown the assay
    assert pooled(separate(shifted))["value"]["z_prime"] < found["value"]["z_prime"]


def test_one_column_is_measured_as_it_is():
    table = make_controls(3, n_features=1, shift=-12.0)
    found = pooled(separate(table))
    values, positive = table["Embedding_0"], table["Metadata_ControlType"] == "positive"
    expected = 1 - 3 * (values[positive].std() + values[~positive].std()) / abs(
        values[positive].mean() - values[~positive].mean()
    )
    assert found["value"]["z_prime"] == pytest.approx(expected)
    assert found["value"]["auc"] == 0
    assert set(found["axis"]) == {"the only column"}


def test_numbers_per_plate_need_eight_of_each():
    table = make_controls(0, n=20, shift=6.0, plates=1)
    table["Metadata_Plate"] = ["a"] * 12 + ["b"] * 8 + ["a"] * 13 + ["b"] * 7
    result = separate(table, plate="Metadata_Plate")
    assert result["scope"].tolist() == ["pooled"] * 4 + ["plate"] * 8
    a, b = result[result["plate"] == "a"], result[result["plate"] == "b"]
    assert a["value"].notna().all()
    assert a["reason"].eq("").all()
    assert a[["n_negative", "n_positive"]].drop_duplicates().to_numpy().tolist() == [[12, 13]]
    assert b[["value", "low", "high"]].isna().all(axis=None)
    assert set(b["reason"]) == {"8 negative and 7 positive controls on this plate; 8 of each are needed"}


def test_too_few_controls_give_no_number_and_the_reason():
    result = separate(make_controls(0, n=7, shift=9.0))
    assert result["value"].isna().all()
    assert set(result["reason"]) == {"7 negative and 7 positive controls in all; 8 of each are needed"}


def test_rows_of_a_well_are_averaged_first():
    wells = make_controls(0, n=12, shift=3.0, plates=3)
    wells["Metadata_Well"] = [f"A{i:02d}" for i in range(24)]
    offsets = np.random.default_rng(1).standard_normal((24, 8))
    first, second = wells.copy(), wells.copy()
    first[wells.columns[:8]] += offsets
    second[wells.columns[:8]] -= offsets
    cells = pd.concat([first, second], ignore_index=True).sample(frac=1, random_state=0)
    by_well = separate(wells, plate="Metadata_Plate")
    by_cell = separate(cells, plate="Metadata_Plate", groups=["Metadata_Plate", "Metadata_Well"])
    # the wells come in another order, and so into other folds
    assert by_cell["n_negative"].tolist() == by_well["n_negative"].tolist()
    expected = pooled(by_well)["value"]["z_prime"]
    assert pooled(by_cell)["value"]["z_prime"] == pytest.approx(expected, abs=0.3)


def test_arrays_and_tables_agree():
    table = make_controls(0, shift=3.0, plates=4)
    positive = (table["Metadata_ControlType"] == "positive").to_numpy()
    X = table.filter(like="Embedding_").to_numpy()
    masks = {"negative": ~positive, "positive": positive}
    from_array = separate(X, **masks, plate=table["Metadata_Plate"].to_numpy())
    pd.testing.assert_frame_equal(from_array, separate(table, plate="Metadata_Plate"))
    narrow = separate(X, **masks, features=[0, 1])
    pd.testing.assert_frame_equal(narrow, separate(table, features=["Embedding_0", "Embedding_1"]))


def test_other_columns_than_the_embedding_are_not_used():
    table = make_controls(0, shift=3.0)
    expected = separate(table)
    pd.testing.assert_frame_equal(separate(table.assign(Cells_Area=1.0, Archetype_0=0.5)), expected)
    features = table.rename(columns=lambda name: name.replace("Embedding_", "Cells_"))
    pd.testing.assert_frame_equal(separate(features.assign(Metadata_Dose=1.0)), expected)


def test_constant_columns_and_nothing_else():
    table = make_controls(0, shift=3.0).assign(Embedding_constant=3.0)
    pd.testing.assert_frame_equal(separate(table), separate(table.drop(columns="Embedding_constant")))
    table[[c for c in table if c.startswith("Embedding_")]] = 1.0
    found = pooled(separate(table))
    assert found["value"]["auc"] == 0.5
    assert np.isnan(found["value"]["z_prime"])
    assert set(found["axis"]) == {"none: every column is constant"}


def test_another_classifier_and_fewer_components():
    table = make_controls(0, n_features=20, shift=6.0)
    other = pooled(separate(table, classifier=LogisticRegression()))
    assert other["value"]["auc"] > 0.95
    fewer = pooled(separate(table, n_components=5))
    assert not fewer["value"].equals(pooled(separate(table))["value"])


def test_folds_by_plate_never_split_a_plate():
    rng = np.random.default_rng(0)
    plates = np.repeat(np.arange(13), 6)
    positive = np.tile([False, False, False, True, True, True], 13) & (plates < 12)
    folds = choose_plate_folds(positive, plates, rng)
    assert len(np.unique(folds)) == 10
    for fold in np.unique(folds):
        assert not set(plates[folds == fold]) & set(plates[folds != fold])
        assert positive[folds == fold].any()
    assert choose_plate_folds(positive & (plates < 1), plates, rng) is None
    assert choose_plate_folds(positive[:12], plates[:12], rng) is None  # three of a class draw no axis


def test_folds_by_well_deal_each_class_evenly():
    positive = np.arange(43) < 13
    folds = draw_well_folds(positive, np.random.default_rng(0))
    for members in (positive, ~positive):
        counts = np.bincount(folds[members], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_plates_are_centered_as_far_as_they_differ():
    rng = np.random.default_rng(0)
    plates = np.repeat(np.arange(40), 6)
    positive = np.tile(np.arange(6) >= 3, 40)
    noise = rng.standard_normal((240, 2))
    shift = rng.standard_normal((40, 2)) * [0.0, 100.0]
    shifted = noise + shift[plates]
    centered = shifted - estimate_plate_shifts(shifted, positive, plates)[plates]
    # no plate effect: hardly touched; a large one: gone
    assert np.abs(centered[:, 0] - noise[:, 0]).max() < 0.6
    means = np.array([centered[(plates == p) & ~positive, 1].mean() for p in range(40)])
    assert np.ptp(means) < 0.1
    of_one_plate = estimate_plate_shifts(noise, positive, np.zeros(240, dtype=int))
    np.testing.assert_array_equal(of_one_plate, np.zeros((1, 2)))


def test_plate_offsets_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    plates = rng.integers(0, 6, 40)
    positive = rng.random(40) < 0.4
    scores = rng.standard_normal(40) + 3.0 * positive + rng.standard_normal(6)[plates]
    design = np.column_stack([positive, plates[:, None] == np.arange(6)]).astype(float)
    solution = np.linalg.lstsq(design, scores, rcond=None)[0]
    residual = scores - design @ solution
    n = np.bincount(plates)[plates]
    expected = solution[0] * positive + residual * np.sqrt(n / (n - 1))
    np.testing.assert_allclose(remove_plate_offsets(scores, positive, plates), expected)
    shifted = scores + 100.0 * plates
    np.testing.assert_allclose(remove_plate_offsets(shifted, positive, plates), expected)


def draw_plates(seed, gain_sd, n_plates=20, n_each=8, distance=8.0):
    rng = np.random.default_rng(seed)
    plates = np.repeat(np.arange(n_plates), 2 * n_each)
    positive = np.tile(np.repeat([False, True], n_each), n_plates)
    gains = np.exp(gain_sd * rng.standard_normal(n_plates))
    return (rng.standard_normal(len(plates)) + distance * positive) * gains[plates], positive, plates, gains


def test_gains_of_plates_are_found_and_shrunk():
    scores, positive, plates, gains = draw_plates(0, gain_sd=0.3)
    found, share = estimate_plate_gains(scores, positive, plates)
    np.testing.assert_allclose(found / found.mean(), gains / gains.mean(), rtol=0.2)
    assert 0.5 < share < 1
    scores, positive, plates, _ = draw_plates(0, gain_sd=0.0)
    found, share = estimate_plate_gains(scores, positive, plates)
    np.testing.assert_allclose(found, 1, atol=0.1)
    assert share < 0.5


def test_gains_need_wells_of_both_classes_on_two_plates():
    scores, positive, plates, _ = draw_plates(0, gain_sd=0.5, n_each=3)
    np.testing.assert_array_equal(estimate_plate_gains(scores, positive, plates)[0], 1)
    scores, positive, plates, _ = draw_plates(0, gain_sd=0.5, n_plates=1)
    np.testing.assert_array_equal(estimate_plate_gains(scores, positive, plates)[0], 1)


@pytest.mark.parametrize("gain_sd", [0.0, 0.3])
def test_scaled_scores_recover_the_z_prime_within_plates(gain_sd):
    # 1 - 3 (1 + 1) / 8 = .25; unscaled, the gains would be counted as spread
    values = []
    for seed in range(20):
        scores, positive, plates, _ = draw_plates(seed, gain_sd, n_plates=6)
        scaled = scale_by_plate(scores, positive, plates)
        values.append(compute_z_prime(scaled[~positive], scaled[positive]))
    assert np.mean(values) == pytest.approx(0.25, abs=0.04)


def test_plates_with_one_control_keep_its_deviation():
    rng = np.random.default_rng(0)
    plates = np.concatenate([np.repeat(np.arange(4), 10), np.arange(4, 34)])
    positive = (np.arange(70) < 40) & (np.arange(70) % 2 == 0)
    scores = rng.standard_normal(70)
    assert remove_plate_offsets(scores, positive, plates)[40:].std() == pytest.approx(scores[40:].std())


def test_classes_that_never_share_a_plate_are_named():
    table = make_controls(0, shift=3.0)
    table["Metadata_Plate"] = np.where(table["Metadata_ControlType"] == "positive", "a", "b")
    found = pooled(separate(table, plate="Metadata_Plate"))
    assert set(found["axis"]) == {"from other wells (5 folds, 5 times); no plate holds both classes"}
    expected = pooled(separate(table))
    numbers = ["value", "low", "high"]
    pd.testing.assert_frame_equal(found[numbers], expected[numbers])


def test_simulated_screen():
    profiles = make_screen(random_state=0, plate_format=96, n_features=100).profiles
    found = pooled(separate(profiles, plate="Metadata_Plate"))
    assert 0.3 < found["value"]["z_prime"] < 0.9
    null = make_screen(random_state=0, plate_format=96, n_features=100, effect_size=0, edge_effect=0)
    found = pooled(separate(null.profiles, plate="Metadata_Plate"))
    assert found["value"]["z_prime"] < 0


def test_bbbc021_taxol(data_folder):
    table = load_bbbc021(data_folder)
    result = compute_control_separability(
        table,
        negative="Metadata_Compound == 'DMSO'",
        positive="Metadata_Compound == 'taxol'",
        plate="Metadata_Plate",
        random_state=0,
    )
    found = pooled(result)
    assert found[["n_negative", "n_positive"]].iloc[0].tolist() == [165, 9]
    assert set(found["axis"]) == {"from other plates (3 folds)"}
    assert found["value"]["auc"] > 0.99
    assert 0.2 < found["value"]["z_prime"] < 0.9
    assert result[result["scope"] == "plate"]["value"].isna().all()


def test_cells_of_healthy_and_failing_hearts(data_folder):
    """Along features there is hardly a window between the controls, along the embedding there is one."""
    cells = load_cardiac_fibroblasts(data_folder)
    wells = ["Metadata_Plate", "Metadata_Well"]
    features = cells[[c for c in cells if not c.startswith("Metadata_")]]

    def measure(values):
        columns = pd.DataFrame(values, index=cells.index).add_prefix("Embedding_")
        found = pooled(
            separate(
                pd.concat([cells.filter(like="Metadata_"), columns], axis=1),
                negative="Metadata_cell_type == 'healthy'",
                positive="Metadata_cell_type == 'failing'",
                plate="Metadata_Plate",
                groups=wells,
            )
        )
        assert found[["n_negative", "n_positive"]].iloc[0].tolist() == [12, 12]
        assert set(found["axis"]) == {"from other plates (3 folds)"}
        return found.loc["z_prime"]

    found = measure(PCA(12).fit_transform((features - features.mean()) / features.std()))
    assert found["low"] < 0
    assert found["value"] < 0.15
    # twelve wells of a kind: a single seed lies anywhere from .15 to .32
    values = []
    for seed in range(3):
        pipe = make_archetypal_triplet(
            level="cell", plate="Metadata_Plate", groups=wells, device="cpu", random_state=seed
        )
        values.append(measure(pipe.fit_transform(cells))["value"])
    assert np.mean(values) >= 0.2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"positive": "Metadata_ControlType == 'taxol'"}, "positive"),
        ({"positive": NEGATIVE}, "32 rows are chosen by negative and by positive"),
        ({"plate": "Metadata_Plat"}, "plate='Metadata_Plat' is not a column of the table"),
        ({"groups": "Metadata_Plate"}, "hold negative and positive controls at once, the first of them 0"),
        ({"features": ["Embedding_9"]}, "features='Embedding_9' is not a column"),
        (
            {"positive": np.ones(3, dtype=bool)},
            "positive has dtype bool and shape .* a boolean mask of shape",
        ),
        ({"positive": np.zeros(64, dtype=bool)}, "positive chooses no row"),
        ({"plate": np.zeros(3)}, "plate has shape .* one value for each of the 64 rows"),
        ({"n_bootstrap": 0}, "n_bootstrap"),
    ],
)
def test_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        separate(make_controls(0, plates=2), **parameters)


def test_errors_of_the_values():
    table = make_controls(0)
    table.loc[3, "Embedding_2"] = np.nan
    table.loc[4, "Embedding_2"] = np.inf
    with pytest.raises(ValueError, match=r"2 of the 64 control rows hold NaN or infinite .*'Embedding_2'"):
        separate(table)
    with pytest.raises(ValueError, match="is a query, but X is an array"):
        separate(np.zeros((4, 2)))
    mask = np.arange(4) < 2
    with pytest.raises(ValueError, match="is a column name, but X is an array"):
        separate(np.zeros((4, 2)), negative=mask, positive=~mask, plate="Metadata_Plate")
    with pytest.raises(ValueError, match=r"neither Embedding_.* nor other numbers"):
        separate(make_controls(0)[["Metadata_ControlType", "Metadata_Plate"]])
