"""How log weights get from a model into memory: one by one or by lanes, and those of a lazy sum as its two terms.

The arithmetic of lanes is in `jit/lanes.py`; who goes by lanes, in `chunks.py`.
"""

from __future__ import annotations

import operator
from typing import Any

from numba import types
from numba.extending import overload

from fastsumo.jit.lanes import LANES, as_lanes, fit, is_number, put
from fastsumo.jit.memory import floats
from fastsumo.jit.options import INLINED
from fastsumo.jit.pairs import LANE_PAIR, PAIR, pair
from fastsumo.trial import lazy_sums
from fastsumo.vmath import lifted as _functions  # noqa: F401 - what a model may call: declared there, used by no name

ONE, TWO = 1, 2  # terms of a weight, which is the sum of their exponentials


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


def write(log_weight: Any, i: int, n: int, first_at: int, second_at: int) -> int:
    """Write the log weight of sample ``i`` of ``n``, to the second array too if it has `TWO` terms; and how many."""
    raise NotImplementedError("compiled code only")


@overload(write, jit_options=INLINED)
def _write(log_weight, i, n, first_at, second_at):
    if log_weight is PAIR:

        def write_numbers(log_weight, i, n, first_at, second_at):
            floats(first_at, n)[i], floats(second_at, n)[i] = log_weight.a, log_weight.b
            return TWO

        return write_numbers
    if isinstance(log_weight, types.Float | types.Integer | types.Boolean):

        def write_number(log_weight, i, n, first_at, second_at):
            floats(first_at, n)[i] = 1.0 * log_weight
            return ONE

        return write_number
    return None


def write_lanes(log_weight: Any, i: int, n: int, first_at: int, second_at: int) -> int:
    """`write` for lanes, or what is the same in all of them: of the samples from ``i`` on."""
    raise NotImplementedError("compiled code only")


@overload(write_lanes, jit_options=INLINED)
def _write_lanes(log_weight, i, n, first_at, second_at):
    if log_weight in (PAIR, LANE_PAIR):

        def write_pairs(log_weight, i, n, first_at, second_at):
            put(first_at + 8 * i, n - i, as_lanes(log_weight.a))
            put(second_at + 8 * i, n - i, as_lanes(log_weight.b))
            return TWO

        return write_pairs
    if fit((log_weight, LANES)):

        def write_numbers(log_weight, i, n, first_at, second_at):
            put(first_at + 8 * i, n - i, as_lanes(log_weight))
            return ONE

        return write_numbers
    return None
