"""Processes at one study: who is dead, whose claims are done again."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bits import same_bits

import fastsumo as fs
from fastsumo.study import coordinator, heartbeats
from fastsumo.study.store import Store
from fastsumo.study.study import Study

NOTE = fs.models.note()


CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))


QUICK: dict[str, Any] = {"progress": False, "chunk_seconds": 0.02}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.study")


def test_a_clock_that_is_set_back_changes_nothing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.add(NOTE, CAPPED, 200_000)
    clock = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    study.run(threads=2, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 200_000))


def claimed(study: Study, pid: int) -> None:
    """Another process says that it is at all of cell 0."""
    with Store(study.path, write=True) as store, store.transaction():
        other = store.add_run(heartbeats.machine_name(), pid)
        other.claims = {0: [(0, 10**9)]}
        store.update_run(other)


def test_what_a_dead_process_claimed_is_done_at_once(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.add(NOTE, CAPPED, 50_000)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    claimed(study, gone.pid)
    assert study.status().runs == ()  # no process is said to be running that is not there
    looks = looks_at_others(monkeypatch)
    study.run(threads=1, **QUICK)
    assert looks
    assert not any(others for others, _ in looks)
    assert study.status().runs == ()


def test_what_a_silent_process_claimed_is_done_in_time(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.add(NOTE, CAPPED, 50_000)
    claimed(study, os.getppid())
    assert len(study.status().runs) == 1
    ticks = itertools.count(100.0, 20.0)  # of the clock that the others' signs of life are held against
    monkeypatch.setattr(heartbeats, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    monkeypatch.setattr(coordinator, "BEAT", 0.0)
    looks = looks_at_others(monkeypatch)
    study.run(threads=1, **QUICK)
    assert [others for others, _ in looks[:3]] == [1, 1, 0]  # after 0, 20 and 40 seconds of silence
    assert all(done == 0 for others, done in looks if others)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 50_000))


def looks_at_others(patch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """How many others a run saw alive each time it looked, and the trials that were done by then."""
    looks: list[tuple[int, int]] = []
    watch = heartbeats.Heartbeats.watch

    def watched(self: Any) -> None:
        watch(self)
        looks.append((len(self.others), sum(cell.trials_done for cell in self._store.cells().values())))

    patch.setattr(heartbeats.Heartbeats, "watch", watched)
    return looks
