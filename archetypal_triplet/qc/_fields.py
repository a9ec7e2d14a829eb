"""Which fields are unlike the other fields of their well: out of focus, debris, empty, saturated."""

from numbers import Real

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import (
    FLAG_REASON,
    IS_FLAGGED,
    ISOLATION,
    PLATE,
    WELL,
    WELL_DISTANCE,
    is_metadata,
)
from archetypal_triplet._utils._frames import check_columns_exist
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet._utils._random import draw_seed
from archetypal_triplet._utils._roles import as_names
from archetypal_triplet._utils._spread import MAD_TO_SD
from archetypal_triplet.qc._wells_of_plates import check_table, take_measured

_CLIP = 20.0
_N_COMPONENTS = 40
_RIDGE = 0.1
_TRIMMED = 0.1  # share of the fields that do not shape the typical deviation
_N_TREES = 100
# a well's own spread, of which three other fields tell about half, counts where there are so many fields
_MIN_FIELDS_OF_SPREAD = 4
_WEIGHT_OF_SPREAD = 0.5


def scale_robustly(values):
    """Columns in MADs from their median, clipped; constant ones become 0.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Numbers.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Scaled.
    """
    centered = values - np.median(values, axis=0)
    mad = MAD_TO_SD * np.median(np.abs(centered), axis=0)
    sd = centered.std(axis=0)
    # a column that is 0 in most rows has no MAD, but may be the one that shows debris
    spread = np.where(mad > 1e-3 * sd, mad, sd)
    return np.clip(centered / np.where(spread > 0, spread, 1.0), -_CLIP, _CLIP)


def _group_by_size(codes):
    """Rows of the groups of 2, 3, ... rows: for each size that occurs an array (n_groups, size)."""
    order, counts = np.argsort(codes, kind="stable"), np.bincount(codes)
    starts = np.cumsum(counts) - counts
    return [order[starts[counts == n][:, None] + np.arange(n)] for n in np.unique(counts[counts > 1])]


def compute_sibling_deviations(values, codes):
    """Difference of each row to the median of the other rows of its group; NaN for rows alone in theirs.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Numbers.
    codes : ndarray of int of shape (n_rows,)
        Groups, 0 .. n_groups - 1.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Deviations.
    """
    deviations = np.full(values.shape, np.nan)
    for members in _group_by_size(codes):
        for i in range(members.shape[1]):
            others = np.delete(members, i, axis=1)
            deviations[members[:, i]] = values[members[:, i]] - np.median(values[others], axis=1)
    return deviations


def compute_well_deviations(values, codes):
    """Difference of each row to what is usual in its group, in units of one row; NaN for rows without others.

    What is usual is the median of an odd number of rows: of the others where a group has an even number, of
    all where it has an odd one. A median of an even number is the mean of the middle two, and of the two
    siblings that each of three fields has, a strange one would drag it along.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Numbers.
    codes : ndarray of int of shape (n_rows,)
        Groups, 0 .. n_groups - 1.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Deviations, divided by what they come to on average for normal rows of variance 1, so that groups of
        different sizes can be compared.

    Notes
    -----
    The median of n (odd) normal rows has a variance of about pi / (2 n + pi - 2), exact at 1 and within 2 %
    elsewhere, and a covariance of 1 / n with each of them.
    """
    deviations = np.full(values.shape, np.nan)
    for members in _group_by_size(codes):
        n = members.shape[1]
        n_median = n if n % 2 else n - 1
        variance = 1 + np.pi / (2 * n_median + np.pi - 2) - (2 / n if n % 2 else 0)
        usual = np.median(values[members], axis=1) if n % 2 else None
        for i in range(n):
            if n % 2 == 0:
                usual = np.median(values[np.delete(members, i, axis=1)], axis=1)
            deviations[members[:, i]] = (values[members[:, i]] - usual) / np.sqrt(variance)
    return deviations


def compute_typical_lengths(deviations):
    """Length of deviations in units of the typical ones: near 1 for most, large for the strange.

    Parameters
    ----------
    deviations : ndarray of shape (n_rows, n_columns)
        Without NaN.

    Returns
    -------
    ndarray of shape (n_rows,)
        Root mean square over the principal components of the typical deviations, each divided by its spread
        (and a ridge of a tenth of the mean variance). The tenth of the rows that lies farthest away in plain
        columns does not shape them.
    """
    scaled = scale_robustly(deviations)
    plain = (scaled**2).mean(axis=1)
    typical = scaled[plain <= np.quantile(plain, 1 - _TRIMMED)]
    variances, directions = np.linalg.eigh(typical.T @ typical / len(typical))
    kept = np.argsort(variances)[::-1][:_N_COMPONENTS]
    variances, directions = np.maximum(variances[kept], 0.0), directions[:, kept]
    if not variances.sum() > 0:
        return np.sqrt(plain)
    scores = (scaled @ directions) ** 2 / (variances + _RIDGE * variances.mean())
    return np.sqrt(scores.mean(axis=1))


def relate_to_wells(lengths, codes):
    """Divide lengths by the square root of what is usual in their well.

    Where few cells are left, or cells differ by what was done to them, all fields of a well lie far apart.
    The median length of the *other* fields tells so; it does not rise when only this field is strange.

    Parameters
    ----------
    lengths : ndarray of shape (n_rows,)
        From `compute_typical_lengths`.
    codes : ndarray of int of shape (n_rows,)
        Wells, 0 .. n_wells - 1.

    Returns
    -------
    ndarray of shape (n_rows,)
        Those of wells with fewer than four fields are unchanged: there a strange field moves the others.
    """
    logs = np.log(np.maximum(lengths, 1e-12))
    of_others = logs - compute_sibling_deviations(logs[:, None], codes)[:, 0]
    known = np.bincount(codes)[codes] >= _MIN_FIELDS_OF_SPREAD
    if known.any():
        usual = of_others[known] - np.median(of_others[known])
        logs[known] -= _WEIGHT_OF_SPREAD * usual
    return np.exp(logs)


def compute_modified_z(values):
    """Distance from the median in MADs, (Iglewicz and Hoaglin 1993, section 3.4).

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Numbers.

    Returns
    -------
    ndarray of shape (n_rows,)
        0 everywhere where most values are equal.
    """
    centered = values - np.median(values)
    mad = MAD_TO_SD * np.median(np.abs(centered))
    return centered / mad if mad > 0 else np.zeros_like(centered)


def _say_reason(z, deviations, names):
    column = names[int(np.abs(deviations).argmax())]
    return f"{z:.1f} MAD farther from the other fields of its well than most, in {column} most of all"


@validate_params(
    {
        "X": "no_validation",
        "groups": [str, list, tuple],
        "features": [list, None],
        "threshold": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_field_scores(X, *, groups=(PLATE, WELL), features=None, threshold=3.5, random_state=None):
    """Score how unlike each field is to the other fields of its well, and flag the strange ones.

    The deviation of a field from the median of its well does not hold the phenotype, which all share: it is
    what is wrong with this field. The median is that of an odd number of fields (without the field itself
    where the well has an even number), so that fewer than half of the fields cannot move it, and one strange
    field of three is not held against the two others. The deviation's length is measured in the typical
    deviations of all fields (whitened), and, from four fields a well on, partly in those of its own well,
    since fields with few cells differ more. An isolation forest on the features, which knows nothing of
    wells, stands beside it; strong phenotypes are isolated too, so that it never flags.

    Parameters
    ----------
    X : DataFrame
        One row per field.
    groups : str or list of str, default=("Metadata_Plate", "Metadata_Well")
        Columns that tell which fields belong to one well.
    features : list of str or None, default=None
        Columns to judge by; None takes ``Embedding_*``, or where there are none all numbers that are neither
        metadata nor shares. Features of the image show artifacts that an embedding has learned to overlook.
    threshold : float, default=3.5
        A field is flagged when the logarithm of its distance lies so many MADs above the median.
    random_state : int, RandomState instance or None, default=None
        Grows the forest.

    Returns
    -------
    DataFrame
        The metadata of the same rows and ``Metadata_atq_WellDistance`` (1 is typical; NaN for the only field
        of a well), ``Metadata_atq_Isolation`` (0.5 typical, to 1), ``Metadata_atq_IsFlagged`` and
        ``Metadata_atq_Reason``. Nothing is flagged where a well has one field; of two the more isolated one.

    Raises
    ------
    ValueError
        If a column does not exist or values are NaN.
    TypeError
        If `X` is no table.

    Notes
    -----
    What befalls a whole well, such as a dispensing error, is not seen: its fields agree. No share of a screen
    is flagged for the sake of it; of normally distributed deviations about one in 4,000 is, and of the fields
    of simulated clean images about 2 %, since the cells of a field differ by chance.

    Time is proportional to fields x features; memory is three times that of the features.

    References
    ----------
    Iglewicz B., Hoaglin D. C. (1993). How to Detect and Handle Outliers. ASQC Quality Press, section 3.4 (the
    threshold of 3.5).
    Liu F. T., Ting K. M., Zhou Z.-H. (2008). Isolation forest. ICDM 2008, 413-422.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from archetypal_triplet.qc import compute_field_scores
    >>> rng = np.random.default_rng(0)
    >>> fields = pd.DataFrame(rng.standard_normal((160, 6))).add_prefix("Texture_")
    >>> fields["Metadata_Plate"] = "P1"
    >>> fields["Metadata_Well"] = np.repeat([f"A{i:02d}" for i in range(1, 41)], 4)
    >>> fields.loc[7, "Texture_2"] += 30
    >>> scores = compute_field_scores(fields, random_state=0)
    >>> scores.index[scores["Metadata_atq_IsFlagged"]].tolist()
    [7]
    >>> scores["Metadata_atq_Reason"][7].split(", ")[1]
    'in Texture_2 most of all'
    """
    pd = import_optional("pandas", extra="screens")
    table = check_table(X)
    names = as_names(groups)
    check_columns_exist(table, names, parameter="groups")
    values, features = take_measured(table, features, what="fields")
    values = scale_robustly(values)
    codes = table.groupby(names, sort=True, observed=True, dropna=False).ngroup().to_numpy()
    deviations = compute_well_deviations(values, codes)
    has_siblings = ~np.isnan(deviations[:, 0])
    forest = IsolationForest(n_estimators=_N_TREES, random_state=draw_seed(random_state))
    isolation = -forest.fit(values).score_samples(values)
    distance, z = np.full(len(values), np.nan), np.full(len(values), -np.inf)
    if has_siblings.any():
        lengths = compute_typical_lengths(deviations[has_siblings])
        distance[has_siblings] = relate_to_wells(lengths, codes[has_siblings])
        z[has_siblings] = compute_modified_z(np.log(np.maximum(distance[has_siblings], 1e-12)))
    is_flagged = z > threshold
    # two fields are equally far from each other: only one of them can be the strange one
    in_pairs = np.bincount(codes)[codes] == 2
    less_isolated = isolation < pd.Series(isolation).groupby(codes).transform("max").to_numpy()
    is_flagged &= ~(in_pairs & less_isolated)
    reasons = np.full(len(values), "", dtype=object)
    scaled = scale_robustly(deviations[has_siblings]) if has_siblings.any() else deviations
    place = np.cumsum(has_siblings) - 1
    for row in np.flatnonzero(is_flagged):
        reasons[row] = _say_reason(z[row], scaled[place[row]], features)
    found = table[[c for c in table.columns if is_metadata(c)]].copy()
    return found.assign(
        **{WELL_DISTANCE: distance, ISOLATION: isolation, IS_FLAGGED: is_flagged, FLAG_REASON: reasons}
    )
