"""Expectations by quadrature, at no Monte Carlo error: ``E log(w_1 + ... + w_k)`` by Frullani's integral.

``E log(w_1 + ... + w_k) = int_0^inf (exp(-t) - phi(t)**k) / t dt`` with ``phi(t) = E exp(-t w)``; with ``t = exp(s)``
both integrals are smooth, and the trapezoidal rule does them to ten digits.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEP = 0.05
_S = np.arange(-40.0, 60.0, _STEP)  # log t


def _normal_grid(step: float, width: float) -> tuple[Floats, Floats]:
    """Points and weights of the trapezoidal rule for a standard normal."""
    z = np.arange(-width, width + step / 2, step)
    return z, step * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)


@cache
def laplace_note() -> Floats:
    """``phi`` of the mixture problem of `fs.models.note` on the grid of ``log t``, from its densities alone."""
    z, mass = _normal_grid(0.1, 9.0)
    x, y = np.meshgrid(math.sqrt(5.0) * z, math.sqrt(5.0) * z, indexing="ij")
    left = np.exp(-0.5 * ((x + 2.0) ** 2 + y**2)) / (2.0 * math.pi)
    right = np.exp(-((x - 2.0) ** 2 + y**2) / 8.0) / (8.0 * math.pi)
    proposal = np.exp(-(x**2 + y**2) / 10.0) / (10.0 * math.pi)
    weight = 2.0 * math.pi * (0.5 * left + 0.5 * right) / proposal
    return _laplace(weight.ravel(), np.outer(mass, mass).ravel())


@cache
def laplace_lognormal(sigma: float) -> Floats:
    """``phi`` of weights ``exp(sigma z - sigma^2 / 2)``."""
    z, mass = _normal_grid(0.002, 12.0)
    return _laplace(np.exp(sigma * z - 0.5 * sigma**2), mass)


@cache
def laplace_gaussian_scale(sigma: float) -> Floats:
    """``phi`` of weights ``N(x; 0, 1) / N(x; 0, sigma^2)``, ``x`` from the latter."""
    z, mass = _normal_grid(0.002, 12.0)
    return _laplace(sigma * np.exp(0.5 * z**2 * (1.0 - sigma**2)), mass)


def _laplace(weight: Floats, mass: Floats) -> Floats:
    mass, phi = mass / np.sum(mass), np.empty(_S.size)
    for i, t in enumerate(np.exp(_S)):
        phi[i] = np.sum(mass * np.exp(-t * weight))
    return phi


def mean_iwae(phi: Floats, k: int) -> float:
    """``E[L_k]``, the mean of IWAE with ``k`` samples."""
    return float(_STEP * np.sum(np.exp(-np.exp(_S)) - phi**k)) - math.log(k)
