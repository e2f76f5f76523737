"""Weights by lanes: lazy sums of exponentials of lanes, the weights of log weights, and the way to and from memory.

The arithmetic of lanes is in `lanes.py`; who goes by lanes, in `chunks.py`.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic, make_attribute_wrapper, models, overload, register_model

from fastsumo.kernels import lazy
from fastsumo.kernels._jit import INLINED
from fastsumo.kernels.lanes import F64, I64, LANES, WIDTH, as_lanes, fit, is_number, lifted, load, slot, store, vector


class LaneSum(types.Type):
    """``log(exp(a) + exp(b))`` in every lane."""

    def __init__(self) -> None:
        super().__init__(f"LaneSum({WIDTH})")

    def unify(self, typingctx: Any, other: Any) -> Any:
        return self if lazy._is_sum(other) else None  # what it was taken for while one of its terms was a number


LANE_SUM = LaneSum()


@register_model(LaneSum)
class _LaneSumModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, kind: Any) -> None:
        super().__init__(dmm, kind, [("a", LANES), ("b", LANES)])


make_attribute_wrapper(LaneSum, "a", "a")
make_attribute_wrapper(LaneSum, "b", "b")


@intrinsic
def _lane_sum(typingctx, a, b):
    def codegen(context, builder, signature, args):
        both = cgutils.create_struct_proxy(LANE_SUM)(context, builder)
        both.a, both.b = args
        return both._getvalue()

    return LANE_SUM(LANES, LANES), codegen


def _is_sum(kind: Any) -> bool:
    return kind is LANE_SUM or lazy._is_sum(kind)


def _mixed(x: Any, y: Any) -> bool:
    """Whether a sum and a number have lanes, one of them at least."""
    return (x is LANE_SUM and (y is LANES or is_number(y))) or (lazy._is_sum(x) and y is LANES)


@overload(lazy.lazy_logaddexp, jit_options=INLINED)
def _lazy_logaddexp(a, b):
    return (lambda a, b: _lane_sum(a, b)) if fit((a, b)) else None


@overload(operator.add, jit_options=INLINED)
def _add(x, y):
    if _mixed(x, y):
        return lambda x, y: _lane_sum(x.a + y, x.b + y)
    if _mixed(y, x):
        return lambda x, y: _lane_sum(x + y.a, x + y.b)
    return None


@overload(operator.sub, jit_options=INLINED)
def _sub(x, y):
    return (lambda x, y: _lane_sum(x.a - y, x.b - y)) if _mixed(x, y) else None


def lane_parts(log_weight: Any) -> Any:
    """`lazy.parts` in every lane."""
    raise NotImplementedError("compiled code only")


def lane_plain(log_weight: Any, shift: float) -> Any:
    """`lazy.plain` in every lane."""
    raise NotImplementedError("compiled code only")


def _checked_parts(x: Any) -> Any:
    """`lazy._checked_parts` in every lane."""
    raise NotImplementedError("compiled code only")


def _sum_parts(a: Any, b: Any) -> Any:
    """`lazy._sum_parts` in every lane."""
    raise NotImplementedError("compiled code only")


def _plain_number(x: Any, shift: float) -> Any:
    """`lazy._plain_number` in every lane."""
    raise NotImplementedError("compiled code only")


def _plain_sum(a: Any, b: Any, shift: float) -> Any:
    """`lazy._plain_sum` in every lane."""
    raise NotImplementedError("compiled code only")


lifted(_checked_parts, lazy._checked_parts)
lifted(_sum_parts, lazy._sum_parts)
lifted(_plain_number, lazy._plain_number)
lifted(_plain_sum, lazy._plain_sum)


@overload(lane_parts, jit_options=INLINED)
def _lane_parts(log_weight):
    if _is_sum(log_weight):
        return lambda log_weight: _sum_parts(as_lanes(log_weight.a), as_lanes(log_weight.b))
    if fit((log_weight, LANES)):
        return lambda log_weight: _checked_parts(as_lanes(log_weight))
    return None


@overload(lane_plain, jit_options=INLINED)
def _lane_plain(log_weight, shift):
    if _is_sum(log_weight):
        return lambda log_weight, shift: _plain_sum(as_lanes(log_weight.a), as_lanes(log_weight.b), shift)
    if fit((log_weight, LANES)):
        return lambda log_weight, shift: _plain_number(as_lanes(log_weight), shift)
    return None


POINTS = types.Array(LANES, 1, "A")


@intrinsic
def points(typingctx, address, dim, stride):
    """The coordinates of `WIDTH` samples as an array of lanes; their first coordinates begin at the address."""

    def codegen(context, builder, signature, args):
        array = context.make_array(POINTS)(context, builder)
        array.data = builder.inttoptr(args[0], array.data.type)
        array.shape = cgutils.pack_array(builder, [args[1]])
        array.strides = cgutils.pack_array(builder, [args[2]])
        array.itemsize = context.get_constant(types.intp, 8)  # that of the array which it stands for
        array.nitems = args[1]
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()

    return POINTS(types.int64, types.int64, types.int64), codegen


@intrinsic
def take(typingctx, address, count):
    """Lanes from an address; only the first ``count`` are read, the others are 0."""

    def codegen(context, builder, signature, args):
        row = slot(builder, vector(builder, [F64(0.0)] * WIDTH))
        _copy(builder, row, builder.inttoptr(args[0], F64.as_pointer()), args[1])
        return load(builder, row)

    return LANES(types.int64, types.int64), codegen


@intrinsic
def put(typingctx, address, count, value):
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
