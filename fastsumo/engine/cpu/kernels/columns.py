"""Whole trials in the buffer, side by side as columns, and stretches of one trial in the extended range.

A column that has a weight outside the linear range is taken out and worked on alone, as mantissas and powers: so the
value of a trial depends on nothing but the trial. For `jackknife.py` and `mlmc.py`, which know what to do with sums.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.kernels.buffer import weigh_both, weigh_linear
from fastsumo.engine.cpu.kernels.scratch import (
    column_mantissas_in,
    column_powers_in,
    mantissas_in,
    pair_samples_in,
    pair_trials_at,
    pair_trials_in,
    powers_in,
    trial_numbers_in,
)
from fastsumo.engine.status import EXTENDED
from fastsumo.jit.bits import bits_float, float_bits
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device, inlined
from fastsumo.trial.ranges import is_linear, to_linear
from fastsumo.vmath import _pow2

_BELOW_SIGN = int64(0x7FFFFFFFFFFFFFFF)


@device
def weigh_columns(params, scratch, first, n, samples):
    """Weigh all samples of the ``n`` trials from place ``first`` on: sample 0 of every trial, then sample 1, and so on.

    Mantissas and powers are there only if the status is `EXTENDED`.
    """
    trial = trial_numbers_in(scratch, first, n)
    for s in range(samples):
        trials, numbers = pair_trials_in(scratch, s * n, n), pair_samples_in(scratch, s * n, n)
        for i in range(n):
            trials[i], numbers[i] = trial[i], uint64(s)
    pairs_at = pair_trials_at(scratch, 0)
    status = weigh_linear(params, scratch, pairs_at, n * samples)
    return weigh_both(params, scratch, pairs_at, n * samples) if status == EXTENDED else status


@device
def weigh_stretch(params, scratch, trial, start, n):
    """Weigh ``n`` samples of one trial from number ``start`` on, as mantissas and powers."""
    trials, samples = pair_trials_in(scratch, 0, n), pair_samples_in(scratch, 0, n)
    for i in range(n):
        trials[i], samples[i] = trial, uint64(start + i)
    return weigh_both(params, scratch, pair_trials_at(scratch, 0), n)


@device
def take_column(params, scratch, column, n, samples):
    """Copy one of ``n`` columns; whether it has a weight outside the linear range."""
    mantissa, power = mantissas_in(scratch, 0, n * samples), powers_in(scratch, 0, n * samples)
    out, out_power = column_mantissas_in(scratch, 0, samples), column_powers_in(scratch, 0, samples)
    outside = 0
    for s in range(samples):
        f, p = mantissa[s * n + column], power[s * n + column]
        outside += not (is_linear(to_linear(f, p - params.shift)))
        out[s], out_power[s] = f, p
    return outside > 0


@device
def sum_columns(x_at, n, samples, sums_at):
    """The sum of each of ``n`` columns."""
    sums, x = floats(sums_at, n), floats(x_at, n)
    for i in range(n):
        sums[i] = x[i]
    for s in range(1, samples):
        x = floats(x_at + 8 * s * n, n)
        for i in range(n):
            sums[i] += x[i]


@inlined
def _ordered(bits):
    """Bits of float64 numbers in an order that integers have; its own inverse."""
    return bits ^ ((bits >> 63) & _BELOW_SIGN)


@device
def top_power(mantissa_at, power_at, n):
    """The largest power of the weights that are not zero; -inf if all are."""
    mantissa, power = floats(mantissa_at, n), floats(power_at, n)
    top = _ordered(float_bits(-np.inf))
    for i in range(n):
        top = max(top, _ordered(float_bits(power[i] if mantissa[i] > 0.0 else -np.inf)))
    return bits_float(_ordered(top))


@device
def scale(mantissa_at, power_at, n, top, out_at):
    """Weights relative to ``2**top``, of which none is much larger; what is far smaller becomes zero."""
    mantissa, power, out = floats(mantissa_at, n), floats(power_at, n), floats(out_at, n)
    for i in range(n):
        out[i] = mantissa[i] * _pow2(min(power[i] - top, 1.0))


@device
def fold_sum(x_at, n):
    """The sum of ``n >= 1`` numbers, which are overwritten: halves are added up, then halves of those."""
    while n > 1:
        kept = (n + 1) // 2
        x, y = floats(x_at, n - kept), floats(x_at + 8 * kept, n - kept)
        for i in range(n - kept):
            x[i] += y[i]
        n = kept
    return floats(x_at, 1)[0]
