"""Do replicates of a treatment resemble each other more than they resemble the rest?"""

import tempfile
import warnings
from functools import reduce
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import PLATE
from archetypal_triplet._utils._frames import check_columns_exist, count_of, select_rows
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet._utils._roles import as_names, plate_names
from archetypal_triplet.qc._wells_of_plates import check_table, take_measured

MIN_COLUMNS, MIN_TREATMENTS = 3, 5
NULL_QUANTILE = 0.95
_MAX_BLOCK = 4_000_000  # numbers held at a time
_TRACE = 1e-4  # of the spread
# copairs keeps cosines as float32: directions that differ by less tie in its ranks
_SAME_DIRECTION, _TRACE_OF_DIRECTION = 1e-3, 5e-3
_KEY, _OWN = "Metadata_Replicate_Key", "Metadata_Reference_Index"


def _take_replicates(X, replicate, negative, plate, features):
    """Wells that are replicates or negative controls: the table of them, keys, controls and values."""
    table = check_table(X)
    names = list(dict.fromkeys(as_names(replicate)))
    if not names:
        raise ValueError("replicate=[] names no column. Name what replicates share, such as the compound.")
    check_columns_exist(table, names, parameter="replicate")
    check_columns_exist(table, [plate], parameter="plate")
    is_negative = select_rows(table, negative, parameter="negative")
    known = ~table[names].isna().any(axis=1).to_numpy()
    key = _join_values(table[names].astype(str))
    n_alike = key[known & ~is_negative].value_counts()
    is_replicate = known & ~is_negative & key.isin(n_alike.index[n_alike > 1]).to_numpy()
    if not is_replicate.any():
        raise ValueError(
            f"replicate={replicate!r}: no two rows beside the negative controls have equal values there. "
            "Name the columns that replicates share, such as the compound and its concentration."
        )
    chosen = is_replicate | is_negative
    values, _ = take_measured(table[chosen], features)
    return table[chosen], key[chosen].to_numpy(), is_negative[chosen], values


def _join_values(columns):
    """One text for the values of each row; a bar within a value is doubled where texts would coincide."""

    def join(parts):
        return reduce(lambda joined, part: joined + " | " + part, parts)

    joined = join([columns[name] for name in columns])
    if joined.nunique() < len(columns.drop_duplicates()):
        joined = join([columns[name].str.replace("|", "||", regex=False) for name in columns])
    return joined


@validate_params(
    {
        "X": "no_validation",
        "replicate": [str, list],
        "negative": [str],
        "plate": [str],
        "features": [list, None],
        "n_null": [Interval(Integral, 100, None, closed="left")],
        "level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_replicate_precision(
    X, *, replicate, negative, plate=PLATE, features=None, n_null=10_000, level=0.05, random_state=None
):
    """Compute how well each treatment's replicates find each other among the negative controls (mAP).

    For each replicate the other replicates and the negative controls **of its own plate** are ranked by
    cosine similarity; average precision is 1 where all replicates come first. The mean over the replicates of
    a treatment is its mean average precision, computed by copairs. A single column, such as the cell count,
    has no direction: wells are then ranked by their distance. Ties come in random order, so that an embedding
    in which all wells lie in one point finds nothing.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    replicate : str or list of str
        Columns whose equal values mark replicates: compound and concentration, say.
    negative : str
        Query that chooses the negative controls.
    plate : str, default="Metadata_Plate"
        Column that names the plate. Against the controls of all plates the number would grow with their
        number, and plate effects would pass for phenotypes.
    features : list of str or None, default=None
        Columns to compare; None takes ``Embedding_*``, or where there are none all numbers that are neither
        metadata nor shares.
    n_null : int, default=10000
        Size of the null distribution.
    level : float, default=0.05
        Level of `is_retrieved`, after correction for the number of treatments.
    random_state : int, RandomState instance or None, default=None
        Draws the null distribution, and the order of ties.

    Returns
    -------
    DataFrame
        One row per treatment: replicate (its values, joined by " | "), n_replicates,
        mean_average_precision, normalized (0 expected by chance, 1 best), p_value, corrected_p_value
        (Benjamini-Hochberg) and is_retrieved.

    Raises
    ------
    ValueError
        If a column does not exist, nothing has replicates, no replicate has controls on its plate, or values
        are NaN.
    ImportError
        If copairs is not installed.

    References
    ----------
    Kalinin A. A. et al. (2025). A versatile information retrieval framework for evaluating profile strength
    and similarity. Nature Communications 16, 5181.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_replicate_precision
    >>> profiles = make_screen(1, 3, plate_format=96, n_doses=2, random_state=0).profiles
    >>> precision = compute_replicate_precision(
    ...     profiles,
    ...     replicate=["Metadata_Compound", "Metadata_Concentration_uM"],
    ...     negative="Metadata_ControlType == 'negative'",
    ...     n_null=1000,
    ...     random_state=0,
    ... )
    >>> bool(precision["mean_average_precision"].between(0, 1).all())
    True
    """
    copairs = import_optional("copairs.map", extra="qc")
    pd = import_optional("pandas", extra="screens")
    table, key, is_negative, values = _take_replicates(X, replicate, negative, plate, features)
    plates = plate_names(table, plate)
    alone = ~is_negative & ~np.isin(plates, plates[is_negative])
    if alone.all() or (alone | is_negative).all():
        raise ValueError(
            f"No replicate has a negative control on its own plate (plate={plate!r}, negative={negative!r}). "
            "Check both."
        )
    meta = pd.DataFrame({_KEY: key, PLATE: plates, "is_negative": is_negative})
    # a control has no replicates: it is of a kind with itself only
    meta[_OWN] = np.where(is_negative, np.arange(len(meta)), -1)
    seed = draw_seed(0 if random_state is None else random_state)
    is_single = values.shape[1] == 1
    values = _break_ties(values, seed) if is_single else _break_ties_of_directions(values, seed)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as cache:  # its own cache lies in the home
        warnings.simplefilter("ignore")
        scores = copairs.average_precision(
            meta,
            values,
            pos_sameby=[_KEY, _OWN],
            pos_diffby=[],
            neg_sameby=[PLATE],
            neg_diffby=["is_negative"],
            distance="euclidean" if is_single else "cosine",
            progress_bar=False,
        )
        scores = scores[~scores["is_negative"].astype(bool)]
        found = copairs.mean_average_precision(
            scores,
            sameby=[_KEY],
            null_size=n_null,
            threshold=level,
            seed=int(seed),
            progress_bar=False,
            cache_dir=cache,
        )
    found["n_replicates"] = found["indices"].map(len)
    names = {
        _KEY: "replicate",
        "n_replicates": "n_replicates",
        "mean_average_precision": "mean_average_precision",
        "mean_normalized_average_precision": "normalized",
        "p_value": "p_value",
        "corrected_p_value": "corrected_p_value",
        "below_corrected_p": "is_retrieved",
    }
    return found[list(names)].rename(columns=names).sort_values("replicate", ignore_index=True)


def _break_ties(values, seed):
    """Numbers in units of their spread, with a trace of noise: in a tie copairs ranks replicates first."""
    scaled = (values - values.mean()) / (values.std() or 1.0)
    return scaled + _TRACE * np.random.default_rng(seed).standard_normal(values.shape)


def _break_ties_of_directions(values, seed):
    """Rows of which several point the same way, or nowhere, with a trace of noise; others as they are."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit = values / np.where(length > 0, length, 1.0)
    _, cell, counts = np.unique(
        np.round(unit / _SAME_DIRECTION), axis=0, return_inverse=True, return_counts=True
    )
    tied = (counts[cell.ravel()] > 1) | (length[:, 0] == 0)
    if not tied.any():
        return values
    noise = np.random.default_rng(seed).standard_normal(values.shape) / np.sqrt(values.shape[1])
    return np.where(tied[:, None], unit + _TRACE_OF_DIRECTION * noise, values)


def _compute_median_similarity(values):
    """Median over all pairs of rows of `values` (..., n_rows, n_columns).

    Of centered rows of unit length it is Pearson's correlation; of a single column minus the distance.
    """
    if values.shape[-1] == 1:
        products = -np.abs(values - np.swapaxes(values, -1, -2))
    else:
        products = values @ np.swapaxes(values, -1, -2)
    return np.median(products[..., *np.triu_indices(values.shape[-2], 1)], axis=-1)


@validate_params(
    {
        "X": "no_validation",
        "replicate": [str, list],
        "negative": [str],
        "plate": [str],
        "features": [list, None],
        "n_null": [Interval(Integral, 20, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_replicate_correlation(
    X, *, replicate, negative, plate=PLATE, features=None, n_null=1000, random_state=None
):
    """Compute the correlation of each treatment's replicates, beside that of wells of different treatments.

    The median Pearson correlation of all pairs of a treatment's replicates, across the columns, is compared
    with that of as many wells drawn from different treatments. In a single column, such as the cell count,
    there is no correlation: wells are then alike by their distance.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    replicate : str or list of str
        Columns whose equal values mark replicates.
    negative : str
        Query that chooses the negative controls, which are left out.
    plate : str, default="Metadata_Plate"
        Column that names the plate.
    features : list of str or None, default=None
        Columns to correlate, three at least, or one; None takes ``Embedding_*``, or where there are none all
        numbers that are neither metadata nor shares.
    n_null : int, default=1000
        Draws of wells of different treatments, for each number of replicates.
    random_state : int, RandomState instance or None, default=None
        Draws them.

    Returns
    -------
    DataFrame
        One row per treatment: replicate, n_replicates, correlation (NaN in a single column), similarity (the
        correlation, or minus the median distance), null_95 (95th percentile of the similarity of wells of
        different treatments) and is_replicating (similarity above it). The mean of the last is known as
        percent replicating.

    Raises
    ------
    ValueError
        If a column does not exist, nothing has replicates, there are two columns or fewer than five
        treatments, or values are NaN.

    Notes
    -----
    Replicates in the same well position of different plates share the effect of that position; they may
    correlate for that reason.

    References
    ----------
    Way G. P. et al. (2022). Morphology and gene expression profiling provide complementary information for
    mapping cell state. Cell Systems 13(11), 911-923, section on percent replicating.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_replicate_correlation
    >>> profiles = make_screen(1, 3, plate_format=96, n_doses=2, random_state=0).profiles
    >>> correlation = compute_replicate_correlation(
    ...     profiles,
    ...     replicate=["Metadata_Compound", "Metadata_Concentration_uM"],
    ...     negative="Metadata_ControlType == 'negative'",
    ...     random_state=0,
    ... )
    >>> correlation["n_replicates"].unique().tolist()
    [3, 24]
    """
    pd = import_optional("pandas", extra="screens")
    _, key, is_negative, values = _take_replicates(X, replicate, negative, plate, features)
    key, values = key[~is_negative], values[~is_negative]
    names, codes = np.unique(key, return_inverse=True)
    is_single = values.shape[1] == 1
    if (values.shape[1] < MIN_COLUMNS and not is_single) or len(names) < MIN_TREATMENTS:
        raise ValueError(
            f"{count_of(len(names), 'treatment')} with replicates in {count_of(values.shape[1], 'column')}: "
            f"a correlation needs {MIN_COLUMNS} columns (or one, for distances), and its null distribution "
            f"{MIN_TREATMENTS} treatments."
        )
    seed = draw_seed(random_state)
    if is_single:
        values = _break_ties(values, seed)
    else:
        values = values - values.mean(axis=1, keepdims=True)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        values = values / np.where(length > 0, length, 1.0)
    rng = np.random.default_rng(seed)
    counts = np.bincount(codes)
    starts = np.append(0, np.cumsum(counts))[:-1]
    order = np.argsort(codes, kind="stable")
    limits = {}
    for n in np.unique(counts):
        n_drawn = min(n, len(names))
        # one draw after the other: all treatments in n_null random orders would fill the memory
        treatments = np.stack([rng.choice(len(names), n_drawn, replace=False) for _ in range(n_null)])
        wells = order[starts[treatments] + rng.integers(counts[treatments])]
        limits[n] = np.quantile(_compute_median_similarity(values[wells]), NULL_QUANTILE)
    similarity = np.empty(len(names))
    for n in np.unique(counts):
        alike = np.flatnonzero(counts == n)
        for block in np.array_split(alike, 1 + len(alike) * n * max(n, values.shape[1]) // _MAX_BLOCK):
            wells = order[starts[block][:, None] + np.arange(n)]
            similarity[block] = _compute_median_similarity(values[wells])
    found = pd.DataFrame({"replicate": names, "n_replicates": counts})
    found["correlation"] = np.nan if is_single else similarity
    found["similarity"] = similarity
    found["null_95"] = found["n_replicates"].map(limits)
    found["is_replicating"] = found["similarity"] > found["null_95"]
    return found
