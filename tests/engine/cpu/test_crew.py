"""The threads of a run: none is left behind, progress is told, the clock does not measure the compiler."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from zoo import MODELS

import fastsumo as fs
from fastsumo.engine import crew
from fastsumo.engine.cpu.engine import OpenModel
from fastsumo.engine.cpu.workers import TallyWorker
from fastsumo.report.progress import Progress


def test_no_threads_are_left_behind():
    before = threading.active_count()
    fs.simulate(MODELS["note"], fs.ELBO(), 100_000, threads=4)
    assert threading.active_count() == before


class Recorder(Progress):
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.done: list[int] = []
        self.glances: list[dict[str, float]] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def update(self, done: int, glance: Callable[[], dict[str, float]]) -> None:
        self.done.append(done)
        self.glances.append(glance())


def test_progress_is_told_of_stages_and_trials():
    bar = Recorder()
    fs.simulate(MODELS["note"], fs.SUMO(fs.roulette.Harmonic()), 200_000, progress=bar)
    assert bar.stages == ["compiling", "running"]
    assert bar.done == sorted(bar.done)
    assert bar.done[-1] == 200_000


def test_elapsed_is_the_time_of_running():
    began = time.perf_counter()
    result = fs.simulate(MODELS["note"], fs.IWAE(100), 20_000)
    assert 0.0 < result.elapsed < time.perf_counter() - began


def test_what_is_compiled_for_a_run_is_not_in_its_time(monkeypatch: pytest.MonkeyPatch):
    late, compile_kernels = 0.0, TallyWorker.compile

    def slowly(worker: Any) -> None:
        nonlocal late
        compile_kernels(worker)
        late += 1e6  # seconds

    monkeypatch.setattr(TallyWorker, "compile", slowly)
    monkeypatch.setattr(crew, "time", SimpleNamespace(perf_counter=lambda: time.perf_counter() + late))
    assert fs.simulate(MODELS["note"], fs.ELBO(), 1000).elapsed < 1e6
    assert late == 1e6


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_compiled_midway_is_not_in_its_time(monkeypatch: pytest.MonkeyPatch, threads: int):
    late, find_trials = 0.0, OpenModel.find_trials

    def slowly(run: OpenModel) -> None:
        nonlocal late
        find_trials(run)
        if threading.current_thread() is not threading.main_thread():
            late += 1e6  # seconds

    monkeypatch.setattr(OpenModel, "find_trials", slowly)
    monkeypatch.setattr(crew, "time", SimpleNamespace(perf_counter=lambda: time.perf_counter() + late))
    assert fs.simulate(MODELS["leaps"], fs.IWAE(3), 400_000, threads=threads).elapsed < 1e6
    assert late >= 1e6
