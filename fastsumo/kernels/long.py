"""Long trials: each runs along its own samples, `LANES` consecutive runs side by side in segments of `SEGMENT`.

Slot ``p`` of a segment of ``rows`` rows holds sample ``start + (p % LANES) * rows + p // LANES``, so lane sums are
prefix sums after adding each lane's offset, and every loop has unit stride. The sum of all earlier weights, the base,
is kept in two float64 numbers: 10^9 weights lose nothing.
"""

import math

import numpy as np
from numba import int64, uint64

from fastsumo.estimators import LAST
from fastsumo.kernels._jit import device, inlined
from fastsumo.kernels.bits import bits_float, float_bits
from fastsumo.kernels.buffer import weigh
from fastsumo.kernels.job import BUFFER, LANES, OK, SEGMENT
from fastsumo.vmath import _log_positive, _pow2, exp

_LOG_2 = 0.6931471805599453
_UNSET = -(2.0**59)  # below the power of any weight but zero
_RISE = 900.0  # powers of 2 by which a weight may exceed the trial's first before the slow path takes over
_MANTISSA, _ONE = int64((1 << 52) - 1), int64(0x3FF << 52)

# the state of the trial that is being worked on
BASE, BASE_LOW, POWER, FIRST_POWER, SUM, SUM_LOW, ALIVE, STATE = 0, 1, 2, 3, 4, 5, 6, 7


@device
def long_trials(job, work, first, n):
    """Values of the trials ``first .. n - 1`` of ``work``, any order."""
    state = np.zeros(STATE)
    used, pieces = 0, 0
    for i in range(first, n):
        samples = work.sorted_terms[i] + job.minimum
        start = 0
        while start < samples:
            count = min(SEGMENT, samples - start)
            slots = LANES * ((count + LANES - 1) // LANES)
            if used + slots > BUFFER:
                status = _flush(job, work, state, used, pieces)
                if status != OK:
                    return status
                used, pieces = 0, 0
            place(work, work.trial[i], start, count, used)
            piece = work.pieces[pieces]
            piece[0], piece[1], piece[2], piece[3] = i, start, count, used
            pieces, used, start = pieces + 1, used + slots, start + count
    return _flush(job, work, state, used, pieces)


@device
def place(work, trial, start, count, used):
    """Write the (trial, sample) pairs of one segment into the buffer from slot ``used`` on.

    Slots past the segment's end repeat its last sample, so that nothing outside the trial is evaluated.
    """
    rows = (count + LANES - 1) // LANES
    trials, samples = work.trials[used:], work.samples[used:]
    for p in range(rows * LANES):
        trials[p] = trial
        samples[p] = uint64(start + min((p % LANES) * rows + p // LANES, count - 1))


@device
def _flush(job, work, state, used, pieces):
    """Weigh the buffer and work through its segments in order."""
    if used == 0:
        return OK
    status = weigh(job, work, used)
    if status != OK:
        return status
    for p in range(pieces):
        piece = work.pieces[p]
        i, start, count, offset = piece[0], piece[1], piece[2], piece[3]
        terms = work.sorted_terms[i]
        if start == 0:
            begin(state)
        segment(job, work, state, start, count, offset, terms)
        if start + count == terms + job.minimum:
            work.values[i] = finish(job, state, terms)
    return OK


@device
def begin(state):
    """A trial without samples."""
    state[:] = 0.0
    state[POWER] = _UNSET


@device
def segment(job, work, state, start, count, offset, terms):
    """Take one weighed segment into the state."""
    slots = LANES * ((count + LANES - 1) // LANES)
    if state[POWER] == _UNSET:
        _set_power(work, state, count, offset)
    steep = 0
    for p in range(offset, offset + slots):
        steep += work.power[p] > state[POWER] + _RISE
    if steep:
        _crawl(job, work, state, start, count, offset, terms)
        return
    sums = work.mantissa[offset : offset + slots]
    lane_sums(work, state[POWER], count, offset)
    _lane_offsets(work, state, slots, sums[slots - LANES :])
    total = work.offset[slots - 1] + sums[slots - 1]
    if job.kind != LAST:
        prefix_logs(job, work, state, start, count, offset, terms)
    _advance(state, total)


@device
def lane_sums(work, power, count, offset):
    """Weights relative to ``2**power``, summed down each lane, in place of the mantissas."""
    rows = (count + LANES - 1) // LANES
    slots = rows * LANES
    sums, powers = work.mantissa[offset : offset + slots], work.power[offset : offset + slots]
    for p in range(slots):
        sums[p] = sums[p] * _pow2(powers[p] - power) if (p % LANES) * rows + p // LANES < count else 0.0
    for p in range(LANES, slots):
        sums[p] += sums[p - LANES]


@device
def _lane_offsets(work, state, slots, totals):
    """The sum of all weights of the segment before each lane, repeated in every row."""
    before = 0.0
    for lane in range(LANES):
        work.offset[lane] = before
        before += totals[lane]
    for p in range(LANES, slots):
        work.offset[p] = work.offset[p - LANES]


@device
def _advance(state, total):
    """Add a segment's sum to the base without rounding it away (Knuth's two-sum)."""
    high = state[BASE] + total
    part = high - state[BASE]
    state[BASE_LOW] += (state[BASE] - (high - part)) + (total - part)
    state[BASE] = high


@device
def prefix_logs(job, work, state, start, count, offset, terms):
    """Add the weighted logs of the segment's interior prefixes to the state's sum."""
    rows = (count + LANES - 1) // LANES
    slots = rows * LANES
    sums, offsets, prefix = work.mantissa[offset : offset + slots], work.offset, work.partial
    high, low = state[BASE], state[BASE_LOW]
    for p in range(slots):
        prefix[p] = high + (low + (offsets[p] + sums[p]))
    at = job.minimum - 1 - start
    if 0 <= at < count:
        state[ALIVE] = prefix[(at % rows) * LANES + at // rows]
    if job.product and float(terms) <= job.law.head:
        rise = state[POWER] - state[FIRST_POWER]
        added = _log_product(work, rows, start, count, job.minimum + 1, job.minimum + terms - 1, rise)
    else:
        added = _weighted_logs(job, work, state, rows, start, count, terms)
    total = state[SUM] + added
    part = total - state[SUM]
    state[SUM_LOW] += (state[SUM] - (total - part)) + (added - part)
    state[SUM] = total


@device
def _log_product(work, rows, start, count, first, last, rise):
    """``-sum log S_k`` over the prefixes ``first <= k <= last``: exponents add up, mantissas multiply.

    ``rise`` is the power of 2 by which prefixes are scaled down against the trial's first weight.
    """
    prefix, slots = work.partial, rows * LANES
    low, high = first - 1 - start, min(last - 1 - start, count - 1)
    powers = int64(0)
    for p in range(slots):
        s = (p % LANES) * rows + p // LANES
        bits = float_bits(prefix[p])
        inside = (s >= low) & (s <= high)
        powers += (bits >> 52) - 1023 if inside else 0
        prefix[p] = bits_float((bits & _MANTISSA) | _ONE) if inside else 1.0
    for p in range(LANES, slots):
        prefix[p] *= prefix[p - LANES]
    left, right = 1.0, 1.0  # each below 2^512: half the lanes of at most 64 mantissas below 2
    for lane in range(0, LANES, 2):
        left *= prefix[slots - LANES + lane]
        right *= prefix[slots - LANES + lane + 1]
    exponent = powers + rise * max(high - max(low, 0) + 1, 0)
    return -(_log_positive(left) + _log_positive(right) + exponent * _LOG_2)


@inlined
def reciprocal(law, j):
    """``1 / P(K >= j)`` for ``j >= 1``; the law is not a table."""
    if law.power == 1.0:
        weight = min(j, law.head)
    else:
        weight = exp(law.power * _log_positive(min(j, law.head)))
    if law.head < 1e300:
        weight *= exp(-max(j - law.head, 0.0) * law.log_decay)
    return weight


@device
def reciprocal_any(law, j):
    """``1 / P(K >= j)`` for ``j >= 1`` within the cap, any law; 1 for ``j = 0``."""
    if j < 1:
        return 1.0
    if law.table.size:
        return 1.0 / law.table[min(j, law.table.size) - 1]
    return reciprocal(law, float(j))


@device
def _weighted_logs(job, work, state, rows, start, count, terms):
    """``sum c_j log(S_k / k)``, ``c_j = 1 / P_j - 1 / P_{j+1}``, over the interior prefixes of the segment."""
    prefix, weights, slots = work.partial, work.offset, rows * LANES
    law, minimum = job.law, job.minimum
    if law.table.size:
        for p in range(slots + LANES):
            weights[p] = reciprocal_any(law, start + (p % LANES) * rows + p // LANES + 1 - minimum)
    else:
        for p in range(slots + LANES):
            j = float(start + (p % LANES) * rows + p // LANES + 1 - minimum)
            weights[p] = reciprocal(law, max(j, 1.0))
    low, high = minimum - start, min(minimum + terms - 2 - start, count - 1)
    for p in range(slots):
        s = (p % LANES) * rows + p // LANES
        level = _log_positive(prefix[p] / (start + s + 1))
        prefix[p] = (weights[p] - weights[p + LANES]) * level if (s >= low) & (s <= high) else 0.0
    for p in range(LANES, slots):
        prefix[p] += prefix[p - LANES]
    total = 0.0
    for lane in range(LANES):
        total += prefix[slots - LANES + lane]
    if state[POWER] != state[FIRST_POWER]:
        total += (state[POWER] - state[FIRST_POWER]) * _LOG_2 * _coefficients(job, start, low, high)
    return total


@device
def _coefficients(job, start, low, high):
    """``sum c_j`` over the samples ``low .. high`` of a segment, which telescopes."""
    if high < low:
        return 0.0
    j = start + 1 - job.minimum
    return reciprocal_any(job.law, j + max(low, 0)) - reciprocal_any(job.law, j + high + 1)


@device
def finish(job, state, terms):
    """The value of a trial from its state after the last sample."""
    samples = terms + job.minimum
    total = state[BASE] + state[BASE_LOW]
    if not total > 0.0:
        return -np.inf
    level = math.log(total / samples) + (state[POWER] - state[FIRST_POWER]) * _LOG_2
    origin = state[FIRST_POWER] * _LOG_2
    if job.kind == LAST:
        return origin + level
    if not state[ALIVE] > 0.0:
        return -np.inf
    if job.product and float(terms) <= job.law.head:
        counted = math.lgamma(float(samples)) - math.lgamma(float(job.minimum) + 1.0)
        return origin + ((state[SUM] + counted) + state[SUM_LOW] + float(terms) * level)
    return origin + ((state[SUM] + state[SUM_LOW]) + reciprocal_any(job.law, terms) * level)


@device
def _set_power(work, state, count, offset):
    """The power of the trial's first weight that is not zero becomes the trial's own."""
    rows = (count + LANES - 1) // LANES
    for s in range(count):
        power = work.power[offset + (s % rows) * LANES + s // rows]
        if power > _UNSET:
            state[POWER] = power
            state[FIRST_POWER] = power
            return


@device
def _crawl(job, work, state, start, count, offset, terms):
    """A segment whose weights span more than float64 can: one sample at a time under a running maximum."""
    rows = (count + LANES - 1) // LANES
    samples = terms + job.minimum
    total, power = state[BASE] + state[BASE_LOW], state[POWER]
    product = job.product and float(terms) <= job.law.head
    for s in range(count):
        p = offset + (s % rows) * LANES + s // rows
        rise = work.power[p] - power
        if rise > 0.0:
            total, power = total * _pow2(-rise) + work.mantissa[p], work.power[p]
        else:
            total += work.mantissa[p] * _pow2(rise)
        k = start + s + 1
        j = k - job.minimum
        if j == 0:
            state[ALIVE] = total
        if job.kind == LAST or j < 1 or k == samples or not total > 0.0:
            continue
        level = math.log(total) + (power - state[FIRST_POWER]) * _LOG_2
        if product:
            state[SUM] -= level
        else:
            weight = reciprocal_any(job.law, j) - reciprocal_any(job.law, j + 1)
            state[SUM] += weight * (level - math.log(float(k)))
    state[BASE], state[BASE_LOW], state[POWER] = total, 0.0, power


