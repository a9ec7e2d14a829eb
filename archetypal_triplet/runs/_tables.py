"""The tables of a run: one row a sample in embedding.parquet, one row an archetype in archetypes.parquet."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
    ATQ_PREFIX,
    COMPOUND,
    CONFIDENCE,
    CONTROL_TYPE,
    EMBEDDING_PREFIX,
    PLATE,
    PSEUDOLABEL,
    SITE,
    WELL,
)
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._roles import plate_names
from archetypal_triplet.archetypes import match_archetypes
from archetypal_triplet.screens._whitening import standardize

N_TYPICAL = 5


def find_reference(embedder, components, left_out=None):
    """Return the labeling whose shares are reported: of several, the first with the fewest archetypes.

    Parameters
    ----------
    embedder : TripletEmbedder
        Fitted, of a Pipeline that `make_archetypal_triplet` made.
    components : ndarray of shape (n_samples, n_components)
        The normalized profiles that it was fitted on, and those that were left out.
    left_out : ndarray of shape (n_samples,), dtype bool, or None, default=None
        Rows that it was not fitted on; their label is -1.

    Returns
    -------
    sklearn.utils.Bunch
        ``archetypes``, the fitted `ArchetypalAnalysis`; ``shares`` (n_samples, n_archetypes), the mixture of
        every row (of its average with like cells, where rows are cells); ``labels``, the pseudo-labels that
        the network was trained on; ``confidence``, the largest share; ``position`` among the labelings, from
        0; ``labelers``, all of them; ``similarity`` and ``n_compared``, from `compare_labelings`.
    """
    labeler, rows = embedder.labeler_, components
    if isinstance(labeler, Pipeline) and "average" in labeler.named_steps:
        rows, labeler = labeler["average"].transform(components), labeler[1:]
    if isinstance(labeler, Pipeline) and "ensemble" in labeler.named_steps:
        labeler = labeler["ensemble"]
    labelers = getattr(labeler, "labelers_", [labeler])
    position = int(np.argmin([len(one["archetypes"].archetypes_) for one in labelers]))
    archetypes = labelers[position]["archetypes"]
    shares = archetypes.transform(rows)
    labels = spread_labels(embedder.labels_, left_out)
    similarity, n_compared = compare_labelings([one["archetypes"] for one in labelers], position)
    return Bunch(
        archetypes=archetypes,
        shares=shares,
        labels=labels if labels.ndim == 1 else labels[:, position],
        confidence=shares.max(axis=1),
        position=position,
        labelers=labelers,
        similarity=similarity,
        n_compared=n_compared,
    )


def compare_labelings(fits, position):
    """Tell how well the archetypes of one fit are found again by the others with as many archetypes.

    Parameters
    ----------
    fits : list of ArchetypalAnalysis
        Fitted on the same samples, or on parts of them, from different starts.
    position : int
        Which of them is asked about.

    Returns
    -------
    similarity : ndarray of shape (n_archetypes,)
        As in `archetypal_triplet.archetypes.archetype_stability`: mean over the other fits of
        ``max(0, 1 - d / s)``; NaN where there is no other.
    n_compared : int
        Other fits with as many archetypes.
    """
    places = fits[position].archetypes_.astype(float)
    others = [one.archetypes_ for i, one in enumerate(fits) if i != position]
    others = [one for one in others if one.shape == places.shape]
    if not others:
        return np.full(len(places), np.nan), 0
    size = np.sqrt(np.mean(np.sum((places - places.mean(axis=0)) ** 2, axis=1)))
    distances = np.empty((len(others), len(places)))
    for row, other in zip(distances, others, strict=True):
        order, _, distance = match_archetypes(places, other)
        row[order] = distance
    return np.maximum(0.0, 1.0 - distances / max(size, np.finfo(float).tiny)).mean(axis=0), len(others)


def spread_labels(labels, left_out):
    """Labels of all rows, -1 for those that were left out of the fit.

    Parameters
    ----------
    labels : ndarray of shape (n_fitted,) or (n_fitted, n_labelings)
        Labels of the rows that were fitted on.
    left_out : ndarray of shape (n_samples,), dtype bool, or None
        Which rows were not.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_labelings)
        `labels` itself where no row was left out.
    """
    if left_out is None:
        return labels
    spread = np.full((len(left_out), *labels.shape[1:]), -1, dtype=labels.dtype)
    spread[~left_out] = labels
    return spread


def select_reference(reference, rows):
    """Choose rows of what `find_reference` returned.

    Parameters
    ----------
    reference : Bunch
        From `find_reference`.
    rows : ndarray or slice
        Which rows.

    Returns
    -------
    sklearn.utils.Bunch
        A new one.
    """
    parts = {name: reference[name][rows] for name in ("shares", "labels", "confidence")}
    return Bunch(**{**reference, **parts})


def make_embedding_table(metadata, embedding, reference=None):
    """Join metadata, embedding and, where there is one, shares, pseudo-labels and confidence of a labeling.

    Parameters
    ----------
    metadata : pandas.DataFrame
        What is known of the rows.
    embedding : ndarray of shape (n_samples, embedding_dim)
        The embedding of the same rows.
    reference : Bunch, default=None
        From `find_reference`.

    Returns
    -------
    pandas.DataFrame
        A new table.
    """
    pd = import_optional("pandas", extra="screens")
    index = metadata.index
    parts = [metadata, pd.DataFrame(embedding, index, _numbered(EMBEDDING_PREFIX, embedding.shape[1]))]
    if reference is not None:
        names = _numbered(ARCHETYPE_PREFIX, reference.shares.shape[1])
        labels = {PSEUDOLABEL: reference.labels, CONFIDENCE: reference.confidence}
        parts += [pd.DataFrame(reference.shares, index, names), pd.DataFrame(labels, index)]
    return pd.concat(parts, axis=1)


def make_archetypes_table(table, normalizer, reference, *, n_described):
    """Describe the archetypes of the reference labeling.

    Parameters
    ----------
    table : pandas.DataFrame
        The profiles.
    normalizer : ScreenNormalizer
        Fitted on them.
    reference : Bunch
        From `find_reference`.
    n_described : int
        Number of most typical rows (those with the largest shares) whose mean describes an archetype.

    Returns
    -------
    pandas.DataFrame
        One row an archetype: its mean share, the number of rows labeled by it, its stability (how well other
        labelings with as many archetypes find it again, 0 to 1), its most typical rows and what they are, its
        strongest features, its place in normalized components (``Component_*``), and its features in standard
        deviations (``Z_*``), the mean of its `n_described` most typical rows.
    """
    pd = import_optional("pandas", extra="screens")
    shares, labels = reference.shares, reference.labels
    names = _numbered(ARCHETYPE_PREFIX, shares.shape[1])
    order = np.argsort(-shares, axis=0, kind="stable").T
    typical, described = order[:, :N_TYPICAL], order[:, :n_described]
    features = _kept_features(normalizer)
    z = np.array([standardize_features(table.iloc[rows], normalizer).mean(axis=0) for rows in described])
    keys = row_keys(table)
    columns = [c for c in (COMPOUND, CONTROL_TYPE) if c in table]
    head = {
        "Archetype": names,
        "Mean_Share": shares.mean(axis=0),
        "N_Labeled": np.bincount(labels[labels >= 0], minlength=len(names)),
        "Stability": reference.similarity,
        "Typical_Rows": ["; ".join(keys[i] for i in rows) for rows in typical],
    }
    for column in columns:
        name = f"Typical_{column.removeprefix('Metadata_')}"
        head[name] = [_counts(table[column].iloc[rows]) for rows in typical]
    head["Top_Features"] = [_top_features(row, features) for row in z]
    places = reference.archetypes.archetypes_
    names = [*_numbered("Component_", places.shape[1]), *(f"Z_{name}" for name in features)]
    return pd.concat([pd.DataFrame(head), pd.DataFrame(np.hstack([places, z]), columns=names)], axis=1)


def row_keys(table):
    """Return a short name for each row: plate/well/site where they exist and differ, else its number."""
    columns = [column for column in (PLATE, WELL, SITE) if column in table]
    if WELL not in columns:
        return [f"row {i}" for i in range(len(table))]
    columns = [column for column in columns if column == WELL or table[column].nunique() > 1]
    return ["/".join(str(part) for part in parts) for parts in zip(*(table[c] for c in columns), strict=True)]


def make_group_table(embedding_table, groups):
    """Average an embedding table over groups of rows, such as the wells of cells.

    Parameters
    ----------
    embedding_table : pandas.DataFrame
        From `make_embedding_table`.
    groups : list of str
        Columns that name a group together.

    Returns
    -------
    pandas.DataFrame
        One row a group, in the order of their first rows: the group's columns, metadata that are the same in
        all of its rows, the number of rows ``Metadata_Count_Rows``, mean embedding and mean shares.
    """
    grouped = embedding_table.groupby(groups, sort=False, observed=True)
    numeric = [c for c in embedding_table if str(c).startswith((EMBEDDING_PREFIX, ARCHETYPE_PREFIX))]
    skipped = {*numeric, *groups, PSEUDOLABEL, CONFIDENCE}
    others = [c for c in embedding_table if c not in skipped and not str(c).startswith(ATQ_PREFIX)]
    constant = [c for c in others if bool((grouped[c].nunique(dropna=False) <= 1).all())]
    out = grouped[constant].first() if constant else grouped.size().to_frame()[[]]
    out = out.assign(Metadata_Count_Rows=grouped.size()).join(grouped[numeric].mean())
    return out.reset_index()


def standardize_features(table, normalizer):
    """Return the features that a `ScreenNormalizer` kept, in standard deviations from their plate's center.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows that the normalizer was fitted on.
    normalizer : ScreenNormalizer
        Fitted.

    Returns
    -------
    ndarray of shape (n_samples, n_kept)
        What the normalizer has after its first step.
    """
    codes = np.zeros(len(table), dtype=int)
    if normalizer.plates_:
        codes = np.searchsorted(normalizer.plates_, plate_names(table, normalizer.plate))
    values = table[list(_kept_features(normalizer))].to_numpy(dtype=float)
    return standardize(values, normalizer.centers_, codes, normalizer.scale_, normalizer.clip)


def _kept_features(normalizer):
    return normalizer.feature_names_in_[normalizer.features_kept_]


def _numbered(prefix, n):
    return [f"{prefix}{i}" for i in range(n)]


def _counts(values):
    counts = values.astype(str).value_counts(sort=True)
    return ", ".join(name if len(counts) == 1 else f"{name} ({n})" for name, n in counts.items())


def _top_features(z, features, n_shown=5):
    strongest = np.argsort(-np.abs(z), kind="stable")[:n_shown]
    return ", ".join(f"{features[i]} {z[i]:+.1f}" for i in strongest)
