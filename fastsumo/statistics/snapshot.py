"""A rough view of a run that is under way: estimate, largest trial, Hill index, tail; a fraction of a millisecond.

Tallies are read while their threads write to them, so a tile may be counted in part. What is right to the last bit is
made of tallies at rest, in `statistics.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.base.shown import Shown
from fastsumo.statistics.exact import rounded
from fastsumo.tails._summary import error_by_groups

_OCTAVES = 24  # of the distance from the centre that are looked at, counted from the largest
_MOST, _FEWEST = 2500, 20  # trials of the Hill estimate
_PART = 100  # and no more than so large a part of all


@dataclass(frozen=True)
class Snapshot(Shown):
    """What is known of a run so far.

    Attributes
    ----------
    trials : int
        With a finite value.
    mean, std_error : float
    largest : float
        The value furthest from the centre.
    share : float
        What that trial is of the sum of squares about the centre.
    hill, hill_error : float
        Tail index from the histogram's bins, and its standard error; NaN where there are too few trials.
    first_octave : int
        ``beyond[j]`` trials are further than ``2**(first_octave + j)`` from the centre.
    beyond : tuple of int
    """

    trials: int
    mean: float
    std_error: float
    largest: float
    share: float
    hill: float
    hill_error: float
    first_octave: int
    beyond: tuple[int, ...]


def snapshot_of(tallies: Sequence[Any], center: float, grouped: bool = False) -> Snapshot | None:
    """Look at tallies; None before there is a finite trial. ``grouped``: only groups of trials are independent."""
    n = sum(int(tally.octave_counts[:, 0].sum()) for tally in tallies)
    if n == 0:
        return None
    s1, s2 = rounded(np.sum([tally.octave_sums[:, :2].sum(axis=0) for tally in tallies], axis=0))
    variance = max(s2 - s1 * s1 / n, 0.0) / max(n - 1, 1)
    low = min(float(tally.limits[0]) for tally in tallies)
    high = max(float(tally.limits[1]) for tally in tallies)
    largest = high if high - center > center - low else low
    distance = abs(largest - center)
    share = min(distance**2 / s2, 1.0) if s2 > 0.0 else math.nan
    top = math.frexp(distance)[1] + 1022 if math.isfinite(distance) else 2046  # the biased exponent
    first = max(0, top + 1 - _OCTAVES)
    counts = _counts(tallies, first, top + 1)
    hill, error = _hill(counts, min(_MOST, n // _PART))
    beyond = counts.sum(axis=1)[::-1].cumsum()[::-1]
    mean, std_error = center + s1 / n, math.sqrt(variance / n)
    if grouped:
        counts, sums = (np.sum([getattr(t, name) for t in tallies], axis=0) for name in ("group_counts", "group_sums"))
        std_error = error_by_groups(counts, rounded(sums))
    return Snapshot(n, mean, std_error, largest, share, hill, error, first - 1023, tuple(beyond.tolist()))


def _counts(tallies: Sequence[Any], first: int, last: int) -> NDArray[np.int64]:
    """Trials by octave of their distance, and bin of the octave; both sides together."""
    parts = [tally.histogram.reshape(2048, -1, 2)[first:last].sum(axis=2) for tally in tallies]
    return np.asarray(np.sum(parts, axis=0))


def _hill(counts: NDArray[np.int64], wanted: int) -> tuple[float, float]:
    """Hill's estimate from about ``wanted`` of the furthest trials, each taken to be in the middle of its bin."""
    octaves, bins = counts.shape
    fraction = np.arange(bins) / bins
    edges = np.log1p(fraction) + math.log(2.0) * np.arange(octaves)[:, None]
    middles = np.log1p(fraction + 0.5 / bins) + math.log(2.0) * np.arange(octaves)[:, None]
    upward = counts.reshape(-1)[::-1].cumsum()
    place = min(int(np.searchsorted(upward, wanted)), upward.size - 1)
    k = int(upward[place])
    if wanted < _FEWEST or k < _FEWEST:
        return math.nan, math.nan
    cut = upward.size - 1 - place
    excess = float(counts.reshape(-1)[cut:] @ (middles.reshape(-1)[cut:] - edges.reshape(-1)[cut]))
    return (k / excess, math.sqrt(k) / excess) if excess > 0.0 else (math.nan, math.nan)
