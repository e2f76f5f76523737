"""`Tally`: the memory that a worker adds trials to, one stretch of it, and where each array lies.

What is added, and in which order, is the engines'; `Statistics` is the lasting form.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.jit.bits import float_bits
from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import compile_for, kernel
from fastsumo.statistics.exact import LIMBS, SUM_BYTES, Digits, move

OCTAVES = 53  # of K, up to 2^52
POWERS = 4
GROUPS = 256  # number of the trial, or of its block of stratified trials, modulo GROUPS
PERIODS = 128  # two to each octave of the trial number
BINS_PER_OCTAVE = 64
BIN_SHIFT = 46  # 52 mantissa bits less log2(BINS_PER_OCTAVE)
BINS = 2048 * BINS_PER_OCTAVE  # of each sign
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
GROUP_ROW, PERIOD_ROW, ROWS = (place // SUM_BYTES for place in (GROUP_SUMS_AT, PERIOD_SUMS_AT, OCTAVE_COUNTS_AT))
HEAD = PERIOD_LARGEST_AT // 8  # numbers of the sums and the counts that go with them
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
        vars(self).update(arrays_in(memory))
        self._begin()

    @classmethod
    def taken(cls) -> Tally:
        """An empty tally, of those that were given back if there is one; for any thread."""
        try:
            return _idle.pop()
        except IndexError:
            return cls()

    def take(self) -> tuple[Digits, NDArray[np.int64], NDArray[np.int64]]:
        """The exact sums; the bins of the histogram that are not empty, ascending, and their counts. None is left."""
        return take(self.memory, self.address, int(self.octave_counts[:, 0].sum()))

    def give_back(self) -> None:
        """Empty it, for `taken`, after `take`. Not to be used afterwards."""
        self.memory[OCTAVE_COUNTS_AT // 8 : HISTOGRAM_AT // 8] = 0.0
        self.memory[LIMITS_AT // 8 : CANDIDATES_AT // 8] = 0.0
        self._begin()
        if len(_idle) < _MOST_IDLE:
            _idle.append(self)

    def _begin(self) -> None:
        self.period_largest[:] = -1.0
        self.limits[:] = np.inf, -np.inf, -1.0

    def compact(self, most: int = 2 * EXTREMES) -> None:
        """Where there are more candidates: keep the extremes only, and raise the threshold for later ones."""
        found = int(self.counters[FOUND])
        if found <= most:
            return
        distances = self.candidates[:found, 0]
        kept = furthest(distances, self.candidate_trials[:found])
        self.limits[THRESHOLD] = distances[kept].min()
        for column in (self.candidates, self.candidate_trials, self.candidate_terms):
            column[:EXTREMES] = column[kept]
        self.counters[FOUND] = EXTREMES


def furthest(distances: NDArray[np.float64], *ties: NDArray[Any]) -> NDArray[np.int64]:
    """Places of the `EXTREMES` largest distances, in no order; of equal ones, of those that ``ties`` put first.

    The last of the ties counts first.
    """
    n = distances.size
    if n <= EXTREMES:
        return np.arange(n)
    cut = np.partition(distances, n - EXTREMES)[n - EXTREMES]
    places = np.flatnonzero(distances >= cut)
    if places.size > EXTREMES:
        places = places[np.lexsort((*(tie[places] for tie in ties), -distances[places]))[:EXTREMES]]
    return places


def arrays_in(memory: np.ndarray) -> dict[str, Any]:
    """The arrays of a tally, by name, in its memory; or those that lie in the first part of it."""
    found = {}
    for (name, (shape, dtype)), place, size in zip(_ARRAYS.items(), _PLACES, _SIZES, strict=True):
        if place // 8 + size <= memory.size:
            found[name] = memory[place // 8 : place // 8 + size].view(dtype).reshape(shape)
    return found


def take(memory: np.ndarray, address: int, trials: int = 0) -> tuple[Digits, NDArray[np.int64], NDArray[np.int64]]:
    """Take the sums from the memory of a tally, or from the first part of one; and so many trials of its histogram."""
    room = min(trials, 2 * BINS)
    found = np.empty(ROWS + 2 * room, np.int64)
    n, low, high, first = collect(address, found.ctypes.data, trials, room)
    front = memory[: n * LIMBS].view(np.int64).reshape(n, LIMBS)
    sums = Digits(found[:n].copy(), low, front[:, low:high].copy())
    front[:] = 0
    bins, counts = found[ROWS:].reshape(2, room)[:, first:].copy()
    return sums, bins, counts


@cache
def compile_taking() -> None:
    """Compile what `take` takes."""
    compile_for(collect, 0, 0, 0, 0)


@kernel
def collect(tally, found_at, trials, room):  # type: ignore[no-untyped-def]
    """Move the sums to which something was added to the front, in digits, and empty the histogram of so many trials.

    Found are the rows of the sums, and then the bins and their counts, each at the end of ``room`` for them. Returns
    how many sums there are, in which limbs they lie, and where in their room the bins begin.
    """
    rows, n, low, high = ints(found_at, ROWS), 0, LIMBS, 0
    for row in range(ROWS):
        if row < GROUP_ROW:
            counts_at = OCTAVE_COUNTS_AT + 16 * (row // POWERS)
        elif row < PERIOD_ROW:
            counts_at = GROUP_COUNTS_AT + 8 * (row - GROUP_ROW)
        else:
            counts_at = PERIOD_COUNTS_AT + 8 * ((row - PERIOD_ROW) // 2)
        if ints(tally + counts_at, 1)[0] > 0:
            begin, end = move(tally + row * SUM_BYTES, tally + n * SUM_BYTES)
            rows[n], low, high = row, min(low, begin), max(high, end)
            n += 1
    first = room
    if trials > 0:
        largest, furthest = floats(tally + PERIOD_LARGEST_AT, PERIODS), 0.0
        for period in range(PERIODS):
            furthest = max(furthest, largest[period])
        histogram, at = ints(tally + HISTOGRAM_AT, 2 * BINS), (float_bits(furthest) >> BIN_SHIFT) * 2 + 2
        bins, counts = ints(found_at + 8 * ROWS, room), ints(found_at + 8 * (ROWS + room), room)
        while trials > 0 and at > 0:
            at -= 1
            if histogram[at] != 0:
                first -= 1
                bins[first], counts[first] = at, histogram[at]
                trials -= histogram[at]
                histogram[at] = 0
    return n, low, high, first
