"""The weights of the archetypes on a pool of rows: one simplex problem per archetype, in turn.

Kernels that call each other share this file, because numba's cache does not see changes across files.
"""

import numpy as np

from ._jit import RIDGE, jit


@jit
def solve_affine(gram, h, support, size, ridge, chol, u, v):
    """Minimize 1/2 a'Ka - h'a over the affine hull of the support; the result is left in `u[:size]`.

    `gram` has a constant added to every element, so that it is definite for affinely independent members.
    """
    total_v = 0.0
    for j in range(size):
        row = support[j]
        for i in range(j):
            value = gram[row, support[i]]
            for t in range(i):
                value -= chol[j, t] * chol[i, t]
            chol[j, i] = value / chol[i, i]
        pivot = gram[row, row] + ridge
        for t in range(j):
            pivot -= chol[j, t] * chol[j, t]
        chol[j, j] = np.sqrt(max(pivot, ridge))
        value_u = h[row]
        value_v = 1.0
        for t in range(j):
            value_u -= chol[j, t] * u[t]
            value_v -= chol[j, t] * v[t]
        u[j] = value_u / chol[j, j]
        v[j] = value_v / chol[j, j]
    for j in range(size - 1, -1, -1):
        for t in range(j + 1, size):
            u[j] -= chol[t, j] * u[t]
            v[j] -= chol[t, j] * v[t]
        u[j] /= chol[j, j]
        v[j] /= chol[j, j]
        total_v += v[j]
    for _ in range(2):  # the first sum loses digits where u is large
        total_u = -1.0
        for j in range(size):
            total_u += u[j]
        for j in range(size):
            u[j] -= total_u / total_v * v[j]


@jit
def solve_simplex(gram, h, a, scale, support, chol, u, v, gradient):
    """Minimize 1/2 a'Ka - h'a on the simplex by a primal active set that starts from the feasible `a`.

    Exact up to rounding. `a` is overwritten; `support`, `chol`, `u`, `v`, `gradient` are work space.
    """
    n = a.shape[0]
    limit = support.shape[0]
    size = 0
    for j in range(n):
        if a[j] > 0.0 and size < limit:
            support[size] = j
            size += 1
    entered = -1
    for _ in range(10 * limit + 10):
        solve_affine(gram, h, support, size, RIDGE * scale, chol, u, v)
        step = 1.0
        leaving = -1
        for j in range(size):
            if u[j] <= 0.0:
                current = a[support[j]]
                ratio = current / (current - u[j]) if current > 0.0 else 0.0
                if ratio < step or leaving < 0:
                    step = min(ratio, 1.0)
                    leaving = j
        for j in range(size):
            a[support[j]] += step * (u[j] - a[support[j]])
        if leaving >= 0:
            row = support[leaving]
            a[row] = 0.0
            for j in range(leaving, size - 1):
                support[j] = support[j + 1]
            size -= 1
            if row == entered and step <= 0.0:
                break
            continue
        entered = find_entering(gram, h, a, scale, support, size, gradient)
        if entered < 0 or size == limit:
            break
        support[size] = entered
        size += 1


@jit
def find_entering(gram, h, a, scale, support, size, gradient):
    """Return the member whose entering lowers the loss fastest, or -1 at the optimum."""
    n = a.shape[0]
    for j in range(n):
        gradient[j] = -h[j]
    for s in range(size):
        row = support[s]
        weight = a[row]
        for j in range(n):
            gradient[j] += weight * gram[row, j]
    reference = 0.0
    for s in range(size):
        reference += a[support[s]] * gradient[support[s]]
    best = -1
    lowest = reference - 1e-11 * scale
    for j in range(n):
        if gradient[j] < lowest and a[j] <= 0.0:
            lowest = gradient[j]
            best = j
    return best


@jit
def solve_hull(gram, h, a, scale):
    """Minimize 1/2 a'Ka - h'a on the simplex from the feasible `a`, which is overwritten."""
    limit = min(len(a), 400)
    chol = np.zeros((limit, limit))
    solve_simplex(
        gram, h, a, scale, np.zeros(limit, np.int64), chol, np.zeros(limit), np.zeros(limit), np.zeros(len(a))
    )


@jit
def mix_members(gram, p, b, out):
    """Set `out[:p]` to the mixture `b` of the rows of `gram`."""
    out[:p] = 0.0
    for s in range(p):
        weight = b[s]
        if weight > 0.0:
            for j in range(p):
                out[j] += weight * gram[s, j]


@jit
def update_weights(gram, p, R, M, B, scale, n_sweeps):
    """Cyclic block descent over the archetypes' weights on a pool of `p` rows with Gram matrix `gram`.

    Each archetype in turn minimizes the loss given the others, its weights `B[l, :p]` on the simplex. `R` is
    C P'; `gram` has a constant added to every element, which changes nothing on the simplex.
    """
    k = B.shape[0]
    limit = min(p, 400)
    support = np.zeros(limit, np.int64)
    chol = np.zeros((limit, limit))
    u = np.zeros(limit)
    v = np.zeros(limit)
    gradient = np.zeros(p)
    h = np.zeros(p)
    products = np.zeros((k, p))
    for m in range(k):
        mix_members(gram, p, B[m], products[m])
    for _ in range(n_sweeps):
        for m in range(k):
            mass = M[m, m]
            if mass <= 1e-12:
                continue
            for j in range(p):
                h[j] = R[m, j]
            for other in range(k):
                weight = M[m, other]
                if other != m and weight != 0.0:
                    for j in range(p):
                        h[j] -= weight * products[other, j]
            for j in range(p):
                h[j] /= mass
            solve_simplex(gram, h, B[m, :p], scale, support, chol, u, v, gradient)
            mix_members(gram, p, B[m], products[m])


@jit
def pick_candidates(values, rows, reference, n_picks, index, size, picked):
    """Pick for every archetype the blocks' rows with the lowest values below its reference.

    Writes them to `picked`, each once and only if not among `index[:size]`; returns how many there are.
    `values` is overwritten.
    """
    n_blocks, k = values.shape
    found = 0
    for el in range(k):
        for _ in range(min(n_picks, n_blocks)):
            best = 0
            for block in range(1, n_blocks):
                if values[block, el] < values[best, el]:
                    best = block
            if values[best, el] >= reference[el]:
                break
            values[best, el] = np.inf
            row = rows[best, el]
            new = True
            for i in range(size):
                new &= index[i] != row
            for i in range(found):
                new &= picked[i] != row
            if new:
                picked[found] = row
                found += 1
    return found
