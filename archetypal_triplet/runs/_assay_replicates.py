"""Replicates in the embedding, and beside it in plain features, their components and the cell count alone."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.decomposition import PCA

from archetypal_triplet._utils._columns import CELL_COUNT, is_metadata
from archetypal_triplet._utils._frames import embedding_columns, select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names, plate_codes
from archetypal_triplet.qc import (
    compute_replicate_correlation,
    compute_replicate_precision,
    compute_standardized_features,
)
from archetypal_triplet.runs._tables import make_embedding_table

# time and memory of the pairs stay bounded, however large the screen
MAX_TREATMENTS, MAX_REPLICATES, MAX_CONTROLS = 2000, 48, 96


@dataclass
class ReplicateSpaces:
    """The same wells in each space.

    Attributes
    ----------
    tables : dict of str to DataFrame
        By space: metadata of the wells, and the columns to compare them in.
    notes : list of str
        What was sampled or left out.
    """

    tables: dict
    notes: list = field(default_factory=list)


def take_replicate_spaces(source, features, n_components, random_state):
    """Choose replicates and controls, and describe them in each space.

    Parameters
    ----------
    source : AssayInput
        With the roles replicates, controls and plate.
    features : list of str
        Features that have a value in all rows; empty where there are none.
    n_components : int
        Principal components of the standardized features.
    random_state : int
        Draws wells of screens that are too large.

    Returns
    -------
    ReplicateSpaces
        The embedding as it is; features and cell count standardized by the plate's negative controls
        (`compute_standardized_features`); coordinates along the principal axes of these features, of the
        chosen wells. Wells that lack a row in one of the spaces are in none.

    Notes
    -----
    At most 2,000 treatments are drawn, of each 48 replicates, and 96 negative controls of a plate; the same
    ones for all spaces.
    """
    plate, negative = source.roles["plate"], source.roles["controls"]
    well = source.roles["well"]
    options = {"plate": plate, "negative": negative}
    tables = {"embedding": source.wells}
    notes = []
    if well is None and (features or source.counts is not None):
        notes.append("replicates: without a column of wells (--well) only the embedding can be compared")
    if features and well is not None:
        tables["features"] = compute_standardized_features(source.features, features=features, **options)
    if source.counts is not None and well is not None:
        tables["cell_count"] = compute_standardized_features(source.counts, features=[CELL_COUNT], **options)
    spaces = ReplicateSpaces({}, notes)
    wells, places = _find_common(tables, [plate, well], notes)
    chosen = _choose_wells(wells, source.roles, random_state, spaces.notes)
    metadata = wells.loc[chosen, [c for c in wells if is_metadata(c) and c != CELL_COUNT]]
    metadata = metadata.reset_index(drop=True)
    for space, table in tables.items():
        names = {"features": features, "cell_count": [CELL_COUNT]}.get(space) or embedding_columns(table)
        values = table[names].to_numpy(dtype=float)[places[space][chosen]]
        spaces.tables[space] = make_embedding_table(metadata, values)
        if space == "features":
            k = min(n_components, *values.shape)
            axes = PCA(k, svd_solver="full").fit(values).components_
            # measured from the state of the controls, whose directions are then random, as in the features
            spaces.tables["features_pca"] = make_embedding_table(metadata, values @ axes.T)
    return spaces


def _find_common(tables, keys, notes):
    """Wells that all spaces have, and where each lies in the table of a space."""
    first = tables["embedding"].reset_index(drop=True)
    if len(tables) == 1:
        return first, {"embedding": np.arange(len(first))}
    index = {}
    for space, table in tables.items():
        index[space] = import_optional("pandas", extra="screens").MultiIndex.from_frame(
            table[keys].astype(str).reset_index(drop=True)
        )
        if not index[space].is_unique:
            raise ValueError(
                f"{' and '.join(keys)} name several rows at a time, so that wells of different tables cannot "
                "be told apart; name the columns with --plate and --well"
            )
    places = {space: found.get_indexer(index["embedding"]) for space, found in index.items()}
    common = np.all([place >= 0 for place in places.values()], axis=0)
    if not common.all():
        notes.append(f"replicates: {(~common).sum()} of {len(common)} wells lack features or cells; left out")
    return first[common].reset_index(drop=True), {space: place[common] for space, place in places.items()}


def _choose_wells(wells, roles, random_state, notes):
    """Positions of replicates and controls; a sample of them where there are too many."""
    rng = np.random.default_rng(random_state)
    is_negative = select_rows(wells, roles["controls"]).copy()
    key = wells.groupby(as_names(roles["replicates"]), observed=True, dropna=True).ngroup().to_numpy(float)
    treatment = np.where(is_negative | ~(key >= 0), -1, np.nan_to_num(key, nan=-1)).astype(int)
    names, counts = np.unique(treatment[treatment >= 0], return_counts=True)
    names = names[counts > 1]
    if len(names) > MAX_TREATMENTS:
        notes.append(f"replicates: {MAX_TREATMENTS:,} of {len(names):,} treatments were drawn")
        names = rng.choice(names, MAX_TREATMENTS, replace=False)
    chosen = np.isin(treatment, names)
    plates = plate_codes(wells, roles["plate"])
    for members, group, limit, what in (
        (chosen, treatment, MAX_REPLICATES, "replicates of a treatment"),
        (is_negative, plates, MAX_CONTROLS, "negative controls of a plate"),
    ):
        rows = rng.permutation(np.flatnonzero(members))
        rows = rows[np.argsort(group[rows], kind="stable")]
        _, starts, sizes = np.unique(group[rows], return_index=True, return_counts=True)
        rank = np.arange(len(rows)) - np.repeat(starts, sizes)
        if (rank >= limit).any():
            notes.append(f"replicates: at most {limit} {what} were drawn")
            members[rows[rank >= limit]] = False
    return np.flatnonzero(chosen | is_negative)


def compute_in_spaces(compute, spaces, roles, found, name, random_state):
    """Call a function of `qc` about replicates in each space.

    Parameters
    ----------
    compute : {compute_replicate_precision, compute_replicate_correlation}
        The function.
    spaces : ReplicateSpaces
        From `take_replicate_spaces`.
    roles : dict
        With replicates, controls and plate.
    found : AssayTables
        Keeps the reason where a space does not allow it.
    name : str
        Of the table.
    random_state : int
        Seed of null distributions, the same for all.

    Returns
    -------
    list of DataFrame
        With ``space`` as the first column.
    """
    options = {"replicate": roles["replicates"], "negative": roles["controls"], "plate": roles["plate"]}
    parts = []
    for space, table in spaces.tables.items():
        what = f"{name} in {space}"
        part = found.attempt(what, compute, table, **options, random_state=random_state)
        if part is not None:
            part.insert(0, "space", space)
            parts.append(part)
    return parts


COMPUTE = {
    "replicate_precision": compute_replicate_precision,
    "replicate_correlation": compute_replicate_correlation,
}
