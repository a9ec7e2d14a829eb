"""What all displays do alike: where to draw, the legend beside it, room for labels."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._palette import OTHER_COLOR

MUTED = "#4D4D4D"  # of what explains and is not data; 8:1 on white


def get_axes(ax, figsize):
    """Return `ax`, or where it is None the axes of a new figure of this size in inches."""
    if ax is None:
        pyplot = import_optional("matplotlib.pyplot", extra="screens")
        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    return ax


def get_cmap(cmap):
    """Return the color scale by its name or as it is, gray for what has no place on it."""
    if isinstance(cmap, str):
        cmap = import_optional("matplotlib", extra="screens").colormaps[cmap]
    return cmap.with_extremes(bad=OTHER_COLOR)


def get_size(ax):
    """Width and height of axes in points, as laid out so far."""
    box = ax.get_window_extent()
    return np.array([box.width, box.height]) * 72.0 / ax.figure.dpi


def choose_step(n, room, needed):
    """Every how many of `n` labels is written so that each has `needed` points of `room`."""
    pitch = room / max(n, 1)
    for step in (1, 2, 4, 8, 16):
        if step * pitch >= needed:
            return step
    return max(n, 1)


def choose_extend(values, norm):
    """Tell on which sides of a color scale values lie outside of it: "neither", "min", "max" or "both"."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if norm.vmin is None or not len(values):
        return "neither"
    if getattr(norm, "vmin", 0) > 0 and type(norm).__name__ == "LogNorm":
        values = values[values > 0]
    below, above = (values < norm.vmin).any(), (values > norm.vmax).any()
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[int(below), int(above)]


def make_marker(label, color, marker="o", *, edge="none"):
    """Entry of a legend: a marker without a line."""
    Line2D = import_optional("matplotlib.lines", extra="screens").Line2D
    return Line2D(
        *([], []),
        linestyle="none",
        marker=marker,
        markersize=6,
        markerfacecolor=color,
        markeredgecolor=edge,
        markeredgewidth=0.6 if marker != "x" else 1.0,
        label=label,
    )


def draw_legend(ax, handles, **options):
    """Draw a legend whose labels may begin with an underscore, which matplotlib would leave out."""
    labels = [handle.get_label() for handle in handles]
    legend = ax.legend(handles, ["-"] * len(handles), frameon=False, fontsize="small", **options)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)
    return legend


def draw_side_legend(ax, handles, title=None):
    """Draw a legend to the right of axes, and return it; None without handles."""
    if not handles:
        return None
    return draw_legend(
        ax,
        handles,
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        alignment="left",
        handletextpad=0.3,
        borderaxespad=0.0,
    )


def keep_beside(ax, artist):
    """Add an artist to axes that lies outside of them and is given room by the layout."""
    ax.add_artist(artist).set_clip_on(False)
