"""The tables of assay quality of one run: each is computed, or the reason why it cannot be is kept."""

from dataclasses import dataclass, field

import numpy as np

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX, CELL_COUNT, SITE, WELL_DISTANCE, is_metadata
from archetypal_triplet._utils._frames import embedding_columns, select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.qc import (
    compute_archetype_quality,
    compute_b_scores,
    compute_batch_mixing,
    compute_control_separability,
    compute_field_scores,
    compute_plate_drift,
    compute_position_effects,
    compute_variance_explained,
)
from archetypal_triplet.runs._assay_replicates import COMPUTE, compute_in_spaces, take_replicate_spaces

TRAINED_ON = "trained_on"  # of every table of numbers: whether the wells trained the embedding
_ROW_BY_ROW = ("b_scores", "fields")  # a row a well or field, not a number about wells
N_PCA = 10  # the components that the benchmark of assay quality sets beside the embedding
_CURES = {
    "plate": "there is no column of plates; name it with --plate",
    "well": "there is no column of wells; name it with --well",
    "controls": "no negative controls are known; name them with --controls",
    "positive_controls": "no positive controls are known; name them with --positive-controls",
    "batch": "no column of batches was named (--batch)",
    "replicates": "no columns were named whose equal values mark replicates (--replicates)",
}


@dataclass
class AssayInput:
    """What a results folder holds, in the form in which the numbers about an assay want it.

    Attributes
    ----------
    wells : DataFrame
        Embedding and shares, a row a well.
    roles : dict
        plate, well, controls, positive_controls, replicates, batch, order; None where unknown.
    features : DataFrame or None
        Measured features, a row a well.
    fields : DataFrame or None
        Embedding and shares, a row a field.
    field_features : DataFrame or None
        Measured features, a row a field.
    counts : DataFrame or None
        ``Metadata_Count_Cells`` beside the wells' metadata.
    run_quality : DataFrame or None
        What the run itself has computed of the same controls.
    why_no_features : str
        Why there are no features, where there are none.
    """

    wells: object
    roles: dict
    features: object = None
    fields: object = None
    field_features: object = None
    counts: object = None
    run_quality: object = None
    why_no_features: str = ""


@dataclass
class AssayTables:
    """What was computed.

    Attributes
    ----------
    tables : dict of str to DataFrame
        By name.
    impossible : dict of str to str
        Why a table, or a part of one, is not there.
    notes : list of str
        What was left out on the way.
    shared : dict
        What several tables are computed from.
    """

    tables: dict = field(default_factory=dict)
    impossible: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    shared: dict = field(default_factory=dict)

    def attempt(self, name, function, *args, **options):
        """Call a function; where the data do not allow what it does, keep the reason and return None."""
        try:
            return function(*args, **options)
        except (ValueError, ImportError) as error:
            self.impossible[name] = str(error)
            return None


def compute_assay_tables(source, *, random_state=0):
    """Compute every table of assay quality that the data allow.

    Parameters
    ----------
    source : AssayInput
        From a results folder.
    random_state : int, default=0
        Seed of folds, resamples and permutations.

    Returns
    -------
    AssayTables
        Tables, and reasons for those that are not there.
    """
    found = AssayTables()
    for name, compute in _TABLES.items():
        table = found.attempt(name, compute, source, found, random_state)
        if table is not None:
            if name not in _ROW_BY_ROW and TRAINED_ON not in table:
                table = table.assign(**{TRAINED_ON: "seen"})
            found.tables[name] = table
    return found


def _need(source, *names):
    for name in names:
        if source.roles[name] is None:
            raise ValueError(_CURES[name])
    return [source.roles[name] for name in names]


def _spaces(source, found):
    """Tables to measure the controls in, with the options that each one asks for."""
    spaces = {"embedding": (source.wells, {})}
    if source.features is not None:
        names = _finite(source.features, found, "features")
        spaces["features"] = (source.features, {"features": names})
        n_components = min(N_PCA, len(names))
        spaces["features_pca"] = (source.features, {"features": names, "n_components": n_components})
    if source.counts is not None:
        spaces["cell_count"] = (source.counts, {"features": [CELL_COUNT]})
    return spaces


def _say_no_features(source):
    more = f", and {source.why_no_features}" if source.why_no_features else ""
    return (
        "the results hold no features of wells: a run on a table of profiles does not write "
        f"profiles.parquet{more}"
    )


def _finite(table, found, what):
    names = embedding_columns(table)
    finite = np.isfinite(table[names].to_numpy(dtype=float)).all(axis=0)
    if not finite.any():
        raise ValueError(f"no column of the {what} is finite in all rows")
    if not finite.all():
        note = f"{(~finite).sum()} of {len(names)} {what} have no value in some rows and were left out"
        if note not in found.notes:
            found.notes.append(note)
    return [name for name, good in zip(names, finite, strict=True) if good]


def _controls(source, found, random_state):
    negative, positive = _need(source, "controls", "positive_controls")
    roles = {"negative": negative, "positive": positive, "plate": source.roles["plate"]}
    parts = []
    for space, (table, options) in _spaces(source, found).items():
        part = found.attempt(
            f"controls in {space}",
            compute_control_separability,
            table, **roles, **options, random_state=random_state,
        )  # fmt: skip
        if part is not None:
            part.insert(0, "space", space)
            parts.append(part.assign(trained_on="seen"))  # every row of a run trains it, controls too
    known = () if source.run_quality is None else set(source.run_quality["space"])
    if source.features is None and "features" not in known:
        found.impossible["controls in features"] = _say_no_features(source)
    if source.counts is None:
        found.impossible["controls in cell_count"] = f"there is no {CELL_COUNT}"
    return _with_run_quality(_concat(parts), source.run_quality)


def _with_run_quality(table, quality):
    """Add what only the run could compute: with wells held out, or of features that it did not write."""
    if quality is None or not set(table) <= set(quality):
        return table
    other = quality[(quality["trained_on"] != "seen") | ~quality["space"].isin(table["space"])][list(table)]
    if not len(other):
        return table
    pooled = table.loc[table["scope"] == "pooled", "plate"].iloc[0]
    other = other.assign(
        plate=other["plate"].where(other["scope"] == "plate", pooled),
        axis=other["axis"].fillna(""),
        reason=other["reason"].fillna(""),
    )
    return _concat([table, other])


def _concat(parts):
    if not parts:
        raise ValueError("none of its parts could be computed")
    return import_optional("pandas", extra="screens").concat(parts, ignore_index=True)


def _choices(source):
    """Rows to judge plates by: all, and those that should not differ."""
    controls = source.roles["controls"]
    return {"all": None} if controls is None else {"all": None, "negative": controls}


def _positions(source, found, random_state):
    plate, well = _need(source, "plate", "well")
    parts = []
    for chosen, rows in _choices(source).items():
        part = found.attempt(
            f"positions of {chosen} wells",
            compute_position_effects,
            source.wells, plate=plate, well=well, rows=rows, random_state=random_state,
        )  # fmt: skip
        if part is not None:
            part.insert(0, "wells", chosen)
            parts.append(part)
    return _concat(parts)


def _drift(source, found, random_state):
    negative, plate = _need(source, "controls", "plate")
    options = {"negative": negative, "plate": plate, "random_state": random_state}
    parts = []
    for space, table in {"embedding": source.wells, "features": source.features}.items():
        if table is None:
            continue
        order = source.roles["order"]
        names = _finite(table, found, "features") if space == "features" else None
        part = found.attempt(
            f"drift in {space}", compute_plate_drift, table, **options, order=order, features=names
        )
        if part is not None:
            part.insert(0, "space", space)
            parts.append(part)
    return _concat(parts)


def _variance(source, found, random_state):
    plate, well, batch = (source.roles[name] for name in ("plate", "well", "batch"))
    factors = [name for name in (plate, batch) if name is not None]
    if not factors and well is None:
        raise ValueError("there is no column of plates, wells or batches")
    parts = []
    for chosen, rows in _choices(source).items():
        part = found.attempt(
            f"variance of {chosen} wells",
            compute_variance_explained, source.wells, factors, plate=plate, well=well, rows=rows,
        )  # fmt: skip
        if part is not None:
            part.insert(0, "wells", chosen)
            parts.append(part)
    return _concat(parts)


def _mixing(source, found, random_state):
    batch, negative = _need(source, "batch", "controls")
    return compute_batch_mixing(source.wells, batch=batch, negative=negative, random_state=random_state)


def _with_shares(table, found, what):
    names = [c for c in table if str(c).startswith(ARCHETYPE_PREFIX)]
    if not names:
        raise ValueError("the results hold no shares of archetypes")
    missing = table[names].isna().any(axis=1)
    if missing.any():
        found.notes.append(f"{missing.sum()} of {len(table)} {what} have no shares by their tags; left out")
    return table[~missing], names


def _b_scores(source, found, random_state):
    plate, well = _need(source, "plate", "well")
    table, names = _with_shares(source.wells, found, "wells")
    columns = [c for c in table if is_metadata(c)] + names
    return compute_b_scores(table[columns], plate=plate, well=well, features=names)


def _fields(source, found, random_state):
    plate, well = _need(source, "plate", "well")
    table = source.field_features if source.field_features is not None else source.fields
    if table is None:
        raise ValueError(f"the results do not tell fields apart (rows are wells, or there is no {SITE})")
    if table.groupby([plate, well], observed=True).size().max() < 2:
        raise ValueError("every well has one field; a field is compared with the others of its well")
    names = _finite(table, found, "features of fields")
    return compute_field_scores(table, groups=[plate, well], features=names, random_state=random_state)


def _archetypes(source, found, random_state):
    plate, well = _need(source, "plate", "well")
    table, scores = source.wells, found.tables.get("fields")
    what = "wells"
    if scores is not None and source.fields is not None:
        keys, what = [plate, well, SITE], "fields"
        judged = scores[[*keys, WELL_DISTANCE]]
        table = source.fields.merge(judged, on=keys, how="left", validate="one_to_one")
    table, _ = _with_shares(table, found, what)
    if what == "fields":
        # tags may have left a field without its siblings, so that nothing can echo it
        siblings = table.groupby([plate, well], observed=True)[SITE].transform("size")
        table = table.assign(**{WELL_DISTANCE: table[WELL_DISTANCE].where(siblings > 1)})
    roles = {}
    for name, role in (("negative", "controls"), ("positive", "positive_controls")):
        query, what = source.roles[role], f"archetypes: share of the {name} controls"
        # a query of the run may speak of what differs within wells, or tags may leave none of the rows
        if query is not None and found.attempt(what, select_rows, table, query, parameter=role) is not None:
            roles[name] = query
    quality = compute_archetype_quality(table, plate=plate, well=well, **roles, random_state=random_state)
    reason = found.impossible.get("fields")
    return quality if reason is None else quality.assign(reason=reason)


def _replicates(name):
    def judged(source, found, random_state):
        _need(source, "replicates", "controls", "plate")
        if "replicates" not in found.shared:
            names = [] if source.features is None else _finite(source.features, found, "features")
            spaces = take_replicate_spaces(source, names, N_PCA, random_state)
            found.shared["replicates"] = spaces
            found.notes += spaces.notes
            if source.features is None:
                found.impossible["replicates in features"] = _say_no_features(source)
            if source.counts is None:
                found.impossible["replicates in cell_count"] = f"there is no {CELL_COUNT}"
        parts = compute_in_spaces(
            COMPUTE[name], found.shared["replicates"], source.roles, found, name, random_state
        )
        return _concat(parts)

    return judged


# fields come before archetypes, which are judged by them
_TABLES = {
    "controls": _controls,
    "positions": _positions,
    "drift": _drift,
    "variance": _variance,
    "mixing": _mixing,
    "b_scores": _b_scores,
    "fields": _fields,
    "archetypes": _archetypes,
    "replicate_precision": _replicates("replicate_precision"),
    "replicate_correlation": _replicates("replicate_correlation"),
}
