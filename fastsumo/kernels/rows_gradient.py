"""Derivatives of SUMO with respect to the log weights of its rows (see `rows.py` for what a row is).

``SUMO = sum_k c_k L_k`` and ``dL_k / d log w_i = w_i / S_k`` for ``i <= k``, so the derivative is ``w_i`` times the sum of
``c_k / S_k`` over ``k >= max(i, m)``: sums of weights forward, one sum of ratios backward. Prefixes without weight are left out.
"""

import numpy as np

from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.rows_parts import (
    BUFFER,
    SEGMENT,
    SHORT,
    add,
    coefficients,
    exponentials,
    fill,
    find_bad,
    first_weight,
    is_steep,
    pairwise,
    prefix_sums,
    reciprocal,
    relative,
)
from fastsumo.vmath import exp


@kernel
def gradient_rows(values, starts, used, minimum, law, short_coefficients, scratch, bases, out):
    """Derivatives at the places of the weights. ``bases`` has room for two numbers for each segment of a row."""
    buffer = scratch[:BUFFER]
    row, rows = 0, used.size
    while row < rows:
        if used[row] > SHORT:
            if not _long_gradient(values, starts[row], used[row], minimum, law, scratch, bases, out):
                return row
            row += 1
            continue
        last, filled = fill(values, starts, used, row, False, scratch)
        bad, steep = exponentials(scratch, filled)
        if bad:
            return find_bad(values, starts, used, row, last)
        at = 0
        for r in range(row, last):
            start, n = starts[r], used[r]
            _short_gradient(buffer[at : at + n], minimum, law, short_coefficients, out[start : start + n])
            if steep and is_steep(values, start, n):
                _slow_gradient(values, start, n, minimum, law, out)
            at += n
        row = last
    return -1


@device
def _short_gradient(weights, minimum, law, short_coefficients, out):
    n = weights.size
    total = 0.0
    for i in range(n):
        total += weights[i]
        out[i] = 1.0 / total if total > 0.0 else 0.0
    rest = reciprocal(law, n - minimum) * out[n - 1]
    out[n - 1] = weights[n - 1] * rest
    for i in range(n - 2, minimum - 1, -1):
        rest += short_coefficients[i + 1 - minimum] * out[i]
        out[i] = weights[i] * rest
    for i in range(minimum):
        out[i] = weights[i] * rest


@device
def _long_gradient(values, start, n, minimum, law, scratch, bases, out):
    """Weights go to their places in ``out``, then segment by segment from the last they become derivatives."""
    prefix, ratio = scratch[:SEGMENT], scratch[BUFFER : BUFFER + SEGMENT + 1]
    behind = scratch[2 * BUFFER : 2 * BUFFER + SEGMENT]
    at, high, low = first_weight(values, start, n), 0.0, 0.0
    origin = values[start + at] if at < n else 0.0
    segments = (n + SEGMENT - 1) // SEGMENT
    for segment in range(segments):
        s = segment * SEGMENT
        count = min(SEGMENT, n - s)
        weights = out[start + s : start + s + count]
        bad, steep = relative(values, start + s, count, origin, weights)
        if bad:
            return False
        if steep:
            return _slow_gradient(values, start, n, minimum, law, out)
        bases[2 * segment], bases[2 * segment + 1] = high, low
        for i in range(count):
            prefix[i] = weights[i]
        high, low = add(high, low, pairwise(prefix, count))
    high, low = 0.0, 0.0
    for segment in range(segments - 1, -1, -1):
        s = segment * SEGMENT
        count = min(SEGMENT, n - s)
        weights = out[start + s : start + s + count]
        for i in range(count):
            prefix[i] = weights[i]
        prefix_sums(prefix, count, bases[2 * segment], bases[2 * segment + 1])
        coefficients(law, s + 1 - minimum, count, n - minimum, ratio)
        for i in range(count):
            behind[count - 1 - i] = ratio[i] / prefix[i] if prefix[i] > 0.0 else 0.0
        sum_ = prefix_sums(behind, count, high, low)
        high, low = add(high, low, sum_)
        for i in range(count):
            weights[i] *= behind[count - 1 - i]
    return True


@device
def _slow_gradient(values, start, n, minimum, law, out):
    """A row that no one power of 2 can scale: ``log S_k`` forward, then the sum of ratios with an exponent of its own."""
    top, total = -np.inf, 0.0
    for i in range(n):
        v = values[start + i]
        if not v < np.inf:
            return False
        if v > top:
            total = (total * exp(top - v) if total > 0.0 else 0.0) + 1.0
            top = v
        elif v > -np.inf:
            total += exp(v - top)
        out[start + i] = top + np.log(total) if total > 0.0 else -np.inf
    rest, level = 0.0, np.inf  # the sum of ratios is rest * exp(-level); going down, log S_k falls
    for i in range(n - 1, -1, -1):
        v, log_sum, j = values[start + i], out[start + i], i + 1 - minimum
        if log_sum == -np.inf:
            out[start + i] = 0.0
            continue
        c = 0.0
        if j == n - minimum:
            c = reciprocal(law, j)
        elif j > 0:
            c = reciprocal(law, j) - reciprocal(law, j + 1)
        if c != 0.0:
            rest = (rest * exp(log_sum - level) if rest != 0.0 else 0.0) + c
            level = log_sum
        out[start + i] = rest * exp(v - level) if v > -np.inf else 0.0
    return True
