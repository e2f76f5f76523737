"""What the variances and tails need of an estimator's law of `K`: survival, point masses, reach and shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsumo.estimators.roulette import Roulette
from fastsumo.trial.plan import MAX_TERMS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reach:
    """A law of `K` as formulas for any real ``k``.

    Attributes
    ----------
    roulette : Roulette
    last : float
        The largest `K`; infinite where nothing caps it.
    power : float
        ``P(K >= k)`` is ``k**-power`` up to ``head``; NaN for a table.
    head : float
    decay : float
        Beyond ``head``, minus the log of the factor from ``k`` to ``k + 1``.
    """

    roulette: Roulette
    last: float
    power: float
    head: float
    decay: float

    @classmethod
    def of(cls, roulette: Roulette) -> Reach:
        """Of a law; a tail that ends at once is a cap."""
        law = roulette.law()
        last = math.inf if law.cap >= MAX_TERMS else float(law.cap)
        if law.table.size:
            return cls(roulette, last, math.nan, math.inf, 0.0)
        if law.log_decay == -math.inf:
            last = min(last, law.head)
        decay = 0.0 if math.isinf(law.head) or last <= law.head else -law.log_decay
        return cls(roulette, last, law.power, law.head, decay)

    @property
    def smooth(self) -> bool:
        """Whether formulas give the survival function."""
        return not math.isnan(self.power)

    @property
    def geometric(self) -> bool:
        """Whether the tail, uncapped, is geometric."""
        return math.isinf(self.last) and self.decay > 0.0

    def survival(self, k: Floats) -> Floats:
        """``P(K >= k)``, of formulas beyond the cap too."""
        if not self.smooth:
            return self.roulette.survival(k)
        head = np.minimum(k, self.head) ** -self.power
        return head * np.exp(-self.decay * np.maximum(k - self.head, 0.0)) if self.decay else head

    def mass(self, k: Floats) -> Floats:
        """``P(K = k)``, without loss where neighbouring survival probabilities agree in most digits."""
        if not self.smooth:
            return self.roulette.survival(k) - self.roulette.survival(k + 1.0)
        step = -self.power * np.log1p(1.0 / k)
        if self.decay:
            step = np.where(k >= self.head, -self.decay, step)
        return np.where(k == self.last, 1.0, -np.expm1(step)) * self.survival(k)
