import numpy as np
import pandas as pd
import pytest

from archetypal_triplet.qc import compute_batch_mixing, compute_variance_explained
from archetypal_triplet.qc._batches import _compute_neighbor_weights

NEGATIVE = "Metadata_ControlType == 'negative'"


def make_batches(seed, shift=0.0, n=60, n_batches=3):
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(n_batches), n)
    X = rng.standard_normal((len(batch), 4))
    X[:, 0] += shift * batch
    table = pd.DataFrame(X).add_prefix("Embedding_")
    return table.assign(Metadata_Batch=[f"week{b}" for b in batch], Metadata_ControlType="negative")


def mix(table, **options):
    return compute_batch_mixing(
        table, **({"batch": "Metadata_Batch", "negative": NEGATIVE, "random_state": 0} | options)
    )


def test_mixed_batches_mix_and_separate_ones_do_not():
    assert np.mean([mix(make_batches(seed))["mixing"][0] for seed in range(5)]) == pytest.approx(1, abs=0.1)
    apart = mix(make_batches(0, shift=20.0))
    assert apart.set_index("batch").loc["all", "lisi"] == pytest.approx(1, abs=0.01)
    assert apart["mixing"].max() < 0.02
    assert apart["batch"].tolist() == ["all", "week0", "week1", "week2"]


def test_weights_have_the_perplexity():
    values = np.random.default_rng(0).standard_normal((200, 3))
    _, weights = _compute_neighbor_weights(values, 20.0)
    entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1)
    np.testing.assert_allclose(np.exp(entropy), 20.0, rtol=1e-3)


def test_only_controls_count():
    table = make_batches(1)
    strange = table.assign(Metadata_ControlType="sample", Embedding_0=table["Embedding_0"] + 50)
    pd.testing.assert_frame_equal(mix(pd.concat([table, strange], ignore_index=True)), mix(table))


def test_one_batch_gives_the_reason():
    found = mix(make_batches(2, n_batches=1))
    assert np.isnan(found["lisi"][0])
    assert found["reason"][0] == "60 negative controls in 1 batches; 10 in two are needed"


def test_variance_of_a_known_batch_effect():
    # three batches at -2, 0, 2 in one of four columns: (8 / 3) / (8 / 3 + 1) of it, and nothing of the others
    explained = [
        compute_variance_explained(make_batches(s, shift=2.0), ["Metadata_Batch"], well=None, plate=None)
        for s in range(10)
    ]
    mean = np.mean([one["variance_explained"][0] for one in explained])
    assert mean == pytest.approx((8 / 3) / (8 / 3 + 1) / 4, abs=0.02)


def test_rows_and_columns_within_plates(make_plates):
    table, row, _ = make_plates(3, 2, 0, shape=(8, 12))
    table["Embedding_0"] += row  # variance 5.25
    table["Embedding_0"] += 100.0 * np.repeat(np.arange(3), 96)
    table["Embedding_1"] += 100.0 * np.repeat(np.arange(3), 96)
    found = compute_variance_explained(table).set_index("factor")["variance_explained"]
    assert found["Metadata_Plate"] > 0.99
    assert found["row"] == pytest.approx(5.25 / 6.25 / 2, abs=0.03)
    assert found["column"] == pytest.approx(0, abs=0.03)
