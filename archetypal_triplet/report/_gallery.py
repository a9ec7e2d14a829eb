"""Galleries: pictures of rows side by side, each with its place below."""

from archetypal_triplet.plotting import ArchetypeGalleryDisplay

N_IMAGES = 8


def name_places(rows, columns):
    """Return the place of each row as one text: what it has in the columns, such as plate, well and field."""
    return [" ".join(str(part) for part in row) for row in rows[columns].itertuples(index=False)]


def draw_gallery(writer, name, images, captions, *, alt, caption):
    """Draw pictures in one line.

    Parameters
    ----------
    writer : FigureWriter
        Draws the figure.
    name : str
        Name of its files.
    images : ndarray of shape (n, size, size, 3)
        The pictures, `N_IMAGES` at most.
    captions : list of str
        What stands below each.
    alt, caption : str
        What the figure shows.

    Returns
    -------
    Figure or Missing
        The figure.
    """

    def plot(figure):
        ArchetypeGalleryDisplay.from_images(
            [list(images)], titles=[""], captions=[captions], ax=figure.subplots()
        )

    return writer.draw(name, plot, size=(1.17 * N_IMAGES, 1.48), alt=alt, caption=caption)
