"""What the tables of assay quality say, in words: what to look at first."""

from archetypal_triplet._utils._columns import IS_FLAGGED

LEVEL = 0.05  # a p below is marked; it accuses one run in twenty that has nothing
METRICS = ("z_prime", "robust_z_prime", "ssmd", "auc")
SPACES = {
    "embedding": "embedding",
    "features": "features",
    "features_pca": "features, PCA",
    "cell_count": "cell count alone",
}
FILES = {
    "controls": "separation of the controls, in each space, pooled and by plate",
    "positions": "effects of row, column and edge",
    "drift": "negative controls from plate to plate",
    "variance": "variance explained by plate, batch, row, column",
    "mixing": "mixing of batches",
    "b_scores": "shares without the effects of row and column",
    "fields": "how unlike each field is to the others of its well",
    "archetypes": "where archetypes occur, and which are artifacts",
    "replicate_precision": "mean average precision of replicates, in each space",
    "replicate_correlation": "correlation of replicates, in each space",
}


def summarize_assay(tables, impossible, notes):
    """Return the lines that tell a person what to look at first, and what is not there.

    Parameters
    ----------
    tables : dict of str to DataFrame
        From `compute_assay_tables`.
    impossible : dict of str to str
        Reasons for what is not there.
    notes : list of str
        What was left out.

    Returns
    -------
    list of str
        Marked with ``!`` where a look is worth it.
    """
    lines = ["What to look at first (! marks what stands out)"]
    found = [line for name, say in _SAYINGS.items() if name in tables for line in say(tables[name])]
    lines += [f"! {text}" for marked, text in found if marked]
    lines += [f"  {text}" for marked, text in found if not marked]
    if impossible:
        lines += ["", "Not computed"]
        lines += [f"  {name}: {reason}" for name, reason in impossible.items()]
    return [*lines, *(f"  Note: {note}" for note in notes)]


def describe_value(row):
    """Return a metric with its interval, as a person reads it."""
    if row["value"] != row["value"]:
        return f"not computed ({row['reason']})"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _say_controls(table):
    seen = table["trained_on"] == "seen"
    held_out = table[~seen & (table["scope"] == "pooled") & (table["metric"] == "z_prime")]
    for _, row in held_out[held_out["space"].isin(list(SPACES))].iterrows():
        yield False, f"controls, {SPACES[row['space']]}, {row['trained_on']}: Z' {describe_value(row)}"
    table = table[seen]
    pooled = table[table["scope"] == "pooled"].set_index(["space", "metric"])
    spaces = [space for space in SPACES if (space, "z_prime") in pooled.index]
    for space in spaces:
        z_prime, auc = (pooled.loc[(space, metric)] for metric in ("z_prime", "auc"))
        text = f"controls, {SPACES[space]}: Z' {describe_value(z_prime)}"
        if auc["value"] == auc["value"]:
            text += f", AUC {auc['value']:.3f}"
        yield False, text
    if "embedding" in spaces:
        own, high = pooled.loc[("embedding", "z_prime"), ["value", "high"]]
        better = [space for space in spaces if pooled.loc[(space, "z_prime"), "value"] > own]
        if better:
            names = ", ".join(SPACES[space] for space in better)
            clear = max(pooled.loc[(space, "z_prime"), "value"] for space in better) > high
            text = f"controls: Z' is higher without the embedding ({names})"
            yield clear, text if clear else f"{text}, within its interval"
        if own <= 0:
            yield True, "controls: Z' of the embedding is not above 0: the classes overlap"
    plates = table[(table["space"] == "embedding") & (table["scope"] == "plate")]
    plates = plates[plates["metric"] == "z_prime"].dropna(subset="value")
    if len(plates) > 1:
        worst = plates.loc[plates["value"].idxmin()]
        yield False, f"controls: the lowest plate is {worst['plate']} with Z' {worst['value']:.2f}"


def _say_positions(table):
    for chosen, part in table[table["scope"] == "pooled"].groupby("wells", sort=False):
        shown = part[part["p_value"] <= LEVEL]
        for _, row in shown.iterrows():
            layout = "; the layout may be why" if chosen == "all" else ""
            text = (
                f"position: the {row['effect']} shows in {chosen} wells, p {row['p_value']:.3f}, "
                f"size {row['size']:.2f} spreads in {row['column']}{layout}"
            )
            yield True, text
        known = part["p_value"].notna()
        if known.any() and not len(shown):
            yield False, f"position: neither row, column nor edge shows in {chosen} wells (p > {LEVEL})"
        for reason in part.loc[~known, "reason"].unique():
            yield False, f"position, {chosen} wells: {reason}"


def _say_drift(table):
    for _, row in table[table["scope"] == "pooled"].iterrows():
        p = row["p_value"]
        if p != p:
            yield False, f"drift, {row['space']}: {row['reason']}"
            continue
        text = f"drift, {row['space']}: p {p:.3f}, {row['size']:.2f} spreads in {row['column']} over the run"
        yield p <= LEVEL, text


def _say_variance(table):
    for chosen, part in table.groupby("wells", sort=False):
        part = part.dropna(subset="variance_explained")  # one plate, or columns without values
        shares = [f"{row['factor']} {100 * row['variance_explained']:.0f} %" for _, row in part.iterrows()]
        if shares:
            yield False, f"variance of {chosen} wells: {', '.join(shares)}"


def _say_mixing(table):
    row = table[table["batch"] == "all"].iloc[0]
    if row["mixing"] != row["mixing"]:
        yield False, f"batches: {row['reason']}"
    else:
        yield False, f"batches: mixing {row['mixing']:.2f} (0 apart, 1 mixed)"


def _say_fields(table):
    flagged = table[IS_FLAGGED].astype(bool)
    yield bool(flagged.any()), f"fields: {flagged.sum()} of {len(table)} are unlike the others of their well"


def _say_archetypes(table):
    flagged = table[table["is_artifact"].astype(bool)]
    if len(flagged):
        names = ", ".join(flagged["archetype"])
        yield True, f"archetypes: {names} may be artifacts; look at them, and tag them"
    elif table["artifact_score"].notna().any():
        yield False, f"archetypes: none of {len(table)} is flagged as an artifact"
    else:
        yield False, f"archetypes, artifacts: {table['reason'].iloc[0]}"


def _say_precision(table):
    for space, part in table.groupby("space", sort=False):
        share = 100 * part["is_retrieved"].mean()
        mean = part["mean_average_precision"].mean()
        text = f"{share:.0f} % of {len(part)} treatments retrieved, mean precision {mean:.2f}"
        yield False, f"replicates, {SPACES[space]}: {text}"
    yield from _compare_spaces(table, "is_retrieved", "are retrieved")


def _say_correlation(table):
    for space, part in table.groupby("space", sort=False):
        share = 100 * part["is_replicating"].mean()
        how = "distance" if part["correlation"].isna().all() else "correlation"
        yield False, f"replicates, {SPACES[space]}: {share:.0f} % of {len(part)} treatments replicate ({how})"
    yield from _compare_spaces(table, "is_replicating", "replicate")


def _compare_spaces(table, column, what):
    shares = table.groupby("space", sort=False)[column].mean()
    if "embedding" in shares:
        better = [SPACES[space] for space in shares.index if shares[space] > shares["embedding"]]
        if better:
            yield True, f"replicates: more treatments {what} without the embedding ({', '.join(better)})"


_SAYINGS = {
    "controls": _say_controls,
    "archetypes": _say_archetypes,
    "fields": _say_fields,
    "positions": _say_positions,
    "drift": _say_drift,
    "variance": _say_variance,
    "mixing": _say_mixing,
    "replicate_precision": _say_precision,
    "replicate_correlation": _say_correlation,
}
