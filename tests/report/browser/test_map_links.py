"""Two maps on one page: what is chosen on one is shown on the other, by plate and well."""

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.report._map import bokeh_inline, build_map

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tables():
    """Wells A01 to A06 of two plates, and five cells in each of them, but none in A06."""
    wells = pd.DataFrame(
        [(plate, f"A{k:02d}") for plate in ("P1", "P2") for k in range(1, 7)],
        columns=["Metadata_Plate", "Metadata_Well"],
    )
    cells = wells[wells["Metadata_Well"] != "A06"].iloc[np.repeat(np.arange(10), 5)].reset_index(drop=True)
    return {"wells": wells, "cells": cells.iloc[::-1].reset_index(drop=True)}


@pytest.fixture
def page(browser, tables, tmp_path):
    rng = np.random.default_rng(0)
    parts = {
        noun: build_map(table, {"PCA": rng.normal(size=(len(table), 2))}, name=noun, noun=noun)
        for noun, table in tables.items()
    }
    path = tmp_path / "maps.html"
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Maps</title>"
        f"<style>{parts['wells'].styles}</style><body><h1>Maps</h1>{parts['wells'].html}{parts['cells'].html}<script>{bokeh_inline()}</script>"
        f"<script>{parts['wells'].scripts}</script>",
        encoding="utf-8",
    )
    browser.open(path)
    browser.wait_for("document.querySelectorAll('.atm[data-map=ready]').length === 2", what="maps")
    return browser


def test_wells_are_shown_on_the_map_of_cells(page, tables):
    page.js("archetypalMaps.wells.select([2, 7])")  # P1 A03 and P2 A02
    page.wait_for("document.querySelector('#wells [data-show-on=cells]')", what="button")
    page.click_on("#wells [data-show-on=cells]")
    chosen = page.wait_for("archetypalMaps.cells.selection.length && archetypalMaps.cells.selection")
    cells = tables["cells"].iloc[chosen]
    found = sorted(set(zip(cells["Metadata_Plate"], cells["Metadata_Well"], strict=True)))
    assert found == [("P1", "A03"), ("P2", "A02")]
    assert len(chosen) == 10
    assert page.js("return archetypalMaps.wells.selection") == [2, 7]


def test_cells_are_shown_on_the_map_of_wells(page, tables):
    page.js("archetypalMaps.cells.select([0, 1, 49])")
    page.wait_for("document.querySelector('#cells [data-show-on=wells]')", what="button")
    page.click_on("#cells [data-show-on=wells]")
    chosen = page.wait_for("archetypalMaps.wells.selection.length && archetypalMaps.wells.selection")
    assert tables["wells"].iloc[chosen].to_numpy().tolist() == [["P1", "A01"], ["P2", "A05"]]


def test_a_well_without_cells_is_said(page):
    page.js("archetypalMaps.wells.select([5])")
    page.wait_for("document.querySelector('#wells [data-show-on=cells]')", what="button")
    page.click_on("#wells [data-show-on=cells]")
    page.wait_for(
        "document.querySelector('#wells [data-atm=status]').textContent.startsWith('None of their wells')"
    )
    assert page.js("return archetypalMaps.cells.selection") == []
