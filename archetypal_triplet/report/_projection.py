"""Planes to look at an embedding in: UMAP where it can be had, principal components always."""

import warnings

import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from archetypal_triplet._utils._random import draw_seed, own_random_state
from archetypal_triplet.plotting._choices import project_to_plane

_MIN_ROWS = 5  # UMAP of fewer is a picture of its own noise
_N_NEIGHBORS = 15
_MANY_ROWS = 4000  # umap-learn runs 500 epochs up to 10,000 rows: seconds that nobody sees on the map
_N_EPOCHS = 200
_N_PLACING = 5  # neighbors whose mean is the place of a row that was not fitted


class Projections(dict):
    """Planes by their name, each an array (n_samples, 2); what to show first comes first.

    Parameters
    ----------
    planes : dict of str to ndarray of shape (n_samples, 2)
        The planes.
    axes : dict of str to tuple of str
        What the two axes of each plane are called.
    sentence : str
        How the planes were made, for the reader of the map.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.report._projection import Projections
    >>> planes = Projections({"PCA": np.zeros((3, 2))}, axes={"PCA": ("PC 1", "PC 2")}, sentence="")
    >>> list(planes)
    ['PCA']
    """

    def __init__(self, planes, *, axes, sentence):
        super().__init__(planes)
        self.axes = axes
        self.sentence = sentence


def compute_projections(embedding, *, max_fit=20000, random_state=0):
    """Project an embedding to planes for looking.

    UMAP (umap-learn; 15 neighbors, fewer where there are few rows; started from the principal components, so
    that the large-scale order is that of the embedding [1]_) and the first two principal components. Above
    `max_fit` rows UMAP is fitted to a random sample of that size, and each of the others lies at the mean of
    its five nearest rows in the sample, weighted by their closeness. Without umap-learn, and with fewer than
    5 rows, there are the principal components alone.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, embedding_dim)
        Finite numbers.
    max_fit : int, default=20000
        Rows that UMAP is fitted to at most. Its time grows about linearly; see ``benchmarks/report``.
    random_state : int, RandomState instance or None, default=0
        Seed of UMAP and of the sample.

    Returns
    -------
    Projections
        ``{"UMAP": (n_samples, 2), "PCA": (n_samples, 2)}``, float32, with the names of the `axes` and a
        `sentence` that says how they were made.

    Raises
    ------
    ValueError
        If the embedding is no table of finite numbers, or `max_fit` is below 5.

    References
    ----------
    .. [1] Kobak and Linderman, "Initialization is critical for preserving global data structure in both t-SNE
           and UMAP", Nature Biotechnology 39, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.report._projection import compute_projections
    >>> planes = compute_projections(np.eye(4))
    >>> list(planes), planes["PCA"].shape
    (['PCA'], (4, 2))
    """
    if max_fit < _MIN_ROWS:
        raise ValueError(f"max_fit={max_fit!r} is too few rows to fit. Allowed: {_MIN_ROWS} or more.")
    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    plane, shares = project_to_plane(embedding)
    planes, axes, said = {}, {}, []
    drawn, why_not = _project_umap(embedding, plane, max_fit, random_state)
    if drawn is not None:
        planes["UMAP"], axes["UMAP"] = drawn, ("UMAP 1", "UMAP 2")
        said.append("UMAP keeps neighbors together; distances between groups and their sizes mean little.")
        if len(embedding) > max_fit:
            said.append(
                f"It was fitted to {max_fit:,} of {len(embedding):,} rows; the others lie between their "
                "nearest neighbors among these."
            )
    else:
        said.append(why_not)
    planes["PCA"] = plane.astype(np.float32)
    axes["PCA"] = tuple(f"PC {j + 1} ({100 * shares[j]:.0f} % of variance)" for j in range(2))
    said.append("PCA keeps the two widest directions and hides all others.")
    return Projections(planes, axes=axes, sentence=" ".join(said))


def _project_umap(embedding, plane, max_fit, random_state):
    """The UMAP plane, or None and the reason."""
    n = len(embedding)
    if n < _MIN_ROWS:
        return None, f"UMAP needs at least {_MIN_ROWS} rows, and there are {n}."
    if not np.ptp(embedding, axis=0).any():
        return None, "UMAP is left out: all rows are the same."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its dependencies say on import concerns nobody here
            from umap import UMAP
    except ImportError:
        return (
            None,
            "UMAP is left out: umap-learn is not installed (pip install 'archetypal-triplet[report]').",
        )
    rng = own_random_state(random_state)
    rows = np.arange(n) if n <= max_fit else np.sort(rng.permutation(n)[:max_fit])
    n_neighbors = min(_N_NEIGHBORS, len(rows) - 1)
    # exact neighbors by matrix products: seconds, where umap-learn first compiles its own search for a minute
    neighbors = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(embedding[rows])
    distances, indices = neighbors.kneighbors(embedding[rows])
    reducer = UMAP(
        n_neighbors=n_neighbors,
        precomputed_knn=(indices, distances.astype(np.float32), None),
        init=_spread(plane[rows]),
        n_epochs=_N_EPOCHS if len(rows) > _MANY_ROWS else None,
        random_state=draw_seed(rng),
        n_jobs=1,
    )
    drawn = np.empty((n, 2), dtype=np.float32)
    # numba sets the number of OpenMP threads of the whole process; without limits this only restores it
    with threadpool_limits(limits=None), warnings.catch_warnings():
        # that a seed costs threads is known; that small or repeated data part the graph is seen on the map
        warnings.simplefilter("ignore")
        drawn[rows] = reducer.fit_transform(embedding[rows])
    _mend(drawn, rows, plane)
    rest = np.setdiff1d(np.arange(n), rows, assume_unique=True)
    if len(rest):
        distances, indices = neighbors.kneighbors(embedding[rest], n_neighbors=min(_N_PLACING, n_neighbors))
        weights = 1.0 / np.maximum(distances, 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        drawn[rest] = np.einsum("ij,ijk->ik", weights, drawn[rows][indices])
    return drawn, ""


def _spread(plane):
    """Scale a plane as UMAP expects its start, 10 units wide; a little noise parts rows that coincide."""
    noise = np.random.default_rng(0).normal(scale=1e-4, size=plane.shape)
    return (10.0 * plane / max(np.abs(plane).max(), 1e-12) + noise).astype(np.float32)


def _mend(drawn, rows, plane):
    """Put the rows that UMAP could not place (it gives NaN to rows without neighbors) into the middle."""
    bad = rows[~np.isfinite(drawn[rows]).all(axis=1)]
    good = np.setdiff1d(rows, bad, assume_unique=True)
    drawn[bad] = np.median(drawn[good], axis=0) if len(good) else plane[bad]
