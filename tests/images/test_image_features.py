"""ImageFeatures: kernels against their naive twins and scikit-image, its contract, its errors."""

import pickle
import threading

import numpy as np
import pytest
from naive_features import (
    naive_correlation,
    naive_granularity,
    naive_inside,
    naive_intensity,
    naive_nucleus,
    naive_parts,
    naive_quality,
    naive_radial,
    naive_texture,
    octagon,
)
from sklearn.base import clone

from archetypal_triplet import ImageFeatures
from archetypal_triplet.images import ImageStack, extract_cells, read_layout
from archetypal_triplet.images._features._groups import GROUPS

LEVELS = 6
SCALES = (1, 2, 4)


def make_images(height=15, width=18, n=3, dtype=np.uint8, seed=0):
    """Images of two channels and a mask: an ellipse in the middle, a piece of another nucleus beside it."""
    rng = np.random.default_rng(seed)
    images = rng.poisson(30, size=(n, 3, height, width)).astype(float)
    rows, columns = np.indices((height, width))
    for i in range(n):
        nucleus = ((rows - height / 2) / 4) ** 2 + ((columns - width / 2 - i) / 6) ** 2 <= 1
        images[i, 0] += 40 * nucleus
        images[i, 2] = np.where(nucleus, 1, np.where(columns < i + 3, 2, 0))
    return images.astype(dtype)


def kinds_of_images():
    flat = make_images()
    flat[0, 0] = 7
    flat[1, :2] = 0
    twice = make_images(n=2)
    twice[1] = twice[0]
    crowded = make_images()
    # no pixel is left for a ring, in the second none for a background either
    crowded[:, 2] = np.where(crowded[:, 2] == 1, 1, 2)
    empty = make_images()
    empty[0, 2], empty[1] = 0, 0
    at_the_edge = make_images()
    at_the_edge[:, 2] = np.roll(at_the_edge[:, 2], 12, axis=2)
    at_the_edge[:, 2, :3] = 1
    return {
        "uint8": make_images(),
        "uint16": make_images(dtype=np.uint16) * np.array([300, 9, 1], dtype=np.uint16)[:, None, None],
        "float32": make_images(dtype=np.float32),
        "negative": make_images(dtype=np.float64) * [[[1]], [[-0.5]], [[1]]],
        "flat": flat,
        "duplicates": twice,
        "crowded": crowded,
        "without nucleus": empty,
        "at the edge": at_the_edge,
        "one image": make_images(n=1),
        "one row": make_images(height=1, width=9),
        "one pixel": make_images(height=1, width=1),
        "small": make_images(height=5, width=4),
    }


KINDS = kinds_of_images()


def naive_rows(group, fitted, images, mask, whole):
    """Rows of a group by the naive twins; `images` without mask, `mask` of zeros where there is none."""
    rows = []
    limits = fitted.limits_
    for image, own in zip(images.astype(float), mask, strict=True):
        inside, parts = naive_inside(own, fitted.ring_width, whole), naive_parts(own, fitted.ring_width)
        nucleus = np.argwhere(own == 1)
        center = nucleus.mean(axis=0) if len(nucleus) else (np.array(own.shape) - 1) / 2
        rows.append(
            {
                "intensity": lambda: naive_intensity(image, inside),  # noqa: B023
                "nucleus": lambda: naive_nucleus(image, parts, inside, np.ptp(limits, axis=1) / 256),  # noqa: B023
                "texture": lambda: naive_texture(image, inside, limits, SCALES, LEVELS),  # noqa: B023
                "granularity": lambda: naive_granularity(image, inside),  # noqa: B023
                "correlation": lambda: naive_correlation(image, inside, limits),  # noqa: B023
                "radial": lambda: naive_radial(image, inside, center, limits),  # noqa: B023
                "quality": lambda: naive_quality(image, fitted.ceilings_),  # noqa: B023
            }[group]()
        )
    return np.array(rows, dtype=float)


def fit(group, **parameters):
    return ImageFeatures(group, scales=SCALES, levels=LEVELS, **{"ring_width": 3, **parameters})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", sorted({*GROUPS} - {"shape"}))
def test_cells_are_measured_as_the_naive_twin_does(group, kind):
    X = KINDS[kind]
    features = fit(group, mask_channel=-1).fit(X)
    got = features.transform(X)
    np.testing.assert_allclose(
        got, naive_rows(group, features, X[:, :2], X[:, 2], False), rtol=1e-7, atol=1e-8
    )
    assert np.isfinite(got).all()


@pytest.mark.parametrize("group", sorted(name for name, group in GROUPS.items() if not group.needs_mask))
def test_whole_images_are_measured_as_the_naive_twin_does(group):
    X = make_images()[:, :2]
    features = fit(group).fit(X)
    expected = naive_rows(group, features, X, np.zeros_like(X[:, 0]), False)
    np.testing.assert_allclose(features.transform(X), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("group", ["intensity", "nucleus", "texture", "radial"])
def test_region_crop_leaves_out_other_nuclei_alone(group):
    X = make_images()
    features = fit(group, mask_channel=-1, region="crop").fit(X)
    expected = naive_rows(group, features, X[:, :2], X[:, 2], True)
    np.testing.assert_allclose(features.transform(X), expected, rtol=1e-7, atol=1e-8)


def random_masks():
    """Nuclei of all shapes: ellipses, with a hole, in pieces, at the edge, a line, a pixel, nothing."""
    from scipy import ndimage

    rng = np.random.default_rng(1)
    masks = [ndimage.gaussian_filter(rng.normal(size=(24, 21)), 2) > 0.05 for _ in range(4)]
    masks += [make_images(24, 21, seed=3)[i, 2] == 1 for i in range(2)]
    ring = np.hypot(*(np.indices((24, 21)) - 10)) <= 8
    ring[8:12, 8:12] = False
    everything = np.ones((24, 21), dtype=bool)
    return np.stack([*masks, ring, everything]).astype(np.uint8)


def shapes_of(masks):
    X = np.stack([masks, masks], axis=1)
    return ImageFeatures("shape", mask_channel=1).set_output(transform="pandas").fit_transform(X)


def test_shapes_are_those_of_scikit_image():
    measure = pytest.importorskip("skimage.measure", reason="scikit-image is the oracle of shapes")
    masks = random_masks()
    shapes = shapes_of(masks)
    columns = {
        "Area": "area",
        "Perimeter": "perimeter",
        "MajorAxisLength": "axis_major_length",
        "MinorAxisLength": "axis_minor_length",
        "Eccentricity": "eccentricity",
        "ConvexArea": "area_convex",
        "Solidity": "solidity",
        "Extent": "extent",
        "EquivalentDiameter": "equivalent_diameter_area",
    }
    for row, mask in enumerate(masks):
        (region,) = measure.regionprops(mask)
        for ours, theirs in columns.items():
            got = shapes[f"AreaShape_{ours}_Nucleus"][row]
            assert got == pytest.approx(getattr(region, theirs), rel=1e-9), (row, ours)
        expected = 4 * np.pi * region.area / region.perimeter**2
        assert shapes["AreaShape_FormFactor_Nucleus"][row] == pytest.approx(expected)


def test_a_pixel_a_line_and_nothing_have_a_shape_too():
    masks = np.zeros((3, 8, 9), dtype=np.uint8)
    masks[0, 2, 3] = 1
    masks[1, 4, 1:7] = 1
    masks[2, 5:, :] = 2
    shapes = shapes_of(masks)
    names = [f"AreaShape_{m}_Nucleus" for m in ("Area", "ConvexArea", "Solidity", "Extent", "Eccentricity")]
    np.testing.assert_allclose(shapes[names], [[1, 1, 1, 1, 0], [6, 6, 1, 1, 1], [0, 0, 0, 0, 0]])
    assert (shapes.loc[2] == 0).all()


def test_co_occurrence_is_that_of_scikit_image():
    texture = pytest.importorskip("skimage.feature", reason="scikit-image is an oracle of texture")
    X = make_images()[:, :1]
    features = ImageFeatures("texture", scales=(1, 3), levels=LEVELS).set_output(transform="pandas").fit(X)
    table = features.transform(X)
    low, high = features.limits_[0]
    for row, image in enumerate(X[:, 0].astype(float)):
        levels = np.clip((image - low) / (high - low) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
        for scale in (1, 3):
            angles = np.arange(4) * np.pi / 4
            pairs = texture.graycomatrix(levels, [scale], angles, levels=LEVELS, symmetric=True).sum(axis=3)
            pairs = (pairs / pairs.sum())[..., None]
            for ours, theirs in {
                "Contrast": "contrast",
                "AngularSecondMoment": "ASM",
                "InverseDifferenceMoment": "homogeneity",
                "Correlation": "correlation",
            }.items():
                expected = texture.graycoprops(pairs, theirs)[0, 0]
                assert table[f"Texture_{ours}_Channel0_{scale}"][row] == pytest.approx(expected, rel=1e-9)


def test_openings_are_those_of_scikit_image():
    morphology = pytest.importorskip("skimage.morphology", reason="scikit-image is an oracle of openings")
    X = make_images()[:, :1]
    got = ImageFeatures("granularity").fit_transform(X)
    for row, image in zip(got, X[:, 0].astype(float), strict=True):
        sums = [image.sum()]
        for radius in range(1, 7):
            worn = morphology.erosion(image, octagon(radius), mode="ignore")
            sums.append(morphology.dilation(worn, octagon(radius), mode="ignore").sum())
        np.testing.assert_allclose(row, -np.diff(sums) / (sums[0] - sums[-1]))


def test_ratio_of_nucleus_and_ring_is_found_by_hand():
    X = np.zeros((1, 2, 30, 30))
    X[0, 0] = 2
    X[0, 0, 12:18, 12:18] = 10
    X[0, 1, 12:18, 12:18] = 1
    # a neighbor, very bright, within the ring's reach
    X[0, 0, :, 20:], X[0, 1, :, 20:] = 99, 2
    table = ImageFeatures("nucleus", channel_names=["GFP"], mask_channel=1).set_output(transform="pandas")
    row = table.fit_transform(X).loc[0]
    assert row["Intensity_RatioNucleusRing_GFP"] == pytest.approx(5)
    assert row["Intensity_ContrastNucleusRing_GFP"] == pytest.approx(8 / 12)
    assert row["Intensity_MeanBackground_GFP"] == pytest.approx(2)
    assert row["Intensity_IntegratedNucleus_GFP"] == pytest.approx(360)


def test_brightness_is_never_scaled_per_image():
    X = make_images(n=4)[:, :1]
    X[1] = X[0] * 2
    table = ImageFeatures("texture").set_output(transform="pandas").fit_transform(X)
    assert table["Texture_Variance_Channel0_1"][1] > 2 * table["Texture_Variance_Channel0_1"][0]


def columns_named(features, *words):
    return [any(word in name for word in words) for name in features.get_feature_names_out()]


def test_quarter_turns_change_no_feature_of_a_whole_image():
    X = make_images(21, 21)[:, :2]
    features = ImageFeatures("all").fit(X)
    turned = np.rot90(X, axes=(2, 3))
    # sectors are cut between the axes, and a pixel that lies on a cut belongs to one side of it
    stays = ~np.array(columns_named(features, "RadialCV"))
    np.testing.assert_allclose(
        features.transform(X)[:, stays], features.transform(turned)[:, stays], rtol=1e-9
    )


def test_mirrored_cells_have_the_same_features():
    X = make_images()
    features = ImageFeatures("all", mask_channel=-1).fit(X)
    stays = ~np.array(columns_named(features, "RadialCV"))
    mirrored = features.transform(X[..., ::-1])
    np.testing.assert_allclose(features.transform(X)[:, stays], mirrored[:, stays], rtol=1e-9, atol=1e-12)


def test_gain_and_offset_change_only_what_depends_on_them():
    X = make_images(dtype=np.float64)
    scaled = X.copy()
    scaled[:, :2] = 3 * X[:, :2] + 100
    kept = ["texture", "granularity", "correlation", "radial", "shape"]
    features = ImageFeatures(kept, mask_channel=-1)
    one, other = features.fit_transform(X), features.fit_transform(scaled)
    same = ~np.array(columns_named(features, "DoG"))
    np.testing.assert_allclose(one[:, same], other[:, same], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(3 * one[:, ~same], other[:, ~same])


def test_shares_add_up():
    X = make_images()
    features = ImageFeatures("all", mask_channel=-1).fit(X)
    table = features.set_output(transform="pandas").transform(X)
    for channel in features.channel_names_:
        own = [name for name in table if channel in name]
        for start in ("Granularity_", "Texture_LBP", "RadialDistribution_FracAtD_"):
            columns = [name for name in own if name.startswith(start)]
            assert columns
            np.testing.assert_allclose(table[columns].sum(axis=1), 1)


def test_blur_lowers_focus():
    from scipy import ndimage

    X = make_images(32, 32, dtype=np.float64)[:, :1]
    features = ImageFeatures("quality").set_output(transform="pandas").fit(X)
    sharp, blurred = features.transform(X), features.transform(ndimage.gaussian_filter(X, (0, 0, 1, 1)))
    for measure in ("LaplacianVariance", "PowerSlope"):
        name = f"ImageQuality_{measure}_Channel0"
        assert (blurred[name] < sharp[name]).all()


@pytest.mark.parametrize(
    ("dtype", "largest", "expected"),
    [("uint8", 90, 255), ("uint16", 300, 1023), ("uint16", 4095, 4095), ("uint16", 5000, 16383),
     ("float64", 0.7, 1), ("float64", 7.5, 7.5)],
)  # fmt: skip
def test_the_ceiling_of_a_channel_is_that_of_its_bits(dtype, largest, expected):
    X = np.zeros((2, 1, 8, 8), dtype=dtype)
    X[1, 0, 3, 3] = largest
    features = ImageFeatures("quality").set_output(transform="pandas").fit(X)
    assert features.ceilings_.tolist() == [expected]
    share = features.transform(X)["ImageQuality_ShareSaturated_Channel0"]
    assert share.tolist() == [0, 1 / 64 if largest == expected else 0]


def test_translocation_is_seen_on_the_real_plate(data_folder):
    layout = read_layout(data_folder / "bbbc013_translocation" / "plate.csv")
    wells = ["A01", "B02", "F02", "A12", "C12", "F01"]
    chosen = np.flatnonzero(layout.fields["Metadata_Well"].isin(wells))
    fields = layout.fields.iloc[chosen].reset_index(drop=True)
    stack = ImageStack.from_layout(layout).take(chosen)
    nuclei = next(name for name in layout.channels if "dna" in name.lower())
    gfp = next(name for name in layout.channels if name != nuclei)
    cells = extract_cells(stack, fields, nucleus_channel=nuclei, n_jobs=2)
    features = ImageFeatures(["nucleus", "correlation"], channel_names=layout.channels, mask_channel=-1)
    table = features.set_output(transform="pandas").fit_transform(cells.crops)
    assert len(table) > 700
    means = table.groupby(cells.cells["Metadata_Well"].to_numpy()).mean()
    # the drug moves GFP into the nucleus: every treated well lies above every untreated one
    ratio = means[f"Intensity_RatioNucleusRing_{gfp}"]
    assert ratio[["A12", "C12", "F01"]].min() > 1.3 * ratio[["A01", "B02", "F02"]].max()
    correlation = means[features.get_feature_names_out()[columns_named(features, "Pearson")][0]]
    assert correlation[["A12", "C12", "F01"]].min() > correlation[["A01", "B02", "F02"]].max()


# --- the contract ---------------------------------------------------------------------------------------


def test_names_tell_what_is_measured():
    X = make_images()
    features = ImageFeatures(mask_channel=-1, channel_names=["DNA", "GFP"]).fit(X)
    names = features.get_feature_names_out()
    assert len(set(names)) == len(names) == features.n_features_out_ == features.transform(X).shape[1]
    wanted = {"Intensity_Mean_DNA", "Texture_Contrast_GFP_3", "AreaShape_Area_Nucleus", "Granularity_2_DNA"}
    wanted |= {"Intensity_RatioNucleusRing_GFP", "Correlation_Pearson_DNA_GFP", "Correlation_Manders_GFP_DNA"}
    assert wanted | {"RadialDistribution_MeanFrac_DNA_1of4", "Texture_LBP9_GFP_1"} <= set(names)
    assert not any(name.startswith("ImageQuality") for name in names)


def test_no_name_is_taken_for_a_position_or_metadata():
    from archetypal_triplet._utils._columns import is_metadata, is_position_like, looks_like_metadata

    names = ImageFeatures("all", mask_channel=-1).fit(make_images()).get_feature_names_out()
    assert not [n for n in names if is_metadata(n) or is_position_like(n) or looks_like_metadata(n)]


def test_the_group_decides_the_columns():
    X = make_images()
    whole = ImageFeatures("all", mask_channel=-1).set_output(transform="pandas").fit_transform(X)
    for group in GROUPS:
        part = ImageFeatures(group, mask_channel=-1).set_output(transform="pandas").fit_transform(X)
        np.testing.assert_array_equal(part, whole[part.columns])
    reversed_order = ImageFeatures(["radial", "intensity"]).fit(X)
    assert reversed_order.get_feature_names_out()[0].startswith("Radial")
    assert reversed_order.groups_ == ["radial", "intensity"]


def test_names_of_channels_may_hold_the_mask_and_come_from_the_stack():
    X = make_images()
    with_mask = ImageFeatures("intensity", channel_names=["A", "Mask", "B"], mask_channel=1)
    assert with_mask.fit(X[:, [0, 2, 1]]).channel_names_ == ["A", "B"]

    class Stack:
        shape, dtype, channel_names = X.shape, X.dtype, ["DNA", "GFP", "Mask"]

        def __getitem__(self, rows):
            return X[rows]

    stack = ImageFeatures("intensity", mask_channel=-1)
    assert stack.fit(Stack()).channel_names_ == ["DNA", "GFP"]
    np.testing.assert_array_equal(stack.transform(Stack()), stack.transform(X))
    assert ImageFeatures("intensity").fit(X).channel_names_ == ["Channel0", "Channel1", "Channel2"]


def test_threads_and_blocks_change_no_bit():
    X = make_images(n=11)
    expected = ImageFeatures("all", mask_channel=-1).fit(X).transform(X)
    for parameters in ({"n_jobs": 2}, {"n_jobs": 3, "batch_size": 2}, {"batch_size": 1}):
        got = ImageFeatures("all", mask_channel=-1, **parameters).fit(X).transform(X)
        np.testing.assert_array_equal(got, expected)


def test_rows_are_read_by_one_thread_at_a_time_and_never_all():
    X = make_images(n=12)

    class Stack:
        shape, dtype, most, busy = X.shape, X.dtype, 0, threading.Lock()

        def __getitem__(self, rows):
            assert self.busy.acquire(blocking=False)
            self.most = max(self.most, rows.stop - rows.start)
            self.busy.release()
            return X[rows]

    stack = Stack()
    features = ImageFeatures(mask_channel=-1, n_jobs=4, batch_size=2).fit(stack)
    np.testing.assert_array_equal(features.transform(stack), features.transform(X))
    assert stack.most == 2


def test_memmaps_hdf5_zarr_and_lists_give_the_same(tmp_path):
    X = make_images(n=4)
    features = ImageFeatures("intensity", mask_channel=-1, n_jobs=2).fit(X)
    expected = features.transform(X)
    np.save(tmp_path / "X.npy", X)
    np.testing.assert_array_equal(features.transform(np.load(tmp_path / "X.npy", mmap_mode="r")), expected)
    np.testing.assert_array_equal(features.transform(X.tolist()), expected)
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "X.h5", "w") as file:
        np.testing.assert_array_equal(features.transform(file.create_dataset("X", data=X)), expected)
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    array = zarr.create_array(tmp_path / "X.zarr", data=X)
    np.testing.assert_array_equal(features.transform(array), expected)


def test_clone_pickle_and_a_second_fit():
    X = make_images()
    features = ImageFeatures(mask_channel=-1, channel_names=["DNA", "GFP"], scales=[1, 2])
    expected = features.fit(X).transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(features)).transform(X), expected)
    np.testing.assert_array_equal(clone(features).fit(X).transform(X), expected)
    features.fit(X[:, :, :10] * np.array([3, 3, 1], dtype=np.uint8)[:, None, None])
    assert features.limits_[0, 1] > 150
    np.testing.assert_array_equal(features.fit(X).transform(X), expected)


def test_parameters_set_after_fit_wait_for_the_next():
    X = make_images()
    features = ImageFeatures(mask_channel=-1).fit(X)
    expected = features.transform(X)
    features.set_params(scales=(2,), ring_width=2, region="crop", levels=4, groups="shape")
    np.testing.assert_array_equal(features.transform(X), expected)


def test_other_sizes_of_images_are_measured_with_the_same_limits():
    features = ImageFeatures().fit(make_images())
    assert features.transform(make_images(9, 31)).shape == (3, features.n_features_out_)


def test_input_is_not_changed():
    X = make_images(dtype=np.float64)
    before = X.copy()
    ImageFeatures("all", mask_channel=-1).fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


def test_progress_is_shown_only_when_asked_for(capsys):
    X = make_images()
    for verbose, n_jobs in ((0, None), (1, None), (1, 2)):
        ImageFeatures("shape", mask_channel=-1, verbose=verbose, n_jobs=n_jobs, batch_size=1).fit(
            X
        ).transform(X)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("features" in shown.err) == bool(verbose)


# --- an engine ------------------------------------------------------------------------------------------


def means(images):
    return images.mean(axis=(2, 3))


def test_an_engine_measures_instead():
    X = make_images(n=5)
    features = ImageFeatures(engine=means, mask_channel=-1, batch_size=2, n_jobs=2).set_output(
        transform="pandas"
    )
    table = features.fit_transform(X)
    assert list(table.columns) == ["engine0", "engine1"]
    np.testing.assert_allclose(table, X[:, :2].mean(axis=(2, 3)))
    pickle.loads(pickle.dumps(features))


def test_an_engine_may_name_its_features():
    class Engine:
        def __call__(self, images):
            return means(images)

        def get_feature_names_out(self):
            return ["Mean_a", "Mean_b", "Mean_c"]

    features = ImageFeatures(engine=Engine()).fit(make_images())
    assert features.get_feature_names_out().tolist() == ["Mean_a", "Mean_b", "Mean_c"]


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (lambda images: images, r"engine returned an array of shape \(1, 3, 15, 18\) .* shape \(1, p\)"),
        (lambda images: np.ones(len(images)), r"shape \(1,\) .* one row of features for each image"),
        (
            lambda images: np.ones((len(images) + 1, 2)),
            r"shape \(2, 2\) for images of shape \(1, 3, 15, 18\)",
        ),
        (lambda images: means(images) * np.nan, "engine returned values that are not finite"),
    ],
)
def test_what_an_engine_returns_is_checked(engine, message):
    with pytest.raises(ValueError, match=message):
        ImageFeatures(engine=engine).fit(make_images())


def test_an_engine_that_changes_its_mind_is_caught():
    features = ImageFeatures(engine=lambda images: np.ones((len(images), len(images)))).fit(make_images())
    with pytest.raises(ValueError, match=r"shape \(3, 3\) for .* shape \(3, 1\)"):
        features.transform(make_images())


# --- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5), (3, 20, 20), (4,), (2, 2, 2, 4, 4)])
def test_what_is_not_four_dimensional_is_refused_with_the_cure(shape):
    with pytest.raises(
        ValueError, match=r"images of shape \(n, C, H, W\).*images\[:, None\].*ScreenNormalizer"
    ):
        ImageFeatures().fit(np.ones(shape))


def test_a_table_is_refused_with_the_cure():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(ValueError, match=r"images of shape \(n, C, H, W\), got an X of shape \(2, 2\)"):
        ImageFeatures().fit(pandas.DataFrame({"a": [1, 2], "b": [3, 4]}))


def test_no_images_no_pixels_and_no_numbers():
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        ImageFeatures().fit(np.ones((0, 1, 4, 4)))
    with pytest.raises(ValueError, match="has no pixels"):
        ImageFeatures().fit(np.ones((2, 1, 0, 4)))
    with pytest.raises(ValueError, match="dtype complex128; pixels must be real numbers"):
        ImageFeatures().fit(np.ones((2, 1, 4, 4), dtype=complex))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_found(value):
    X = make_images(dtype=np.float64)[:, :2]
    features = ImageFeatures("intensity").fit(X)
    X[1, 1, 2, 3] = value
    message = "contains NaN or infinity: image 1, channel 1, row 2, column 3 .* Fill such pixels"
    for call in (ImageFeatures("intensity").fit, features.transform):
        with pytest.raises(ValueError, match=message):
            call(X)


def test_another_number_of_channels_is_refused():
    features = ImageFeatures("intensity").fit(make_images())
    with pytest.raises(ValueError, match="X has 2 channels, but ImageFeatures is expecting 3 channels"):
        features.transform(make_images()[:, :2])


@pytest.mark.parametrize("value", [3, 0.5, -1])
def test_a_mask_that_is_none_is_refused(value):
    X = make_images(dtype=np.float64)
    X[0, 2, 0, 0] = value
    with pytest.raises(ValueError, match=r"mask_channel=2 holds .*; a mask is 0 for the background"):
        ImageFeatures("shape", mask_channel=-1).fit(X).transform(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"mask_channel": 3},
            "mask_channel=3 is not a channel of X, which has 3: give a number from -3 to 2",
        ),
        ({"mask_channel": -4}, "mask_channel=-4 is not a channel"),
        ({"groups": "shape"}, "'shape' measures a nucleus, and mask_channel=None"),
        (
            {"groups": ["texture", "colour"]},
            "names 'colour'. Groups to choose from: intensity, nucleus, shape",
        ),
        ({"groups": []}, "is empty. Groups to choose from"),
        ({"groups": ["radial", "radial"]}, "names a group twice"),
        ({"channel_names": ["A", "B"]}, r"2 names \(A, B\), and X has 3 channels. Give a name for each"),
        ({"channel_names": ["A"], "mask_channel": 0}, "X has 2 channels beside the mask"),
        ({"channel_names": ["A", "B", "A"]}, "holds a name twice"),
        ({"scales": (0, 1)}, r"scales=\(0, 1\) must be whole numbers of pixels"),
        ({"scales": ()}, r"scales=\(\) must be whole numbers"),
        ({"scales": (1, 1)}, "names a distance twice"),
        ({"limits": (99, 1)}, r"limits=\(99, 1\) must be two percentiles"),
        ({"limits": (1, 2, 3)}, "must be two percentiles"),
        ({"levels": 1}, "'levels' parameter"),
        ({"region": "nucleus"}, "'region' parameter"),
        ({"groups": "colour"}, "'groups' parameter"),
        ({"engine": "resnet"}, "'engine' parameter"),
    ],
)
def test_parameters_are_judged_by_fit(parameters, message):
    with pytest.raises(ValueError, match=message):
        ImageFeatures(**parameters).fit(make_images())


def test_a_mask_alone_is_no_image():
    with pytest.raises(ValueError, match="mask_channel=0 is the only channel of X"):
        ImageFeatures(mask_channel=0).fit(make_images()[:, 2:])


def test_an_error_in_a_thread_reaches_the_caller():
    X = make_images(n=8)
    X[5, 2, 0, 0] = 9
    with pytest.raises(ValueError, match="mask_channel=2 holds 9"):
        ImageFeatures("shape", mask_channel=-1, n_jobs=2, batch_size=1).fit(X).transform(X)
