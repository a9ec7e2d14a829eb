"""Sheets of pictures: each picture is where it is said to be, and sheets are small."""

import base64
import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from archetypal_triplet.report._sprites import make_sprites


def smooth_images(n, size, seed=0):
    """Blobs of a color on black, as cells are."""
    rng = np.random.default_rng(seed)
    ys, xs = np.indices((size, size)) / size
    centers, widths = rng.uniform(0.3, 0.7, size=(2, n, 1, 1)), rng.uniform(0.1, 0.25, size=(n, 1, 1))
    blobs = np.exp(-((ys - centers[0]) ** 2 + (xs - centers[1]) ** 2) / (2 * widths**2))
    colors = rng.uniform(60, 255, size=(n, 1, 1, 3))
    noise = rng.normal(0, 3, size=(n, size, size, 3))
    return np.clip(blobs[..., None] * colors + noise, 0, 255).astype(np.uint8)


def unpack(uri):
    kind, data = uri.split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{image.format.lower()}"
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("n", "size", "side"), [(1, 16, 64), (5, 16, 48), (9, 16, 48), (10, 16, 50), (23, 17, 60)]
)
def test_each_picture_is_where_it_is_said_to_be(n, size, side):
    images = smooth_images(n, size)
    sprites = make_sprites(images, image_format="png", side=side)
    assert len(sprites) == n
    assert sprites.size == size
    sheets = [unpack(uri) for uri in sprites.sheets]
    assert [sheet.shape[1::-1] for sheet in sheets] == sprites.shapes
    assert max(max(shape) for shape in sprites.shapes) <= side
    for k in range(n):
        x, y = sprites.x[k], sprites.y[k]
        assert_array_equal(sheets[sprites.sheet[k]][y : y + size, x : x + size], images[k])
    places = set(zip(sprites.sheet.tolist(), sprites.x.tolist(), sprites.y.tolist(), strict=True))
    assert len(places) == n


@pytest.mark.parametrize(("image_format", "bound"), [("webp", 6), ("jpeg", 6)])
def test_packed_pictures_look_the_same(image_format, bound):
    images = smooth_images(40, 64)
    sprites = make_sprites(images, image_format=image_format, side=512)
    sheets = [unpack(uri).astype(float) for uri in sprites.sheets]
    for k in range(len(images)):
        x, y = sprites.x[k], sprites.y[k]
        shown = sheets[sprites.sheet[k]][y : y + 64, x : x + 64]
        assert abs(shown - images[k]).mean() < bound


def test_webp_is_smaller_than_jpeg():
    images = smooth_images(100, 64)
    webp, jpeg, png = (make_sprites(images, image_format=name).n_bytes for name in ("webp", "jpeg", "png"))
    assert webp < jpeg < png
    assert webp == sum(map(len, make_sprites(images).sheets))


def test_quality_decides_the_size():
    images = smooth_images(30, 64)
    assert make_sprites(images, quality=40).n_bytes < make_sprites(images, quality=90).n_bytes


def test_quality_gives_way_where_sheets_would_be_too_large():
    images = smooth_images(60, 64)
    free = make_sprites(images, side=256)
    close = make_sprites(images, side=256, max_bytes=free.n_bytes)
    assert close.sheets == free.sheets
    tight = make_sprites(images, side=256, max_bytes=int(0.8 * free.n_bytes))
    assert tight.n_bytes <= 0.8 * free.n_bytes
    assert tight.sheets in [make_sprites(images, side=256, quality=q).sheets for q in (60, 45, 30)]
    least = make_sprites(images, side=256, quality=15)
    assert make_sprites(images, side=256, max_bytes=10).sheets == least.sheets
    lossless = make_sprites(images, side=256, image_format="png")
    assert make_sprites(images, side=256, image_format="png", max_bytes=10).sheets == lossless.sheets


def test_sheets_are_the_same_each_time():
    images = smooth_images(20, 32)
    assert make_sprites(images).sheets == make_sprites(images.copy()).sheets


def test_what_is_no_picture_takes_no_space():
    images = smooth_images(7, 16)
    present = np.array([False, True, True, False, True, True, False])
    sprites = make_sprites(images, present=present, image_format="png", side=32)
    assert sprites.sheet.tolist() == [-1, 0, 0, -1, 0, 0, -1]
    (sheet,) = map(unpack, sprites.sheets)
    for k in np.flatnonzero(present):
        x, y = sprites.x[k], sprites.y[k]
        assert_array_equal(sheet[y : y + 16, x : x + 16], images[k])
    none = make_sprites(images, present=np.zeros(7, dtype=bool))
    assert none.sheets == []
    assert (none.sheet == -1).all()
    with pytest.raises(ValueError, match=r"present has shape \(3,\); a value for each of 7 pictures"):
        make_sprites(images, present=present[:3])


def test_no_pictures_make_no_sheets():
    sprites = make_sprites(np.empty((0, 64, 64, 3), dtype=np.uint8))
    assert len(sprites) == 0
    assert sprites.sheets == []
    assert sprites.n_bytes == 0


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 9, 3), np.uint8), np.zeros((2, 8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.uint8),
     np.zeros((2, 8, 8, 3))],
)  # fmt: skip
def test_other_shapes_and_types_are_refused(images):
    with pytest.raises(ValueError, match=r"square pictures in color are needed: \(n, size, size, 3\), uint8"):
        make_sprites(images)


def test_format_and_side_are_checked():
    images = np.zeros((2, 64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match=r"image_format='gif' is none of 'webp', 'jpeg', 'png'"):
        make_sprites(images, image_format="gif")
    with pytest.raises(ValueError, match=r"side=32 is smaller than the pictures, which have 64 pixels"):
        make_sprites(images, side=32)
