"""Plate maps, barcodes and control types in `read_layout`."""

import pandas as pd
import pytest

from archetypal_triplet.images import read_layout


def screen(plates=("P1", "P2"), wells=("A01", "A02", "B01", "B02")):
    """Return a file list of one field a well."""
    rows = [(p, w, f"{p}/{w}.png") for p in plates for w in wells]
    return pd.DataFrame(rows, columns=["plate", "well", "file_dna"])


def read(plate_map, table=None, **options):
    return read_layout(
        screen() if table is None else table, check_files=False, plate_map=plate_map, **options
    )


COMPOUNDS = ["DMSO", "taxol", "taxol", "blank"]


@pytest.mark.parametrize(
    "places",
    [
        {"well": ["A01", "A02", "B01", "B02"]},
        {"Well": ["A1", "A2", "B1", "B2"]},
        {"well_position": ["a01", "a02", "b01", "b02"]},
        {"row": [1, 1, 2, 2], "column": [1, 2, 1, 2]},
        {"Row": ["A", "A", "B", "B"], "Col": ["01", "02", "01", "02"]},
        {"Metadata_Row": ["a", "a", "b", "b"], "Metadata_Column": [1.0, 2.0, 1.0, 2.0]},
    ],
)
def test_wells_are_written_in_many_ways(places):
    fields = read(pd.DataFrame({**places, "compound": COMPOUNDS})).fields
    assert fields["Metadata_Compound"].tolist() == COMPOUNDS * 2
    assert not [c for c in fields if c in ("Metadata_Row", "Metadata_Column", "Metadata_Col")]


def test_wells_of_1536(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("well,compound\nAF48,late\nz1,early\n")
    fields = read(path, screen(["P"], ["AF48", "Z01"])).fields
    assert fields["Metadata_Well"].tolist() == ["Z01", "AF48"]
    assert fields["Metadata_Compound"].tolist() == ["early", "late"]


def test_by_plate_and_well():
    table = screen()[["plate", "well"]].assign(compound=[f"c{i}" for i in range(8)])
    assert read(table.sample(frac=1, random_state=0)).fields["Metadata_Compound"].tolist() == [
        f"c{i}" for i in range(8)
    ]


def test_wells_that_only_one_side_has():
    table = pd.DataFrame(
        {"plate": ["P1"] * 4 + ["P9"], "well": ["A01", "A02", "B01", "C05", "A01"], "compound": "x"}
    )
    layout = read(table)
    said = layout.problems.groupby("Kind")["Message"].apply(list).to_dict()
    assert said["no images"] == [
        "plate P9 is in the plate map and has no images",
        "well C05 of plate P1 is in the plate map and has no images",
    ]
    assert "well B02 of plate P1 is not in the plate map" in said["not in plate map"]
    assert len(said["not in plate map"]) == 5
    assert layout.fields["Metadata_Compound"].isna().sum() == 5


def test_a_map_without_any_of_the_wells_raises():
    with pytest.raises(
        ValueError, match=r"none of the wells of the images. The map has H12; the images have A01"
    ):
        read(pd.DataFrame({"well": ["H12"], "compound": ["x"]}))


def test_wells_named_twice_raise():
    with pytest.raises(ValueError, match=r"first: well 'A01'\). Give each well one row, or a column 'plate'"):
        read(pd.DataFrame({"well": ["A1", "A01"], "compound": ["x", "y"]}))
    with pytest.raises(ValueError, match=r"first: well 'A01' of plate 'P1'"):
        read(pd.DataFrame({"plate": ["P1", "P1"], "well": ["A1", "A01"], "compound": ["x", "y"]}))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"compound": ["x"]}, r"plate_map=the table has no column of wells. .*Its columns are compound"),
        ({"well": ["A"], "compound": ["x"]}, r"'A' is not the name of a well"),
        ({"well": [17], "compound": ["x"]}, r"'17' is not the name of a well"),
    ],
)
def test_wrong_maps(table, message):
    with pytest.raises(ValueError, match=message):
        read(pd.DataFrame(table))


def test_map_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"plate_map=.*map.csv' does not exist"):
        read(tmp_path / "map.csv")
    (tmp_path / "map.xlsx").touch()
    with pytest.raises(ValueError, match=r"is no table: its name ends in none of .csv"):
        read(tmp_path / "map.xlsx")


def test_names_read_from_a_file_stay_text_and_doses_numbers(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("well,compound,concentration,batch\nA1,007,0.5,01\nA2,NA,1,01\nB1,,2,01\nB2,9,,01\n")
    fields = read(path, screen(["P"])).fields
    assert fields["Metadata_Compound"].tolist()[:2] == ["007", "NA"]
    assert fields["Metadata_Compound"].isna().tolist() == [False, False, True, False]
    assert fields["Metadata_Concentration"].dtype.kind == "f"
    assert fields["Metadata_Batch"].tolist() == ["01"] * 4


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "Well;Compound;Dose\nA1;taxol, old lot;0,5\nA2;x;1\nB1;y;2,25\nB2;z;0\n;;\n",
            "utf-8-sig",
        ),
        ("Well;Compound;Dose\nA1;taxol, old lot;0.5\nA2;x;1\nB1;y;2.25\nB2;z;0\n", "utf-8"),
        (
            "Well\tCompound\tDose\nA1\ttaxol, old lot\t.5\nA2\tx\t1\nB1\ty\t2.25\nB2\tz\t0\n",
            "utf-16",
        ),
        (
            'Well,Compound,"Dose"\nA1,"taxol, old lot",.5\nA2,x,1\nB1,y,2.25\nB2,z,0\n,,\n,,\n',
            "utf-8",
        ),
    ],
    ids=["semicolons", "points", "tabs", "commas"],
)
def test_tables_as_spreadsheets_export_them(text, encoding, tmp_path):
    path = tmp_path / "map.csv"
    path.write_bytes(text.encode(encoding))
    fields = read(path, screen(["P"])).fields
    assert fields["Metadata_Compound"].tolist() == ["taxol, old lot", "x", "y", "z"]
    assert fields["Metadata_Dose"].tolist() == [0.5, 1, 2.25, 0]


def test_a_table_in_another_encoding_says_how_to_save_it(tmp_path):
    (tmp_path / "map.csv").write_bytes("well,compound\nA1,µ\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"map.csv.* is not written in UTF-8 .* CSV UTF-8"):
        read(tmp_path / "map.csv")


@pytest.mark.parametrize("kind", ["folder", "column"])
def test_barcodes_say_which_map_a_plate_has(kind, tmp_path):
    wells = ["A01", "A02", "B01", "B02"]
    maps = {"M1": ["a", "b", "c", "d"], "M2": ["e", "f", "g", "h"]}
    frames = {m: pd.DataFrame({"well_position": wells, "compound": c}) for m, c in maps.items()}
    if kind == "folder":
        for name, frame in frames.items():
            frame.to_csv(tmp_path / f"{name}.txt", sep="\t", index=False)
        plate_map = tmp_path
    else:
        plate_map = pd.concat([f.assign(plate_map_name=m) for m, f in frames.items()])
    barcodes = pd.DataFrame({"Assay_Plate_Barcode": ["P1", "P2"], "Plate_Map_Name": ["M2", "M1"]})
    fields = read(plate_map, barcodes=barcodes).fields
    assert fields["Metadata_Compound"].tolist() == maps["M2"] + maps["M1"]


def test_wrong_barcodes(tmp_path):
    table = pd.DataFrame({"well": ["A01"], "compound": ["x"], "plate_map": ["M1"]})
    pairs = pd.DataFrame({"plate": ["P1", "P2"], "plate_map": ["M1", "M1"]})
    with pytest.raises(ValueError, match="barcodes is given without plate_map"):
        read(None, barcodes=pairs)
    with pytest.raises(ValueError, match="does not say which map a row belongs to"):
        read(table.drop(columns="plate_map"), barcodes=pairs)
    with pytest.raises(ValueError, match="names plate 'P1' more than once"):
        read(table, barcodes=pairs.assign(plate="P1"))
    with pytest.raises(ValueError, match=r"names plate maps that are not there: M7\. There are M1"):
        read(table, barcodes=pairs.assign(plate_map=["M1", "M7"]))
    with pytest.raises(ValueError, match="barcodes needs a column of plates"):
        read(table, barcodes=pairs.rename(columns={"plate": "x"}))
    with pytest.raises(ValueError, match=r"holds no table. Plate maps end in .csv"):
        read(tmp_path, barcodes=pairs)


def test_folder_of_maps_called_like_the_plates(tmp_path):
    for plate in ("P1", "P2"):
        pd.DataFrame({"well": ["A1", "A2", "B1", "B2"], "compound": plate}).to_csv(
            tmp_path / f"{plate}.csv", index=False
        )
    assert read(tmp_path).fields["Metadata_Compound"].tolist() == ["P1"] * 4 + ["P2"] * 4


MAP = pd.DataFrame(
    {
        "well": ["A01", "A02", "B01", "B02"],
        "compound": COMPOUNDS,
        "control": [-1, 0, 1, 0],
        "dose": [0, 1, 9, 0],
    }
)


N, P, S, U = "negative", "positive", "sample", "untreated"


@pytest.mark.parametrize(
    ("control_types", "expected"),
    [
        ({N: "DMSO"}, [N, S, S, S]),
        ({N: ["DMSO", "blank"], P: "taxol"}, [N, P, P, N]),
        ({N: "Metadata_Control == -1", P: "Metadata_Control == 1"}, [N, S, P, S]),
        ({P: "Metadata_Compound == 'taxol' and Metadata_Dose > 5", U: "blank"}, [S, S, P, U]),
    ],
)
def test_control_types_are_what_a_person_says(control_types, expected):
    layout = read(MAP, control_types=control_types)
    assert layout.fields["Metadata_ControlType"].tolist() == expected * 2
    said = layout.lines()[-1]
    assert all(f"{2 * expected.count(kind)} {kind}" in said for kind in expected)


def test_control_types_are_never_guessed():
    layout = read(MAP)
    assert "Metadata_ControlType" not in layout.fields
    assert "controls: not known (no Metadata_ControlType)" in layout.lines()


def test_codes_in_the_column_of_control_types_are_a_problem_with_its_cure():
    table = MAP.rename(columns={"control": "control_type"})
    layout = read(table)
    assert layout.problems["Kind"].tolist() == ["control type"]
    assert "holds -1, 0, 1, which say nothing here" in layout.problems["Message"][0]
    assert '"negative": "Metadata_ControlType == -1"' in layout.problems["Message"][0]
    fixed = read(table, control_types={"negative": "Metadata_ControlType == -1"})
    assert fixed.fields["Metadata_ControlType"].value_counts().to_dict() == {"sample": 6, "negative": 2}
    assert len(fixed.problems) == 0


@pytest.mark.parametrize(
    ("control_types", "message"),
    [
        ({"negative": "dmso"}, r"names 'dmso', which no well holds. Compounds are DMSO, taxol, blank"),
        ({"neg": "DMSO"}, r"control_types has 'neg'; its keys are some of negative, positive"),
        ("DMSO", r"control_types='DMSO' is no dict"),
        ({"negative": "DMSO", "positive": ["DMSO"]}, r"gives well A01 two types, 'negative' and 'positive'"),
        ({"negative": "Metadata_Nothing == 1"}, r"Metadata_Nothing"),
    ],
)
def test_wrong_control_types(control_types, message):
    with pytest.raises(ValueError, match=message):
        read(MAP, control_types=control_types)


def test_control_types_by_compound_need_compounds():
    with pytest.raises(ValueError, match="no column Metadata_Compound is known"):
        read(None, control_types={"negative": "DMSO"})


def test_the_one_plate_of_a_map_names_a_plate_that_only_a_folder_names(tmp_path):
    (tmp_path / "A01_s1_w1.tif").touch()
    table = pd.DataFrame({"plate": ["BR7"], "well": ["A1"], "compound": ["x"]})
    assert read_layout(tmp_path, plate_map=table).fields["Metadata_Plate"].tolist() == ["BR7"]


def test_the_map_is_not_changed():
    before = MAP.copy()
    read(MAP, control_types={"negative": "DMSO"})
    pd.testing.assert_frame_equal(MAP, before)
