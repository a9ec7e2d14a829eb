"""assess_run: a results folder in, tables of assay quality out."""

import math
import time
from pathlib import Path

from sklearn.utils import Bunch

from archetypal_triplet._utils._columns import CELL_COUNT
from archetypal_triplet._utils._frames import count_of
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet.qc import (
    check_tags,
    load_thresholds,
)
from archetypal_triplet.runs._assay_features import find_features
from archetypal_triplet.runs._assay_summary import FILES, METRICS, describe_value, summarize_assay
from archetypal_triplet.runs._assay_tables import compute_assay_tables
from archetypal_triplet.runs._progress import heard_warnings
from archetypal_triplet.runs._read import read_results, read_run_info, well_columns
from archetypal_triplet.runs._results import check_results_folder, results_folder, write_json
from archetypal_triplet.runs._summary import display_path, find_versions
from archetypal_triplet.screens import read_tags

QC_FILE = "qc.json"
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
    run_info = read_run_info(folder)
    out = check_results_folder(folder / "qc" if out is None else out, force=force, marker=QC_FILE)
    named = {
        "plate": plate, "well": well, "controls": controls, "positive_controls": positive_controls,
        "replicates": as_names(replicates) or None, "batch": batch, "order": order,
    }  # fmt: skip
    source = read_results(folder, run_info["parameters"], named, _check_tags(tags))
    if source.features is None:
        _add_features(source, folder, run_info)
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
            "versions": find_versions(),
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
    if isinstance(fail_below, str):
        pairs = [part.partition("=")[::2] for part in fail_below.split(",") if part.strip()]
    else:
        pairs = fail_below.items()
    limits = {}
    for name, value in pairs:
        name = name.strip()
        if name in limits:
            raise ValueError(f"fail_below names {name} twice. Give one limit for each metric.")
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


def _add_features(source, folder, run_info):
    """Add the features of a run on a file of profiles, which it does not copy."""
    source.features, source.why_no_features = find_features(folder, run_info, well_columns(source.roles))
    if source.counts is None and source.features is not None and CELL_COUNT in source.features:
        source.counts = source.features[source.features[CELL_COUNT].notna()]


def _check_tags(tags):
    return None if tags is None else check_tags(tags) if hasattr(tags, "columns") else read_tags(tags)


def _name_of(tags):
    if tags is None:
        return None
    return tags.to_dict("records") if hasattr(tags, "columns") else str(tags)


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
    lines = [f"Assay quality of {display_path(folder)}: {count_of(len(source.wells), 'well')}{where}"]
    lines += [HONESTY, "", *summarize_assay(found.tables, found.impossible, found.notes)]
    lines += ["", f"Tables in {display_path(out)} (.parquet and .csv)"]
    lines += [f"  {name:<22} {FILES[name]}" for name in found.tables]
    lines += [f"  {QC_FILE:<22} parameters, versions, thresholds with their sources, reasons"]
    return "\n".join([*lines, *(f"Below the limit: {failure}" for failure in failures)])
