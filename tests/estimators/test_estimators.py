"""The estimators as values: checks, plans, costs, and identities that their definitions must satisfy.

The twins are in `naive_estimators.py`; what theory says of the estimators is tested in `theory/test_predict.py`.
"""

from __future__ import annotations

import math

import naive
import naive_estimators
import numpy as np
import pytest
from zoo import half_empty, thinned

import fastsumo as fs
from fastsumo.trial import kinds

R = fs.roulette
SMALL = R.Harmonic(cap=6)

FAMILY = [
    fs.ELBO(),
    fs.IWAE(7),
    fs.JVI(2),
    fs.JVI(6),
    fs.JVI(3, order=2),
    fs.JVI(7, order=2),
    fs.SUMO(R.Harmonic(cap=300)),
    fs.SUMO(R.PowerLaw(1.5, cap=300), minimum=3),
    fs.SUMO(R.Harmonic(cap=300), start=0),
    fs.SUMO(R.Table([1.0, 0.7, 0.2]), start=0),
    fs.SUMO(R.HarmonicGeometric(8, 0.5, cap=40), minimum=2, start=0),
    fs.SingleTerm(R.Harmonic(cap=300)),
    fs.SingleTerm(R.Geometric(0.3)),
    fs.MLMC(),
    fs.MLMC(base=3),
    fs.MLMC(first=False),
    fs.MLMC(kind="sum"),
    fs.MLMC(base=2, first=False, kind="sum"),
]
BIG = [fs.JVI(400), fs.JVI(300, order=2), fs.SUMO(R.Harmonic(cap=10**5), start=0), fs.MLMC(base=256)]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: fs.JVI(5, order=3), ValueError, "order must be a whole number from 1 to 2, got 3"),
        (lambda: fs.JVI(5, order=0), ValueError, "order"),
        (lambda: fs.JVI(1), ValueError, "k must be at least 2, got 1"),
        (lambda: fs.JVI(2, order=2), ValueError, "k must be at least 3, got 2"),
        (lambda: fs.JVI(2.5), ValueError, "whole number"),
        (lambda: fs.JVI("4"), TypeError, "whole number"),
        (lambda: fs.SingleTerm(3), TypeError, "roulette must be a law"),
        (
            lambda: fs.SingleTerm(R.Table([1.0, 0.5, 0.5, 0.1])),
            ValueError,
            "increment 2 would never be drawn",
        ),
        (lambda: fs.SUMO(start=2), ValueError, "start must be a whole number from 0 to 1"),
        (lambda: fs.SUMO(minimum=0), ValueError, "minimum"),
        (lambda: fs.MLMC(ratio=0.0), ValueError, "ratio"),
        (lambda: fs.MLMC(ratio=1.0), ValueError, "ratio"),
        (lambda: fs.MLMC(base=0), ValueError, "base"),
        (lambda: fs.MLMC(first=1), TypeError, "first must be True or False"),
        (lambda: fs.MLMC(kind="sums"), ValueError, "did you mean 'sum'"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(("ratio", "what"), [(0.25, "variance"), (0.2, "variance"), (0.5, "cost"), (0.7, "cost")])
def test_ratios_with_an_infinite_moment_warn(ratio, what):
    with pytest.warns(RuntimeWarning, match=f"{what} of MLMC is infinite") as caught:
        estimator = fs.MLMC(ratio=ratio)
    assert caught[0].filename == __file__
    assert math.isinf(estimator.expected_cost()) == (what == "cost")


def test_estimators_are_values():
    assert fs.JVI(5) == fs.JVI(5.0, order=1) != fs.JVI(5, order=2)
    assert hash(fs.MLMC()) == hash(fs.MLMC(2.0**-1.5))
    assert eval(repr(fs.MLMC(base=2)), vars(fs)) == fs.MLMC(base=2)
    assert eval(repr(fs.SingleTerm(SMALL)), vars(fs) | vars(R)) == fs.SingleTerm(SMALL)
    with pytest.raises(AttributeError):
        fs.JVI(5).k = 3


def test_plans():
    assert [e.plan().kind for e in (fs.IWAE(3), fs.JVI(3), fs.SUMO(), fs.SingleTerm(), fs.MLMC())] == [
        kinds.IWAE,
        kinds.JVI,
        kinds.SUMO,
        kinds.SINGLE_TERM,
        kinds.MLMC,
    ]
    assert fs.SUMO(start=0).plan().minimum == 0
    assert fs.SUMO(minimum=5, start=0).plan() == fs.SUMO(minimum=4).plan()._replace(alive=5)
    assert fs.JVI(6, order=2).plan().order == 2
    plan = fs.MLMC(ratio=0.3, base=5, first=False, kind="sum").plan()
    assert (plan.base, plan.first, plan.single) == (5, False, False)
    assert plan.law.log_decay == math.log(0.3)
    assert plan.samples(plan.law.cap) <= 2**52


@pytest.mark.parametrize("estimator", FAMILY + BIG, ids=repr)
def test_expected_cost_is_the_mean_of_the_samples(estimator):
    plan = estimator.plan()
    law = plan.law
    if law.table.size:
        survival = np.append(law.table, 0.0)
    else:
        k = np.arange(1, min(law.cap, 10**5) + 2, dtype=float)
        decay = max(law.log_decay, -1e300)
        survival = np.minimum(k, law.head) ** -law.power * np.exp(np.maximum(k - law.head, 0) * decay)
        survival[min(law.cap, survival.size - 1) :] = 0.0
    chance = -np.diff(survival)
    cost = math.fsum(p * plan.samples(k + 1) for k, p in enumerate(chance.tolist()) if p > 0.0)
    assert cost == pytest.approx(estimator.expected_cost(), rel=1e-5)


@pytest.mark.parametrize("k", [4, 9])
def test_jackknife_removes_powers_of_the_bias(k):
    """If ``L_n`` were ``c + a / n``, order 1 would give ``c``; with ``b / n^2`` too, order 2 would."""
    for order in (1, 2):
        parts = fs.JVI(k, order=order).coefficients()
        assert sum(parts) == pytest.approx(1.0, rel=1e-12)
        for power in range(1, order + 1):
            assert sum(c / (k - j) ** power for j, c in enumerate(parts)) == pytest.approx(0.0, abs=1e-12)
    first = fs.JVI(k).coefficients()
    assert first == (k, -(k - 1.0))


@pytest.mark.parametrize("make", [fs.SUMO, fs.SingleTerm, lambda law: fs.SUMO(law, start=0)])
@pytest.mark.parametrize("law", [SMALL, R.PowerLaw(0.7, cap=5), R.HarmonicGeometric(3, 0.4, cap=7)])
def test_telescoping_is_exact_for_any_weights(make, law):
    """The mean over `K` for fixed weights is ``L`` of the last sample that a trial can reach."""
    estimator = make(law)
    plan = estimator.plan()
    log_weights = np.random.default_rng(3).normal(size=plan.samples(law.max_terms))
    k = np.arange(1, law.max_terms + 1)
    chance = law.survival(k) - law.survival(k + 1)
    values = [naive_estimators.value(estimator, log_weights[: plan.samples(int(j))], int(j)) for j in k]
    assert chance @ values == pytest.approx(np.log(np.mean(np.exp(log_weights))), rel=1e-12)


def test_both_conventions_weight_the_same_increments():
    w = np.random.default_rng(0).normal(size=5)
    path = np.log(np.cumsum(np.exp(w)) / np.arange(1, 6))
    ours = naive_estimators.value(fs.SUMO(), w, 4)
    theirs = naive_estimators.value(fs.SUMO(start=0), w, 5)
    assert ours == pytest.approx(path[0] + np.diff(path) @ [1, 2, 3, 4])
    assert theirs == pytest.approx(path[0] + np.diff(path) @ [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("estimator", "zeros", "terms"),
    [
        (fs.JVI(3), [0, 1], 3),
        (fs.SingleTerm(SMALL), [0], 2),
        (fs.MLMC(), [0], 2),
        (fs.MLMC(), [1, 2], 2),
        (fs.MLMC(first=False, kind="sum"), [0], 3),
    ],
)
def test_no_weight_at_all_means_minus_infinity(estimator, zeros, terms):
    log_weights = np.zeros(estimator.plan().samples(terms))
    assert math.isfinite(naive_estimators.value(estimator, log_weights, terms))
    log_weights[zeros] = -math.inf
    assert naive_estimators.value(estimator, log_weights, terms) == -math.inf


def twin_values(model: fs.Model, estimator: fs.estimators.Estimator, terms: np.ndarray) -> np.ndarray:
    values = []
    for trial, k in enumerate(terms.tolist()):
        log_weights = naive.log_weights(model, 5, trial, range(estimator.plan().samples(k)))
        values.append(naive_estimators.value(estimator, log_weights, k))
    return np.array(values)


@pytest.mark.parametrize("model", [fs.models.note(), fs.models.gamma(0.5)], ids=lambda m: m.name)
@pytest.mark.parametrize("estimator", FAMILY, ids=repr)
def test_kernels_agree_with_the_twin(model, estimator):
    values, terms = fs.sample(model, estimator, 40, seed=5)
    twin = twin_values(model, estimator, terms)
    size = 1.0 + np.abs(twin) + terms.astype(float) ** 2
    assert np.all(np.abs(values - twin) <= 1e-11 * size)


@pytest.mark.parametrize("estimator", FAMILY, ids=repr)
def test_trials_replay(estimator):
    values, terms = fs.sample(fs.models.note(), estimator, 12, seed=9)
    for trial in (0, 11):
        again = fs.replay(fs.models.note(), estimator, trial, seed=9)
        assert (again.value, again.terms) == (values[trial], terms[trial])
        assert again.log_weights.size == estimator.plan().samples(int(terms[trial]))


@pytest.mark.parametrize("estimator", thinned(FAMILY, 3), ids=repr)
def test_cost_is_counted(estimator):
    _, terms = fs.sample(fs.models.note(), estimator, 5000, seed=2)
    result = fs.simulate(fs.models.note(), estimator, 5000, seed=2)
    assert result.cost == sum(estimator.plan().samples(k) for k in terms.tolist())


@pytest.mark.parametrize(
    "estimator", [fs.JVI(3), fs.SingleTerm(SMALL), fs.MLMC(), fs.MLMC(first=False, kind="sum")], ids=repr
)
def test_zero_weights_are_counted(estimator):
    gate = half_empty.with_params([1.0])
    values, terms = fs.sample(gate, estimator, 200, seed=5)
    assert np.array_equal(values == -np.inf, twin_values(gate, estimator, terms) == -np.inf)
    assert fs.simulate(gate, estimator, 200, seed=5).zero_weight_trials == np.count_nonzero(values == -np.inf) > 0


@pytest.mark.slow
@pytest.mark.parametrize("estimator", BIG, ids=repr)
def test_big_trials_agree_with_the_twin(estimator):
    trials = 2 if isinstance(estimator, fs.JVI) else 10  # the twin goes through all subsets
    values, terms = fs.sample(fs.models.note(), estimator, trials, seed=5)
    twin = twin_values(fs.models.note(), estimator, terms)
    assert np.all(np.abs(values - twin) <= 1e-9 * (1.0 + np.abs(twin)))
