"""Short trials: one lane each, worked on together in the order of falling `K`, one importance sample a row.

Row ``i`` holds the i-th sample of every trial that has one, so its lanes are the first ones and no lane idles. Sums
of weights are kept as mantissa and power of 2 under a running maximum of the power, which costs no second `exp`.
With harmonic weights ``SUMO = K L_N - sum L_k`` over the interior prefixes: their logs are one log of a product.
"""

import numpy as np
from numba import uint64

from fastsumo.estimators import LAST
from fastsumo.kernels._jit import device
from fastsumo.kernels.bits import fabs, fma
from fastsumo.kernels.buffer import weigh
from fastsumo.kernels.job import (
    BUFFER,
    EXPONENT,
    EXPONENTS,
    MANTISSA,
    OK,
    ORDERED_TERMS,
    PIECES,
    POWER,
    PRODUCT,
    SAMPLES,
    SHORT,
    TOTAL,
    TRIAL,
    TRIALS,
    VALUES,
)
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.vmath import _log_positive, _pow2

_LOG_2 = 0.6931471805599453


@device
def short_trials(job, work, n):
    """Values of the first ``n`` trials, sorted by falling `K`, all short."""
    if n == 0:
        return OK
    terms = ints(work + ORDERED_TERMS, n)
    pieces = ints(work + PIECES, BUFFER)
    rows = job.minimum + terms[0]
    row, lane, width = 0, 0, n
    while row < rows:
        used, found = 0, 0
        while row < rows and used < BUFFER:
            taken = min(width - lane, BUFFER - used)
            trials, samples = words(work + TRIALS + 8 * used, taken), words(work + SAMPLES + 8 * used, taken)
            lanes = words(work + TRIAL + 8 * lane, taken)
            for i in range(taken):
                trials[i], samples[i] = lanes[i], uint64(row)
            pieces[found], pieces[found + 1], pieces[found + 2], pieces[found + 3] = row, lane, taken, used
            found, used, lane = found + 4, used + taken, lane + taken
            if lane == width:
                row, lane = row + 1, 0
                while width > 0 and terms[width - 1] + job.minimum <= row:
                    width -= 1
        status = weigh(job, work, used)
        if status != OK:
            return status
        for p in range(0, found, 4):
            row_p, lane_p, taken = pieces[p], pieces[p + 1], pieces[p + 2]
            _add_row(job, work, row_p, lane_p, taken, pieces[p + 3])
            _add_prefix(job, work, row_p, lane_p, taken)
    _finish(job, work, n)
    return OK


@device
def _add_row(job, work, row, lane, n, offset):
    """Add one weight to each of ``n`` lanes."""
    total, exponent = floats(work + TOTAL + 8 * lane, n), floats(work + EXPONENT + 8 * lane, n)
    mantissa, power = floats(work + MANTISSA + 8 * offset, n), floats(work + POWER + 8 * offset, n)
    if row == 0:
        for i in range(n):
            total[i], exponent[i] = mantissa[i], power[i]
        return
    for i in range(n):
        rise = power[i] - exponent[i]
        up = rise > 0.0
        small, large = (total[i] if up else mantissa[i]), (mantissa[i] if up else total[i])
        exponent[i] = power[i] if up else exponent[i]
        total[i] = fma(small, _pow2(-fabs(rise)), large)


@device
def _add_prefix(job, work, row, lane, n):
    """Take the new prefix of each of ``n`` lanes that has further samples into its product, or its sum of logs."""
    j = row + 1 - job.minimum
    if job.kind == LAST or j < 0:
        return
    total, exponent = floats(work + TOTAL + 8 * lane, n), floats(work + EXPONENT + 8 * lane, n)
    product, exponents = floats(work + PRODUCT + 8 * lane, n), floats(work + EXPONENTS + 8 * lane, n)
    if j == 0:  # a trial whose first prefix has no weight at all is marked by a zero, or by -inf
        empty = 0.0 if job.product else -np.inf
        begin = 1.0 if job.product else 0.0
        for i in range(n):
            product[i] = begin if total[i] > 0.0 else empty
            exponents[i] = 0.0 if job.product else exponent[i]
        return
    terms = ints(work + ORDERED_TERMS + 8 * lane, n)
    while n > 0 and terms[n - 1] <= j:
        n -= 1
    inverse = 1.0 / (row + 1)
    if job.product:
        for i in range(n):
            product[i] *= total[i] * inverse
            exponents[i] += exponent[i]
    else:
        reciprocal = floats(job.reciprocal_at, SHORT + 2)
        coefficient = reciprocal[j] - reciprocal[j + 1]
        for i in range(n):
            level = fma(exponent[i] - exponents[i], _LOG_2, _log_positive(total[i] * inverse))
            product[i] += coefficient * level


@device
def _finish(job, work, n):
    """From sums, products and exponents to the values of the trials."""
    total, exponent, values = floats(work + TOTAL, n), floats(work + EXPONENT, n), floats(work + VALUES, n)
    product, exponents = floats(work + PRODUCT, n), floats(work + EXPONENTS, n)
    terms, reciprocal = ints(work + ORDERED_TERMS, n), floats(job.reciprocal_at, SHORT + 2)
    if job.kind == LAST:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + job.minimum))
            values[i] = fma(exponent[i], _LOG_2, last) if total[i] > 0.0 else -np.inf
    elif job.product:
        for i in range(n):
            k = float(terms[i])
            last = _log_positive(total[i] / (k + job.minimum))
            value = fma(k * exponent[i] - exponents[i], _LOG_2, k * last - _log_positive(product[i]))
            values[i] = value if product[i] > 0.0 else -np.inf
    else:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + job.minimum))
            level = fma(exponent[i] - exponents[i], _LOG_2, last)
            value = fma(exponents[i], _LOG_2, product[i] + reciprocal[terms[i]] * level)
            values[i] = value if product[i] > -np.inf else -np.inf
