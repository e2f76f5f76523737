"""What the variances and tails need of an estimator's law of `K`: survival, point masses, last value and shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators.roulette import Roulette
from fastsumo.trial.plan import Law
from fastsumo.trial.survival import survival, uncapped

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SurvivalFormula:
    """``P(K >= k)`` and ``P(K = k)`` for any real ``k``, where the law is a formula; else for whole ones.

    Attributes
    ----------
    law : Law
        Its tail left out where it adds nothing.
    last : float
        The largest `K`; infinite where nothing caps it.
    """

    law: Law
    last: float

    @classmethod
    def of(cls, roulette: Roulette) -> SurvivalFormula:
        """Of a law; a tail that ends at once is a cap."""
        law = roulette.law()
        last = float(law.cap) if law.capped else math.inf
        if law.log_decay == -math.inf:
            last = min(last, law.head)
        return cls(law if last > law.head else law._replace(log_decay=0.0), last)

    @property
    def smooth(self) -> bool:
        """Whether formulas give the survival function."""
        return self.law.table.size == 0

    @property
    def decay(self) -> float:
        """Beyond the head, minus the log of the factor from ``k`` to ``k + 1``."""
        return -self.law.log_decay

    @property
    def geometric(self) -> bool:
        """Whether the tail, uncapped, is geometric."""
        return math.isinf(self.last) and self.decay > 0.0

    def survival(self, k: Floats) -> Floats:
        """``P(K >= k)``, of formulas beyond the cap too."""
        return uncapped(self.law, k) if self.smooth else survival(self.law, k)

    def mass(self, k: Floats) -> Floats:
        """``P(K = k)``, without loss where neighbouring survival probabilities agree in most digits."""
        if not self.smooth:
            return survival(self.law, k) - survival(self.law, k + 1.0)
        step = -self.law.power * np.log1p(1.0 / k)
        if self.decay:
            step = np.where(k >= self.law.head, self.law.log_decay, step)
        return np.where(k == self.last, 1.0, -np.expm1(step)) * self.survival(k)
