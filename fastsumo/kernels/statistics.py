"""Per-tile statistics of trials: power sums, histogram, extremes, breakdowns by octave of `K`, by group and by time.

Within a tile sums are plain float64 in a fixed order; tiles are added exactly (`exact.py`). `Tally` is what a worker
fills; `fastsumo/accumulate.py` merges tallies and reads them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from fastsumo.kernels._jit import device
from fastsumo.kernels.bits import fabs, float_bits
from fastsumo.kernels.exact import LIMBS, deposit
from fastsumo.kernels.job import TILE

OCTAVES = 53  # of K, up to 2^52
POWERS = 4
GROUPS = 256  # trial number modulo GROUPS
PERIODS = 128  # two to each octave of the trial number
BINS_PER_OCTAVE = 64
BIN_SHIFT = 46  # 52 mantissa bits less log2(BINS_PER_OCTAVE)
BINS = 2048 * BINS_PER_OCTAVE  # of each sign
CANDIDATES = 100_000  # room for the extremes of one block of trials and those kept before it


class Tally(NamedTuple):
    """Everything that is kept of trials, open to additions."""

    octave_sums: NDArray[np.int64]  # (OCTAVES, POWERS, LIMBS): exact sums of powers of value - center
    group_sums: NDArray[np.int64]  # (GROUPS, LIMBS)
    period_sums: NDArray[np.int64]  # (PERIODS, 2, LIMBS)
    octave_counts: NDArray[np.int64]  # (OCTAVES, 2): trials, importance samples
    group_counts: NDArray[np.int64]  # (GROUPS,)
    period_counts: NDArray[np.int64]  # (PERIODS,)
    period_largest: NDArray[np.float64]  # (PERIODS,): largest |value - center|
    histogram: NDArray[np.int64]  # (BINS, 2): bins of |value - center|, negative and positive side
    limits: NDArray[np.float64]  # smallest and largest value, threshold of the extremes
    counters: NDArray[np.int64]  # trials of zero weight, largest K, candidates, overflowed sums
    candidates: NDArray[np.float64]  # (CANDIDATES, 2): |value - center|, value
    candidate_trials: NDArray[np.uint64]  # (CANDIDATES,)
    candidate_terms: NDArray[np.int64]  # (CANDIDATES,)


ZERO_WEIGHT, LARGEST_TERMS, FOUND, OVERFLOWED = 0, 1, 2, 3
SMALLEST, LARGEST, THRESHOLD = 0, 1, 2


def make_tally() -> Tally:
    """A tally of no trials."""
    i64, f64 = np.int64, np.float64
    return Tally(
        np.zeros((OCTAVES, POWERS, LIMBS), i64),
        np.zeros((GROUPS, LIMBS), i64),
        np.zeros((PERIODS, 2, LIMBS), i64),
        np.zeros((OCTAVES, 2), i64),
        np.zeros(GROUPS, i64),
        np.zeros(PERIODS, i64),
        np.full(PERIODS, -1.0),
        np.zeros((BINS, 2), i64),
        np.array([np.inf, -np.inf, -1.0]),
        np.zeros(4, i64),
        np.zeros((CANDIDATES, 2), f64),
        np.zeros(CANDIDATES, np.uint64),
        np.zeros(CANDIDATES, i64),
    )


@device
def tally_tile(tally, work, short, n, minimum, center, sums):
    """Add the ``n`` trials of a tile, the first ``short`` sorted by falling `K`; ``sums`` is scratch (POWERS + GROUPS,)."""
    sums[:] = 0.0
    begin = 0
    while begin < short:
        octave = octave_of(work.sorted_terms[begin])
        end = begin + 1
        while end < short and work.sorted_terms[end] >> octave:
            end += 1
        _tally_run(tally, work, begin, end, octave, minimum, center, sums)
        begin = end
    for i in range(short, n):
        _tally_run(tally, work, i, i + 1, octave_of(work.sorted_terms[i]), minimum, center, sums)
    for group in range(GROUPS):
        if sums[POWERS + group] != 0.0:
            _add(tally, tally.group_sums[group], sums[POWERS + group])


@device
def octave_of(terms):
    """``floor(log2(K))``, and 0 for `K` below 2."""
    octave = 0
    while terms >> (octave + 1):
        octave += 1
    return octave


@device
def _add(tally, limbs, x):
    if not deposit(limbs, x):
        tally.counters[OVERFLOWED] += 1


@device
def _tally_run(tally, work, begin, end, octave, minimum, center, sums):
    """Add trials of one octave of `K`."""
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    smallest, largest = tally.limits[SMALLEST], tally.limits[LARGEST]
    threshold, histogram = tally.limits[THRESHOLD], tally.histogram
    cost, trials, most = int64(0), int64(0), tally.counters[LARGEST_TERMS]
    period, period_largest = period_of(work.trial[begin] & ~uint64(TILE - 1)), 0.0
    young = (work.trial[begin] | uint64(TILE - 1)) < uint64(2 * TILE)  # periods as short as a tile, or shorter
    for i in range(begin, end):
        value, terms, trial = work.values[i], work.sorted_terms[i], work.trial[i]
        cost += terms + minimum
        most = max(most, terms)
        if value == -np.inf:
            tally.counters[ZERO_WEIGHT] += 1
            continue
        d = value - center
        size = fabs(d)
        square = d * d
        trials += 1
        s1 += d
        s2 += square
        s3 += square * d
        s4 += square * square
        smallest, largest = min(smallest, value), max(largest, value)
        period_largest = max(period_largest, size)
        bits = float_bits(size)
        histogram[bits >> BIN_SHIFT, 1 if d > 0.0 else 0] += 1
        group = int64(trial) & (GROUPS - 1)
        sums[POWERS + group] += d
        tally.group_counts[group] += 1
        if size > threshold:
            _keep(tally, size, value, trial, terms)
        if young:
            own = period_of(trial)
            tally.period_counts[own] += 1
            tally.period_largest[own] = max(tally.period_largest[own], size)
            _add(tally, tally.period_sums[own, 0], d)
            _add(tally, tally.period_sums[own, 1], square)
    tally.limits[SMALLEST], tally.limits[LARGEST] = smallest, largest
    tally.counters[LARGEST_TERMS] = most
    tally.octave_counts[octave, 0] += trials
    tally.octave_counts[octave, 1] += cost
    _add(tally, tally.octave_sums[octave, 0], s1)
    _add(tally, tally.octave_sums[octave, 1], s2)
    _add(tally, tally.octave_sums[octave, 2], s3)
    _add(tally, tally.octave_sums[octave, 3], s4)
    if not young:
        tally.period_counts[period] += trials
        tally.period_largest[period] = max(tally.period_largest[period], period_largest if trials else -1.0)
        _add(tally, tally.period_sums[period, 0], s1)
        _add(tally, tally.period_sums[period, 1], s2)


@device
def _keep(tally, size, value, trial, terms):
    """Remember a trial that may be among the extremes."""
    at = tally.counters[FOUND]
    if at < CANDIDATES:
        tally.candidates[at, 0], tally.candidates[at, 1] = size, value
        tally.candidate_trials[at], tally.candidate_terms[at] = trial, terms
        tally.counters[FOUND] = at + 1


@device
def period_of(trial):
    """Which stretch of trial numbers: [0], [1], [2], [3], [4, 5], [6, 7], [8, 11], [12, 15], ..."""
    if trial < uint64(2):
        return int64(trial)
    octave = 1
    while trial >> uint64(octave + 1):
        octave += 1
    return 2 * octave + int64((trial >> uint64(octave - 1)) & uint64(1))
