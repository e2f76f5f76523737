"""Models that the suites run, written as a user writes them; the problem of the peers is ``fs.models.note()``.

Only the public interface of fastsumo is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

import fastsumo as fs
from fastsumo.vmath import exp, log, log_sigmoid, logaddexp

COEFFICIENTS, ROWS = 30, 100  # of the logistic regression
_NEAR, _WIDE = math.log(0.5), math.log(0.125)
_LOG_Q0 = -math.log(2.0 * math.pi * 5.0)


def sum_of_sixteen(z, params):  # type: ignore[no-untyped-def]
    """Next to no work on sixteen random numbers."""
    near = z[0] + z[1] + z[2] + z[3] + z[4] + z[5] + z[6] + z[7]
    return 0.1 * (near + z[8] + z[9] + z[10] + z[11] + z[12] + z[13] + z[14] + z[15])


def normals() -> fs.Model:
    """Weights that cost little more than their sixteen normals."""
    return fs.Model(sum_of_sixteen, 16, name="sixteen normals")


def uniforms() -> fs.Model:
    """The same with uniforms."""
    return fs.Model(sum_of_sixteen, 16, noise="uniform", name="sixteen uniforms")


def chain_log_weight(z, params):  # type: ignore[no-untyped-def]
    """A first-order chain seen through noise at every step; the proposal is the prior."""
    state, total = 0.0, params[3]
    for t in range(z.size):
        state = params[0] * state + params[1] * z[t]
        miss = params[4 + t] - state
        total -= params[2] * miss * miss
    return total


def chain(dim: int, decay: float = 0.9, step: float = 0.3, noise: float = 2.0) -> fs.Model:
    """A linear-Gaussian chain of ``dim`` steps, whose observations are all 0.

    ``elbo`` is the mean of its log weights.
    """
    constant = -0.5 * dim * math.log(2.0 * math.pi * noise**2)
    params = [decay, step, 0.5 / noise**2, constant, *np.zeros(dim)]
    return fs.Model(chain_log_weight, dim, params, name=f"chain({dim})")


def chain_elbo(dim: int, decay: float = 0.9, step: float = 0.3, noise: float = 2.0) -> float:
    """``E log w`` of the chain: variances of the states over twice that of the noise."""
    variance, total = 0.0, -0.5 * dim * math.log(2.0 * math.pi * noise**2)
    for _ in range(dim):
        variance = decay**2 * variance + step**2
        total -= 0.5 * variance / noise**2
    return total


def logistic_log_density(x, params):  # type: ignore[no-untyped-def]
    """Standard normal prior; ``params`` holds the rows of the design, each times its label, one after another."""
    total = 0.0
    for j in range(x.size):
        total -= 0.5 * x[j] * x[j]
    for i in range(params.size // x.size):
        margin = 0.0
        for j in range(x.size):
            margin += params[i * x.size + j] * x[j]
        total += log_sigmoid(margin)
    return total


@cache
def logistic_regression() -> fs.Model:
    """Thirty coefficients, a hundred rows; the proposal is a Gaussian about the mode."""
    rng = np.random.default_rng(3)
    design = rng.normal(size=(ROWS, COEFFICIENTS)) / math.sqrt(COEFFICIENTS)
    labels = np.where(rng.random(ROWS) < 0.5, 1.0, -1.0)
    signed = design * labels[:, None]
    mode, precision = np.zeros(COEFFICIENTS), np.eye(COEFFICIENTS)
    for _ in range(20):  # Newton
        miss = 1.0 / (1.0 + np.exp(signed @ mode))
        precision = np.eye(COEFFICIENTS) + (signed * (miss * (1.0 - miss))[:, None]).T @ signed
        mode = mode + np.linalg.solve(precision, signed.T @ miss - mode)
    proposal = fs.proposals.Gaussian(mode, np.linalg.inv(precision))
    return fs.importance(
        logistic_log_density, proposal, params=signed.ravel(), name=f"logistic regression ({COEFFICIENTS})"
    )


def note_with(exp: Callable[[float], float], log: Callable[[float], float]) -> Callable[..., float]:
    """The note's log weight as a user writes it first, on any ``exp`` and ``log``."""

    def log_weight(z, params):  # type: ignore[no-untyped-def]
        x, y = math.sqrt(5.0) * z[0], math.sqrt(5.0) * z[1]
        near = 0.5 * exp(-0.5 * ((x + 2.0) ** 2 + y * y))
        wide = 0.125 * exp(-0.125 * ((x - 2.0) ** 2 + y * y))
        return log(near + wide) + 0.5 * (z[0] * z[0] + z[1] * z[1]) - _LOG_Q0

    return log_weight


def note_logaddexp(z, params):  # type: ignore[no-untyped-def]
    """The same through ``logaddexp``, which no parameter can overflow."""
    x, y = math.sqrt(5.0) * z[0], math.sqrt(5.0) * z[1]
    near = _NEAR - 0.5 * ((x + 2.0) * (x + 2.0) + y * y)
    wide = _WIDE - 0.125 * ((x - 2.0) * (x - 2.0) + y * y)
    return logaddexp(near, wide) + 0.5 * (z[0] * z[0] + z[1] * z[1]) - _LOG_Q0


@cache
def log_weights() -> dict[str, fs.Model]:
    """Models by what is asked about their log weights."""
    evidence = math.log(2.0 * math.pi)
    return {
        "note": fs.models.note(),
        "note, vmath exp and log": fs.Model(note_with(exp, log), 2, log_evidence=evidence, name="note vmath"),
        "note, vmath logaddexp": fs.Model(note_logaddexp, 2, log_evidence=evidence, name="note logaddexp"),
        "note, math.exp and log": fs.Model(note_with(math.exp, math.log), 2, log_evidence=evidence, name="note math"),
        "gamma(0.5)": fs.models.gamma(0.5),
        "lognormal(1)": fs.models.lognormal(1.0),
        "gaussian_scale(0.8)": fs.models.gaussian_scale(0.8),
    }
