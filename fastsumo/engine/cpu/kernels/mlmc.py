"""Multilevel Monte Carlo (MLMC; Blanchet & Glynn 2015): trials of one level side by side, and long ones alone.

A level has twice the samples of the one before. Its antithetic difference is ``D = log((a + b) / 2) - (log a + log b) /
2 = -log(1 - r^2) / 2`` with ``a`` and ``b`` the sums of its two halves and ``r = (b - a) / (a + b)``: small differences
keep their digits. Samples come in parts: a trial's own `base` if it has them, level 0, the second half of level 1, the
second half of level 2, ... How columns are weighed and summed is in `columns.py`.
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
    mantissas_at,
    mlmc_state_at,
    mlmc_state_in,
    part_sums_at,
    part_sums_in,
    powers_at,
    scaled_at,
    sums_before_at,
    sums_before_in,
    terms_in,
    trial_numbers_in,
    values_in,
    weights_at,
)
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device
from fastsumo.trial.draw import samples_of
from fastsumo.trial.levels import difference, factor_of
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.segments import two_sum
from fastsumo.vmath import _log_of, _log_positive, _pow2

_TINY = 2.0**-500  # ratios of halves below it are worked out as mantissa and power

# The state of a trial that runs alone: the sum of the parts before, and from _PART on that of the part under way, each
# in two floats and a power of 2; that part's level, the number of samples at which it ends, and the value so far.
_PART, _LEVEL, _END, _VALUE, _STATE_SIZE = 3, 6, 7, 8, 9


@device
def mlmc_trials(params, scratch, short, n):
    """Values of the ``n`` trials of a tile, the first ``short`` sorted by falling `K`."""
    terms, trial, values = terms_in(scratch, 0, n), trial_numbers_in(scratch, 0, n), values_in(scratch, 0, n)
    done = 0
    while done < short:
        k, columns = terms[done], 1
        samples = samples_of(params, k)
        while columns < BUFFER // samples and done + columns < short and terms[done + columns] == k:
            columns += 1
        status = weigh_columns(params, scratch, done, columns, samples)
        if status != OK and status != EXTENDED:
            return status
        _columns(params, scratch, done, columns, k)
        for i in range(columns if status == EXTENDED else 0):
            if take_column(params, scratch, i, columns, samples):
                _begin(params, scratch)
                _take(params, scratch, column_mantissas_at(scratch, 0), column_powers_at(scratch, 0), 0, samples, k)
                values[done + i] = mlmc_state_in(scratch, 0, _STATE_SIZE)[_VALUE]
        done += columns
    for i in range(short, n):
        status = _alone(params, scratch, trial[i], terms[i])
        if status != OK:
            return status
        values[i] = mlmc_state_in(scratch, 0, _STATE_SIZE)[_VALUE]
    return OK


@device
def _columns(params, scratch, first, n, terms):
    """Values of the ``n`` trials in the buffer, from place ``first`` on, if their weights are in the linear range."""
    values, before, part = values_in(scratch, first, n), sums_before_in(scratch, 0, n), part_sums_in(scratch, 0, n)
    size, at = params.base, weights_at(scratch, 0)
    for i in range(n):
        values[i] = 0.0
    if params.first:
        sum_columns(at, n, size, sums_before_at(scratch, 0))
        _add_logs(params, values, before, 1.0)
        at += 8 * n * size
    sum_columns(at, n, size, sums_before_at(scratch, 0))
    if not params.first and factor_of(params, 0, terms) > 0.0:
        _add_logs(params, values, before, factor_of(params, 0, terms))
    at += 8 * n * size
    for level in range(1, terms + params.first):
        factor = factor_of(params, level, terms)
        sum_columns(at, n, size, part_sums_at(scratch, 0))
        if factor > 0.0:
            for i in range(n):
                values[i] += factor * difference(before[i], part[i], part[i] - before[i])
        for i in range(n):
            before[i] += part[i]
        at, size = at + 8 * n * size, 2 * size


@device
def _add_logs(params, values, sums, factor):
    """Add a multiple of the log mean weight of `base` samples; -inf where they have no weight at all."""
    origin = params.shift * LOG_2
    for i in range(values.size):
        level = origin + _log_positive(sums[i] / params.base)
        values[i] += factor * level if sums[i] > 0.0 else -np.inf


@device
def _alone(params, scratch, trial, terms):
    """Run a trial of any length; its value is in the state. The status."""
    _begin(params, scratch)
    samples = samples_of(params, terms)
    for start in range(0, samples, BUFFER):
        n = min(BUFFER, samples - start)
        status = weigh_stretch(params, scratch, trial, start, n)
        if status != OK and status != EXTENDED:
            return status
        _take(params, scratch, mantissas_at(scratch, 0), powers_at(scratch, 0), start, n, terms)
    return OK


@device
def _begin(params, scratch):
    """A trial without samples."""
    state = mlmc_state_in(scratch, 0, _STATE_SIZE)
    for i in range(_STATE_SIZE):
        state[i] = 0.0
    state[_LEVEL], state[_END] = -float(params.first), float(params.base)


@device
def _take(params, scratch, mantissa_at, power_at, start, n, terms):
    """Take ``n`` weights into the state, in the extended range; they are a trial's samples from number ``start`` on."""
    state = mlmc_state_in(scratch, 0, _STATE_SIZE)
    done = 0
    while done < n:
        count = min(n - done, int64(state[_END]) - (start + done))
        top = top_power(mantissa_at + 8 * done, power_at + 8 * done, count)
        if top > -np.inf:
            scale(mantissa_at + 8 * done, power_at + 8 * done, count, top, scaled_at(scratch, 0))
            _add(mlmc_state_at(scratch, _PART), fold_sum(scaled_at(scratch, 0), count), 0.0, top)
        done += count
        if start + done == int64(state[_END]):
            _end_part(params, scratch, terms)


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
def _end_part(params, scratch, terms):
    """Bring the value up to date with the part that ends here, and begin the next."""
    state, part_at = mlmc_state_in(scratch, 0, _STATE_SIZE), mlmc_state_at(scratch, _PART)
    part, level = floats(part_at, 3), int64(state[_LEVEL])
    factor = 1.0 if level < 0 else factor_of(params, level, terms)
    if factor > 0.0:
        d = _difference_of(state, part) if level > 0 else _log_of((part[0] + part[1]) / params.base, part[2])
        state[_VALUE] += factor * d if part[0] > 0.0 else -np.inf
    if level >= 0 and part[0] > 0.0:
        _add(mlmc_state_at(scratch, 0), part[0], part[1], part[2])
    part[0], part[1] = 0.0, 0.0
    state[_LEVEL] = level + 1.0
    state[_END] += params.base << max(level, 0)


@device
def _difference_of(before, part):
    """`difference` of two sums with powers; what is too far below the other for linear numbers is small beside it."""
    if not (before[0] > 0.0 and part[0] > 0.0):
        return -np.inf
    top = max(before[2], part[2])
    up, down = _pow2(part[2] - top), _pow2(before[2] - top)
    a, b = before[0] * down, part[0] * up
    if min(a, b) > _TINY * max(a, b):
        return difference(a, b, (b - a) + (part[1] * up - before[1] * down))
    if part[2] == top:
        return -0.5 * _log_of(4.0 * before[0] / part[0], before[2] - part[2])
    return -0.5 * _log_of(4.0 * part[0] / before[0], part[2] - before[2])
