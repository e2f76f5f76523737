"""Start-up in fresh processes: imports, the first result with a warm cache and with a cold one.

Every process has a cache folder of its own in a temporary folder. A lap is the life of one process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastsumo as fs
from fastsumo.cli.race import Runner, Work

FIRST = "import fastsumo as fs; fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), 1000)"
USER = """
import fastsumo as fs
@fs.model(dim=2, params=[0.7])
def two_scales(z, params):
    return params[0] * z[0] - params[0] * params[0] * z[1] * z[1]
fs.simulate(two_scales, fs.SUMO(fs.roulette.Harmonic(cap=80)), 1000)
"""
PROGRAMS = {
    "python": "pass",
    "import numpy": "import numpy",
    "import numba": "import numba",
    "import fastsumo": "import fastsumo",
    "first result, built-in model": FIRST,
    "first result, user's model": USER,
}


def process(code: str, cache: Path, folder: Path) -> None:
    """Run a script in a new process."""
    script = folder / "program.py"
    script.write_text(code, encoding="utf-8")
    root = str(Path(fs.__file__).parents[1])
    environment = os.environ | {"FASTSUMO_CACHE_DIR": str(cache), "PYTHONPATH": root}
    subprocess.run([sys.executable, str(script)], env=environment, check=True, capture_output=True)


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warm")


@pytest.mark.parametrize("runner", PROGRAMS)
def test_startup(race_of: Any, warm_cache: Path, tmp_path: Path, runner: str, quick: bool) -> None:
    if quick and "result" in runner:
        pytest.skip("compiles for long; tests/jit/test_cache.py counts compilations")

    def make(name: str) -> Runner:
        def run(size: int) -> Work:
            process(PROGRAMS[name], warm_cache, tmp_path)
            return Work(1, 1)

        return Runner(run, 1, lambda: run(1), fixed=True)

    assert race_of("start-up", "warm", make, rounds=3).trials == 1


@pytest.mark.parametrize("runner", ["everything", "a user's model"])
def test_cold(race_of: Any, tmp_path: Path, runner: str, quick: bool) -> None:
    """``everything`` is the first run after installation; a later model is compiled beside a warm engine."""
    if quick:
        pytest.skip("compiles for long; tests/jit/test_cache.py counts compilations")

    def make(name: str) -> Runner:
        cache = tmp_path / name

        def run(size: int) -> Work:
            process(FIRST if name == "everything" else USER, cache, tmp_path)
            return Work(1, 1)

        def warm_up() -> None:
            if name != "everything":
                process(FIRST, cache, tmp_path)

        return Runner(run, 1, warm_up, fixed=True)

    assert race_of("start-up", "cold", make, rounds=1).trials == 1


def _short_run(model: fs.Model, trials: int) -> fs.Result:
    return fs.simulate(model, fs.SUMO(fs.roulette.Harmonic(cap=80)), trials)


@pytest.mark.parametrize("trials", [100, 10_000])
def test_a_short_run(benchmark: Any, trials: int) -> None:
    """A compiled model again: what a run takes beside its trials."""
    model = fs.models.note()
    _short_run(model, trials)
    assert benchmark(_short_run, model, trials).trials == trials


def test_a_thousand_models(benchmark: Any, quick: bool) -> None:
    """A thousand parameters of one function, a hundred trials of each."""
    models = [fs.models.lognormal(0.1 + i / 1000.0) for i in range(10 if quick else 1000)]
    _short_run(models[0], 100)
    benchmark.pedantic(lambda: [_short_run(model, 100) for model in models], rounds=1 if quick else 3)
