"""The map as text: it packs the table, its legend says what it colors, and nothing of the data is markup."""

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.plotting._palette import CATEGORY_COLORS, CONTROL_COLORS
from archetypal_triplet.report._map import bokeh_inline, build_map
from archetypal_triplet.report._map_columns import describe_columns, label_column
from archetypal_triplet.report._projection import Projections
from archetypal_triplet.report._sprites import make_sprites

HOSTILE = [
    "</script><script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a'b\"c", "=1+1", "{{ 7 * 7 }}",
    "\u202eabc", "α-β 阿司匹林", "line\nbreak\u2028x", "<!--", "&amp;", "", " ",
]  # fmt: skip


def make_table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    kinds = np.resize(["sample", "sample", "negative", "positive", "sample"], n)
    shares = rng.dirichlet(np.ones(3), size=n)
    table = pd.DataFrame(
        {
            "Metadata_Plate": np.resize(["0042", "0043"], n),
            "Metadata_Well": [f"{'ABCDEFGH'[i % 8]}{i // 8 % 12 + 1:02d}" for i in range(n)],
            "Metadata_Compound": np.where(kinds == "sample", np.resize(["aspirin", "taxol"], n), "DMSO"),
            "Metadata_Concentration": np.where(kinds == "sample", 10.0 ** rng.integers(-2, 2, size=n), 0.0),
            "Metadata_ControlType": kinds,
            "Metadata_Count_Cells": rng.poisson(200, size=n),
            "Pseudolabel": rng.integers(-1, 3, size=n),
            "Pseudolabel_Confidence": rng.uniform(size=n),
            "Embedding_0": rng.normal(size=n),
            "Texture_Contrast": rng.normal(size=n),
        }
    )
    return pd.concat([table, pd.DataFrame(shares).add_prefix("Archetype_")], axis=1)


def make_planes(n=60, seed=1):
    rng = np.random.default_rng(seed)
    return {"UMAP": rng.normal(size=(n, 2)), "PCA": rng.normal(size=(n, 2))}


def read_payload(part):
    blocks = re.findall(
        r'<script type="application/json" data-atm="data">(.*?)</script>', part.html, re.DOTALL
    )
    assert len(blocks) == 1
    return json.loads(blocks[0])


def unpack(packed):
    kind = {"u": "uint", "i": "int", "f": "float"}[packed["type"][0]] + str(8 * int(packed["type"][1:]))
    return np.frombuffer(base64.b64decode(packed["bytes"]), dtype=kind)


def read_column(payload, name):
    """Values of a column in the order of the table, as the page reads them."""
    column = next(c for c in payload["columns"] if c["name"] == name)
    order = unpack(payload["rows"])
    if "levels" in column:
        values = np.array(column["levels"], dtype=object)[unpack(column["codes"])]
    else:
        values = unpack(column["numbers"])
    back = np.empty(len(values), dtype=values.dtype)
    back[order] = values
    return back


def find_column(payload, name):
    return next(c for c in payload["columns"] if c["name"] == name)


class Elements(HTMLParser):
    """Collects the elements of a page, without what stands in scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.ids, self.labelled, self.text = [], [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "label" and "for" in attrs:
            self.labelled.add(attrs["for"])

    def handle_data(self, data):
        self.text.append(data)


# ---- what is packed


def test_the_page_holds_the_table_and_the_planes_in_the_tables_order():
    table, planes = make_table(), make_planes()
    payload = read_payload(build_map(table, planes))
    order = unpack(payload["rows"])
    assert sorted(order) == list(range(60))
    for plane in payload["planes"]:
        xy = np.stack([unpack(plane[axis]) for axis in "xy"], axis=1)
        np.testing.assert_array_equal(xy, planes[plane["name"]][order].astype(np.float32))
    names = {c["name"] for c in payload["columns"]}
    assert {"Embedding_0", "Texture_Contrast"}.isdisjoint(names)
    for name in names - {"archetype"}:
        values = read_column(payload, name)
        if values.dtype == object:
            assert values.tolist() == table[name].astype(str).tolist()
        else:
            np.testing.assert_allclose(values, table[name], rtol=1e-6)


def test_whole_numbers_beyond_four_bytes_stay_exact():
    table = make_table(4)
    table["Metadata_Count_Big"] = np.array([2**40 + 1, 5, 6, 7])
    table["Metadata_Count_Float"] = np.array([2.0**30 + 1, 5, np.nan, 7])
    table["Metadata_Count_Minus"] = np.array([-3, 5, 70_000, 7])
    payload = read_payload(build_map(table, make_planes(4)))
    assert read_column(payload, "Metadata_Count_Big").tolist() == [2**40 + 1, 5, 6, 7]
    assert read_column(payload, "Metadata_Count_Float")[[0, 1, 3]].tolist() == [2**30 + 1, 5, 7]
    assert np.isnan(read_column(payload, "Metadata_Count_Float")[2])
    assert read_column(payload, "Metadata_Count_Minus").tolist() == [-3, 5, 70_000, 7]


def test_missing_values_stay_missing():
    table = make_table(6)
    table["Metadata_Compound"] = ["a", None, "b", "b", np.nan, "a"]
    table["Metadata_Count_Cells"] = pd.array([1, None, 3, 4, 5, 6], dtype="Int64")
    payload = read_payload(build_map(table, make_planes(6)))
    assert read_column(payload, "Metadata_Compound").tolist() == ["a", None, "b", "b", None, "a"]
    assert np.isnan(read_column(payload, "Metadata_Count_Cells")).tolist() == [False, True] + [False] * 4
    classes = find_column(payload, "Metadata_Compound")["coloring"]["classes"]
    assert {c["label"]: c["count"] for c in classes} == {"a": 2, "b": 2, "missing": 2}


def test_pictures_stay_with_their_rows():
    pictures = np.zeros((60, 8, 8, 3), dtype=np.uint8)
    sprites = make_sprites(pictures, image_format="png", side=32)
    part = build_map(make_table(), make_planes(), thumbnails=sprites)
    payload = read_payload(part)
    order = unpack(payload["rows"])
    for key in ("sheet", "x", "y"):
        np.testing.assert_array_equal(unpack(payload["thumbnails"][key]), getattr(sprites, key)[order])
    assert payload["thumbnails"]["size"] == 8
    sheets = re.findall(r'<script type="text/plain" data-atm="sheet">(.*?)</script>', part.html)
    assert sheets == sprites.sheets


def test_the_same_input_gives_the_same_text_twice():
    first, second = (build_map(make_table(), make_planes()) for _ in range(2))
    assert first == second


def test_the_table_stays_as_it_was():
    table = make_table()
    before = table.copy(deep=True)
    build_map(table, make_planes())
    pd.testing.assert_frame_equal(table, before)


# ---- what is colored


def test_controls_have_their_colors_and_markers():
    payload = read_payload(build_map(make_table(), make_planes()))
    assert payload["color"] == "Metadata_ControlType"
    classes = find_column(payload, "Metadata_ControlType")["coloring"]["classes"]
    assert [(c["label"], c["marker"], c["count"]) for c in classes] == [
        ("negative", "s", 12), ("positive", "^", 12), ("sample", "o", 36),
    ]  # fmt: skip
    assert {c["label"]: c["color"] for c in classes} == {
        name: CONTROL_COLORS[name] for name in ("negative", "positive", "sample")
    }
    layers = np.array(payload["layers"]["names"])[unpack(payload["layers"]["codes"])]
    kinds = make_table()["Metadata_ControlType"].to_numpy()[unpack(payload["rows"])]
    assert (layers == kinds).all()


def test_many_compounds_are_ten_classes_and_each_row_counts_once():
    n = 500
    table = make_table(n).drop(columns="Metadata_ControlType")
    rng = np.random.default_rng(0)
    table["Metadata_Compound"] = [f"C{i}" for i in rng.zipf(1.5, size=n) % 100]
    coloring = find_column(read_payload(build_map(table, make_planes(n))), "Metadata_Compound")["coloring"]
    classes = coloring["classes"]
    assert [c["color"] for c in classes[:-1]] == list(CATEGORY_COLORS[: len(classes) - 1])
    assert classes[-1]["label"] == "other"
    assert classes[-1]["neutral"]
    assert sum(c["count"] for c in classes) == n
    counts = table["Metadata_Compound"].value_counts()
    for c in classes[:-1]:
        assert counts[c["label"]] == c["count"]
    assert counts.iloc[0] == max(c["count"] for c in classes[:-1])


def test_the_class_of_each_value_is_the_one_it_is_counted_in():
    payload = read_payload(build_map(make_table(), make_planes()))
    for column in payload["columns"]:
        if column["coloring"] is None or "classes" not in column["coloring"]:
            continue
        classes = column["coloring"]["classes"]
        drawn = np.array(column["coloring"]["class_of"])[unpack(column["codes"])]
        counts = np.bincount(drawn, minlength=len(classes))
        assert counts.tolist() == [c["count"] for c in classes], column["name"]


def test_what_only_controls_are_called_has_their_marker_and_no_color():
    column = find_column(read_payload(build_map(make_table(), make_planes())), "Metadata_Compound")
    assert {c["label"]: c["marker"] for c in column["coloring"]["classes"]}["aspirin"] == "o"
    table = make_table()
    table.loc[table["Metadata_ControlType"] == "positive", "Metadata_Compound"] = "killer"
    column = find_column(read_payload(build_map(table, make_planes())), "Metadata_Compound")
    looks = {c["label"]: (c["marker"], c["color"]) for c in column["coloring"]["classes"]}
    assert looks["DMSO"] == ("s", "#FFFFFF")
    assert looks["killer"] == ("^", "#FFFFFF")


@pytest.mark.parametrize("kind", [None, "compound"])
def test_a_row_of_no_known_kind_of_control_is_a_sample(kind):
    table = make_table()
    looks = find_column(read_payload(build_map(table, make_planes())), "Metadata_Compound")["coloring"]
    table["Metadata_ControlType"] = table["Metadata_ControlType"].replace("sample", kind)
    column = find_column(read_payload(build_map(table, make_planes())), "Metadata_Compound")
    assert column["coloring"] == looks


def test_no_tick_is_minus_zero():
    payload = read_payload(build_map(make_table(), make_planes()))
    ticks = [t for c in payload["columns"] for t in (c["coloring"] or {}).get("ticks", [])]
    assert len(ticks) > 10
    assert "-0" not in {text for _, text in ticks}
    assert all(-1e-6 <= place <= 1 + 1e-6 for place, _ in ticks)


def test_ten_thousand_distinct_names():
    n = 10_000
    table = pd.DataFrame({"Metadata_Compound": [f"<i>{i}</i>" for i in range(n)]})
    part = build_map(table, make_planes(n))
    column = find_column(read_payload(part), "Metadata_Compound")
    assert len(column["levels"]) == n
    assert len(column["coloring"]["classes"]) == 10
    assert "<i>" not in part.html


def test_the_unlabeled_are_called_so_and_kept_as_minus_one():
    table = make_table()
    column = find_column(read_payload(build_map(table, make_planes())), "Pseudolabel")
    assert column["levels"] == ["-1", "0", "1", "2"]
    counts = {c["label"]: c["count"] for c in column["coloring"]["classes"]}
    assert counts["unlabeled"] == (table["Pseudolabel"] == -1).sum()


def test_the_largest_archetype_of_each_row():
    table = make_table()
    payload = read_payload(build_map(table, make_planes(), labels={"Archetype_1": "Archetype 1, debris"}))
    shares = table[["Archetype_0", "Archetype_1", "Archetype_2"]]
    assert read_column(payload, "archetype").tolist() == shares.idxmax(axis=1).tolist()
    column = find_column(payload, "archetype")
    assert column["derived"]
    assert [c["label"] for c in column["coloring"]["classes"]] == [
        "Archetype 0", "Archetype 1, debris", "Archetype 2",
    ]  # fmt: skip
    assert find_column(payload, "Archetype_1")["label"] == "Archetype 1, debris"


def test_eleven_archetypes_keep_their_own_names():
    n = 110
    shares = pd.DataFrame(np.eye(11)[np.arange(n) % 11]).add_prefix("Archetype_")
    payload = read_payload(build_map(shares, make_planes(n)))
    assert read_column(payload, "archetype").tolist() == [f"Archetype_{i % 11}" for i in range(n)]


def test_doses_are_logarithmic_with_a_place_for_zero():
    table = make_table()
    coloring = find_column(read_payload(build_map(table, make_planes())), "Metadata_Concentration")[
        "coloring"
    ]
    doses = table["Metadata_Concentration"]
    assert coloring["log"]
    assert coloring["zero"] == (doses == 0).sum()
    assert (coloring["low"], coloring["high"]) == (doses[doses > 0].min(), doses.max())
    for place, text in coloring["ticks"]:
        wanted = np.log(float(text) / coloring["low"]) / np.log(coloring["high"] / coloring["low"])
        assert place == pytest.approx(wanted, abs=1e-3)


def test_doses_of_several_units_share_one_scale():
    table = make_table(6)
    table["Metadata_Concentration"] = [0.0, 150.0, 10.0, 80.0, 1.0, 5.0]
    table["Metadata_Unit"] = ["nM", "nM", "nM", "uM", "µM", "mM"]
    payload = read_payload(build_map(table, make_planes(6)))
    column = find_column(payload, "Metadata_Concentration")
    assert read_column(payload, "Metadata_Concentration").tolist() == [0, 150, 10, 80, 1, 5]
    assert column["coloring"]["title"] == "Concentration (µM)"
    scaled = np.empty(6)
    scaled[unpack(payload["rows"])] = unpack(column["coloring"]["numbers"])
    np.testing.assert_allclose(scaled, [0, 0.15, 0.01, 80, 1, 5000], rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "title"),
    [
        (["nM"] * 6, "Concentration (nM)"),
        (["mg/l", "nM"] * 3, "Concentration (mixed units: mg/l, nM)"),
        ([None] * 6, "Concentration"),
        (["nM", None] * 3, "Concentration (mixed units: nM, no unit)"),
    ],
)
def test_units_that_are_not_converted_are_told(units, title):
    table = make_table(6)
    table["Metadata_Concentration"] = [0.0, 1.0, 10.0, 80.0, 1.0, 5.0]
    table["Metadata_Unit"] = units
    column = find_column(read_payload(build_map(table, make_planes(6))), "Metadata_Concentration")
    assert column["coloring"]["title"] == title
    assert "numbers" not in column["coloring"]


def test_shares_begin_at_zero_and_one_outlier_does_not_take_the_scale():
    n = 1000
    table = pd.DataFrame({"Archetype_0": np.linspace(0.1, 0.5, n), "Metadata_Count_Cells": np.arange(n)})
    table.loc[0, "Metadata_Count_Cells"] = 10**6
    payload = read_payload(build_map(table, make_planes(n)))
    assert find_column(payload, "Archetype_0")["coloring"]["low"] == 0
    scale = find_column(payload, "Metadata_Count_Cells")["coloring"]
    assert scale["high"] < 1000
    assert scale["above"] == 10


def test_constant_columns_and_wells_are_no_colors():
    table = make_table()
    table["Metadata_Batch"] = "one"
    table["Metadata_Count_Same"] = 5
    part = build_map(table, make_planes())
    offered = [a["value"] for tag, a in Elements(part.html).tags if tag == "option"]
    assert {"Metadata_Batch", "Metadata_Count_Same", "Metadata_Well"}.isdisjoint(offered)
    assert {"Metadata_Compound", "Metadata_Plate", "archetype", "Archetype_0", "Pseudolabel"} <= set(offered)
    held = {c["name"] for c in read_payload(part)["columns"]}
    assert {"Metadata_Batch", "Metadata_Count_Same", "Metadata_Well"} <= held


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Metadata_ControlType", "Control type"),
        ("Metadata_Count_Cells", "Cell count"),
        ("Metadata_Concentration_uM", "Concentration uM"),
        ("Metadata_atq_WellDistance", "Quality: well distance"),
        ("Archetype_3", "Archetype 3"),
        ("Metadata_", "Metadata_"),
        ("", ""),
    ],
)
def test_columns_are_called_as_people_call_them(name, label):
    assert label_column(name) == label


# ---- odd tables


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_rows(n):
    payload = read_payload(build_map(make_table(5).iloc[:n], make_planes(n)))
    assert payload["n"] == n


def test_a_table_without_anything_to_color_by():
    payload = read_payload(build_map(pd.DataFrame({"Embedding_0": [1.0, 2.0]}), make_planes(2)))
    assert payload["color"] is None
    assert payload["columns"] == []
    assert set(payload["roles"].values()) == {None}


def test_without_controls_all_are_samples():
    table = make_table().drop(columns="Metadata_ControlType")
    payload = read_payload(build_map(table, make_planes()))
    assert payload["color"] == "archetype"
    assert set(unpack(payload["layers"]["codes"])) == {payload["layers"]["names"].index("sample")}


def test_categories_booleans_and_dates():
    table = pd.DataFrame(
        {
            "Metadata_Batch": pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"]),
            "Metadata_atq_IsFlagged": [True, False, True],
            "Metadata_Time": pd.to_datetime(["2024-01-02", None, "2024-01-01"]),
        }
    )
    payload = read_payload(build_map(table, make_planes(3)))
    assert read_column(payload, "Metadata_Batch").tolist() == ["b", "a", "b"]
    assert find_column(payload, "Metadata_Batch")["levels"] == ["a", "b"]
    assert read_column(payload, "Metadata_atq_IsFlagged").tolist() == ["True", "False", "True"]
    assert read_column(payload, "Metadata_Time").tolist() == [
        "2024-01-02 00:00:00",
        None,
        "2024-01-01 00:00:00",
    ]


def test_control_types_of_other_names_are_samples():
    table = make_table(4)
    table["Metadata_ControlType"] = ["negative", "weird", None, "sample"]
    payload = read_payload(build_map(table, make_planes(4)))
    classes = find_column(payload, "Metadata_ControlType")["coloring"]["classes"]
    assert {c["label"]: c["count"] for c in classes} == {"negative": 1, "sample": 3}


# ---- what is markup


def test_nothing_of_the_data_is_markup():
    table = make_table(60)
    table["Metadata_Compound"] = np.resize(HOSTILE, 60)
    table["Metadata_Plate"] = np.resize(HOSTILE[::-1], 60)
    table['Metadata_<b>"x"</b>'] = np.resize(HOSTILE, 60)
    clean = Elements(build_map(make_table(60), make_planes()).html)
    part = build_map(
        table,
        Projections(
            {"<PCA>": make_planes()["PCA"]}, axes={"<PCA>": ("<u>1</u>", "2")}, sentence="<i>said</i>"
        ),
        noun="<wells>",
        sentence="<script>x</script>",
        labels={"Archetype_0": "<em>tag</em>"},
    )
    elements = Elements(part.html)
    assert {tag for tag, _ in elements.tags} <= {tag for tag, _ in clean.tags}
    assert part.html.count("<script") == 1
    assert part.html.lower().count("</script") == 1
    values = read_column(read_payload(part), "Metadata_Compound")
    assert values.tolist() == np.resize(HOSTILE, 60).tolist()
    for attrs in (a for _, a in elements.tags):
        assert not any(name.startswith("on") for name in attrs)


def test_every_control_has_a_label_and_every_id_is_used_once():
    part = build_map(make_table(), make_planes(), name="wells", noun="wells", sentence="All are shown.")
    elements = Elements(part.html)
    assert len(set(elements.ids)) == len(elements.ids)
    assert all(name == "wells" or name.startswith("wells-") for name in elements.ids)
    depth = part.html.count("<label")
    controls = [(tag, a) for tag, a in elements.tags if tag in ("select", "input")]
    assert depth == len(controls) == 4
    for attrs in (a for _, a in elements.tags):
        for reference in ("aria-controls", "aria-describedby"):
            if reference in attrs:
                assert attrs[reference] in elements.ids
    buttons = [a for tag, a in elements.tags if tag == "button"]
    assert all(a["type"] == "button" for a in buttons)
    assert "All are shown." in "".join(elements.text)


def test_two_maps_of_one_page_share_their_script():
    first, second = (build_map(make_table(), make_planes(), name=name) for name in ("wells", "cells"))
    assert first.scripts == second.scripts
    assert first.styles == second.styles
    assert not set(Elements(first.html).ids) & set(Elements(second.html).ids)


@pytest.mark.parametrize("text", ["html", "scripts", "styles"])
def test_nothing_is_fetched(text):
    part = build_map(make_table(), make_planes())
    found = set(
        re.findall(
            r"""(?:src=|href=|url\(|@import|fetch\(|XMLHttpRequest|https?://[^\s"'`)]*)""",
            getattr(part, text),
        )
    )
    assert found <= {"http://www.w3.org/2000/svg"}  # a name space, not an address


def test_bokeh_is_text_for_one_script():
    text = bokeh_inline()
    assert "</script" not in text.lower()
    assert "sourceMappingURL" not in text
    assert 1e6 < len(text) < 3e6


def test_the_numbers_of_points():
    part = build_map(make_table(), make_planes(), n_total=1000, sentence="Shown are 60 of 1,000.")
    assert (part.n_shown, part.n_total) == (60, 1000)
    assert part.sentence == "Shown are 60 of 1,000."


# ---- errors


def test_errors_say_what_is_wrong():
    table, planes = make_table(), make_planes()
    with pytest.raises(ValueError, match=r"projections is empty"):
        build_map(table, {})
    with pytest.raises(ValueError, match=r"projections\['PCA'\] has shape \(59, 2\); the table has 60 rows"):
        build_map(table, {"PCA": planes["PCA"][1:]})
    with pytest.raises(ValueError, match=r"projections\['PCA'\] holds NaN"):
        build_map(table, {"PCA": np.full((60, 2), np.nan)})
    with pytest.raises(ValueError, match=r"name='1 map' must begin with a letter"):
        build_map(table, planes, name="1 map")
    with pytest.raises(ValueError, match=r"color='Metadata_Well' cannot color this map.*Metadata_Plate"):
        build_map(table, planes, color="Metadata_Well")
    sprites = make_sprites(np.zeros((3, 8, 8, 3), dtype=np.uint8), image_format="png", side=32)
    with pytest.raises(ValueError, match=r"thumbnails has 3 pictures for 60 rows"):
        build_map(table, planes, thumbnails=sprites)


def test_columns_can_be_named():
    described = describe_columns(make_table(), np.ones(60), columns=["Texture_Contrast"])
    assert [c.name for c in described] == ["Texture_Contrast"]


# ---- the script, where node can read it


@pytest.fixture(scope="module")
def node():
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed; the script's tests in Chromium see the same")
    return path


def run_node(node, code, names):
    static = files("archetypal_triplet.report").joinpath("static")
    source = "\n".join(static.joinpath(name).read_text("utf-8") for name in names)
    done = subprocess.run([node, "-e", f"{source}\n{code}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("plain", "plain"), ("a,b", '"a,b"'), ('say "x"', '"say ""x"""'), ("a;b", '"a;b"'), (" x", '" x"'),
        ("two\nlines", '"two\nlines"'), (None, ""), ("", ""), ("-1", "-1"), ("+1.5e-3", "+1.5e-3"),
        ("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("-2+3", "'-2+3"), ("@x", "'@x"), ("  =x", "'  =x"),
        ("\t=x", "'\t=x"), ("＝x", "'＝x"), ("=\"a,b\"", '"\'=""a,b"""'), ("α", "α"),
    ],
)  # fmt: skip
def test_cells_of_the_csv_are_quoted_and_harmless(node, cell, written):
    code = f"console.log(JSON.stringify(csvCell({json.dumps(cell)})))"
    assert run_node(node, code, ["map_data.js", "map_table.js"]) == written


def test_the_point_under_the_pointer_is_found_in_its_bucket(node):
    code = """
    let seed = 1; const random = () => ((seed = (seed * 16807) % 2147483647) / 2147483647);
    const n = 500, x = Float32Array.from({length: n}, random), y = Float32Array.from({length: n}, random);
    const buckets = new Buckets(x, y); let bad = 0;
    for (let t = 0; t < 300; t++) {
      const px = random() * 1.4 - 0.2, py = random() * 1.4 - 0.2, r = 0.01 + random() * 0.2;
      const seen = new Set(); buckets.visit(px - r, px + r, py - r, py + r, (i) => seen.add(i));
      for (let i = 0; i < n; i++) if (Math.hypot(x[i] - px, y[i] - py) < r && !seen.has(i)) bad++;
    }
    console.log(JSON.stringify(bad));
    """
    assert run_node(node, code, ["map_data.js", "map_points.js"]) == 0
