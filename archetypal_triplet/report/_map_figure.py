"""The drawing surface of a map: Bokeh's glyphs and tools without data, which the page's script fills in."""

import json
import re

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._palette import CONTROL_MARKERS, OTHER_COLOR, compute_point_style

_SHAPES = {"s": "square", "^": "triangle", "D": "diamond", "o": "circle"}
_POINT = 1.3 * 96 / 72  # CSS pixels of a typographic point, on a map that is larger than a printed panel
_CONTROL_GROWTH = 1.3
_FADED = 0.18  # opacity of what is not selected, as a share of the usual
_HIGHLIGHT = "#D81B60"
# from the lowest to the topmost: what has no class of its own, samples, controls
LAYERS = ("other", "sample", *sorted(CONTROL_MARKERS, key=["untreated", "negative", "positive"].index))


def make_figure(n_points, height):
    """Return the figure of a map as Bokeh's JSON, and the style of its points.

    Parameters
    ----------
    n_points : int
        Number of points, which decides on their size and opacity.
    height : int
        Height in pixels.

    Returns
    -------
    item : dict
        What ``Bokeh.embed.embed_item`` takes. Its models are found by name: ``points`` (the source),
        ``layer-*`` (renderers), ``view-*`` (filters that say which rows a layer draws), ``colors`` (the
        mapper), ``found`` (source of the rings around what was searched), ``tool-*``. The same input gives
        the same text.
    style : dict
        ``size`` (pixels) and ``alpha`` of a point.
    """
    models = import_optional("bokeh.models", extra="report")
    plotting = import_optional("bokeh.plotting", extra="report")
    embed = import_optional("bokeh.embed", extra="report")
    area, alpha = compute_point_style(n_points)
    size = round(area**0.5 * _POINT, 2)
    plot = plotting.figure(
        name="map",
        height=height,
        sizing_mode="stretch_both",
        output_backend="webgl",
        tools=_make_tools(models),
        toolbar_location=None,
        x_range=models.Range1d(-1, 1),
        y_range=models.Range1d(-1, 1),
        x_axis_location=None,
        y_axis_location=None,
        min_border=0,
        outline_line_color=None,
        background_fill_color="#FFFFFF",
    )
    plot.center = []
    plot.title = None
    plot.toolbar.active_drag = plot.select_one({"name": "tool-pan"})
    plot.toolbar.active_scroll = None
    points = models.ColumnDataSource({"x": [], "y": [], "c": []}, name="points")
    colors = models.LinearColorMapper(
        palette=[OTHER_COLOR], low=0, high=1, nan_color=OTHER_COLOR, name="colors"
    )
    for layer in LAYERS:
        _add_layer(plot, models, points, colors, layer, size, alpha)
    _add_rings(plot, models, size + 9)
    return _rename(embed.json_item(plot)), {"size": size, "alpha": round(alpha, 3)}


def _make_tools(models):
    return [
        models.PanTool(name="tool-pan"),
        models.WheelZoomTool(name="tool-wheel"),
        models.BoxZoomTool(name="tool-zoom", match_aspect=True),
        models.BoxSelectTool(name="tool-box"),
        models.LassoSelectTool(name="tool-lasso", continuous=False),
    ]


def _add_layer(plot, models, points, colors, layer, size, alpha):
    is_control = layer in CONTROL_MARKERS
    line = {"line_color": None}
    if is_control:  # thinner around small points, lest the outline hide the color
        line = {"line_color": "#000000", "line_width": round(min(0.7, 0.1 * size), 2)}
    opacity = min(1.0, alpha + 0.1) if is_control else alpha
    # both named, so that they are models whose size the page can change
    shown = {f"selection_{kind}_alpha": opacity for kind in ("fill", "line")}
    faded = {f"nonselection_{kind}_alpha": _FADED * opacity for kind in ("fill", "line")}
    rows = models.IndexFilter([], name=f"view-{layer}")
    renderer = plot.scatter(
        "x",
        "y",
        source=points,
        view=models.CDSView(filter=rows),
        size=round(size * (_CONTROL_GROWTH if is_control else 1.0), 2),
        marker=_SHAPES[CONTROL_MARKERS.get(layer, "o")],
        fill_color={"field": "c", "transform": colors},
        fill_alpha=opacity,
        line_alpha=opacity if is_control else 0.0,
        **line,
        **shown,
        **faded,
    )
    renderer.name = f"layer-{layer}"


def _add_rings(plot, models, size):
    """Rings in color over white, which show on any ground; nothing that can be selected."""
    source = models.ColumnDataSource({"x": [], "y": []}, name="found")
    for color, width in (("#FFFFFF", 4.5), (_HIGHLIGHT, 2.0)):
        plot.scatter("x", "y", source=source, size=size, fill_color=None, line_color=color, line_width=width)


def _rename(item):
    """Number Bokeh's models from 1, lest the page depend on what else this process has drawn."""
    text = json.dumps(item)
    found = {}
    return json.loads(
        re.sub(r'"p\d+"', lambda match: f'"m{found.setdefault(match[0], len(found) + 1)}"', text)
    )
