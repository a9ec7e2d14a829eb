"""Archetypes that a person has tagged as no phenotype leave the shares."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import ATQ_TAG, CONFIDENCE, PSEUDOLABEL
from archetypal_triplet._utils._tags import ARCHETYPE, EXCLUDED_TAGS, TAG, check_tags
from archetypal_triplet.qc._archetypes import find_archetype_columns
from archetypal_triplet.qc._wells_of_plates import check_table


@validate_params(
    {
        "X": "no_validation",
        "tags": "no_validation",
        "min_share": [Interval(Real, 0, 1, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def apply_tags(X, tags, *, min_share=0.05):
    """Leave the archetypes that are tagged as no phenotype out of a table of shares.

    Archetypes with the tags artifact, empty, debris and out_of_focus lose their columns, and the shares of
    the others are divided by their sum. Those tagged phenotype, or not at all, stay.

    Parameters
    ----------
    X : DataFrame
        Rows with shares in ``Archetype_*``, such as ``embedding.parquet`` of a run.
    tags : DataFrame
        One row per tagged archetype: ``Archetype``, ``Tag`` and perhaps ``Note``, see `check_tags`.
    min_share : float, default=0.05
        Rows whose kept archetypes add up to less (or to nothing) get NaN for shares.

    Returns
    -------
    DataFrame
        The same rows. ``Metadata_atq_Tag`` is new: the tag of the archetype that had the largest share, empty
        where it has none. Rows with NaN shares, and rows whose pseudo-label was an archetype that is out,
        have ``Pseudolabel`` -1 and ``Pseudolabel_Confidence`` 0, where these columns exist. Embeddings stay.

    Raises
    ------
    ValueError
        If there are no shares, a tag or an archetype is unknown, or no archetype is left.
    TypeError
        If `X` or `tags` is no table.

    See Also
    --------
    compute_archetype_quality : Says which archetypes to look at.

    Examples
    --------
    >>> import pandas as pd
    >>> from archetypal_triplet.qc import apply_tags
    >>> shares = pd.DataFrame([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]]).add_prefix("Archetype_")
    >>> tags = pd.DataFrame({"Archetype": ["Archetype_2"], "Tag": ["debris"]})
    >>> found = apply_tags(shares, tags)
    >>> found["Archetype_0"].tolist(), found["Archetype_1"].round(3).tolist()
    ([0.625, nan], [0.375, nan])
    >>> found["Metadata_atq_Tag"].tolist()
    ['', 'debris']
    """
    table = check_table(X)
    names = find_archetype_columns(table)
    tags = check_tags(tags, names)
    tag_of = dict(zip(tags[ARCHETYPE], tags[TAG], strict=True))
    is_out = np.array([tag_of.get(name) in EXCLUDED_TAGS for name in names])
    if is_out.all():
        raise ValueError(
            f"tags: all {len(names)} archetypes are tagged as no phenotype, so that none is left. Check "
            "the table of tags, or fit the archetypes again without the fields that are at fault."
        )
    shares = table[names].to_numpy(dtype=float)
    total = shares[:, ~is_out].sum(axis=1)
    # a row without shares (NaN) fails this comparison too
    is_kept = (total >= min_share) & (total > 0)
    kept = np.where(is_kept[:, None], shares[:, ~is_out] / np.where(is_kept, total, 1.0)[:, None], np.nan)
    has_shares = np.isfinite(shares).all(axis=1)
    largest = np.where(has_shares[:, None], shares, -1.0).argmax(axis=1)
    tag = np.array([tag_of.get(name, "") for name in names], dtype=object)[largest]
    result = table.drop(columns=[name for name, out in zip(names, is_out, strict=True) if out])
    result[[name for name, out in zip(names, is_out, strict=True) if not out]] = kept
    result[ATQ_TAG] = np.where(has_shares, tag, "")
    if PSEUDOLABEL in result:
        labels = result[PSEUDOLABEL].to_numpy()
        out = {int(name.rpartition("_")[2]) for name, o in zip(names, is_out, strict=True) if o}
        unlabeled = ~is_kept | np.isin(labels, list(out))
        result[PSEUDOLABEL] = np.where(unlabeled, -1, labels).astype(labels.dtype)
        if CONFIDENCE in result:
            result[CONFIDENCE] = np.where(unlabeled, 0.0, result[CONFIDENCE].to_numpy(dtype=float))
    return result
