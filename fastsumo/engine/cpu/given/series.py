"""Taylor's series of the log around a number c (Chopin, Crucinio & Singh 2024) on rows, and its derivatives.

A row is ``used[r]`` log weights from ``values[starts[r]]`` on, in blocks; ``y = 1 - mean of a block / c`` are its
factors, and ``log c - sum_k y_1 ... y_k / (k P(K >= k))`` its value, infinite or NaN where weights lie too far above
c. The derivative with respect to the log of a weight ``w`` of block ``i`` is ``w / (block c)`` times the product of the
factors before, times ``sum_{k >= i} y_{i+1} ... y_k / (k P(K >= k))``.
"""

import numpy as np
from numba import float64, int64, uint64

from fastsumo.engine.cpu.given.parts import BUFFER, SHORT, find_bad, reciprocal_any, weight_of
from fastsumo.jit.bits import fma
from fastsumo.jit.options import device, kernel
from fastsumo.trial.segments import added

_HIGHEST = 700.0  # log of a weight over c, beyond which products mean nothing
_LARGEST = np.finfo(np.float64).max
_NO_SHIFT = np.int64(0)


@kernel
def series_rows(values, starts, used, block, centers, law, counts, scratch, out):
    """The value of each row; ``counts`` are ``1 / (k P(K >= k))`` up to `SHORT` terms. The first bad row, or -1."""
    row, rows, buffer = int64(0), used.size, scratch[:BUFFER]
    while row < rows:
        if used[row] > SHORT:
            bad = _long_series(
                values, starts[row], used[row], block, centers[row], law, counts, buffer, out[row : row + 1]
            )
            if bad:
                return row
            row += 1
            continue
        last, filled = row, 0
        while last < rows and used[last] <= SHORT and filled + used[last] <= BUFFER:
            start, center = starts[last], centers[last]
            for i in range(used[last]):
                buffer[uint64(filled + i)] = float64(values[uint64(start + i)]) - center
            filled, last = filled + used[last], last + 1
        if _to_weights(buffer, filled):
            return find_bad(values, starts, used, row, last)
        at = 0
        for r in range(row, last):
            _, _, high, low = _go_on(buffer[at : at + used[r]], block, 0, law, counts, (0.0, 1.0, 0.0, 0.0))
            out[r] = centers[r] - (high + low)
            at += used[r]
        row = last
    return -1


@device
def _to_weights(x, n):
    """Weights over c in place of their logs; infinite beyond `_HIGHEST`. How many logs are NaN or +inf."""
    bad = 0
    for i in range(n):
        gap = x[i]
        bad += not (gap <= _LARGEST)
        x[i] = weight_of(gap, _NO_SHIFT) if gap < _HIGHEST else np.inf
    return bad


@device
def _long_series(values, start, n, block, center, law, counts, buffer, out):
    """One row, by buffers. Whether it holds NaN or +inf."""
    state = (0.0, 1.0, 0.0, 0.0)
    for s in range(0, n, BUFFER):
        count = min(BUFFER, n - s)
        for i in range(count):
            buffer[i] = float64(values[start + s + i]) - center
        if _to_weights(buffer, count):
            return True
        state = _go_on(buffer[:count], block, s, law, counts, state)
    out[0] = center - (state[2] + state[3])
    return False


@device
def _go_on(weights, block, start, law, counts, state):
    """Take the weights of a row from number ``start`` on: the sum of the block at hand, the product, the sum so far."""
    part, product, high, low = state
    inverse, k, left = 1.0 / block, start // block, block - start % block
    for i in range(weights.size):
        part += weights[i]
        left -= 1
        if left == 0:
            k, left = k + 1, block
            product *= fma(-part, inverse, 1.0)
            high, low = added(high, low, _count_of(k, law, counts) * product)
            part = 0.0
    return part, product, high, low


@device
def _count_of(k, law, counts):
    return counts[k] if k < counts.size else reciprocal_any(law, k) / k


@kernel
def series_gradient_rows(values, starts, used, block, centers, law, counts, room, places, out):
    """Derivatives of each row's weights, from ``out[places[r]]`` on; ``room`` has two numbers a term of a row."""
    for row in range(used.size):
        n, start, center = used[row], starts[row], centers[row]
        weights = out[places[row] : places[row] + n]
        for i in range(n):
            weights[i] = float64(values[start + i]) - center
        if _to_weights(weights, n):
            return row
        terms, inverse, product = n // block, 1.0 / block, 1.0
        factor, before = room[:terms], room[terms : 2 * terms]
        for k in range(terms):
            total = 0.0
            for i in range(k * block, (k + 1) * block):
                total += weights[i]
            factor[k], before[k] = fma(-total, inverse, 1.0), product
            product *= factor[k]
        rest = 0.0
        for k in range(terms - 1, -1, -1):
            rest = (
                fma(rest, factor[k + 1], _count_of(k + 1, law, counts))
                if k + 1 < terms
                else _count_of(k + 1, law, counts)
            )
            share = before[k] * rest * inverse
            for i in range(k * block, (k + 1) * block):
                weights[i] *= share
    return -1
