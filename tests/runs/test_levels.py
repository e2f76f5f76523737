"""`levels` against a NumPy twin and against theory; the law of `K` that is made of it.

The arithmetic is in `trial/increments.py`.
"""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from zoo import shifted, slow

import fastsumo as fs
from fastsumo.runs.levels import Levels, _rate
from fastsumo.theory._moments import Gamma

NOTE = fs.models.note()


def test_constant_weights_are_consistent() -> None:
    for value in (1.5, -700.0, 0.1):
        found = fs.levels(fs.Model(shifted.function, 1, [value, 0.0], name="constant"), 32, 200)
        assert found.consistent
        assert "do not trust" not in found.text()


def twin(model: fs.Model, n: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Increments (samples, n - 1), antithetic differences and differences of halves (samples, levels)."""
    rows = [naive.log_weights(model, seed, trial, range(n)) for trial in range(samples)]
    path = np.logaddexp.accumulate(rows, axis=1) - np.log(np.arange(1, n + 1))
    levels, halves = [path[:, 0]], [np.zeros(samples)]
    for level in range(1, n.bit_length()):
        size = 2**level
        first, second = (
            np.logaddexp.reduce(np.array(rows)[:, part], axis=1) - math.log(size / 2)
            for part in (slice(0, size // 2), slice(size // 2, size))
        )
        levels.append(path[:, size - 1] - (first + second) / 2)
        halves.append((first - second) / 2)
    return np.diff(path, axis=1), np.stack(levels, axis=1), np.stack(halves, axis=1)


@pytest.mark.parametrize(
    "model", [NOTE, fs.models.gamma(0.5), slow(fs.models.gaussian_scale(0.6))], ids=lambda m: m.name
)
@pytest.mark.parametrize("n", [2, 37, 64])
def test_moments_agree_with_the_twin(model, n):
    found = fs.levels(model, n - 1, 50, seed=3)
    increments, levels, halves = twin(model, n, 50, seed=3)
    assert found.increments["k"].tolist() == list(range(1, n))
    assert found.dyadic["samples"].tolist() == [2**level for level in range(n.bit_length())]
    for table, values in ((found.increments, increments), (found.dyadic, levels)):
        center = values - values.mean(axis=0)
        assert table["mean"] == pytest.approx(values.mean(axis=0), rel=1e-9, abs=1e-13)
        assert table["variance"] == pytest.approx(values.var(axis=0, ddof=1), rel=1e-8)
        kurtosis = np.mean(center**4, axis=0) / np.mean(center**2, axis=0) ** 2
        assert table["kurtosis"] == pytest.approx(kurtosis, rel=1e-7)
    z = halves[:, 1:].mean(axis=0) / (halves[:, 1:].std(axis=0, ddof=1) / math.sqrt(50))
    assert found.dyadic["consistency"][1:] == pytest.approx(z, rel=1e-8)
    assert found.cost == 50 * n


@pytest.mark.parametrize("spread", [10.0, 40.0, 1e3, 1e5, 1e20])
def test_no_spread_of_the_weights_is_too_wide(spread):
    """Log weights hundreds apart, of which the smaller vanish beside the larger, and halves whose sums do."""
    model = shifted.with_params([0.0, spread])
    found = fs.levels(model, 15, 40, seed=5)
    increments, levels, halves = twin(model, 16, 40, seed=5)
    assert found.left_out == 0
    for table, values in ((found.increments, increments), (found.dyadic, levels)):
        assert table["mean"] == pytest.approx(values.mean(axis=0), rel=1e-12, abs=1e-12 * spread)
        assert table["variance"] == pytest.approx(values.var(axis=0, ddof=1), rel=1e-10)
    z = halves[:, 1:].mean(axis=0) / (halves[:, 1:].std(axis=0, ddof=1) / math.sqrt(40))
    assert found.dyadic["consistency"][1:] == pytest.approx(z, rel=1e-8)


def test_weights_at_the_edge_of_what_is_allowed_make_no_noise():
    found = fs.levels(shifted.with_params([0.0, 1e140]), 3, 40)
    assert np.isfinite(found.dyadic["variance"]).all()


def test_nothing_depends_on_the_threads():
    one, two = (fs.levels(NOTE, 300, 9000, threads=threads) for threads in (1, 3))
    assert one.increments.tobytes() == two.increments.tobytes()
    assert one.dyadic.tobytes() == two.dyadic.tobytes()
    assert np.array_equal(one.increments["k"][:100], np.arange(1, 101))
    assert one.increments["k"][-1] == 300


@pytest.mark.parametrize("shape", [0.5, slow(2.0)])
def test_moments_agree_with_theory(shape):
    found, exact = fs.levels(fs.models.gamma(shape), 255, 20_000), Gamma(shape)
    k, half = found.increments["k"], found.dyadic["samples"][1:] / 2
    for table, mean, variance in (
        (found.increments, exact.mean_increment(k), exact.var_increment(k)),
        (found.dyadic[1:], exact.level_mean(half), exact.level_variance(half)),
    ):
        assert np.all(np.abs(table["mean"] - mean) < 5.0 * table["mean_error"])
        assert np.all(np.abs(table["variance"] - variance) < 5.5 * table["variance_error"])
    assert found.consistent
    assert found.left_out == 0


def test_rates_of_the_note():
    found = fs.levels(NOTE, 511, 20_000, seed=1)
    for rate, expected in ((found.alpha, 1.0), (found.beta, 2.0), (found.gamma, 1.0)):
        assert abs(rate.value - expected) <= max(4.0 * rate.error, 0.06)
    assert repr(found.gamma) == "1.000 ± 0.000"


def test_rate_of_a_given_power_law():
    from fastsumo.runs.levels import LEVEL

    rows = np.zeros(8, LEVEL)
    rows["level"] = np.arange(8)
    rows["mean"], rows["mean_error"] = -3.0 * 2.0 ** (-1.5 * rows["level"]), 1e-9
    found = _rate(rows, "mean", "mean_error")
    assert found.value == pytest.approx(1.5, abs=1e-9)
    rows["mean_error"] = 1.0  # all noise
    assert math.isnan(_rate(rows, "mean", "mean_error").value)


def test_any_scale_of_log_weight():
    far, near = shifted.with_params([1e5, 1.0]), shifted.with_params([0.0, 1.0])
    one, two = fs.levels(far, 31, 500), fs.levels(near, 31, 500)
    assert one.increments["mean"] == pytest.approx(two.increments["mean"], abs=1e-9)
    assert one.dyadic["mean"][1:] == pytest.approx(two.dyadic["mean"][1:], abs=1e-9)


@pytest.mark.slow
def test_zero_weights_are_left_out_and_counted():
    @fs.model(dim=1)
    def gate(z, params):
        return 0.0 if z[0] > 0.0 else -math.inf

    found = fs.levels(gate, 15, 400)
    assert found.left_out > 0
    assert np.isfinite(found.increments["mean"]).all()
    assert "without any weight" in str(found)


@pytest.mark.slow
def test_a_bad_weight_names_its_trial():
    @fs.model(dim=1)
    def broken(z, params):
        return math.nan if z[0] > 3.0 else z[0]

    with pytest.raises(fs.ModelError, match=r"trial \d+"):
        fs.levels(broken, 63, 500)


def test_what_a_model_raises_is_said():
    """Also where it is not the first sample of a trial that it raises for."""

    @fs.model(dim=1)
    def broken(z, params):
        if z[0] > 3.3:
            raise ArithmeticError("far out")
        return -z[0]

    with pytest.raises(fs.ModelError, match=r"raised ArithmeticError: far out in trial 30 of seed 0") as caught:
        fs.levels(broken, 63, 500)
    with pytest.raises(fs.ModelError, match=r"far out in trial 30 of seed 0"):
        fs.replay(broken, fs.IWAE(64), caught.value.trial)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((0, 10), "max_terms"), ((10, 1), "samples"), ((10, 10, -1), "seed"), ((2.5, 10), "max_terms")],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        fs.levels(NOTE, *arguments)
    with pytest.raises(TypeError, match="model must be"):
        fs.levels(None, 10, 10)


def test_it_prints_and_plots():
    import matplotlib.figure

    found = fs.levels(NOTE, 63, 1000)
    assert isinstance(found, Levels)
    assert str(found).count("\n") == 9
    assert "alpha" in str(found)
    figure = found.plot(matplotlib.figure.Figure())
    assert [axes.get_ylabel() for axes in figure.axes][3] == "kurtosis (normal: 3)"


@pytest.mark.slow
def test_limits_on_the_note():
    """``E Delta_k^2 k (k + 1) -> chi2`` and ``4^l Var D_l -> chi2^2 / 2``."""
    found = fs.levels(NOTE, 1023, 400_000, seed=2)
    rows = found.increments[found.increments["k"] >= 50]
    scaled = rows["k"] * (rows["k"] + 1.0) * (rows["variance"] + rows["mean"] ** 2)
    assert np.median(scaled) == pytest.approx(NOTE.chi_square, rel=0.02)
    levels = found.dyadic[5:]
    scaled = 4.0 ** levels["level"] * levels["variance"]
    assert np.median(scaled) == pytest.approx(NOTE.chi_square**2 / 2, rel=0.03)
    assert 2.0 ** levels["level"] * levels["mean"] == pytest.approx(NOTE.chi_square / 2, rel=0.02)


def test_an_error_says_how_to_see_its_log_weights() -> None:
    model = fs.Model(lambda z: np.where(z[:, 0] > 3.0, np.nan, z[:, 0]), 1, vectorized=True)
    with pytest.raises(fs.ModelError, match=r"fs.replay\(model, IWAE\(k=65\), trial=") as caught:
        fs.levels(model, 64, 500)
    assert caught.value.trial is not None
    assert np.isnan(fs.replay(model, fs.IWAE(65), caught.value.trial).log_weights).any()
