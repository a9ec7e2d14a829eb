"""A small simulated screen, and one run on it that several tests look at."""

import pytest

from archetypal_triplet.datasets import make_screen
from archetypal_triplet.runs import run_profiles

ROLES = {
    "plate": "Metadata_Plate",
    "controls": "Metadata_ControlType == 'negative'",
    "positive_controls": "Metadata_ControlType == 'positive'",
    "hold_out": "none",  # two more fits; test_hold_out.py has them
}


@pytest.fixture(scope="session")
def profiles():
    return make_screen(1, 2, n_replicates=2, plate_format=96, n_features=20, random_state=0).profiles


@pytest.fixture
def roles():
    return dict(ROLES)


@pytest.fixture(scope="session")
def finished(profiles, tmp_path_factory):
    return run_profiles(profiles, **ROLES, out=tmp_path_factory.mktemp("run") / "results", random_state=3)
