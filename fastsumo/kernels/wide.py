"""Trials of which some weight is too large or too small for a plain number; for all others the functions imported here.

Short ones keep sums and products as mantissa and power under a running maximum: the bits are those of plain numbers
where there are such, since scaling by powers of 2 rounds nothing and logs are taken of mantissa and power together. So
it does not matter which trials of a tile are worked on here. Long ones go by segments of plain weights until they meet
one that is not, and crawl from there on.
"""

import numpy as np

from fastsumo.estimators import LAST, SINGLE
from fastsumo.kernels._jit import device
from fastsumo.kernels.bits import fabs, fma
from fastsumo.kernels.buffer import weigh_any_samples
from fastsumo.kernels.job import (
    EXPONENT,
    EXPONENTS,
    LANES,
    MANTISSA,
    OK,
    ORDERED_TERMS,
    POWER,
    PRODUCT,
    SHORT,
    TOTAL,
    TRIALS,
    VALUES,
    WEIGHT,
    WIDE,
)
from fastsumo.kernels.lazy import is_plain
from fastsumo.kernels.long import (
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
from fastsumo.kernels.memory import floats, ints
from fastsumo.kernels.short import (
    begin,
    beyond_head,
    coefficient_of,
    going_on,
    is_harmonic,
    leaves_head,
    rows_of_samples,
    short_trials,
)
from fastsumo.vmath import _log_of, _pow2

_LOG_2 = 0.6931471805599453


@device
def wide_short_trials(job, work, n):
    """`short_trials` with weights of any scale."""
    status = short_trials(job, work, n)
    if status == WIDE:
        status = _run(job, work, n)
        if status == OK:
            _finish(job, work, n)
    return status


@device
def _weigh(job, work, n):
    """Weights of any scale. The status, not `WIDE`."""
    return _weigh_samples(job, work, work + TRIALS, n)


@device
def _weigh_samples(job, work, trials_at, n):
    """`_weigh` where the trials of the pairs are elsewhere than in the buffer."""
    status = weigh_any_samples(job, work, trials_at, n)
    return OK if status == WIDE else status


@device
def _add(job, work, row, lane, n, offset):
    """`short._add` with sums and products as mantissa and power."""
    total, exponent = floats(work + TOTAL + 8 * lane, n), floats(work + EXPONENT + 8 * lane, n)
    product, exponents = floats(work + PRODUCT + 8 * lane, n), floats(work + EXPONENTS + 8 * lane, n)
    mantissa, power = floats(work + MANTISSA + 8 * offset, n), floats(work + POWER + 8 * offset, n)
    if row == 0:
        for i in range(n):
            total[i], exponent[i] = mantissa[i], power[i] - job.shift
    else:
        for i in range(n):
            above = power[i] - job.shift
            rise = above - exponent[i]
            up = rise > 0.0
            small, large = (total[i] if up else mantissa[i]), (mantissa[i] if up else total[i])
            exponent[i] = above if up else exponent[i]
            total[i] = fma(small, _pow2(-fabs(rise)), large)
    first, j, inverse = max(job.minimum - 1, 0), row + 1 - job.minimum, 1.0 / (row + 1)
    if job.kind == LAST or row < first:
        return
    if row == first:
        begin(job, total, product)
        for i in range(n):
            exponents[i] = 0.0
    if job.kind == SINGLE:
        _add_single(work, row, lane, n)
    if job.kind == SINGLE or j < 1:
        return
    on = going_on(work, lane, n, j)
    if is_harmonic(job, j):
        for i in range(on):
            product[i] *= total[i] * inverse
            exponents[i] += exponent[i]
        return
    if leaves_head(job, j):
        for i in range(on):
            product[i] = -_log_of(product[i], exponents[i]) if product[i] > 0.0 else -np.inf
    coefficient = coefficient_of(job, j)
    for i in range(on):
        product[i] += coefficient * _log_of(total[i] * inverse, exponent[i])


@device
def _add_single(work, row, lane, n):
    """The log of the first weight, and of the last prefix but one of those lanes where that is the new one."""
    total, exponent = floats(work + TOTAL + 8 * lane, n), floats(work + EXPONENT + 8 * lane, n)
    first, before = floats(work + PRODUCT + 8 * lane, n), floats(work + EXPONENTS + 8 * lane, n)
    if row == 0:
        for i in range(n):
            first[i] += _log_of(total[i], exponent[i])
    inverse = 1.0 / (row + 1)
    for i in range(going_on(work, lane, n, row + 1), going_on(work, lane, n, row)):
        before[i] = _log_of(total[i] * inverse, exponent[i])


@device
def _finish(job, work, n):
    """`short._finish` with sums and products as mantissa and power."""
    total, exponent, values = floats(work + TOTAL, n), floats(work + EXPONENT, n), floats(work + VALUES, n)
    product, exponents = floats(work + PRODUCT, n), floats(work + EXPONENTS, n)
    terms, reciprocal = ints(work + ORDERED_TERMS, n), floats(job.reciprocal_at, SHORT + 2)
    origin, beyond = job.shift * _LOG_2, beyond_head(job, work, n)
    for i in range(n):
        k = float(terms[i])
        last = _log_of(total[i] / (k + job.minimum), exponent[i])
        if job.kind == LAST:
            values[i] = origin + last if total[i] > 0.0 else -np.inf
        elif job.kind == SINGLE:
            after = 1.0 / reciprocal[terms[i] + 1] if terms[i] < job.cap else 0.0
            value = origin + (product[i] + (last - exponents[i]) / (1.0 / reciprocal[terms[i]] - after))
            values[i] = value if product[i] > -np.inf else -np.inf
        elif job.product and i >= beyond:
            value = origin + fma(k, last, -_log_of(product[i], exponents[i]))
            values[i] = value if product[i] > 0.0 else -np.inf
        else:
            value = origin + fma(reciprocal[terms[i]], last, product[i])
            values[i] = value if product[i] > -np.inf else -np.inf


@device
def _take_segment(job, work, state, start, count, offset, terms):
    """`take_segment` with weights of any scale. A trial that once had weights that are not plain crawls on."""
    slots, wide = LANES * rows_of(count), 0
    weight = floats(work + WEIGHT + 8 * offset, slots)
    for p in range(slots):
        wide += not (is_plain(weight[p]))
    if wide or state[CRAWLS] != 0.0:
        mantissas, powers = floats(work + MANTISSA + 8 * offset, slots), floats(work + POWER + 8 * offset, slots)
        _crawl(job, mantissas, powers, state, start, count, terms)
    else:
        take_segment(job, work, state, start, count, offset, terms)


@device
def _crawl(job, mantissas, powers, state, start, count, terms):
    """A segment whose weights may span more than float64 can: one sample at a time under a running maximum."""
    rows = rows_of(count)
    total, power = state[BASE] + state[BASE_LOW], state[LEVEL]
    product = job.product and float(terms) <= job.head
    for s in range(count):
        p = (s % rows) * LANES + s // rows
        if mantissas[p] > 0.0:
            rise = powers[p] - job.shift - power
            if rise > 0.0 or not total > 0.0:
                total, power = total * _pow2(-fabs(rise)) + mantissas[p], powers[p] - job.shift
            else:
                total += mantissas[p] * _pow2(rise)
        k = start + s + 1
        j = k - job.minimum
        if k == max(job.minimum, 1):
            state[ALIVE] = total
        if job.kind == SINGLE:
            if k == 1:
                state[SUM_LOW] = _log_of(total, power)
            if k == terms:
                state[SUM] = _log_of(total / k, power)
            continue
        if job.kind == LAST or j < 1 or j >= terms or not total > 0.0:
            continue
        if product:
            add_log(state, -_log_of(total / k, power))
        else:
            weight = reciprocal_any(job, j) - reciprocal_any(job, j + 1)
            add_log(state, weight * _log_of(total / k, power))
    state[BASE], state[BASE_LOW], state[LEVEL], state[CRAWLS] = total, 0.0, power, 1.0


_run = rows_of_samples(_weigh_samples, _add)
wide_long_trials = along_samples(_weigh, _take_segment)
