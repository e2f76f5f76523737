"""Models that the tests run: log weights of any scale, wild spreads, jumps, zero weights; laws of `K`; runs.

Plain functions of noise and parameters, so that the same code serves the kernels and the twins.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.vmath import log

slow = functools.partial(pytest.param, marks=pytest.mark.slow)  # a case for the slow tests: what compiles takes seconds


def thinned(cases: Iterable[Any], every: int) -> list[Any]:
    """Cases of which the quick tests take every so many, and the slow tests the others."""
    return [case if i % every == 0 else slow(case) for i, case in enumerate(cases)]


@fs.model(dim=1, params=[0.0, 1.0])
def shifted(z, params):  # type: ignore[no-untyped-def]
    """Normal log weights with any mean and spread."""
    return params[0] + params[1] * z[0]


@fs.model(dim=1, params=[1e4], noise="uniform")
def leaps(z, params):  # type: ignore[no-untyped-def]
    """Exponential log weights of a huge scale: the largest so far is overtaken by thousands, again and again."""
    return -params[0] * log(z[0])


@fs.model(dim=1, params=[4.5])
def breaks(z, params):  # type: ignore[no-untyped-def]
    """NaN in about one trial of 300 000."""
    if z[0] > params[0]:
        return math.nan
    return z[0]


@fs.model(dim=2, params=[0.5], noise="uniform")
def zeros(z, params):  # type: ignore[no-untyped-def]
    """Weights that are zero with probability ``params[0]``."""
    if z[0] < params[0]:
        return -math.inf
    return log(z[1])


@fs.model(dim=1, params=[1.5])
def half_empty(z, params):  # type: ignore[no-untyped-def]
    """Weights that are zero where the noise is above ``params[0]``, a fifteenth of it."""
    if z[0] > params[0]:
        return -math.inf
    return z[0]


@fs.model(dim=3, params=[1.0, 2.0])
def libm(z, params):  # type: ignore[no-untyped-def]
    """A user's model that knows nothing of vmath, of odd dimension."""
    return math.sin(params[0] * z[0]) + params[1] * math.tanh(z[1]) - math.log1p(z[2] * z[2])


MODELS = {
    "note": fs.models.note(),
    "gamma": fs.models.gamma(0.5),
    "lognormal": fs.models.lognormal(1.0),
    "wild": fs.models.lognormal(40.0),
    "high": shifted.with_params([1e5, 1.0]),
    "low": shifted.with_params([-1e5, 1.0]),
    "far": shifted.with_params([1e5, 300.0]),
    "flat": shifted.with_params([0.25, 0.0]),
    "leaps": leaps,
    "zeros": zeros,
    "mostly zeros": zeros.with_params([0.97]),
    "all zeros": zeros.with_params([1.0]),
    "libm": libm,
}

constant = fs.Model(shifted.function, 1, [2.0, 0.0], log_evidence=2.0, name="constant")
empty = fs.Model(zeros.function, 2, [1.0], "uniform", name="empty")

_k = np.arange(1.0, 60.0)

LAWS = {
    "harmonic": fs.roulette.Harmonic(),
    "harmonic, cap 1": fs.roulette.Harmonic(cap=1),
    "harmonic, cap 80": fs.roulette.Harmonic(cap=80),
    "harmonic-geometric": fs.roulette.HarmonicGeometric(),
    "harmonic-geometric 5": fs.roulette.HarmonicGeometric(5, 0.05),
    "harmonic-geometric, rate 1": fs.roulette.HarmonicGeometric(6, 1.0),
    "harmonic-geometric, cap 7": fs.roulette.HarmonicGeometric(10, 0.2, cap=7),
    "power 0.7": fs.roulette.PowerLaw(0.7, cap=100_000),
    "power 1.5": fs.roulette.PowerLaw(1.5),
    "power 3, cap 4": fs.roulette.PowerLaw(3.0, cap=4),
    "geometric": fs.roulette.Geometric(0.05),
    "geometric 0.4": fs.roulette.Geometric(0.4),
    "geometric 1": fs.roulette.Geometric(1.0),
    "geometric, cap 30": fs.roulette.Geometric(0.01, cap=30),
    "table": fs.roulette.Table(_k**-0.8),
    "table with steps": fs.roulette.Table([1.0, 1.0, 0.5, 0.5, 0.5, 0.1, 0.1, 0.0]),
}

RUNS: dict[str, tuple[fs.Model, Any]] = {
    "note, harmonic": (MODELS["note"], fs.SUMO(fs.roulette.Harmonic())),
    "note, harmonic-geometric": (MODELS["note"], fs.SUMO(fs.roulette.HarmonicGeometric(), 2)),
    "zeros, power 0.7": (MODELS["zeros"], fs.SUMO(LAWS["power 0.7"])),
    "leaps, table": (MODELS["leaps"], fs.SUMO(LAWS["table"])),
    "libm, IWAE 10": (MODELS["libm"], fs.IWAE(10)),
    "note, IWAE 150": (MODELS["note"], fs.IWAE(150)),
}


def trial_with(law: fs.roulette.Roulette, k: int, seed: int) -> int:
    """The number of the first trial that draws ``K = k``."""
    for draws in (10_000, 200_000, 4_000_000):
        found = np.flatnonzero(law.sample(draws, seed=seed) == k)
        if found.size:
            return int(found[0])
    raise AssertionError(f"no trial with K = {k}")
