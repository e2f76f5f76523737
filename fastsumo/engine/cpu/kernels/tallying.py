"""Statistics of a tile of trials, added to a `Tally`: power sums, histogram, extremes, breakdowns by octave and time.

Within a tile sums are float64 in a fixed order; tiles are added exactly (`statistics/exact.py`). What a tally looks
like is in `statistics/tally.py`.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint64

from fastsumo.engine.cpu.kernels.scratch import group_sums_in, terms_in, trial_numbers_in, values_in
from fastsumo.jit.bits import fabs, float_bits
from fastsumo.jit.memory import floats, ints, words
from fastsumo.jit.options import device
from fastsumo.statistics.exact import SUM_BYTES, deposit
from fastsumo.statistics.tally import (
    BIN_SHIFT,
    BINS,
    CANDIDATE_TERMS_AT,
    CANDIDATE_TRIALS_AT,
    CANDIDATES,
    CANDIDATES_AT,
    COUNTERS_AT,
    FOUND,
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


@device
def tally_tile(tally, scratch, short, n, params, center):
    """Add the ``n`` trials of a tile, the first ``short`` sorted by falling `K`."""
    terms, group_sums = terms_in(scratch, 0, n), group_sums_in(scratch, 0, GROUPS)
    group_sums[:] = 0.0
    begin = 0
    while begin < n:
        octave = octave_of(terms[begin])
        end = begin + 1
        while end < short and terms[end] >> octave:
            end += 1
        _tally_run(tally, scratch, begin, end, octave, params, center)
        begin = end
    for group in range(GROUPS):
        _add(tally, tally + GROUP_SUMS_AT + group * SUM_BYTES, group_sums[group])


@device
def _add(tally, sum_at, x):
    if x != 0.0 and not deposit(sum_at, x):
        ints(tally + COUNTERS_AT, 4)[OVERFLOWED] += 1


@device
def _tally_run(tally, scratch, begin, end, octave, params, center):
    """Add the trials ``begin .. end - 1`` of a tile, all of one octave of `K`."""
    n = end - begin
    values, terms, trial = (
        values_in(scratch, begin, n),
        terms_in(scratch, begin, n),
        trial_numbers_in(scratch, begin, n),
    )
    limits, counters = floats(tally + LIMITS_AT, 3), ints(tally + COUNTERS_AT, 4)
    histogram = ints(tally + HISTOGRAM_AT, 2 * BINS)
    group_sums, group_counts = group_sums_in(scratch, 0, GROUPS), ints(tally + GROUP_COUNTS_AT, GROUPS)
    young = (trial[0] | uint64(TILE - 1)) < uint64(2 * TILE)  # periods as short as a tile, or shorter
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    smallest, largest, threshold = limits[SMALLEST], limits[LARGEST], limits[THRESHOLD]
    cost, trials, most, furthest = int64(0), int64(0), counters[LARGEST_TERMS], -1.0
    block_bits = uint64(params.block_bits)
    alone = n == 1  # so is every long trial: what it adds must not depend on whether a split trial is in its tile
    for i in range(n):
        cost += samples_of(params, terms[i])
        most = max(most, terms[i])
    for i in range(n):
        value = values[i]
        if value == -np.inf:
            counters[ZERO_WEIGHT] += 1
            continue
        d = value - center
        size, square = fabs(d), d * d
        trials += 1
        s1 += d
        s2 += square
        s3 += square * d
        s4 += square * square
        smallest, largest, furthest = min(smallest, value), max(largest, value), max(furthest, size)
        histogram[uint64(2 * (float_bits(size) >> BIN_SHIFT) + (d > 0.0))] += 1
        group = (trial[i] >> block_bits) & uint64(GROUPS - 1)
        if alone:
            _add(tally, tally + GROUP_SUMS_AT + int64(group) * SUM_BYTES, d)
        else:
            group_sums[group] += d
        group_counts[group] += 1
        if size > threshold:
            _keep(tally, size, value, trial[i], terms[i])
    limits[SMALLEST], limits[LARGEST], counters[LARGEST_TERMS] = smallest, largest, most
    octave_counts = ints(tally + OCTAVE_COUNTS_AT + 16 * octave, 2)
    octave_counts[0] += trials
    octave_counts[1] += cost
    sums_at = tally + OCTAVE_SUMS_AT + octave * POWERS * SUM_BYTES
    _add(tally, sums_at, s1)
    _add(tally, sums_at + SUM_BYTES, s2)
    _add(tally, sums_at + 2 * SUM_BYTES, s3)
    _add(tally, sums_at + 3 * SUM_BYTES, s4)
    if not young:
        _add_period(tally, period_of(trial[0] & ~uint64(TILE - 1)), trials, s1, s2, furthest)
        return
    for i in range(n):
        d = values[i] - center
        if values[i] > -np.inf:
            _add_period(tally, period_of(trial[i]), 1, d, d * d, fabs(d))


@device
def _add_period(tally, period, trials, s1, s2, furthest):
    """Add trials of one period to its sums."""
    counts, largest = ints(tally + PERIOD_COUNTS_AT, PERIODS), floats(tally + PERIOD_LARGEST_AT, PERIODS)
    counts[period] += trials
    largest[period] = max(largest[period], furthest)
    sums_at = tally + PERIOD_SUMS_AT + period * 2 * SUM_BYTES
    _add(tally, sums_at, s1)
    _add(tally, sums_at + SUM_BYTES, s2)


@device
def _keep(tally, size, value, trial, terms):
    """Remember a trial that may be among the extremes."""
    counters = ints(tally + COUNTERS_AT, 4)
    at = counters[FOUND]
    if at < CANDIDATES:
        place = floats(tally + CANDIDATES_AT + 16 * at, 2)
        place[0], place[1] = size, value
        words(tally + CANDIDATE_TRIALS_AT, CANDIDATES)[at] = trial
        ints(tally + CANDIDATE_TERMS_AT, CANDIDATES)[at] = terms
        counters[FOUND] = at + 1
