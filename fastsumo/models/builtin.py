"""Built-in models: test beds with known answers. Each goes through the same contract as a user's model.

Models of data are in `data.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks, exact
from fastsumo.models.model import Model, importance
from fastsumo.models.proposals import Gaussian, Proposal, StudentT
from fastsumo.vmath import exp, log, logaddexp


def _built_in(model: Model) -> Model:
    """A model whose name is a word that makes it, with other parameters perhaps."""
    model.built_in = model.name
    return model


def _note_log_density(x, params):  # type: ignore[no-untyped-def]
    """The mixture of the note: N((-2, 0), I) and N((2, 0), 4 I), half each, times 2 pi."""
    square = x[1] * x[1]
    left = _LOG_HALF - 0.5 * ((x[0] + 2.0) * (x[0] + 2.0) + square)
    right = _LOG_EIGHTH - 0.125 * ((x[0] - 2.0) * (x[0] - 2.0) + square)
    return logaddexp(left, right)


_LOG_HALF, _LOG_EIGHTH = exact.log(0.5), exact.log(0.125)


def note() -> Model:
    """A mixture of two Gaussians in the plane, with the proposal ``N(0, 5 I)``: what examples and tests run.

    It is the problem of an unpublished note on the variance of SUMO, from which fastsumo began; hence its name.
    ``log Z = log(2 pi)``, ``chi_square = 0.732943706``; the harmonic law gives SUMO the tail index 2.

    Returns
    -------
    Model

    Examples
    --------
    >>> round(note().log_evidence, 6)
    1.837877
    """
    made = importance(
        _note_log_density,
        Gaussian([0.0, 0.0], 5.0),
        log_evidence=_LOG_2PI,
        name="note",
        chi_square=_NOTE_CHI_SQUARE,
        weight_tail_index=math.inf,
        weight_zero_index=math.inf,
    )
    return _built_in(made)


_NOTE_CHI_SQUARE = 0.7329437063161353  # four Gaussian integrals in closed form


def _gamma_log_weight(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(z.size):
        total += z[i] * z[i]
    return log(total / z.size)


def gamma(shape: float) -> Model:
    """Weights ``Gamma(shape) / shape``: mean 1, every moment of every estimator known in closed form.

    Parameters
    ----------
    shape : float
        A multiple of 1/2, from 1/2 to 4095: the weight is a mean of ``2 shape`` squared normals.

    Returns
    -------
    Model

    Examples
    --------
    >>> gamma(1.5).chi_square
    0.6666666666666666
    """
    a = checks.real("shape", shape, 0.0)
    dim = round(2 * a) if a <= 4095 else 0
    if dim != 2 * a or dim < 1:
        raise ValueError(f"shape must be a multiple of 1/2 from 1/2 to 4095, got {shape!r}")

    def laplace(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-a * np.log1p(np.asarray(t) / a))

    made = Model(
        _gamma_log_weight,
        dim,
        log_evidence=0.0,
        name=f"gamma({a:g})",
        chi_square=1.0 / a,
        laplace=laplace,
        weight_tail_index=math.inf,
        weight_zero_index=math.inf,
    )
    return _built_in(made)


def _lognormal_log_weight(z, params):  # type: ignore[no-untyped-def]
    return params[0] * z[0] - 0.5 * params[0] * params[0]


def lognormal(sigma: float) -> Model:
    """Log weights ``N(-sigma^2 / 2, sigma^2)``: mean weight 1, chi-square ``exp(sigma^2) - 1``.

    Parameters
    ----------
    sigma : float
        Standard deviation of the log weights, positive.

    Returns
    -------
    Model

    Examples
    --------
    >>> lognormal(1.0).log_evidence
    0.0
    """
    s = checks.real("sigma", sigma, 0.0)
    chi_square = math.expm1(s * s) if s < 26.0 else None  # finite, but no float
    made = Model(
        _lognormal_log_weight,
        1,
        [s],
        log_evidence=0.0,
        name=f"lognormal({s:g})",
        chi_square=chi_square,
        weight_tail_index=math.inf,
        weight_zero_index=math.inf,
    )
    return _built_in(made)


def _gaussian_scale_log_weight(z, params):  # type: ignore[no-untyped-def]
    sigma = params[0]
    return 0.5 * (1.0 - sigma * sigma) * z[0] * z[0] + log(sigma)


def gaussian_scale(sigma: float) -> Model:
    """Target ``N(0, 1)``, proposal ``N(0, sigma^2)``: the tail index of the weights is ``1 / (1 - sigma^2)``.

    For ``sigma < 1``; wider proposals have bounded weights.

    Parameters
    ----------
    sigma : float
        Standard deviation of the proposal, positive.

    Returns
    -------
    Model

    Examples
    --------
    >>> gaussian_scale(0.5).weight_tail_index
    1.3333333333333333
    """
    s = checks.real("sigma", sigma, 0.0, 1e150)  # its square is a number
    square = s * s
    made = Model(
        _gaussian_scale_log_weight,
        1,
        [s],
        log_evidence=0.0,
        name=f"gaussian_scale({s:g})",
        chi_square=square / math.sqrt(2.0 * square - 1.0) - 1.0 if square > 0.5 else math.inf,
        weight_tail_index=1.0 / (1.0 - square) if square < 1.0 else math.inf,
        weight_zero_index=math.inf,
    )
    return _built_in(made)


def _funnel_log_density(x, params):  # type: ignore[no-untyped-def]
    """Neal's funnel: ``x_0 ~ N(0, 9)``, the others given it ``N(0, exp(x_0))``."""
    rest, square = x.size - 1, 0.0
    for i in range(1, x.size):
        square += x[i] * x[i]
    return -x[0] * x[0] / 18.0 - 0.5 * (rest * x[0] + square * exp(-x[0])) - _LOG_3 - 0.5 * x.size * _LOG_2PI


_LOG_3, _LOG_2PI = exact.log(3.0), exact.log(2.0 * math.pi)


def funnel(dim: int, proposal: str | Proposal = "gaussian") -> Model:
    """Neal's funnel (Annals of Statistics 31, 2003, section 8): no normal proposal has a finite chi-square.

    Parameters
    ----------
    dim : int
        At least 2.
    proposal : {"gaussian", "student"} or Proposal
        "gaussian" has the target's mean and covariance, ``diag(9, exp(9/2), ...)``; "student" is a t with 3 degrees of
        freedom, the matrix ``diag(9, 9, ...)`` and a finite, large, chi-square.

    Returns
    -------
    Model

    Examples
    --------
    >>> funnel(3).log_evidence, funnel(3).chi_square
    (0.0, inf)
    """
    size = checks.whole("dim", dim, 2, 4095)
    chi_square, by_default = None, proposal == "gaussian"
    if not isinstance(proposal, Proposal):
        checks.choice("proposal", proposal, ("gaussian", "student"))
        chi_square = math.inf if proposal == "gaussian" else None
        spread = np.full(size, 9.0 if proposal == "student" else exact.exp(4.5))
        spread[0] = 9.0
        proposal = StudentT(np.zeros(size), spread, 3.0) if chi_square is None else Gaussian(np.zeros(size), spread)
    made = importance(_funnel_log_density, proposal, log_evidence=0.0, name=f"funnel({size})", chi_square=chi_square)
    return _built_in(made) if by_default else made
