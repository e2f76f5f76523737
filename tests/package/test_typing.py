"""What a person who checks types sees of the public interface: `mypy --strict` on a script that uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastsumo as fs

SCRIPT = """\
import math
from typing import Any

import numpy as np
import fastsumo as fs
from fastsumo.vmath import exp, log


@fs.model(dim=2, params=[0.7], log_evidence=math.log(2.0))
def two_scales(z: Any, params: Any) -> Any:
    return log(0.5 * exp(params[0] * z[0]) + 0.5 * exp(2.0 * params[0] * z[1]))


def log_density(x: Any, params: Any) -> float:
    return -0.5 * float(x[0] ** 2)


model: fs.Model = fs.importance(log_density, fs.proposals.Gaussian([0.0], 2.0))
law: fs.roulette.Roulette = fs.roulette.Harmonic(cap=80)
estimator = fs.SUMO(law)
result: fs.Result = fs.simulate(two_scales, estimator, trials=10_000, seed=0, threads=1, progress=False)
numbers: tuple[float, float, int] = (result.mean, result.std_error, result.trials)
low: float = result.interval(0.95).low
index: float = result.tail_index().estimate
result.merge(result).save("x.npz")
again: fs.Result = fs.load("x.npz")
values, terms = fs.sample(model, fs.IWAE(5), 100)
total: float = float(np.sum(values)) + int(terms[0])
one: fs.Trial = fs.replay(model, fs.MLMC(), 3)
print(one.value, one.iwae[:3])
found = fs.compare(fs.models.note(), [fs.ELBO(), fs.JVI(10), fs.SingleTerm(law)], cost=1e5)
bias: float = found[0].bias
measured = fs.levels(fs.models.gamma(1.5), max_terms=63, samples=100)
alpha: float = measured.alpha.value
prediction: fs.theory.Prediction = fs.theory.predict(model, estimator)
variance: float = prediction.variance.value
tuned: fs.Tuned = fs.tune(model)
outside = fs.sumo(np.zeros((3, 100)), roulette=law)
axes = fs.plot.tail(result)
print(fs.tails.tail_index(np.array([1.0, 2.0])).estimate, axes, outside)
"""
WRONG = """\
import fastsumo as fs

fs.simulate(fs.models.note(), 3, trials=10)
found: str = fs.simulate(fs.models.note(), fs.ELBO(), trials=10).mean
fs.roulette.Harmonic(caps=80)
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says of each script, the package's own files left out."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "right.py").write_text(SCRIPT)
    (folder / "wrong.py").write_text(WRONG)
    root = Path(fs.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file="]
    environment = os.environ | ({} if "site-packages" in str(root) else {"MYPYPATH": str(root)})
    done = subprocess.run(
        [*command, "--cache-dir", str(folder / "cache"), "right.py", "wrong.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stderr == ""
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    return {name: [line for line in found if line.startswith(f"{name}.py:")] for name in ("right", "wrong")}


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(fs.__file__).parent / "py.typed").is_file()


@pytest.mark.slow
def test_a_script_is_strictly_right(complaints: dict[str, list[str]]) -> None:
    assert complaints["right"] == []


@pytest.mark.slow
def test_mistakes_are_found(complaints: dict[str, list[str]]) -> None:
    """So that the check above is no check of nothing."""
    assert [line.split(":")[1] for line in complaints["wrong"]] == ["3", "4", "5"]
