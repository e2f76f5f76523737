"""The parts of a trial: random numbers, `vmath`, and log weights of several models.

Random numbers and log weights are timed as a user meets them, inside IWAE(1000), where the estimator adds one
exponential and one addition to a sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from bench import models
from bench.peers import numpy_grouped
from bench.runners import QUICK_TRIALS, SEED, simulation
from fastsumo.cli.race import Runner, Work

NUMBERS = 2**21  # of a lap
ARRAY = 2**12  # float64 numbers: a first-level cache
IN_ONE_TRIAL = 1000
FUNCTIONS = ("exp", "log", "log1p", "expm1", "sin", "cos", "tanh", "erf")


def inside_iwae(model: fs.Model, samples: int, quick: bool) -> Runner:
    """One thread."""
    size = QUICK_TRIALS if quick else max(1, samples // IN_ONE_TRIAL)
    return simulation(model, fs.IWAE(IN_ONE_TRIAL), size, threads=1)


# ---- random numbers ----


def drawn(kind: str, name: str, quick: bool) -> Runner | str:
    """Random numbers, sixteen to a sample where they are fastsumo's; a lap counts numbers."""
    if name == "fastsumo":
        whole = inside_iwae(models.normals() if kind == "normal" else models.uniforms(), NUMBERS // 16, quick)

        def run(size: int) -> Work:
            work = whole.run(size)
            return Work(16 * work.samples, work.trials)

        return Runner(run, whole.size, whole.warm_up)
    makers = {"numpy Philox": np.random.Philox, "numpy PCG64": np.random.PCG64}
    if name in makers:
        rng = np.random.Generator(makers[name](SEED))
        draw: Callable[..., object] = rng.standard_normal if kind == "normal" else rng.random
        buffer = np.empty(ARRAY)
        return _repeated(lambda: draw(out=buffer), quick)
    try:
        import torch
    except ImportError as error:
        return f"no torch: {error}"
    generator, tensor = torch.Generator().manual_seed(SEED), torch.empty(ARRAY, dtype=torch.float64)
    fill = tensor.normal_ if kind == "normal" else tensor.uniform_
    return _repeated(lambda: fill(generator=generator), quick)


def _repeated(function: Callable[[], object], quick: bool) -> Runner:
    """A function that fills an array, as often as the size says."""

    def run(size: int) -> Work:
        for _ in range(size):
            function()
        return Work(size * ARRAY, size)

    return Runner(run, 2 if quick else NUMBERS // ARRAY, lambda: run(2))


@pytest.mark.parametrize("runner", ["fastsumo", "numpy Philox", "numpy PCG64", "torch"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_random(race_of: Any, kind: str, runner: str, quick: bool) -> None:
    assert race_of("random numbers", kind, lambda name: drawn(kind, name, quick)).samples > 0


@pytest.mark.parametrize("runner", ["fastsumo", "numpy Philox"])
def test_terms(race_of: Any, runner: str, quick: bool) -> None:
    """`K` of the harmonic law."""
    rng = np.random.Generator(np.random.Philox(SEED))
    law = fs.roulette.Harmonic(cap=10_000)

    def make(name: str) -> Runner:
        def run(size: int) -> Work:
            if name == "fastsumo":
                law.sample(size, seed=SEED)
            else:
                np.minimum(np.floor(1.0 / (1.0 - rng.random(size))), 10_000).astype(np.int64)
            return Work(size, size)

        return Runner(run, QUICK_TRIALS if quick else NUMBERS, lambda: run(10))

    assert race_of("random numbers", "K of the harmonic law", make).samples > 0


# ---- vmath ----


@cache
def _plain_loop(name: str) -> Any:
    """The function of `math` in a loop that Numba compiles."""
    import numba

    function = getattr(math, name)

    @numba.njit
    def loop(x, out):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


@pytest.mark.parametrize("runner", ["fastsumo", "numpy", "numba math"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_vmath(race_of: Any, function: str, runner: str, quick: bool) -> None:
    """Whole arrays, called from Python."""
    x, out = np.random.default_rng(SEED).uniform(0.1, 8.0, ARRAY), np.empty(ARRAY)

    def make(name: str) -> Runner | str:
        if name == "numba math":
            return _repeated(lambda: _plain_loop(function)(x, out), quick)
        array_function = getattr(fs.vmath if name == "fastsumo" else np, function, None)
        if array_function is None:
            return f"{name} has no {function}"
        return _repeated(lambda: array_function(x), quick)

    assert race_of("vmath", function, make).samples > 0


# ---- log weights ----


@pytest.mark.parametrize("runner", [*models.log_weights(), "note, NumPy"])
def test_weights(race_of: Any, runner: str, quick: bool) -> None:
    """A race of models: what a log weight costs, and how it is best written."""

    def make(name: str) -> Runner:
        if name in models.log_weights():
            return inside_iwae(models.log_weights()[name], 2**22, quick)
        rng, noise = np.random.default_rng(SEED), np.empty((2, ARRAY))

        def weigh() -> None:
            rng.standard_normal(out=noise)
            numpy_grouped.log_weights(noise[0], noise[1])

        return _repeated(weigh, quick)

    assert race_of("log weights", "in IWAE(1000)", make).samples > 0


@pytest.mark.parametrize("runner", ["fastsumo", "numpy"])
def test_rows(race_of: Any, runner: str, quick: bool) -> None:
    """SUMO of log weights that were computed elsewhere, 100 a row."""
    rng = np.random.default_rng(SEED)
    log_w = rng.normal(size=(10 if quick else 10_000, 100))
    weights = np.arange(1.0, 100.0)

    def make(name: str) -> Runner:
        def run(size: int) -> Work:
            if name == "fastsumo":
                fs.sumo(log_w, terms=np.full(len(log_w), 99), roulette=fs.roulette.Harmonic())
            else:
                top = log_w.max(axis=1, keepdims=True)
                path = np.log(np.cumsum(np.exp(log_w - top), axis=1) / np.arange(1.0, 101.0))
                top[:, 0] + path[:, 0] + np.diff(path, axis=1) @ weights
            return Work(log_w.size, len(log_w))

        return Runner(run, len(log_w), lambda: run(0), fixed=True)

    assert race_of("log weights", "given, SUMO of rows of 100", make).samples == log_w.size
