"""Laws of `K`: survival functions against their definitions, draws against the survival function they are divided by.

A drawn law that differs from the weights is the classic bug of this method.
"""

from __future__ import annotations

import math

import mpmath
import naive
import numpy as np
import pytest
from scipy import stats
from zoo import LAWS

import fastsumo as fs
from fastsumo.trial.plan import MAX_TERMS

DRAWS = 1_000_000


@pytest.fixture(params=LAWS.values(), ids=LAWS.keys(), scope="module")
def law(request):
    return request.param


@pytest.fixture(scope="module")
def draws(law):
    return law.sample(DRAWS, seed=11)


def test_survival_is_the_definition(law):
    k = np.concatenate([np.arange(1, 2000), [10**4, 10**5, 10**5 + 1, 10**9, MAX_TERMS]])
    np.testing.assert_allclose(law.survival(k), naive.survival(law, k), rtol=1e-10, atol=1e-300)


def test_survival_below_one_is_one_and_keeps_the_shape(law):
    assert np.array_equal(law.survival([[1, 0], [-5, 1]]), np.ones((2, 2)))
    assert law.survival(1).shape == ()


def test_survival_beyond_the_cap_is_zero(law):
    if law.max_terms < MAX_TERMS:
        assert law.survival(law.max_terms) > 0
        assert law.survival(law.max_terms + 1) == 0
        assert law.survival(2**60) == 0


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_draws_are_the_largest_k_below_the_survival_function(law, seed):
    n = 20_000
    assert np.array_equal(law.sample(n, seed=seed), naive.terms(law, seed, np.arange(n)))


def test_draws_follow_the_survival_function(law, draws):
    """Every tail count within 5 sigma of its binomial law."""
    assert draws.min() >= 1
    assert draws.max() <= law.max_terms
    k = np.unique(np.concatenate([np.arange(1, 200), 2 ** np.arange(8, 20), [law.max_terms]]))
    counts, p = DRAWS - np.searchsorted(np.sort(draws), k), naive.survival(law, k)
    slack = DRAWS * p < 25  # counts are whole
    wrong = np.abs(counts - DRAWS * p) > 5 * np.sqrt(DRAWS * p * (1 - p)) + 10 * slack
    assert not wrong.any(), k[wrong]


def test_draws_pass_a_chi_square(law, draws):
    edges = [1]
    while len(edges) < 60:  # cells that hold at least 200 draws
        low, p = edges[-1], float(naive.survival(law, edges[-1]))
        later = np.arange(low + 1, low + 5000)
        enough = later[p - naive.survival(law, later) >= 200 / DRAWS]
        if enough.size == 0 or naive.survival(law, enough[0]) < 200 / DRAWS:
            break
        edges.append(int(enough[0]))
    p = naive.survival(law, np.array(edges))
    cells = np.append(p[:-1] - p[1:], p[-1])
    counts = np.histogram(draws, [*edges, 2**53])[0]
    if cells.size > 1:
        assert stats.chisquare(counts, cells * DRAWS).pvalue > 1e-4
    else:
        assert counts.tolist() == [DRAWS]


def test_draws_depend_on_the_trial_alone(law, draws):
    assert np.array_equal(law.sample(1000, seed=11), draws[:1000])
    _, terms = fs.sample(fs.models.gamma(1), fs.SUMO(law), 50, seed=11, first_trial=700)
    assert np.array_equal(terms, draws[700:750])


def test_expected_terms_is_the_sum_of_the_survival_function(law):
    if law.max_terms <= 100_000:
        k = np.arange(1, law.max_terms + 1)
        assert law.expected_terms() == pytest.approx(math.fsum(naive.survival(law, k)), rel=1e-13)


def _zeta(s: float, cap: int) -> float:
    with mpmath.workdps(30):
        return float(mpmath.zeta(s) - mpmath.zeta(s, cap + 1))


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (fs.roulette.Harmonic(), math.inf),
        (fs.roulette.Harmonic(cap=10**4), 9.787606036044382264),
        (fs.roulette.Harmonic(cap=10**12), float(mpmath.harmonic(10**12))),
        (fs.roulette.Harmonic(cap=2**52 - 1), float(mpmath.harmonic(2**52 - 1))),
        (fs.roulette.HarmonicGeometric(80, 0.1), float(mpmath.harmonic(79)) + 1 / 8.0),
        (fs.roulette.HarmonicGeometric(80, 1.0), float(mpmath.harmonic(80))),
        (fs.roulette.HarmonicGeometric(80, 1e-9), float(mpmath.harmonic(79)) + 1e9 / 80),
        (fs.roulette.PowerLaw(0.7), math.inf),
        (fs.roulette.PowerLaw(1.0), math.inf),
        (fs.roulette.PowerLaw(1.5), 2.612375348685488343),
        (fs.roulette.PowerLaw(2.0), math.pi**2 / 6),
        (fs.roulette.PowerLaw(0.7, cap=10**7), _zeta(0.7, 10**7)),
        (fs.roulette.PowerLaw(1.5, cap=10**6), _zeta(1.5, 10**6)),
        (fs.roulette.Geometric(0.05), 20.0),
        (fs.roulette.Geometric(1.0), 1.0),
        (fs.roulette.Geometric(1e-12), 1e12),
        (fs.roulette.Geometric(0.5, cap=3), 1.75),
        (fs.roulette.Table([1.0, 0.5, 0.25]), 1.75),
    ],
    ids=repr,
)
def test_expected_terms_in_closed_form(law, expected):
    assert law.expected_terms() == pytest.approx(expected, rel=2e-12)


def test_a_table_drops_trailing_zeros_and_ignores_later_changes():
    source = np.array([1.0, 0.5, 0.0, 0.0])
    law = fs.roulette.Table(source)
    source[1] = 0.9
    assert law.max_terms == 2
    assert law.survival([1, 2, 3]).tolist() == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        law.survival_table[0] = 2.0


def test_laws_are_values():
    assert fs.roulette.Harmonic(cap=80.0) == fs.roulette.Harmonic(cap=80)
    assert fs.roulette.Harmonic(cap=80) != fs.roulette.Harmonic(cap=81)
    assert fs.roulette.Table([1.0, 0.5]) == fs.roulette.Table([1, 0.5, 0])
    assert len({fs.roulette.Table([1.0, 0.5]), fs.roulette.Table([1.0, 0.5]), fs.roulette.Table([1.0])}) == 2
    assert repr(fs.roulette.PowerLaw(1.5)) == "PowerLaw(s=1.5)"


def test_a_power_of_one_is_the_harmonic_law():
    k = fs.roulette.Harmonic(cap=10**6).sample(100_000, seed=4)
    assert np.array_equal(fs.roulette.PowerLaw(1.0, cap=10**6).sample(100_000, seed=4), k)
