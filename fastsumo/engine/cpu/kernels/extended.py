"""Trials of which some weight is outside the linear range (`trial/ranges.py`); what runs all others is imported here.

Short ones keep sums and products as mantissa and power under a running maximum: the bits are those of the linear range
where all of a trial is in it, since scaling by powers of 2 rounds nothing and logs are taken of mantissa and power
together. So it does not matter which trials of a tile are worked on here. Long ones go by segments in the linear range
until a segment is not in it, and one sample after the other from there on. Columns are in `columns.py`.
"""

import numpy as np

from fastsumo.engine.cpu.kernels.buffer import weigh_any
from fastsumo.engine.cpu.kernels.long import add_log, along_samples, take_segment
from fastsumo.engine.cpu.kernels.scratch import (
    first_logs_in,
    log_sums_in,
    logs_before_in,
    mantissas_in,
    powers_in,
    product_powers_in,
    products_in,
    terms_in,
    total_powers_in,
    totals_in,
    values_in,
    weights_in,
)
from fastsumo.engine.cpu.kernels.short import (
    begin,
    beyond_head,
    going_on,
    sample_by_sample,
    short_trials,
)
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.bits import fabs, fma
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device
from fastsumo.trial import kinds
from fastsumo.trial.coefficients import coefficient_of, is_harmonic, leaves_head, reciprocal_any
from fastsumo.trial.ranges import LOG_2, count_outside
from fastsumo.trial.segments import ALIVE, BASE, BASE_LOW, LEVEL, SEQUENTIAL, SUM, SUM_LOW, depth_of, slot_of
from fastsumo.trial.sizes import LANES, SHORT
from fastsumo.vmath import _log_of, _pow2


@device
def extended_short_trials(params, scratch, n):
    """`short_trials` for the extended range."""
    status = short_trials(params, scratch, n)
    if status == EXTENDED:
        status = _run(params, scratch, n)
        if status == OK:
            _finish(params, scratch, n)
    return status


@device
def _add(params, scratch, sample, lane, n, offset):
    """`short._add` with sums and products as mantissa and power."""
    total, total_power = totals_in(scratch, lane, n), total_powers_in(scratch, lane, n)
    product, product_power = products_in(scratch, lane, n), product_powers_in(scratch, lane, n)
    mantissa, power = mantissas_in(scratch, offset, n), powers_in(scratch, offset, n)
    if sample == 0:
        for i in range(n):
            total[i], total_power[i] = mantissa[i], power[i] - params.shift
    else:
        for i in range(n):
            above = power[i] - params.shift
            rise = above - total_power[i]
            up = rise > 0.0
            small, large = (total[i] if up else mantissa[i]), (mantissa[i] if up else total[i])
            total_power[i] = above if up else total_power[i]
            total[i] = fma(small, _pow2(-fabs(rise)), large)
    first, j, inverse = params.alive - 1, sample + 1 - params.minimum, 1.0 / (sample + 1)
    if params.kind == kinds.IWAE or sample < first:
        return
    if sample == first:
        begin(params, total, product)
        for i in range(n):
            product_power[i] = 0.0
    if params.kind == kinds.SINGLE_TERM:
        _add_single(scratch, sample, lane, n)
    if params.kind == kinds.SINGLE_TERM or j < 1:
        return
    on = going_on(scratch, lane, n, j)
    if is_harmonic(params, j):
        for i in range(on):
            product[i] *= total[i] * inverse
            product_power[i] += total_power[i]
        return
    log_sum = log_sums_in(scratch, lane, n)
    if leaves_head(params, j):
        for i in range(on):
            log_sum[i] = -_log_of(product[i], product_power[i]) if product[i] > 0.0 else -np.inf
    coefficient = coefficient_of(params, j)
    for i in range(on):
        log_sum[i] += coefficient * _log_of(total[i] * inverse, total_power[i])


@device
def _add_single(scratch, sample, lane, n):
    """The log of the first weight, and of the last prefix but one of those lanes where that is the new one."""
    total, total_power = totals_in(scratch, lane, n), total_powers_in(scratch, lane, n)
    first, before = first_logs_in(scratch, lane, n), logs_before_in(scratch, lane, n)
    if sample == 0:
        for i in range(n):
            first[i] += _log_of(total[i], total_power[i])
    inverse = 1.0 / (sample + 1)
    for i in range(going_on(scratch, lane, n, sample + 1), going_on(scratch, lane, n, sample)):
        before[i] = _log_of(total[i] * inverse, total_power[i])


@device
def _finish(params, scratch, n):
    """`short._finish` with sums and products as mantissa and power."""
    total, total_power, values = totals_in(scratch, 0, n), total_powers_in(scratch, 0, n), values_in(scratch, 0, n)
    product, product_power = products_in(scratch, 0, n), product_powers_in(scratch, 0, n)
    log_sum, first, before = log_sums_in(scratch, 0, n), first_logs_in(scratch, 0, n), logs_before_in(scratch, 0, n)
    terms, reciprocal = terms_in(scratch, 0, n), floats(params.reciprocal_at, SHORT + 2)
    origin, beyond = params.shift * LOG_2, beyond_head(params, scratch, n)
    for i in range(n):
        k = float(terms[i])
        last = _log_of(total[i] / (k + params.minimum), total_power[i])
        if params.kind == kinds.IWAE:
            values[i] = origin + last if total[i] > 0.0 else -np.inf
        elif params.kind == kinds.SINGLE_TERM:
            after = 1.0 / reciprocal[terms[i] + 1] if terms[i] < params.cap else 0.0
            value = origin + (first[i] + (last - before[i]) / (1.0 / reciprocal[terms[i]] - after))
            values[i] = value if first[i] > -np.inf else -np.inf
        elif params.product and i >= beyond:
            value = origin + fma(k, last, -_log_of(product[i], product_power[i]))
            values[i] = value if product[i] > 0.0 else -np.inf
        else:
            value = origin + fma(reciprocal[terms[i]], last, log_sum[i])
            values[i] = value if log_sum[i] > -np.inf else -np.inf


@device
def _take_segment(params, scratch, state, start, count, offset, terms):
    """`take_segment` for the extended range. A trial that once was outside the linear range stays sequential."""
    slots = LANES * depth_of(count)
    if state[SEQUENTIAL] != 0.0 or count_outside(weights_in(scratch, offset, slots)):
        mantissas, powers = mantissas_in(scratch, offset, slots), powers_in(scratch, offset, slots)
        _take_sequentially(params, mantissas, powers, state, start, count, terms)
    else:
        take_segment(params, scratch, state, start, count, offset, terms)


@device
def _take_sequentially(params, mantissas, powers, state, start, count, terms):
    """A segment whose weights may span more than float64 can: one sample at a time under a running maximum."""
    depth = depth_of(count)
    total, power = state[BASE] + state[BASE_LOW], state[LEVEL]
    product = params.product and float(terms) <= params.head
    for s in range(count):
        p = slot_of(s, depth)
        if mantissas[p] > 0.0:
            rise = powers[p] - params.shift - power
            if rise > 0.0 or not total > 0.0:
                total, power = total * _pow2(-fabs(rise)) + mantissas[p], powers[p] - params.shift
            else:
                total += mantissas[p] * _pow2(rise)
        k = start + s + 1
        j = k - params.minimum
        if k == params.alive:
            state[ALIVE] = total
        if params.kind == kinds.SINGLE_TERM:
            if k == 1:
                state[SUM_LOW] = _log_of(total, power)
            if k == terms:
                state[SUM] = _log_of(total / k, power)
            continue
        if params.kind == kinds.IWAE or j < 1 or j >= terms or not total > 0.0:
            continue
        if product:
            add_log(state, -_log_of(total / k, power))
        else:
            weight = reciprocal_any(params, j) - reciprocal_any(params, j + 1)
            add_log(state, weight * _log_of(total / k, power))
    state[BASE], state[BASE_LOW], state[LEVEL], state[SEQUENTIAL] = total, 0.0, power, 1.0


_run = sample_by_sample(weigh_any, _add)
extended_long_trials = along_samples(weigh_any, _take_segment)
