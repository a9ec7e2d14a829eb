"""The map in Chromium: what a person points at, draws around, looks for and takes home is in the table."""

import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.path import Path as Polygon

from archetypal_triplet.report._map import bokeh_inline, build_map
from archetypal_triplet.report._sprites import make_sprites

pytestmark = pytest.mark.browser

PLATE, WELL, SITE = "Metadata_Plate", "Metadata_Well", "Metadata_Site"
COMPOUND, CONTROL = "Metadata_Compound", "Metadata_ControlType"
N, SIZE = 300, 64
MAP = "window.archetypalMap"


def write_page(path, part):
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Map</title><style>{part.styles}</style>"
        f"<body><h1>Map</h1>{part.html}<script>{bokeh_inline()}</script><script>{part.scripts}</script>",
        encoding="utf-8",
    )
    return path


def open_map(browser, path):
    browser.open(path)
    browser.wait_for("document.querySelector('.atm').dataset.map === 'ready'", what="map")
    # so that all of it is seen
    browser.js("document.querySelector('.atm').scrollIntoView({ block: 'start', behavior: 'instant' })")
    return browser


def pixel(browser, row):
    """Where a row lies in the window."""
    at = browser.js(f"return {MAP}.pixel(arguments[0])", int(row))
    return at["x"], at["y"]


def selection(browser):
    return browser.js(f"return {MAP}.selection")


def make_table(n=N):
    rng = np.random.default_rng(0)
    kinds = np.array(["sample"] * 8 + ["negative", "positive"])[np.arange(n) % 10]
    compound = np.where(kinds == "sample", [f"Compound {k % 37}" for k in range(n)], kinds)
    table = pd.DataFrame(
        {
            PLATE: np.where(np.arange(n) < n // 2, "P1", "P2"),
            WELL: [f"{'ABCDEFGH'[k % 8]}{k // 8 % 12 + 1:02}" for k in range(n)],
            SITE: [str(k % 3 + 1) for k in range(n)],
            COMPOUND: compound,
            CONTROL: kinds,
            "Metadata_Concentration_uM": np.where(kinds == "sample", 10.0 ** (np.arange(n) % 5 - 2), 0.0),
        }
    )
    shares = rng.dirichlet([0.5, 0.5, 0.5], size=n)
    return pd.concat([table, pd.DataFrame(shares).add_prefix("Archetype_")], axis=1)


def make_places(n, seed=0):
    """Places of a grid, shuffled, a little off: no two dots touch, and none lies where its number says."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n)))
    grid = np.stack(np.divmod(rng.permutation(side**2)[:n], side), axis=1).astype(float)
    return grid + rng.uniform(-0.2, 0.2, size=grid.shape)


def make_pictures(n):
    """Pictures that are unlike each other: three soft blobs of chance colors."""
    rng = np.random.default_rng(1)
    ys, xs = np.indices((SIZE, SIZE)) / SIZE
    pictures = np.zeros((n, SIZE, SIZE, 3))
    for _ in range(3):
        y, x = rng.uniform(0.1, 0.9, size=(2, n, 1, 1))
        blob = np.exp(-((ys - y) ** 2 + (xs - x) ** 2) / 0.03)
        pictures += blob[..., None] * rng.uniform(0, 255, size=(n, 1, 1, 3))
    return np.clip(pictures, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def planes():
    return {"UMAP": make_places(N, 0), "PCA": make_places(N, 1)}


@pytest.fixture(scope="module")
def pictures():
    return make_pictures(N)


@pytest.fixture(scope="module")
def map_file(table, planes, pictures, tmp_path_factory):
    present = np.arange(N) % 7 != 3
    sprites = make_sprites(pictures, present=present, side=512)
    part = build_map(table, planes, thumbnails=sprites, noun="fields")
    return write_page(tmp_path_factory.mktemp("map") / "map.html", part)


@pytest.fixture
def page(browser, map_file):
    return open_map(browser, map_file)


def test_points_are_drawn_where_the_table_says(page, planes):
    """Each dot has its color at its place in the picture on the screen, in both planes."""
    for name in ("UMAP", "PCA"):
        page.js(f"{MAP}.setProjection(arguments[0])", name)
        at = np.array([pixel(page, row) for row in range(N)])
        xy = planes[name]
        # the plane is shown undistorted, up is up
        scale = np.ptp(at[:, 0]) / np.ptp(xy[:, 0])
        np.testing.assert_allclose(np.ptp(at[:, 1]) / np.ptp(xy[:, 1]), scale, rtol=1e-3)
        np.testing.assert_allclose(at[:, 0] - at[0, 0], scale * (xy[:, 0] - xy[0, 0]), atol=0.1)
        np.testing.assert_allclose(at[:, 1] - at[0, 1], -scale * (xy[:, 1] - xy[0, 1]), atol=0.1)
        page.move(5, 5)
        page.js("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        screen = page.screenshot().astype(int)
        for row in range(0, N, 7):
            color = page.js(f"return {MAP}.colorOf(arguments[0])", row)
            rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
            x, y = np.rint(at[row]).astype(int)
            # a little see-through over white
            faded = 255 - screen[y, x]
            wanted = 255 - np.array(rgb)
            assert faded.max() > 20, (name, row)
            np.testing.assert_allclose(faded / faded.max(), wanted / wanted.max(), atol=0.12)


def test_a_window_that_is_small_for_a_while_leaves_no_trace(page):
    def find_range(width, height):
        page.set_window(width, height)
        page.js("return new Promise((done) => setTimeout(done, 400))")
        return page.js(f"return {MAP}.range")

    size = page.js("return [innerWidth, innerHeight]")
    before = find_range(*size)
    for small in ((420, 500), (300, 400)):
        assert not np.allclose(find_range(*small), before, rtol=0.02)
        np.testing.assert_allclose(find_range(*size), before, rtol=1e-6)


def test_pointing_at_a_dot_shows_its_picture_and_its_name(page, table, pictures):
    for row in (0, 16, 100, 166, 299):
        page.move(5, 5)
        page.wait_for(f"{MAP}.card() === null")
        page.move(*pixel(page, row))
        text = page.wait_for(f"{MAP}.card() && {MAP}.card().text", what="card")
        assert page.js(f"return {MAP}.hovered") == row
        for column in (PLATE, WELL, COMPOUND):
            assert table[column][row] in text, (row, column, text)
        page.wait_for(f"{MAP}.card().canvas.dataset.state === 'drawn'", what="picture")
        box = page.box(f"{MAP}.card().canvas")
        assert box[2] == box[3] == 128
        shown = page.screenshot(box).astype(float)
        shown = shown.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3))
        distances = abs(shown - pictures).mean(axis=(1, 2, 3))
        assert distances.argmin() == row
        assert distances[row] < 8
        assert np.delete(distances, row).min() > 2 * distances[row]


def test_nothing_happens_by_itself(page):
    """What a timer would do comes too late for the other tests to see."""
    before = page.screenshot()
    time.sleep(3)
    assert page.faults() == []
    np.testing.assert_array_equal(page.screenshot(), before)


def test_a_row_without_a_picture_has_a_card_without_one(page, table):
    row = 3
    page.move(*pixel(page, row))
    text = page.wait_for(f"{MAP}.card() && {MAP}.card().text", what="card")
    assert table[WELL][row] in text
    assert page.js(f"return {MAP}.card().canvas") is None


def draw_around(browser, polygon):
    """Drag a lasso along a polygon, and return the rows that lie inside."""
    at = np.array([pixel(browser, row) for row in range(N)])
    closed = Polygon(np.vstack([polygon, polygon[:1]]), closed=True)
    inside = closed.contains_points(at)
    near = closed.contains_points(at, radius=3) != closed.contains_points(at, radius=-3)
    assert not near.any(), "choose a polygon that no dot lies on"
    return np.flatnonzero(inside).tolist()


def free_polygon(browser, center, radius, n=9):
    """A polygon around a place whose edges keep away from all dots."""
    at = np.array([pixel(browser, row) for row in range(N)])
    rng = np.random.default_rng(0)
    for _ in range(2000):
        angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
        reach = radius * rng.uniform(0.6, 1.0, size=n)
        polygon = center + np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1)
        closed = Polygon(np.vstack([polygon, polygon[:1]]), closed=True)
        if (closed.contains_points(at, radius=3) == closed.contains_points(at, radius=-3)).all():
            return polygon
    raise AssertionError("no such polygon")


def middle(browser):
    at = np.array([pixel(browser, row) for row in range(N)])
    return (at.min(axis=0) + at.max(axis=0)) / 2


def table_rows(browser):
    rows = "document.querySelectorAll('[data-atm=selection] tbody tr')"
    return browser.js(f"return [...{rows}].map((row) => +row.dataset.row)")


def test_the_lasso_takes_the_rows_inside(page, table):
    page.click_on("[data-tool=lasso]")
    polygon = free_polygon(page, middle(page) + np.array([40, -30]), 140)
    inside = draw_around(page, polygon)
    assert 10 < len(inside) < 100
    page.drag([*polygon, polygon[0]])
    page.wait_for(f"{MAP}.selection.length > 0", what="selection")
    assert selection(page) == inside
    # and what is listed below is what was drawn around
    assert table_rows(page) == inside[:20]
    text = page.js("return document.querySelector('[data-atm=selection]').innerText")
    assert f"{len(inside)} fields selected" in text
    for row in inside[:20]:
        assert table[COMPOUND][row] in text


def test_shift_adds_to_the_selection(page):
    page.click_on("[data-tool=lasso]")
    polygons = [free_polygon(page, middle(page) + shift, 60, n=7) for shift in ([-130, -80], [130, 80])]
    first, second = (draw_around(page, polygon) for polygon in polygons)
    page.drag([*polygons[0], polygons[0][0]])
    page.wait_for(f"{MAP}.selection.length === {len(first)}", what="first selection")
    page.drag([*polygons[1], polygons[1][0]], shift=True)
    page.wait_for(f"{MAP}.selection.length > {len(first)}", what="second selection")
    assert selection(page) == sorted({*first, *second})


def test_the_box_takes_the_rows_inside(page):
    page.click_on("[data-tool=box]")
    (x0, y0), (x1, y1) = middle(page) - np.array([120, 75]), middle(page) + np.array([60, 83])
    inside = []
    for row in range(N):
        x, y = pixel(page, row)
        if x0 <= x <= x1 and y0 <= y <= y1:
            inside.append(row)
    page.drag([(x0, y0), (x1, y1)])
    page.wait_for(f"{MAP}.selection.length > 0", what="selection")
    assert selection(page) == inside


def test_the_csv_holds_the_selected_rows(page, table, planes):
    page.click_on("[data-tool=lasso]")
    polygon = free_polygon(page, middle(page) - [60, 10], 170)
    inside = draw_around(page, polygon)
    assert len(inside) > 20  # more than a page of the table
    page.drag([*polygon, polygon[0]])
    page.wait_for(f"{MAP}.selection.length === {len(inside)}", what="selection")
    path = page.wait_for_download(lambda: page.click_on("[data-atm=csv]"))
    assert path.name == "map_selection.csv"
    saved = pd.read_csv(path, dtype={PLATE: str, WELL: str, SITE: str}, encoding="utf-8-sig")
    expected = table.iloc[inside].reset_index(drop=True)
    assert set(table.columns) < set(saved.columns)
    pd.testing.assert_frame_equal(saved[table.columns], expected, check_dtype=False, rtol=1e-6)
    np.testing.assert_allclose(saved[["Map_UMAP_1", "Map_UMAP_2"]], planes["UMAP"][inside], rtol=1e-5)
    np.testing.assert_allclose(saved[["Map_PCA_1", "Map_PCA_2"]], planes["PCA"][inside], rtol=1e-5)


@pytest.mark.parametrize(
    ("typed", "column", "value"), [("compound 11", COMPOUND, "Compound 11"), ("c7", WELL, "C07")]
)
def test_the_search_jumps_to_what_is_looked_for(page, table, typed, column, value):
    before = page.js(f"return {MAP}.range")
    page.click_on("[data-atm=find]")
    page.press(*typed)
    page.wait_for("document.querySelectorAll('[role=option]').length > 0", what="suggestions")
    first = page.js("return document.querySelector('[role=option] .atm-label').textContent")
    assert first == value
    page.press("ENTER")
    rows = np.flatnonzero(table[column] == value).tolist()
    page.wait_for(f"{MAP}.selection.length > 0", what="selection")
    assert selection(page) == rows
    after = page.js(f"return {MAP}.range")
    assert after[1] - after[0] < before[1] - before[0]  # nearer
    left, top, width, height = page.box("document.querySelector('[data-atm=surface]')")
    for row in rows:
        x, y = pixel(page, row)
        assert left < x < left + width
        assert top < y < top + height


def test_a_search_for_nothing_says_so(page):
    page.click_on("[data-atm=find]")
    page.press(*"no such thing", "ENTER")
    status = page.wait_for("document.querySelector('[data-atm=status]').textContent", what="status")
    assert "no such thing" in status
    assert selection(page) == []


def test_colors_follow_the_column_that_is_chosen(page, table):
    page.js(f"{MAP}.setColor(arguments[0])", CONTROL)
    colors = np.array([page.js(f"return {MAP}.colorOf(arguments[0])", row) for row in range(60)])
    kinds = table[CONTROL][:60].to_numpy()
    assert len({(c, k) for c, k in zip(colors, kinds, strict=True)}) == 3
    page.js(f"{MAP}.setColor('Archetype_1')")
    shares = table["Archetype_1"][:60].to_numpy()
    brightness = [
        sum(int(c[i : i + 2], 16) for i in (1, 3, 5))
        for c in (page.js(f"return {MAP}.colorOf(arguments[0])", row) for row in range(60))
    ]
    assert np.corrcoef(shares, brightness)[0, 1] > 0.9


def test_an_entry_of_the_legend_selects_its_rows(page, table):
    page.js(f"{MAP}.setColor(arguments[0])", CONTROL)
    labels = page.js(
        "return [...document.querySelectorAll('.atm-legend .atm-label')].map((b) => b.innerText)"
    )
    at = labels.index("positive")
    page.js("document.querySelectorAll('.atm-legend button')[arguments[0]].id = 'entry'", at)
    page.click_on("#entry")
    assert selection(page) == np.flatnonzero(table[CONTROL] == "positive").tolist()


def focused(browser):
    return browser.js("""
        const node = document.activeElement;
        if (!node || node === document.body) return null;
        const name = node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent ||
          node.getAttribute("title") || "";
        const style = getComputedStyle(node);
        const ring = style.outlineStyle !== "none" || style.boxShadow !== "none";
        return { key: node.dataset.atm || node.dataset.tool || node.className, name: name.trim(), ring };""")


def test_all_controls_are_reached_by_the_tab_key_in_order(page):
    stops = []
    for _ in range(60):
        page.press("TAB")
        stop = focused(page)
        if stop is None:
            break
        stops.append(stop)
    keys = [stop["key"] for stop in stops]
    bar = ["plane", "color", "find", "pan", "lasso", "box", "zoom", "zoom-in", "zoom-out", "reset"]
    wanted = [*bar, "plot"]
    assert [key for key in keys if key in wanted] == wanted
    assert {"atm-entry", "size"} <= set(keys)
    assert [stop for stop in stops if not stop["name"]] == []
    assert [stop for stop in stops if not stop["ring"]] == []


def test_the_map_answers_to_keys(page):
    page.js("document.querySelector('[data-atm=plot]').focus()")
    x0, x1, _, _ = page.js(f"return {MAP}.range")
    page.press("ARROW_RIGHT")
    moved = page.js(f"return {MAP}.range")
    assert moved[0] > x0
    page.press("+")
    closer = page.js(f"return {MAP}.range")
    assert closer[1] - closer[0] < x1 - x0
    page.press("0")
    np.testing.assert_allclose(page.js(f"return {MAP}.range")[:2], [x0, x1])
    page.js(f"{MAP}.select([1, 2, 3])")
    assert selection(page) == [1, 2, 3]
    page.press("ESCAPE")
    assert selection(page) == []


def test_dragging_moves_and_the_wheel_waits_for_a_click(page):
    before = page.js(f"return {MAP}.range")
    x, y = middle(page)
    page.drag([(x, y), (x + 100, y)])
    page.wait_for(f"{MAP}.range[0] !== {before[0]}", what="move")
    after = page.js(f"return {MAP}.range")
    width = page.js("return document.querySelector('[data-atm=surface]').clientWidth")
    np.testing.assert_allclose(before[0] - after[0], 100 * (before[1] - before[0]) / width, rtol=0.02)
    assert selection(page) == []


def test_a_selection_of_all_rows_lists_one_page_of_them(page):
    page.js(f"{MAP}.select([...Array({N}).keys()])")
    assert table_rows(page) == list(range(20))
    n_elements = page.js("return document.querySelectorAll('*').length")
    assert n_elements < 2500
    page.click_on(".atm-pager [aria-label='Last page']")
    assert table_rows(page) == list(range(280, 300))


# ---- names that do harm, or would

HOSTILE = [
    "<img src=x onerror='window.hacked=1'>",
    "</script><script>window.hacked=2</script>",
    "\"'><svg onload=window.hacked=3>",
    "<!--<script>",
    "{{7*7}} {% raw %} ${7*7}",
    "javascript:window.hacked=4",
    "&lt;b&gt; &amp; &#x27;",
    '=HYPERLINK("http://evil.invalid","x")',
    "+1;cmd|' /C calc'!A0",
    'O\'Brien "quoted", with; commas\\ and \\u003cb\\u003e',
    "\u202eright to left override",
    "مركب ١٢",
    "תרכובת",
    "化合物①",
    "🧪 e\u0301 ﬁ",
    "line\nbreak\tand tab",
    "  spaces around  ",
    "\u2028\u2029",
    "__proto__",
    "constructor",
    "null",
    "NaN",
    "-0",
    "x" * 400,
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    n = 3 * len(HOSTILE)
    table = pd.DataFrame(
        {
            PLATE: [HOSTILE[k % 3] for k in range(n)],
            WELL: [f"A{k % 12 + 1:02}" for k in range(n)],
            COMPOUND: [HOSTILE[k % len(HOSTILE)] for k in range(n)],
            "Metadata_<b onmouseover='window.hacked=5'>Col</b>": [f"{k % 4}<i>" for k in range(n)],
            "Metadata___proto__": [f"v{k % 2}" for k in range(n)],
            "Archetype_0": np.linspace(0, 1, n),
        }
    )
    part = build_map(
        table, {"<u>P</u>": make_places(n)}, noun="wells", sentence="<script>window.hacked=6</script>"
    )
    return table, write_page(tmp_path_factory.mktemp("hostile") / "map.html", part)


def check_harmless(browser):
    assert browser.js("return window.hacked === undefined")
    strange = browser.js("return document.querySelectorAll('img[src=x], svg[onload], b, i, u').length")
    assert strange == 0
    assert browser.js("return ({}).v0 === undefined && Object.keys(Object.prototype).length === 0")


def test_hostile_names_are_shown_as_they_are(browser, hostile):
    _, path = hostile
    page = open_map(browser, path)
    check_harmless(page)
    for row in range(len(HOSTILE)):
        page.move(*pixel(page, row))
        page.wait_for(f"{MAP}.hovered === {row} && {MAP}.card() !== null", what=f"card of {HOSTILE[row]!r}")
        text = page.js("return document.querySelector('.atm-what').textContent")
        assert text == HOSTILE[row]
        _, _, width, height = page.box("document.querySelector('.atm-card')")
        assert width < 500
        assert height < 600
    check_harmless(page)


def test_hostile_names_in_legend_table_and_search(browser, hostile):
    table, path = hostile
    page = open_map(browser, path)
    for column in table.columns[:1].tolist() + table.columns[2:5].tolist():
        page.js(f"{MAP}.setColor(arguments[0])", column)
        legend = page.js("return document.querySelector('.atm-legend').textContent")
        assert legend.strip()
    page.js(f"{MAP}.select([...Array({len(table)}).keys()])")
    assert table_rows(page) == list(range(20))
    listed = page.js("return document.querySelector('[data-atm=selection] tbody').textContent")
    for name in HOSTILE[:20]:
        assert name in listed
    for name in ("<img src", "</script>", "مركب", "__proto__"):
        page.click_on("[data-atm=find]")
        page.js("document.querySelector('[data-atm=find]').value = ''")
        page.press(*name, "ENTER")
        full = next(h for h in HOSTILE if h.startswith(name))
        rows = np.flatnonzero(table[COMPOUND] == full).tolist()
        page.wait_for(f"{MAP}.selection.length === {len(rows)}", what=f"rows of {full}")
        assert selection(page) == rows
    check_harmless(page)


def test_hostile_names_survive_the_csv(browser, hostile):
    table, path = hostile
    page = open_map(browser, path)
    page.js(f"{MAP}.select([...Array({len(HOSTILE)}).keys()])")
    file = page.wait_for_download(lambda: page.click_on("[data-atm=csv]"))
    saved = pd.read_csv(file, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    assert len(saved) == len(HOSTILE)
    for name, cell in zip(HOSTILE, saved[COMPOUND], strict=True):
        # what a spreadsheet would run has an apostrophe in front
        is_formula = name[0] in "=+-@" and name != "-0"
        assert cell == (f"'{name}" if is_formula else name)
    assert set(table.columns) < set(saved.columns)


def test_ten_thousand_names(browser, tmp_path):
    n = 10_000
    table = make_table(n).assign(**{COMPOUND: [f"Substance {k:05d} <{k}>" for k in range(n)]})
    part = build_map(table, {"PCA": make_places(n)})
    page = open_map(browser, write_page(tmp_path / "map.html", part))
    assert page.js(f"return {MAP}.n") == n
    page.click_on("[data-atm=find]")
    page.press(*"substance 0")
    n_options = page.wait_for("document.querySelectorAll('[role=option]').length", what="suggestions")
    assert 5 < n_options <= 20  # of a thousand
    page.press(*"9876")
    page.wait_for("document.querySelectorAll('[role=option]').length === 1", what="one suggestion")
    page.press("ENTER")
    assert selection(page) == [9876]
    assert page.js("return document.querySelectorAll('*').length") < 2000


def test_two_maps_on_a_page_do_not_disturb_each_other(browser, table, planes, tmp_path):
    first = build_map(table, planes, name="cells")
    second = build_map(table[:40], {"PCA": planes["PCA"][:40]}, name="wells")
    path = tmp_path / "map.html"
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Maps</title><style>{first.styles}</style>"
        f"<body>{first.html}{second.html}<script>{bokeh_inline()}</script><script>{first.scripts}</script>",
        encoding="utf-8",
    )
    browser.open(path)
    browser.wait_for("document.querySelectorAll('.atm[data-map=ready]').length === 2", what="two maps")
    browser.js("archetypalMaps.wells.select([3, 4])")
    assert browser.js("return archetypalMaps.cells.selection") == []
    assert browser.js("return archetypalMaps.wells.selection") == [3, 4]
    ids = browser.js("return [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_maps_of_very_few_rows(browser, table, planes, tmp_path, n):
    part = build_map(table[:n], {"PCA": planes["PCA"][:n]})
    page = open_map(browser, write_page(tmp_path / "map.html", part))
    assert page.js(f"return {MAP}.n") == n
    if n:
        page.move(*pixel(page, 0))
        page.wait_for(f"{MAP}.hovered === 0", what="card")


def test_the_map_is_printed(page):
    pdf, n_pages = page.print_pdf()
    assert n_pages >= 1
    assert len(pdf) > 20_000
