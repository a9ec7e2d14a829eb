"""Tables of profiles: what comes out of files and frames, and every error by its text."""

import gzip
import stat
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet._utils import _columns
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet.screens import (
    ScreenNormalizer,
    check_profiles,
    clean_profiles,
    read_profiles,
    read_table,
    write_table,
)

NEGATIVE = "Metadata_ControlType == 'negative'"
SUFFIXES = [".csv", ".csv.gz", ".parquet"]


def make_profiles(n_plates=2, n_wells=6, n_features=4, seed=0):
    """Two plates whose names look like numbers, a control in every third well."""
    rng = np.random.default_rng(seed)
    n = n_plates * n_wells
    well = np.tile(np.arange(1, n_wells + 1), n_plates)
    table = pd.DataFrame(
        {
            "Metadata_Plate": np.repeat([f"{42 + i:04d}" for i in range(n_plates)], n_wells),
            "Metadata_Well": [f"A{w:02d}" for w in well],
            "Metadata_ControlType": np.where(well % 3 == 1, "negative", "sample"),
            "Metadata_Compound": np.where(well % 3 == 1, "DMSO", "0017"),
            "Metadata_Concentration_uM": np.where(well % 3 == 1, np.nan, 0.5),
        }
    )
    for i in range(n_features):
        table[f"Cells_F{i}"] = rng.normal(size=n)
    return table


class TestWhatComesOut:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_round_trip(self, tmp_path, suffix):
        table = make_profiles()
        path = write_table(table, tmp_path / f"profiles{suffix}")
        result = read_profiles(path, controls=NEGATIVE)
        pd.testing.assert_frame_equal(result, table, check_exact=True)
        assert result["Metadata_Plate"].unique().tolist() == ["0042", "0043"]
        assert result["Metadata_Concentration_uM"].dtype == float

    def test_text_in_arrow_columns_stays(self):
        table = make_profiles()
        arrow = table.convert_dtypes(dtype_backend="pyarrow")
        result = clean_profiles(arrow, controls=NEGATIVE)
        assert result["Metadata_ControlType"].tolist() == table["Metadata_ControlType"].tolist()
        assert result["Metadata_Compound"].tolist() == table["Metadata_Compound"].tolist()
        np.testing.assert_array_equal(result["Cells_F0"], table["Cells_F0"])

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_true_and_false_are_numbers_in_every_kind_of_file(self, tmp_path, suffix):
        table = make_profiles().assign(Cells_Touches=np.arange(12) % 3 == 0)
        result = read_profiles(write_table(table, tmp_path / f"p{suffix}"))
        assert result["Cells_Touches"].dtype == float
        assert result["Cells_Touches"].tolist() == [1.0, 0.0, 0.0] * 4

    def test_a_column_without_a_name_is_told(self, tmp_path):
        make_profiles().to_csv(tmp_path / "p.csv")
        with pytest.warns(DataWarning, match=r"Left out 1 column, .*: \(a column without a name\)\."):
            read_profiles(tmp_path / "p.csv")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_numbers_that_are_names(self, tmp_path, suffix):
        table = make_profiles()
        table["Metadata_Plate"] = table["Metadata_Plate"].astype(int)
        table["Metadata_Week"] = np.repeat([1.0, np.nan], 6)
        path = write_table(table, tmp_path / f"profiles{suffix}")
        result = read_profiles(path)
        assert result["Metadata_Plate"].unique().tolist() == ["42", "43"]
        weeks = result["Metadata_Week"]
        # a CSV keeps what was written there
        assert weeks.dropna().unique().tolist() == (["1"] if suffix == ".parquet" else ["1.0"])
        assert weeks.isna().sum() == 6

    def test_columns_by_name(self):
        assert _columns.is_identifier("Metadata_WellRow")
        assert _columns.is_identifier("Metadata_Plate_Map_Name")
        assert not _columns.is_identifier("Metadata_ControlType")
        assert _columns.is_quantity("Metadata_Concentration_uM")
        assert _columns.is_quantity("Metadata_Image_Count_Cells")
        assert not _columns.is_quantity("Metadata_ConcentrationUnit")
        assert not _columns.is_quantity("Metadata_dose_unit")
        for name in (
            "Cells_AreaShape_Center_X",
            "Nuclei_Location_MaxIntensity_Y_DNA",
            "Cells_Parent_Nuclei",
            "Nuclei_Number_Object_Number",
            "Cells_AreaShape_BoundingBoxMinimum_X",
            "ImageNumber",
        ):
            assert _columns.is_position_like(name), name
        for name in (
            "Cells_AreaShape_BoundingBoxArea",
            "Cells_Neighbors_NumberOfNeighbors_5",
            "Cells_Area",
            "Cells_RadialDistribution_MeanFrac_DNA_1of4",
            "Cells_Intensity_MassDisplacement_DNA",
        ):
            assert not _columns.is_position_like(name), name
        assert [_columns.pad_well(w) for w in ("a1", "B12", "AA3", "A001", "well 7")] == [
            "A01",
            "B12",
            "AA03",
            "A01",
            "well 7",
        ]

    def test_other_metadata_keep_leading_zeros(self, tmp_path):
        table = make_profiles().assign(Metadata_Donor="007", Metadata_Age=np.arange(12), Metadata_Note="NaN")
        table.to_csv(tmp_path / "p.csv", index=False)
        result = read_profiles(tmp_path / "p.csv")
        assert result["Metadata_Donor"].unique().tolist() == ["007"]
        assert result["Metadata_Age"].tolist() == list(range(12))
        assert result["Metadata_Note"].isna().all()

    def test_wells_are_padded(self):
        table = make_profiles()
        table["Metadata_Well"] = table["Metadata_Well"].str.replace("A0", "a")
        assert clean_profiles(table)["Metadata_Well"].tolist() == make_profiles()["Metadata_Well"].tolist()

    def test_metadata_come_first_and_features_are_floats(self):
        table = make_profiles().assign(Cells_Count=np.arange(12), Cells_Big=np.arange(12) % 2 == 0)
        result = clean_profiles(table[table.columns[::-1]])
        names = result.columns.tolist()
        assert [n.startswith("Metadata_") for n in names] == [True] * 5 + [False] * 6
        assert set(result.dtypes[5:]) == {np.dtype(float)}

    def test_single_precision_stays(self, tmp_path):
        table = make_profiles()
        table = table.astype({c: "float32" for c in table.columns if c.startswith("Cells")})
        path = write_table(table, tmp_path / "p.parquet")
        assert (read_profiles(path).dtypes[5:] == np.float32).all()

    def test_roles_without_prefix(self, tmp_path):
        table = make_profiles().rename(columns={"Metadata_Plate": "barcode", "Metadata_ControlType": "kind"})
        table.to_csv(tmp_path / "p.csv", index=False)
        result = read_profiles(tmp_path / "p.csv", plate="barcode", controls="kind == 'negative'")
        assert result["barcode"].unique().tolist() == ["0042", "0043"]
        assert result.columns.tolist()[0] == "barcode"
        assert check_profiles(result, plate="barcode", controls="kind == 'negative'").controls == {
            "0042": 2,
            "0043": 2,
        }

    def test_columns_named_as_metadata_are_none_that_is_measured(self, tmp_path):
        table = make_profiles().assign(Well_Name="w", Cells_Seen=np.arange(float(len(make_profiles()))))
        for suffix in SUFFIXES:
            path = write_table(table, tmp_path / f"p{suffix}")
            result = read_profiles(path, metadata=["Well_Name", "Cells_Seen", "not there"])
            assert result["Well_Name"].tolist() == ["w"] * len(table)
            assert result["Cells_Seen"].tolist() == table["Cells_Seen"].tolist()
            summary = check_profiles(path, metadata=["Well_Name", "Cells_Seen"])
            assert {"Well_Name", "Cells_Seen"} <= set(summary.metadata)
            assert summary.n_features == check_profiles(make_profiles()).n_features

    def test_named_features_are_taken_as_they_are(self, tmp_path):
        table = make_profiles().assign(Cells_Location_Center_X=1.0, Well_Score=2.0, Cells_Text="x")
        for suffix in SUFFIXES:
            path = write_table(table, tmp_path / f"p{suffix}")
            result = read_profiles(path, features=["Well_Score", "Cells_F1", "Cells_Location_Center_X"])
            assert result.columns.tolist()[5:] == ["Well_Score", "Cells_F1", "Cells_Location_Center_X"]

    def test_numbers_written_as_text(self, tmp_path):
        table = make_profiles()
        expected = clean_profiles(table)
        table["Cells_F2"] = table["Cells_F2"].map(repr)
        table["Metadata_Compound"] = table["Metadata_Compound"].astype("category")
        table["Metadata_ControlType"] = table["Metadata_ControlType"].astype("category")
        result = read_profiles(write_table(table, tmp_path / "p.parquet"), controls=NEGATIVE)
        pd.testing.assert_frame_equal(result, expected)

    def test_without_plates(self):
        table = make_profiles(n_plates=1).drop(columns=["Metadata_Plate", "Metadata_Well"])
        summary = check_profiles(table, plate=None, controls=NEGATIVE)
        assert (summary.plates, summary.controls) == ({}, {"": 2})
        assert str(summary).splitlines()[1:] == ["2 control rows"]
        assert check_profiles(table, plate=None).controls == {}

    def test_any_table_that_becomes_a_pandas_table(self):
        class Other:
            def to_pandas(self):
                return make_profiles()

        pd.testing.assert_frame_equal(clean_profiles(Other()), make_profiles())

    def test_index_and_input_are_left_alone(self):
        table = make_profiles().set_index(np.zeros(12, dtype=int))
        before = table.copy()
        result = clean_profiles(table)
        pd.testing.assert_frame_equal(table, before)
        assert result.index.tolist() == list(range(12))

    def test_feeds_the_normalizer(self):
        table = clean_profiles(make_profiles(n_wells=30), controls=NEGATIVE)
        assert ScreenNormalizer("Metadata_Plate", NEGATIVE, n_components=3).fit_transform(table).shape == (
            60,
            3,
        )


class TestLeftOut:
    def test_position_like(self):
        table = make_profiles().assign(Cells_AreaShape_Center_X=np.arange(12), Nuclei_Parent_Cells=range(12))
        message = r"Left out 2 columns, position-like: Cells_AreaShape_Center_X, Nuclei_Parent_Cells\."
        with pytest.warns(DataWarning, match=message):
            result = clean_profiles(table)
        assert result.columns.tolist() == make_profiles().columns.tolist()

    def test_all_position_like_columns_are_listed(self):
        names = [f"Cells_Location_Center_{i}" for i in range(60)]
        table = pd.concat([make_profiles(), pd.DataFrame(np.ones((12, 60)), columns=names)], axis=1)
        with pytest.warns(DataWarning, match=", ".join(names)):
            clean_profiles(table)

    def test_constant(self):
        table = make_profiles().assign(Cells_Zero=0, Cells_Third=1 / 3)
        with pytest.warns(
            DataWarning,
            match=r"Left out 2 columns, constant: Cells_Zero, Cells_Third\. "
            r"Columns named in features=\[...\] are kept",
        ):
            clean_profiles(table)

    def test_text_and_forgotten_prefix(self, tmp_path):
        table = make_profiles().assign(File="a.tif", Concentration=range(12), row=range(12))
        for path in (write_table(table, tmp_path / "p.csv"), write_table(table, tmp_path / "p.parquet")):
            with pytest.warns(DataWarning) as caught:
                result = read_profiles(path)
            texts = [str(w.message) for w in caught]
            assert any("1 column, text: File." in t for t in texts)
            assert any(
                "2 columns, named like metadata without Metadata_: Concentration, row." in t for t in texts
            )
            assert result.shape == (12, 9)
            assert all(w.filename == __file__ for w in caught)

    def test_dates_and_lists_are_text(self):
        table = make_profiles().assign(Acquired=pd.Timestamp("2020-01-01"), Outline=[[1, 2]] * 12)
        with pytest.warns(DataWarning, match="2 columns, text: Acquired, Outline"):
            assert clean_profiles(table).shape == (12, 9)

    def test_index_that_pandas_wrote(self, tmp_path):
        make_profiles().to_csv(tmp_path / "p.csv")
        with pytest.warns(DataWarning, match="1 column, named like metadata"):
            assert read_profiles(tmp_path / "p.csv").shape == (12, 9)
        make_profiles().set_index(np.arange(12) * 3).to_parquet(tmp_path / "p.parquet")
        assert read_profiles(tmp_path / "p.parquet").shape == (12, 9)

    def test_files_are_joined_on_what_they_share(self, tmp_path):
        table = make_profiles()
        first = table[table["Metadata_Plate"] == "0042"].drop(columns=["Cells_F1", "Metadata_Compound"])
        second = table[table["Metadata_Plate"] == "0043"].drop(columns="Cells_F3")
        paths = [write_table(first, tmp_path / "a.csv"), write_table(second, tmp_path / "b.parquet")]
        with pytest.warns(DataWarning, match=r"Left out 2 columns, not in all 2 files: Cells_F3, Cells_F1\."):
            result = read_profiles(paths, controls=NEGATIVE)
        assert result.columns.tolist()[-2:] == ["Cells_F0", "Cells_F2"]
        assert result["Metadata_Plate"].tolist() == table["Metadata_Plate"].tolist()
        assert result["Metadata_Compound"].isna().sum() == 6
        np.testing.assert_array_equal(result["Cells_F2"], table["Cells_F2"])

    @pytest.mark.parametrize("policy", ["drop_features", "drop_rows"])
    def test_not_finite(self, policy):
        table = make_profiles()
        table.loc[3, "Cells_F1"] = np.nan
        table.loc[[3, 7], "Cells_F2"] = np.inf
        expected = {
            "drop_features": r"2 columns, with NaN or infinities: Cells_F1, Cells_F2",
            "drop_rows": r"Left out 2 rows with NaN or infinities; 10 are left",
        }
        with pytest.warns(DataWarning, match=expected[policy]):
            result = clean_profiles(table, on_nonfinite=policy)
        assert result.shape == {"drop_features": (12, 7), "drop_rows": (10, 9)}[policy]
        assert np.isfinite(result.filter(like="Cells_")).all(axis=None)
        summary = check_profiles(table, on_nonfinite=policy, controls=NEGATIVE)
        assert summary.n_rows == len(result)
        assert "left out, with NaN or infinities: 2" in str(summary)
        assert sum(summary.plates.values()) == len(result)

    def test_summary_warns_of_nothing(self):
        table = make_profiles().assign(Cells_Location_Center_X=1.0, Cells_Zero=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            summary = check_profiles(table, controls=NEGATIVE)
        assert (summary.n_rows, summary.n_features, len(summary.metadata)) == (12, 4, 5)
        assert summary.plates == {"0042": 6, "0043": 6}
        assert summary.controls == {"0042": 2, "0043": 2}
        assert summary.left_out == {"position-like": ["Cells_Location_Center_X"], "constant": ["Cells_Zero"]}
        assert str(summary).splitlines() == [
            "12 rows, 4 features, 5 metadata columns",
            "2 plates of 6 rows: 0042, 0043",
            "4 control rows, 2 a plate",
            "left out, position-like: 1 column",
            "left out, constant: 1 column",
        ]


class TestErrorsOfTables:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"plate": "Metadata_Barcode"}, r"plate='Metadata_Barcode' is not a column of the table"),
            ({"features": ["Cells_F1", "Cells_F9"]}, r"features='Cells_F9' is not a column .*Did you mean"),
            (
                {"controls": "Metadata_ControlType == 'DMSO'"},
                r"matches none of the 12 rows. Values that occur: Metadata_ControlType: 'negative', 'sample'",
            ),
            ({"controls": "Metadata_Kind == 'DMSO'"}, r"speaks of 'Metadata_Kind', which is not a column"),
            ({"level": "plate"}, r"level='plate' is unknown. Choose one of 'well', 'field', 'cell'"),
            ({"on_nonfinite": "impute"}, r"on_nonfinite='impute' is unknown. Choose one of 'raise'"),
            ({"features": ["Metadata_ControlType"]}, r"1 of the 1 columns in features hold text"),
        ],
    )
    def test_parameters(self, given, message):
        with pytest.raises(ValueError, match=message):
            check_profiles(make_profiles(), **given)

    def test_plate_without_controls(self):
        table = make_profiles()
        table.loc[table["Metadata_Plate"] == "0043", "Metadata_ControlType"] = "sample"
        with pytest.raises(
            ValueError, match=r"1 of 2 plates have no control rows: 0043\. Add their controls"
        ):
            check_profiles(table, controls=NEGATIVE)

    def test_row_without_plate(self):
        table = make_profiles()
        table.loc[5, "Metadata_Plate"] = None
        with pytest.raises(
            ValueError, match=r"1 of 12 rows have no plate in 'Metadata_Plate' \(first: row 5\)"
        ):
            check_profiles(table)

    def test_duplicate_keys(self):
        table = pd.concat([make_profiles(), make_profiles().iloc[[7]]], ignore_index=True)
        message = (
            r"1 of 13 rows repeat the Metadata_Plate and Metadata_Well of a row before them \(first: row 12, "
            r"Metadata_Plate '0043', Metadata_Well 'A02'\)\. Drop one of each, or pass level='field' or "
            r"level='cell' if rows are no wells"
        )
        with pytest.raises(ValueError, match=message):
            check_profiles(table)
        assert check_profiles(table, level="cell").n_rows == 13
        fields = table.assign(Metadata_Site=["1"] * 12 + ["2"])
        assert check_profiles(fields, level="field").n_rows == 13
        with pytest.raises(
            ValueError, match=r"Metadata_Plate and Metadata_Well and Metadata_Site of a row before"
        ):
            check_profiles(fields.assign(Metadata_Site="1"), level="field")

    def test_duplicate_keys_without_plates(self):
        message = (
            r"repeat the Metadata_Well .* Name the column that tells plates apart, plate='Metadata_Plate'"
        )
        with pytest.raises(ValueError, match=message):
            check_profiles(make_profiles(), plate=None)

    @pytest.mark.parametrize(
        ("features", "error", "message"),
        [
            (["Cells_F1", "Cells_F0", "Cells_F1"], ValueError, r"names a column twice: Cells_F1\. Name each"),
            ([], ValueError, r"features=\[\] is empty\. Name at least one column, or pass None"),
            (5, TypeError, r"features=5 must be a list of column names, or None"),
            (["Area"], ValueError, r"'Area' is not a column .* Columns to choose from: Cells_F0, Cells_F1"),
        ],
    )
    def test_features(self, tmp_path, features, error, message):
        table = make_profiles()
        for function in (check_profiles, clean_profiles):
            with pytest.raises(error, match=message):
                function(table, features=features)

    def test_features_that_a_file_lacks(self, tmp_path):
        path = write_table(make_profiles(), tmp_path / "p.parquet")
        with pytest.raises(ValueError, match=r"p.parquet lacks 1 of 2 columns .*: Area\. .* from: Cells_F0,"):
            read_profiles(path, features=["Area", "Cells_F1"])
        assert list(read_profiles(path, features="Cells_F1"))[-2:] == [
            "Metadata_Concentration_uM",
            "Cells_F1",
        ]

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_mixed_types(self, tmp_path, suffix):
        table = make_profiles()
        table["Cells_F1"] = table["Cells_F1"].astype(str)
        table.loc[[4, 8], "Cells_F1"] = "failed"
        path = write_table(table, tmp_path / f"p{suffix}")
        message = (
            r"1 of 4 feature columns mix numbers and text: Cells_F1\. Cells_F1 holds 2 values that cannot be "
            r"numbers: 'failed' \(first: row 4\)\. Correct or empty these values, or rename the column to "
            r"Metadata_Cells_F1 if it is no feature"
        )
        with pytest.raises(ValueError, match=message):
            read_profiles(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_not_finite(self, tmp_path, suffix):
        table = make_profiles()
        table.loc[[3, 4], "Cells_F1"] = np.nan
        table.loc[4, "Cells_F2"] = -np.inf
        path = write_table(table, tmp_path / f"p{suffix}")
        message = (
            r"The features hold 2 NaN and 1 infinity \(inf\) values, in 2 of 4 features: Cells_F1 \(2\), "
            r"Cells_F2 \(1\); in 2 of 12 rows \(first: row 3\)\. Impute them, or leave out .*'drop_features'"
        )
        with pytest.raises(ValueError, match=message):
            read_profiles(path)

    def test_nothing_finite(self):
        table = make_profiles()
        np.fill_diagonal(values := table.filter(like="Cells_").to_numpy(copy=True)[:4], np.nan)
        table = table[:4].copy()
        table[[f"Cells_F{i}" for i in range(4)]] = values
        with pytest.raises(ValueError, match="No feature is free of NaN and infinities: there are 4 NaN"):
            check_profiles(table, on_nonfinite="drop_features")
        with pytest.raises(ValueError, match="No row is free of NaN and infinities: there are 4 NaN"):
            check_profiles(table, on_nonfinite="drop_rows")

    def test_all_constant(self):
        table = make_profiles()
        table[[f"Cells_F{i}" for i in range(4)]] = 2.5
        with pytest.raises(
            ValueError, match=r"All of 4 features are constant over 12 rows \(Cells_F0, .*nothing to"
        ):
            check_profiles(table)

    def test_no_features(self):
        table = make_profiles(n_features=0).assign(Cells_Location_Center_X=1.0, Note="x")
        with pytest.raises(
            ValueError,
            match=r"no feature column. Columns that are not metadata: position-like: "
            r"Cells_Location_Center_X; text: Note\. Name the features",
        ):
            check_profiles(table)

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_concentration_with_unit(self, tmp_path, suffix):
        table = make_profiles().astype({"Metadata_Concentration_uM": object})
        table["Metadata_Concentration_uM"] = ["10 uM"] * 3 + ["1"] * 9
        path = write_table(table, tmp_path / f"p{suffix}")
        message = (
            r"3 of 12 values of 'Metadata_Concentration_uM' are not numbers: '10 uM' \(first: row 0\)\. Put"
        )
        with pytest.raises(ValueError, match=message):
            read_profiles(path)

    def test_no_rows(self):
        with pytest.raises(ValueError, match="The table has 9 columns and no rows"):
            check_profiles(make_profiles()[:0])

    def test_repeated_column_name(self):
        table = make_profiles().rename(columns={"Cells_F1": "Cells_F0"})
        with pytest.raises(ValueError, match=r"several columns of one name: Cells_F0\. Rename"):
            check_profiles(table)

    def test_not_a_table(self):
        with pytest.raises(TypeError, match="Expected a pandas DataFrame, got ndarray"):
            clean_profiles(np.eye(3))


class TestErrorsOfFiles:
    def test_missing(self, tmp_path):
        write_table(make_profiles(), tmp_path / "profiles.parquet")
        with pytest.raises(
            FileNotFoundError, match=r"no file .*profile\.csv\. Its folder holds profiles\.parquet"
        ):
            read_profiles(tmp_path / "profile.csv")
        with pytest.raises(FileNotFoundError, match=r"Its folder does not exist either"):
            read_profiles(tmp_path / "nowhere" / "profile.csv")

    def test_missing_extra(self, tmp_path, monkeypatch):
        path = write_table(make_profiles(), tmp_path / "p.csv")
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(
            ImportError, match=r"pyarrow is needed here .* pip install 'archetypal-triplet\[screens\]'"
        ):
            read_profiles(path)

    def test_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"is a folder. Name its files"):
            read_profiles(tmp_path)

    def test_suffix(self, tmp_path):
        (tmp_path / "profiles.xlsx").write_text("x")
        with pytest.raises(
            ValueError, match=r"xlsx does not end in \.parquet, \.pq, \.csv, \.csv\.gz\. Save the"
        ):
            read_profiles(tmp_path / "profiles.xlsx")

    def test_empty_file(self, tmp_path):
        (tmp_path / "p.csv").touch()
        with pytest.raises(ValueError, match=r"p\.csv is an empty file \(0 bytes\)"):
            read_profiles(tmp_path / "p.csv")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_header_only(self, tmp_path, suffix):
        path = write_table(make_profiles()[:0], tmp_path / f"p{suffix}")
        with pytest.raises(ValueError, match=r"has a header of 9 columns and no rows"):
            read_profiles(path)

    def test_not_what_the_name_says(self, tmp_path):
        (tmp_path / "p.parquet").write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match=r"p\.parquet cannot be read as Parquet: .*Check that the file"):
            read_profiles(tmp_path / "p.parquet")
        (tmp_path / "p.csv.gz").write_text("a,b\n1,2\n")
        with pytest.raises(ValueError, match=r"p\.csv\.gz cannot be read as comma-separated UTF-8 text"):
            read_profiles(tmp_path / "p.csv.gz")

    def test_cut_off(self, tmp_path):
        whole = gzip.compress(make_profiles(n_wells=400).to_csv(index=False).encode())
        (tmp_path / "p.csv.gz").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=r"cannot be read as comma-separated UTF-8 text: .*complete"):
            read_profiles(tmp_path / "p.csv.gz")

    def test_ragged(self, tmp_path):
        (tmp_path / "p.csv").write_text("Metadata_Plate,Cells_F0\nP1,1\nP1,2,3\n")
        with pytest.raises(
            ValueError, match=r"cannot be read as comma-separated UTF-8 text: .*Expected 2 columns"
        ):
            read_profiles(tmp_path / "p.csv")

    def test_other_separator(self, tmp_path):
        make_profiles().to_csv(tmp_path / "p.csv", sep=";", index=False)
        with pytest.raises(ValueError, match=r"has one column, named 'Metadata_Plate;.*separated by commas"):
            read_profiles(tmp_path / "p.csv")

    def test_repeated_column_name(self, tmp_path):
        (tmp_path / "p.csv").write_text("Metadata_Plate,A,A\nP1,1,2\n")
        with pytest.raises(ValueError, match=r"p\.csv has several columns of one name: A\. Rename or drop"):
            read_profiles(tmp_path / "p.csv")

    def test_unknown_features(self, tmp_path):
        for suffix in SUFFIXES:
            path = write_table(make_profiles(), tmp_path / f"p{suffix}")
            with pytest.raises(
                ValueError, match=r"lacks 1 of 2 columns named in features: Cells_F9\. Did you mean"
            ):
                read_profiles(path, features=["Cells_F9", "Cells_F0"])

    def test_same_file_twice(self, tmp_path):
        path = write_table(make_profiles(), tmp_path / "p.csv")
        with pytest.raises(ValueError, match=r"names .*p\.csv twice, which would double its rows"):
            read_profiles([path, str(path)])
        with pytest.raises(ValueError, match=r"path_or_paths is an empty list"):
            read_profiles([])

    def test_nothing_in_common(self, tmp_path):
        first = write_table(make_profiles(), tmp_path / "a.csv")
        other = make_profiles().rename(columns=lambda c: c.replace("Cells", "Nuclei"))
        second = write_table(other, tmp_path / "b.csv")
        with pytest.raises(ValueError, match=r"The 2 files have no feature in common \(a\.csv: Cells_F0"):
            read_profiles([first, second])


class TestWriting:
    def test_nothing_is_overwritten_unasked(self, tmp_path):
        path = write_table(make_profiles(), tmp_path / "p.csv")
        with pytest.raises(FileExistsError, match=r"p\.csv exists.*overwrite=True"):
            write_table(make_profiles(seed=1), path)
        write_table(make_profiles(seed=1), path, overwrite=True)
        pd.testing.assert_frame_equal(read_profiles(path), make_profiles(seed=1))
        assert [p.name for p in tmp_path.iterdir()] == ["p.csv"]

    def test_failure_leaves_nothing_and_keeps_what_was(self, tmp_path):
        path = write_table(make_profiles(), tmp_path / "p.parquet")
        before = path.read_bytes()
        broken = make_profiles().assign(Cells_Object=[object()] * 12)
        with pytest.raises(Exception, match="object"):
            write_table(broken, path, overwrite=True)
        assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]
        assert path.read_bytes() == before

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_same_table_same_bytes(self, tmp_path, suffix):
        one = write_table(make_profiles(), tmp_path / f"a{suffix}").read_bytes()
        assert write_table(make_profiles(), tmp_path / f"b{suffix}").read_bytes() == one

    def test_permissions_are_those_of_any_file(self, tmp_path):
        (tmp_path / "plain").touch()
        path = write_table(make_profiles(), tmp_path / "p.csv")
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)

    def test_errors(self, tmp_path):
        with pytest.raises(ValueError, match=r"p\.txt does not end in \.parquet"):
            write_table(make_profiles(), tmp_path / "p.txt")
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere\. Create it first"):
            write_table(make_profiles(), tmp_path / "nowhere" / "p.csv")


class TestRealTables:
    def test_bbbc021(self, data_folder):
        path = data_folder / "bbbc021_profiles_dev" / "profiles.csv.gz"
        with pytest.warns(
            DataWarning, match=r"Left out 49 columns, position-like: .*Nuclei_Location_Center_X"
        ):
            table = read_profiles(path, controls=NEGATIVE)
        summary = check_profiles(path, controls=NEGATIVE)
        assert table.shape == (302, 8 + 467)
        assert summary.n_features == 467
        assert set(summary.controls.values()) == {3}
        assert len(summary.plates) == 55
        # as text, which Python turns into the nearest number; pandas 2 does not in the last digit
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
        features = raw[table.columns[8:]].apply(lambda column: column.map(float))
        np.testing.assert_array_equal(table.iloc[:, 8:], features)
        concentrations = raw["Metadata_Concentration_uM"].map(lambda text: float(text or "nan"))
        np.testing.assert_array_equal(table["Metadata_Concentration_uM"], concentrations)

    def test_pycytominer_cells(self, data_folder):
        paths = sorted((data_folder / "cardiac_fibroblast_cellprofiles").glob("*.parquet"))
        with pytest.warns(DataWarning) as caught:
            table = read_profiles(paths, level="cell", controls="Metadata_cell_type == 'healthy'")
        assert [str(w.message).partition(":")[0] for w in caught] == [
            "Left out 277 columns, not in all 3 files",
            "Left out 1 column, position-like",
        ]
        assert table.shape == (1520, 20 + 509)
        assert np.isfinite(table.iloc[:, 20:]).all(axis=None)
        with pytest.raises(
            ValueError, match=r"1496 of 1520 rows repeat the Metadata_Plate and Metadata_Well"
        ):
            check_profiles(paths)

    def test_files_come_back_as_they_are(self, data_folder):
        path = next((data_folder / "cardiac_fibroblast_cellprofiles").glob("*.parquet"))
        expected = pd.read_parquet(path).reset_index(drop=True)
        pd.testing.assert_frame_equal(read_table(path), expected, check_dtype=False)
