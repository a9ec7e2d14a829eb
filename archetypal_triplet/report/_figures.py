"""Figures of a report: written as PNG and SVG, and shown in the page as the smaller of the two."""

import base64
import io

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.report._file_names import safe_name
from archetypal_triplet.report._parts import Figure, Missing

# a picture of many marks is smaller in pixels than in paths
MAX_SVG_BYTES = 120_000
DPI = 110
DPI_FILE = 200
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "archetypal_triplet",  # the same figure has the same file
    "figure.facecolor": "white",
}


def make_grid(figure, n, shape, **options):
    """Give a figure `n` axes in so many rows and columns; the end of the last row may stay empty."""
    axes = figure.subplots(*shape, squeeze=False, **options).ravel()
    for ax in axes[n:]:
        ax.remove()
    return axes[:n]


class FigureWriter:
    """Draws figures and keeps their files in one folder.

    Parameters
    ----------
    folder : Path
        Where ``NAME.png`` and ``NAME.svg`` go.
    """

    def __init__(self, folder):
        self.folder = folder

    def draw(self, name, plot, *, size, alt, caption=""):
        """Draw one figure.

        Parameters
        ----------
        name : str
            Name of its files.
        plot : callable
            Takes an empty matplotlib Figure and draws into it.
        size : tuple of float
            Width and height in inches.
        alt, caption : str
            What it shows.

        Returns
        -------
        Figure or Missing
            With the picture inside; the reason, where the data do not allow the figure.
        """
        matplotlib = import_optional("matplotlib", extra="report")
        figures = import_optional("matplotlib.figure", extra="report")
        with matplotlib.rc_context(_STYLE):
            figure = figures.Figure(figsize=size, layout="constrained")
            try:
                plot(figure)
            except ValueError as error:  # one figure that cannot be drawn must not take the page with it
                return Missing(f"Figure {name}", str(error))
            return self.keep(name, figure, alt=alt, caption=caption)

    def keep(self, name, figure, *, alt, caption=""):
        """Write a figure that is drawn, in the style of `draw`, whose arguments and result these are."""
        name = safe_name(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        vector, pixels = io.BytesIO(), io.BytesIO()
        figure.savefig(vector, format="svg", metadata={"Date": None})
        figure.set_layout_engine("none")  # it is laid out now
        figure.savefig(pixels, format="png", dpi=DPI_FILE, metadata={"Software": None})
        (self.folder / f"{name}.svg").write_bytes(vector.getvalue())
        (self.folder / f"{name}.png").write_bytes(pixels.getvalue())
        width = round(figure.get_size_inches()[0] * DPI)
        shown, kind = vector.getvalue(), "svg+xml"
        if len(shown) > max(MAX_SVG_BYTES, 1.3 * pixels.getbuffer().nbytes):
            shown, kind = pixels.getvalue(), "png"
        source = f"data:image/{kind};base64,{base64.b64encode(shown).decode()}"
        return Figure(name=name, source=source, alt=alt, caption=caption, width=width)
