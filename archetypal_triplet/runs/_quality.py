"""Control separability of a run, with what must be said beside it."""

from archetypal_triplet._utils._columns import EMBEDDING_PREFIX
from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import group_codes, plate_names
from archetypal_triplet.qc import compute_control_separability
from archetypal_triplet.runs._tables import standardize_features

HONESTY = (
    "The axis is drawn from other wells than those it scores, but all wells trained the embedding "
    "(without labels): its numbers describe this map, and are no estimate for other plates."
)
SPACES = {
    "embedding": "embedding",
    "feature_embedding": "embedding of features",
    "pixel_embedding": "embedding of pixels",
    "whitened": "whitened components",
    "features": "features, plate-standardized",
}
# plate centers, scales and whitening come from the negative controls, components from all rows
_FITTED = {
    "features": "plate centers",
    "whitened": "plate centers, components, whitening",
    "embedding": "plate centers, components, whitening, network",
    "feature_embedding": "plate centers, components, whitening, network",
    "pixel_embedding": "plate centers, components, whitening, network",
}


def compute_quality(plan, pipeline, components, embedding, others=None):
    """Compute how well the controls can be told apart, in the embedding and in what it was made from.

    Parameters
    ----------
    plan : RunPlan
        Roles and options of the run.
    pipeline : Pipeline
        Fitted.
    components : ndarray of shape (n_samples, n_components) or with one column more
        The normalized profiles.
    embedding : pandas.DataFrame
        The embedding table of the same rows.
    others : dict of str to ndarray or None, default=None
        More embeddings of these rows, to be scored beside: ``feature_embedding``, ``pixel_embedding``.

    Returns
    -------
    pandas.DataFrame
        The tables of `archetypal_triplet.qc.compute_control_separability` for each space (``space``), and
        ``fitted_on_these_wells``: what was fitted, without their labels, to the wells that are scored, and
        ``trained_on``: ``"seen"``, since none of them was held out.
    """
    pd = import_optional("pandas", extra="screens")
    table, options = plan.table, plan.options
    spaces = {
        "embedding": embedding.filter(regex=f"^{EMBEDDING_PREFIX}").to_numpy(),
        **(others or {}),
        "whitened": components[:, : pipeline["normalize"].n_components_],
        "features": standardize_features(table, pipeline["normalize"]),
    }
    roles = {
        "negative": select_rows(table, options["controls"]),
        "positive": select_rows(table, options["positive_controls"], parameter="positive_controls"),
        "plate": plate_names(table, options["plate"]) if options["plate"] else None,
    }
    if plan.group_columns:
        roles["groups"] = group_codes(table, options["groups"], plate=options["plate"])
    if plan.left_out is not None:
        roles |= {name: _leave_out(roles[name], plan.left_out) for name in ("negative", "positive")}
    rows = roles["negative"] | roles["positive"]
    roles = {name: None if value is None else value[rows] for name, value in roles.items()}
    parts = []
    for name, values in spaces.items():
        part = compute_control_separability(values[rows], **roles, random_state=options["random_state"])
        part.insert(0, "space", name)
        part["fitted_on_these_wells"] = _FITTED[name]
        part["trained_on"] = "seen"  # every row of a run trains it, controls too
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _leave_out(chosen, left_out):
    kept = chosen & ~left_out
    return kept if kept.any() else chosen


def add_held_out(quality, held_out):
    """Put the rows of wells that did not train beside those of wells that did.

    Parameters
    ----------
    quality : pandas.DataFrame
        From `compute_quality`.
    held_out : pandas.DataFrame
        From `compute_held_out_quality`.

    Returns
    -------
    pandas.DataFrame
        Both, one below the other.
    """
    pd = import_optional("pandas", extra="screens")
    rows = [*quality.to_dict("records"), *held_out.to_dict("records")]
    return pd.DataFrame(rows, columns=list(quality))


def quality_lines(quality):
    """Return lines that tell a person the separability of the controls."""
    pooled = quality[quality["scope"] == "pooled"]
    is_held_out = pooled["trained_on"] == "held out"
    held_out = pooled[is_held_out].set_index(["space", "metric"])
    pooled = pooled[~is_held_out].set_index(["space", "metric"])
    n_negative, n_positive = (int(pooled[name].iloc[0]) for name in ("n_negative", "n_positive"))
    wells = f"{n_negative} negative and {n_positive} positive control wells"
    lines = [f"Separation of {wells}, all plates (95 % interval)"]
    found = pooled.index.get_level_values("space")
    for space, words in SPACES.items():
        if space not in found:
            continue
        row, auc = pooled.loc[(space, "z_prime")], pooled.loc[(space, "auc")]
        if row["value"] != row["value"]:
            return [*lines, f"  not computed: {row['reason']}"]
        lines.append(_line(words, row, auc))
    return [*lines, f"  {HONESTY}", *_held_out_lines(held_out)]


def _line(words, row, auc):
    interval = f"({row['low']:.2f} to {row['high']:.2f})"
    return f"  {words:<30}Z' {row['value']:6.2f} {interval}   AUC {auc['value']:.3f}"


def _held_out_lines(held_out):
    if not len(held_out):
        return []
    first = held_out.iloc[0]
    if first["value"] != first["value"]:
        return [f"  With controls that did not train: not computed: {first['reason']}"]
    lines = [f"The same, each half of the control wells embedded by a fit without it ({first['axis']})"]
    for space in ("embedding", "whitened"):
        lines.append(_line(SPACES[space], held_out.loc[(space, "z_prime")], held_out.loc[(space, "auc")]))
    return lines
