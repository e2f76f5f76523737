"""What tails say of a run in passing, without a warning; of anything that has the statistics of one."""

from __future__ import annotations

import math
import warnings
from typing import Protocol

from ._index import TailIndex, tail_index
from ._summary import Summary

CONSTANT = 1e-10  # relative spread of values that are the same but for rounding


class Finite(Protocol):
    """How many trials have a finite value, and between which two all these lie."""

    @property
    def finite(self) -> int: ...
    @property
    def smallest(self) -> float: ...
    @property
    def largest(self) -> float: ...


class HasTrials(Protocol):
    """A run, as far as its tail is concerned."""

    @property
    def center(self) -> float: ...
    @property
    def statistics(self) -> Finite: ...
    def summary(self) -> Summary: ...


def is_constant(run: HasTrials) -> bool:
    """Whether all finite values are the same but for rounding."""
    return run.statistics.largest - run.statistics.smallest <= CONSTANT * max(1.0, abs(run.center))


def hill_of(run: HasTrials) -> TailIndex | None:
    """Hill's estimate of a run; None where its trials do not give one."""
    if run.statistics.finite == 0 or is_constant(run):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too few or tied extremes: the estimate is NaN then
        found = tail_index(run.summary(), method="hill")
    return None if math.isnan(found.estimate) else found
