"""Fixtures of the suites: `race_of`, which runs a whole case when its first test is reached, and what the JSON says.

A race interleaves the programs of one case; each test then hands the laps of one program to pytest-benchmark.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from fastsumo.cli.race import Record, Runner, Work, race, timed

ROUNDS = 5
Make = Callable[[str], Runner | str]  # of a program's name; a string is the reason why it does not take part


class _Replay:
    """A clock that stands still, but for the laps that it is told of."""

    now = 0.0


def replayed_time() -> float:
    """What pytest-benchmark takes for the time."""
    return _Replay.now


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bench-threads", type=int, default=0, help="threads of the races (default: all that may be used)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """``--benchmark-only`` means it, though the configuration disables benchmarks; slow ones on request."""
    if config.getoption("benchmark_only", False):
        config.option.benchmark_enable = True
    if not config.option.markexpr:
        config.option.markexpr = "not slow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "race_of" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=replayed_time))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    from fastsumo.base.machine import available_threads
    from fastsumo.jit.machine import cpu_name

    machine_info["compiler_cpu"] = cpu_name()
    machine_info["cores"] = available_threads()
    machine_info["versions"] = versions()
    machine_info["bench_threads"] = config.getoption("--bench-threads")


def versions() -> dict[str, str]:
    """Of all that takes part, where it is installed."""
    found = {"Python": platform.python_version()}
    for package in ("fastsumo", "numba", "numpy", "jax", "torch"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            if package == "fastsumo":  # run from its source
                from fastsumo import __version__

                found[package] = __version__
    gcc = shutil.which("gcc")
    if gcc is not None:
        done = subprocess.run([gcc, "-dumpfullversion"], capture_output=True, text=True, check=False)
        found["gcc"] = done.stdout.strip()
    return found


@pytest.fixture(scope="session")
def threads(request: pytest.FixtureRequest) -> int:
    """How many threads the races use."""
    from fastsumo.base.machine import available_threads

    return int(request.config.getoption("--bench-threads")) or available_threads()


@pytest.fixture
def quick(benchmark: Any) -> bool:
    """Whether the suites are run as tests: once, and with very little to do."""
    return bool(benchmark.disabled)


@pytest.fixture(scope="session")
def _races() -> dict[Any, dict[str, Record | str]]:
    return {}


class Race:
    """Runs the case of a test, unless another test of the case did, and reports the laps of the test's program."""

    def __init__(self, benchmark: Any, request: pytest.FixtureRequest, races: dict[Any, Any]) -> None:
        self._benchmark, self._request, self._races = benchmark, request, races

    def __call__(
        self, suite: str, case: str, make: Make, *, title: str = "", rounds: int = ROUNDS, **extra: Any
    ) -> Work:
        """What the program of this test did in a lap. ``make(name)`` gives the program of a name."""
        name = self._request.node.callspec.params["runner"]
        if self._benchmark.disabled:
            runner = _or_skip(make(name))
            return self._benchmark.pedantic(timed, args=(runner, runner.size))[0]
        key = (self._request.node.path, suite, case)
        if key not in self._races:
            self._races[key] = _run(self._competitors(), make, rounds)
        record = _or_skip(self._races[key][name])
        self._replay(record)
        self._benchmark.group = f"{suite}: {case}"
        self._benchmark.extra_info.update(
            suite=suite,
            case=case,
            runner=name,
            title=title or name,
            threads=record.threads,
            samples=record.work.samples,
            trials=record.work.trials,
            cost=record.work.samples / record.work.trials,
            ns_per_sample=record.ns_per_sample(),
            cpu_ns_per_sample=record.cpu_ns_per_sample(),
            trials_per_second=record.trials_per_second(),
            load=record.load,
            **extra,
        )
        return record.work

    def _competitors(self) -> list[str]:
        """Programs of the selected tests that differ from this one in the program only."""
        own = self._request.node
        others = {k: v for k, v in own.callspec.params.items() if k != "runner"}
        return [
            item.callspec.params["runner"]
            for item in self._request.session.items
            if item.path == own.path
            and getattr(item, "originalname", "") == own.originalname
            and {k: v for k, v in item.callspec.params.items() if k != "runner"} == others
        ]

    def _replay(self, record: Record) -> None:
        laps = iter(record.laps)

        def lap() -> None:
            _Replay.now += next(laps).seconds

        self._benchmark.pedantic(lap, rounds=len(record.laps))


@pytest.fixture
def race_of(benchmark: Any, request: pytest.FixtureRequest, _races: dict[Any, Any]) -> Race:
    return Race(benchmark, request, _races)


def _run(names: list[str], make: Make, rounds: int) -> dict[str, Record | str]:
    made = {name: make(name) for name in names}
    reasons = {name: runner for name, runner in made.items() if isinstance(runner, str)}
    runners = {name: runner for name, runner in made.items() if isinstance(runner, Runner)}
    return {**reasons, **race(runners, rounds)}


def _or_skip(found: Any) -> Any:
    if isinstance(found, str):
        pytest.skip(found)
    return found
