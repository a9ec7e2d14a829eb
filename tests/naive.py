"""The specification: slow, obvious versions of what the package computes fast.

One section a room. Nothing here is clever, and nothing here imports the package.
"""

import numpy as np

# --- labels ---------------------------------------------------------------------------------------------


def naive_pseudo_labels(mixtures, threshold, per_label=None, exclude=()):
    """Label each sample by its largest coefficient, where that is large enough."""
    n_samples, n_labels = mixtures.shape
    candidates = [int(np.argmax(row)) for row in mixtures]
    labels = np.full(n_samples, -1)
    for label in range(n_labels):
        if label in exclude:
            continue
        own = sorted(
            (float(mixtures[i, label]) for i in range(n_samples) if candidates[i] == label), reverse=True
        )
        cut = threshold if per_label is None or len(own) <= per_label else max(threshold, own[per_label - 1])
        for i in range(n_samples):
            if candidates[i] == label and mixtures[i, label] >= cut:
                labels[i] = label
    return labels
