"""Assay quality: time and memory of every table on plates of 384 wells, and power of the tests beside it."""

import numpy as np
import pandas as pd

from archetypal_triplet.qc import (
    compute_archetype_quality,
    compute_b_scores,
    compute_batch_mixing,
    compute_control_separability,
    compute_field_scores,
    compute_plate_drift,
    compute_position_effects,
    compute_replicate_correlation,
    compute_variance_explained,
)

NEGATIVE, POSITIVE = "Metadata_ControlType == 'negative'", "Metadata_ControlType == 'positive'"
ROLES = {"negative": NEGATIVE, "random_state": 0}
TASKS = {
    "controls": lambda t: compute_control_separability(t, positive=POSITIVE, plate="Metadata_Plate", **ROLES),
    "positions": lambda t: compute_position_effects(t, n_permutations=199, random_state=0),
    "b_scores": compute_b_scores,
    "drift": lambda t: compute_plate_drift(t, **ROLES),
    "variance": lambda t: compute_variance_explained(t, ["Metadata_Plate", "Metadata_Batch"]),
    "mixing": lambda t: compute_batch_mixing(t, batch="Metadata_Batch", **ROLES),
    "archetypes": lambda t: compute_archetype_quality(t, n_permutations=199, random_state=0),
    "fields": lambda t: compute_field_scores(t, random_state=0),
    "correlation": lambda t: compute_replicate_correlation(t, replicate="Metadata_Compound", **ROLES),
}


def make_plates(n_plates, n_columns=32, n_archetypes=16, seed=0):
    """Wells with an edge of 1 SD in the first column; four plates hold the same compounds."""
    rng = np.random.default_rng(seed)
    row, column = (np.tile(one, n_plates) for one in np.divmod(np.arange(384), 24))
    plate = np.repeat(np.arange(n_plates), 384)
    X = rng.standard_normal((len(plate), n_columns))
    X[:, 0] += (row == 0) | (row == 15) | (column == 0) | (column == 23)
    shares = rng.dirichlet(np.full(n_archetypes, 0.5), len(plate))
    table = pd.DataFrame(X).add_prefix("Embedding_").join(pd.DataFrame(shares).add_prefix("Archetype_"))
    return table.assign(
        Metadata_Plate=np.char.add("P", plate.astype(str)),
        Metadata_Batch=np.where(plate < n_plates // 2, "a", "b"),
        Metadata_Well=[f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)],
        Metadata_Compound=np.char.add("C", (plate // 4 * 384 + row * 24 + column).astype(str)),
        Metadata_ControlType=np.select([column < 1, column > 22], ["negative", "positive"], "sample"),
    )


class Tables:
    """Each table on 8 and 64 plates, 32 columns, 16 archetypes."""

    params = [list(TASKS), [8, 64]]
    param_names = ["table", "n_plates"]
    timeout = 300

    def setup(self, name, n_plates):
        """Make the plates."""
        self.table = make_plates(n_plates)

    def time_table(self, name, n_plates):
        """Time of one table."""
        TASKS[name](self.table)

    def peakmem_table(self, name, n_plates):
        """Memory of one table, that of the plates included."""
        TASKS[name](self.table)


class Power:
    """Share of draws in which an edge of 1 SD in one of 32 columns is found on one plate."""

    timeout = 300

    def track_edge(self):
        """Share of 20 draws with p at most .05."""
        hits = []
        for seed in range(20):
            found = compute_position_effects(make_plates(1, seed=seed), n_permutations=99, random_state=0)
            pooled = found[found["scope"] == "pooled"].set_index("effect")
            hits.append(pooled.loc["edge", "p_value"] <= 0.05)
        return float(np.mean(hits))
