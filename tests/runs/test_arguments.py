"""Bad input: a one-line error that says what is allowed, before anything is compiled; and models that cannot be run.

Files that are no results are in `test_result.py`, the command line in `cli/test_trials.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from complaints import fails
from zoo import MODELS, shifted

import fastsumo as fs

NOTE, SUMO = MODELS["note"], fs.SUMO(fs.roulette.Harmonic())


def never_compiled(z, params):  # type: ignore[no-untyped-def]
    return z[0] + 123.456


async def never_awaited(z, params):  # type: ignore[no-untyped-def]
    return z[0]


class Callables:
    def __call__(self, z, params):  # type: ignore[no-untyped-def]
        return z[0]


FRESH = fs.Model(never_compiled, 1)


NAN, INF = math.nan, math.inf

NUMBERS = [
    # argument, bad value, error
    ("trials", -1, ValueError),
    ("trials", 0, ValueError),
    ("trials", 1.5, ValueError),
    ("trials", NAN, ValueError),
    ("trials", INF, ValueError),
    ("trials", 2**63, ValueError),
    ("trials", "10", TypeError),
    ("trials", True, TypeError),
    ("trials", [10], TypeError),
    ("trials", 1j, TypeError),
    ("seed", -1, ValueError),
    ("seed", 2**64, ValueError),
    ("seed", 0.5, ValueError),
    ("seed", NAN, ValueError),
    ("seed", None, TypeError),
    ("seed", "1", TypeError),
    ("threads", 0, ValueError),
    ("threads", -2, ValueError),
    ("threads", 1.5, ValueError),
    ("threads", 10**6, ValueError),
    ("threads", "all", TypeError),
    ("first_trial", -1, ValueError),
    ("first_trial", 2**63 - 5, ValueError),
    ("first_trial", 0.1, ValueError),
    ("first_trial", None, TypeError),
]


@pytest.mark.parametrize(("name", "value", "kind"), NUMBERS, ids=lambda x: getattr(x, "__name__", repr(x)))
@pytest.mark.parametrize("act", [fs.simulate, fs.sample])
def test_numbers_of_a_run(act, name, value, kind, compilations):
    arguments = {"trials": 10} | {name: value}
    text = fails(
        lambda: act(FRESH, SUMO, **arguments), kind, rf"^{name} must be a whole number (from|of at least) -?\d"
    )
    assert repr(value) in text
    assert compilations.passes == 0


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("trial", -1, ValueError),
        ("trial", 2**63 - 1, ValueError),
        ("trial", 0.5, ValueError),
        ("trial", None, TypeError),
        ("seed", -1, ValueError),
        ("max_samples", 0, ValueError),
        ("max_samples", 1.5, ValueError),
    ],
)
def test_numbers_of_a_replay(name, value, kind, compilations):
    arguments = {"trial": 0} | {name: value}
    fails(lambda: fs.replay(FRESH, SUMO, **arguments), kind, f"^{name} must be a whole number")
    assert compilations.passes == 0


@pytest.mark.parametrize("act", [fs.simulate, fs.sample, fs.replay])
def test_things_that_are_no_model_or_estimator(act, compilations):
    fails(lambda: act(never_compiled, SUMO, 1), TypeError, "model must be a fastsumo Model.*@fs.model")
    fails(lambda: act(fs.models.note, SUMO, 1), TypeError, "model must be .*; did you mean note")
    fails(lambda: act(SUMO, FRESH, 1), TypeError, "model must be .*; the model comes first, then the estimator")
    fails(lambda: act("nore", SUMO, 1), ValueError, "did you mean 'note'?")
    fails(lambda: act(FRESH, fs.roulette.Harmonic(), 1), TypeError, r"did you mean SUMO\(Harmonic\(\)\)")
    fails(lambda: act(FRESH, fs.roulette.Harmonic, 1), TypeError, r"did you mean SUMO\(Harmonic\(\.\.\.\)\)")
    fails(lambda: act(FRESH, 5, 1), TypeError, r"did you mean IWAE\(5\)")
    fails(lambda: act(FRESH, [SUMO], 1), TypeError, "fs.compare takes several")
    fails(lambda: act(FRESH, "sumo:cap=8", 1), ValueError, "did you mean sumo:harmonic:cap=8")
    fails(lambda: act(FRESH, SUMO, 1, n_seed=3), TypeError, "no parameter 'n_seed'; it takes .*; did you mean 'seed'?")
    fails(lambda: act(None, SUMO, 1), TypeError, "model must be")
    fails(lambda: act(FRESH, fs.SUMO, 1), TypeError, r"estimator must be .*did you mean SUMO\(\.\.\.\)")
    fails(lambda: act(FRESH, "iwae", 1), ValueError, "needs k, as in iwae:k=")
    assert compilations.passes == 0


@pytest.mark.parametrize("act", [fs.simulate, fs.sample, fs.replay])
def test_models_with_data_go_elsewhere(act, compilations):
    model = fs.Model(lambda z, row, params: z[0] + row[0], 1, data=np.zeros((3, 2)))
    fails(lambda: act(model, SUMO, 1), ValueError, r"has data: use fs\.evaluate")
    assert compilations.passes == 0


LAWS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fs.roulette.Harmonic(cap=0), ValueError, "cap must be a whole number from 1"),
    (lambda: fs.roulette.Harmonic(cap=-3), ValueError, "cap must be"),
    (lambda: fs.roulette.Harmonic(cap=2.5), ValueError, "cap must be"),
    (lambda: fs.roulette.Harmonic(cap=2**52 + 1), ValueError, "cap must be"),
    (lambda: fs.roulette.Harmonic(cap="80"), TypeError, "cap must be"),
    (lambda: fs.roulette.HarmonicGeometric(alpha=0), ValueError, "alpha must be a whole number from 1"),
    (lambda: fs.roulette.HarmonicGeometric(rate=0.0), ValueError, r"rate must be a number in \(0, 1\], got 0"),
    (lambda: fs.roulette.HarmonicGeometric(rate=1.1), ValueError, r"rate must be a number in \(0, 1\]"),
    (lambda: fs.roulette.HarmonicGeometric(rate=NAN), ValueError, "rate must be"),
    (lambda: fs.roulette.HarmonicGeometric(rate=None), TypeError, "rate must be"),
    (lambda: fs.roulette.PowerLaw(0.0), ValueError, "s must be a number in"),
    (lambda: fs.roulette.PowerLaw(-1.0), ValueError, "s must be"),
    (lambda: fs.roulette.PowerLaw(INF), ValueError, "s must be"),
    (lambda: fs.roulette.PowerLaw(1.0, cap=0), ValueError, "cap must be"),
    (lambda: fs.roulette.Geometric(0.0), ValueError, "p must be a number in"),
    (lambda: fs.roulette.Geometric(-0.1), ValueError, "p must be"),
    (lambda: fs.roulette.Geometric("x"), TypeError, "p must be"),
    (lambda: fs.roulette.Table([]), ValueError, "survival must start at 1.*got nothing"),
    (lambda: fs.roulette.Table([0.9, 0.5]), ValueError, r"survival must start at 1.*got 0\.9"),
    (lambda: fs.roulette.Table([1.0, 0.5, 0.6]), ValueError, r"must not increase.*0\.5 \(k = 2\) to 0\.6"),
    (lambda: fs.roulette.Table([1.0, -0.5]), ValueError, "must not be negative"),
    (lambda: fs.roulette.Table([1.0, NAN]), ValueError, "survival must be finite"),
    (lambda: fs.roulette.Table([[1.0, 0.5]]), ValueError, "one-dimensional"),
    (lambda: fs.roulette.Table(["a"]), TypeError, "survival must be real numbers"),
    (lambda: fs.roulette.Harmonic().sample(-1), ValueError, "size must be"),
    (lambda: fs.roulette.Harmonic().sample(2.5), ValueError, "size must be"),
    (lambda: fs.roulette.Harmonic().sample(2, seed=-1), ValueError, "seed must be"),
    (lambda: fs.SUMO(fs.roulette.Harmonic), TypeError, r"roulette must be a law such as"),
    (lambda: fs.SUMO("harmonic"), TypeError, "roulette must be a law"),
    (lambda: fs.SUMO(fs.roulette.Harmonic(), minimum=0), ValueError, "minimum must be a whole number from 1"),
    (lambda: fs.SUMO(fs.roulette.Harmonic(), minimum=1.5), ValueError, "minimum must be"),
    (lambda: fs.IWAE(0), ValueError, "k must be a whole number from 1"),
    (lambda: fs.IWAE(2.5), ValueError, "k must be"),
    (lambda: fs.IWAE(NAN), ValueError, "k must be"),
    (lambda: fs.IWAE("5"), TypeError, "k must be"),
]

MODEL_ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fs.Model("f", 1), TypeError, r"a model is a function of \(z, params\), got 'f'"),
    (lambda: fs.Model(partial(never_compiled, params=()), 1), TypeError, "compiled; got a partial: .*into params"),
    (lambda: fs.Model(Callables(), 1), TypeError, "compiled; got a Callables: .*vectorized=True"),
    (lambda: fs.Model(Callables, 1), TypeError, "compiled; got a class"),
    (lambda: fs.Model(Callables().__call__, 1), TypeError, "compiled; got a method"),
    (lambda: fs.Model(never_awaited, 1), TypeError, "returns a number, got never_awaited, which is async"),
    (lambda: fs.model(dim=0), ValueError, "dim must be a whole number from 1 to 8190"),
    (lambda: fs.model(dim=10_000), ValueError, "dim must be"),
    (lambda: fs.model(dim=1.5), ValueError, "dim must be"),
    (lambda: fs.model(dim="2"), TypeError, "dim must be"),
    (lambda: fs.Model(never_compiled, 1, noise="gaussian"), ValueError, "unknown noise 'gaussian'.*normal, uniform"),
    (lambda: fs.Model(never_compiled, 1, noise="unifrom"), ValueError, "did you mean 'uniform'"),
    (lambda: fs.Model(never_compiled, 1, params=[NAN]), ValueError, "params must be finite, got nan at index 0"),
    (lambda: fs.Model(never_compiled, 1, params=[[1.0]]), ValueError, "params must be one-dimensional"),
    (lambda: fs.Model(never_compiled, 1, params=["x"]), TypeError, "params must be real numbers"),
    (lambda: fs.Model(never_compiled, 1, log_evidence=NAN), ValueError, "log_evidence must be a finite number"),
    (lambda: fs.Model(never_compiled, 1, log_evidence="0"), ValueError, "log_evidence must be"),
    (lambda: fs.Model(never_compiled, 1, data=[1.0]), ValueError, "data must be a table"),
    (lambda: fs.Model(never_compiled, 1, data=np.empty((0, 2))), ValueError, "at least one row"),
    (lambda: shifted.with_params([1.0]), ValueError, "takes 2 params, got 1"),
    (lambda: shifted.with_params("ab"), TypeError, "params must be"),
    (lambda: shifted.with_proposal(fs.proposals.Gaussian([0.0], 1.0)), ValueError, "has no proposal to replace"),
    (lambda: NOTE.with_proposal(fs.proposals.Gaussian([0.0], 1.0)), ValueError, "must have dimension 2, got 1"),
    (lambda: fs.importance(never_compiled, "normal"), TypeError, "proposal must be one such as"),
    (lambda: fs.models.gamma(0.3), ValueError, r"multiple of 1/2 .*got 0\.3"),
    (lambda: fs.models.gamma(-1), ValueError, "shape must be"),
    (lambda: fs.models.lognormal(0.0), ValueError, "sigma must be"),
    (lambda: fs.models.gaussian_scale(NAN), ValueError, "sigma must be"),
    (lambda: fs.models.gaussian_scale(1e308), ValueError, r"sigma must be a number in \(0, 1e\+150\), got 1e\+308"),
    (lambda: fs.models.gamma(1e308), ValueError, "shape must be a multiple of 1/2 from 1/2 to 4095, got 1e\\+308"),
    (lambda: fs.proposals.Gaussian([], 1.0), ValueError, "at least one coordinate"),
    (lambda: fs.proposals.Gaussian([0.0], -1.0), ValueError, "variances must be positive"),
    (lambda: fs.proposals.Gaussian([0.0], NAN), ValueError, "covariance must be finite"),
    (lambda: fs.proposals.Gaussian([0.0, 0.0], [1.0, 1.0, 1.0]), ValueError, r"2 variances or a \(2, 2\) matrix"),
    (lambda: fs.proposals.Gaussian([0.0, 0.0], [[1.0, 0.5], [0.4, 1.0]]), ValueError, "must be symmetric"),
    (lambda: fs.proposals.Gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), ValueError, "positive definite.*-1"),
]


@pytest.mark.parametrize(("act", "kind", "message"), LAWS, ids=[message for _, _, message in LAWS])
def test_laws_and_estimators(act, kind, message, compilations):
    fails(act, kind, message)
    assert compilations.passes == 0


@pytest.mark.parametrize(("act", "kind", "message"), MODEL_ERRORS, ids=[message for _, _, message in MODEL_ERRORS])
def test_definitions_of_models(act, kind, message, compilations):
    fails(act, kind, message)
    assert compilations.passes == 0


@pytest.mark.parametrize(
    ("function", "data"),
    [
        (lambda z: 0.0, None),
        (lambda: 0.0, None),
        (lambda z, params, more: 0.0, None),
        (lambda z, *, params: 0.0, None),
        (lambda z, params: 0.0, np.zeros((2, 1))),
    ],
)
def test_the_wrong_arity(function, data, compilations):
    expected = "2 arguments (z, params)" if data is None else "3 arguments (z, row, params)"
    text = fails(lambda: fs.Model(function, 1, data=data, name="mine"), TypeError, re.escape(expected))
    assert "model 'mine' must take" in text
    assert "its signature is mine(" in text
    density = fs.proposals.Gaussian([0.0], 1.0)
    fails(lambda: fs.importance(function, density, data=data), TypeError, re.escape(expected.replace("(z", "(x")))
    assert compilations.passes == 0


@pytest.mark.parametrize(
    ("act", "kind", "says"),
    [
        (lambda: fs.model(never_compiled), TypeError, r"write @fs.model\(dim=...\) above def never_compiled"),
        (lambda: fs.model(dims=1), TypeError, "did you mean 'dim'"),
        (lambda: fs.SUMO(cap=80), TypeError, r"did you mean SUMO\(Harmonic\(cap=80\)\)"),
        (lambda: fs.SUMO(rate=0.5), TypeError, r"did you mean SUMO\(HarmonicGeometric\(rate=0.5\)\)"),
        (lambda: fs.SUMO(80), TypeError, r"did you mean Harmonic\(cap=80\)"),
        (lambda: fs.SUMO(fs.roulette.Harmonic), TypeError, r"did you mean Harmonic\(...\)"),
        (lambda: fs.SingleTerm(p=0.5), TypeError, r"did you mean SingleTerm\(Geometric\(p=0.5\)\)"),
        (lambda: fs.SUMO(roulete=1), TypeError, "did you mean 'roulette'"),
        (lambda: fs.IWAE(n=5), TypeError, "IWAE has no parameter 'n'; it takes k$"),
        (lambda: fs.roulette.HarmonicGeometric(alfa=8), TypeError, "did you mean 'alpha'"),
        (lambda: fs.proposals.Gaussian([0.0], covar=1.0), TypeError, "did you mean 'covariance'"),
        (lambda: fs.proposals.StudentT([0.0], 1.0, dof=3), TypeError, "no parameter 'dof'; it takes .*df"),
        (lambda: fs.importance(fs.proposals.Gaussian([0.0], 1.0), max), TypeError, "the log density comes first"),
        (lambda: fs.importance(max, fs.proposals.Gaussian), TypeError, r"did you mean Gaussian\(...\)"),
        (lambda: fs.compare("note", fs.SUMO), TypeError, r"did you mean SUMO\(...\)"),
        (lambda: fs.compare("note", "sumo", trials=5), TypeError, "no parameter 'trials'; it takes model, estimators"),
        (lambda: fs.theory.predict("note", fs.roulette.Harmonic()), TypeError, r"did you mean SUMO\(Harmonic"),
        (lambda: fs.simulate("note", "elbo", 10, progress="bar"), TypeError, "progress must be True, False, None"),
        (lambda: fs.sumo(np.zeros((1, 3)), terms=1, rulette="harmonic"), TypeError, "did you mean 'roulette'"),
    ],
)
def test_what_was_meant(act, kind, says, compilations):
    fails(act, kind, says)
    assert compilations.passes == 0


def test_words_stand_for_models_estimators_and_laws():
    same = fs.simulate(fs.models.gamma(1.5), fs.SUMO(fs.roulette.Harmonic(cap=80)), 500)
    assert fs.simulate("gamma:1.5", "sumo:harmonic:cap=80", 500).mean == same.mean
    assert fs.sample("gamma:1.5", "sumo:harmonic:cap=80", 500)[0].mean() == pytest.approx(same.mean)
    assert fs.theory.predict("gamma:1.5", "sumo").tail_index.value == 2.0
    law = fs.roulette.Geometric(0.5)
    np.testing.assert_array_equal(fs.draw_terms(9, "geometric:p=0.5", seed=3), fs.draw_terms(9, law, seed=3))
