"""`read_layout` on folders and globs: names of instruments, what is missing, what is there twice."""

import pickle
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypal_triplet.images import Plane, read_layout
from archetypal_triplet.images._patterns import PATTERNS

GUID = "BEDC2073-A983-4B98-95E9-84466707A25D"


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def keys(layout):
    return [tuple(row) for row in layout.fields.iloc[:, :3].itertuples(index=False)]


def kinds(layout):
    return layout.problems["Kind"].value_counts().to_dict()


# names of two wells, two fields, two channels each; which plate they are of, and which channels
NAMES = {
    "imagexpress": (
        lambda w, f, c: f"TimePoint_1/exp_{w}_s{f}_w{c}{GUID}.tif",
        "P",
        ["w1", "w2"],
    ),
    "operetta": (
        lambda w, f, c: f"Images/r0{ord(w[0]) - 64}c{w[1:]}f0{f}p01-ch{c}sk1fk1fl1.tiff",
        "P",
        ["ch1", "ch2"],
    ),
    "cellvoyager": (
        lambda w, f, c: f"Plate_7_{w}_T0001F00{f}L01A0{c}Z01C0{c}.tif",
        "Plate_7",
        ["C01", "C02"],
    ),
    "arrayscan": (
        lambda w, f, c: f"AS_09047_050428030001_{w}f0{f}d{c}.TIF",
        "050428030001",
        ["d1", "d2"],
    ),
    "incell": (
        lambda w, f, c: f"{w[0]} - {w[1:]}(fld {f} wv Ex{c} - Em{c}).tif",
        "P",
        ["Ex1 - Em1", "Ex2 - Em2"],
    ),
    "well": (lambda w, f, c: f"P9_{w}_f{f}_Dye{c}.tif", "P9", ["Dye1", "Dye2"]),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_named", [True, False])
def test_instrument_names(name, is_named, tmp_path):
    make, plate, channels = NAMES[name]
    folder = tmp_path / "P"
    touch(folder, *(make(w, f, c) for w in ("A01", "B12") for f in (1, 2) for c in (1, 2)))
    layout = read_layout(folder, pattern=name if is_named else None)
    assert keys(layout)[0] == (plate, "A01", "1")
    assert [k[1:] for k in keys(layout)] == [("A01", "1"), ("A01", "2"), ("B12", "1"), ("B12", "2")]
    assert layout.channels == channels
    assert layout.planes[3] == [Plane(str(folder / make("B12", 2, c))) for c in (1, 2)]
    assert len(layout.problems) == 0
    assert len(layout) == 4


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_matches_its_example_and_is_recognized(name, tmp_path):
    touch(tmp_path / "P", PATTERNS[name].example)
    assert len(read_layout(tmp_path / "P", pattern=name)) == 1
    assert f"pattern {name!r}" in "\n".join(read_layout(tmp_path / "P").lines())


# names of real instruments, as published data sets and other software's documentation give them
PUBLISHED = [
    ("imagexpress", "G10_s1_w1BEDC2073-A983-4B98-95E9-84466707A25D.tif", ("G10", "1", "w1")),
    (
        "imagexpress",
        "181214-KOday7-40X-H2O2-Glu_B02_s1_w12DE5D0E6-1639-40D4-8654-9A6247B4B8CD.tif",
        ("B02", "1", "w1"),
    ),
    ("imagexpress", "MIP-2P-2sub_C05_s2_w146C9B2CD-0BB3-4B8A-9187-2805F4C90506.tif", ("C05", "2", "w1")),
    ("imagexpress", "val screen_B02_s1_w2D1E11FCC-8DCD-42F5-B2BD-B270F2E9223D.tif", ("B02", "1", "w2")),
    ("operetta", "r01c02f02p01-ch7sk1fk1fl1.tiff", ("A02", "2", "ch7")),
    ("cellvoyager", "Dest210809-141456_K06_T0001F001L01A03Z01C04.tif", ("K06", "1", "C04")),
    ("cellvoyager", "AssayPlate_Greiner_#655090_C02_T0001F001L01A01Z01C01.tif", ("C02", "1", "C01")),
    ("arrayscan", "MFGTMP_260306160001_A01f00d0.C01", ("A01", "0", "d0")),
    ("incell", "A - 8(fld 1 wv Cy5 - Cy5).tif", ("A08", "1", "Cy5 - Cy5")),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), PUBLISHED)
def test_published_names(pattern, name, expected, tmp_path):
    layout = read_layout(touch(tmp_path / "P", name))
    assert f"pattern {pattern!r}" in layout.lines()[2]
    assert (*keys(layout)[0][1:], layout.channels[0]) == expected


def test_sbs_is_recognized_and_renamed(tmp_path):
    touch(tmp_path, *(f"Channel{c}-{n:02d}-A-{n:02d}.tif" for c in (1, 2) for n in (1, 2)))
    layout = read_layout(tmp_path, channels={"Channel2": "DNA"}, plate="P1")
    assert layout.channels == ["DNA"]
    assert layout.planes == [[Plane(str(tmp_path / f"Channel2-{n:02d}-A-{n:02d}.tif"))] for n in (1, 2)]
    assert keys(layout) == [("P1", "A01", "1"), ("P1", "A02", "1")]


def test_a_field_called_s1_is_no_well(tmp_path):
    touch(tmp_path, *(f"exp_{w}_s{s}_w1{GUID}.tif" for w in ("A01", "H12") for s in (1, 2)))
    assert read_layout(tmp_path).fields["Metadata_Well"].tolist() == ["A01", "A01", "H12", "H12"]


def test_thumbnails_and_other_files_are_counted_and_left_out(tmp_path):
    touch(
        tmp_path,
        f"A01_s1_w1{GUID}.tif",
        f"A01_s1_w1_thumb{GUID}.tif",
        "plate.HTD",
        "notes.txt",
        ".hidden.tif",
    )
    layout = read_layout(tmp_path)
    assert len(layout) == 1
    assert "passed over: 1 thumbnail, 2 other files" in layout.lines()[2]


def test_channel_numbers_with_gaps_sort_as_numbers(tmp_path):
    touch(tmp_path, *(f"A01_s1_w{c}.tif" for c in (10, 4, 2, 1)))
    assert read_layout(tmp_path).channels == ["w1", "w2", "w4", "w10"]


def test_fields_sort_as_numbers_and_rows_after_z(tmp_path):
    touch(tmp_path, *(f"{w}_s{s}_w1.tif" for w in ("AF48", "Z01", "B10", "B02") for s in (10, 9)))
    layout = read_layout(tmp_path)
    expected = [(w, s) for w in ("B02", "B10", "Z01", "AF48") for s in ("9", "10")]
    assert [k[1:] for k in keys(layout)] == expected


def test_circled_digits_are_no_numbers(tmp_path):
    touch(tmp_path, *(f"A01_s{field}_w1.tif" for field in ("②", "²", "10")))
    layout = read_layout(tmp_path, pattern=r"(?P<well>A01)_s(?P<field>.+)_(?P<channel>.+)\.tif")
    assert layout.fields["Metadata_Site"].tolist() == ["10", "²", "②"]


def test_plates_are_folders_below_the_source(tmp_path):
    touch(tmp_path, *(f"{p}/2021-05-01/{n}/TimePoint_1/A01_s1_w1.tif" for p, n in (("P1", 55), ("P2", 56))))
    assert [k[0] for k in keys(read_layout(tmp_path))] == ["P1", "P2"]


def test_plates_of_batches_that_share_names_keep_both_names(tmp_path):
    touch(tmp_path, *(f"{b}/{p}/A01_s1_w1.tif" for b in ("B1", "B2") for p in ("P1", "P2")))
    assert [k[0] for k in keys(read_layout(tmp_path))] == ["B1_P1", "B1_P2", "B2_P1", "B2_P2"]


def test_a_folder_called_images_names_no_plate(tmp_path):
    folder = touch(tmp_path / "Screen7" / "Images", "A01_s1_w1.tif")
    assert keys(read_layout(folder))[0][0] == "Screen7"


def test_glob(tmp_path):
    touch(tmp_path, *(f"P{p}/A0{n}_s1_w1.tif" for p in (1, 2, 3) for n in (1, 2)))
    assert keys(read_layout(f"{tmp_path}/P[12]/A01*.tif")) == [("P1", "A01", "1"), ("P2", "A01", "1")]
    with pytest.raises(ValueError, match="has no image files"):
        read_layout(f"{tmp_path}/*.png")


def test_glob_of_plates(tmp_path):
    touch(tmp_path, *(f"P{p}/Images/A0{n}_s1_w1.tif" for p in (1, 2, 3) for n in (1, 2)), "P1.csv")
    expected = [(p, w, "1") for p in ("P1", "P2") for w in ("A01", "A02")]
    assert keys(read_layout(f"{tmp_path}/P[12]*")) == expected


def test_brackets_of_a_folder_are_no_wildcard(tmp_path):
    touch(tmp_path / "set [1]", *(f"P{p}/A01_s1_w1.tif" for p in (1, 2, 3)))
    assert keys(read_layout(f"{tmp_path}/set [1]/P[12]/*.tif")) == [("P1", "A01", "1"), ("P2", "A01", "1")]


def test_missing_plane_is_none_and_named(tmp_path):
    touch(tmp_path / "P", "A01_s1_w1.tif", "A01_s1_w2.tif", "A02_s1_w1.tif")
    layout = read_layout(tmp_path / "P")
    assert layout.planes[1] == [Plane(str(tmp_path / "P" / "A02_s1_w1.tif")), None]
    row = layout.problems.iloc[0]
    assert row[["Kind", "Metadata_Plate", "Metadata_Well", "Metadata_Site", "Channel"]].tolist() == [
        "missing", "P", "A02", "1", "w2"
    ]  # fmt: skip
    assert any("missing: 1" in line for line in layout.lines())


def test_two_files_of_one_field_and_channel(tmp_path):
    touch(tmp_path / "P", "a/A01_s1_w1.tif", "A01_s1_w1.tif", "A02_s1_w1.tif", "A03_s1_w1.tif")
    layout = read_layout(tmp_path / "P", plate="P")
    assert kinds(layout) == {"duplicate": 1}
    assert layout.planes[0] == [Plane(str(tmp_path / "P" / "A01_s1_w1.tif"))]
    assert layout.problems["File"][0] == str(tmp_path / "P" / "a" / "A01_s1_w1.tif")


def test_more_duplicates_than_images_raises(tmp_path):
    touch(tmp_path, *(f"P{p}/A01_s1_w1.tif" for p in range(4)))
    with pytest.raises(ValueError, match="must tell them apart"):
        read_layout(tmp_path, plate="P")


def test_unparsed_names_are_problems_and_not_fatal(tmp_path):
    touch(tmp_path, *(f"A{n:02d}_s1_w1.tif" for n in range(1, 12)), "flatfield.tif")
    layout = read_layout(tmp_path)
    assert len(layout) == 11
    assert kinds(layout) == {"unparsed": 1}
    assert layout.problems["File"][0].endswith("flatfield.tif")


def test_wells_that_are_none_or_outside(tmp_path):
    touch(tmp_path, *(f"A{n:02d}_1.tif" for n in range(1, 13)), "A13_1.tif", "Q0_1.tif")
    pattern = r"(?P<well>[A-Z]\d+)_(?P<field>\d)"
    layout = read_layout(tmp_path, pattern=pattern, plate_format=96)
    assert len(layout) == 12
    assert kinds(layout) == {"outside plate": 1, "unparsed": 1}
    assert "ends at H12" in layout.problems["Message"].str.cat()
    assert len(read_layout(tmp_path, pattern=pattern, plate_format=384)) == 13
    with pytest.raises(ValueError, match=r"plate_format=95 is none of 6, 12, 24"):
        read_layout(tmp_path, pattern=pattern, plate_format=95)


def test_wells_with_fewer_fields_are_reported(tmp_path):
    touch(tmp_path / "P", *(f"A0{n}_s{s}_w1.tif" for n in (1, 2, 3) for s in (1, 2)))
    (tmp_path / "P" / "A02_s2_w1.tif").unlink()
    layout = read_layout(tmp_path / "P")
    assert layout.problems["Message"].tolist() == ["P A02 has 1 of 2 fields"]
    assert "1 to 2 a well" in layout.lines()[0]


def test_regular_expression_over_folders(tmp_path):
    touch(tmp_path, *(f"P{p}/well_b{n}/ch_{c}.png" for p in (1, 2) for n in (1, 2) for c in ("dna", "er")))
    layout = read_layout(tmp_path, pattern=r"(?P<Plate>[^/]+)/well_(?P<Well>\w+)/ch_(?P<Channel>\w+)\.png")
    assert keys(layout) == [(p, w, "1") for p in ("P1", "P2") for w in ("B01", "B02")]
    assert layout.channels == ["dna", "er"]


def test_regular_expression_with_row_and_column_as_cellprofiler_calls_them(tmp_path):
    touch(tmp_path, "x_03_07_2.tif")
    layout = read_layout(tmp_path, pattern=r"x_(?P<WellRow>\d+)_(?P<WellColumn>\d+)_(?P<Site>\d)", plate="P")
    assert keys(layout) == [("P", "C07", "2")]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(?P<plate>.+)_x", r"does not say where the well stands: its named groups are plate"),
        (r".*\.tif", r"its named groups are none"),
        (r"(?P<row>[A-Z])_(?P<field>\d)", r"two groups 'row' and 'column'"),
        (r"(?P<well>[A-Z]\d+)(?P<magnification>\d)", r"not understood: magnification"),
        (r"(?P<well>[A-Z", r"is no regular expression"),
        ("imagexpres", r"is unknown. Choose one of 'imagexpress'"),
        (3, r"is no text"),
        ("sbs", r"matches none of 1 image files, such as 'A01_s1_w1.tif'. They match 'imagexpress'"),
    ],
)
def test_wrong_patterns(pattern, message, tmp_path):
    touch(tmp_path, "A01_s1_w1.tif")
    with pytest.raises(ValueError, match=message):
        read_layout(tmp_path, pattern=pattern)


def test_names_that_no_pattern_matches(tmp_path):
    touch(tmp_path, "one.tif", "two.tif")
    with pytest.raises(
        ValueError, match=r"such as 'one.tif', 'two.tif'\) match no known pattern. Choose one of"
    ):
        read_layout(tmp_path)


def test_names_of_two_instruments_name_the_nearest(tmp_path):
    touch(tmp_path, "A01_s1_w1.tif", "A02_s1_w1.tif", "Channel1-01-A-01.tif")
    with pytest.raises(ValueError, match="The nearest is 'imagexpress', which 67% match"):
        read_layout(tmp_path)


def test_two_patterns_that_fit_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(PATTERNS, "other", PATTERNS["sbs"])
    touch(tmp_path, "Channel1-01-A-01.tif")
    with pytest.raises(ValueError, match="match several patterns: sbs, other"):
        read_layout(tmp_path)


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (["w1", "w3"], r"channels has \['w3'\], and the files have the channels \['w1', 'w2'\]"),
        (["DNA"], r"channels has 1 names, \['DNA'\], and the files have 2 channels"),
        ({"w9": "DNA"}, r"channels has \['w9'\]"),
        ({"w1": "DNA", "w2": "DNA"}, r"names a channel twice"),
        ("w1", r"is one text"),
    ],
)
def test_wrong_channels(channels, message, tmp_path):
    touch(tmp_path, "A01_s1_w1.tif", "A01_s1_w2.tif")
    with pytest.raises(ValueError, match=message):
        read_layout(tmp_path, channels=channels)


def test_channels_are_chosen_in_the_order_asked_for(tmp_path):
    touch(tmp_path, *(f"A01_s1_w{c}.tif" for c in (1, 2, 3)))
    layout = read_layout(tmp_path, channels=["w3", "w1"])
    assert layout.channels == ["w3", "w1"]
    assert [p.path[-6:] for p in layout.planes[0]] == ["w3.tif", "w1.tif"]


def test_a_plane_of_no_stack_says_nothing(tmp_path):
    touch(tmp_path / "P", "A01_s1_w1.tif")
    with pytest.raises(ValueError, match=r"z=2 says nothing here: .* Leave it out"):
        read_layout(tmp_path / "P", z=2)


def test_stacks_and_time_points_must_be_chosen(tmp_path):
    name = "P_A01_T000{}F001L01A01Z0{}C01.tif"
    touch(tmp_path, *(name.format(t, z) for t in (1, 2) for z in (1, 2, 3)))
    with pytest.raises(ValueError, match=r"several time points, 1, 2 .*t=2"):
        read_layout(tmp_path)
    with pytest.raises(ValueError, match=r"several planes of a stack \(z\), 1, 2, 3 .*z=2"):
        read_layout(tmp_path, t=1)
    with pytest.raises(ValueError, match=r"z=7 is not there. There are 1, 2, 3"):
        read_layout(tmp_path, t=1, z=7)
    layout = read_layout(tmp_path, t=2, z=3)
    assert layout.planes == [[Plane(str(tmp_path / name.format(2, 3)))]]


def test_sources_that_are_none(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nowhere' does not exist. Pass a folder, a glob or a file list"
    ):
        read_layout(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no image files \(passed over: 0 thumbnails, 1 files"):
        read_layout(touch(tmp_path, "notes.txt"))
    touch(tmp_path, "a.tif")
    with pytest.raises(ValueError, match=r"is a file and no file list"):
        read_layout(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"source=3 is neither a path nor a table"):
        read_layout(3)
    with pytest.raises(ValueError, match=r"plate='' is no text"):
        read_layout(touch(tmp_path / "P", "A01_s1_w1.tif"), plate="")


def test_parameters_that_would_be_ignored(tmp_path):
    touch(tmp_path, "A01_s1_w1.tif")
    with pytest.raises(ValueError, match=r"root='x' says nothing here: source is a folder"):
        read_layout(tmp_path, root="x")
    (tmp_path / "list.csv").write_text("well,file_dna\nA01,A01_s1_w1.tif\n")
    with pytest.raises(ValueError, match=r"pattern='sbs' says nothing here: source is a file list"):
        read_layout(tmp_path / "list.csv", pattern="sbs")


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path / "far" / "P1", "A01_s1_w1.tif")
    folder = touch(tmp_path / "near" / "P2", "A01_s1_w1.tif").parent
    (folder / "P1").symlink_to(tmp_path / "far" / "P1")
    (folder / "P2" / "again").symlink_to(folder)
    assert [k[0] for k in keys(read_layout(folder))] == ["P1", "P2"]


def read_naively(names):
    """What a person would do: a dict of fields, each a dict of channels; sorted by hand in the end."""
    fields = {}
    for name in sorted(names):
        well, site, channel = name.removesuffix(".tif").split("_")
        fields.setdefault((ord(well[0]), int(well[1:]), int(site[1:])), {}).setdefault(channel, name)
    channels = sorted({c for planes in fields.values() for c in planes}, key=lambda c: int(c[1:]))
    return [[fields[key].get(c) for c in channels] for key in sorted(fields)], channels


@settings(max_examples=40, deadline=None)
@given(
    st.sets(
        st.tuples(st.sampled_from("ABH"), st.sampled_from((1, 2, 12)), st.integers(1, 11), st.integers(1, 3)),
        min_size=1,
    ),
    st.randoms(use_true_random=False),
)
def test_fields_and_planes_agree_with_the_naive_reading(planes, random):
    names = [f"{row}{column:02d}_s{site}_w{channel}.tif" for row, column, site, channel in planes]
    random.shuffle(names)
    table = pd.DataFrame(
        [name.removesuffix(".tif").split("_") for name in names], columns=["well", "field", "channel"]
    )
    table = table.assign(field=table["field"].str[1:], file=names)
    expected, channels = read_naively(names)
    layout = read_layout(table, check_files=False, channels=channels)
    assert layout.channels == channels
    assert [[p and p.path.removeprefix("./") for p in row] for row in layout.planes] == expected
    n_missing = sum(row.count(None) for row in expected)
    assert kinds(layout).get("missing", 0) == n_missing
    assert len(layout.fields.drop_duplicates()) == len(layout)


def test_pickles(tmp_path):
    touch(tmp_path, "A01_s1_w1.tif", "A02_s1_w1.tif")
    layout = read_layout(tmp_path)
    again = pickle.loads(pickle.dumps(layout))
    assert again.planes == layout.planes
    assert again.fields.equals(layout.fields)


def test_real_names_of_bbbc013_with_its_plate_map(data_folder):
    folder = data_folder / "bbbc013_translocation"
    layout = read_layout(
        folder / "images", pattern="sbs", plate_map=folder / "plate.csv", channels=["GFP", "DNA"]
    )
    assert len(layout) == 96
    assert layout.channels == ["GFP", "DNA"]
    assert len(layout.problems) == 0
    counts = layout.fields["Metadata_ControlType"].value_counts().to_dict()
    assert counts == {"sample": 72, "negative": 12, "positive": 8, "untreated": 4}
    assert set(layout.fields["Metadata_Plate"]) == {"BBBC013_1049"}
    well = layout.fields.index[layout.fields["Metadata_Well"] == "C07"][0]
    assert [p.path.rpartition("/")[2] for p in layout.planes[well]] == [
        "Channel1-31-C-07.tif", "Channel2-31-C-07.tif"
    ]  # fmt: skip


def test_real_names_of_bbbc016_by_the_name_of_the_pattern_alone(data_folder):
    layout = read_layout(data_folder / "bbbc016_transfluor_gfp", pattern="arrayscan")
    assert len(layout) == 72
    assert layout.channels == ["d2"]
    assert len(layout.problems) == 0
    assert keys(layout)[:3] == [("050428030001", "O01", s) for s in "012"]
    assert keys(layout)[-1] == ("050428030001", "O24", "2")


def test_recognition_agrees_on_the_real_sets(data_folder):
    for name, pattern in (("bbbc013_translocation", "sbs"), ("bbbc016_transfluor_gfp", "arrayscan")):
        assert f"pattern {pattern!r}" in "\n".join(read_layout(data_folder / name).lines())


def test_a_listing_opens_one_file_a_plate(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    names = [f"P{p}/A{n:02d}_s1_w1.tif" for p in (1, 2) for n in range(1, 11)]
    touch(tmp_path, *names)
    for name in names:
        tifffile.imwrite(tmp_path / name, np.zeros((4, 4), np.uint8))
    opened = []
    real = tifffile.TiffFile
    monkeypatch.setattr(tifffile, "TiffFile", lambda path: opened.append(path) or real(path))
    assert len(read_layout(tmp_path)) == 20
    assert len(opened) == 2


def test_many_names_are_read_quickly(monkeypatch):
    from archetypal_triplet.images import _folders

    names = [
        f"P{p}/exp_{chr(65 + r)}{c:02d}_s{s}_w{w}{GUID}.tif"
        for p in range(2) for r in range(16) for c in range(1, 25) for s in range(1, 10) for w in (1, 2, 4)
    ]  # fmt: skip
    monkeypatch.setattr(_folders, "is_zarr_plate", lambda source: False)
    monkeypatch.setattr(_folders, "list_images", lambda source: ("root", names, [], 0, 0))
    monkeypatch.setattr("archetypal_triplet.images._layout._is_list", lambda source: False)
    began = time.process_time()
    layout = read_layout("root")
    assert len(layout) == 2 * 384 * 9
    assert time.process_time() - began < 10  # 1 s where it was written; a file opened each would take minutes


def test_a_table_needs_neither_zarr_nor_tifffile():
    code = (
        "import sys, pandas as pd\n"
        "from archetypal_triplet.images import read_layout\n"
        "read_layout(pd.DataFrame({'well': ['A1'], 'file_dna': ['a.png']}), check_files=False)\n"
        "print(sorted({'zarr', 'tifffile', 'ome_zarr', 'skimage', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
