"""Expectations of logs of sums of weights from their Laplace transform, by Frullani's integral.

``log x = int_0^inf (exp(-t) - exp(-t x)) / t dt``, so that ``E log(w_1 + ... + w_k)`` is the integral of
``(exp(-t) - phi(t)^k) / t`` with ``phi(t) = E exp(-t w)``. With ``t = exp(u)`` the integrand is analytic in a
strip of half width pi / 2, and falls off on both sides: the trapezoidal rule errs by ``exp(-pi^2 / step)``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate

from ._weights import ByContent, weights_of

if TYPE_CHECKING:
    from fastsumo.models.model import Model

Floats = NDArray[np.float64]
LogLaplace = Callable[[Floats], Floats]

_STEP = 0.25
_LOWEST, _HIGHEST = -72.0, 700.0  # of log t
MOST_SAMPLES = 10**8  # where the Laplace transform still has digits enough


@own_errstate
def iwae(model: Model, k: int) -> float:
    """``E[L_k]``, the expectation of IWAE with ``k`` samples, by quadrature.

    It is what every law of `K` capped at ``k - 1`` has for its mean too.

    Parameters
    ----------
    model : Model
        With at most two random numbers a sample and a smooth log weight, or with a declared Laplace
        transform.
    k : int

    Returns
    -------
    float
        To some ten digits; ``-inf`` where a weight may be zero.

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
    value = mean_log_average(model, checks.whole("k", k, 1, MOST_SAMPLES))
    if value is None:
        raise ValueError(
            f"model {model.name!r} has {model.noise_dim} random numbers a sample; quadrature needs at most "
            "2, a smooth log weight and no data, or a declared Laplace transform. "
            f"Use fs.simulate(model, fs.IWAE({k}), ...)"
        )
    return value


def mean_log_average(model: Model, k: int) -> float | None:
    """``E[L_k]``, or None where no quadrature can tell."""
    evidence = log_evidence_of(model)
    table = _table(model)
    if evidence is None or table is None:
        return None
    u, log_phi, zero_mass = table
    if zero_mass > 1e-12:
        return -math.inf
    # t in units of 1 / (k Z): the integral is E[log W_k] - log Z
    with np.errstate(over="ignore"):
        integrand = np.exp(-k * np.exp(u)) - np.exp(k * log_phi)
    if abs(integrand[-1]) > 1e-8:
        warnings.warn(
            f"the weights of model {model.name!r} come so close to 0 that E[L_{k}] is cut short",
            RuntimeWarning,
            stacklevel=4,
        )
    return evidence + _STEP * math.fsum(integrand)


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


def _table(model: Model) -> tuple[Floats, Floats, float] | None:
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
    mass = weights.mass / np.sum(weights.mass)
    weight = np.exp(np.minimum(weights.log_weight, 700.0))
    plain = u < -37.0 if math.isfinite(weights.chi_square) else u < -700.0  # phi is 1 - t there to all digits
    log_phi[plain] = -np.exp(u[plain])
    with np.errstate(over="ignore", divide="ignore"):
        for i in range(int(np.count_nonzero(plain)), u.size):
            scaled = -math.exp(u[i]) * weight
            low = u[i] < 0.0  # keep the digits of 1 - phi, or those of phi
            log_phi[i] = np.log1p(mass @ np.expm1(scaled)) if low else np.log(mass @ np.exp(scaled))
            if log_phi[i] < -40.0:
                break
    end = _end(u, log_phi)
    return u[:end], log_phi[:end], weights.zero_mass


def _end(u: Floats, log_phi: Floats) -> int:
    """Points to keep: up to where the transform has vanished."""
    gone = np.flatnonzero((log_phi < -40.0) & (u > 4.0))
    return int(gone[0]) + 1 if gone.size else u.size
