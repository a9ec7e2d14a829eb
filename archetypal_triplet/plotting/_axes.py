"""What all displays do alike: where to draw, the legend beside it, room for labels."""

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._palette import OTHER_COLOR

_LABEL_POINTS = 40.0  # what labels take of a cell, at least
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
    """Width and height in points that axes have, or where a layout engine is still to come may get."""
    figure, place = ax.figure, ax.get_subplotspec()
    if place is not None and ax.figure.get_layout_engine() is not None:
        grid = place.get_gridspec()
        cells = np.array([len(place.colspan) / grid.ncols, len(place.rowspan) / grid.nrows])
        return np.array([figure.bbox.width, figure.bbox.height]) * cells * 72.0 / figure.dpi - _LABEL_POINTS
    box = ax.get_window_extent()
    return np.array([box.width, box.height]) * 72.0 / figure.dpi


def choose_step(n, room, needed):
    """Every how many of `n` labels is written so that each has `needed` points of `room`."""
    pitch = room / max(n, 1)
    for step in (1, 2, 4, 8, 16):
        if step * pitch >= needed:
            return step
    return max(n, 1)


def choose_extend(values, norm):
    """Tell on which sides of a color scale values lie outside of it: "neither", "min", "max" or "both"."""
    values = values[np.isfinite(values) & ~find_off_scale(values, norm)]
    if norm.vmin is None or not len(values):
        return "neither"
    below, above = (values < norm.vmin).any(), (values > norm.vmax).any()
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[int(below), int(above)]


def find_off_scale(values, norm):
    """Tell which values have no place on a logarithmic scale: zero, and what is below."""
    if type(norm).__name__ != "LogNorm":
        return np.zeros(np.shape(values), dtype=bool)
    return values <= 0


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


def split_axes(ax, n, figsize):
    """Divide axes among `n` panels side by side.

    Parameters
    ----------
    ax : matplotlib Axes or None
        What is divided; None makes a new figure.
    n : int
        Number of panels.
    figsize : tuple of float
        Size of a new figure in inches.

    Returns
    -------
    ax : matplotlib Axes
        What was divided; it is not drawn any more.
    axes : ndarray of matplotlib Axes of shape (n,)
        The panels.
    """
    ax = get_axes(ax, figsize)
    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:  # axes put somewhere by hand
        pitch = 1.0 / n
        panels = [ax.inset_axes([i * pitch + 0.15 * pitch, 0.0, 0.85 * pitch, 1.0]) for i in range(n)]
    else:
        grid = place.subgridspec(1, n)
        panels = [ax.figure.add_subplot(grid[0, i]) for i in range(n)]
    return ax, np.array(panels, dtype=object)
