"""Slow twins of the kernels, in plain Python and NumPy, to be believed at sight.

Random numbers, laws of `K`, log weights, estimators by their defining sums, statistics; without the engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

import fastsumo as fs
from fastsumo.estimators.roulette import Roulette

Floats = NDArray[np.float64]
_WORD = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


# --- random numbers -------------------------------------------------------------------------------------------------


def philox4x32(counter: Sequence[ArrayLike], key: Sequence[int]) -> list[NDArray[np.uint64]]:
    """Philox4x32-10 of Salmon et al. (SC 2011): four counter words (arrays), two key words; four words."""
    c = [np.asarray(word, np.uint64) for word in counter]
    k = list(key)
    for _ in range(10):
        a = np.uint64(0xD2511F53) * c[0]
        b = np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> _32) ^ c[1] ^ np.uint64(k[0]), b & _WORD, (a >> _32) ^ c[3] ^ np.uint64(k[1]), a & _WORD]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def uniforms(seed: int, trial: ArrayLike, sample: ArrayLike, block: int) -> tuple[Floats, Floats]:
    """The two uniforms of a block: counter (trial low, trial high, sample low, block + 4096 (sample >> 32))."""
    trial, sample = np.asarray(trial, np.uint64), np.asarray(sample, np.uint64)
    last = np.uint64(block) + np.uint64(4096) * (sample >> _32)
    w = philox4x32((trial & _WORD, trial >> _32, sample & _WORD, last), (seed % 2**32, seed >> 32))
    first, second = w[0] | (w[1] << _32), w[2] | (w[3] << _32)
    return _unit(first), _unit(second)


def _unit(word: NDArray[np.uint64]) -> Floats:
    return ((word >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def noise(seed: int, trial: int, samples: ArrayLike, dim: int, kind: str = "normal") -> Floats:
    """Noise of some samples of one trial, shape (samples, dim)."""
    columns: list[Floats] = []
    for block in range(1, (dim + 1) // 2 + 1):
        u, v = uniforms(seed, trial, samples, block)
        if kind == "normal":
            radius = np.sqrt(-2.0 * np.log(u))
            u, v = radius * _sine(0.25 - v), radius * _sine(v)
        columns += [u, v]
    return np.stack(columns[:dim], axis=-1)


def _sine(turns: Floats) -> Floats:
    """``sin(2 pi turns)`` , with a small relative error near its zeros too: half turns are taken off exactly."""
    half = np.rint(2.0 * turns)
    return np.where(half % 2 == 0, 1.0, -1.0) * np.sin(2.0 * np.pi * (turns - half / 2.0))


# --- laws of K ------------------------------------------------------------------------------------------------------


def survival(roulette: Roulette, k: ArrayLike) -> Floats:
    """``P(K >= k)`` for ``k >= 1``, from each law's definition."""
    k = np.asarray(k, np.float64)
    match roulette:
        case fs.roulette.Harmonic(cap=cap):
            p = 1.0 / k
        case fs.roulette.HarmonicGeometric(alpha=alpha, rate=rate, cap=cap):
            p = np.where(k < alpha, 1.0 / k, (1.0 - rate) ** np.maximum(k - alpha, 0.0) / alpha)
        case fs.roulette.PowerLaw(s=s, cap=cap):
            p = k**-s
        case fs.roulette.Geometric(p=stop, cap=cap):
            p = (1.0 - stop) ** (k - 1.0)
        case fs.roulette.Table():
            table = np.append(np.asarray(roulette.survival_table), 0.0)
            return table[np.minimum(k.astype(np.int64), table.size) - 1]
        case _:
            raise TypeError(roulette)
    return np.where(k > (cap or 2**52), 0.0, p)


def terms(roulette: Roulette, seed: int, trials: ArrayLike) -> NDArray[np.int64]:
    """`K` of trials: the largest ``k <= 2**52`` with ``u <= P(K >= k)``, by bisection."""
    u = uniforms(seed, trials, 0, 0)[0]
    low, high = np.ones(u.shape, np.int64), np.full(u.shape, 2**52, np.int64)
    while np.any(low < high):
        middle = low + (high - low + 1) // 2
        reached = u <= survival(roulette, middle)
        low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
    return low


# --- log weights ----------------------------------------------------------------------------------------------------


def log_weights(model: fs.Model, seed: int, trial: int, samples: ArrayLike) -> Floats:
    """The model's own Python function on the twin's noise, sample by sample."""
    z = noise(seed, trial, samples, model.noise_dim, model.noise)
    if model.proposal is None:
        return np.array([float(model.function(row, model.params)) for row in z])
    mean, covariance = np.asarray(model.proposal.mean), np.asarray(model.proposal.covariance)
    if covariance.ndim < 2:
        covariance = np.diag(np.broadcast_to(covariance, mean.shape))
    x = mean + z @ np.linalg.cholesky(covariance).T
    log_q = -0.5 * np.sum(z**2, axis=1) - 0.5 * np.linalg.slogdet(2.0 * np.pi * covariance)[1]
    return np.array([float(model.function(row, model.params)) for row in x]) - log_q


# --- estimators -----------------------------------------------------------------------------------------------------


class Value(NamedTuple):
    """The value of a trial, and the size that its rounding errors are relative to.

    The size is that of what is added up; and, since log weights are rounded too, their last places (1/256 of 1e-12
    is 18 of them) times the sensitivity of the value to one of them, about ``sum_j 1 / (P(K >= j) (m + j))``.
    """

    value: float
    size: float


def _value(parts: list[Any], lw: Floats, probabilities: ArrayLike, minimum: int) -> Value:
    p = np.asarray(probabilities, np.float64)
    value = float(mpmath.fsum(parts)) if len(parts) <= 300 else math.fsum(parts)
    added = float(np.abs(np.array(parts[1:], np.float64)).sum())
    sensitivity = float((1.0 / (p * (minimum + np.arange(1, p.size + 1)))).sum())
    scale = max(1.0, float(np.abs(lw[np.isfinite(lw)]).max(initial=0.0)))
    return Value(value, max(1.0, abs(value), added, sensitivity * scale / 256))


def iwae(log_weights: ArrayLike) -> Value:
    """``log((w_1 + ... + w_k) / k)``."""
    return sumo(log_weights, (), np.asarray(log_weights).size)


def sumo(log_weights: ArrayLike, probabilities: ArrayLike, minimum: int = 1) -> Value:
    """``L_m + sum_j (L_{m+j} - L_{m+j-1}) / P(K >= j)``, word by word, with 40 digits."""
    lw = np.asarray(log_weights, np.float64)
    with mpmath.workdps(40):
        total, path = mpmath.mpf(0), []
        for k, x in enumerate(lw.tolist(), start=1):
            total += mpmath.exp(x) if x > -math.inf else 0
            path.append(mpmath.log(total / k) if total > 0 else None)
        if path[minimum - 1] is None:
            return Value(-math.inf, 1.0)
        parts = [path[minimum - 1]]
        for j, p in enumerate(np.asarray(probabilities, np.float64).tolist(), start=1):
            parts.append((path[minimum + j - 1] - path[minimum + j - 2]) / p)
        return _value(parts, lw, probabilities, minimum)


def sumo_long(log_weights: ArrayLike, probabilities: ArrayLike, minimum: int = 1) -> Value:
    """As `sumo`, in float64 with compensated sums, for long trials: weights so far are ``exp(base) (sum + low)``."""
    lw = np.asarray(log_weights, np.float64)
    base, total, low, start = -math.inf, 0.0, 0.0, math.nan
    probability = np.asarray(probabilities, np.float64).tolist()
    parts: list[float] = []
    for k, x in enumerate(lw.tolist(), start=1):
        is_far = x > base + 600.0
        weight = math.exp(x - base) if -math.inf < x and not is_far else 0.0
        if k > minimum:  # L_k - L_{k-1} = log1p((w_k - W) / (k W)) with W the mean of the weights before
            mean = (total + low) / (k - 1)
            if not is_far:
                step = math.log1p((weight - mean) / (k * mean))
            else:  # the new weight is all there is
                step = (x - base) - math.log(k * mean)
            parts.append(step / probability[k - minimum - 1])
        if is_far:
            shrink = math.exp(base - x) if total > 0.0 else 0.0
            base, total, low, weight = x, total * shrink, low * shrink, 1.0
        grown = total + weight
        low += (total - grown) + weight if total >= weight else (weight - grown) + total
        total = grown
        if k == minimum:
            if not total > 0.0:
                return Value(-math.inf, 1.0)
            start = base + math.log((total + low) / k)
    return _value([start, *parts], lw, probabilities, minimum)


def value_of(estimator: Any, log_weights: ArrayLike, k: int) -> Value:
    """The value of a trial of any estimator with `K` equal to ``k``, from its log weights."""
    twin = sumo if np.size(log_weights) <= 300 else sumo_long
    if isinstance(estimator, fs.SUMO):
        return twin(log_weights, survival(estimator.roulette, np.arange(1, k + 1)), estimator.minimum)
    return twin(log_weights, (), estimator.k)


def assert_is(value: float, twin: Value, tolerance: float = 1e-12) -> None:
    """Whether a value is the twin's, to so many of the units that its errors are measured in."""
    if math.isinf(twin.value):
        assert value == twin.value
    else:
        assert abs(value - twin.value) <= tolerance * twin.size


# --- statistics -----------------------------------------------------------------------------------------------------


def moments(values: Floats) -> tuple[float, float, float, float]:
    """Mean, variance (n - 1), skewness and kurtosis (3 for a normal law), about the exact mean."""
    mean = math.fsum(values) / values.size
    d = values - mean
    m2, m3, m4 = (math.fsum(d**p) / values.size for p in (2, 3, 4))
    return mean, m2 * values.size / (values.size - 1), m3 / m2**1.5, m4 / m2**2


def largest_first(values: Floats, trials: NDArray[Any], center: float, keep: int) -> NDArray[np.int64]:
    """Where the ``keep`` trials furthest from the centre are, ties by trial number."""
    return np.array(sorted(range(values.size), key=lambda i: (-abs(values[i] - center), trials[i]))[:keep])
