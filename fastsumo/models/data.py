"""Built-in latent-variable models: linear Gaussian, random-effects logistic, logistic regression, the funnel.

All are reached as ``fs.models``. What has to be done once for a row of data is done in NumPy (`Model.prepare`), so that
the compiled log weight is short. Test beds without data or latent variables are in `builtin.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks, exact
from fastsumo.models.model import Model, importance
from fastsumo.models.proposals import Gaussian, Proposal, StudentT
from fastsumo.vmath import log, log_sigmoid

Floats = NDArray[np.float64]

_LOG_2PI = exact.log(2.0 * math.pi)
_MOST_FROZEN = 2**20  # numbers of X that are compiled into a function


def _linear_gaussian_log_weight(z, row, params):  # type: ignore[no-untyped-def]
    """``row = [log p(x, m) - log of q's normaliser]``; the quadratic forms of target and proposal are diagonal in
    ``z``.
    """
    total = row[0]
    for j in range(z.size):
        total += params[j] * z[j] * z[j]
    return total


def linear_gaussian(
    W: ArrayLike,
    b: ArrayLike,
    noise: float | ArrayLike,
    proposal: str = "exact",
    *,
    data: ArrayLike,
    width: float = 1.2,
) -> Model:
    """``x = W z + b + noise * e`` with standard normal ``z`` and ``e``: probabilistic PCA, and factor analysis.

    Parameters
    ----------
    W : array_like, shape (columns, latent)
    b : array_like, shape (columns,)
    noise : float or array_like, shape (columns,)
        Standard deviation of what ``z`` does not explain.
    proposal : {"exact", "widened", "mean-field"}
        The posterior; the posterior with its standard deviations times ``width``; the independent normals nearest to
        the posterior in the sense of variational inference, ``q(z_j) = N(m_j, 1 / M_jj)`` with its precision ``M``.
    data : array_like, shape (rows, columns)
    width : float
        Of "widened"; at least 0.75.

    Returns
    -------
    Model
        With data. ``log_evidence`` is ``log N(x; b, W W' + noise^2)``; ``chi_square`` and ``weight_tail_index`` are
        those of every row.

    Notes
    -----
    ``log p(x, z) = log p(x, m) - (z - m)' M (z - m) / 2`` with ``M = I + W' W / noise^2`` and ``M m = W' (x - b) /
    noise^2`` (Tipping & Bishop, JRSS B 61, 1999). With ``z = m + C U e``, ``C C'`` the proposal's covariance and ``U``
    the eigenvectors of ``C' M C``, the log weight is ``log p(x, m)`` plus a sum over squares of ``e``. Where the
    proposal is too narrow in some direction the weights have a power tail, and ``chi_square`` may be infinite.

    Examples
    --------
    >>> model = linear_gaussian([[1.0], [2.0]], [0.0, 0.0], 0.5, data=[[0.3, 1.0]])
    >>> abs(float(model([0.7], model.data[0])) - float(model.row_log_evidence(0, 1)[0])) < 1e-13
    True
    """
    weights, shift, variance = _linear_gaussian_numbers(W, b, noise)
    checks.choice("proposal", proposal, ("exact", "widened", "mean-field"))
    spread = checks.real("width", width, 0.75, 100.0, closed="low high")
    latent = weights.shape[1]
    precision = np.eye(latent) + weights.T @ (weights / variance[:, None])
    if proposal == "mean-field":
        factor = np.diag(1.0 / np.sqrt(np.diag(precision)))
    else:
        factor = np.linalg.inv(np.linalg.cholesky(precision)).T * (spread if proposal == "widened" else 1.0)
    ratio = np.linalg.eigvalsh(factor.T @ precision @ factor)  # of the target's precision to the proposal's
    ratio = np.full(latent, spread**2) if proposal == "widened" else ratio
    ratio = np.ones(latent) if proposal == "exact" else ratio
    constant = float(np.linalg.slogdet(factor)[1])
    constant -= 0.5 * (np.sum(np.log(variance)) + shift.size * _LOG_2PI)

    gain = np.linalg.solve(precision, weights.T / variance).T

    def prepare(rows: Floats, params: Floats) -> Floats:
        offset = _columns(rows, shift.size) - shift
        mean = offset @ gain
        rest = offset - mean @ weights.T
        joint = -0.5 * (np.sum(rest**2 / variance, axis=1) + np.sum(mean**2, axis=1))
        return (joint + constant)[:, None]

    def log_evidence(rows: Floats, params: Floats) -> Floats:
        offset = _columns(rows, shift.size) - shift
        scaled = np.linalg.solve(np.linalg.cholesky(precision), weights.T @ (offset / variance).T)
        logs = np.linalg.slogdet(precision)[1] + np.sum(np.log(variance)) + shift.size * _LOG_2PI
        return 0.5 * (np.sum(scaled**2, axis=0) - np.sum(offset**2 / variance, axis=1) - logs)

    model = Model(
        _linear_gaussian_log_weight,
        latent,
        0.5 * (1.0 - ratio),
        log_evidence=log_evidence,
        name=f"linear_gaussian({proposal})",
        data=data,
        prepare=prepare,
        chi_square=_gaussian_chi_square(np.asarray(ratio)),
        weight_tail_index=1.0 / (1.0 - ratio.min()) if ratio.min() < 1.0 else math.inf,
        weight_zero_index=math.inf,
    )
    _columns(model.data, shift.size)
    return model


def _gaussian_chi_square(ratio: Floats) -> float | None:
    """Between normals with one mean, ``ratio`` the eigenvalues of the target's precision over the proposal's.

    None where it is finite, but too large for a float.
    """
    if ratio.min() <= 0.5:
        return math.inf
    log_square = float(np.sum(np.log(ratio) - 0.5 * np.log(2.0 * ratio - 1.0)))
    return math.expm1(log_square) if log_square < 700.0 else None


def _linear_gaussian_numbers(W: ArrayLike, b: ArrayLike, noise: float | ArrayLike) -> tuple[Floats, Floats, Floats]:
    """``W``, ``b`` and the variances of the noise, checked."""
    weights, shift = checks.floats("W", W), checks.vector("b", b)
    if weights.ndim != 2 or weights.size == 0 or not np.all(np.isfinite(weights)):
        raise ValueError(f"W must be a finite (columns, latent) matrix, got shape {weights.shape}")
    if shift.size != weights.shape[0]:
        raise ValueError(f"b must have {weights.shape[0]} numbers to fit W, got {shift.size}")
    scale = checks.vector("noise", noise)
    if scale.size not in (1, shift.size) or np.any(scale <= 0):
        raise ValueError(f"noise must be one positive number or {shift.size} of them, got {scale.tolist()}")
    return weights, shift, np.broadcast_to(scale**2, shift.shape).copy()


def _columns(rows: Any, columns: int) -> Any:
    if rows.shape[1] != columns:
        raise ValueError(f"data must have {columns} columns, got {rows.shape[1]}")
    return rows


def _random_effects_log_weight(z, row, params):  # type: ignore[no-untyped-def]
    """``row = [mode, scale, sign and signed offset of each observation]``."""
    effect = row[0] + row[1] * z[0]
    total = row[2] + 0.5 * z[0] * z[0] - params[0] * effect * effect
    for t in range(3, row.size, 2):
        total += log_sigmoid(row[t] * effect + row[t + 1])
    return total


def random_effects_logistic(
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    eta: float = 1.0,
    intercept: float = 0.0,
    coefficients: ArrayLike = (0.25, 0.5, 0.75),
    rows: int = 1000,
    observations: int = 2,
    seed: int = 0,
) -> Model:
    """Logistic regression with a random effect for each individual: Ishikawa & Goda (UAI 2021), section 5.

    ``z ~ N(0, tau^2)``, ``tau^2 = log(1 + exp(eta))``; the observations of one individual are Bernoulli with the logit
    ``z + intercept + coefficients . x``. The proposal is Laplace's: a normal at the posterior's mode with its
    curvature.

    Parameters
    ----------
    x : array_like, shape (individuals, observations, coefficients), optional
        Drawn with ``seed`` from standard normals if not given, and ``y`` from the model.
    y : array_like of 0 and 1, shape (individuals, observations), optional
    eta, intercept : float
    coefficients : array_like
    rows, observations, seed : int
        For drawing data.

    Returns
    -------
    Model
        With data, a row for each individual: its ``y``, then its ``x``. ``log_evidence`` is by a quadrature that
        follows each posterior, to ten digits or better.

    Examples
    --------
    >>> model = random_effects_logistic(rows=3)
    >>> model.data.shape
    (3, 8)
    """
    slopes = checks.vector("coefficients", coefficients)
    level, tau2 = checks.real("intercept", intercept), float(np.logaddexp(0.0, checks.real("eta", eta)))
    if (x is None) != (y is None):
        raise ValueError("give x and y, or neither")
    if x is None or y is None:
        x, y = _draw_random_effects(rows, observations, slopes, level, tau2, seed)
    x, y = checks.floats("x", x), checks.floats("y", y)
    if x.ndim != 3 or x.shape[2] != slopes.size or y.shape != x.shape[:2]:
        raise ValueError(
            f"x must be (individuals, observations, {slopes.size}) and y (individuals, observations), "
            f"got shapes {x.shape} and {y.shape}"
        )
    if not np.all((y == 0) | (y == 1)):
        raise ValueError("y must be 0 or 1")
    width = x.shape[1]

    def signs(rows: Floats) -> tuple[Floats, Floats]:
        sign = 2.0 * rows[:, :width] - 1.0
        return sign, sign * (level + rows[:, width:].reshape(rows.shape[0], width, slopes.size) @ slopes)

    def prepare(rows: Floats, params: Floats) -> Floats:
        sign, offset = signs(rows)
        mode, scale = _random_effect_mode(sign, offset, tau2)
        out = np.empty((rows.shape[0], 3 + 2 * width))
        out[:, 0], out[:, 1], out[:, 2] = mode, scale, np.log(scale) - 0.5 * math.log(tau2)
        out[:, 3::2], out[:, 4::2] = sign, offset
        return out

    def log_evidence(rows: Floats, params: Floats) -> Floats:
        sign, offset = signs(rows)
        return _random_effect_quadrature(sign, offset, tau2)

    return Model(
        _random_effects_log_weight,
        1,
        [0.5 / tau2],
        log_evidence=log_evidence,
        name="random_effects_logistic",
        data=np.concatenate([y, x.reshape(x.shape[0], -1)], axis=1),
        prepare=prepare,
    )


def _draw_random_effects(
    rows: int, observations: int, slopes: Floats, level: float, tau2: float, seed: int
) -> tuple[Floats, Floats]:
    random = np.random.default_rng(checks.whole("seed", seed, 0))
    shape = checks.whole("rows", rows, 1), checks.whole("observations", observations, 1)
    x = random.standard_normal((*shape, slopes.size))
    logit = math.sqrt(tau2) * random.standard_normal((shape[0], 1)) + level + x @ slopes
    return x, (random.random(shape) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64)


def _random_effect_mode(sign: Floats, offset: Floats, tau2: float) -> tuple[Floats, Floats]:
    """Mode and scale of each posterior, by Newton's method on a concave function; by bisection where it is far away."""

    def slope(mode: Floats) -> tuple[Floats, Floats]:
        p = _sigmoid(-(sign * mode[:, None] + offset))
        return np.sum(sign * p, axis=1) - mode / tau2, np.sum(p * (1.0 - p), axis=1) + 1.0 / tau2

    mode = np.zeros(sign.shape[0])
    for _ in range(60):
        gradient, curvature = slope(mode)
        mode = mode + np.clip(gradient / curvature, -1.0, 1.0)
    gradient, curvature = slope(mode)
    lost = np.abs(gradient) > 1e-8 * (np.abs(mode) / tau2 + 1.0)
    if lost.any():
        high = np.full(mode.size, tau2 * sign.shape[1] + 1.0)
        low = -high
        for _ in range(100):
            middle = 0.5 * (low + high)
            rising = slope(middle)[0] > 0.0
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        mode = np.where(lost, 0.5 * (low + high), mode)
        curvature = slope(mode)[1]
    return mode, 1.0 / np.sqrt(curvature)


def _random_effect_quadrature(sign: Floats, offset: Floats, tau2: float) -> Floats:
    """``log p(y)``, by Gauss's rule on panels between where a posterior has fallen off; narrow where a factor bends."""
    mode, _ = _random_effect_mode(sign, offset, tau2)
    top = _log_posterior(mode, sign, offset, tau2)
    ends = []
    for way in (-1.0, 1.0):
        near, far = np.zeros(mode.size), np.full(mode.size, math.sqrt(2.0 * _GONE * tau2))  # the prior's own fall
        for _ in range(40):
            middle = 0.5 * (near + far)
            fallen = top - _log_posterior(mode + way * middle, sign, offset, tau2) > _GONE
            near, far = np.where(fallen, near, middle), np.where(fallen, middle, far)
        ends.append(mode + way * far)
    rows = zip(sign, offset, ends[0], ends[1], top, strict=True)
    return np.array([_log_integral(*row, tau2) for row in rows]) - 0.5 * (math.log(tau2) + _LOG_2PI)


_GONE = 50.0  # how far a log posterior falls until nothing is left
_NODES, _MASSES = np.polynomial.legendre.leggauss(16)


def _log_posterior(effect: Floats, sign: Floats, offset: Floats, tau2: float) -> Floats:
    """At ``effect`` of each row, up to a constant."""
    logs = -np.sum(np.logaddexp(0.0, -(sign * effect[:, None] + offset)), axis=1)
    return np.asarray(logs - 0.5 * effect**2 / tau2)


def _log_integral(sign: Floats, offset: Floats, low: float, high: float, top: float, tau2: float) -> float:
    """Of one row's posterior between two ends; ``top`` is its largest value."""
    edges = np.linspace(low, high, 33)
    if edges[1] - edges[0] > 0.5:  # factors bend within a few units of -sign * offset
        steps = 2.0 ** np.arange(-1.0, math.log2(edges[1] - edges[0]) + 1.0)
        bends = (-sign * offset)[:, None] + np.concatenate([-steps, [0.0], steps])
        edges = np.union1d(edges, np.clip(bends.ravel(), low, high))
    half = 0.5 * np.diff(edges)[:, None]
    effect = (edges[:-1, None] + half * (_NODES + 1.0)).ravel()
    logs = _log_posterior(effect, sign, offset, tau2)
    return top + math.log(float(np.sum(np.exp(logs - top).reshape(half.size, -1) * _MASSES * half)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def logistic_regression(
    X: ArrayLike, y: ArrayLike, prior_scale: float, proposal: str | Proposal = "laplace", *, df: float = 5.0
) -> Model:
    """The marginal likelihood of a Bayesian logistic regression: ``beta ~ N(0, prior_scale^2 I)``, ``y`` Bernoulli.

    Parameters
    ----------
    X : array_like, shape (observations, coefficients)
        With a column of ones for an intercept; best standardised. Compiled into the function, at most 2^20 numbers.
    y : array_like of 0 and 1, shape (observations,)
    prior_scale : float
        A parameter of the model: `Model.with_params` changes it, and keeps the proposal.
    proposal : {"laplace", "student"} or Proposal
        A normal at the posterior's mode with its curvature, or a Student t with the same mean and matrix, whose weights
        stay bounded.
    df : float
        Degrees of freedom of "student".

    Returns
    -------
    Model

    Examples
    --------
    >>> model = logistic_regression([[1.0], [1.0], [1.0]], [1, 1, 0], prior_scale=1.0)
    >>> float(model.proposal.mean[0]).__round__(4)
    0.2865
    """
    table, sign = checks.floats("X", X), checks.floats("y", y)
    if table.ndim != 2 or table.size == 0 or sign.shape != table.shape[:1]:
        raise ValueError(f"X must be a table and y fit its rows, got shapes {table.shape} and {sign.shape}")
    if not np.all(np.isfinite(table)):
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise ValueError(f"row {row} of X has a number that is not finite")
    if not np.all((sign == 0) | (sign == 1)):
        raise ValueError("y must be 0 or 1")
    if table.size > _MOST_FROZEN:
        raise ValueError(
            f"X is compiled into the function and may have at most {_MOST_FROZEN} numbers, got {table.size}"
        )
    scale = checks.real("prior_scale", prior_scale, 0.0)
    signed = (2.0 * sign - 1.0)[:, None] * table
    if not isinstance(proposal, Proposal):
        checks.choice("proposal", proposal, ("laplace", "student"))
        mode, covariance = _logistic_laplace(signed, scale)
        student = proposal == "student"
        proposal = StudentT(mode, covariance, df) if student else Gaussian(mode, covariance)
    return importance(_logistic_log_density(signed), proposal, [scale], name="logistic_regression")


def _logistic_laplace(signed: Floats, scale: float) -> tuple[Floats, Floats]:
    """Mode and inverse curvature of the posterior, which is log-concave."""
    from scipy.optimize import minimize

    ridge = np.eye(signed.shape[1]) / scale**2

    def loss(beta: Floats) -> float:
        return float(np.sum(np.logaddexp(0.0, -signed @ beta)) + 0.5 * np.sum(beta**2) / scale**2)

    def gradient(beta: Floats) -> Floats:
        return -signed.T @ _sigmoid(-signed @ beta) + beta / scale**2

    def curvature(beta: Floats) -> Floats:
        p = _sigmoid(signed @ beta)
        return signed.T @ (signed * (p * (1.0 - p))[:, None]) + ridge

    start = np.zeros(signed.shape[1])
    options = {"gtol": 1e-9, "maxiter": 10_000}
    found = minimize(loss, start, jac=gradient, hess=curvature, method="trust-exact", options=options)
    covariance = np.linalg.inv(curvature(found.x))
    return found.x, 0.5 * (covariance + covariance.T)


def _logistic_log_density(signed: Floats) -> Callable[..., float]:
    """``log p(y | beta) p(beta)`` for rows of ``X`` times the sign of ``y``, which are frozen."""
    observations, coefficients = signed.shape
    log_prior = -0.5 * coefficients * _LOG_2PI

    def log_density(beta, params):  # type: ignore[no-untyped-def]
        total, square = log_prior - coefficients * log(params[0]), 0.0
        for i in range(observations):
            linear = 0.0
            for j in range(coefficients):
                linear += signed[i, j] * beta[j]
            total += log_sigmoid(linear)
        for j in range(coefficients):
            square += beta[j] * beta[j]
        return total - 0.5 * square / (params[0] * params[0])

    return log_density
