"""Vector instructions for small dense problems that are solved several at a time.

Sixteen rows of data are worked on together, one in each lane: element `e` of the problem of lane `l` lies at
`w[e * LANES + l]` of a flat array. The compiler does not find these vector loops by itself, because it cannot
prove that the operands do not overlap; so the operations are given to it in its own language. Each has a
readable twin in Python, which says what it does and takes its place when compilation is switched off.
"""

from math import prod

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
TILE = 4  # rows of a product that are summed in registers at once
CHUNK = 8  # lengths of rows that are worked on along the row are multiples of this

_FAST = ("reassoc", "contract", "nsz", "arcp")
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_LANE_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_CHUNK_VECTOR = ir.VectorType(ir.DoubleType(), CHUNK)


def aligned(*shape):
    """Return zeros whose first element begins a cache line, so that vectors do not straddle two."""
    size = prod(shape)
    buffer = np.zeros(size + 8)
    skip = (-buffer.__array_interface__["data"][0] // 8) % 8
    return buffer[skip : skip + size].reshape(shape)


def peek(array, i):
    """Return `array[i]` of a flat array; `i` is never negative."""
    return array[i]


def poke(w, i, value):
    """Set `w[i]` of a flat array; `i` is never negative."""
    w[i] = value


def lane_fill(w, target, value):
    """Set the lanes at `target` to a number."""
    w[target : target + LANES] = value


def lane_multiply(w, target, left, right):
    """Set the lanes at `target` to the product of those at `left` and `right`."""
    w[target : target + LANES] = w[left : left + LANES] * w[right : right + LANES]


def lane_add(w, target, left):
    """Add the lanes at `left` to those at `target`."""
    w[target : target + LANES] += w[left : left + LANES]


def lane_minimum(w, target, left):
    """Lower the lanes at `target` to those at `left`."""
    w[target : target + LANES] = np.minimum(w[target : target + LANES], w[left : left + LANES])


def lane_invert(w, target, floor):
    """Replace the lanes at `target` by their reciprocals, after raising them to `floor`."""
    w[target : target + LANES] = 1.0 / np.maximum(w[target : target + LANES], floor)


def lane_subtract_dot(w, target, left, left_step, right, right_step, count):
    """Subtract from the lanes at `target` the sum of `count` products of lanes."""
    for t in range(count):
        a, b = left + t * left_step, right + t * right_step
        w[target : target + LANES] -= w[a : a + LANES] * w[b : b + LANES]


def row_gradient(gradient, at, gram, width, h, h_at, a, a_at, support, support_at, size):
    """Set a chunk of `gradient` to the mixture of rows of `gram` minus `h`; return its lowest element.

    The weight of row `support[support_at + t]` is `a[a_at + t * LANES]`; `gram` has rows of length `width`.
    """
    chunk = -h[h_at : h_at + CHUNK]
    for t in range(size):
        row = support[support_at + t] * width + at
        chunk = chunk + a[a_at + t * LANES] * gram[row : row + CHUNK]
    gradient[at : at + CHUNK] = chunk
    return chunk.min()


def add_tile(out, at, out_step, left, l_at, l_row, l_step, right, r_at, r_step, count, n_chunks):
    """Add to a tile of `out`, TILE rows by `n_chunks` chunks, the product of a left and a right factor.

    Row r, column c of the tile is `out[at + r * out_step + c]`; the sum runs over t < `count` of
    `left[l_at + r * l_row + t * l_step] * right[r_at + t * r_step + c]`.
    """
    for t in range(count):
        columns = right[r_at + t * r_step :][: n_chunks * CHUNK]
        for r in range(TILE):
            place = at + r * out_step
            out[place : place + n_chunks * CHUNK] += left[l_at + r * l_row + t * l_step] * columns


def _data(context, builder, kind, value):
    return context.make_array(kind)(context, builder, value).data


def _load(builder, data, offset, vector):
    loaded = builder.load(builder.bitcast(builder.gep(data, [offset]), vector.as_pointer()))
    loaded.align = 8
    return loaded


def _store(builder, value, data, offset):
    builder.store(value, builder.bitcast(builder.gep(data, [offset]), value.type.as_pointer())).align = 8


def _spread(builder, scalar, vector):
    empty = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(empty, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, empty, zeros)


def _signature_and_code(kinds, emit):
    """Return what an intrinsic returns: its signature and the function that writes its code."""

    def codegen(context, builder, signature, args):
        emit(builder, _data(context, builder, signature.args[0], args[0]), *args[1:])
        return context.get_dummy_value()

    return types.void(*kinds), codegen


def _emit_subtract_dot(builder, w, target, left, left_step, right, right_step, count):
    total = cgutils.alloca_once(builder, _LANE_VECTOR)
    builder.store(_load(builder, w, target, _LANE_VECTOR), total)
    with cgutils.for_range(builder, count) as loop:
        a = _load(builder, w, builder.add(left, builder.mul(loop.index, left_step)), _LANE_VECTOR)
        b = _load(builder, w, builder.add(right, builder.mul(loop.index, right_step)), _LANE_VECTOR)
        product = builder.fmul(a, b, flags=_FAST)
        builder.store(builder.fsub(builder.load(total), product, flags=_FAST), total)
    _store(builder, builder.load(total), w, target)


def _emit_multiply(builder, w, target, left, right):
    a, b = _load(builder, w, left, _LANE_VECTOR), _load(builder, w, right, _LANE_VECTOR)
    _store(builder, builder.fmul(a, b, flags=_FAST), w, target)


def _emit_add(builder, w, target, left):
    a, b = _load(builder, w, target, _LANE_VECTOR), _load(builder, w, left, _LANE_VECTOR)
    _store(builder, builder.fadd(a, b, flags=_FAST), w, target)


def _emit_minimum(builder, w, target, left):
    a, b = _load(builder, w, target, _LANE_VECTOR), _load(builder, w, left, _LANE_VECTOR)
    _store(builder, builder.select(builder.fcmp_ordered("<", b, a), b, a), w, target)


def _emit_fill(builder, w, target, value):
    _store(builder, _spread(builder, value, _LANE_VECTOR), w, target)


def _emit_invert(builder, w, target, floor):
    a, low = _load(builder, w, target, _LANE_VECTOR), _spread(builder, floor, _LANE_VECTOR)
    a = builder.select(builder.fcmp_ordered("<", a, low), low, a)
    _store(builder, builder.fdiv(ir.Constant(_LANE_VECTOR, [1.0] * LANES), a, flags=_FAST), w, target)


def _emit_row_gradient(context, builder, signature, args):
    gradient, at, gram, width, h, h_at, a, a_at, support, support_at, size = args
    kinds = signature.args
    support = _data(context, builder, kinds[8], support)
    gram, a = _data(context, builder, kinds[2], gram), _data(context, builder, kinds[6], a)
    total = cgutils.alloca_once(builder, _CHUNK_VECTOR)
    builder.store(ir.Constant(_CHUNK_VECTOR, [0.0] * CHUNK), total)
    with cgutils.for_range(builder, size) as loop:
        weight_at = builder.add(a_at, builder.mul(loop.index, ir.Constant(_I64, LANES)))
        weight = _spread(builder, builder.load(builder.gep(a, [weight_at])), _CHUNK_VECTOR)
        row = builder.sext(builder.load(builder.gep(support, [builder.add(support_at, loop.index)])), _I64)
        member = _load(builder, gram, builder.add(builder.mul(row, width), at), _CHUNK_VECTOR)
        product = builder.fmul(weight, member, flags=_FAST)
        builder.store(builder.fadd(builder.load(total), product, flags=_FAST), total)
    linear = _load(builder, _data(context, builder, kinds[4], h), h_at, _CHUNK_VECTOR)
    chunk = builder.fsub(builder.load(total), linear, flags=_FAST)
    _store(builder, chunk, _data(context, builder, kinds[0], gradient), at)
    for half in (4, 2, 1):
        turned = ir.Constant(ir.VectorType(_I32, CHUNK), [(e + half) % CHUNK for e in range(CHUNK)])
        other = builder.shuffle_vector(chunk, chunk, turned)
        chunk = builder.select(builder.fcmp_ordered("<", other, chunk), other, chunk)
    return builder.extract_element(chunk, ir.Constant(_I32, 0))


def _emit_add_tile(context, builder, signature, args, n_chunks):
    out, at, out_step, left, l_at, l_row, l_step, right, r_at, r_step, count = args
    kinds = signature.args
    out, left, right = (
        _data(context, builder, kinds[position], value)
        for position, value in ((0, out), (3, left), (7, right))
    )

    def place(r, c):
        row = builder.add(at, builder.mul(out_step, ir.Constant(_I64, r)))
        return builder.add(row, ir.Constant(_I64, c * CHUNK))

    sums = {(r, c): cgutils.alloca_once(builder, _CHUNK_VECTOR) for r in range(TILE) for c in range(n_chunks)}
    for (r, c), total in sums.items():
        builder.store(_load(builder, out, place(r, c), _CHUNK_VECTOR), total)
    with cgutils.for_range(builder, count) as loop:
        columns_at = builder.add(r_at, builder.mul(loop.index, r_step))
        columns = [
            _load(builder, right, builder.add(columns_at, ir.Constant(_I64, c * CHUNK)), _CHUNK_VECTOR)
            for c in range(n_chunks)
        ]
        factors_at = builder.add(l_at, builder.mul(loop.index, l_step))
        for r in range(TILE):
            factor_at = builder.add(factors_at, builder.mul(l_row, ir.Constant(_I64, r)))
            factor = _spread(builder, builder.load(builder.gep(left, [factor_at])), _CHUNK_VECTOR)
            for c in range(n_chunks):
                product = builder.fmul(factor, columns[c], flags=_FAST)
                builder.store(builder.fadd(builder.load(sums[r, c]), product, flags=_FAST), sums[r, c])
    for (r, c), total in sums.items():
        _store(builder, builder.load(total), out, place(r, c))
    return context.get_dummy_value()


def _emit_peek(context, builder, signature, args):
    value = builder.load(builder.gep(_data(context, builder, signature.args[0], args[0]), [args[1]]))
    return builder.sext(value, _I64) if isinstance(signature.return_type, types.Integer) else value


if not config.DISABLE_JIT:

    @intrinsic
    def peek(typing, array, i):
        kind = types.int64 if isinstance(array.dtype, types.Integer) else array.dtype
        return kind(array, types.intp), _emit_peek

    @intrinsic
    def poke(typing, w, i, value):
        return _signature_and_code(
            (w, types.intp, w.dtype), lambda builder, w, i, value: builder.store(value, builder.gep(w, [i]))
        )

    @intrinsic
    def lane_fill(typing, w, target, value):
        return _signature_and_code((w, types.intp, types.float64), _emit_fill)

    @intrinsic
    def lane_multiply(typing, w, target, left, right):
        return _signature_and_code((w, types.intp, types.intp, types.intp), _emit_multiply)

    @intrinsic
    def lane_add(typing, w, target, left):
        return _signature_and_code((w, types.intp, types.intp), _emit_add)

    @intrinsic
    def lane_minimum(typing, w, target, left):
        return _signature_and_code((w, types.intp, types.intp), _emit_minimum)

    @intrinsic
    def lane_invert(typing, w, target, floor):
        return _signature_and_code((w, types.intp, types.float64), _emit_invert)

    @intrinsic
    def lane_subtract_dot(typing, w, target, left, left_step, right, right_step, count):
        return _signature_and_code((w, *[types.intp] * 6), _emit_subtract_dot)

    @intrinsic
    def row_gradient(typing, gradient, at, gram, width, h, h_at, a, a_at, support, support_at, size):
        integer = types.intp
        return types.float64(
            gradient, integer, gram, integer, h, integer, a, integer, support, integer, integer
        ), _emit_row_gradient

    @intrinsic(prefer_literal=True)
    def add_tile(typing, out, at, out_step, left, l_at, l_row, l_step, right, r_at, r_step, count, n_chunks):
        integer = types.intp
        number = getattr(n_chunks, "literal_value", 1)

        def codegen(context, builder, signature, args):
            return _emit_add_tile(context, builder, signature, args[:-1], number)

        return types.void(
            out, integer, integer, left, integer, integer, integer, right, integer, integer, integer, n_chunks
        ), codegen
