import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.qc import compute_archetype_quality, compute_field_scores
from archetypal_triplet.qc._archetypes import compute_artifact_scores


def make_fields(seed, n_fields=4):
    """96 wells: archetype 1 is a phenotype of 12 wells, 2 an artifact of 12 single fields, 0 the rest."""
    rng = np.random.default_rng(seed)
    wells = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]
    well = np.repeat(np.arange(96), n_fields)
    kind = np.zeros(96 * n_fields, dtype=int)
    active = rng.choice(96, 12, replace=False)
    kind[np.isin(well, active)] = 1
    kind[rng.choice(np.flatnonzero(kind == 0), 12, replace=False)] = 2
    shares = rng.dirichlet([1.0, 1.0, 1.0], size=len(kind)) * 0.4
    shares[np.arange(len(kind)), kind] += 0.6
    table = pd.DataFrame(shares, columns=[f"Archetype_{a}" for a in range(3)])
    table["Metadata_Plate"] = "P1"
    table["Metadata_Well"] = np.array(wells)[well]
    table["Metadata_ControlType"] = np.where(np.isin(well, active), "positive", "negative")
    X = rng.standard_normal((len(kind), 8)) + 12 * np.eye(8)[kind] * (kind > 0)[:, None]
    features = pd.DataFrame(X).add_prefix("Texture_").join(table[["Metadata_Plate", "Metadata_Well"]])
    scores = compute_field_scores(features, random_state=0)
    return table.assign(Metadata_atq_WellDistance=scores["Metadata_atq_WellDistance"]), kind


def judge(table, **options):
    return compute_archetype_quality(table, **({"n_permutations": 99, "random_state": 0} | options))


def test_an_artifact_is_told_from_a_phenotype():
    for seed in range(5):
        found = judge(make_fields(seed)[0])
        assert found["is_artifact"].tolist() == [False, False, True]
        assert found["echo"][1] > 0.6 > 0.3 > found["echo"][2]


def test_scores_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    shares, codes = rng.dirichlet([0.5, 0.5], size=40), np.repeat(np.arange(10), 4)
    strangeness = rng.standard_normal(40)
    strangeness[5] = np.nan
    scores, echoes = compute_artifact_scores(shares, codes, strangeness, n_purest=6)
    for a in range(2):
        purest = [i for i in np.argsort(-shares[:, a], kind="stable") if i != 5][:6]
        echo, alone = [], []
        for i in purest:
            siblings = [j for j in range(40) if codes[j] == codes[i] and j != i]
            base = shares[:, a].mean()
            echo.append((shares[siblings, a].mean() - base) / (shares[i, a] - base))
            alone.append(max(strangeness[i], 0) * (1 - min(max(echo[-1], 0), 1)))
        weights = shares[purest, a] / shares[purest, a].sum()
        assert scores[a] == pytest.approx(weights @ alone)
        assert echoes[a] == pytest.approx(weights @ echo)


def test_shares_of_controls_and_of_the_edge():
    table, kind = make_fields(1)
    edge = table["Metadata_Well"].str[0].isin(["A", "H"]) | table["Metadata_Well"].str[1:].isin(["01", "12"])
    table["Archetype_0"] += 0.3 * edge
    found = judge(
        table,
        negative="Metadata_ControlType == 'negative'",
        positive="Metadata_ControlType == 'positive'",
    )
    assert found["share_positive"][1] == pytest.approx(table["Archetype_1"][kind == 1].mean(), abs=0.02)
    assert found["share_negative"][1] < 0.2
    assert found["p_edge"][0] <= 0.02


def test_without_siblings_nothing_is_flagged_and_the_reason_is_given():
    table, _ = make_fields(2)
    wells = table.groupby(["Metadata_Plate", "Metadata_Well"]).first().reset_index()
    found = judge(wells.drop(columns="Metadata_atq_WellDistance"))
    assert not found["is_artifact"].any()
    assert found["reason"].str.contains("no column Metadata_atq_WellDistance").all()
    found = judge(wells.assign(Metadata_atq_WellDistance=np.nan))
    assert found["reason"][0] == "0 fields have others in their well; 30 are needed"


def test_tables_without_shares_are_refused():
    with pytest.raises(ValueError, match=r"X has no column Archetype_0, Archetype_1"):
        judge(make_fields(3)[0].filter(like="Metadata"))


def test_fields_whose_siblings_are_gone_are_passed_over():
    shares, codes = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]), np.array([0, 1, 1])
    scores, _ = compute_artifact_scores(shares, codes, np.array([5.0, 1.0, 0.0]), n_purest=2)
    assert np.isfinite(scores).all()
