"""From a model's log weight to the weight; a log of a sum of two exponentials is never taken at all.

`linear_weight` gives it for the linear range, `extended_of_number` and `extended_of_sum` give it for the extended one
(`ranges.py` says which is which).

A mixture ends in ``logaddexp(a, b)``, minus `log q`, and the engine then wants its exponential. So within a model
`logaddexp` gives a pair, ``a`` and ``b``: two exponentials in place of two and a logarithm. All that can be done with
it is to add a number; a model that does more with it is compiled without.
"""

from __future__ import annotations

import math
import operator
import types as python_types
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import overload

from fastsumo import vmath
from fastsumo.jit.bits import fabs, select
from fastsumo.jit.options import INLINED, inlined
from fastsumo.jit.pairs import PAIR, pair
from fastsumo.trial.ranges import FURTHEST, is_log_weight
from fastsumo.vmath import _exp_over, _exp_parts, _pow2

_LINEAR_LIMIT = 1000.0  # powers of 2 around the shift to which `_exp_over` limits a weight
_DIGITS, _LOG2_E, _ROUND = 2.0**50, 1.4426950408889634, 1.5 * 2.0**52  # see `vmath._exp_parts`


def lazy_logaddexp(a: float, b: float) -> Any:
    """What a model's `logaddexp` becomes when it is compiled: ``log(exp(a) + exp(b))``, not evaluated."""
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


def _is_number(kind: Any) -> bool:
    return isinstance(kind, types.Float | types.Integer)


@overload(lazy_logaddexp, jit_options=INLINED)
def _lazy_logaddexp(a, b):
    if _is_number(a) and _is_number(b):
        return lambda a, b: pair(float(a), float(b))
    return None


@overload(operator.add, jit_options=INLINED)
def _add(x, y):
    if x is PAIR and _is_number(y):
        return lambda x, y: pair(x.a + y, x.b + y)
    if _is_number(x) and y is PAIR:
        return lambda x, y: pair(x + y.a, x + y.b)
    return None


@overload(operator.sub, jit_options=INLINED)
def _sub(x, y):
    if x is PAIR and _is_number(y):
        return lambda x, y: pair(x.a - y, x.b - y)
    return None


@overload(linear_weight, jit_options=INLINED)
def _linear_weight(log_weight, shift):
    if log_weight is PAIR:
        return lambda log_weight, shift: _linear_of_sum(log_weight.a, log_weight.b, shift)
    if _is_number(log_weight) or isinstance(log_weight, types.Boolean):
        return lambda log_weight, shift: linear_of_number(1.0 * log_weight, shift)
    return None


@inlined
def linear_of_number(x, shift):
    """`linear_weight` of a number."""
    weight = _exp_over(x, shift, _LINEAR_LIMIT)
    return select(x == -math.inf, 0.0, weight)


@inlined
def _linear_of_sum(a, b, shift):
    return linear_of_number(a, shift) + linear_of_number(b, shift)


@inlined
def extended_of_number(x):
    """``(mantissa, power)`` of the exponential of a log weight; the mantissa is NaN where that is NaN or +inf."""
    mantissa, power = _any_parts(x)
    return select(is_log_weight(x), mantissa, math.nan), power


@inlined
def extended_of_sum(a, b):
    """That of a sum of two exponentials."""
    left, left_power = _any_parts(a)
    right, right_power = _any_parts(b)
    rise = right_power - left_power
    up = rise > 0.0
    small, large = select(up, left, right), select(up, right, left)
    mantissa = small * _pow2(select(up, -rise, rise)) + large
    return select(is_log_weight(select(a > b, a, b)), mantissa, math.nan), select(up, right_power, left_power)


@inlined
def _any_parts(x):
    """`_exp_parts` where that has digits, else 1 and a power; limited to `FURTHEST`. Of -inf, 0 and the least power."""
    mantissa, power = _exp_parts(x)
    y = min(max(x, -FURTHEST), FURTHEST)
    far = fabs(y) > _DIGITS
    whole = (y * _LOG2_E + _ROUND) - _ROUND  # integral, as all numbers that far out are
    return select(x == -math.inf, 0.0, select(far, 1.0, mantissa)), select(far, whole, power)
