"""Reading one plane: formats, depths, palettes, colors, pages, and files that are damaged."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archetypal_triplet.images import Plane, read_plane, write_ome_tiff, write_ome_zarr_plate
from archetypal_triplet.images._planes import probe_plane

imagecodecs = pytest.importorskip("imagecodecs")
tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")

DTYPES = ["uint8", "uint16", "int16", "uint32", "float16", "float32", "float64"]
# one value a step, so that a shifted or rescaled image cannot pass
RNG = np.random.default_rng(0)


def make_image(dtype, shape=(37, 53)):
    values = RNG.integers(0, 200, size=shape) if dtype == "uint8" else RNG.integers(0, 4096, size=shape)
    return values.astype(dtype)


def assert_read(plane, expected):
    pixels = read_plane(plane)
    assert pixels.dtype == expected.dtype
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(pixels, expected)
    plane = Plane(str(plane)) if isinstance(plane, str | Path) else plane
    assert probe_plane(plane) == (expected.shape, expected.dtype)


# ---- TIFF


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
def test_tiff_of_any_type_comes_back_as_it_was_written(tmp_path, dtype, byteorder, compression):
    image = make_image(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image, compression=compression, byteorder=byteorder)
    assert_read(path, image)


def test_twelve_bits_in_sixteen_are_not_scaled(tmp_path):
    image = np.linspace(0, 4095, 40 * 50).astype(np.uint16).reshape(40, 50)
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=[(281, "H", 1, 4095, False)])  # MaxSampleValue
    assert read_plane(tmp_path / "a.tif").max() == 4095


@pytest.mark.parametrize("width", [52, 53])
def test_packed_twelve_bits_are_unpacked(tmp_path, width):
    image = make_image("uint16", (37, width))
    path = tmp_path / "packed.tif"
    write_packed(path, image)
    assert_read(path, image)


def write_packed(path, image, bits=12):
    """A TIFF of packed bits, put together by hand: each row begins on a byte."""
    rows = [np.unpackbits(row.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1) for row in image]
    data = b"".join(np.packbits(row[:, 16 - bits :].ravel()).tobytes() for row in rows)
    tags = [
        (256, 3, image.shape[1]),
        (257, 3, image.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, image.shape[0]),
        (279, 4, len(data)),
    ]
    data += b"\0" * (len(data) % 2)
    ifd = len(tags).to_bytes(2, "big")
    for code, kind, value in tags:
        size = 2 if kind == 3 else 4
        ifd += code.to_bytes(2, "big") + kind.to_bytes(2, "big") + (1).to_bytes(4, "big")
        ifd += value.to_bytes(size, "big").ljust(4, b"\0")
    path.write_bytes(b"MM\0*" + (8 + len(data)).to_bytes(4, "big") + data + ifd + b"\0" * 4)


def test_one_bit_gives_zeros_and_ones(tmp_path):
    image = make_image("uint8") > 100
    tifffile.imwrite(tmp_path / "mask.tif", image, photometric="minisblack")
    assert_read(tmp_path / "mask.tif", image.astype(np.uint8))


def test_a_tiff_by_another_writer_with_its_header_at_the_end(tmp_path):
    image = make_image("uint16")
    path = tmp_path / "libtiff.tif"
    write_lzw_tiff(path, image)
    assert_read(path, image)


def test_tiles_are_put_together(tmp_path):
    image = make_image("uint16", (100, 130))
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(32, 32), compression="zlib")
    assert_read(tmp_path / "a.tif", image)


def test_counting_from_white_is_reversed(tmp_path):
    image = make_image("uint8")
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    assert_read(tmp_path / "a.tif", 255 - image)


def gray_ramp(n=256):
    return np.tile(np.arange(n) * (65535 // (n - 1)), (3, 1)).astype(np.uint16)


def high_low(ramp):
    ramp = ramp.copy()
    ramp[:, 0], ramp[:, -1] = (0, 0, 65535), (65535, 0, 0)
    return ramp


@pytest.mark.parametrize(
    "palette",
    [gray_ramp(), gray_ramp() * np.array([[0], [1], [0]], dtype=np.uint16), high_low(gray_ramp())],
    ids=["gray ramp", "green ramp", "marks of exposure"],
)
def test_the_index_of_a_palette_is_the_value(tmp_path, palette):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="palette", colormap=palette)
    assert_read(tmp_path / "a.tif", image)


def test_the_index_of_a_falling_palette_is_reversed(tmp_path):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="palette", colormap=gray_ramp()[:, ::-1].copy())
    assert_read(tmp_path / "a.tif", 255 - image)


def test_a_palette_of_colors_is_refused(tmp_path):
    palette = np.random.default_rng(0).integers(0, 65535, size=(3, 256)).astype(np.uint16)
    path = tmp_path / "colors.tif"
    tifffile.imwrite(path, make_image("uint8"), photometric="palette", colormap=palette)
    with pytest.raises(ValueError, match=r"colors\.tif is a palette image whose colors.*Export it as a gray"):
        read_plane(path)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_equal_colors_are_gray(tmp_path, planar):
    image = make_image("uint16")
    colors = np.stack([image] * 3, axis=-1 if planar == "contig" else 0)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", planarconfig=planar)
    assert_read(tmp_path / "a.tif", image)


@pytest.mark.parametrize("color", range(3))
def test_an_image_colored_for_display_is_its_only_color(tmp_path, color):
    colors = np.zeros((37, 53, 3), dtype=np.uint8)
    colors[..., color] = make_image("uint8")
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb")
    assert_read(tmp_path / "a.tif", np.ascontiguousarray(colors[..., color]))


def test_transparency_is_no_color(tmp_path):
    image = make_image("uint8")
    colors = np.stack([image, image, image, np.full_like(image, 255)], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", extrasamples=["unassalpha"])
    assert_read(tmp_path / "a.tif", image)


def test_true_colors_are_refused(tmp_path):
    path = tmp_path / "true.tif"
    colors = np.stack([make_image("uint8") for _ in range(3)], axis=-1)
    tifffile.imwrite(path, colors, photometric="rgb")
    with pytest.raises(ValueError, match=r"true\.tif is in color.*Export each channel as a gray image"):
        read_plane(path)


def test_complex_values_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "fourier.tif", np.ones((4, 4), dtype=np.complex64))
    with pytest.raises(ValueError, match=r"fourier\.tif holds values of type complex64"):
        read_plane(tmp_path / "fourier.tif")


# ---- several planes in a file


@pytest.mark.parametrize("imagej", [False, True])
def test_pages_are_chosen_by_number(tmp_path, imagej):
    pages = make_image("uint16", (4, 20, 30))
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, pages, imagej=imagej, photometric="minisblack")
    for i, page in enumerate(pages):
        assert_read(Plane(str(path), (i,)), page)
    with pytest.raises(ValueError, match=r"pages\.tif holds 4 planes, and none of them was chosen"):
        read_plane(path)
    with pytest.raises(ValueError, match=r"pages\.tif holds 4 planes, and number 4 \(counted from 0\)"):
        read_plane(Plane(str(path), (4,)))
    with pytest.raises(ValueError, match=r"not an OME-TIFF: its planes have one number"):
        read_plane(Plane(str(path), (1, 2)))


def test_planes_behind_one_header_are_found(tmp_path):
    # ImageJ writes a single header for stacks above 4 GB, MetaMorph for all
    pages = make_image("uint16", (4, 20, 30))
    path = tmp_path / "one_header.tif"
    tifffile.imwrite(path, pages, imagej=True, metadata={"axes": "ZYX"}, photometric="minisblack")
    cut_chain_of_headers(path)
    for i, page in enumerate(pages):
        assert_read(Plane(str(path), (i,)), page)
    path.write_bytes(path.read_bytes()[: -20 * 30 * 2])
    with pytest.raises(ValueError, match=r"one_header\.tif (is truncated|holds 1 plane)"):
        read_plane(Plane(str(path), (3,)))


def cut_chain_of_headers(path):
    """Rewrite a TIFF of several pages so that only the first has a header: its pixels stay where they are."""
    with tifffile.TiffFile(path) as tiff:
        first, byteorder = tiff.pages[0], tiff.byteorder
        n_tags, offset = len(first.tags), first.offset
        begin, end = first.dataoffsets[0], tiff.pages[-1].dataoffsets[0] + tiff.pages[-1].databytecounts[0]
    data = bytearray(path.read_bytes())
    at = offset + 2 + 12 * n_tags
    data[at : at + 4] = (0).to_bytes(4, "little" if byteorder == "<" else "big")
    assert offset < begin
    path.write_bytes(data[:end])


def test_a_thumbnail_beside_the_image_is_passed_over(tmp_path):
    image = make_image("uint8")
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(image)
        writer.write(image[::4, ::4], subfiletype=1)
    assert_read(path, image)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("axes", "shape", "index"),
    [
        ("CYX", (3, 8, 9), (2,)),
        ("CZYX", (3, 4, 8, 9), (2, 3)),
        ("ZCYX", (4, 3, 8, 9), (2, 3)),
        ("TCZYX", (2, 3, 4, 8, 9), (2, 3, 1)),
        ("ZYX", (4, 8, 9), (0, 3)),
    ],
)
def test_ome_tiff_by_channel_z_and_time(tmp_path, axes, shape, index, compression):
    image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    path = write_ome_tiff(tmp_path / "a.ome.tif", image, axes=axes, compression=compression)
    at = dict(zip("CZT", index, strict=False))
    assert_read(Plane(str(path), index), image[tuple(at.get(axis, 0) for axis in axes[:-2])])
    with pytest.raises(ValueError, match=r"a\.ome\.tif holds .*, and C=9, Z=0, T=0 was asked for"):
        read_plane(Plane(str(path), (9,)))
    with pytest.raises(ValueError, match=r"no plane was chosen: say which channel is meant"):
        read_plane(path)


def test_ome_tiff_of_one_plane_needs_no_index(tmp_path):
    image = make_image("uint16")
    path = write_ome_tiff(tmp_path / "a.ome.tif", image)
    assert_read(path, image)
    assert_read(Plane(str(path), (0,)), image)


def test_ome_tiff_of_several_images(tmp_path):
    images = make_image("uint16", (2, 3, 8, 9))
    path = tmp_path / "fields.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for image in images:
            writer.write(image, photometric="minisblack", metadata={"axes": "CYX"})
    assert_read(Plane(str(path), (2, 0, 0, 1)), images[1, 2])
    with pytest.raises(ValueError, match="holds 2 images, and image 2 was asked for"):
        read_plane(Plane(str(path), (0, 0, 0, 2)))


def test_ome_tiff_pyramid_gives_the_full_size(tmp_path):
    image = make_image("uint16", (2, 64, 64))
    path = tmp_path / "pyramid.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(image, subifds=1, photometric="minisblack", metadata={"axes": "CYX"})
        writer.write(image[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    assert_read(Plane(str(path), (1,)), image[1])


def write_ome_set(folder, image):
    """A set of one file for each channel, each describing the whole set, as some microscopes write it."""
    uuids = [f"urn:uuid:0000000{c}-0000-0000-0000-000000000000" for c in range(len(image))]
    data = "".join(
        f'<TiffData IFD="0" FirstC="{c}" FirstZ="0" FirstT="0" PlaneCount="1">'
        f'<UUID FileName="c{c}.ome.tif">{uuid}</UUID></TiffData>'
        for c, uuid in enumerate(uuids)
    )
    channels = "".join(f'<Channel ID="Channel:0:{c}" SamplesPerPixel="1"/>' for c in range(len(image)))
    for c, uuid in enumerate(uuids):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
            f'SizeX="{image.shape[2]}" SizeY="{image.shape[1]}" SizeC="{len(image)}" SizeZ="1" SizeT="1">'
            f"{channels}{data}</Pixels></Image></OME>"
        )
        tifffile.imwrite(folder / f"c{c}.ome.tif", image[c], description=xml, metadata=None)


def test_a_set_of_ome_tiffs_is_followed_to_its_other_files(tmp_path):
    image = make_image("uint16", (3, 8, 9))
    write_ome_set(tmp_path, image)
    assert_read(Plane(str(tmp_path / "c0.ome.tif"), (2,)), image[2])
    assert_read(tmp_path / "c1.ome.tif", image[1])  # without an index: what lies in this file
    (tmp_path / "c2.ome.tif").unlink()
    assert_read(Plane(str(tmp_path / "c0.ome.tif"), (1,)), image[1])
    with pytest.raises(ValueError, match=r"c0\.ome\.tif describes the plane \(2,\)"):
        read_plane(Plane(str(tmp_path / "c0.ome.tif"), (2,)))


# ---- PNG, JPEG


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png(tmp_path, dtype):
    image = make_image(dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    assert_read(tmp_path / "a.png", image)
    assert_read(Plane(str(tmp_path / "a.png"), (0,)), image)
    with pytest.raises(ValueError, match=r"a\.png holds one plane, and index \(1,\) was asked for"):
        read_plane(Plane(str(tmp_path / "a.png"), (1,)))


def test_png_of_equal_colors_is_gray(tmp_path):
    image = make_image("uint8")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.stack([image] * 3, axis=-1)))
    assert_read(tmp_path / "a.png", image)


def test_jpeg(tmp_path):
    image = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg_encode(image, level=100))
    assert np.abs(read_plane(tmp_path / "a.jpg").astype(int) - image).max() <= 2


# ---- OME-Zarr


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_ome_zarr_field(tmp_path, version, dtype):
    images = make_image(dtype, (3, 2, 8, 9))
    plate = write_ome_zarr_plate(tmp_path / "p.zarr", images, ["A01", "A01", "AF48"], version=version)
    assert_read(Plane(str(plate / "A/1/1"), (1,)), images[1, 1])
    assert_read(Plane(str(plate / "AF/48/0"), (0,)), images[2, 0])
    with pytest.raises(ValueError, match="holds planes of c=2, and none was chosen"):
        read_plane(plate / "A/1/0")
    with pytest.raises(ValueError, match="holds c=2, and c=2 was asked for"):
        read_plane(Plane(str(plate / "A/1/0"), (2,)))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_by_another_writer_is_read_at_its_highest_resolution(tmp_path, version):
    writer = pytest.importorskip("ome_zarr.writer")
    formats = pytest.importorskip("ome_zarr.format")
    image = make_image("uint16", (2, 3, 4, 64, 72))  # t, c, z
    fmt = formats.FormatV05() if version == "0.5" else formats.FormatV04()
    group = zarr.open_group(tmp_path / "i.zarr", mode="w", zarr_format=3 if version == "0.5" else 2)
    writer.write_image(image, group, axes="tczyx", fmt=fmt)
    assert_read(Plane(str(tmp_path / "i.zarr"), (2, 3, 1)), image[1, 2, 3])


def test_a_zarr_folder_without_an_image_is_told_what_it_lacks(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty is a folder and holds no OME-Zarr image"):
        read_plane(tmp_path / "empty")
    zarr.create_array(tmp_path / "array.zarr", shape=(3, 3), dtype="u1")
    with pytest.raises(ValueError, match=r"array\.zarr is a Zarr array without the description"):
        read_plane(tmp_path / "array.zarr")
    plate = write_ome_zarr_plate(tmp_path / "p.zarr", make_image("uint8", (1, 2, 8, 9)), ["A01"])
    with pytest.raises(ValueError, match=r"attributes lack 'multiscales'. Name the folder of one field"):
        read_plane(plate / "A/1")
    shutil.rmtree(plate / "A/1/0/0")
    with pytest.raises(ValueError, match=r"lacks its array '0'"):
        read_plane(Plane(str(plate / "A/1/0"), (0,)))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_damaged_zarr_names_the_field(tmp_path, version):
    plate = write_ome_zarr_plate(
        tmp_path / "p.zarr", make_image("uint16", (1, 2, 80, 90)), ["A01"], version=version
    )
    field = plate / "A/1/0"
    chunk = max((path for path in (field / "0").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    chunk.write_bytes(chunk.read_bytes()[:-100])
    index = (int(chunk.relative_to(field / "0").parts[-3]),)
    with pytest.raises(ValueError, match=re.escape(f"{field} cannot be read")):
        read_plane(Plane(str(field), index))
    description = field / ("zarr.json" if version == "0.5" else ".zattrs")
    description.write_text(json.dumps(json.loads(description.read_text()))[:-40])
    with pytest.raises(ValueError, match=re.escape(f"{field} cannot be read")):
        read_plane(Plane(str(field), index))


def test_a_chunk_that_zarr_left_out_is_zeros(tmp_path):
    images = make_image("uint16", (1, 2, 8, 9))
    images[0, 1] = 0
    plate = write_ome_zarr_plate(tmp_path / "p.zarr", images, ["A01"])
    assert_read(Plane(str(plate / "A/1/0"), (1,)), images[0, 1])


# ---- files that are missing or damaged


def write_tiff(path, image):
    tifffile.imwrite(path, image)


def write_compressed_tiff(path, image):
    tifffile.imwrite(path, image, compression="zlib", rowsperstrip=8)


def write_lzw_tiff(path, image):
    from PIL import Image

    Image.fromarray(image).save(path, format="TIFF", compression="tiff_lzw")


def write_png(path, image):
    path.write_bytes(imagecodecs.png_encode(image))


WRITERS = [write_tiff, write_compressed_tiff, write_lzw_tiff, write_png]


@pytest.mark.parametrize("write", WRITERS)
def test_a_missing_file_is_named(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"There is no image .*gone\.tif\.$"):
        read_plane(tmp_path / "gone.tif")
    with pytest.raises(FileNotFoundError, match=r"gone\.tif\. Its folder does not exist either"):
        read_plane(tmp_path / "nowhere" / "gone.tif")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "empty.tif").touch()
    with pytest.raises(ValueError, match=r"empty\.tif is an empty file \(0 bytes\)"):
        read_plane(tmp_path / "empty.tif")


@pytest.mark.parametrize("content", [b"x", b"plate,well\n", b"\0" * 4096, b"II", b"GIF89a" + b"\0" * 99])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "text.tif").write_bytes(content)
    with pytest.raises(ValueError, match=r"text\.tif is not an image that can be read: it begins with b'"):
        read_plane(tmp_path / "text.tif")


@pytest.mark.parametrize("write", WRITERS)
def test_a_truncated_file_is_never_read_as_zeros(tmp_path, write):
    image = np.random.default_rng(0).integers(1, 4096, size=(48, 64)).astype(np.uint16)
    whole = tmp_path / "whole"
    write(whole, image)
    data = whole.read_bytes()
    path = tmp_path / "cut.tif"
    n_refused = n_whole = 0
    sizes = {*range(8, 400, 16), *np.linspace(8, len(data) - 1, 40).astype(int).tolist()}
    for size in sizes:
        path.write_bytes(data[:size])
        try:
            pixels = read_plane(path)
        except ValueError as error:
            n_refused += "cut.tif" in str(error)
        else:
            np.testing.assert_array_equal(pixels, image)
            n_whole += 1
    assert n_refused + n_whole == len(sizes)
    assert n_refused > 40


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_an_error_that_names_it_or_an_image(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("damaged") / "bits.tif"
    WRITERS[seed % 3](path, np.arange(48 * 64, dtype=np.uint16).reshape(48, 64))
    data = bytearray(path.read_bytes())
    for at in rng.integers(4, min(len(data), 400), size=4):
        data[at] = rng.integers(256)
    path.write_bytes(data)
    try:
        told = f"{path} was read, with {read_plane(path).ndim} dimensions"
    except (ValueError, OSError) as error:
        told = str(error)
    assert "bits.tif" in told


def test_a_file_never_written_to_its_end_is_refused(tmp_path):
    path = tmp_path / "begun.tif"
    tifffile.imwrite(path, make_image("uint16", (64, 64)), compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages[0].tags["StripByteCounts"]
        tag.overwrite((*tag.value[:-1], 0))
    with pytest.raises(ValueError, match=r"begun\.tif was not written to its end"):
        read_plane(path)


def test_real_images_of_an_arrayscan_and_of_sbs_names(data_folder):
    for screen, shape in (("bbbc013_translocation", (640, 640)), ("bbbc016_transfluor_gfp", (512, 512))):
        path = sorted((data_folder / screen / "images").iterdir())[0]
        pixels = read_plane(path)
        assert (pixels.shape, pixels.dtype) == (shape, np.uint8)
        np.testing.assert_array_equal(pixels, tifffile.imread(path))
