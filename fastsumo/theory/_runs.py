"""What first-order theory says of a run's tail, from its law of `K` and the chi-square divergence alone.

Given `K`, SUMO is near a normal law of variance ``chi2 * sum(1 / (k (k + 1) P_k^2), k <= K)``. Nothing is
simulated or estimated here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown
from fastsumo.estimators.estimators import MLMC, SUMO, Estimator, SingleTerm, Taylor, whole_of
from fastsumo.trial.plan import MAX_TERMS, Law
from fastsumo.trial.survival import survival

from ._far import LIGHT as LIGHT_INDEX
from ._far import Index
from ._tails import Tail, tail_of

_EXACT = 4096  # terms summed one by one; beyond, cells of a fixed ratio
_RATIO = 1.02
_RAREST = 1e-18  # no run reaches a `K` rarer than this


class TailSource(Protocol):
    """What a run's tail follows from."""

    @property
    def estimator(self) -> Estimator: ...
    @property
    def chi_square(self) -> float | None: ...
    @property
    def weight_tail_index(self) -> float | None: ...
    @property
    def weight_zero_index(self) -> float | None: ...
    @property
    def weight_variance(self) -> bool | None: ...
    @property
    def series_index(self) -> tuple[float, float] | None: ...


@dataclass(frozen=True)
class PowerTail(Shown):
    """``P(|value - log Z| > x) ~ constant * x**-index``, both sides together; NaN where it is not known.

    Attributes
    ----------
    index, constant : float
    note : str
        What sets it, where that is not the law of `K`.

    Examples
    --------
    >>> PowerTail(2.0, 0.733)
    PowerTail(index=2.0, constant=0.733, note='')
    """

    index: float
    constant: float
    note: str = ""


@own_errstate
def tail_law(run: TailSource) -> PowerTail | None:
    """The power law that the tail of a run follows; None where there is none or it is unknown.

    That of an uncapped law of `K`: of SUMO, ``P_k = k^-s`` with ``s > 1/2`` gives the index ``2 s / (2 s - 1)``, a
    geometric tail of `K` the index 1 up to a logarithm; of MLMC, the ratio of its levels gives it. Or that of the
    weights, where theirs is heavier: far out, or near zero. What is not known of the weights is taken to be light.

    Of Taylor's series there is none here: no more than bounds of its index, see `has_moment`.

    Parameters
    ----------
    run : Provenance
        Of a `Result`; or whatever has its ``estimator``, ``chi_square`` and the two indices of the weights.

    Returns
    -------
    PowerTail or None

    Examples
    --------
    >>> import fastsumo as fs
    >>> tail_law(fs.simulate(fs.models.gamma(2.0), fs.SUMO(), 1).provenance).index
    2.0
    """
    chi2 = _chi_square(run)
    if _is_series(run):
        return None
    tail = _tail(run)
    if not tail.of_weights and (chi2 == math.inf or not isinstance(run.estimator, (SUMO, SingleTerm, MLMC))):
        return None
    if chi2 == math.inf and run.weight_tail_index is None and "near zero" not in tail.note:
        return None
    return PowerTail(tail.index, tail.constant, tail.note if tail.of_weights else "") if tail.index < math.inf else None


@own_errstate
def tail_survival(run: TailSource, x: ArrayLike) -> NDArray[np.float64] | None:
    """First-order ``P(|value - log Z| > x)`` of a SUMO run under any law but a table; good in the tail only.

    Parameters
    ----------
    run : Provenance
    x : array_like
        Positive.

    Returns
    -------
    ndarray or None
        None where chi-square or the law is not known, or is infinite.

    Examples
    --------
    >>> import fastsumo as fs
    >>> run = fs.simulate(fs.models.gamma(1.5), fs.SUMO(), 1).provenance
    >>> float(tail_survival(run, 100.0) * 100.0**2).__round__(2)
    0.67
    """
    from scipy.special import erfc

    law = _formula(run)
    if law is None or run.chi_square is None:
        return None
    probability, variance = _normal_mixture(law)
    size = np.asarray(x, dtype=np.float64)[..., None] / np.sqrt(2.0 * run.chi_square * variance)
    return np.asarray(erfc(size) @ probability)


def has_moment(run: TailSource, moment: float) -> bool | None:
    """Whether ``E |value|^moment`` of a run is finite; None where too little is known.

    A stratum that ends has the moments of the logs of its weights, one that goes on as far as the law those of the
    whole. Of Taylor's series it depends on all moments of the weights; a run has bounds of its index (`theory.tail`).

    Parameters
    ----------
    run : Provenance
        As in `tail_law`.
    moment : float

    Returns
    -------
    bool or None

    Examples
    --------
    >>> import fastsumo as fs
    >>> run = fs.simulate(fs.models.note(), fs.MLMC(), 1).tail_source
    >>> has_moment(run, 2.0), has_moment(run, 3.0)
    (True, False)
    """
    if _is_series(run):
        low, high = run.series_index or (0.0, math.inf)
        return Tail(math.nan, math.nan, low=low, high=high).exists(moment)
    found = _tail(run).exists(moment)
    known = run.weight_tail_index is not None and run.weight_zero_index is not None
    return None if found and not known else found


def _is_series(run: TailSource) -> bool:
    """Whether trials are of Taylor's series, or a stratum of it."""
    return isinstance(whole_of(run.estimator), Taylor)


def _tail(run: TailSource) -> Tail:
    """The tail of a run, the weights taken to be light where nothing is known of them."""
    weight, near_zero = (
        LIGHT_INDEX if index is None else Index(index, index)
        for index in (run.weight_tail_index, run.weight_zero_index)
    )
    return tail_of(run.estimator, _chi_square(run), weight, near_zero)


def _chi_square(run: TailSource) -> float:
    """Infinite where the weights have no variance, NaN where it is not known."""
    if run.weight_variance is False:
        return math.inf
    return math.nan if run.chi_square is None else run.chi_square


def _formula(run: TailSource) -> Law | None:
    """The law of `K` of a SUMO run, if it is given by a formula and it is what the tail follows from."""
    followed = tail_law(run)
    if not isinstance(run.estimator, SUMO) or _chi_square(run) == math.inf or (followed is not None and followed.note):
        return None
    law = run.estimator.roulette.law()
    return None if law.table.size else law


def _normal_mixture(law: Law) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of cells of `K`, and in each the sum of ``1 / (k (k + 1) P_k^2)`` up to its middle."""
    cap = float(law.cap)
    far = np.floor(_EXACT * _RATIO ** np.arange(1, math.ceil(math.log(MAX_TERMS / _EXACT, _RATIO))))
    last = np.concatenate([np.arange(1.0, _EXACT + 1.0), far])  # of each cell
    if -math.inf < law.log_decay < 0.0:  # beyond the head survival falls by a twentieth in a cell, or one by one
        step = max(1.0, math.floor(-0.05 / law.log_decay))
        steep = law.head + step * np.arange(math.ceil(-45.0 / law.log_decay / step) + 1.0)
        last = np.union1d(last[last <= law.head], steep)
    last = np.append(last[last < cap], cap) if cap < last[-1] else last
    last = last[: int(np.count_nonzero(survival(law, last) > _RAREST)) or 1]
    first = np.append(1.0, last[:-1] + 1.0)
    after = survival(law, last + 1.0)
    after[-1] = 0.0  # the last cell holds the rest
    middle = np.sqrt(first * last)
    share = (last - first + 1.0) / (middle * (middle + 1.0) * survival(law, middle) ** 2)
    return survival(law, first) - after, np.cumsum(share) - share / 2.0 * (last > first)
