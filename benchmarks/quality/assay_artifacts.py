"""Spoiled fields of simulated plates: are they found, and does leaving them out mend the embedding?"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from archetypal_triplet import (
    ArchetypalAnalysis,
    ImageFeatures,
    ScreenNormalizer,
    make_archetypal_triplet,
)
from archetypal_triplet._utils._exceptions import DataWarning
from archetypal_triplet._utils._frames import select_rows
from archetypal_triplet.datasets import make_screen
from archetypal_triplet.labels import FlaggedLabeler
from archetypal_triplet.qc import compute_archetype_quality, compute_field_scores
from archetypal_triplet.screens._inputs import read_features

PLATE, WELL = "Metadata_Plate", "Metadata_Well"
CONTROLS = "Metadata_ControlType == 'negative'"
# 1.25 % each, 5 % together; the fifth a whole number of fields too
KINDS = ("out_of_focus", "saturated", "debris", "empty")
SHARE = 0.0125
COUNTS = (8, 12, 16, 24)
PARTS = ("plate", "components", "whitening")
N_PUREST, SHARE_OF_ARTIFACTS = 5, 0.6


def _simulate(seed, outliers):
    return make_screen(
        1,
        1,
        images=True,
        n_replicates=1,
        plate_format=96,
        n_fields=4,
        n_channels=2,
        image_size=256,
        n_doses=3,
        inactive_fraction=0.0,
        outlier_fraction=outliers,
        random_state=seed,
    )


def make_fields(seed, cache):
    """Features of the fields of one plate: clean, and with 5 % of the fields spoiled.

    Debris, blur and saturation are the simulator's. It empties whole wells only; a single empty field is the
    field of the same screen with all wells empty.

    Parameters
    ----------
    seed : int
        Of the screen.
    cache : Path
        Folder in which rendered features are kept.

    Returns
    -------
    clean, spoiled : DataFrame
        Metadata and features; the same rows.
    truth : DataFrame
        ``Truth_Artifact`` of the fields, ``Truth_Mechanism`` of their wells.
    """
    path = Path(cache) / f"fields_{seed}.parquet"
    if path.exists():
        table = pd.read_parquet(path)
    else:
        table = _render(seed)
        table.to_parquet(path)
    truth = table[[c for c in table if c.startswith("Truth_")]]
    is_clean = table["Truth_IsClean"].to_numpy()
    table = table.drop(columns=truth.columns)
    clean, spoiled = (table[m].reset_index(drop=True) for m in (is_clean, ~is_clean))
    return clean, spoiled, truth[~is_clean].reset_index(drop=True)


def _render(seed):
    kinds = {kind: SHARE for kind in KINDS if kind != "empty"}
    clean, spoiled = _simulate(seed, 0.0), _simulate(seed, kinds)
    kind = spoiled.field_truth["Truth_Artifact"].to_numpy().copy()
    n_empty = round(SHARE * len(kind))
    rng = np.random.default_rng([seed, 16])
    kind[rng.choice(np.flatnonzero(kind == "none"), n_empty, replace=False)] = "empty"
    features = ImageFeatures(n_jobs=1).set_output(transform="pandas")
    X = features.fit_transform(clean.images)
    Y = X.copy()
    changed = np.flatnonzero((kind != "none") & (kind != "empty"))
    Y.iloc[changed] = features.transform(spoiled.images.take(changed)).to_numpy()
    empty = np.flatnonzero(kind == "empty")
    Y.iloc[empty] = features.transform(_simulate(seed, {"empty": 1.0}).images.take(empty)).to_numpy()
    mechanism = clean.truth["Truth_Mechanism"].to_numpy().repeat(4)
    metadata = clean.fields.assign(Truth_Artifact=kind, Truth_Mechanism=mechanism)
    tables = [
        pd.concat([metadata.assign(Truth_IsClean=is_clean), Z.set_axis(metadata.index)], axis=1)
        for is_clean, Z in ((True, X), (False, Y))
    ]
    return pd.concat(tables, ignore_index=True)


def _make_pipe(n_labelings, random_state, flags=None):
    return make_archetypal_triplet(
        level="field",
        plate=PLATE,
        controls=CONTROLS,
        groups=[PLATE, WELL],
        flags=flags,
        n_labelings=n_labelings,
        random_state=random_state,
    )


def compute_mechanism_score(table, mechanism, kept, random_state, *, how="flags", n_labelings=12):
    """Share of wells whose nearest well of another compound has their mechanism (cosine).

    Parameters
    ----------
    table : DataFrame
        Fields.
    mechanism : ndarray
        Of the fields' wells.
    kept : ndarray of bool or None
        Fields that are not flagged; the others are embedded, but do not count in their well. None: all.
    random_state : int
        Of the embedding.
    how : {"flags", "labels", "without"}, default="flags"
        What is done about flagged fields. "labels": they get the label -1, and no more. "flags": they get it,
        and shape no normalization, by one Pipeline that is fitted on all fields. "without": it is fitted on
        the others.
    n_labelings : int, default=12
        Of the embedding.

    Returns
    -------
    float
        0 to 1.
    """
    column = "Metadata_atq_IsFlagged"
    pipe = _make_pipe(n_labelings, random_state, None if kept is None or how == "without" else column)
    if kept is not None:
        table = table.assign(**{column: ~kept})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        if kept is not None and how == "labels":
            embedding = _fit_labels_alone(pipe, table, column)
        else:
            embedding = pipe.fit(table[kept] if kept is not None and how == "without" else table).transform(
                table
            )
    return score_wells(embedding, table, mechanism, kept)


def score_wells(embedding, table, mechanism, kept=None):
    """Share of wells whose nearest well of another compound has their mechanism (cosine)."""
    fields = pd.DataFrame(embedding).assign(
        well=table[WELL], mechanism=mechanism, compound=table["Metadata_Compound"]
    )
    if kept is not None:
        fields = fields[kept]
    wells = fields[fields["mechanism"] != "None"].groupby(["well", "mechanism", "compound"]).mean()
    Z = wells.to_numpy(copy=True)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    _, mechanisms, compounds = (wells.index.get_level_values(i).to_numpy() for i in range(3))
    similarity = np.where(compounds[:, None] == compounds, -np.inf, Z @ Z.T)
    legal = ((mechanisms[:, None] == mechanisms) & (compounds[:, None] != compounds)).any(axis=1)
    return float((mechanisms[similarity.argmax(axis=1)] == mechanisms)[legal].mean())


def _fit_labels_alone(pipe, table, column):
    """Fit the normalization on all fields, and the rest as the Pipeline does; return the embedding."""
    normalizer = clone(pipe["normalize"]).set_params(flags=None, append_flags=False)
    X = np.column_stack([normalizer.fit_transform(table), table[column]])
    return pipe["embed"].fit(X).transform(X)


def fit_parts(normalizer, table, kept, parts):
    """Fit a ScreenNormalizer on all fields of a plate, but some of its parts on those that are kept.

    Parameters
    ----------
    normalizer : ScreenNormalizer
        Not fitted.
    table : DataFrame
        Fields of one plate.
    kept : ndarray of bool
        Fields that are not flagged.
    parts : set of str
        Of "plate" (means and deviations), "components" and "whitening" (soft lengths included).

    Returns
    -------
    ScreenNormalizer
        Fitted.
    """
    fitted = clone(normalizer)
    frame, values = read_features(fitted, table, reset=True)
    is_control, codes = select_rows(frame, fitted.controls), np.zeros(len(values), dtype=int)
    rows = {part: kept if part in parts else np.ones_like(kept) for part in PARTS}
    one = rows["plate"]
    fitted._fit_plate_step(frame[one], values[one], is_control[one])
    grouped = fitted._typical_variation(frame, codes, is_control)
    one = rows["components"]
    fitted._fit_components(values[one], codes[one], grouped[one])
    scores, one = fitted._project(values, fitted.centers_, codes), rows["whitening"]
    fitted._fit_whitening(scores[one], grouped[one], frame[one], codes[one], is_control[one])
    lengths = np.linalg.norm(scores[one & is_control] @ fitted.whitening_, axis=1)
    fitted.length_scale_ = float(fitted.soft_length * np.median(lengths))
    return fitted


def run_parts(n_draws, cache, say):
    """Flagged fields have the label -1: what of the normalization must they be kept from as well?"""
    arms = {"none": set(), **{part: {part} for part in PARTS}, "all": set(PARTS)}
    rows = []
    for seed in range(n_draws):
        clean, spoiled, truth = make_fields(seed, cache)
        mechanism = truth["Truth_Mechanism"].to_numpy()
        kept = ~judge_fields(clean, spoiled, truth)[2]["Metadata_atq_IsFlagged"].to_numpy()
        row = {}
        for arm, parts in arms.items():
            pipe = _make_pipe(12, seed)
            X = fit_parts(pipe["normalize"], spoiled, kept, parts).transform(spoiled)
            X = np.column_stack([X, ~kept])
            labeler = FlaggedLabeler(pipe["embed"].labeler, flag_column=-1)
            embedder = pipe["embed"].set_params(labeler=labeler, groups_column=-1)
            row[arm] = score_wells(embedder.fit(X).transform(X), spoiled, mechanism, kept)
        rows.append(row)
        say(f"  seed {seed}: " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()))
    rows = pd.DataFrame(rows)
    for arm in arms:
        if arm != "all":
            rows[f"all less {arm}"] = rows["all"] - rows[arm]
    _summarize(rows, say)
    return []


def judge_archetypes(spoiled, is_artifact, scores, seed):
    """Artifact score, flag and truth of every archetype of several fits."""
    normalizer = ScreenNormalizer(PLATE, CONTROLS, [PLATE, WELL], n_components=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        X = np.asarray(normalizer.fit_transform(spoiled))
    found = []
    metadata = spoiled[[PLATE, WELL]].assign(
        Metadata_atq_WellDistance=scores["Metadata_atq_WellDistance"].to_numpy()
    )
    for k in COUNTS:
        shares = ArchetypalAnalysis(k, random_state=seed).fit_transform(X)
        table = metadata.join(pd.DataFrame(shares).add_prefix("Archetype_"))
        quality = compute_archetype_quality(table, n_permutations=19, random_state=0)
        purest = np.argsort(-shares, axis=0)[:N_PUREST]
        quality["truth"] = is_artifact[purest].mean(axis=0) >= SHARE_OF_ARTIFACTS
        found.append(quality.assign(k=k))
    return pd.concat(found)


def judge_fields(clean, spoiled, truth):
    """Numbers of one draw's field scores, and these scores."""
    is_artifact = (truth["Truth_Artifact"] != "none").to_numpy()
    scores = compute_field_scores(spoiled, random_state=0)
    distance, is_flagged = scores["Metadata_atq_WellDistance"], scores["Metadata_atq_IsFlagged"]
    row = {
        "AUC well distance": roc_auc_score(is_artifact, distance),
        "AUC isolation forest": roc_auc_score(is_artifact, scores["Metadata_atq_Isolation"]),
        "flagged of artifacts": is_flagged[is_artifact].mean(),
        "flagged of others": is_flagged[~is_artifact].mean(),
        "flagged of clean": compute_field_scores(clean, random_state=0)["Metadata_atq_IsFlagged"].mean(),
    }
    for kind in KINDS:
        these = ~is_artifact | (truth["Truth_Artifact"] == kind).to_numpy()
        row[f"AUC {kind}"] = roc_auc_score(is_artifact[these], distance[these])
    return row, is_artifact, scores


def judge_three_fields(spoiled, truth):
    """Numbers of one draw when a well has three fields, of which a strange one may accuse the others."""
    chosen = (spoiled.groupby([PLATE, WELL]).cumcount() < 3).to_numpy()
    spoiled, is_artifact = spoiled[chosen], (truth["Truth_Artifact"] != "none").to_numpy()[chosen]
    scores = compute_field_scores(spoiled, random_state=0)
    n_artifacts = pd.Series(is_artifact, index=spoiled.index).groupby(spoiled[WELL]).transform("sum")
    is_sibling = ~is_artifact & (n_artifacts == 1).to_numpy()
    is_flagged = scores["Metadata_atq_IsFlagged"].to_numpy()
    return {
        "three fields: AUC": roc_auc_score(is_artifact, scores["Metadata_atq_WellDistance"]),
        "  flagged of artifacts": is_flagged[is_artifact].mean(),
        "  of their siblings": is_flagged[is_sibling].mean(),
    }


def _summarize(rows, say):
    for name in rows:
        error = rows[name].std() / np.sqrt(len(rows))
        span = f"from {rows[name].min():.3f} to {rows[name].max():.3f}"
        say(f"  {name:24s} {rows[name].mean():6.3f} ± {error:.3f}  ({span})")


def run_artifacts(n_draws, cache, say):
    """Spoiled fields and the archetypes they make: are they found?"""
    rows, archetypes = [], []
    for seed in range(n_draws):
        clean, spoiled, truth = make_fields(seed, cache)
        row, is_artifact, scores = judge_fields(clean, spoiled, truth)
        rows.append(row | judge_three_fields(spoiled, truth))
        archetypes.append(judge_archetypes(spoiled, is_artifact, scores, seed))
    rows, archetypes = pd.DataFrame(rows), pd.concat(archetypes)
    _summarize(rows, say)
    truth, flag = archetypes["truth"], archetypes["is_artifact"]
    say(
        f"  archetypes: {truth.sum()} of {len(truth)} are artifacts; {flag[truth].mean():.2f} of these are "
        f"flagged, and {flag[~truth].mean():.2f} of the others"
    )
    return [
        ("fields: mean AUC of the distance", rows["AUC well distance"].mean(), 0.96, 1),
        ("archetypes: AUC of the score", roc_auc_score(truth, archetypes["artifact_score"]), 0.93, 1),
    ]


def run_restore(n_draws, cache, say):
    """Spoiled fields without labels, or out of the fit: has the embedding the score of the clean screen?"""
    rows = []
    for seed in range(n_draws):
        clean, spoiled, truth = make_fields(seed, cache)
        kept = ~judge_fields(clean, spoiled, truth)[2]["Metadata_atq_IsFlagged"].to_numpy()
        mechanism = truth["Truth_Mechanism"].to_numpy()
        row = {
            "clean": compute_mechanism_score(clean, mechanism, None, seed),
            "spoiled": compute_mechanism_score(spoiled, mechanism, None, seed),
            "labels -1": compute_mechanism_score(spoiled, mechanism, kept, seed),
            "labels -1 alone": compute_mechanism_score(spoiled, mechanism, kept, seed, how="labels"),
            "fit without": compute_mechanism_score(spoiled, mechanism, kept, seed, how="without"),
        }
        rows.append(row)
        say(f"  seed {seed}: " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()))
    rows = pd.DataFrame(rows)
    for arm in ("spoiled", "labels -1", "labels -1 alone", "fit without"):
        rows[f"clean less {arm}"] = rows["clean"] - rows[arm]
    _summarize(rows, say)
    # labels of -1 alone are shown: the spoiled controls have then moved the plate's means and deviations
    return [
        (f"embedding: clean less {arm}", rows[f"clean less {arm}"].mean(), -1, 0.02)
        for arm in ("labels -1", "fit without")
    ]
