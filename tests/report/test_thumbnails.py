"""Pictures of cells and fields: the right one for each row, one contrast for all, galleries."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.testing import assert_array_equal
from PIL import Image

from archetypal_triplet.images import extract_cells, read_layout, write_ome_tiff
from archetypal_triplet.images._stack import ImageStack
from archetypal_triplet.report._thumbnails import ImageSource, open_images, purest_images
from archetypal_triplet.report._thumbnails_color import choose_colors, compose, draw_missing, resize_planes
from archetypal_triplet.report._thumbnails_keys import KeyTable
from archetypal_triplet.report._thumbnails_read import CELL, CutCells, FoundImages
from archetypal_triplet.runs import plan_images
from archetypal_triplet.runs._image_report import describe_images
from archetypal_triplet.runs._image_stages import FAULT, cell_metadata, find_cells
from archetypal_triplet.runs._results import write_json

PLATE, WELL, SITE = "Metadata_Plate", "Metadata_Well", "Metadata_Site"
WELLS = ["A01", "A02", "A03", "B01", "B02", "B03"]


def make_field(rng, brightness):
    """Six round nuclei, four inside and two at the border, in one channel, a haze in the other."""
    ys, xs = np.indices((96, 120))
    field = rng.integers(5, 9, size=(2, 96, 120)).astype(np.uint16)
    for y, x in ((24, 24), (24, 70), (60, 30), (66, 88), (0, 0), (95, 119)):
        near = (ys - y) ** 2 + (xs - x) ** 2 < 64
        field[0][near] += 200
        field[1][near] += brightness
    return field


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """Six wells with two fields each, ever brighter in the second channel."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("images") / "P1"
    folder.mkdir()
    for k, well in enumerate(WELLS):
        for site in (1, 2):
            path = folder / f"P1_{well}_s{site}.ome.tif"
            write_ome_tiff(path, make_field(rng, 30 * k), channel_names=["DNA", "GFP"])
    return folder


def write_run(plate, out, **options):
    """Write what a run keeps of its images, without fitting anything; embeddings are by chance."""
    pattern = r"(?P<plate>P1)_(?P<well>[A-H]\d\d)_s(?P<field>\d)"
    plan = plan_images(plate, pattern=pattern, out=out, estimate=False, n_archetypes=3, **options)
    fields = plan.layout.fields
    out.mkdir()
    counts, rows = fields.assign(**{FAULT: ""}), fields
    if "cells" in plan.stages:
        stack = ImageStack.from_layout(plan.layout)
        with plan.store.locked():
            found = find_cells(plan.stages["cells"], stack, plan.layout, plan.options)
        rows = cell_metadata(fields, found)
        rows.to_parquet(out / "cells.parquet")
        counts = found.counts
    del plan.stages["features"]
    values = np.random.default_rng(1).normal(size=(len(rows), 3))
    embedding = pd.concat([rows, pd.DataFrame(values).add_prefix("Embedding_")], axis=1)
    embedding.to_parquet(out / "embedding.parquet")
    info = {"parameters": {**plan.given, **plan.options}, "images": describe_images(plan, counts, [])}
    info["images"]["work"] = {"folder": plan.store.folder, "kept": True}
    write_json(out / "run.json", info)
    return embedding


@pytest.fixture(scope="module")
def cells(plate, tmp_path_factory):
    out = tmp_path_factory.mktemp("cells") / "results"
    return out, write_run(plate, out, nucleus_channel="DNA", crop_size=24)


@pytest.fixture(scope="module")
def fields(plate, tmp_path_factory):
    out = tmp_path_factory.mktemp("fields") / "results"
    return out, write_run(plate, out)


def make_source(images, keys, tmp_path, unit="field", nucleus=None):
    channels = [f"C{c}" for c in range(images.shape[1])]
    return ImageSource(FoundImages(images, keys, channels, nucleus, unit), tmp_path)


def flat_images(values, size=16):
    """Images of one channel, each of one value but for a frame of 0 and a pixel of 100."""
    images = np.zeros((len(values), 1, size, size), dtype=np.uint8)
    images[:, 0, 1:-1, 1:-1] = np.asarray(values)[:, None, None]
    return images


def keys_of(wells, sites=None):
    sites = ["1"] * len(wells) if sites is None else sites
    return pd.DataFrame({PLATE: "P", WELL: wells, SITE: sites})


def test_each_cell_gets_its_own_crop(cells):
    out, table = cells
    source, reason = open_images(out)
    assert reason == ""
    assert source.unit == "cell"
    assert source.legend == [("DNA", "magenta"), ("GFP", "green")]
    assert len(source) == len(table) == 6 * 2 * 4
    crops = np.load(next((out.with_name("results.stages")).glob("cells-*/crops.npy")))
    pictures = source.take(table, 24)
    # no resizing at the size of the crops: red is the first channel's share between its limits
    low, high = source._limits[24][0]
    expected = np.rint(255 * np.clip((crops[:, 0] - low) / (high - low), 0, 1))
    assert abs(pictures[..., 0].astype(float) - expected).max() <= 1
    shuffled = np.random.default_rng(3).permutation(len(table))[:7]
    assert_array_equal(source.take(table.iloc[shuffled], 24), pictures[shuffled])


def test_contrast_is_the_same_whatever_is_asked_for(cells):
    out, table = cells
    dark = open_images(out)[0].take(table[table[WELL] == "A01"], 32)
    everything = open_images(out)[0].take(table, 32)
    assert_array_equal(dark, everything[(table[WELL] == "A01").to_numpy()])
    # the second channel (green) rises from well to well, which a contrast of each picture's own would hide
    green = [everything[(table[WELL] == well).to_numpy()][..., 1].mean() for well in WELLS]
    assert (np.diff(green) > 0).all()
    assert green[-1] > 3 * green[0]


def test_crops_that_were_removed_are_cut_again(cells, tmp_path):
    out, table = cells
    kept = open_images(out)[0].take(table, 40)
    moved = shutil.copytree(out, tmp_path / "moved")
    info = json.loads((moved / "run.json").read_text())
    info["images"]["work"]["folder"] = str(tmp_path / "gone")
    assert_array_equal(open_images(moved, info)[0].take(table, 40), kept)
    (moved / "cells.parquet").unlink()
    source, reason = open_images(moved, info)
    assert source is None
    assert "crops of its cells are no longer kept" in reason
    assert "cells.parquet does not say where its cells are" in reason


def test_stages_are_found_beside_results_that_were_moved(cells, tmp_path):
    out, table = cells
    shutil.copytree(out, tmp_path / "other")
    shutil.copytree(out.with_name("results.stages"), tmp_path / "other.stages")
    info = json.loads((out / "run.json").read_text())
    info["parameters"]["source"] = info["images"]["work"]["folder"] = str(tmp_path / "gone")
    source, reason = open_images(tmp_path / "other", info)
    assert reason == ""
    assert_array_equal(source.take(table, 16), open_images(out)[0].take(table, 16))


@pytest.mark.parametrize("source", ["P1", "P1/*.tif"])
def test_relative_paths_begin_where_the_results_are(fields, plate, tmp_path, monkeypatch, source):
    out, table = fields
    shutil.copytree(plate, tmp_path / "P1")
    results = shutil.copytree(out, tmp_path / "results")
    info = json.loads((results / "run.json").read_text())
    info["parameters"]["source"] = source
    expected = open_images(out)[0].take(table, 16)
    assert_array_equal(open_images(results, info)[0].take(table, 16), expected)
    monkeypatch.chdir(tmp_path)
    assert_array_equal(open_images("results", info)[0].take(table, 16), expected)
    shutil.rmtree(tmp_path / "P1")
    assert "cannot be found again" in open_images(results, info)[1]


def test_stages_of_runs_that_did_not_write_where_they_are(cells, tmp_path):
    out, table = cells
    info = json.loads((out / "run.json").read_text())
    del info["images"]["work"]
    info["parameters"]["source"] = "gone"
    moved = shutil.copytree(out, tmp_path / "moved")
    assert open_images(moved, info)[1] == ""
    info["parameters"]["work"] = str(tmp_path / "elsewhere")
    assert open_images(moved, info)[0] is None
    shutil.copytree(out.with_name("results.stages"), tmp_path / "elsewhere")
    assert_array_equal(
        open_images(moved, info)[0].take(table[:3], 16), open_images(out)[0].take(table[:3], 16)
    )


def test_fields_are_read_again(fields, plate):
    out, table = fields
    source, reason = open_images(out, n_jobs=2)
    assert reason == ""
    assert source.unit == "field"
    pictures = source.take(table, 120)
    layout = read_layout(plate, pattern=r"(?P<plate>P1)_(?P<well>[A-H]\d\d)_s(?P<field>\d)")
    stack = ImageStack.from_layout(layout)
    assert layout.channels == ["DNA", "GFP"]
    low, high = source._limits[120][1]  # without a channel of nuclei the last one is magenta
    expected = np.rint(255 * np.clip((stack[7, 1] - low) / (high - low), 0, 1))
    assert abs(pictures[7, 12:108, :, 0].astype(float) - expected).max() <= 1
    # fields are wider than high: black above and below
    assert (pictures[:, :12] == 0).all()
    assert (pictures[:, 108:] == 0).all()
    small = source.take(table, 30)
    assert abs(small.mean() - pictures.mean()) < 0.2 * pictures.mean()


def test_a_well_is_shown_by_its_typical_cells(cells):
    out, table = cells
    source, _ = open_images(out)
    values = table.filter(like="Embedding_").to_numpy()
    wells = pd.DataFrame({PLATE: "P1", WELL: ["B02", "C11", "A01"]})
    found = source.find(wells)
    for well, images in zip(wells[WELL], found, strict=True):
        of_well = np.flatnonzero(table[WELL] == well)
        distances = (
            ((values[of_well] - values[of_well].mean(axis=0)) ** 2).sum(axis=1) if len(of_well) else []
        )
        assert_array_equal(images, of_well[np.argsort(distances)[:4]])
    pictures = source.take(wells, 48)
    alone = source.take(table, 24)
    assert_array_equal(pictures[0][:24, :24], alone[found[0][0]])
    assert_array_equal(pictures[0][:24, 24:], alone[found[0][1]])
    assert_array_equal(pictures[0][24:, 24:], alone[found[0][3]])
    assert_array_equal(pictures[1], draw_missing(48))
    assert source.has(wells).tolist() == [True, False, True]


def test_a_well_is_shown_by_its_typical_field(tmp_path):
    keys = keys_of(["A01"] * 3 + ["A02"] * 2, ["1", "2", "3", "1", "2"])
    # the mean of the fields that are not flagged is 1, so the second of A01 is typical
    embedding = keys.assign(
        Embedding_0=[0.0, 1.1, 9.0, 5.0, 5.0], Metadata_atq_IsFlagged=[False, False, True, False, False]
    )
    embedding.to_parquet(tmp_path / "embedding.parquet")
    source = make_source(flat_images([10, 20, 30, 40, 50]), keys, tmp_path)
    assert [k.tolist() for k in source.find(pd.DataFrame({PLATE: "P", WELL: ["A01", "A02"]}))] == [[0], [3]]
    embedding["Embedding_0"] = [0.0, 1.0, 1.3, 5.0, 5.0]
    embedding["Metadata_atq_IsFlagged"] = False
    embedding.to_parquet(tmp_path / "embedding.parquet")
    source = make_source(flat_images([10, 20, 30, 40, 50]), keys, tmp_path)
    assert [k.tolist() for k in source.find(pd.DataFrame({PLATE: "P", WELL: ["A01", "A02"]}))] == [[1], [3]]


def test_wells_without_an_embedding_of_their_fields_take_the_one_in_the_middle(tmp_path):
    keys = keys_of(["A01"] * 5, list("12345"))
    source = make_source(flat_images([1, 2, 3, 4, 5]), keys, tmp_path)
    assert source.find(pd.DataFrame({PLATE: ["P"], WELL: ["A01"]}))[0].tolist() == [2]


def test_rows_without_image_are_crossed_out(tmp_path):
    source = make_source(flat_images([100, 50]), keys_of(["A01", "A02"]), tmp_path)
    pictures = source.take(keys_of(["A02", "B07"]), 16)
    assert_array_equal(pictures[1], draw_missing(16))
    assert pictures[0].max() > 100
    assert len(np.unique(draw_missing(16))) == 2
    # a table that does not know plates and wells
    assert_array_equal(source.take(pd.DataFrame({"Metadata_Compound": ["x"]}), 16)[0], draw_missing(16))
    assert source.take(keys_of(["A01"])[:0], 16).shape == (0, 16, 16, 3)


def test_keys_are_compared_as_text(tmp_path):
    keys = keys_of(["A01", "A02"]).assign(**{CELL: ["3", "4"]})
    source = make_source(flat_images([100, 50]), keys, tmp_path, unit="cell")
    asked = keys.assign(**{SITE: 1, CELL: [3, 4]})
    assert [k.tolist() for k in source.find(asked)] == [[0], [1]]


@pytest.mark.parametrize("seed", range(3))
def test_keys_are_found_as_a_loop_finds_them(seed):
    rng = np.random.default_rng(seed)
    keys = pd.DataFrame(rng.integers(0, 4, size=(60, 3)), columns=["a", "b", "c"]).astype(str)
    asked = pd.DataFrame(rng.integers(0, 6, size=(40, 3)), columns=["a", "b", "c"])
    table = KeyTable(keys)
    for names in (["a"], ["b", "c"], ["a", "b", "c"]):
        found = [table.members(names, k).tolist() for k in table.find(asked, names)]
        wanted = [
            [i for i, own in enumerate(keys[names].to_numpy()) if (own == row.astype(str)).all()]
            for row in asked[names].to_numpy()
        ]
        assert found == wanted
        assert table.n_groups(names) == len(keys.drop_duplicates(names))
        assert table.first_members(names).tolist() == [
            table.members(names, k)[0] for k in range(table.n_groups(names))
        ]


def test_no_keys_find_nothing():
    table = KeyTable(pd.DataFrame({"a": []}))
    assert table.find(pd.DataFrame({"a": ["x", "y"]}), ["a"]).tolist() == [-1, -1]


def test_a_field_that_cannot_be_read_is_crossed_out(fields, plate, tmp_path):
    out, table = fields
    images = shutil.copytree(plate, tmp_path / "P1")
    broken = sorted(images.glob("*.tif"))[3]
    with tifffile.TiffFile(broken) as file:
        start, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    data = bytearray(broken.read_bytes())
    data[start : start + length] = b"\xff" * length
    broken.write_bytes(data)
    info = json.loads((out / "run.json").read_text())
    info["parameters"]["source"] = str(images)
    source, reason = open_images(out, info)
    assert reason == ""
    pictures = source.take(table, 32)
    is_missing = (pictures == draw_missing(32)).all(axis=(1, 2, 3))
    assert np.flatnonzero(is_missing).tolist() == [3]


def test_no_images_is_said_with_the_reason(cells, fields, tmp_path):
    assert open_images(tmp_path, {"images": None}) == (
        None, "the run started from a table of features, not from images"
    )  # fmt: skip
    out, _ = fields
    info = json.loads((out / "run.json").read_text())
    info["parameters"]["source"] = str(tmp_path / "nowhere")
    source, reason = open_images(out, info)
    assert source is None
    assert "cannot be found again" in reason
    assert "nowhere" in reason


def test_images_that_have_changed_are_refused(fields, plate, tmp_path):
    out, _ = fields
    images = shutil.copytree(plate, tmp_path / "P1")
    info = json.loads((out / "run.json").read_text())
    info["parameters"]["source"] = str(images)
    assert open_images(out, info)[1] == ""  # moved is not changed
    sorted(images.glob("*.tif"))[0].unlink()
    source, reason = open_images(out, info)
    assert source is None
    assert "have changed since the run: 11 files" in reason


def test_cells_are_cut_as_the_run_cut_them():
    rng = np.random.default_rng(5)
    images = np.stack([make_field(rng, 50), make_field(rng, 90)])
    keys = pd.DataFrame({PLATE: "P", WELL: ["A01", "A02"], SITE: "1"})
    found = extract_cells(images, keys, nucleus_channel=0, crop_size=40, border="keep")
    centers = found.cells[["Metadata_NucleusRow", "Metadata_NucleusColumn"]].to_numpy()
    at = found.cells[WELL].map({"A01": 0, "A02": 1}).to_numpy()
    again = CutCells(ImageStack.from_array(images), at, centers, 40)
    rows = np.array([9, 0, 5, 3])
    assert len(found.cells) == 12  # those at the border are mirrored
    assert_array_equal(again[rows], found.crops[rows][:, :2])


def test_size_of_pictures_is_checked(tmp_path):
    source = make_source(flat_images([100]), keys_of(["A01"]), tmp_path)
    for size in (7, 16.0, "16"):
        with pytest.raises(ValueError, match=r"size=.* must be an integer of at least 8"):
            source.take(keys_of(["A01"]), size)


def test_description_names_channels_and_colors(cells, tmp_path):
    text = open_images(cells[0])[0].describe()
    assert text.startswith("Cells of 24 x 24 pixels: DNA in magenta, GFP in green.")
    assert "of all 48" in text
    gray = make_source(flat_images(range(100)), keys_of([f"{k}" for k in range(100)]), tmp_path).describe()
    assert gray.startswith("Fields of 16 x 16 pixels. ")
    assert "of 64 that are evenly spaced over all 100" in gray
    large = make_source(np.zeros((1, 1, 520, 16), np.uint8), keys_of(["A01"]), tmp_path).describe()
    assert large.startswith("Fields of 520 x 16 pixels, of which small pictures show the middle. ")


@pytest.mark.parametrize("n_channels", range(1, 9))
def test_channels_have_different_colors(n_channels):
    for nucleus in (None, 0, n_channels - 1):
        colors = choose_colors(n_channels, nucleus)
        assert len(set(colors)) == n_channels
    if n_channels > 1:
        at = {choose_colors(n_channels, k)[k] for k in range(n_channels)}
        assert at == {"magenta" if n_channels == 2 else "blue"}


def test_channels_add_up_in_their_colors():
    planes = np.zeros((2, 4, 4), dtype=np.float32)
    planes[0, 0], planes[1, 1], planes[:, 2], planes[:, 3] = 10, 10, 10, np.nan
    picture = compose(planes, np.array([[0.0, 10.0], [0.0, 20.0]]), ["magenta", "green"])
    assert picture[0, 0].tolist() == [255, 0, 255]
    assert picture[1, 0].tolist() == [0, 128, 48]
    assert picture[2, 0].tolist() == [255, 128, 255]
    assert picture[3, 0].tolist() == [0, 0, 0]


def test_of_large_images_the_middle_is_shown():
    image = np.zeros((1, 300, 200), dtype=np.uint8)
    image[:, 86:214, 36:164] = 200  # 128 pixels in the middle
    planes = resize_planes(image, 16)
    np.testing.assert_allclose(planes, 200)
    narrow = resize_planes(image[:, :, 90:110], 16)
    assert np.isfinite(narrow[0]).any(axis=0).sum() == round(16 * 20 / 128)
    whole = resize_planes(image[:, :128, :128], 16)
    assert whole.min() == 0


@pytest.mark.parametrize("shape", [(1, 40, 20), (2, 7, 31), (1, 16, 16), (1, 100, 1)])
def test_images_keep_their_shape(shape):
    planes = resize_planes(np.full(shape, 7, dtype=np.uint16), 16)
    assert planes.shape == (shape[0], 16, 16)
    inside = np.isfinite(planes[0])
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    assert max(height, width) == 16
    assert abs(height / width - shape[1] / shape[2]) < 0.2 or min(height, width) == 1 or shape[1] < 8
    np.testing.assert_allclose(planes[np.isfinite(planes)], 7, rtol=1e-6)
    assert inside.sum() == height * width


def test_pixels_that_are_not_finite_become_black():
    image = np.full((1, 16, 16), 5.0)
    image[0, 0, 0], image[0, 1, 1] = np.nan, np.inf
    assert np.isfinite(resize_planes(image, 16)).all()
    assert resize_planes(image, 16)[0, 1, 1] == 0


def test_constant_images_are_black(tmp_path):
    source = make_source(np.full((3, 2, 16, 16), 9, np.uint8), keys_of(["A01", "A02", "A03"]), tmp_path)
    assert (source.take(keys_of(["A01"]), 16) == 0).all()


def test_purest_images_are_those_of_largest_share_and_of_several_wells(tmp_path):
    wells = ["A01", "A01", "A01", "A02", "A02", "A03", "A04", "B01"]
    rows = keys_of(wells, list("12312111"))
    # the first well has the largest shares; B01 has no image, A04 is flagged
    shares = np.array([[0.9, 0.8, 0.7, 0.6, 0.65, 0.2, 0.99, 1.0], [0.1, 0.2, 0.2, 0.2, 0.2, 0.8, 0, 0]]).T
    source = make_source(flat_images(np.arange(10, 80, 10)), rows[:7], tmp_path)
    flagged = rows.assign(Metadata_atq_IsFlagged=[False] * 6 + [True, False])
    first, second = purest_images(source, flagged, shares, 3, size=16)
    assert first.rows.tolist() == [0, 4, 5]
    assert first.shares.tolist() == [0.9, 0.65, 0.2]
    assert second.rows.tolist() == [5, 1, 3]  # equal shares: the first
    assert_array_equal(first.images, source.take(rows.iloc[first.rows], 16))
    two, _ = purest_images(source, flagged, shares, 3, size=16, per_well=2)
    assert two.rows.tolist() == [0, 1, 4]
    every, _ = purest_images(source, flagged, shares, 100, size=16, per_well=100)
    assert every.rows.tolist() == [0, 1, 2, 4, 3, 5]
    unknown = np.where(shares > 0.7, np.nan, shares)
    assert 0 not in purest_images(source, flagged, unknown, 3, size=16)[0].rows
    with pytest.raises(ValueError, match=r"shares has shape \(2, 8\); a row for each of 8 rows is needed"):
        purest_images(source, flagged, shares.T, 3)


def test_no_purest_image_where_no_row_has_one(tmp_path):
    source = make_source(flat_images([1]), keys_of(["A01"]), tmp_path)
    (none,) = purest_images(source, keys_of(["H01", "H02"]), np.ones((2, 1)), 3, size=16)
    assert none.images.shape == (0, 16, 16, 3)
    assert len(none.rows) == 0


def test_pictures_are_real_images_to_pillow(cells):
    out, table = cells
    assert Image.fromarray(open_images(out)[0].take(table, 64)[0]).size == (64, 64)


@pytest.mark.slow
def test_crops_of_a_real_screen(data_folder, tmp_path):
    plate = data_folder / "bbbc013_translocation"
    images = tmp_path / "images"
    images.mkdir()
    for path in sorted((plate / "images").iterdir()):
        if path.stem.split("-")[2] == "A":
            shutil.copy(path, images)
    plan = plan_images(images, nucleus_channel="Channel2", out=tmp_path / "r", estimate=False)
    assert plan.layout.channels == ["Channel1", "Channel2"]
    with plan.store.locked():
        found = find_cells(
            plan.stages["cells"], ImageStack.from_layout(plan.layout), plan.layout, plan.options
        )
    rows = cell_metadata(plan.layout.fields, found)
    del plan.stages["features"]
    info = {"parameters": {**plan.given, **plan.options}, "images": describe_images(plan, found.counts, [])}
    info = json.loads(json.dumps(info, default=str))
    source, reason = open_images(tmp_path / "r", info)
    assert reason == ""
    pictures = source.take(rows, 48).astype(float)
    # nuclei lie in the middle and are magenta; in positive wells (the last) the protein is there too
    middle, around = pictures[:, 20:28, 20:28], pictures[:, ::47, ::47]
    assert middle[..., 0].mean() > 4 * around[..., 0].mean()
