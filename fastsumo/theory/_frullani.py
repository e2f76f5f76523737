"""Expectations of logs of sums of weights from their Laplace transform, by Frullani's integral.

``log x = int_0^inf (exp(-t) - exp(-t x)) / t dt``, so that ``E log(w_1 + ... + w_k)`` is the integral of
``(exp(-t) - phi(t)^k) / t`` with ``phi(t) = E exp(-t w)``. With ``t = exp(u)`` the integrand is analytic in a
strip of half width pi / 2, and falls off on both sides: the trapezoidal rule errs by ``exp(-pi^2 / step)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate

from ._content import ByContent
from ._far import Index, far_out
from ._weights import GOOD, attempt, tails_of_weights, weights_of

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]
LogLaplace = Callable[[Floats], Floats]

_STEP = 0.25
_LOWEST, _HIGHEST = -72.0, 700.0  # of log t
_SMALL = 1e-16  # of a point's mass, and of what it adds to the mean weight
_LINEAR, _GONE = -12.0, 3.75  # logs of t w below which two terms of exp(-t w) will do, and beyond which it is 0
NO_WEIGHT = 1e-12  # a probability of zero weights below it is none
MOST_SAMPLES = 10**8  # where the Laplace transform still has digits enough


@own_errstate
def iwae(model: Model, k: int) -> float:
    """``E[L_k]``, the expectation of IWAE with ``k`` samples, by quadrature.

    It is what every law of `K` capped at ``k - 1`` has for its mean too.

    Parameters
    ----------
    model : Model
        Of one or two dimensions and with a log weight that is smooth, or in one dimension smooth but for jumps; or
        with a declared Laplace transform.
    k : int

    Returns
    -------
    float
        To some ten digits; ``-inf`` where a weight may be zero, or has too heavy a tail near zero.

    Raises
    ------
    ValueError
        If the model is neither; use `fastsumo.simulate` with `fastsumo.IWAE`.

    Notes
    -----
    ``E log(w_1 + ... + w_k) = int_0^inf (exp(-t) - E[exp(-t w)]^k) / t dt`` (Frullani).

    Examples
    --------
    >>> import fastsumo as fs
    >>> round(iwae(fs.models.note(), 5), 10)
    1.7637769638
    """
    found = mean_log_average(model, checks.whole("k", k, 1, MOST_SAMPLES))
    if found is None:
        raise ValueError(
            f"E[L_{k}] of model {model.name!r} is not known: {_why_not(model)} "
            f"Use fs.simulate(model, fs.IWAE({k}), ...)"
        )
    return found[0]


def _why_not(model: Model) -> str:
    attempted = attempt(model)
    if attempted is not None and attempted.doubt:
        return attempted.doubt + "."
    return (
        f"it has dimension {model.dim}, and quadrature needs 1 or 2, and no data, or a declared Laplace transform; "
        "or its tails could not be judged."
    )


def mean_log_average(model: Model, k: int) -> tuple[float, float] | None:
    """``E[L_k]`` and its error, or None where no quadrature can tell; ``-inf`` where that is the mean."""
    evidence = log_evidence_of(model)
    exists = _times(tails_of_weights(model).near_zero, k).above(1.0)
    if evidence is None or exists is None:
        return None
    weights = weights_of(model) if model.laplace is None else None
    if exists is False or (weights is not None and weights.zero_mass > NO_WEIGHT):
        return -math.inf, 0.0
    if k == 1 and weights is not None:
        return evidence + weights.mean_log, weights.log_error * (1.0 + abs(weights.mean_log)) + weights.error
    table = log_laplace_table(model)
    if table is None:
        return None
    u, log_phi, zero_mass = table
    if zero_mass > NO_WEIGHT:
        return -math.inf, 0.0
    # t in units of 1 / (k Z): the integral is E[log W_k] - log Z
    with np.errstate(over="ignore"):
        integrand = np.exp(-k * np.exp(u)) - np.exp(k * log_phi)
    rest = _beyond(float(u[-1]), float(integrand[-1]), _times(far_out(model).near_zero, k))
    error = 1e-11 + 0.1 * abs(rest)
    if weights is not None:
        error += (2.0 + min(k, 4) + k * weights.depth) * weights.error
    return (evidence + _STEP * math.fsum(integrand) + rest, error) if error < GOOD else None


def _times(index: Index, factor: float) -> Index:
    """The index of a minimum of so many."""
    return Index(factor * index.low, factor * index.high) if factor else index


def _beyond(last: float, integrand: float, index: Index) -> float:
    """The integral from where the table ends, of a power of ``log t``."""
    if abs(integrand) < 1e-13:
        return 0.0
    return integrand * last / (index.low - 1.0) if index.known and math.isfinite(index.low) else math.inf


def covariance(log_phi: LogLaplace, common: float, left: float, right: float) -> float:
    """``Cov(log(C + A), log(C + B))`` of sums of ``common`` shared, ``left`` and ``right`` further weights.

    ``int int [phi(s+t)^c phi(s)^a phi(t)^b - phi(s)^(c+a) phi(t)^(c+b)] / (s t) ds dt``, Frullani's
    integral twice.

    Examples
    --------
    >>> unit = lambda t: -np.log1p(t)  # exponential weights: the trigamma function at 3
    >>> round(covariance(unit, 3, 0, 0), 10)
    0.3949340668
    """
    u = np.arange(-60.0, 60.0, _STEP)
    t = np.exp(u)
    s = log_phi(t)
    together = log_phi(t[:, None] + t)
    apart = s[:, None] + s
    factor = np.exp((common + left) * s[:, None] + (common + right) * s)
    return _STEP**2 * float(np.sum(factor * np.expm1(np.minimum(common * (together - apart), 700.0))))


@own_errstate
def log_evidence_of(model: Model) -> float | None:
    """The log evidence, where it is known or can be integrated.

    Parameters
    ----------
    model : Model

    Returns
    -------
    float or None

    Examples
    --------
    >>> import fastsumo as fs
    >>> log_evidence_of(fs.Model(lambda z, params: 0.5 * z[0], dim=1)).__round__(6)
    0.125
    """
    if model.log_evidence is not None:
        return model.log_evidence
    weights = weights_of(model)
    return None if weights is None else weights.log_evidence


def log_laplace_table(model: Model) -> tuple[Floats, Floats, float] | None:
    """``u``, ``log phi(exp(u))`` of the weights over `Z`, and the probability of a zero weight."""
    return _declared(model) if model.laplace is not None else _integrated(ByContent(model))


def _declared(model: Model) -> tuple[Floats, Floats, float]:
    """From a declared transform, without digits beyond those of 1 for small ``t``: there ``1 - t``."""
    assert model.laplace is not None
    u = np.arange(_LOWEST, _HIGHEST, _STEP)
    with np.errstate(all="ignore"):
        phi = np.asarray(model.laplace(np.exp(u)), dtype=np.float64)
        log_phi = np.where(u < -30.0, -np.exp(u), np.log(np.minimum(phi, 1.0)))
    end = _end(u, log_phi)
    return u[:end], log_phi[:end], float(phi[-1])


@lru_cache(maxsize=32)
def _integrated(key: ByContent) -> tuple[Floats, Floats, float] | None:
    weights = weights_of(key.model)
    if weights is None:
        return None
    u = np.arange(_LOWEST, _HIGHEST, _STEP)
    log_phi = np.full(u.size, -np.inf)
    counts = weights.mass * np.maximum(np.exp(np.minimum(weights.log_weight, 700.0)), 1.0) > _SMALL
    log_weight, mass = weights.log_weight[counts], weights.mass[counts]
    order = np.argsort(log_weight)
    log_weight, mass = log_weight[order], mass[order]
    weight = np.exp(np.minimum(log_weight, 300.0))
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        below = [np.append(0.0, np.cumsum(mass * weight**power)) for power in (0, 1, 2)]
        linear, quadratic = np.log(below[1]), np.log(0.5 * below[2])
        for i, each in enumerate(u):
            low, high = np.searchsorted(log_weight, [_LINEAR - each, _GONE - each])
            between = -np.exp(each + log_weight[low:high])
            series = np.exp(each + linear[low]) - np.exp(2.0 * each + quadratic[low])  # of 1 - exp(-t w), t w small
            if i == 0 or log_phi[i - 1] > -0.5:  # keep the digits of 1 - phi, or those of phi
                gone = below[0][-1] - below[0][high]
                log_phi[i] = np.log1p(-(gone + series - mass[low:high] @ np.expm1(between)))
            else:
                log_phi[i] = np.log(below[0][low] - series + mass[low:high] @ np.exp(between))
            if log_phi[i] < -40.0:
                break
    end = _end(u, log_phi)
    return u[:end], log_phi[:end], weights.zero_mass


def _end(u: Floats, log_phi: Floats) -> int:
    """Points to keep: up to where the transform has vanished."""
    gone = np.flatnonzero((log_phi < -40.0) & (u > 4.0))
    return int(gone[0]) + 1 if gone.size else u.size
