"""Trials that all threads share: the bits that one thread gives them, and when what they take is compiled."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import naive
import numpy as np
import pytest
from bits import same_bits
from zoo import LAWS, MODELS, thinned

import fastsumo as fs
from fastsumo.engine.cpu.kernels.block import log_weights_of
from fastsumo.engine.cpu.kernels.scratch import Scratch
from fastsumo.engine.cpu.kernels.weights import compiled
from fastsumo.engine.cpu.split_trials import SPLIT_ABOVE
from fastsumo.engine.cpu.workers import TallyWorker
from fastsumo.engine.devices import open_engine
from fastsumo.engine.interface import Unwatched
from fastsumo.trial.params import make_params

SEED = 20_240_607


SPLIT: dict[str, tuple[str, Any]] = {
    "harmonic": ("note", fs.SUMO(fs.roulette.Harmonic())),
    "harmonic, minimum 3000": ("note", fs.SUMO(fs.roulette.Harmonic(), 3000)),
    "harmonic-geometric": ("note", fs.SUMO(fs.roulette.HarmonicGeometric(40, 1e-4))),
    "power 0.7": ("gamma", fs.SUMO(LAWS["power 0.7"])),
    "table": ("lognormal", fs.SUMO(fs.roulette.Table(np.arange(1.0, 20_000) ** -0.8))),
    "IWAE": ("note", fs.IWAE(10_000)),
    "leaps": ("leaps", fs.SUMO(LAWS["power 0.7"])),
    "wild": ("wild", fs.SUMO(LAWS["power 0.7"])),
    "high": ("high", fs.SUMO(LAWS["power 0.7"])),
    "zeros": ("mostly zeros", fs.SUMO(LAWS["power 0.7"], 100)),
}


@pytest.mark.parametrize("name", thinned(SPLIT, 3))
def test_split_trials_have_the_bits_of_ordinary_ones(name, monkeypatch):
    """Trials shared by all threads, made as small as they can be so that there are many."""
    model, estimator = MODELS[SPLIT[name][0]], SPLIT[name][1]
    trials = 150 if isinstance(estimator, fs.IWAE) else 6_000 if estimator.minimum == 1 else 800
    values, terms = fs.sample(model, estimator, trials, SEED, threads=1)
    whole = fs.simulate(model, estimator, trials, SEED, threads=1)
    monkeypatch.setattr(import_module("fastsumo.engine.cpu.engine"), "SPLIT_ABOVE", 2100)
    monkeypatch.setattr(import_module("fastsumo.engine.cpu.split_trials"), "_CHUNK", 2048)
    samples = terms + (0 if isinstance(estimator, fs.IWAE) else estimator.minimum)
    assert np.count_nonzero(samples > 2100) > 2
    for threads in (2, 5):
        shared = fs.sample(model, estimator, trials, SEED, threads=threads)
        assert shared[0].tobytes() == values.tobytes()
        assert np.array_equal(shared[1], terms)
        again = fs.simulate(model, estimator, trials, SEED, threads=threads)
        assert same_bits(again, whole)
    for trial in np.argsort(terms)[-3:].tolist():
        assert np.float64(fs.replay(model, estimator, trial, SEED).value).tobytes() == values[trial].tobytes()


def test_a_trial_that_is_long_enough_to_be_split():
    """More than 2^22 samples: the same bits from one thread and from two, and the mean of so many weights."""
    model, estimator = MODELS["lognormal"], fs.IWAE(2**22 + 2**20 + 12_345)
    one, _ = fs.sample(model, estimator, 1, SEED, threads=1)
    two, _ = fs.sample(model, estimator, 1, SEED, threads=2)
    assert one.tobytes() == two.tobytes()
    assert abs(one[0]) < 5 * math.sqrt(math.expm1(1.0) / estimator.k)


@pytest.mark.slow
@pytest.mark.parametrize("law", [fs.roulette.Harmonic(), fs.roulette.PowerLaw(0.95)], ids=["harmonic", "power"])
def test_a_trial_that_is_long_enough_to_be_split_against_the_twin(law):
    draws = law.sample(30_000_000, seed=SEED)
    trial = int(np.flatnonzero((draws > 2**22 + 10**5) & (draws < 2**24))[0])
    one = fs.replay(MODELS["lognormal"], fs.SUMO(law), trial, SEED, max_samples=2**25)
    naive.assert_is(one.value, naive.value_of(fs.SUMO(law), one.log_weights, one.terms), 1e-10)
    alone, _ = fs.sample(MODELS["lognormal"], fs.SUMO(law), 1, SEED, threads=1, first_trial=trial)
    assert alone[0] == one.value


@pytest.mark.slow
def test_a_trial_of_a_billion_samples():
    """Within 1e-9 of sums in extended precision over the same weights (x86: 64 bits)."""
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("no extended precision on this machine")
    model, estimator, seed, trial = MODELS["note"], fs.SUMO(fs.roulette.Harmonic()), 20, 4_192_948_924
    values, terms = fs.sample(model, estimator, 1, seed, threads=2, first_trial=trial)
    samples = int(terms[0]) + 1
    assert samples > 1.5e9
    out, owned = np.empty(2**22), make_params(compiled(model), estimator.plan(), seed)
    params = owned.params
    scratch = Scratch(params)
    total, logs, origin = np.longdouble(0.0), np.longdouble(0.0), math.log(2.0 * math.pi)
    for first in range(0, samples, out.size):
        n = min(out.size, samples - first)
        assert log_weights_of(params, scratch.address, np.uint64(trial), first, n, out.ctypes.data) == 0
        sums = total + np.cumsum(np.exp(out[:n] - origin), dtype=np.longdouble)
        means = sums / np.arange(first + 1, first + n + 1)
        inner = means[max(0, 1 - first) : n - 1 if first + n == samples else n]
        total, logs = sums[-1], logs + np.log(inner.astype(np.float64)).sum(dtype=np.longdouble)
    value = float(origin + int(terms[0]) * np.log(total / samples) - logs)
    assert values[0] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("estimator", "trials", "expected"),
    [
        (fs.SUMO(), 10**7, True),
        (fs.SUMO(), 10**4, False),
        (fs.IWAE(SPLIT_ABOVE), 1, False),
        (fs.IWAE(SPLIT_ABOVE + 1), 1, True),
    ],
)
def test_split_trials_are_compiled_for_in_advance_where_they_are_likely(
    estimator: Any, trials: int, expected: bool, monkeypatch: pytest.MonkeyPatch
):
    run = open_engine(MODELS["note"], estimator, 0, threads=2)
    monkeypatch.setattr(TallyWorker, "loop", lambda worker, blocks: worker.ended.set())
    with pytest.raises(KeyboardInterrupt):  # nothing was run
        run.tally(0, trials, Unwatched())
    assert run.expects_split == expected
