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
from fastsumo.kernels.job import BUFFER, OK
from fastsumo.vmath import _log_positive, _pow2

_LOG_2 = 0.6931471805599453


@device
def short_trials(job, work, n):
    """Values of the first ``n`` trials of ``work``, sorted by falling `K`, all short."""
    if n == 0:
        return OK
    rows = job.minimum + work.sorted_terms[0]
    row, lane, width = 0, 0, n
    while row < rows:
        used, pieces = 0, 0
        while row < rows and used < BUFFER:
            taken = min(width - lane, BUFFER - used)
            for i in range(taken):
                work.trials[used + i] = work.trial[lane + i]
            for i in range(taken):
                work.samples[used + i] = uint64(row)
            piece = work.pieces[pieces]
            piece[0], piece[1], piece[2], piece[3] = row, lane, taken, used
            pieces, used, lane = pieces + 1, used + taken, lane + taken
            if lane == width:
                row, lane = row + 1, 0
                width = _lanes(job, work, row, width)
        status = weigh(job, work, used)
        if status != OK:
            return status
        for p in range(pieces):
            piece = work.pieces[p]
            _add_row(job, work, piece[0], piece[1], piece[2], piece[3])
    _finish(job, work, n)
    return OK


@device
def _lanes(job, work, row, width):
    """How many trials have more than ``row`` samples; ``width`` of them have more than ``row - 1``."""
    while width > 0 and work.sorted_terms[width - 1] + job.minimum <= row:
        width -= 1
    return width


@device
def _add_row(job, work, row, lane, n, offset):
    """Add one weight to each of ``n`` lanes, and the new prefix to those that go on."""
    total, exponent = work.total[lane : lane + n], work.exponent[lane : lane + n]
    mantissa, power = work.mantissa[offset : offset + n], work.power[offset : offset + n]
    if row == 0:
        for i in range(n):
            total[i], exponent[i] = mantissa[i], power[i]
    else:
        for i in range(n):
            rise = power[i] - exponent[i]
            small, large = mantissa[i], total[i]
            if rise > 0.0:
                small, large = total[i], mantissa[i]
            exponent[i] = max(power[i], exponent[i])
            total[i] = fma(small, _pow2(-fabs(rise)), large)
    j = row + 1 - job.minimum
    if job.kind == LAST or j < 0:
        return
    product, exponents = work.product[lane : lane + n], work.exponents[lane : lane + n]
    if j == 0:  # a trial whose first prefix has no weight at all is marked by a zero, or by -inf
        empty = 0.0 if job.product else -np.inf
        begin = 1.0 if job.product else 0.0
        for i in range(n):
            product[i] = begin if total[i] > 0.0 else empty
            exponents[i] = 0.0 if job.product else exponent[i]
        return
    goes_on = min(max(_lanes(job, work, row + 1, lane + n) - lane, 0), n)
    inverse = 1.0 / (row + 1)
    if job.product:
        for i in range(goes_on):
            product[i] *= total[i] * inverse
            exponents[i] += exponent[i]
    else:
        coefficient = job.reciprocal[j] - job.reciprocal[j + 1]
        for i in range(goes_on):
            level = fma(exponent[i] - exponents[i], _LOG_2, _log_positive(total[i] * inverse))
            product[i] += coefficient * level


@device
def _finish(job, work, n):
    """From sums, products and exponents to the values of the trials."""
    total, exponent, values = work.total, work.exponent, work.values
    product, exponents, terms = work.product, work.exponents, work.sorted_terms
    if job.kind == LAST:
        for i in range(n):
            last = _log_positive(total[i] / (terms[i] + job.minimum))
            values[i] = fma(exponent[i], _LOG_2, last) if total[i] > 0.0 else -np.inf
    elif job.product:
        for i in range(n):
            k = float(terms[i])
            last = _log_positive(total[i] / (k + job.minimum))
            interior = _log_positive(product[i])
            value = fma(k * exponent[i] - exponents[i], _LOG_2, k * last - interior)
            values[i] = value if product[i] > 0.0 else -np.inf
    else:
        for i in range(n):
            weight = job.reciprocal[terms[i]]
            last = _log_positive(total[i] / (terms[i] + job.minimum))
            level = fma(exponent[i] - exponents[i], _LOG_2, last)
            values[i] = fma(exponents[i], _LOG_2, product[i] + weight * level) if product[i] > -np.inf else -np.inf
