"""What grows with trials under the uncapped harmonic law: cost per trial (like their logarithm), not memory.

Each run is a process of its own, because a process remembers its largest memory only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastsumo as fs
from fastsumo.cli.race import Runner, Work

PROGRAM = """
import json, sys
import fastsumo as fs
trials, threads = int(sys.argv[1]), int(sys.argv[2])
model, estimator = fs.models.note(), fs.SUMO(fs.roulette.Harmonic())
fs.simulate(model, estimator, 100, threads=threads)
result = fs.simulate(model, estimator, trials, seed=3, threads=threads, progress=False)
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak //= 1024 if sys.platform == "darwin" else 1
print(json.dumps({"cost": result.cost, "elapsed": result.elapsed, "peak_mb": peak / 1000,
                  "variance": result.variance}))
"""
SIZES = [10**4, 10**5, 10**6, 10**7, 10**8, pytest.param(10**9, marks=pytest.mark.slow)]


def grown(trials: int, threads: int) -> dict[str, float]:
    """One run in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1])}
    command = [sys.executable, "-c", PROGRAM, str(trials), str(threads)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="no peak memory without /proc or getrusage")
@pytest.mark.parametrize("runner", ["fastsumo"])
@pytest.mark.parametrize("trials", SIZES)
def test_growth(race_of: Any, trials: int, runner: str, threads: int, quick: bool) -> None:
    if quick and trials > 10**6:
        pytest.skip("long")
    told: dict[str, float] = {}

    def make(name: str) -> Runner:
        def run(size: int) -> Work:
            told.update(grown(size, threads))
            return Work(int(told["cost"]), size)

        return Runner(run, trials, threads=threads, fixed=True)

    race_of("growth", str(trials), make, rounds=1, told=told)
    assert told["cost"] > 2 * trials
    assert told["peak_mb"] < 500
