"""Whole trials in the buffer, side by side as columns, and stretches of one trial with weights of any scale.

A column that has a weight outside the plain range is taken out and worked on alone, as mantissas and powers: so the
value of a trial depends on nothing but the trial. For `jackknife.py` and `dyadic.py`.
"""

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.buffer import as_plain, weigh, weigh_any
from fastsumo.engine.cpu.scratch import MANTISSA, OFFSET, POWER, PREFIX_SUM, SAMPLES, TRIAL, TRIALS
from fastsumo.engine.status import EXTENDED
from fastsumo.jit.bits import bits_float, float_bits
from fastsumo.jit.memory import floats, words
from fastsumo.jit.options import device, inlined
from fastsumo.trial.lazy_sums import is_plain
from fastsumo.vmath import _pow2

COLUMN_MANTISSA, COLUMN_POWER = OFFSET, PREFIX_SUM  # where `take_column` leaves a column
_BELOW_SIGN = int64(0x7FFFFFFFFFFFFFFF)


@device
def weigh_columns(params, scratch, first, n, samples):
    """Weigh all samples of the ``n`` trials from place ``first`` on; row ``s`` of the buffer holds sample ``s``.

    Mantissas and powers are there only if the status is `EXTENDED`.
    """
    trial = words(scratch + TRIAL + 8 * first, n)
    for s in range(samples):
        at = 8 * s * n
        trials, numbers = words(scratch + TRIALS + at, n), words(scratch + SAMPLES + at, n)
        for i in range(n):
            trials[i], numbers[i] = trial[i], uint64(s)
    status = weigh(params, scratch, n * samples)
    return weigh_any(params, scratch, n * samples) if status == EXTENDED else status


@device
def weigh_stretch(params, scratch, trial, start, n):
    """Weigh ``n`` samples of one trial from number ``start`` on, as mantissas and powers."""
    trials, samples = words(scratch + TRIALS, n), words(scratch + SAMPLES, n)
    for i in range(n):
        trials[i], samples[i] = trial, uint64(start + i)
    return weigh_any(params, scratch, n)


@device
def take_column(params, scratch, column, n, samples):
    """Copy one of ``n`` columns; whether it has a weight outside the plain range."""
    mantissa, power = floats(scratch + MANTISSA, n * samples), floats(scratch + POWER, n * samples)
    out, out_power = floats(scratch + COLUMN_MANTISSA, samples), floats(scratch + COLUMN_POWER, samples)
    wide = 0
    for s in range(samples):
        f, p = mantissa[s * n + column], power[s * n + column]
        wide += not (is_plain(as_plain(f, p - params.shift)))
        out[s], out_power[s] = f, p
    return wide > 0


@device
def sum_rows(x_at, n, rows, sums_at):
    """The sum of each of ``n`` columns."""
    sums, x = floats(sums_at, n), floats(x_at, n)
    for i in range(n):
        sums[i] = x[i]
    for row in range(1, rows):
        x = floats(x_at + 8 * row * n, n)
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


@inlined
def two_sum(a, b):
    """``a + b`` and what rounding takes off it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
