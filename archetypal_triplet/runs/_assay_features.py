"""The features of a run on a table of profiles, from the file that it has read."""

import warnings
from pathlib import Path

from archetypal_triplet._utils._columns import IS_FLAGGED
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet._utils._frames import query_words
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.runs._model import sha256_of
from archetypal_triplet.screens import aggregate_profiles, read_profiles


def find_features(folder, run_info, keys):
    """Read the profiles of a run again, if they are where they were, and as they were.

    Parameters
    ----------
    folder : Path
        Results folder of the run.
    run_info : dict
        Its run.json.
    keys : list of str
        Columns that name a well.

    Returns
    -------
    table : DataFrame or None
        A row a well, without the fields that the run has left out; None where the profiles are not to be had.
    reason : str
        Why not.
    """
    inputs = run_info.get("input") or []
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        return None, "run.json does not say which file the run has read"
    if not inputs or any(one.get("of") != "the file" for one in inputs):
        return None, "the run was given a table, not a file"
    paths = []
    for one in inputs:
        if not {"file", "sha256"} <= set(one):
            return None, "run.json does not say which file the run has read"
        places = (Path(one["file"]), folder / one["file"], folder.parent / one["file"])
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            return None, f"{one['file']} is no longer there"
        if sha256_of(path) != one["sha256"]:
            return None, f"{one['file']} has changed since the run"
        paths.append(path)
    try:
        return _read_wells(folder, paths, run_info["parameters"], keys)
    except (ValueError, OSError, ImportError) as error:
        return None, f"{inputs[0]['file']} cannot be read as the run did ({error})"


def _read_wells(folder, paths, parameters, keys):
    level = parameters.get("level") or "well"
    roles = {name: parameters.get(name) for name in ("plate", "controls", "features", "on_nonfinite")}
    query = parameters.get("positive_controls")
    metadata = [*as_names(parameters.get("groups")), *(query_words(query) if query else ())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said by the run already
        table = read_profiles(paths, **roles, level=level, metadata=metadata)
    if level == "well":
        return table, ""
    rows = import_optional("pandas", extra="screens").read_parquet(folder / "embedding.parquet")
    if len(rows) != len(table):
        return None, f"{paths[0].name} no longer gives the rows of the run"
    if IS_FLAGGED in rows:
        table = table[~rows[IS_FLAGGED].fillna(False).to_numpy(dtype=bool)]
    return aggregate_profiles(table, keys), ""
