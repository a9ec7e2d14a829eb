"""One run of the method: from a table of profiles to a folder of results, and later plates through its model."""

from archetypal_triplet.runs._model import load_model, save_model
from archetypal_triplet.runs._results import check_results_folder

__all__ = ["check_results_folder", "load_model", "save_model"]
