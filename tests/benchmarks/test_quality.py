"""The quality benchmark's metrics against naive twins, and its readers' messages."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score

QUALITY = Path(__file__).parents[2] / "benchmarks" / "quality"
sys.path.insert(0, str(QUALITY))

import metrics  # noqa: E402
import score  # noqa: E402
import screen as screens  # noqa: E402
from scoring import View, compute_scores  # noqa: E402

# naive twins: loops over pairs, straight from the definitions --------


def naive_treatments(X, table):
    """Dict of (compound, dose) -> (mean profile, label, batches), over treated wells with a label."""
    wells = {}
    for x, row in zip(X, table.itertuples(), strict=True):
        if row.control != "negative" and isinstance(row.label, str):
            wells.setdefault((row.compound, row.dose), []).append((x, row.label, row.batch))
    return {k: (sum(w[0] for w in v) / len(v), v[0][1], {w[2] for w in v}) for k, v in wells.items()}


def naive_cosine(a, b):
    length = np.sqrt((a * a).sum() * (b * b).sum())
    return 0.0 if length == 0 else float((a * b).sum() / length)


def naive_retrieval(treatments, *, not_same_batch):
    """Dict of treatment -> hit, only for treatments with a legal candidate of their label."""
    hits = {}
    for query, (profile, label, batches) in treatments.items():
        candidates = []
        for other, (other_profile, other_label, other_batches) in treatments.items():
            if other[0] == query[0] or (not_same_batch and batches & other_batches):
                continue
            candidates.append((naive_cosine(profile, other_profile), other_label))
        if any(other_label == label for _, other_label in candidates):
            hits[query] = max(candidates)[1] == label
    return hits


def naive_silhouette(treatments, distance):
    values = []
    for q, (x, label, _) in treatments.items():
        mean_distance = {}
        for other_label in {t[1] for t in treatments.values()}:
            others = [t[0] for o, t in treatments.items() if t[1] == other_label and o != q]
            mean_distance[other_label] = np.mean([distance(x, y) for y in others])
        a = mean_distance.pop(label)
        b = min(mean_distance.values())
        values.append((b - a) / max(a, b))
    return np.mean(values)


@pytest.fixture(params=range(5))
def screen(request):
    """A small screen: labels (one with a single compound), batches, a control, an unlabelled compound."""
    rng = np.random.default_rng(request.param)
    rows = []
    for compound in range(9):
        label = "lonely" if compound == 0 else f"m{compound % 3}"
        for dose in range(1, 3):
            for batch in rng.choice(3, size=rng.integers(1, 3), replace=False):
                rows.append((f"c{compound}", float(dose), label, f"b{batch}", "sample"))
    rows += [("secret", 1.0, None, "b0", "sample"), ("DMSO", 0.0, "DMSO", "b0", "negative")]
    table = pd.DataFrame(rows, columns=["compound", "dose", "label", "batch", "control"])
    table = table.sample(frac=1, random_state=request.param).reset_index(drop=True)
    shift = {label: rng.normal(size=4) for label in ["lonely", "m0", "m1", "m2"]}
    X = rng.normal(size=(len(table), 4)) + np.array(
        [shift.get(label, np.zeros(4)) for label in table["label"]]
    )
    return X, table


def make_treatments(X, table):
    return metrics.make_treatments(
        X,
        labels=table["label"],
        compounds=table["compound"],
        concentrations=table["dose"],
        batches=table["batch"],
        is_treated=(table["control"] != "negative").to_numpy(),
    )


class TestRetrieval:
    @pytest.mark.parametrize("not_same_batch", [False, True])
    def test_equals_the_naive_twin_with_its_denominator(self, screen, not_same_batch):
        X, table = screen
        treatments = make_treatments(X, table)
        result = metrics.compute_retrieval(treatments, not_same_batch=not_same_batch)
        expected = naive_retrieval(naive_treatments(X, table), not_same_batch=not_same_batch)
        names = list(zip(treatments.compounds, treatments.concentrations, strict=True))
        assert {n for n, c in zip(names, result.counted, strict=True) if c} == set(expected)
        assert result.n_counted == len(expected) > 0
        for name, value in zip(names, result.values, strict=True):
            assert np.isnan(value) if name not in expected else value == expected[name]
        assert result.mean == pytest.approx(np.mean(list(expected.values())))

    def test_single_compound_labels_never_count_but_stay_candidates(self, screen):
        X, table = screen
        # all profiles are equal, so the lonely compound is among everyone's nearest and no hit is whole
        treatments = make_treatments(np.ones_like(X), table)
        result = metrics.compute_retrieval(treatments)
        assert np.isnan(result.values[treatments.labels == "lonely"]).all()
        assert (result.values[result.counted] < 1).all()

    def test_ties_give_the_share_of_right_labels(self):
        treatments = metrics.make_treatments(
            np.array([[1.0, 0], [2.0, 0], [3.0, 0], [0, 1.0]]),
            labels=["a", "a", "b", "b"],
            compounds=["1", "2", "3", "4"],
            concentrations=[1, 1, 1, 1],
            batches=["x"] * 4,
            is_treated=np.ones(4, dtype=bool),
        )
        assert metrics.compute_retrieval(treatments).values[:2].tolist() == [0.5, 0.5]

    def test_same_batch_everywhere_counts_nothing(self):
        treatments = metrics.make_treatments(
            np.eye(4),
            labels=["a", "a", "b", "b"],
            compounds=["1", "2", "3", "4"],
            concentrations=[1, 1, 1, 1],
            batches=["x"] * 4,
            is_treated=np.ones(4, dtype=bool),
        )
        result = metrics.compute_retrieval(treatments, not_same_batch=True)
        assert result.n_counted == 0
        assert np.isnan(result.mean)
        assert np.isnan(metrics.compute_interval(result)).all()

    def test_scale_and_rotation_change_nothing(self, screen):
        X, table = screen
        rotation = np.linalg.qr(np.random.default_rng(7).normal(size=(4, 4)))[0]
        first = metrics.compute_retrieval(make_treatments(X, table), not_same_batch=True)
        second = metrics.compute_retrieval(make_treatments(3 * X @ rotation, table), not_same_batch=True)
        np.testing.assert_array_equal(first.values, second.values)

    def test_order_of_rows_changes_nothing(self, screen):
        X, table = screen
        order = np.random.default_rng(3).permutation(len(X))
        first = metrics.compute_retrieval(make_treatments(X, table))
        second = metrics.compute_retrieval(make_treatments(X[order], table.iloc[order]))
        assert (first.mean, first.n_counted) == (second.mean, second.n_counted)


class TestSilhouette:
    def test_of_treatments_equals_the_naive_twin(self, screen):
        X, table = screen
        kept = {k: v for k, v in naive_treatments(X, table).items() if v[1] != "lonely"}
        expected = naive_silhouette(kept, lambda a, b: 1 - naive_cosine(a, b))
        result = metrics.compute_silhouette(make_treatments(X, table))
        assert result.mean == pytest.approx(expected)
        assert result.n_counted == len(kept)

    def test_of_wells_is_the_mean_over_wells(self, screen):
        X, table = screen
        rows = table["label"].isin(["m0", "m1", "m2"]).to_numpy()
        result = metrics.compute_well_silhouette(X, make_treatments(X, table))
        assert result.mean == pytest.approx(silhouette_score(X[rows], table["label"][rows]))
        kept = {i: (X[i], table["label"][i], None) for i in np.flatnonzero(rows)}
        assert result.mean == pytest.approx(naive_silhouette(kept, lambda a, b: np.linalg.norm(a - b)))


class TestBootstrap:
    def test_interval_equals_a_naive_bootstrap(self):
        rng = np.random.default_rng(0)
        compounds = np.repeat([f"c{i}" for i in range(12)], rng.integers(1, 6, size=12))
        values = rng.integers(0, 2, size=len(compounds)).astype(float)
        values[::7] = np.nan
        low, high = metrics.compute_interval(metrics.Score(values, compounds), n_boot=4000)
        counted = ~np.isnan(values)
        groups = [values[counted & (compounds == c)] for c in np.unique(compounds[counted])]
        draws = [
            np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))]).mean()
            for _ in range(4000)
        ]
        assert (low, high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.02)

    def test_paired_difference_of_a_score_with_itself_is_zero(self):
        a = metrics.Score(np.array([1.0, 0.0, 1.0]), np.array(["a", "b", "c"]))
        result = metrics.compute_paired_difference(a, a)
        assert (result["difference"], result["low"], result["high"]) == (0, 0, 0)
        assert result["share_above"] == 0.5

    def test_paired_difference_uses_what_counts_in_both(self):
        compounds = np.array(["a", "a", "b", "c"])
        a = metrics.Score(np.array([1.0, 1.0, np.nan, 1.0]), compounds)
        b = metrics.Score(np.array([0.0, 1.0, 0.0, 0.0]), compounds)
        result = metrics.compute_paired_difference(a, b)
        assert result["difference"] == pytest.approx(2 / 3)
        assert (result["n_treatments"], result["n_compounds"]) == (3, 2)
        assert result["share_above"] == 1.0

    def test_another_set_of_treatments_is_refused(self):
        a = metrics.Score(np.ones(2), np.array(["a", "b"]))
        b = metrics.Score(np.ones(2), np.array(["a", "c"]))
        with pytest.raises(ValueError, match="not of the same treatments"):
            metrics.compute_paired_difference(a, b)


class TestTreatments:
    def test_profiles_are_means_of_wells(self, screen):
        X, table = screen
        treatments = make_treatments(X, table)
        expected = naive_treatments(X, table)
        assert len(treatments.labels) == len(expected)
        for i, name in enumerate(zip(treatments.compounds, treatments.concentrations, strict=True)):
            np.testing.assert_allclose(treatments.profiles[i], expected[name][0])
            assert treatments.batches[i] == expected[name][2]

    def test_two_labels_of_one_compound_are_refused(self, screen):
        X, table = screen
        table = table.copy()
        table.loc[table.index[table["compound"] == "c1"][0], "label"] = "other"
        with pytest.raises(ValueError, match="compound 'c1' bears two labels"):
            make_treatments(X, table)

    def test_nan_is_refused_with_a_count(self, screen):
        X, table = screen
        X = X.copy()
        X[:2, 0] = np.nan
        with pytest.raises(ValueError, match="NaN or infinite values in 2 of"):
            make_treatments(X, table)


class TestViews:
    def test_views_are_asked_only_about_their_own_compounds(self, profiles_path):
        screen = screens.read_screen(profiles_path, **ROLES)
        good = screen.X
        bad = np.random.default_rng(0).normal(size=good.shape)
        compounds = sorted(set(screen.table["Metadata_Compound"]))
        half, rest = frozenset(compounds[:4]), frozenset(compounds[4:])
        merged = compute_scores(screen, [View(good, half), View(bad, rest)])["NSC"]
        in_good = compute_scores(screen, View(good))["NSC"]
        in_bad = compute_scores(screen, View(bad))["NSC"]
        asked = np.isin(merged.compounds, sorted(half))
        np.testing.assert_array_equal(merged.values, np.where(asked, in_good.values, in_bad.values))


# the command --------

ROLES = {
    "label": "Metadata_MOA",
    "plate": "Metadata_Plate",
    "batch": "Metadata_Batch",
    "controls": "Metadata_ControlType == 'negative'",
}


@pytest.fixture
def profiles_path(tmp_path):
    """Eight compounds of four mechanisms in two batches of three plates, controls on each."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(5, 6)) * 4
    rows = []
    for plate in range(6):
        for well in range(16):
            compound = well % 8 if well < 8 else None
            if compound is not None and compound // 4 != plate % 2:
                continue  # a compound is of one batch, its partner of the other
            moa = 4 if compound is None else compound % 4
            values = (directions[moa] if moa < 4 else 0) + rng.normal(size=6)
            names = (
                ("DMSO", 0.0, "DMSO", "negative")
                if compound is None
                else (f"c{compound}", 1.0, f"m{moa}", "sample")
            )
            rows.append((f"0{plate}", f"A{well + 1:02d}", f"week{plate % 2}", *names, *values))
    columns = ["Plate", "Well", "Batch", "Compound", "Concentration", "MOA", "ControlType"]
    table = pd.DataFrame(rows, columns=[f"Metadata_{c}" for c in columns] + [f"Cells_f{i}" for i in range(6)])
    path = tmp_path / "profiles.csv"
    table.to_csv(path, index=False)
    return path


def arguments(path, **changes):
    roles = {**ROLES, **changes}
    return [str(path), *(part for k, v in roles.items() if v is not None for part in (f"--{k}", str(v)))]


def test_the_command_prints_scores_with_denominators(profiles_path, capsys):
    assert score.main(arguments(profiles_path, positive="Metadata_MOA in ['m0', 'm1']")) == 0
    text = capsys.readouterr().out
    assert "8 of 8 treatments count (8 compounds)" in text
    assert "NSC " in text
    assert "NSCB " in text
    assert "48 negative controls" in text
    assert "control Z' " in text
    assert re.search(r"48 negative against 12 positive wells, axis from other plates", text)


def test_the_command_scores_an_external_array(profiles_path, tmp_path, capsys):
    table = pd.read_csv(profiles_path)
    np.save(tmp_path / "e.npy", table.filter(like="Cells_").to_numpy())
    assert score.main(arguments(profiles_path)) == 0
    of_table = capsys.readouterr().out.splitlines()[2:]
    assert "control Z'                        none: no --positive query was given" in of_table
    assert score.main(arguments(profiles_path, array=tmp_path / "e.npy")) == 0
    assert capsys.readouterr().out.splitlines()[2:] == of_table


def test_what_a_query_asks_for_is_no_feature(profiles_path):
    table = pd.read_csv(profiles_path)
    table["is_control"] = (table["Metadata_ControlType"] == "negative").astype(int)
    table.to_csv(profiles_path, index=False)
    screen = screens.read_screen(profiles_path, **ROLES | {"controls": "is_control == 1"})
    assert "is_control" not in screen.features
    assert "is_control" in screens.read_screen(profiles_path, **ROLES).features


def test_identifiers_are_text(profiles_path):
    assert set(screens.read_table(profiles_path)["Metadata_Plate"]) == {f"0{i}" for i in range(6)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"label": "Metadata_Moa"},
            "--label 'Metadata_Moa' is not a column of profiles.csv. Columns to choose",
        ),
        ({"compound": "nope"}, "--compound 'nope' is not a column"),
        ({"controls": "Metadata_ControlType == 'DMSO'"}, "--controls .* selects no row"),
        ({"controls": "Metadata_ControlType = 3"}, "--controls .* cannot be evaluated on the table"),
        ({"positive": "Metadata_Compound == 'DMSO'"}, "both select 48 of the same rows"),
        ({"array": "missing.npy"}, "there is no array 'missing.npy'"),
    ],
)
def test_what_does_not_fit_is_named(profiles_path, changes, message, capsys):
    assert score.main(arguments(profiles_path, **changes)) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 2)), r"shape \(5, 2\)"),
        (np.zeros(96), r"shape \(96,\)"),
        (np.full((96, 2), "x"), "dtype <U1"),
        (np.full((96, 2), np.nan), "NaN or infinite values in 96 of 96 rows"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(tmp_path, array, message):
    np.save(tmp_path / "e.npy", array)
    with pytest.raises(screens.ScreenError, match=message):
        screens.read_array(tmp_path / "e.npy", n_rows=96)


def test_a_file_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(screens.ScreenError, match=r"use \.csv, \.csv\.gz or \.parquet"):
        screens.read_table(tmp_path / "t.xlsx")
    with pytest.raises(screens.ScreenError, match="there is no table"):
        screens.read_table(tmp_path / "missing.csv")
    pd.DataFrame({"a": []}).to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(screens.ScreenError, match="has no rows"):
        screens.read_table(tmp_path / "empty.csv")


def test_denominators_of_the_development_screen(data_folder):
    """NSC and NSCB count 48 and 43 treatments of the BBBC021 development half."""
    screen = screens.read_screen(
        data_folder / "bbbc021_profiles_dev" / "profiles.csv.gz", **{**ROLES, "batch": "Metadata_Week"}
    )
    assert screen.concentration == "Metadata_Concentration_uM"
    z = (screen.X - screen.X.mean(axis=0)) / np.maximum(screen.X.std(axis=0), 1e-9)
    scores = compute_scores(screen, View(z))
    assert (scores["NSC"].n_counted, scores["NSCB"].n_counted) == (48, 43)
    # what the README of the data measured independently for globally scaled raw features
    assert scores["NSC"].mean == pytest.approx(0.83, abs=0.005)
    assert scores["NSCB"].mean == pytest.approx(0.53, abs=0.006)


# the arms and the verdict --------


@pytest.fixture(scope="module")
def arms():
    """The arms load torch, so only the tests that need them do."""
    import arms

    return arms


def test_folds_hold_out_every_compound_once_and_never_a_whole_label(arms):
    compounds = np.array([f"{label}{i}" for label in "abc" for i in range(6) for _ in range(2)])
    labels = np.array([c[0] for c in compounds])
    for seed in range(5):
        folds = arms.split_compounds(compounds, labels, seed=seed)
        assert sorted(c for fold in folds for c in fold) == sorted(set(compounds))
        for fold in folds:
            left = set(labels[~np.isin(compounds, sorted(fold))])
            assert left == set(labels)


def test_the_supervised_network_never_sees_the_label_of_what_it_is_asked_about(
    arms, profiles_path, monkeypatch
):
    """Change the labels of a fold's own compounds: the embedding of that fold may not change."""
    screen = screens.read_screen(profiles_path, **ROLES)
    setting = arms.Setting(screen)
    monkeypatch.setattr(arms.Setting, "whitened", screen.X)
    seen = []

    class Recorder:
        def fit(self, W, y):
            seen.append(np.asarray(y))
            return self

        def transform(self, W):
            return W

    monkeypatch.setattr(arms.Setting, "make_embedder", lambda self, seed, **params: Recorder())
    views = arms.embed_supervised(setting, seed=0)
    compounds = screen.table["Metadata_Compound"].to_numpy()
    assert len(views) == len(seen) > 1
    for view, y in zip(views, seen, strict=True):
        held_out = np.isin(compounds, sorted(view.compounds))
        assert (y[held_out] == -1).all()
        assert (y[~held_out] >= 0).all()
    asked = [c for view in views for c in view.compounds]
    assert sorted(asked) == sorted(set(compounds) - {"DMSO"})


def test_random_labels_do_not_look_at_the_rows(arms):
    first = arms.RandomLabeler(4, random_state=0).fit_predict(np.zeros((50, 2)))
    second = arms.RandomLabeler(4, random_state=0).fit_predict(np.arange(100.0).reshape(50, 2))
    np.testing.assert_array_equal(first, second)
    assert set(first) == {0, 1, 2, 3}


def test_plate_pca_puts_controls_of_every_plate_on_one_point(arms, profiles_path):
    screen = screens.read_screen(profiles_path, **ROLES)
    table = screen.table.copy()
    table.loc[table["Metadata_Plate"] == "03", "Cells_f0"] += 1000
    shifted = screens.Screen(
        table, **{**ROLES, "compound": "Metadata_Compound", "concentration": "Metadata_Concentration"}
    )
    first = arms.embed_plate_pca(arms.Setting(screen), 0).X
    second = arms.embed_plate_pca(arms.Setting(shifted), 0).X
    np.testing.assert_allclose(np.abs(first), np.abs(second), atol=1e-6)


class TestVerdict:
    compounds = np.array([f"c{i}" for i in range(10)])

    def scores(self, nsc, nscb):
        return {
            k: metrics.Score(np.array(v, dtype=float), self.compounds)
            for k, v in (("NSC", nsc), ("NSCB", nscb))
        }

    def test_it_is_one_sentence_and_says_no_more_than_the_interval(self):
        import verdict

        good, bad = np.ones(10), np.r_[np.zeros(8), np.ones(2)]
        scores = {
            "archetypal": self.scores(good, good),
            "whitened": self.scores(good, bad),
            "kmeans": self.scores(np.r_[np.ones(9), 0], good),
            "random": self.scores(bad, bad),
        }
        sentence = verdict.make_sentence("a screen", scores, verdict.compare_default(scores))
        assert "\n" not in sentence
        assert sentence.endswith(".")
        assert "10 compounds" in sentence
        assert "NSCB +0.800 [+0.50, +1.00; higher" in sentence
        assert "NSC +0.100 [+0.00, +0.30; no clear difference" in sentence
        assert "random labelings stay below the whitened features in NSC" in sentence

    def test_a_worse_default_is_called_lower(self):
        import verdict

        scores = {
            "archetypal": self.scores(np.zeros(10), np.zeros(10)),
            "whitened": self.scores(np.ones(10), np.ones(10)),
        }
        sentence = verdict.make_sentence("a screen", scores, verdict.compare_default(scores))
        assert "NSC -1.000 [-1.00, -1.00; lower, above in 0% of resamples]" in sentence


def test_tables_state_denominators_spread_and_intervals(arms, profiles_path, tmp_path):
    import report
    from scoring import compute_z_prime

    screen = screens.read_screen(profiles_path, **ROLES)
    results = [
        {
            "arm": arm,
            "seed": seed,
            "seconds": 0.0,
            "scores": compute_scores(screen, View(screen.X)),
            "z_prime": compute_z_prime(screen, screen.X),
        }
        for arm in arms.ARMS[:3]
        for seed in range(3)
    ]
    lines, merged = report.format_table("small", results)
    text = "\n".join(lines)
    assert "8 count for NSC, 8 for NSCB, 8 for silhouettes" in text
    assert all(arm.title in text for arm in arms.ARMS[:3])
    assert "+-0.000" in text
    assert list(merged) == [arm.name for arm in arms.ARMS[:3]]
    report.write_results(tmp_path, "wells", results, [])
    written = pd.read_csv(tmp_path / "wells.csv")
    assert len(written) == 9
    assert written["NSC"].iloc[0] == pytest.approx(merged["plate_pca"]["NSC"].mean)
    assert (written["n_NSCB"] == 8).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give the folder of the development screens, or --table"),
        (["folder", "--table", "t.csv"], "give the folder of the development screens, or --table"),
        (["--table", "t.csv", "--label", "a", "--plate", "b"], "--table needs --batch, --controls"),
    ],
)
def test_the_run_says_what_is_missing(arms, options, message, capsys):
    import run

    with pytest.raises(SystemExit, match="2"):
        run.main(options)
    assert message in capsys.readouterr().err
