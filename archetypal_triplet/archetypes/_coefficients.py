"""The coefficient problem of many rows: min 1/2 a'Ka - h'a on the simplex, sixteen rows at a time.

Kernels that call each other share this file, because numba's cache does not see changes across files.
"""

import numpy as np

from ._jit import RIDGE, jit
from ._lanes import (
    CHUNK,
    LANES,
    TILE,
    add_tile,
    lane_add,
    lane_fill,
    lane_invert,
    lane_minimum,
    lane_multiply,
    lane_subtract_dot,
    peek,
    poke,
    row_gradient,
)

GUESSED = -2  # in `entered`: the support is a guess, its affine minimizer need not be feasible


@jit
def gather_lanes(gram, width, h, h_width, support, bins, sizes, size, w, D, U, V):
    """Copy every lane's part of the Gram matrix and of `h` into `w`; short supports get dummy members."""
    for lane in range(LANES):
        at = bins[lane] * width
        own = sizes[bins[lane]]
        for j in range(own):
            a = peek(support, at + j)
            row = a * width
            for i in range(j):
                poke(w, (i * size + j) * LANES + lane, peek(gram, row + peek(support, at + i)))
            poke(w, D + j * LANES + lane, peek(gram, row + a))
            poke(w, U + j * LANES + lane, peek(h, bins[lane] * h_width + a))
            poke(w, V + j * LANES + lane, 1.0)
        for j in range(own, size):
            for i in range(j):
                poke(w, (i * size + j) * LANES + lane, 0.0)
            poke(w, D + j * LANES + lane, 1.0)
            poke(w, U + j * LANES + lane, 0.0)
            poke(w, V + j * LANES + lane, 0.0)


@jit
def solve_lanes(w, size, ridge, D, U, V):
    """Solve K u = h and K v = 1 in every lane by K = L diag(D) L'.

    The upper triangle of the blocks in `w` holds K and becomes (L diag(D))'; the lower one becomes L.
    """
    step = size * LANES
    for t in range(size):
        pivot = D + t * LANES
        row = t * step
        lane_subtract_dot(w, pivot, row, LANES, t * LANES, step, t)
        lane_invert(w, pivot, ridge)
        lane_subtract_dot(w, U + t * LANES, row, LANES, U, LANES, t)
        lane_subtract_dot(w, V + t * LANES, row, LANES, V, LANES, t)
        for j in range(t + 1, size):
            upper = row + j * LANES
            lane_subtract_dot(w, upper, j * step, LANES, t * LANES, step, t)
            lane_multiply(w, j * step + t * LANES, upper, pivot)
    for t in range(size):
        lane_multiply(w, U + t * LANES, U + t * LANES, D + t * LANES)
        lane_multiply(w, V + t * LANES, V + t * LANES, D + t * LANES)
    for t in range(size - 2, -1, -1):
        below = (t + 1) * step + t * LANES
        lane_subtract_dot(w, U + t * LANES, below, step, U + (t + 1) * LANES, LANES, size - 1 - t)
        lane_subtract_dot(w, V + t * LANES, below, step, V + (t + 1) * LANES, LANES, size - 1 - t)


@jit
def shift_lanes(w, size, U, V, S):
    """Move u along v until it sums to one; leave the shift at `S` and the lowest element at `S + LANES`.

    Twice, because the first sum loses digits where u is large; mixtures must sum to one to the last bit.
    """
    inverse, turn = S + 2 * LANES, S + 3 * LANES
    lane_fill(w, S, 0.0)
    lane_fill(w, inverse, 0.0)
    for t in range(size):
        lane_add(w, inverse, V + t * LANES)
    lane_invert(w, inverse, 0.0)
    for _ in range(2):
        lane_fill(w, turn, -1.0)
        for t in range(size):
            lane_add(w, turn, U + t * LANES)
        lane_multiply(w, turn, turn, inverse)
        lane_add(w, S, turn)
        for t in range(size):
            lane_subtract_dot(w, U + t * LANES, turn, LANES, V + t * LANES, LANES, 1)
    lane_fill(w, S + LANES, 1.0)
    for t in range(size):
        lane_minimum(w, S + LANES, U + t * LANES)


@jit
def step_to_boundary(a, at, support, size, w, u):
    """Move the feasible mixture towards the affine minimizer as far as it stays feasible.

    Returns the position in the support of the member that becomes zero, or -1 if none does, and the step.
    """
    step = 1.0
    leaving = -1
    for j in range(size):
        goal = peek(w, u + j * LANES)
        if goal <= 0.0:
            current = peek(a, at + peek(support, at + j))
            ratio = current / (current - goal) if current > 0.0 else 0.0
            if leaving < 0 or ratio < step:
                step = min(ratio, 1.0)
                leaving = j
    for j in range(size):
        place = at + peek(support, at + j)
        current = peek(a, place)
        poke(a, place, current + step * (peek(w, u + j * LANES) - current))
    return leaving, step


@jit
def finish_lanes(
    gram, width, h, h_width, a, support, sizes, bins, n_lanes, entered, w, U, S, tol, gradient, work, n_left
):
    """Use the affine minimizer of every lane: step towards it, then drop or add a member.

    Rows that are not optimal yet are put at the end of the first `n_left` in `work`; returns the new number.
    """
    for lane in range(n_lanes):
        row = bins[lane]
        at = row * width
        size = sizes[row]
        u = U + lane
        if entered[row] == GUESSED:
            n_kept = keep_positive(a, at, support, size, w, u)
            if n_kept < size:
                sizes[row] = n_kept
                work[n_left] = row
                n_left += 1
                continue
            entered[row] = -1
        elif peek(w, S + LANES + lane) <= 0.0:
            leaving, step = step_to_boundary(a, at, support, size, w, u)
            if leaving >= 0:
                member = drop_member(a, at, support, size, leaving)
                sizes[row] = size - 1
                if member != entered[row] or step > 0.0:
                    work[n_left] = row
                    n_left += 1
                continue
        else:
            for j in range(size):
                poke(a, at + peek(support, at + j), peek(w, u + j * LANES))
        lowest = 1e300
        for chunk in range(0, width, CHUNK):
            least = row_gradient(
                gradient, chunk, gram, width, h, row * h_width + chunk, w, u, support, at, size
            )
            lowest = min(lowest, least)
        reference = -peek(w, S + lane)
        if lowest < reference - tol - 1e-13 * abs(reference):
            member = 0
            while peek(gradient, member) != lowest:
                member += 1
            if peek(a, at + member) <= 0.0:
                entered[row] = member
                poke(support, at + size, np.int32(member))
                sizes[row] = size + 1
                work[n_left] = row
                n_left += 1
    return n_left


@jit
def keep_positive(a, at, support, size, w, u):
    """Take over a row's affine minimizer without the members that are not positive; count the others."""
    n_kept = 0
    for j in range(size):
        member = peek(support, at + j)
        value = peek(w, u + j * LANES)
        poke(support, at + n_kept, np.int32(member))
        poke(a, at + member, value if value > 0.0 else 0.0)
        n_kept += value > 0.0
    return n_kept


@jit
def drop_member(a, at, support, size, leaving):
    """Take a member out of a row's support and return it."""
    member = peek(support, at + leaving)
    poke(a, at + member, 0.0)
    for j in range(leaving, size - 1):
        poke(support, at + j, np.int32(peek(support, at + j + 1)))
    return member


@jit
def sort_by_size(sizes, work, n_work, counts, order):
    """Put the rows that are still at work into groups of like support, so that lanes waste little."""
    counts[:] = 0
    for q in range(n_work):
        counts[sizes[work[q]] + 1] += 1
    for s in range(counts.shape[0] - 1):
        counts[s + 1] += counts[s]
    for q in range(n_work):
        row = work[q]
        order[counts[sizes[row]]] = row
        counts[sizes[row]] += 1


@jit
def solve_block(
    gram,
    width,
    k,
    scale,
    h,
    h_width,
    a,
    support,
    sizes,
    n_rows,
    entered,
    work,
    order,
    counts,
    bins,
    w,
    gradient,
):
    """Solve the coefficient problem of a block of rows from the feasible mixtures in `a`, exactly.

    `h` is flat with rows of length `h_width`, `a` and `support` with rows of length `width`; beyond column k
    `gram` is huge. `sizes` is the number of members in each row's support. The rest is work space.
    """
    D = k * k * LANES
    U = D + k * LANES
    V = U + k * LANES
    S = V + k * LANES
    for i in range(n_rows):
        work[i] = i
    n_work = n_rows
    for _ in range(10 * k + 20):
        sort_by_size(sizes, work, n_work, counts, order)
        n_left = 0
        for start in range(0, n_work, LANES):
            n_lanes = min(LANES, n_work - start)
            for lane in range(LANES):
                bins[lane] = order[start + min(lane, n_lanes - 1)]
            size = sizes[bins[LANES - 1]]
            gather_lanes(gram, width, h, h_width, support, bins, sizes, size, w, D, U, V)
            solve_lanes(w, size, RIDGE * scale, D, U, V)
            shift_lanes(w, size, U, V, S)
            n_left = finish_lanes(
                gram, width, h, h_width, a, support, sizes, bins, n_lanes, entered, w, U, S, 1e-11 * scale,
                gradient, work, n_left,
            )  # fmt: skip
        n_work = n_left
        if n_work == 0:
            break


@jit
def add_product(out, out_step, left, l_row, l_step, right, r_step, n_rows, n_columns, count):
    """Add to `out` (n_rows, n_columns) the product of two factors; all flat, `n_rows` and `n_columns` padded.

    Element r, t of the left factor is `left[r * l_row + t * l_step]`, element t, c of the right one
    `right[t * r_step + c]`.
    """
    for row in range(0, n_rows, TILE):
        at = row * out_step
        l_at = row * l_row
        column = 0
        while column < n_columns:
            n_chunks = (n_columns - column) // CHUNK
            if n_chunks >= 3 and n_chunks != 4:
                add_tile(
                    out, at + column, out_step, left, l_at, l_row, l_step, right, column, r_step, count, 3
                )
                column += 3 * CHUNK
            elif n_chunks >= 2:
                add_tile(
                    out, at + column, out_step, left, l_at, l_row, l_step, right, column, r_step, count, 2
                )
                column += 2 * CHUNK
            else:
                add_tile(
                    out, at + column, out_step, left, l_at, l_row, l_step, right, column, r_step, count, 1
                )
                column += CHUNK


@jit
def load_block(X, shift, lo, n_rows, size, stride, out):
    """Copy rows of `X`, centred, in double precision: data far from the origin lose no digits."""
    for i in range(n_rows):
        row = out[i * stride : (i + 1) * stride]
        for f in range(X.shape[1]):
            row[f] = X[lo + i, f] - shift[f]
    out[n_rows * stride : size * stride] = 0.0


@jit
def guess_block(operator, offset, width, k, h, h_width, n_rows, size, a, support, sizes, entered):
    """Lay out a block without previous mixtures: supports are guessed from the affine minimizer over all.

    That costs one product, `operator @ h + offset`, and leaves few members to drop and fewer to add.
    """
    for i in range(n_rows):
        for j in range(width):
            poke(a, i * width + j, offset[j])
    add_product(a, width, h, h_width, 1, operator, width, size, width, k)
    for i in range(n_rows):
        at = i * width
        n_members = 0
        for j in range(k):
            value = peek(a, at + j)
            poke(support, at + n_members, np.int32(j))
            poke(a, at + j, value if value > 0.0 else 0.0)
            n_members += value > 0.0
        sizes[i] = n_members
        entered[i] = GUESSED


@jit
def start_block(gram, width, k, h, h_width, A, lo, n_rows, a, support, sizes, entered):
    """Lay out the mixtures of the previous pass; where there are none, the nearest archetype."""
    for i in range(n_rows):
        at = i * width
        size = 0
        total = 0.0
        for j in range(k):
            value = np.float64(A[lo + i, j])
            poke(a, at + j, value)
            poke(support, at + size, np.int32(j))  # overwritten if it is none: no branch
            size += value > 0.0
            total += value
        if not total > 0.5:
            best = 0
            lowest = 1e300
            for j in range(k):
                value = 0.5 * peek(gram, j * width + j) - peek(h, i * h_width + j)
                poke(a, at + j, 0.0)
                if value < lowest:
                    lowest = value
                    best = j
            poke(a, at + best, 1.0)
            poke(support, at, np.int32(best))
            size = 1
        sizes[i] = size
        entered[i] = -1


@jit
def store_block(a, width, k, lo, n_rows, size, weight, A, weighted):
    """Write the mixtures of a block to `A`, and times the rows' weights to `weighted`."""
    for i in range(n_rows):
        at = i * width
        for j in range(k):
            A[lo + i, j] = peek(a, at + j)
    a[n_rows * width : size * width] = 0.0
    if weight.shape[0] > 0:
        for i in range(n_rows):
            for j in range(width):
                weighted[i * width + j] = weight[lo + i] * a[i * width + j]
        weighted[n_rows * width : size * width] = 0.0


@jit
def find_lowest(h, h_width, first, lo, n_rows, values, rows):
    """Keep for every column of the products from `first` on its lowest value and the row that has it."""
    k = values.shape[0]
    for j in range(k):
        values[j] = peek(h, first + j)
        rows[j] = lo
    for i in range(1, n_rows):
        at = i * h_width + first
        for j in range(k):
            value = peek(h, at + j)
            if value < values[j]:
                values[j] = value
                rows[j] = lo + i


@jit
def pass_rows(
    X, shift, weight, lo, hi, targets, k, gram, width, scale, guess, A, M, C, values, rows, floats, integers
):
    """One pass over the rows lo..hi-1: exact coefficients, their sums, and the best rows along a direction.

    `targets` (d, padded) holds the archetypes in its first k columns and, if `values` has rows, the
    directions in the next k. `A` holds the previous coefficients, unless `guess` says how to guess them, and
    receives the new ones. Adds A'WA to `M` and A'WX to `C` (flat and padded; nothing if `C` is empty), and
    writes for every block the lowest <x_i, G_l> and its row.
    """
    d, h_width = targets.shape
    operator, offset = guess
    h, a, w, gradient, block, weighted = floats
    support, sizes, entered, work, order, counts, bins = integers
    size = sizes.shape[0]
    stride = block.shape[0] // size
    flat = targets.ravel()
    left = weighted if weight.shape[0] > 0 else a
    n_columns = (k + TILE - 1) // TILE * TILE
    for start in range(lo, hi, size):
        n_rows = min(size, hi - start)
        load_block(X, shift, start, n_rows, size, stride, block)
        h[:] = 0.0
        add_product(h, h_width, block, stride, 1, flat, h_width, size, h_width, d)
        if offset.shape[0] > 0:
            guess_block(operator, offset, width, k, h, h_width, n_rows, size, a, support, sizes, entered)
        else:
            start_block(gram, width, k, h, h_width, A, start, n_rows, a, support, sizes, entered)
        solve_block(
            gram, width, k, scale, h, h_width, a, support, sizes, n_rows,
            entered, work, order, counts, bins, w, gradient,
        )  # fmt: skip
        store_block(a, width, k, start, n_rows, size, weight, A, weighted)
        if C.shape[0] > 0:
            add_product(M, width, left, 1, width, a, width, n_columns, width, size)
            add_product(C, stride, left, 1, width, block, stride, n_columns, stride, size)
        if values.shape[0] > 0:
            find_lowest(h, h_width, k, start, n_rows, values[start // size], rows[start // size])


@jit
def search_rows(X, shift, lo, hi, targets, values, rows, h, block, size):
    """For every block of the rows lo..hi-1 write the lowest <x_i, G_l> and its row."""
    d, h_width = targets.shape
    flat = targets.ravel()
    stride = block.shape[0] // size
    for start in range(lo, hi, size):
        n_rows = min(size, hi - start)
        load_block(X, shift, start, n_rows, size, stride, block)
        h[:] = 0.0
        add_product(h, h_width, block, stride, 1, flat, h_width, size, h_width, d)
        find_lowest(h, h_width, 0, start, n_rows, values[start // size], rows[start // size])
