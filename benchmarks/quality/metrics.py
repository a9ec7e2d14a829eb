"""Scores of an embedding against what is known of a screen: arrays in, numbers with their denominators out.

A *treatment* is one compound at one concentration; its profile is the mean over its wells. Labels (mechanisms
of action) are used here and nowhere else in the benchmark, except in its one supervised arm.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import silhouette_samples

_TIE = 1e-9  # cosines closer than this are one distance: rounding must not choose the neighbour


@dataclass(frozen=True)
class Treatments:
    """Profiles of treatments, one row each.

    Attributes
    ----------
    profiles : ndarray of shape (n_treatments, n_features)
        Mean over the wells of each treatment.
    labels, compounds : ndarray of shape (n_treatments,)
        Label and compound of each treatment, as text.
    concentrations : ndarray of shape (n_treatments,)
        Concentration of each treatment.
    batches : tuple of frozenset
        The batches in which each treatment has a well.
    wells : tuple of ndarray
        Row numbers of each treatment's wells.
    """

    profiles: np.ndarray
    labels: np.ndarray
    compounds: np.ndarray
    concentrations: np.ndarray
    batches: tuple
    wells: tuple


@dataclass(frozen=True)
class Score:
    """A mean over treatments, with the treatments that it is a mean of.

    Attributes
    ----------
    values : ndarray of shape (n_treatments,)
        One value a treatment; NaN where the treatment does not count.
    compounds : ndarray of shape (n_treatments,)
        Compound of each treatment: the unit of the bootstrap.
    weights : ndarray of shape (n_treatments,) or None
        Weight of each treatment in the mean; None means equal.
    """

    values: np.ndarray
    compounds: np.ndarray
    weights: np.ndarray | None = None

    @property
    def counted(self):
        """Mask of the treatments that count."""
        return ~np.isnan(self.values)

    @property
    def n_counted(self):
        """The denominator."""
        return int(self.counted.sum())

    @property
    def mean(self):
        """The score; NaN when nothing counts."""
        if not self.n_counted:
            return float("nan")
        weights = None if self.weights is None else self.weights[self.counted]
        return float(np.average(self.values[self.counted], weights=weights))


def make_treatments(X, *, labels, compounds, concentrations, batches, is_treated):
    """Average wells to treatments.

    Parameters
    ----------
    X : ndarray of shape (n_wells, n_features)
        Features or embedding of the wells.
    labels, compounds, concentrations, batches : array-like of shape (n_wells,)
        Of each well. A missing label leaves the well out.
    is_treated : ndarray of bool, shape (n_wells,)
        False for control wells, which are no treatment.

    Returns
    -------
    Treatments
        In order of first appearance.

    Raises
    ------
    ValueError
        If a compound bears different labels, or a value is not finite.
    """
    X = np.asarray(X, dtype=np.float64)
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X).all(axis=1)).sum())
        raise ValueError(
            f"NaN or infinite values in {bad} of {len(X)} rows of the features; clean them first"
        )
    groups, label_of = {}, {}
    for i, (label, compound, dose) in enumerate(zip(labels, compounds, concentrations, strict=True)):
        if not is_treated[i] or _is_missing(label) or _is_missing(compound):
            continue
        groups.setdefault((str(compound), str(dose)), []).append(i)
        if label_of.setdefault(str(compound), str(label)) != str(label):
            raise ValueError(
                f"compound {str(compound)!r} bears two labels, {label_of[str(compound)]!r} and "
                f"{str(label)!r}. Scoring needs one label a compound: correct the table or leave it empty."
            )
    batches = [str(b) for b in batches]
    concentrations = np.asarray(concentrations)
    wells = tuple(np.array(rows) for rows in groups.values())
    return Treatments(
        profiles=np.array([X[rows].mean(axis=0) for rows in wells]).reshape(len(wells), X.shape[1]),
        labels=np.array([label_of[compound] for compound, _ in groups], dtype=str),
        compounds=np.array([compound for compound, _ in groups], dtype=str),
        concentrations=np.array([concentrations[rows[0]] for rows in wells]),
        batches=tuple(frozenset(batches[i] for i in rows) for rows in wells),
        wells=wells,
    )


def compute_retrieval(treatments, *, not_same_batch=False):
    """Compute how often the nearest treatment of another compound bears the same label (NSC, NSCB).

    The neighbour is the one of largest cosine among the treatments of other compounds (NSC) that, with
    `not_same_batch`, also share no batch with the query (NSCB). A treatment counts only if at least one such
    candidate bears its label; it still is a candidate for others. Where several candidates are equally near,
    the value is the share of them that bear the label.

    Parameters
    ----------
    treatments : Treatments
        As `make_treatments` returns them.
    not_same_batch : bool, default=False
        Whether a candidate must also have been measured in other batches only.

    Returns
    -------
    Score
        Hits, NaN for treatments that do not count.
    """
    unit = _unit_rows(treatments.profiles)
    labels, compounds = treatments.labels, treatments.compounds
    hits = np.full(len(labels), np.nan)
    for i in range(len(labels)):
        legal = compounds != compounds[i]
        if not_same_batch:
            legal &= np.array([treatments.batches[i].isdisjoint(other) for other in treatments.batches])
        if not (legal & (labels == labels[i])).any():
            continue
        cosines = np.where(legal, unit @ unit[i], -np.inf)
        nearest = cosines >= cosines.max() - _TIE
        hits[i] = np.mean(labels[nearest] == labels[i])
    return Score(hits, compounds)


def compute_silhouette(treatments):
    """Compute the silhouette of treatments by label, with cosine distances.

    Only treatments whose label has another compound take part: the same ones that NSC counts.

    Parameters
    ----------
    treatments : Treatments
        As `make_treatments` returns them.

    Returns
    -------
    Score
        Silhouette of each treatment in [-1, 1], NaN for those that do not take part.
    """
    keep = _has_partner(treatments)
    values = np.full(len(keep), np.nan)
    if 2 <= len(set(treatments.labels[keep])) < keep.sum():
        X = _unit_rows(treatments.profiles[keep])
        values[keep] = silhouette_samples(X, treatments.labels[keep], metric="cosine")
    return Score(values, treatments.compounds)


def compute_well_silhouette(X, treatments):
    """Compute the silhouette of single wells by label, with Euclidean distances.

    Stricter than that of treatments, because the scatter between replicate wells counts. The wells are those
    of the treatments that take part in `compute_silhouette`.

    Parameters
    ----------
    X : ndarray of shape (n_wells, n_features)
        Features or embedding of all wells.
    treatments : Treatments
        As `make_treatments` returns them for the same rows.

    Returns
    -------
    Score
        Mean silhouette of the wells of each treatment; `n_counted` treatments, weighted by their wells.
    """
    X = np.asarray(X, dtype=np.float64)
    keep = np.flatnonzero(_has_partner(treatments))
    values = np.full(len(treatments.labels), np.nan)
    sizes = np.array([len(rows) for rows in treatments.wells], dtype=float)
    if len(keep):
        rows = np.concatenate([treatments.wells[t] for t in keep])
        owner = np.repeat(keep, [len(treatments.wells[t]) for t in keep])
        labels = treatments.labels[owner]
        if 2 <= len(set(labels)) < len(labels):
            sums = np.bincount(owner, weights=silhouette_samples(X[rows], labels), minlength=len(values))
            values[keep] = sums[keep] / sizes[keep]
    return Score(values, treatments.compounds, sizes)


def merge_scores(scores):
    """Average the same score over seeds, treatment by treatment.

    Parameters
    ----------
    scores : sequence of Score
        Of the same treatments in the same order.

    Returns
    -------
    Score
        Mean value of each treatment.
    """
    return Score(np.mean([s.values for s in scores], axis=0), scores[0].compounds, scores[0].weights)


def compute_interval(score, *, n_boot=2000, level=0.95, random_state=0):
    """Compute a bootstrap interval of a score, resampling compounds.

    The compounds of the counted treatments are drawn with replacement; the candidates stay as they are. So
    the interval says how much the score depends on which compounds were asked about.

    Parameters
    ----------
    score : Score
        The score.
    n_boot : int, default=2000
        Number of resamples.
    level : float, default=0.95
        Coverage of the percentile interval.
    random_state : int, default=0
        Seed of the resampling.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN when nothing counts.
    """
    draws = _bootstrap_means(score, n_boot, random_state)
    return _percentiles(draws, level)


def compute_paired_difference(score, baseline, *, n_boot=2000, level=0.95, random_state=0):
    """Compare two arms on the same treatments by a paired bootstrap over compounds.

    Parameters
    ----------
    score, baseline : Score
        Of the same treatments in the same order; those that count in both are used.
    n_boot : int, default=2000
        Number of resamples.
    level : float, default=0.95
        Coverage of the percentile interval.
    random_state : int, default=0
        Seed of the resampling.

    Returns
    -------
    dict
        ``difference`` (score minus baseline), ``low``, ``high``, ``share_above`` (share of resamples in which
        the difference is above 0, a tie counting half), ``n_treatments``, ``n_compounds``.

    Raises
    ------
    ValueError
        If the two are not of the same treatments.
    """
    if score.compounds.shape != baseline.compounds.shape or (score.compounds != baseline.compounds).any():
        raise ValueError("score and baseline are not of the same treatments; compute both from one table")
    paired = Score(score.values - baseline.values, score.compounds, score.weights)
    draws = _bootstrap_means(paired, n_boot, random_state)
    low, high = _percentiles(draws, level)
    share = np.mean(draws > 0) + 0.5 * np.mean(draws == 0) if len(draws) else float("nan")
    return {
        "difference": paired.mean,
        "low": low,
        "high": high,
        "share_above": float(share),
        "n_treatments": paired.n_counted,
        "n_compounds": len(set(paired.compounds[paired.counted])),
    }


def _bootstrap_means(score, n_boot, random_state):
    """Means over treatments under resampling of whole compounds: sums and sizes a compound, then ratios."""
    counted = score.counted
    names, index = np.unique(score.compounds[counted], return_inverse=True)
    if len(names) == 0:
        return np.empty(0)
    weights = np.ones(counted.sum()) if score.weights is None else score.weights[counted]
    sums = np.bincount(index, weights=weights * score.values[counted])
    sizes = np.bincount(index, weights=weights)
    rng = np.random.default_rng(random_state)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_boot)
    means = (times @ sums) / (times @ sizes)
    return np.where(np.abs(means) < 1e-12, 0.0, means)  # a sum of opposite hits is no difference


def _has_partner(treatments):
    """Mask of the treatments whose label has another compound."""
    labels, compounds = treatments.labels, treatments.compounds
    pairs = zip(labels, compounds, strict=True)
    return np.array([((labels == label) & (compounds != c)).any() for label, c in pairs], dtype=bool)


def _percentiles(draws, level):
    if len(draws) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _unit_rows(X):
    """Rows at unit length; a zero row stays zero, so its cosine with everything is 0."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    return np.divide(X, length, out=np.zeros_like(X), where=length > 0)


def _is_missing(value):
    return pd.isna(value) or str(value).strip() == ""
