"""`read_layout` on file lists: LoadData, samplesheet, plate.csv."""

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.images import Plane, read_layout


@pytest.fixture
def files(tmp_path):
    """Eight empty files: two wells, two fields, two channels."""
    folder = tmp_path / "images"
    folder.mkdir()
    for well in ("A01", "B02"):
        for site in (1, 2):
            for channel in ("dna", "er"):
                (folder / f"{well}_{site}_{channel}.png").touch()
    return tmp_path


def load_data(folder, prefix=""):
    rows = [(w, s) for w in ("B02", "A01") for s in (1, 2)]
    table = {}
    for channel, called in (("ER", "er"), ("DNA", "dna")):
        table[f"{prefix}FileName_Orig{channel}"] = [f"{w}_{s}_{called}.png" for w, s in rows]
        table[f"{prefix}PathName_Orig{channel}"] = str(folder)
    table[f"{prefix}FileName_IllumDNA"] = "P1_IllumDNA.npy"
    table[f"{prefix}PathName_IllumDNA"] = "/illum"
    table[f"{prefix}Metadata_Plate"] = "0042"
    table[f"{prefix}Metadata_Well"] = [w for w, _ in rows]
    table[f"{prefix}Metadata_Site"] = [s for _, s in rows]
    table[f"{prefix}Metadata_Batch"] = "2021_04"
    return pd.DataFrame(table)


def keys(layout):
    return [tuple(row) for row in layout.fields.iloc[:, :3].itertuples(index=False)]


FOUR = [("0042", "A01", "1"), ("0042", "A01", "2"), ("0042", "B02", "1"), ("0042", "B02", "2")]


@pytest.mark.parametrize("prefix", ["", "Image_"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_load_data(prefix, suffix, files):
    table, path = load_data(files / "images", prefix), files / f"load_data{suffix}"
    table.to_parquet(path) if suffix == ".parquet" else table.to_csv(path, index=False)
    layout = read_layout(path)
    assert layout.channels == ["ER", "DNA"]
    assert keys(layout) == FOUR
    assert layout.planes[0] == [Plane(str(files / "images" / f"A01_1_{c}.png")) for c in ("er", "dna")]
    assert layout.fields["Metadata_Batch"].tolist() == ["2021_04"] * 4
    assert len(layout.problems) == 0


def test_load_data_without_folders_starts_at_the_list_or_at_root(files):
    table = load_data("x").filter(regex="^(?!PathName)")
    table.to_csv(files / "images" / "list.csv", index=False)
    assert read_layout(files / "images" / "list.csv").planes[0][0].path == str(
        files / "images" / "A01_1_er.png"
    )
    table.to_csv(files / "list.csv", index=False)
    assert keys(read_layout(files / "list.csv", root=files / "images")) == FOUR
    with pytest.raises(FileNotFoundError, match=r"None of the 8 files of source=.* exists.*root="):
        read_layout(files / "list.csv")


@pytest.mark.parametrize("old", ["/gone/project/images", "s3://bucket/project/images", "D:\\data\\images"])
def test_a_list_of_another_machine_is_found_below_root(old, files):
    table = load_data(old)
    assert keys(read_layout(table, root=files)) == FOUR
    if "://" in old:
        with pytest.raises(ValueError, match="names files of another machine, such as 's3://bucket"):
            read_layout(table)
    else:
        with pytest.raises(FileNotFoundError, match="None of the 8 files"):
            read_layout(table)


def test_urls_of_files_on_this_machine(files):
    table = load_data("x")
    for channel, called in (("ER", "er"), ("DNA", "dna")):
        names = table["Metadata_Well"] + "_" + table["Metadata_Site"].astype(str) + f"_{called}.png"
        table[f"URL_Orig{channel}"] = f"file://{files}/images/" + names
    table = table[[c for c in table if not c.startswith(("FileName", "PathName"))]]
    layout = read_layout(table)
    assert layout.channels == ["ER", "DNA"]
    assert keys(layout) == FOUR


def samplesheet(folder):
    # the columns of the pipeline's own assets/samplesheet.csv
    rows = [
        (c, f"{folder}/{w}_{s}_{c}.png", "source_4", "Batch1", "0042", w, s, int(w[1:]), s, 1, ord(w[0]) - 64)
        for w in ("A01", "B02") for s in (1, 2) for c in ("er", "dna")
    ]  # fmt: skip
    names = [
        "channel",
        "path",
        "source",
        "batch",
        "plate",
        "well",
        "site",
        "col",
        "field_id",
        "plane_id",
        "row",
    ]
    return pd.DataFrame(rows, columns=names)


def test_samplesheet(files):
    samplesheet("images").to_csv(files / "samplesheet.csv", index=False)
    layout = read_layout(files / "samplesheet.csv")
    assert layout.channels == ["er", "dna"]
    assert keys(layout) == FOUR
    assert layout.fields["Metadata_Source"].tolist() == ["source_4"] * 4
    assert len(layout.problems) == 0


def test_samplesheet_with_several_planes_asks_which(files):
    table = samplesheet(files / "images")
    table = pd.concat([table, table.assign(plane_id=2)])
    with pytest.raises(ValueError, match=r"several planes of a stack \(z\), 1, 2"):
        read_layout(table)
    assert keys(read_layout(table, z=2)) == FOUR


def test_own_list_with_a_column_of_files_for_each_channel(files):
    rows = [
        ("0042", w, s, f"images/{w}_{s}_dna.png", f"images/{w}_{s}_er.png", 0.5)
        for w in ("a1", "B2")
        for s in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["plate", "well", "field", "file_dna", "file_er", "dose (uM)"])
    for column in ("file_dna", "file_er"):
        table[column] = table[column].str.replace("a1", "A01").str.replace("B2", "B02")
    table.to_csv(files / "plate.csv", index=False)
    layout = read_layout(files / "plate.csv")
    assert keys(layout) == FOUR
    assert layout.channels == ["dna", "er"]
    assert layout.fields["Metadata_DoseUM"].tolist() == [0.5] * 4


def test_rows_and_columns_in_numbers_instead_of_wells(files):
    table = samplesheet(files / "images").drop(columns="well")
    assert keys(read_layout(table)) == FOUR


def test_metadata_that_differ_between_channels_are_no_metadata_of_the_field(files):
    table = samplesheet(files / "images")
    table["exposure"] = np.where(table["channel"] == "dna", 10, 20)
    table["compound"] = np.where(table["well"] == "A01", "DMSO", "taxol")
    fields = read_layout(table).fields
    assert "Metadata_Exposure" not in fields
    assert fields["Metadata_Compound"].tolist() == ["DMSO", "DMSO", "taxol", "taxol"]


def test_missing_file_is_named(files):
    (files / "images" / "B02_1_er.png").unlink()
    layout = read_layout(samplesheet(files / "images"))
    assert layout.planes[2] == [None, Plane(str(files / "images" / "B02_1_dna.png"))]
    assert layout.problems["Kind"].tolist() == ["missing"]
    assert layout.problems["File"][0] == str(files / "images" / "B02_1_er.png")
    assert "is listed and not there" in layout.problems["Message"][0]


def test_two_files_of_one_field_and_channel(files):
    table = samplesheet(files / "images")
    layout = read_layout(
        pd.concat([table, table.iloc[:1].assign(path=str(files / "images" / "B02_2_dna.png"))])
    )
    assert layout.problems["Kind"].tolist() == ["duplicate"]
    assert "has two files" in layout.problems["Message"][0]


def test_one_file_that_is_listed_twice():
    table = pd.DataFrame({"well": ["A1", "A2", "A1"], "file_dna": ["a.tif", "b.tif", "a.tif"]})
    problems = read_layout(table, check_files=False).problems
    assert problems["Kind"].tolist() == ["duplicate"]
    assert problems["Message"][0].endswith("is listed twice: ./a.tif")


def test_empty_cell_is_a_missing_plane():
    table = pd.DataFrame({"well": ["A1", "A2"], "file_a": ["1.png", "2.png"], "file_b": ["3.png", np.nan]})
    layout = read_layout(table, check_files=False, plate="P")
    assert layout.planes[1] == [Plane("./2.png"), None]
    assert layout.problems["Channel"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["plate", "file_dna"], r"has no column of wells. Call it 'well'.*Its columns are plate, file_dna"),
        (["plate", "row", "file_dna"], r"or give two columns 'row' and 'column'"),
        (["well", "dna"], r"has no column of files. A list has FileName_<channel>"),
    ],
)
def test_lists_that_lack_a_column(columns, message, tmp_path):
    pd.DataFrame([["x"] * len(columns)], columns=columns).to_csv(tmp_path / "list.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read_layout(tmp_path / "list.csv")


def test_lists_that_are_none(tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ValueError, match=r"empty.csv' could not be read as a table"):
        read_layout(tmp_path / "empty.csv")
    (tmp_path / "head.csv").write_text("well,file_dna\n")
    with pytest.raises(ValueError, match=r"head.csv' has no rows"):
        read_layout(tmp_path / "head.csv")
    (tmp_path / "blank.csv").write_text("well,file_dna\nA01,\n")
    with pytest.raises(ValueError, match=r"names no image file"):
        read_layout(tmp_path / "blank.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"broken.parquet' could not be read as a table"):
        read_layout(tmp_path / "broken.parquet")


def test_plate_names_that_look_like_numbers_stay(files):
    samplesheet(files / "images").to_csv(files / "list.csv", index=False)
    assert read_layout(files / "list.csv").fields["Metadata_Plate"][0] == "0042"


def test_bbbc013_by_its_list(data_folder):
    layout = read_layout(data_folder / "bbbc013_translocation" / "plate.csv")
    assert len(layout) == 96
    assert layout.channels == ["gfp", "dna"]
    assert len(layout.problems) == 0
    assert layout.planes[0][1].path.endswith("images/Channel2-01-A-01.tif")
    assert layout.fields["Metadata_Concentration"].dtype.kind == "f"
    assert "controls: 72 sample, 12 negative, 8 positive, 4 untreated (wells)" in layout.lines()


def test_bbbc016_by_its_list(data_folder):
    layout = read_layout(data_folder / "bbbc016_transfluor_gfp" / "images.csv")
    assert len(layout) == 72
    assert layout.channels == ["GFP"]
    assert set(layout.fields["Metadata_Plate"]) == {"050428030001"}
