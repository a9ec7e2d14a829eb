"""run_images: stages that are used again, kills that do no harm, fields that cannot be read."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet import cli
from archetypal_triplet.datasets import make_screen, write_screen
from archetypal_triplet.images import segment_nuclei, write_ome_zarr_plate
from archetypal_triplet.runs import (
    _image_stages,
    _images,
    are_images,
    plan_images,
    run_images,
    run_profiles,
)
from archetypal_triplet.runs._stages import StageStore

N_ARCHETYPES = 3
PLATE_MAP = "plate_map.csv"
CHANNELS = ["DNA", "GFP"]


@pytest.fixture(scope="session")
def screen_folder(tmp_path_factory):
    """Two rows of a plate, two fields a well, named as an instrument names them."""
    size = {"n_replicates": 1, "plate_format": 96, "n_fields": 2, "n_channels": 2, "image_size": 128}
    folder = tmp_path_factory.mktemp("plates") / "screen"
    write_screen(make_screen(1, 1, images=True, random_state=0, **size), folder)
    for path in files(folder):
        if path.name.split("_")[1][0] not in "AB":
            path.unlink()
    return folder


@pytest.fixture
def images(screen_folder, tmp_path):
    return shutil.copytree(screen_folder, tmp_path / "screen")


@pytest.fixture
def options(images, tmp_path):
    about = {"plate_map": images / PLATE_MAP, "channels": CHANNELS}
    return {**about, "n_archetypes": N_ARCHETYPES, "out": tmp_path / "results"}


def cells(options):
    return options | {"nucleus_channel": "DNA", "crop_size": 32}


def files(folder):
    return sorted(path for path in folder.rglob("*.tif*"))


def same_results(a, b, *names):
    for name in ("embedding.parquet", "archetypes.parquet", "counts.parquet", *names):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


@pytest.fixture(scope="session")
def finished(screen_folder, tmp_path_factory):
    """One run on cells that several tests look at."""
    out = tmp_path_factory.mktemp("cells") / "results"
    return run_images(
        screen_folder,
        plate_map=screen_folder / PLATE_MAP,
        channels=CHANNELS,
        n_archetypes=N_ARCHETYPES,
        nucleus_channel="DNA",
        crop_size=32,
        out=out,
    )


def test_cells_become_a_folder_of_results(finished):
    assert sorted(path.name for path in finished.folder.iterdir()) == [
        "archetypes.parquet", "cells.parquet", "counts.parquet", "embedding.parquet", "map.png",
        "map_cells.png", "model", "profiles.parquet", "quality.csv", "run.json", "training.csv",
        "wells.parquet",
    ]  # fmt: skip
    table = pd.read_parquet(finished.folder / "cells.parquet")
    counts = pd.read_parquet(finished.folder / "counts.parquet")
    assert len(counts) == 48
    assert counts["Metadata_Count_Cells"].sum() == len(table) == len(finished.embedding)
    by_field = table.groupby(["Metadata_Well", "Metadata_Site"]).size()
    expected = counts.set_index(["Metadata_Well", "Metadata_Site"])["Metadata_Count_Cells"]
    expected = expected[expected > 0].sort_index()
    pd.testing.assert_series_equal(by_field, expected, check_names=False)
    # what the plate map says of a well is said of its cells
    kinds = table.drop_duplicates("Metadata_Well").set_index("Metadata_Well")["Metadata_ControlType"]
    fields = counts.drop_duplicates("Metadata_Well").set_index("Metadata_Well")["Metadata_ControlType"]
    pd.testing.assert_series_equal(kinds, fields)
    wells = pd.read_parquet(finished.folder / "profiles.parquet")
    name = "Intensity_Mean_DNA"
    first = table[table["Metadata_Well"] == wells["Metadata_Well"][0]]
    np.testing.assert_allclose(wells[name][0], first[name].mean(), rtol=1e-6)


def test_run_json_tells_of_the_images(finished):
    info = json.loads((finished.folder / "run.json").read_text())
    images = info["images"]
    assert images["channels"] == finished.info["images"]["channels"]
    assert "DNA" in images["channels"]
    assert images["shape"][0] == 48
    assert images["n_fields_left_out"] == 0
    assert images["cells_per_field"]["max"] >= images["cells_per_field"]["median"] > 0
    assert images["stages"]["cells"]["n_cells"] == len(finished.embedding)
    assert not images["stages"]["cells"]["reused"]
    assert {"layout", "cells", "features", "normalize", "total"} <= set(info["seconds"])
    assert info["input"][0]["file"] == "cells.parquet"
    assert len(info["images"]["files"]["sha256"]) == 64
    assert Path(info["parameters"]["source"]).name == "screen"
    assert info["parameters"]["controls"] == "Metadata_ControlType == 'negative'"
    assert any("negative controls" in text for text in images["assumed"])


def test_the_features_may_be_run_again_as_a_table(finished, tmp_path):
    roles = {
        name: finished.info["parameters"][name]
        for name in ("plate", "controls", "positive_controls", "groups")
    }
    table = finished.folder / "cells.parquet"
    assert not are_images(table)
    again = run_profiles(table, **roles, level="cell", n_archetypes=N_ARCHETYPES, out=tmp_path / "again")
    np.testing.assert_array_equal(again.embedding["Embedding_0"], finished.embedding["Embedding_0"])


def test_a_plate_map_seed_or_control_needs_no_image(images, options, monkeypatch):
    first = run_images(images, **cells(options))
    assert first.info["images"]["stages"]["cells"]["reused"] is False

    def refuse(*_, **__):
        raise AssertionError("an image was looked at")

    monkeypatch.setattr(_image_stages, "extract_cells", refuse)
    monkeypatch.setattr(_image_stages.ImageFeatures, "transform", refuse)
    plate_map = pd.read_csv(images / PLATE_MAP).assign(operator="somebody")
    plate_map.to_csv(images / PLATE_MAP, index=False)
    options |= {"random_state": 5, "controls": "none", "force": True}
    second = run_images(images, **cells(options))
    assert all(stage["reused"] for stage in second.info["images"]["stages"].values())
    assert "Metadata_Operator" in second.embedding
    assert second.info["parameters"]["controls"] is None


def test_what_changed_is_done_anew_and_the_rest_is_not(images, options):
    plan = plan_images(images, **options)
    assert plan.stages["features"].state == "absent"
    run_images(images, **options)
    assert plan.stages["features"].state == "finished"
    options["force"] = True
    lines = "\n".join(plan_images(images, **options).lines())
    assert "features  there already, will be used again (48 rows" in lines
    path = files(images)[0]
    about = path.stat()
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 10**9))
    changed = plan_images(images, **options)
    assert changed.stages["features"].state == "absent"
    assert "to be done anew: files changed" in "\n".join(changed.lines())
    assert "1 older stage of" in "\n".join(changed.lines())
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert plan_images(images, **options).stages["features"].state == "finished"
    channels = plan_images(images, **(options | {"channels": ["w1"]}))
    assert channels.stages["features"].state == "absent"


def test_stages_may_be_removed_or_kept_elsewhere(images, options, tmp_path):
    work = tmp_path / "work"
    run_images(images, **options, work=work)
    assert not (tmp_path / "results.stages").exists()
    result = run_images(images, **options, work=work, fresh=True, force=True)
    assert not result.info["images"]["stages"]["features"]["reused"]
    result = run_images(images, **options, work=work, keep=False, force=True)
    assert result.info["images"]["stages"]["features"]["reused"]
    assert not work.exists()


@pytest.mark.parametrize("level", ["cell", "field"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(images, tmp_path, level):
    command = [sys.executable, "-c", SLOW_RUN, str(images), str(tmp_path / "killed"), level]
    stages = tmp_path / "killed.stages"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = "cells-*/progress.jsonl" if level == "cell" else "features-*/part-000003.npz"
    _wait_for(process, lambda: any(path.stat().st_size for path in stages.glob(journal)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    if level == "cell":
        n_done = len(next(stages.glob(journal)).read_text().splitlines())
    else:
        n_done = len(list(stages.glob("features-*/part-*.npz")))
    assert 0 < n_done < 48
    assert not (tmp_path / "killed").exists()
    for partial in tmp_path.glob(".killed.partial*"):
        raise AssertionError(partial)
    about = {**_level(level), "plate_map": images / PLATE_MAP, "channels": CHANNELS}
    plan = plan_images(images, **about, n_archetypes=3, out=tmp_path / "killed")
    assert "begun earlier, will go on where it was" in "\n".join(plan.lines())
    again = subprocess.run([*command, "counted"], capture_output=True, text=True, check=True)
    assert int(again.stdout) == 48 - n_done
    whole = run_images(images, **about, n_archetypes=3, out=tmp_path / "whole")
    same_results(whole.folder, tmp_path / "killed", "profiles.parquet", f"{level}s.parquet")


def _level(level):
    return {"nucleus_channel": "DNA", "crop_size": 32} if level == "cell" else {}


def _wait_for(process, condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)


SLOW_RUN = """
import sys, time
from archetypal_triplet.images import _cells
from archetypal_triplet.runs import _image_stages, run_images

images, out, level, *counted = sys.argv[1:]
done = []

def slowly(function):
    def wrapped(*arguments, **options):
        done.append(1)
        time.sleep(0 if counted else 0.05)
        return function(*arguments, **options)
    return wrapped

options = {}
if level == "cell":
    _cells.cut_field = slowly(_cells.cut_field)
    options = {"nucleus_channel": "DNA", "crop_size": 32}
else:
    _image_stages.ROWS_PER_PART["fields"] = 1
    _image_stages._measure_part = slowly(_image_stages._measure_part)
about = {"plate_map": images + "/plate_map.csv", "channels": ["DNA", "GFP"], "n_archetypes": 3}
run_images(images, out=out, **about, **options)
print(len(done))
"""


def test_unreadable_fields_are_left_out_and_reported(images, options, tmp_path):
    paths = files(images)
    paths[0].write_bytes(paths[0].read_bytes()[:200])
    n_channels = len(paths) // 48
    with pytest.raises(
        ValueError, match=r"1 image of 96 cannot be used.* well A01, field 1, channel DNA: .*--on-error flag"
    ):
        run_images(images, **options)
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "results.stages").exists()
    paths[-1].unlink()
    result = run_images(images, **options, on_error="flag")
    assert len(result.embedding) == 46
    faulty = result.counts[result.counts["Metadata_Fault"] != ""]
    assert len(faulty) == 2
    assert n_channels > 1
    assert result.info["images"]["n_fields_left_out"] == 2
    assert "Left out: 2 fields that could not be read" in result.summary
    kept = result.embedding[["Metadata_Well", "Metadata_Site"]].apply(tuple, axis=1)
    assert not set(kept) & set(faulty[["Metadata_Well", "Metadata_Site"]].apply(tuple, axis=1))
    crops = run_images(images, **cells(options | {"out": tmp_path / "crops"}), on_error="flag")
    assert crops.counts["Metadata_Fault"].str.startswith("not readable").sum() == 2
    assert (crops.counts["Metadata_Count_Cells"][crops.counts["Metadata_Fault"] != ""] == 0).all()


def test_a_field_without_any_channel_names_them_all_and_is_told_once(images, options):
    channels = [Path(plane.path) for plane in plan_images(images, **options).layout.planes[3]]
    for path in channels:
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^2 images of 96 cannot be used. Of plate (?!.* Of plate)"):
        plan_images(images, **options)
    result = run_images(images, **options, on_error="flag")
    assert result.counts["Metadata_Fault"].tolist() == [
        "not readable: DNA, GFP" if i == 3 else "" for i in range(48)
    ]


def test_a_well_that_a_plate_lacks_is_no_small_matter(tmp_path):
    wells = [f"{row}{column:02}" for row in "ABCDEFGH" for column in range(1, 9)]
    pixels = np.random.default_rng(0).integers(0, 99, (64, 1, 16, 16), dtype=np.uint8)
    plate = write_ome_zarr_plate(tmp_path / "P.zarr", pixels, wells, channel_names=["DNA"])
    shutil.rmtree(plate / "B" / "3")
    with pytest.raises(ValueError, match=r"1 well cannot be read. The first: P B3 is on the plate"):
        plan_images(plate, out=tmp_path / "results")
    assert plan_images(plate, out=tmp_path / "results", on_error="flag").shape == (63, 1, 16, 16)


def test_a_full_disk_says_where_and_what_is_kept(images, options, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_images, "measure", fail)
    with pytest.raises(OSError, match=r"No space left.*results.stages.*Make\s+space.* goes on there"):
        run_images(images, **options)


def test_what_only_decoding_shows_is_left_out_too(images, options):
    tifffile = pytest.importorskip("tifffile")
    path = files(images)[5]
    tifffile.imwrite(path, tifffile.imread(path), compression="zlib")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    data[start + 50 : start + 90] = bytes(40)
    path.write_bytes(data)
    assert not len(plan_images(images, **options).faults)
    with pytest.raises(ValueError, match=path.name):
        run_images(images, **options)
    result = run_images(images, **options, on_error="flag")
    assert len(result.embedding) == 47
    assert result.info["images"]["n_fields_left_out"] == 1
    # the range of grey values is learned without it, though it lies among the images that are looked at
    features = result.pipeline["normalize"].feature_names_in_
    assert np.isfinite(pd.read_parquet(result.folder / "fields.parquet")[list(features)]).all(axis=None)


def state_of(source, finished, **changes):
    """Return the states of the stages of `finished` as another run sees them."""
    options = {
        "plate_map": Path(source) / PLATE_MAP, "channels": CHANNELS, "nucleus_channel": "DNA",
        "crop_size": 32, "n_archetypes": N_ARCHETYPES, "out": finished.folder.with_name("others"),
        "work": finished.folder.with_name("results.stages"),
    }  # fmt: skip
    return [stage.state for stage in plan_images(source, **(options | changes)).stages.values()]


def test_stages_stand_wherever_a_run_is_started_and_whatever_it_does_with_faults(
    finished, screen_folder, monkeypatch
):
    assert state_of(screen_folder, finished) == ["finished"] * 2
    assert state_of(screen_folder, finished, on_error="flag") == ["finished"] * 2
    monkeypatch.chdir(screen_folder)
    assert state_of(".", finished) == ["finished"] * 2
    assert state_of("../screen", finished, crop_size=40) == ["absent"] * 2


def test_images_known_by_content_may_move(screen_folder, images, options, tmp_path):
    def digests(source, **more):
        return [s.digest for s in plan_images(source, **cells(options), **more).stages.values()]

    assert digests(images, hash_content=True) == digests(screen_folder, hash_content=True)
    assert digests(images) != digests(screen_folder)
    path = files(images)[3]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert digests(images, hash_content=True) != digests(screen_folder, hash_content=True)


def test_fields_that_were_left_out_are_not_passed_over_later(images, options, monkeypatch):
    row = ["" for _ in range(48)]
    row[5] = "not readable: DNA"
    assert _images._check_faults(None, pd.Series(row), {"on_error": "flag"}) is None
    assert _images._check_faults(None, pd.Series([""] * 48), {"on_error": "raise"}) is None
    fields = plan_images(images, **options).layout.fields
    with pytest.raises(
        ValueError, match=r"1 field could not be .*well A03, field 2: not readable: DNA.*--fresh"
    ):
        _images._check_faults(fields, pd.Series(row), {"on_error": "raise"})


def test_fresh_waits_for_nobody_and_harms_nobody(finished, screen_folder, options):
    pytest.importorskip("fcntl")
    work = finished.folder.with_name("results.stages")
    changes = {"plate_map": screen_folder / PLATE_MAP, "work": work, "fresh": True}
    with StageStore(work).locked(), pytest.raises(BlockingIOError, match="is in use by another run"):
        run_images(screen_folder, **cells(options | changes))
    assert state_of(screen_folder, finished) == ["finished"] * 2


def test_label_images_are_judged_beforehand(images, options, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    channel = plan_images(images, **options).layout.channels.index("DNA")
    labels = tmp_path / "labels"
    for n, row in enumerate(plan_images(images, **options).layout.planes):
        target = labels / Path(row[channel].path).relative_to(images)
        target.parent.mkdir(parents=True, exist_ok=True)
        found = segment_nuclei(tifffile.imread(row[channel].path), min_area=10)
        tifffile.imwrite(target, found.astype([np.uint8, np.uint16][n % 2]))
    all_options = cells(options) | {"cell_labels": labels}
    assert not len(plan_images(images, **all_options).faults)
    paths = files(labels)
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    with pytest.raises(ValueError, match="lacks 1 of 48 fields"):
        plan_images(images, **all_options)
    plan = plan_images(images, **all_options, on_error="flag")
    assert plan.faults["Channel"].tolist() == ["label image"] * 2
    assert len(plan.readable) == 46
    tifffile.imwrite(paths[0], np.zeros((128, 128), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"1 image of 144 cannot be used.* channel label image: .*truncated"):
        plan_images(images, **all_options)
    result = run_images(images, **all_options, on_error="flag")
    faults = result.counts["Metadata_Fault"]
    assert faults[faults != ""].tolist() == ["not readable: label image"]


def test_wells_are_means_of_cells(images, options):
    result = run_images(images, **cells(options), level="well")
    assert len(result.embedding) == 24
    assert result.groups is None
    assert result.info["input"][0]["file"] == "profiles.parquet"
    assert (result.folder / "cells.parquet").is_file()


def test_label_images_take_the_place_of_segmentation(finished, images, options, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    labels = tmp_path / "labels"
    layout = plan_images(images, **options).layout
    channel = layout.channels.index("DNA")
    for row in layout.planes:
        path = Path(row[channel].path)
        target = labels / path.relative_to(images)
        target.parent.mkdir(parents=True, exist_ok=True)
        found = segment_nuclei(tifffile.imread(path), min_area=10)
        tifffile.imwrite(target, found.astype(np.uint16))
    result = run_images(images, **cells(options), cell_labels=labels)
    same = ["Metadata_Well", "Metadata_Site", "Metadata_Cell"]
    pd.testing.assert_frame_equal(result.embedding[same], finished.embedding[same])
    files(labels)[0].unlink()
    with pytest.raises(
        ValueError, match=r"lacks 1 of 48 fields; the\s+first is plate .*label image of zeros"
    ):
        run_images(images, **cells(options), cell_labels=labels, force=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nucleus_channel": "Hoechst"}, r"nucleus_channel='Hoechst' \(--nucleus-channel\) is not a channel"),
        (
            {"nucleus_channel": "DNA", "crop_size": 129},
            r"crop_size=129 .* is larger than the images, which have 128",
        ),
        ({"n_jobs": 0}, r"n_jobs=0 \(--jobs\) must be"),
        ({"level": "cell"}, r"level='cell' needs to know the nuclei"),
        ({"level": "tissue"}, r"level='tissue' is unknown. Choose from: well, field, cell"),
        ({"level": "field", "nucleus_channel": "DNA"}, r"level='field' measures whole fields"),
        ({"cell_labels": "labels"}, r"cell_labels \(--cell-labels\) are of cells"),
        ({"on_error": "ignore"}, r"on_error='ignore' \(--on-error\) is unknown. Choose from: raise, flag"),
        ({"crop_size": 4}, r"crop_size=4 \(--crop-size\) must be a whole number of pixels of at least 8"),
        ({"controls": "Metadata_ControlType == 'vehicle'"}, r"controls=.* matches none of the 48 rows"),
        ({"controls": "Metadata_Kind == 1"}, r"controls=.* speaks of 'Metadata_Kind', which is not a column"),
        ({"color": "Metadata_Mood"}, r"color='Metadata_Mood' is not a column"),
        ({"groups": ["Metadata_Mood"]}, r"groups='Metadata_Mood' is not a column"),
        ({"n_archetypes": 1}, r"n_archetypes=1 .* must be a whole number of at least 2"),
        ({"n_archetypes": 100}, r"100 archetypes are sought, but the table has only 48 rows"),
        ({"device": "abacus"}, r"device='abacus' is not a device"),
        ({"channels": ["Alpha", "Beta", "Gamma"]}, r"channels has 3 names"),
        ({"pattern": "(?P<well>nothing)"}, r"pattern"),
        ({"cell_options": {"neck": 1}}, r"cell_options has 'neck', which is none of segmentation, border"),
        ({"layout_options": {"depth": 1}}, r"layout_options has 'depth', which is none of root"),
    ],
)
def test_errors_come_before_anything_long(images, options, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run_images(images, **(options | changes))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["screen"]


@pytest.mark.parametrize(
    ("column", "of_cells", "is_taken"),
    [("Cell", False, False), ("Cell", True, True), ("Fault", False, True), ("Count_Cells", True, True)],
)
def test_columns_that_a_run_writes_are_not_taken_from_the_plate_map(
    images, options, column, of_cells, is_taken
):
    table = pd.read_csv(options["plate_map"])
    table[f"Metadata_{column}"] = "U2OS"
    options |= {"plate_map": table}
    options = cells(options) if of_cells else options
    if not is_taken:
        assert plan_images(images, **options).layout.fields[f"Metadata_{column}"].iloc[0] == "U2OS"
        return
    with pytest.raises(ValueError, match=rf"has a column 'Metadata_{column}', and a run on images"):
        plan_images(images, **options)


def test_results_and_stages_lie_apart_from_each_other_and_from_the_images(images, options, tmp_path):
    with pytest.raises(ValueError, match=r"work=.* and out=.* lie in each other"):
        plan_images(images, **options, work=tmp_path / "results" / "work")
    (images / "run.json").write_text("{}")
    with pytest.raises(ValueError, match=r"would replace the"):
        plan_images(images, **(options | {"out": images, "force": True}))


def test_wells_without_cells_are_named(images, options):
    tifffile = pytest.importorskip("tifffile")
    for path in files(images):
        if "_B07_" in path.name:
            tifffile.imwrite(path, np.full((128, 128), 100, dtype=np.uint16))
    result = run_images(images, **cells(options))
    assert "Without cells, and so not on the map: 1 well (Plate01 B07)" in result.summary
    assert result.info["images"]["wells_without_cells"] == ["Plate01 B07"]
    assert result.info["images"]["n_fields_left_out"] == 0
    assert len(result.counts) == 48


def test_no_cells_is_an_error_that_asks_the_right_question(images, options, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for path in files(images):
        tifffile.imwrite(path, np.zeros_like(tifffile.imread(path)))
    with pytest.raises(
        ValueError, match=r"No cells were found in 48 fields \(.*--nucleus-channel\) show the"
    ):
        run_images(images, **cells(options))


def test_tables_and_lists_are_told_apart(tmp_path, images):
    def write(name, **columns):
        pd.DataFrame({key: [value] for key, value in columns.items()}).to_csv(tmp_path / name, index=False)
        return tmp_path / name

    assert are_images(write("load_data.csv", FileName_DNA="a.tif", PathName_DNA="x", Metadata_Well="A01"))
    assert are_images(write("plate.csv", well="A01", file_gfp="a.tif"))
    assert are_images(write("samplesheet.csv", plate="P", well="A01", site=1, channel="DNA", path="a.tif"))
    (tmp_path / "excel.csv").write_text("well;file_gfp\nA01;a.tif\n", encoding="utf-8-sig")
    assert are_images(tmp_path / "excel.csv")
    profiles = {"Metadata_Well": "A01", "Intensity_Mean_DNA": 1.0}
    assert not are_images(write("profiles.csv", **profiles))
    assert not are_images([write("profiles2.csv", FileName_DNA="a.tif", **profiles)])
    assert not are_images(tmp_path / "no_such.csv")
    assert are_images(images)
    assert are_images([str(images / "*.tif")])
    with pytest.raises(
        ValueError, match=r"2 image files are named, one by one .*put\s+the pattern in quotes"
    ):
        are_images(["a.tif", "b.tif"])
    with pytest.raises(ValueError, match=r"2 sources are named, and '.*screen' is one of images"):
        are_images([str(images), str(tmp_path / "profiles.csv")])


def test_the_command_shows_a_plan_and_writes_nothing(images, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    arguments = [
        "run",
        str(images),
        "--channels",
        "DNA,GFP",
        "--plate-map",
        str(images / PLATE_MAP),
        "--out",
        str(tmp_path / "results"),
    ]
    assert cli.main([*arguments, "--nucleus-channel", "DNA", "--crop-size", "32", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "1 plate" in printed
    assert "24 wells, 48 fields (2 a well)" in printed
    assert "controls: " in printed
    assert "cells     to be done" in printed
    assert "cells in all" in printed
    assert "Dry run: nothing was written." in printed
    assert sorted(tmp_path.iterdir()) == before
    assert cli.main([*arguments, "--on-nonfinite", "drop_rows"]) == 2
    assert "--on-nonfinite is for tables" in capsys.readouterr().err


def test_the_command_runs_on_images(images, tmp_path, capsys):
    arguments = [
        "run",
        str(images),
        "--channels",
        "DNA,GFP",
        "--channels",
        "DNA,GFP",
        "--plate-map",
        str(images / PLATE_MAP),
        "--n-archetypes",
        "3",
    ]
    assert cli.main([*arguments, "--no-report", "--out", str(tmp_path / "results")]) == 0
    printed = capsys.readouterr()
    assert "fields.parquet" in printed.out
    assert "Stages are kept in" in printed.out
    assert "measured" in printed.err
    assert len(pd.read_parquet(tmp_path / "results" / "embedding.parquet")) == 48


def test_options_of_images_are_refused_for_tables(tmp_path, capsys):
    path = tmp_path / "profiles.csv"
    pd.DataFrame({"Metadata_Well": ["A01"], "Area": [1.0]}).to_csv(path, index=False)
    assert cli.main(["run", str(path), "--plate-map", "map.csv"]) == 2
    assert "--plate-map is for images, and" in capsys.readouterr().err


def test_ctrl_c_keeps_finished_stages_and_says_so(images, tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("archetypal_triplet.runs._images.execute", interrupt)
    arguments = [
        "run",
        str(images),
        "--channels",
        "DNA,GFP",
        "--channels",
        "DNA,GFP",
        "--plate-map",
        str(images / PLATE_MAP),
        "--n-archetypes",
        "3",
    ]
    assert cli.main([*arguments, "--out", str(tmp_path / "results")]) == 130
    printed = capsys.readouterr().err
    assert "No results were written" in printed
    assert "the same command goes on there" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.stages", "screen"]
    monkeypatch.undo()
    assert cli.main([*arguments, "--out", str(tmp_path / "results")]) == 0
    assert "had " in capsys.readouterr().err


def test_a_missing_extra_is_one_line(images, options, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(
        ImportError, match=r"^skimage is needed here .* pip install 'archetypal-triplet\[images\]'$"
    ):
        plan_images(images, **options)


def test_a_real_plate_of_an_instrument_needs_its_pattern_only(data_folder, tmp_path):
    folder = data_folder / "bbbc016_transfluor_gfp" / "images"
    result = run_images(folder, pattern="arrayscan", n_archetypes=4, out=tmp_path / "results")
    assert len(result.embedding) == 72
    assert len(result.groups) == 24
