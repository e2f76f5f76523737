"""Rows of given log weights, as `runs/given_log_weights.py` hands them over: `SUMO`, `IWAE` and the path of IWAE.

Gradients are in `gradient.py`, the jackknife in `jackknife.py`, what they share in `parts.py`, threads in `threads.py`.
A row is ``used[r]`` log weights from ``values[starts[r]]`` on. Short rows share a buffer, so that exponentials and
logarithms run over many rows at once; a long row goes by segments. Every kernel returns the first row that holds
NaN or +inf, or -1.
"""

import numpy as np
from numba import float64, int64, uint64

from fastsumo.engine.cpu.given.parts import (
    BUFFER,
    LIGHT,
    MANTISSA,
    ONE,
    OWN_FIRST,
    OWN_LARGEST,
    RISE,
    SEGMENT,
    SHIFT,
    SHORT,
    coefficients,
    find_bad,
    first_weight,
    is_steep,
    largest,
    log_scaled,
    pairwise,
    prefix_sums,
    reciprocal_any,
    relative,
    split,
    sum_log,
    take,
)
from fastsumo.jit.bits import bits_float, float_bits, fma
from fastsumo.jit.options import device, inlined, kernel
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.segments import added
from fastsumo.vmath import _log_positive, exp, log, log1p


@kernel
def sumo_rows(values, starts, used, minimum, law, reciprocals, inverse, scratch, out):
    """``L_m + sum (L_{m+j} - L_{m+j-1}) / P(K >= j)`` of each row, ``K = used - minimum``; -inf where ``L_m`` is."""
    harmonic = law.power == 1.0 and law.table.size == 0
    row, rows, share = int64(0), used.size, used.size > 0
    while row < rows:
        if used[row] > SHORT:
            value = _long_sumo(values, starts[row], used[row], minimum, law, harmonic, scratch)
            if value != value:
                return row
            out[row] = value
            row += 1
            continue
        last, _, shift, bad, steep = take(values, starts, used, row, share, OWN_FIRST, scratch)
        if bad:
            return find_bad(values, starts, used, row, last)
        light = _short_sumo(used, row, last, shift, minimum, law, harmonic, reciprocals, inverse, scratch, out)
        share = shift != 0 or not light
        if not share:
            continue
        if steep:
            for r in range(row, last):
                if is_steep(values, starts[r], used[r]):
                    out[r] = _slow_sumo(values, starts[r], used[r], minimum, law)
        row = last
    return -1


@device
def _short_sumo(used, row, last, shift, minimum, law, harmonic, reciprocals, inverse, scratch, out):
    """Rows in the buffer: sums along each, then logarithms of all. How many are too light for a shared origin."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    first, total = scratch[2 * BUFFER : 3 * BUFFER], scratch[3 * BUFFER : 4 * BUFFER]
    product, exponents = scratch[4 * BUFFER : 5 * BUFFER], scratch[5 * BUFFER : 6 * BUFFER]
    rows = used[row:last]
    longest_product = min(law.head, 1e18) if harmonic else 0.0  # up to it interior coefficients are -1
    at, general, light = 0, 0, 0
    for r in range(last - row):
        n = rows[r]
        if n - minimum <= longest_product:
            first[r], total[r], product[r], exponents[r] = _product(buffer, at, n, minimum, inverse)
        else:
            general += 1
            first[r], total[r] = _means(buffer, at, n, minimum, inverse)
        at += n
    values = out[row:last]
    for i in range(last - row):
        light += first[i] < LIGHT
        terms = float64(rows[i] - minimum)
        mantissa, power = split(total[i], shift)
        value = fma(terms, _log_positive(mantissa), -_log_positive(product[i]))
        value += fma(terms, power, -(exponents[i] + (terms - 1.0) * shift)) * LOG_2
        values[i] = origin[i] + value if first[i] > 0.0 else -np.inf
    if general:
        _general_values(rows, buffer, first, origin, longest_product, shift, minimum, reciprocals, values)
    return light


@device
def _general_values(rows, buffer, first, origin, longest_product, shift, minimum, reciprocals, values):
    """``sum c_j L_{m+j}`` of the rows whose prefix means are in the buffer."""
    at, filled = 0, 0
    for r in range(rows.size):
        filled += rows[r]
    for i in range(filled):
        buffer[i] = log_scaled(buffer[i], shift)
    for r in range(rows.size):
        n = rows[r]
        terms = n - minimum
        if not terms <= longest_product and first[r] > 0.0:
            value = buffer[at + n - 1] * reciprocals[terms]
            for j in range(1, terms):
                c = reciprocals[j] - reciprocals[j + 1]
                value = fma(c, buffer[uint64(at + minimum + j - 1)], value)
            values[r] = origin[r] + value
        at += n


@inlined
def _product(buffer, at, n, minimum, inverse):
    """Sum of the first weights, mean of all, and the product of the means between, with its exponent split off."""
    total, product, exponent = 0.0, 1.0, 0
    for i in range(minimum):
        total += buffer[uint64(at + i)]
    first = total
    for i in range(minimum, n - 1):
        total += buffer[uint64(at + i)]
        bits = float_bits(total * inverse[uint64(i + 1)])
        exponent += (bits >> 52) - 1023
        product *= bits_float((bits & MANTISSA) | ONE)
    total += buffer[uint64(at + n - 1)]
    return first, total * inverse[uint64(n)], product, float64(exponent)


@inlined
def _means(buffer, at, n, minimum, inverse):
    """Prefix means in place of the weights; the sum of the first weights, and the mean of all."""
    total, first = 0.0, 0.0
    for i in range(n):
        total += buffer[uint64(at + i)]
        buffer[uint64(at + i)] = total * inverse[uint64(i + 1)]
        first = total if i < minimum else first
    return first, total * inverse[uint64(n)]


@device
def _long_sumo(values, start, n, minimum, law, harmonic, scratch):
    """SUMO of one row, by segments. NaN where the row holds NaN or +inf."""
    prefix, weights, spare = scratch[:SEGMENT], scratch[BUFFER : BUFFER + SEGMENT + 1], scratch[2 * BUFFER :]
    at = first_weight(values, start, n)
    origin = float64(values[start + at]) if at < n else 0.0
    terms = n - minimum
    product = harmonic and terms <= law.head
    high, low, total, total_low = 0.0, 0.0, 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        bad, steep = relative(values, start + s, count, origin, SHIFT, RISE, prefix)
        if bad:
            return np.nan
        if steep:
            return _slow_sumo(values, start, n, minimum, law)
        sum_ = prefix_sums(prefix, count, high, low)
        high, low = added(high, low, sum_)
        for i in range(count):
            prefix[i] /= s + i + 1
        if product:
            part = -sum_log(prefix, max(minimum - s, 0), min(n - 1 - s, count), SHIFT, spare)
        else:
            coefficients(law, s + 1 - minimum, count, terms, weights)
            for i in range(count):
                weights[i] *= log_scaled(prefix[i], SHIFT)
            part = pairwise(weights, count)
        total, total_low = added(total, total_low, part)
    if at >= minimum:
        return -np.inf
    if product:
        total += terms * log_scaled((high + low) / n, SHIFT)
    return origin + (total + total_low)


@device
def _slow_sumo(values, start, n, minimum, law):
    """SUMO of a row that no one power of 2 can scale: increments one by one, under a running maximum."""
    top, total, value = -np.inf, 0.0, -np.inf
    for i in range(n):
        v = float64(values[start + i])
        if not v < np.inf:
            return np.nan
        increment = 0.0
        if v > top:
            scaled = total * exp(top - v) if total > 0.0 else 0.0
            if total > 0.0:
                increment = (v - top) + log1p(scaled) - log(total)
            top, total = v, scaled + 1.0
        elif v > -np.inf:
            w = exp(v - top)
            increment = log1p(w / total)
            total += w
        j = i + 1 - minimum
        if j == 0 and total > 0.0:
            value = top + log(total / minimum)
        elif j == 1 and value > -np.inf:
            value = top + log(total / (minimum + 1))  # as P(K >= 1) = 1, L_m cancels
        elif j > 1:
            value += (increment - log1p(1.0 / i)) * reciprocal_any(law, j)
    return value


@kernel
def iwae_rows(values, starts, used, inverse, scratch, out):
    """``L_n`` of each row, ``n = used``."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    row, rows, share = int64(0), used.size, used.size > 0
    while row < rows:
        if used[row] > SHORT:
            value = _long_iwae(values, starts[row], used[row], scratch)
            if value != value:
                return row
            out[row] = value
            row += 1
            continue
        last, _, shift, bad, _ = take(values, starts, used, row, share, OWN_LARGEST, scratch)
        if bad:
            return find_bad(values, starts, used, row, last)
        at, light = 0, 0
        means = out[row:last]
        for r in range(last - row):
            n, total = used[uint64(row + r)], 0.0
            for i in range(at, at + n):
                total += buffer[uint64(i)]
            means[r] = total * inverse[uint64(n)]
            at += n
        for r in range(last - row):
            mean = means[r]
            light += mean < LIGHT
            means[r] = origin[r] + log_scaled(mean, shift) if mean > 0.0 else -np.inf
        share = shift != 0 or not light
        row = last if share else row
    return -1


@device
def _long_iwae(values, start, n, scratch):
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
    return origin + log_scaled((high + low) / n, SHIFT)


@kernel
def path_rows(values, starts, used, inverse, scratch, places, out):
    """``L_1, L_2, ...`` of each row, from ``out[places[r]]`` on."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    row, rows, share = int64(0), used.size, used.size > 0
    while row < rows:
        if used[row] > SHORT:
            if not _long_path(values, starts[row], used[row], scratch, out[places[row] :]):
                return row
            row += 1
            continue
        last, filled, shift, bad, steep = take(values, starts, used, row, share, OWN_FIRST, scratch)
        if bad:
            return find_bad(values, starts, used, row, last)
        at, light = 0, 0
        for r in range(row, last):
            first, _ = _means(buffer, at, used[r], 1, inverse)
            light += first < LIGHT
            at += used[r]
        share = shift != 0 or not light
        if not share:
            continue
        for i in range(filled):
            buffer[i] = log_scaled(buffer[i], shift) if buffer[i] > 0.0 else -np.inf
        at = 0
        for r in range(row, last):
            n, level, place = used[r], origin[r - row], places[r]
            for i in range(n):
                out[uint64(place + i)] = level + buffer[uint64(at + i)]
            at += n
            if steep and is_steep(values, starts[r], n):
                _slow_path(values, starts[r], n, out[place:])
        row = last
    return -1


@device
def _long_path(values, start, n, scratch, out):
    """False where the row holds NaN or +inf."""
    prefix = scratch[:SEGMENT]
    at = first_weight(values, start, n)
    origin = float64(values[start + at]) if at < n else 0.0
    high, low = 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        bad, steep = relative(values, start + s, count, origin, SHIFT, RISE, prefix)
        if bad:
            return False
        if steep:
            return _slow_path(values, start, n, out)
        sum_ = prefix_sums(prefix, count, high, low)
        high, low = added(high, low, sum_)
        levels = out[s : s + count]
        for i in range(count):
            levels[i] = origin + log_scaled(prefix[i] / (s + i + 1), SHIFT) if prefix[i] > 0.0 else -np.inf
    return True


@device
def _slow_path(values, start, n, out):
    """The path of a row that no one power of 2 can scale."""
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
        out[i] = top + log(total / (i + 1)) if total > 0.0 else -np.inf
    return True
