"""assess_run: a results folder in, tables of assay quality out."""

import json
import math
import time
from pathlib import Path

from sklearn.utils import Bunch

from archetypal_triplet._utils._columns import ATQ_PREFIX, CELL_COUNT, IS_FLAGGED, PLATE, SITE, WELL
from archetypal_triplet._utils._frames import check_columns_exist, count_of, select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.qc import (
    apply_tags,
    check_tags,
    load_thresholds,
)
from archetypal_triplet.runs._assay_summary import FILES, METRICS, describe_value, summarize_assay
from archetypal_triplet.runs._assay_tables import AssayInput, compute_assay_tables
from archetypal_triplet.runs._progress import heard_warnings
from archetypal_triplet.runs._results import RUN_FILE, check_results_folder, results_folder, write_json
from archetypal_triplet.runs._run import _display_path, _versions
from archetypal_triplet.runs._tables import make_group_table
from archetypal_triplet.screens import read_tags

QC_FILE = "qc.json"
_TEXT = ("plate", "axis", "reason", "trained_on")  # an empty column of a CSV file would be numbers
HONESTY = (
    "All wells trained the embedding, without labels (trained_on: seen): numbers from it describe this map, "
    "and are no estimate for other plates."
)


def assess_run(
    results,
    *,
    controls=None,
    positive_controls=None,
    plate=None,
    well=None,
    replicates=None,
    batch=None,
    order=None,
    tags=None,
    fail_below=None,
    out=None,
    force=False,
    random_state=0,
):
    """Judge the assay of a run from its results folder, and write the tables of quality into it.

    Everything of `archetypal_triplet.qc` that the folder allows is computed. What it does not allow (no
    positive controls, one field a well, no batches) is left out, and the reason is kept.

    Parameters
    ----------
    results : str or Path
        Results folder of a run.
    controls : str or None, default=None
        Query that chooses the negative controls; None takes that of the run.
    positive_controls : str or None, default=None
        Query that chooses the positive controls; None takes that of the run.
    plate : str or None, default=None
        Column that names the plate; None takes that of the run, or ``Metadata_Plate``.
    well : str or None, default=None
        Column that names the well; None takes ``Metadata_Well``.
    replicates : str, list of str or None, default=None
        Columns whose equal values mark replicates, such as compound and concentration.
    batch : str or None, default=None
        Column that names the batch.
    order : str or None, default=None
        Column that says when a plate was run; None takes the order of their names.
    tags : DataFrame, str, Path or None, default=None
        Tags of archetypes, or a file of them: those that are no phenotype are left out of the shares.
    fail_below : dict of str to float, str or None, default=None
        Least values of the embedding's pooled ``z_prime``, ``robust_z_prime``, ``ssmd`` and ``auc``, also
        written ``"z_prime=0.3,auc=0.9"``. A value that could not be computed fails too.
    out : str, Path or None, default=None
        Where to write; None takes the folder ``qc`` in `results`.
    force : bool, default=False
        Whether an older assessment in `out` is replaced. Anything else that is there is never touched.
    random_state : int, default=0
        Seed of folds, resamples and permutations.

    Returns
    -------
    sklearn.utils.Bunch
        ``folder``, ``tables`` (by name), ``impossible`` (reasons by name), ``failures`` (a line for each
        limit that is not reached), ``info`` (the content of qc.json) and ``summary`` (a text to print).

    Raises
    ------
    ValueError
        If `results` is no results folder, a named column or control does not exist, a tag is unknown, or
        `fail_below` names an unknown metric.
    OSError
        If a file does not exist, or `out` cannot be written to or holds an assessment already.

    See Also
    --------
    run_profiles : Makes a results folder.

    Notes
    -----
    Rows that are cells or fields are averaged to wells first. The wells have trained the embedding, without
    labels; the column ``trained_on`` of the table of controls says so.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.runs import assess_run, run_profiles
    >>> profiles = make_screen(1, 1, n_replicates=1, plate_format=96, n_features=20, random_state=0).profiles
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = run_profiles(
    ...         profiles,
    ...         plate="Metadata_Plate",
    ...         controls="Metadata_ControlType == 'negative'",
    ...         n_archetypes=4,
    ...         out=folder + "/results",
    ...     )
    ...     assay = assess_run(run.folder, fail_below={"auc": 0.9})
    >>> sorted(assay.tables)
    ['archetypes', 'b_scores', 'drift', 'positions', 'variance']
    >>> assay.impossible["controls"]
    'no positive controls are known; name them with --positive-controls'
    >>> assay.failures
    ['auc not computed (no positive controls are known; name them with --positive-controls), limit 0.9']
    """
    begin = time.perf_counter()
    limits = _check_limits(fail_below)
    folder = Path(results).expanduser().resolve()
    run_info = _read_run_info(folder)
    out = check_results_folder(folder / "qc" if out is None else out, force=force, marker=QC_FILE)
    named = {
        "plate": plate, "well": well, "controls": controls, "positive_controls": positive_controls,
        "replicates": as_names(replicates) or None, "batch": batch, "order": order,
    }  # fmt: skip
    source = _read_results(folder, run_info["parameters"], named, _check_tags(tags))
    with heard_warnings() as heard, results_folder(out, force=force, marker=QC_FILE) as partial:
        found = compute_assay_tables(source, random_state=random_state)
        failures = _compare_with_limits(limits, found)
        info = {
            "format": "archetypal-triplet qc",
            "format_version": 1,
            "seconds": round(time.perf_counter() - begin, 3),
            "parameters": {
                **source.roles,
                "tags": _name_of(tags),
                "results": folder,
            },
            "named": named,
            "fail_below": limits,
            "failures": failures,
            "seed": random_state,
            "versions": _versions(),
            "run": {name: run_info.get(name) for name in ("started_utc", "versions", "input")},
            "trained_on": HONESTY,
            "thresholds": load_thresholds().to_dict("records"),
            "files": _write_tables(partial, found.tables),
            "impossible": found.impossible,
            "notes": found.notes,
            "warnings": heard,
        }
        write_json(partial / QC_FILE, info)
    summary = _summarize(source, found, folder, out, failures)
    return Bunch(
        folder=out,
        tables=found.tables,
        impossible=found.impossible,
        failures=failures,
        info=info,
        summary=summary,
    )


def _check_limits(fail_below):
    if fail_below is None:
        return {}
    pairs = fail_below
    if isinstance(fail_below, str):
        pairs = dict(part.partition("=")[::2] for part in fail_below.split(",") if part.strip())
    limits = {}
    for name, value in pairs.items():
        name = name.strip()
        if name not in METRICS:
            raise ValueError(f"fail_below names {name!r}, which is no metric. Metrics: {', '.join(METRICS)}.")
        try:
            limits[name] = float(value)
        except (TypeError, ValueError):
            limits[name] = math.nan
        if not math.isfinite(limits[name]):
            raise ValueError(f"fail_below: {name}={value!r} is no number. Write such as {name}=0.3.")
    if not limits:
        raise ValueError(f"fail_below={fail_below!r} names no metric. Metrics: {', '.join(METRICS)}.")
    return limits


def _read_run_info(folder):
    cure = "Name the folder that archetypal-triplet run has written."
    if not folder.is_dir():
        raise FileNotFoundError(f"results={str(folder)!r} is not a folder. {cure}")
    for name in (RUN_FILE, "embedding.parquet"):
        if not (folder / name).is_file():
            raise ValueError(f"results={str(folder)!r} is no results folder: there is no {name}. {cure}")
    try:
        info = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"results={str(folder)!r}: {RUN_FILE} cannot be read ({error}). {cure}") from None
    if not isinstance(info, dict) or not isinstance(info.get("parameters"), dict):
        raise ValueError(f"results={str(folder)!r}: {RUN_FILE} is not that of a run. {cure}")
    return info


def _check_tags(tags):
    return None if tags is None else check_tags(tags) if hasattr(tags, "columns") else read_tags(tags)


def _name_of(tags):
    if tags is None:
        return None
    return tags.to_dict("records") if hasattr(tags, "columns") else str(tags)


def _read_results(folder, parameters, named, tags):
    """Read the tables of a run, and find out what their columns stand for."""
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
    keys = [known[name] for name in ("plate", "well") if known[name] is not None]
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
    keys = [known[name] for name in ("plate", "well") if known[name] is not None]
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


def _write_tables(folder, tables):
    files = {}
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        table.to_csv(folder / f"{name}.csv", index=False)
        files[f"{name}.parquet"] = files[f"{name}.csv"] = FILES[name]
    return files


def _compare_with_limits(limits, found):
    failures = []
    table = found.tables.get("controls")
    rows = {}
    if table is not None:
        chosen = (table["scope"] == "pooled") & (table["space"] == "embedding")
        pooled = table[chosen & (table["trained_on"] == "seen")]
        rows = {row["metric"]: row for _, row in pooled.iterrows()}
    for name, limit in limits.items():
        if name not in rows:
            reason = found.impossible.get("controls in embedding") or found.impossible["controls"]
            failures.append(f"{name} not computed ({reason}), limit {limit:g}")
        elif not rows[name]["value"] >= limit:  # NaN is not
            failures.append(f"{name} {describe_value(rows[name])}, limit {limit:g}")
    return failures


def _summarize(source, found, folder, out, failures):
    plate = source.roles["plate"]
    n_plates = source.wells[plate].nunique() if plate is not None else None
    where = f" on {count_of(n_plates, 'plate')}" if n_plates else ""
    lines = [f"Assay quality of {_display_path(folder)}: {count_of(len(source.wells), 'well')}{where}"]
    lines += [HONESTY, "", *summarize_assay(found.tables, found.impossible, found.notes)]
    lines += ["", f"Tables in {_display_path(out)} (.parquet and .csv)"]
    lines += [f"  {name:<22} {FILES[name]}" for name in found.tables]
    lines += [f"  {QC_FILE:<22} parameters, versions, thresholds with their sources, reasons"]
    return "\n".join([*lines, *(f"Below the limit: {failure}" for failure in failures)])
