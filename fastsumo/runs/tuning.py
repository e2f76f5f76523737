"""The numbers behind `tune`: families of proposals, wide references, and the proposal of least chi-square.

Here chi-square is always measured from points of a fixed wide reference, never from the proposal that is tuned: points
of a proposal that misses a mode know nothing of it, and make the worst proposal look the best.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.cpu.kernels.points import values_at
from fastsumo.models.model import Model
from fastsumo.models.proposals import Gaussian, Mixture, Proposal, StudentT

Floats = NDArray[np.float64]

_LOG_2PI = math.log(2.0 * math.pi)
_REFERENCE_DF = 5.0
_EXPLORING = (1.0, 2.0, 4.0, 8.0)  # scales of the reference while the target is looked for ...
_FITTING = (1.0, 1.5, 3.0, 8.0), (0.5, 0.25, 0.15, 0.1)  # ... and once it is found
_EXPLORED = 2**13  # points of one step of the search
_STEPS, _CALM = 200, 4  # of the search, at most and at its end
_SETTLED = 0.7  # inverse tail index up to which a mean can be trusted (Vehtari et al., JMLR 2024)
_HEALTHY = 0.1  # effective share of the points that a step of the search keeps


class Sample(NamedTuple):
    """Points of a reference, with the log densities of target (unnormalised) and reference."""

    points: Floats
    log_target: Floats
    log_reference: Floats


def sample_of(model: Model, reference: Proposal, size: int, seed: int) -> Sample:
    """The points are a function of the reference, ``size`` and ``seed``."""
    points = reference.points(np.random.default_rng(seed).standard_normal((size, reference.noise_dim)))
    return Sample(points, values_at(model, points), reference.log_density(points))


class Family:
    """Proposals of one kind over vectors of parameters: ``A (y - c)`` is standard, with ``y = L^-1 (x - mean)``.

    ``A`` is lower triangular with a positive diagonal, or diagonal; ``L L'`` is the covariance of the start. Parameters
    are ``b = A c`` and the entries of ``A``.
    """

    def __init__(self, like: Gaussian | StudentT, mean: Floats, covariance: Floats, full: bool) -> None:
        self.like, self.mean, self.dim = like, mean, mean.size
        self.factor = np.linalg.cholesky(covariance if full else np.diag(np.diag(covariance)))
        self.rows, self.columns = np.tril_indices(self.dim) if full else (np.arange(self.dim),) * 2
        self.full, self.df = full, float(like.df) if isinstance(like, StudentT) else math.inf

    @property
    def start(self) -> Floats:
        """The proposal with the start's mean and covariance."""
        return np.concatenate([np.zeros(self.dim), (self.rows == self.columns).astype(np.float64)])

    @property
    def bounds(self) -> list[tuple[float | None, float | None]]:
        on = self.rows == self.columns
        return [(None, None)] * self.dim + [(1e-4, 1e4) if diagonal else (None, None) for diagonal in on]

    def proposal(self, parameters: Floats) -> Gaussian | StudentT:
        b, a = self._parts(parameters)
        factor = self.factor @ np.linalg.inv(a)
        mean = self.mean + factor @ b
        covariance = factor @ factor.T
        scale: Floats = 0.5 * (covariance + covariance.T) if self.full else np.diag(covariance)
        return StudentT(mean, scale, self.df) if math.isfinite(self.df) else Gaussian(mean, scale)

    def white(self, points: Floats) -> Floats:
        """``y`` of points."""
        return np.asarray(np.linalg.solve(self.factor, (points - self.mean).T).T)

    def _parts(self, parameters: Floats) -> tuple[Floats, Floats]:
        a = np.zeros((self.dim, self.dim))
        a[self.rows, self.columns] = parameters[self.dim :]
        return parameters[: self.dim], a

    def log_density(self, parameters: Floats, white: Floats) -> tuple[Floats, Floats]:
        """``log q(y)`` up to a constant, and ``A y - b``."""
        b, a = self._parts(parameters)
        standard = white @ a.T - b
        square, log_volume = np.sum(standard**2, axis=1), float(np.sum(np.log(np.diag(a))))
        if math.isfinite(self.df):
            return log_volume - 0.5 * (self.df + self.dim) * np.log1p(square / self.df), standard
        return log_volume - 0.5 * square, standard

    def gradient(self, parameters: Floats, white: Floats, standard: Floats, weights: Floats) -> Floats:
        """Of minus the weighted mean of ``log q``, with weights of sum 1."""
        if math.isfinite(self.df):
            factor = (self.df + self.dim) / (self.df + np.sum(standard**2, axis=1))
            pull = standard * (weights * factor)[:, None]
        else:
            pull = standard * weights[:, None]
        slope = (pull.T @ white)[self.rows, self.columns]
        on = self.rows == self.columns
        slope[on] -= 1.0 / parameters[self.dim :][on]
        return np.concatenate([-pull.sum(axis=0), slope])


def least_chi_square(family: Family, sample: Sample, iterations: int) -> tuple[Floats, Any]:
    """Parameters that minimise ``log E_r[p^2 / (q r)]`` on the sample's points, and SciPy's report.

    For normals this is convex in ``(A, b)``, since ``-log q`` is (Ryu & Boyd, Adaptive importance sampling via
    stochastic
    convex programming, 2014): there is one minimum, wherever the search starts.
    """
    from scipy.optimize import minimize

    white = family.white(sample.points)
    known = sample.log_target > -np.inf
    white, logs = white[known], 2.0 * sample.log_target[known] - sample.log_reference[known]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        log_q, standard = family.log_density(parameters, white)
        each = logs - log_q
        top = each.max()
        weights = np.exp(each - top)
        total = float(weights.sum())
        slope = family.gradient(parameters, white, standard, weights / total)
        return top + math.log(total), slope

    options = {"maxiter": iterations, "maxcor": 30, "ftol": 1e-13, "gtol": 1e-7}
    found = minimize(objective, family.start, jac=True, method="L-BFGS-B", bounds=family.bounds, options=options)
    return found.x, found


def least_hellinger(family: Family, sample: Sample, iterations: int) -> tuple[Floats, Any]:
    """Parameters that maximise ``log E_r[sqrt(p q) / r]`` on the sample's points, and SciPy's report.

    One minus that mean, of normalised densities, is the squared Hellinger distance: it exists whatever the tails.
    """
    from scipy.optimize import minimize

    white = family.white(sample.points)
    known = sample.log_target > -np.inf
    white, logs = white[known], 0.5 * sample.log_target[known] - sample.log_reference[known]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        log_q, standard = family.log_density(parameters, white)
        each = logs + 0.5 * log_q
        top = each.max()
        weights = np.exp(each - top)
        total = float(weights.sum())
        return -top - math.log(total), 0.5 * family.gradient(parameters, white, standard, weights / total)

    options = {"maxiter": iterations, "maxcor": 30, "ftol": 1e-13, "gtol": 1e-7}
    found = minimize(objective, family.start, jac=True, method="L-BFGS-B", bounds=family.bounds, options=options)
    return found.x, found


def find_target(model: Model, start: Gaussian | StudentT, seed: int) -> tuple[Floats, Floats]:
    """Mean and covariance of the target, from wherever the start is.

    Adaptive importance sampling with a wide reference about the present mean and covariance, which then become the
    moments
    of ``r^(1-t) p^t`` with the largest ``t <= 1`` that leaves a tenth of the points effective; until ``t`` stays at 1.
    """
    mean, covariance = np.array(start.mean), matrix_of(start)
    calm = 0
    for step in range(_STEPS):
        sample = sample_of(model, wide(mean, covariance, _EXPLORING), _EXPLORED, seed + step)
        logs = sample.log_target - sample.log_reference
        if np.all(np.isneginf(sample.log_target)):
            raise ValueError(
                f"the log density of model {model.name!r} is -inf at all {_EXPLORED} points around the proposal: "
                "begin with one that covers some of it"
            )
        t, weights = _tempered(logs, max(_HEALTHY * _EXPLORED, min(20.0 * mean.size, 0.3 * _EXPLORED)))
        mean = weights @ sample.points
        offset = sample.points - mean
        covariance = (weights[:, None] * offset).T @ offset
        covariance += 1e-10 * np.diag(np.diag(covariance))
        calm = calm + 1 if t == 1.0 else 0
        if calm == _CALM:
            break
    return mean, covariance


def _tempered(logs: Floats, fewest: float) -> tuple[float, Floats]:
    """The largest ``t <= 1`` for which ``exp(t logs)`` has so large an effective sample, and the weights."""
    low, high, t = 0.0, 1.0, 1.0
    while True:
        weights = np.exp(t * (logs - logs.max()))
        enough = weights.sum() ** 2 / np.sum(weights**2) >= fewest
        if (enough and t == 1.0) or high - low < 1e-3 * high or high < 1e-12:
            return t, weights / weights.sum()
        low, high = (t, high) if enough else (low, t)
        t = 0.5 * (low + high)


def wide(mean: Floats, covariance: Floats, scales: Any, weights: Any = None) -> Mixture:
    """Student t of several scales about one mean."""
    parts = [StudentT(mean, scale**2 * covariance, _REFERENCE_DF) for scale in scales]
    return Mixture(parts, np.ones(len(parts)) if weights is None else weights)


def reference_for(mean: Floats, covariance: Floats) -> Mixture:
    """The reference on which proposals are fitted and measured."""
    return wide(mean, covariance, *_FITTING)


def matrix_of(proposal: Gaussian | StudentT) -> Floats:
    """The covariance parameter as a matrix."""
    covariance = np.asarray(proposal.covariance, dtype=np.float64)
    return covariance if covariance.ndim == 2 else np.diag(np.broadcast_to(covariance, proposal.dim)).astype(np.float64)


def chi_square_of(log_square: Floats, log_weight: Floats) -> tuple[float, float]:
    """``E[s] / E[w]^2 - 1`` with its standard error, from logs; the error is infinite where the sum has not settled."""
    top = log_weight.max()
    weight = np.exp(log_weight - top)
    high = log_square.max()
    square = np.exp(log_square - high)
    n, mean_weight, mean_square = weight.size, float(weight.mean()), float(square.mean())
    with np.errstate(over="ignore"):
        ratio = float(np.exp(high - 2.0 * top + math.log(mean_square) - 2.0 * math.log(mean_weight)))
    spread = square / mean_square - 2.0 * weight / mean_weight
    error = ratio * float(np.std(spread)) / math.sqrt(n)
    held = int(min(n / 5, 3.0 * math.sqrt(n)))
    largest = np.sort(log_square)[-held - 1 :]
    heavy = float(np.mean(largest[1:] - largest[0])) if largest[0] > -np.inf else math.inf  # Hill's estimate, inverted
    return ratio - 1.0, error if heavy < _SETTLED else math.inf
