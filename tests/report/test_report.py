"""The page as a whole: its files, its sections, what it refuses."""

import re

import numpy as np
import pandas as pd
import pytest
from as_page import Page

from archetypal_triplet.report import write_report
from archetypal_triplet.report._figures import FigureWriter

SECTIONS = [
    "overview", "map", "archetypes", "plates", "doses", "batches", "outliers", "replicates", "provenance",
]  # fmt: skip


def read(result):
    return Page(result.path.read_text(encoding="utf-8"))


def test_page_figures_and_tables_lie_where_they_belong(written):
    assert written.path.name == "screen.html"
    assert written.folder == written.path.with_suffix("")
    figures = {path.name for path in (written.folder / "figures").iterdir()}
    tables = {path.name for path in (written.folder / "tables").iterdir()}
    assert {"summary.png", "summary.svg", "training.png", "simplex.svg", "plates_archetype_0.png"} <= figures
    assert {name[:-4] for name in figures if name.endswith("png")} == {
        name[:-4] for name in figures if name.endswith("svg")
    }
    assert {"controls.csv", "plates.csv", "archetypes.csv", "hashes.csv", "parameters.csv"} <= tables
    assert written.n_bytes == written.path.stat().st_size
    leftovers = [path.name for path in written.path.parent.iterdir() if path.name.startswith(".")]
    assert leftovers == []


def test_every_section_is_there_in_order_and_says_how_to_read_it(written):
    page = read(written)
    assert [attrs["id"] for attrs in page.all("section")] == SECTIONS == written.sections
    assert [attrs["href"] for attrs in page.all("a")][1:10] == [f"#{name}" for name in SECTIONS]
    text = written.path.read_text(encoding="utf-8")
    for reading in re.findall(r'<p class="reading">(.*?)</p>', text, flags=re.S):
        assert 'class="limits"' in reading
        assert len(reading) > 100


def test_the_map_of_wells_speaks_of_wells(written):
    text = written.path.read_text(encoding="utf-8")
    assert re.search(r"All [\d,]+ wells are shown\.", text)
    assert not re.search(r"All [\d,]+ rows", text)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(written):
    page = read(written)
    assert page.faults == []
    assert page.open == []
    places = [attrs[key] for _, attrs in page.tags for key in ("src", "href") if key in attrs]
    assert [place for place in places if not place.startswith(("data:", "#", "blob:"))] == []
    assert page.all("html")[0]["lang"] == "en"
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.tags}
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_every_picture_says_in_words_what_it_shows(written):
    page = read(written)
    assert len(page.all("img")) >= 8
    assert [attrs for attrs in page.all("img") if len(attrs.get("alt", "")) < 20] == []


def test_the_first_section_says_what_was_screened_and_how_well_the_controls_part(written, results):
    page = read(written)
    text = " ".join(page.texts)
    wells = pd.read_parquet(results / "embedding.parquet")
    counts = wells["Metadata_ControlType"].value_counts()
    assert f"{counts['negative']} negative, {counts['positive']} positive" in text
    table = pd.read_csv(written.folder / "tables" / "controls.csv")
    row = table[(table["space"] == "embedding") & (table["metric"] == "z_prime")].iloc[0]
    assert f"{row['value']:.2f}" in text.replace("\u2212", "-")
    assert f"{row['low']:.2f} to {row['high']:.2f}" in text.replace("\u2212", "-")
    assert "trained the map" in text


def test_plates_are_listed_lowest_first(written):
    plates = pd.read_csv(written.folder / "tables" / "plates.csv")
    assert len(plates) == 2
    assert plates["z_prime"].is_monotonic_increasing or plates["z_prime"].isna().all()
    assert plates["n_wells"].sum() == 192


def test_the_same_seed_gives_the_same_page(results, tmp_path, quick):
    pages = [write_report(results, out=tmp_path / f"{i}.html", title="T").path.read_text() for i in "ab"]
    dates = re.compile(r"on \d{4}-\d\d-\d\d \d\d:\d\d UTC")
    assert dates.sub("", pages[0]) == dates.sub("", pages[1])


def test_the_same_figure_has_the_same_files(tmp_path):
    drawn = []
    for name in "ab":
        writer = FigureWriter(tmp_path / name)

        def plot(figure):
            figure.subplots().plot([1, 2, 3], "o-")

        drawn.append(writer.draw("line", plot, size=(3, 2), alt="A line.", caption="It rises."))
    assert drawn[0] == drawn[1]
    for ending in ("svg", "png"):
        assert (tmp_path / "a" / f"line.{ending}").read_bytes() == (
            tmp_path / "b" / f"line.{ending}"
        ).read_bytes()
    assert drawn[0].source.startswith("data:image/svg+xml;base64,")


def test_a_figure_of_many_marks_is_shown_in_pixels(tmp_path):
    def plot(figure):
        figure.subplots().scatter(*np.random.default_rng(0).normal(size=(2, 5000)))

    shown = FigureWriter(tmp_path).draw("cloud", plot, size=(3, 2), alt="A cloud.")
    assert shown.source.startswith("data:image/png;base64,")


def test_an_older_report_is_replaced_only_by_force(change, quick):
    folder = change(keep_qc=True)
    first = write_report(folder)
    (first.folder / "tables" / "old.csv").write_text("old")
    with pytest.raises(FileExistsError, match=r"report.html' already exists"):
        write_report(folder)
    assert (first.folder / "tables" / "old.csv").exists()
    write_report(folder, force=True)
    assert not (first.folder / "tables" / "old.csv").exists()


def test_a_folder_that_is_no_report_is_left_alone(results, tmp_path, quick):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds files that are not those of a report"):
        write_report(results, out=tmp_path / "mine.html", force=True)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "mine.html").exists()


def test_after_an_error_nothing_is_left(results, tmp_path, quick, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr("archetypal_triplet.report._sections.make_archetypes", fail)
    with pytest.raises(RuntimeError, match="broken"):
        write_report(results, out=tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_points": 0}, "max_points=0 is not allowed. Choose a whole number from 1"),
        ({"max_points": 2.5}, "max_points=2.5 is not allowed"),
        ({"thumbnails": "all"}, "thumbnails='all' is not allowed. Choose 'auto', 'none', or a size from 8"),
        ({"thumbnails": 4}, "thumbnails=4 is not allowed"),
        ({"thumbnails": True}, "thumbnails=True is not allowed"),
    ],
)
def test_options_are_judged_before_any_work(results, options, message):
    with pytest.raises(ValueError, match=message):
        write_report(results, **options)


def test_what_is_no_results_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"there is no run\.json"):
        write_report(tmp_path)


def test_what_is_missing_is_named_with_its_reason(written):
    assert written.missing["Mixing of batches"] == "no column of batches was named (--batch)"
    assert "from images" in written.missing["Thumbnails"]
    text = " ".join(read(written).texts)
    for reason in written.missing.values():
        assert " ".join(reason.split()) in " ".join(text.split())


def test_seconds_are_told_for_every_section(written):
    assert set(written.seconds) == {*SECTIONS, "total"}
    assert np.isfinite(list(written.seconds.values())).all()
