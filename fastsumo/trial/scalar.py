"""The value of one short trial, sample after sample: for an engine that has a thread for each trial.

The arithmetic is that of the lanes in ``engine/cpu/kernels``, operation for operation, so the bits are the same; it
compiles for any target. All is in the linear range here: where that is left, ``inside`` is false and the value means
nothing.

Each function takes ``weight(params, trial, sample)``, a model's compiled linear weight, and gives
``value(params, trial, terms)``, which returns the value and ``inside``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64

from fastsumo.jit.bits import fabs, fma
from fastsumo.jit.memory import floats
from fastsumo.jit.options import inlined
from fastsumo.trial import kinds
from fastsumo.trial.coefficients import HUGE, TINY, coefficient_of, inverse_of, is_empty, is_harmonic, leaves_head
from fastsumo.trial.draw import samples_of
from fastsumo.trial.levels import difference, factor_of
from fastsumo.trial.ranges import FURTHEST, LOG_2, NO_RANGE, are_linear, widened
from fastsumo.trial.series import factor_of_block, term_of
from fastsumo.trial.sizes import SHORT
from fastsumo.vmath import _log_positive


def prefix_value(weight: Any) -> Any:
    """Of IWAE, SUMO and the single term."""

    @inlined
    def value(params, trial, terms):
        total, out, first_log, before = 0.0, 0.0, 0.0, 0.0
        lowest, highest = NO_RANGE
        first = params.alive - 1
        for s in range(terms + params.minimum):
            w = weight(params, trial, uint64(s))
            lowest, highest = widened(lowest, highest, w)
            total += w
            if params.kind == kinds.IWAE or s < first:
                continue
            if s == first:
                out = _start(params, total)
            j = s + 1 - params.minimum
            inverse = inverse_of(params, s + 1)
            if params.kind == kinds.SINGLE_TERM:
                if s == 0:
                    first_log = out + _log_positive(total)
                if s + 1 == terms:
                    before = _log_positive(total * inverse)
            elif 1 <= j < terms:
                if is_harmonic(params, j):
                    out *= total * inverse
                else:
                    if leaves_head(params, j):
                        out = _log_of_product(out)
                    out += coefficient_of(params, j) * _log_positive(total * inverse)
        result, known = _finish(params, terms, total, out, first_log, before)
        return result, are_linear(lowest, highest) & known

    return value


@inlined
def _start(params, total):
    """The product or the sum of logs before the first increment; -1 or -inf where the first prefix has no weight."""
    if params.product:
        return 1.0 if total > 0.0 else -1.0
    return 0.0 if total > 0.0 else -np.inf


@inlined
def _log_of_product(product):
    """The sum of logs that a product stands for; NaN where the product left the range."""
    minus_log = -_log_positive(product) if (product > TINY) & (product < HUGE) else np.nan
    return -np.inf if is_empty(product) else minus_log


@inlined
def _finish(params, terms, total, out, first_log, before):
    """The value from what is there after the last sample, and whether it is one."""
    origin, last = params.shift * LOG_2, _log_positive(total / (terms + params.minimum))
    if params.kind == kinds.IWAE:
        return (origin + last if total > 0.0 else -np.inf), True
    if params.kind == kinds.SINGLE_TERM:
        reciprocal = floats(params.reciprocal_at, SHORT + 2)
        after = 1.0 / reciprocal[terms + 1] if terms < params.cap else 0.0
        result = origin + (first_log + (last - before) / (1.0 / reciprocal[terms] - after))
        return (result if first_log > -np.inf else -np.inf), True
    if params.product and terms <= int64(min(params.head, 1e15)):
        if terms == 1:
            return (-np.inf if is_empty(out) else origin + last), True
        inside = ((out > TINY) & (out < HUGE)) | is_empty(out)
        result = origin + fma(float(terms), last, -_log_positive(out))
        return (-np.inf if is_empty(out) else result), inside
    result = origin + fma(floats(params.reciprocal_at, SHORT + 2)[terms], last, out)
    return (result if out > -np.inf else -np.inf), out == out


def series_value(weight: Any) -> Any:
    """Of Taylor's series."""

    @inlined
    def value(params, trial, terms):
        product, total, part, k, left = 1.0, 0.0, 0.0, 0, params.block
        lowest, highest = NO_RANGE
        for s in range(samples_of(params, terms)):
            w = weight(params, trial, uint64(s))
            lowest, highest = widened(lowest, highest, w)
            part += w
            left -= 1
            if left == 0:
                k, left = k + 1, params.block
                product *= factor_of_block(params, part)
                total = fma(term_of(params, k), product, total)
                part = 0.0
        result = params.log_center - total
        return result, are_linear(lowest, highest) & (fabs(result) <= FURTHEST)

    return value


def level_value(weight: Any) -> Any:
    """Of multilevel Monte Carlo."""

    @inlined
    def value(params, trial, terms):
        total, before, part = 0.0, 0.0, 0.0
        lowest, highest = NO_RANGE
        level, size, left = -params.first, params.base, params.base
        for s in range(samples_of(params, terms)):
            w = weight(params, trial, uint64(s))
            lowest, highest = widened(lowest, highest, w)
            part += w
            left -= 1
            if left > 0:
                continue
            if level < 1:
                factor = 1.0 if level < 0 else (0.0 if params.first else factor_of(params, 0, terms))
                if factor > 0.0:
                    log = params.shift * LOG_2 + _log_positive(part / params.base)
                    total += factor * log if part > 0.0 else -np.inf
                before = part
            else:
                factor = factor_of(params, level, terms)
                if factor > 0.0:
                    total += factor * difference(before, part, part - before)
                before += part
                size *= 2
            level, part, left = level + 1, 0.0, size
        return total, are_linear(lowest, highest)

    return value


def jackknife_value(weight: Any) -> Any:
    """Of the jackknife of order 1."""

    @inlined
    def value(params, trial, terms):
        largest, rest = weight(params, trial, uint64(0)), 0.0
        lowest, highest = widened(NO_RANGE[0], NO_RANGE[1], largest)
        for s in range(1, terms):
            w = weight(params, trial, uint64(s))
            lowest, highest = widened(lowest, highest, w)
            rest += largest if w > largest else w
            largest = w if w > largest else largest
        inverse = 1.0 / (largest + rest)
        product, largest = rest * inverse, weight(params, trial, uint64(0))
        for s in range(1, terms):  # again: a weight costs less than room for all of them
            w = weight(params, trial, uint64(s))
            product *= fma(-(largest if w > largest else w), inverse, 1.0)
            largest = w if w > largest else largest
        level = params.shift * LOG_2 + _log_positive((largest + rest) / terms)
        result = level - (terms - 1.0) / terms * (_log_positive(product) - params.equal_logs)
        return (result if rest > 0.0 else -np.inf), are_linear(lowest, highest)

    return value
