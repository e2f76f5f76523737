"""Per-tile statistics of trials: power sums, histogram, extremes, breakdowns by octave of `K`, by group and by time.

Within a tile sums are plain float64 in a fixed order; tiles are added exactly (`exact.py`). `Tally` is the memory that
a worker fills; `fastsumo/accumulate.py` makes lasting statistics of it.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint64

from fastsumo.kernels._jit import device
from fastsumo.kernels.bits import fabs, float_bits
from fastsumo.kernels.draw import samples_of
from fastsumo.kernels.exact import LIMBS, deposit
from fastsumo.kernels.job import ORDERED_TERMS, SUMS, TILE, TRIAL, VALUES
from fastsumo.kernels.memory import floats, ints, words

OCTAVES = 53  # of K, up to 2^52
POWERS = 4
GROUPS = 256  # trial number modulo GROUPS
PERIODS = 128  # two to each octave of the trial number
BINS_PER_OCTAVE = 64
BIN_SHIFT = 46  # 52 mantissa bits less log2(BINS_PER_OCTAVE)
BINS = 2048 * BINS_PER_OCTAVE  # of each sign
CANDIDATES = 100_000  # room for the extremes of one block of trials and those kept before it

_ARRAYS = {
    "octave_sums": ((OCTAVES, POWERS, LIMBS), np.int64),  # exact sums of powers of value - center
    "group_sums": ((GROUPS, LIMBS), np.int64),
    "period_sums": ((PERIODS, 2, LIMBS), np.int64),
    "octave_counts": ((OCTAVES, 2), np.int64),  # trials, importance samples
    "group_counts": ((GROUPS,), np.int64),
    "period_counts": ((PERIODS,), np.int64),
    "period_largest": ((PERIODS,), np.float64),  # largest |value - center|
    "histogram": ((BINS, 2), np.int64),  # bins of |value - center|, negative and positive side
    "limits": ((3,), np.float64),  # smallest and largest value, threshold of the extremes
    "counters": ((4,), np.int64),  # trials of zero weight, largest K, candidates, overflowed sums
    "candidates": ((CANDIDATES, 2), np.float64),  # |value - center|, value
    "candidate_trials": ((CANDIDATES,), np.uint64),
    "candidate_terms": ((CANDIDATES,), np.int64),
}
_SIZES = [int(np.prod(shape)) for shape, _ in _ARRAYS.values()]
_PLACES = [8 * sum(_SIZES[:i]) for i in range(len(_SIZES))]
(
    _OCTAVE_SUMS,
    _GROUP_SUMS,
    _PERIOD_SUMS,
    _OCTAVE_COUNTS,
    _GROUP_COUNTS,
    _PERIOD_COUNTS,
    _PERIOD_LARGEST,
    _HISTOGRAM,
    _LIMITS,
    _COUNTERS,
    _CANDIDATES,
    _CANDIDATE_TRIALS,
    _CANDIDATE_TERMS,
) = _PLACES
_SUM = 8 * LIMBS  # bytes of one exact sum

ZERO_WEIGHT, LARGEST_TERMS, FOUND, OVERFLOWED = 0, 1, 2, 3
SMALLEST, LARGEST, THRESHOLD = 0, 1, 2


class Tally:
    """Everything that is kept of trials, open to additions: one stretch of memory, and its arrays by name."""

    octave_sums: np.ndarray
    group_sums: np.ndarray
    period_sums: np.ndarray
    octave_counts: np.ndarray
    group_counts: np.ndarray
    period_counts: np.ndarray
    period_largest: np.ndarray
    histogram: np.ndarray
    limits: np.ndarray
    counters: np.ndarray
    candidates: np.ndarray
    candidate_trials: np.ndarray
    candidate_terms: np.ndarray

    def __init__(self) -> None:
        memory = np.zeros(sum(_SIZES))
        self.address = memory.ctypes.data
        for (name, (shape, dtype)), place, size in zip(_ARRAYS.items(), _PLACES, _SIZES, strict=True):
            setattr(self, name, memory[place // 8 : place // 8 + size].view(dtype).reshape(shape))
        self.period_largest[:] = -1.0
        self.limits[:] = np.inf, -np.inf, -1.0


@device
def tally_tile(tally, work, short, n, job, center):
    """Add the ``n`` trials of a tile, the first ``short`` sorted by falling `K`."""
    terms, group_sums = ints(work + ORDERED_TERMS, n), floats(work + SUMS, GROUPS)
    group_sums[:] = 0.0
    begin = 0
    while begin < n:
        octave = octave_of(terms[begin])
        end = begin + 1
        while end < short and terms[end] >> octave:
            end += 1
        _tally_run(tally, work, begin, end, octave, job, center)
        begin = end
    for group in range(GROUPS):
        _add(tally, tally + _GROUP_SUMS + group * _SUM, group_sums[group])


@device
def octave_of(terms):
    """``floor(log2(K))``, and 0 for `K` below 2."""
    octave = 0
    while terms >> (octave + 1):
        octave += 1
    return octave


@device
def _add(tally, sum_at, x):
    if x != 0.0 and not deposit(sum_at, x):
        ints(tally + _COUNTERS, 4)[OVERFLOWED] += 1


@device
def _tally_run(tally, work, begin, end, octave, job, center):
    """Add the trials ``begin .. end - 1`` of a tile, all of one octave of `K`."""
    n, at = end - begin, 8 * begin
    values, terms, trial = (
        floats(work + VALUES + at, n),
        ints(work + ORDERED_TERMS + at, n),
        words(work + TRIAL + at, n),
    )
    limits, counters = floats(tally + _LIMITS, 3), ints(tally + _COUNTERS, 4)
    histogram = ints(tally + _HISTOGRAM, 2 * BINS)
    group_sums, group_counts = floats(work + SUMS, GROUPS), ints(tally + _GROUP_COUNTS, GROUPS)
    young = (trial[0] | uint64(TILE - 1)) < uint64(2 * TILE)  # periods as short as a tile, or shorter
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    smallest, largest, threshold = limits[SMALLEST], limits[LARGEST], limits[THRESHOLD]
    cost, trials, most, furthest = int64(0), int64(0), counters[LARGEST_TERMS], -1.0
    alone = n == 1  # so is every long trial: what it adds must not depend on whether a giant is in its tile
    for i in range(n):
        cost += samples_of(job, terms[i])
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
        group = trial[i] & uint64(GROUPS - 1)
        if alone:
            _add(tally, tally + _GROUP_SUMS + int64(group) * _SUM, d)
        else:
            group_sums[group] += d
        group_counts[group] += 1
        if size > threshold:
            _keep(tally, size, value, trial[i], terms[i])
        if young:
            _add_period(tally, period_of(trial[i]), 1, d, square, size)
    limits[SMALLEST], limits[LARGEST], counters[LARGEST_TERMS] = smallest, largest, most
    octave_counts = ints(tally + _OCTAVE_COUNTS + 16 * octave, 2)
    octave_counts[0] += trials
    octave_counts[1] += cost
    sums_at = tally + _OCTAVE_SUMS + octave * POWERS * _SUM
    _add(tally, sums_at, s1)
    _add(tally, sums_at + _SUM, s2)
    _add(tally, sums_at + 2 * _SUM, s3)
    _add(tally, sums_at + 3 * _SUM, s4)
    if not young:
        _add_period(tally, period_of(trial[0] & ~uint64(TILE - 1)), trials, s1, s2, furthest)


@device
def _add_period(tally, period, trials, s1, s2, furthest):
    """Add trials of one period to its sums."""
    counts, largest = ints(tally + _PERIOD_COUNTS, PERIODS), floats(tally + _PERIOD_LARGEST, PERIODS)
    counts[period] += trials
    largest[period] = max(largest[period], furthest)
    sums_at = tally + _PERIOD_SUMS + period * 2 * _SUM
    _add(tally, sums_at, s1)
    _add(tally, sums_at + _SUM, s2)


@device
def _keep(tally, size, value, trial, terms):
    """Remember a trial that may be among the extremes."""
    counters = ints(tally + _COUNTERS, 4)
    at = counters[FOUND]
    if at < CANDIDATES:
        place = floats(tally + _CANDIDATES + 16 * at, 2)
        place[0], place[1] = size, value
        words(tally + _CANDIDATE_TRIALS, CANDIDATES)[at] = trial
        ints(tally + _CANDIDATE_TERMS, CANDIDATES)[at] = terms
        counters[FOUND] = at + 1


@device
def period_of(trial):
    """Which stretch of trial numbers: [0], [1], [2], [3], [4, 5], [6, 7], [8, 11], [12, 15], ..."""
    if trial < uint64(2):
        return int64(trial)
    octave = 1
    while trial >> uint64(octave + 1):
        octave += 1
    return 2 * octave + int64((trial >> uint64(octave - 1)) & uint64(1))
