"""Points of samples in a plane, colored by what is known of them, with their legend."""

from dataclasses import dataclass

import numpy as np

from archetypal_triplet._utils._columns import CONTROL_TYPE
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._axes import (
    choose_extend,
    draw_side_legend,
    find_off_scale,
    get_cmap,
    make_marker,
)
from archetypal_triplet.plotting._choices import clip_label, make_norm, shorten_name, to_labels
from archetypal_triplet.plotting._palette import (
    CATEGORY_COLORS,
    CONTROL_COLORS,
    CONTROL_FACE,
    CONTROL_MARKERS,
    MISSING,
    NEUTRAL,
    OTHER,
    OTHER_COLOR,
    assign_colors,
    compute_point_style,
    is_categorical,
    to_kinds,
)


@dataclass
class PointCloud:
    """Samples in a plane.

    Attributes
    ----------
    coordinates : ndarray of shape (n_samples, 2)
        Places.
    color : array-like of shape (n_samples,) or None
        What to color by; None draws all points alike.
    color_name : str or None
        What that is called.
    control_type : array-like of shape (n_samples,) or None
        Kinds of controls, which have markers of their own.
    max_categories : int
        Number of classes that get a color.
    """

    coordinates: np.ndarray
    color: np.ndarray | None
    color_name: str | None
    control_type: np.ndarray | None
    max_categories: int

    def draw(self, ax, *, size, alpha, cmap, norm, legend, colorbar_height=0.7):
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes
            Where.
        size, alpha : float or None
            Area (points squared) and opacity of a point; None chooses by the number of points.
        cmap : str or matplotlib Colormap
            Color scale of numbers.
        norm : matplotlib Normalize or None
            How numbers are spread over the scale.
        legend : bool
            Whether to draw the legend or the color scale.
        colorbar_height : float, default=0.7
            Height of the color scale in axes; the legend of the controls lies above.

        Returns
        -------
        legend : matplotlib Legend or None
            Where there is one.
        colorbar : matplotlib Colorbar or None
            Where there is one.

        Raises
        ------
        ValueError
            If `max_categories` is not between 1 and 10.
        """
        if not 1 <= self.max_categories <= len(CATEGORY_COLORS):
            raise ValueError(
                f"max_categories={self.max_categories} is not between 1 and {len(CATEGORY_COLORS)}: more "
                "classes cannot be told apart by color."
            )
        default_size, default_alpha = compute_point_style(len(self.coordinates))
        style = {
            "size": default_size if size is None else size,
            "alpha": default_alpha if alpha is None else alpha,
        }
        kinds, colorbar = to_kinds(self.control_type, len(self.coordinates)), None
        if self.color is None or is_categorical(self.color, self.max_categories):
            labels, colors, handles = self._compute_classes(kinds)
            self._scatter(ax, kinds, style, c=colors, below=np.isin(labels, [*NEUTRAL, "sample"]))
        else:
            handles = []
            values = np.asarray(self.color, dtype=np.float64)
            norm = make_norm(values, self.color_name) if norm is None else norm
            self._scatter(ax, kinds, style, c=values, cmap=get_cmap(cmap), norm=norm, plotnonfinite=True)
            if legend:
                place = ax.inset_axes([1.03, 0.0, 0.04, colorbar_height])
                extend = choose_extend(values, norm)
                # of the points the colors only: the scale is opaque
                colors = import_optional("matplotlib.cm", extra="screens").ScalarMappable(
                    norm, get_cmap(cmap)
                )
                colorbar = ax.figure.colorbar(colors, cax=place, extend=extend)
                place.set_title(clip_label(shorten_name(self.color_name)), loc="left", fontsize="small")
            off_scale = find_off_scale(values, norm)
            for what, n in (("zero", off_scale.sum()), (MISSING, (~np.isfinite(values)).sum())):
                handles += [make_marker(f"{what} ({n:,})", OTHER_COLOR)] if n else []
        if not legend:
            return None, None
        title = clip_label(shorten_name(self.color_name)) if colorbar is None else None
        return draw_side_legend(ax, [*handles, *self._list_markers(kinds, handles)], title), colorbar

    def _compute_classes(self, kinds):
        """Label and color of every point, and entries of the legend."""
        n = len(self.coordinates)
        if self.color is None:
            return np.full(n, OTHER), np.full(n, CATEGORY_COLORS[-1]), []
        if self.color_name == CONTROL_TYPE:
            labels = kinds
            table = {k: CONTROL_COLORS[k] for k in (*CONTROL_MARKERS, "sample") if (kinds == k).any()}
        else:
            strength = np.linalg.norm(self.coordinates - np.median(self.coordinates, axis=0), axis=1)
            labels, table = assign_colors(
                to_labels(self.color, self.color_name), kinds != "sample", strength, self.max_categories
            )
        names, codes = np.unique(labels, return_inverse=True)
        colors = np.array([table[name] for name in names])[codes]
        counts = dict(zip(names, np.bincount(codes), strict=True))
        handles = [
            self._make_handle(f"{clip_label(name)} ({counts[name]:,})", color, name)
            for name, color in table.items()
            if color != CONTROL_FACE
        ]
        return labels, colors, handles

    def _make_handle(self, label, color, name):
        marker = CONTROL_MARKERS.get(name, "o") if self.color_name == CONTROL_TYPE else "o"
        return make_marker(label, color, marker, edge="none" if marker == "o" else "black")

    def _list_markers(self, kinds, handles):
        """Entries that say which marker is which control, unless the classes are the controls."""
        if self.color_name == CONTROL_TYPE:
            return []
        return [
            make_marker(f"{kind} ({(kinds == kind).sum():,})", CONTROL_FACE, marker, edge="black")
            for kind, marker in CONTROL_MARKERS.items()
            if (kinds == kind).any()
        ]

    def _scatter(self, ax, kinds, style, *, c, below=None, **options):
        """Draw samples, in random order lest one class hide another, then the controls on top."""
        rng = np.random.default_rng(0)
        for zorder, kind in enumerate(["sample", "untreated", "negative", "positive"], start=2):
            rows = rng.permutation(np.flatnonzero(kinds == kind))
            if below is not None:  # gray points under the colored ones
                rows = rows[np.argsort(~below[rows], kind="stable")]
            if not len(rows) and not (kind == "sample" and not len(kinds)):
                continue
            is_sample = kind == "sample"
            ax.scatter(
                *self.coordinates[rows].T,
                c=c[rows],
                s=style["size"] * (1.0 if is_sample else 1.6),
                alpha=style["alpha"] if is_sample else min(1.0, style["alpha"] + 0.1),
                marker=CONTROL_MARKERS.get(kind, "o"),
                linewidths=0.0 if is_sample else min(0.5, 0.1 * np.sqrt(style["size"])),
                edgecolors="none" if is_sample else "black",
                zorder=zorder,
                rasterized=True,
                **options,
            )
