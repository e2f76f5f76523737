"""`Tally`: the memory that a worker adds trials to, one stretch of it, and where each array lies.

What is added, and in which order, is the engines'; `Statistics` is the lasting form.
"""

from __future__ import annotations

import numpy as np

from fastsumo.statistics.exact import LIMBS, carry

OCTAVES = 53  # of K, up to 2^52
POWERS = 4
GROUPS = 256  # number of the trial, or of its block of stratified trials, modulo GROUPS
PERIODS = 128  # two to each octave of the trial number
BINS_PER_OCTAVE = 64
BIN_SHIFT = 46  # 52 mantissa bits less log2(BINS_PER_OCTAVE)
BINS = 2048 * BINS_PER_OCTAVE  # of each sign
_LOOK = 32  # octaves of the histogram that are looked at together
EXTREMES = 10_000  # trials that are kept
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
    OCTAVE_SUMS_AT,
    GROUP_SUMS_AT,
    PERIOD_SUMS_AT,
    OCTAVE_COUNTS_AT,
    GROUP_COUNTS_AT,
    PERIOD_COUNTS_AT,
    PERIOD_LARGEST_AT,
    HISTOGRAM_AT,
    LIMITS_AT,
    COUNTERS_AT,
    CANDIDATES_AT,
    CANDIDATE_TRIALS_AT,
    CANDIDATE_TERMS_AT,
) = _PLACES  # bytes from a tally's address to its arrays, in their order
_MOST_IDLE = 64
_idle: list[Tally] = []  # empty ones whose memory the system has given already, which takes as long as 5,000 trials

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
        self.memory = memory = np.zeros(sum(_SIZES))
        self.address = memory.ctypes.data
        for (name, (shape, dtype)), place, size in zip(_ARRAYS.items(), _PLACES, _SIZES, strict=True):
            setattr(self, name, memory[place // 8 : place // 8 + size].view(dtype).reshape(shape))
        self._begin()

    @classmethod
    def taken(cls) -> Tally:
        """An empty tally, of those that were given back if there is one; for any thread."""
        try:
            return _idle.pop()
        except IndexError:
            return cls()

    def take_sums(self) -> list[np.ndarray]:
        """The exact sums, carried: by octave, group and period. None are left here."""
        taken = []
        for (shape, _), place in zip(_ARRAYS.values(), (OCTAVE_SUMS_AT, GROUP_SUMS_AT, PERIOD_SUMS_AT), strict=False):
            taken.append(sums := np.zeros(shape, np.int64))
            carry(self.address + place, sums.ctypes.data, sums.size // LIMBS)
        return taken

    def give_back(self, bins: np.ndarray) -> None:
        """Empty it, for `taken`, when its sums are taken, told which bins are not empty. Not to be used afterwards."""
        self.histogram.reshape(-1)[bins] = 0
        self.memory[OCTAVE_COUNTS_AT // 8 : HISTOGRAM_AT // 8] = 0.0
        self.memory[LIMITS_AT // 8 : CANDIDATES_AT // 8] = 0.0
        self._begin()
        if len(_idle) < _MOST_IDLE:
            _idle.append(self)

    def _begin(self) -> None:
        self.period_largest[:] = -1.0
        self.limits[:] = np.inf, -np.inf, -1.0

    def occupied_bins(self) -> np.ndarray:
        """Flat indices of the bins of the histogram that are not empty, ascending.

        Looked for from the furthest trial inwards, until all trials are found: it is large, and mostly empty.
        """
        bins, octave = self.histogram.reshape(-1), 2 * BINS_PER_OCTAVE
        missing, end = int(self.octave_counts[:, 0].sum()), octave * (_exponent(self.period_largest.max()) + 1)
        found = []
        while missing > 0 and end > 0:
            begin = max(end - _LOOK * octave, 0)
            found.append(np.flatnonzero(bins[begin:end]) + begin)
            missing -= int(bins[found[-1]].sum())
            end = begin
        return np.concatenate([np.empty(0, np.int64), *found[::-1]])

    def compact(self) -> None:
        """Where there are many candidates: keep the extremes only, and raise the threshold for later ones."""
        found = int(self.counters[FOUND])
        if found <= 2 * EXTREMES:
            return
        sizes = self.candidates[:found, 0]
        threshold = np.partition(sizes, found - EXTREMES)[found - EXTREMES]
        kept = np.flatnonzero(sizes >= threshold)
        if kept.size > EXTREMES:
            kept = kept[np.lexsort((self.candidate_trials[kept], -sizes[kept]))[:EXTREMES]]
        for column in (self.candidates, self.candidate_trials, self.candidate_terms):
            column[:EXTREMES] = column[kept]
        self.counters[FOUND] = EXTREMES
        self.limits[THRESHOLD] = threshold


def _exponent(size: np.float64) -> int:
    """The biased exponent of a number that is not negative: its octave of the histogram."""
    return int(size.view(np.int64)) >> 52 & 0x7FF
