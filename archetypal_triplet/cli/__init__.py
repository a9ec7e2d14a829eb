"""The command archetypal-triplet: it parses, calls `archetypal_triplet.runs` and prints, nothing else."""

from archetypal_triplet.cli._main import main

__all__ = ["main"]
