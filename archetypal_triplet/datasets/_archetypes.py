"""Points in a polytope whose corners are known."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from archetypal_triplet._utils._random import own_random_state


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "n_archetypes": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "concentration": [Interval(Real, 0, None, closed="neither")],
        "radius": [Interval(Real, 0, None, closed="neither")],
        "contain_archetypes": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_archetypes(
    n_samples=500,
    n_features=10,
    n_archetypes=4,
    *,
    noise=0.0,
    concentration=1.0,
    radius=10.0,
    contain_archetypes=True,
    random_state=None,
):
    """Make samples that are convex mixtures of known archetypes.

    ``X = coefficients @ archetypes + noise * E``, with the rows of `coefficients` drawn from a symmetric
    Dirichlet distribution and the entries of E from a standard normal one. The archetypes lie on a sphere, so
    each of them is a corner of their convex hull whatever their number (in one dimension only two can be).

    Parameters
    ----------
    n_samples : int, default=500
        Number of rows.
    n_features : int, default=10
        Number of columns.
    n_archetypes : int, default=4
        Number of corners of the polytope.
    noise : float, default=0.0
        Standard deviation of the normal noise added to every entry of X, in the units of `radius`.
    concentration : float, default=1.0
        Parameter of the Dirichlet distribution: 1 spreads samples evenly over the simplex, smaller values
        push them towards the archetypes, larger ones towards the middle.
    radius : float, default=10.0
        Distance of every archetype from the centre of the sphere, which is drawn from a standard normal.
    contain_archetypes : bool, default=True
        Whether `n_archetypes` of the rows, at random places, are the archetypes themselves (plus noise).
        Needs ``n_samples >= n_archetypes``.
    random_state : int, RandomState instance or None, default=None
        Seed; pass an int for the same data at every call.

    Returns
    -------
    data : Bunch
        Dictionary-like, with attributes

        X : ndarray of shape (n_samples, n_features)
            The samples.
        archetypes : ndarray of shape (n_archetypes, n_features)
            The corners, free of noise.
        coefficients : ndarray of shape (n_samples, n_archetypes)
            The mixtures: non-negative, each row sums to one.
        vertex_idx : ndarray of shape (n_archetypes,) or None
            ``X[vertex_idx[k]]`` is archetype k (plus noise); None without `contain_archetypes`.

    Raises
    ------
    ValueError
        If the archetypes shall be contained and there are fewer samples than archetypes.

    References
    ----------
    Cutler A., Breiman L. (1994). Archetypal analysis. Technometrics 36(4), 338-347, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from archetypal_triplet.datasets import make_archetypes
    >>> data = make_archetypes(100, 5, 3, random_state=0)
    >>> data.X.shape, data.archetypes.shape, data.coefficients.shape
    ((100, 5), (3, 5), (100, 3))
    >>> bool(np.allclose(data.X[data.vertex_idx], data.archetypes))
    True
    """
    if contain_archetypes and n_samples < n_archetypes:
        raise ValueError(
            f"n_samples={n_samples} is below n_archetypes={n_archetypes}: the archetypes cannot all be "
            "contained. Ask for at least as many samples, or set contain_archetypes=False."
        )
    rng = own_random_state(random_state)
    directions = rng.standard_normal((n_archetypes, n_features))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    archetypes = rng.standard_normal(n_features) + radius * directions
    coefficients = rng.dirichlet(np.full(n_archetypes, concentration), size=n_samples)
    # drawn even where unused, so that the option changes nothing but the corner rows
    vertex_idx = rng.permutation(n_samples)[:n_archetypes]
    if contain_archetypes:
        coefficients[vertex_idx] = np.eye(n_archetypes)
    X = coefficients @ archetypes + noise * rng.standard_normal((n_samples, n_features))
    return Bunch(
        X=X,
        archetypes=archetypes,
        coefficients=coefficients,
        vertex_idx=vertex_idx if contain_archetypes else None,
    )
