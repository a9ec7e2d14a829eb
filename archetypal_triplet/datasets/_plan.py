"""What a simulated screen holds in which well, before it is shown as features or as images."""

from typing import Any, NamedTuple

import numpy as np

from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._wells import well_name
from archetypal_triplet.datasets._features import CHANNELS, NUISANCE
from archetypal_triplet.datasets._phenotypes import get_end_point_names


class Plan(NamedTuple):
    """A screen well by well; rows of all arrays are wells."""

    layout: Any  # DataFrame of make_layout
    compounds: Any  # DataFrame of make_compounds
    mixtures: np.ndarray
    effect: np.ndarray
    toxicity: np.ndarray
    doses_um: np.ndarray
    nuisance: np.ndarray
    gain: np.ndarray
    edge: np.ndarray
    gradient: np.ndarray
    kill: np.ndarray  # share of cells that toxicity removes


def get_nuisance_truth(plan):
    """Position and nuisance of every well, as columns of a truth table."""
    extra = {"Truth_Edge": plan.edge, "Truth_Gradient": plan.gradient}
    extra |= {f"Truth_{name}": plan.nuisance[:, i] for i, name in enumerate(NUISANCE)}
    return extra | {f"Truth_Gain_{channel}": plan.gain[:, c] for c, channel in enumerate(CHANNELS)}


def make_tables(plan, extra):
    """Metadata and truth, one row per well."""
    pd = import_optional("pandas", extra="screens")
    layout, compounds, mixtures = plan.layout, plan.compounds, plan.mixtures
    names = get_end_point_names(mixtures.shape[1] - 1)
    compound, dose = layout["compound"].to_numpy(), layout["dose"].to_numpy()
    kind = layout["kind"].to_numpy()
    width = len(str(max(len(compounds), 100)))
    treated = compound >= 0
    label = {"negative": "DMSO", "positive": "PositiveControl", "untreated": "Untreated"}
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": [f"Plate{p + 1:02d}" for p in layout["plate"]],
            "Metadata_Well": [
                well_name(row, column) for row, column in zip(layout["row"], layout["column"], strict=True)
            ],
            "Metadata_Batch": [f"Batch{b + 1}" for b in layout["batch"]],
            "Metadata_Replicate": [str(r + 1) for r in layout["replicate"]],
            "Metadata_Compound": [
                f"Compound{c + 1:0{width}d}" if c >= 0 else label[k]
                for c, k in zip(compound, kind, strict=True)
            ],
            "Metadata_Concentration_uM": np.where(treated, plan.doses_um[dose], 0.0).round(6),
            "Metadata_ControlType": kind.astype(str),
        }
    )
    end_point = np.full(len(layout), -1)
    end_point[treated] = compounds["end_point"].to_numpy()[compound[treated]]
    end_point[kind == "positive"] = 0
    truth = pd.DataFrame(
        {
            "Truth_Mechanism": np.array([*names, "None"], dtype=object)[end_point].astype(str),
            "Truth_Effect": plan.effect,
            "Truth_Toxicity": plan.toxicity,
            **{f"Truth_Mixture_{name}": mixtures[:, k] for k, name in enumerate(["Vehicle", *names])},
            **extra,
        }
    )
    return metadata, truth
