"""The benchmark's numbers as lines to print and as CSV and JSON files."""

import csv
import json
from pathlib import Path

import metrics
import numpy as np
from scoring import SCORES

HEADS = {"NSC": "NSC", "NSCB": "NSCB", "silhouette_wells": "silhouette", "silhouette": "silhouette t."}
WIDTH = 38


def format_table(name, results, *, note=""):
    """Format one line an arm: mean and spread over seeds, intervals over compounds.

    Parameters
    ----------
    name : str
        Name of the screen.
    results : list of dict
        One an arm and seed: ``arm``, ``seed``, ``seconds``, ``scores``, ``z_prime``.
    note : str, default=""
        Said about Z'.

    Returns
    -------
    lines : list of str
        To print.
    merged : dict of str to dict of str to metrics.Score
        Scores averaged over seeds, by arm and name.
    """
    by_arm = group_by_arm(results)
    merged = {
        arm: {k: metrics.merge_scores([r["scores"][k] for r in runs]) for k in SCORES}
        for arm, runs in by_arm.items()
    }
    if not merged:
        return [f"{name}: no arm was run"], {}
    first = next(iter(merged.values()))
    counts = {k: first[k].n_counted for k in SCORES}
    n_seeds = max(len(runs) for runs in by_arm.values())
    lines = [
        "",
        f"{name}: {len(first['NSC'].values)} treatments",
        f"{counts['NSC']} count for NSC, {counts['NSCB']} for NSCB, {counts['silhouette']} for silhouettes",
        "silhouette: of the single wells, Euclidean; silhouette t.: of the treatments, cosine",
        f"mean +- SD over {n_seeds} seeds of the whole chain [95 % interval over compounds of the mean]",
        "",
        f"{'':{WIDTH}s} {'NSC':24s} {'NSCB':24s} {'silhouette':13s} {'silhouette t.':13s} Z'",
    ]
    for arm, runs in by_arm.items():
        cells = [_cell(runs, merged[arm], "NSC", 24), _cell(runs, merged[arm], "NSCB", 24)]
        cells += [_mean_and_spread(runs, k).ljust(13) for k in ("silhouette_wells", "silhouette")]
        lines.append(f"{runs[0]['arm'].title:{WIDTH}s} {' '.join(cells)} {_z_cell(runs)}")
    z = next((r["z_prime"] for r in results if r["z_prime"]), None)
    if z is not None:
        lines += ["", f"Z': {_describe_controls(z)}" + (f"; {note}" if note else "")]
    return lines, merged


def format_cells_table(name, n_cells, results, *, note=""):
    """Format the Z' of wells that were averaged from the embedding of their cells.

    Parameters
    ----------
    name : str
        Name of the screen.
    n_cells : int
        Number of cells.
    results : list of dict
        As for `format_table`, without scores.
    note : str, default=""
        Said under the name.

    Returns
    -------
    list of str
        To print.
    """
    by_arm = group_by_arm(results)
    lines = ["", f"{name}: {n_cells} cells", *([note] if note else []), ""]
    for runs in by_arm.values():
        lines.append(f"{runs[0]['arm'].title:{WIDTH}s} Z' {_z_cell(runs)}")
    z = next((r["z_prime"] for r in results if r["z_prime"]), None)
    if z is not None:
        lines += ["", f"Z' of well means: {_describe_controls(z)}"]
    return lines


def group_by_arm(results):
    """Group results by the name of their arm, in order.

    Parameters
    ----------
    results : list of dict
        As for `format_table`.

    Returns
    -------
    dict of str to list of dict
        Runs of each arm.
    """
    by_arm = {}
    for result in results:
        by_arm.setdefault(result["arm"].name, []).append(result)
    return by_arm


def write_results(folder, name, results, comparisons):
    """Write ``<name>.csv`` (one line an arm and seed) and ``<name>.json`` (with the comparisons).

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    name : str
        Stem of the files.
    results : list of dict
        As for `format_table`.
    comparisons : list of dict
        As `verdict.compare_default` returns them.
    """
    rows = []
    for result in results:
        row = {"arm": result["arm"].name, "seed": result["seed"], "seconds": round(result["seconds"], 2)}
        for key in SCORES if result["scores"] else ():
            row[key], row[f"n_{key}"] = result["scores"][key].mean, result["scores"][key].n_counted
        row.update(result["z_prime"] or {})
        rows.append(row)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    text = json.dumps({"runs": rows, "comparisons": comparisons}, indent=1, default=float)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _mean_and_spread(runs, key):
    values = [run["scores"][key].mean for run in runs]
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} +-{np.std(values, ddof=1):.3f}"


def _cell(runs, merged, key, width):
    if not merged[key].n_counted:
        return "none counts".ljust(width)
    low, high = metrics.compute_interval(merged[key])
    return f"{_mean_and_spread(runs, key):12s} [{low:.2f}, {high:.2f}]".ljust(width)


def _z_cell(runs):
    values = [run["z_prime"] for run in runs if run["z_prime"] is not None]
    if not values:
        return "-"
    numbers = np.array([z["z_prime"] for z in values])
    if np.isnan(numbers).any():
        return f"none ({values[0]['reason']})"
    spread = f" +-{numbers.std(ddof=1):.2f}" if len(numbers) > 1 else ""
    low, high = (np.mean([z[end] for z in values]) for end in ("low", "high"))
    return f"{numbers.mean():.2f}{spread} [{low:.2f}, {high:.2f}]"


def _describe_controls(z):
    return (
        f"{z['n_negative']} negative against {z['n_positive']} positive wells, axis {z['how']} "
        "[95 % bootstrap interval over wells, mean of seeds]"
    )
