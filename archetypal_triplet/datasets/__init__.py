"""Data with known truth, and loaders of real screens."""

from archetypal_triplet.datasets._archetypes import make_archetypes
from archetypal_triplet.datasets._loaders import (
    load_bbbc013,
    load_bbbc016,
    load_bbbc021,
    load_cardiac_fibroblasts,
)
from archetypal_triplet.datasets._screen import make_screen
from archetypal_triplet.datasets._write_screen import write_screen

__all__ = [
    "load_bbbc013",
    "load_bbbc016",
    "load_bbbc021",
    "load_cardiac_fibroblasts",
    "make_archetypes",
    "make_screen",
    "write_screen",
]
