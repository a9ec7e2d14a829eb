"""All scores of one embedding of a screen, as objects and as lines to print."""

from dataclasses import dataclass

import metrics
import numpy as np

from archetypal_triplet.qc import compute_control_separability


@dataclass(frozen=True)
class View:
    """An embedding, and the compounds that may be asked about in it.

    Every arm has one view in which all compounds are asked about, except the supervised one: it has a view a
    fold, asked only about the compounds that its network was not trained on.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_dimensions)
        Embedding of all rows of the screen.
    compounds : frozenset or None
        Compounds that may be asked about; None means all.
    """

    X: np.ndarray
    compounds: frozenset | None = None


N_BOOTSTRAP = 2000
_WIDTH = 33
_Z_TITLE = "control Z'"
SCORES = ("NSC", "NSCB", "silhouette", "silhouette_wells")
TITLES = {
    "NSC": "NSC",
    "NSCB": "NSCB",
    "silhouette": "silhouette (treatments, cosine)",
    "silhouette_wells": "silhouette (wells, Euclidean)",
}


def compute_scores(screen, views):
    """Compute NSC, NSCB and both silhouettes.

    Parameters
    ----------
    screen : Screen
        The table with its roles.
    views : View or list of View
        The embedding; several views must ask about different compounds.

    Returns
    -------
    dict of str to metrics.Score
        By the names in `SCORES`.
    """
    merged = None
    for view in [views] if isinstance(views, View) else views:
        scores = _scores_of_view(screen, view)
        merged = scores if merged is None else {k: _fill(merged[k], scores[k]) for k in SCORES}
    return merged


def _scores_of_view(screen, view):
    table = screen.table
    treatments = metrics.make_treatments(
        view.X,
        labels=table[screen.label],
        compounds=table[screen.compound],
        concentrations=table[screen.concentration],
        batches=table[screen.batch],
        is_treated=~screen.is_negative,
    )
    scores = {
        "NSC": metrics.compute_retrieval(treatments),
        "NSCB": metrics.compute_retrieval(treatments, not_same_batch=True),
        "silhouette": metrics.compute_silhouette(treatments),
        "silhouette_wells": metrics.compute_well_silhouette(view.X, treatments),
    }
    if view.compounds is None:
        return scores
    asked = np.isin(treatments.compounds, sorted(view.compounds))
    return {
        name: metrics.Score(np.where(asked, score.values, np.nan), score.compounds, score.weights)
        for name, score in scores.items()
    }


def _fill(score, other):
    values = np.where(np.isnan(score.values), other.values, score.values)
    return metrics.Score(values, score.compounds, score.weights)


def compute_z_prime(screen, X):
    """Compute the cross-fitted Z' of negative against positive control wells.

    Parameters
    ----------
    screen : Screen
        The table with its roles; without a positive query there is no Z'.
    X : ndarray of shape (n_wells, n_dimensions)
        Embedding of the wells.

    Returns
    -------
    dict or None
        ``z_prime``, ``low``, ``high``, ``auc``, ``n_negative``, ``n_positive``, ``how`` (where the axis came
        from), ``reason`` (why there is no Z', or empty). None without a positive query.
    """
    if screen.is_positive is None:
        return None
    return separate_controls(X, screen.is_negative, screen.is_positive, screen.table[screen.plate])


def format_scores(scores):
    """Format scores as lines with denominators and intervals.

    Parameters
    ----------
    scores : dict of str to metrics.Score
        As `compute_scores` returns them.

    Returns
    -------
    list of str
        One line a score.
    """
    lines = []
    for name in SCORES:
        score = scores[name]
        if not score.n_counted:
            lines.append(f"{TITLES[name]:{_WIDTH}s} none: no treatment has a legal partner of its label")
            continue
        low, high = metrics.compute_interval(score)
        n_compounds = len(set(score.compounds[score.counted]))
        lines.append(
            f"{TITLES[name]:{_WIDTH}s} {score.mean:6.3f}   [{low:.2f}, {high:.2f}]   "
            f"{score.n_counted} of {len(score.values)} treatments count ({n_compounds} compounds)"
        )
    return lines


def separate_controls(X, is_negative, is_positive, plates):
    """Compute Z' and AUC of two kinds of wells along an axis that was drawn from other wells.

    Parameters
    ----------
    X : ndarray of shape (n_wells, n_dimensions)
        Embedding of the wells.
    is_negative, is_positive : ndarray of bool, shape (n_wells,)
        The two kinds; other wells are not used.
    plates : array-like of shape (n_wells,)
        Plates: the axis comes from other plates where each kind is on several.

    Returns
    -------
    dict
        As `compute_z_prime` returns it; ``how`` says where the axis came from.
    """
    table = compute_control_separability(
        X,
        negative=is_negative,
        positive=is_positive,
        plate=np.asarray(plates),
        n_bootstrap=N_BOOTSTRAP,
        random_state=0,
    )
    pooled = table[table["scope"] == "pooled"].set_index("metric")
    z, auc = pooled.loc["z_prime"], pooled.loc["auc"]
    return {
        "z_prime": float(z["value"]),
        "low": float(z["low"]),
        "high": float(z["high"]),
        "auc": float(auc["value"]),
        "n_negative": int(z["n_negative"]),
        "n_positive": int(z["n_positive"]),
        "how": str(z["axis"]),
        "reason": str(z["reason"]),
    }


def format_z_prime(z):
    """Format Z' as lines with its numbers of wells and its interval.

    Parameters
    ----------
    z : dict or None
        As `compute_z_prime` returns it.

    Returns
    -------
    list of str
        One line.
    """
    if z is None:
        return [f"{_Z_TITLE:{_WIDTH}s} none: no --positive query was given"]
    if z["reason"]:
        return [f"{_Z_TITLE:{_WIDTH}s} none: {z['reason']}"]
    line = (
        f"{_Z_TITLE:{_WIDTH}s} {z['z_prime']:6.3f}   [{z['low']:.2f}, {z['high']:.2f}]   "
        f"{z['n_negative']} negative against {z['n_positive']} positive wells, axis {z['how']}; "
        f"AUC {z['auc']:.3f}"
    )
    return [line]
