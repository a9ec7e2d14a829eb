"""Writers of OME-TIFF and OME-Zarr: read by others, whole or not at all."""

import numpy as np
import pytest

from archetypal_triplet.images import read_plane, write_ome_tiff, write_ome_zarr_plate

tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")

IMAGES = np.random.default_rng(0).integers(0, 4096, size=(4, 2, 20, 30)).astype(np.uint16)
WELLS = ["B03", "A01", "B03", "AF48"]


def test_ome_tiff_says_what_it_holds(tmp_path):
    path = write_ome_tiff(
        tmp_path / "new" / "f.ome.tiff", IMAGES[0], channel_names=["DNA", "GFP"], pixel_size_um=0.65
    )
    with tifffile.TiffFile(path) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("CYX", (2, 20, 30))
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert [channel["Name"] for channel in pixels["Channel"]] == ["DNA", "GFP"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.65, "µm")
    np.testing.assert_array_equal(tifffile.imread(path), IMAGES[0])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plates_hold_to_the_specification(tmp_path, version):
    models = pytest.importorskip(f"ome_zarr_models.v0{version[-1]}")
    images = (image for image in IMAGES)  # need not be in memory at once
    path = write_ome_zarr_plate(
        tmp_path / "p1.zarr", images, WELLS, channel_names=["DNA", "GFP"], pixel_size_um=0.65, version=version
    )
    group = zarr.open_group(path, mode="r")
    plate = models.HCS.from_zarr(group)
    plate = (plate.attributes.ome if version == "0.5" else plate.attributes).plate
    assert plate.name == "p1"
    assert [row.name for row in plate.rows] == ["A", "B", "AF"]
    assert [column.name for column in plate.columns] == ["1", "3", "48"]
    assert [well.path for well in plate.wells] == ["A/1", "B/3", "AF/48"]
    assert plate.field_count == 2
    image = models.Image.from_zarr(group["B/3/1"])
    attributes = image.attributes.ome if version == "0.5" else image.attributes
    named = dict(group["B/3/1"].attrs)
    named = named["ome"] if version == "0.5" else named
    assert [channel["label"] for channel in named["omero"]["channels"]] == ["DNA", "GFP"]
    scale = attributes.multiscales[0].datasets[0].coordinateTransformations[0].scale
    assert tuple(scale) == (1.0, 0.65, 0.65)
    np.testing.assert_array_equal(group["B/3/1/0"][:], IMAGES[2])
    np.testing.assert_array_equal(read_plane((path / "AF/48/0", (1,))), IMAGES[3, 1])


def test_a_writing_that_fails_leaves_nothing(tmp_path):
    def interrupted():
        yield IMAGES[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ome_zarr_plate(tmp_path / "p.zarr", interrupted(), WELLS)
    with pytest.raises(ValueError, match="channel_names has 1 names for 2 channels"):
        write_ome_zarr_plate(tmp_path / "p.zarr", IMAGES, WELLS, channel_names=["DNA"])
    with pytest.raises(ValueError, match=r"(?i)compression"):
        write_ome_tiff(tmp_path / "f.ome.tif", IMAGES[0], compression="none such compression")
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_replaced_only_when_told(tmp_path):
    file = write_ome_tiff(tmp_path / "f.ome.tif", IMAGES[0])
    plate = write_ome_zarr_plate(tmp_path / "p.zarr", IMAGES, WELLS)
    with pytest.raises(FileExistsError, match=r"f\.ome\.tif exists already\..*overwrite=True"):
        write_ome_tiff(file, IMAGES[1])
    with pytest.raises(FileExistsError, match=r"p\.zarr exists already\..*overwrite=True"):
        write_ome_zarr_plate(plate, IMAGES, WELLS)
    write_ome_tiff(file, IMAGES[1], overwrite=True)
    write_ome_zarr_plate(plate, IMAGES[1:2], ["C04"], overwrite=True)
    np.testing.assert_array_equal(read_plane((file, (0,))), IMAGES[1, 0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.ome.tif", "p.zarr"]
    assert sorted(path.name for path in plate.iterdir() if path.is_dir()) == ["C"]


@pytest.mark.parametrize(
    ("name", "image", "options", "message"),
    [
        ("f.tif", IMAGES[0], {}, r"must end in \.ome\.tif"),
        ("f.ome.tif", IMAGES[0, 0, 0], {}, r"axes='' does not describe an image of shape \(30,\)"),
        ("f.ome.tif", IMAGES[0], {"axes": "YXC"}, "axes='YXC' does not describe an image"),
        ("f.ome.tif", IMAGES[0], {"channel_names": ["DNA"]}, "channel_names has 1 names for 2 channels"),
    ],
)
def test_ome_tiff_is_told_what_does_not_fit(tmp_path, name, image, options, message):
    with pytest.raises(ValueError, match=message):
        write_ome_tiff(tmp_path / name, image, **options)


@pytest.mark.parametrize(
    ("name", "images", "wells", "options", "message"),
    [
        ("p", IMAGES, WELLS, {}, r"must end in \.zarr"),
        ("p.zarr", IMAGES, WELLS[:3], {}, "images holds more fields than the 3 wells"),
        ("p.zarr", IMAGES[:3], WELLS, {}, "images holds 3 fields, and 4 wells were named"),
        ("p.zarr", IMAGES, [*WELLS[:3], "well 4"], {}, "'well 4' is not the name of a well"),
        (
            "p.zarr",
            IMAGES[:, 0],
            WELLS,
            {},
            r"three dimensions \(channels, height, width\), got shape \(20, 30\)",
        ),
        ("p.zarr", IMAGES, WELLS, {"version": "0.3"}, r"version='0\.3' is unknown\. Pass '0\.5' or '0\.4'"),
    ],
)
def test_plates_are_told_what_does_not_fit(tmp_path, name, images, wells, options, message):
    with pytest.raises(ValueError, match=message):
        write_ome_zarr_plate(tmp_path / name, images, wells, **options)
    assert list(tmp_path.iterdir()) == []
