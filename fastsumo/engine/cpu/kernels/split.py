"""One long trial by many threads: its samples in chunks, each chunk in two passes, with the arithmetic of `long.py`.

The first pass weighs a chunk and sums each segment; when all chunks before it are known, `split_bases` gives every
segment its base; the second pass takes the logs. Every float is the same as on one thread. Who does which chunk when is
in `engine/cpu/split_trials.py`.
"""

from numba import uint64

from fastsumo.engine.cpu.kernels.buffer import weigh_linear
from fastsumo.engine.cpu.kernels.long import add_log, advance, lane_offsets, lane_sums, place, prefix_logs
from fastsumo.engine.cpu.kernels.scratch import BUFFER, lane_sums_in, pair_trials_at, state_in
from fastsumo.engine.status import OK
from fastsumo.jit.memory import floats
from fastsumo.jit.options import kernel
from fastsumo.trial.segments import ALIVE, BASE, BASE_LOW, STATE_SIZE, depth_of, finish
from fastsumo.trial.sizes import LANES, SEGMENT


@kernel
def split_sums(params, scratch, trial, start, n, sums_at, totals_at):
    """Lane sums and totals of the segments of the samples ``start .. start + n - 1``. The status."""
    totals = floats(totals_at, n // SEGMENT + 1)
    done = 0
    while done < n:
        size = min(n - done, BUFFER)
        for part in range(0, size, SEGMENT):
            place(scratch, uint64(trial), start + done + part, min(SEGMENT, size - part), part)
        last = (size - 1) // SEGMENT * SEGMENT
        used = last + LANES * depth_of(size - last)
        status = weigh_linear(params, scratch, pair_trials_at(scratch, 0), used)
        if status != OK:
            return status
        for part in range(0, size, SEGMENT):
            count = min(SEGMENT, size - part)
            slots = LANES * depth_of(count)
            sums, kept = lane_sums_in(scratch, part, slots), floats(sums_at + 8 * (done + part), slots)
            lane_sums(sums, count)
            totals[(done + part) // SEGMENT] = lane_offsets(scratch, sums)
            for p in range(slots):
                kept[p] = sums[p]
        done += size
    return OK


@kernel
def split_bases(state_at, totals_at, bases_at, segments):
    """The base before each segment, two floats each; the state moves on to after the last."""
    state, totals, bases = floats(state_at, STATE_SIZE), floats(totals_at, segments), floats(bases_at, 2 * segments)
    for s in range(segments):
        bases[2 * s], bases[2 * s + 1] = state[BASE], state[BASE_LOW]
        advance(state, totals[s])


@kernel
def split_logs(params, scratch, start, n, terms, sums_at, bases_at, logs_at, alive_at):
    """The sum of weighted logs of each segment of a chunk, from its lane sums and bases."""
    state, segments = state_in(scratch, 0, STATE_SIZE), n // SEGMENT + 1
    bases, logs, alive = floats(bases_at, 2 * segments), floats(logs_at, segments), floats(alive_at, 1)
    for done in range(0, n, SEGMENT):
        count, s = min(SEGMENT, n - done), done // SEGMENT
        sums = floats(sums_at + 8 * done, LANES * depth_of(count))
        lane_offsets(scratch, sums)
        state[BASE], state[BASE_LOW], state[ALIVE] = bases[2 * s], bases[2 * s + 1], 0.0
        logs[s] = prefix_logs(params, scratch, sums_at + 8 * done, state, start + done, count, terms)
        alive[0] += state[ALIVE]


@kernel
def split_add(state_at, logs_at, segments, alive):
    """Add the logs of a chunk's segments to the state, in order."""
    state, logs = floats(state_at, STATE_SIZE), floats(logs_at, segments)
    state[ALIVE] += alive
    for s in range(segments):
        add_log(state, logs[s])


@kernel
def split_value(params, state_at, terms):
    """The value of a trial whose samples are all in the state."""
    return finish(params, floats(state_at, STATE_SIZE), terms)
