"""One run of the method: images or profiles to a folder of results, and later plates through its model."""

from archetypal_triplet.runs._assay import assess_run
from archetypal_triplet.runs._demo import run_demo
from archetypal_triplet.runs._embed import embed_profiles
from archetypal_triplet.runs._image_plan import plan_images
from archetypal_triplet.runs._images import run_images
from archetypal_triplet.runs._model import load_model, save_model
from archetypal_triplet.runs._plan import plan_run
from archetypal_triplet.runs._results import check_results_folder
from archetypal_triplet.runs._run import run_profiles
from archetypal_triplet.runs._sources import are_images

__all__ = [
    "are_images",
    "assess_run",
    "check_results_folder",
    "embed_profiles",
    "load_model",
    "plan_images",
    "plan_run",
    "run_demo",
    "run_images",
    "run_profiles",
    "save_model",
]
