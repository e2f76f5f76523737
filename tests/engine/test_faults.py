"""Models that fail: what is said of the trial, the line and the reason."""

from __future__ import annotations

import math
import re

import naive
import numba
import numpy as np
import pytest
from complaints import fails
from zoo import leaps, slow, zeros

import fastsumo as fs
from fastsumo.vmath import log

SUMO = fs.SUMO(fs.roulette.Harmonic())


def bad_above(z, params):  # type: ignore[no-untyped-def]
    """Where the noise is above ``params[0]``, NaN or, where ``params[1]`` is 1, infinity."""
    if z[0] > params[0]:
        return math.inf if params[1] == 1.0 else math.nan
    return z[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("estimator", [SUMO, fs.IWAE(2), fs.IWAE(500)], ids=repr)
def test_nan_and_infinity_name_the_trial(bad, estimator):
    model = fs.Model(bad_above, 1, [0.9995, float(bad == math.inf)], noise="uniform", name="mine")
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
    model = fs.Model(bad_above, 1, [0.995, 0.0], noise="uniform", log_evidence=0.0)
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
    assert fs.simulate(zeros, SUMO, 1000).zero_weight_trials > 0


def test_a_run_works_again_after_a_bad_model():
    model = fs.Model(bad_above, 1, [0.9, 0.0], noise="uniform")
    with pytest.raises(fs.ModelError):
        fs.simulate(model, SUMO, 10_000, threads=2)
    assert fs.simulate(leaps, SUMO, 10_000, threads=2).trials == 10_000


def raises_sometimes(z, params):  # type: ignore[no-untyped-def]
    if z[0] > 0.999:
        raise ValueError("too far out")
    return z[0]


def test_a_model_that_raises_names_its_exception_and_the_trial():
    model = fs.Model(raises_sometimes, 1, noise="uniform", log_evidence=0.0)
    always = fs.Model(raises_sometimes, 1, log_evidence=0.0)  # normal noise: beyond 0.999 soon
    for act in (fs.simulate, fs.sample):
        text = fails(lambda act=act: act(model, SUMO, 20_000), fs.ModelError, "model 'raises_sometimes' raised")
        assert re.search(r"in trial \d+ of seed 0", text)
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


def float_of_a_truth(z, params):  # type: ignore[no-untyped-def]
    return float(z[0] > 0.0)


def wrong_types(z, params):  # type: ignore[no-untyped-def]
    return z[0] + "a"


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (returns_text, "must return one number.*'a string'"),
        slow(returns_nothing, "must return one number.*None"),
        slow(returns_a_vector, "must return one number"),
        slow(returns_a_complex, "must return one number"),
        (unknown_name, r"not_defined_anywhere.*return a \+ not_defined_anywhere"),
        slow(unknown_attribute, "no_such_function"),
        slow(unsupported, "."),
        (helper_in_python, "plain_helper"),
        (float_of_a_truth, r"float\(bool\); float\(int\(\.\.\.\)\) takes a truth value"),
        slow(wrong_types, "."),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_models_that_do_not_compile(function, hint):
    model = fs.Model(function, 1)
    for act in (lambda: fs.simulate(model, SUMO, 10), lambda: fs.replay(model, SUMO, 0)):
        text = fails(act, fs.ModelError, f"model '{function.__name__}' cannot be compiled: .*{hint}")
        assert len(text) < 500
        assert "\x1b" not in text


@pytest.mark.parametrize("function", [unknown_name, slow(unknown_attribute), wrong_types])
def test_the_compilers_complaint_points_at_the_users_line(function):
    text = fails(lambda: fs.simulate(fs.Model(function, 1), SUMO, 10), fs.ModelError, "cannot be compiled")
    last = max(line for _, _, line in function.__code__.co_lines() if line)
    assert f"test_faults.py, line {last}" in text


def test_a_model_error_is_a_value_error_without_the_compilers_traceback():
    with pytest.raises(ValueError, match="cannot be compiled") as caught:
        fs.simulate(fs.Model(unknown_name, 1), SUMO, 10)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    assert not isinstance(caught.value, numba.core.errors.NumbaError)
