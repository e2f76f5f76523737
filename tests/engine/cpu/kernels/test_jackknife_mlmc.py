"""Kernels of the jackknife and of dyadic levels against their definitions in 40 digits, for any scale of log weight.

The twins take the log weights that `replay` shows. Moments of runs on gamma weights are held against closed forms.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy.special import digamma, polygamma
from zoo import MODELS, breaks, shifted, slow, thinned

import fastsumo as fs
from fastsumo.jit.cache import cache_folder
from fastsumo.theory import predict

SEED = 20_240_611
SIGMAS = 4.5
ORDER_1 = [2, 3, 5, 17, 128, 129, 1000, 5000]
ORDER_2 = [3, 4, 5, 17, 128, 129, 200]
LEVELS = [
    fs.MLMC(base=base, first=first, kind=kind)
    for base in (1, 2, 3)
    for first in (True, False)
    for kind in ("single", "sum")
]
FAMILY = [fs.JVI(2), fs.JVI(40), fs.JVI(300), fs.JVI(4, order=2), fs.JVI(140, order=2), *LEVELS[:4]]


# --- twins ----------------------------------------------------------------------------------------------------------


def _weights(log_weights: np.ndarray) -> list[Any]:
    return [mpmath.exp(x) if x > -math.inf else mpf(0) for x in log_weights.tolist()]


def _log_mean(weights: list[Any]) -> Any:
    return mpmath.log(mpmath.fsum(weights) / len(weights)) if any(weights) else mpmath.ninf


def jackknife(estimator: fs.JVI, log_weights: np.ndarray, terms: int) -> tuple[Any, float]:
    """``sum_j c_j mean(L_{k-j})``, and the size of the terms; sums over subsets go by prefixes and suffixes."""
    weights, k = _weights(log_weights), estimator.k
    before, after = [mpf(0)], [mpf(0)]
    for i in range(k):
        before.append(before[-1] + weights[i])
        after.append(after[-1] + weights[k - 1 - i])
    means = [_log_mean(weights), _mean_of_logs(before[i] + after[k - 1 - i] for i in range(k)) - mpmath.log(k - 1)]
    if estimator.order == 2:
        rests = []
        for i in range(k):
            between = before[i]
            for j in range(i + 1, k):
                rests.append(between + after[k - 1 - j])
                between += weights[j]
        means.append(_mean_of_logs(rests) - mpmath.log(k - 2))
    parts = [mpf(c) * mean for c, mean in zip(estimator.coefficients(), means, strict=True)]
    if mpmath.ninf in means:
        return -math.inf, 1.0
    return mpmath.fsum(parts), float(abs(parts[0])) + 1.0


def _mean_of_logs(sums: Any) -> Any:
    sums = list(sums)
    return mpmath.fsum(mpmath.log(s) for s in sums) / len(sums) if min(sums) > 0 else mpmath.ninf


def levels(estimator: fs.MLMC, log_weights: np.ndarray, terms: int) -> tuple[Any, float]:
    """``L_base + D_l / p_l`` and its kin, and the size of the terms."""
    weights, base, ratio = _weights(log_weights), estimator.base, mpf(estimator.ratio)
    lowest = 1 if estimator.first else 0
    parts = [_log_mean(weights[:base])] if estimator.first else []
    weights = weights[base:] if estimator.first else weights
    last = terms - 1 + lowest
    for level in [last] if estimator.kind == "single" else range(lowest, last + 1):
        factor = 1 / ratio ** (level - lowest)
        factor /= 1 - ratio if estimator.kind == "single" else 1
        n = base << level
        parts.append(factor * _log_mean(weights[:n]))
        if level > 0:
            parts += [-factor / 2 * _log_mean(half) for half in (weights[: n // 2], weights[n // 2 : n])]
    if any(mpmath.isinf(part) for part in parts):
        return -math.inf, 1.0
    return mpmath.fsum(parts), float(sum(abs(part) for part in parts)) + 1.0


def check(model: fs.Model, estimator: Any, trial: int, value: float) -> None:
    """Replay one trial: the same bits as its value, and the twin's value to 1e-12 of the size of its terms."""
    one = fs.replay(model, estimator, trial, SEED)
    assert np.float64(one.value).tobytes() == np.float64(value).tobytes()
    assert one.log_weights.size == estimator.plan().samples(one.terms)
    with mpmath.workdps(40):
        twin = jackknife if isinstance(estimator, fs.JVI) else levels
        expected, size = twin(estimator, one.log_weights, one.terms)
        if mpmath.isinf(expected):
            assert value == -math.inf
        else:
            assert abs(mpf(value) - expected) <= 1e-12 * size


def pairs(first: Any, second: Any) -> Any:
    """All pairs of two lists, each entry with its place."""
    return itertools.product(enumerate(first), enumerate(second))


def one_of_each(terms: np.ndarray, most: int) -> list[int]:
    """A trial of every `K` up to ``most``."""
    found, first = np.unique(terms, return_index=True)
    return first[found <= most].tolist()


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", ORDER_1)
@pytest.mark.parametrize("name", ["note", "zeros", *map(slow, ["gamma", "wild", "high", "leaps", "mostly zeros"])])
def test_jackknife(name, k):
    values, _ = fs.sample(MODELS[name], fs.JVI(k), 40, SEED)
    for trial in range(1 if k > 200 else 3):
        check(MODELS[name], fs.JVI(k), trial, values[trial])


@pytest.mark.parametrize("k", thinned(ORDER_2, 2))
@pytest.mark.parametrize("name", thinned(["zeros", "note", "wild", "low", "leaps"], 3))
def test_jackknife_of_order_2(name, k):
    estimator = fs.JVI(k, order=2)
    values, _ = fs.sample(MODELS[name], estimator, 40, SEED)
    for trial in range(1 if k > 100 else 5):
        check(MODELS[name], estimator, trial, values[trial])


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        (slow if (i + j) % 6 else pytest.param)(name, e, id=f"{name}-{e!r}")
        for (i, name), (j, e) in pairs(MODELS, LEVELS)
    ],
)
def test_levels(name, estimator):
    values, terms = fs.sample(MODELS[name], estimator, 3000, SEED)
    for trial in one_of_each(terms, 10):
        check(MODELS[name], estimator, trial, values[trial])


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        *(("single", 127), ("sum", 128), ("single", 129)),
        *(slow("single", base) for base in (60, 128, 2047, 4096)),
        *(slow("sum", base) for base in (60, 127, 129, 2047, 4096)),
    ],
)
def test_levels_of_many_samples(kind, base):
    """Parts that end inside buffers and at their borders, up to 2^14 samples."""
    for first in (True, False):
        estimator = fs.MLMC(base=base, first=first, kind=kind)
        values, terms = fs.sample(MODELS["note"], estimator, 300, SEED)
        for trial in one_of_each(terms, int(math.log2(2**14 / base)) + 1 - first):
            check(MODELS["note"], estimator, trial, values[trial])


@pytest.mark.parametrize("name", ["wild", "far", "leaps", "mostly zeros"])
def test_long_levels_of_any_scale(name):
    estimator = fs.MLMC(base=300, kind="sum")
    values, terms = fs.sample(MODELS[name], estimator, 100, SEED)
    for trial in one_of_each(terms, 3):
        check(MODELS[name], estimator, trial, values[trial])


def test_small_differences_keep_their_digits():
    """With nearly equal weights ``D`` is about 1e-17, and good to 1e-22; logs that cancel would be off by 1e-16."""
    model = shifted.with_params([0.0, 1e-8])
    for base in (2, 200):
        estimator = fs.MLMC(base=base, first=False)
        values, terms = fs.sample(model, estimator, 300, SEED)
        for trial in np.flatnonzero(terms == 3)[:5].tolist():
            one = fs.replay(model, estimator, trial, SEED)
            with mpmath.workdps(60):
                expected, _ = levels(estimator, one.log_weights, 3)
                assert abs(mpf(values[trial]) - expected) < 1e-22 / estimator.ratio**2
            assert 0 < values[trial] < 1e-14


def test_jackknife_of_a_million_samples():
    """Far below rounding errors of ``k L_k``: value and ``L_k`` differ by the bias removed, about ``1 / (2 k)``."""
    k = 1_000_000
    value = fs.sample(MODELS["gamma"], fs.JVI(k), 1, SEED)[0][0]
    w = np.exp(fs.replay(MODELS["gamma"], fs.IWAE(k), 0, SEED).log_weights)
    total = math.fsum(w)
    expected = math.log(total / k) + (k - 1) / k * math.fsum(math.log1p(-1 / k) - np.log1p(-w / total))
    assert value == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("estimator", FAMILY, ids=repr)
def test_a_shift_of_the_log_weights_shifts_the_values(estimator):
    here, terms = fs.sample(shifted.with_params([0.0, 1.0]), estimator, 3000, SEED)
    size = 1e5 * (estimator.k**estimator.order if isinstance(estimator, fs.JVI) else estimator.ratio ** (1.0 - terms))
    total = np.ones(3000)  # what the values change by, in shifts: level 0 over its probability
    if isinstance(estimator, fs.MLMC) and not estimator.first:
        total = (terms == 1) / (1 - estimator.ratio) if estimator.kind == "single" else total
    for shift in (-1e5, -750.0, 745.0, 1e5):
        there, _ = fs.sample(shifted.with_params([shift, 1.0]), estimator, 3000, SEED)
        assert np.all(np.abs(there - total * shift - here) < 1e-13 * size)


@pytest.mark.parametrize("estimator", FAMILY, ids=repr)
@pytest.mark.parametrize("name", ["note", "leaps", "mostly zeros"])
def test_values_do_not_depend_on_their_neighbours(name, estimator):
    values, terms = fs.sample(MODELS[name], estimator, 9000, SEED)
    part, part_terms = fs.sample(MODELS[name], estimator, 5001, SEED, first_trial=3333)
    assert part.tobytes() == values[3333:8334].tobytes()
    assert np.array_equal(part_terms, terms[3333:8334])
    for trial in {0, 4095, 4096, int(np.argmax(terms))}:
        alone = fs.sample(MODELS[name], estimator, 1, SEED, first_trial=trial)
        assert alone[0].tobytes() == values[trial : trial + 1].tobytes()


# --- zero weights, errors, runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", FAMILY, ids=repr)
def test_trials_without_enough_weight_are_counted(estimator):
    model = MODELS["mostly zeros"]
    values, _ = fs.sample(model, estimator, 2000, SEED)
    assert not np.any(np.isnan(values))
    assert np.all(values < np.inf)
    assert fs.simulate(model, estimator, 2000, SEED).zero_weight_trials == np.count_nonzero(values == -np.inf) > 0
    nothing, _ = fs.sample(MODELS["all zeros"], estimator, 200, SEED)
    if not isinstance(estimator, fs.MLMC) or estimator.first or estimator.kind == "sum":
        assert np.all(nothing == -np.inf)


@pytest.mark.parametrize("estimator", thinned(FAMILY, 5), ids=repr)
def test_cost_is_exact_and_threads_change_nothing(estimator):
    values, terms = fs.sample(MODELS["note"], estimator, 20_000, SEED)
    runs = [fs.simulate(MODELS["note"], estimator, 20_000, SEED, threads=threads) for threads in (1, 2, 8)]
    assert runs[0].cost == sum(estimator.plan().samples(k) for k in terms.tolist())
    assert runs[0].mean == pytest.approx(math.fsum(values) / values.size, rel=1e-12)
    for run in runs[1:]:
        assert (run.mean, run.variance, run.cost) == (runs[0].mean, runs[0].variance, runs[0].cost)
        assert np.array_equal(run.histogram.counts, runs[0].histogram.counts)
        assert np.array_equal(run.extremes, runs[0].extremes)
    again = fs.sample(MODELS["note"], estimator, 20_000, SEED, threads=1)
    assert again[0].tobytes() == values.tobytes()


@pytest.mark.parametrize("estimator", [fs.JVI(3), fs.JVI(500), fs.MLMC(), fs.MLMC(base=500)], ids=repr)
def test_a_bad_weight_names_its_trial(estimator):
    rarely_bad = breaks.with_params([3.5])
    with pytest.raises(fs.ModelError, match=r"trial (\d+)") as caught:
        fs.simulate(rarely_bad, estimator, 100_000, SEED)
    trial = re.search(r"trial (\d+)", str(caught.value))
    assert np.isnan(fs.replay(rarely_bad, estimator, int(trial[1]), SEED).log_weights).any()


@pytest.mark.parametrize(("estimator", "family"), [(fs.JVI(3), "jackknife"), (fs.MLMC(), "mlmc")], ids=repr)
def test_each_family_is_cached_by_itself(estimator, family):
    entries = [f"{family}.{family}_trials", "block.tally", "block.sample"]
    kept = {entry: _entries(entry) for entry in entries}  # what other versions of the package have left
    for model in (MODELS["note"], MODELS["lognormal"]):
        fs.simulate(model, estimator, 10)
        fs.sample(model, estimator, 10)
    for entry in entries:
        assert _entries(entry)
        assert len(_entries(entry) - kept[entry]) <= 1


def _entries(name: str) -> set[str]:
    return {path.name for path in (cache_folder() / "compiled").glob(f"*.{name}-*.nbi")}


def test_what_is_too_much_for_the_jackknife():
    assert fs.JVI(2**24).k == 2**24
    with pytest.raises(ValueError, match=r"at most 16777216 samples, got 16777217"):
        fs.JVI(2**24 + 1)
    with pytest.raises(ValueError, match=r"order 2 takes at most 2048 samples, got 2049"):
        fs.JVI(2049, order=2)


# --- moments on gamma weights ---------------------------------------------------------------------------------------


def _assert_mean(result: fs.Result, mean: float, variance: float) -> None:
    assert abs(result.mean - mean) < SIGMAS * math.sqrt(variance / result.trials)


def _assert_variance(result: fs.Result, variance: float) -> None:
    error = result.variance * math.sqrt((result.kurtosis - 1.0) / result.trials)
    assert abs(result.variance - variance) < SIGMAS * error
    assert error < 0.2 * variance


@pytest.mark.parametrize(("k", "order"), [(2, 1), slow(5, 1), slow(20, 1), slow(3, 2), (6, 2), slow(20, 2)])
@pytest.mark.parametrize("shape", [0.5, slow(1.0), slow(2.0)])
def test_moments_of_the_jackknife(shape, k, order):
    estimator = fs.JVI(k, order=order)
    result = fs.simulate(fs.models.gamma(shape), estimator, 10**6, seed=201)
    n = k - np.arange(order + 1)
    mean = float(np.dot(estimator.coefficients(), digamma(n * shape) - np.log(n * shape)))
    _assert_mean(result, mean, result.variance)
    _assert_variance(result, predict(fs.models.gamma(shape), estimator).variance.value)


@pytest.mark.parametrize(
    "estimator", thinned([fs.MLMC(0.45), *LEVELS, fs.MLMC(0.45, kind="sum", first=False)], 4), ids=repr
)
@pytest.mark.parametrize("shape", [0.5, slow(1.0), slow(2.0)])
def test_moments_of_levels(shape, estimator):
    """`D` of a level depends on the share of its first half only: a beta variable, independent of the other levels'.

    Only ``L_base`` of the same samples has a covariance with it, ``-Var(D)``.
    """
    result = fs.simulate(fs.models.gamma(shape), estimator, 10**6, seed=202)
    variance = _variance_of_levels(estimator, shape)
    _assert_mean(result, 0.0, variance)
    if estimator.ratio > 0.4:  # the fourth moment is finite
        _assert_variance(result, variance)


def _variance_of_levels(estimator: fs.MLMC, shape: float) -> float:
    level = np.arange(60.0)
    x = shape * estimator.base * 2.0 ** (level - 1)
    with np.errstate(all="ignore"):
        mean = np.where(x < 1e6, digamma(2 * x) - digamma(x) - math.log(2), 0.25 / x)
        spread = np.where(x < 1e6, polygamma(1, x) / 2 - polygamma(1, 2 * x), 0.125 / x**2)
    mean[0] = digamma(shape * estimator.base) - math.log(shape * estimator.base)
    spread[0] = polygamma(1, shape * estimator.base)
    covariance = -spread  # of level 0 with the others
    own = spread[0] if estimator.first else 0.0
    low = 1 if estimator.first else 0
    mean, spread, covariance = mean[low:], spread[low:], covariance[low:]
    survival = estimator.ratio ** np.arange(mean.size)
    chance = survival * (1 - estimator.ratio)
    if estimator.kind == "single":
        return float(own + np.sum((spread + mean**2) / chance) - np.sum(mean) ** 2)
    later = np.cumsum(mean[::-1])[::-1] - mean
    second = np.sum((spread + mean**2 + 2 * mean * later) / survival)
    if not estimator.first:
        second += 2 * np.sum(covariance[1:])
    return float(own + second - np.sum(mean) ** 2)
