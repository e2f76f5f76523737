"""Arrays over raw addresses: a kernel's scratch memory is one number, which costs nothing to pass or to slice.

What lies where is not known here (`engine/cpu/kernels/scratch.py`). The caller keeps the memory alive; nothing checks
bounds.
"""

from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

_BYTES = 8  # of a number, where nothing else is said
LINE = 64  # bytes of a cache line: a vector that lies across two costs two accesses
_MOST_COPIED = 2048  # numbers, 16 KiB of a thread's stack


def _array(context, builder, kind, where, shape, strides, size=_BYTES):
    """The LLVM value of an array of a type, of numbers of ``size`` bytes, over an address or at a pointer."""
    model, cast = context.data_model_manager[kind], builder.inttoptr
    if isinstance(where.type, ir.PointerType):
        cast = builder.bitcast
    array = cgutils.get_null_value(model.get_value_type())  # nobody owns it
    for name, value in (
        ("data", cast(where, context.get_value_type(types.CPointer(kind.dtype)))),
        ("shape", cgutils.pack_array(builder, shape)),
        ("strides", cgutils.pack_array(builder, strides)),
        ("itemsize", context.get_constant(types.intp, size)),
        ("nitems", shape[0] if len(shape) == 1 else builder.mul(*shape)),
    ):
        array = model.set(builder, array, value, name)
    return array


def _moved(context, builder, address, offset, at):
    """The address of number ``at`` of those that begin ``offset`` bytes past an address."""
    first = builder.add(address, context.get_constant(types.int64, offset))
    return builder.add(first, builder.mul(at, context.get_constant(types.int64, _BYTES)))


def _numbers(dtype):
    """An intrinsic ``(address, n) -> array`` of ``n`` numbers of a type."""
    kind, size = types.Array(dtype, 1, "C", aligned=True), dtype.bitwidth // 8

    @intrinsic
    def array_at(typingctx, address, n):
        def codegen(context, builder, signature, args):
            item = context.get_constant(types.intp, size)
            return _array(context, builder, kind, args[0], [args[1]], [item], size)

        return kind(types.int64, types.int64), codegen

    return array_at


floats = _numbers(types.float64)
ints = _numbers(types.int64)
words = _numbers(types.uint64)
halves = _numbers(types.int32)
quarters = _numbers(types.uint16)
octets = _numbers(types.uint8)


def numbers_past(dtype, offset):
    """An intrinsic ``(address, at, n) -> array`` of those numbers ``at .. at + n - 1`` that are ``offset`` bytes on."""
    kind = types.Array(dtype, 1, "C", aligned=True)

    @intrinsic
    def array_past(typingctx, address, at, n):
        def codegen(context, builder, signature, args):
            begin = _moved(context, builder, args[0], offset, args[1])
            item = context.get_constant(types.intp, _BYTES)
            return _array(context, builder, kind, begin, [args[2]], [item])

        return kind(types.int64, types.int64, types.int64), codegen

    return array_past


def address_past(offset):
    """An intrinsic ``(address, at) -> address`` of number ``at`` of those that are ``offset`` bytes on."""

    @intrinsic
    def moved(typingctx, address, at):
        def codegen(context, builder, signature, args):
            return _moved(context, builder, args[0], offset, args[1])

        return types.int64(types.int64, types.int64), codegen

    return moved


@cache
def copied(n):
    """An intrinsic ``address -> array`` of a copy of ``n`` numbers, float64, for the function at hand alone.

    LLVM sees that nothing else writes to the copy, so that what depends on it alone is computed before a loop and not
    in every lane of it. Nobody may write to it. Beyond `_MOST_COPIED` numbers the result is an array over the address.
    """
    kind = types.Array(types.float64, 1, "C", aligned=True, readonly=True)

    @intrinsic
    def copied_from(typingctx, address):
        def codegen(context, builder, signature, args):
            size, item = context.get_constant(types.int64, n), context.get_constant(types.intp, _BYTES)
            where = args[0]
            if n <= _MOST_COPIED:
                copy = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), n))
                cgutils.raw_memcpy(builder, copy, builder.inttoptr(where, copy.type), size, item)
                where = copy
            return _array(context, builder, kind, where, [size], [item])

        return kind(types.int64), codegen

    return copied_from


@cache
def local(n):
    """An intrinsic ``() -> array`` of ``n`` numbers on the stack, float64, not set, for the function at hand alone."""
    kind = types.Array(types.float64, 1, "C", aligned=True)

    @intrinsic
    def local_array(typingctx):
        def codegen(context, builder, signature, args):
            room = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), n))
            room.align = LINE
            size, item = context.get_constant(types.int64, n), context.get_constant(types.intp, _BYTES)
            return _array(context, builder, kind, room, [size], [item])

        return kind(), codegen

    return local_array


def strided(kind):
    """An intrinsic ``(address, at, n, stride) -> array`` of an array's type, of ``n`` numbers so many bytes apart.

    The first is number ``at`` of those side by side at an address: LLVM makes vectors only of what begins at one that
    is the same for all.
    """

    @intrinsic
    def strided_at(typingctx, address, at, n, stride):
        def codegen(context, builder, signature, args):
            first = builder.gep(builder.inttoptr(args[0], ir.DoubleType().as_pointer()), [args[1]])
            return _array(context, builder, kind, first, [args[2]], [args[3]])

        return kind(*[types.int64] * 4), codegen

    return strided_at


@intrinsic
def table_at(typingctx, address, m, n):
    """An (m, n) float64 array over an address; the compiler sees that it is contiguous, unlike a slice."""
    kind = types.Array(types.float64, 2, "C", aligned=True)

    def codegen(context, builder, signature, args):
        item = context.get_constant(types.intp, _BYTES)
        return _array(context, builder, kind, args[0], [args[1], args[2]], [builder.mul(item, args[2]), item])

    return kind(types.int64, types.int64, types.int64), codegen


@intrinsic
def row_of(typingctx, table, n):
    """The first ``n`` numbers of a contiguous float64 array as a row: the compiler sees that it is the same memory."""
    if not isinstance(table, types.Array) or table.layout != "C" or table.dtype != types.float64:
        return None
    kind = types.Array(types.float64, 1, "C", aligned=True)

    def codegen(context, builder, signature, args):
        given = context.make_array(signature.args[0])(context, builder, args[0])
        array = context.make_array(kind)(context, builder)
        item = context.get_constant(types.intp, _BYTES)
        array.data, array.itemsize, array.nitems = given.data, item, args[1]
        array.shape, array.strides = cgutils.pack_array(builder, [args[1]]), cgutils.pack_array(builder, [item])
        array.meminfo, array.parent = given.meminfo, given.parent
        if context.enable_nrt:
            context.nrt.incref(builder, kind, array._getvalue())
        return array._getvalue()

    return kind(table, types.int64), codegen


@intrinsic
def readonly(typingctx, array):
    """The same array, which the compiler does not let anyone write into."""

    def codegen(context, builder, signature, args):
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(readonly=True)(array), codegen
