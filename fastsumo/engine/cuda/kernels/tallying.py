"""Statistics of trials, added to a `Tally` on the card by many threads at once: the bits are those of a CPU.

Where a CPU adds float64 numbers of a tile one after the other, one thread here adds the same numbers in the same order;
all else is integers, whose order does not matter. Of the tally there are several copies, so that threads seldom meet at
one number; limits, the trace's extremes and the candidates are in the first copy alone.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint64

from fastsumo.engine.cuda.kernels.sizes import (
    CANDIDATE,
    CANDIDATES,
    FIRST_BIN,
    FOUND_CANDIDATES,
    FOUND_SIZE,
    GROUP_SIZE,
    NEAR_BINS,
    THREADS,
)
from fastsumo.jit.bits import fabs, float_bits
from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import inlined
from fastsumo.statistics.exact import LIMBS, SUM_BYTES, digits_of
from fastsumo.statistics.tally import (
    BIN_SHIFT,
    BINS,
    COUNTERS_AT,
    GROUP_COUNTS_AT,
    GROUP_SUMS_AT,
    GROUPS,
    HISTOGRAM_AT,
    LARGEST,
    LARGEST_TERMS,
    LIMITS_AT,
    OCTAVE_COUNTS_AT,
    OCTAVE_SUMS_AT,
    OVERFLOWED,
    PERIOD_COUNTS_AT,
    PERIOD_LARGEST_AT,
    PERIOD_SUMS_AT,
    PERIODS,
    POWERS,
    SMALLEST,
    THRESHOLD,
    ZERO_WEIGHT,
)
from fastsumo.trial.bins import octave_of, period_of
from fastsumo.trial.draw import samples_of
from fastsumo.trial.sizes import TILE

_FEW = (TILE // GROUPS).bit_length() - 1  # log2 of the trials of a block of which a tile has one for each group


class Tallying(NamedTuple):
    """Functions that add to a tally: ``tally_alone`` one trial, the others the short trials of tiles."""

    tally_tile: Any
    add_bins: Any
    gather: Any
    release: Any
    count_group: Any
    add_octave: Any
    tally_alone: Any


def tallying(cuda: Any) -> Tallying:
    """The functions, for ``numba.cuda`` or its stand-in."""

    @inlined
    def deposit(tally, sum_at, x):
        """Add ``x`` to a sum of the tally, exactly."""
        if x != 0.0:
            limbs = ints(sum_at, LIMBS)
            limb, low, middle, high = digits_of(x)
            if limb < 0:
                cuda.atomic.add(ints(tally + COUNTERS_AT, 4), OVERFLOWED, 1)
            else:
                cuda.atomic.add(limbs, limb, low)
                cuda.atomic.add(limbs, limb + 1, middle)
                cuda.atomic.add(limbs, limb + 2, high)

    @inlined
    def add_period(tally, period, trials, s1, s2):
        cuda.atomic.add(ints(tally + PERIOD_COUNTS_AT, PERIODS), period, trials)
        deposit(tally, tally + PERIOD_SUMS_AT + period * 2 * SUM_BYTES, s1)
        deposit(tally, tally + PERIOD_SUMS_AT + period * 2 * SUM_BYTES + SUM_BYTES, s2)

    @inlined
    def stretch(first_tally, smallest, largest, period, furthest):
        """Widen the limits, and the largest distance of a period."""
        limits, distances = floats(first_tally + LIMITS_AT, 3), floats(first_tally + PERIOD_LARGEST_AT, PERIODS)
        if smallest < limits[SMALLEST]:
            cuda.atomic.min(limits, SMALLEST, smallest)
        if largest > limits[LARGEST]:
            cuda.atomic.max(limits, LARGEST, largest)
        if furthest > distances[period]:
            cuda.atomic.max(distances, period, furthest)

    @inlined
    def place_of(d, size):
        """The bin of a trial, of both sides counted together."""
        return 2 * (float_bits(size) >> BIN_SHIFT) + (1 if d > 0.0 else 0)

    @inlined
    def keep(first_tally, found_at, candidates_at, size, value, trial, terms):
        """Remember a trial if it may be among the extremes."""
        if size > floats(first_tally + LIMITS_AT, 3)[THRESHOLD]:
            at = cuda.atomic.add(ints(found_at, FOUND_SIZE), FOUND_CANDIDATES, 1)
            if at < CANDIDATES:
                kept = candidates_at + 8 * CANDIDATE * at
                floats(kept, 2)[0], floats(kept, 2)[1] = size, value
                words(kept, 3)[2], ints(kept, 4)[3] = trial, terms

    @inlined
    def tally_alone(params, center, tally, first_tally, found_at, candidates_at, trial, terms, value):
        """Add one trial that is a run by itself: a long one."""
        octave, samples = octave_of(terms), samples_of(params, terms)
        counts, counters = ints(tally + OCTAVE_COUNTS_AT + 16 * octave, 2), ints(tally + COUNTERS_AT, 4)
        cuda.atomic.add(counts, 1, samples)
        cuda.atomic.max(ints(first_tally + COUNTERS_AT, 4), LARGEST_TERMS, terms)
        if value == -np.inf:
            cuda.atomic.add(counters, ZERO_WEIGHT, 1)
        else:
            d = value - center
            square = d * d
            young = (trial | uint64(TILE - 1)) < uint64(2 * TILE)
            period = period_of(trial if young else trial & ~uint64(TILE - 1))
            group = int64((trial >> uint64(params.block_bits)) & uint64(GROUPS - 1))
            sums_at = tally + OCTAVE_SUMS_AT + octave * POWERS * SUM_BYTES
            cuda.atomic.add(ints(tally + HISTOGRAM_AT, 2 * BINS), place_of(d, fabs(d)), 1)
            keep(first_tally, found_at, candidates_at, fabs(d), value, trial, terms)
            stretch(first_tally, value, value, period, fabs(d))
            cuda.atomic.add(counts, 0, 1)
            cuda.atomic.add(ints(tally + GROUP_COUNTS_AT, GROUPS), group, 1)
            deposit(tally, tally + GROUP_SUMS_AT + group * SUM_BYTES, d)
            deposit(tally, sums_at, d)
            deposit(tally, sums_at + SUM_BYTES, square)
            deposit(tally, sums_at + 2 * SUM_BYTES, square * d)
            deposit(tally, sums_at + 3 * SUM_BYTES, square * square)
            add_period(tally, period, 1, d, square)

    @inlined
    def begin_of(places, kept, longest, terms):
        """Where the trials of up to so many terms begin among those sorted by falling `K`."""
        return 0 if terms >= longest else (places[terms] if terms > 0 else kept)

    @inlined
    def tally_tile(
        params, center, tally, first_tally, found_at, candidates_at, start, size, kept, longest, values, tile, bins
    ):
        """Add the short trials of a tile, sorted by falling `K`, but for powers and groups; by all threads of a block.

        Returns the sum of the distances of the thread's group, and how many there are.

        ``tile`` is order, short and places: which trial of the tile is in which place, to be overwritten; `K` of each
        trial, 0 for a long one; where those of each `K` begin. ``bins`` counts what is near in the histogram.
        """
        order, short, places = tile
        t = int64(cuda.threadIdx.x)
        young = (start | uint64(TILE - 1)) < uint64(2 * TILE)
        period = period_of(start & ~uint64(TILE - 1))
        smallest, largest, furthest, empty = np.inf, -np.inf, -1.0, 0
        for p in range(t, kept, THREADS):
            value, i = values[p], int64(order[p])
            if value == -np.inf:
                empty += 1
            else:
                d, trial = value - center, start + uint64(i)
                size_of = fabs(d)
                smallest, largest, furthest = min(smallest, value), max(largest, value), max(furthest, size_of)
                place = place_of(d, size_of)
                if place >= FIRST_BIN and place < FIRST_BIN + NEAR_BINS:
                    cuda.atomic.add(bins, place - FIRST_BIN, 1)
                else:
                    cuda.atomic.add(ints(tally + HISTOGRAM_AT, 2 * BINS), place, 1)
                keep(first_tally, found_at, candidates_at, size_of, value, trial, int64(short[i]))
                if young:
                    add_period(tally, period_of(trial), 1, d, d * d)
                    stretch(first_tally, value, value, period_of(trial), size_of)
        if empty > 0:
            cuda.atomic.add(ints(tally + COUNTERS_AT, 4), ZERO_WEIGHT, empty)
        stretch(first_tally, smallest, largest, period, -1.0 if young else furthest)
        if t == 0 and kept > 0:
            cuda.atomic.max(ints(first_tally + COUNTERS_AT, 4), LARGEST_TERMS, int64(short[int64(order[0])]))
        cuda.syncthreads()
        if params.block_bits > _FEW:
            return add_blocks(params, center, tally, start, size, kept, longest, values, order, short, places, t)
        invert(order, kept)
        return add_group(params, center, tally, start, size, kept, longest, values, order, short, places, t)

    @inlined
    def add_bins(tally, bins):
        """Add what was counted near, and forget it."""
        counts = ints(tally + HISTOGRAM_AT, 2 * BINS)
        for i in range(int64(cuda.threadIdx.x), NEAR_BINS, THREADS):
            if bins[i] > 0:
                cuda.atomic.add(counts, FIRST_BIN + i, bins[i])
                bins[i] = 0

    @inlined
    def add_octave(params, center, tally, start, longest, values, places, octave, power):
        """The sum of one power of the distance over one octave of `K`, in the order of the places."""
        low, high, kept = int64(1) << octave, (int64(2) << octave) - 1, int64(places[0])
        begin = begin_of(places, kept, longest, high) if low <= longest else int64(0)
        end = begin_of(places, kept, longest, low - 1) if low <= longest else int64(0)
        total, trials = 0.0, 0
        for p in range(begin, end):
            value = values[p]
            there = value > -np.inf
            d = value - center if there else 0.0  # a trial of zero weight adds nothing
            square = d * d
            once = square if power & 1 else d
            total += square * once if power > 1 else once
            trials += 1 if there else 0
        if end > begin:
            deposit(tally, tally + OCTAVE_SUMS_AT + (octave * POWERS + power) * SUM_BYTES, total)
            if power == 0:
                cuda.atomic.add(ints(tally + OCTAVE_COUNTS_AT + 16 * octave, 2), 0, trials)
            if power == 1:
                cost = int64(0)
                for k in range(low, min(high, longest) + 1):
                    alike = begin_of(places, kept, longest, k - 1) - begin_of(places, kept, longest, k)
                    cost += alike * samples_of(params, k)
                cuda.atomic.add(ints(tally + OCTAVE_COUNTS_AT + 16 * octave, 2), 1, cost)
            if power < 2 and (start | uint64(TILE - 1)) >= uint64(2 * TILE):
                period = period_of(start & ~uint64(TILE - 1))
                deposit(tally, tally + PERIOD_SUMS_AT + (period * 2 + power) * SUM_BYTES, total)
                if power == 0:
                    cuda.atomic.add(ints(tally + PERIOD_COUNTS_AT, PERIODS), period, trials)

    @inlined
    def invert(order, kept):
        """From which trial is in which place, to which place a trial is in."""
        t, mine = int64(cuda.threadIdx.x), cuda.local.array(GROUP_SIZE, int32)
        for r in range(GROUP_SIZE):
            p = t + r * THREADS
            mine[r] = order[p] if p < kept else 0
        cuda.syncthreads()
        for r in range(GROUP_SIZE):
            p = t + r * THREADS
            if p < kept:
                order[int64(mine[r])] = p
        cuda.syncthreads()

    @inlined
    def add_member(center, tally, group, value, terms, kept, longest, places):
        """Of a short trial: what it adds to the sum of its group, and to the number of trials that have a value.

        If no other of the tile is of its octave, it is added here.
        """
        octave = octave_of(terms)
        low, high, there = int64(1) << octave, (int64(2) << octave) - 1, value > -np.inf
        d = value - center if there else 0.0
        if begin_of(places, kept, longest, low - 1) - begin_of(places, kept, longest, high) == 1:
            deposit(tally, tally + GROUP_SUMS_AT + group * SUM_BYTES, d)
            d = 0.0
        return d, (1 if there else 0)

    @inlined
    def add_group(params, center, tally, start, size, kept, longest, values, order, short, places, group):
        """The sum of the trials of one group in the order of their places, and how many; those alone are added here."""
        members, found = cuda.local.array(GROUP_SIZE, int32), 0
        bits, block = params.block_bits, int64(1) << params.block_bits
        ahead = (uint64(group) - (start >> uint64(bits))) & uint64(GROUPS - 1)
        at = (int64(ahead) << bits) - int64(start & uint64(block - 1))  # where its first block begins, maybe before 0
        for begin in range(at, size, GROUPS * block):
            for i in range(max(begin, 0), min(begin + block, size)):
                if short[i] > 0:
                    member, q = (int64(order[i]) << 12) | i, found
                    while q > 0 and members[q - 1] > member:
                        members[q] = members[q - 1]
                        q -= 1
                    members[q] = member
                    found += 1
        total, trials = 0.0, 0
        for q in range(found):
            place, i = int64(members[q]) >> 12, int64(members[q]) & (TILE - 1)
            d, there = add_member(center, tally, group, values[place], int64(short[i]), kept, longest, places)
            total, trials = total + d, trials + there
        return total, trials

    @inlined
    def add_blocks(params, center, tally, start, size, kept, longest, values, order, short, places, group):
        """`add_group` where the stratified blocks are so large that the tile has at most one of each group."""
        bits, total, trials = uint64(params.block_bits), 0.0, 0
        first = start >> bits
        block = first + ((uint64(group) - first) & uint64(GROUPS - 1))
        if block <= (start + uint64(size - 1)) >> bits:
            for p in range(kept):
                i = int64(order[p])
                if (start + uint64(i)) >> bits == block:
                    d, there = add_member(center, tally, group, values[p], int64(short[i]), kept, longest, places)
                    total, trials = total + d, trials + there
        return total, trials

    @inlined
    def gather(tally, group, held, x):
        """Add the sum of a tile to what is held for a group, exactly; what does not fit with it goes to the tally.

        Held are the lowest of three limbs and what they have.
        """
        limb, low, middle, high = digits_of(x)
        if x == 0.0:
            return held
        if limb < 0:
            deposit(tally, tally + GROUP_SUMS_AT + group * SUM_BYTES, x)
            return held
        if limb == held[0]:
            return limb, held[1] + low, held[2] + middle, held[3] + high
        release(tally, group, held)
        return limb, low, middle, high

    @inlined
    def release(tally, group, held):
        """Add what is held for a group to the tally."""
        if held[0] >= 0:
            limbs = ints(tally + GROUP_SUMS_AT + group * SUM_BYTES, LIMBS)
            cuda.atomic.add(limbs, held[0], held[1])
            cuda.atomic.add(limbs, held[0] + 1, held[2])
            cuda.atomic.add(limbs, held[0] + 2, held[3])

    @inlined
    def count_group(tally, group, trials):
        cuda.atomic.add(ints(tally + GROUP_COUNTS_AT, GROUPS), group, trials)

    return Tallying(tally_tile, add_bins, gather, release, count_group, add_octave, tally_alone)
