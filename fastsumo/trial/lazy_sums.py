"""From a model's log weight to the weight; a log of a sum of two exponentials is never taken at all.

`linear_weight` gives it for the linear range, `extended_weight` for the extended one (`ranges.py` says which is which).

A mixture ends in ``logaddexp(a, b)``, minus `log q`, and the engine then wants its exponential. So within a model
`logaddexp` gives a `LogSum` that remembers ``a`` and ``b``: two exponentials in place of two and a logarithm.
"""

from __future__ import annotations

import math
import operator
import types as python_types
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from fastsumo import vmath
from fastsumo.jit.bits import select
from fastsumo.jit.options import INLINED, inlined
from fastsumo.vmath import _exp_over, _exp_parts, _pow2

_LINEAR_LIMIT = 1000.0  # powers of 2 around the shift to which `_exp_over` limits a weight
_LARGEST = 1.7976931348623157e308


class LogSum(NamedTuple):
    """``log(exp(a) + exp(b))``, not evaluated."""

    a: float
    b: float


def lazy_logaddexp(a: float, b: float) -> LogSum:
    """What a model's `logaddexp` becomes when it is compiled."""
    return LogSum(a, b)


def extended_weight(log_weight: Any) -> tuple[float, float]:
    """``(mantissa, power)`` of the exponential; the mantissa is NaN where the log weight is NaN or +inf."""
    raise NotImplementedError("compiled code only")


def linear_weight(log_weight: Any, shift: float) -> float:
    """The exponential over ``2**shift``, for which `is_linear` holds if it is an accurate number."""
    raise NotImplementedError("compiled code only")


def with_lazy_sums(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function with `logaddexp` made lazy; None if it does not call it by a global name."""
    if not isinstance(function, python_types.FunctionType):
        return None
    names = [n for n in function.__code__.co_names if function.__globals__.get(n) is vmath.logaddexp]
    if not names:
        return None
    scope = function.__globals__ | dict.fromkeys(names, lazy_logaddexp)
    return python_types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )


def _is_sum(kind: Any) -> bool:
    return isinstance(kind, types.BaseNamedTuple) and kind.instance_class is LogSum


def _is_number(kind: Any) -> bool:
    return isinstance(kind, types.Float | types.Integer)


@overload(lazy_logaddexp, jit_options=INLINED)
def _lazy_logaddexp(a, b):
    if _is_number(a) and _is_number(b):
        return lambda a, b: LogSum(float(a), float(b))
    return None


@overload(operator.add, jit_options=INLINED)
def _add(x, y):
    if _is_sum(x) and _is_number(y):
        return lambda x, y: LogSum(x.a + y, x.b + y)
    if _is_number(x) and _is_sum(y):
        return lambda x, y: LogSum(x + y.a, x + y.b)
    return None


@overload(operator.sub, jit_options=INLINED)
def _sub(x, y):
    if _is_sum(x) and _is_number(y):
        return lambda x, y: LogSum(x.a - y, x.b - y)
    return None


@overload(extended_weight, jit_options=INLINED)
def _extended_weight(log_weight):
    if _is_sum(log_weight):
        return lambda log_weight: _extended_of_sum(log_weight.a, log_weight.b)
    if _is_number(log_weight):
        return lambda log_weight: _extended_of_number(float(log_weight))
    return None


@overload(linear_weight, jit_options=INLINED)
def _linear_weight(log_weight, shift):
    if _is_sum(log_weight):
        return lambda log_weight, shift: _linear_of_sum(log_weight.a, log_weight.b, shift)
    if _is_number(log_weight):
        return lambda log_weight, shift: _linear_of_number(float(log_weight), shift)
    return None


@inlined
def _linear_of_number(x, shift):
    weight = _exp_over(x, shift, _LINEAR_LIMIT)
    return select(x == -math.inf, 0.0, weight)


@inlined
def _linear_of_sum(a, b, shift):
    weight = _exp_over(a, shift, _LINEAR_LIMIT) + _exp_over(b, shift, _LINEAR_LIMIT)
    return select(select(a > b, a, b) == -math.inf, 0.0, weight)


@inlined
def _extended_of_number(x):
    mantissa, power = _exp_parts(x)
    return select(x <= _LARGEST, mantissa, math.nan), power


@inlined
def _extended_of_sum(a, b):
    left, left_power = _extended_of_number(a)
    right, right_power = _extended_of_number(b)
    rise = right_power - left_power
    up = rise > 0.0
    small, large = select(up, left, right), select(up, right, left)
    return small * _pow2(select(up, -rise, rise)) + large, select(up, right_power, left_power)
