"""The compilation options of every kernel of this room, in one place."""

import functools

import numba

# Sums may be reordered and multiplications contracted, so that inner loops use vector instructions; NaN and
# infinity keep their meaning. nogil: several blocks of images run in Python threads at once.
jit = functools.partial(
    numba.njit,
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz", "arcp"},
)
