"""`read_layout` where one file holds several planes: OME-TIFF, TIFF of several pages, OME-Zarr plates."""

import json
import shutil

import numpy as np
import pytest

from archetypal_triplet.images import Plane, read_layout, read_plane, write_ome_tiff, write_ome_zarr_plate

tifffile = pytest.importorskip("tifffile")


def pixels(*shape):
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def test_channels_of_ome_tiff_files(tmp_path):
    for well in ("A01", "B02"):
        write_ome_tiff(
            tmp_path / f"P1_{well}_f1.ome.tif", pixels(3, 8, 8), channel_names=["DNA", "ER", "Actin"]
        )
    layout = read_layout(tmp_path)
    assert layout.channels == ["DNA", "ER", "Actin"]
    assert layout.planes[1] == [Plane(str(tmp_path / "P1_B02_f1.ome.tif"), (c,)) for c in range(3)]
    np.testing.assert_array_equal(read_plane(layout.planes[0][1]), pixels(3, 8, 8)[1])
    assert read_layout(tmp_path, channels=["ER"]).planes[0] == [layout.planes[0][1]]
    assert read_layout(tmp_path, channels={"ER": "er"}).channels == ["er"]


def test_ome_tiff_of_one_channel_needs_no_index(tmp_path):
    write_ome_tiff(tmp_path / "P1_A01_f1_DNA.ome.tif", pixels(8, 8))
    assert read_layout(tmp_path).planes == [[Plane(str(tmp_path / "P1_A01_f1_DNA.ome.tif"))]]


def test_stack_in_an_ome_tiff(tmp_path):
    image = pixels(2, 5, 8, 8)
    write_ome_tiff(tmp_path / "P1_A01.ome.tif", image, channel_names=["DNA", "ER"])
    with pytest.raises(
        ValueError, match=r"A01.ome.tif holds 5 planes \(z\). Say which one to take, z=0 to z=4"
    ):
        read_layout(tmp_path)
    with pytest.raises(ValueError, match=r"z=0 to z=4, not z=5"):
        read_layout(tmp_path, z=5)
    layout = read_layout(tmp_path, z=3)
    np.testing.assert_array_equal(read_plane(layout.planes[0][1]), image[1, 3])


def test_series_in_an_ome_tiff(tmp_path):
    image = pixels(3, 2, 1, 8, 8)
    write_ome_tiff(tmp_path / "P1_A01.ome.tif", image)
    layout = read_layout(tmp_path, t=2)
    assert layout.channels == ["1", "2"]
    np.testing.assert_array_equal(read_plane(layout.planes[0][1]), image[2, 1, 0])


def test_pages_are_channels_when_told(tmp_path):
    tifffile.imwrite(tmp_path / "P1_A01.tif", pixels(3, 8, 8), photometric="minisblack", metadata=None)
    with pytest.raises(
        ValueError, match=r"has 3 pages and does not say what they are. Pass pages='channels'"
    ):
        read_layout(tmp_path)
    with pytest.raises(ValueError, match=r"pages='x' is unknown. Choose 'channels', 'z' or None"):
        read_layout(tmp_path, pages="x")
    layout = read_layout(tmp_path, pages="channels", channels=["DNA", "ER", "Actin"])
    assert layout.channels == ["DNA", "ER", "Actin"]
    np.testing.assert_array_equal(read_plane(layout.planes[0][2]), pixels(3, 8, 8)[2])


def test_pages_are_a_stack_when_told(tmp_path):
    for c in (1, 2):
        path = tmp_path / f"A01_s1_w{c}.tif"
        tifffile.imwrite(path, c * pixels(3, 8, 8), photometric="minisblack", metadata=None)
    layout = read_layout(tmp_path, pages="z", z=1)
    assert layout.channels == ["w1", "w2"]
    np.testing.assert_array_equal(read_plane(layout.planes[0][1]), 2 * pixels(3, 8, 8)[1])
    with pytest.raises(ValueError, match=r"holds 3 channels, and its name, or the list, says that it is one"):
        read_layout(tmp_path, pages="channels")


def test_flex_pages_are_channels_without_being_told(tmp_path):
    path = tmp_path / "002003001.flex"
    tifffile.imwrite(path, pixels(2, 8, 8), photometric="minisblack", metadata=None)
    layout = read_layout(tmp_path, plate="P")
    assert layout.fields["Metadata_Well"].tolist() == ["B03"]
    assert layout.planes == [[Plane(str(path), (0,)), Plane(str(path), (1,))]]


def test_damaged_first_files_are_passed_over(tmp_path):
    for n in (1, 2):
        write_ome_tiff(tmp_path / f"P1_A0{n}.ome.tif", pixels(2, 8, 8), channel_names=["DNA", "ER"])
    (tmp_path / "P1_A01.ome.tif").write_bytes(b"II*\0")
    assert read_layout(tmp_path).channels == ["DNA", "ER"]


def test_plates_with_other_channels_lack_these(tmp_path):
    for plate, names in (("P1", ["DNA", "ER"]), ("P2", ["DNA", "Actin"])):
        write_ome_tiff(tmp_path / f"{plate}_A01.ome.tif", pixels(2, 8, 8), channel_names=names)
    layout = read_layout(tmp_path)
    assert layout.channels == ["DNA", "ER", "Actin"]
    assert layout.problems["Channel"].tolist() == ["Actin", "ER"]


@pytest.fixture(params=["0.5", "0.4"])
def zarr_plate(request, tmp_path):
    pytest.importorskip("zarr")
    wells = ["B02", "A01", "A01", "AF48"]
    names = ["DNA", "ER"]
    path = tmp_path / "Plate7.zarr"
    return write_ome_zarr_plate(path, pixels(4, 2, 8, 8), wells, channel_names=names, version=request.param)


def test_ome_zarr_plate(zarr_plate):
    layout = read_layout(zarr_plate)
    rows = [tuple(r) for r in layout.fields.itertuples(index=False)]
    assert rows == [("Plate7", w, s) for w, s in (("A01", "0"), ("A01", "1"), ("B02", "0"), ("AF48", "0"))]
    assert layout.channels == ["DNA", "ER"]
    assert len(layout.problems) == 0
    for i, source in enumerate((1, 2, 0, 3)):
        np.testing.assert_array_equal(read_plane(layout.planes[i][1]), pixels(4, 2, 8, 8)[source, 1])


def test_folder_of_ome_zarr_plates(zarr_plate):
    shutil.copytree(zarr_plate, zarr_plate.with_name("Plate8.zarr"))
    for name in ("zarr.json", ".zattrs"):
        path = zarr_plate.with_name("Plate8.zarr") / name
        if path.exists():
            path.write_text(path.read_text().replace("Plate7", "Plate8"))
    layout = read_layout(zarr_plate.parent)
    assert layout.fields["Metadata_Plate"].value_counts().to_dict() == {"Plate7": 4, "Plate8": 4}
    assert "files: 2 plates in OME-Zarr" in layout.lines()


def test_ome_zarr_plate_with_lost_parts(zarr_plate):
    shutil.rmtree(zarr_plate / "A" / "1" / "1")
    shutil.rmtree(zarr_plate / "AF" / "48")
    layout = read_layout(zarr_plate)
    assert layout.planes[1] == [None, None]
    said = layout.problems["Message"].str.cat(sep="\n")
    assert "Plate7 AF48 is on the plate" in said
    assert "channel 'ER', is listed and not there" in said


def test_zarr_folders_that_are_no_plates(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text(json.dumps({"attributes": {}}))
    with pytest.raises(ValueError, match=r"x.zarr' is no plate in OME-Zarr: its zarr.json"):
        read_layout(tmp_path)


def test_channels_of_an_imagej_hyperstack_need_not_be_told(tmp_path):
    tifffile.imwrite(tmp_path / "P1_A01.tif", pixels(3, 8, 8), imagej=True, metadata={"axes": "CYX"})
    layout = read_layout(tmp_path)
    assert layout.channels == ["1", "2", "3"]
    np.testing.assert_array_equal(read_plane(layout.planes[0][2]), pixels(3, 8, 8)[2])


def test_imagej_stacks_must_be_told(tmp_path):
    tifffile.imwrite(tmp_path / "P1_A01_DNA.tif", pixels(3, 8, 8), imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(ValueError, match=r"has 3 pages and does not say what they are"):
        read_layout(tmp_path)
    layout = read_layout(tmp_path, pages="z", z=2)
    np.testing.assert_array_equal(read_plane(layout.planes[0][0]), pixels(3, 8, 8)[2])


def test_channel_names_that_repeat_become_numbers(tmp_path):
    write_ome_tiff(tmp_path / "P1_A01.ome.tif", pixels(2, 8, 8), channel_names=["GFP", "GFP"])
    assert read_layout(tmp_path).channels == ["1", "2"]


def test_plates_in_ome_zarr_without_fields(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    described = {"attributes": {"ome": {"version": "0.5", "plate": {"wells": []}}}}
    (tmp_path / "x.zarr" / "zarr.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"x.zarr' is a plate in OME-Zarr without any field"):
        read_layout(tmp_path / "x.zarr")
