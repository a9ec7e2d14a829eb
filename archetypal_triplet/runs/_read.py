"""A results folder read back: its run.json, and its tables as quality and report want them."""

import json

from archetypal_triplet._utils._columns import ATQ_PREFIX, CELL_COUNT, IS_FLAGGED, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import check_columns_exist, select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.qc import apply_tags
from archetypal_triplet.runs._assay_tables import AssayInput
from archetypal_triplet.runs._results import RUN_FILE
from archetypal_triplet.runs._tables import make_group_table

_TEXT = ("plate", "axis", "reason", "trained_on")  # an empty column of a CSV file would be numbers


def read_run_info(folder):
    """Read the run.json of a results folder, or raise where it is none.

    Parameters
    ----------
    folder : Path
        Results folder of a run.

    Returns
    -------
    dict
        The content of run.json.

    Raises
    ------
    FileNotFoundError
        If it is not a folder.
    ValueError
        If it lacks run.json or embedding.parquet, or run.json is not that of a run.
    """
    cure = "Name the folder that archetypal-triplet run has written."
    if not folder.is_dir():
        raise FileNotFoundError(f"results={str(folder)!r} is not a folder. {cure}")
    for name in (RUN_FILE, "embedding.parquet"):
        if not (folder / name).is_file():
            raise ValueError(f"results={str(folder)!r} is no results folder: there is no {name}. {cure}")
    try:
        info = read_json(folder / RUN_FILE)
    except ValueError as error:
        raise ValueError(f"results={str(folder)!r}: {RUN_FILE} cannot be read ({error}). {cure}") from None
    if not isinstance(info, dict) or not isinstance(info.get("parameters"), dict):
        raise ValueError(f"results={str(folder)!r}: {RUN_FILE} is not that of a run. {cure}")
    return info


def read_json(path):
    """Read a file of JSON.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        Its content.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def read_results(folder, parameters, named, tags=None):
    """Read the tables of a run, and find out what their columns stand for.

    Parameters
    ----------
    folder : Path
        Results folder of a run.
    parameters : dict
        Those of run.json.
    named : dict
        What a person has named: plate, well, controls, positive_controls, replicates, batch and order; None
        where nothing was said.
    tags : DataFrame or None, default=None
        From `check_tags`: archetypes whose tag is no phenotype are left out of the shares.

    Returns
    -------
    AssayInput
        Tables and roles.

    Raises
    ------
    ValueError
        If a named column does not exist, or no column names the wells of cells or fields.
    """
    pd = import_optional("pandas", extra="screens")

    def read(name):
        path = folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    embedding = read("embedding")
    if tags is not None:
        embedding = apply_tags(embedding, tags)
    known = {**named}
    for name in ("plate", "controls", "positive_controls"):
        known[name] = named[name] or parameters.get(name)
    for name, usual in (("plate", PLATE), ("well", WELL)):
        known[name] = known[name] or (usual if usual in embedding else None)
    level = parameters.get("level") or "well"
    wells = _average_wells(embedding, level, known)
    _check_named(wells, named)
    keys = [known["plate"], known["well"], SITE]
    fields = None
    if level != "well" and all(key in embedding for key in keys):
        fields = embedding if level == "field" else make_group_table(embedding, keys)
        fields = fields[[c for c in fields if not str(c).startswith(ATQ_PREFIX)]]  # they are computed anew
    features = read("profiles")
    return AssayInput(
        wells=wells,
        roles=known,
        features=features,
        fields=fields,
        field_features=read("fields"),
        counts=_find_counts(wells, features, read("counts"), known),
        run_quality=_read_run_quality(folder / "quality.csv", parameters, known),
    )


def well_columns(roles):
    """Return the columns that name a well: those of plate and well, as far as they are known."""
    return [roles[name] for name in ("plate", "well") if roles[name] is not None]


def _read_run_quality(path, parameters, known):
    """Read what a run has computed of its controls, if these are the same."""
    if not path.is_file() or any(
        known[n] != parameters.get(n) for n in ("plate", "controls", "positive_controls")
    ):
        return None
    table = import_optional("pandas", extra="screens").read_csv(path, dtype=dict.fromkeys(_TEXT, str))
    return table if {"space", "trained_on"} <= set(table) else None


def _average_wells(embedding, level, known):
    if level == "well":
        return embedding
    keys = well_columns(known)
    if known["well"] is None:
        raise ValueError(
            f"Rows of these results are {level}s, and no column names their wells. "
            "Name it with --well (well=...)."
        )
    for name in ("plate", "well"):
        check_columns_exist(embedding, as_names(known[name]), parameter=name)
    if IS_FLAGGED in embedding:  # fields that the run has left out of its wells too
        embedding = embedding[~embedding[IS_FLAGGED].fillna(False).astype(bool)]
    return make_group_table(embedding, keys)


def _find_counts(wells, features, counts, known):
    for table in (features, wells):
        if table is not None and CELL_COUNT in table:
            return table[table[CELL_COUNT].notna()]
    keys = well_columns(known)
    if counts is None or CELL_COUNT not in counts or not all(key in counts and key in wells for key in keys):
        return None
    return wells.merge(counts.groupby(keys, observed=True)[CELL_COUNT].sum().reset_index(), on=keys)


def _check_named(wells, named):
    """Raise where a person has named what is not there; what the run has named is only left out."""
    for name in ("plate", "well", "batch", "order", "replicates"):
        check_columns_exist(wells, as_names(named[name]), parameter=name)
    for name in ("controls", "positive_controls"):
        if named[name] is not None:
            select_rows(wells, named[name], parameter=name)
