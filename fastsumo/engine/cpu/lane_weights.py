"""Weights by lanes: lazy sums of exponentials of lanes, the weights of log weights, and the way to and from memory.

The arithmetic of lanes is in `lanes.py`; who goes by lanes, in `chunks.py`.
"""

from __future__ import annotations

import operator
from typing import Any

from numba.extending import overload

from fastsumo.jit.lanes import LANE_PAIR, LANES, as_lanes, fit, is_number, lane_pair, lifted
from fastsumo.jit.options import INLINED
from fastsumo.trial import lazy_sums

LANE_PAIR.stands_for = lazy_sums._is_sum  # what it was taken for while one of its terms was a number


def _is_sum(kind: Any) -> bool:
    return kind is LANE_PAIR or lazy_sums._is_sum(kind)


def _mixed(x: Any, y: Any) -> bool:
    """Whether a sum and a number have lanes, one of them at least."""
    return (x is LANE_PAIR and (y is LANES or is_number(y))) or (lazy_sums._is_sum(x) and y is LANES)


@overload(lazy_sums.lazy_logaddexp, jit_options=INLINED)
def _lazy_logaddexp(a, b):
    return (lambda a, b: lane_pair(a, b)) if fit((a, b)) else None


@overload(operator.add, jit_options=INLINED)
def _add(x, y):
    if _mixed(x, y):
        return lambda x, y: lane_pair(x.a + y, x.b + y)
    if _mixed(y, x):
        return lambda x, y: lane_pair(x + y.a, x + y.b)
    return None


@overload(operator.sub, jit_options=INLINED)
def _sub(x, y):
    return (lambda x, y: lane_pair(x.a - y, x.b - y)) if _mixed(x, y) else None


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


lifted(_checked_parts, lazy_sums._checked_parts)
lifted(_sum_parts, lazy_sums._sum_parts)
lifted(_plain_number, lazy_sums._plain_number)
lifted(_plain_sum, lazy_sums._plain_sum)


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
