"""Jackknife of IWAE (JVI; Nowozin, ICLR 2018) of orders 1 and 2 on rows (see `rows.py` for what a row is).

Order 1 is ``n L_n - (n-1) mean_i L^(-i)``; order 2 is ``n^2/2 L_n - (n-1)^2 mean_i L^(-i) + (n-2)^2/2 mean_ij L^(-ij)``.
A sum that leaves out more than half of the total weight is added up afresh: subtraction would cancel.
"""

import numpy as np
from numba import int64

from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.bits import bits_float, float_bits, fma
from fastsumo.kernels.rows_parts import (
    LOG_2,
    MANTISSA,
    ONE,
    BUFFER,
    SEGMENT,
    SHIFT,
    add,
    largest,
    log_scaled,
    pairwise,
    relative,
    sum_log,
)
from fastsumo.vmath import exp, log


@kernel
def jackknife_rows(values, starts, used, order, scratch, out):
    """-inf where a subset has no weight at all."""
    for row in range(used.size):
        value = _jackknife(values, starts[row], used[row], order, scratch)
        if value != value:
            return row
        out[row] = value
    return -1


@device
def _jackknife(values, start, n, order, scratch):
    weights, spare = scratch[:SEGMENT], scratch[BUFFER : 2 * BUFFER]
    origin = largest(values, start, n)
    if origin == -np.inf:
        return -np.inf
    high, low = 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        bad, _ = relative(values, start + s, count, origin, weights)
        if bad:
            return np.nan
        high, low = add(high, low, pairwise(weights, count))
    total = high + low
    level, without_one = log_scaled(total / n), _without_one(values, start, n, origin, high, low, weights, spare)
    if order == 1:
        return origin + (n * level - (n - 1) * without_one)
    without_two = _without_two(values, start, n, origin, high, low)
    return origin + (0.5 * n * n * level - (n - 1.0) ** 2 * without_one + 0.5 * (n - 2.0) ** 2 * without_two)


@device
def _without_one(values, start, n, origin, high, low, weights, spare):
    """Mean over ``i`` of ``L^(-i)``, relative to the origin."""
    half, sums, sums_low = 0.5 * (high + low), 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        relative(values, start + s, count, origin, weights)
        heavy = 0
        for i in range(count):
            heavy += weights[i] > half
        if heavy:
            for i in range(count):
                if weights[i] > half:
                    rest = _log_sum_without(values, start, n, s + i, s + i) - origin
                    if rest == -np.inf:
                        return np.inf
                    sums, sums_low = add(sums, sums_low, rest)
        for i in range(count):
            rest = high - weights[i] + low
            weights[i] = rest if weights[i] <= half else _ONE_SCALED
        sums, sums_low = add(sums, sums_low, sum_log(weights, 0, count, spare))
    return (sums + sums_low) / n - np.log(n - 1.0)
