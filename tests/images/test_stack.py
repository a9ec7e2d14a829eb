"""ImageStack: rows of files and arrays as NumPy would give them, faults, and nothing read whole."""

import pickle
import re
import tracemalloc
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_array, check_consistent_length
from sklearn.utils.validation import _num_features, _num_samples

from archetypal_triplet.images import (
    ImageStack,
    Plane,
    compute_channel_limits,
    iter_blocks,
    write_ome_tiff,
    write_ome_zarr_plate,
)

pd = pytest.importorskip("pandas")
tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")
h5py = pytest.importorskip("h5py")

N, C, H, W = 7, 3, 12, 17
ON_FILES = ["files", "ome-tiff", "ome-zarr"]
KINDS = [*ON_FILES, "ndarray", "big-endian", "memmap", "memmap part", "npy", "zarr", "h5py"]


def make_images(n=N, dtype="uint16"):
    return np.random.default_rng(0).integers(1, 4096, size=(n, C, H, W)).astype(dtype)


def layout_of(planes, channels=("DNA", "GFP", "RNA")):
    """What `read_layout` would return for these planes, as far as a stack looks at it."""
    fields = pd.DataFrame(
        {
            "Metadata_Plate": "p1",
            "Metadata_Well": [f"A{i + 1:02d}" for i in range(len(planes))],
            "Metadata_Site": "1",
        }
    )
    return SimpleNamespace(fields=fields, channels=list(channels), planes=planes)


def write_files(folder, images, **options):
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        for c, plane in enumerate(image):
            tifffile.imwrite(folder / f"f{i}_c{c}.tif", plane, **options)
    paths = [[str(folder / f"f{i}_c{c}.tif") for c in range(images.shape[1])] for i in range(len(images))]
    return layout_of([[Plane(path) for path in row] for row in paths])


def make_stack(kind, folder, images, **options):
    if kind == "files":
        return ImageStack.from_layout(write_files(folder / "f", images, compression="zlib"), **options)
    if kind == "ome-tiff":
        paths = [write_ome_tiff(folder / f"{i}.ome.tif", image) for i, image in enumerate(images)]
        planes = [[Plane(str(path), (c,)) for c in range(C)] for path in paths]
        return ImageStack.from_layout(layout_of(planes), **options)
    if kind == "ome-zarr":
        plate = write_ome_zarr_plate(folder / "p.zarr", images, ["B02"] * len(images))
        planes = [[Plane(str(plate / f"B/2/{i}"), (c,)) for c in range(C)] for i in range(len(images))]
        return ImageStack.from_layout(layout_of(planes), **options)
    return ImageStack.from_array(make_array(kind, folder, images), channel_names=["DNA", "GFP", "RNA"])


def make_array(kind, folder, images):
    if kind == "ndarray":
        return images
    if kind == "big-endian":
        return images.astype(images.dtype.newbyteorder(">"))
    if kind == "memmap":
        array = np.memmap(folder / "a.bin", dtype=images.dtype, mode="w+", shape=images.shape)
        array[:] = images
        array.flush()
        return array
    if kind == "memmap part":
        padded = make_array("memmap", folder, np.concatenate([images[:2] * 0, images, images[:1]]))
        return padded[2:][: len(images)]
    if kind == "npy":
        np.save(folder / "a.npy", images)
        return np.load(folder / "a.npy", mmap_mode="r")
    if kind == "zarr":
        array = zarr.create_array(
            folder / "a.zarr", shape=images.shape, chunks=(2, *images.shape[1:]), dtype=images.dtype
        )
        array[:] = images
        return zarr.open(folder / "a.zarr", mode="r")
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("screen/images", data=images, chunks=(2, *images.shape[1:]))
    return h5py.File(folder / "a.h5")["screen/images"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


# ---- rows


def row_keys(n):
    return [
        0,
        -1,
        np.int64(2),
        slice(None),
        slice(2, 5),
        slice(None, None, -2),
        slice(5, 2),
        [3, 1],
        [1, 1, 0, 1],
        np.array([-1, 0, -n]),
        np.array([4, 2, 3], dtype=np.uint8),
        [],
        np.arange(n) % 2 == 0,
        [True] + [False] * (n - 1),
        np.zeros(n, dtype=bool),
        Ellipsis,
    ]


def test_rows_are_those_of_numpy(kind, tmp_path):
    images = make_images()
    stack = (
        make_stack(kind, tmp_path, images, n_jobs=2)
        if kind == "files"
        else make_stack(kind, tmp_path, images)
    )
    assert (stack.shape, stack.dtype, stack.ndim, len(stack)) == (images.shape, images.dtype, 4, N)
    assert (stack.size, stack.nbytes) == (images.size, images.nbytes)
    for key in row_keys(N):
        expected = images[np.asarray(key, dtype=int) if isinstance(key, list) and not key else key]
        block = stack[key]
        assert type(block) is np.ndarray
        assert block.dtype == images.dtype
        assert block.dtype.isnative
        np.testing.assert_array_equal(block, expected, err_msg=repr(key))


def test_channels_and_windows_are_those_of_numpy(kind, tmp_path):
    images = make_images()
    stack = make_stack(kind, tmp_path, images)
    keys = [
        (slice(None), 1),
        (0, 1),
        (slice(2, 4), slice(1, None)),
        (slice(2, 4), slice(None), slice(3, 7), slice(-5, None)),
        (1, -1, 2),
        (..., 1),
        (slice(1, 3), ...),
    ]
    for key in keys:
        expected = images[:, 1] if key == (..., 1) else images[key]
        np.testing.assert_array_equal(stack[key], expected, err_msg=repr(key))
    np.testing.assert_array_equal(stack[[3, 1], 1:2], images[[3, 1], 1:2])


@given(rows=st.lists(st.integers(-N, N - 1), max_size=20), channels=st.permutations(range(C)))
@settings(max_examples=40, deadline=None)
def test_any_rows_of_views_are_those_of_numpy(rows, channels):
    images = make_images()
    stack = ImageStack.from_array(images).select_channels(channels)
    np.testing.assert_array_equal(stack[rows], images[np.asarray(rows, dtype=int)][:, channels])
    part = stack.take(rows)
    assert len(part) == len(rows)
    if rows:
        np.testing.assert_array_equal(part[::-1], images[rows[::-1]][:, channels])
        np.testing.assert_array_equal(part[-1], images[rows[-1]][channels])


def test_views_of_views_and_names(kind, tmp_path):
    images = make_images()
    stack = make_stack(kind, tmp_path, images)
    assert stack.channel_names == ["DNA", "GFP", "RNA"]
    part = stack.select_channels(["RNA", "DNA"]).take([5, 1, 3]).take(slice(1, None))
    assert part.channel_names == ["RNA", "DNA"]
    np.testing.assert_array_equal(part[:], images[[1, 3]][:, [2, 0]])
    np.testing.assert_array_equal(part.select_channels("DNA")[0], images[1, [0]])
    np.testing.assert_array_equal(np.stack(list(part)), images[[1, 3]][:, [2, 0]])
    assert repr(part) == "ImageStack of 2 images, 2 channels (RNA, DNA), 12 x 17 pixels of uint16"


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
def test_threads_do_not_change_what_is_read(tmp_path, n_jobs):
    images = make_images(20)
    stack = make_stack("files", tmp_path, images, n_jobs=n_jobs)
    rows = np.random.default_rng(0).permutation(20)
    np.testing.assert_array_equal(stack[rows], images[rows])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (7, "row 7 is out of range: the stack has 7 rows"),
        (-8, "row -8 is out of range"),
        ([0, 9], "row 9 is out of range"),
        ([True, False], "A mask of 2 values cannot choose among 7 rows"),
        (1.5, "Rows of a stack are chosen by an integer, a slice"),
        ("A01", "Rows of a stack are chosen by an integer, a slice"),
        ([[0, 1]], r"got list of dtype int64 and shape \(1, 2\)"),
        (None, "Rows of a stack are chosen by an integer, a slice"),
    ],
)
def test_rows_that_cannot_be_are_told(key, message):
    stack = ImageStack.from_array(make_images())
    with pytest.raises(IndexError, match=message):
        stack[key]


@pytest.mark.parametrize("channel", ["dna", 3, -4, 1.5])
def test_a_channel_that_does_not_exist_is_told_those_that_do(channel):
    stack = ImageStack.from_array(make_images(), channel_names=["DNA", "GFP", "RNA"])
    with pytest.raises(
        ValueError,
        match=re.escape(f"{channel!r} is not a channel") + ".*0 to 2 and names 'DNA', 'GFP', 'RNA'",
    ):
        stack.select_channels([channel])


# ---- as X of an estimator


def test_scikit_learn_sees_samples_and_rows(kind, tmp_path):
    images = make_images()
    stack = make_stack(kind, tmp_path, images)
    assert _num_samples(stack) == N
    assert _num_features(stack) == C
    check_consistent_length(stack, range(N))
    np.testing.assert_array_equal(_safe_indexing(stack, [4, 1]), images[[4, 1]])
    np.testing.assert_array_equal(_safe_indexing(stack, np.arange(N) > 4), images[5:])
    train, test = train_test_split(stack, random_state=0)
    assert (len(train), len(test)) == (5, 2)


def test_a_stack_is_not_copied_whole_by_accident():
    stack = ImageStack.from_array(make_images())
    for copy in (np.asarray, np.array, lambda s: check_array(s, allow_nd=True), np.mean):
        with pytest.raises(TypeError, match=r"is not copied into memory as a whole.*stack\[rows\]"):
            copy(stack)


def test_a_pickled_stack_reads_the_same(kind, tmp_path):
    images = make_images()
    stack = make_stack(kind, tmp_path, images).take([5, 1, 3]).select_channels([2, 0])
    data = pickle.dumps(stack)
    again = pickle.loads(data)
    assert repr(again) == repr(stack)
    np.testing.assert_array_equal(again[:], images[[5, 1, 3]][:, [2, 0]])
    if kind not in ("ndarray", "big-endian"):
        assert len(data) < 5000


def test_the_hash_is_that_of_the_rows_and_does_not_change_with_use(kind, tmp_path):
    stack = make_stack(kind, tmp_path, make_images())
    before = joblib.hash(stack)
    stack[:]
    assert joblib.hash(stack) == before
    assert joblib.hash(stack.take([0, 1])) != before
    assert joblib.hash(stack.select_channels([0, 1])) != before
    if kind != "big-endian":  # NumPy's pickles of such types differ
        assert joblib.hash(pickle.loads(pickle.dumps(stack))) == before


# ---- faults


def damage(folder, images):
    """Seven ways in which a plane can be bad, one for each of the first rows; channel 1 each time."""
    layout = write_files(folder, images)
    big = np.zeros((H + 1, W), dtype=images.dtype)
    at = [folder / f"f{i}_c1.tif" for i in range(7)]
    at[0].unlink()
    at[1].write_bytes(at[1].read_bytes()[:-10])
    at[2].write_bytes(b"")
    at[3].write_bytes(b"plate,well\n" * 9)
    tifffile.imwrite(at[4], big)
    tifffile.imwrite(at[5], np.zeros((H, W), dtype=np.uint8))
    layout.planes[6][1] = None
    messages = [
        r"There is no image .*f0_c1\.tif",
        r"f1_c1\.tif is truncated",
        r"f2_c1\.tif is an empty file",
        r"f3_c1\.tif is not an image",
        r"f4_c1\.tif has 13 x 17 pixels of uint16, while .*\.tif has 12 x 17 pixels of uint16",
        r"f5_c1\.tif has 12 x 17 pixels of uint8, while .*\.tif has 12 x 17 pixels of uint16",
        "There is no file of this plane",
    ]
    return layout, messages


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_bad_planes_become_zeros_and_faults(tmp_path, n_jobs):
    images = make_images(20)
    layout, messages = damage(tmp_path, images)
    stack = ImageStack.from_layout(layout, on_error="flag", n_jobs=n_jobs)
    assert stack.faults["row"].tolist() == [6], "nothing but headers was looked at so far"
    expected = images.copy()
    expected[:7, 1] = 0
    np.testing.assert_array_equal(stack[:], expected)
    faults = stack.faults
    assert faults.columns.tolist() == ["row", "Channel", "File", "Message"]
    assert faults["row"].tolist() == list(range(7))
    assert set(faults["Channel"]) == {"GFP"}
    for message, fault in zip(messages, faults["Message"], strict=True):
        assert re.search(message, fault)
    assert faults["File"].tolist() == [str(tmp_path / f"f{i}_c1.tif") for i in range(6)] + [""]
    pd.testing.assert_frame_equal(stack.find_faults(), faults)
    assert stack.find_flagged([0, 10]) == {(0, 1)}


def test_faults_are_told_in_the_rows_and_channels_of_a_view(tmp_path):
    layout, _ = damage(tmp_path, make_images(20))
    stack = ImageStack.from_layout(layout, on_error="flag")
    part = stack.take([12, 3, 9]).select_channels(["GFP"])
    part[:]
    assert part.faults[["row", "Channel"]].to_numpy().tolist() == [[1, "GFP"]]
    assert part.find_flagged(range(3)) == {(1, 0)}
    assert stack.select_channels("DNA").faults.empty
    assert sorted(stack.faults["row"]) == [3, 6]
    assert pickle.loads(pickle.dumps(stack)).faults["row"].tolist() == [6]


def test_a_file_that_was_repaired_is_no_longer_a_fault(tmp_path):
    images = make_images(20)
    layout, _ = damage(tmp_path, images)
    stack = ImageStack.from_layout(layout, on_error="flag")
    stack[2]
    assert 2 in stack.faults["row"].tolist()
    tifffile.imwrite(tmp_path / "f2_c1.tif", images[2, 1])
    np.testing.assert_array_equal(stack[2], images[2])
    assert 2 not in stack.faults["row"].tolist()


@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_bad_planes_stop_the_reading_by_default(tmp_path, row, n_jobs):
    layout, messages = damage(tmp_path, make_images(20))
    layout.planes[6][1] = layout.planes[7][1]
    # the first and a few others are looked at when the stack is made, and nothing else
    layout.planes = [layout.planes[i] for i in (7, row, *range(8, 20))]
    stack = ImageStack.from_layout(layout, n_jobs=n_jobs)
    with pytest.raises((ValueError, OSError), match=messages[row]):
        stack[:]
    np.testing.assert_array_equal(stack[2:], make_images(20)[8:])


def test_missing_planes_are_told_with_their_field(tmp_path):
    layout, _ = damage(tmp_path, make_images(20))
    with pytest.raises(
        ValueError,
        match=r"1 of 60 planes are missing \(first: plate p1, well A07, site 1, channel GFP\).*on_error=",
    ):
        ImageStack.from_layout(layout)


def test_a_first_file_of_odd_size_is_the_fault_and_not_all_others(tmp_path):
    images = make_images(12)
    layout = write_files(tmp_path, images)
    tifffile.imwrite(tmp_path / "f0_c0.tif", np.zeros((3, 3), dtype=np.uint16))
    with pytest.raises(
        ValueError, match=r"different sizes or types: .*f0_c0\.tif has 3 x 3 pixels of uint16, .*12 x 17"
    ):
        ImageStack.from_layout(layout)
    stack = ImageStack.from_layout(layout, on_error="flag")
    assert stack.shape == (12, C, H, W)
    stack[:]
    assert stack.faults["File"].tolist() == [str(tmp_path / "f0_c0.tif")]


@pytest.mark.parametrize("on_error", ["raise", "flag"])
def test_a_channel_of_another_type_is_refused_naming_both_files(tmp_path, on_error):
    layout = write_files(tmp_path, make_images())
    for i in range(N):
        tifffile.imwrite(tmp_path / f"f{i}_c2.tif", np.zeros((H, W), dtype=np.uint8))
    with pytest.raises(
        ValueError, match=r"f0_c2\.tif has 12 x 17 pixels of uint8, .*f0_c0\.tif has .* of uint16"
    ):
        ImageStack.from_layout(layout, on_error=on_error)


def test_a_screen_without_a_readable_file_is_refused(tmp_path):
    layout = write_files(tmp_path, make_images(3))
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"None of the planes can be read. The first error: .* is an empty file"
    ):
        ImageStack.from_layout(layout, on_error="flag")
    with pytest.raises(ValueError, match=r"f0_c0\.tif is an empty file"):
        ImageStack.from_layout(layout)
    with pytest.raises(ValueError, match="The layout holds no field"):
        ImageStack.from_layout(layout_of([]))
    with pytest.raises(ValueError, match="The first error: all planes are missing"):
        ImageStack.from_layout(layout_of([[None] * 3]), on_error="flag")
    with pytest.raises(ValueError, match=r"on_error='ignore' is unknown\. Pass 'raise' or 'flag'"):
        ImageStack.from_layout(layout, on_error="ignore")


def test_a_damaged_channel_leaves_the_others_of_its_file(tmp_path):
    images = make_images(6)
    stack = make_stack("ome-zarr", tmp_path, images)
    chunk = tmp_path / "p.zarr/B/2/3/0/c/1/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    layout = layout_of(stack._source.planes)
    with pytest.raises(ValueError, match=r"B/2/3 cannot be read"):
        stack[:]
    flagged = ImageStack.from_layout(layout, on_error="flag")
    expected = images.copy()
    expected[3, 1] = 0
    np.testing.assert_array_equal(flagged[:], expected)
    assert flagged.faults[["row", "Channel"]].to_numpy().tolist() == [[3, "GFP"]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4, 5)), r"array has shape \(3, 4, 5\); a stack has four dimensions.*array\[:, None\]"),
        (np.zeros((1, 1, 2, 2), dtype=complex), "array has dtype complex128; images hold integers or floats"),
        ([[[[1]]]], "An array with shape and dtype is needed, got list"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        ImageStack.from_array(array)


def test_as_many_names_as_channels():
    with pytest.raises(ValueError, match="channel_names has 1 names for an array of 3 channels"):
        ImageStack.from_array(make_images(), channel_names=["DNA"])


# ---- memory


def test_reading_rows_takes_the_memory_of_these_rows(tmp_path):
    images = np.random.default_rng(0).integers(0, 4096, size=(40, 2, 256, 256)).astype(np.uint16)
    layout = write_files(tmp_path / "f", images, compression="zlib")
    layout.channels = ["DNA", "GFP"]
    memmap = make_array("memmap", tmp_path, images)
    del images
    for stack in (ImageStack.from_layout(layout, n_jobs=2), ImageStack.from_array(memmap)):
        stack[:2]  # imports
        n_bytes = stack[:4].nbytes
        tracemalloc.start()
        try:
            for _ in range(3):
                stack[[3, 30, 20, 11]]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # the rows, and for each thread a plane with its compressed bytes
        assert peak < n_bytes + 2 * 4 * 256 * 256 * 2 + 200_000
        assert peak >= n_bytes


# ---- blocks and limits


def test_blocks_are_all_rows_in_order(kind, tmp_path):
    images = make_images()
    array = make_stack(kind, tmp_path, images)
    for n_rows in (1, 3, 7, 100, None):
        seen = []
        for rows, block in iter_blocks(array, n_rows):
            np.testing.assert_array_equal(block, images[rows])
            seen += range(rows.start, rows.stop)
        assert seen == list(range(N))


def test_blocks_show_progress_when_asked(capsys):
    list(iter_blocks(make_images(), 2, verbose=1, description="fields"))
    assert "fields: 100%" in capsys.readouterr().err
    list(iter_blocks(make_images(), 2))
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="n_rows=0 must be at least 1"):
        next(iter_blocks(make_images(), 0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shares", [(0.1, 99.9), (0, 100), (5, 50)])
def test_limits_are_the_percentiles_of_all_pixels(dtype, shares):
    images = (make_images() % 251).astype(dtype)
    images[:, 1] //= 3
    limits = compute_channel_limits(images, low=shares[0], high=shares[1])
    pixels = np.moveaxis(images, 1, 0).reshape(C, -1)
    expected = np.percentile(pixels, shares, axis=1, method="inverted_cdf").T
    assert limits.dtype == np.float64
    np.testing.assert_array_equal(limits, expected)


def test_limits_are_the_same_wherever_the_images_lie(kind, tmp_path):
    images = make_images()
    expected = compute_channel_limits(images, n_samples=4, random_state=0)
    stack = make_stack(kind, tmp_path, images)
    np.testing.assert_array_equal(compute_channel_limits(stack, n_samples=4, random_state=0), expected)
    if kind not in ON_FILES:
        plain = make_array(kind, tmp_path, images) if kind == "big-endian" else stack._source.array
        np.testing.assert_array_equal(compute_channel_limits(plain, n_samples=4, random_state=0), expected)


def test_limits_of_a_sample_are_near_those_of_all_and_repeat_with_the_seed():
    rng = np.random.default_rng(0)
    # images differ in brightness, so that the limits of one image would be far off
    gain = rng.uniform(0.5, 2, size=(400, 1, 1, 1))
    images = (rng.gamma(2, 200, size=(400, 2, 32, 32)) * gain).astype(np.uint16)
    limits = compute_channel_limits(images, n_samples=200, random_state=1)
    np.testing.assert_array_equal(limits, compute_channel_limits(images, n_samples=200, random_state=1))
    assert (limits != compute_channel_limits(images, n_samples=200, random_state=2)).any()
    np.testing.assert_allclose(limits[:, 1], compute_channel_limits(images, n_samples=400)[:, 1], rtol=0.1)


def test_limits_of_a_sample_leave_the_global_generator_alone():
    before = np.random.get_state()[1:3]  # noqa: NPY002
    compute_channel_limits(np.zeros((9, 1, 2, 2), dtype=np.uint8), n_samples=3)
    after = np.random.get_state()[1:3]  # noqa: NPY002
    np.testing.assert_array_equal(after[0], before[0])
    assert after[1] == before[1]


def test_limits_of_floats_are_of_an_evenly_spaced_sample(monkeypatch):
    from archetypal_triplet.images import _blocks

    images = np.random.default_rng(0).normal(size=(8, 1, 128, 128)).astype(np.float32)
    exact = compute_channel_limits(images, low=5, high=95)
    monkeypatch.setattr(_blocks, "_N_SAMPLED", 4000)
    limits = compute_channel_limits(images, low=5, high=95)
    assert (limits != exact).any()
    np.testing.assert_allclose(limits, exact, atol=0.1)


def test_pixels_that_say_nothing_are_left_out_of_limits(tmp_path):
    images = make_images().astype(np.float32)
    expected = compute_channel_limits(images[:6], n_samples=6)
    images[6] = np.nan
    np.testing.assert_array_equal(compute_channel_limits(images), expected)
    images[:, 1] = np.nan
    with pytest.raises(ValueError, match="Channel 1 has no readable, finite pixel in the 7 images"):
        compute_channel_limits(images)


def test_flagged_planes_do_not_pull_limits_to_zero(tmp_path):
    images = make_images(20)
    layout, _ = damage(tmp_path, images)
    stack = ImageStack.from_layout(layout, on_error="flag")
    limits = compute_channel_limits(stack, low=0, high=100)
    np.testing.assert_array_equal(limits[1], [images[7:, 1].min(), images[7:, 1].max()])
    np.testing.assert_array_equal(limits[0], [images[:, 0].min(), images[:, 0].max()])


def test_limits_without_variation_can_be_divided_by():
    np.testing.assert_array_equal(
        compute_channel_limits(np.full((2, 1, 4, 4), 9, dtype=np.uint8)), [[9.0, 10.0]]
    )


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 3)), {}, r"images has shape \(2, 3\); four dimensions are needed"),
        (np.zeros((0, 1, 2, 2)), {}, "images holds no image"),
        (np.zeros((1, 1, 2, 2)), {"low": 60, "high": 40}, "low=60 and high=40 must be percentiles"),
        (np.zeros((1, 1, 2, 2)), {"high": 101}, "0 <= low < high <= 100"),
        (np.zeros((1, 1, 2, 2)), {"n_samples": 0}, "n_samples=0 must be at least 1"),
    ],
)
def test_limits_of_what_has_none_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        compute_channel_limits(images, **options)


def test_the_translocation_plate_is_read(data_folder):
    plate = pd.read_csv(data_folder / "bbbc013_translocation" / "plate.csv")
    folder = data_folder / "bbbc013_translocation"
    planes = [
        [Plane(str(folder / gfp)), Plane(str(folder / dna))]
        for gfp, dna in zip(plate["file_gfp"], plate["file_dna"], strict=True)
    ]
    stack = ImageStack.from_layout(layout_of(planes, ["GFP", "DNA"]), n_jobs=2)
    assert repr(stack) == "ImageStack of 96 images, 2 channels (GFP, DNA), 640 x 640 pixels of uint8"
    assert stack.find_faults().empty
    # the README of the plate: mean gray values of 15 and 10
    means = stack[::8].mean(axis=(0, 2, 3))
    np.testing.assert_allclose(means, [15, 10], atol=3)
