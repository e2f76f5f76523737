"""`Statistics`: what is kept of trials, in its compact, lasting form, and what it says.

Sums are integers (`exact.py`), so that merging (`merger.py`) is associative and commutative to the last bit. Engines
fill a `Tally`. How statistics become bytes is in `packed.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.statistics.exact import Digits, exact_value, to_float
from fastsumo.statistics.tally import (
    BIN_SHIFT,
    EXTREMES,
    FOUND,
    GROUP_ROW,
    GROUPS,
    LARGEST,
    LARGEST_TERMS,
    OCTAVES,
    OVERFLOWED,
    PERIOD_ROW,
    POWERS,
    ROWS,
    SMALLEST,
    ZERO_WEIGHT,
    furthest,
)
from fastsumo.tails import Histogram
from fastsumo.tails._summary import error_by_groups

EXTREME = np.dtype([("trial", np.uint64), ("value", np.float64), ("terms", np.int64), ("seed", np.uint64)])

# What `Statistics` have of each octave, group and period, by name: exact sums, in these rows, and counts.
SUMS = {"octave_sums": (0, GROUP_ROW), "group_sums": (GROUP_ROW, PERIOD_ROW), "period_sums": (PERIOD_ROW, ROWS)}
COUNTS = ("octave_counts", "group_counts", "period_counts")
LIMITS = {"smallest": float, "largest": float, "zero_weight": int, "largest_terms": int, "overflowed": int}


@dataclass(eq=False)
class Statistics:
    """Everything kept of a set of trials. Arrays as in `Tally`."""

    sums: Digits
    octave_counts: NDArray[np.int64]
    group_counts: NDArray[np.int64]
    period_counts: NDArray[np.int64]
    period_largest: NDArray[np.float64]
    bins: NDArray[np.int64]  # flat indices into (BINS, 2), ascending
    bin_counts: NDArray[np.int64]
    smallest: float
    largest: float
    zero_weight: int
    largest_terms: int
    overflowed: int
    kept: NDArray[Any]  # the extremes
    unsorted_around: float | None = None  # not in their order yet, which is by the distance from this centre

    @classmethod
    def of(cls, tally: Any, seed: int, center: float) -> Statistics:
        """The lasting form of a tally, which has no sums and no histogram afterwards, and else is as it was."""
        tally.compact(EXTREMES)
        found = int(tally.counters[FOUND])
        kept = np.empty(found, EXTREME)
        kept["trial"], kept["terms"] = tally.candidate_trials[:found], tally.candidate_terms[:found]
        kept["value"], kept["seed"] = tally.candidates[:found, 1], seed
        sums, bins, bin_counts = tally.take()
        return cls(
            sums,
            tally.octave_counts.copy(),
            tally.group_counts.copy(),
            tally.period_counts.copy(),
            tally.period_largest.copy(),
            bins,
            bin_counts,
            float(tally.limits[SMALLEST]),
            float(tally.limits[LARGEST]),
            int(tally.counters[ZERO_WEIGHT]),
            int(tally.counters[LARGEST_TERMS]),
            int(tally.counters[OVERFLOWED]),
            kept,
            center,
        )

    @property
    def extremes(self) -> NDArray[Any]:
        """The trials furthest from the centre, largest distance first; put in order when they are first asked for."""
        if self.unsorted_around is not None:
            self.kept, self.unsorted_around = largest_first(self.kept, self.unsorted_around), None
        return self.kept

    @property
    def finite(self) -> int:
        """Trials with a finite value."""
        return int(self.octave_counts[:, 0].sum())

    @property
    def cost(self) -> int:
        """Importance samples used."""
        return int(self.octave_counts[:, 1].sum())

    def sums_of(self, name: str) -> Digits:
        """Those of `SUMS` that have a name."""
        return self.sums.between(*SUMS[name])

    def power_sums(self) -> tuple[Fraction, ...]:
        """Exact sums of the first four powers of ``value - center``."""
        _, low, digits = self.sums_of("octave_sums")
        totals = digits.reshape(len(digits) // POWERS, POWERS, digits.shape[1]).sum(axis=0)
        return tuple(exact_value(total, low) for total in totals.tolist())

    def central_moments(self) -> tuple[Fraction, ...]:
        """``E[d]`` and the second to fourth central moments of ``d = value - center``, exact; needs a finite trial."""
        n = self.finite
        s1, s2, s3, s4 = (s / n for s in self.power_sums())
        return (
            s1,
            s2 - s1**2,
            s3 - 3 * s1 * s2 + 2 * s1**3,
            s4 - 4 * s1 * s3 + 6 * s1**2 * s2 - 3 * s1**4,
        )

    @own_errstate
    def octave_table(self, center: float) -> NDArray[Any]:
        """Breakdown by octave of `K`; see `Result.by_terms`."""
        sums = self.sums_of("octave_sums").rounded(OCTAVES * POWERS).reshape(OCTAVES, POWERS)
        occupied = np.flatnonzero(self.octave_counts[:, 1])
        fields = [("low", "i8"), ("high", "i8"), ("trials", "i8"), ("mean", "f8")]
        table = np.zeros(occupied.size, [*fields, ("sum_squares", "f8"), ("share", "f8"), ("cost", "i8")])
        table["low"], table["high"] = 2**occupied, 2 ** (occupied + 1) - 1
        table["trials"], table["cost"] = self.octave_counts[occupied].T
        with np.errstate(invalid="ignore", divide="ignore"):
            table["mean"] = center + sums[occupied, 0] / table["trials"]
            table["sum_squares"] = sums[occupied, 1]
            table["share"] = table["sum_squares"] / table["sum_squares"].sum()
        return table

    @own_errstate
    def trace_table(self, center: float) -> NDArray[Any]:
        """Running statistics at the ends of the periods; see `Result.trace`."""
        occupied = np.flatnonzero(self.period_counts)
        fields = [("trials", "i8"), ("mean", "f8"), ("variance", "f8"), ("largest", "f8")]
        table = np.zeros(occupied.size, fields)
        n, s1, s2, largest = 0, Fraction(0), Fraction(0), 0.0
        _, low, digits = self.sums_of("period_sums")
        for row, period in enumerate(occupied):
            n += int(self.period_counts[period])
            first, second = digits[2 * row : 2 * row + 2].tolist()
            s1, s2 = s1 + exact_value(first, low), s2 + exact_value(second, low)
            largest = max(largest, float(self.period_largest[period]))
            variance = to_float(max(s2 - s1**2 / n, Fraction(0)) / (n - 1)) if n > 1 else np.nan
            table[row] = (n, center + to_float(s1 / n), variance, largest)
        return table

    def groups(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts and sums of ``value - center`` of 256 groups of trials, by number of trial, or block, modulo 256."""
        return self.group_counts, self.sums_of("group_sums").rounded(GROUPS)

    @own_errstate
    def group_error(self) -> float:
        """Standard error of the mean of trials that are independent between groups only."""
        return error_by_groups(*self.groups())

    @own_errstate
    def histogram(self, center: float) -> Histogram:
        """The histogram with its edges."""
        positive = self.bins % 2 == 1
        near = (self.bins // 2 << BIN_SHIFT).view(np.float64)
        far = ((self.bins // 2 + 1) << BIN_SHIFT).view(np.float64)
        low, high = np.where(positive, near, -far), np.where(positive, far, -near)
        order = np.argsort(low, kind="stable")
        return Histogram(center, low[order], high[order], self.bin_counts[order])


def furthest_of(extremes: NDArray[Any], center: float) -> NDArray[Any]:
    """The `EXTREMES` trials furthest from the centre, in no order; ties by seed and trial number."""
    distance = np.abs(extremes["value"] - center)
    return extremes.take(furthest(distance, extremes["trial"], extremes["seed"]))


def largest_first(extremes: NDArray[Any], center: float) -> NDArray[Any]:
    """Trials by their distance from the centre, the largest first; ties by seed and trial number."""
    distance = np.abs(extremes["value"] - center)
    order = _falling(distance)
    if np.any(np.diff(distance[order]) >= 0.0):  # seldom; sorting by one key is ten times as fast
        order = np.lexsort((extremes["trial"], extremes["seed"], -distance))
    return extremes.take(order)  # records: by `take` thirty times as fast as by an index


def _falling(distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """What puts numbers that are not negative into falling order, but for those that differ in their last digits.

    The place of a number is written over these: sorting numbers takes a quarter of the time that sorting places takes.
    """
    mask = (1 << distance.size.bit_length()) - 1
    keys = (distance.view(np.int64) | mask) ^ np.arange(distance.size)
    keys.sort()
    return (keys[::-1] & mask) ^ mask
