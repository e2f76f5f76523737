"""Arithmetic of a long trial, which runs along its own samples in segments; in compiled code, for every engine.

Slot ``p`` of a segment with lanes of ``depth`` samples has sample ``start + (p % LANES) * depth + p // LANES``. How
lanes are summed, and by whom, is the engines'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64

from fastsumo.jit.bits import bits_float, float_bits, unsigned_shift
from fastsumo.jit.options import device, inlined
from fastsumo.trial import kinds
from fastsumo.trial.coefficients import reciprocal_any
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.sizes import LANES
from fastsumo.vmath import _log_of

_MANTISSA_BITS, _ONE = int64((1 << 52) - 1), int64(0x3FF << 52)

# The state of a trial that is under way. BASE: the sum of its weights so far in two floats, relative to 2**LEVEL, where
# LEVEL is 0 until SEQUENTIAL is 1, since a weight was outside the linear range. SUM: the sum of the weighted logs so
# far in two floats; for a single term, the log of the last prefix but one, and in SUM_LOW that of the first weight.
# ALIVE is positive if the first prefix that counts has some weight.
BASE, BASE_LOW, LEVEL, SEQUENTIAL, SUM, SUM_LOW, ALIVE, STATE_SIZE = 0, 1, 2, 3, 4, 5, 6, 7


@inlined
def depth_of(count: Any) -> Any:
    """Samples in each lane of a segment of ``count`` samples; the last lanes may have fewer."""
    return (count + LANES - 1) // LANES


@inlined
def sample_of(p: Any, depth: Any) -> Any:
    """The sample in slot ``p``, counted from the segment's first."""
    return (p & (LANES - 1)) * depth + p // LANES


@inlined
def slot_of(s: Any, depth: Any) -> Any:
    """The slot of sample ``s``: the inverse of `sample_of`."""
    return (s % depth) * LANES + s // depth


@inlined
def two_sum(a: Any, b: Any) -> Any:
    """``a + b`` and what rounding takes off it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@inlined
def added(high: float, low: float, x: float) -> Any:
    """A sum of two floats and ``x``, as two floats."""
    total, lost = two_sum(high, x)
    return total, low + lost


@inlined
def mantissa_of(x: Any) -> Any:
    """Mantissa in [1, 2) and power of 2 of a positive number."""
    bits = float_bits(x)
    return bits_float((bits & _MANTISSA_BITS) | _ONE), unsigned_shift(bits, 52) - 1023


@inlined
def prefix_factor(total: Any, k: Any, low_k: Any, high_k: Any) -> Any:
    """Of the prefix with the sum ``total`` of ``k`` weights: mantissa, power and number; 1, 0 and 1 outside."""
    inside = (k >= low_k) & (k <= high_k)
    mantissa, power = mantissa_of(total if inside else 1.0)
    return mantissa, power, (k if inside else 1.0)


@device
def finish(params: Any, state: Any, terms: Any) -> Any:
    """The value of a trial from its state after the last sample."""
    samples = terms + params.minimum
    total = state[BASE] + state[BASE_LOW]
    if not total > 0.0:
        return -np.inf
    level = _log_of(total / samples, state[LEVEL])
    origin = params.shift * LOG_2
    if params.kind == kinds.IWAE:
        return origin + level
    if not state[ALIVE] > 0.0:
        return -np.inf
    if params.kind == kinds.SINGLE_TERM:
        after = 1.0 / reciprocal_any(params, terms + 1) if terms < params.cap else 0.0
        return origin + (state[SUM_LOW] + (level - state[SUM]) / (1.0 / reciprocal_any(params, terms) - after))
    if params.product and float(terms) <= params.head:
        return origin + (state[SUM] + float(terms) * level + state[SUM_LOW])
    return origin + ((state[SUM] + state[SUM_LOW]) + reciprocal_any(params, terms) * level)
