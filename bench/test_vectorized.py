"""What a run of a vectorised model costs beside its function, which is timed alone on batches of 16 384.

``python -m bench.test_vectorized`` prints nanoseconds a sample of processor time, which on a busy machine can still
be compared. As a test it runs once, small.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from bench.report import table

BATCH, DIM = 16_384, 2
ESTIMATORS = (fs.SUMO(fs.roulette.Harmonic(cap=80)), fs.SUMO(fs.roulette.Harmonic()), fs.IWAE(64))


def nothing(z: np.ndarray) -> Any:
    """A log weight that takes no time."""
    return z[:, 0]


def microsecond(z: np.ndarray) -> Any:
    """A log weight that takes about a microsecond a sample."""
    x = z[:, 0]
    for _ in range(60):
        x = np.exp(-np.abs(np.sin(x)))
    return x


def seconds(call: Callable[[], object]) -> float:
    """Of processor time of all threads."""
    began = time.process_time()
    call()
    return time.process_time() - began


def alone(function: Callable[..., Any], batches: int) -> float:
    """Nanoseconds a sample of the function alone."""
    z = np.random.default_rng(0).normal(size=(BATCH, DIM))
    return 1e9 * seconds(lambda: [function(z) for _ in range(batches)]) / (batches * BATCH)


def whole(function: Callable[..., Any], estimator: fs.Estimator, trials: int) -> float:
    """Nanoseconds a sample of a run, its opening and its proof included."""
    model = fs.Model(function, DIM, log_evidence=0.0, vectorized=True, batch=BATCH)
    fs.simulate(model, estimator, 100, progress=False)
    found: list[fs.Result] = []
    spent = seconds(lambda: found.append(fs.simulate(model, estimator, trials, progress=False)))
    return 1e9 * spent / found[0].cost


def report(samples: float, repeats: int = 5) -> str:
    """A table of the best of some repeats, in turns."""
    lines = [["ns a sample", "function alone", "whole run", "beside the function"]]
    for function in (nothing, microsecond):
        for estimator in ESTIMATORS:
            trials = int(samples / (13.0 if estimator.expected_cost() == np.inf else estimator.expected_cost()))
            pairs = [(alone(function, 16), whole(function, estimator, trials)) for _ in range(repeats)]
            bare, run = map(min, zip(*pairs, strict=True))
            share = f"{run - bare:.1f}" + (f" ({100 * (run / bare - 1):.0f} %)" if bare > 100.0 else "")
            lines.append([f"{function.__name__}, {estimator!r}", f"{bare:.1f}", f"{run:.1f}", share])
    return table(lines)


@pytest.mark.parametrize("function", [nothing, microsecond])
def test_a_run_costs_little_beside_its_function(function: Callable[..., Any]) -> None:
    spent = whole(function, ESTIMATORS[0], 60_000) - alone(function, 4)
    assert spent < 1000.0  # under 30 where nothing else runs; here it is only to be sane


if __name__ == "__main__":
    print(report(3e6))
    sys.exit()
