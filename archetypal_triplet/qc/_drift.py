"""Do the negative controls move while the screen runs?"""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import PLATE
from archetypal_triplet._utils._frames import check_columns_exist, count_of, select_rows
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._names import natural_key
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet.qc._positions import compute_combined_p, draw_permutations
from archetypal_triplet.qc._wells_of_plates import check_table, divide_by_spread, take_measured

COLUMNS = (
    "scope", "plate", "position", "step", "from_first", "column", "size", "p_value", "n_negative", "reason",
)  # fmt: skip
MIN_PLATES = 5
MIN_SPREAD = 8  # degrees of freedom of the spread within plates


def order_plates(table, plate, order):
    """Names of the plates in the order of the run.

    Parameters
    ----------
    table : DataFrame
        Wells.
    plate : str
        Column that names the plate.
    order : str or None
        Column with the time or number of the plate in the run, one value a plate; None takes the
        natural order of the names.

    Returns
    -------
    list of str
        The plates.
    """
    names = table[plate].astype(str)
    if order is None:
        return sorted(names.unique(), key=natural_key)
    check_columns_exist(table, [order], parameter="order")
    distinct = table[[order]].assign(plate=names).drop_duplicates()
    twice = distinct["plate"].duplicated(keep=False)
    if twice.any() or distinct[order].isna().any():
        bad = (
            distinct.loc[twice, "plate"].unique()
            if twice.any()
            else distinct["plate"][distinct[order].isna()]
        )
        raise ValueError(
            f"order={order!r} does not hold exactly one value for each plate: look at plate {bad[0]!r}. Name "
            "a column with the time or the number of a plate in the run."
        )
    return distinct.sort_values([order, "plate"], kind="stable")["plate"].tolist()


def compute_centroids(values, codes, n_plates):
    """Centroids of plates in units of a control's spread within its plate.

    Parameters
    ----------
    values : ndarray of shape (n_controls, n_columns)
        Negative controls.
    codes : ndarray of int of shape (n_controls,)
        Their plates.
    n_plates : int
        Number of plates, each with a control.

    Returns
    -------
    centroids : ndarray of shape (n_plates, n_columns)
        Centered over the plates. Columns without any spread are 0.
    counts : ndarray of shape (n_plates,)
        Controls of each plate.
    """
    counts = np.bincount(codes, minlength=n_plates)
    centroids = group_means(values, codes, n_plates)
    spread = np.sqrt(((values - centroids[codes]) ** 2).sum(axis=0) / (len(values) - n_plates))
    return divide_by_spread(centroids - centroids.mean(axis=0), spread, values), counts


def _length(difference, noise):
    """Length of a difference of centroids beyond what chance gives, for each row."""
    return np.sqrt(np.maximum((difference**2).sum(axis=-1) - noise, 0.0))


def compute_trend_p(centroids, n_permutations, rng):
    """Compute p of a trend over the run, against plates in another order.

    Parameters
    ----------
    centroids : ndarray of shape (n_plates, n_columns)
        In the order of the run.
    n_permutations : int
        Orders to compare with.
    rng : Generator
        Draws them.

    Returns
    -------
    float
        Of the smallest p of three statistics: the squared slopes of all columns together, the largest of
        them, and how alike plates are that follow each other (von Neumann's ratio).
    """
    orders = draw_permutations(n_permutations, len(centroids), rng)
    line = np.arange(len(centroids)) - (len(centroids) - 1) / 2
    line /= np.linalg.norm(line)
    statistics = np.empty((len(orders), 3))
    for i, order in enumerate(orders):
        ordered = centroids[order]
        slopes = (line @ ordered) ** 2
        statistics[i] = slopes.sum(), slopes.max(), -(np.diff(ordered, axis=0) ** 2).sum()
    return float(compute_combined_p(statistics.round(12)))


@validate_params(
    {
        "X": "no_validation",
        "negative": [str],
        "plate": [str],
        "order": [str, None],
        "features": [list, None],
        "n_permutations": [Interval(Integral, 19, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_plate_drift(
    X, *, negative, plate=PLATE, order=None, features=None, n_permutations=999, random_state=None
):
    """Follow the center of the negative controls from plate to plate, and test for a trend over the run.

    Lengths are in units of a control's spread within its plate, less what the uncertainty of two centers of
    few controls gives by chance: ``sqrt(max(0, |c_a - c_b|^2 - d (1 / n_a + 1 / n_b)))`` in d columns.

    Parameters
    ----------
    X : DataFrame
        One row per well.
    negative : str
        Query that chooses the negative controls.
    plate : str, default="Metadata_Plate"
        Column that names the plate.
    order : str or None, default=None
        Column that says when a plate was run: a time or a number, one value a plate. None takes the
        natural order of the plates' names.
    features : list of str or None, default=None
        Columns to follow; None takes ``Embedding_*``, or where there are none all numbers that are neither
        metadata nor shares.
    n_permutations : int, default=999
        Orders of plates to compare the trend with.
    random_state : int, RandomState instance or None, default=None
        Draws them.

    Returns
    -------
    DataFrame
        One row for the run (scope ``pooled``) and one for each plate with controls: scope, plate, position in
        the run, step (from the plate before), from_first, column and size (the column that a straight line
        over the run moves most, and by how much from the first to the last plate), p_value of a trend,
        n_negative and reason (why there is no number).

    Raises
    ------
    ValueError
        If no row is a negative control, a plate has two values of `order`, or values are NaN.
    TypeError
        If `X` is no table.

    Notes
    -----
    If `X` was centered on the controls of every plate, as `ScreenNormalizer` with `plate` and `controls`
    does, nothing is left to drift. Look at the raw features then.

    A step in the middle of the run is a trend as well; `step` tells them apart.

    References
    ----------
    von Neumann J. (1941). Annals of Mathematical Statistics 12(4), 367-395 (successive differences).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from archetypal_triplet.qc import compute_plate_drift
    >>> rng = np.random.default_rng(0)
    >>> number = np.repeat(np.arange(8), 16)
    >>> wells = pd.DataFrame({"Metadata_Plate": [f"P{n}" for n in number], "Metadata_Control": "negative"})
    >>> wells["Intensity"] = 0.5 * number + rng.standard_normal(len(wells))
    >>> drift = compute_plate_drift(wells, negative="Metadata_Control == 'negative'", random_state=0)
    >>> bool(drift["p_value"][0] < 0.01), bool(3 < drift["size"][0] < 4)
    (True, True)
    """
    table = check_table(X)
    check_columns_exist(table, [plate], parameter="plate")
    table = table[select_rows(table, negative, parameter="negative")]
    values, names = take_measured(table, features, what="negative controls")
    plates = order_plates(table, plate, order)
    codes = _positions_of(table[plate].astype(str), plates)
    pd = import_optional("pandas", extra="screens")
    if len(values) - len(plates) < MIN_SPREAD:
        reason = (
            f"{len(values)} negative controls on {len(plates)} plates do not tell the spread within plates; "
            f"{MIN_SPREAD} more than plates are needed"
        )
        row = ("pooled", None, np.nan, np.nan, np.nan, None, np.nan, np.nan, len(values), reason)
        return pd.DataFrame([row], columns=list(COLUMNS))
    centroids, counts = compute_centroids(values, codes, len(plates))
    noise = values.shape[1] / counts
    steps = np.append(np.nan, _length(np.diff(centroids, axis=0), noise[1:] + noise[:-1]))
    from_first = _length(centroids - centroids[0], noise + noise[0])
    p_value, reason = np.nan, f"{count_of(len(plates), 'plate')}; a trend needs {MIN_PLATES}"
    if len(plates) >= MIN_PLATES:
        p_value, reason = (
            compute_trend_p(centroids, n_permutations, np.random.default_rng(draw_seed(random_state))),
            "",
        )
    line = np.arange(len(plates)) - (len(plates) - 1) / 2
    size = line @ centroids / max(line @ line, 1) * (len(plates) - 1)
    most = int(np.abs(size).argmax())
    mean_step = np.nan if len(plates) < 2 else float(np.nanmean(steps))
    rows = [
        (
            "pooled",
            None,
            np.nan,
            mean_step,
            from_first[-1],
            names[most],
            size[most],
            p_value,
            len(values),
            reason,
        )
    ]
    rows += [
        ("plate", name, i, steps[i], from_first[i], None, np.nan, np.nan, counts[i], "")
        for i, name in enumerate(plates)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _positions_of(names, plates):
    place = {name: i for i, name in enumerate(plates)}
    return names.map(place).to_numpy()
