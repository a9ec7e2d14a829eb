"""Does the place of a well on its plate show in what was measured there?"""

from numbers import Integral

import numpy as np
from scipy.stats import rankdata
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import PLATE, WELL
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet._utils._wells import plate_shape
from archetypal_triplet.qc._wells_of_plates import read_wells, standardize_within_plates

EFFECTS = ("row", "column", "edge")
COLUMNS = (
    "scope", "plate", "effect", "column", "variance_explained", "size", "p_value", "n_wells", "reason",
)  # fmt: skip
MIN_WELLS = 12
_MAX_BLOCK = 40_000_000  # numbers of one product that are held at a time


def make_design(rows, columns, shape):
    """Levels of every effect as indicators, and the straight line through them.

    Parameters
    ----------
    rows, columns : ndarray of int of shape (n_wells,)
        Where the wells lie.
    shape : tuple of int
        Rows and columns of the plate.

    Returns
    -------
    dict
        For each effect an array (n_levels + 1, n_wells): an indicator of each level, and the centered level.
    """
    on_edge = (rows == 0) | (rows == shape[0] - 1) | (columns == 0) | (columns == shape[1] - 1)
    design = {}
    for effect, level, n_levels in zip(EFFECTS, (rows, columns, on_edge * 1), (*shape, 2), strict=True):
        indicators = level == np.arange(n_levels)[:, None]
        design[effect] = np.vstack([indicators, level - level.mean()]).astype(np.float32)
    return design


def draw_permutations(n_permutations, n_wells, rng):
    """Orders of wells (n_permutations + 1, n_wells), the first of them the true one."""
    orders = np.tile(np.arange(n_wells), (n_permutations + 1, 1))
    rng.permuted(orders[1:], axis=1, out=orders[1:])
    return orders


def compute_combined_p(statistics):
    """Compute p of the smallest of several p, calibrated by the same permutations (Tippett's combination).

    Parameters
    ----------
    statistics : ndarray of shape (n_orders, n_statistics, ...)
        Large values speak against the null; the first order is the true one.

    Returns
    -------
    ndarray of shape (...)
        Between 1 / n_orders and 1; exact under exchangeability.
    """
    n_orders = len(statistics)
    if statistics.shape[1] > 1:
        share_as_large = rankdata(-statistics, method="max", axis=0) / n_orders
        statistics = -share_as_large.min(axis=1)
    else:
        statistics = statistics[:, 0]
    return (statistics >= statistics[:1]).mean(axis=0)


def permute_sums(design, orders, values):
    """Yield the orders in blocks with the sums ``design[:, order] @ values`` of each.

    Parameters
    ----------
    design : ndarray of shape (n_contrasts, n_wells)
        Contrasts of wells.
    orders : ndarray of shape (n_orders, n_wells)
        Permutations.
    values : ndarray of shape (n_wells, n_values)
        Centered values.

    Yields
    ------
    block : slice
        Which of the orders.
    sums : ndarray of shape (n_in_block, n_contrasts, n_values)
        Their sums.
    """
    n_wells, n_values = values.shape
    values = values.astype(np.float32)
    step = max(1, _MAX_BLOCK // (len(design) * max(n_wells, n_values)))
    for start in range(0, len(orders), step):
        block = slice(start, start + step)
        permuted = np.ascontiguousarray(design[:, orders[block]].transpose(1, 0, 2))
        sums = permuted.reshape(-1, n_wells) @ values
        yield block, sums.reshape(len(permuted), len(design), n_values)


class _Layout:
    """Plates with the same wells, which can share permutations.

    One order of the wells is used on all of these plates at once. Plates are blocks: no well leaves its
    plate, and since plates are independent of each other, moving all of them in step is as valid a draw.
    """

    def __init__(self, wells, plates, n_permutations, shape, rng):
        members = np.array([np.flatnonzero(wells.plates == plate) for plate in plates])
        rows, columns = wells.rows[members[0]], wells.columns[members[0]]
        self.plates, self.n_wells = np.asarray(plates), members.shape[1]
        values = wells.values[members]  # (n_plates, n_wells, n_columns)
        self.values = values - values.mean(axis=1, keepdims=True)
        self.design = make_design(rows, columns, shape)
        self.orders = draw_permutations(n_permutations, self.n_wells, rng)
        self.spans = {"row": np.ptp(rows), "column": np.ptp(columns), "edge": 1}

    def has(self, effect):
        """Tell whether these wells have more than one level of an effect."""
        return (self.design[effect][:-1].sum(axis=1) > 0).sum() > 1

    def counts(self, effect):
        """Wells of each level, and the squared length of the line."""
        design = self.design[effect].astype(np.float64)
        return np.append(design[:-1].sum(axis=1), (design[-1] ** 2).sum())

    def plates_in_blocks(self):
        """Yield slices of plates such that one block of sums stays small."""
        step = max(1, _MAX_BLOCK // (len(self.orders) * self.values.shape[2] * 8))
        for start in range(0, len(self.plates), step):
            yield slice(start, start + step)

    def sums_of_squares(self, effect, block):
        """Sums of squares between levels and along the line: two arrays (n_orders, n_plates, n_columns)."""
        values = self.values[block].transpose(1, 0, 2)
        found = np.empty((2, len(self.orders), *values.shape[1:]), dtype=np.float32)
        weights = 1 / np.maximum(self.counts(effect), 1)[:, None]
        weights[-1] = 1 / self.counts(effect)[-1]
        for orders, sums in permute_sums(self.design[effect], self.orders, values.reshape(self.n_wells, -1)):
            squares = sums**2 * weights.astype(np.float32)
            shape = (len(squares), *values.shape[1:])
            found[0, orders] = squares[:, :-1].sum(axis=1).reshape(shape)
            found[1, orders] = squares[:, -1].reshape(shape)
        return found

    def common_sums(self, effect):
        """Sums over all plates, levels and line, (n_orders, n_levels + 1, n_columns)."""
        values = self.values.sum(axis=0)
        found = [sums for _, sums in permute_sums(self.design[effect], self.orders, values)]
        return np.concatenate(found)

    def sizes(self, effect):
        """Shift along the line from its one end to the other, (n_plates, n_columns)."""
        line = self.design[effect][-1].astype(np.float64)
        return np.einsum("w,pwc->pc", line, self.values) / (line @ line) * self.spans[effect]


def _adjust(share, n_levels, n_free):
    """Share of variance less what that many levels explain by chance."""
    return 1 - (1 - share) * n_free / (n_free - n_levels + 1) if n_free > n_levels - 1 else np.nan


def _summarize(squares, by_column):
    """Statistics (n_orders, n_statistics, ...) of sums of squares, each (n_orders, ..., n_columns)."""
    if by_column:
        return np.stack(squares, axis=1)
    return np.stack([f(s, axis=-1) for s in squares for f in (np.mean, np.max)], axis=1)


def _strongest(sizes, names, by_column):
    """Pairs of column and size: of every column, or of the one with the largest size."""
    if by_column:
        return list(zip(names, sizes, strict=True))
    most = int(np.abs(sizes).argmax())
    return [(names[most], sizes[most])]


def _test_plates(layout, effect, wells, by_column, with_plates):
    """Rows of the table for every plate of a layout, and the sums of squares of all plates together."""
    table, n_columns = [], len(wells.names)
    together = np.zeros((2, len(layout.orders), n_columns))
    n_levels = int((layout.counts(effect)[:-1] > 0).sum())
    sizes = layout.sizes(effect)
    for block in layout.plates_in_blocks():
        squares = layout.sums_of_squares(effect, block)
        together += squares.sum(axis=2)
        if not with_plates:
            continue
        total = (layout.values[block] ** 2).sum(axis=1)
        shares = np.divide(squares, total, out=np.zeros_like(squares), where=total > 0)
        p_values = compute_combined_p(_summarize(shares, by_column)).reshape(shares.shape[2], -1)
        explained = shares[0, 0] if by_column else shares[0, 0].mean(axis=-1, keepdims=True)
        for i, plate in enumerate(layout.plates[block]):
            strongest = _strongest(sizes[block][i], wells.names, by_column)
            for (name, size), share, p_value in zip(strongest, explained[i], p_values[i], strict=True):
                adjusted = _adjust(float(share), n_levels, layout.n_wells - 1)
                found = adjusted, size, p_value, layout.n_wells, ""
                table.append(("plate", wells.plate_names[plate], effect, name, *found))
    return table, together


def _test_together(layouts, effect, wells, together, by_column):
    """Rows of the table for all plates together."""
    common = sum(layout.common_sums(effect).astype(np.float64) for layout in layouts)
    counts = sum(layout.counts(effect) * len(layout.plates) for layout in layouts)
    squares = common**2 / np.where(counts > 0, counts, 1)[:, None]
    between, along = squares[:, :-1].sum(axis=1), squares[:, -1]
    p_values = np.atleast_1d(compute_combined_p(_summarize((between, along, *together), by_column)))
    n_plates = sum(len(layout.plates) for layout in layouts)
    n_wells = sum(layout.n_wells * len(layout.plates) for layout in layouts)
    total = sum((layout.values**2).sum(axis=(0, 1)) for layout in layouts)
    share = np.divide(between[0], total, out=np.zeros_like(total), where=total > 0)
    share = share if by_column else share.mean(keepdims=True)
    span = max(layout.spans[effect] for layout in layouts)
    strongest = _strongest(common[0, -1] / counts[-1] * span, wells.names, by_column)
    n_levels = int((counts[:-1] > 0).sum())
    return [
        (
            "pooled",
            None,
            effect,
            name,
            _adjust(float(one), n_levels, n_wells - n_plates),
            size,
            p,
            n_wells,
            "",
        )
        for (name, size), one, p in zip(strongest, share, p_values, strict=True)
    ]


def _make_layouts(wells, n_permutations, shape, rng):
    """Plates with equal wells together; those with too few wells apart."""
    starts = np.flatnonzero(np.diff(wells.plates, prepend=-1))
    of_layout, too_few = {}, {}
    for plate, members in enumerate(np.split(np.arange(len(wells.plates)), starts[1:])):
        if len(members) < MIN_WELLS:
            too_few[plate] = len(members)
            continue
        key = wells.rows[members].tobytes(), wells.columns[members].tobytes()
        of_layout.setdefault(key, []).append(plate)
    layouts = [_Layout(wells, plates, n_permutations, shape, rng) for plates in of_layout.values()]
    return layouts, too_few


@validate_params(
    {
        "X": "no_validation",
        "plate": [str],
        "well": [str],
        "rows": [str, None],
        "features": [list, None],
        "by_column": ["boolean"],
        "n_permutations": [Interval(Integral, 19, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_position_effects(
    X,
    *,
    plate=PLATE,
    well=WELL,
    rows=None,
    features=None,
    by_column=False,
    n_permutations=999,
    random_state=None,
):
    """Test whether the row, the column or the edge of a plate shows in what was measured.

    For each plate, and for all plates together, the sum of squares between the levels of an effect (its 16
    rows, say) and along a straight line through them are compared with those of permuted wells. Wells never
    leave their plate. The smallest of the p of several such statistics is calibrated by the same
    permutations, so that `p_value` is exact where wells are exchangeable.

    Parameters
    ----------
    X : DataFrame
        Wells; rows of one well are averaged.
    plate : str, default="Metadata_Plate"
        Column that names the plate.
    well : str, default="Metadata_Well"
        Column that names the well: "A01", "a1", "AF48".
    rows : str or None, default=None
        Query that chooses the rows to use; None uses all. Where controls lie in columns of their own, or
        compounds in an order, their effects are effects of position as well: choose the rows of one kind.
    features : list of str or None, default=None
        Columns to test, such as shares of archetypes; None takes ``Embedding_*``, or where there are none all
        numbers that are neither metadata nor shares.
    by_column : bool, default=False
        Whether every column is tested on its own, rather than all of them at once. Such p are not corrected
        for the number of columns.
    n_permutations : int, default=999
        Permutations; p is never below ``1 / (n_permutations + 1)``.
    random_state : int, RandomState instance or None, default=None
        Draws the permutations.

    Returns
    -------
    DataFrame
        One row per scope (``pooled``, ``plate``) and effect, and column with `by_column`: scope, plate,
        effect (``row``, ``column``, ``edge``), column (the one tested, or the one that shows it most),
        variance_explained (by the levels, the mean of the columns, less what chance explains; may be
        negative), size (from the first row to the last along the line, or edge less inside, of that column,
        in spreads of a well within its plate), p_value, n_wells and reason (why there is no number, else
        empty).

    Raises
    ------
    ValueError
        If a column does not exist, a well cannot be read, or values are NaN.
    TypeError
        If `X` is no table.

    See Also
    --------
    compute_b_scores : Takes the effects of rows and columns away.

    Notes
    -----
    Wells of the edge lie in the first and last rows and columns, so that an effect of the edge is one of rows
    and columns too. What tells them apart is `size`, which an edge leaves near zero for rows and columns.

    Time is proportional to permutations x (rows + columns of the plate) x wells x columns of the table, as
    one matrix product; memory stays below about 500 MB.

    References
    ----------
    Winkler A. M. et al. (2014). Permutation inference for the general linear model. NeuroImage 92, 381-397,
    sections on exchangeability blocks and on the combination of statistics.

    Examples
    --------
    >>> from archetypal_triplet.datasets import make_screen
    >>> from archetypal_triplet.qc import compute_position_effects
    >>> profiles = make_screen(1, 3, edge_effect=2.0, random_state=0).profiles
    >>> effects = compute_position_effects(profiles, n_permutations=99, random_state=0)
    >>> pooled = effects[effects["scope"] == "pooled"].set_index("effect")
    >>> float(pooled.loc["edge", "p_value"])
    0.01
    """
    wells = read_wells(X, plate=plate, well=well, features=features, rows=rows)
    return judge_positions(wells, by_column, n_permutations, random_state)


def judge_positions(wells, by_column, n_permutations, random_state, *, with_plates=True):
    """Table of `compute_position_effects` for wells that were read before.

    Parameters
    ----------
    wells : Wells
        From `read_wells`.
    by_column : bool
        Whether every column is tested on its own.
    n_permutations : int
        Permutations.
    random_state : int, RandomState instance or None
        Draws them.
    with_plates : bool, default=True
        Whether there are rows for single plates; without them it takes half the time.

    Returns
    -------
    DataFrame
        See there.
    """
    rng = np.random.default_rng(draw_seed(random_state))
    shape = plate_shape(wells.rows, wells.columns)
    wells = standardize_within_plates(wells)
    layouts, too_few = _make_layouts(wells, n_permutations, shape, rng)
    table = []
    for effect in EFFECTS:
        able = [layout for layout in layouts if layout.has(effect)]
        tested = [_test_plates(layout, effect, wells, by_column, with_plates) for layout in able]
        if able:
            together = sum(sums for _, sums in tested)
            table += _test_together(able, effect, wells, together, by_column)
        table += [row for found, _ in tested for row in found]
        if not with_plates:
            continue
        unable = {p: layout.n_wells for layout in layouts if layout not in able for p in layout.plates}
        for p, n in too_few.items() | unable.items():
            why = f"only {n} wells; {MIN_WELLS} are needed" if n < MIN_WELLS else "all wells have one level"
            table.append(("plate", wells.plate_names[p], effect, None, np.nan, np.nan, np.nan, n, why))
    pd = import_optional("pandas", extra="screens")
    found = pd.DataFrame(table, columns=list(COLUMNS))
    order = found["effect"].map(EFFECTS.index), found["scope"] != "pooled", found["plate"].fillna("")
    return found.iloc[np.lexsort([key.to_numpy() for key in order[::-1]])].reset_index(drop=True)
