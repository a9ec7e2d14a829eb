"""The report in Chromium: it is complete in itself, says what it lacks, and is read by eye, key and ear."""

import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.datasets import make_screen, write_screen
from archetypal_triplet.report import write_report
from archetypal_triplet.report._thumbnails import open_images
from archetypal_triplet.runs import run_images, run_profiles

pytestmark = [
    pytest.mark.browser,
    # figures have no letters of all scripts; the page does
    pytest.mark.filterwarnings("ignore:Glyph .* missing from font:UserWarning"),
]

PLATE, WELL, SITE, CELL = "Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_Cell"
COMPOUND, CONTROL = "Metadata_Compound", "Metadata_ControlType"
HOSTILE = [
    "<img src=x onerror='window.hacked=1'>",
    "</script><script>window.hacked=2</script>",
    "\"'><svg onload=window.hacked=3>",
    "{{7*7}} {% raw %} ${7*7}",
    "&lt;b&gt; &amp;",
    'O\'Brien "quoted", <!-- <script>',
    "\u202eright to left",
    "مركب ١٢",
    "化合物① $x_1^2$ \\frac{1}{2}",
    "x" * 300,
]
SECTIONS = [
    "overview", "map", "archetypes", "plates", "doses", "batches", "outliers", "replicates", "provenance",
]  # fmt: skip
TITLE = '<script>window.hacked=9</script> & "title" {{7*7}}'
KINDS = ["cells", "wells", "hostile", "bare"]


@pytest.fixture(scope="session")
def cells_run(tmp_path_factory):
    """A run on simulated images, with cells cut out."""
    folder = tmp_path_factory.mktemp("cells")
    size = {"n_replicates": 1, "plate_format": 96, "n_fields": 2, "n_channels": 2, "image_size": 128}
    write_screen(make_screen(1, 1, images=True, random_state=0, **size), folder / "screen")
    for path in (folder / "screen").rglob("*.tif*"):
        if path.name.split("_")[1][0] not in "ABC":
            path.unlink()
    return run_images(
        folder / "screen",
        plate_map=folder / "screen" / "plate_map.csv",
        channels=["DNA", "GFP"],
        nucleus_channel="DNA",
        crop_size=32,
        n_archetypes=4,
        hold_out="none",
        out=folder / "results",
    ).folder


@pytest.fixture(scope="session")
def profiles():
    return make_screen(2, 2, n_replicates=2, plate_format=96, n_features=20, random_state=0).profiles


def run_table(profiles, out, **roles):
    options = {"plate": PLATE, "controls": f"{CONTROL} == 'negative'", "n_archetypes": 4, "hold_out": "none"}
    return run_profiles(profiles, **{**options, **roles}, out=out).folder


@pytest.fixture(scope="session")
def wells_run(profiles, tmp_path_factory):
    out = tmp_path_factory.mktemp("wells") / "results"
    return run_table(profiles, out, positive_controls=f"{CONTROL} == 'positive'")


@pytest.fixture(scope="session")
def hostile_run(profiles, tmp_path_factory):
    """Compounds and plates with names that do harm, or would; no positive controls."""
    names = {name: HOSTILE[k % len(HOSTILE)] for k, name in enumerate(profiles[COMPOUND].unique())}
    plates = {name: HOSTILE[k % 3] + str(k) for k, name in enumerate(profiles[PLATE].unique())}
    changed = profiles.assign(**{COMPOUND: profiles[COMPOUND].map(names), PLATE: profiles[PLATE].map(plates)})
    return run_table(changed, tmp_path_factory.mktemp("hostile") / "results")


@pytest.fixture(scope="session")
def bare_run(profiles, tmp_path_factory):
    """One plate, no controls, no names of compounds, two archetypes: most sections have nothing to show."""
    plate = profiles[profiles[PLATE] == profiles[PLATE][0]]
    plain = plate[[PLATE, WELL, *(c for c in plate if not c.startswith("Metadata_"))]]
    out = tmp_path_factory.mktemp("bare") / "results"
    return run_table(plain, out, plate=None, controls=None, n_archetypes=2)


@pytest.fixture(scope="session")
def report_of(request):
    """Returns the path of the page of a kind of run, which is made when it is first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            results = request.getfixturevalue(f"{kind}_run")
            made[kind] = write_report(results, title=TITLE if kind == "hostile" else None).path
        return made[kind]

    return get


@pytest.fixture(params=KINDS)
def any_report(request, browser, report_of):
    return open_report(browser, report_of(request.param))


@pytest.fixture
def cells(browser, report_of):
    return open_report(browser, report_of("cells"))


def open_report(browser, path):
    browser.open(path)
    all_ready = "[...document.querySelectorAll('.atm')].every((map) => map.dataset.map === 'ready')"
    browser.wait_for(f"document.querySelector('.atm') && {all_ready}", what="map")
    return browser


def test_every_section_is_there_and_says_something(any_report):
    said = (
        '[s.id, s.querySelector("h2").innerText, s.querySelector(".reading").innerText, s.innerText.length]'
    )
    sections = any_report.js(f"return [...document.querySelectorAll('main > section')].map((s) => {said})")
    assert [name for name, *_ in sections] == SECTIONS
    for name, title, reading, length in sections:
        assert title, name
        assert reading.count(".") >= 2, (name, reading)
        assert length > len(title) + len(reading) + 20, f"section {name} is empty"


def test_every_picture_is_drawn_and_described(any_report):
    any_report.js("for (const image of document.images) image.loading = 'eager'")
    any_report.wait_for("[...document.images].every((image) => image.complete)", what="pictures")
    images = any_report.js("""return [...document.images].map((image) => [image.alt, image.naturalWidth,
        image.src.slice(0, 30)])""")
    assert images
    for alt, width, source in images:
        assert width > 1, (alt, source)
        assert len(alt) > 20, source
        assert source.startswith("data:image/")


def test_the_page_is_as_wide_as_the_window(any_report):
    for width in (1280, 800, 400):
        any_report.set_window(width, 900)
        any_report.js("return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        wide = any_report.js("""const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("main *")].filter((node) =>
              node.getBoundingClientRect().right > width + 1 && !node.closest(".table, .atm-scroll, .atm"))
              .slice(0, 5).map((node) => node.outerHTML.slice(0, 150))""")
        assert wide == [], f"wider than {width} pixels"


def test_tables_of_controls_and_archetypes_fit_the_window(browser, report_of):
    page = open_report(browser, report_of("wells"))
    for width in (1400, 800):
        page.set_window(width, 900)
        page.js("return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        cut = page.js("""return [...document.querySelectorAll("#overview .table, #archetypes .table")].filter(
            (node) => node.scrollWidth > node.clientWidth + 1).map((node) => node.ariaLabel)""")
        assert cut == [], f"cut at {width} pixels"


def test_landmarks_language_and_names(any_report):
    """What a screen reader goes by."""
    about = any_report.js("""return {
        language: document.documentElement.lang, title: document.title,
        mains: document.querySelectorAll("main").length, ones: document.querySelectorAll("h1").length,
        navs: [...document.querySelectorAll("nav")].map((node) => node.getAttribute("aria-label")),
        levels: [...document.querySelectorAll("h1, h2, h3, h4, h5")].map((node) => +node.tagName[1]),
        ids: [...document.querySelectorAll("[id]")].map((node) => node.id),
        refs: ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap((a) =>
          [...document.querySelectorAll(`[${a}]`)].map((node) => node.getAttribute(a))),
        links: [...document.querySelectorAll("a[href^='#']")].map((node) => node.hash.slice(1)),
        tables: [...document.querySelectorAll("table")].map((node) => [Boolean(node.caption) ||
          Boolean(node.closest("[aria-label]")), node.querySelectorAll("th[scope]").length]),
      }""")
    assert about["language"] == "en"
    assert about["title"]
    assert about["mains"] == about["ones"] == 1
    assert all(about["navs"])
    assert all(b - a <= 1 for a, b in pairwise(about["levels"])), "a heading skips a level"
    assert len(about["ids"]) == len(set(about["ids"]))
    assert {ref for refs in about["refs"] for ref in refs.split()} <= set(about["ids"])
    assert set(about["links"]) <= set(about["ids"])
    assert all(named and n_heads for named, n_heads in about["tables"])


def test_everything_that_can_be_operated_has_a_name(any_report):
    tree = any_report.command("Accessibility.getFullAXTree")["nodes"]
    operated = {"button", "link", "textbox", "combobox", "slider", "checkbox", "listbox", "spinbutton"}
    nameless = [
        node
        for node in tree
        if not node.get("ignored")
        and node["role"]["value"] in {*operated, "image", "img"}
        and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == []
    roles = {node["role"]["value"] for node in tree if "role" in node}
    assert {"main", "navigation", "banner", "contentinfo", "heading", "table"} <= roles


def test_text_stands_out_from_its_ground(any_report):
    """Contrast of at least 4.5, or 3 for large text (WCAG 2.2, 1.4.3)."""
    weak = any_report.js("""
        const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
        const light = (rgb) => {
          const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = (node) => {
          for (; node; node = node.parentElement) {
            const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
            if (a > 0.99) return [r, g, b];
          }
          return [255, 255, 255];
        };
        const found = new Map();
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const node = walker.currentNode.parentElement;
          const text = walker.currentNode.data.trim();
          const isSilent = node.closest("script, style, noscript, :disabled");
          if (!text || isSilent || !node.checkVisibility()) continue;
          const style = getComputedStyle(node);
          const [a, b] = [light(parse(style.color).slice(0, 3)), light(ground(node))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const size = parseFloat(style.fontSize);
          const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
          if (ratio < (isLarge ? 3 : 4.5))
            found.set(style.color + ground(node), [ratio, text.slice(0, 40), style.color, node.className]);
        }
        return [...found.values()];""")
    assert weak == []


def test_it_is_printed_on_several_pages(any_report):
    pdf, n_pages = any_report.print_pdf()
    assert 3 <= n_pages <= 80
    assert pdf.count(b"/Subtype /Image") + pdf.count(b"/Subtype/Image") + len(pdf) // 100_000 > 0


def test_nothing_but_the_page_is_needed(browser, report_of, tmp_path):
    """The one file, forwarded to somebody else."""
    moved = tmp_path / "forwarded.html"
    moved.write_bytes(report_of("cells").read_bytes())
    page = open_report(browser, moved)
    page.wait_for("[...document.images].every((image) => image.complete && image.naturalWidth > 1)")


def test_nothing_happens_by_itself(cells):
    before = cells.screenshot()
    time.sleep(3)
    assert cells.faults() == []
    np.testing.assert_array_equal(cells.screenshot(), before)


def test_links_of_the_contents_lead_to_their_sections(cells):
    for name in ("plates", "provenance", "overview"):
        cells.js("window.scrollTo(0, 0)")
        cells.click_on(f"nav a[href='#{name}']")
        cells.wait_for(
            f"Math.abs(document.getElementById('{name}').getBoundingClientRect().top) < 400 ||"
            "innerHeight + scrollY >= document.documentElement.scrollHeight - 2",
            what=f"jump to {name}",
        )
        visible = "const b = document.getElementById(arguments[0]).getBoundingClientRect();"
        assert cells.js(f"{visible} return b.top < innerHeight && b.bottom > 0", name)


def test_the_tab_key_passes_contents_maps_and_tables(cells):
    stops = []
    for _ in range(250):
        cells.press("TAB")
        stop = cells.js("""const node = document.activeElement;
            if (!node || node === document.body) return null;
            const style = getComputedStyle(node);
            return [node.tagName, node.closest("nav") ? "nav" : node.closest("section")?.id ?? "top",
              style.outlineStyle !== "none" || style.boxShadow !== "none", node.outerHTML.slice(0, 120)];""")
        if stop is None:
            break
        stops.append(stop)
    places = list(dict.fromkeys(place for _, place, _, _ in stops))
    assert places[:2] == ["top", "nav"]
    assert "map" in places
    assert [html for *_, ring, html in stops if not ring] == []


def test_hostile_names_do_nothing_and_are_shown(browser, report_of):
    page = open_report(browser, report_of("hostile"))
    assert page.js("return window.hacked === undefined")
    assert page.js("return document.querySelectorAll('main img[src=x], main svg[onload]').length") == 0
    assert page.js("return document.title") == TITLE
    assert page.js("return document.querySelector('h1').textContent") == TITLE
    text = page.js("return document.body.textContent")
    for name in HOSTILE[:3]:
        assert name in text
    table = pd.read_parquet(report_of("hostile").parent / "embedding.parquet")
    for row in (0, len(table) // 2, len(table) - 1):
        shown = point_at(page, "wells", row)
        text = page.js("return document.querySelector('.atm-what').textContent")
        assert text.startswith(table[COMPOUND][shown])
        where = page.js("return document.querySelector('.atm-where').textContent")
        assert where.startswith(f"{table[PLATE][shown]} · {table[WELL][shown]}")
    assert page.js("return window.hacked === undefined")


def point_at(browser, name, row):
    """Move the mouse to a row of a map; return the one that is shown, which may lie on top of it."""
    browser.js("document.getElementById(arguments[0]).scrollIntoView({ behavior: 'instant' })", name)
    browser.move(5, 5)
    browser.wait_for(f"archetypalMaps.{name}.hovered === null", what="free map")
    at = browser.js(f"return archetypalMaps.{name}.pixel(arguments[0])", int(row))
    browser.move(at["x"], at["y"])
    browser.wait_for(f"archetypalMaps.{name}.hovered !== null", what=f"card of row {row}")
    shown = browser.js(f"return archetypalMaps.{name}.hovered")
    there = browser.js(f"return archetypalMaps.{name}.pixel(arguments[0])", shown)
    assert abs(there["x"] - at["x"]) < 4
    assert abs(there["y"] - at["y"]) < 4
    return shown


@pytest.mark.parametrize("name", ["cells", "wells"])
def test_pointing_shows_the_crops_of_the_run(cells, report_of, name):
    results = report_of("cells").parent
    rows = pd.read_parquet(results / ("embedding.parquet" if name == "cells" else "wells.parquet"))
    source, reason = open_images(results)
    assert reason == ""
    crops, seen = source.take(rows, 64).astype(float), set()
    for row in range(0, len(rows), len(rows) // 8):
        shown = point_at(cells, name, row)
        cells.wait_for(f"archetypalMaps.{name}.card().canvas?.dataset.state === 'drawn'", what="picture")
        picture = np.array(
            cells.js(f"""const canvas = archetypalMaps.{name}.card().canvas;
            return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];""")
        )
        differences = abs(crops - picture.reshape(64, 64, 4)[..., :3]).mean(axis=(1, 2, 3))
        assert differences.argmin() == shown
        assert differences[shown] < 8
        seen.add(shown)
        card = cells.js(f"return archetypalMaps.{name}.card().text")
        assert rows[WELL][shown] in card
    assert len(seen) > 3


def test_tables_are_sorted_by_their_heads(cells):
    """The first column of numbers, of which some differ and none is missing, in a table that is seen."""
    column = cells.js("""
        for (const table of document.querySelectorAll("table.sortable")) {
          if (!table.checkVisibility() || !table.tHead.querySelector("button")) continue;
          const rows = [...table.tBodies[0].rows];
          for (let k = 0; k < rows[0].cells.length; k++) {
            const values = rows.map((row) => row.cells[k].dataset.sort ?? row.cells[k].innerText);
            if (new Set(values).size < 3 || values.some((v) => v.trim() === "" || Number.isNaN(+v))) continue;
            table.id = "sorted";
            return k;
          }
        }
        return -1;""")
    assert column >= 0, "no table to sort"
    values = """return [...document.getElementById("sorted").tBodies[0].rows].map((row) =>
        +(row.cells[arguments[0]].dataset.sort ?? row.cells[arguments[0]].innerText))"""
    found = cells.js(values, column)
    orders = []
    for _ in range(2):
        cells.click_on(f"#sorted thead th:nth-child({column + 1}) button")
        orders.append(cells.js(values, column))
    up, down = sorted(found), sorted(found, reverse=True)
    assert orders in ([up, down], [down, up])


def test_what_is_folded_is_printed(cells):
    cells.js("""for (const one of document.querySelectorAll("details")) one.open = false;
        window.addEventListener("beforeprint", () => {
          window.closedInPrint = document.querySelectorAll("details:not([open])").length; });""")
    n_folded = cells.js("return document.querySelectorAll('details').length")
    assert n_folded > 0
    cells.print_pdf()
    assert cells.js("return window.closedInPrint") == 0
    cells.wait_for(
        f"document.querySelectorAll('details:not([open])').length === {n_folded}", what="folding back"
    )
