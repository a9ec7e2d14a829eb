import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

from matplotlib.figure import Figure  # noqa: E402

from archetypal_triplet.plotting import ArchetypeGalleryDisplay  # noqa: E402


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (3, 4, 16, 20, 3), dtype=np.uint8)


@pytest.fixture
def ax():
    return Figure(figsize=(6, 4)).subplots()


def get_texts(display):
    return [text.get_text() for text in display.ax_.texts]


def test_images_are_shown_pixel_by_pixel_in_their_row(images, ax):
    display = ArchetypeGalleryDisplay.from_images(images, ax=ax)
    assert len(display.images_) == 12
    assert display.ax_ is ax
    for shown, image in zip(display.images_, images.reshape(12, 16, 20, 3), strict=True):
        np.testing.assert_array_equal(shown.get_array(), image)
    extents = np.array([image.get_extent() for image in display.images_]).reshape(3, 4, 4)
    np.testing.assert_allclose(extents[..., 1] - extents[..., 0], 20)
    np.testing.assert_allclose(extents[..., 2] - extents[..., 3], 16)
    assert (np.diff(extents[:, :, 0], axis=1) > 20).all()  # left to right, apart
    assert (np.diff(extents[:, :, 3], axis=0) > 16).all()  # top to bottom
    assert ax.yaxis_inverted()
    assert get_texts(display) == ["Archetype_0", "Archetype_1", "Archetype_2"]


def test_gray_images_have_no_color_scale_of_their_own(images, ax):
    dim = (images[..., 0] // 10)[:, :1]
    display = ArchetypeGalleryDisplay.from_images(dim, ax=ax)
    for shown, image in zip(display.images_, dim[:, 0], strict=True):
        np.testing.assert_array_equal(shown.get_array(), np.stack([image] * 3, axis=-1))


def test_images_of_several_sizes_keep_their_scale(images, ax):
    display = ArchetypeGalleryDisplay.from_images([[images[0, 0], images[0, 1, :8, :10]]], ax=ax)
    large, small = (np.array(image.get_extent()) for image in display.images_)
    assert (small[1] - small[0], small[2] - small[3]) == (10, 8)
    assert small[2] + small[3] == large[2] + large[3]  # in the middle of its place


def test_rows_of_several_lengths_and_without_images(images, ax):
    display = ArchetypeGalleryDisplay.from_images([images[0], [], images[2][:1]], ax=ax)
    assert len(display.images_) == 5
    assert "no image" in get_texts(display)
    assert display.images_[4].get_extent()[3] > 2 * 16


def test_titles_and_captions(images, ax):
    captions = [[f"A{j:02d}" for j in range(4)]] * 2 + [["B01"]]
    display = ArchetypeGalleryDisplay.from_images(
        images,
        titles=["Bright", "Debris & dust", 7],
        subtitles=["share 0.1\nnegative 0.2", "", "share 0.3"],
        captions=captions,
        ax=ax,
    )
    texts = get_texts(display)
    assert {"Bright", "Debris & dust", "7", "share 0.1\nnegative 0.2", "share 0.3"} <= set(texts)
    assert texts.count("A03") == 2
    assert texts.count("B01") == 1


def test_no_more_images_than_asked_for(images, ax):
    display = ArchetypeGalleryDisplay.from_images(images, max_images=2, ax=ax)
    assert len(display.images_) == 6


@pytest.mark.parametrize(("n_rows", "n_images"), [(1, 1), (1, 8), (12, 3), (3, 12)])
def test_a_figure_of_its_own_has_room_for_names_and_images(n_rows, n_images):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = ArchetypeGalleryDisplay.from_images(
        np.zeros((n_rows, n_images, 8, 8), dtype=np.uint8),
        titles=["A name of an archetype"] * n_rows,
        subtitles=["share 0.25\nnegative 0.00, positive 0.75"] * n_rows,
        captions=[["P1 A01"] * n_images] * n_rows,
    )
    figure = display.figure_
    figure.draw_without_rendering()
    for text in display.ax_.texts:
        box = text.get_window_extent()
        assert figure.bbox.padded(1).contains(*box.min)
        assert figure.bbox.padded(1).contains(*box.max)
    titles = [text for text in display.ax_.texts if text.get_ha() == "right"]
    first_image = display.images_[0].get_window_extent()
    assert max(text.get_window_extent().x1 for text in titles) < first_image.x0
    assert first_image.width > 0.6 * figure.dpi
    pyplot.close(figure)


def test_hostile_names_are_drawn_as_they_are(images, ax):
    titles = ["<b>bold</b>", "$\\frac{1}{$", "x" * 300]
    display = ArchetypeGalleryDisplay.from_images(images, titles=titles, ax=ax)
    display.figure_.draw_without_rendering()
    texts = get_texts(display)
    assert texts[:2] == ["<b>bold</b>", r"\$\frac{1}{\$"]
    assert len(texts[2]) < 40


def test_the_images_are_left_as_they_were(images, ax):
    before = images.copy()
    ArchetypeGalleryDisplay.from_images(images, ax=ax)
    np.testing.assert_array_equal(images, before)


def make_shapes():
    """A square, a ring and a bar, each in three sizes."""
    y, x = np.indices((20, 20)) - 9.5
    rows = []
    for color, norm in enumerate([np.maximum(abs(x), abs(y)), np.hypot(x, y), abs(x) + 0 * y]):
        row = np.zeros((3, 20, 20, 3), dtype=np.uint8)
        for j, radius in enumerate([3, 6, 9]):
            row[j, ..., color] = 250 * ((norm < radius) & (norm > (radius - 2) * (color == 1)))
        rows.append(row)
    return rows


def draw_for_baseline(make_axes, rows):
    # every image covers 50 x 50 pixels of the figure, so that nothing depends on how halves are rounded
    ax = make_axes(4.0, 4.0, position=np.array([20, 15, 156, 209]) / 240)
    return ArchetypeGalleryDisplay.from_images(rows, ax=ax).figure_


def test_baseline(make_axes, find_difference):
    rows = make_shapes()
    figure = draw_for_baseline(make_axes, [rows[0], [], rows[1], rows[2][:2]])
    assert find_difference(figure, "gallery") is None


def test_the_comparison_sees_rows_that_change_places(make_axes, find_difference):
    rows = make_shapes()
    figure = draw_for_baseline(make_axes, [rows[1], [], rows[0], rows[2][:2]])
    assert "RMS" in str(find_difference(figure, "gallery", may_renew=False))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda a: a / 255.0, {}, r"images\[0\] holds an array of type float64 and shape \(16, 20, 3\)"),
        (lambda a: a[..., :2], {}, r"shape \(16, 20, 2\); uint8 of shape \(height, width\) or"),
        (lambda a: a[:, :0], {}, "images holds no image in 3 rows: there is nothing to show"),
        (lambda a: a, {"titles": ["a"]}, "titles has 1 entries for 3 rows of images"),
        (lambda a: a, {"captions": [["a"]] * 4}, "captions has 4 entries for 3 rows of images"),
        (lambda a: a, {"max_images": 0}, "max_images=0 is below 1"),
    ],
)
def test_errors(images, ax, change, options, message):
    with pytest.raises(ValueError, match=message):
        ArchetypeGalleryDisplay.from_images(change(images), ax=ax, **options)


def test_the_users_settings_neither_turn_images_nor_draw_lines(images, ax):
    ax.grid(True)
    with matplotlib.rc_context({"image.origin": "lower"}):
        display = ArchetypeGalleryDisplay.from_images(images, ax=ax)
    assert {image.origin for image in display.images_} == {"upper"}
    assert not any(line.get_visible() for line in [*ax.get_xgridlines(), *ax.get_ygridlines()])
