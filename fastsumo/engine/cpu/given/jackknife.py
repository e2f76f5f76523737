"""Jackknife of IWAE (JVI; Nowozin, ICLR 2018) of orders 1 and 2 on rows (what a row is: `values.py`).

Order 1 is ``n L_n - (n-1) mean_i L^(-i)``; order 2 is ``n^2/2 L_n - (n-1)^2 mean_i L^(-i) + (n-2)^2/2 mean_ij
L^(-ij)``. A subset that leaves out more than half of the total weight is added up afresh, since subtraction would
cancel.
"""

import numpy as np
from numba import float64, int64, uint64

from fastsumo.engine.cpu.given.parts import (
    BUFFER,
    LIGHT,
    MANTISSA,
    ONE,
    OWN_LARGEST,
    RISE,
    SEGMENT,
    SHIFT,
    SHORT,
    find_bad,
    largest,
    log_scaled,
    pairwise,
    relative,
    sum_log,
    take,
    weight_of,
)
from fastsumo.jit.bits import bits_float, float_bits
from fastsumo.jit.options import device, kernel
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.segments import added
from fastsumo.vmath import _log_positive, exp, log

_UNIT = 2.0**-SHIFT  # its scaled logarithm is 0
_TINY = 2.0**-960  # relative weights below it have lost digits


@kernel
def jackknife_rows(values, starts, used, order, inverse, scratch, out):
    """The jackknife of each row; -inf where a subset has no weight at all."""
    row, rows, share = int64(0), used.size, used.size > 0
    while row < rows:
        if used[row] > SHORT or order != 1:
            out[row] = _jackknife(values, starts[row], used[row], order, scratch)
            if out[row] != out[row]:
                return row
            row += 1
            continue
        last, _, shift, bad, _ = take(values, starts, used, row, share, OWN_LARGEST, scratch)
        if bad:
            return find_bad(values, starts, used, row, last)
        light = _short_jackknife(used, row, last, shift, inverse, scratch, out)
        share = shift != 0 or not light
        if not share:
            continue
        if light:
            for r in range(row, last):
                if out[r] != out[r]:
                    out[r] = _jackknife(values, starts[r], used[r], order, scratch)
        row = last
    return -1


@device
def _short_jackknife(used, row, last, shift, inverse, scratch, out):
    """Order 1 of the rows in the buffer; NaN, and counted, where subsets are too light for relative weights."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    mean, product = scratch[2 * BUFFER : 3 * BUFFER], scratch[3 * BUFFER : 4 * BUFFER]
    exponents = scratch[4 * BUFFER : 5 * BUFFER]
    at, light, limit = 0, 0, LIGHT if shift == 0 else _TINY
    for r in range(last - row):
        n, total, logs, powers, lightest = used[uint64(row + r)], 0.0, 1.0, 0, np.inf
        for i in range(at, at + n):
            total += buffer[uint64(i)]
        for i in range(at, at + n):
            rest = total - buffer[uint64(i)]
            if rest < buffer[uint64(i)]:
                rest = 0.0
                for other in range(at, at + n):
                    rest += buffer[uint64(other)] if other != i else 0.0
            lightest = min(lightest, rest)
            bits = float_bits(rest * inverse[uint64(n - 1)])
            powers += (bits >> 52) - (1023 - shift)
            logs *= bits_float((bits & MANTISSA) | ONE)
        light += lightest < limit
        mean[r] = total * inverse[uint64(n)] if lightest >= limit else np.nan
        product[r], exponents[r] = logs, float64(powers)
        at += n
    for i in range(last - row):
        n = float64(used[row + i])
        without_one = (_log_positive(product[i]) + exponents[i] * LOG_2) / n
        value = origin[i] + (n * log_scaled(mean[i], shift) - (n - 1.0) * without_one)
        out[row + i] = value if mean[i] > 0.0 else np.nan
    return light


@device
def _jackknife(values, start, n, order, scratch):
    """One row, by segments. NaN where it holds NaN or +inf."""
    weights = scratch[:SEGMENT]
    origin = largest(values, start, n)
    if origin == -np.inf:
        return -np.inf
    high, low = 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        bad, _ = relative(values, start + s, count, origin, SHIFT, RISE, weights)
        if bad:
            return np.nan
        high, low = added(high, low, pairwise(weights, count))
    level = log_scaled((high + low) / n, SHIFT)
    without_one = _without_one(values, start, n, origin, high, low, scratch)
    if without_one == -np.inf:
        return -np.inf
    if order == 1:
        return origin + (n * level - (n - 1) * without_one)
    without_two = _without_two(values, start, n, origin, high, low, scratch)
    if without_two == -np.inf:
        return -np.inf
    return origin + (0.5 * n * n * level - (n - 1.0) ** 2 * without_one + 0.5 * (n - 2.0) ** 2 * without_two)


@device
def _without_one(values, start, n, origin, high, low, scratch):
    """Mean over ``i`` of ``L^(-i)``, relative to the origin."""
    sums, sums_low = 0.0, 0.0
    for s in range(0, n, SEGMENT):
        part = _sum_log_rest(values, start, n, s, -1, origin, high, low, scratch)
        if part == -np.inf:
            return part
        sums, sums_low = added(sums, sums_low, part)
    return (sums + sums_low) / n - log(n - 1.0)


@device
def _without_two(values, start, n, origin, high, low, scratch):
    """Mean over ``i < j`` of ``L^(-ij)``, relative to the origin."""
    sums, sums_low = 0.0, 0.0
    for i in range(n - 1):
        rest, rest_low = added(high, low, -weight_of(float64(values[start + i]) - origin, SHIFT))
        for s in range(i + 1, n, SEGMENT):
            part = _sum_log_rest(values, start, n, s, i, origin, rest, rest_low, scratch)
            if part == -np.inf:
                return part
            sums, sums_low = added(sums, sums_low, part)
    return (sums + sums_low) / (0.5 * n * (n - 1.0)) - log(n - 2.0)


@device
def _sum_log_rest(values, start, n, s, left_out, origin, high, low, scratch):
    """``sum log(total - w_j)`` over the segment from ``s`` on; the total is ``high + low``, less a weight left out."""
    weights, spare = scratch[:SEGMENT], scratch[BUFFER : 2 * BUFFER]
    count = min(SEGMENT, n - s)
    relative(values, start + s, count, origin, SHIFT, RISE, weights)
    light = weight_of(float64(values[start + left_out]) - origin, SHIFT) if left_out >= 0 else 0.0
    total, heavy = 0.0, 0
    for i in range(count):
        heavy += (high - weights[i]) + low < weights[i] + light
    if heavy:
        for i in range(count):
            if (high - weights[i]) + low < weights[i] + light:
                total += _log_sum_without(values, start, n, left_out, s + i) - origin
    for i in range(count):
        rest = (high - weights[i]) + low
        weights[i] = rest if rest >= weights[i] + light else _UNIT
    return total + sum_log(weights, 0, count, SHIFT, spare)


@device
def _log_sum_without(values, start, n, i, j):
    """Log of the sum of all weights but two."""
    top, total = -np.inf, 0.0
    for k in range(n):
        if k != i and k != j:
            top = max(top, float64(values[start + k]))
    if top == -np.inf:
        return -np.inf
    for k in range(n):
        if k != i and k != j:
            total += exp(float64(values[start + k]) - top)
    return top + log(total)
