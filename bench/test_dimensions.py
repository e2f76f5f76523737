"""Models of dimension 1 to 256: a linear-Gaussian chain, and a logistic regression with thirty coefficients.

One thread, because the question is what a dimension costs.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

import fastsumo as fs
from bench import models
from bench.runners import QUICK_TRIALS, simulation

DIMENSIONS = (1, 2, 4, 8, 16, 32, 48, 64, 128, 256)
NUMBERS = 2**24  # random numbers of a lap


@pytest.mark.parametrize("runner", [f"chain-{dim}" for dim in DIMENSIONS] + ["logistic-30"])
def test_dimensions(race_of: Any, runner: str, quick: bool) -> None:
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=80))

    def make(name: str) -> Any:
        kind, number = name.split("-")
        model = models.chain(int(number)) if kind == "chain" else models.logistic_regression()
        work = int(number) * (20 if kind == "logistic" else 1)
        trials = QUICK_TRIALS if quick else int(NUMBERS / (work * estimator.expected_cost()))
        return simulation(model, estimator, trials, threads=1)

    dimension = int(runner.split("-")[1])
    assert race_of("dimensions", "harmonic-80", make, dimension=dimension).trials > 0


@pytest.mark.parametrize("dim", [1, 5, 64])
def test_the_chain_is_what_it_says(dim: int) -> None:
    result = fs.simulate(models.chain(dim), fs.ELBO(), 20_000, seed=1)
    assert math.isclose(result.mean, models.chain_elbo(dim), abs_tol=5.0 * result.std_error)
