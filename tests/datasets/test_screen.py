import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from archetypal_triplet.datasets import make_screen
from archetypal_triplet.datasets._phenotypes import compute_hill

SMALL = {"n_plates": 2, "n_replicates": 2, "plate_format": 96, "n_features": 40}


def split(screen):
    metadata = [c for c in screen.profiles if c.startswith("Metadata_")]
    return screen.profiles[metadata], screen.profiles.drop(columns=metadata)


def get_mixtures(screen):
    return screen.truth.filter(like="Truth_Mixture_")


@settings(max_examples=15, deadline=None)
@given(
    n_end_points=st.integers(1, 8),
    n_doses=st.integers(1, 9),
    controls=st.sampled_from(["columns", "scattered"]),
    inactive_fraction=st.floats(0, 1),
    ordered_fraction=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_mixtures_are_convex_and_controls_pure(
    n_end_points, n_doses, controls, inactive_fraction, ordered_fraction, seed
):
    screen = make_screen(
        **SMALL,
        n_end_points=n_end_points,
        n_doses=n_doses,
        controls=controls,
        inactive_fraction=inactive_fraction,
        ordered_fraction=ordered_fraction,
        random_state=seed,
    )
    mixtures = get_mixtures(screen)
    assert mixtures.shape[1] == n_end_points + 1
    assert mixtures.to_numpy().min() >= -1e-12
    np.testing.assert_allclose(mixtures.sum(axis=1), 1.0)
    kind = screen.profiles["Metadata_ControlType"]
    quiet = kind.isin(["negative", "untreated"])
    assert (mixtures["Truth_Mixture_Vehicle"][quiet] == 1).all()
    assert kind.eq("negative").groupby(screen.profiles["Metadata_Plate"]).sum().eq(16).all()
    assert np.isfinite(split(screen)[1].to_numpy()).all()
    assert not screen.profiles.duplicated(["Metadata_Plate", "Metadata_Well"]).any()


def test_effects_rise_with_the_dose():
    screen = make_screen(n_plates=1, n_replicates=1, inactive_fraction=0.2, random_state=0)
    table = screen.profiles.join(screen.truth)
    table = table[table["Metadata_ControlType"] == "sample"].sort_values("Metadata_Concentration_uM")
    for column in ("Truth_Effect", "Truth_Toxicity"):
        steps = table.groupby("Metadata_Compound")[column].diff().dropna()
        assert (steps >= 0).all()
        assert (steps > 0).any()


def test_hill_curve():
    np.testing.assert_allclose(compute_hill(np.array([1.0, 2.0, 4.0]), 2.0, 1.0), [1 / 3, 1 / 2, 2 / 3])
    assert compute_hill(5.0, np.inf, 2.0) == 0


def test_one_compound_is_specific_first_and_toxic_later():
    screen = make_screen(random_state=0)
    table = screen.profiles.join(screen.truth)
    both = table[(table["Truth_Toxicity"] > 0) & (table["Truth_Mechanism"] != "Toxicity")]
    assert both["Metadata_Compound"].nunique() == 1
    series = both.groupby("Metadata_Concentration_uM").first()
    specific = series["Truth_Mixture_" + series["Truth_Mechanism"].iloc[0]]
    assert 0 < specific.to_numpy().argmax() < len(specific) - 1
    assert series["Truth_Mixture_Toxicity"].iloc[-1] > specific.iloc[-1]


def test_two_end_points_are_nearly_the_same():
    archetypes = make_screen(random_state=0).archetypes
    shifts = (archetypes - archetypes.loc["Vehicle"]).drop(index="Vehicle") / archetypes.std()
    cosine = shifts.T.corr().to_numpy()
    others = cosine[np.triu_indices(len(cosine), 1)][1:]
    assert cosine[0, 1] > 0.7
    assert cosine[0, 1] > others.max()


def test_same_seed_same_table():
    first, second = make_screen(**SMALL, random_state=5), make_screen(**SMALL, random_state=5)
    pd.testing.assert_frame_equal(first.profiles, second.profiles)
    pd.testing.assert_frame_equal(first.truth, second.truth)
    assert not first.profiles.equals(make_screen(**SMALL, random_state=6).profiles)


@pytest.mark.parametrize(
    "effect",
    [
        *("effect_size", "density_effect", "well_effect", "plate_effect", "batch_effect"),
        *("edge_effect", "gradient_effect", "noise", "outlier_fraction"),
    ],
)
def test_the_size_of_one_effect_leaves_the_other_factors_alone(effect):
    first = make_screen(**SMALL, random_state=7)
    second = make_screen(**SMALL, random_state=7, **{effect: 0.3})
    drop = ["Metadata_Count_Cells"]
    pd.testing.assert_frame_equal(split(first)[0].drop(columns=drop), split(second)[0].drop(columns=drop))
    pd.testing.assert_frame_equal(get_mixtures(first), get_mixtures(second))
    for column in ("Truth_CellCycle", "Truth_Gradient"):
        if effect in ("effect_size", "density_effect", "noise", "edge_effect"):
            pd.testing.assert_series_equal(first.truth[column], second.truth[column])
    assert not split(first)[1].equals(split(second)[1])


def test_the_seed_of_one_factor():
    first = make_screen(**SMALL, random_state=7)
    second = make_screen(**SMALL, random_state=7, factor_seeds={"noise": 1})
    pd.testing.assert_frame_equal(first.truth, second.truth)
    assert not first.profiles.equals(second.profiles)
    third = make_screen(**SMALL, random_state=7, factor_seeds={"layout": 1})
    assert not first.profiles["Metadata_Compound"].equals(third.profiles["Metadata_Compound"])
    pd.testing.assert_frame_equal(first.archetypes, third.archetypes)


def test_a_screen_of_nuisance_alone_has_no_phenotype():
    screen = make_screen(effect_size=0, plate_effect=0, batch_effect=0, random_state=0)
    assert (screen.archetypes.to_numpy() == screen.archetypes.loc["Vehicle"].to_numpy()).all()
    kind = screen.profiles["Metadata_ControlType"]
    inner = screen.truth["Truth_Edge"] == 0
    features = split(screen)[1]
    strong = inner & (screen.truth["Truth_Mixture_Vehicle"] < 0.4) & (kind == "sample")
    none = inner & (screen.truth["Truth_Mechanism"] == "None") & (kind == "sample")
    t = (features[strong].mean() - features[none].mean()) / np.sqrt(
        features[strong].var() / strong.sum() + features[none].var() / none.sum()
    )
    assert strong.sum() > 50
    assert (
        np.abs(t).mean() < 1.5
    )  # .8 for independent features; a few common nuisances stand behind all of them


def score_nearest_compound(values, screen):
    """Share of treatments whose nearest other compound has the same mechanism."""
    shown = (screen.truth["Truth_Effect"] > 0.3) & screen.profiles["Metadata_Compound"].str.startswith("Comp")
    keys = [screen.profiles["Metadata_Compound"], screen.profiles["Metadata_Concentration_uM"]]
    keys = [*keys, screen.truth["Truth_Mechanism"]]
    means = pd.DataFrame(values)[shown].groupby([key[shown] for key in keys]).mean()
    compound, mechanism = (means.index.get_level_values(i).to_numpy() for i in (0, 2))
    unit = means.to_numpy() / np.linalg.norm(means.to_numpy(), axis=1, keepdims=True)
    similarity = np.where(compound[:, None] == compound, -np.inf, unit @ unit.T)
    return np.mean(mechanism[similarity.argmax(axis=1)] == mechanism)


def test_the_default_difficulty_lies_where_whitening_helps():
    plain, whitened = [], []
    for seed in range(3):
        screen = make_screen(random_state=seed)
        features = split(screen)[1]
        negative = screen.profiles["Metadata_ControlType"] == "negative"
        plates = screen.profiles["Metadata_Plate"]
        centers = features[negative].groupby(plates).mean()
        shifted = features - centers.loc[plates].to_numpy()
        scores = PCA(30).fit_transform(shifted / shifted[negative].std())
        covariance = np.cov(scores[negative].T)
        values, vectors = np.linalg.eigh(covariance)
        plain.append(score_nearest_compound(scores, screen))
        white = scores @ vectors / np.sqrt(values + 0.1 * values.mean())
        whitened.append(score_nearest_compound(white, screen))
    assert 0.6 < np.mean(plain) < 0.8
    assert 0.85 < np.mean(whitened) < 0.95
    nothing = make_screen(random_state=0, effect_size=0)
    assert score_nearest_compound(split(nothing)[1], nothing) < 0.35  # chance is one in six


def test_replicates_share_the_map_and_batches_do_not():
    profiles = make_screen(**SMALL, random_state=0).profiles
    wells = profiles.pivot(index="Metadata_Well", columns="Metadata_Plate", values="Metadata_Compound")
    assert (wells["Plate01"] == wells["Plate02"]).all()
    samples = wells[
        profiles[profiles["Metadata_Plate"] == "Plate01"].set_index("Metadata_Well")["Metadata_ControlType"]
        == "sample"
    ]
    assert not set(samples["Plate01"]) & set(samples["Plate03"])


def test_toxic_wells_lose_cells_and_edges_too():
    table = make_screen(random_state=0).truth
    assert table["Truth_CellCount"][table["Truth_Mixture_Toxicity"] > 0.6].median() < 80
    ratio = table["Truth_CellCount"].groupby(table["Truth_Edge"]).median()
    assert ratio[1.0] / ratio[0.0] == pytest.approx(np.exp(-0.35), rel=0.15)


def test_ordered_maps_tie_the_dose_to_the_position():
    ordered = make_screen(ordered_fraction=1.0, controls="columns", random_state=0).profiles
    samples = ordered[ordered["Metadata_ControlType"] == "sample"]
    first = samples[samples["Metadata_Plate"] == "Plate01"].sort_values("Metadata_Well")
    assert first["Metadata_Concentration_uM"].iloc[:6].is_monotonic_increasing
    assert first["Metadata_Compound"].iloc[:6].nunique() == 1


def test_outliers_are_labelled_and_stand_apart():
    clean = make_screen(**SMALL, random_state=0)
    screen = make_screen(**SMALL, outlier_fraction=0.05, random_state=0)
    kinds = screen.truth["Truth_Artifact"].value_counts()
    assert set(kinds.index) == {"none", "out_of_focus", "debris", "empty"}
    assert kinds.drop("none").sum() == round(0.05 * len(screen.truth))
    changed = ~np.isclose(split(clean)[1], split(screen)[1]).all(axis=1)
    np.testing.assert_array_equal(changed, screen.truth["Truth_Artifact"] != "none")


def test_columns_hold_what_their_names_say():
    screen = make_screen(**SMALL, random_state=0)
    metadata, features = split(screen)
    assert metadata["Metadata_Well"].str.fullmatch("[A-H][01][0-9]").all()
    assert metadata["Metadata_Concentration_uM"].dtype.kind == "f"
    assert set(metadata["Metadata_ControlType"]) == {"negative", "positive", "sample"}
    assert features.columns.is_unique
    assert features.columns.str.match("(Cells|Cytoplasm|Nuclei)_").all()
    np.testing.assert_array_equal(screen.archetypes.columns, features.columns)
    assert make_screen(plate_format=96, n_features=405, random_state=0).archetypes.columns.is_unique


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_plates": 3, "n_replicates": 2}, "n_plates=3 is not a multiple of n_replicates=2"),
        ({"plate_format": 96, "n_negative": 90}, "n_negative=90.* need more than the 96 wells"),
        ({"factor_seeds": {"dose": 1}}, "names 'dose', which is no factor. Choose from: layout, compounds"),
        ({"plate_format": 100}, "plate_format"),
    ],
)
def test_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_screen(**parameters)
