"""The scalar arithmetic of a trial, compiled for the CPU, has the bits of the SIMD kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import simulated
from numba import njit, uint64

import fastsumo as fs
from fastsumo.engine.cuda.kernels.record import Kind
from fastsumo.engine.cuda.kernels.tiles import value_of
from fastsumo.engine.cuda.kernels.weight import weight_of
from fastsumo.engine.shapes import numbers_of, shape_of
from fastsumo.jit.copies import plain, thawed
from fastsumo.trial.draw import placed, terms_of
from fastsumo.trial.lazy_sums import with_lazy_sums
from fastsumo.trial.params import make_params, shift_of
from fastsumo.trial.philox import uniform_pair

HARMONIC, GAUSSIAN, STUDENT = fs.roulette.Harmonic, fs.proposals.Gaussian, fs.proposals.StudentT
NOTE = fs.models.note()
FIRST, TRIALS, SEED = 1000, 4000, 3


def pair(x, params):  # type: ignore[no-untyped-def]
    return fs.vmath.logaddexp(-0.5 * (x[0] * x[0] + x[1] ** 2), -2.0 - 0.5 * (x[0] - 3.0) ** 2 - 2.0 * x[1] * x[1])


def uniform(z, params):  # type: ignore[no-untyped-def]
    return fs.vmath.log(params[0] * fs.vmath.exp(z[0]) + z[1] ** 3)


MIXTURE = fs.proposals.Mixture([GAUSSIAN([0.0, 0.0], 1.5), STUDENT([3.0, 0.0], [1.0, 0.5], 5.0)], [0.6, 0.4])
FULL = np.array([[2.0, 0.5], [0.5, 1.5]])


def scalar_trials(model: fs.Model, family: fs.Estimator) -> Any:
    """A compiled function of params that fills values, terms and whether they are known, for a family of estimators."""
    function = with_lazy_sums(model.function) or model.function
    weight = weight_of(function, shape_of(model), simulated.make_cuda(), uniform_pair)
    value = value_of(Kind.of(make_params(None, family.plan(), 0).params))(weight)

    @njit(error_model="numpy")
    def run(params, values, terms, known):  # type: ignore[no-untyped-def]
        for i in range(values.size):
            trial = uint64(FIRST + i)
            u = uniform_pair(trial, uint64(0), uint64(0), params.key)[0]
            terms[i] = terms_of(params, placed(params, trial, u) if params.block_bits > 0 else u)
            if terms[i] <= params.longest_short:
                values[i], known[i] = value(params, trial, terms[i])

    return run


def compare(model: fs.Model, run: Any, estimator: fs.Estimator) -> None:
    numbers, row = numbers_of(model)
    owned = make_params(None, estimator.plan(), SEED)
    assert model.log_evidence is not None
    params = owned.params._replace(
        numbers_at=numbers.ctypes.data, row_at=row.ctypes.data, shift=shift_of(model.log_evidence)
    )
    values, terms, known = np.zeros(TRIALS), np.zeros(TRIALS, np.int64), np.zeros(TRIALS, bool)
    run(params, values, terms, known)
    expected, expected_terms = fs.sample(model, estimator, TRIALS, seed=SEED, first_trial=FIRST)
    assert np.array_equal(terms, expected_terms)
    assert known.mean() > 0.3  # the others are for the extended range
    assert values[known].tobytes() == expected[known].tobytes()


TABLE = np.arange(4.0)


@njit
def picked(table, i):  # type: ignore[no-untyped-def]
    return table[i]


def fragile(z, params):  # type: ignore[no-untyped-def]
    x, at = 6.0 * z[0], int(5.0 * z[1])
    if x > 5.0:
        return params[at]  # of three
    if x > 4.0:
        return picked(TABLE, at)
    if x > 3.0:
        return float(7 // at)
    if x > 2.0:
        return (1.0, 2.0)[at]
    if x > 1.0 and at > 3:
        raise ValueError("too far")
    return z[-at]


def test_where_a_model_raises_there_is_no_weight() -> None:
    numbers = np.array([1.0, 2.0, 3.0])
    model = fs.Model(fragile, 2, numbers, "uniform", log_evidence=0.0)
    with thawed(fragile) as now:
        weight = weight_of(now, shape_of(model), simulated.make_cuda(), uniform_pair)

        @njit(error_model="numpy")
        def run(params, weights, z):  # type: ignore[no-untyped-def]
            for i in range(weights.size):
                weights[i] = weight(params, uint64(i), uint64(0))
                z[i] = uniform_pair(uint64(i), uint64(0), uint64(1), params.key)

        weights, z = np.zeros(500), np.zeros((500, 2))
        run(make_params(None, fs.ELBO().plan(), SEED).params._replace(numbers_at=numbers.ctypes.data), weights, z)
    expected, raised = np.zeros(500), set()
    for i, point in enumerate(z):
        try:
            expected[i] = math.exp(plain(fragile)(point, numbers))
        except (ArithmeticError, LookupError, ValueError):
            expected[i] = math.nan
            raised.add(int(6.0 * point[0]))
    assert raised == {0, 1, 2, 3, 4, 5}
    np.testing.assert_allclose(weights, expected, rtol=1e-14)


@pytest.fixture(scope="module")
def prefixes() -> Any:
    return scalar_trials(NOTE, fs.IWAE(2))


@pytest.mark.parametrize(
    "estimator",
    [
        fs.ELBO(),
        fs.IWAE(100),
        fs.SUMO(HARMONIC()),
        fs.SUMO(HARMONIC(cap=80), minimum=5),
        fs.SUMO(HARMONIC(cap=80), start=0),
        fs.SUMO(HARMONIC(), stratified=32),
        fs.SUMO(fs.roulette.HarmonicGeometric(8, 0.2)),
        fs.SUMO(fs.roulette.PowerLaw(1.3)),
        fs.SUMO(fs.roulette.Geometric(0.1)),
        fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.5, 0.2, 0.1])),
        fs.SingleTerm(HARMONIC(cap=40)),
    ],
    ids=repr,
)
def test_prefixes(prefixes: Any, estimator: fs.Estimator) -> None:
    compare(NOTE, prefixes, estimator)


@pytest.mark.slow
@pytest.mark.parametrize("estimators", [[fs.MLMC(), fs.MLMC(first=False, base=3, kind="sum")], [fs.JVI(9)]], ids=repr)
def test_levels_and_the_jackknife(estimators: list[fs.Estimator]) -> None:
    run = scalar_trials(NOTE, estimators[0])
    for estimator in estimators:
        compare(NOTE, run, estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        fs.importance(pair, MIXTURE, log_evidence=2.0),
        fs.importance(pair, GAUSSIAN([0.5, 0.0], FULL), log_evidence=2.0),
        fs.importance(pair, STUDENT([0.5, 0.0], FULL, 4.0), log_evidence=2.0),
        fs.Model(uniform, 2, [1.5], "uniform", log_evidence=0.5),
        fs.models.gamma(1.5),
        fs.models.funnel(3, "student"),
    ],
    ids=["mixture", "full Gaussian", "full t", "uniform", "gamma", "funnel"],
)
def test_models(model: fs.Model) -> None:
    compare(model, scalar_trials(model, fs.IWAE(2)), fs.SUMO(HARMONIC(cap=40)))
