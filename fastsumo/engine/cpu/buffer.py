"""From (trial, sample) pairs in a worker's buffer to weights, checked on the way."""

from numba import int64

from fastsumo.engine.cpu.scratch import MANTISSA, POWER, REPORT, SAMPLES, TRIALS, WEIGHT
from fastsumo.engine.cpu.weights import FAILED, NOT_PLAIN, call_weights
from fastsumo.engine.status import BAD_WEIGHT, EXTENDED, OK, RAISED, STOPPED
from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import device, inlined
from fastsumo.trial.lazy_sums import is_plain
from fastsumo.vmath import _pow2

_FAR = 1000.0  # powers of 2


@device
def weigh(params, scratch, n):
    """Weights of the first ``n`` pairs of the buffer as plain numbers. The status, `EXTENDED` if some are not plain."""
    return weigh_samples(params, scratch, scratch + TRIALS, n)


@device
def weigh_samples(params, scratch, trials_at, n):
    """`weigh` where the trials of the pairs are elsewhere than in the buffer, but not their samples."""
    return _call(params.linear_at, params, scratch, trials_at, n, scratch + WEIGHT)


@device
def evaluate(params, scratch, n):
    """Mantissas and powers of the first ``n`` pairs of the buffer. The status; `EXTENDED` if nothing is compiled for it."""
    return _evaluate_samples(params, scratch, scratch + TRIALS, n)


@device
def _evaluate_samples(params, scratch, trials_at, n):
    """`evaluate` where the trials of the pairs are elsewhere than in the buffer."""
    return (
        _call(params.extended_at, params, scratch, trials_at, n, scratch + MANTISSA) if params.extended_at else EXTENDED
    )


@device
def weigh_any(params, scratch, n):
    """Weights of any scale: mantissas and powers, and numbers that are plain where the weight is.

    The status, with the trial of an error in the report; `EXTENDED` if some are not plain.
    """
    return weigh_any_samples(params, scratch, scratch + TRIALS, n)


@device
def weigh_any_samples(params, scratch, trials_at, n):
    """`weigh_any` where the trials of the pairs are elsewhere than in the buffer."""
    mantissa, power, weight = floats(scratch + MANTISSA, n), floats(scratch + POWER, n), floats(scratch + WEIGHT, n)
    status = _evaluate_samples(params, scratch, trials_at, n)
    if status != OK:
        return status
    bad, wide, shift = 0, 0, params.shift
    for i in range(n):
        bad += not (mantissa[i] >= 0.0)
        weight[i] = as_plain(mantissa[i], power[i] - shift)
        wide += not (is_plain(weight[i]))
    if bad:
        for i in range(n):
            if not (mantissa[i] >= 0.0):
                ints(scratch + REPORT, 2)[0] = int64(words(trials_at, n)[i])
                return BAD_WEIGHT
    return EXTENDED if wide else OK


@inlined
def as_plain(mantissa, power):
    """The same bits as the plain weight where there is one; no plain number where there is none."""
    return mantissa * _pow2(max(min(power, _FAR), -_FAR))


@device
def _call(address, params, scratch, trials_at, n, result_at):
    """Call the model's function for ``n`` trials and the first ``n`` samples of the buffer. The status."""
    report, samples_at = ints(scratch + REPORT, 2), scratch + SAMPLES
    where = params.key, params.numbers_at, params.row_at, params.shift
    found = call_weights(address, (trials_at, samples_at, n, *where, result_at, scratch + POWER))
    if report[1]:
        return STOPPED
    if found == FAILED:
        report[0] = int64(words(trials_at, 1)[0])
        return RAISED
    return EXTENDED if found == NOT_PLAIN else OK
