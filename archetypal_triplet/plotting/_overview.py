"""The picture of a run: one map of the embedding, several colorings."""

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX, COMPOUND, CONTROL_TYPE
from archetypal_triplet._utils._frames import as_pandas, embedding_columns
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.plotting._choices import (
    DOMINANT_ARCHETYPE,
    choose_color,
    clip_label,
    project_to_plane,
    shorten_name,
    take_control_type,
)
from archetypal_triplet.plotting._embedding_map import EmbeddingMapDisplay

_PANEL_INCHES = (5.9, 4.6)
_MAX_COLUMNS = 3


def _choose_panels(table, color):
    panels = []
    if CONTROL_TYPE in table.columns:
        panels.append(CONTROL_TYPE)
    if any(str(c).startswith(ARCHETYPE_PREFIX) for c in table.columns):
        panels.append(DOMINANT_ARCHETYPE)
    if color is None:
        extra = [COMPOUND] if COMPOUND in table.columns else []
    else:
        extra = [color] if isinstance(color, str) else list(color)
    panels += [name for name in extra if name not in panels]
    return panels or [None]


def plot_run_overview(table, *, color=None, path=None):
    """Draw the map of a run in panels: control type, dominant archetype, and further columns.

    All panels show the same plane, the first two principal components of the embedding.

    Parameters
    ----------
    table : DataFrame
        One row per sample, with ``Embedding_*`` columns; the panels of control type and dominant archetype
        are drawn where ``Metadata_ControlType`` and ``Archetype_*`` columns exist.
    color : str or list of str, default=None
        Further columns, one panel each; None takes ``Metadata_Compound`` where it exists.
    path : str or path-like, default=None
        Where to save the figure, as the ending says (.png, .pdf, .svg); None does not save.

    Returns
    -------
    figure : matplotlib Figure
        Independent of pyplot: it is neither shown nor remembered.

    Raises
    ------
    ValueError
        If a column does not exist, or the embedding holds NaN or infinite values.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.plotting import plot_run_overview
    >>> profiles = make_screen(1, 2, n_replicates=2, plate_format=96, random_state=0).profiles
    >>> figure = plot_run_overview(profiles, color=["Metadata_Plate", "Metadata_Count_Cells"])
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['Control type', 'Plate', 'Count_Cells']
    """
    table = as_pandas(table)
    figure_module = import_optional("matplotlib.figure", extra="screens")
    coordinates, shares = project_to_plane(table[embedding_columns(table)].to_numpy())
    control_type = take_control_type(table)
    panels = _choose_panels(table, color)
    n_columns = min(len(panels), _MAX_COLUMNS)
    n_rows = -(-len(panels) // n_columns)
    width, height = _PANEL_INCHES
    figure = figure_module.Figure(figsize=(width * n_columns, height * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.remove()
    for ax, panel in zip(axes, panels, strict=False):
        values, name = choose_color(table, panel)
        display = EmbeddingMapDisplay(
            coordinates,
            explained_variance_ratio=shares,
            color=values,
            color_name=name,
            control_type=control_type,
        ).plot(ax)
        if display.legend_ is not None:
            display.legend_.set_title(None)  # the panel's title says it
        if display.colorbar_ is not None:
            display.colorbar_.ax.set_title("", loc="left")
        title = "Control type" if name == CONTROL_TYPE else clip_label(shorten_name(name), 40)
        ax.set_title(title, loc="left")
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
