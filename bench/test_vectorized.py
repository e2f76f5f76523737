"""What a run of a vectorised model costs beside its function, on batches of 16 384.

``python -m bench.test_vectorized`` prints nanoseconds a sample of processor time, which on a busy machine can still
be compared. In each run the function's own time is taken by a clock around it, so that both are of the same moment; it
is timed alone too, on the arrays of the run. As a test it runs once, small.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

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


class Lap(NamedTuple):
    """Nanoseconds a sample: of the function on its own, of the function in a run, and of all of the run."""

    alone: float
    inside: float
    whole: float


def lap(function: Callable[..., Any], estimator: fs.Estimator, trials: int, repeats: int = 1) -> Lap:
    """One run, its opening and its proof included, and the function on some of its batches, the best of some times."""
    inside, kept = 0.0, []

    def clocked(z: np.ndarray) -> Any:
        nonlocal inside
        if len(kept) < 4 and len(z) == BATCH:
            kept.append(z.copy())
        began = time.thread_time()
        found = function(z)
        inside += time.thread_time() - began
        return found

    model = fs.Model(clocked, DIM, log_evidence=0.0, vectorized=True, batch=BATCH)
    fs.simulate(model, estimator, 100, progress=False)
    inside, began = 0.0, time.process_time()
    cost = fs.simulate(model, estimator, trials, progress=False).cost
    whole, bare = time.process_time() - began, []
    for _ in range(repeats):
        began = time.process_time()
        for z in kept:
            function(z)
        bare.append((time.process_time() - began) / (len(kept) * BATCH))
    return Lap(*(1e9 * each for each in (min(bare), inside / cost, whole / cost)))


def report(samples: float, laps: int = 7) -> str:
    """A table: of the lap that took least beside the function."""
    lines = [["ns a sample", "function alone", "function in the run", "whole run", "beside the function"]]
    for function, size in ((nothing, samples), (microsecond, samples / 5)):
        for estimator in ESTIMATORS:
            trials = int(size / (13.0 if estimator.expected_cost() == np.inf else estimator.expected_cost()))
            found = [lap(function, estimator, trials, 3) for _ in range(laps)]
            bare = min(each.alone for each in found)
            best = min(found, key=lambda each: each.whole - each.inside)
            beside = best.whole - best.inside
            share = f"{beside:.1f}" + (f" ({100 * beside / best.inside:.1f} %)" if bare > 100.0 else "")
            lines.append([f"{function.__name__}, {estimator!r}", f"{bare:.1f}", f"{best.inside:.1f}"])
            lines[-1] += [f"{best.whole:.1f}", share]
    return table(lines)


@pytest.mark.parametrize("function", [nothing, microsecond])
def test_a_run_costs_little_beside_its_function(function: Callable[..., Any]) -> None:
    found = lap(function, ESTIMATORS[0], 60_000)
    assert 0.0 < found.whole - found.inside < 1000.0  # under 30 where nothing else runs; here it is only to be sane


if __name__ == "__main__":
    print(report(1e7))
    sys.exit()
