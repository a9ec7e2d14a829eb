"""How the training of a triplet network went."""

import math

import numpy as np

from archetypal_triplet._utils._frames import as_pandas, check_columns_exist, is_frame
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._spread import COLLAPSED_SPREAD
from archetypal_triplet.plotting._axes import MUTED, split_axes
from archetypal_triplet.plotting._palette import CATEGORY_COLORS

_COLOR = CATEGORY_COLORS[5]


class TrainingDisplay:
    """Curves of a training: loss, share of active triplets, spread of the embedding.

    Create it by :meth:`from_estimator` or :meth:`from_table`. A dashed line in the loss is what it would be
    if all samples lay in one point (the margin); below the dashed line of the spread the embedding counts as
    collapsed where the loss is there as well. A loss that falls says that the network learns the labels it
    is given, and nothing of whether these labels are worth it.

    Parameters
    ----------
    history : dict of str to array-like
        ``step`` and at least one of ``loss``, ``active``, ``spread`` and ``valid_score``, of equal length.
    loss_at_a_point : float, default=None
        Loss when all samples lie in one point; None draws no line.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each curve, in the order loss, active triplets, spread, validation, as far as there are such.
    ax_ : matplotlib Axes
        The axes whose place they share; its own frame is not drawn.
    figure_ : matplotlib Figure
        The figure that holds them.
    is_collapsed_ : bool
        Whether the last record is that of a collapsed embedding.

    Examples
    --------
    >>> from archetypal_triplet.plotting import TrainingDisplay
    >>> history = {"step": [20, 40, 60], "loss": [0.19, 0.12, 0.08], "active": [0.9, 0.6, 0.4]}
    >>> display = TrainingDisplay.from_table(history, margin=0.2)
    >>> [ax.get_title(loc="left") for ax in display.axes_]
    ['Loss', 'Active triplets']
    """

    def __init__(self, history, *, loss_at_a_point=None):
        self.history = history
        self.loss_at_a_point = loss_at_a_point

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted embedder.

        Parameters
        ----------
        estimator : fitted TripletEmbedder, or Pipeline or search that ends in one
            Its `history_` is drawn.
        ax : matplotlib Axes, default=None
            Where to draw, divided among the curves; None makes a new figure.

        Returns
        -------
        display : TrainingDisplay
            The curves, drawn.

        Raises
        ------
        TypeError
            If there is no fitted embedder with a history.
        ValueError
            If its history is empty, as after loading from a model folder.
        """
        embedder = _find_embedder(estimator)
        if not len(embedder.history_):
            raise ValueError(
                "history_ is empty: a model that was loaded from its folder does not remember its training. "
                "Draw it before it is stored, or keep history_ as a table and use from_table."
            )
        margin = None if embedder.criterion is not None else embedder.margin
        return cls.from_table(embedder.history_, margin=margin, ax=ax)

    @classmethod
    def from_table(cls, table, *, margin=None, ax=None):
        """Draw a history that was kept.

        Parameters
        ----------
        table : DataFrame, dict of array-like, or list of dict
            What `TripletEmbedder.history_` holds: ``step``, ``loss``, ``active``, ``spread`` and perhaps
            ``valid_score``; other columns are not drawn.
        margin : float or "soft", default=None
            The embedder's margin, from which the loss of a collapsed embedding follows; None draws no line.
        ax : matplotlib Axes, default=None
            Where to draw, divided among the curves; None makes a new figure.

        Returns
        -------
        display : TrainingDisplay
            The curves, drawn.

        Raises
        ------
        ValueError
            If there is no record, no column ``step``, or none of the curves, or `margin` is another text.
        """
        pd = import_optional("pandas", extra="screens")
        if isinstance(margin, str) and margin != "soft":
            raise ValueError(f"margin={margin!r} is neither a number nor 'soft'. Pass the embedder's.")
        frame = as_pandas(table) if is_frame(table) else pd.DataFrame(table)
        if not len(frame):
            raise ValueError("The history has no records: there is nothing to draw.")
        check_columns_exist(frame, ["step"], parameter="table")
        names = ["step", *(name for name in _CURVES if name in frame.columns)]
        at_a_point = math.log(2) if margin == "soft" else margin
        history = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names}
        return cls(history, loss_at_a_point=at_a_point).plot(ax)

    def plot(self, ax=None):
        """Draw the curves side by side.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, divided among the curves; None makes a new figure.

        Returns
        -------
        display : TrainingDisplay
            The object itself.

        Raises
        ------
        ValueError
            If the history holds none of the curves, or not as many values as steps.
        """
        history = {name: np.asarray(self.history[name], dtype=np.float64) for name in self.history}
        if len({values.shape for values in history.values()}) > 1 or "step" not in history:
            shapes = ", ".join(f"{name} {values.shape}" for name, values in history.items())
            raise ValueError(f"history holds {shapes}; step, and one value of each curve a step, are needed.")
        curves = [name for name in _CURVES if name in history and np.isfinite(history[name]).any()]
        if not curves:
            raise ValueError(
                f"history holds none of {', '.join(_CURVES)}, or only NaN. Pass history_ of a "
                "TripletEmbedder."
            )
        self.ax_, self.axes_ = split_axes(ax, len(curves), (3.2 * len(curves), 2.9))
        self.figure_ = self.ax_.figure
        self.is_collapsed_ = self._judge(history)
        for panel, name in zip(self.axes_, curves, strict=True):
            self._draw_curve(panel, name, history)
        return self

    def _judge(self, history):
        if self.loss_at_a_point is None or not {"loss", "spread"} <= set(history):
            return False
        is_at_a_point = abs(history["loss"][-1] - self.loss_at_a_point) <= 0.05 * self.loss_at_a_point
        return bool(is_at_a_point and history["spread"][-1] < COLLAPSED_SPREAD)

    def _draw_curve(self, ax, name, history):
        steps, values = history["step"], history[name]
        is_known = np.isfinite(values)
        marker = "o" if is_known.sum() < 8 else None
        ax.plot(steps[is_known], values[is_known], color=_COLOR, linewidth=1.6, marker=marker, markersize=4)
        title, low, high = _CURVES[name]
        top = max(values[is_known].max(), self.loss_at_a_point or 0.0) if name == "loss" else high
        line, text = self._get_line(name)
        if line is not None:
            ax.axhline(line, color="black", linewidth=1.0, linestyle=(0, (4, 3)))
            ax.annotate(
                text,
                (1.0, line),
                xycoords=("axes fraction", "data"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize="x-small",
                color=MUTED,
            )
        if name == "spread" and self.is_collapsed_:
            title = "Spread: collapsed"
        low = min(low, values[is_known].min())
        ax.set_ylim(low, max(low + 1.1 * (top - low), low + 1e-9))
        ax.set_title(title, loc="left", fontsize="medium")
        ax.set_xlabel("Step")
        ax.locator_params(axis="x", nbins=5, integer=True)
        ax.spines[["top", "right"]].set_visible(False)

    def _get_line(self, name):
        if name == "loss" and self.loss_at_a_point is not None:
            return self.loss_at_a_point, "all in one point"
        if name == "spread":
            return COLLAPSED_SPREAD, "collapsed below"
        return None, None


# title, and the range that is always shown
_CURVES = {
    "loss": ("Loss", 0.0, None),
    "active": ("Active triplets", 0.0, 1.0),
    "spread": ("Spread of the embedding", 0.0, 1.0),
    "valid_score": ("Triplets in order, held out", 0.5, 1.0),
}


def _find_embedder(estimator):
    if hasattr(estimator, "history_"):
        return estimator
    if hasattr(estimator, "best_estimator_"):
        return _find_embedder(estimator.best_estimator_)
    for _, step in reversed(getattr(estimator, "steps", [])):
        if hasattr(step, "history_"):
            return step
    raise TypeError(
        f"estimator is a {type(estimator).__name__} without history_. Pass a fitted TripletEmbedder, or "
        "a fitted Pipeline or search that ends in one."
    )
