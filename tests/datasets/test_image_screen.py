"""Rendered screens: the truth is in the pixels, and the pixels follow from the seed alone."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from archetypal_triplet.datasets import make_screen
from archetypal_triplet.datasets._artifacts import ARTIFACTS
from archetypal_triplet.datasets._image_cells import PARAMETERS

QUIET = {"n_replicates": 1, "plate_format": 96, "images": True, "image_size": 160, "random_state": 0}


def make(**options):
    return make_screen(1, 1, **QUIET | options)


@pytest.fixture(scope="module")
def screen():
    return make(inactive_fraction=0.2)


@pytest.fixture(scope="module")
def clean():
    """No nuisance but cells and sensor; large fields, so that few of them hold many cells."""
    effects = ("density", "well", "plate", "batch", "edge", "gradient")
    none = {f"{name}_effect": 0 for name in effects}
    return make(n_fields=1, n_channels=2, image_size=320, inactive_fraction=0.2, **none)


def find_rows(screen, query):
    wells = screen.wells.join(screen.truth).query(query)
    return np.flatnonzero(screen.fields["Metadata_Well"].isin(wells["Metadata_Well"]))


def test_the_bunch_fits_together(screen):
    assert screen.images.shape == (192, 3, 160, 160)
    assert (screen.images.dtype, screen.images.ndim, len(screen.images)) == (np.uint16, 4, 192)
    assert screen.channels == ["DNA", "GFP", "Actin"]
    assert screen.fields.columns[:3].tolist() == ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
    assert screen.fields["Metadata_Site"].tolist()[:3] == ["1", "2", "1"]
    assert screen.fields.index.equals(screen.field_truth.index)
    assert len(screen.wells) == len(screen.truth) == 96
    assert screen.field_truth["Truth_Artifact"].eq("none").all()
    assert screen.archetypes.columns.tolist() == list(PARAMETERS)
    assert (screen.archetypes.loc["Vehicle"] == 0).all()


def test_tables_and_images_of_one_seed_are_the_same_screen(screen):
    table = make_screen(1, 1, n_replicates=1, plate_format=96, inactive_fraction=0.2, random_state=0)
    shared = [c for c in screen.wells if c in table.profiles]
    pd.testing.assert_frame_equal(screen.wells[shared], table.profiles[shared])
    mixtures = screen.truth.filter(like="Truth_Mixture_")
    pd.testing.assert_frame_equal(mixtures, table.truth[mixtures.columns])


def test_near_end_points_are_near(screen):
    a, b = screen.archetypes.iloc[1:3].to_numpy()
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(0.85)


def test_rows_do_not_depend_on_how_they_are_read(screen):
    images = screen.images
    rows = [7, 0, 191, 7]
    some = images[rows]
    assert some.shape == (4, 3, 160, 160)
    for row, image in zip(rows, some, strict=True):
        np.testing.assert_array_equal(images[row], image)
    np.testing.assert_array_equal(images[-1], some[2])
    np.testing.assert_array_equal(images[6:8], images.take([6, 7]))
    mask = np.zeros(192, dtype=bool)
    mask[[0, 7]] = True
    np.testing.assert_array_equal(images[mask], some[[1, 0]])
    np.testing.assert_array_equal(images[rows, 1], some[:, 1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images))[7], some[0])
    with pytest.raises(IndexError, match="out of bounds"):
        images[192]


def test_threads_render_the_same_pixels(screen):
    threaded = pickle.loads(pickle.dumps(screen.images))
    threaded.n_jobs = 2
    np.testing.assert_array_equal(threaded[:8], screen.images[:8])


def test_the_same_seed_gives_the_same_pixels(screen):
    np.testing.assert_array_equal(make(inactive_fraction=0.2).images[5], screen.images[5])
    assert (make(inactive_fraction=0.2, random_state=1).images[5] != screen.images[5]).any()
    # a third field leaves the first two as they are
    more = make(inactive_fraction=0.2, n_fields=3)
    np.testing.assert_array_equal(more.images[3:5], screen.images[2:4])
    # and more channels leave the first ones, but for the noise
    first = make(inactive_fraction=0.2, n_channels=5, noise=0).images[5][:3]
    np.testing.assert_array_equal(first, make(inactive_fraction=0.2, noise=0).images[5])


@pytest.mark.parametrize("factor", ["cells", "fields", "sensor", "optics"])
def test_factors_have_seeds_of_their_own(screen, factor):
    other = make(inactive_fraction=0.2, factor_seeds={factor: 5})
    cells, others = screen.images.cells(0), other.images.cells(0)
    pd.testing.assert_frame_equal(other.wells, screen.wells)
    assert (other.images[0] != screen.images[0]).any()
    if factor in ("sensor", "optics"):
        pd.testing.assert_frame_equal(others, cells)
    elif factor == "cells":  # other cells at the same places
        pd.testing.assert_frame_equal(others[["Truth_Y", "Truth_X"]], cells[["Truth_Y", "Truth_X"]])
        assert (others["Truth_NuclearRadius"] != cells["Truth_NuclearRadius"]).all()
    else:
        assert len(others) != len(cells) or (others["Truth_Y"] != cells["Truth_Y"]).any()


def test_the_sensor_has_twelve_bits_and_an_offset():
    options = {"n_fields": 1, "outlier_fraction": {"missing_channel": 0.2, "saturated": 0.2}}
    screen = make(**options)
    kind = screen.field_truth["Truth_Artifact"]
    row = int(np.flatnonzero(kind == "saturated")[0])
    images = screen.images[[0, row]]
    assert images.max() == 4095
    dark = int(np.flatnonzero(kind == "missing_channel")[0])
    channel = screen.channels.index(screen.field_truth["Truth_ArtifactChannel"][dark])
    plane = screen.images[dark, channel].astype(float)
    assert plane.mean() == pytest.approx(100, abs=1)
    assert plane.std() == pytest.approx(5, abs=0.3)  # read noise alone
    quiet = make(noise=0.0, **options).images[dark, channel]
    assert (quiet == 100).all()


def test_noise_grows_with_light(clean):
    quiet = make_screen(
        1, 1, **QUIET | {"image_size": 320}, n_fields=1, n_channels=2, inactive_fraction=0.2, noise=0.0,
        density_effect=0, well_effect=0, plate_effect=0, batch_effect=0, edge_effect=0, gradient_effect=0,
    ).images[0].astype(float)  # fmt: skip
    difference = clean.images[0] - quiet
    light = quiet - 100
    for low, high in ((20, 60), (200, 400), (500, 1000)):
        inside = (light > low) & (light < high)
        expected = np.sqrt(2 * light[inside].mean() + 25)
        assert difference[inside].std() == pytest.approx(expected, rel=0.1)


def test_labels_of_nuclei_lie_on_bright_dna(clean):
    image, labels, cells = clean.images[0], clean.images.nuclei(0), clean.images.cells(0)
    dna = image[0].astype(float)
    assert dna[labels > 0].mean() > 3 * dna[labels == 0].mean()
    inner = cells.query("10 < Truth_Y < 310 and 10 < Truth_X < 310 and Truth_NucleusCount == 1")
    at = labels[inner["Truth_Y"].astype(int), inner["Truth_X"].astype(int)]
    # a few nuclei lie below their neighbor's
    assert (at.astype(str) == inner["Metadata_Cell"]).mean() > 0.9
    assert set(np.unique(labels)[1:].astype(str)) >= set(inner["Metadata_Cell"])


def test_nuclei_counted_in_pixels_are_those_of_the_truth(clean):
    counted, true = [], []
    for row in find_rows(clean, "Metadata_ControlType == 'negative'")[:6]:
        dna = ndimage.gaussian_filter(clean.images[row, 0].astype(float), 4)
        peaks = (dna == ndimage.maximum_filter(dna, 11)) & (dna > 300)
        counted.append(peaks.sum())
        true.append(clean.images.cells(row)["Truth_NucleusCount"].sum())
    np.testing.assert_allclose(sum(counted), sum(true), rtol=0.12)


def measure_ratio(screen, row):
    """Ratio of the GFP in nuclei and just around them, from pixels and labels."""
    gfp, labels = screen.images[row, 1].astype(float), screen.images.nuclei(row)
    gfp -= np.percentile(gfp, 1)
    nucleus = labels > 0
    ring = ndimage.binary_dilation(nucleus, iterations=5) & ~ndimage.binary_dilation(nucleus, iterations=1)
    return gfp[ndimage.binary_erosion(nucleus, iterations=2)].mean() / gfp[ring].mean()


def test_the_ratio_of_pixels_rises_with_the_mixture(clean):
    column = "Truth_Mixture_MicrotubuleDestabilization"
    positive = find_rows(clean, "Metadata_ControlType == 'positive'")[:6]
    negative = find_rows(clean, "Metadata_ControlType == 'negative'")[:6]
    low = [measure_ratio(clean, row) for row in negative]
    high = [measure_ratio(clean, row) for row in positive]
    assert min(high) > 1.2 * max(low)
    # the mean of the cells' mixtures is the well's, and what was measured follows the cells' own ratio
    cells = pd.concat([clean.images.cells(row) for row in positive])
    assert cells[column].mean() == pytest.approx(0.9, abs=0.04)
    np.testing.assert_allclose(cells.filter(like="Truth_Mixture_").sum(axis=1), 1.0)
    assert cells.filter(like="Truth_Mixture_").to_numpy().min() >= 0
    rows = [*negative, *positive]
    truth = [clean.images.cells(row)["Truth_NucleusCytoplasmRatio"].mean() for row in rows]
    assert np.corrcoef(truth, [*low, *high])[0, 1] > 0.95


def test_not_all_cells_respond(clean):
    rows = find_rows(
        clean, "Metadata_ControlType == 'sample' and Truth_Effect > 0.6 and Truth_Responders < 0.85"
    )
    cells = pd.concat([clean.images.cells(row) for row in rows])
    untouched = cells["Truth_Mixture_Vehicle"].eq(1).mean()
    wells = clean.truth.iloc[rows]
    assert untouched == pytest.approx(1 - wells["Truth_Responders"].mean(), abs=0.06)


def test_toxic_wells_have_fewer_cells(clean):
    def count(query):
        return np.mean([len(clean.images.cells(row)) for row in find_rows(clean, query)])

    toxic = count("Truth_Mixture_Toxicity > 0.6")
    assert toxic < 0.75 * count("Metadata_ControlType == 'negative'")


def test_effect_size_zero_has_no_phenotype(clean):
    """Pixels do not know what the compounds would have done."""
    options = {"effect_size": 0.0, "n_fields": 1, "n_channels": 2}
    a, b = make(**options), make(factor_seeds={"compounds": 9}, inactive_fraction=0.0, **options)
    mixtures = [s.truth.filter(like="Truth_Mixture_").to_numpy() for s in (a, b)]
    rows = np.flatnonzero(np.abs(mixtures[0] - mixtures[1]).max(axis=1) > 0.5)[:3]
    assert len(rows) == 3
    np.testing.assert_array_equal(a.images[rows], b.images[rows])
    assert (a.archetypes == 0).all(axis=None)


def test_edge_wells_have_fewer_and_brighter_cells():
    options = {
        "density_effect": 0,
        "well_effect": 0,
        "gradient_effect": 0,
        "edge_effect": 2.0,
        "effect_size": 0,
    }
    screen = make(n_fields=1, n_channels=2, **options)
    edge = screen.truth["Truth_Edge"].to_numpy() == 1
    density = screen.field_truth["Truth_Density"].to_numpy()
    assert density[edge].mean() < density[~edge].mean() - 1.5
    brightness = screen.truth["Truth_Brightness_DNA"]
    assert brightness[edge].mean() > 1.05 * brightness[~edge].mean()
    dark = [np.median(screen.images[row, 1]) for row in np.flatnonzero(edge)[:8]]
    assert np.mean(dark) < np.mean([np.median(screen.images[row, 1]) for row in np.flatnonzero(~edge)[:8]])


@pytest.fixture(scope="module")
def faulty():
    return make(n_fields=4, n_channels=2, outlier_fraction=dict.fromkeys(ARTIFACTS, 0.04), effect_size=0.0)


def test_each_kind_of_artifact_has_its_share(faulty):
    count = faulty.field_truth["Truth_Artifact"].value_counts(normalize=True)
    for kind in ARTIFACTS:
        assert count[kind] == pytest.approx(0.04, abs=0.05 if kind == "dispensing_stripe" else 0.01)
    kinds = faulty.fields.assign(kind=faulty.field_truth["Truth_Artifact"])
    for kind in ("empty", "overconfluent", "dead", "dispensing_stripe"):
        per_well = kinds[kinds["kind"] == kind].groupby("Metadata_Well").size()
        assert per_well.eq(4).all()
    stripe = kinds.loc[kinds["kind"] == "dispensing_stripe", "Metadata_Well"]
    assert stripe.str[1:].nunique() * 8 == stripe.nunique()


def test_artifacts_are_visible_in_pixels(faulty):
    kind = faulty.field_truth["Truth_Artifact"].to_numpy()
    rows = {name: np.flatnonzero(kind == name)[:5] for name in (*ARTIFACTS, "none")}
    images = {name: faulty.images[r].astype(float) for name, r in rows.items()}

    def sharpness(x):
        return (x - ndimage.gaussian_filter(x, (0, 0, 2, 2))).std(axis=(2, 3)).mean()

    def covered(x):
        return (ndimage.gaussian_filter(x[:, 0], (0, 1, 1)) > 300).mean()

    none = images["none"]
    assert sharpness(images["out_of_focus"]) < 0.6 * sharpness(none)
    for name in ("debris", "fiber", "saturated"):
        assert (images[name] == 4095).mean(axis=(1, 2, 3)).min() > 10 * (none == 4095).mean() + 1e-3
    assert covered(images["empty"]) == 0
    assert covered(images["overconfluent"]) > 1.5 * covered(none)
    assert covered(images["dead"]) < 0.5 * covered(none)
    assert covered(images["dispensing_stripe"]) < 0.7 * covered(none)
    bubble = images["bubble"][:, :, 60:100, 60:100]
    assert bubble.mean() < 0.7 * none[:, :, 60:100, 60:100].mean()

    def correlation(x):
        return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in x])

    assert correlation(images["shifted_channel"]) < 0.75 * correlation(none)
    # nuclei are smaller than cells: the swapped reporter covers more
    swapped = images["swapped_channels"]
    assert (swapped[:, 0] > 200).mean() > (swapped[:, 1] > 200).mean()
    assert (none[:, 0] > 200).mean() < (none[:, 1] > 200).mean()


@pytest.mark.parametrize("kind", ["stitched", "bubble", "debris"])
def test_artifacts_change_nothing_else(kind):
    """The same field without the artifact: same cells, other pixels."""
    options = {"n_fields": 1, "n_channels": 2}
    plain, faulty = make(**options), make(outlier_fraction={kind: 0.1}, **options)
    row = int(np.flatnonzero(faulty.field_truth["Truth_Artifact"] == kind)[0])
    pd.testing.assert_frame_equal(plain.images.cells(row), faulty.images.cells(row))
    assert (plain.images[row] != faulty.images[row]).mean() > 0.01
    clean_row = int(np.flatnonzero(faulty.field_truth["Truth_Artifact"] == "none")[0])
    np.testing.assert_array_equal(plain.images[clean_row], faulty.images[clean_row])


def test_errors_teach():
    with pytest.raises(ValueError, match=r"outlier_fraction names 'dust', which is no artifact. Choose"):
        make(outlier_fraction={"dust": 0.1})
    with pytest.raises(ValueError, match=r"outlier_fraction\['debris'\]=2 is not a share"):
        make(outlier_fraction={"debris": 2})
    with pytest.raises(ValueError, match=r"adds up to 1.2, more than 1 .* Lower the shares"):
        make(outlier_fraction={"debris": 0.6, "fiber": 0.6})
    with pytest.raises(ValueError, match=r"tables take one share. Pass a number, or images=True"):
        make_screen(outlier_fraction={"debris": 0.1})
    with pytest.raises(ValueError, match=r"'n_channels' parameter .* an int in the range \[2, 5\]"):
        make(n_channels=6)
