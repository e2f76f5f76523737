"""Long trials, in stretches of whole segments: a warp a segment, then a warp a stretch, for weights and then for logs.

`weigh` sums the weights of each segment down its lanes; `base` brings the sums of all segments before to each of them;
`take_logs` adds up the weighted logs of a segment's prefixes; `settle` adds those of a stretch to the state of its
trial, and where the trial ends there, counts its value. The order of operations is that of ``engine/cpu/kernels``.

A warp works on two rows of a segment's 16 lanes at a time, the second half of its threads on the odd one.
"""

from typing import Any

from numba import int64, types, uint64

from fastsumo.engine.cuda.kernels.record import reader
from fastsumo.engine.cuda.kernels.sizes import (
    ALL,
    BAD,
    COUNT,
    FOUND_ASIDE,
    FOUND_RECORDS,
    FOUND_SEGMENTS,
    FOUND_SIZE,
    OWN,
    RECORD_SIZE,
    ROWS,
    SEGMENTS,
    START,
    STATE,
    TALLY_BYTES,
    TERMS,
    TRIAL,
)
from fastsumo.engine.cuda.kernels.tallying import tallying
from fastsumo.engine.cuda.kernels.weight import pair_on_card, weight_of
from fastsumo.engine.shapes import Shape
from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import inlined
from fastsumo.trial import kinds
from fastsumo.trial.coefficients import reciprocal_any
from fastsumo.trial.ranges import LOG_2, is_linear
from fastsumo.trial.segments import (
    ALIVE,
    BASE,
    BASE_LOW,
    LEVEL,
    SUM,
    SUM_LOW,
    added,
    depth_of,
    finish,
    mantissa_of,
    prefix_factor,
    slot_of,
)
from fastsumo.trial.sizes import LANES, SEGMENT
from fastsumo.trial.survival import reciprocal
from fastsumo.vmath import _log_positive

_DEPTH = SEGMENT // LANES
_RECORD, _STATE = 8 * RECORD_SIZE, 8 * STATE

# Addresses of: params, counters of the launch, records (and room), record of each segment (and room), sums by row,
# sum of each segment, base of each segment (two numbers), logs of each segment, states.
_COMMON = (types.int64,) * 11
WEIGH = BASES = LOGS = types.void(*_COMMON)
SETTLE = types.void(
    *_COMMON,
    types.float64,  # centre
    types.int64,  # address of the copies of the tally
    types.int64,  # how many
    types.int64,  # of the candidates
    types.int64,  # of trials set aside, two numbers each
    types.uint64,  # first trial of the values
    types.int64,  # how many
    types.int64,  # address of values by trial, or 0: then trials are added to the tally
)


@inlined
def _segment(at, g, records_at, rows_at):
    """Of segment ``g`` of record ``at``: the record, its first sample, how many, how many a lane, its sums by row."""
    record = ints(records_at + _RECORD * at, RECORD_SIZE)
    within = g - record[SEGMENTS]
    start = record[START] + SEGMENT * within
    count = min(SEGMENT, record[START] + record[COUNT] - start)
    rows = floats(rows_at + 8 * LANES * (record[ROWS] + _DEPTH * within), SEGMENT)
    return record, start, count, depth_of(count), rows


def _sharing(cuda: Any) -> Any:
    @inlined
    def share():
        """The lane of a thread, the first piece of work of its warp, and how many warps there are."""
        t, threads = int64(cuda.threadIdx.x), int64(cuda.blockDim.x)
        return t & 31, (int64(cuda.blockIdx.x) * threads + t) >> 5, int64(cuda.gridDim.x) * threads >> 5

    return share


def weigh_kernel(function: Any, shape: Shape, kind: Any, cuda: Any, pair: Any = pair_on_card) -> Any:
    """Sums of the weights of segments down their lanes, and of whole segments."""
    read, weight, keep = reader(kind), weight_of(function, shape, cuda, pair), kind.kind != kinds.IWAE
    share = _sharing(cuda)

    def weigh(
        params_at, found_at, records_at, records, owners_at, segments, rows_at, totals_at, bases_at, logs_at, states_at
    ):
        params = read(params_at)
        lane, begin, warps = share()
        half, column = lane >> 4, lane & 15
        found = min(ints(found_at, FOUND_SIZE)[FOUND_SEGMENTS], segments)
        for g in range(begin, found, warps):
            at = ints(owners_at, segments)[g]
            if at < 0:
                continue
            record, start, count, depth, sums = _segment(at, g, records_at, rows_at)
            trial = words(records_at + _RECORD * at, 1)[TRIAL]
            run, outside = 0.0, 0
            for r in range(0, depth, 2):
                row = r + half
                s = column * depth + row
                w = weight(params, trial, uint64(start + min(s, count - 1)))
                outside += 0 if is_linear(w) else 1
                w = w if row < depth and s < count else 0.0
                other = cuda.shfl_xor_sync(ALL, w, 16)
                run += other if half else w
                if keep and half == 0:
                    sums[LANES * row + column] = run
                run += w if half else other
                if keep and half and row < depth:
                    sums[LANES * row + column] = run
            total = 0.0
            for q in range(LANES):
                total += cuda.shfl_sync(ALL, run, q)
            missed = cuda.ballot_sync(ALL, outside > 0)
            if lane == 0:
                floats(totals_at, segments)[g] = total
                if missed != 0:
                    record[BAD] = 1

    return weigh


def base_kernel(kind: Any, cuda: Any) -> Any:
    """The sum of all weights before each segment, in two floats; and after each stretch, in its state."""
    share = _sharing(cuda)

    def base(
        params_at, found_at, records_at, records, owners_at, segments, rows_at, totals_at, bases_at, logs_at, states_at
    ):
        lane, begin, warps = share()
        found = min(ints(found_at, FOUND_SIZE)[FOUND_RECORDS], records)
        totals, bases = floats(totals_at, segments), floats(bases_at, 2 * segments)
        for at in range(begin, found, warps):
            record = ints(records_at + _RECORD * at, RECORD_SIZE)
            state, first = floats(states_at + _STATE * record[OWN], STATE), record[SEGMENTS]
            number = (record[COUNT] + SEGMENT - 1) // SEGMENT
            fresh = record[START] == 0
            high, low = (0.0 if fresh else state[BASE]), (0.0 if fresh else state[BASE_LOW])
            cuda.syncwarp()
            for g in range(0, number, 32):
                mine = totals[first + g + lane] if g + lane < number else 0.0
                own_high, own_low = 0.0, 0.0
                for q in range(32):  # unrolled; adding 0 changes nothing
                    own_high, own_low = (high if q == lane else own_high), (low if q == lane else own_low)
                    high, low = added(high, low, cuda.shfl_sync(ALL, mine, q))
                if g + lane < number:
                    bases[2 * (first + g + lane)], bases[2 * (first + g + lane) + 1] = own_high, own_low
            if lane == 0 and number > 0:
                state[BASE], state[BASE_LOW], state[LEVEL] = high, low, 0.0
                if fresh:
                    state[SUM], state[SUM_LOW], state[ALIVE] = 0.0, 0.0, 0.0

    return base


def logs_kernel(kind: Any, cuda: Any) -> Any:
    """The sum of the weighted logs of the interior prefixes of each segment."""
    read, share = reader(kind), _sharing(cuda)

    @inlined
    def log_product(sums, depth, high, low, before, start, first, last, column, half):
        """``-sum log(S_k / k)`` over the samples ``first .. last``: exponents add up, mantissas multiply."""
        step, k0 = depth // 4, float(start + 1)
        low_k, high_k, width = float(start + 1 + first), float(start + 1 + last), float(step)
        ratio, powers = 1.0, int64(0)
        for r in range(0, step, 2):
            row = min(r + half, step - 1)
            k = k0 + float(column * depth + row)
            m0, e0, d0 = prefix_factor(high + (low + (before + sums[LANES * row + column])), k, low_k, high_k)
            m1, e1, d1 = prefix_factor(
                high + (low + (before + sums[LANES * (row + step) + column])), k + width, low_k, high_k
            )
            m2, e2, d2 = prefix_factor(
                high + (low + (before + sums[LANES * (row + 2 * step) + column])), k + 2.0 * width, low_k, high_k
            )
            m3, e3, d3 = prefix_factor(
                high + (low + (before + sums[LANES * (row + 3 * step) + column])), k + 3.0 * width, low_k, high_k
            )
            m, e = mantissa_of(((m0 * m1) * (m2 * m3)) / ((d0 * d1) * (d2 * d3)))
            m, e = (m if r + half < step else 1.0), (((e0 + e1) + (e2 + e3)) + e if r + half < step else 0)
            ratio, powers = in_turn(ratio, m, half), powers + e
        for r in range(0, depth % 4, 2):
            row = min(4 * step + r + half, depth - 1)
            total = high + (low + (before + sums[LANES * row + column]))
            m, e, d = prefix_factor(total, k0 + float(column * depth + row), low_k, high_k)
            m, more = mantissa_of(m / d)
            m, e = (m if r + half < depth % 4 else 1.0), (e + more if r + half < depth % 4 else 0)
            ratio, powers = in_turn(ratio, m, half), powers + e
        left, right = 1.0, 1.0
        for q in range(0, LANES, 2):
            left *= cuda.shfl_sync(ALL, ratio, q)
            right *= cuda.shfl_sync(ALL, ratio, q + 1)
        for other in (16, 8, 4, 2, 1):
            powers += cuda.shfl_xor_sync(ALL, powers, other)
        return -(_log_positive(left) + _log_positive(right) + powers * LOG_2)

    @inlined
    def in_turn(product, m, half):
        """A lane's product times the factor of the even row, then times that of the odd one."""
        other = cuda.shfl_xor_sync(ALL, m, 16)
        product *= other if half else m
        product *= m if half else other
        return product

    @inlined
    def weighted_logs(params, sums, depth, high, low, before, start, first, last, column, half):
        """``sum c_j log(S_k / k)``, ``c_j = 1 / P_j - 1 / P_{j+1}``, over the samples ``first .. last``."""
        run = 0.0
        for r in range(0, depth, 2):
            row = min(r + half, depth - 1)
            s = column * depth + row
            level = _log_positive((high + (low + (before + sums[LANES * row + column]))) / float(start + 1 + s))
            j = start + 1 - params.minimum + s
            x = (reciprocal_at(params, j) - reciprocal_at(params, j + 1)) * level
            x = x if r + half < depth and s >= first and s <= last else 0.0
            other = cuda.shfl_xor_sync(ALL, x, 16)
            run += other if half else x
            run += x if half else other
        total = 0.0
        for q in range(LANES):
            total += cuda.shfl_sync(ALL, run, q)
        return total

    @inlined
    def reciprocal_at(params, j):
        if params.table_size:
            return reciprocal_any(params, j)
        return reciprocal(params, max(float(j), 1.0))

    def take_logs(
        params_at, found_at, records_at, records, owners_at, segments, rows_at, totals_at, bases_at, logs_at, states_at
    ):
        params = read(params_at)
        lane, begin, warps = share()
        half, column = lane >> 4, lane & 15
        found = min(ints(found_at, FOUND_SIZE)[FOUND_SEGMENTS], segments)
        for g in range(begin, found, warps):
            at = ints(owners_at, segments)[g]
            if at < 0:
                continue
            record, start, count, depth, sums = _segment(at, g, records_at, rows_at)
            state, terms = floats(states_at + _STATE * record[OWN], STATE), record[TERMS]
            high, low = floats(bases_at, 2 * segments)[2 * g], floats(bases_at, 2 * segments)[2 * g + 1]
            own, before, run = sums[LANES * (depth - 1) + column], 0.0, 0.0
            for q in range(LANES):
                before = run if q == column else before
                run += cuda.shfl_sync(ALL, own, q)
            p = params.alive - 1 - start
            if p >= 0 and p < count:
                found_before = cuda.shfl_sync(ALL, before, p // depth)
                mean = (high + (low + (found_before + sums[slot_of(p, depth)]))) / (start + p + 1)
                if lane == 0:
                    state[ALIVE] = mean
            log = 0.0
            if params.kind == kinds.SINGLE_TERM:
                p = terms - 1 - start
                if p >= 0 and p < count:
                    found_before = cuda.shfl_sync(ALL, before, p // depth)
                    mean = (high + (low + (found_before + sums[slot_of(p, depth)]))) / (start + p + 1)
                    if lane == 0:
                        state[SUM] = _log_positive(mean)
                if start == 0 and lane == 0:
                    state[SUM_LOW] = _log_positive((high + (low + (before + sums[0]))) / 1)
            else:
                first = max(params.minimum - start, 0)
                last = min(params.minimum + terms - 2 - start, count - 1)
                if params.product and float(terms) <= params.head:
                    log = log_product(sums, depth, high, low, before, start, first, last, column, half)
                else:
                    log = weighted_logs(params, sums, depth, high, low, before, start, first, last, column, half)
            if lane == 0:
                floats(logs_at, segments)[g] = log

    return take_logs


def settle_kernel(kind: Any, cuda: Any) -> Any:
    """Add the logs of each stretch to the state of its trial, in order; count the trials that end."""
    read = reader(kind)
    tally_alone, share = tallying(cuda).tally_alone, _sharing(cuda)

    def settle(
        params_at,
        found_at,
        records_at,
        records,
        owners_at,
        segments,
        rows_at,
        totals_at,
        bases_at,
        logs_at,
        states_at,
        center,
        tally,
        copies,
        candidates_at,
        aside_at,
        first_trial,
        n,
        values_at,
    ):
        params = read(params_at)
        lane, begin, warps = share()
        found = min(ints(found_at, FOUND_SIZE)[FOUND_RECORDS], records)
        logs = floats(logs_at, segments)
        for at in range(begin, found, warps):
            record, terms = ints(records_at + _RECORD * at, RECORD_SIZE), ints(records_at + _RECORD * at, 2)[TERMS]
            trial, state = words(records_at + _RECORD * at, 1)[TRIAL], floats(states_at + _STATE * record[OWN], STATE)
            number, first = (record[COUNT] + SEGMENT - 1) // SEGMENT, record[SEGMENTS]
            if number > 0 and params.kind != kinds.IWAE and params.kind != kinds.SINGLE_TERM:
                high, low = state[SUM], state[SUM_LOW]
                for g in range(0, number, 32):
                    mine = logs[first + g + lane] if g + lane < number else 0.0
                    for q in range(32):  # unrolled; adding 0 changes nothing
                        high, low = added(high, low, cuda.shfl_sync(ALL, mine, q))
                cuda.syncwarp()
                if lane == 0:
                    state[SUM], state[SUM_LOW] = high, low
            if lane == 0 and number > 0 and record[START] + record[COUNT] == terms + params.minimum:
                if record[BAD] != 0:
                    place = aside_at + 16 * cuda.atomic.add(ints(found_at, FOUND_SIZE), FOUND_ASIDE, 1)
                    words(place, 1)[0], ints(place, 2)[1] = trial, terms
                else:
                    value = finish(params, state, terms)
                    if values_at != 0:
                        floats(values_at, n)[int64(trial - first_trial)] = value
                    else:
                        own = tally + (at % copies) * TALLY_BYTES
                        tally_alone(params, center, own, tally, found_at, candidates_at, trial, terms, value)

    return settle
