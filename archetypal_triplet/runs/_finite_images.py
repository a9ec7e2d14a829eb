"""Fields as features take them: every pixel a number."""

import numpy as np


class FiniteImages:
    """A stack of floats whose pixels that are no numbers (NaN, infinity) are filled as those of cells are.

    They become the median of their field and channel. A plane without any finite pixel is zeros, and counts
    as unreadable.

    Parameters
    ----------
    stack : ImageStack
        The fields.
    rows : ndarray of int or None, default=None
        Rows of `stack` that are shown; None: all.
    lost : set or None, default=None
        Where planes without a finite pixel are noted, by row of `stack` and channel.
    """

    ndim = 4

    def __init__(self, stack, rows=None, lost=None):
        self._stack, self._lost = stack, set() if lost is None else lost
        self._rows = np.arange(len(stack)) if rows is None else np.asarray(rows)
        self.shape, self.dtype = (len(self._rows), *stack.shape[1:]), stack.dtype
        self.channel_names = stack.channel_names

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, key):
        rows = self._rows[key]
        images = self._stack[np.atleast_1d(rows)]
        for row, image in zip(np.atleast_1d(rows).tolist(), images, strict=True):
            for c, plane in enumerate(image):
                finite = np.isfinite(plane)
                if finite.all():
                    continue
                plane[~finite] = np.median(plane[finite]) if finite.any() else 0
                if not finite.any():
                    self._lost.add((row, c))
        return images if np.ndim(rows) else images[0]

    def take(self, rows):
        """Return these rows, without reading them."""
        return FiniteImages(self._stack, self._rows[rows], self._lost)

    def find_flagged(self, rows):
        """Tell which planes of some rows could not be read, or hold no number, as far as they were read."""
        number = {int(self._rows[row]): int(row) for row in rows}
        found = self._stack.find_flagged(number) | {at for at in self._lost if at[0] in number}
        return {(number[row], c) for row, c in found}
