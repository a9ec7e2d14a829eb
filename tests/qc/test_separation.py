import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from archetypal_triplet.qc import compute_auc, compute_robust_z_prime, compute_ssmd, compute_z_prime
from archetypal_triplet.qc._controls import _compute_all
from archetypal_triplet.qc._separation import MEASURES

numbers = st.lists(st.integers(-50, 50), min_size=2, max_size=12)


def naive_sd(values):
    mean = sum(values) / len(values)
    return (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5


def naive_median(values):
    values = sorted(values)
    n = len(values)
    return values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2


def naive_auc(negative, positive):
    wins = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)
    return wins / (len(positive) * len(negative))


@settings(max_examples=60, deadline=None)
@given(negative=numbers, positive=numbers)
def test_naive_twins(negative, positive):
    means = sum(negative) / len(negative), sum(positive) / len(positive)
    if abs(means[0] - means[1]) > 1e-9:
        expected = 1 - 3 * (naive_sd(positive) + naive_sd(negative)) / abs(means[1] - means[0])
        assert compute_z_prime(negative, positive) == pytest.approx(expected)
    variance = naive_sd(positive) ** 2 + naive_sd(negative) ** 2
    if variance > 1e-9:
        assert compute_ssmd(negative, positive) == pytest.approx((means[1] - means[0]) / variance**0.5)
    medians = naive_median(negative), naive_median(positive)
    if medians[0] != medians[1]:
        mads = [
            1.4826 * naive_median([abs(v - m) for v in values])
            for values, m in zip((negative, positive), medians, strict=True)
        ]
        expected = 1 - 3 * sum(mads) / abs(medians[1] - medians[0])
        assert compute_robust_z_prime(negative, positive) == pytest.approx(expected)
    assert compute_auc(negative, positive) == pytest.approx(naive_auc(negative, positive))


@settings(max_examples=40, deadline=None)
@given(negative=numbers, positive=numbers, scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
def test_affine_changes_of_the_scale_change_nothing(negative, positive, scale, shift):
    a, b = np.array(negative, dtype=float), np.array(positive, dtype=float)
    # means and medians that differ by rounding only have no window to speak of
    if abs(a.mean() - b.mean()) < 1e-6 or np.median(a) == np.median(b):
        return
    for compute in MEASURES.values():
        assert compute(scale * a + shift, scale * b + shift) == pytest.approx(compute(a, b), rel=1e-6)
    assert compute_ssmd(b, a) == pytest.approx(-compute_ssmd(a, b))
    assert compute_auc(b, a) == pytest.approx(1 - compute_auc(a, b))
    assert compute_z_prime(b, a) == pytest.approx(compute_z_prime(a, b))


def test_the_measures_of_many_rows_at_once():
    scores = np.random.default_rng(0).standard_normal((5, 17)).round(1)
    expected = [[compute(row[:8], row[8:]) for row in scores] for compute in MEASURES.values()]
    np.testing.assert_allclose(_compute_all(scores, 8), expected)


def test_auc_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    negative, positive = rng.integers(0, 9, 30), rng.integers(3, 12, 20)
    oracle = roc_auc_score(np.repeat([0, 1], [30, 20]), np.concatenate([negative, positive]))
    assert compute_auc(negative, positive) == pytest.approx(oracle)


def test_edges():
    assert compute_z_prime([1, 2, 3], [3, 2, 1]) == -np.inf
    assert compute_z_prime([0, 0], [1, 1]) == 1
    assert np.isnan(compute_z_prime([0], [1, 2]))
    assert np.isnan(compute_robust_z_prime([2, 2, 2], [2, 2, 2]))
    assert compute_ssmd([0, 0], [1, 1]) == np.inf


@pytest.mark.parametrize("compute", MEASURES.values())
def test_errors(compute):
    with pytest.raises(ValueError, match=r"negative has shape \(0,\); one dimension with at least one value"):
        compute([], [1, 2])
    with pytest.raises(ValueError, match="positive has 1 values that are NaN or infinite"):
        compute([1, 2], [1, np.nan])
