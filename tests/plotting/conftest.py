"""Comparison of figures with those that a person has looked at."""

import os
from pathlib import Path

import pytest

BASELINE = Path(__file__).parent / "baseline"
RENEW = "RENEW_BASELINE"  # environment variable, as baseline/SOURCE says
# root mean square difference in gray levels, of 256; between matplotlib 3.10.0 and 3.11.2 it is at most 0.2
TOLERANCE = 1.0


@pytest.fixture
def make_axes():
    """Axes at a fixed place in a small figure of their own, with matplotlib's own defaults."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    def make(width=4.0, height=2.6, position=(0.08, 0.08, 0.72, 0.84)):
        figure = Figure(figsize=(width, height), dpi=60)
        return figure.add_subplot(position=position)

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield make


@pytest.fixture
def find_difference(make_axes, tmp_path):
    """Compare a figure, without its texts and legends, with baseline/NAME.png; None where they are alike.

    How letters are drawn differs between versions of matplotlib; what they say is for other tests.
    """
    from matplotlib.legend import Legend
    from matplotlib.testing.compare import compare_images
    from matplotlib.text import Text

    def find(figure, name, *, may_renew=True):
        for artist in figure.findobj(lambda artist: isinstance(artist, Text | Legend)):
            artist.set_visible(False)
        expected = BASELINE / f"{name}.png"
        if os.environ.get(RENEW) and may_renew:
            figure.savefig(expected, metadata={"Software": None})
            return None
        assert expected.exists(), f"There is no {expected.name}: make it as {BASELINE / 'SOURCE'} says."
        drawn = tmp_path / f"{name}.png"
        figure.savefig(drawn)
        return compare_images(expected, drawn, tol=TOLERANCE)

    return find
