"""Generalised-Pareto fits and the Pareto k-hat against arviz-stats and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats
from zoo import slow, thinned

from fastsumo import tails
from fastsumo.tails import _gpd


def draws(shape: float, n: int, seed: int = 0) -> np.ndarray:
    return np.sort(stats.genpareto.rvs(shape, scale=2.5, size=n, random_state=seed))


@pytest.fixture(scope="module")
def arviz():
    return pytest.importorskip("arviz_stats.base").array_stats


@pytest.fixture(scope="module")
def arviz_base():
    return pytest.importorskip("arviz_stats.base.diagnostics")._DiagnosticsBase


@pytest.mark.parametrize("shape", [-0.4, 0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("n", [5, 30, slow(1000), 30_000])
def test_zhang_stephens_equals_arviz(shape: float, n: int, arviz_base) -> None:
    x = draws(shape, n)
    khat, sigma = arviz_base._gpdfit(x)
    found = tails.gpd_fit(x)
    assert found.shape == pytest.approx(khat, abs=1e-8)
    assert found.scale == pytest.approx(sigma, rel=1e-8)


@pytest.mark.parametrize("law", [1.0, 2.0, 5.0, math.inf])
@pytest.mark.parametrize("n", [100, 225, 226, 10_000])
@pytest.mark.parametrize("tail", ["left", "right", "both"])
def test_pareto_khat_equals_arviz(law: float, n: int, tail: str, arviz) -> None:
    rng = np.random.default_rng(n)
    values = rng.standard_normal(n) if math.isinf(law) else rng.standard_t(law, n)
    expected = float(arviz.pareto_khat(values, chain_axis=None, r_eff=1.0, tail=tail))
    assert tails.pareto_khat(values, tail=tail).khat == pytest.approx(expected, abs=1e-8)


def test_relative_efficiency_equals_arviz(arviz) -> None:
    values = np.random.default_rng(0).standard_t(2, 5000)
    expected = float(arviz.pareto_khat(values, chain_axis=None, r_eff=0.3, tail="right"))
    assert tails.pareto_khat(values, tail="right", r_eff=0.3).khat == pytest.approx(expected, abs=1e-8)


def test_min_sample_size_and_threshold() -> None:
    assert tails.min_sample_size(-0.3) == pytest.approx(10.0)
    assert tails.min_sample_size(0.7) == pytest.approx(10 ** (1 / 0.3))
    assert tails.min_sample_size(1.0) == math.inf
    assert tails.min_sample_size(0.9999) == math.inf
    assert tails.khat_threshold(1000) == pytest.approx(1 - 1 / 3)
    # the two say the same thing: a sample of the least size has its k-hat for threshold
    for khat in (0.2, 0.4, 0.65):
        assert 1 - 1 / math.log10(tails.min_sample_size(khat)) == pytest.approx(khat)


def test_convergence_rate_has_its_limits_and_falls() -> None:
    rates = [tails.convergence_rate(k, 10**6) for k in np.linspace(0.0, 1.0, 41)]
    assert rates[0] == 1.0
    assert rates[-1] == 0.0
    assert (np.diff(rates) <= 1e-9).all()
    near = tails.convergence_rate(0.5 + 1e-5, 10**6)
    assert near == pytest.approx(tails.convergence_rate(0.5, 10**6), abs=1e-4)


def test_khat_of_extremes_is_khat_of_the_sample() -> None:
    values = np.random.default_rng(1).standard_t(2, 10_000)
    order = np.argsort(-np.abs(values))
    summary = tails.Summary(trials=10_000, extremes=values[order[:1000]])
    assert tails.pareto_khat(summary) == tails.pareto_khat(values)


def test_khat_of_few_extremes_uses_what_there_is() -> None:
    values = np.sort(np.random.default_rng(1).random(500) ** -0.5)[::-1]
    found = tails.pareto_khat(tails.Summary(trials=10**12, extremes=values), tail="right")
    assert found.k == 499
    assert found.threshold == 0.7


def test_khat_of_a_side_whose_other_is_constant_is_that_of_the_side() -> None:
    """Values cut off on the left, as a reserve or a claim is: what is known of the right is said."""
    values = np.maximum(np.random.default_rng(1).standard_t(2, 10_000), -1.0)
    with pytest.warns(tails.TailWarning, match="no k-hat on the left: the 301 furthest values are all the same"):
        found = tails.pareto_khat(values)
    assert found == tails.pareto_khat(values, tail="right")
    with pytest.warns(tails.TailWarning, match="no k-hat on the left"):
        assert math.isnan(tails.pareto_khat(values, tail="left").khat)


def test_khat_of_nothing_is_nan_with_a_warning() -> None:
    for values in (np.ones(100), np.arange(10.0)):
        with pytest.warns(tails.TailWarning):
            found = tails.pareto_khat(values)
        assert math.isnan(found.khat)
        assert math.isnan(found.min_sample_size)
        assert not found.reliable


@pytest.mark.parametrize("shape", thinned([-0.3, 0.0, 0.3, 0.5, 1.0, 2.0], 2))
@pytest.mark.parametrize("n", [20, 200, 6000])
def test_scipy_finds_no_better_likelihood(shape: float, n: int) -> None:
    x = draws(shape, n, seed=n)
    found = tails.gpd_fit(x, method="mle")
    c, _, scale = stats.genpareto.fit(x, 0.3, floc=0, scale=x.mean())
    theirs = stats.genpareto.logpdf(x, c, scale=scale).sum()
    ours = stats.genpareto.logpdf(x, found.shape, scale=found.scale).sum()
    assert found.log_likelihood == pytest.approx(ours, rel=1e-9)
    assert ours >= theirs - 1e-6 or c < -1.0


@pytest.mark.parametrize("shape", [0.3, 1.0])
def test_profile_interval_drops_the_likelihood_by_half_a_chi_square(shape: float) -> None:
    x = draws(shape, 150, seed=4)
    found = tails.gpd_fit(x, method="mle", level=0.9)
    for end in (found.low, found.high):
        best = optimize.minimize_scalar(
            lambda s, c=end: -stats.genpareto.logpdf(x, c, scale=math.exp(s)).sum(), bracket=(0.0, 1.0)
        )
        assert found.log_likelihood + best.fun == pytest.approx(stats.chi2(1).ppf(0.9) / 2, abs=1e-4)


def test_thinned_likelihood_gives_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    x = draws(0.5, 60_000)
    thinned = tails.gpd_fit(x, method="mle")
    assert len(_gpd._thinned(x)[0]) < 10_000
    assert _gpd._thinned(x)[1].sum() == 60_000
    monkeypatch.setattr(_gpd, "_thinned", lambda data: (data, np.ones(len(data))))
    whole = tails.gpd_fit(x, method="mle")
    assert (thinned.low, thinned.high) == pytest.approx((whole.low, whole.high), abs=1e-4)


def test_fits_scale_with_the_data() -> None:
    x = draws(0.5, 500)
    for method in ("zhang-stephens", "mle"):
        one, large = tails.gpd_fit(x, method=method), tails.gpd_fit(x * 2.0**600, method=method)
        assert large.shape == pytest.approx(one.shape, rel=1e-6)
        assert large.scale == pytest.approx(one.scale * 2.0**600, rel=1e-6)


def test_bad_excesses() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        tails.gpd_fit([-1.0, 2.0, 3.0, 4.0, 5.0])
    with pytest.raises(ValueError, match="method"):
        tails.gpd_fit([1.0, 2.0, 3.0, 4.0, 5.0], method="lmom")
    for x in ([1.0, 2.0], [3.0] * 10, [0.0] * 10):
        with pytest.warns(tails.TailWarning):
            assert math.isnan(tails.gpd_fit(x).shape)
    with pytest.warns(tails.TailWarning, match="ties"):
        assert math.isfinite(tails.gpd_fit([0.0] * 10 + [1.0, 2.0, 3.0]).shape)
