"""Several lanes of samples as one number: a Numba type whose values are LLVM vectors, for models with loops.

LLVM makes SIMD of a loop over lanes only if no loop is left inside. A model that goes through its coordinates, or
through rows of data, is therefore compiled for `LANES` in place of float64: every operation is one on vectors, whatever
loops there are, with the bits of the scalar operation in each lane. What this type cannot do, such as a branch that
depends on a lane, is an error of typing; the model is then compiled for float64 (`engine/cpu/kernels/chunks.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import (
    intrinsic,
    lower_builtin,
    lower_cast,
    models,
    register_model,
)

from fastsumo.jit.memory import strided
from fastsumo.jit.powers import multiplied

WIDTH = 16  # lanes of a vector: two registers of AVX-512, so that one works while the other waits

F64, I64 = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(F64, WIDTH)


class Lanes(types.Type):
    """`WIDTH` float64 numbers that a model takes for one."""

    def __init__(self) -> None:
        super().__init__(f"Lanes({WIDTH})")

    def unify(self, typingctx: Any, other: Any) -> Any:
        return self if is_number(other) else None

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        return Conversion.safe if is_number(other) else None


LANES = Lanes()


def is_number(kind: Any) -> bool:
    return isinstance(kind, types.Float | types.Integer | types.Boolean)


def fit(kinds: Any) -> bool:
    """Whether arguments are lanes and numbers, at least one of them lanes."""
    return LANES in kinds and all(kind is LANES or is_number(kind) for kind in kinds)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector in registers, an array in memory, so that nothing there needs more alignment than a float64."""

    def __init__(self, dmm: Any, kind: Any) -> None:
        super().__init__(dmm, kind, _VECTOR)

    def get_data_type(self) -> ir.Type:
        return ir.ArrayType(F64, WIDTH)

    def as_data(self, builder: Any, value: Any) -> Any:
        items = [builder.extract_element(value, _lane(k)) for k in range(WIDTH)]
        return cgutils.pack_array(builder, items)

    def from_data(self, builder: Any, value: Any) -> Any:
        return vector(builder, [builder.extract_value(value, k) for k in range(WIDTH)])

    def load_from_data_pointer(self, builder: Any, ptr: Any, align: Any = None) -> Any:
        return load(builder, ptr)


def _lane(k: int) -> ir.Constant:
    return ir.IntType(32)(k)


def vector(builder: Any, items: list[Any]) -> Any:
    value = ir.Constant(_VECTOR, ir.Undefined)
    for k, item in enumerate(items):
        value = builder.insert_element(value, item, _lane(k))
    return value


def load(builder: Any, pointer: Any) -> Any:
    return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)


def store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, _VECTOR.as_pointer()), align=8)


@lower_cast(types.Float, Lanes)
@lower_cast(types.Integer, Lanes)
@lower_cast(types.IntegerLiteral, Lanes)
@lower_cast(types.Boolean, Lanes)
@lower_cast(types.BooleanLiteral, Lanes)
def _broadcast(context, builder, kind, to, value):  # type: ignore[no-untyped-def]
    number = context.cast(builder, value, types.unliteral(kind), types.float64)
    return vector(builder, [number] * WIDTH)


@intrinsic
def as_lanes(typingctx, x):
    """A number in all lanes, or the lanes that `x` is."""
    if not fit((x, LANES)):
        return None
    return LANES(LANES), lambda context, builder, signature, args: args[0]


# Operators: the instruction of the scalar, on vectors.


def _typed(function: Any, returns: Callable[..., Any], literal: bool = False) -> None:
    """Declare the type of a call; ``returns(context, kinds)`` is its signature or None."""

    class Template(AbstractTemplate):  # type: ignore[misc]
        key = function
        prefer_literal = literal

        def generic(self, args: Any, kws: Any) -> Any:
            return None if kws or not fit(args) else returns(self.context, args)

    infer_global(function)(Template)


def _operator(function: Any, arity: int, instruction: Callable[..., Any]) -> None:
    kinds = [LANES] * arity
    _typed(function, lambda context, args: signature(LANES, *kinds) if len(args) == arity else None)

    @lower_builtin(function, *[Lanes] * arity)
    def lower(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return instruction(builder, *args)


def _power(function: Any) -> None:
    """Powers: constant whole ones by multiplications."""

    def returns(context: Any, args: Any) -> Any:
        constant = len(args) == 2 and args[0] is LANES and isinstance(args[1], types.IntegerLiteral)
        return signature(LANES, *args) if constant and abs(args[1].literal_value) <= 0x10000 else None

    _typed(function, returns, literal=True)

    @lower_builtin(function, Lanes, types.IntegerLiteral)
    def lower(context, builder, sig, args):  # type: ignore[no-untyped-def]
        one = vector(builder, [F64(1.0)] * WIDTH)
        return multiplied(builder, args[0], one, sig.args[1].literal_value)


for _functions, _instruction in (
    ((operator.add, operator.iadd), lambda builder, x, y: builder.fadd(x, y)),
    ((operator.sub, operator.isub), lambda builder, x, y: builder.fsub(x, y)),
    ((operator.mul, operator.imul), lambda builder, x, y: builder.fmul(x, y)),
    ((operator.truediv, operator.itruediv), lambda builder, x, y: builder.fdiv(x, y)),
):
    for _function in _functions:
        _operator(_function, 2, _instruction)

_operator(operator.neg, 1, lambda builder, x: builder.fsub(vector(builder, [F64(-0.0)] * WIDTH), x))
_operator(operator.pos, 1, lambda builder, x: x)
_operator(float, 1, lambda builder, x: x)
_power(operator.pow)
_power(operator.ipow)


# Functions: a loop over the lanes around the scalar function, which LLVM turns back into vectors.


def lifted(function: Any, of: Any, pure: bool = True) -> None:
    """Let ``function`` take lanes and do in each what ``of`` does with float64 numbers, which gives one or a tuple.

    It is pure if it becomes instructions alone, without a call.
    """

    def returns(context: Any, args: Any) -> Any:
        scalar = _scalar_signature(context, of, args)
        result = scalar.return_type
        if isinstance(result, types.UniTuple) and result.dtype == types.float64:
            return signature(types.UniTuple(LANES, result.count), *args)
        return signature(LANES, *args) if result == types.float64 else None

    _typed(function, returns)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scalar = _scalar_signature(context.typing_context, of, sig.args)
        call = context.get_function(context.typing_context.resolve_value_type(of), scalar)
        slots = [slot(builder, arg) if kind is LANES else None for kind, arg in zip(sig.args, args, strict=True)]
        count = sig.return_type.count if isinstance(sig.return_type, types.UniTuple) else 0
        out = [slot(builder, None) for _ in range(count or 1)]
        with _each_lane(builder, pure) as k:
            given = []
            for kind, arg, place, to in zip(sig.args, args, slots, scalar.args, strict=True):
                value = arg if place is None else builder.load(builder.gep(place, [k]))
                given.append(context.cast(builder, value, kind if place is None else types.float64, to))
            result = call(builder, given)
            for j, place in enumerate(out):
                builder.store(builder.extract_value(result, j) if count else result, builder.gep(place, [k]))
        vectors = [load(builder, place) for place in out]
        return cgutils.pack_array(builder, vectors) if count else vectors[0]

    for kinds in ((Lanes,), (Lanes, Lanes), (Lanes, types.Any), (types.Any, Lanes), (Lanes, Lanes, types.Float)):
        lower_builtin(function, *kinds)(lower)


def _scalar_signature(context: Any, function: Any, args: Any) -> Any:
    kinds = tuple(types.float64 if kind is LANES else kind for kind in args)
    return context.resolve_value_type(function).get_call_type(context, kinds, {})


def slot(builder: Any, value: Any) -> Any:
    """Stack memory of a vector, as a pointer to its first lane."""
    slot = cgutils.alloca_once(builder, _VECTOR)
    if value is not None:
        builder.store(value, slot)
    return builder.bitcast(slot, F64.as_pointer())


class _each_lane:
    """A loop over the lanes that LLVM must not unroll, so that it becomes vectors.

    ``whole`` asks for all lanes in one vector; where that cannot be done LLVM would write a remark to the terminal.
    """

    def __init__(self, builder: Any, whole: bool) -> None:
        self.builder, self.whole = builder, whole

    def __enter__(self) -> Any:
        builder = self.builder
        before, self.body, self.after = (
            builder.block,
            builder.append_basic_block("lanes"),
            builder.append_basic_block("after.lanes"),
        )
        builder.branch(self.body)
        builder.position_at_end(self.body)
        self.lane = builder.phi(I64)
        self.lane.add_incoming(I64(0), before)
        return self.lane

    def __exit__(self, *error: Any) -> None:
        builder = self.builder
        following = builder.add(self.lane, I64(1), flags=["nuw", "nsw"])
        self.lane.add_incoming(following, builder.block)
        again = builder.cbranch(builder.icmp_unsigned("<", following, I64(WIDTH)), self.body, self.after)
        again.set_metadata("llvm.loop", _loop_metadata(builder.module, self.whole))
        builder.position_at_end(self.after)


def _loop_metadata(module: ir.Module, whole: bool) -> Any:
    hints = [module.add_metadata(["llvm.loop.unroll.disable"])]
    if whole:
        hints.append(module.add_metadata(["llvm.loop.vectorize.width", ir.IntType(32)(WIDTH)]))
        hints.append(module.add_metadata(["llvm.loop.interleave.count", ir.IntType(32)(1)]))
    node = ir.MDValue(module, hints, name=str(len(module.metadata)))
    node.operands = (node, *hints)  # a loop's name is that it names itself
    return node


# The way to and from memory.


POINTS = types.Array(LANES, 1, "A", readonly=True)


points = strided(POINTS)  # of `WIDTH` samples


@intrinsic
def take(typingctx, address, count):  # type: ignore[no-untyped-def]
    """Lanes from an address; only the first ``count`` are read, the others are 0."""

    def codegen(context, builder, signature, args):
        lanes = slot(builder, vector(builder, [F64(0.0)] * WIDTH))
        _copy(builder, lanes, builder.inttoptr(args[0], F64.as_pointer()), args[1])
        return load(builder, lanes)

    return LANES(types.int64, types.int64), codegen


@intrinsic
def put(typingctx, address, count, value):  # type: ignore[no-untyped-def]
    """Write the first ``count`` lanes to an address."""

    def codegen(context, builder, signature, args):
        _copy(builder, builder.inttoptr(args[0], F64.as_pointer()), slot(builder, args[2]), args[1])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, LANES), codegen


def _copy(builder: Any, to: Any, source: Any, count: Any) -> None:
    with builder.if_else(builder.icmp_signed(">=", count, I64(WIDTH))) as (whole, some):
        with whole:
            store(builder, load(builder, source), to)
        with some:
            cgutils.raw_memcpy(builder, to, source, count, I64(8))
