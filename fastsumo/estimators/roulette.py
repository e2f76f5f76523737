"""Laws of `K`, the random number of terms: survival functions, expectations, draws.

A law is a power head ``k**-s`` up to ``head``, then a geometric tail, cut at ``cap``; or a table. The
kernels know only those two shapes (`Roulette.law`). What an estimator does with `K` is in `estimators.py`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks, exact, words
from fastsumo.base.floats import own_errstate
from fastsumo.estimators.labels import Labelled, Style
from fastsumo.trial import kinds
from fastsumo.trial.draw import draw_terms
from fastsumo.trial.params import make_params
from fastsumo.trial.plan import MAX_TERMS, NO_TABLE, Law, Plan
from fastsumo.trial.survival import survival

_FEW = 8  # values of a table that are all shown


@dataclass(frozen=True, repr=False)
class Roulette(Labelled):
    """Base of the laws of `K`: see `Harmonic`, `HarmonicGeometric`, `PowerLaw`, `Geometric`, `Table`.

    Examples
    --------
    >>> isinstance(Harmonic(), Roulette), Harmonic().max_terms == MAX_TERMS
    (True, True)
    """

    def __new__(cls, *_values: object, **_named: object) -> Self:
        words.check_names(cls, _named)
        return super().__new__(cls)

    def law(self) -> Law:
        """The law in the form that the kernels take."""
        raise NotImplementedError

    @property
    def max_terms(self) -> int:
        """The largest `K` that the law can draw; ``2**52`` where nothing caps it."""
        return self.law().cap

    def survival(self, k: ArrayLike) -> NDArray[np.float64]:
        """Survival function ``P(K >= k)``.

        Parameters
        ----------
        k : array_like of whole numbers
            1 for every ``k <= 1``, 0 beyond the cap.

        Returns
        -------
        ndarray of float64, shape of ``k``

        Examples
        --------
        >>> Harmonic(cap=4).survival([1, 2, 4, 5])
        array([1.  , 0.5 , 0.25, 0.  ])
        """
        return survival(self.law(), k)

    @own_errstate
    def expected_terms(self) -> float:
        """``E[K]``, the sum of the survival function; may be infinite. A trial costs ``E[K] + 1`` samples.

        Returns
        -------
        float

        Examples
        --------
        >>> Geometric(0.25).expected_terms(), Harmonic().expected_terms()
        (4.0, inf)
        """
        law = self.law()
        if law.table.size:
            return math.fsum(law.table)
        cap = math.inf if law.cap == MAX_TERMS else float(law.cap)
        total = _power_sum(law.power, min(law.head, cap))
        if cap > law.head and law.log_decay > -math.inf:
            kept = -math.expm1((cap - law.head) * law.log_decay)
            total += law.head**-law.power / math.expm1(-law.log_decay) * kept
        return total

    @own_errstate
    def sample(self, size: int, seed: int = 0) -> NDArray[np.int64]:
        """Draw `K` as the kernels do: element ``t`` is the `K` of trial ``t`` under ``seed``.

        Parameters
        ----------
        size : int
            Number of draws.
        seed : int
            From 0 to ``2**64 - 1``.

        Returns
        -------
        ndarray of int64, shape (size,)

        Examples
        --------
        >>> bool((Harmonic(cap=3).sample(1000, seed=1) <= 3).all())
        True
        """
        terms = np.empty(checks.whole("size", size, 0), dtype=np.int64)
        plan = Plan(kinds.SUMO, 1, self.law())
        owned = make_params(None, plan, checks.whole("seed", seed, 0, 2**64 - 1))
        draw_terms(owned.params, np.uint64(0), terms.ctypes.data, terms.size)
        return terms


@dataclass(frozen=True, repr=False)
class Harmonic(Roulette):
    """``P(K >= k) = 1 / k``: under a cap, near the law of least variance at its cost (see `optimal`).

    Parameters
    ----------
    cap : int, optional
        ``K <= cap``, the weights below it unchanged. Without it ``E[K]`` is infinite.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> Harmonic().survival([1, 2, 10]), round(Harmonic(cap=80).expected_terms(), 4)
    (array([1. , 0.5, 0.1]), 4.9655)
    """

    cap: int | None = None

    def __post_init__(self) -> None:
        _set_cap(self)

    def law(self) -> Law:
        return Law(1.0, math.inf, 0.0, self.cap or MAX_TERMS, NO_TABLE)


@dataclass(frozen=True, repr=False)
class HarmonicGeometric(Roulette):
    """``1 / k`` for ``k < alpha``, then ``(1 - rate)**(k - alpha) / alpha`` (Luo et al., ICLR 2020).

    Parameters
    ----------
    alpha : int
        Where the geometric tail begins.
    rate : float
        Probability of stopping at each step of the tail, in (0, 1].
    cap : int, optional
        ``K <= cap``, the weights below it unchanged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> HarmonicGeometric(alpha=4, rate=0.5).survival([2, 4, 5, 6])
    array([0.5   , 0.25  , 0.125 , 0.0625])
    """

    alpha: int = 80
    rate: float = 0.1
    cap: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", checks.whole("alpha", self.alpha, 1, MAX_TERMS))
        object.__setattr__(self, "rate", checks.real("rate", self.rate, 0.0, 1.0, closed="high"))
        _set_cap(self)

    def law(self) -> Law:
        return Law(1.0, float(self.alpha), exact.log1p(-self.rate), self.cap or MAX_TERMS, NO_TABLE)


@dataclass(frozen=True, repr=False)
class PowerLaw(Roulette):
    """``P(K >= k) = k**-s``.

    Parameters
    ----------
    s : float
        Positive. The tail index of SUMO is ``2 s / (2 s - 1)`` for ``s > 1/2``.
    cap : int, optional
        ``K <= cap``, the weights below it unchanged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> PowerLaw(2.0).survival([1, 2, 10]), round(PowerLaw(2.0).expected_terms(), 6)
    (array([1.  , 0.25, 0.01]), 1.644934)
    """

    s: float
    cap: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "s", checks.real("s", self.s, 0.0))
        _set_cap(self)

    def law(self) -> Law:
        return Law(self.s, math.inf, 0.0, self.cap or MAX_TERMS, NO_TABLE)


@dataclass(frozen=True, repr=False)
class Geometric(Roulette):
    """``P(K >= k) = (1 - p)**(k - 1)``.

    Parameters
    ----------
    p : float
        Probability of stopping at each step, in (0, 1].
    cap : int, optional
        ``K <= cap``, the weights below it unchanged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> Geometric(0.5).survival([1, 2, 3, 4])
    array([1.   , 0.5  , 0.25 , 0.125])
    """

    p: float
    cap: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", checks.real("p", self.p, 0.0, 1.0, closed="high"))
        _set_cap(self)

    def law(self) -> Law:
        return Law(0.0, 1.0, exact.log1p(-self.p), self.cap or MAX_TERMS, NO_TABLE)


@dataclass(frozen=True, eq=False, repr=False)
class Table(Roulette):
    """Any law of bounded `K`, by its survival function.

    Parameters
    ----------
    survival : sequence of float
        ``P(K >= 1), P(K >= 2), ...``: starts at 1, never increases, never negative; trailing zeros are
        dropped.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.

    Examples
    --------
    >>> law = Table([1.0, 0.5, 0.1, 0.0])
    >>> law, law.max_terms, law.expected_terms()
    (Table([1.0, 0.5, 0.1]), 3, 1.6)
    """

    survival_table: Any

    def __init__(self, survival: ArrayLike) -> None:
        table = checks.vector("survival", survival)
        if table.size == 0 or table[0] != 1.0:
            first = "nothing" if table.size == 0 else f"{table[0]:g}"
            raise ValueError(f"survival must start at 1, since P(K >= 1) = 1; got {first}")
        rises = np.flatnonzero(np.diff(table) > 0)
        if rises.size:
            i = int(rises[0])
            raise ValueError(f"survival must not increase; it goes from {table[i]:g} (k = {i + 1}) to {table[i + 1]:g}")
        if table[-1] < 0:
            raise ValueError(f"survival must not be negative; it is {table[-1]:g} at k = {table.size}")
        table = np.ascontiguousarray(table[table > 0])
        table.flags.writeable = False
        object.__setattr__(self, "survival_table", table)

    def law(self) -> Law:
        return Law(1.0, math.inf, 0.0, int(self.survival_table.size), self.survival_table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and np.array_equal(self.survival_table, other.survival_table)

    def __hash__(self) -> int:
        return hash(self.survival_table.tobytes())

    def _label(self, style: Style) -> str:
        size = self.survival_table.size
        long = style == "brief" and size > _FEW
        return f"Table({size} values)" if long else f"Table({self.survival_table.tolist()})"


LAWS: tuple[type[Roulette], ...] = (Harmonic, HarmonicGeometric, PowerLaw, Geometric, Table)  # all that there are


def law_that_takes(names: Iterable[str]) -> type[Roulette] | None:
    """The first law that has parameters of all these names.

    Examples
    --------
    >>> law_that_takes(["cap"]).__name__, law_that_takes(["rate", "cap"]).__name__, law_that_takes(["k"])
    ('Harmonic', 'HarmonicGeometric', None)
    """
    return next((law for law in LAWS if set(names) <= set(inspect.signature(law).parameters)), None)


def _set_cap(law: Any) -> None:
    if law.cap is not None:
        object.__setattr__(law, "cap", checks.whole("cap", law.cap, 1, MAX_TERMS))


@lru_cache(maxsize=256)
def _power_sum(s: float, n: float) -> float:
    """``sum(k**-s for k in 1..n)``; ``n`` may be infinite. Direct to 10^5, Euler-Maclaurin beyond."""
    from scipy.special import zeta

    if math.isinf(n):
        return float(zeta(s)) if s > 1.0 else math.inf
    direct = min(int(n), 100_000)
    total = math.fsum(np.arange(1, direct + 1, dtype=np.float64) ** -s)
    if n > direct:
        a, b = float(direct), float(n)
        log_ratio = math.log(b / a)
        integral = log_ratio if s == 1.0 else a ** (1 - s) * math.expm1((1 - s) * log_ratio) / (1 - s)
        total += integral + (b**-s - a**-s) / 2 + s * (a ** (-s - 1) - b ** (-s - 1)) / 12
    return total
