"""Jackknife of IWAE, orders 1 and 2 (JVI; Nowozin, ICLR 2018): trials side by side, and long ones alone.

With ``T`` the sum of the weights, ``R_i = T - w_i`` and ``R_ij = T - w_i - w_j``, the jackknife is ``L_k`` plus
multiples of the means of ``log(R_i / T)`` and ``log(R_ij / T)``, less the same for equal weights: logs near zero, so
nothing is lost to the size of ``k L_k``. ``R_i / T = 1 - w_i / T`` cancels for the largest weight only, and ``R_ij /
R_i = 1 - w_j / R_i`` for the two largest only: those come first, and what they leave is added up by itself.
"""

import math

import numpy as np
from numba import int64

from fastsumo.kernels._jit import device, inlined
from fastsumo.kernels.bits import float_bits, fma
from fastsumo.kernels.columns import (
    COLUMN_MANTISSA,
    COLUMN_POWER,
    fold_sum,
    scale,
    sum_rows,
    take_column,
    top_power,
    two_sum,
    weigh_columns,
    weigh_stretch,
)
from fastsumo.kernels.job import (
    BUFFER,
    EXPONENT,
    EXPONENTS,
    MANTISSA,
    OFFSET,
    OK,
    POWER,
    PRODUCT,
    STORE,
    TOTAL,
    TRIAL,
    VALUES,
    WEIGHT,
    WIDE,
)
from fastsumo.kernels.memory import floats, words
from fastsumo.vmath import _log_of, _log_positive, _pow2

_LOG_2 = 0.6931471805599453
_TINY = 2.0**-900  # sums below it, relative to a weight, have lost digits


@device
def jackknife_trials(job, work, short, n):
    """Values of the ``n`` trials of a tile; either all of them are short or none is."""
    k, values = job.cap, floats(work + VALUES, n)
    done = 0
    while done < short:
        columns = min(short - done, BUFFER // k)
        status = weigh_columns(job, work, done, columns, k)
        if status != OK and status != WIDE:
            return status
        _columns(job, work, done, columns)
        for i in range(columns if status == WIDE else 0):
            if take_column(job, work, i, columns, k):
                values[done + i] = _alone(job, work, work + COLUMN_MANTISSA, work + COLUMN_POWER)
        done += columns
    for i in range(short, n):
        status = _store(job, work, words(work + TRIAL, n)[i])
        if status != OK:
            return status
        values[i] = _alone(job, work, work + STORE, work + STORE + 8 * k)
    return OK


@device
def _store(job, work, trial):
    """Weigh a long trial into the worker's store. The status."""
    k = job.cap
    for start in range(0, k, BUFFER):
        n = min(BUFFER, k - start)
        status = weigh_stretch(job, work, trial, start, n)
        if status != OK and status != WIDE:
            return status
        mantissa, power = floats(work + MANTISSA, n), floats(work + POWER, n)
        kept, kept_power = floats(work + STORE + 8 * start, n), floats(work + STORE + 8 * (k + start), n)
        for i in range(n):
            kept[i], kept_power[i] = mantissa[i], power[i]
    return OK


@device
def _columns(job, work, first, n):
    """Values of the ``n`` trials in the buffer, from place ``first`` on, if their weights are plain."""
    k, weights = job.cap, work + WEIGHT
    for row in range(job.order):
        _largest_first(weights + 8 * row * n, n, k - row)
    sum_rows(weights + 8 * job.order * n, n, k - job.order, work + TOTAL)
    if job.order == 1:
        _columns_1(job, work, first, n)
    else:
        _columns_2(job, work, first, n)


@device
def _largest_first(weights, n, rows):
    """Bring the largest of each of ``n`` columns to the first row."""
    x = floats(weights, n)
    for row in range(1, rows):
        y = floats(weights + 8 * row * n, n)
        for i in range(n):
            up, a, b = y[i] > x[i], x[i], y[i]
            x[i], y[i] = (b if up else a), (a if up else b)


@device
def _columns_1(job, work, first, n):
    """Order 1 of columns with the largest weight first and the sum of the others in the scratch space."""
    k, values, largest, rest = (
        job.cap,
        floats(work + VALUES + 8 * first, n),
        floats(work + WEIGHT, n),
        floats(work + TOTAL, n),
    )
    inverse, product = floats(work + OFFSET, n), floats(work + PRODUCT, n)
    for i in range(n):
        inverse[i] = 1.0 / (largest[i] + rest[i])
        product[i] = rest[i] * inverse[i]
    _times_rest(work, n, 1, k)
    origin, equal = job.shift * _LOG_2, k * math.log1p(-1.0 / k)
    for i in range(n):
        level = origin + _log_positive((largest[i] + rest[i]) / k)
        value = level - (k - 1.0) / k * (_log_positive(product[i]) - equal)
        values[i] = value if rest[i] > 0.0 else -np.inf


@device
def _times_rest(work, n, first, rows):
    """Multiply each column's product by ``1 - w * inverse`` for its weights from a row on."""
    inverse, product = floats(work + OFFSET, n), floats(work + PRODUCT, n)
    for row in range(first, rows):
        weight = floats(work + WEIGHT + 8 * row * n, n)
        for i in range(n):
            product[i] *= fma(-weight[i], inverse[i], 1.0)


@inlined
def _shares(k, i):
    """What ``log(R_i / T)`` counts in order 2, its value for equal weights; both of ``sum_{j>i} log(R_ij / R_i)``."""
    further, pairs, share = k - 1.0 - i, k * (k - 1.0), (k - 2.0) * (k - 2.0)
    weight = (share * further - (k - 1.0) * (k - 1.0) * (k - 1.0)) / pairs
    return weight, math.log1p(-1.0 / k), share / pairs, further * math.log1p(-1.0 / (k - 1.0))


@device
def _columns_2(job, work, first, n):
    """Order 2 of columns with the two largest weights first and the sum of the others in the scratch space."""
    k, values, rest = job.cap, floats(work + VALUES + 8 * first, n), floats(work + TOTAL, n)
    largest, second = floats(work + WEIGHT, n), floats(work + WEIGHT + 8 * n, n)
    total, left = floats(work + EXPONENT, n), floats(work + EXPONENTS, n)
    inverse, product = floats(work + OFFSET, n), floats(work + PRODUCT, n)
    origin = job.shift * _LOG_2
    for i in range(n):
        total[i] = largest[i] + (second[i] + rest[i])
        values[i] = origin + _log_positive(total[i] / k)
    for row in range(k):
        left_out = floats(work + WEIGHT + 8 * row * n, n)
        for i in range(n):
            left[i] = second[i] + rest[i] if row == 0 else total[i] - left_out[i]
        for i in range(n):
            inverse[i] = 1.0 / left[i]
        for i in range(n):
            product[i] = rest[i] * inverse[i] if row == 0 else 1.0
        _times_rest(work, n, max(row + 1, 2), k)
        weight, equal, pair_weight, equal_pairs = _shares(k, row)
        for i in range(n):
            values[i] += weight * (_log_positive(left[i] / total[i]) - equal)
        for i in range(n):
            values[i] += pair_weight * (_log_positive(product[i]) - equal_pairs)
    for i in range(n):
        values[i] = values[i] if rest[i] > 0.0 else -np.inf


@device
def _alone(job, work, mantissa_at, power_at):
    """The value of one trial of any length, from weights of any scale, which may change places."""
    k, mantissa, power = job.cap, floats(mantissa_at, 1), floats(power_at, 1)
    top = top_power(mantissa_at, power_at, k)
    if top == -np.inf:
        return -np.inf
    _bring_first(work, mantissa_at, power_at, k, top)
    rest, rest_top = _sum(work, mantissa_at + 8, power_at + 8, k - 1, top)
    if rest == 0.0:
        return -np.inf
    total = mantissa[0] * _pow2(power[0] - top) + rest * _pow2(rest_top - top)
    whole, without = _log_of(total / k, top), _log_of(rest / total, rest_top - top)
    if job.order == 1:
        inverse, product = _pow2(rest_top - top) / total, 1.0
        for start in range(1, k, BUFFER):
            n = min(BUFFER, k - start)
            scale(mantissa_at + 8 * start, power_at + 8 * start, n, rest_top, work + TOTAL)
            product *= _product(work, work + TOTAL, n, inverse)
        return whole - (k - 1.0) / k * (without + _log_positive(product) - k * math.log1p(-1.0 / k))
    return whole + _pairs_alone(work, mantissa_at, power_at, k, top, total, rest, rest_top)


@device
def _pairs_alone(work, mantissa_at, power_at, k, top, total, rest, rest_top):
    """What order 2 adds to ``L_k``; the largest weight comes first, and the others have the sum ``rest``."""
    _bring_first(work, mantissa_at + 8, power_at + 8, k - 1, rest_top)
    left, left_top = _sum(work, mantissa_at + 16, power_at + 16, k - 2, rest_top)
    if left == 0.0:
        return -np.inf
    scale(mantissa_at + 16, power_at + 16, k - 2, rest_top, work + TOTAL)
    pairs = _log_of(left / rest, left_top - rest_top) + _log_positive(_product(work, work + TOTAL, k - 2, 1.0 / rest))
    weight, equal, pair_weight, equal_pairs = _shares(k, 0)
    value = weight * (_log_of(rest / total, rest_top - top) - equal) + pair_weight * (pairs - equal_pairs)
    scale(mantissa_at, power_at, k, top, work + TOTAL)
    for i in range(1, k):
        left = total - floats(work + TOTAL, k)[i]
        pairs = _log_positive(_product(work, work + TOTAL + 8 * (i + 1), k - 1 - i, 1.0 / left))
        weight, equal, pair_weight, equal_pairs = _shares(k, i)
        value += weight * (_log_positive(left / total) - equal) + pair_weight * (pairs - equal_pairs)
    return value


@device
def _bring_first(work, mantissa_at, power_at, n, top):
    """Let the first and the largest of the weights change places."""
    mantissa, power, weight = floats(mantissa_at, n), floats(power_at, n), floats(work + TOTAL, BUFFER)
    largest, at = int64(0), 0
    for start in range(0, n, BUFFER):
        size = min(BUFFER, n - start)
        scale(mantissa_at + 8 * start, power_at + 8 * start, size, top, work + TOTAL)
        here = int64(0)
        for i in range(size):
            here = max(here, float_bits(weight[i]))
        if here > largest:
            largest, at = here, start
            while float_bits(weight[at - start]) < here:
                at += 1
    mantissa[0], mantissa[at] = mantissa[at], mantissa[0]
    power[0], power[at] = power[at], power[0]


@device
def _sum(work, mantissa_at, power_at, n, top):
    """The sum of weights, relative to a power of 2 that comes with it: ``top``, or one at which it is not tiny."""
    total = _sum_at(work, mantissa_at, power_at, n, top)
    if total < _TINY:
        top = top_power(mantissa_at, power_at, n)
        total = _sum_at(work, mantissa_at, power_at, n, top) if top > -np.inf else 0.0
    return total, top


@device
def _sum_at(work, mantissa_at, power_at, n, top):
    """The sum of weights, relative to ``2**top``."""
    total, low = 0.0, 0.0
    for start in range(0, n, BUFFER):
        size = min(BUFFER, n - start)
        scale(mantissa_at + 8 * start, power_at + 8 * start, size, top, work + TOTAL)
        total, lost = two_sum(total, fold_sum(work + TOTAL, size))
        low += lost
    return total + low


@device
def _product(work, weights, n, inverse):
    """The product of ``1 - w * inverse`` over ``n`` weights."""
    if n == 0:
        return 1.0
    weight, product = floats(weights, n), floats(work + PRODUCT, n)
    for i in range(n):
        product[i] = fma(-weight[i], inverse, 1.0)
    while n > 1:
        kept = (n + 1) // 2
        x, y = floats(work + PRODUCT, n - kept), floats(work + PRODUCT + 8 * kept, n - kept)
        for i in range(n - kept):
            x[i] *= y[i]
        n = kept
    return product[0]
