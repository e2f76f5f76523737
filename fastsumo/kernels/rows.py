"""Rows of log weights that come from elsewhere, as `loglik.py` hands them over: `SUMO`, `IWAE` and the path of IWAE.

Gradients are in `rows_gradient.py`, the jackknife in `rows_jackknife.py`, the parts they share in `rows_parts.py`. A row
is ``used[r]`` log weights from ``values[starts[r]]`` on. Short rows share a buffer, so that exponentials and logarithms run
over many rows at once; a long row goes by segments. Every kernel returns the first row that holds NaN or +inf, or -1.
"""

import math

import numpy as np

from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.bits import bits_float, float_bits, fma
from fastsumo.kernels.rows_parts import (
    BUFFER,
    LOG_2,
    MANTISSA,
    ONE,
    SEGMENT,
    SHIFT,
    SHORT,
    add,
    coefficients,
    exponentials,
    fill,
    find_bad,
    first_weight,
    is_steep,
    largest,
    log_scaled,
    pairwise,
    prefix_sums,
    reciprocal,
    relative,
    split,
    sum_log,
)
from fastsumo.vmath import exp, log, log1p


@kernel
def sumo_rows(values, starts, used, minimum, law, short_coefficients, inverse, scratch, out):
    """``L_m + sum (L_{m+j} - L_{m+j-1}) / P(K >= j)`` of each row, ``K = used - minimum``; -inf where ``L_m`` is."""
    harmonic = law.power == 1.0 and law.table.size == 0
    row, rows = 0, used.size
    while row < rows:
        if used[row] > SHORT:
            value = _long_sumo(values, starts[row], used[row], minimum, law, harmonic, scratch)
            if value != value:
                return row
            out[row] = value
            row += 1
            continue
        last, filled = fill(values, starts, used, row, False, scratch)
        bad, steep = exponentials(scratch, filled)
        if bad:
            return find_bad(values, starts, used, row, last)
        _short_sumo(used, row, last, minimum, law, harmonic, short_coefficients, inverse, scratch, out)
        if steep:
            for r in range(row, last):
                if is_steep(values, starts[r], used[r]):
                    out[r] = _slow_sumo(values, starts[r], used[r], minimum, law)
        row = last
    return -1


@device
def _short_sumo(used, row, last, minimum, law, harmonic, short_coefficients, inverse, scratch, out):
    """Rows that fit the buffer: sums along each row, then logarithms of all rows together."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    total, product = scratch[2 * BUFFER : 3 * BUFFER], scratch[3 * BUFFER : 4 * BUFFER]
    exponents = scratch[4 * BUFFER : 5 * BUFFER]
    at, general = 0, 0
    for r in range(row, last):
        n = used[r]
        if harmonic and n - minimum <= law.head:  # interior coefficients are -1: one logarithm of a product
            total[r - row], product[r - row], exponents[r - row] = _product(buffer, at, n, minimum, inverse)
        else:
            general += 1
            total[r - row] = _means(buffer, at, n, minimum, inverse)
        at += n
    for i in range(last - row):
        terms = float(used[row + i] - minimum)
        mantissa, power = split(total[i])
        value = fma(terms, log(mantissa), -log(product[i])) + fma(terms, power, -exponents[i]) * LOG_2
        out[row + i] = origin[i] + value if total[i] > 0.0 else -np.inf
    if general:
        for i in range(at):
            buffer[i] = log_scaled(buffer[i])
        at = 0
        for r in range(row, last):
            n = used[r]
            terms = n - minimum
            if not (harmonic and terms <= law.head) and total[r - row] > 0.0:
                value = buffer[at + n - 1] * reciprocal(law, terms)
                for j in range(1, terms):
                    value = fma(short_coefficients[j], buffer[at + minimum + j - 1], value)
                out[r] = origin[r - row] + value
            at += n


@device
def _product(buffer, at, n, minimum, inverse):
    """The last prefix mean (0 where the first has no weight), and the product of those between, exponent split off."""
    total, product, exponent = 0.0, 1.0, 0
    for i in range(minimum):
        total += buffer[at + i]
    first = total
    for i in range(minimum, n - 1):
        total += buffer[at + i]
        bits = float_bits(total * inverse[i + 1])
        exponent += (bits >> 52) - (1023 - SHIFT)
        product *= bits_float((bits & MANTISSA) | ONE)
    total += buffer[at + n - 1]
    return (total * inverse[n] if first > 0.0 else 0.0), product, float(exponent)


@device
def _means(buffer, at, n, minimum, inverse):
    """Prefix means in place of the weights; the mean at the minimum."""
    total, first = 0.0, 0.0
    for i in range(n):
        total += buffer[at + i]
        buffer[at + i] = total * inverse[i + 1]
        first = total if i < minimum else first
    return first


@device
def _long_sumo(values, start, n, minimum, law, harmonic, scratch):
    """SUMO of one row, by segments. NaN where the row holds NaN or +inf."""
    prefix, weights, spare = scratch[:SEGMENT], scratch[BUFFER : BUFFER + SEGMENT + 1], scratch[2 * BUFFER :]
    at = first_weight(values, start, n)
    origin = values[start + at] if at < n else 0.0
    terms = n - minimum
    product = harmonic and terms <= law.head
    high, low, total, total_low = 0.0, 0.0, 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        bad, steep = relative(values, start + s, count, origin, prefix)
        if bad:
            return np.nan
        if steep:
            return _slow_sumo(values, start, n, minimum, law)
        sum_ = prefix_sums(prefix, count, high, low)
        high, low = add(high, low, sum_)
        if product:
            part = -sum_log(prefix, max(minimum - s, 0), min(n - 1 - s, count), spare)
        else:
            coefficients(law, s + 1 - minimum, count, terms, weights)
            for i in range(count):
                weights[i] *= log_scaled(prefix[i] / (s + i + 1))
            part = pairwise(weights, count)
        total, total_low = add(total, total_low, part)
    if at >= minimum:
        return -np.inf
    if not product:
        return origin + (total + total_low)
    counted = math.lgamma(float(n)) - math.lgamma(minimum + 1.0)
    return origin + ((total + counted) + total_low + terms * log_scaled((high + low) / n))


@device
def _slow_sumo(values, start, n, minimum, law):
    """SUMO of a row that no one power of 2 can scale: increments one by one, under a running maximum."""
    top, total, value = -np.inf, 0.0, -np.inf
    for i in range(n):
        v = values[start + i]
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
        elif j > 0:
            value += (increment - log1p(1.0 / i)) * reciprocal(law, j)
    return value


@kernel
def iwae_rows(values, starts, used, inverse, scratch, out):
    """``L_n`` of each row, ``n = used``."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    row, rows = 0, used.size
    while row < rows:
        if used[row] > SHORT:
            value = _long_iwae(values, starts[row], used[row], scratch)
            if value != value:
                return row
            out[row] = value
            row += 1
            continue
        last, filled = fill(values, starts, used, row, True, scratch)
        bad, _ = exponentials(scratch, filled)
        if bad:
            return find_bad(values, starts, used, row, last)
        at = 0
        for r in range(row, last):
            n, total = used[r], 0.0
            for i in range(at, at + n):
                total += buffer[i]
            out[r] = total * inverse[n]
            at += n
        for i in range(last - row):
            mean = out[row + i]
            out[row + i] = origin[i] + log_scaled(mean) if mean > 0.0 else -np.inf
        row = last
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
        bad, _ = relative(values, start + s, count, origin, weights)
        if bad:
            return np.nan
        high, low = add(high, low, pairwise(weights, count))
    return origin + log_scaled((high + low) / n)


@kernel
def path_rows(values, starts, used, inverse, scratch, out):
    """``L_1, L_2, ...`` of each row, at the places of its weights."""
    buffer, origin = scratch[:BUFFER], scratch[BUFFER : 2 * BUFFER]
    row, rows = 0, used.size
    while row < rows:
        if used[row] > SHORT:
            if not _long_path(values, starts[row], used[row], scratch, out):
                return row
            row += 1
            continue
        last, filled = fill(values, starts, used, row, False, scratch)
        bad, steep = exponentials(scratch, filled)
        if bad:
            return find_bad(values, starts, used, row, last)
        at = 0
        for r in range(row, last):
            _means(buffer, at, used[r], 1, inverse)
            at += used[r]
        for i in range(filled):
            buffer[i] = log_scaled(buffer[i]) if buffer[i] > 0.0 else -np.inf
        at = 0
        for r in range(row, last):
            start, level = starts[r], origin[r - row]
            for i in range(used[r]):
                out[start + i] = level + buffer[at + i]
            at += used[r]
            if steep and is_steep(values, start, used[r]):
                _slow_path(values, start, used[r], out)
        row = last
    return -1


@device
def _long_path(values, start, n, scratch, out):
    """False where the row holds NaN or +inf."""
    prefix = scratch[:SEGMENT]
    at = first_weight(values, start, n)
    origin = values[start + at] if at < n else 0.0
    high, low = 0.0, 0.0
    for s in range(0, n, SEGMENT):
        count = min(SEGMENT, n - s)
        bad, steep = relative(values, start + s, count, origin, prefix)
        if bad:
            return False
        if steep:
            return _slow_path(values, start, n, out)
        sum_ = prefix_sums(prefix, count, high, low)
        high, low = add(high, low, sum_)
        levels = out[start + s : start + s + count]
        for i in range(count):
            levels[i] = origin + log_scaled(prefix[i] / (s + i + 1)) if prefix[i] > 0.0 else -np.inf
    return True


@device
def _slow_path(values, start, n, out):
    """The path of a row that no one power of 2 can scale."""
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
        out[start + i] = top + log(total / (i + 1)) if total > 0.0 else -np.inf
    return True
