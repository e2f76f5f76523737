"""The truth suite: what `predict` calls exact, first-order, infinite or unknown, against truths of its own.

Problems of one to three dimensions, light and heavy, narrow, shifted, multimodal, with zero weights, perfect, constant
and with jumps, by every estimator and law. The log evidence, chi-square and the two tail indices of the weights are
known in closed form; expectations and variances are simulated in NumPy, from samplers and densities written here. A
label is wrong where its number is not what it claims to be, or what it calls infinite is finite, or the other way
round.

``python tests/theory/test_truth.py --page fastsumo/guide/theory.md`` puts the table there.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.theory import Prediction, Quantity, predict
from fastsumo.vmath import exp, log, logaddexp

Floats = np.ndarray
R, P = fs.roulette, fs.proposals
INF = math.inf
TRIALS, LONGEST = 60_000, 24  # simulated sequences of weights, and how long
ERRORS = 5.5  # standard errors that chance may make: over some thousand comparisons
MARKERS = "<!-- truth table -->", "<!-- end of truth table -->"

ESTIMATORS = [
    fs.ELBO(),
    fs.IWAE(2),
    fs.IWAE(12),
    fs.IWAE(400),
    fs.JVI(2),
    fs.JVI(7),
    fs.JVI(8, order=2),
    fs.SUMO(R.Harmonic()),
    fs.SUMO(R.Harmonic(cap=20)),
    fs.SUMO(R.Harmonic(cap=8), minimum=3),
    fs.SUMO(R.Harmonic(cap=8), minimum=2, start=0),
    fs.SUMO(R.Harmonic(cap=3000)),
    fs.SUMO(R.PowerLaw(0.75)),
    fs.SUMO(R.PowerLaw(1.5)),
    fs.SUMO(R.PowerLaw(0.5, cap=20)),
    fs.SUMO(R.Geometric(0.3)),
    fs.SUMO(R.Geometric(0.3, cap=15)),
    fs.SUMO(R.HarmonicGeometric()),
    fs.SUMO(R.HarmonicGeometric(5, 0.2, cap=12)),
    fs.SUMO(R.Table([1.0, 1.0, 0.5, 0.2, 0.2])),
    fs.SingleTerm(R.Harmonic()),
    fs.SingleTerm(R.Harmonic(cap=6)),
    fs.MLMC(),
    fs.MLMC(base=2, first=False),
    fs.MLMC(kind="sum"),
]


@dataclass(frozen=True)
class Problem:
    """A model, a sampler of its log weights, and what is known of these."""

    name: str
    model: fs.Model
    draw: Callable[[np.random.Generator, tuple[int, int]], Floats]  # log weights, of this shape
    log_evidence: float
    chi_square: float
    tail: float = INF  # b in P(w > t) ~ t^-b
    near_zero: float = INF  # b in P(log w < -x) ~ x^-b
    zeros: bool = False


# --- problems -------------------------------------------------------------------------------------------------------

LOG_2PI = math.log(2.0 * math.pi)


def normal1(x, params):  # type: ignore[no-untyped-def]
    return -0.5 * x[0] * x[0]


def normal2(x, params):  # type: ignore[no-untyped-def]
    return -0.5 * (x[0] * x[0] + x[1] * x[1])


def normal3(x, params):  # type: ignore[no-untyped-def]
    return -0.5 * (x[0] * x[0] + x[1] * x[1] + x[2] * x[2])


def student3(x, params):  # type: ignore[no-untyped-def]
    return -2.0 * log(1.0 + x[0] * x[0] / 3.0)


def laplace(x, params):  # type: ignore[no-untyped-def]
    return -abs(x[0])


def gumbel(x, params):  # type: ignore[no-untyped-def]
    return -x[0] - exp(-x[0])


def spike(x, params):  # type: ignore[no-untyped-def]
    wide = -0.5 * x[0] * x[0]
    thin = -0.5 * (x[0] - 0.1234) * (x[0] - 0.1234) * 1e6 + math.log(1e3)
    return logaddexp(wide, thin) - math.log(2.0) - 0.5 * LOG_2PI


def two_modes(x, params):  # type: ignore[no-untyped-def]
    return logaddexp(-0.5 * (x[0] - 3.0) * (x[0] - 3.0), -0.5 * (x[0] + 3.0) * (x[0] + 3.0))


def banana(x, params):  # type: ignore[no-untyped-def]
    bend = x[1] - 0.5 * x[0] * x[0]
    return -0.5 * (x[0] * x[0] + bend * bend)


def halves(z, params):  # type: ignore[no-untyped-def]
    return params[0] if z[0] < 0.0 else params[1]


def disc(z, params):  # type: ignore[no-untyped-def]
    return 0.0 if z[0] * z[0] + z[1] * z[1] < 4.0 else -math.inf


def _log_normal_density(x: Floats, mean: float, scale: float) -> Floats:
    return -0.5 * ((x - mean) / scale) ** 2 - math.log(scale) - 0.5 * LOG_2PI


def _log_t_density(square: Floats, df: float, dim: int) -> Floats:
    constant = math.lgamma((df + dim) / 2) - math.lgamma(df / 2) - dim / 2 * math.log(df * math.pi)
    return constant - (df + dim) / 2 * np.log1p(square / df)


def gaussian(target, mean: float, scale: float, dim: int = 1):  # type: ignore[no-untyped-def]
    """A sampler of log weights under a normal proposal with equal scales; ``target`` takes (..., dim)."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        x = mean + scale * random.standard_normal((*shape, dim))
        return target(x) - _log_normal_density(x, mean, scale).sum(axis=-1)

    return draw


def student(target, df: float, dim: int = 1, mean=0.0, scale=1.0):  # type: ignore[no-untyped-def]
    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        z = random.standard_normal((*shape, dim)) / np.sqrt(random.chisquare(df, (*shape, 1)) / df)
        log_scale = float(np.sum(np.log(np.broadcast_to(scale, dim))))
        return target(mean + scale * z) - (_log_t_density((z**2).sum(axis=-1), df, dim) - log_scale)

    return draw


def np_normal(x: Floats) -> Floats:
    return -0.5 * (x**2).sum(axis=-1)


def np_student3(x: Floats) -> Floats:
    return -2.0 * np.log1p(x[..., 0] ** 2 / 3.0)


def np_laplace(x: Floats) -> Floats:
    return -np.abs(x[..., 0])


def np_gumbel(x: Floats) -> Floats:
    return -x[..., 0] - np.exp(-x[..., 0])


def np_spike(x: Floats) -> Floats:
    parts = _log_normal_density(x[..., 0], 0.0, 1.0), _log_normal_density(x[..., 0], 0.1234, 1e-3)
    return np.logaddexp(*parts) - math.log(2.0)


def np_two_modes(x: Floats) -> Floats:
    return np.logaddexp(-0.5 * (x[..., 0] - 3.0) ** 2, -0.5 * (x[..., 0] + 3.0) ** 2)


def np_banana(x: Floats) -> Floats:
    return -0.5 * (x[..., 0] ** 2 + (x[..., 1] - 0.5 * x[..., 0] ** 2) ** 2)


def np_note(x: Floats) -> Floats:
    left = -0.5 * ((x[..., 0] + 2.0) ** 2 + x[..., 1] ** 2)
    right = -0.125 * ((x[..., 0] - 2.0) ** 2 + x[..., 1] ** 2) - math.log(4.0)
    return np.logaddexp(left, right) - math.log(2.0)


def scale_chi_square(scale: float, dim: int = 1) -> float:
    """``N(0, 1)`` under ``N(0, scale^2)``."""
    square = scale * scale
    return (square / math.sqrt(2.0 * square - 1.0)) ** dim - 1.0 if square > 0.5 else INF


def over_a_line(log_integrand: Callable[[Floats], Floats]) -> float:
    """Log of an integral over the line, by Gauss's rule on panels in ``x = sinh(y)`` that part at 0."""
    nodes, masses = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(-40.0, 40.0, 8001)
    half = 0.5 * (edges[1] - edges[0])
    y = (edges[:-1, None] + half * (nodes + 1.0)).ravel()
    logs = log_integrand(np.sinh(y)[:, None]) + np.logaddexp(y, -y) - math.log(2.0)
    top = float(np.max(logs))
    return top + math.log(float(np.sum(np.exp(logs - top).reshape(-1, 12) @ masses)) * half)


def square_over(target: Callable[[Floats], Floats], log_q: Callable[[Floats], Floats], log_z: float) -> float:
    """Chi-square of a target on the line."""
    return math.expm1(over_a_line(lambda x: 2.0 * target(x) - log_q(x[..., 0])) - 2.0 * log_z)


def t_density(df: float) -> Callable[[Floats], Floats]:
    return lambda x: _log_t_density(x**2, df, 1)


def problems() -> list[Problem]:
    half = 0.5 * LOG_2PI
    found = []

    def add(name, model, draw, log_evidence, chi_square, **known):  # type: ignore[no-untyped-def]
        found.append(Problem(name, model, draw, log_evidence, chi_square, **known))

    for scale in (1.3, 0.8, 0.71, 0.6):
        tail = 1.0 / (1.0 - scale**2) if scale < 1.0 else INF
        model = fs.importance(normal1, P.Gaussian([0.0], scale**2), name=f"scale {scale}")
        add(model.name, model, gaussian(np_normal, 0.0, scale), half, scale_chi_square(scale), tail=tail)
    shifted = fs.importance(normal1, P.Gaussian([0.7], 1.21), name="shifted")
    log_q = lambda x: _log_normal_density(x, 0.7, 1.1)  # noqa: E731
    add("shifted", shifted, gaussian(np_normal, 0.7, 1.1), half, square_over(np_normal, log_q, half))
    add("lognormal 0.7", fs.Model(lambda z, params: 0.7 * z[0] - 0.245, 1), _lognormal(0.7), 0.0, math.expm1(0.49))
    add("lognormal 3", fs.models.lognormal(3.0), _lognormal(3.0), 0.0, math.expm1(9.0))
    steep = fs.Model(lambda z, params: 20.0 * z[0], 1, name="20 z")
    add("20 z", steep, lambda random, shape: 20.0 * random.standard_normal(shape), 200.0, math.expm1(400.0))
    for df in (1.0, 3.0, 5.0, 8.0):
        model = fs.importance(normal1, P.StudentT([0.0], 1.0, df), name=f"normal by t{df:g}")
        chi_square = square_over(np_normal, t_density(df), half)
        add(model.name, model, student(np_normal, df), half, chi_square, near_zero=df / 2.0)
    log_z3 = -float(_log_t_density(np.zeros(1), 3.0, 1)[0])
    by_normal = fs.importance(student3, P.Gaussian([0.0], 1.0), name="t3 by normal")
    add("t3 by normal", by_normal, gaussian(np_student3, 0.0, 1.0), log_z3, INF, tail=1.0)
    for df in (1.0, 5.0, 7.0):
        model = fs.importance(student3, P.StudentT([0.0], 1.0, df), name=f"t3 by t{df:g}")
        chi_square = square_over(np_student3, t_density(df), log_z3) if df < 6.0 else INF
        tail = df / (df - 3.0) if df > 3.0 else INF
        add(model.name, model, student(np_student3, df), log_z3, chi_square, tail=tail)
    add(
        "Laplace by normal",
        fs.importance(laplace, P.Gaussian([0.0], 1.0), name="Laplace by normal"),
        gaussian(np_laplace, 0.0, 1.0),
        math.log(2.0),
        INF,
        tail=1.0,
    )
    chi_square = square_over(np_laplace, t_density(3.0), math.log(2.0))
    by_t = fs.importance(laplace, P.StudentT([0.0], 1.0, 3.0), name="Laplace by t3")
    add("Laplace by t3", by_t, student(np_laplace, 3.0), math.log(2.0), chi_square, near_zero=3.0)
    add(
        "Gumbel",
        fs.importance(gumbel, P.Gaussian([0.0], 1.0), name="Gumbel"),
        gaussian(np_gumbel, 0.0, 1.0),
        0.0,
        INF,
        tail=1.0,
    )
    # int p^2 / q of the spike, q its own wide half: 1/4 + 2 / 4 + the square of the thin one over q, a normal integral
    curve = 2e6 - 1.0
    slope = 2e6 * 0.1234
    thin = math.exp(-1e6 * 0.1234**2 + slope**2 / (2.0 * curve)) * 1e6 / math.sqrt(curve)
    spiked = fs.importance(spike, P.Gaussian([0.0], 1.0), name="spike")
    add("spike", spiked, gaussian(np_spike, 0.0, 1.0), 0.0, 0.75 + 0.25 * thin - 1.0)
    modes = fs.importance(two_modes, P.Gaussian([0.0], 10.0), name="two modes")
    log_q = lambda x: _log_normal_density(x, 0.0, math.sqrt(10.0))  # noqa: E731
    log_z = half + math.log(2.0)
    add(
        "two modes", modes, gaussian(np_two_modes, 0.0, math.sqrt(10.0)), log_z, square_over(np_two_modes, log_q, log_z)
    )
    add("perfect", fs.importance(normal1, P.Gaussian([0.0], 1.0), name="perfect"), _equal(half), half, 0.0)
    add("constant", fs.Model(lambda z, params: 0.3, 1, name="constant"), _equal(0.3), 0.3, 0.0)
    jump = fs.Model(halves, 1, [0.0, math.log(3.0)], name="jump")
    add("jump", jump, _one_of(0.0, math.log(3.0)), math.log(2.0), 0.25)
    add("zeros", fs.Model(_half_zero, 1, name="zeros"), _one_of(-INF, 0.0), -math.log(2.0), 1.0, zeros=True)
    for power in (0.4, 0.6):
        model = fs.Model(_power, 1, [power], noise="uniform", name=f"uniform^-{power:g}")
        chi_square = (1.0 - power) ** 2 / (1.0 - 2.0 * power) - 1.0 if power < 0.5 else INF
        draw = lambda random, shape, power=power: -power * np.log(1.0 - random.random(shape))  # noqa: E731
        add(model.name, model, draw, -math.log(1.0 - power), chi_square, tail=1.0 / power)
    exponential = fs.Model(lambda u, params: log(-log(u[0])), 1, noise="uniform", name="exponential")
    add("exponential", exponential, lambda random, shape: np.log(random.exponential(size=shape)), 0.0, 1.0)
    for shape_ in (0.5, 1.5):
        gamma = fs.models.gamma(shape_)
        draw = lambda random, shape, a=shape_: np.log(random.gamma(a, size=shape) / a)  # noqa: E731
        add(gamma.name, gamma, draw, 0.0, 1.0 / shape_)
    # two dimensions
    add("note", fs.models.note(), gaussian(np_note, 0.0, math.sqrt(5.0), 2), LOG_2PI, 0.7329437063161353)
    plane = fs.importance(normal2, P.StudentT([0.0, 0.0], 1.0, 4.0), name="plane by t4")
    # p^2 / q in polar coordinates: with u = r^2 / 4, (1 + u)^3 exp(-4 u) over the plane
    chi_square = 2.0 * (1 / 4 + 3 / 16 + 6 / 64 + 6 / 256) - 1.0
    add("plane by t4", plane, student(np_normal, 4.0, 2), LOG_2PI, chi_square, near_zero=2.0)
    tilted = fs.importance(normal2, P.Gaussian([0.0, 0.0], [[1.5, 0.6], [0.6, 1.2]]), name="tilted")
    narrowest = float(np.linalg.eigvalsh(COVARIANCE)[0])
    add("tilted", tilted, _tilted, LOG_2PI, _tilted_chi_square(), tail=1.0 / (1.0 - narrowest))
    heavy = fs.importance(banana, P.Gaussian([0.0, 0.5], [[1.5, 0.0], [0.0, 3.0]]), name="banana by normal")
    scales = np.sqrt([1.5, 3.0])
    add("banana by normal", heavy, _by_normals(np_banana, np.array([0.0, 0.5]), scales), LOG_2PI, INF, tail=1.0)
    covered = fs.importance(banana, P.StudentT([0.0, 1.0], [[1.5, 0.0], [0.0, 3.0]], 5.0), name="banana by t5")
    draw = student(np_banana, 5.0, 2, np.array([0.0, 1.0]), scales)
    add("banana by t5", covered, draw, LOG_2PI, math.nan, near_zero=1.25)
    inside = 1.0 - math.exp(-2.0)
    disc_draw = lambda random, shape: np.where(random.chisquare(2.0, shape) < 4.0, 0.0, -INF)  # noqa: E731
    add("disc", fs.Model(disc, 2, name="disc"), disc_draw, math.log(inside), 1.0 / inside - 1.0, zeros=True)
    # three
    for scale in (1.2, 0.6):
        model = fs.importance(normal3, P.Gaussian([0.0] * 3, scale**2), name=f"space, scale {scale}")
        tail = 1.0 / (1.0 - scale**2) if scale < 1.0 else INF
        chi_square = scale_chi_square(scale, 3)
        add(model.name, model, gaussian(np_normal, 0.0, scale, 3), 1.5 * LOG_2PI, chi_square, tail=tail)
    space = fs.importance(normal3, P.StudentT([0.0] * 3, 1.0, 4.0), name="space by t4")
    add("space by t4", space, student(np_normal, 4.0, 3), 1.5 * LOG_2PI, math.nan, near_zero=2.0)
    return found


def _power(u, params):  # type: ignore[no-untyped-def]
    return -params[0] * log(u[0])


def _half_zero(z, params):  # type: ignore[no-untyped-def]
    return -math.inf if z[0] < 0.0 else 0.0


def _lognormal(sigma: float):  # type: ignore[no-untyped-def]
    return lambda random, shape: sigma * random.standard_normal(shape) - 0.5 * sigma**2


def _one_of(one: float, other: float):  # type: ignore[no-untyped-def]
    return lambda random, shape: np.where(random.random(shape) < 0.5, one, other)


def _equal(value: float):  # type: ignore[no-untyped-def]
    return lambda random, shape: np.full(shape, value)


COVARIANCE = np.array([[1.5, 0.6], [0.6, 1.2]])


def _tilted(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    z = random.standard_normal((*shape, 2))
    x = z @ np.linalg.cholesky(COVARIANCE).T
    return np_normal(x) - (np_normal(z) - LOG_2PI - 0.5 * math.log(np.linalg.det(COVARIANCE)))


def _tilted_chi_square() -> float:
    curve = 2.0 * np.eye(2) - np.linalg.inv(COVARIANCE)
    return math.sqrt(np.linalg.det(COVARIANCE)) / math.sqrt(np.linalg.det(curve)) - 1.0


def _by_normals(target, mean: Floats, scales: Floats):  # type: ignore[no-untyped-def]
    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        z = random.standard_normal((*shape, mean.size))
        return target(mean + scales * z) - (np_normal(z) - 0.5 * mean.size * LOG_2PI - float(np.log(scales).sum()))

    return draw


# --- truths of estimators -------------------------------------------------------------------------------------------


def index_of(problem: Problem, estimator: fs.Estimator) -> tuple[float, bool]:
    """The tail index, and whether the moment of just that order is known not to exist (no slowly varying factor)."""
    if problem.chi_square == 0.0:
        return INF, True
    right, sure = _right_index(problem, estimator)
    left = problem.near_zero * _prefix(estimator)
    return (left, True) if left <= right else (right, sure)


def _prefix(estimator: fs.Estimator) -> int:
    """How many weights the smallest log average is of that counts."""
    if isinstance(estimator, fs.SUMO):
        first = estimator.minimum + estimator.start
        survival = estimator.roulette.survival(np.arange(2, 10))
        return first + int(np.argmax(survival < 1.0))
    if isinstance(estimator, fs.JVI):
        return estimator.k - estimator.order
    if isinstance(estimator, fs.MLMC):
        return estimator.base
    return estimator.k if isinstance(estimator, fs.IWAE) else 1


def _right_index(problem: Problem, estimator: fs.Estimator) -> tuple[float, bool]:
    b = problem.tail
    if isinstance(estimator, fs.MLMC):
        ratio = estimator.ratio
        jump = 1.0 + (b - 1.0) * math.log(2.0) / math.log(1.0 / ratio)
        quiet = math.log(ratio) / math.log(2.0 * ratio)
        return (jump, False) if jump < quiet else (quiet, True)
    law = getattr(estimator, "roulette", None)
    if law is None or law.max_terms < 2**52:
        return INF, True
    if isinstance(estimator, fs.SingleTerm):
        return 1.0, True
    if isinstance(law, R.Geometric | R.HarmonicGeometric):
        return 1.0, True
    s = law.s if isinstance(law, R.PowerLaw) else 1.0
    long_trial = s / (s - 1.0 + 1.0 / min(b, 2.0))
    jump = (b - 1.0 + s) / s
    return min(long_trial, jump), b >= 2.0


class Simulated:
    """Means and variances by simulation, with their standard errors."""

    def __init__(self, problem: Problem) -> None:
        self.random = np.random.default_rng(17)
        with np.errstate(all="ignore"):
            log_weights = problem.draw(self.random, (TRIALS, LONGEST)) - problem.log_evidence
            self.path = np.logaddexp.accumulate(log_weights, axis=1) - np.log(np.arange(1, LONGEST + 1))
        self.log_weights, self.problem = log_weights, problem

    def values(self, estimator: fs.Estimator) -> Floats | None:
        """Values about ``log Z``; None of estimators that take too many samples."""
        if isinstance(estimator, fs.JVI):
            return self._jackknife(estimator)
        if isinstance(estimator, fs.IWAE):
            return self.path[:, estimator.k - 1] if estimator.k <= LONGEST else None
        law = getattr(estimator, "roulette", None)
        if law is None or law.max_terms > LONGEST - 4:
            return None
        last = law.max_terms
        k = np.arange(1, last + 1)
        survival = law.survival(k)
        terms = np.searchsorted(-survival, -(1.0 - self.random.random(TRIALS)), side="right")
        terms = np.maximum(terms, 1)[:, None]
        with np.errstate(all="ignore"):
            if isinstance(estimator, fs.SingleTerm):
                steps = np.diff(self.path[:, : last + 1], axis=1)
                mass = survival - np.append(survival[1:], 0.0)
                return self.path[:, 0] + np.take_along_axis(steps / mass, terms - 1, axis=1)[:, 0]
            first = estimator.minimum + estimator.start - 1
            before = max(first, 1)
            steps = np.diff(self.path[:, before - 1 : first + last], axis=1)
            if first >= 1:
                return self.path[:, first - 1] + np.sum(np.where(k <= terms, steps / survival, 0.0), axis=1)
            rest = np.where(k[1:] <= terms, steps / survival[1:], 0.0)
            return self.path[:, 0] + rest.sum(axis=1)

    def _jackknife(self, estimator: fs.JVI) -> Floats:
        k = estimator.k
        some = self.log_weights[:, :k]
        total = np.zeros(TRIALS)
        for j, coefficient in enumerate(estimator.coefficients()):
            parts = []
            for out in _subsets(k, j):
                kept = np.delete(some, out, axis=1)
                with np.errstate(invalid="ignore"):
                    parts.append(np.logaddexp.reduce(kept, axis=1) - math.log(k - j))
            with np.errstate(invalid="ignore"):
                total = total + coefficient * np.mean(parts, axis=0)
        return total


def _subsets(k: int, size: int) -> list[list[int]]:
    if size == 0:
        return [[]]
    if size == 1:
        return [[i] for i in range(k)]
    return [[i, j] for i in range(k) for j in range(i)]


# --- judging --------------------------------------------------------------------------------------------------------


def judged(
    problem: Problem, estimator: fs.Estimator, found: Prediction, simulated: Simulated
) -> list[tuple[str, str, str]]:
    """Quantity, label, and what is wrong with it; empty where nothing is."""
    index, sure = index_of(problem, estimator)
    values = simulated.values(estimator)
    rows = [("mean", found.mean.kind, _mean_fault(problem, estimator, found.mean, index, sure, values))]
    rows.append(("variance", found.variance.kind, _variance_fault(problem, found.variance, index, sure, values)))
    fault = ""
    if found.tail_index.kind != "unknown" and not math.isclose(found.tail_index.value, index, rel_tol=0.01):
        fault = f"index {found.tail_index.value:g}, truth {index:g}"
    rows.append(("tail index", found.tail_index.kind, fault))
    rows.append(("cost", found.cost.kind, _cost_fault(estimator, found.cost)))
    return rows


def _cost_fault(estimator: fs.Estimator, cost: Quantity) -> str:
    """Of SUMO, by the sum of the survival function."""
    if not isinstance(estimator, fs.SUMO):
        return ""
    law = estimator.roulette
    terms = float(law.survival(np.arange(1.0, min(law.max_terms, 10**6) + 1.0)).sum())
    if law in (R.Harmonic(), R.PowerLaw(0.75)):
        terms = INF
    truth = estimator.minimum + estimator.start - 1 + terms
    right = math.isinf(truth) == (cost.kind == "infinite") and math.isclose(cost.value, truth, rel_tol=3e-3)
    return "" if right else f"{cost!r}, truth {truth}"


def _mean_fault(problem, estimator, mean: Quantity, index: float, sure: bool, values) -> str:  # type: ignore[no-untyped-def]
    if mean.kind == "unknown":
        return ""
    if mean.kind == "infinite":
        return "" if index < 1.0 or (index == 1.0 and sure) else f"infinite, index {index:g}"
    if index < 1.0 or (index == 1.0 and sure):
        return f"{mean!r} of a mean that does not exist"
    if problem.zeros:
        return "" if mean.value == -INF else f"{mean!r}, but weights may be zero"
    offset = mean.value - problem.log_evidence
    if values is not None and index > 2.0:
        error = float(np.std(values)) / math.sqrt(values.size)
        slack = mean.error + (0.5 * abs(offset) if mean.kind == "first-order" else 0.0)
        if abs(float(values.mean()) - offset) > ERRORS * error + slack + 1e-9:
            return f"mean {offset:.6g}, simulated {values.mean():.6g} ± {error:.1g}"
    capped = getattr(getattr(estimator, "roulette", None), "max_terms", 0) < 2**52
    if isinstance(estimator, fs.MLMC) or (isinstance(estimator, fs.SUMO | fs.SingleTerm) and not capped):
        return "" if abs(offset) < 1e-9 + mean.error else f"unbiased, but off by {offset:.3g}"
    if isinstance(estimator, fs.IWAE) and estimator.k == 400 and problem.chi_square < 10.0 and problem.tail > 3.0:
        limit = -problem.chi_square / 800.0
        return "" if abs(offset - limit) < 0.2 * abs(limit) + 1e-9 else f"E L_400 {offset:.4g}, first order {limit:.4g}"
    return ""


def _variance_fault(problem, variance: Quantity, index: float, sure: bool, values) -> str:  # type: ignore[no-untyped-def]
    if variance.kind == "unknown":
        return ""
    infinite = index < 2.0 or (index == 2.0 and sure)
    if variance.kind == "infinite":
        return "" if infinite or index == 2.0 else f"infinite, index {index:g}"
    if infinite:
        return f"{variance!r} of a variance that does not exist"
    if problem.zeros:
        return f"{variance!r}, but weights may be zero"
    if values is None:
        return ""
    spread = float(np.var(values))
    error = float(np.std((values - values.mean()) ** 2)) / math.sqrt(values.size)
    slack = variance.error + (0.25 * variance.value if variance.kind == "first-order" else 0.0)
    if index <= 4.0:  # the sample variance has none itself
        slack += 0.5 * variance.value
    if abs(spread - variance.value) > ERRORS * error + slack + 1e-12:
        return f"{variance!r}, simulated {spread:.6g} ± {error:.1g}"
    return ""


def _chi_square_fault(problem: Problem, found) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    label = {"declared": "exact", "quadrature": "exact", "tails": "infinite", "pilot": "estimated"}.get(
        found.source, "unknown"
    )
    label = "infinite" if found.value == INF else label
    truth = problem.chi_square
    if label == "unknown" or math.isnan(truth):
        return label, f"{found!r}" if math.isnan(truth) and found.value == INF else ""
    if math.isinf(truth) or math.isinf(found.value):
        return label, "" if truth == found.value else f"{found!r}, truth {truth:g}"
    slack = 6.0 * found.error if label == "estimated" else found.error + 1e-9 * (1.0 + truth)
    return label, "" if abs(found.value - truth) <= slack else f"{found!r}, truth {truth:.12g}"


def suite() -> tuple[Counter[tuple[str, str]], list[str]]:
    """How often each label was given to each quantity, and what is wrong."""
    counts: Counter[tuple[str, str]] = Counter()
    faults = []
    for problem in problems():
        simulated = Simulated(problem)
        label, fault = _chi_square_fault(problem, fs.theory.chi_square(problem.model))
        counts["chi-square", label] += 1
        faults += [f"{problem.name}: chi-square {fault}"] if fault else []
        evidence = fs.theory.log_evidence_of(problem.model)
        counts["log evidence", "unknown" if evidence is None else "exact"] += 1
        if evidence is not None and abs(evidence - problem.log_evidence) > 1e-6:
            faults.append(f"{problem.name}: log evidence {evidence}, truth {problem.log_evidence}")
        for estimator in ESTIMATORS:
            for quantity, label, fault in judged(problem, estimator, predict(problem.model, estimator), simulated):
                counts[quantity, label] += 1
                faults += [f"{problem.name}, {estimator!r}: {quantity} {fault}"] if fault else []
    return counts, faults


def table() -> str:
    """The table of the guide."""
    counts, faults = suite()
    labels = ("exact", "first-order", "infinite", "unknown", "estimated")
    wrong = Counter(next(q for q in QUANTITIES if f": {q} " in fault) for fault in faults)
    lines = ["| labels given | " + " | ".join(labels) + " | wrong |", "| --- |" + " ---: |" * (len(labels) + 1)]
    for quantity in QUANTITIES:
        cells = [str(counts[quantity, label] or "–") for label in labels]
        lines.append(f"| {quantity} | {' | '.join(cells)} | {wrong[quantity]} |")
    number = len(problems())
    return (
        f"{number} problems, each by {len(ESTIMATORS)} estimators and laws; "
        f"`python tests/theory/test_truth.py --page fastsumo/guide/theory.md`.\n\n" + "\n".join(lines)
    )


QUANTITIES = ("mean", "variance", "tail index", "cost", "chi-square", "log evidence")


@pytest.mark.slow
def test_every_label_is_true():
    counts, faults = suite()
    assert len(problems()) >= 24
    assert sum(counts.values()) > 24 * len(ESTIMATORS) * 4
    assert not faults, "\n".join(faults)


if __name__ == "__main__":
    from bench.report import publish

    target = Path(sys.argv[sys.argv.index("--page") + 1]) if "--page" in sys.argv else None
    publish(table(), target, MARKERS)
