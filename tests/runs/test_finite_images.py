"""Fields of floats with pixels that are no numbers."""

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.images import ImageStack
from archetypal_triplet.runs import run_images
from archetypal_triplet.runs._finite_images import FiniteImages


@pytest.fixture
def images():
    return np.random.default_rng(0).gamma(4.0, 25.0, (70, 2, 24, 24)).astype(np.float32)


def test_gaps_are_filled_and_empty_planes_flagged(images):
    images = images[:5]
    damaged = images.copy()
    damaged[1, 0, :2] = np.nan
    damaged[1, 0, 2, 0] = np.inf
    damaged[3, 1] = np.nan
    stack = FiniteImages(ImageStack.from_array(damaged, channel_names=["DNA", "GFP"]))
    assert stack.find_flagged(range(5)) == set()
    found = stack[:]
    gaps = ~np.isfinite(damaged[1, 0])
    assert (found[1, 0][gaps] == np.median(damaged[1, 0][~gaps])).all()
    np.testing.assert_array_equal(found[[0, 2, 4]], images[[0, 2, 4]])
    np.testing.assert_array_equal(stack[1], found[1])
    assert stack.find_flagged(range(5)) == {(3, 1)}
    assert stack.take([3, 0]).find_flagged([0, 1]) == {(0, 1)}
    assert np.isnan(damaged[3, 1]).all()


def test_a_run_on_fields_of_floats(images, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    images[5, 0, 3, 3] = np.nan
    images[7, 1] = np.nan
    (tmp_path / "P").mkdir()
    for i, field in enumerate(images):
        for c, plane in enumerate(field):
            tifffile.imwrite(tmp_path / "P" / f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02}_s1_w{c + 1}.tif", plane)
    options = {"out": tmp_path / "results", "n_archetypes": 3, "device": "cpu"}
    with pytest.raises(ValueError, match=r"1 field could not be read.* well A08, field 1: not readable"):
        run_images(tmp_path / "P", **options)
    result = run_images(tmp_path / "P", **options, on_error="flag")
    assert len(result.embedding) == 69
    assert result.info["images"]["stages"]["features"]["reused"]
    features = pd.read_parquet(result.folder / "fields.parquet").filter(regex="^(?!Metadata_)")
    assert np.isfinite(features).all(axis=None)
