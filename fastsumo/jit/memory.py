"""Arrays over raw addresses, so that a kernel's scratch space is one number and costs nothing to pass or to slice.

The caller keeps the memory alive; nothing here checks bounds.
"""

from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic


def _array_at(dtype):
    """An intrinsic ``(address, n) -> array`` of ``n`` numbers of a type."""
    kind = types.Array(dtype, 1, "C", aligned=True)

    @intrinsic
    def array_at(typingctx, address, n):
        def codegen(context, builder, signature, args):
            array = context.make_array(kind)(context, builder)
            item = context.get_constant(types.intp, 8)
            pointer = builder.inttoptr(args[0], array.data.type)
            array.data = pointer
            array.shape = cgutils.pack_array(builder, [args[1]])
            array.strides = cgutils.pack_array(builder, [item])
            array.itemsize = item
            array.nitems = args[1]
            array.meminfo = cgutils.get_null_value(array.meminfo.type)
            array.parent = cgutils.get_null_value(array.parent.type)
            return array._getvalue()

        return kind(types.int64, types.int64), codegen

    return array_at


floats = _array_at(types.float64)
ints = _array_at(types.int64)
words = _array_at(types.uint64)


@intrinsic
def table_at(typingctx, address, rows, columns):
    """A (rows, columns) float64 array over an address; the compiler sees that it is contiguous, unlike a slice."""
    kind = types.Array(types.float64, 2, "C", aligned=True)

    def codegen(context, builder, signature, args):
        array = context.make_array(kind)(context, builder)
        item = context.get_constant(types.intp, 8)
        array.data = builder.inttoptr(args[0], array.data.type)
        array.shape = cgutils.pack_array(builder, [args[1], args[2]])
        array.strides = cgutils.pack_array(builder, [builder.mul(item, args[2]), item])
        array.itemsize = item
        array.nitems = builder.mul(args[1], args[2])
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()

    return kind(types.int64, types.int64, types.int64), codegen
