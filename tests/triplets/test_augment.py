"""Random changes of image batches: what they keep, what they reach, and that a seed repeats them."""

import pickle

import numpy as np
import pytest
import torch

from archetypal_triplet import TripletEmbedder
from archetypal_triplet.triplets import ImageAugmentation
from archetypal_triplet.triplets._augment import blur_images


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def orientations(side_a, side_b, **params):
    """All orientations that 400 draws make of one image."""
    image = torch.arange(float(side_a * side_b)).reshape(1, 1, side_a, side_b)
    changed = ImageAugmentation(jitter=0, **params)(image.expand(400, 2, -1, -1), generator())
    assert torch.equal(changed[:, 0], changed[:, 1]), "channels turn together"
    return {tuple(c.flatten().tolist()) for c in changed[:, 0]}


@pytest.mark.parametrize(
    ("params", "n_square", "n_oblong"),
    [
        ({}, 8, 4),
        ({"flips": False}, 4, 2),
        ({"turns": False}, 4, 4),
        ({"flips": False, "turns": False}, 1, 1),
    ],
)
def test_all_orientations_are_reached_and_no_others(params, n_square, n_oblong):
    square = orientations(3, 3, **params)
    assert len(square) == n_square
    naive = np.arange(9.0).reshape(3, 3)
    allowed = {tuple(np.rot90(f, k).ravel()) for f in (naive, naive[:, ::-1]) for k in range(4)}
    assert square <= allowed
    oblong = orientations(2, 3, **params)
    assert len(oblong) == n_oblong
    naive = np.arange(6.0).reshape(2, 3)
    assert oblong <= {tuple(f.ravel()) for f in (naive, naive[:, ::-1], naive[::-1], naive[::-1, ::-1])}


def test_intensities_change_by_image_and_channel():
    images = torch.randn(2000, 3, 4, 4, generator=generator(1))
    changed = ImageAugmentation(flips=False, turns=False, jitter=0.2)(images, generator())
    flat, was = changed.flatten(2), images.flatten(2)
    factor = (flat[..., 0] - flat[..., 1]) / (was[..., 0] - was[..., 1])
    shift = flat[..., 0] - factor * was[..., 0]
    torch.testing.assert_close(flat, factor[..., None] * was + shift[..., None], atol=1e-2, rtol=0)
    assert factor.std().item() == pytest.approx(0.2, abs=0.02)
    assert np.corrcoef(factor[:, 0], factor[:, 1])[0, 1] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_blur_is_scipys_gaussian_filter(sigma):
    ndimage = pytest.importorskip("scipy.ndimage")
    images = torch.randn(3, 2, 13, 11, generator=generator())
    sigmas = torch.tensor([sigma, 0.0, sigma])
    blurred = blur_images(images, sigmas, radius=int(np.ceil(3 * sigma)))
    expected = ndimage.gaussian_filter(
        images.numpy(), sigma, axes=(2, 3), mode="nearest", radius=int(np.ceil(3 * sigma))
    )
    np.testing.assert_allclose(blurred[[0, 2]], expected[[0, 2]], atol=1e-5)
    torch.testing.assert_close(blurred[1], images[1])
    tiny = torch.ones(2, 1, 1, 1)
    assert blur_images(tiny, torch.ones(2), radius=3) is tiny


def test_a_seed_repeats_and_the_batch_stays_as_it_was():
    images = torch.randn(6, 2, 8, 8, generator=generator())
    before = images.clone()
    augment = pickle.loads(pickle.dumps(ImageAugmentation(blur=1.0)))
    first = augment(images, generator(3))
    assert torch.equal(first, augment(images, generator(3)))
    assert not torch.equal(first, augment(images, generator(4)))
    assert torch.equal(images, before)
    assert repr(augment) == "ImageAugmentation(flips=True, turns=True, jitter=0.1, blur=1.0)"


@pytest.mark.parametrize(("name", "value"), [("jitter", -0.1), ("blur", float("nan")), ("blur", [1])])
def test_wrong_strengths_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name}=.* is not allowed: give a number of at least 0"):
        ImageAugmentation(**{name: value})


def test_the_embedder_augments_images_unless_told_otherwise():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    images = rng.normal(size=(30, 1, 8, 8)) + 2 * y[:, None, None, None]
    seen = []

    def look(inputs, generator):
        seen.append(inputs.clone())
        return inputs

    def fit(augment):
        embedder = TripletEmbedder(
            augment=augment, module_kwargs={"widths": (4,)}, max_steps=20, samples_per_label=4, random_state=0
        )
        return embedder.fit(images, y).transform(images)

    np.testing.assert_array_equal(fit(None), fit(ImageAugmentation()))
    np.testing.assert_array_equal(fit(False), fit(look))
    assert np.abs(fit(False) - fit(None)).max() > 1e-4
    assert len(seen) == 20
    assert seen[0].shape == (8, 1, 8, 8)
