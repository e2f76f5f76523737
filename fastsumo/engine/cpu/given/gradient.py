"""Derivatives of SUMO with respect to the log weights of its rows (what a row is: `values.py`).

``SUMO = sum_k c_k L_k`` and ``dL_k / d log w_i = w_i / S_k`` for ``i <= k``, so the derivative is ``w_i`` times the
sum of ``c_k / S_k`` over ``k >= max(i, m)``: sums of weights forward, one sum of ratios backward. Prefixes without
weight are left out.
"""

import numpy as np
from numba import float64, int64, uint64

from fastsumo.engine.cpu.given.parts import (
    BUFFER,
    LIGHT,
    OWN_FIRST,
    RISE,
    SEGMENT,
    SHIFT,
    SHORT,
    coefficients,
    find_bad,
    first_weight,
    is_steep,
    pairwise,
    prefix_sums,
    reciprocal_any,
    relative,
    take,
)
from fastsumo.jit.bits import fma
from fastsumo.jit.options import device, kernel
from fastsumo.trial.segments import added
from fastsumo.vmath import exp, log


@kernel
def gradient_rows(values, starts, used, minimum, law, reciprocals, scratch, bases, places, out):
    """Derivatives of each row's weights, from ``out[places[r]]`` on.

    ``bases`` has room for two numbers for each segment of a row.
    """
    row, rows, share = int64(0), used.size, used.size > 0
    while row < rows:
        if used[row] > SHORT:
            place = out[places[row] : places[row] + used[row]]
            if not _long_gradient(values, starts[row], used[row], minimum, law, scratch, bases, place):
                return row
            row += 1
            continue
        last, _, shift, bad, steep = take(values, starts, used, row, share, OWN_FIRST, scratch)
        if bad:
            return find_bad(values, starts, used, row, last)
        light = _short_gradient(used[row:last], minimum, reciprocals, scratch, places[row:last], out)
        share = shift != 0 or not light
        if not share:
            continue
        if steep:
            for r in range(row, last):
                if is_steep(values, starts[r], used[r]):
                    place = out[places[r] : places[r] + used[r]]
                    _slow_gradient(values, starts[r], used[r], minimum, law, place)
        row = last
    return -1


@device
def _short_gradient(used, minimum, reciprocals, scratch, places, out):
    """Rows in the buffer: sums forward, reciprocals, sums backward. How many are too light for a shared origin."""
    buffer, ratio = scratch[:BUFFER], scratch[2 * BUFFER : 3 * BUFFER]
    at, light = 0, 0
    for r in range(used.size):
        n, total, first = used[r], 0.0, 0.0
        for i in range(n):
            total += buffer[uint64(at + i)]
            ratio[uint64(at + i)] = total
            first = total if i < minimum else first
        light += first < LIGHT
        at += n
    for i in range(at):
        ratio[i] = 1.0 / ratio[i] if ratio[i] > 0.0 else 0.0
    at = 0
    for r in range(used.size):
        n, place = used[r], places[r]
        rest, following = 0.0, 0.0
        for i in range(n - 1, minimum - 1, -1):
            weight = reciprocals[uint64(i + 1 - minimum)]
            rest = fma(weight - following, ratio[uint64(at + i)], rest)
            following = weight
            out[uint64(place + i)] = buffer[uint64(at + i)] * rest
        for i in range(minimum):
            out[uint64(place + i)] = buffer[uint64(at + i)] * rest
        at += n
    return light


@device
def _long_gradient(values, start, n, minimum, law, scratch, bases, out):
    """Weights go to ``out``, then segment by segment from the last they become derivatives."""
    prefix, ratio = scratch[:SEGMENT], scratch[BUFFER : BUFFER + SEGMENT + 1]
    behind = scratch[2 * BUFFER : 2 * BUFFER + SEGMENT]
    at, high, low = first_weight(values, start, n), 0.0, 0.0
    origin = float64(values[start + at]) if at < n else 0.0
    segments = (n + SEGMENT - 1) // SEGMENT
    for segment in range(segments):
        s = segment * SEGMENT
        count = min(SEGMENT, n - s)
        weights = out[s : s + count]
        bad, steep = relative(values, start + s, count, origin, SHIFT, RISE, weights)
        if bad:
            return False
        if steep:
            return _slow_gradient(values, start, n, minimum, law, out)
        bases[2 * segment], bases[2 * segment + 1] = high, low
        for i in range(count):
            prefix[i] = weights[i]
        high, low = added(high, low, pairwise(prefix, count))
    high, low = 0.0, 0.0
    for segment in range(segments - 1, -1, -1):
        s = segment * SEGMENT
        count = min(SEGMENT, n - s)
        weights = out[s : s + count]
        for i in range(count):
            prefix[i] = weights[i]
        prefix_sums(prefix, count, bases[2 * segment], bases[2 * segment + 1])
        coefficients(law, s + 1 - minimum, count, n - minimum, ratio)
        for i in range(count):
            behind[count - 1 - i] = ratio[i] / prefix[i] if prefix[i] > 0.0 else 0.0
        sum_ = prefix_sums(behind, count, high, low)
        high, low = added(high, low, sum_)
        for i in range(count):
            weights[i] *= behind[count - 1 - i]
    return True


@device
def _slow_gradient(values, start, n, minimum, law, out):
    """A row that no one power of 2 can scale: ``log S_k`` forward, then the sum of ratios, scaled as it goes."""
    top, total = -np.inf, 0.0
    for i in range(n):
        v = float64(values[start + i])
        if not v < np.inf:
            return False
        if v > top:
            total = (total * exp(top - v) if total > 0.0 else 0.0) + 1.0
            top = v
        elif v > -np.inf:
            total += exp(v - top)
        out[i] = top + log(total) if total > 0.0 else -np.inf
    rest, level = 0.0, np.inf  # the sum of ratios is rest * exp(-level); going down, log S_k falls
    for i in range(n - 1, -1, -1):
        v, log_sum, j = float64(values[start + i]), out[i], i + 1 - minimum
        if log_sum == -np.inf:
            out[i] = 0.0
            continue
        c = 0.0
        if j == n - minimum:
            c = reciprocal_any(law, j)
        elif j > 0:
            c = reciprocal_any(law, j) - reciprocal_any(law, j + 1)
        if c != 0.0:
            rest = (rest * exp(log_sum - level) if rest != 0.0 else 0.0) + c
            level = log_sum
        out[i] = rest * exp(v - level) if v > -np.inf else 0.0
    return True
