"""Dyadic, antithetic levels (MLMC; Blanchet & Glynn 2015): trials of one level side by side, and long ones alone.

The difference of a level is ``D = log((a + b) / 2) - (log a + log b) / 2 = -log(1 - r^2) / 2`` with ``a`` and ``b``
the sums of its two halves and ``r = (b - a) / (a + b)``: small differences keep their digits. Samples come in parts:
a trial's own `base` if it has them, level 0, the second half of level 1, the second half of level 2, ...
"""

import numpy as np
from numba import int64

from fastsumo.kernels._jit import device, inlined
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
from fastsumo.kernels.draw import samples_of
from fastsumo.kernels.job import (
    BUFFER,
    EXPONENT,
    MANTISSA,
    OK,
    ORDERED_TERMS,
    POWER,
    SHORT,
    STATE,
    TOTAL,
    TRIAL,
    VALUES,
    WEIGHT,
    WIDE,
)
from fastsumo.kernels.memory import floats, ints, words
from fastsumo.vmath import _log_of, _log_positive, _pow2

_LOG_2 = 0.6931471805599453
_TINY = 2.0**-500  # ratios of halves below it are worked out as mantissa and power

# the state of one trial: the sum of the parts before, that of the part under way (each in two floats, and a power
# of 2), the level and the number of samples at which that part ends, and the value so far
_PART, _LEVEL, _END, _VALUE, _STATE_SIZE = 3, 6, 7, 8, 9


@device
def level_trials(job, work, short, n):
    """Values of the ``n`` trials of a tile, the first ``short`` sorted by falling `K`."""
    terms, trial, values = ints(work + ORDERED_TERMS, n), words(work + TRIAL, n), floats(work + VALUES, n)
    done = 0
    while done < short:
        k, columns = terms[done], 1
        samples = samples_of(job, k)
        while columns < BUFFER // samples and done + columns < short and terms[done + columns] == k:
            columns += 1
        status = weigh_columns(job, work, done, columns, samples)
        if status != OK and status != WIDE:
            return status
        _columns(job, work, done, columns, k)
        for i in range(columns if status == WIDE else 0):
            if take_column(job, work, i, columns, samples):
                _begin(job, work)
                _take(job, work, work + COLUMN_MANTISSA, work + COLUMN_POWER, 0, samples, k)
                values[done + i] = floats(work + STATE, _STATE_SIZE)[_VALUE]
        done += columns
    for i in range(short, n):
        status = _alone(job, work, trial[i], terms[i])
        if status != OK:
            return status
        values[i] = floats(work + STATE, _STATE_SIZE)[_VALUE]
    return OK


@inlined
def _factor(job, level, terms):
    """What the difference of a level counts in a trial of `K` terms."""
    k = level + 1 - job.first
    return 0.0 if job.single and k != terms else floats(job.reciprocal_at, SHORT + 2)[k]


@inlined
def _difference(a, b, gap):
    """`D` from the sums of the halves and ``b - a``; -inf where a half has no weight at all."""
    total = a + b
    r = gap / total
    q = r * r
    near = q < 0.25
    x = 1.0 - q if near else 4.0 * (a / total) * (b / total)
    lost = ((1.0 - x) - q) / x if near else 0.0
    d = -0.5 * (_log_positive(x) + lost)
    return d if (a > 0.0) & (b > 0.0) else -np.inf


@device
def _columns(job, work, first, n, terms):
    """Values of the ``n`` trials in the buffer, from place ``first`` on, if their weights are plain."""
    values, before, part = floats(work + VALUES + 8 * first, n), floats(work + TOTAL, n), floats(work + EXPONENT, n)
    size, at = job.base, work + WEIGHT
    for i in range(n):
        values[i] = 0.0
    if job.first:
        sum_rows(at, n, size, work + TOTAL)
        _add_logs(job, values, before, 1.0)
        at += 8 * n * size
    sum_rows(at, n, size, work + TOTAL)
    if not job.first and _factor(job, 0, terms) > 0.0:
        _add_logs(job, values, before, _factor(job, 0, terms))
    at += 8 * n * size
    for level in range(1, terms + job.first):
        factor = _factor(job, level, terms)
        sum_rows(at, n, size, work + EXPONENT)
        if factor > 0.0:
            for i in range(n):
                values[i] += factor * _difference(before[i], part[i], part[i] - before[i])
        for i in range(n):
            before[i] += part[i]
        at, size = at + 8 * n * size, 2 * size


@device
def _add_logs(job, values, sums, factor):
    """Add a multiple of the log mean weight of `base` samples; -inf where they have no weight at all."""
    origin = job.shift * _LOG_2
    for i in range(values.size):
        level = origin + _log_positive(sums[i] / job.base)
        values[i] += factor * level if sums[i] > 0.0 else -np.inf


@device
def _alone(job, work, trial, terms):
    """Run a trial of any length; its value is in the state. The status."""
    _begin(job, work)
    samples = samples_of(job, terms)
    for start in range(0, samples, BUFFER):
        n = min(BUFFER, samples - start)
        status = weigh_stretch(job, work, trial, start, n)
        if status != OK and status != WIDE:
            return status
        _take(job, work, work + MANTISSA, work + POWER, start, n, terms)
    return OK


@device
def _begin(job, work):
    """A trial without samples."""
    state = floats(work + STATE, _STATE_SIZE)
    for i in range(_STATE_SIZE):
        state[i] = 0.0
    state[_LEVEL], state[_END] = -float(job.first), float(job.base)


@device
def _take(job, work, mantissa_at, power_at, start, n, terms):
    """Take ``n`` weights, of any scale, into the state; they are a trial's samples from number ``start`` on."""
    state = floats(work + STATE, _STATE_SIZE)
    done = 0
    while done < n:
        count = min(n - done, int64(state[_END]) - (start + done))
        top = top_power(mantissa_at + 8 * done, power_at + 8 * done, count)
        if top > -np.inf:
            scale(mantissa_at + 8 * done, power_at + 8 * done, count, top, work + TOTAL)
            _add(work + STATE + 8 * _PART, fold_sum(work + TOTAL, count), 0.0, top)
        done += count
        if start + done == int64(state[_END]):
            _end_part(job, work, terms)


@device
def _add(sum_at, high, low, power):
    """Add ``(high + low) * 2**power`` to a sum of the same form; both are relative to the larger power afterwards."""
    total = floats(sum_at, 3)
    if not total[0] > 0.0 or power > total[2]:
        down = _pow2(total[2] - power) if total[0] > 0.0 else 0.0
        total[0], total[1], total[2] = total[0] * down, total[1] * down, power
    down = _pow2(power - total[2])
    total[0], lost = two_sum(total[0], high * down)
    total[1] += lost + low * down


@device
def _end_part(job, work, terms):
    """Bring the value up to date with the part that ends here, and begin the next."""
    state, part_at = floats(work + STATE, _STATE_SIZE), work + STATE + 8 * _PART
    part, level = floats(part_at, 3), int64(state[_LEVEL])
    factor = 1.0 if level < 0 else _factor(job, level, terms)
    if factor > 0.0:
        d = _difference_of(state, part) if level > 0 else _log_of((part[0] + part[1]) / job.base, part[2])
        state[_VALUE] += factor * d if part[0] > 0.0 else -np.inf
    if level >= 0 and part[0] > 0.0:
        _add(work + STATE, part[0], part[1], part[2])
    part[0], part[1] = 0.0, 0.0
    state[_LEVEL] = level + 1.0
    state[_END] += job.base << max(level, 0)


@device
def _difference_of(before, part):
    """`_difference` of two sums with powers; what is too far below the other for plain numbers is small beside it."""
    if not (before[0] > 0.0 and part[0] > 0.0):
        return -np.inf
    top = max(before[2], part[2])
    up, down = _pow2(part[2] - top), _pow2(before[2] - top)
    a, b = before[0] * down, part[0] * up
    if min(a, b) > _TINY * max(a, b):
        return _difference(a, b, (b - a) + (part[1] * up - before[1] * down))
    if part[2] == top:
        return -0.5 * _log_of(4.0 * before[0] / part[0], before[2] - part[2])
    return -0.5 * _log_of(4.0 * part[0] / before[0], part[2] - before[2])
