"""plan_run: everything about a run that can be judged before any work, and the errors that it finds."""

import hashlib
import time
import warnings
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path

import numpy as np

from archetypal_triplet._pipeline import LEVELS, MAX_SAMPLES
from archetypal_triplet._utils._columns import EMBEDDING_PREFIX, PLATE
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet._utils._frames import (
    as_pandas,
    check_columns_exist,
    is_frame,
    queried_columns,
    query_words,
    select_rows,
)
from archetypal_triplet._utils._roles import (
    as_names,
    feature_columns,
    group_codes,
    group_columns,
    plate_names,
)
from archetypal_triplet.runs._model import sha256_of
from archetypal_triplet.runs._progress import heard_warnings
from archetypal_triplet.runs._results import check_inputs_survive, check_results_folder
from archetypal_triplet.screens import clean_profiles, read_profiles
from archetypal_triplet.triplets._seeding import resolve_device

HASH_OF_TABLE = "sha256 of pandas' row hashes"


@dataclass
class RunPlan:
    """What `plan_run` found: the table, the roles of its columns, and what the run will do.

    Attributes
    ----------
    table : pandas.DataFrame
        The profiles.
    features : list of str
        The features.
    options : dict
        The parameters as they were given.
    out : Path
        The folder of results, absolute.
    inputs : list of dict
        File, sha256 and number of rows of each input.
    facts : dict
        Numbers of rows, features, plates, controls and groups.
    progress : bool
        Whether to draw a bar while the network trains.
    warnings : list of str
        What was found odd but not wrong.
    seconds_read : float
        What reading and checking took.
    left_out : ndarray of shape (n_rows,), dtype bool, or None
        Rows that the run does not fit on, found when it begins; None where there are none.
    """

    table: object
    features: list
    options: dict
    out: Path
    inputs: list
    facts: dict
    progress: bool = False
    warnings: list = field(default_factory=list)
    seconds_read: float = 0.0
    left_out: object = None

    @property
    def group_columns(self):
        """Columns of the groups that embedding and shares are averaged over; none where rows are wells."""
        if self.options["level"] == "well":
            return []
        groups = self.options["groups"]
        return group_columns(self.table, groups, self.options["plate"]) if groups else []

    @property
    def kept(self):
        """Rows that the run is fitted on, as a mask, or as a slice of all rows."""
        return slice(None) if self.left_out is None else ~self.left_out

    @property
    def metadata(self):
        """All columns of the table that are not numbers to learn from."""
        features = set(self.features)
        return self.table[[c for c in self.table if c not in features]]

    def lines(self):
        """Say in a few lines what the run will work on."""
        facts, options = self.facts, self.options
        files = f" of {len(self.inputs)} files" if len(self.inputs) > 1 else ""
        rows = f"{facts['n_rows']} rows{files}, each one a {options['level']}"
        lines = [f"{rows}, with {facts['n_features']} features"]
        if facts["n_plates"]:
            lines[0] += f", on {facts['n_plates']} plate{'s' if facts['n_plates'] > 1 else ''}"
        if options["controls"]:
            lines.append(f"{facts['n_controls']} rows are negative controls: {options['controls']}")
        if options["positive_controls"]:
            lines.append(
                f"{facts['n_positive_controls']} rows are positive controls: {options['positive_controls']}"
            )
        if facts["n_groups"]:
            lines.append(f"{facts['n_groups']} groups of rows: same {', '.join(as_names(options['groups']))}")
        return lines


def plan_run(
    table,
    *,
    plate=None,
    controls=None,
    positive_controls=None,
    groups=None,
    features=None,
    level="well",
    n_archetypes=None,
    color=None,
    on_nonfinite="raise",
    flag_fields="auto",
    hold_out="auto",
    out="results",
    force=False,
    device="auto",
    random_state=0,
    progress=False,
):
    """Judge a run before any work: read the table, check it, check every option; write nothing.

    Parameters
    ----------
    table : DataFrame, str, Path, or list of str or Path
        The profiles, or files of them.
    plate : str or None, default=None
        Column that names the plate.
    controls : str or None, default=None
        Query that chooses the negative controls.
    positive_controls : str or None, default=None
        Query that chooses the positive controls.
    groups : str, list of str or None, default=None
        Columns whose equal values mark rows of one kind.
    features : list of str or None, default=None
        Feature columns; None takes all numeric columns that are not metadata.
    level : {"well", "field", "cell"}, default="well"
        What a row is.
    n_archetypes : int or None, default=None
        None means several labelings, an int one.
    color : str or None, default=None
        One more column to color the map by.
    on_nonfinite : {"raise", "drop_features", "drop_rows"}, default="raise"
        What to do with NaN and infinities among the features.
    flag_fields : {"auto", "none"}, default="auto"
        Whether fields that are unlike the other fields of their well are left out of the fit.
    hold_out : {"auto", "none"}, default="auto"
        Whether controls are also scored by fits that they did not train, which takes the time of two more
        fits (not with an embedding of pixels).
    out : str or Path, default="results"
        Folder of results.
    force : bool, default=False
        Whether older results may be replaced.
    device : str, default="auto"
        Where the network would be trained.
    random_state : int, default=0
        Seed.
    progress : bool, default=False
        Whether a bar would be drawn.

    Returns
    -------
    RunPlan
        The table and what the run will do with it; ``lines()`` says it in words.

    Raises
    ------
    ValueError
        If an option is not allowed or does not fit the table, or the table has faults
        (see `archetypal_triplet.screens.read_profiles`), or lies in the folder that `out` would replace.
    TypeError
        If the table is neither a frame nor files, or a column or query is not a string.
    OSError
        If a file does not exist, or `out` cannot become a folder of results.

    See Also
    --------
    run_profiles : Plans, and does it.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.runs import plan_run
    >>> screen = make_screen(1, 1, n_replicates=1, plate_format=96, n_features=20, random_state=0)
    >>> controls = "Metadata_ControlType == 'negative'"
    >>> plan = plan_run(screen.profiles, plate="Metadata_Plate", controls=controls, out="no_results_yet")
    >>> print("\\n".join(plan.lines()))
    96 rows, each one a well, with 20 features, on 1 plate
    16 rows are negative controls: Metadata_ControlType == 'negative'
    """
    start = time.perf_counter()
    options = {
        "plate": plate,
        "controls": controls,
        "positive_controls": positive_controls,
        "groups": groups,
        "features": features,
        "level": level,
        "n_archetypes": n_archetypes,
        "color": color,
        "on_nonfinite": on_nonfinite,
        "flag_fields": flag_fields,
        "hold_out": hold_out,
        "device": device,
        "random_state": random_state,
    }
    _check_types(table, options)
    out = check_results_folder(out, force=force)
    check_options(options)
    if not is_frame(table):
        check_inputs_survive(_as_paths(table), out)
    with heard_warnings() as heard:
        frame, inputs = _read(table, options)
        _check_against_table(frame, options)
        _warn_of_roles(frame, options)
    described = [*as_names(groups), *_positive_columns(frame, options)]
    names = feature_columns(frame, plate=plate, controls=controls, groups=described, features=features)
    facts = _facts(frame, names, options)
    seconds = round(time.perf_counter() - start, 3)
    return RunPlan(frame, names, options, out, inputs, facts, progress, heard, seconds)


def _as_paths(table):
    return [table] if isinstance(table, (str, Path)) else list(table)


def _check_types(table, options):
    is_path = isinstance(table, (str, Path))
    are_paths = isinstance(table, (list, tuple)) and all(isinstance(path, (str, Path)) for path in table)
    if not (is_frame(table) or is_path or are_paths):
        raise TypeError(
            f"table is a {type(table).__name__}; it must be a DataFrame with named columns, a file, or a "
            "list of files. Join several tables with pandas.concat first."
        )
    for name in ("plate", "controls", "positive_controls", "color"):
        value = options[name]
        if value is not None and not isinstance(value, str):
            kind = "a query" if name.endswith("controls") else "the name of a column"
            raise TypeError(
                f"{name} is a {type(value).__name__}; it must be {kind} as a string, or None. For rows "
                "chosen otherwise, add a column to the table and name it."
            )


def check_options(options):
    level, n_archetypes, seed = options["level"], options["n_archetypes"], options["random_state"]
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is unknown. Choose from: {', '.join(LEVELS)}.")
    if n_archetypes is not None and not (isinstance(n_archetypes, Integral) and n_archetypes >= 2):
        raise ValueError(
            f"n_archetypes={n_archetypes!r} (--n-archetypes) must be a whole number of at least 2, "
            "since triplets need two labels, or left out for several labelings, which is better."
        )
    if not (isinstance(seed, Integral) and 0 <= seed < 2**32):
        raise ValueError(
            f"random_state={seed!r} (--seed) must be a whole number from 0 to {2**32 - 1}, "
            "so that the run can be repeated."
        )
    if options["positive_controls"] and not options["controls"]:
        raise ValueError(
            "Positive controls (--positive-controls) are compared with negative ones: "
            "give controls (--controls) too."
        )
    for name in ("flag_fields", "hold_out"):
        if options[name] not in ("auto", "none"):
            option = name.replace("_", "-")
            raise ValueError(f"{name}={options[name]!r} (--{option}) is unknown. Choose from: auto, none.")
    resolve_device(options["device"])


def _read(table, options):
    """Return the table as it is used, and where it came from."""
    roles = {name: options[name] for name in ("plate", "controls", "features", "level", "on_nonfinite")}
    query = options["positive_controls"]
    roles["metadata"] = [*as_names(options["groups"]), *(query_words(query) if query else ())]
    if is_frame(table):
        frame = as_pandas(table)
        source = {"file": None, "sha256": _hash_table(frame), "of": HASH_OF_TABLE, "n_rows": len(frame)}
        return clean_profiles(frame, **roles), [source]
    paths = _as_paths(table)
    frame = read_profiles(paths, **roles)
    return frame, [{"file": str(path), "sha256": sha256_of(path), "of": "the file"} for path in paths]


def _positive_columns(table, options):
    query = options["positive_controls"]
    return queried_columns(table, query) if query else []


def _hash_table(table):
    from pandas.util import hash_pandas_object

    digest = hashlib.sha256("\n".join(map(str, table.columns)).encode())
    digest.update(np.ascontiguousarray(hash_pandas_object(table, index=False).to_numpy()))
    return digest.hexdigest()


def _check_against_table(table, options):
    """Judge what the readers do not know of: other roles, and whether there are rows enough."""
    ours = [c for c in table if str(c).startswith(EMBEDDING_PREFIX)]
    if ours:
        raise ValueError(
            f"The table already holds an embedding ({ours[0]}, ...). Give the profiles that it was made from."
        )
    check_columns_exist(table, as_names(options["groups"]), parameter="groups")
    if options["color"]:
        check_columns_exist(table, [options["color"]], parameter="color")
    if options["positive_controls"]:
        positive = select_rows(table, options["positive_controls"], parameter="positive_controls")
        both = positive & select_rows(table, options["controls"])
        if both.any():
            raise ValueError(
                f"{both.sum()} rows are chosen by controls={options['controls']!r} and also by "
                f"positive_controls={options['positive_controls']!r}. A row can be one of them at most."
            )
    check_enough_rows(len(table), options)


def check_enough_rows(n_rows, options):
    if options["n_archetypes"] is not None:
        largest, n_fitted, share = options["n_archetypes"], n_rows, ""
    else:
        largest = max(LEVELS[options["level"]]["n_archetypes"])
        n_fitted = round(MAX_SAMPLES * n_rows)
        share = f", of which each labeling is fitted on {MAX_SAMPLES:.0%}"
    if largest > n_fitted:
        raise ValueError(
            f"{'Up to ' if share else ''}{largest} archetypes are sought, but the table has only {n_rows} "
            f"rows{share}. Give more rows, or a smaller n_archetypes (--n-archetypes)."
        )


def _warn_of_roles(table, options):
    if not options["plate"] and PLATE in table and table[PLATE].nunique() > 1:
        warnings.warn(
            f"The table holds {table[PLATE].nunique()} plates in {PLATE}, but no plate is named (--plate): "
            "differences between plates are not taken away.",
            DataWarning,
            stacklevel=3,
        )
    if options["controls"] and select_rows(table, options["controls"]).all():
        warnings.warn(
            f"controls={options['controls']!r} chooses all of the {len(table)} rows: what is learned is the "
            "difference between controls. Check the query (--controls).",
            DataWarning,
            stacklevel=3,
        )
    if options["plate"] and not options["controls"]:
        warnings.warn(
            "A plate is named, but no negative controls (--controls): plates are not centered, because the "
            "mean of a plate holds the effects of its compounds.",
            DataWarning,
            stacklevel=3,
        )
    if options["level"] != "well" and not options["groups"]:
        warnings.warn(
            f"Rows are {options['level']}s, but nothing tells which of them belong to one well: "
            "--groups Metadata_Plate,Metadata_Well makes a better map, and gives wells.parquet.",
            DataWarning,
            stacklevel=3,
        )


def _facts(table, features, options):
    plate, groups = options["plate"], options["groups"]
    facts = {"n_rows": len(table), "n_features": len(features)}
    facts["n_plates"] = len(np.unique(plate_names(table, plate))) if plate else None
    facts["n_groups"] = int(group_codes(table, groups, plate=plate).max()) + 1 if groups else None
    for name in ("controls", "positive_controls"):
        query = options[name]
        facts[f"n_{name}"] = int(select_rows(table, query, parameter=name).sum()) if query else None
    return facts
