"""The tables of a run: one row a sample in embedding.parquet, one row an archetype in archetypes.parquet."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from archetypal_triplet._utils._columns import (
    ARCHETYPE_PREFIX,
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
from archetypal_triplet.screens._roles import plate_names
from archetypal_triplet.screens._whitening import standardize

N_TYPICAL = 5


def find_reference_labeler(labeler):
    """Return the labeling whose shares are reported: of several, the first with the fewest archetypes.

    Parameters
    ----------
    labeler : Pipeline or EnsembleLabeler
        The fitted labeler of a Pipeline that `make_archetypal_triplet` made.

    Returns
    -------
    labeler : Pipeline
        Steps ``archetypes`` and ``labels``, ``average`` before them where rows are cells.
    position : int
        Its place among the labelings, from 0.
    """
    labelers = getattr(labeler, "labelers_", [labeler])
    counts = [len(one["archetypes"].archetypes_) for one in labelers]
    position = int(np.argmin(counts))
    return labelers[position], position


def make_embedding_table(metadata, embedding, labeler=None):
    """Join metadata, embedding and, from a fitted labeler, shares, pseudo-labels and confidence.

    Parameters
    ----------
    metadata : pandas.DataFrame
        What is known of the rows.
    embedding : ndarray of shape (n_samples, embedding_dim)
        The embedding of the same rows.
    labeler : Pipeline, default=None
        The reference labeling, fitted on these rows.

    Returns
    -------
    pandas.DataFrame
        A new table.
    """
    pd = import_optional("pandas", extra="screens")
    index = metadata.index
    parts = [metadata, pd.DataFrame(embedding, index, _numbered(EMBEDDING_PREFIX, embedding.shape[1]))]
    if labeler is not None:
        shares = labeler["archetypes"].coefficients_
        parts += [
            pd.DataFrame(shares, index, _numbered(ARCHETYPE_PREFIX, shares.shape[1])),
            pd.DataFrame(
                {PSEUDOLABEL: labeler["labels"].labels_, CONFIDENCE: labeler["labels"].confidence_}, index
            ),
        ]
    return pd.concat(parts, axis=1)


def make_archetypes_table(table, normalizer, components, labeler):
    """Describe the archetypes of the reference labeling.

    Parameters
    ----------
    table : pandas.DataFrame
        The profiles.
    normalizer : ScreenNormalizer
        Fitted on them.
    components : ndarray of shape (n_samples, n_components)
        The normalised profiles.
    labeler : Pipeline
        The reference labeling.

    Returns
    -------
    pandas.DataFrame
        One row an archetype: its mean share, the rows that are labelled by it, its most typical rows and what
        they are, its strongest features, its place in normalised components (``Component_*``) and in standard
        deviations of the features (``Z_*``, each the mean of the rows that make up the archetype).
    """
    pd = import_optional("pandas", extra="screens")
    archetypes, labels = labeler["archetypes"], labeler["labels"]
    shares = archetypes.coefficients_
    names = _numbered(ARCHETYPE_PREFIX, shares.shape[1])
    typical = np.argsort(-shares, axis=0, kind="stable")[:N_TYPICAL].T
    z, features = _z_of_archetypes(table, normalizer, components, labeler)
    keys = row_keys(table)
    head = pd.DataFrame(
        {
            "Archetype": names,
            "Mean_Share": shares.mean(axis=0),
            "N_Labeled": labels.label_counts_,
            "Typical_Rows": ["; ".join(keys[i] for i in rows) for rows in typical],
            **{
                f"Typical_{column.removeprefix('Metadata_')}": [
                    _counts(table[column].iloc[rows]) for rows in typical
                ]
                for column in (COMPOUND, CONTROL_TYPE)
                if column in table
            },
            "Top_Features": [_top_features(row, features) for row in z],
        }
    )
    places = np.hstack([archetypes.archetypes_, z])
    columns = [*_numbered("Component_", components.shape[1]), *(f"Z_{name}" for name in features)]
    return pd.concat([head, pd.DataFrame(places, columns=columns)], axis=1)


def row_keys(table):
    """Return a short name for each row: plate/well/site where these columns exist, else the row's number."""
    columns = [column for column in (PLATE, WELL, SITE) if column in table]
    if WELL not in columns:
        return [f"row {i}" for i in range(len(table))]
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
    others = [c for c in embedding_table if c not in skipped]
    constant = [c for c in others if bool((grouped[c].nunique(dropna=False) <= 1).all())]
    out = grouped[constant].first() if constant else grouped.size().to_frame()[[]]
    out = out.assign(Metadata_Count_Rows=grouped.size()).join(grouped[numeric].mean())
    return out.reset_index()


def standardize_features(table, normalizer):
    """Return the features that a `ScreenNormalizer` kept, in standard deviations from their plate's center.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows that the normaliser was fitted on.
    normalizer : ScreenNormalizer
        Fitted.

    Returns
    -------
    ndarray of shape (n_samples, n_kept)
        What the normaliser has after its first step.
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


def _z_of_archetypes(table, normalizer, components, labeler):
    """Features of each archetype in standard deviations, and the names of these features."""
    weights = labeler["archetypes"].archetype_weights_.toarray()
    rows = np.flatnonzero(weights.any(axis=0))
    weights = weights[:, rows]
    if "average" in labeler.named_steps:
        # the archetype is made of averages: hand the weight of each on to the cells in it
        k = labeler["average"].n_neighbors_
        search = NearestNeighbors(n_neighbors=k).fit(components)
        neighbors = search.kneighbors(components[rows], return_distance=False)
        weights, rows = np.repeat(weights / k, k, axis=1), neighbors.ravel()
    return weights @ standardize_features(table.iloc[rows], normalizer), _kept_features(normalizer)


def _counts(values):
    counts = values.astype(str).value_counts(sort=True)
    return ", ".join(name if len(counts) == 1 else f"{name} ({n})" for name, n in counts.items())


def _top_features(z, features, n_shown=5):
    strongest = np.argsort(-np.abs(z), kind="stable")[:n_shown]
    return ", ".join(f"{features[i]} {z[i]:+.1f}" for i in strongest)
