"""`roulette.optimal`: the law that trades variance against cost best."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.theory._moments import Gamma

NOTE = fs.models.note()


def test_optimal_is_the_root_of_the_second_moments():
    exact, k = Gamma(1.0), np.arange(1.0, 501.0)
    second = exact.var_increment(k) + exact.mean_increment(k) ** 2
    law = fs.roulette.optimal(fs.models.gamma(1.0), 500)
    assert law.survival(k) == pytest.approx(np.sqrt(second / second[0]), rel=1e-12)


def test_optimal_of_measured_levels_is_near_that_of_theory():
    gamma = fs.models.gamma(1.0)
    k = np.arange(1, 1001)
    exact = fs.roulette.optimal(gamma, 1000).survival(k)
    measured = fs.roulette.optimal(fs.levels(gamma, 200, 20_000), 1000).survival(k)
    assert measured == pytest.approx(exact, rel=0.06)
    assert np.all(np.diff(measured) <= 0)


def test_optimal_minimises_among_laws():
    """Perturbed laws, made non-increasing, have a larger ``(sum E Delta^2 / P) (sum P)``."""
    exact, k = Gamma(0.5), np.arange(1.0, 101.0)
    second = exact.var_increment(k) + exact.mean_increment(k) ** 2
    best = fs.roulette.optimal(fs.models.gamma(0.5), 100).survival(k)
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.minimum.accumulate(best * np.exp(0.1 * rng.standard_normal(100)))
        assert np.sum(second / other) * np.sum(other) >= np.sum(second / best) * np.sum(best)


def test_rises_are_pooled():
    from fastsumo.runs.optimal import _falling

    assert _falling(np.array([4.0, 1.0, 3.0, 2.0, 0.5])).tolist() == [4.0, 2.0, 2.0, 2.0, 0.5]
    assert _falling(np.array([1.0, 2.0, 3.0])).tolist() == [2.0, 2.0, 2.0]


def test_optimal_of_another_model_measures_it():
    law = fs.roulette.optimal(NOTE, 1000)
    assert law.max_terms == 1000
    assert law.survival(1000) * 1000 == pytest.approx(math.sqrt(NOTE.chi_square / 0.6277), rel=0.03)
    with pytest.raises(TypeError, match=r"Model or what fs\.levels returned"):
        fs.roulette.optimal(3, 10)
    with pytest.raises(ValueError, match="cap"):
        fs.roulette.optimal(NOTE, 0)
