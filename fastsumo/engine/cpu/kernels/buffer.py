"""From the (trial, sample) pairs in a worker's buffer to their weights, checked on the way.

Each way to weigh is told where the trials of the pairs are, since those of short trials lie ready outside the buffer;
the samples are always in it. What is compiled of a model, and called here, is in `weights.py`.
"""

from numba import int64

from fastsumo.engine.cpu.kernels.chunks import FAILED
from fastsumo.engine.cpu.kernels.exponentials import extended_weights, linear_weights
from fastsumo.engine.cpu.kernels.scratch import (
    mantissas_at,
    mantissas_in,
    noise_place_in,
    pair_samples_at,
    powers_at,
    powers_in,
    report_in,
    weights_at,
    weights_in,
)
from fastsumo.engine.cpu.kernels.weights import call_log_weights, call_noise
from fastsumo.engine.status import BAD_WEIGHT, EXTENDED, OK, RAISED, STOPPED
from fastsumo.jit.memory import words
from fastsumo.jit.options import device
from fastsumo.trial.ranges import is_linear, to_linear


def _weigher(to_weights):
    """``weigh(params, scratch, trials_at, n, first_at, second_at)``, with one of `exponentials.py`. The status."""

    @device
    def weigh(params, scratch, trials_at, n, first_at, second_at):
        report, noise_at = report_in(scratch, 0, 2), noise_place_in(scratch, 0, 1)[0]
        samples_at, size, start, status = pair_samples_at(scratch, 0), params.chunk, 0, OK
        while start < n and status == OK:
            m, at = min(size, n - start), 8 * start
            pairs = trials_at + at, samples_at + at, m, params.key
            call_noise(params.noise_at, (*pairs, noise_at, params.noise_dim, size))
            first, second = first_at + at, second_at + at
            given = noise_at, m, 0, params.numbers_at, params.row_at
            terms = call_log_weights(params.log_weights_at, (*given, first, second))
            status = RAISED if terms == FAILED else to_weights(first, second, terms, m, params.shift)
            start += m
        if report[1]:
            return STOPPED
        if status == RAISED:
            report[0] = int64(words(trials_at, 1)[0])
        return status

    return weigh


_linear, _extended = _weigher(linear_weights), _weigher(extended_weights)


@device
def weigh_linear(params, scratch, trials_at, n):
    """Weights of ``n`` pairs for the linear range. The status, `EXTENDED` if some are outside of it."""
    return _linear(params, scratch, trials_at, n, weights_at(scratch, 0), powers_at(scratch, 0))


@device
def weigh_extended(params, scratch, trials_at, n):
    """Mantissas and powers of ``n`` pairs, unchecked. The status."""
    return _extended(params, scratch, trials_at, n, mantissas_at(scratch, 0), powers_at(scratch, 0))


@device
def weigh_both(params, scratch, trials_at, n):
    """Mantissas and powers of ``n`` pairs, and beside them linear weights, which are right where they are in range.

    The status, with the trial of an error in the report; `EXTENDED` if some weight is outside the linear range.
    """
    mantissa, power, weight = mantissas_in(scratch, 0, n), powers_in(scratch, 0, n), weights_in(scratch, 0, n)
    status = weigh_extended(params, scratch, trials_at, n)
    if status != OK:
        return status
    bad, outside, shift = 0, 0, params.shift
    for i in range(n):
        bad += not (mantissa[i] >= 0.0)
        weight[i] = to_linear(mantissa[i], power[i] - shift)
        outside += not (is_linear(weight[i]))
    if bad:
        for i in range(n):
            if not (mantissa[i] >= 0.0):
                report_in(scratch, 0, 2)[0] = int64(words(trials_at, n)[i])
                return BAD_WEIGHT
    return EXTENDED if outside else OK


@device
def weigh_any(params, scratch, trials_at, n):
    """`weigh_both`, where any weight will do: the status is not `EXTENDED`."""
    status = weigh_both(params, scratch, trials_at, n)
    return OK if status == EXTENDED else status
