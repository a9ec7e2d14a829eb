"""How far apart two groups of numbers lie: the four measures of an assay's window."""

import numpy as np
from scipy.stats import rankdata

from archetypal_triplet._utils._spread import MAD_TO_SD


def _check_group(values, name):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} has shape {values.shape}; one dimension with at least one value is needed.")
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        raise ValueError(
            f"{name} has {n_bad} values that are NaN or infinite. Drop or fill those wells before computing."
        )
    return values


def _check_groups(negative, positive):
    return _check_group(negative, "negative"), _check_group(positive, "positive")


def _compute_ratio(numerator, denominator):
    """Quotient without a warning: infinite for x / 0, NaN for 0 / 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(numerator) / np.float64(denominator))


def _compute_sd(values):
    return values.std(ddof=1) if len(values) > 1 else np.nan


def _compute_mad(values):
    return MAD_TO_SD * np.median(np.abs(values - np.median(values)))


def compute_z_prime(negative, positive):
    """Compute Z', the share of the window between two controls that their spread leaves free.

    ``Z' = 1 - 3 (sd_positive + sd_negative) / |mean_positive - mean_negative|``, with sample standard
    deviations (n - 1).

    Parameters
    ----------
    negative : array-like of shape (n_negative,)
        Values of the negative controls; two at least.
    positive : array-like of shape (n_positive,)
        Values of the positive controls; two at least.

    Returns
    -------
    z_prime : float
        At most 1; minus infinity for equal means; NaN with one value a class.

    Raises
    ------
    ValueError
        If a class is empty, not one-dimensional, or holds NaN or infinite values.

    References
    ----------
    Zhang J.-H., Chung T. D. Y., Oldenburg K. R. (1999). Journal of Biomolecular
    Screening 4(2), 67-73, equation 4.

    Examples
    --------
    >>> from archetypal_triplet.qc import compute_z_prime
    >>> round(compute_z_prime([-1, 0, 1], [11, 12, 13]), 3)
    0.5
    """
    negative, positive = _check_groups(negative, positive)
    window = abs(positive.mean() - negative.mean())
    return 1.0 - _compute_ratio(3.0 * (_compute_sd(positive) + _compute_sd(negative)), window)


def compute_robust_z_prime(negative, positive):
    """Compute Z' with medians for means and 1.4826 times the median absolute deviation for spreads.

    Parameters
    ----------
    negative : array-like of shape (n_negative,)
        Values of the negative controls.
    positive : array-like of shape (n_positive,)
        Values of the positive controls.

    Returns
    -------
    robust_z_prime : float
        At most 1; minus infinity for equal medians, NaN if the deviations are zero too.

    Raises
    ------
    ValueError
        If a class is empty, not one-dimensional, or holds NaN or infinite values.

    References
    ----------
    Birmingham A. et al. (2009). Statistical methods for analysis of high-throughput RNA interference screens.
    Nature Methods 6(8), 569-575, table 1.

    Examples
    --------
    >>> from archetypal_triplet.qc import compute_robust_z_prime
    >>> round(compute_robust_z_prime([-1, 0, 1], [11, 12, 13]), 3)
    0.259
    """
    negative, positive = _check_groups(negative, positive)
    window = abs(np.median(positive) - np.median(negative))
    return 1.0 - _compute_ratio(3.0 * (_compute_mad(positive) + _compute_mad(negative)), window)


def compute_ssmd(negative, positive):
    """Compute the strictly standardized mean difference of positive against negative controls.

    ``SSMD = (mean_positive - mean_negative) / sqrt(var_positive + var_negative)``, with sample variances
    (n - 1); signed.

    Parameters
    ----------
    negative : array-like of shape (n_negative,)
        Values of the negative controls; two at least.
    positive : array-like of shape (n_positive,)
        Values of the positive controls; two at least.

    Returns
    -------
    ssmd : float
        Positive where the positive controls have the larger mean; NaN with one value a class.

    Raises
    ------
    ValueError
        If a class is empty, not one-dimensional, or holds NaN or infinite values.

    References
    ----------
    Zhang X. D. (2007). A pair of new statistical parameters for quality control in RNA interference
    high-throughput screening assays. Genomics 89(4), 552-561, section 2.

    Examples
    --------
    >>> from archetypal_triplet.qc import compute_ssmd
    >>> round(compute_ssmd([-1, 0, 1], [11, 12, 13]), 3)
    8.485
    """
    negative, positive = _check_groups(negative, positive)
    spread = np.hypot(_compute_sd(positive), _compute_sd(negative))
    return _compute_ratio(positive.mean() - negative.mean(), spread)


def compute_auc(negative, positive):
    """Compute the probability that a positive control lies above a negative one, ties counting one half.

    Parameters
    ----------
    negative : array-like of shape (n_negative,)
        Values of the negative controls.
    positive : array-like of shape (n_positive,)
        Values of the positive controls.

    Returns
    -------
    auc : float
        Area under the receiver operating characteristic, 0 to 1.

    Raises
    ------
    ValueError
        If a class is empty, not one-dimensional, or holds NaN or infinite values.

    References
    ----------
    Hanley J. A., McNeil B. J. (1982). Radiology 143(1), 29-36.

    Examples
    --------
    >>> from archetypal_triplet.qc import compute_auc
    >>> compute_auc([1, 2, 3], [3, 4, 5])
    0.9444444444444444
    """
    negative, positive = _check_groups(negative, positive)
    ranks = rankdata(np.concatenate([negative, positive]))[len(negative) :]
    n_pairs = len(negative) * len(positive)
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / n_pairs)


MEASURES = {
    "z_prime": compute_z_prime,
    "robust_z_prime": compute_robust_z_prime,
    "ssmd": compute_ssmd,
    "auc": compute_auc,
}
