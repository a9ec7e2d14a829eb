"""Fixtures that several rooms' tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real screens, named by the environment variable ARCHETYPAL_TRIPLET_DATA."""
    folder = os.environ.get("ARCHETYPAL_TRIPLET_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the environment variable ARCHETYPAL_TRIPLET_DATA does not name a folder of real screens")
    return Path(folder)
