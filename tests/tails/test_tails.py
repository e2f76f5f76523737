"""Tail indices: exact formulas, powerlaw's Hill, known laws, and data that say nothing.

Generalised-Pareto fits have a file of their own.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from zoo import slow

from fastsumo import tails

METHODS = ["hill", "moment", "pickands", "gpd", "gpd-mle"]


def pareto(n: int, index: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(n) ** (-1.0 / index)


def naive_hill(values: np.ndarray, k: int) -> float:
    largest = sorted(values, reverse=True)
    return k / sum(math.log(x / largest[k]) for x in largest[:k])


def test_hill_is_its_formula_with_standard_error() -> None:
    values = pareto(300, 1.7)
    found = tails.tail_index(values, k=41)
    assert found.estimate == pytest.approx(naive_hill(values, 41), rel=1e-13)
    assert found.std_error == pytest.approx(found.estimate / math.sqrt(41), rel=1e-13)
    assert found.threshold == np.sort(values)[-42]
    assert found.constant == pytest.approx(41 / 300 * found.threshold**found.estimate, rel=1e-13)


@pytest.mark.parametrize("index", [0.7, 1.0, 1.5, 1.9])
def test_hill_equals_powerlaw(index: float) -> None:
    powerlaw = pytest.importorskip("powerlaw")
    values = pareto(2000, index, seed=3)
    xmin = np.sort(values)[-500]
    found = tails.tail_index(values, k=499)
    fit = powerlaw.Fit(values[values > xmin], xmin=xmin, discrete=False, verbose=0)
    assert found.estimate == pytest.approx(fit.power_law.alpha - 1.0, rel=1e-8)
    assert found.std_error == pytest.approx(fit.power_law.standard_err, rel=1e-8)


def test_hill_interval_is_the_gamma_law() -> None:
    found = tails.tail_index(pareto(200, 2.0), k=60, level=0.9)
    low, high = stats.gamma(60).ppf([0.05, 0.95]) / 60
    assert (found.low, found.high) == pytest.approx((found.estimate * low, found.estimate * high), rel=1e-10)


def test_moment_is_its_formula() -> None:
    values = np.sort(pareto(500, 2.5))[::-1]
    logs = np.log(values[:80] / values[80])
    first, second = logs.mean(), (logs**2).mean()
    shape = first + 1 - 0.5 / (1 - first**2 / second)
    found = tails.tail_index(values, method="moment", k=80)
    assert found.shape == pytest.approx(shape, rel=1e-12)
    assert 1 / found.low - found.shape == pytest.approx(1.959963985 * math.sqrt((1 + shape**2) / 80), rel=1e-8)


def test_moment_variance_is_continuous_and_right_for_the_uniform() -> None:
    from fastsumo.tails._index import _moment_variance

    assert _moment_variance(-1e-9) == pytest.approx(_moment_variance(0.0), rel=1e-7)
    g = -1.0
    rational = 4 - 8 * (1 - 2 * g) / (1 - 3 * g) + (5 - 11 * g) * (1 - 2 * g) / ((1 - 3 * g) * (1 - 4 * g))
    assert _moment_variance(g) == pytest.approx((1 - g) ** 2 * (1 - 2 * g) * rational, rel=1e-14)


def test_pickands_is_exact_for_its_own_quantiles() -> None:
    values = np.array([(i / 400) ** -0.5 for i in range(1, 401)])
    found = tails.tail_index(values, method="pickands", k=200)
    assert found.shape == pytest.approx(0.5, rel=1e-12)
    shifted = tails.tail_index(values + 1000.0, method="pickands", side="right", k=200)
    assert shifted.shape == pytest.approx(0.5, rel=1e-9)


def test_pickands_deviation_is_continuous_at_zero() -> None:
    from fastsumo.tails._index import _pickands_deviation

    assert _pickands_deviation(1e-4) == pytest.approx(_pickands_deviation(0.0), rel=1e-3)
    assert _pickands_deviation(-1e-4) == pytest.approx(_pickands_deviation(0.0), rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_extremes_say_what_the_whole_sample_says(method: str) -> None:
    values = np.random.default_rng(5).standard_t(2, 5000)
    order = np.argsort(-np.abs(values - 0.25))
    summary = tails.Summary(trials=5000, extremes=values[order[:600]], center=0.25)
    for side in ("both", "right", "left"):
        whole = tails.tail_index(values, method=method, k=200, side=side, center=0.25)
        assert tails.tail_index(summary, method=method, k=200, side=side) == whole


def test_extremes_may_be_a_structured_array() -> None:
    values = pareto(100, 2.0)
    rows = np.zeros(100, dtype=[("trial", "i8"), ("value", "f8"), ("terms", "i8")])
    rows["value"] = values
    assert tails.tail_index(rows, k=30) == tails.tail_index(values, k=30)


@pytest.mark.parametrize("method", METHODS)
def test_scale_and_sign_do_not_matter(method: str) -> None:
    values = np.random.default_rng(6).standard_t(2, 2000)
    plain = tails.tail_index(values, method=method, side="right")
    huge = tails.tail_index(values * 2.0**700, method=method, side="right")
    tiny = tails.tail_index(values * 2.0**-700, method=method, side="right")
    mirrored = tails.tail_index(-values, method=method, side="left")
    for other in (huge, tiny, mirrored):
        assert other.estimate == pytest.approx(plain.estimate, rel=1e-6)
        assert other.k == plain.k


def test_light_tails_have_an_infinite_index() -> None:
    uniform = np.random.default_rng(0).random(5000)
    for method in ("moment", "gpd", "gpd-mle"):
        found = tails.tail_index(uniform, method=method, k=500, side="right")
        assert found.estimate == math.inf
        assert found.shape < 0
        assert found.high == math.inf


def test_hill_path_rows_are_tail_indices() -> None:
    values = pareto(400, 1.2)
    path = tails.hill_path(values, points=None)
    assert path.k.tolist() == list(range(2, 400))
    for row in (0, 10, 200, 397):
        one = tails.tail_index(values, k=int(path.k[row]))
        assert (path.estimate[row], path.low[row], path.high[row]) == pytest.approx(
            (one.estimate, one.low, one.high), rel=1e-9
        )
    assert path.chosen == tails.tail_index(values).k


def test_gamma_bounds_are_continuous_where_the_approximation_starts() -> None:
    values = pareto(12_000, 1.0)
    path = tails.hill_path(values, points=None)
    ratio = (path.high / path.estimate)[path.k >= 9_999]
    assert ratio[:4] == pytest.approx(
        stats.gamma(path.k[path.k >= 9_999][:4]).ppf(0.975) / path.k[9_997:10_001], rel=1e-7
    )


def test_amse_uses_most_of_its_range_of_a_pareto_sample_and_little_of_a_shifted_one() -> None:
    exact = (np.arange(1, 5001) / 5000) ** -0.5
    assert tails.choose_k(exact) > 400
    assert tails.choose_k(exact + 5.0) < 100


def test_spacing_regression_is_least_squares() -> None:
    from fastsumo.tails._choose import _spacing_regression

    logs = np.log(np.sort(pareto(60, 1.5) + 0.3)[::-1])
    shape, slope = _spacing_regression(logs, np.array([40]))
    j = np.arange(1, 41)
    spacings = j * (logs[:40] - logs[1:41])
    assert slope[0] == pytest.approx(np.polyfit(j / 41, spacings, 1)[0], rel=1e-10)
    assert shape[0] == pytest.approx(spacings.mean(), rel=1e-12)


def test_bootstrap_is_reproducible_and_finds_the_known_k() -> None:
    # The tail 2/(pi x) (1 - 1/(3 x^2)) gives Hill a bias of (2/9) (pi k/(2 n))^2, so the least error is at
    # k = (n^4 / (4 (2/9)^2 (pi/2)^4))^(1/5), 2 873 for this n.
    values = np.random.default_rng(2).standard_t(1, 20_000)
    first = tails.choose_k(values, method="bootstrap", seed=1)
    assert first == tails.choose_k(values, method="bootstrap", seed=1)
    assert 1400 < first < 5800


def test_bootstrap_warns_where_the_extremes_do_not_reach() -> None:
    values = np.sort(pareto(1000, 2.0))[::-1]
    summary = tails.Summary(trials=10**12, extremes=values)
    with pytest.warns(tails.TailWarning, match="double bootstrap"):
        tails.choose_k(summary, method="bootstrap")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "values",
    [np.full(100, 3.0), np.zeros(100), np.arange(10.0), np.full(25, -1.0)],
    ids=["constant", "zeros", "few", "constant-negative"],
)
def test_nothing_to_say_is_nan_with_a_warning(method: str, values: np.ndarray) -> None:
    with pytest.warns(tails.TailWarning):
        found = tails.tail_index(values, method=method)
    assert math.isnan(found.estimate)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_all_negative_has_no_right_tail_but_a_left_one() -> None:
    values = -pareto(500, 2.0)
    with pytest.warns(tails.TailWarning, match="right"):
        assert math.isnan(tails.tail_index(values, side="right").estimate)
    left = tails.tail_index(values, side="left", k=100)
    assert left.estimate == tails.tail_index(-values, side="right", k=100).estimate


def test_ties_are_not_silent() -> None:
    rounded = np.floor(pareto(2000, 1.0))
    with pytest.warns(tails.TailWarning, match="tied"):
        tails.tail_index(rounded, k=1000)
    with pytest.warns(tails.TailWarning, match="tied"):
        assert math.isnan(tails.tail_index(np.r_[np.full(60, 9.0), np.arange(1.0, 9.0)], k=40).estimate)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_values_are_an_error_that_names_the_place(bad: float) -> None:
    values = pareto(50, 2.0)
    values[7] = bad
    for function in (
        tails.tail_index,
        tails.mean_interval,
        tails.pareto_khat,
        tails.diagnose,
        tails.hill_path,
    ):
        with pytest.raises(ValueError, match=r"\[7\]"):
            function(values)


@pytest.mark.parametrize("bad", [["a", "b"], [True, False], [1j, 2j], np.array([{}, {}])])
def test_other_types_are_a_type_error(bad: object) -> None:
    for function in (tails.tail_index, tails.mean_interval, tails.pareto_khat, tails.log_histogram):
        with pytest.raises(TypeError, match="real numbers"):
            function(bad)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="one-dimensional"):
        tails.tail_index(np.ones((5, 5)))
    with pytest.raises(ValueError, match="empty"):
        tails.tail_index([])


def test_integers_lists_float32_and_read_only_arrays_are_read() -> None:
    values = (pareto(500, 1.0) * 1e6).astype(np.int64)
    frozen = values.astype(np.float64)
    frozen.flags.writeable = False
    expected = tails.tail_index(frozen, k=50)
    assert tails.tail_index(values, k=50) == expected
    assert tails.tail_index(values.tolist(), k=50) == expected
    assert tails.tail_index(frozen.astype(np.float32), k=50).estimate == pytest.approx(expected.estimate, rel=1e-6)
    assert (frozen == values).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "hull"},
        {"side": "up"},
        {"level": 1.0},
        {"level": 0.0},
        {"k": 1},
        {"k": 50},
        {"k": "best"},
        {"center": math.nan},
    ],
)
def test_arguments_are_checked(arguments: dict) -> None:
    with pytest.raises((ValueError, TypeError)):
        tails.tail_index(pareto(50, 2.0), **arguments)


@pytest.mark.parametrize("method", [slow(each) if each == "gpd-mle" else each for each in METHODS])
def test_intervals_cover_for_a_pareto_law_at_a_fixed_k(method: str) -> None:
    rng = np.random.default_rng(5)
    found = [tails.tail_index(rng.random(1000) ** (-1 / 1.5), method=method, k=200) for _ in range(200)]
    assert 0.90 <= np.mean([one.low <= 1.5 <= one.high for one in found]) <= 0.99
