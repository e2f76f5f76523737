"""Long trials: each runs along its own samples, `LANES` consecutive runs side by side in segments of `SEGMENT`.

Slot ``p`` of a segment with lanes of ``depth`` samples has sample ``start + (p % LANES) * depth + p // LANES``: so lane
sums are prefix sums after adding each lane's offset, and every loop has unit stride. The sum of all earlier weights,
the base, is kept in two float64 numbers: 10^9 weights lose nothing. All is in the linear range here, and on one thread;
the extended range is in `extended.py`, a trial on many threads in `split.py`.
"""

from numba import int64, uint64

from fastsumo.engine.cpu.kernels.buffer import weigh_linear
from fastsumo.engine.cpu.kernels.scratch import (
    BUFFER,
    lane_offsets_in,
    lane_sums_at,
    lane_sums_in,
    pair_samples_in,
    pair_trials_at,
    pair_trials_in,
    pieces_in,
    prefix_means_in,
    ratios_in,
    reciprocals_in,
    state_in,
    terms_in,
    trial_numbers_in,
    values_in,
)
from fastsumo.engine.status import OK
from fastsumo.jit.memory import floats
from fastsumo.jit.options import device
from fastsumo.trial import kinds
from fastsumo.trial.coefficients import reciprocal_any
from fastsumo.trial.ranges import LOG_2
from fastsumo.trial.segments import (
    ALIVE,
    BASE,
    BASE_LOW,
    STATE_SIZE,
    SUM,
    SUM_LOW,
    added,
    depth_of,
    finish,
    mantissa_of,
    prefix_factor,
    sample_of,
    slot_of,
)
from fastsumo.trial.sizes import LANES, SEGMENT, TILE
from fastsumo.trial.survival import reciprocal
from fastsumo.vmath import _log_positive


@device
def place(scratch, trial, start, count, used):
    """Write the (trial, sample) pairs of one segment into the buffer from slot ``used`` on.

    Slots past the segment's end repeat its last sample, so that nothing outside the trial is evaluated.
    """
    depth = depth_of(count)
    slots = depth * LANES
    trials, samples = pair_trials_in(scratch, used, slots), pair_samples_in(scratch, used, slots)
    for p in range(slots):
        trials[p] = trial
        samples[p] = uint64(start + min(sample_of(p, depth), count - 1))


@device
def begin(state):
    """A trial without samples."""
    for i in range(STATE_SIZE):
        state[i] = 0.0


@device
def take_segment(params, scratch, state, start, count, offset, terms):
    """Take one weighed segment into the state."""
    sums_at = lane_sums_at(scratch, offset)
    sums = lane_sums_in(scratch, offset, LANES * depth_of(count))
    lane_sums(sums, count)
    total = lane_offsets(scratch, sums)
    if params.kind != kinds.IWAE:
        add_log(state, prefix_logs(params, scratch, sums_at, state, start, count, terms))
    advance(state, total)


@device
def lane_sums(sums, count):
    """Sum weights down each lane, in place; slots past the segment's end count nothing."""
    depth, slots = depth_of(count), sums.size
    if count < slots:
        for p in range(slots):
            sums[p] = sums[p] if sample_of(p, depth) < count else 0.0
    for p in range(LANES, slots):
        sums[p] += sums[p - LANES]


@device
def lane_offsets(scratch, sums):
    """The sum of all weights before each lane, left in the scratch memory; and of all weights, returned."""
    slots, offsets, before = sums.size, lane_offsets_in(scratch, 0, LANES), 0.0
    for lane in range(LANES):
        offsets[lane] = before
        before += sums[slots - LANES + lane]
    return before


@device
def advance(state, total):
    """Add a segment's sum to the base without rounding it away (Knuth's two-sum)."""
    state[BASE], state[BASE_LOW] = added(state[BASE], state[BASE_LOW], total)


@device
def prefix_logs(params, scratch, sums_at, state, start, count, terms):
    """The sum of the weighted logs of the segment's interior prefixes, given the base in the state."""
    depth = depth_of(count)
    high, low = state[BASE], state[BASE_LOW]
    at = params.alive - 1 - start
    if 0 <= at < count:
        state[ALIVE] = _prefix(scratch, sums_at, depth, high, low, start, at)
    if params.kind == kinds.SINGLE_TERM:
        at = terms - 1 - start
        if 0 <= at < count:
            state[SUM] = _log_positive(_prefix(scratch, sums_at, depth, high, low, start, at))
        if start == 0:
            state[SUM_LOW] = _log_positive(_prefix(scratch, sums_at, depth, high, low, start, 0))
        return 0.0
    offsets = lane_offsets_in(scratch, 0, LANES * depth)
    for p in range(LANES, offsets.size):
        offsets[p] = offsets[p - LANES]
    first, last = max(params.minimum - start, 0), min(params.minimum + terms - 2 - start, count - 1)
    if params.product and float(terms) <= params.head:
        return _log_product(scratch, sums_at, depth, high, low, start, first, last)
    return _weighted_logs(params, scratch, sums_at, depth, high, low, start, first, last)


@device
def _prefix(scratch, sums_at, depth, high, low, start, at):
    """The mean of the weights up to sample ``start + at``."""
    sums, offsets = floats(sums_at, LANES * depth), lane_offsets_in(scratch, 0, LANES)
    return (high + (low + (offsets[at // depth] + sums[slot_of(at, depth)]))) / (start + at + 1)


@device
def add_log(state, log):
    """Add to the state's sum of logs, keeping what rounding takes off (Knuth's two-sum)."""
    if log != 0.0:
        state[SUM], state[SUM_LOW] = added(state[SUM], state[SUM_LOW], log)


@device
def _log_product(scratch, sums_at, depth, high, low, start, first, last):
    """``-sum log(S_k / k)`` over the samples ``first .. last`` of a segment: exponents add up, mantissas multiply.

    Each lane's depth is cut in four: one slot of each quarter goes into one division. What is left over has its own.
    """
    n, k0, step = LANES * (depth // 4), float(start + 1), float(depth // 4)
    low_k, high_k, others = float(start + 1 + first), float(start + 1 + last), LANES * (depth % 4)
    offsets, ratio = lane_offsets_in(scratch, 0, n + others), ratios_in(scratch, 0, n + others)
    s0, s1 = floats(sums_at, n), floats(sums_at + 8 * n, n)
    s2, s3 = floats(sums_at + 16 * n, n), floats(sums_at + 24 * n, n)
    left_over = floats(sums_at + 32 * n, others)
    powers = int64(0)
    for q in range(n):
        before, k = offsets[q], k0 + float(sample_of(q, depth))
        m0, e0, d0 = prefix_factor(high + (low + (before + s0[q])), k, low_k, high_k)
        m1, e1, d1 = prefix_factor(high + (low + (before + s1[q])), k + step, low_k, high_k)
        m2, e2, d2 = prefix_factor(high + (low + (before + s2[q])), k + 2.0 * step, low_k, high_k)
        m3, e3, d3 = prefix_factor(high + (low + (before + s3[q])), k + 3.0 * step, low_k, high_k)
        ratio[q], e = mantissa_of(((m0 * m1) * (m2 * m3)) / ((d0 * d1) * (d2 * d3)))
        powers += ((e0 + e1) + (e2 + e3)) + e
    for i in range(others):
        k = k0 + float(sample_of(4 * n + i, depth))
        m, e, d = prefix_factor(high + (low + (offsets[i] + left_over[i])), k, low_k, high_k)
        ratio[n + i], more = mantissa_of(m / d)
        powers += e + more
    for p in range(LANES, ratio.size):
        ratio[p] *= ratio[p - LANES]
    left, right = 1.0, 1.0  # each below 2^152: half the lanes of at most 19 mantissas below 2
    for p in range(ratio.size - LANES, ratio.size, 2):
        left *= ratio[p]
        right *= ratio[p + 1]
    return -(_log_positive(left) + _log_positive(right) + powers * LOG_2)


@device
def _weighted_logs(params, scratch, sums_at, depth, high, low, start, first, last):
    """``sum c_j log(S_k / k)``, ``c_j = 1 / P_j - 1 / P_{j+1}``, over the samples ``first .. last`` of a segment."""
    slots = depth * LANES
    offsets, sums, prefix = (
        lane_offsets_in(scratch, 0, slots),
        floats(sums_at, slots),
        prefix_means_in(scratch, 0, slots),
    )
    for p in range(slots):
        prefix[p] = (high + (low + (offsets[p] + sums[p]))) / float(start + 1 + sample_of(p, depth))
    reciprocals = reciprocals_in(scratch, 0, slots + LANES)
    before = start + 1 - params.minimum  # j of the segment's first sample
    if params.table_size:
        for p in range(slots + LANES):
            reciprocals[p] = reciprocal_any(params, before + sample_of(p, depth))
    else:
        for p in range(slots + LANES):
            reciprocals[p] = reciprocal(params, max(float(before + sample_of(p, depth)), 1.0))
    for p in range(slots):
        s = sample_of(p, depth)
        level = _log_positive(prefix[p])
        prefix[p] = (reciprocals[p] - reciprocals[p + LANES]) * level if (s >= first) & (s <= last) else 0.0
    for p in range(LANES, slots):
        prefix[p] += prefix[p - LANES]
    total = 0.0
    for lane in range(LANES):
        total += prefix[slots - LANES + lane]
    return total


def along_samples(weigh, take):
    """`long_trials`, where ``weigh`` is one of `buffer.py` and ``take`` is such as `take_segment`.

    Segments of several trials share the buffer, and are taken in order.
    """

    @device
    def flush(params, scratch, used, found):
        if used == 0:
            return OK
        status = weigh(params, scratch, pair_trials_at(scratch, 0), used)
        if status != OK:
            return status
        terms, values = terms_in(scratch, 0, TILE), values_in(scratch, 0, TILE)
        pieces, state = pieces_in(scratch, 0, found), state_in(scratch, 0, STATE_SIZE)
        for p in range(0, found, 4):
            i, start, count, offset = pieces[p], pieces[p + 1], pieces[p + 2], pieces[p + 3]
            if start == 0:
                begin(state)
            take(params, scratch, state, start, count, offset, terms[i])
            if start + count == terms[i] + params.minimum:
                values[i] = finish(params, state, terms[i])
        return OK

    @device
    def trials(params, scratch, first, n):
        """Values of the trials ``first .. n - 1``, in any order. The status."""
        terms, trial, pieces = terms_in(scratch, 0, n), trial_numbers_in(scratch, 0, n), pieces_in(scratch, 0, BUFFER)
        used, found = 0, 0
        for i in range(first, n):
            samples = terms[i] + params.minimum
            start = 0
            while start < samples:
                count = min(SEGMENT, samples - start)
                slots = LANES * depth_of(count)
                if used + slots > BUFFER:
                    status = flush(params, scratch, used, found)
                    if status != OK:
                        return status
                    used, found = 0, 0
                place(scratch, trial[i], start, count, used)
                pieces[found], pieces[found + 1], pieces[found + 2], pieces[found + 3] = i, start, count, used
                found, used, start = found + 4, used + slots, start + count
        return flush(params, scratch, used, found)

    return trials


long_trials = along_samples(weigh_linear, take_segment)  # `EXTENDED` if a weight is outside the linear range
