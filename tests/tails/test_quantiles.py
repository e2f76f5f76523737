"""Quantiles: those of NumPy where all is kept, within a bin where it is not, and intervals of the level they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastsumo import tails
from fastsumo.tails import _quantiles

Q = np.array([0.0, 1e-6, 1e-3, 0.05, 0.25, 0.5, 0.77, 0.999, 1.0])


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).standard_t(1.5, 30_001)


@pytest.fixture(scope="module")
def kept(values: np.ndarray) -> tails.Summary:
    """Histogram and the thousand furthest, as of a run."""
    furthest = values[np.argsort(-np.abs(values))[:1000]]
    return tails.Summary(values.size, furthest, 0.0, histogram=tails.log_histogram(values))


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_of_a_sample_they_are_numpys(values: np.ndarray, n: int) -> None:
    assert tails.quantile(values[:n], Q) == pytest.approx(np.quantile(values[:n], Q), rel=1e-12)
    assert tails.quantile(values[:n], 0.3).shape == ()


def test_at_the_ends_they_are_exact_and_between_within_a_bin(values: np.ndarray, kept: tails.Summary) -> None:
    found, true = tails.quantile(kept, Q), np.quantile(values, Q)
    ends = (Q < 0.01) | (Q > 0.99)
    np.testing.assert_allclose(found[ends], true[ends], rtol=1e-12)
    np.testing.assert_allclose(found[~ends], true[~ends], rtol=0.02, atol=1e-3)
    assert np.any(found[~ends] != true[~ends])


def test_values_below_all_are_counted(values: np.ndarray) -> None:
    together = np.concatenate([np.full(500, -np.inf), values[:1500]])
    q = np.array([0.1, 0.24, 0.2502, 0.6, 1.0])
    with np.errstate(invalid="ignore"):
        expected = np.quantile(together, q)
    expected[1] = -np.inf  # between two of the values below NumPy says NaN
    expected[0] = -np.inf
    np.testing.assert_allclose(tails.quantile(values[:1500], q, lower=500), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 40, 1000, 10**7])
@pytest.mark.parametrize("q", [0.0, 1e-7, 0.02, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("tail", [0.025, 0.2])
def test_ranks_are_those_of_the_binomial_law(n: int, q: float, tail: float) -> None:
    rank = int(_quantiles._rank_below(n, np.array(q), tail))
    assert 0 <= rank <= n
    if 0.0 < q < 1.0:
        assert stats.binom.cdf(rank - 1, n, q) <= tail
        assert rank == n or stats.binom.cdf(rank, n, q) > tail * (1 - 1e-9)


def test_ranks_of_many_trials_are_those_of_the_normal_law() -> None:
    n = 10**12
    rank = _quantiles._rank_below(n, np.array([0.1, 0.5]), 0.025)
    np.testing.assert_allclose((rank - n * np.array([0.1, 0.5])) / np.sqrt([0.09 * n, 0.25 * n]), -1.96, atol=1e-3)


def test_intervals_hold_the_quantile_as_often_as_they_say() -> None:
    """Of 400 samples of 200; at least the level, and by no more than the steps of the binomial law allow."""
    samples = np.random.default_rng(5).standard_cauchy((400, 200))
    true = stats.cauchy.ppf([0.1, 0.5])
    found = np.array([tails.quantile_interval(each, [0.1, 0.5], level=0.9) for each in samples])
    held = np.mean((found["low"] <= true) & (true <= found["high"]), axis=0)
    assert np.all((held > 0.9 - 0.045) & (held < 0.95 + 0.045))


def test_intervals_reach_to_the_far_edges_of_bins(values: np.ndarray, kept: tails.Summary) -> None:
    whole, part = (tails.quantile_interval(each, Q) for each in (values, kept))
    assert np.all((part["low"] <= whole["low"]) & (whole["high"] <= part["high"]))
    assert (part["low"][0], part["high"][-1]) == (-np.inf, np.inf)
    assert (part["high"][0], part["low"][-1]) == (values.min(), values.max())


def test_bad_arguments(values: np.ndarray, kept: tails.Summary) -> None:
    for q in (-0.1, 1.1, np.nan, [0.5, 2.0]):
        with pytest.raises(ValueError, match="q must lie between 0 and 1"):
            tails.quantile(values, q)
    with pytest.raises(ValueError, match="level"):
        tails.quantile_interval(values, 0.5, level=1.0)
    with pytest.raises(ValueError, match="lower"):
        tails.quantile(values, 0.5, lower=-1)
    with pytest.raises(ValueError, match="no histogram of all its values"):
        tails.quantile(tails.Summary(10**6, values[:100]), 0.5)
    with pytest.raises(ValueError, match="extreme_ranks has 3 entries and extremes 2"):
        tails.Summary(10, [1.0, 2.0], extreme_ranks=np.array([1, 2, 3]))
