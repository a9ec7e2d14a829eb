"""Samples between archetypes: a polygon whose corners are archetypes."""

import textwrap

import numpy as np

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX
from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, count_of
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.plotting._axes import MUTED, get_axes, get_size
from archetypal_triplet.plotting._choices import choose_color, clip_label, take_control_type
from archetypal_triplet.plotting._points import PointCloud

MAX_CORNERS = 12
_LINE_COLOR = "#BDBDBD"
_LABEL_AT = 1.06  # radius of the names of the corners
_LABEL_WIDTH = 14  # letters of a line
_LETTER_POINTS = 5.4
_MIN_RADIUS_POINTS = 60.0
_LEGEND_POINTS = 120.0  # what a legend will take from the axes


class SimplexDisplay:
    """Mixtures of archetypes in a polygon: every archetype is a corner.

    Create it by :meth:`from_table` or :meth:`from_estimator`. A sample lies at the mean of the corners,
    weighted by its shares (the coefficients of archetypal analysis): alone in a corner it is that archetype,
    on an edge a mixture of two, in the middle one of many. With three archetypes each place is one mixture;
    with more, different mixtures may share a place, so that what lies apart differs but what lies together
    need not be alike. Neighboring corners are archetypes that occur together, which keeps mixtures off the
    middle. Where shares do not add up to 1, or archetypes are not shown, the rest pulls to the middle.

    Colors and markers are those of :class:`EmbeddingMapDisplay`.

    Parameters
    ----------
    shares : array-like of shape (n_samples, n_archetypes)
        Shares of the archetypes, not negative; rows with NaN are left out.
    names : list of str, default=None
        Names of the archetypes; None numbers them from 0.
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
        The axes with the polygon.
    figure_ : matplotlib Figure
        The figure that holds them.
    corners_ : ndarray of shape (n_shown, 2)
        Where the archetypes shown lie: 12 at most, those with the largest mean shares.
    order_ : ndarray of shape (n_shown,)
        Which archetype each corner is.
    coordinates_ : ndarray of shape (n_samples, 2)
        Where the samples lie; NaN for those left out.
    legend_ : matplotlib Legend or None
        The legend, where there is one.
    colorbar_ : matplotlib Colorbar or None
        The color scale, where there is one.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from archetypal_triplet.plotting import SimplexDisplay
    >>> shares = np.random.default_rng(0).dirichlet(np.ones(4), 100)
    >>> table = pd.DataFrame(shares).add_prefix("Archetype_")
    >>> display = SimplexDisplay.from_table(table, color="Archetype_0")
    >>> display.coordinates_.shape
    (100, 2)
    """

    def __init__(
        self, shares, *, names=None, color=None, color_name=None, control_type=None, max_categories=10
    ):
        self.shares = shares
        self.names = names
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
        archetypes=None,
        names=None,
        max_categories=10,
        ax=None,
        size=None,
        alpha=None,
        cmap="viridis",
        norm=None,
        legend=True,
    ):
        """Draw the shares of a table, such as ``embedding.parquet`` or ``wells.parquet`` of a run.

        Parameters
        ----------
        table : DataFrame
            One row per sample, with ``Archetype_*`` columns and metadata.
        color : str or array-like of shape (n_samples,), default=None
            Column to color by, ``"archetype"`` for the archetype with the largest share, or one value a row;
            None takes ``Metadata_ControlType`` where it exists.
        archetypes : str or list of str, default=None
            Columns of shares; None takes the ``Archetype_*`` columns.
        names : list of str, default=None
            Names of the archetypes at the corners; None takes those of the columns.
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
            How numbers are spread over the scale; None as in :meth:`EmbeddingMapDisplay.plot`.
        legend : bool, default=True
            Whether to draw the legend or the color scale.

        Returns
        -------
        display : SimplexDisplay
            The polygon, drawn.

        Raises
        ------
        ValueError
            If a column does not exist, there are no shares, or one is negative.
        """
        table = as_pandas(table)
        if archetypes is None:
            archetypes = [c for c in table.columns if str(c).startswith(ARCHETYPE_PREFIX)]
        archetypes = as_names(archetypes)
        check_columns_exist(table, archetypes, parameter="archetypes")
        values, name = choose_color(table, color)
        display = cls(
            table[archetypes].to_numpy(dtype=np.float64, na_value=np.nan),
            names=archetypes if names is None else names,
            color=values,
            color_name=name,
            control_type=take_control_type(table),
            max_categories=max_categories,
        )
        return display.plot(ax, size=size, alpha=alpha, cmap=cmap, norm=norm, legend=legend)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        color=None,
        names=None,
        max_categories=10,
        ax=None,
        size=None,
        alpha=None,
        cmap="viridis",
        norm=None,
        legend=True,
    ):
        """Draw what a fitted archetypal analysis makes of samples.

        Parameters
        ----------
        estimator : fitted ArchetypalAnalysis, or Pipeline that ends in one
            Its `transform` gives the shares.
        X : DataFrame or array-like of shape (n_samples, n_features)
            Samples, as `estimator` takes them.
        color : str or array-like of shape (n_samples,), default=None
            Column of the table `X` to color by, or one value a row; None takes ``Metadata_ControlType`` where
            it exists.
        names : list of str, default=None
            Names of the archetypes; None numbers them from 0.
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
            How numbers are spread over the scale; None as in :meth:`EmbeddingMapDisplay.plot`.
        legend : bool, default=True
            Whether to draw the legend or the color scale.

        Returns
        -------
        display : SimplexDisplay
            The polygon, drawn.

        Raises
        ------
        TypeError
            If `estimator` has no `transform`.
        ValueError
            If a column does not exist, or what `transform` returns are no shares.
        """
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"estimator is a {type(estimator).__name__}, which has no transform. Pass a fitted "
                "ArchetypalAnalysis, or a Pipeline that ends in one."
            )
        values, name = choose_color(X, color)
        display = cls(
            np.asarray(estimator.transform(X), dtype=np.float64),
            names=names,
            color=values,
            color_name=name,
            control_type=take_control_type(X),
            max_categories=max_categories,
        )
        return display.plot(ax, size=size, alpha=alpha, cmap=cmap, norm=norm, legend=legend)

    def plot(self, ax=None, *, size=None, alpha=None, cmap="viridis", norm=None, legend=True):
        """Draw the polygon.

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
            How numbers are spread over the scale; None as in :meth:`EmbeddingMapDisplay.plot`.
        legend : bool, default=True
            Whether to draw the legend or the color scale.

        Returns
        -------
        display : SimplexDisplay
            The object itself.

        Raises
        ------
        ValueError
            If there are no shares, one is negative, a row adds up to more than 1, or `names` are not as many
            as archetypes.
        """
        shares, names = self._check()
        is_whole = np.isfinite(shares).all(axis=1)
        self.order_ = order_corners(shares[is_whole])
        n = len(self.order_)
        self.corners_ = place_corners(n)
        self.coordinates_ = shares[:, self.order_] @ self.corners_
        if n == 2:  # on a line they would hide each other
            self.coordinates_[:, 1] = np.random.default_rng(0).uniform(-0.1, 0.1, len(shares))
        self.ax_ = get_axes(ax, (7.0, 4.0))
        self.figure_ = self.ax_.figure
        self._draw_polygon()
        self._write_names([names[i] for i in self.order_], legend)
        cloud = PointCloud(
            self.coordinates_[is_whole],
            None if self.color is None else np.asarray(self.color)[is_whole],
            self.color_name,
            None if self.control_type is None else np.asarray(self.control_type)[is_whole],
            self.max_categories,
        )
        self.legend_, self.colorbar_ = cloud.draw(
            self.ax_, size=size, alpha=alpha, cmap=cmap, norm=norm, legend=legend, colorbar_height=0.6
        )
        self._write_notes(shares.shape[1] - n, int((~is_whole).sum()))
        self.ax_.set(aspect="equal", anchor="NW")
        self.ax_.set_axis_off()
        return self

    def _check(self):
        shares = np.asarray(self.shares, dtype=np.float64)
        if shares.ndim != 2 or not shares.shape[1]:
            raise ValueError(
                f"shares has shape {shares.shape}; samples x archetypes are needed, such as the "
                f"{ARCHETYPE_PREFIX}* columns of a run or what ArchetypalAnalysis.transform returns."
            )
        sums = shares.sum(axis=1)
        if (shares < -1e-6).any() or (sums > 1.001).any():
            raise ValueError(
                f"shares lie between {np.nanmin(shares):.3g} and {np.nanmax(shares):.3g} and add up to "
                f"{np.nanmax(sums):.3g} at most; shares of archetypes are not negative and add up to 1. Name "
                "the columns of shares, or divide each row by its sum."
            )
        names = (
            [f"{ARCHETYPE_PREFIX}{i}" for i in range(shares.shape[1])] if self.names is None else self.names
        )
        if len(names) != shares.shape[1]:
            raise ValueError(f"names has {len(names)} entries for {shares.shape[1]} archetypes.")
        return shares, names

    def _draw_polygon(self):
        closed = np.vstack([self.corners_, self.corners_[:1]])
        style = {"color": _LINE_COLOR, "zorder": 1}
        for part in (0.5, 1.0):
            self.ax_.plot(*(part * closed).T, linewidth=1.0 if part == 1 else 0.6, **style)
        for corner in self.corners_:
            self.ax_.plot(*np.stack([corner * 0, corner]).T, linewidth=0.6, linestyle=(0, (2, 3)), **style)

    def _write_names(self, names, legend):
        """Names at the corners, and limits of the axes that hold them, lest they run into a legend."""
        lines = [_break_lines(name) for name in names]
        needed = _LETTER_POINTS * max(len(line) for label in lines for line in label)
        size = get_size(self.ax_) - np.array([_LEGEND_POINTS * legend, 0.0])
        unit = max(min(size[0] / 2 - needed, size[1] / 2.3), _MIN_RADIUS_POINTS) / _LABEL_AT
        x_limit = _LABEL_AT + needed / unit
        low, high = self.corners_[:, 1].min() - 0.2, self.corners_[:, 1].max() + 0.2
        self.ax_.set(xlim=(-x_limit, x_limit), ylim=(low, high))
        for corner, label in zip(self.corners_, lines, strict=True):
            x, y = corner * _LABEL_AT if len(names) > 1 else (0.0, 0.03)
            self.ax_.annotate(
                "\n".join(label),
                (x, y),
                ha="center" if abs(x) < 0.2 else "left" if x > 0 else "right",
                va="center" if abs(y) < 0.2 and len(names) > 1 else "bottom" if y > 0 else "top",
                fontsize="small",
                annotation_clip=False,
            )

    def _write_notes(self, n_hidden, n_left_out):
        notes = []
        if n_hidden:
            notes.append(f"{count_of(n_hidden, 'archetype')} with the smallest shares not shown")
        if len(self.order_) == 2:
            notes.append("height says nothing")
        if n_left_out:
            notes.append(f"{count_of(n_left_out, 'sample')} without shares left out")
        if notes:
            self.ax_.text(
                *(0.0, -0.03),
                "; ".join(notes),
                transform=self.ax_.transAxes,
                fontsize="small",
                color=MUTED,
                va="top",
            )


def _break_lines(name):
    """Lines of a name; they are broken before dollars are escaped, lest a break fall in between."""
    plain = clip_label(name, 2 * _LABEL_WIDTH - 2).replace(r"\$", "$")
    return [clip_label(line, _LABEL_WIDTH) for line in textwrap.wrap(plain, _LABEL_WIDTH)] or [""]


def place_corners(n):
    """Corners of a regular polygon, the first at the top, then clockwise; two lie left and right."""
    if n == 1:
        return np.zeros((1, 2))
    if n == 2:
        return np.array([[-1.0, 0.0], [1.0, 0.0]])
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.sin(angles), np.cos(angles)], axis=1)


def order_corners(shares):
    """Choose the archetypes that are shown, and lay those that occur together side by side.

    Parameters
    ----------
    shares : ndarray of shape (n_samples, n_archetypes)
        Without NaN.

    Returns
    -------
    ndarray of int of shape (n_shown,)
        The archetypes with the largest mean shares, 12 at most, in their order around the polygon: no
        reversal of a stretch makes the sum of ``shares[:, i] @ shares[:, j]`` of neighbors larger.
    """
    means = shares.mean(axis=0) if len(shares) else np.zeros(shares.shape[1])
    shown = np.sort(np.argsort(-means, kind="stable")[:MAX_CORNERS])
    n = len(shown)
    together = shares[:, shown].T @ shares[:, shown]
    order = np.arange(n)
    improved = n > 3
    while improved:
        improved = False
        for i in range(n - 2):
            for j in range(i + 2, n if i else n - 1):
                a, b, c, d = order[i], order[i + 1], order[j], order[(j + 1) % n]
                gain = together[a, c] + together[b, d] - together[a, b] - together[c, d]
                if gain > 1e-9 * max(together.max(), 1e-300):
                    order[i + 1 : j + 1] = order[i + 1 : j + 1][::-1]
                    improved = True
    return shown[order]
