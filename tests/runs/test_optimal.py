"""`roulette.optimal`: the law of least variance at an expected cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from zoo import half_empty

import fastsumo as fs
from fastsumo.runs.optimal import _falling, _of_pilot
from fastsumo.theory import predict, terms_of_sumo

NOTE = fs.models.note()
HALF = fs.models.gamma(0.5)


def variance(model: fs.Model, survival: np.ndarray) -> float:
    return predict(model, fs.SUMO(fs.roulette.Table(survival))).variance.value


@pytest.mark.slow
@pytest.mark.parametrize("cost", [2.5, 4.0, 7.0])
def test_descent_on_the_predicted_variance_ends_at_the_same_law(cost):
    """All terms of the variance are in `predict`; only its values are used."""

    def survival(x: np.ndarray) -> np.ndarray:
        return np.append(1.0, np.cumprod(1.0 / (1.0 + np.exp(-x))))

    law = fs.roulette.optimal(HALF, 8, expected_cost=cost)
    assert 1.0 + law.expected_terms() == pytest.approx(cost, rel=1e-12)
    best = variance(HALF, law.survival(np.arange(1, 9)))
    constraint = {"type": "eq", "fun": lambda x: 1.0 + survival(x).sum() - cost}
    found = minimize(
        lambda x: math.log(variance(HALF, survival(x))), np.zeros(7), constraints=constraint, options={"maxiter": 500}
    )
    assert best <= math.exp(found.fun) * (1.0 + 1e-9)
    assert math.exp(found.fun) == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("shape", [0.5, 1.0, 4.0])
def test_what_it_is_worth(shape):
    """Never more variance than the harmonic law at its cost; and for a cap nothing beats always going on."""
    model = fs.models.gamma(shape)
    at_cost = predict(model, fs.SUMO(fs.roulette.optimal(model, 80)))
    harmonic = predict(model, fs.SUMO(fs.roulette.Harmonic(cap=80)))
    assert at_cost.cost.value == pytest.approx(harmonic.cost.value, rel=1e-12)
    assert at_cost.variance.value < harmonic.variance.value
    everything = predict(model, fs.SUMO(fs.roulette.optimal(model, 80, expected_cost=81)))
    iwae = predict(model, fs.IWAE(81))
    assert everything.variance.value == pytest.approx(iwae.variance.value, rel=1e-9)
    products = [
        predict(model, fs.SUMO(fs.roulette.optimal(model, 80, expected_cost=cost))).variance_times_cost.value
        for cost in (3.0, 10.0, 40.0, 81.0)
    ]
    assert products == sorted(products, reverse=True)


def test_the_cheapest_law_of_a_variance_is_the_best_of_its_cost():
    law = fs.roulette.optimal(HALF, 50, expected_cost=9.0)
    wanted = variance(HALF, law.survival(np.arange(1, 51)))
    other = fs.roulette.optimal(HALF, 50, variance=wanted)
    assert other.survival(np.arange(1, 51)) == pytest.approx(law.survival(np.arange(1, 51)), rel=1e-9)
    with pytest.raises(ValueError, match="no law with a cap of 50 has so small a variance"):
        fs.roulette.optimal(HALF, 50, variance=1e-3)


@pytest.mark.slow
def test_optimal_of_measured_levels_is_near_that_of_theory():
    gamma = fs.models.gamma(1.0)
    k = np.arange(1, 1001)
    exact = fs.roulette.optimal(gamma, 1000).survival(k)
    measured = fs.roulette.optimal(fs.levels(gamma, 200, 20_000), 1000).survival(k)
    assert measured == pytest.approx(exact, rel=0.06)
    assert np.all(np.diff(measured) <= 0)


def test_terms_of_a_pilot_are_near_those_of_theory():
    """The first and the last are shown apart: covariances count most at first, and beyond 128 only a fit is left."""
    exact, measured = terms_of_sumo(NOTE, 300), _of_pilot(NOTE, 300)
    assert measured[0] == pytest.approx(exact[0], rel=0.05)
    for k in (1, 2, 5, 20, 100, 200, 300):
        assert measured[1][k - 1] == pytest.approx(exact[1][k - 1], rel=0.1)


def test_the_variance_is_the_sum_of_the_terms():
    for model in (HALF, NOTE):
        law = fs.roulette.PowerLaw(0.7, cap=30)
        fixed, beta = terms_of_sumo(model, 30)
        total = fixed + np.sum(beta / law.survival(np.arange(1, 31)))
        assert total == pytest.approx(predict(model, fs.SUMO(law)).variance.value, rel=1e-8)


def test_rises_are_pooled():
    assert _falling(np.array([4.0, 1.0, 3.0, 2.0, 0.5])).tolist() == [4.0, 2.0, 2.0, 2.0, 0.5]
    assert _falling(np.array([1.0, 2.0, 3.0])).tolist() == [2.0, 2.0, 2.0]


def test_optimal_far_out_is_the_harmonic_law_but_for_a_factor():
    law = fs.roulette.optimal(NOTE, 1000)
    assert law.max_terms == 1000
    assert law.survival(1000) / law.survival(500) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("source", "cap", "options", "error", "words"),
    [
        (3, 10, {}, TypeError, r"Model or what fs\.levels returned"),
        (NOTE, 0, {}, ValueError, "cap"),
        (NOTE, 10, {"expected_cost": 1.5}, ValueError, r"expected_cost must be a number in \[2, 11\]"),
        (NOTE, 10, {"expected_cost": 12}, ValueError, "expected_cost"),
        (NOTE, 10, {"expected_cost": "6"}, TypeError, "expected_cost"),
        (NOTE, 10, {"variance": -1.0}, ValueError, "variance"),
        (NOTE, 10, {"variance": 1.0, "expected_cost": 3.0}, ValueError, "not both"),
        (fs.Model(lambda z, params: 0.5, 1, name="equal"), 10, {}, ValueError, "must be positive"),
        (fs.Model(lambda z, row, params: z[0], 1, data=[[1.0]], name="rows"), 10, {}, ValueError, r"model\.at_row"),
        *((fs.Model(half_empty.function, dim, [1.0]), 10, {}, ValueError, "SUMO is -inf then") for dim in (1, 3)),
    ],
)
def test_bad_arguments(source, cap, options, error, words):
    with pytest.raises(error, match=words):
        fs.roulette.optimal(source, cap, **options)
