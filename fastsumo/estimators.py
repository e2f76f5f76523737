"""What one trial computes: the estimators, as values that can be compared, printed and stored.

An estimator names its law of `K` and its `Plan` for the kernels; it computes nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fastsumo import _check
from fastsumo.roulette import MAX_TERMS, Harmonic, Law, Roulette, _NO_TABLE

PREFIX, LAST, SINGLE = 0, 1, 2  # kinds of trial, see kernels/trials.py


class Plan(NamedTuple):
    """What the kernels need to know about an estimator."""

    kind: int
    minimum: int  # samples before the first increment
    law: Law  # of K; a trial uses minimum + K samples


@dataclass(frozen=True)
class Estimator:
    """Base of the estimators. Not used itself."""

    def plan(self) -> Plan:
        """The estimator in the form that the kernels take."""
        raise NotImplementedError

    def expected_cost(self) -> float:
        """Expected importance samples of one trial; may be infinite."""
        raise NotImplementedError


@dataclass(frozen=True)
class IWAE(Estimator):
    """``L_k = log((w_1 + ... + w_k) / k)`` (Burda et al., 2016); a lower bound in expectation.

    Parameters
    ----------
    k : int
        Importance samples a trial.
    """

    k: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _check.whole("k", self.k, 1, MAX_TERMS))

    def plan(self) -> Plan:
        return Plan(LAST, 0, Law(0.0, float(self.k), -float("inf"), self.k, _NO_TABLE))

    def expected_cost(self) -> float:
        return float(self.k)


@dataclass(frozen=True)
class ELBO(IWAE):
    """``L_1 = log w_1``: the evidence lower bound, one importance sample a trial."""

    k: int = field(default=1, init=False, repr=False)


@dataclass(frozen=True)
class SUMO(Estimator):
    """Russian roulette over the increments of IWAE (Luo et al., ICLR 2020); unbiased for `log Z`.

    ``L_m + sum_{j=1..K} (L_{m+j} - L_{m+j-1}) / P(K >= j)`` with ``m = minimum``.

    Parameters
    ----------
    roulette : Roulette
        The law of `K`.
    minimum : int
        Samples that every trial begins with.
    """

    roulette: Roulette = field(default_factory=Harmonic)
    minimum: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.roulette, Roulette):
            raise TypeError(f"roulette must be a law such as fs.roulette.Harmonic(), got {self.roulette!r}")
        object.__setattr__(self, "minimum", _check.whole("minimum", self.minimum, 1, MAX_TERMS))

    def plan(self) -> Plan:
        return Plan(PREFIX, self.minimum, self.roulette.law())

    def expected_cost(self) -> float:
        return self.minimum + self.roulette.expected_terms()
