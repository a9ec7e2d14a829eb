"""Images of archetypes: one row an archetype, its purest images side by side."""

import numpy as np

from archetypal_triplet.plotting._axes import MUTED, get_axes
from archetypal_triplet.plotting._choices import clip_label

_GAP = 0.06  # between images, in widths of an image
_LINE_POINTS = 9.0
_INCHES = 0.85  # an image in a figure of our own


class ArchetypeGalleryDisplay:
    """Gallery of images, one row for each archetype.

    Create it by :meth:`from_images`. Images are shown as they are, pixel by pixel and all at the same scale:
    contrast and colors are the caller's, and can only be compared where they are the same for all. Smaller
    images lie in the middle of their place.

    Parameters
    ----------
    images : list of list of ndarray of uint8
        For each archetype its images, each (height, width) in gray or (height, width, 3) in red, green, blue;
        a row may be empty.
    titles : list of str, default=None
        What stands at the left of each row; None numbers the archetypes from 0, as their columns are.
    subtitles : list of str, default=None
        A second, smaller line (or lines) below each title, such as the share on controls.
    captions : list of list of str, default=None
        What stands below each image, such as its well.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with all images.
    figure_ : matplotlib Figure
        The figure that holds them.
    images_ : list of matplotlib AxesImage
        The images drawn, row by row.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.plotting import ArchetypeGalleryDisplay
    >>> crops = np.random.default_rng(0).integers(0, 255, (2, 5, 32, 32, 3), dtype=np.uint8)
    >>> display = ArchetypeGalleryDisplay.from_images(crops, titles=["Bright", "Round"])
    >>> len(display.images_)
    10
    """

    def __init__(self, images, *, titles=None, subtitles=None, captions=None):
        self.images = images
        self.titles = titles
        self.subtitles = subtitles
        self.captions = captions

    @classmethod
    def from_images(cls, images, *, titles=None, subtitles=None, captions=None, ax=None, max_images=None):
        """Draw images, such as the crops with the largest share of each archetype.

        Parameters
        ----------
        images : list of list of ndarray of uint8
            For each archetype its images, each (height, width) in gray or (height, width, 3) in red, green,
            blue; a row may be empty. An array (n_archetypes, n_images, height, width[, 3]) will do.
        titles : list of str, default=None
            What stands at the left of each row; None numbers the archetypes from 0, as their columns are.
        subtitles : list of str, default=None
            A second, smaller line (or lines) below each title, such as the share on controls.
        captions : list of list of str, default=None
            What stands below each image, such as its well.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, whose size grows with the number of images.
        max_images : int, default=None
            How many images of a row are shown at most; None shows all.

        Returns
        -------
        display : ArchetypeGalleryDisplay
            The gallery, drawn.

        Raises
        ------
        ValueError
            If there is no image at all, one is not of type uint8 or has another shape, or titles, subtitles
            or captions are not as many as rows.
        """
        return cls(images, titles=titles, subtitles=subtitles, captions=captions).plot(
            ax, max_images=max_images
        )

    def plot(self, ax=None, *, max_images=None):
        """Draw the gallery.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, whose size grows with the number of images.
        max_images : int, default=None
            How many images of a row are shown at most; None shows all.

        Returns
        -------
        display : ArchetypeGalleryDisplay
            The object itself.

        Raises
        ------
        ValueError
            If there is no image at all, one is not of type uint8 or has another shape, or titles, subtitles
            or captions are not as many as rows.
        """
        if max_images is not None and max_images < 1:
            raise ValueError(f"max_images={max_images} is below 1. Pass None to show all.")
        rows = [[_check_image(image, i) for image in row] for i, row in enumerate(self.images)]
        rows = [row[:max_images] for row in rows]
        n_columns = max((len(row) for row in rows), default=0)
        if not n_columns:
            raise ValueError(f"images holds no image in {len(rows)} rows: there is nothing to show.")
        titles = [f"Archetype_{i}" for i in range(len(rows))] if self.titles is None else self.titles
        for name, given in (("titles", titles), ("subtitles", self.subtitles), ("captions", self.captions)):
            if given is not None and len(given) != len(rows):
                raise ValueError(
                    f"{name} has {len(given)} entries for {len(rows)} rows of images. Pass one for each row."
                )
        height = max(image.shape[0] for row in rows for image in row)
        width = max(image.shape[1] for row in rows for image in row)
        pitch = width * (1 + _GAP), height + width * (_GAP if self.captions is None else 0.3)
        inches = n_columns * _INCHES + 2.0, len(rows) * _INCHES * pitch[1] / width + 0.2
        self.ax_ = get_axes(ax, inches)
        self.figure_ = self.ax_.figure
        self.images_ = []
        for i, row in enumerate(rows):
            self._draw_row(i, row, (height, width), pitch)
        total = n_columns * pitch[0] - width * _GAP, len(rows) * pitch[1] - width * _GAP
        self.ax_.set(xlim=(0, total[0]), ylim=(total[1], 0), aspect="equal", anchor="NW")
        self._write_titles(titles, height, pitch[1])
        return self

    def _draw_row(self, i, row, size, pitch):
        for j, image in enumerate(row):
            h, w = image.shape[:2]
            left, top = j * pitch[0] + (size[1] - w) / 2, i * pitch[1] + (size[0] - h) / 2
            self.images_.append(
                self.ax_.imshow(
                    np.broadcast_to(image[..., None], (h, w, 3)) if image.ndim == 2 else image,
                    extent=(left, left + w, top + h, top),
                    interpolation="antialiased",
                    origin="upper",
                )
            )
            captions = None if self.captions is None else self.captions[i]
            if captions is not None and j < len(captions):
                self.ax_.annotate(
                    clip_label(str(captions[j]), 14),
                    (j * pitch[0] + size[1] / 2, i * pitch[1] + size[0]),
                    xytext=(0, -1),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize="x-small",
                    color=MUTED,
                )
        if not row:
            place = (0, i * pitch[1] + size[0] / 2)
            self.ax_.text(*place, "no image", va="center", fontsize="small", color=MUTED, style="italic")

    def _write_titles(self, titles, height, pitch):
        """Titles at the left of the rows, as labels of the axis so that they get room."""
        ax = self.ax_
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
        ax.spines[:].set_visible(False)
        for i, title in enumerate(titles):
            subtitle = "" if self.subtitles is None else str(self.subtitles[i])
            lines = [clip_label(line, 36) for line in subtitle.split("\n") if line.strip()]
            shift = _LINE_POINTS * len(lines) / 2  # title and lines lie around the middle of the row
            style = {
                "xy": (0, i * pitch + height / 2),
                "textcoords": "offset points",
                "ha": "right",
                "annotation_clip": False,
            }
            ax.annotate(clip_label(title), xytext=(-8, shift), va="center", fontsize="medium", **style)
            if lines:
                place = (-8, shift - 0.75 * _LINE_POINTS)
                text = "\n".join(lines)
                ax.annotate(text, xytext=place, va="top", fontsize="x-small", color=MUTED, **style)


def _check_image(image, row):
    image = np.asarray(image)
    is_image = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not is_image or not image.size:
        raise ValueError(
            f"images[{row}] holds an array of type {image.dtype} and shape {image.shape}; uint8 of shape "
            "(height, width) or (height, width, 3) is needed. Scale all images alike before: contrast chosen "
            "image by image makes them look alike."
        )
    return image
