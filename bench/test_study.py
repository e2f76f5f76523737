"""What a study costs beside its trials: the coordinator alone under 1000 workers, and chunks against one run.

`python -m bench.test_study` prints both; with ``--cost`` also what 10^12 trials take. As tests they run once, small.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastsumo as fs
from fastsumo.study.executors import Outcome, Task, run_task
from fastsumo.study.progress import Meter
from fastsumo.study.study import Study

NOTE = fs.models.note()
HARMONIC = fs.SUMO(fs.roulette.Harmonic())
WORKERS = 1000


class ReadyMade(concurrent.futures.Executor):
    """Answers at once with the statistics of one chunk, made before: all that is left is the coordinator's work."""

    _max_workers = WORKERS

    def __init__(self, chunk: int) -> None:
        estimator = '{"type": "SUMO", "roulette": {"type": "Harmonic", "cap": null}, "minimum": 1, "start": 1}'
        from fastsumo.models.serialization import recipe

        pilot = Task(0, 0, 10**12, 0, estimator, recipe(NOTE), None, 1)
        self._pilot = run_task(pilot)
        task = Task(0, 0, chunk, 0, estimator, recipe(NOTE), NOTE.log_evidence, 1)
        self._full = run_task(task)
        far = sorted(abs(x) for x in self._full_values(task))
        # After many chunks few of a chunk's trials are among the extremes: here 300, of 10 000 in the first ones.
        self._small = run_task(Task(**vars(task) | {"threshold": float(far[-300])}))
        self.chunk, self.answered, self.bytes = chunk, 0, len(self._small.packed)

    @staticmethod
    def _full_values(task: Task) -> Any:
        values, _ = fs.sample(NOTE, HARMONIC, task.stop)
        return values - NOTE.log_evidence

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> concurrent.futures.Future[Any]:
        task: Task = arguments[0]
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        if task.center is None:
            measured = {"piece": self.chunk, "trials": self.chunk, "seconds": 5.0}
            future.set_result(Outcome(task, pilot=self._pilot.pilot | measured))
        else:
            made = self._full if task.threshold < 0 else self._small
            future.set_result(Outcome(task, made.packed, 5.0, made.maker))
        self.answered += 1
        return future


def coordinator(chunks: int, cells: int, folder: Path) -> dict[str, float]:
    """Chunks a second that the coordinator stores, and the memory that it took on the way."""
    executor = ReadyMade(2**16)
    study = Study(folder / "ready.study")
    study.add(NOTE, HARMONIC, chunks // cells * executor.chunk, seeds=range(cells))
    memory = []

    class Watch(Meter):
        def show(self, *what: Any) -> None:
            memory.append(resident())

    began = time.perf_counter()
    study.run(executor, progress=Watch(WORKERS))
    took = time.perf_counter() - began
    third = len(memory) // 3
    return {
        "chunks per second": executor.answered / took,
        "kB a chunk": executor.bytes / 1e3,
        "MB at a third": max(memory[: third + 1]),
        "MB at the end": max(memory),
        "kB file": study.path.stat().st_size / 1e3,
    }


def resident() -> float:
    """Memory of this process in MB."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def overhead(trials: int, chunk_seconds: float, folder: Path, repeats: int = 3) -> dict[str, float]:
    """A study against one run of the same trials, on the same threads, in turns: the best times of some repeats.

    By the clock, and by what the cores spent: on a busy machine only the second says something.
    """
    what = fs.SUMO(fs.roulette.Harmonic(cap=10**6))
    fs.simulate(NOTE, what, 10_000)
    one, study = [], []
    for repeat in range(repeats):
        one.append(_timed(lambda: fs.simulate(NOTE, what, trials, seed=repeat, progress=False)))  # noqa: B023
        cell = Study(folder / f"{repeat}.study")
        cell.add(NOTE, what, trials, seeds=[repeat])
        study.append(_timed(lambda: cell.run(progress=False, chunk_seconds=chunk_seconds)))  # noqa: B023
    (one_wall, one_cores), (wall, cores) = (map(min, zip(*times, strict=True)) for times in (one, study))
    return {
        "one run, s": one_wall,
        "study, s": wall,
        "overhead": wall / one_wall - 1,
        "of cores": cores / one_cores - 1,
    }


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of all cores."""
    began, spent = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - spent


def test_the_coordinator_keeps_up_with_1000_workers(tmp_path: Path) -> None:
    found = coordinator(3000, 4, tmp_path)
    assert found["chunks per second"] > 100  # 500 on an idle machine, see the guide's page of studies


@pytest.mark.slow
def test_memory_does_not_grow_with_chunks(tmp_path: Path) -> None:
    found = coordinator(30_000, 4, tmp_path)
    assert found["MB at the end"] < found["MB at a third"] + 10


@pytest.mark.slow
def test_chunks_cost_little(tmp_path: Path) -> None:
    assert overhead(2**25, 2.0, tmp_path)["of cores"] < 0.25  # under 5 % at chunks of 5 seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=30_000)
    parser.add_argument("--trials", type=float, default=2.0**27)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a chunk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for cells in (1, 4):
            Path(folder, str(cells)).mkdir()
            found = coordinator(options.chunks, cells, Path(folder, str(cells)))
            print(f"coordinator, {cells} cells at a time: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()))
        found = overhead(int(options.trials), options.seconds, Path(folder))
        print("chunks: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
