"""A plate as a heat map: one square a well, controls marked, effects of position named."""

import numpy as np

from archetypal_triplet._utils._columns import CONTROL_TYPE, PLATE, WELL
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import row_letters
from archetypal_triplet.plotting._axes import (
    MUTED,
    choose_extend,
    choose_step,
    draw_legend,
    draw_side_legend,
    find_off_scale,
    get_axes,
    get_cmap,
    get_size,
    keep_beside,
    make_marker,
)
from archetypal_triplet.plotting._choices import clip_label, make_norm, shorten_name
from archetypal_triplet.plotting._palette import (
    CONTROL_COLORS,
    CONTROL_FACE,
    CONTROL_MARKERS,
    MISSING,
    OTHER_COLOR,
    assign_colors,
    to_kinds,
)
from archetypal_triplet.plotting._plate_grid import MAX_CLASSES, read_effects, read_grid

MAX_P = 0.05
_LETTER_POINTS = 6.0  # of a title
_ROUND_PLATE = (70.0, 20.0)  # points that the color scale and the legend of controls take
_MAX_VECTOR_WELLS = 384  # more wells are drawn as pixels, lest an SVG grow by a path a well


class PlateHeatmapDisplay:
    """Heat map of one plate, in any format from 6 to 1536 wells.

    Create it by :meth:`from_table`. Row A is at the top. Numbers are drawn on a scale from dark (low) to
    bright (high), text and few whole numbers in classes with a legend. Controls are framed and carry the
    marker of their kind in all figures of this package: negative a square, positive a triangle, untreated a
    diamond. Wells that the table does not have are hatched; those that it has without a value are gray with
    a cross. Effects of position with p below 0.05 are written at the side that they concern: rows at the
    left, columns and the edge at the top, and a dashed line marks the edge off.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_columns)
        What is shown; NaN, None and "missing" have no value.
    name : str, default=None
        What `values` are called.
    title : str, default=None
        Name of the plate, as written above it.
    is_measured : array-like of bool of shape (n_rows, n_columns), default=None
        Where the plate was measured; None takes all wells with a value.
    control_type : array-like of str of shape (n_rows, n_columns), default=None
        ``negative``, ``positive``, ``untreated``; any other text is no control.
    effects : dict of str to float, default=None
        Values of p of the effects of ``row``, ``column`` and ``edge``, as far as they were tested.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the plate.
    figure_ : matplotlib Figure
        The figure that holds them.
    legend_ : matplotlib Legend or None
        The legend of classes, where there are classes.
    markers_legend_ : matplotlib Legend or None
        The legend of controls and missing wells below the plate, where there are any.
    colorbar_ : matplotlib Colorbar or None
        The color scale, where there are numbers.

    See Also
    --------
    archetypal_triplet.qc.compute_position_effects : Tests for effects of position.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.plotting import PlateHeatmapDisplay
    >>> profiles = make_screen(1, 2, n_replicates=2, plate_format=96, random_state=0).profiles
    >>> display = PlateHeatmapDisplay.from_table(profiles, "Metadata_Count_Cells", plate="Plate01")
    >>> display.values.shape
    (8, 12)
    """

    def __init__(self, values, *, name=None, title=None, is_measured=None, control_type=None, effects=None):
        self.values = values
        self.name = name
        self.title = title
        self.is_measured = is_measured
        self.control_type = control_type
        self.effects = effects

    @classmethod
    def from_table(
        cls,
        table,
        column,
        *,
        plate=None,
        plate_column=PLATE,
        well_column=WELL,
        control_column=CONTROL_TYPE,
        plate_format=None,
        effects=None,
        ax=None,
        cmap="viridis",
        norm=None,
        legend=True,
    ):
        """Draw one column of a table of wells, such as ``wells.parquet`` of a run.

        Parameters
        ----------
        table : DataFrame
            Wells, one row or several (fields, cells) each. Numbers are averaged over the rows of a well; of
            text, booleans and whole numbers of at most 10 kinds the most frequent one is drawn.
        column : str
            The column to draw.
        plate : str, default=None
            Name of the plate; None draws the only plate, or the mean of all (each plate counts once).
        plate_column : str, default="Metadata_Plate"
            Column that names the plate.
        well_column : str, default="Metadata_Well"
            Column that names the well: "A01", "a1", "AF48".
        control_column : str, default="Metadata_ControlType"
            Column that says which wells are controls; where this default does not exist, or with None, no
            controls are marked.
        plate_format : int, default=None
            Number of wells of the plate (6, 12, 24, 48, 96, 384, 1536); None takes the smallest plate that
            holds all wells of the table.
        effects : DataFrame or dict of str to float, default=None
            Table of `compute_position_effects` with wells of one kind, of which the rows of this plate
            (without `plate` those of all together), and where every column was tested those of `column` are
            taken; or p by effect, as ``{"row": 0.2, "edge": 0.001}``.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        cmap : str or matplotlib Colormap, default="viridis"
            Color scale of numbers.
        norm : matplotlib Normalize, default=None
            How numbers are spread over the scale; None as in :meth:`plot`. Pass one to make plates
            comparable.
        legend : bool, default=True
            Whether to draw the legends or the color scale.

        Returns
        -------
        display : PlateHeatmapDisplay
            The plate, drawn.

        Raises
        ------
        ValueError
            If a column or the plate does not exist, a name is no well or lies outside of `plate_format`, or
            `effects` cannot be read.
        """
        grid = read_grid(
            table,
            column,
            plate=plate,
            plate_column=plate_column,
            well_column=well_column,
            control_column=control_column,
            plate_format=plate_format,
        )
        display = cls(
            grid.values,
            name=column,
            title=grid.title,
            is_measured=grid.is_measured,
            control_type=grid.control_type,
            effects=read_effects(effects, column, plate),
        )
        return display.plot(ax, cmap=cmap, norm=norm, legend=legend)

    def plot(self, ax=None, *, cmap="viridis", norm=None, legend=True):
        """Draw the plate.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        cmap : str or matplotlib Colormap, default="viridis"
            Color scale of numbers.
        norm : matplotlib Normalize, default=None
            How numbers are spread over the scale. None is logarithmic for concentrations and doses that span
            more than a factor of 30, and linear between the 1st and 99th percentile for all else.
        legend : bool, default=True
            Whether to draw the legends or the color scale.

        Returns
        -------
        display : PlateHeatmapDisplay
            The object itself.

        Raises
        ------
        ValueError
            If `values` is no grid.
        """
        values = np.asarray(self.values)
        if values.ndim != 2 or not values.size:
            raise ValueError(f"values has shape {values.shape}; rows x columns of a plate are needed.")
        self.ax_ = get_axes(ax, (7.0, 4.8))
        self.figure_ = self.ax_.figure
        self.legend_ = self.colorbar_ = self.markers_legend_ = None
        if values.dtype.kind in "fiu":
            entries, has_value = self._draw_numbers(values, get_cmap(cmap), norm, legend)
        else:
            entries, has_value = self._draw_classes(values.astype(str), legend)
        entries = [*self._draw_controls(values.shape), *entries]
        entries += self._draw_missing(has_value)
        self._set_up(values.shape)
        self._write_effects(values.shape)
        if legend and entries:
            self._draw_markers_legend(entries)
        return self

    def _draw_cells(self, cells, **options):
        n_rows, n_columns = cells.shape[:2]
        is_large = n_rows * n_columns > _MAX_VECTOR_WELLS
        if not is_large:
            style = {"color": "white", "linewidth": min(0.6, self._well_points((n_rows, n_columns)) / 25)}
            for at in np.arange(1, n_rows) - 0.5:
                self.ax_.axhline(at, zorder=1.5, **style)
            for at in np.arange(1, n_columns) - 0.5:
                self.ax_.axvline(at, zorder=1.5, **style)
        return self.ax_.pcolormesh(
            np.arange(n_columns + 1) - 0.5,
            np.arange(n_rows + 1) - 0.5,
            cells,
            edgecolors="none",
            rasterized=is_large,
            zorder=1,
            **options,
        )

    def _draw_numbers(self, values, cmap, norm, legend):
        values = values.astype(np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        has_value = ~np.isnan(values)
        norm = make_norm(values[has_value], self.name) if norm is None else norm
        drawn = self._draw_cells(np.ma.masked_invalid(values), cmap=cmap, norm=norm)
        if legend and has_value.any():
            place, side = self.ax_.inset_axes([1.03, 0.0, 0.04, 1.0]), self._well_points(values.shape)
            extend = choose_extend(values, norm)
            self.colorbar_ = self.figure_.colorbar(drawn, cax=place, extend=extend)
            width = max(int(side * len(values) / _LETTER_POINTS), 12)
            self.colorbar_.set_label(clip_label(shorten_name(self.name), width))
        n_off = int(find_off_scale(values, norm).sum())
        return [make_marker(f"zero ({n_off:,})", OTHER_COLOR, "s")] if n_off else [], has_value

    def _draw_classes(self, labels, legend):
        pd = import_optional("pandas", extra="screens")
        has_value = ~(pd.isna(self.values) | np.isin(labels, ["", MISSING]))
        kinds = to_kinds(self.control_type, labels.shape)[has_value]
        if self.name == CONTROL_TYPE:
            shown = kinds
            colors = {kind: color for kind, color in CONTROL_COLORS.items() if (shown == kind).any()}
        else:
            is_control, strength = kinds != "sample", np.zeros(has_value.sum())
            is_control &= not is_control.all()  # nothing would be left to color
            shown, colors = assign_colors(labels[has_value], is_control, strength, MAX_CLASSES)
        to_rgba = import_optional("matplotlib.colors", extra="screens").to_rgba
        cells = np.full((*labels.shape, 4), to_rgba(OTHER_COLOR))
        cells[has_value] = [to_rgba(colors[label]) for label in shown]
        self._draw_cells(cells)
        names, counts = np.unique(shown, return_counts=True)
        counts = dict(zip(names, counts, strict=True))
        handles = [
            make_marker(f"{clip_label(name)} ({counts[name]:,})", color, "s")
            for name, color in colors.items()
            if color != CONTROL_FACE  # their marker names them
        ]
        if legend:
            self.legend_ = draw_side_legend(self.ax_, handles, clip_label(shorten_name(self.name)))
        return [], has_value

    def _well_points(self, shape):
        """Side of a well in points, about."""
        return max(float(((get_size(self.ax_) - _ROUND_PLATE) / shape[::-1]).min()), 1.0)

    def _draw_controls(self, shape):
        """Frame the controls and put their marker into them."""
        kinds, side, handles = to_kinds(self.control_type, shape), self._well_points(shape), []
        width = float(np.clip(side / 14.0, 0.4, 1.4))
        for kind, marker in CONTROL_MARKERS.items():
            rows, columns = np.nonzero(kinds == kind)
            if not len(rows):
                continue
            self._draw_squares(rows, columns, 0.42, fill=False, edgecolor="white", linewidth=2.2 * width)
            self._draw_squares(rows, columns, 0.42, fill=False, edgecolor="black", linewidth=width)
            self.ax_.scatter(
                columns,
                rows,
                s=min(0.32 * side, 10.0) ** 2,
                marker=marker,
                facecolors=CONTROL_FACE,
                edgecolors="black",
                linewidths=0.6 * width,
                zorder=4,
            )
            handles.append(make_marker(f"{kind} ({len(rows):,})", CONTROL_FACE, marker, edge="black"))
        return handles

    def _draw_squares(self, rows, columns, half, **options):
        """Draw squares around wells as one shape."""
        path = import_optional("matplotlib.path", extra="screens").Path
        patches = import_optional("matplotlib.patches", extra="screens")
        corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
        vertices = (np.stack([columns, rows], axis=1)[:, None, :] + corners).reshape(-1, 2)
        codes = np.tile([path.MOVETO, *[path.LINETO] * 3, path.CLOSEPOLY], len(rows))
        self.ax_.add_patch(patches.PathPatch(path(vertices, codes), zorder=3, **options))

    def _draw_missing(self, has_value):
        is_measured = has_value if self.is_measured is None else np.asarray(self.is_measured, dtype=bool)
        patches = import_optional("matplotlib.patches", extra="screens")
        handles = []
        rows, columns = np.nonzero(is_measured & ~has_value)
        if len(rows):
            side = self._well_points(has_value.shape)
            self.ax_.scatter(
                columns,
                rows,
                s=min(0.35 * side, 12.0) ** 2,
                marker="x",
                c="black",
                linewidths=np.clip(side / 20, 0.5, 1.5),
                zorder=5,
            )
            handles.append(make_marker(f"no value ({len(rows):,})", "black", "x", edge="black"))
        rows, columns = np.nonzero(~is_measured)
        if len(rows):
            style = {"facecolor": "white", "edgecolor": "#BDBDBD", "hatch": "////", "linewidth": 0.0}
            self._draw_squares(rows, columns, 0.5, **style)
            handles.append(patches.Patch(**style, label=f"not measured ({len(rows):,})"))
        return handles

    def _set_up(self, shape):
        n_rows, n_columns = shape
        ax, side = self.ax_, self._well_points(shape)
        ax.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5), aspect="equal", anchor="NW")
        step = choose_step(n_rows, side * n_rows, 9.0)
        rows = np.arange(0, n_rows, step)
        ax.set_yticks(rows, [row_letters(row) for row in rows])
        step = choose_step(n_columns, side * n_columns, 13.0)
        columns = np.arange(0, n_columns, step)
        ax.set_xticks(columns, [str(column + 1) for column in columns])
        ax.tick_params(length=0, pad=2, labelsize="small", labeltop=True, labelbottom=False)
        ax.tick_params(top=False, bottom=False)
        ax.grid(False)  # lines through the middle of wells
        ax.spines[:].set(color="#8C8C8C", linewidth=0.6)

    def _write_effects(self, shape):
        found = {name: p for name, p in (self.effects or {}).items() if p < MAX_P}
        texts = {name: f"{name.capitalize()} effect, p {_format_p(p)}" for name, p in found.items()}
        ax, style = self.ax_, {"fontsize": "small", "color": MUTED}
        parts = [self.title]
        if self.legend_ is None and self.colorbar_ is None:  # which would name the column
            parts.append(shorten_name(self.name))
        width = int(max(shape[1] * self._well_points(shape) / _LETTER_POINTS, 12))
        title = clip_label(": ".join(part for part in parts if part), width)
        if "row" in found:
            ax.set_ylabel(texts["row"], **style)
            ax.spines["left"].set(color="black", linewidth=2.5)
        at_top = [texts[name] for name in ("column", "edge") if name in found]
        if at_top:
            is_wide = sum(map(len, at_top)) + 2 < width
            ax.xaxis.set_label_position("top")
            ax.set_xlabel(("; " if is_wide else "\n").join(at_top), **style)
        if "column" in found:
            ax.spines["top"].set(color="black", linewidth=2.5)
        if "edge" in found and min(shape) > 2:
            patches = import_optional("matplotlib.patches", extra="screens")
            inside = {"fill": False, "linewidth": 1.5, "zorder": 2.5}
            size = (shape[1] - 2, shape[0] - 2)
            ax.add_patch(patches.Rectangle((0.5, 0.5), *size, edgecolor="white", **inside))
            ax.add_patch(
                patches.Rectangle((0.5, 0.5), *size, edgecolor="black", linestyle=(0, (4, 3)), **inside)
            )
        ax.set_title(title, loc="left", fontsize="medium")

    def _draw_markers_legend(self, handles):
        side_legend = self.legend_
        width = get_size(self.ax_)[0] - _ROUND_PLATE[0]
        self.markers_legend_ = draw_legend(
            self.ax_,
            handles,
            loc="upper left",
            bbox_to_anchor=(0.0, -0.01),
            ncols=int(np.clip(width // 85, 1, len(handles))),
            handletextpad=0.4,
            columnspacing=1.2,
            borderaxespad=0.2,
            borderpad=0.0,
        )
        if side_legend is not None:  # the second legend of axes replaces the first
            keep_beside(self.ax_, side_legend)


def _format_p(p):
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
