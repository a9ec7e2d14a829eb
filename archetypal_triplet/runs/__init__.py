"""One run of the method: a table of profiles to a folder of results, and later plates through its model."""

from archetypal_triplet.runs._demo import run_demo
from archetypal_triplet.runs._embed import embed_profiles
from archetypal_triplet.runs._model import load_model, save_model
from archetypal_triplet.runs._plan import plan_run
from archetypal_triplet.runs._results import check_results_folder
from archetypal_triplet.runs._run import run_profiles

__all__ = [
    "check_results_folder",
    "embed_profiles",
    "load_model",
    "plan_run",
    "run_demo",
    "run_profiles",
    "save_model",
]
