"""Single machine instructions that Numba does not spell: bit casts, fused multiply-add, rounding, square roots.

Each is one LLVM instruction on a scalar, which the loop vectoriser widens, and for which a GPU has one too. Nothing
here knows any mathematics.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_F64 = ir.DoubleType()
_I64 = ir.IntType(64)


@intrinsic
def float_bits(typingctx, x):
    """The 64 bits of a float64, as an int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], _I64)

    return types.int64(types.float64), codegen


@intrinsic
def bits_float(typingctx, i):
    """The float64 with the given 64 bits (int64)."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], _F64)

    return types.float64(types.int64), codegen


@intrinsic
def unsigned_shift(typingctx, i, n):
    """``i >> n`` with zeros from above (int64): one vector instruction of AVX2, where `>>` takes four."""

    def codegen(context, builder, signature, args):
        return builder.lshr(*args)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """``a * b + c`` rounded once. Explicit, so that no compiler flag decides where it happens."""

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


@intrinsic
def fabs(typingctx, x):
    """``abs(x)`` of a float64 as one instruction: the sign bit cleared. (NVVM does not know ``llvm.fabs``.)"""

    def codegen(context, builder, signature, args):
        bits = builder.bitcast(args[0], _I64)
        return builder.bitcast(builder.and_(bits, ir.Constant(_I64, (1 << 63) - 1)), _F64)

    return types.float64(types.float64), codegen


@intrinsic
def floor(typingctx, x):
    """The largest whole number that is not above ``x``."""

    def codegen(context, builder, signature, args):
        function = builder.module.declare_intrinsic("llvm.floor", [_F64])
        return builder.call(function, args)

    return types.float64(types.float64), codegen


@intrinsic
def rint(typingctx, x):
    """The nearest whole number, of two the even one; as one instruction."""

    def codegen(context, builder, signature, args):
        function = builder.module.declare_intrinsic("llvm.rint", [_F64])
        return builder.call(function, args)

    return types.float64(types.float64), codegen


@intrinsic
def sqrt(typingctx, x):
    """The correctly rounded square root; NaN below zero."""

    def codegen(context, builder, signature, args):
        function = builder.module.declare_intrinsic("llvm.sqrt", [_F64])
        return builder.call(function, args)

    return types.float64(types.float64), codegen


@intrinsic
def select(typingctx, condition, x, y):
    """``x if condition else y`` of numbers that are both at hand: an instruction where Numba would make a branch.

    LLVM takes what is the same in all lanes out of a loop if no branch is in the way.
    """

    def codegen(context, builder, signature, args):
        return builder.select(*args)

    return types.float64(types.boolean, types.float64, types.float64), codegen
