"""The compilation options of every kernel, in one place."""

import functools

import numba

RIDGE = 1e-12  # of the mean squared length: makes supports with equal or collinear members solvable

# Sums may be reordered and multiplications contracted, so that inner loops use vector instructions; NaN and
# infinity keep their meaning. nogil: several row blocks run in Python threads at once.
jit = functools.partial(
    numba.njit,
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz", "arcp"},
)
