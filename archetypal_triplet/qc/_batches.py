"""How much of a map is plate and batch, and do batches mix?"""

from numbers import Integral, Real

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import PLATE, WELL
from archetypal_triplet._utils._frames import check_columns_exist, select_rows
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet._utils._wells import parse_wells
from archetypal_triplet.qc._wells_of_plates import check_table, take_measured

MIN_CONTROLS = 10  # with fewer the neighborhood of a control is nothing
_NEIGHBORS_PER_PERPLEXITY = 3
_N_STEPS = 60


def _explain(values, codes, blocks):
    """Mean over the columns of the adjusted share of variance between levels, blocks taken away first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Numbers.
    codes : ndarray of int of shape (n_rows,)
        Levels.
    blocks : ndarray of int of shape (n_rows,) or None
        Blocks whose means are taken away.

    Returns
    -------
    float
        1 when the levels tell all, near 0 when nothing; may be negative.
    """
    n_blocks = 1 if blocks is None else int(blocks.max()) + 1
    blocks = np.zeros(len(values), dtype=int) if blocks is None else blocks
    values = values - _take_means(values, blocks)
    total = (values**2).sum(axis=0)
    if blocks.max() > 0:
        # within blocks levels and block means overlap: solve for the levels given the blocks
        indicators = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)
        indicators -= _take_means(indicators, blocks)
        solution, _, rank, _ = np.linalg.lstsq(indicators, values, rcond=None)
        between = ((indicators @ solution) ** 2).sum(axis=0)
    else:
        between = (_take_means(values, codes) ** 2).sum(axis=0)
        rank = codes.max()
    n_free = len(values) - n_blocks
    varies = total > 0
    if n_free - rank < 1 or rank < 1 or not varies.any():
        return np.nan
    share = (between[varies] / total[varies]).mean()
    return 1 - (1 - share) * n_free / (n_free - rank)


def _take_means(values, codes):
    """Mean row of each row's level."""
    return group_means(values, codes, codes.max() + 1)[codes]


@validate_params(
    {
        "X": "no_validation",
        "factors": [list, tuple],
        "plate": [str, None],
        "well": [str, None],
        "rows": [str, None],
        "features": [list, None],
    },
    prefer_skip_nested_validation=True,
)
def compute_variance_explained(X, factors=(PLATE,), *, plate=PLATE, well=WELL, rows=None, features=None):
    """Compute which share of the variance plates, batches, rows and columns explain.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    factors : list of str, default=("Metadata_Plate",)
        Columns whose values are levels: plate, batch, week, ...
    plate : str or None, default="Metadata_Plate"
        Column that names the plate; its means are taken away before rows and columns are judged.
    well : str or None, default="Metadata_Well"
        Column that names the well, for the factors ``row`` and ``column``; None leaves these out.
    rows : str or None, default=None
        Query that chooses the rows to use, such as the negative controls; None uses all.
    features : list of str or None, default=None
        Columns to explain; None takes ``Embedding_*``, or where there are none all numbers that are neither
        metadata nor shares.

    Returns
    -------
    DataFrame
        One row per factor: factor, variance_explained (mean over the columns of the adjusted R^2, 1 -
        (1 - R^2) (n - 1) / (n - levels); chance gives 0 on average), n_levels and n_rows. Factors are judged
        one by one: where one is nested in another (plates in batches), the shares overlap.

    Raises
    ------
    ValueError
        If a column does not exist or values are NaN.
    TypeError
        If `X` is no table.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_variance_explained
    >>> profiles = make_screen(2, 3, batch_effect=3.0, random_state=0).profiles
    >>> explained = compute_variance_explained(
    ...     profiles, ["Metadata_Batch"], rows="Metadata_ControlType == 'negative'"
    ... )
    >>> explained["factor"].tolist(), bool(explained["variance_explained"][0] > 0.3)
    (['Metadata_Batch', 'row', 'column'], True)
    """
    table = check_table(X)
    check_columns_exist(table, list(factors), parameter="factors")
    if rows is not None:
        table = table[select_rows(table, rows, parameter="rows")]
    values, _ = take_measured(table, features)
    levels = {name: np.unique(table[name].astype(str), return_inverse=True)[1] for name in factors}
    blocks = None
    if well is not None:
        check_columns_exist(table, [well], parameter="well")
        places = parse_wells(table[well].astype(str).to_numpy())
        for name, place in zip(("row", "column"), places, strict=True):
            levels[name] = np.unique(place, return_inverse=True)[1]
        if plate is not None:
            check_columns_exist(table, [plate], parameter="plate")
            blocks = np.unique(table[plate].astype(str), return_inverse=True)[1]
    found = [
        (
            name,
            _explain(values, codes, blocks if name in ("row", "column") else None),
            codes.max() + 1,
            len(codes),
        )
        for name, codes in levels.items()
    ]
    pd = import_optional("pandas", extra="screens")
    return pd.DataFrame(found, columns=["factor", "variance_explained", "n_levels", "n_rows"])


def _compute_neighbor_weights(values, perplexity):
    """Neighbors of every row, and Gaussian weights with that perplexity, each (n_rows, n_neighbors)."""
    n_neighbors = min(len(values) - 1, round(_NEIGHBORS_PER_PERPLEXITY * perplexity))
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(values).kneighbors()
    squared = distances**2 - distances[:, :1] ** 2
    scale = np.maximum(np.median(squared, axis=1), np.finfo(float).tiny)
    squared = squared / scale[:, None]
    low, high = np.full(len(values), 1e-6), np.full(len(values), 1e6)
    for _ in range(_N_STEPS):  # bisection of the precision, whose logarithm is uncertain by 12 decades
        precision = np.sqrt(low * high)
        weights = np.exp(-precision[:, None] * squared)
        weights /= weights.sum(axis=1, keepdims=True)
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1)
        too_wide = entropy > np.log(perplexity)
        low, high = np.where(too_wide, precision, low), np.where(too_wide, high, precision)
    return neighbors, weights


@validate_params(
    {
        "X": "no_validation",
        "batch": [str],
        "negative": [str],
        "perplexity": [Interval(Real, 1, None, closed="left")],
        "features": [list, None],
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_batch_mixing(
    X, *, batch, negative, perplexity=30.0, features=None, n_permutations=99, random_state=None
):
    """Compute how well the batches of the negative controls mix in the map (LISI).

    The local inverse Simpson's index of a well is ``1 / sum_b p_b^2``, p_b the weight of batch b among its
    neighbors: 1 where all neighbors come from one batch, the number of batches where they mix evenly. Only
    controls are asked, since compounds may differ between batches for good reasons.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    batch : str
        Column that names the batch (or plate, or week).
    negative : str
        Query that chooses the negative controls.
    perplexity : float, default=30.0
        Effective number of neighbors, at most a third of the controls.
    features : list of str or None, default=None
        Columns that make the map; None takes ``Embedding_*``, or where there are none all numbers that are
        neither metadata nor shares.
    n_permutations : int, default=99
        Permutations of the batches for the value to expect of perfect mixing.
    random_state : int, RandomState instance or None, default=None
        Draws them.

    Returns
    -------
    DataFrame
        One row for all controls (batch ``all``) and one for each batch: batch, lisi (mean over the controls),
        expected (the same with permuted batches), mixing (``(lisi - 1) / (expected - 1)``: 0 apart, 1 mixed),
        n_negative and reason (why there is no number, else empty).

    Raises
    ------
    ValueError
        If a column does not exist, no row is a control, or values are NaN.
    TypeError
        If `X` is no table.

    References
    ----------
    Korsunsky I. et al. (2019). Fast, sensitive and accurate integration of single-cell data with Harmony.
    Nature Methods 16, 1289-1296, section "LISI metric".

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_batch_mixing
    >>> profiles = make_screen(2, 3, batch_effect=4.0, random_state=0).profiles
    >>> mixing = compute_batch_mixing(
    ...     profiles, batch="Metadata_Batch", negative="Metadata_ControlType == 'negative'", random_state=0
    ... )
    >>> bool(mixing["mixing"][0] < 0.5)
    True
    """
    table = check_table(X)
    check_columns_exist(table, [batch], parameter="batch")
    table = table[select_rows(table, negative, parameter="negative")]
    values, _ = take_measured(table, features, what="negative controls")
    names, codes = np.unique(table[batch].astype(str), return_inverse=True)
    counts = np.bincount(codes)
    pd = import_optional("pandas", extra="screens")
    columns = ["batch", "lisi", "expected", "mixing", "n_negative", "reason"]
    if len(names) < 2 or len(values) < MIN_CONTROLS:
        reason = f"{len(values)} negative controls in {len(names)} batches; {MIN_CONTROLS} in two are needed"
        return pd.DataFrame([("all", np.nan, np.nan, np.nan, len(values), reason)], columns=columns)
    # within batches: a batch far away must not shrink the column that shows it
    spread = np.sqrt(((values - _take_means(values, codes)) ** 2).mean(axis=0))
    values = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    neighbors, weights = _compute_neighbor_weights(values, min(perplexity, (len(values) - 1) / 3))

    cells = np.arange(len(values))[:, None] * len(names)  # of the table of wells and batches, laid out flat

    def compute_lisi(codes):
        shares = np.bincount((cells + codes[neighbors]).ravel(), weights.ravel(), len(values) * len(names))
        return 1 / (shares.reshape(len(values), -1) ** 2).sum(axis=1)

    rng = np.random.default_rng(draw_seed(random_state))
    permuted = [rng.permutation(codes) for _ in range(n_permutations)]
    lisi, by_chance = compute_lisi(codes), [compute_lisi(drawn) for drawn in permuted]
    rows = []
    for b, name in [(None, "all"), *enumerate(names)]:
        inside = np.ones(len(codes), dtype=bool) if b is None else codes == b
        found = lisi[inside].mean()
        expected = np.mean(
            [
                one[inside if b is None else drawn == b].mean()
                for one, drawn in zip(by_chance, permuted, strict=True)
            ]
        )
        mixing = (found - 1) / (expected - 1) if expected > 1 else np.nan
        rows.append((name, found, expected, mixing, len(codes) if b is None else counts[b], ""))
    return pd.DataFrame(rows, columns=columns)
