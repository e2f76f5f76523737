"""What an engine is told of an estimator: its `Plan`, and in it the `Law` of `K`. Only estimators make them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.trial import kinds

MAX_TERMS = 2**52  # the largest K of a law that nothing caps
MAX_STRATIFIED = 2**16  # trials of a block of stratified uniforms
FINITE_HEAD = 1e300  # a head beyond it is none: the power goes on

NO_TABLE = np.empty(0)
NO_TABLE.flags.writeable = False


class Law(NamedTuple):
    """The law of `K`: a power, then a geometric tail, cut at ``cap``; or a table.

    Attributes
    ----------
    power, head : float
        ``P(K >= k) = k**-power`` up to ``head``.
    log_decay : float
        Beyond it, the log of the factor from ``k`` to ``k + 1``.
    cap : int
    table : ndarray of float64
        ``P(K >= 1), P(K >= 2), ...``; empty where the formula holds.

    Examples
    --------
    >>> import fastsumo as fs
    >>> fs.roulette.Harmonic(cap=80).law().cap, fs.roulette.Geometric(0.5).law().power
    (80, 0.0)
    """

    power: float
    head: float
    log_decay: float
    cap: int
    table: NDArray[np.float64]

    @property
    def capped(self) -> bool:
        """Whether a cap, or the end of a table, bounds `K`."""
        return self.cap < MAX_TERMS


def always(k: int) -> Law:
    """The law of a `K` that is always ``k``."""
    return Law(0.0, float(k), -np.inf, k, NO_TABLE)


class Plan(NamedTuple):
    """An estimator as engines see it.

    Attributes
    ----------
    kind : int
        One of `kinds`.
    minimum : int
        Samples before the first increment.
    law : Law
        Of `K`; for what a trial costs see `samples`.
    order : int
        Of the jackknife.
    base : int
        Samples of the coarsest level, a trial's own where ``first``.
    first : bool
        Whether a trial has a level 0 of its own.
    single : bool
        Whether one level over its probability counts, not the sum of levels over their survival.
    alive : int
        The value is -inf where so many first weights are all zero.
    low, high : int
        `K` is drawn from the law given ``low <= K <= high``; weights stay those of the law.
    block : int
        Samples of a term of Taylor's series.
    log_center : float
        Log of the number that the series is around; NaN where every row of data has one of its own.
    stratified : int
        Trials of a block over which the uniforms of `K` are stratified, a power of two; 1 where they are independent.
    """

    kind: int
    minimum: int
    law: Law
    order: int = 1
    base: int = 1
    first: bool = True
    single: bool = True
    alive: int = 1
    low: int = 1
    high: int = MAX_TERMS
    block: int = 1
    log_center: float = 0.0
    stratified: int = 1

    @property
    def largest(self) -> int:
        """The largest `K` of a trial."""
        return min(self.law.cap, self.high)

    def samples(self, terms: int) -> int:
        """Importance samples of a trial with ``terms`` terms.

        Examples
        --------
        >>> import fastsumo as fs
        >>> fs.SUMO().plan().samples(3), fs.MLMC().plan().samples(3), fs.MLMC(first=False).plan().samples(3)
        (4, 9, 4)
        """
        if self.kind != kinds.MLMC:
            return self.minimum + self.block * terms
        return self.base + (self.base << terms) if self.first else self.base << (terms - 1)
