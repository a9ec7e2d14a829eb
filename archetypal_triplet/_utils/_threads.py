"""Number of threads for our own kernels."""

import os


def effective_n_threads(n_jobs):
    """Turn scikit-learn's `n_jobs` into a number of threads.

    Parameters
    ----------
    n_jobs : int or None
        None means 1 unless a joblib backend says otherwise; -1 means all cores that this process may use.

    Returns
    -------
    int
        At least 1.
    """
    from joblib import effective_n_jobs

    return max(
        1,
        min(
            effective_n_jobs(n_jobs),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        ),
    )
