"""The benchmark of the map's size builds the pages that it speaks of, and sees a bar that is missed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "report"))

import size


@pytest.fixture
def quick(monkeypatch):
    """Leave UMAP and Chromium out."""
    monkeypatch.setattr(size, "compute_projections", lambda embedding: {"PCA": np.asarray(embedding)[:, :2]})
    monkeypatch.setattr(size, "measure_paint", lambda path: ({"first paint": 1.0, "map drawn": 2.0}, None))


def test_the_page_holds_the_map_its_library_and_its_pictures(quick):
    page, seconds = size.build_page(60, True)
    assert page.count('<script type="text/plain" data-atm="sheet">') == 1
    assert "data:image/webp;base64," in page
    assert "Bokeh" in page
    assert list(seconds) == ["planes", "pictures", "page"]
    assert '<script type="text/plain" data-atm="sheet">' not in size.build_page(60, False)[0]


def test_pictures_are_unlike_each_other():
    pictures = size.make_pictures(5)
    assert pictures.shape == (5, 64, 64, 3)
    assert len(np.unique(pictures.reshape(5, -1), axis=0)) == 5


@pytest.mark.parametrize(
    ("bars", "missed"),
    [
        ((25.0, 60.0, 3.0), []),
        ((0.001, 60.0, 3.0), ["MB, bar 0.001"]),
        ((25.0, 60.0, 0.5), ["after 1.00 s, bar 0.5"]),
    ],
)
def test_missed_bars_are_seen(quick, tmp_path, monkeypatch, capsys, bars, missed):
    monkeypatch.setitem(size.CASES, (60, True), bars)
    found = size.run_case(60, True, tmp_path)
    assert len(found) == len(missed)
    for line, part in zip(found, missed, strict=True):
        assert part in line
    assert "first paint     1.00 s" in capsys.readouterr().out
