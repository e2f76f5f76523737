"""Bad input: a one-line error that says what is allowed, before anything is compiled; and models that cannot be run.

Files that are no results are in `test_result.py`, the command line in `test_cli.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import naive
import numba
import numpy as np
import pytest
from zoo import MODELS, leaps, shifted

import fastsumo as fs
from fastsumo.vmath import log

NOTE, SUMO = MODELS["note"], fs.SUMO(fs.roulette.Harmonic())


def never_compiled(z, params):  # type: ignore[no-untyped-def]
    return z[0] + 123.456


FRESH = fs.Model(never_compiled, 1)


def fails(act: Callable[[], Any], kind: type[Exception], message: str) -> str:
    """The message of the error, which is one line."""
    with pytest.raises(kind, match=message) as caught:
        act()
    assert caught.type is kind
    text = str(caught.value)
    assert "\n" not in text
    assert text
    return text


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
    fails(lambda: act("note", SUMO, 1), TypeError, "model must be a fastsumo Model, got 'note'")
    fails(lambda: act(None, SUMO, 1), TypeError, "model must be")
    fails(lambda: act(FRESH, fs.SUMO, 1), TypeError, r"estimator must be .*did you mean SUMO\(\.\.\.\)")
    fails(lambda: act(FRESH, fs.roulette.Harmonic(), 1), TypeError, "estimator must be")
    fails(lambda: act(FRESH, "sumo", 1), TypeError, "estimator must be")
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
    (lambda: fs.roulette.Table(["a"]), TypeError, "sequence of numbers"),
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
    (lambda: fs.model(dim=0), ValueError, "dim must be a whole number from 1 to 8190"),
    (lambda: fs.model(dim=10_000), ValueError, "dim must be"),
    (lambda: fs.model(dim=1.5), ValueError, "dim must be"),
    (lambda: fs.model(dim="2"), TypeError, "dim must be"),
    (lambda: fs.Model(never_compiled, 1, noise="gaussian"), ValueError, "unknown noise 'gaussian'.*normal, uniform"),
    (lambda: fs.Model(never_compiled, 1, noise="unifrom"), ValueError, "did you mean 'uniform'"),
    (lambda: fs.Model(never_compiled, 1, params=[NAN]), ValueError, "params must be finite, got nan at index 0"),
    (lambda: fs.Model(never_compiled, 1, params=[[1.0]]), ValueError, "params must be one-dimensional"),
    (lambda: fs.Model(never_compiled, 1, params=["x"]), TypeError, "params must be a sequence of numbers"),
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
    assert compilations.passes == 0


# --- models that return no log weight -------------------------------------------------------------------------------


def _bad_above(bad: float) -> Callable[..., float]:
    def model(z, params):  # type: ignore[no-untyped-def]
        return bad if z[0] > params[0] else z[0]

    return model


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("estimator", [SUMO, fs.IWAE(2), fs.IWAE(500)], ids=repr)
def test_nan_and_infinity_name_the_trial(bad, estimator):
    model = fs.Model(_bad_above(bad), 1, [0.9995], noise="uniform", name="mine")
    for act in (fs.simulate, fs.sample):
        text = fails(
            lambda act=act: act(model, estimator, 20_000, seed=3),
            fs.ModelError,
            "model 'mine' returned NaN or .inf as a log weight in trial",
        )
        assert "allowed are finite numbers and -inf" in text
        trial, seed = map(int, re.findall(r"trial=(\d+), seed=(\d+)", text)[0])
        assert seed == 3
        assert f"fs.replay(model, {estimator!r}, trial={trial}, seed=3)" in text
        one = fs.replay(model, estimator, trial, seed)
        assert math.isnan(one.value)
        assert np.count_nonzero(~(one.log_weights <= 1.0)) > 0
        twin = naive.log_weights(model, seed, trial, np.arange(one.log_weights.size))
        assert np.array_equal(one.log_weights <= 1.0, twin <= 1.0)


def test_only_samples_that_belong_to_a_trial_count():
    """Neighbouring samples are not evaluated: a NaN just behind a trial's last sample stops nothing."""
    model = fs.Model(_bad_above(math.nan), 1, [0.995], noise="uniform", log_evidence=0.0)
    values, terms = [], []
    law = fs.roulette.Harmonic(cap=1500)
    for trial in range(300):
        one = fs.replay(model, fs.SUMO(law), trial)
        values.append(one.value)
        terms.append(one.terms)
        if math.isnan(one.value):
            fails(
                lambda t=trial: fs.sample(model, fs.SUMO(law), 1, first_trial=t), fs.ModelError, f"in trial {trial} of"
            )
        else:
            assert fs.sample(model, fs.SUMO(law), 1, first_trial=trial)[0][0] == one.value
    assert 0 < np.count_nonzero(np.isnan(values)) < 300
    assert max(terms) > 300


def test_minus_infinity_is_legal():
    model = fs.Model(lambda z, params: -math.inf if z[0] < 0.5 else 0.0, 1, noise="uniform")
    assert fs.simulate(model, SUMO, 1000).zero_weight_trials > 0


def test_a_run_works_again_after_a_bad_model():
    model = fs.Model(_bad_above(math.nan), 1, [0.9], noise="uniform")
    with pytest.raises(fs.ModelError):
        fs.simulate(model, SUMO, 10_000, threads=2)
    assert fs.simulate(leaps, SUMO, 10_000, threads=2).trials == 10_000


# --- models that raise or do not compile ----------------------------------------------------------------------------


def raises_sometimes(z, params):  # type: ignore[no-untyped-def]
    if z[0] > 0.999:
        raise ValueError("too far out")
    return z[0]


def test_a_model_that_raises_names_its_exception_and_the_trial():
    model = fs.Model(raises_sometimes, 1, noise="uniform", log_evidence=0.0)
    always = fs.Model(raises_sometimes, 1, log_evidence=0.0)  # normal noise: beyond 0.999 soon
    for act in (fs.simulate, fs.sample):
        text = fails(lambda act=act: act(model, SUMO, 20_000), fs.ModelError, "model 'raises_sometimes' raised")
        assert re.search(r"near trial \d+ of seed 0", text)
        assert "fs.replay(model, SUMO" in text
        text = fails(lambda act=act: act(always, SUMO, 20_000), fs.ModelError, "raised ValueError: too far out")


def test_a_replay_of_a_trial_that_raises_raises():
    model = fs.Model(raises_sometimes, 1, noise="uniform", log_evidence=0.0)
    for _ in range(3):  # nothing left over in memory may look like a log weight
        fails(lambda: fs.replay(model, fs.IWAE(20_000), 0), fs.ModelError, "raised")


def test_a_model_that_raises_in_the_pilot_run():
    """Without a known evidence a pilot looks for the centre, which is a function of the model, exceptions or not."""
    model = fs.Model(raises_sometimes, 1, noise="uniform")
    fails(lambda: fs.simulate(model, fs.IWAE(5000), 100), fs.ModelError, "raised")
    centers = {fs.simulate(model, fs.ELBO(), 1, seed=seed).center for seed in range(5)}
    assert len(centers) == 1
    assert abs(centers.pop()) < 1.0


def returns_text(z, params):  # type: ignore[no-untyped-def]
    return "a string"


def returns_nothing(z, params):  # type: ignore[no-untyped-def]
    z[0] + 1.0


def returns_a_vector(z, params):  # type: ignore[no-untyped-def]
    return z * 2.0


def returns_a_complex(z, params):  # type: ignore[no-untyped-def]
    return z[0] + 1j


def unknown_name(z, params):  # type: ignore[no-untyped-def]
    a = z[0] * 2.0
    return a + not_defined_anywhere  # noqa: F821


def unknown_attribute(z, params):  # type: ignore[no-untyped-def]
    return math.no_such_function(z[0])


def unsupported(z, params):  # type: ignore[no-untyped-def]
    import json

    return float(json.loads("1"))


def helper_in_python(z, params):  # type: ignore[no-untyped-def]
    return plain_helper(z[0])


def plain_helper(x):  # type: ignore[no-untyped-def]
    return log(x)


def wrong_types(z, params):  # type: ignore[no-untyped-def]
    return z[0] + "a"


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (returns_text, "must return one number.*'a string'"),
        (returns_nothing, "must return one number.*None"),
        (returns_a_vector, "must return one number"),
        (returns_a_complex, "must return one number"),
        (unknown_name, r"not_defined_anywhere.*return a \+ not_defined_anywhere"),
        (unknown_attribute, "no_such_function"),
        (unsupported, "."),
        (helper_in_python, "plain_helper"),
        (wrong_types, "."),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_models_that_do_not_compile(function, hint):
    model = fs.Model(function, 1)
    for act in (lambda: fs.simulate(model, SUMO, 10), lambda: fs.replay(model, SUMO, 0)):
        text = fails(act, fs.ModelError, f"model '{function.__name__}' cannot be compiled: .*{hint}")
        assert len(text) < 500
        assert "\x1b" not in text


@pytest.mark.parametrize("function", [unknown_name, unknown_attribute, wrong_types])
def test_the_compilers_complaint_points_at_the_users_line(function):
    text = fails(lambda: fs.simulate(fs.Model(function, 1), SUMO, 10), fs.ModelError, "cannot be compiled")
    last = max(line for _, _, line in function.__code__.co_lines() if line)
    assert f"test_bad_input.py, line {last}" in text


def test_a_model_error_is_a_value_error_without_the_compilers_traceback():
    with pytest.raises(ValueError, match="cannot be compiled") as caught:
        fs.simulate(fs.Model(unknown_name, 1), SUMO, 10)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    assert not isinstance(caught.value, numba.core.errors.NumbaError)
