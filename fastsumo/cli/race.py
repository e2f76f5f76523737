"""Races: programs that do the same work by turns, so that ratios of their times mean something on a busy machine.

No program lives here, and nothing of pytest: `fastsumo bench` and the suites in `bench` bring the programs.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LONGEST_LAP = 1.5  # seconds; a program that needs more gets less to do
CALIBRATION = 16  # part of a lap that is run before the race, to learn how long it takes


@dataclass(frozen=True)
class Work:
    """What one lap did. ``samples`` counts importance samples, or what else the suite is about."""

    samples: int
    trials: int


@dataclass(frozen=True)
class Runner:
    """A program: ``run(size)`` does ``size`` trials, ``warm_up`` compiles what that needs."""

    run: Callable[[int], Work]
    size: int
    warm_up: Callable[[], object] = lambda: None
    threads: int = 1
    fixed: bool = False  # the size is part of the question


@dataclass(frozen=True)
class Lap:
    """Seconds of one lap by the clock, and those that this process and its children spent on a core."""

    seconds: float
    cpu_seconds: float


@dataclass
class Record:
    """The laps of one program."""

    threads: int
    work: Work = field(default_factory=lambda: Work(0, 0))
    laps: list[Lap] = field(default_factory=list)
    load: float = 0.0  # processes that wanted a core, the mean of a minute

    def ns_per_sample(self) -> float:
        """Best time of a lap per sample and thread, by the clock."""
        return min(lap.seconds for lap in self.laps) * self.threads * 1e9 / self.work.samples

    def cpu_ns_per_sample(self) -> float:
        """Least time that the cores spent on a sample: what others on the machine can do little to."""
        return min(lap.cpu_seconds for lap in self.laps) * 1e9 / self.work.samples

    def trials_per_second(self) -> float:
        return self.work.trials / min(lap.seconds for lap in self.laps)


def race(runners: Mapping[str, Runner], rounds: int) -> dict[str, Record]:
    """Warm everybody up, then let them run in turn, forwards and backwards."""
    records, sizes = {}, {}
    for name, runner in runners.items():
        runner.warm_up()
        sizes[name] = fitting_size(runner)
        records[name] = Record(runner.threads)
    for number in range(rounds):
        for name in list(runners) if number % 2 == 0 else list(runners)[::-1]:
            work, lap = timed(runners[name], sizes[name])
            records[name].work = work
            records[name].laps.append(lap)
            records[name].load = load()
    return records


def timed(runner: Runner, size: int) -> tuple[Work, Lap]:
    """One lap."""
    gc.collect()
    cpu, start = _cpu_time(), time.perf_counter()
    work = runner.run(size)
    return work, Lap(time.perf_counter() - start, _cpu_time() - cpu)


def fitting_size(runner: Runner) -> int:
    """The runner's size, halved until a lap is short enough."""
    if runner.fixed:
        return runner.size
    size, small = runner.size, max(1, runner.size // CALIBRATION)
    _, lap = timed(runner, small)
    while size > 1 and lap.seconds * size / small > LONGEST_LAP:
        size //= 2
    return size


def load() -> float:
    """The load average of the last minute; 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _cpu_time() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system
