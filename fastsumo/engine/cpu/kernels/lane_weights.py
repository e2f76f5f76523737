"""Weights by lanes: lazy sums of exponentials of lanes, the weights of log weights, and the way to and from memory.

The arithmetic of lanes is in `jit/lanes.py`; who goes by lanes, in `chunks.py`.
"""

from __future__ import annotations

import operator
from typing import Any

from numba.extending import overload

from fastsumo.jit.lanes import LANES, as_lanes, fit, is_number, lifted
from fastsumo.jit.options import INLINED
from fastsumo.jit.pairs import LANE_PAIR, PAIR, pair
from fastsumo.trial import lazy_sums
from fastsumo.vmath import lifted as _functions  # noqa: F401 - what a model may call: declared there, used by no name


def _mixed(x: Any, y: Any) -> bool:
    """Whether a sum and a number have lanes, one of them at least."""
    return (x is LANE_PAIR and (y is LANES or is_number(y))) or (x is PAIR and y is LANES)


@overload(lazy_sums.lazy_logaddexp, jit_options=INLINED)
def _lazy_logaddexp(a, b):
    return (lambda a, b: pair(a, b)) if fit((a, b)) else None


@overload(operator.add, jit_options=INLINED)
def _add(x, y):
    if _mixed(x, y):
        return lambda x, y: pair(x.a + y, x.b + y)
    if _mixed(y, x):
        return lambda x, y: pair(x + y.a, x + y.b)
    return None


@overload(operator.sub, jit_options=INLINED)
def _sub(x, y):
    return (lambda x, y: pair(x.a - y, x.b - y)) if _mixed(x, y) else None


def lane_extended(log_weight: Any) -> Any:
    """`lazy_sums.extended_weight` in every lane."""
    raise NotImplementedError("compiled code only")


def lane_linear(log_weight: Any, shift: float) -> Any:
    """`lazy_sums.linear_weight` in every lane."""
    raise NotImplementedError("compiled code only")


def _extended_of_number(x: Any) -> Any:
    """`lazy_sums._extended_of_number` in every lane."""
    raise NotImplementedError("compiled code only")


def _extended_of_sum(a: Any, b: Any) -> Any:
    """`lazy_sums._extended_of_sum` in every lane."""
    raise NotImplementedError("compiled code only")


def _linear_of_number(x: Any, shift: float) -> Any:
    """`lazy_sums._linear_of_number` in every lane."""
    raise NotImplementedError("compiled code only")


def _linear_of_sum(a: Any, b: Any, shift: float) -> Any:
    """`lazy_sums._linear_of_sum` in every lane."""
    raise NotImplementedError("compiled code only")


lifted(_extended_of_number, lazy_sums._extended_of_number)
lifted(_extended_of_sum, lazy_sums._extended_of_sum)
lifted(_linear_of_number, lazy_sums._linear_of_number)
lifted(_linear_of_sum, lazy_sums._linear_of_sum)


@overload(lane_extended, jit_options=INLINED)
def _lane_extended(log_weight):
    if log_weight in (PAIR, LANE_PAIR):
        return lambda log_weight: _extended_of_sum(as_lanes(log_weight.a), as_lanes(log_weight.b))
    if fit((log_weight, LANES)):
        return lambda log_weight: _extended_of_number(as_lanes(log_weight))
    return None


@overload(lane_linear, jit_options=INLINED)
def _lane_linear(log_weight, shift):
    if log_weight in (PAIR, LANE_PAIR):
        return lambda log_weight, shift: _linear_of_sum(as_lanes(log_weight.a), as_lanes(log_weight.b), shift)
    if fit((log_weight, LANES)):
        return lambda log_weight, shift: _linear_of_number(as_lanes(log_weight), shift)
    return None
