"""Jackknife of IWAE, orders 1 and 2 (JVI; Nowozin, ICLR 2018): trials side by side, and long ones alone.

With ``T`` the sum of the weights, ``R_i = T - w_i`` and ``R_ij = T - w_i - w_j``, the jackknife is ``L_k`` plus
multiples of the means of ``log(R_i / T)`` and ``log(R_ij / T)``, less the same for equal weights: logs near zero, so
nothing is lost to the size of ``k L_k``. ``R_i / T = 1 - w_i / T`` cancels for the largest weight only, and ``R_ij /
R_i = 1 - w_j / R_i`` for the two largest only: those come first, and what they leave is added up by itself.
"""

import numpy as np
from numba import int64

from fastsumo.engine.cpu.kernels.columns import (
    fold_sum,
    scale,
    sum_columns,
    take_column,
    top_power,
    weigh_columns,
    weigh_stretch,
)
from fastsumo.engine.cpu.kernels.scratch import (
    BUFFER,
    column_mantissas_at,
    column_powers_at,
    column_products_in,
    column_sums_in,
    factors_in,
    inverses_in,
    mantissas_in,
    powers_in,
    rests_at,
    rests_in,
    scaled_at,
    scaled_in,
    store_at,
    store_in,
    sums_without_in,
    trial_numbers_in,
    values_in,
    weights_at,
    weights_in,
)
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.bits import float_bits, fma
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device, inlined
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.segments import two_sum
from fastsumo.vmath import _log_of, _log_positive, _pow2, log1p

_TINY = 2.0**-900  # sums below it, relative to a weight, have lost digits


@device
def jackknife_trials(params, scratch, short, n):
    """Values of the ``n`` trials of a tile; either all of them are short or none is."""
    k, values = params.cap, values_in(scratch, 0, n)
    done = 0
    while done < short:
        columns = min(short - done, BUFFER // k)
        status = weigh_columns(params, scratch, done, columns, k)
        if status != OK and status != EXTENDED:
            return status
        _columns(params, scratch, done, columns)
        for i in range(columns if status == EXTENDED else 0):
            if take_column(params, scratch, i, columns, k):
                values[done + i] = _alone(
                    params, scratch, column_mantissas_at(scratch, 0), column_powers_at(scratch, 0)
                )
        done += columns
    for i in range(short, n):
        status = _store(params, scratch, trial_numbers_in(scratch, 0, n)[i])
        if status != OK:
            return status
        values[i] = _alone(params, scratch, store_at(scratch, 0), store_at(scratch, k))
    return OK


@device
def _store(params, scratch, trial):
    """Weigh a long trial into the worker's store. The status."""
    k = params.cap
    for start in range(0, k, BUFFER):
        n = min(BUFFER, k - start)
        status = weigh_stretch(params, scratch, trial, start, n)
        if status != OK and status != EXTENDED:
            return status
        mantissa, power = mantissas_in(scratch, 0, n), powers_in(scratch, 0, n)
        kept, kept_power = store_in(scratch, start, n), store_in(scratch, k + start, n)
        for i in range(n):
            kept[i], kept_power[i] = mantissa[i], power[i]
    return OK


@device
def _columns(params, scratch, first, n):
    """Values of the ``n`` trials in the buffer, from place ``first`` on, if their weights are in the linear range."""
    k, weights = params.cap, weights_at(scratch, 0)
    for s in range(params.order):
        _largest_first(weights + 8 * s * n, n, k - s)
    sum_columns(weights + 8 * params.order * n, n, k - params.order, rests_at(scratch, 0))
    if params.order == 1:
        _columns_1(params, scratch, first, n)
    else:
        _columns_2(params, scratch, first, n)


@device
def _largest_first(weights, n, samples):
    """Bring the largest weight of each of ``n`` columns to its top."""
    x = floats(weights, n)
    for s in range(1, samples):
        y = floats(weights + 8 * s * n, n)
        for i in range(n):
            up, a, b = y[i] > x[i], x[i], y[i]
            x[i], y[i] = (b if up else a), (a if up else b)


@device
def _columns_1(params, scratch, first, n):
    """Order 1 of columns with the largest weight first and the sum of the others in the scratch memory."""
    k, values = params.cap, values_in(scratch, first, n)
    largest, rest = weights_in(scratch, 0, n), rests_in(scratch, 0, n)
    inverse, product = inverses_in(scratch, 0, n), column_products_in(scratch, 0, n)
    for i in range(n):
        inverse[i] = 1.0 / (largest[i] + rest[i])
        product[i] = rest[i] * inverse[i]
    _times_rest(scratch, n, 1, k)
    origin = params.shift * LOG_2
    for i in range(n):
        level = origin + _log_positive((largest[i] + rest[i]) / k)
        value = level - (k - 1.0) / k * (_log_positive(product[i]) - params.equal_logs)
        values[i] = value if rest[i] > 0.0 else -np.inf


@device
def _times_rest(scratch, n, first, samples):
    """Multiply each column's product by ``1 - w * inverse`` for its weights from sample ``first`` on."""
    inverse, product = inverses_in(scratch, 0, n), column_products_in(scratch, 0, n)
    for s in range(first, samples):
        weight = weights_in(scratch, s * n, n)
        for i in range(n):
            product[i] *= fma(-weight[i], inverse[i], 1.0)


@inlined
def _shares(k, i):
    """What ``log(R_i / T)`` counts in order 2, its value for equal weights; both of ``sum_{j>i} log(R_ij / R_i)``."""
    further, pairs, share = k - 1.0 - i, k * (k - 1.0), (k - 2.0) * (k - 2.0)
    weight = (share * further - (k - 1.0) * (k - 1.0) * (k - 1.0)) / pairs
    return weight, log1p(-1.0 / k), share / pairs, further * log1p(-1.0 / (k - 1.0))


@device
def _columns_2(params, scratch, first, n):
    """Order 2 of columns with the two largest weights first and the sum of the others in the scratch memory."""
    k, values, rest = params.cap, values_in(scratch, first, n), rests_in(scratch, 0, n)
    largest, second = weights_in(scratch, 0, n), weights_in(scratch, n, n)
    total, left = column_sums_in(scratch, 0, n), sums_without_in(scratch, 0, n)
    inverse, product = inverses_in(scratch, 0, n), column_products_in(scratch, 0, n)
    origin = params.shift * LOG_2
    for i in range(n):
        total[i] = largest[i] + (second[i] + rest[i])
        values[i] = origin + _log_positive(total[i] / k)
    for s in range(k):
        left_out = weights_in(scratch, s * n, n)
        for i in range(n):
            left[i] = second[i] + rest[i] if s == 0 else total[i] - left_out[i]
        for i in range(n):
            inverse[i] = 1.0 / left[i]
        for i in range(n):
            product[i] = rest[i] * inverse[i] if s == 0 else 1.0
        _times_rest(scratch, n, max(s + 1, 2), k)
        weight, equal, pair_weight, equal_pairs = _shares(k, s)
        for i in range(n):
            values[i] += weight * (_log_positive(left[i] / total[i]) - equal)
        for i in range(n):
            values[i] += pair_weight * (_log_positive(product[i]) - equal_pairs)
    for i in range(n):
        values[i] = values[i] if rest[i] > 0.0 else -np.inf


@device
def _alone(params, scratch, mantissa_at, power_at):
    """The value of one trial of any length, in the extended range; weights may change places."""
    k, mantissa, power = params.cap, floats(mantissa_at, 1), floats(power_at, 1)
    top = top_power(mantissa_at, power_at, k)
    if top == -np.inf:
        return -np.inf
    _bring_first(scratch, mantissa_at, power_at, k, top)
    rest, rest_top = _sum(scratch, mantissa_at + 8, power_at + 8, k - 1, top)
    if rest == 0.0:
        return -np.inf
    total = mantissa[0] * _pow2(power[0] - top) + rest * _pow2(rest_top - top)
    whole, without = _log_of(total / k, top), _log_of(rest / total, rest_top - top)
    if params.order == 1:
        inverse, product = _pow2(rest_top - top) / total, 1.0
        for start in range(1, k, BUFFER):
            n = min(BUFFER, k - start)
            scale(mantissa_at + 8 * start, power_at + 8 * start, n, rest_top, scaled_at(scratch, 0))
            product *= _product(scratch, scaled_at(scratch, 0), n, inverse)
        return whole - (k - 1.0) / k * (without + _log_positive(product) - params.equal_logs)
    return whole + _pairs_alone(scratch, mantissa_at, power_at, k, top, total, rest, rest_top)


@device
def _pairs_alone(scratch, mantissa_at, power_at, k, top, total, rest, rest_top):
    """What order 2 adds to ``L_k``; the largest weight comes first, and the others have the sum ``rest``."""
    _bring_first(scratch, mantissa_at + 8, power_at + 8, k - 1, rest_top)
    left, left_top = _sum(scratch, mantissa_at + 16, power_at + 16, k - 2, rest_top)
    if left == 0.0:
        return -np.inf
    scale(mantissa_at + 16, power_at + 16, k - 2, rest_top, scaled_at(scratch, 0))
    pairs = _log_of(left / rest, left_top - rest_top) + _log_positive(
        _product(scratch, scaled_at(scratch, 0), k - 2, 1.0 / rest)
    )
    weight, equal, pair_weight, equal_pairs = _shares(k, 0)
    value = weight * (_log_of(rest / total, rest_top - top) - equal) + pair_weight * (pairs - equal_pairs)
    scale(mantissa_at, power_at, k, top, scaled_at(scratch, 0))
    for i in range(1, k):
        left = total - scaled_in(scratch, 0, k)[i]
        pairs = _log_positive(_product(scratch, scaled_at(scratch, i + 1), k - 1 - i, 1.0 / left))
        weight, equal, pair_weight, equal_pairs = _shares(k, i)
        value += weight * (_log_positive(left / total) - equal) + pair_weight * (pairs - equal_pairs)
    return value


@device
def _bring_first(scratch, mantissa_at, power_at, n, top):
    """Let the first and the largest of the weights change places."""
    mantissa, power, weight = floats(mantissa_at, n), floats(power_at, n), scaled_in(scratch, 0, BUFFER)
    largest, at = int64(0), 0
    for start in range(0, n, BUFFER):
        size = min(BUFFER, n - start)
        scale(mantissa_at + 8 * start, power_at + 8 * start, size, top, scaled_at(scratch, 0))
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
def _sum(scratch, mantissa_at, power_at, n, top):
    """The sum of weights, relative to a power of 2 that comes with it: ``top``, or one at which it is not tiny."""
    total = _sum_at(scratch, mantissa_at, power_at, n, top)
    if total < _TINY:
        top = top_power(mantissa_at, power_at, n)
        total = _sum_at(scratch, mantissa_at, power_at, n, top) if top > -np.inf else 0.0
    return total, top


@device
def _sum_at(scratch, mantissa_at, power_at, n, top):
    """The sum of weights, relative to ``2**top``."""
    total, low = 0.0, 0.0
    for start in range(0, n, BUFFER):
        size = min(BUFFER, n - start)
        scale(mantissa_at + 8 * start, power_at + 8 * start, size, top, scaled_at(scratch, 0))
        total, lost = two_sum(total, fold_sum(scaled_at(scratch, 0), size))
        low += lost
    return total + low


@device
def _product(scratch, weights, n, inverse):
    """The product of ``1 - w * inverse`` over ``n`` weights."""
    if n == 0:
        return 1.0
    weight, product = floats(weights, n), factors_in(scratch, 0, n)
    for i in range(n):
        product[i] = fma(-weight[i], inverse, 1.0)
    while n > 1:
        kept = (n + 1) // 2
        x, y = factors_in(scratch, 0, n - kept), factors_in(scratch, kept, n - kept)
        for i in range(n - kept):
            x[i] *= y[i]
        n = kept
    return product[0]
