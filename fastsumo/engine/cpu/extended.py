"""Trials of which some weight is too large or too small for a plain number; for all others the functions imported here.

Short ones keep sums and products as mantissa and power under a running maximum: the bits are those of plain numbers
where there are such, since scaling by powers of 2 rounds nothing and logs are taken of mantissa and power together. So
it does not matter which trials of a tile are worked on here. Long ones go by segments of plain weights until they meet
one that is not, and crawl from there on.
"""

import numpy as np

from fastsumo.engine.cpu.buffer import weigh_any_samples
from fastsumo.engine.cpu.long import (
    ALIVE,
    BASE,
    BASE_LOW,
    CRAWLS,
    LEVEL,
    SUM,
    SUM_LOW,
    add_log,
    along_samples,
    reciprocal_any,
    rows_of,
    take_segment,
)
from fastsumo.engine.cpu.scratch import (
    EXPONENT,
    EXPONENTS,
    MANTISSA,
    ORDERED_TERMS,
    POWER,
    PRODUCT,
    TOTAL,
    TRIALS,
    VALUES,
    WEIGHT,
)
from fastsumo.engine.cpu.short import (
    begin,
    beyond_head,
    coefficient_of,
    going_on,
    is_harmonic,
    leaves_head,
    rows_of_samples,
    short_trials,
)
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.bits import fabs, fma
from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import device
from fastsumo.trial import kinds
from fastsumo.trial.lazy_sums import is_plain
from fastsumo.trial.sizes import LANES, SHORT
from fastsumo.vmath import _log_of, _pow2

_LOG_2 = 0.6931471805599453


@device
def wide_short_trials(params, scratch, n):
    """`short_trials` with weights of any scale."""
    status = short_trials(params, scratch, n)
    if status == EXTENDED:
        status = _run(params, scratch, n)
        if status == OK:
            _finish(params, scratch, n)
    return status


@device
def _weigh(params, scratch, n):
    """Weights of any scale. The status, not `EXTENDED`."""
    return _weigh_samples(params, scratch, scratch + TRIALS, n)


@device
def _weigh_samples(params, scratch, trials_at, n):
    """`_weigh` where the trials of the pairs are elsewhere than in the buffer."""
    status = weigh_any_samples(params, scratch, trials_at, n)
    return OK if status == EXTENDED else status


@device
def _add(params, scratch, row, lane, n, offset):
    """`short._add` with sums and products as mantissa and power."""
    total, exponent = floats(scratch + TOTAL + 8 * lane, n), floats(scratch + EXPONENT + 8 * lane, n)
    product, exponents = floats(scratch + PRODUCT + 8 * lane, n), floats(scratch + EXPONENTS + 8 * lane, n)
    mantissa, power = floats(scratch + MANTISSA + 8 * offset, n), floats(scratch + POWER + 8 * offset, n)
    if row == 0:
        for i in range(n):
            total[i], exponent[i] = mantissa[i], power[i] - params.shift
    else:
        for i in range(n):
            above = power[i] - params.shift
            rise = above - exponent[i]
            up = rise > 0.0
            small, large = (total[i] if up else mantissa[i]), (mantissa[i] if up else total[i])
            exponent[i] = above if up else exponent[i]
            total[i] = fma(small, _pow2(-fabs(rise)), large)
    first, j, inverse = max(params.minimum - 1, 0), row + 1 - params.minimum, 1.0 / (row + 1)
    if params.kind == kinds.IWAE or row < first:
        return
    if row == first:
        begin(params, total, product)
        for i in range(n):
            exponents[i] = 0.0
    if params.kind == kinds.SINGLE_TERM:
        _add_single(scratch, row, lane, n)
    if params.kind == kinds.SINGLE_TERM or j < 1:
        return
    on = going_on(scratch, lane, n, j)
    if is_harmonic(params, j):
        for i in range(on):
            product[i] *= total[i] * inverse
            exponents[i] += exponent[i]
        return
    if leaves_head(params, j):
        for i in range(on):
            product[i] = -_log_of(product[i], exponents[i]) if product[i] > 0.0 else -np.inf
    coefficient = coefficient_of(params, j)
    for i in range(on):
        product[i] += coefficient * _log_of(total[i] * inverse, exponent[i])


@device
def _add_single(scratch, row, lane, n):
    """The log of the first weight, and of the last prefix but one of those lanes where that is the new one."""
    total, exponent = floats(scratch + TOTAL + 8 * lane, n), floats(scratch + EXPONENT + 8 * lane, n)
    first, before = floats(scratch + PRODUCT + 8 * lane, n), floats(scratch + EXPONENTS + 8 * lane, n)
    if row == 0:
        for i in range(n):
            first[i] += _log_of(total[i], exponent[i])
    inverse = 1.0 / (row + 1)
    for i in range(going_on(scratch, lane, n, row + 1), going_on(scratch, lane, n, row)):
        before[i] = _log_of(total[i] * inverse, exponent[i])


@device
def _finish(params, scratch, n):
    """`short._finish` with sums and products as mantissa and power."""
    total, exponent, values = floats(scratch + TOTAL, n), floats(scratch + EXPONENT, n), floats(scratch + VALUES, n)
    product, exponents = floats(scratch + PRODUCT, n), floats(scratch + EXPONENTS, n)
    terms, reciprocal = ints(scratch + ORDERED_TERMS, n), floats(params.reciprocal_at, SHORT + 2)
    origin, beyond = params.shift * _LOG_2, beyond_head(params, scratch, n)
    for i in range(n):
        k = float(terms[i])
        last = _log_of(total[i] / (k + params.minimum), exponent[i])
        if params.kind == kinds.IWAE:
            values[i] = origin + last if total[i] > 0.0 else -np.inf
        elif params.kind == kinds.SINGLE_TERM:
            after = 1.0 / reciprocal[terms[i] + 1] if terms[i] < params.cap else 0.0
            value = origin + (product[i] + (last - exponents[i]) / (1.0 / reciprocal[terms[i]] - after))
            values[i] = value if product[i] > -np.inf else -np.inf
        elif params.product and i >= beyond:
            value = origin + fma(k, last, -_log_of(product[i], exponents[i]))
            values[i] = value if product[i] > 0.0 else -np.inf
        else:
            value = origin + fma(reciprocal[terms[i]], last, product[i])
            values[i] = value if product[i] > -np.inf else -np.inf


@device
def _take_segment(params, scratch, state, start, count, offset, terms):
    """`take_segment` with weights of any scale. A trial that once had weights that are not plain crawls on."""
    slots, wide = LANES * rows_of(count), 0
    weight = floats(scratch + WEIGHT + 8 * offset, slots)
    for p in range(slots):
        wide += not (is_plain(weight[p]))
    if wide or state[CRAWLS] != 0.0:
        mantissas, powers = floats(scratch + MANTISSA + 8 * offset, slots), floats(scratch + POWER + 8 * offset, slots)
        _crawl(params, mantissas, powers, state, start, count, terms)
    else:
        take_segment(params, scratch, state, start, count, offset, terms)


@device
def _crawl(params, mantissas, powers, state, start, count, terms):
    """A segment whose weights may span more than float64 can: one sample at a time under a running maximum."""
    rows = rows_of(count)
    total, power = state[BASE] + state[BASE_LOW], state[LEVEL]
    product = params.product and float(terms) <= params.head
    for s in range(count):
        p = (s % rows) * LANES + s // rows
        if mantissas[p] > 0.0:
            rise = powers[p] - params.shift - power
            if rise > 0.0 or not total > 0.0:
                total, power = total * _pow2(-fabs(rise)) + mantissas[p], powers[p] - params.shift
            else:
                total += mantissas[p] * _pow2(rise)
        k = start + s + 1
        j = k - params.minimum
        if k == max(params.minimum, 1):
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
    state[BASE], state[BASE_LOW], state[LEVEL], state[CRAWLS] = total, 0.0, power, 1.0


_run = rows_of_samples(_weigh_samples, _add)
wide_long_trials = along_samples(_weigh, _take_segment)
