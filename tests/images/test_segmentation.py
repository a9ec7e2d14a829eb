"""Nuclei: what is found, cut and left out; the kernels against slow twins."""

import numpy as np
import pytest
from scipy import ndimage

from archetypal_triplet.images import segment_nuclei
from archetypal_triplet.images._label_kernels import empty_like_hull, measure_hulls, measure_labels
from archetypal_triplet.images._segmentation import cut_clumps, keep_areas

pytest.importorskip("skimage")


def draw(shape, discs, background=10.0, brightness=100.0):
    """An image of discs: (row, column, radius) each."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, dtype=bool)
    for row, column, radius in discs:
        mask |= (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return background + brightness * mask


def spread_discs(rng, shape, radius, spacing):
    """Centers on a jittered grid: far enough apart not to touch, none at the edge."""
    return [
        (r + rng.integers(-2, 3), c + rng.integers(-2, 3), radius)
        for r in range(spacing, shape[0] - spacing, spacing)
        for c in range(spacing, shape[1] - spacing, spacing)
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("method", ["otsu", "local"])
def test_separate_nuclei_are_all_found(dtype, method):
    rng = np.random.default_rng(0)
    discs = spread_discs(rng, (200, 240), 7, 24)
    image = (draw((200, 240), discs) + rng.normal(0, 3, (200, 240))).clip(0).astype(dtype)
    labels = segment_nuclei(image, method=method)
    assert labels.dtype == np.int32
    assert labels.max() == len(discs)
    assert len({labels[r, c] for r, c, _ in discs} - {0}) == len(discs)
    areas = np.bincount(labels.ravel())[1:]
    np.testing.assert_allclose(areas, np.pi * 49, rtol=0.25)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_touching_nuclei_are_cut_at_any_magnification(scale):
    discs = [(20, 20, 9), (20, 36, 9), (36, 36, 9)]
    image = draw((56 * scale, 60 * scale), [tuple(scale * v for v in disc) for disc in discs])
    labels = segment_nuclei(image)
    assert labels.max() == 3
    centers = [labels[r * scale, c * scale] for r, c, _ in discs]
    assert len(set(centers)) == 3
    assert segment_nuclei(image, neck=0).max() == 1


def test_an_elongated_nucleus_stays_whole():
    rows, columns = np.mgrid[:60, :100]
    for angle in np.linspace(0, np.pi, 9):
        u = (rows - 30) * np.cos(angle) + (columns - 50) * np.sin(angle)
        v = -(rows - 30) * np.sin(angle) + (columns - 50) * np.cos(angle)
        assert segment_nuclei(100.0 * ((u / 24) ** 2 + (v / 8) ** 2 <= 1)).max() == 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 40), dtype=np.uint8),
        np.full((40, 40), 255, dtype=np.uint8),
        np.full((40, 40), np.nan),
        np.linspace(1e6, 1e6 + 0.1, 1600, dtype=np.float32).reshape(40, 40),
        np.random.default_rng(0).normal(100, 10, (200, 200)),
        np.random.default_rng(1).poisson(5, (200, 200)).astype(np.uint16),
        np.linspace(0, 100, 40000).reshape(200, 200),
    ],
    ids=["zero", "saturated", "nan", "constant", "noise", "counts", "shading"],
)
@pytest.mark.parametrize("method", ["otsu", "local"])
def test_an_image_without_nuclei_has_none(image, method):
    labels = segment_nuclei(image, method=method)
    assert labels.shape == image.shape
    assert labels.max() == 0


def test_one_bright_object_does_not_hide_the_others():
    discs = [(20 + 30 * i, 20 + 30 * j, 7) for i in range(4) for j in range(4)]
    image = sum(draw((130, 130), [disc], 0.0, 60.0 + 8 * i) for i, disc in enumerate(discs))
    image[100:120, 100:120] = 260
    labels = segment_nuclei(image)
    assert labels.max() == len(discs)
    areas = np.sort(np.bincount(labels.ravel())[1:])
    np.testing.assert_allclose(areas[:-1], np.pi * 49, rtol=0.3)


@pytest.mark.parametrize("brightness", [500, 2000, 60000])
def test_debris_that_outshines_all_nuclei_does_not_hide_them(brightness):
    discs = [(20 + 30 * i, 20 + 30 * j, 7) for i in range(4) for j in range(4)]
    image = draw((130, 130), discs[1:])
    image[10:30, 10:30] = brightness
    labels = segment_nuclei(image)
    assert labels.max() == len(discs)


def test_cytoplasm_is_not_taken_for_more_nuclei():
    rng = np.random.default_rng(0)
    discs = spread_discs(rng, (200, 240), 7, 30)
    cytoplasm = draw((200, 240), [(r, c, 14) for r, c, _ in discs], 0.0, 25.0)
    image = draw((200, 240), discs) + cytoplasm + rng.normal(0, 2, (200, 240))
    areas = np.bincount(segment_nuclei(image).ravel())[1:]
    assert len(areas) == len(discs)
    np.testing.assert_allclose(areas, np.pi * 49, rtol=0.25)


def test_local_threshold_finds_dim_nuclei_on_an_uneven_background():
    discs = [(30 + 40 * i, 30 + 40 * j, 9) for i in range(5) for j in range(10)]
    rng = np.random.default_rng(0)
    fade = np.linspace(1.0, 0.35, 420)
    image = draw((220, 420), discs, background=0.0) * fade + np.linspace(20, 260, 420)
    image += rng.normal(0, 1.0, image.shape)
    assert segment_nuclei(image, method="local").max() == len(discs)
    assert segment_nuclei(image, method="otsu").max() < len(discs)


def test_pixels_that_are_not_finite_are_background():
    image = draw((60, 60), [(30, 30, 10)]).astype(np.float32)
    image[28:30, 10:50] = np.nan
    image[0, 0] = np.inf
    labels = segment_nuclei(image)
    assert labels[~np.isfinite(image)].max() == 0
    assert labels.max() >= 1


def test_holes_are_filled_and_areas_are_bounded():
    image = draw((90, 90), [(25, 25, 10), (65, 65, 4), (65, 20, 14)])
    image[22:28, 22:28] = 10
    labels = segment_nuclei(image, smoothing=0, min_area=100, max_area=500)
    assert labels.max() == 1
    assert labels[25, 25] == 1


def test_flipping_and_scaling_of_grey_values_change_nothing_but_numbers():
    rng = np.random.default_rng(3)
    image = draw((120, 140), spread_discs(rng, (120, 140), 8, 17)) + rng.normal(0, 2, (120, 140))
    labels = segment_nuclei(image)
    scaled = segment_nuclei(image * 7 + 50)
    np.testing.assert_array_equal(labels > 0, scaled > 0)
    assert segment_nuclei(image[:, ::-1]).max() == labels.max()


def test_labels_are_numbered_from_top_to_bottom_without_gaps():
    rng = np.random.default_rng(0)
    labels = cut_clumps(ndimage.gaussian_filter(rng.normal(size=(80, 80)), 3) > 0.05, 0.8)
    values, first = np.unique(labels[labels > 0], return_index=True)
    assert values.tolist() == list(range(1, labels.max() + 1))
    assert np.all(np.diff(first) > 0)


def naive_cut(mask, neck):
    """Flood by sets: the basins of every pixel, joined as `cut_necks` says, without arrays or trees."""
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(np.pad(mask, 1)).astype(np.float32), 1.0)[
        1:-1, 1:-1
    ]
    pixels = sorted(zip(*np.nonzero(mask), strict=True), key=lambda p: -depth[p])
    basin_of, members, peak = {}, {}, {}
    for p in pixels:
        near = [(p[0] + i, p[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        near = [q for q in near if q in basin_of]
        if not near:
            basin_of[p], members[p], peak[p] = p, {p}, depth[p]
            continue
        best = basin_of[max(near, key=lambda q: depth[q])]
        for other in [basin_of[q] for q in near]:
            if other in members and other != best and depth[p] > neck * min(peak[best], peak[other]):
                for q in members[other]:
                    basin_of[q] = best
                members[best] |= members.pop(other)
                peak[best] = max(peak[best], peak.pop(other))
        basin_of[p] = best
        members[best].add(p)
    return list(members.values())


@pytest.mark.parametrize("neck", [0.0, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_cutting_agrees_with_a_slow_twin(neck, seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(48, 56)), 2.5) > 0
    labels = cut_clumps(mask, neck)
    np.testing.assert_array_equal(labels > 0, mask)
    expected = {frozenset(map(tuple, part)) for part in naive_cut(mask, neck)}
    found = {frozenset(zip(*np.nonzero(labels == k), strict=True)) for k in range(1, labels.max() + 1)}
    assert found == expected
    if neck == 0:
        assert labels.max() == ndimage.label(mask, np.ones((3, 3)))[1]


def test_measures_agree_with_scikit_image():
    measure = pytest.importorskip("skimage.measure")
    rng = np.random.default_rng(0)
    labels = cut_clumps(ndimage.gaussian_filter(rng.normal(size=(120, 100)), 4) > 0.02, 0.7)
    image = rng.uniform(0, 9, labels.shape).astype(np.float32)
    n = labels.max()
    table, boxes, solidity = np.zeros((n, 4)), np.zeros((n, 4), dtype=np.intp), np.zeros(n)
    measure_labels(labels, image, table, boxes)
    measure_hulls(labels, boxes, table[:, 0].copy(), *empty_like_hull(len(labels)), solidity)
    for k, region in enumerate(measure.regionprops(labels, image)):
        np.testing.assert_allclose(
            table[k], [region.area, *region.centroid, region.intensity_mean], rtol=1e-5
        )
        assert tuple(boxes[k]) == (region.bbox[0], region.bbox[2], region.bbox[1], region.bbox[3])
        if region.area > 100:
            # scikit-image counts pixels of the hull, we take its area
            assert abs(solidity[k] - region.solidity) < 0.03


def test_a_rectangle_fills_its_hull():
    labels = np.zeros((12, 14), dtype=np.int32)
    labels[2:9, 3:12] = 1
    labels[10, 1] = 2
    table, boxes, solidity = np.zeros((2, 4)), np.zeros((2, 4), dtype=np.intp), np.zeros(2)
    measure_labels(labels, np.ones(labels.shape, np.float32), table, boxes)
    measure_hulls(labels, boxes, table[:, 0].copy(), *empty_like_hull(len(labels)), solidity)
    np.testing.assert_allclose(solidity, 1.0)


def test_areas_are_kept_within_bounds():
    labels = np.repeat(np.array([0, 1, 2, 2, 3, 3, 3], dtype=np.int32), 2)[None]
    assert keep_areas(labels, 3, 5).tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"method": "li"}, r"method='li' is unknown"),
        ({"smoothing": -1}, r"smoothing=-1 is not a number"),
        ({"min_area": -5}, r"min_area=-5 is not a number"),
        ({"min_area": 50, "max_area": 20}, r"max_area=20 must be greater than min_area=50"),
        ({"neck": 1.5}, r"neck=1.5 is not a share"),
        ({"min_contrast": -1}, r"min_contrast=-1 is not a number"),
        ({"block_size": 1}, r"block_size=1 is not a number of pixels"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        segment_nuclei(np.zeros((10, 10)), **parameters)


def test_other_than_one_plane_is_refused():
    with pytest.raises(ValueError, match=r"image has shape \(2, 10, 10\)"):
        segment_nuclei(np.zeros((2, 10, 10)))
    with pytest.raises(ValueError, match="dtype complex128"):
        segment_nuclei(np.zeros((10, 10), dtype=complex))


@pytest.mark.parametrize("artifact", ["none", "debris", "empty"])
def test_simulated_fields_show_their_true_nuclei(artifact):
    from archetypal_triplet.datasets import make_screen

    screen = make_screen(
        images=True,
        n_plates=2,
        n_replicates=2,
        plate_format=96,
        outlier_fraction={"debris": 0.05, "empty": 0.05},
        random_state=0,
    )
    rows = np.flatnonzero(screen.field_truth["Truth_Artifact"] == artifact)[:4]
    for row in rows:
        truth = screen.images.nuclei(int(row))
        labels = segment_nuclei(screen.images[int(row)][0])
        n_true = len(np.unique(truth)) - 1
        assert abs(labels.max() - n_true) <= 0.12 * n_true
        if n_true:
            both = ((labels > 0) & (truth > 0)).sum() / ((labels > 0) | (truth > 0)).sum()
            assert both > 0.7
