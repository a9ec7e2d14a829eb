"""A map of an embedding: its two widest directions, colored by what is known of the samples."""

from archetypal_triplet._utils._frames import as_pandas, embedding_columns
from archetypal_triplet.plotting._axes import get_axes
from archetypal_triplet.plotting._choices import choose_color, project_to_plane, take_control_type
from archetypal_triplet.plotting._points import PointCloud


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
            control_type=take_control_type(table),
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
        display = cls(
            coordinates,
            explained_variance_ratio=shares,
            color=values,
            color_name=name,
            control_type=take_control_type(X),
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
        self.ax_ = get_axes(ax, (7.0, 5.0))
        self.figure_ = self.ax_.figure
        cloud = PointCloud(
            self.coordinates, self.color, self.color_name, self.control_type, self.max_categories
        )
        self.legend_, self.colorbar_ = cloud.draw(
            self.ax_, size=size, alpha=alpha, cmap=cmap, norm=norm, legend=legend
        )
        self._label_axes()
        return self

    def _label_axes(self):
        for j, set_label in enumerate([self.ax_.set_xlabel, self.ax_.set_ylabel]):
            ratio = self.explained_variance_ratio
            set_label(f"PC {j + 1}" if ratio is None else f"PC {j + 1} ({100 * ratio[j]:.0f} % of variance)")
        self.ax_.set_aspect("equal", adjustable="datalim")
        self.ax_.locator_params(nbins=5)  # narrow panels: more tick labels would touch
        self.ax_.spines[["top", "right"]].set_visible(False)
