"""A map of an embedding: its two widest directions, colored by what is known of the samples."""

import numpy as np

from archetypal_triplet._utils._columns import CONTROL_TYPE
from archetypal_triplet._utils._frames import as_pandas, embedding_columns, is_frame
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._choices import (
    choose_color,
    clip_label,
    make_norm,
    project_to_plane,
    shorten_name,
    to_labels,
)
from archetypal_triplet.plotting._palette import (
    CATEGORY_COLORS,
    CONTROL_COLORS,
    CONTROL_FACE,
    CONTROL_MARKERS,
    NEUTRAL,
    OTHER,
    OTHER_COLOR,
    assign_colors,
    compute_point_style,
    is_categorical,
)


class EmbeddingMapDisplay:
    """Map of an embedding: its first two principal components, colored by one column.

    Create it by :meth:`from_table` or :meth:`from_estimator`. The projection is for looking only: distances
    in the plane are shorter than in the embedding, and the axes say how much of the variance they show.

    Text, booleans and few whole numbers are drawn in classes, with a legend that counts them; beyond
    `max_categories` the largest classes (of equally large ones those farthest from the middle) are drawn and
    the rest is "other". Other numbers are drawn on a scale from dark (low) to bright (high). Negative
    controls are squares, positive ones triangles, untreated wells diamonds; they lie on top.

    Parameters
    ----------
    coordinates : ndarray of shape (n_samples, 2)
        Places in the plane.
    explained_variance_ratio : ndarray of shape (2,), default=None
        Shares of the variance of the two axes, for their labels.
    color : array-like of shape (n_samples,), default=None
        What to color by; None draws all points alike.
    color_name : str, default=None
        What `color` is called in the legend.
    control_type : array-like of shape (n_samples,), default=None
        ``negative``, ``positive``, ``untreated`` or ``sample``; None draws no markers of controls.
    max_categories : int, default=10
        Number of classes shown, 10 at most.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the map.
    figure_ : matplotlib Figure
        The figure that holds them.
    legend_ : matplotlib Legend or None
        The legend, where there is one.
    colorbar_ : matplotlib Colorbar or None
        The color scale, where there is one.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.plotting import EmbeddingMapDisplay
    >>> profiles = make_screen(1, 2, n_replicates=2, plate_format=96, random_state=0).profiles
    >>> display = EmbeddingMapDisplay.from_table(profiles, color="Metadata_ControlType")
    >>> display.ax_.get_xlabel()[:4]
    'PC 1'
    """

    def __init__(
        self,
        coordinates,
        *,
        explained_variance_ratio=None,
        color=None,
        color_name=None,
        control_type=None,
        max_categories=10,
    ):
        self.coordinates = coordinates
        self.explained_variance_ratio = explained_variance_ratio
        self.color = color
        self.color_name = color_name
        self.control_type = control_type
        self.max_categories = max_categories

    @classmethod
    def from_table(
        cls,
        table,
        *,
        color=None,
        features=None,
        max_categories=10,
        ax=None,
        size=None,
        alpha=None,
        cmap="viridis",
        norm=None,
        legend=True,
    ):
        """Draw the map of a table with an embedding, such as ``embedding.parquet`` of a run.

        Parameters
        ----------
        table : DataFrame
            One row per sample, with ``Embedding_*`` columns (or else numeric features) and metadata.
        color : str or array-like of shape (n_samples,), default=None
            Column to color by, ``"archetype"`` for the archetype with the largest share, or one value a row;
            None takes ``Metadata_ControlType`` where it exists.
        features : list of str, default=None
            Columns of the embedding; None takes the ``Embedding_*`` columns, or where there are none all
            numeric columns that are neither metadata nor shares of archetypes.
        max_categories : int, default=10
            Number of classes shown, 10 at most.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        size : float, default=None
            Area of a point in points squared; None chooses by the number of points.
        alpha : float, default=None
            Opacity of a point, 0 to 1; None chooses by the number of points.
        cmap : str or matplotlib Colormap, default="viridis"
            Color scale of numbers.
        norm : matplotlib Normalize, default=None
            How numbers are spread over the scale; None as in :meth:`plot`.
        legend : bool, default=True
            Whether to draw the legend or the color scale.

        Returns
        -------
        display : EmbeddingMapDisplay
            The map, drawn.

        Raises
        ------
        ValueError
            If a column does not exist, or the embedding holds NaN or infinite values.
        """
        table = as_pandas(table)
        coordinates, shares = project_to_plane(table[embedding_columns(table, features)].to_numpy())
        values, name = choose_color(table, color)
        display = cls(
            coordinates,
            explained_variance_ratio=shares,
            color=values,
            color_name=name,
            control_type=np.asarray(table[CONTROL_TYPE]) if CONTROL_TYPE in table.columns else None,
            max_categories=max_categories,
        )
        return display.plot(ax=ax, size=size, alpha=alpha, cmap=cmap, norm=norm, legend=legend)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        color=None,
        max_categories=10,
        ax=None,
        size=None,
        alpha=None,
        cmap="viridis",
        norm=None,
        legend=True,
    ):
        """Draw the map of what a fitted estimator makes of samples.

        Parameters
        ----------
        estimator : fitted transformer or Pipeline
            Its `transform` gives the embedding.
        X : DataFrame or array-like of shape (n_samples, n_features)
            Samples, as `estimator` takes them.
        color : str or array-like of shape (n_samples,), default=None
            Column of the table `X` to color by, or one value a row; None takes ``Metadata_ControlType`` where
            it exists.
        max_categories : int, default=10
            Number of classes shown, 10 at most.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        size : float, default=None
            Area of a point in points squared; None chooses by the number of points.
        alpha : float, default=None
            Opacity of a point, 0 to 1; None chooses by the number of points.
        cmap : str or matplotlib Colormap, default="viridis"
            Color scale of numbers.
        norm : matplotlib Normalize, default=None
            How numbers are spread over the scale; None as in :meth:`plot`.
        legend : bool, default=True
            Whether to draw the legend or the color scale.

        Returns
        -------
        display : EmbeddingMapDisplay
            The map, drawn.

        Raises
        ------
        TypeError
            If `estimator` has no `transform`.
        ValueError
            If a column does not exist, or the embedding holds NaN or infinite values.
        """
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"estimator is a {type(estimator).__name__}, which has no transform. Pass a fitted "
                "transformer, or a Pipeline that ends in one."
            )
        coordinates, shares = project_to_plane(estimator.transform(X))
        values, name = choose_color(X, color)
        has_controls = is_frame(X) and CONTROL_TYPE in X.columns
        display = cls(
            coordinates,
            explained_variance_ratio=shares,
            color=values,
            color_name=name,
            control_type=np.asarray(X[CONTROL_TYPE]) if has_controls else None,
            max_categories=max_categories,
        )
        return display.plot(ax=ax, size=size, alpha=alpha, cmap=cmap, norm=norm, legend=legend)

    def plot(self, ax=None, *, size=None, alpha=None, cmap="viridis", norm=None, legend=True):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        size : float, default=None
            Area of a point in points squared; None chooses by the number of points.
        alpha : float, default=None
            Opacity of a point, 0 to 1; None chooses by the number of points.
        cmap : str or matplotlib Colormap, default="viridis"
            Color scale of numbers.
        norm : matplotlib Normalize, default=None
            How numbers are spread over the scale. None is logarithmic for concentrations and doses that span
            more than a factor of 30, and linear between the 1st and 99th percentile for all else.
        legend : bool, default=True
            Whether to draw the legend or the color scale.

        Returns
        -------
        display : EmbeddingMapDisplay
            The object itself.

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
        if ax is None:
            pyplot = import_optional("matplotlib.pyplot", extra="screens")
            _, ax = pyplot.subplots(figsize=(7.0, 5.0), layout="constrained")
        default_size, default_alpha = compute_point_style(len(self.coordinates))
        style = {
            "size": default_size if size is None else size,
            "alpha": default_alpha if alpha is None else alpha,
        }
        self.ax_, self.figure_ = ax, ax.figure
        self.legend_ = self.colorbar_ = None
        if self.color is None or is_categorical(self.color, self.max_categories):
            labels, colors, entries = self._compute_classes()
            self._scatter(style, c=colors, below=np.isin(labels, [*NEUTRAL, "sample"]))
        else:
            entries = []
            values = np.asarray(self.color, dtype=np.float64)
            norm = make_norm(values, self.color_name) if norm is None else norm
            if isinstance(cmap, str):
                cmap = import_optional("matplotlib", extra="screens").colormaps[cmap]
            cmap = cmap.with_extremes(bad=OTHER_COLOR)
            drawn = self._scatter(style, c=values, cmap=cmap, norm=norm, plotnonfinite=True)
            if legend:
                place = self.ax_.inset_axes([1.03, 0.0, 0.04, 0.7])  # the legend of the controls lies above
                self.colorbar_ = self.figure_.colorbar(drawn, cax=place)
                place.set_title(shorten_name(self.color_name), loc="left", fontsize="small")
                self.colorbar_.solids.set_alpha(1.0)
        if legend:
            self._draw_legend([*entries, *self._list_markers(entries)])
        self._label_axes()
        return self

    def _kinds(self):
        n = len(self.coordinates)
        kinds = (
            np.full(n, "sample") if self.control_type is None else np.asarray(self.control_type).astype(str)
        )
        return np.where(np.isin(kinds, list(CONTROL_MARKERS)), kinds, "sample")

    def _compute_classes(self):
        """Label and color of every point, and the legend's (label, color, marker) entries."""
        n = len(self.coordinates)
        if self.color is None:
            return np.full(n, OTHER), np.full(n, CATEGORY_COLORS[-1]), []
        kinds = self._kinds()
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
        entries = [
            (f"{clip_label(name)} ({counts[name]:,})", color, self._get_marker(name))
            for name, color in table.items()
            if color != CONTROL_FACE
        ]
        return labels, colors, entries

    def _get_marker(self, name):
        return CONTROL_MARKERS.get(name, "o") if self.color_name == CONTROL_TYPE else "o"

    def _list_markers(self, entries):
        """Legend entries that say which marker is which control, unless the classes are the controls."""
        kinds = self._kinds()
        if self.color_name == CONTROL_TYPE and entries:
            return []
        return [
            (f"{kind} ({(kinds == kind).sum():,})", CONTROL_FACE, marker)
            for kind, marker in CONTROL_MARKERS.items()
            if (kinds == kind).any()
        ]

    def _scatter(self, style, *, c, below=None, **options):
        """Draw samples, in random order lest one class hide another, then the controls on top."""
        kinds, drawn = self._kinds(), None
        rng = np.random.default_rng(0)
        for zorder, kind in enumerate(["sample", "untreated", "negative", "positive"], start=2):
            rows = rng.permutation(np.flatnonzero(kinds == kind))
            if below is not None:  # gray points under the colored ones
                rows = rows[np.argsort(~below[rows], kind="stable")]
            if not len(rows) and not (kind == "sample" and not len(kinds)):
                continue
            is_sample = kind == "sample"
            artist = self.ax_.scatter(
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
            drawn = drawn or artist
        return drawn

    def _draw_legend(self, entries):
        if not entries:
            return
        Line2D = import_optional("matplotlib.lines", extra="screens").Line2D
        handles = [
            Line2D(
                *([], []),
                linestyle="none",
                marker=marker,
                markersize=6,
                markerfacecolor=color,
                markeredgecolor="none" if marker == "o" else "black",
                markeredgewidth=0.6,
                label=label,
            )
            for label, color, marker in entries
        ]
        self.legend_ = self.ax_.legend(
            handles=handles,
            title=shorten_name(self.color_name) if self.colorbar_ is None else None,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            frameon=False,
            alignment="left",
            fontsize="small",
            handletextpad=0.3,
            borderaxespad=0.0,
        )

    def _label_axes(self):
        for j, set_label in enumerate([self.ax_.set_xlabel, self.ax_.set_ylabel]):
            ratio = self.explained_variance_ratio
            set_label(f"PC {j + 1}" if ratio is None else f"PC {j + 1} ({100 * ratio[j]:.0f} % of variance)")
        self.ax_.set_aspect("equal", adjustable="datalim")
        self.ax_.locator_params(nbins=5)  # narrow panels: more tick labels would touch
        self.ax_.spines[["top", "right"]].set_visible(False)
