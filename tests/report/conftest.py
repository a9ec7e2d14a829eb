"""One small run, and folders of results made from it whose tables were changed."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.datasets import make_screen
from archetypal_triplet.report import _explore, write_report
from archetypal_triplet.report._figures import FigureWriter
from archetypal_triplet.report._parts import Figure
from archetypal_triplet.report._projection import Projections
from archetypal_triplet.runs import assess_run, run_profiles

ROLES = {
    "plate": "Metadata_Plate",
    "controls": "Metadata_ControlType == 'negative'",
    "positive_controls": "Metadata_ControlType == 'positive'",
}


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Results of a run on two plates, with three archetypes and the tables of assay quality."""
    screen = make_screen(1, 2, n_replicates=2, plate_format=96, n_features=20, random_state=0)
    folder = tmp_path_factory.mktemp("report") / "results"
    run_profiles(screen.profiles, **ROLES, n_archetypes=3, hold_out="none", out=folder, random_state=3)
    assess_run(folder, batch=None, replicates="Metadata_Compound")
    return folder


@pytest.fixture
def change(results, tmp_path):
    """Copy the results with a changed embedding table, and perhaps changed parameters of the run."""

    def change(make_table=None, *, parameters=None, keep_qc=False, name="changed"):
        folder = tmp_path / name
        shutil.copytree(results, folder)
        if not keep_qc:
            shutil.rmtree(folder / "qc")
        if make_table is not None:
            table = make_table(pd.read_parquet(folder / "embedding.parquet"))
            table.to_parquet(folder / "embedding.parquet", index=False)
            kept = [c for c in table if str(c).startswith("Archetype_")]
            archetypes = pd.read_parquet(folder / "archetypes.parquet")
            archetypes[archetypes["Archetype"].isin(kept)].to_parquet(
                folder / "archetypes.parquet", index=False
            )
        if parameters is not None:
            info = json.loads((folder / "run.json").read_text())
            info["parameters"] |= parameters
            (folder / "run.json").write_text(json.dumps(info))
        return folder

    return change


@pytest.fixture
def quick(monkeypatch):
    """Leave out what takes seconds and has tests of its own: UMAP, and turning figures into files."""

    def project(embedding, **_):
        plane = {"PCA": np.asarray(embedding, dtype=float)[:, :2]}
        return Projections(plane, axes={"PCA": ("PC 1", "PC 2")}, sentence="PCA.")

    def keep(self, name, figure, *, alt, caption=""):
        source = "data:image/svg+xml;base64,"
        return Figure(name=name, source=source, alt=alt, caption=caption, width=100)

    monkeypatch.setattr(_explore, "compute_projections", project)
    monkeypatch.setattr(FigureWriter, "keep", keep)


@pytest.fixture(scope="session")
def written(results, tmp_path_factory):
    """The report of the results, made once with all that belongs to it."""
    out = tmp_path_factory.mktemp("written") / "screen.html"
    return write_report(results, out=out, title="A screen", random_state=0)
