"""The report: one file that a person opens, understands, explores and forwards."""

from archetypal_triplet.report._report import write_report

__all__ = ["write_report"]
