"""What each archetype stands for: a phenotype, a place on the plate, or an artifact."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._columns import ARCHETYPE_PREFIX, PLATE, WELL, WELL_DISTANCE
from archetypal_triplet._utils._frames import check_columns_exist, select_rows
from archetypal_triplet._utils._groups import group_means
from archetypal_triplet._utils._optional import import_optional
from archetypal_triplet.qc._batches import compute_variance_explained
from archetypal_triplet.qc._fields import compute_modified_z
from archetypal_triplet.qc._positions import EFFECTS, judge_positions
from archetypal_triplet.qc._wells_of_plates import check_table, read_wells

MIN_WITH_SIBLINGS = 30


def find_archetype_columns(table):
    """Names of the columns with shares of archetypes.

    Parameters
    ----------
    table : DataFrame
        As `embedding.parquet`.

    Returns
    -------
    list of str
        ``Archetype_0``, ``Archetype_1``, ...

    Raises
    ------
    ValueError
        If there are none.
    """
    names = [c for c in table.columns if str(c).startswith(ARCHETYPE_PREFIX)]
    if not names:
        raise ValueError(
            f"X has no column {ARCHETYPE_PREFIX}0, {ARCHETYPE_PREFIX}1, ... with shares of archetypes. "
            "Pass the table embedding.parquet of a run, or name what ArchetypalAnalysis.transform returns "
            "like that."
        )
    return names


def compute_artifact_scores(shares, codes, strangeness, n_purest):
    """How much the purest samples of each archetype stand alone in their wells.

    Parameters
    ----------
    shares : ndarray of shape (n_samples, n_archetypes)
        Shares of archetypes.
    codes : ndarray of int of shape (n_samples,)
        Wells, 0 .. n_wells - 1.
    strangeness : ndarray of shape (n_samples,)
        Modified z of the logarithm of the distance to the well; NaN for samples alone in their well.
    n_purest : int
        Number of samples that represent an archetype.

    Returns
    -------
    scores : ndarray of shape (n_archetypes,)
        Mean over the purest samples of ``strangeness (1 - echo)``, both at least 0.
    echoes : ndarray of shape (n_archetypes,)
        Mean share in the other fields of the wells: 0 where it is that of the screen, 1 where it is theirs.
    """
    counts = np.bincount(codes)
    # a distance may be known of a field whose siblings are no longer in the table
    with_siblings = np.flatnonzero(np.isfinite(strangeness) & (counts[codes] > 1))
    sums = counts[:, None] * group_means(shares, codes, len(counts))
    scores, echoes = np.empty(shares.shape[1]), np.empty(shares.shape[1])
    base = shares.mean(axis=0)
    for a, share in enumerate(shares.T):
        purest = with_siblings[np.argsort(-share[with_siblings], kind="stable")[:n_purest]]
        others = (sums[codes[purest], a] - share[purest]) / (counts[codes[purest]] - 1)
        excess = share[purest] - base[a]
        echo = np.divide(others - base[a], excess, out=np.ones_like(excess), where=excess > 0)
        alone = np.maximum(strangeness[purest], 0.0) * (1.0 - np.clip(echo, 0.0, 1.0))
        weights = share[purest] if share[purest].sum() > 0 else None
        scores[a], echoes[a] = np.average(alone, weights=weights), np.average(echo, weights=weights)
    return scores, echoes


def _judge_artifacts(table, shares, well_columns, n_purest, threshold):
    """Artifact score, echo, flag and reason of each archetype."""
    nothing = {"artifact_score": np.nan, "echo": np.nan, "is_artifact": False}
    if WELL_DISTANCE not in table:
        return nothing | {"reason": f"no column {WELL_DISTANCE}: compute_field_scores makes it, from fields"}
    distance = table[WELL_DISTANCE].to_numpy(dtype=float)
    known = np.isfinite(distance)
    if known.sum() < MIN_WITH_SIBLINGS:
        reason = f"{known.sum()} fields have others in their well; {MIN_WITH_SIBLINGS} are needed"
        return nothing | {"reason": reason}
    strangeness = np.full(len(table), np.nan)
    strangeness[known] = compute_modified_z(np.log(np.maximum(distance[known], 1e-12)))
    codes = table.groupby(well_columns, sort=True, observed=True, dropna=False).ngroup().to_numpy()
    scores, echoes = compute_artifact_scores(shares, codes, strangeness, n_purest)
    return {"artifact_score": scores, "echo": echoes, "is_artifact": scores > threshold, "reason": ""}


@validate_params(
    {
        "X": "no_validation",
        "plate": [str],
        "well": [str],
        "negative": [str, None],
        "positive": [str, None],
        "n_purest": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0, None, closed="neither")],
        "n_permutations": [Interval(Integral, 19, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compute_archetype_quality(
    X,
    *,
    plate=PLATE,
    well=WELL,
    negative=None,
    positive=None,
    n_purest=10,
    threshold=3.0,
    n_permutations=999,
    random_state=None,
):
    """Say of each archetype where it occurs, and whether it is an artifact.

    An archetype is an artifact when its purest fields are unlike the other fields of their wells, and those
    do not show it: ``score = mean of max(0, z) (1 - echo)`` over the purest fields, z the modified z-score of
    the logarithm of the distance to the well, echo the archetype's share in the well's other fields (0: as in
    the screen, 1: as in this field). A phenotype is shared by the fields of a well; debris and lost focus are
    not.

    Parameters
    ----------
    X : DataFrame
        Fields (or wells) with shares in ``Archetype_*`` and, for the flag, ``Metadata_atq_WellDistance`` from
        `compute_field_scores`.
    plate : str, default="Metadata_Plate"
        Column that names the plate.
    well : str, default="Metadata_Well"
        Column that names the well.
    negative, positive : str or None, default=None
        Queries that choose the controls, whose shares are given.
    n_purest : int, default=10
        Number of fields that represent an archetype.
    threshold : float, default=3.0
        Score above which an archetype is flagged.
    n_permutations : int, default=999
        Permutations for the p of position.
    random_state : int, RandomState instance or None, default=None
        Draws them.

    Returns
    -------
    DataFrame
        One row per archetype: archetype, mean_share, share_negative, share_positive, share_by_plate
        (adjusted R^2 of its share in wells by plate), p_row, p_column, p_edge (all plates together, not
        corrected for the number of archetypes), artifact_score, echo, is_artifact and reason (why there is no
        artifact score, else empty).

    Raises
    ------
    ValueError
        If there are no shares, a column does not exist, or a query chooses nothing.
    TypeError
        If `X` is no table.

    Notes
    -----
    The threshold was set on simulated plates of 96 wells with 4 fields, 5 % of them artifacts: on 20 such
    plates 95 of 100 archetypes whose purest fields are mostly artifacts lie above it, and 3 of 100 others.

    Nothing is deleted: tag the archetype, and leave it out by its tag.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from archetypal_triplet.qc import compute_archetype_quality
    >>> rng = np.random.default_rng(0)
    >>> shares = rng.dirichlet([1, 1], size=96)
    >>> wells = pd.DataFrame(shares, columns=["Archetype_0", "Archetype_1"])
    >>> wells["Metadata_Plate"] = "P1"
    >>> wells["Metadata_Well"] = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]
    >>> quality = compute_archetype_quality(wells, n_permutations=99, random_state=0)
    >>> quality["archetype"].tolist(), quality["is_artifact"].tolist()
    (['Archetype_0', 'Archetype_1'], [False, False])
    """
    pd = import_optional("pandas", extra="screens")
    table = check_table(X)
    names = find_archetype_columns(table)
    check_columns_exist(table, [plate], parameter="plate")
    check_columns_exist(table, [well], parameter="well")
    shares = table[names].to_numpy(dtype=float)
    found = pd.DataFrame({"archetype": names, "mean_share": shares.mean(axis=0)})
    for name, query in (("negative", negative), ("positive", positive)):
        chosen = None if query is None else select_rows(table, query, parameter=name)
        found[f"share_{name}"] = np.nan if query is None else shares[chosen].mean(axis=0)
    wells = table.groupby([plate, well], sort=True, observed=True)[names].mean().reset_index()
    found["share_by_plate"] = [
        compute_variance_explained(wells, [plate], well=None, features=[name])["variance_explained"][0]
        for name in names
    ]
    places = read_wells(wells, plate=plate, well=well, features=names)
    effects = judge_positions(places, True, n_permutations, random_state, with_plates=False)
    pooled = effects[effects["scope"] == "pooled"].set_index(["effect", "column"])["p_value"]
    for effect in EFFECTS:
        found[f"p_{effect}"] = [pooled.get((effect, name), np.nan) for name in names]
    return found.assign(**_judge_artifacts(table, shares, [plate, well], n_purest, threshold))
