"""`StatisticsMerger`: statistics of several sets of trials put together, exactly, cheaply and in any order."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.statistics.exact import LIMBS, Digits, exact_value, rounded, to_float
from fastsumo.statistics.packed import Parts, pack, parts_of, unpack
from fastsumo.statistics.statistics import COUNTS, EXTREME, EXTREMES, Statistics, furthest_of
from fastsumo.statistics.tally import HEAD, PERIODS, ROWS, arrays_in, take
from fastsumo.tails._summary import error_by_groups

_PENDING = 64  # histograms kept side by side before they are added up


class StatisticsMerger:
    """Statistics of trials with one centre, open to additions. Any order gives the same bits.

    Parameters
    ----------
    center : float
    seed : int
        Of packed statistics that an older version wrote, which do not hold theirs.
    """

    def __init__(self, center: float, seed: int = 0) -> None:
        self.center, self.seed = center, seed
        self._memory = np.zeros(HEAD)
        self._arrays = arrays_in(self._memory)
        self._sums = self._memory[: ROWS * LIMBS].view(np.int64).reshape(ROWS, LIMBS)
        self._period_largest = np.full(PERIODS, -1.0)
        self._limits: dict[str, Any] = {"smallest": math.inf, "largest": -math.inf}
        self._limits |= {"zero_weight": 0, "largest_terms": 0, "overflowed": 0}
        self._histograms: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._extremes = [np.empty(0, EXTREME)]
        self._added = 0

    def add(self, statistics: Statistics) -> None:
        """Add the statistics of other trials."""
        self.add_parts(parts_of(statistics))

    def add_packed(self, packed: bytes) -> None:
        """Add statistics that `pack` made bytes of."""
        self.add_parts(unpack(packed, self.seed))

    def add_parts(self, parts: Parts) -> None:
        """Add statistics that were taken apart."""
        for sums in parts.sums:
            self._add_sums(sums)
        for name in COUNTS:
            self._arrays[name] += parts.counts[name]
        np.maximum(self._period_largest, parts.period_largest, out=self._period_largest)
        kept, more = self._limits, parts.limits
        kept["smallest"], kept["largest"] = (
            min(kept["smallest"], more["smallest"]),
            max(kept["largest"], more["largest"]),
        )
        kept["largest_terms"] = max(kept["largest_terms"], more["largest_terms"])
        for name in ("zero_weight", "overflowed"):
            kept[name] += more[name]
        self._histograms.append((parts.bins, parts.bin_counts))
        self._extremes.append(parts.extremes)
        self._added += 1
        if self._added % _PENDING == 0 or sum(part.size for part in self._extremes) > 4 * EXTREMES:
            self._settle()

    def _add_sums(self, sums: Digits) -> None:
        self._sums[sums.rows, sums.low : sums.low + sums.digits.shape[1]] += sums.digits

    def statistics(self) -> Statistics:
        """All of it."""
        self._settle()
        counts: dict[str, Any] = {name: self._arrays[name].copy() for name in COUNTS}
        sums, _, _ = take(self._memory, self._memory.ctypes.data)
        self._add_sums(sums)
        bins, bin_counts = self._histograms[0]
        return Statistics(
            sums,
            **counts,
            period_largest=self._period_largest.copy(),
            bins=bins,
            bin_counts=bin_counts,
            kept=self._extremes[0],
            unsorted_around=self.center,
            **self._limits,
        )

    def packed(self) -> bytes:
        """All of it, as bytes."""
        return pack(self.statistics(), self.center)

    def threshold(self) -> float:
        """Distance below which no further trial can be among the extremes; -1 where any can."""
        self._settle()
        kept = self._extremes[0]
        return float(np.abs(kept["value"] - self.center).min()) if kept.size == EXTREMES else -1.0

    def estimate(self, grouped: bool = False) -> tuple[float, float]:
        """Mean of the finite trials and its standard error, by the groups where only these are independent."""
        finite = int(self._arrays["octave_counts"][:, 0].sum())
        if finite < 2 or self._limits["overflowed"]:
            return math.nan, math.nan
        first, second = self._power_sums()
        if grouped:
            error = error_by_groups(self._arrays["group_counts"], rounded(self._arrays["group_sums"]))
            return self.center + to_float(first / finite), error
        variance = (second - first**2 / finite) / (finite - 1)
        return self.center + to_float(first / finite), math.sqrt(to_float(variance / finite))

    def _power_sums(self) -> tuple[Fraction, Fraction]:
        first, second = self._arrays["octave_sums"][:, :2].sum(axis=0).tolist()
        return exact_value(first), exact_value(second)

    def _settle(self) -> None:
        """Make one of the histograms and one of the extremes side by side."""
        if self._added == 0 and self._histograms:
            return
        self._added = 0
        bins = np.concatenate([np.empty(0, np.int64), *(bins for bins, _ in self._histograms)])
        counts = np.concatenate([np.empty(0, np.int64), *(counts for _, counts in self._histograms)])
        order = np.argsort(bins, kind="stable")
        bins, counts = bins[order], counts[order]
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        self._histograms = [(bins[first], np.add.reduceat(counts, first) if first.size else counts)]
        records = np.concatenate([each.view(np.uint8) for each in self._extremes])  # else they are joined by field
        self._extremes = [furthest_of(records.view(EXTREME), self.center)]


def merged(parts: list[Statistics], center: float) -> Statistics:
    """The statistics of several sets of trials together."""
    if len(parts) == 1:
        return parts[0]
    merger = StatisticsMerger(center)
    for part in parts:
        merger.add(part)
    return merger.statistics()
