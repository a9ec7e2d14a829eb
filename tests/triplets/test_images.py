"""Images of every kind as input: read by row, scaled over the data set, never copied whole."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets import TorchFeatures, _mapped
from archetypal_triplet.triplets._images import (
    ImageInputs,
    ImageRows,
    compute_image_scaling,
    resolve_channels,
)
from archetypal_triplet.triplets._serialize import embedder_from_state, module_state

CPU = torch.device("cpu")


def make_images(n=24, n_channels=2, side=12, dtype=np.uint16, seed=0):
    """Images of three kinds: bright squares, bright stripes, or nothing but noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    images = rng.poisson(20, (n, n_channels, side, side)).astype(np.float64)
    images[y == 1, 0, 2:7, 2:7] += 60
    images[y == 2, -1, ::2] += 60
    return (images * (1 if np.dtype(dtype).kind in "iu" else 0.01)).astype(dtype), y


def make(*args, max_steps=20, **params):
    params = {"embedding_dim": 4, "samples_per_label": 4, "module_kwargs": {"widths": (4, 8)}, **params}
    return TripletEmbedder(*args, max_steps=max_steps, random_state=0, **params)


class Stack:
    """The least that images must offer: shape, dtype and rows by number."""

    def __init__(self, images):
        self.images, self.shape, self.dtype, self.n_rows = images, images.shape, images.dtype, 0

    def __getitem__(self, rows):
        assert isinstance(rows, np.ndarray), "rows are asked for by an array of numbers"
        self.n_rows += len(rows)
        return self.images[rows]


def as_memmap(images, folder, mode="r"):
    np.save(folder / "images.npy", images)
    return np.load(folder / "images.npy", mmap_mode=mode)


def as_zarr(images, folder):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        str(folder / "z"), shape=images.shape, dtype=images.dtype, chunks=(5, 1, 12, 12)
    )
    array[:] = images
    return array


def as_h5py(images, folder):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(folder / "images.h5", "w")
    return file.create_dataset("images", data=images, chunks=(4, 2, 12, 12))


KINDS = {
    "big-endian": lambda images, folder: images.astype(images.dtype.newbyteorder(">")),
    "h5py": as_h5py,
    "list": lambda images, folder: list(images),
    "memmap": as_memmap,
    "stack": lambda images, folder: Stack(images),
    "strided": lambda images, folder: np.repeat(images, 2, axis=0)[::2],
    "torch": lambda images, folder: torch.from_numpy(images.copy()),
    "zarr": as_zarr,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_container_gives_the_same_embedding(kind, tmp_path):
    images, y = make_images()
    other = KINDS[kind](images, tmp_path)
    for params in ({}, {"channels": [1], "crop_size": 9}):
        expected = make(**params).fit(images, y).transform(images)
        embedder = make(**params).fit(other, y)
        np.testing.assert_array_equal(embedder.transform(other), expected)
        np.testing.assert_array_equal(embedder.transform(images), expected)
        assert embedder.n_features_in_ == 2


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.float16, np.float32, np.float64, bool]
)
def test_every_type_of_pixel_is_scaled_by_channel(dtype):
    images = make_images(n=300, dtype=np.float64)[0].clip(0, 200)
    images = (
        images > 0.3
        if dtype is bool
        else (images * (1 if np.dtype(dtype).kind == "f" else 100)).astype(dtype)
    )
    mean, inverse_scale = compute_image_scaling(ImageRows(images))
    values = images.astype(np.float64)
    np.testing.assert_allclose(mean, values.mean(axis=(0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(1 / inverse_scale, values.std(axis=(0, 2, 3)), rtol=1e-9)
    inputs = ImageInputs(ImageRows(images), mean, inverse_scale, device=CPU)
    scaled = inputs.finish(inputs.read(np.arange(300)))
    assert scaled.dtype == torch.float32
    expected = (values - mean[:, None, None]) * inverse_scale[:, None, None]
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


def test_scaling_is_of_the_data_set_and_never_of_one_image():
    images, y = make_images()
    embedder = make().fit(images, y)
    brighter = images.copy()
    brighter[0] += 300
    moved = np.abs(embedder.transform(brighter) - embedder.transform(images)).max(axis=1)
    assert moved[0] > 0.01
    assert (moved[1:] == 0).all()


def test_a_channel_without_variation_is_ignored():
    images, y = make_images(n_channels=3)
    images[:, 1] = 7
    embedder = make().fit(images, y)
    embedding = embedder.transform(images)
    images[:, 1] = 999
    np.testing.assert_array_equal(embedder.transform(images), embedding)


def test_rows_windows_and_channels_are_those_asked_for():
    images = np.arange(5 * 3 * 6 * 7).reshape(5, 3, 6, 7)
    rows = ImageRows(images, channels=np.array([2, 0])).subset(np.array([4, 1, 3]))
    assert rows.shape == (3, 2, 6, 7)
    np.testing.assert_array_equal(rows.read(np.array([2, 0])), images[[3, 4]][:, [2, 0]])
    found = rows.read(np.array([1]), np.array([[2, 3]]), (4, 2))
    np.testing.assert_array_equal(found, images[[1]][:, [2, 0], 2:6, 3:5])
    again = rows.subset(np.array([2])).read(slice(0, 1))
    np.testing.assert_array_equal(again, images[[3]][:, [2, 0]])


@pytest.mark.parametrize(
    ("channels", "expected"), [(None, None), ([0, -1], [0, 2]), (slice(None, -1), [0, 1]), (range(1), [0])]
)
def test_channels_are_counted_from_both_ends(channels, expected):
    found = resolve_channels(channels, 3)
    assert (found if found is None else found.tolist()) == expected


def test_the_mask_of_cell_crops_is_left_out_by_channels():
    images, y = make_images()
    with_mask = np.concatenate([images, np.ones_like(images[:, :1])], axis=1)
    embedder = make(channels=slice(None, -1)).fit(with_mask, y)
    np.testing.assert_array_equal(embedder.transform(with_mask), make().fit(images, y).transform(images))
    assert embedder.n_features_in_ == 3
    assert embedder.in_shape_ == (2, 12, 12)


def test_images_are_read_by_batch_and_never_whole():
    images, y = make_images(n=2000, side=8)
    stack = Stack(images)
    make(max_steps=2).fit(stack, y)
    # scaling looks at all of these small images once, training at 24, the judgement at the end at 250
    assert stack.n_rows < 2000 + 2 * 12 + 260


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("small", [0, 2**20])
def test_a_file_map_is_read_from_its_file(tmp_path, monkeypatch, small, mode):
    monkeypatch.setattr(_mapped, "_SMALL", small)
    images = np.random.default_rng(0).integers(0, 9999, (12, 3, 6, 7), dtype=np.uint16)
    mapped = as_memmap(images, tmp_path, mode)
    if mode == "r+":
        mapped[4] += 1  # written to the map, not to the disk yet
        images[4] += 1
    corners = np.array([[0, 1], [2, 3], [1, 0]])
    for part, of in (
        (mapped, images),
        (mapped[3:], images[3:]),
        (mapped[::-2], images[::-2]),
        (mapped[:, 1:], images[:, 1:]),
        (mapped[:, :, 1:, 2:], images[:, :, 1:, 2:]),
        (mapped[:, ::-1], images[:, ::-1]),
    ):
        rows = ImageRows(part)
        np.testing.assert_array_equal(rows.read(np.array([4, 0, 2])), of[[4, 0, 2]])
        found = rows.read(np.array([4, 0, 2]), corners, (3, 2))
        for image, row, (top, left) in zip(found, (4, 0, 2), corners, strict=True):
            np.testing.assert_array_equal(image, of[row, :, top : top + 3, left : left + 2])
    assert ImageRows(mapped[3:])._mapped is not None
    # parts whose rows lie scattered are read through the map
    assert ImageRows(mapped[:, :, 1:, 2:])._mapped is None


def test_changes_that_are_in_no_file_are_read_through_the_map(tmp_path):
    images, _ = make_images()
    mapped = as_memmap(images, tmp_path, "c")
    mapped[3] += 1
    np.testing.assert_array_equal(ImageRows(mapped).read(slice(3, 4))[0], images[3] + 1)


def test_a_file_that_was_replaced_is_read_through_the_map(tmp_path):
    images, _ = make_images()
    mapped = as_memmap(images, tmp_path)
    np.save(tmp_path / "other.npy", images + 1)
    (tmp_path / "other.npy").replace(tmp_path / "images.npy")
    rows = ImageRows(mapped)
    assert rows._mapped is None
    np.testing.assert_array_equal(rows.read(slice(3, 5)), images[3:5])


def test_labels_from_features_and_pixels_for_the_network():
    images, y = make_images()

    class ByBrightness(BaseEstimator):
        def fit_predict(self, X, y=None):
            assert X is images
            means = X.mean(axis=(2, 3))
            return (means[:, 0] > means[:, 0].mean()) + 2 * (means[:, 1] > means[:, 1].mean())

    embedder = make(ByBrightness()).fit(images)
    np.testing.assert_array_equal(
        embedder.transform(images), make().fit(images, embedder.labels_).transform(images)
    )
    several = make().fit(images, np.stack([y, y > 0], axis=1))
    assert several.labels_.shape == (24, 2)


def test_a_stack_of_the_images_room_and_its_features_as_labeler(tmp_path):
    room = pytest.importorskip("archetypal_triplet.images")
    images, y = make_images()
    stack = room.ImageStack.from_array(as_memmap(images, tmp_path))
    expected = make().fit(images, y).transform(images)
    np.testing.assert_array_equal(make().fit(stack, y).transform(stack), expected)
    # the labeler sees the stack itself, computes features, and labels; the network sees pixels
    labeler = make_pipeline(room.ImageFeatures(), StandardScaler(), KMeans(3, n_init=2, random_state=0))
    embedder = make(labeler).fit(stack)
    assert embedder.labels_.shape == (24,)
    assert embedder.in_shape_ == (2, 12, 12)
    labels = embedder.labeler_.predict(stack)
    np.testing.assert_array_equal(labels, embedder.labels_)


def test_torch_features_are_an_engine_of_image_features():
    room = pytest.importorskip("archetypal_triplet.images")
    images, _ = make_images()
    engine = TorchFeatures(torch.nn.Conv2d(2, 5, 3), limits=(0, 100), device="cpu")
    table = room.ImageFeatures(engine=engine).fit_transform(images)
    np.testing.assert_allclose(np.asarray(table), engine(images), rtol=1e-5)


def test_large_images_are_trained_on_windows_and_embedded_whole():
    images, y = make_images(side=20)
    embedder = make(crop_size=12).fit(images, y)
    assert embedder.in_shape_ == (2, 12, 12)
    whole = embedder.transform(images)
    changed = images.copy()
    changed[0, :, -1, -1] = 2000
    assert np.abs(embedder.transform(changed) - whole)[0].max() > 1e-3
    large = make_images(n=6, side=130)[0]
    assert make(max_steps=1).fit(large, np.arange(6) % 2).in_shape_ == (2, 96, 96)


def test_pickle_arrays_and_json_keep_the_embedding():
    images, y = make_images()
    embedder = make(channels=slice(0, 2), crop_size=10).fit(images, y)
    expected = embedder.transform(images)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedder)).transform(images), expected)
    rebuilt = embedder_from_state(*module_state(embedder))
    np.testing.assert_allclose(rebuilt.transform(images), expected, atol=1e-6)
    assert rebuilt.in_shape_ == (2, 10, 10)


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        (lambda X: X[:, :0], {}, r"X has the shape \(24, 0, 12, 12\): TripletEmbedder needs images"),
        (lambda X: X[:1], {}, r"X has the shape \(1, 2, 12, 12\): .* at least 2 of them"),
        (lambda X: X.astype(complex), {}, r"X holds images of type complex128; allowed are"),
        (lambda X: X.astype(str), {}, r"X holds images of type <U\d+; allowed are"),
        (
            lambda X: X,
            {"channels": [0, 2]},
            r"channels=\[0, 2\] names channel 2, and X has 2 channels: .* -2 to 1",
        ),
        (lambda X: X, {"channels": [0.5]}, r"names channel 0\.5"),
        (lambda X: X, {"channels": [True, False]}, r"names channel True"),
        (lambda X: X, {"channels": []}, r"channels=\[\] leaves none of the 2 channels"),
        (
            lambda X: X,
            {"crop_size": 13},
            r"crop_size=13 is larger than the images, which have 12 x 12 pixels",
        ),
        (
            lambda X: X,
            {"label_column": 0},
            r"label_column=0 needs a table, and X has 4 dimensions: pass labels",
        ),
        (lambda X: X, {"groups_column": 0}, r"groups_column=0 needs a table, .* groups as fit"),
        (
            lambda X: [*X[:-1], X[-1][:, :-1]],
            {},
            r"X is a list of images of 2 shapes, such as \(2, 11, 12\) and \(2, 12, 12\)",
        ),
        (lambda X: X[0], {}, r"X has 3 dimensions, and the default encoders read tables and images"),
        (lambda X: X[0], {"channels": [0]}, r"expected <= 2, or 4"),
    ],
)
def test_images_that_do_not_fit_are_refused(change, params, message):
    images, y = make_images()
    changed = change(images)
    with pytest.raises(ValueError, match=message):
        make(**params).fit(changed, y[: len(changed)])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("container", [lambda X: X, Stack])
def test_pixels_that_are_no_numbers_are_named_by_row_and_channel(value, container):
    images, y = make_images(dtype=np.float32)
    embedder = make().fit(images, y)
    images[5, 1, 3, 3] = value
    for call in (lambda X: make().fit(X, y), embedder.transform):
        with pytest.raises(
            ValueError, match=r"X contains NaN or infinity in 1 of 24 .* \(first: row 5, channel 1\)"
        ):
            call(container(images))


def test_rows_set_aside_are_named_by_their_place_in_the_input():
    images, _ = make_images(n=60, dtype=np.float32)
    images[41, 0, 2, 2] = np.nan
    whole = ImageRows(Stack(images)).subset(np.arange(7, 60, 2))
    for read in (
        compute_image_scaling,
        lambda rows: ImageInputs(rows, np.zeros(2), np.ones(2), device=CPU).read(np.arange(27)),
    ):
        with pytest.raises(ValueError, match=r"first: row 41, channel 0"):
            read(whole)


def test_tensors_of_half_the_bits_are_images_too():
    images, y = make_images(dtype=np.float32)
    half = torch.from_numpy(images).bfloat16()
    found = make().fit(half, y).transform(half)
    np.testing.assert_array_equal(found, make().fit_transform(half.float().numpy(), y))


@pytest.mark.filterwarnings("error")
def test_rows_that_cannot_be_written_to_are_copied():
    images, y = make_images()

    class Frozen(Stack):
        def __getitem__(self, rows):
            found = super().__getitem__(rows)
            found.setflags(write=False)
            return found

    found = make().fit(Frozen(images), y).transform(Frozen(images))
    np.testing.assert_array_equal(found, make().fit_transform(images, y))


def test_other_channels_or_a_table_in_transform_are_refused():
    images, y = make_images()
    embedder = make().fit(images, y)
    with pytest.raises(ValueError, match=r"X has 1 channels, but TripletEmbedder is expecting 2 features"):
        embedder.transform(images[:, :1])
    with pytest.raises(ValueError, match=r"X is a table .* was fitted on images of 2 channels"):
        embedder.transform(images[:, 0, 0, :2])
    on_table = TripletEmbedder(max_steps=1).fit(np.random.default_rng(0).normal(size=(24, 2)), y)
    with pytest.raises(ValueError, match=r"X has 4 dimensions, .* was fitted on a table of 2 columns"):
        on_table.transform(images)


def test_a_module_for_one_size_says_so():
    def flat(in_shape, embedding_dim):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(int(np.prod(in_shape)), embedding_dim))

    images, y = make_images()
    embedder = make(module=flat, module_kwargs=None).fit(images, y)
    with pytest.raises(ValueError, match=r"cannot take images of 10 x 10 pixels: .* size of those in fit"):
        embedder.transform(images[:, :, :10, :10])


def test_groups_of_images_are_passed_to_fit():
    images, y = make_images()
    plates = np.array(["p1", "p2"])[np.arange(24) // 3 % 2]
    with_groups = make().fit(images, y, groups=plates).transform(images)
    assert np.abs(with_groups - make().fit(images, y).transform(images)).max() > 1e-4
    for groups, message in (
        (plates[:3], r"groups has the shape \(3,\) and X has 24 rows"),
        (np.array([None, *plates[1:]], dtype=object), r"groups has no value in 1 of 24 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            make().fit(images, y, groups=groups)
    table = np.random.default_rng(0).normal(size=(24, 3))
    with pytest.raises(ValueError, match=r"groups are passed, and groups_column=0 names others"):
        TripletEmbedder(groups_column=0, max_steps=1).fit(table, y, groups=plates)
