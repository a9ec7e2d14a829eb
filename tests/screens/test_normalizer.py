"""ScreenNormalizer: against its naive twin, its invariances, its contracts with tables, its errors."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_nested_whitening, naive_plate_step, naive_soft_length, naive_whitening
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet.screens import ScreenNormalizer

PLATE = "Metadata_Plate"
NEGATIVE = "Metadata_ControlType == 'negative'"


def make_table(n_plates=3, n_wells=40, n_features=12, seed=0):
    """Plates with offsets, a third of the wells controls, treatments in two wells of each plate."""
    rng = np.random.default_rng(seed)
    n = n_plates * n_wells
    plates = np.repeat([f"P{i}" for i in range(n_plates)], n_wells)
    well = np.tile(np.arange(n_wells), n_plates)
    control = well % 3 == 0
    treatment = np.where(control, -1, well % 5)
    effects = rng.normal(scale=4, size=(5, n_features))
    X = rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
    X += np.where(control[:, None], 0, effects[treatment])
    X += rng.normal(scale=10, size=(n_plates, n_features))[np.repeat(np.arange(n_plates), n_wells)]
    table = pd.DataFrame(X, columns=[f"Cells_F{i}" for i in range(n_features)])
    table.insert(0, PLATE, plates)
    table.insert(1, "Metadata_Well", [f"A{w:02d}" for w in well])
    table.insert(2, "Metadata_ControlType", np.where(control, "negative", "sample"))
    table.insert(3, "Metadata_Compound", np.where(control, None, np.char.add("c", treatment.astype(str))))
    return table


def make_cells(n_controls=5, seed=0):
    """Twenty cells a well, eight wells a plate, `n_controls` of them controls; feature 0 differs by well."""
    rng = np.random.default_rng(seed)
    table = make_table(n_plates=2, n_wells=160, seed=seed)
    number = np.tile(np.repeat(np.arange(8), 20), 2)
    table["Metadata_Well"] = [f"A{w + 1:02d}" for w in number]
    table["Metadata_ControlType"] = np.where(number < n_controls, "negative", "sample")
    table["Cells_F0"] += np.repeat(rng.normal(scale=10, size=16), 20)
    return table


def features(table):
    return table.filter(like="Cells_").to_numpy()


def project(z, n_components, origin=None):
    """Project by scikit-learn's PCA from `origin` (None: the mean row); largest loadings are positive."""
    pca = PCA(n_components, svd_solver="full").fit(z)
    axes = pca.components_
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return (z - (pca.mean_ if origin is None else origin)) @ axes.T * signs


class TestAgainstNaiveTwin:
    @pytest.mark.parametrize("ridge", ["auto", 0.7])
    def test_controls(self, ridge):
        table = make_table()
        is_control = (table["Metadata_ControlType"] == "negative").to_numpy()
        plates = table[PLATE].tolist()
        z = naive_plate_step(features(table), plates, is_control, 3.0)
        scores = project(z, 6, origin=0.0)
        groups = [p if c else -1 for p, c in zip(plates, is_control, strict=True)]
        white = naive_whitening(scores, groups, 0.1 if ridge == "auto" else ridge)
        expected = naive_soft_length(white, np.flatnonzero(is_control), 2.0)
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=6, ridge=ridge, clip=3.0)
        np.testing.assert_allclose(normalizer.fit_transform(table), expected, rtol=1e-7, atol=1e-10)

    @pytest.mark.parametrize("groups", ["Metadata_Well", [PLATE, "Metadata_Well"]])
    def test_cells_about_their_well_and_control_wells_about_their_plate(self, groups):
        table = make_cells()
        is_control = (table["Metadata_ControlType"] == "negative").to_numpy()
        plates = table[PLATE].tolist()
        wells = (table[PLATE] + table["Metadata_Well"]).to_numpy()
        scores = project(naive_plate_step(features(table), plates, is_control, 20.0), 6, origin=0.0)
        white = naive_nested_whitening(scores, wells, plates, is_control, 0.5)
        expected = naive_soft_length(white, np.flatnonzero(is_control), 2.0)
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, groups, n_components=6)
        np.testing.assert_allclose(normalizer.fit_transform(table), expected, rtol=1e-7, atol=1e-10)
        assert normalizer.ridge_ == 0.5

    def test_groups_without_controls_are_not_centered_by_plate(self):
        table = make_table()
        X = features(table)
        z = StandardScaler().fit(X).transform(X) * np.sqrt((len(X) - 1) / len(X))
        groups = [-1 if c is None or c != c else c for c in table["Metadata_Compound"].astype(object)]
        white = naive_whitening(project(z, 5), groups, 0.1)
        expected = naive_soft_length(white, range(len(X)), 1.0)
        normalizer = ScreenNormalizer(PLATE, groups="Metadata_Compound", n_components=5, soft_length=1.0)
        np.testing.assert_allclose(normalizer.fit_transform(table), expected, rtol=1e-7, atol=1e-10)
        assert normalizer.plates_ == []

    def test_plain_array(self):
        X = features(make_table())
        z = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
        scores = project(z, 4)
        expected = naive_soft_length(scores / scores.std(axis=0) ** 0.5, range(len(X)), 2.0)
        result = ScreenNormalizer(n_components=4).fit_transform(X)
        np.testing.assert_allclose(result, expected, rtol=1e-7, atol=1e-10)

    def test_more_features_than_rows(self):
        X = np.random.default_rng(3).normal(size=(15, 40))
        scores = project((X - X.mean(axis=0)) / X.std(axis=0, ddof=1), 5)
        result = ScreenNormalizer(n_components=5, soft_length=None).fit_transform(X)
        np.testing.assert_allclose(result, scores / scores.std(axis=0) ** 0.5, rtol=1e-7, atol=1e-10)


class TestProperties:
    @settings(max_examples=15, deadline=None)
    @given(exponents=st.lists(st.integers(-6, 6), min_size=12, max_size=12), seed=st.integers(0, 99))
    def test_features_may_have_any_unit_and_plates_any_offset(self, exponents, seed):
        # a unit is a factor, a plate effect an offset: neither may be seen behind the plate step
        table = make_table(seed=seed)
        names = table.filter(like="Cells_").columns
        other = table.copy()
        offsets = np.random.default_rng(seed).normal(size=(3, 12))
        plate = table[PLATE].str[1:].astype(int).to_numpy()
        other[names] = (features(table) + 5 * offsets[plate]) * 10.0 ** np.array(exponents)
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        expected = normalizer.fit_transform(table)
        np.testing.assert_allclose(normalizer.fit_transform(other), expected, rtol=1e-5, atol=1e-7)

    def test_order_of_rows_does_not_matter(self):
        table = make_table()
        shuffled = table.sample(frac=1, random_state=1)
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        expected = normalizer.fit_transform(table)[shuffled.index]
        np.testing.assert_allclose(normalizer.fit_transform(shuffled), expected, rtol=1e-7, atol=1e-9)

    def test_what_control_wells_differ_in_is_shrunk_although_cells_of_a_well_agree(self):
        table = make_cells()
        means = {}
        for name, controls in (("with", NEGATIVE), ("without", None)):
            normalizer = ScreenNormalizer(PLATE if controls else None, controls, [PLATE, "Metadata_Well"])
            white = normalizer.set_params(n_components=8, soft_length=None).fit_transform(table)
            wells = pd.DataFrame(white).groupby([table[PLATE], table["Metadata_Well"]]).mean()
            own = table.groupby([PLATE, "Metadata_Well"])["Cells_F0"].mean()
            slope = np.linalg.lstsq(np.c_[own - own.mean(), np.ones(16)], wells, rcond=None)[0][0]
            means[name] = np.linalg.norm(slope) * own.std() / np.linalg.norm(white, axis=1).mean()
        assert means["with"] < 0.7 * means["without"]

    @pytest.mark.parametrize("groups", ["Metadata_Compound", [PLATE, "Metadata_Well"]])
    def test_few_control_wells_and_replicates_say_nothing_of_wells(self, groups):
        table = make_cells(n_controls=2)
        table["Metadata_Compound"] = np.where(table["Metadata_ControlType"] == "negative", "DMSO", "c1")
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, groups, n_components=5).fit(table)
        scores = normalizer._project(
            features(table), normalizer.centers_, (table[PLATE] == "P1").to_numpy() * 1
        )
        names = (
            table["Metadata_Compound"] if isinstance(groups, str) else table[PLATE] + table["Metadata_Well"]
        )
        expected = naive_whitening(scores, names.tolist(), normalizer.ridge_)
        np.testing.assert_allclose(scores @ normalizer.whitening_, expected, rtol=1e-7, atol=1e-10)

    def test_whitened_controls_with_a_tiny_ridge_are_round(self):
        table = make_table(n_wells=90)
        normalizer = ScreenNormalizer(
            PLATE, NEGATIVE, n_components=6, ridge=1e-9, soft_length=None, clip=None
        )
        Z = normalizer.fit_transform(table)[table["Metadata_ControlType"] == "negative"]
        plates = table.loc[table["Metadata_ControlType"] == "negative", PLATE]
        deviation = Z - pd.DataFrame(Z).groupby(plates.to_numpy()).transform("mean").to_numpy()
        covariance = deviation.T @ deviation
        np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(6), atol=1e-6)

    def test_soft_length_is_below_one_and_keeps_directions(self):
        table = make_table()
        hard = ScreenNormalizer(PLATE, NEGATIVE, n_components=5, soft_length=None).fit_transform(table)
        soft = ScreenNormalizer(PLATE, NEGATIVE, n_components=5).fit_transform(table)
        before, after = (np.linalg.norm(Z, axis=1, keepdims=True) for Z in (hard, soft))
        assert after.max() < 1
        np.testing.assert_allclose(soft / after, hard / before, atol=1e-12)
        median = np.median(before[table["Metadata_ControlType"] == "negative"])
        np.testing.assert_allclose(after, before / np.hypot(before, 2 * median), rtol=1e-9)

    def test_half_of_the_rows_at_the_mean(self):
        X = np.zeros((12, 2))
        X[0], X[1] = (1, 2), (-1, -2)
        Z = ScreenNormalizer().fit_transform(X)
        assert np.isfinite(Z).all()
        assert np.linalg.norm(Z[0]) == pytest.approx(np.linalg.norm(Z[1]))
        assert not Z[2:].any()

    def test_far_from_the_origin(self):
        table = make_table()
        names = table.filter(like="Cells_").columns
        moved = table.copy()
        moved[names] += 1e6
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        expected = normalizer.fit_transform(table)
        np.testing.assert_allclose(normalizer.fit_transform(moved), expected, atol=1e-6)


class TestComponents:
    def test_constant_features_are_dropped(self):
        table = make_table()
        table["Cells_Constant"] = 1e6 / 3
        table["Cells_ConstantAmongControls"] = (table["Metadata_ControlType"] == "sample") * 1.0
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        expected = normalizer.fit_transform(table.iloc[:, :-2])
        np.testing.assert_allclose(normalizer.fit_transform(table), expected, atol=1e-12)
        assert normalizer.features_kept_.tolist() == [True] * 12 + [False, False]

    def test_rank_caps_components(self):
        X = np.random.default_rng(0).normal(size=(50, 2)) @ np.random.default_rng(1).normal(size=(2, 9))
        normalizer = ScreenNormalizer().fit(X)
        assert normalizer.n_components_ == 2
        assert normalizer.get_feature_names_out().tolist() == ["screennormalizer0", "screennormalizer1"]
        assert normalizer.explained_variance_ratio_.sum() == pytest.approx(1)

    def test_few_controls_warn_and_cap(self):
        table = make_table(n_plates=1, n_wells=24)
        with pytest.warns(
            DataWarning,
            match=r"7 components are whitened with only 7 degrees of freedom among the "
            r"control rows. Set n_components to 3 or less",
        ):
            normalizer = ScreenNormalizer(controls=NEGATIVE).fit(table)
        assert normalizer.n_components_ == 7

    @pytest.mark.parametrize(
        ("groups", "plate", "expected"),
        [
            ("Metadata_Compound", PLATE, 0.1),
            ("Metadata_Compound", None, 0.5),
            (["Metadata_Compound", "Metadata_Row"], None, 2.0),
            ([PLATE, "Metadata_Compound"], PLATE, 2.0),
        ],
    )
    def test_automatic_ridge(self, groups, plate, expected):
        table = make_table()
        table["Metadata_Row"] = np.arange(len(table)) % 4
        assert ScreenNormalizer(plate, groups=groups, n_components=3).fit(table).ridge_ == expected

    def test_wells_are_groups_within_their_plate(self):
        # four fields a well: "A01" of another plate is another well
        table = pd.concat([make_table(seed=s) for s in range(4)], ignore_index=True)
        short = ScreenNormalizer(PLATE, groups="Metadata_Well", n_components=4).fit(table)
        full = ScreenNormalizer(PLATE, groups=[PLATE, "Metadata_Well"], n_components=4).fit(table)
        np.testing.assert_array_equal(short.whitening_, full.whitening_)
        assert short.ridge_ == 2.0


class TestPlates:
    def test_stored_centers_for_known_plates(self):
        table = make_table()
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        Z = normalizer.fit_transform(table)
        samples = table[(table["Metadata_ControlType"] == "sample") & (table[PLATE] == "P1")]
        np.testing.assert_allclose(normalizer.transform(samples), Z[samples.index], atol=1e-12)
        # and the query is not asked: a table without its column does
        samples = samples.drop(columns="Metadata_ControlType")
        np.testing.assert_allclose(normalizer.transform(samples), Z[samples.index], atol=1e-12)

    def test_new_plates_bring_their_controls(self):
        table = make_table()
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5).fit(table)
        new = table[table[PLATE] == "P1"].copy()
        expected = normalizer.transform(new)
        new[PLATE] = "P9"
        new[new.filter(like="Cells_").columns] += 3.0
        both = pd.concat([table[table[PLATE] == "P2"], new])
        result = normalizer.transform(both)
        np.testing.assert_allclose(result[40:], expected, atol=1e-9)
        np.testing.assert_allclose(result[:40], normalizer.transform(both[:40]), atol=1e-12)
        assert normalizer.plates_ == ["P0", "P1", "P2"]

    def test_new_plate_without_controls(self):
        table = make_table()
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5).fit(table)
        new = table[table["Metadata_ControlType"] == "sample"].assign(**{PLATE: "P9"})
        with pytest.raises(
            ValueError,
            match=r"1 of 1 plates have no control rows and fit has not seen them \(it saw "
            r"P0, P1, P2\): P9. Add their controls",
        ):
            normalizer.transform(new)

    @pytest.mark.parametrize("kind", ["int64", "float64", "str", "category"])
    def test_plate_names_of_any_type(self, kind):
        table = make_table()
        table[PLATE] = table[PLATE].str[1:].astype("int64")
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        expected = normalizer.fit_transform(table)
        np.testing.assert_array_equal(normalizer.transform(table.astype({PLATE: kind})), expected)
        assert normalizer.plates_ == ["0", "1", "2"]

    def test_whole_table_is_one_plate(self):
        table = make_table()
        one = ScreenNormalizer(controls=NEGATIVE, n_components=5)
        named = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        np.testing.assert_allclose(
            one.fit_transform(table), named.fit_transform(table.assign(**{PLATE: "same"})), atol=1e-12
        )
        assert one.plates_ == []


class TestTables:
    def test_features_are_taken_by_name(self):
        table = make_table()
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        Z = normalizer.fit_transform(table)
        other = table.assign(Extra=1.0, Metadata_More="x")[["Extra", "Metadata_More", *table.columns[::-1]]]
        np.testing.assert_array_equal(normalizer.transform(other), Z)
        assert normalizer.n_features_in_ == 12
        assert normalizer.feature_names_in_.tolist() == [f"Cells_F{i}" for i in range(12)]

    def test_roles_need_no_prefix(self):
        table = make_table().rename(columns={PLATE: "plate", "Metadata_ControlType": "kind"})
        normalizer = ScreenNormalizer("plate", "kind == 'negative'", n_components=5).fit(table)
        assert normalizer.n_features_in_ == 12

    def test_metadata_alone_do_not_disturb(self):
        table = make_table()
        result = ScreenNormalizer(n_components=5).fit_transform(table)
        np.testing.assert_array_equal(result, ScreenNormalizer(n_components=5).fit_transform(features(table)))

    def test_named_features(self):
        table = make_table()
        wanted = ["Cells_F3", "Cells_F1", "Cells_F7"]
        normalizer = ScreenNormalizer(features=wanted).fit(table)
        assert normalizer.feature_names_in_.tolist() == wanted
        np.testing.assert_array_equal(
            normalizer.transform(table), ScreenNormalizer().fit_transform(table[wanted].to_numpy())
        )

    def test_pandas_output_clone_pickle_and_second_fit(self):
        table = make_table().set_index(np.arange(120) * 7)
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=5)
        Z = normalizer.fit_transform(table)
        out = clone(normalizer).set_output(transform="pandas").fit_transform(table)
        assert out.index.equals(table.index)
        assert out.columns.tolist() == [f"screennormalizer{i}" for i in range(5)]
        np.testing.assert_array_equal(out.to_numpy(), Z)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(normalizer)).transform(table), Z)
        normalizer.fit(make_table(n_plates=2, seed=5))
        np.testing.assert_array_equal(normalizer.fit_transform(table), Z)
        pipe = make_pipeline(clone(normalizer), PCA(2)).fit(table)
        assert pipe.transform(table).shape == (120, 2)

    def test_input_is_not_changed(self):
        table = make_table()
        before = table.copy()
        ScreenNormalizer(PLATE, NEGATIVE, n_components=5).fit_transform(table)
        pd.testing.assert_frame_equal(table, before)
        X = features(table)
        before = X.copy()
        ScreenNormalizer(n_components=5).fit_transform(X)
        np.testing.assert_array_equal(X, before)

    def test_fitted_attributes_are_plain(self):
        # a model folder holds arrays, numbers and names
        fitted = vars(ScreenNormalizer(PLATE, NEGATIVE, n_components=5).fit(make_table()))
        for name, value in fitted.items():
            if name.endswith("_"):
                assert isinstance(value, (np.ndarray, float, int, str, list, type(None))), name
        assert all(isinstance(plate, str) for plate in fitted["plates_"])

    def test_works_without_pandas(self):
        # scikit-learn itself imports pandas where it is installed, so let it not be found
        code = (
            "import sys\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name.partition('.')[0] == 'pandas':\n"
            "            raise ModuleNotFoundError(name)\n"
            "sys.meta_path.insert(0, Absent())\n"
            "import numpy as np\n"
            "from archetypal_triplet import ScreenNormalizer, NeighborAverager\n"
            "X = np.random.default_rng(0).normal(size=(30, 4))\n"
            "NeighborAverager(3).fit_transform(ScreenNormalizer().fit_transform(X))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


class TestErrors:
    @pytest.mark.parametrize(
        ("roles", "message"),
        [
            (
                {"plate": "Metadata_Plat"},
                r"plate='Metadata_Plat' is not a column of the table. Did you mean 'Metadata_Plate'",
            ),
            (
                {"plate": "zzz"},
                r"plate='zzz' is not a column .* Columns to choose from: Metadata_Plate, Metadata_Well",
            ),
            ({"groups": ["Metadata_Well", "x"]}, r"groups='x' is not a column"),
            (
                {"features": ["Cells_F0", "x", "y"]},
                r"2 names in features are not columns of the table \(x, y\)",
            ),
            (
                {"controls": "Metadata_ControlType == 'DMSO'"},
                r"matches none of the 120 rows. Values .*: Metadata_ControlType: 'negative', 'sample'",
            ),
            ({"controls": "Metadata_Kind == 'DMSO'"}, r"speaks of 'Metadata_Kind', which is not a column"),
            ({"controls": "Metadata_ControlType = 'negative'"}, r"holds an assignment with '='"),
            (
                {"controls": "Metadata_ControlType =="},
                r"is not a query that the table can answer \(SyntaxError",
            ),
            ({"controls": "Metadata_ControlType"}, r"is not a condition that is true or false for each row"),
            ({"controls": "Metadata_Plate == @x"}, r"holds '@'"),
            ({"controls": "Metadata_Plate.to_csv('x') == 1"}, r"holds a call of 'to_csv'"),
            ({"controls": r"'\'' + Metadata_Plate.to_csv('x') + '\'' == 1"}, r"holds a backslash"),
            ({"controls": "`a'b` == 1 and Metadata_Plate.to_csv('x') == 1"}, r"holds a call of 'to_csv'"),
            (
                {"groups": [PLATE, "Metadata_Well"]},
                r"puts no two rows into one group, .* Name what rows share",
            ),
            ({"groups": []}, r"groups=\[\] is empty"),
        ],
    )
    def test_roles(self, roles, message):
        roles = {"plate": PLATE, **roles}
        with pytest.raises(ValueError, match=message):
            ScreenNormalizer(**roles, n_components=3).fit(make_table())

    def test_query_may_call_what_chooses_rows(self):
        table = make_table()
        expected = ScreenNormalizer(PLATE, NEGATIVE, n_components=5).fit_transform(table)
        for query in (
            "Metadata_ControlType in ['negative'] and not (Metadata_Plate == 'a@b()')",
            "Metadata_ControlType.str.startswith('neg')",
            "`Metadata_ControlType` == \"negative\" | Metadata_Compound.isin(['zzz'])",
        ):
            np.testing.assert_array_equal(
                ScreenNormalizer(PLATE, query, n_components=5).fit_transform(table), expected
            )

    def test_plate_without_controls(self):
        table = make_table()
        table.loc[table[PLATE] == "P1", "Metadata_ControlType"] = "sample"
        with pytest.raises(ValueError, match=r"1 of 3 plates have no control rows: P1. Add their controls"):
            ScreenNormalizer(PLATE, NEGATIVE).fit(table)

    def test_one_control_on_each_plate(self):
        table = make_table()
        table["Metadata_ControlType"] = np.where(table["Metadata_Well"] == "A01", "negative", "sample")
        with pytest.raises(ValueError, match=r"matches 3 rows, one for each plate.* needs two control rows"):
            ScreenNormalizer(PLATE, NEGATIVE).fit(table)

    def test_rows_without_plate(self):
        table = make_table()
        table.loc[[4, 9], PLATE] = None
        with pytest.raises(
            ValueError, match=r"2 of 120 rows have no plate in 'Metadata_Plate' \(first: row 4\)"
        ):
            ScreenNormalizer(PLATE, NEGATIVE).fit(table)

    def test_identical_replicates(self):
        table = make_table()
        twice = pd.concat([table, table], ignore_index=True)
        with pytest.raises(ValueError, match=r"All rows within a group of groups=.* are the same"):
            ScreenNormalizer(groups=[PLATE, "Metadata_Well"], n_components=3).fit(twice)

    def test_nothing_varies(self):
        table = make_table()
        table[table.filter(like="Cells_").columns] = 1.5
        with pytest.raises(ValueError, match=r"None of the 12 features varies among the controls"):
            ScreenNormalizer(PLATE, NEGATIVE).fit(table)

    def test_text_feature(self):
        with pytest.raises(
            ValueError,
            match=r"1 of 13 feature columns do not hold numbers: note .*Rename such a "
            r"column to Metadata_note",
        ):
            ScreenNormalizer().fit(make_table().assign(note="x"))

    def test_no_features(self):
        table = make_table().filter(like="Metadata_")
        with pytest.raises(ValueError, match=r"no feature column: all of its 4 columns are metadata"):
            ScreenNormalizer().fit(table)

    def test_repeated_column_name(self):
        table = make_table().rename(columns={"Cells_F1": "Cells_F0"})
        with pytest.raises(ValueError, match=r"several columns of one name: Cells_F0"):
            ScreenNormalizer(PLATE).fit(table)

    def test_missing_features(self):
        table = make_table()
        normalizer = ScreenNormalizer(PLATE, NEGATIVE, n_components=3).fit(table)
        with pytest.raises(ValueError, match=r"X lacks 2 of the 12 features seen in fit: Cells_F1, Cells_F4"):
            normalizer.transform(table.drop(columns=["Cells_F1", "Cells_F4"]))

    def test_not_finite(self):
        table = make_table()
        table.loc[[3, 5], "Cells_F2"] = np.nan
        table.loc[5, "Cells_F8"] = -np.inf
        message = (
            r"2 NaN and 1 infinity \(inf\) values, in 2 of 12 features: Cells_F2 \(2\), Cells_F8 \(1\); in 2 "
            r"of 120 rows \(first: row 3\). Drop or impute"
        )
        with pytest.raises(ValueError, match=message):
            ScreenNormalizer(PLATE, NEGATIVE).fit(table)

    @pytest.mark.parametrize("role", [{"plate": PLATE}, {"controls": NEGATIVE}, {"features": ["a"]}])
    def test_roles_need_a_table(self, role):
        with pytest.raises(TypeError, match=r"speaks of columns, but X is a ndarray without column names"):
            ScreenNormalizer(**role).fit(np.eye(5))


class TestRealScreen:
    def test_whitening_helps_on_bbbc021(self, data_folder):
        # the measured retrieval of the design, as a bound: mechanisms among other compounds
        table = pd.read_csv(data_folder / "bbbc021_profiles_dev" / "profiles.csv.gz")
        table = table.loc[:, ~table.columns.str.contains(r"Location|_Center_")]
        plain = ScreenNormalizer(PLATE, NEGATIVE, ridge=1e6, soft_length=None).fit_transform(table)
        white = ScreenNormalizer(PLATE, NEGATIVE).fit_transform(table)
        assert score_mechanisms(table, plain) == pytest.approx(43 / 48, abs=0.03)
        assert score_mechanisms(table, white) >= 0.95


def score_mechanisms(table, Z):
    """Share of treatments whose nearest treatment of another compound, by cosine, has the same mechanism."""
    keys = ["Metadata_Compound", "Metadata_Concentration_uM", "Metadata_MOA"]
    samples = table["Metadata_ControlType"] != "negative"
    means = pd.DataFrame(Z[samples]).groupby([table.loc[samples, k].to_numpy() for k in keys]).mean()
    compound, mechanism = (means.index.get_level_values(i).to_numpy() for i in (0, 2))
    U = means.to_numpy() / np.linalg.norm(means, axis=1, keepdims=True)
    similarity = np.where(compound[:, None] == compound, -np.inf, U @ U.T)
    legal = [((mechanism == m) & (compound != c)).any() for m, c in zip(mechanism, compound, strict=True)]
    return (mechanism[similarity.argmax(axis=1)] == mechanism)[legal].mean()


def test_no_category_outvotes_another():
    rng = np.random.default_rng(0)
    signal, nuisance = rng.standard_normal((2, 300))
    table = pd.DataFrame(
        {f"Cells_Texture_Contrast_{i}": nuisance + 0.1 * rng.standard_normal(300) for i in range(40)}
        | {f"AreaShape_Area_{i}": signal + 0.1 * rng.standard_normal(300) for i in range(2)}
    )
    plain = ScreenNormalizer(n_components=2, soft_length=None).fit(table)
    balanced = ScreenNormalizer(n_components=2, soft_length=None, balance="category").fit(table)
    assert plain.explained_variance_ratio_[0] > 0.9
    np.testing.assert_array_equal(plain.weights_, 1.0)
    np.testing.assert_allclose(balanced.explained_variance_ratio_, 0.5, atol=0.06)
    # the largest variance along one axis is 1 in each category
    z = (table - table.mean()) / table.std() * balanced.weights_
    for columns in (slice(0, 40), slice(40, 42)):
        assert np.linalg.eigvalsh(np.cov(z.iloc[:, columns].T))[-1] == pytest.approx(1, rel=0.02)


def test_arrays_have_one_category():
    X = np.random.default_rng(0).standard_normal((50, 6))
    plain = ScreenNormalizer(n_components=3).fit_transform(X)
    np.testing.assert_array_equal(
        ScreenNormalizer(n_components=3, balance="category").fit_transform(X), plain
    )


def test_the_mean_row_may_be_the_origin():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((60, 4)), columns=list("abcd"))
    table["Metadata_ControlType"] = np.where(np.arange(60) < 20, "negative", "sample")
    table.loc[20:, "a"] += 5
    options = {"controls": "Metadata_ControlType == 'negative'", "n_components": 3, "soft_length": None}
    from_mean = ScreenNormalizer(origin="mean", **options).fit_transform(table)
    np.testing.assert_allclose(from_mean.mean(axis=0), 0, atol=1e-12)
    assert np.abs(ScreenNormalizer(**options).fit_transform(table)[:20].mean(axis=0)).max() < 1e-12


def test_auto_takes_as_many_components_as_hold_nine_tenths():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 60)) * 0.1
    X[:, :30] += rng.standard_normal((400, 3)) @ rng.standard_normal((3, 30))
    X[:, 30:] += rng.standard_normal((400, 2)) @ rng.standard_normal((2, 30))
    normalizer = ScreenNormalizer(n_components="auto").fit(X)
    assert normalizer.n_components_ <= 5
    assert normalizer.explained_variance_ratio_.sum() >= 0.9
    assert normalizer.explained_variance_ratio_[:-1].sum() < 0.9
