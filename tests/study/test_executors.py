"""Executors: real pools of processes, a real Dask cluster, real MPI; and one that loses and shuffles chunks."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bits import same_bits
from steps import PLACE, after_each_store
from zoo import thinned

import fastsumo as fs
from fastsumo.errors import StudyError
from fastsumo.estimators.serialization import estimator_to_json
from fastsumo.models.serialization import recipe
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.study import executors
from fastsumo.study.executors import Outcome, Pool, Task, named, run_task
from fastsumo.study.study import Study

NOTE = fs.models.note()
CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))
QUICK: dict[str, Any] = {"progress": False, "chunk_seconds": 0.05}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.study")


def task(model: fs.Model = NOTE, center: float | None = 0.5, **changes: Any) -> Task:
    given = {"cell": 0, "first": 0, "stop": 8192, "seed": 0, "estimator": estimator_to_json(CAPPED), "threads": 1}
    return Task(recipe=recipe(model), center=center, **(given | changes))


def test_a_task_is_a_run_of_its_trials_about_the_center_it_is_given() -> None:
    for center in (0.5, NOTE.log_evidence):
        done = run_task(task(first=4096, center=center))
        assert done.error == ""
        assert len(done.packed) < 1_000_000
        merger = StatisticsMerger(center)
        merger.add_packed(done.packed)
        statistics = merger.statistics()
        alone = fs.simulate(NOTE, CAPPED, 4096, first_trial=4096)
        assert statistics.finite == 4096
        assert statistics.smallest == pytest.approx(alone.min, rel=1e-12)
        assert center + float(statistics.power_sums()[0]) / 4096 == pytest.approx(alone.mean, rel=1e-12)


def test_a_worker_compiles_a_model_once(compilations: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_task(task())  # the engine is loaded
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path / "cache"))
    shift = 0.123

    @fs.model(dim=1, params=[0.0])
    def fresh(z, params):  # type: ignore[no-untyped-def]
        return z[0] * shift + params[0]

    run_task(task(fresh))
    compiled = compilations.passes
    assert compiled > 0
    for number in range(3):
        assert run_task(task(fresh.with_params([number]), first=8192 * number, stop=8192 * (number + 1))).error == ""
    assert compilations.passes == compiled


def test_a_pilot_finds_the_center_and_the_time_of_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(*what: Any, **more: Any) -> fs.Result:
        result = fs.simulate(*what, **more)
        return dataclasses.replace(result, elapsed=0.01 + 2e-6 * result.trials)

    assert run_task(task(center=None, stop=10**7)).pilot["seconds"] > 0.0
    monkeypatch.setattr(executors, "simulate", timed)
    pilot = run_task(task(center=None, stop=10**7)).pilot
    assert pilot["center"] == NOTE.log_evidence
    assert pilot["piece"] == 4096
    assert pilot["trials"] == 65536
    assert pilot["seconds"] / pilot["trials"] == pytest.approx(2e-6, rel=0.1)
    assert pilot["provenance"]["model"] == "note"


@pytest.mark.slow
def test_what_goes_wrong_in_a_task_is_in_its_outcome() -> None:
    @fs.model(dim=1)
    def broken(z, params):  # type: ignore[no-untyped-def]
        return z[0] + float("nan")

    assert "in trial" in run_task(task(broken)).error
    assert "no 'Unknown'" in run_task(task(estimator='{"type": "Unknown"}')).error
    other = recipe(broken)._replace(python="2.7")
    assert "Python 2.7" in run_task(Task(0, 0, 10, 0, estimator_to_json(CAPPED), other, 0.0, 1)).error


def test_a_stopped_task_ends_early_and_says_so() -> None:
    class LaterSet(threading.Event):
        """Is set when it is asked for the third time, in the middle of the run."""

        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked >= 3

    stop = LaterSet()
    assert run_task(task(stop=2**40), stop).stopped


def test_what_is_no_executor() -> None:
    with pytest.raises(TypeError, match=r"concurrent\.futures\.Executor"):
        Pool(5, None, None)

    class Client:
        submit = get_executor = print

    with pytest.raises(TypeError, match=r"client\.get_executor\(\)"):
        Pool(Client(), None, None)
    with pytest.raises(ValueError, match="threads"):
        Pool(None, 0, None)
    with pytest.raises(ValueError, match="did you mean 'threads'"), named("thread"):
        pass
    with pytest.raises(ValueError, match="scheduler"), named("dask"):
        pass


class Unreliable(concurrent.futures.Executor):
    """Runs tasks in one thread, in random order; forgets some, answers some twice, and some too late."""

    _max_workers = 6

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._waiting: list[tuple[concurrent.futures.Future[Outcome], Task]] = []
        self._changed, self._closed = threading.Condition(), False
        self.most = 0
        self.threads = threading.Thread(target=self._loop, daemon=True)
        self.threads.start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        with self._changed:
            self._waiting.append((future, arguments[0]))
            self.most = max(self.most, len(self._waiting))
            self._changed.notify()
        return future

    def _loop(self) -> None:
        last: Outcome | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                future, given = self._waiting.pop(self._random.randrange(len(self._waiting)))
            chance = self._random.random() if given.attempt < 2 else 1.0  # at four losses a cell fails
            if chance < 0.03:
                future.set_exception(ConnectionError("the worker is gone"))
            elif chance < 0.05:
                future.set_exception(concurrent.futures.CancelledError())
            elif chance < 0.15 and last is not None:
                future.set_result(last)  # an answer that has been given before: this task is lost
            else:
                last = run_task(given)
                future.set_result(last)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.threads.join()


@pytest.mark.parametrize("seed", thinned(range(3), 3))
def test_lost_repeated_and_shuffled_chunks_leave_the_same_bits(study: Study, seed: int) -> None:
    study.add(NOTE, CAPPED, 300_000 + seed, seeds=range(2))
    with Unreliable(seed) as executor:
        study.run(executor, **QUICK | {"chunk_seconds": 1e-3})
    for cell in range(2):
        assert same_bits(study[cell], fs.simulate(NOTE, CAPPED, 300_000 + seed, cell))
    assert executor.most <= 2 * executor._max_workers + 6


class Losing(Unreliable):
    """Loses all chunks of seed 1."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> concurrent.futures.Future[Any]:
        self.sent = [*getattr(self, "sent", []), arguments[0]]
        return super().submit(function, *arguments, **named)

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                future, given = self._waiting.pop(0)
            if given.seed == 1:
                future.set_exception(ConnectionError("the worker is gone"))
            else:
                future.set_result(run_task(given))


def test_a_chunk_that_kills_every_worker_fails_its_cell_only(study: Study) -> None:
    study.add(NOTE, CAPPED, 50_000, seeds=range(3))
    with Losing(0) as executor, pytest.raises(StudyError, match="1 of 3 cells failed.*lost 4 times: ConnectionError"):
        study.run(executor, **QUICK)
    assert [cell.state for cell in study.status().cells] == ["done", "failed", "done"]
    assert len({repr(task) for task in executor.sent}) == len(executor.sent)  # Dask runs equal tasks once


def spawned(workers: int = 2) -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def local_model() -> fs.Model:
    """A model that no worker could import: it is made here, of a closure and a constant."""
    shift = 0.25

    @fs.model(dim=1, params=[0.5])
    def hidden(z, params):  # type: ignore[no-untyped-def]
        return params[0] * z[0] + shift

    return hidden


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spawn", "loky"])
def test_processes(study: Study, kind: str) -> None:
    if kind == "loky":
        executor: concurrent.futures.Executor = pytest.importorskip("loky").ProcessPoolExecutor(2)
    else:
        executor = spawned()
    study.add([NOTE, local_model()], CAPPED, 400_001)
    with executor:
        study.run(executor, **QUICK)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 400_001))
    assert same_bits(study[1], fs.simulate(local_model(), CAPPED, 400_001))


POOLED = """
    import sys
    import fastsumo as fs
    from fastsumo.study.executors import named
    if __name__ == "__main__":
        study = fs.Study(sys.argv[1])
        try:
            with named(sys.argv[2], 2) as executor:
                study.run(executor, progress=False, chunk_seconds=1e5)
        except KeyboardInterrupt:
            print("stopped")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("kind", ["processes", "loky"])
def test_control_c_does_not_wait_for_the_chunks_of_a_pool(study: Study, tmp_path: Path, kind: str) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(POOLED))
    study.add(NOTE, CAPPED, 10**12)
    command = [sys.executable, str(tmp_path / "script.py"), str(study.path), kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=PLACE)
    while not any(cell.state == "open" for cell in study.status().cells):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=300)  # a chunk takes a day
    assert (said, errors) == ("stopped\n", "")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_worker_of_a_pool_that_dies(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the first pool and one of the second, each as soon as the pool has stored something."""
    trials = 60_000_000
    study.add(NOTE, CAPPED, trials)
    made: list[Any] = []
    slain: list[int] = []

    def slay(stored: int) -> None:
        if len(slain) < min(len(made), 2):
            slain.append(len(made))
            os.kill(next(iter(made[-1]._processes)), signal.SIGKILL)

    def make() -> concurrent.futures.ProcessPoolExecutor:
        made.append(spawned())
        return made[-1]

    after_each_store(slay, monkeypatch)
    with make() as executor, pytest.raises(StudyError, match="executor broke.*stored"):
        study.run(executor, **QUICK)
    assert study.status().runs == ()
    assert 0 < study[0].trials < trials
    study.run(make, **QUICK)
    assert slain == [1, 2]
    assert len(made) == 3
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, trials))


SCRIPT = """
    import concurrent.futures, multiprocessing, sys
    import fastsumo as fs
    from fastsumo import Study

    SCALE = 0.5

    @fs.model(dim=1)
    def here(z, params):
        return SCALE * z[0]

    if __name__ == "__main__":
        study = Study(sys.argv[1])
        study.add(here, fs.ELBO(), 50_000)
        with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
            study.run(executor, progress=False)
        assert study[0].mean == fs.simulate(here, fs.ELBO(), 50_000).mean
        print("same")
"""

MODULE = """
    import sys
    import fastsumo as fs
    from fastsumo.study.executors import named

    if __name__ == "__main__":
        from apart.of_a_package import here
        sys.path.pop(0)  # workers do not search this folder
        study = fs.Study(sys.argv[1])
        study.add([here, "apart.of_a_package:here"], fs.ELBO(), 50_000)
        with named("processes", 2) as executor:
            study.run(executor, progress=False)
        assert study[0].mean == fs.simulate(here, fs.ELBO(), 50_000).mean
        print("same")
"""

PART = """
    import fastsumo as fs
    from apart.helpers import scaled

    @fs.model(dim=1)
    def here(z, params):
        return scaled(z[0])
"""

HELPERS = """
    from numba import njit

    @njit
    def scaled(x):
        return 0.5 * x
"""

NOTEBOOK = """
    import linecache, sys, textwrap
    source = textwrap.dedent('''
        import fastsumo as fs
        @fs.model(dim=1)
        def cell(z, params):
            return 0.5 * z[0]
    ''')
    linecache.cache["<ipython-input-1>"] = (len(source), None, source.splitlines(True), "<ipython-input-1>")
    exec(compile(source, "<ipython-input-1>", "exec"), globals())

    if __name__ == "__main__":
        from fastsumo.study.executors import named
        from fastsumo import Study
        study = Study(sys.argv[1])
        study.add(cell, fs.ELBO(), 50_000)
        with named("processes", 2) as executor:
            study.run(executor, progress=False)
        assert study[0].mean == fs.simulate(cell, fs.ELBO(), 50_000).mean
        print("same")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [SCRIPT, MODULE, NOTEBOOK],
    ids=["script", "module", "notebook"],
)
def test_users_models_reach_the_workers(study: Study, tmp_path: Path, text: str) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(text))
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "of_a_package.py").write_text(textwrap.dedent(PART))
    (tmp_path / "apart" / "helpers.py").write_text(textwrap.dedent(HELPERS))
    command = [sys.executable, str(tmp_path / "script.py"), str(study.path)]
    done = subprocess.run(command, capture_output=True, text=True, env=PLACE, timeout=300)
    assert (done.stdout, done.returncode) == ("same\n", 0), done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def dask_cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers as processes of their own, on loopback."""
    pytest.importorskip("distributed")
    address = f"tcp://127.0.0.1:{free_port()}"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path, "env": PLACE}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--no-dashboard"]
    scheduler = subprocess.Popen([*command, "--port", address.rpartition(":")[2]], **quiet)
    work = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    work += ["--host", "127.0.0.1", "--no-nanny", "--local-directory", str(tmp_path)]
    workers = [subprocess.Popen(work, **quiet) for _ in range(2)]
    yield address, workers
    for process in [*workers, scheduler]:
        process.kill()
        process.wait()


DASK = """
    import os, sys, time
    import fastsumo as fs
    from bits import same_bits
    from distributed import Client
    from fastsumo import Study
    from steps import after_each_store, chunks_of

    scale = 0.5

    @fs.model(dim=1)
    def here(z, params):
        return scale * z[0]

    def slay(stored):
        if victim and stored == 2:
            os.kill(victim, 9)

    address, path, trials, victim = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    study = Study(path)
    study.add([here, fs.models.note()], fs.SUMO(fs.roulette.Harmonic(cap=80)), trials)
    with Client(address) as client:
        client.wait_for_workers(2, timeout=300)
        after_each_store(slay)
        chunks_of(2**16)
        study.run(client.get_executor(pure=False), progress=False, chunk_seconds=1e5)
        while victim and len(client.ncores()) == 2:
            time.sleep(0.05)
        print(len(client.ncores()))
    for cell, model in enumerate([here, fs.models.note()]):
        assert same_bits(study[cell], fs.simulate(model, fs.SUMO(fs.roulette.Harmonic(cap=80)), trials))
    print("same")
"""


@pytest.mark.slow
@pytest.mark.parametrize("slain", [False, True], ids=["undisturbed", "slain"])
def test_dask(study: Study, dask_cluster: tuple[str, list[subprocess.Popen[bytes]]], slain: bool) -> None:
    """A scheduler and workers of their own, one of which may be killed in the middle: its chunks are done elsewhere."""
    address, workers = dask_cluster
    trials, victim = (2_000_000, workers[0].pid) if slain else (1_000_000, 0)
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(DASK), address, str(study.path)]
    command += [str(trials), str(victim)]
    done = subprocess.run(command, capture_output=True, text=True, env=PLACE, timeout=400)
    assert done.stdout == f"{1 if slain else 2}\nsame\n", done.stderr


MPI = """
    import sys
    import fastsumo as fs
    from bits import same_bits
    from fastsumo.study.executors import named
    from fastsumo import Study

    @fs.model(dim=1)
    def here(z, params):
        return 0.5 * z[0]

    if __name__ == "__main__":
        study = Study(sys.argv[1])
        study.add([here, fs.models.note()], fs.SUMO(fs.roulette.Harmonic(cap=80)), 300_001)
        with named("mpi") as executor:
            study.run(executor, progress=False, chunk_seconds=0.1)
        for cell, model in enumerate([here, fs.models.note()]):
            assert same_bits(study[cell], fs.simulate(model, fs.SUMO(fs.roulette.Harmonic(cap=80)), 300_001))
        print("same")
"""


def mpi(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A program on three ranks, one of which coordinates; skips where there is no MPI."""
    if shutil.which("mpiexec") is None:
        pytest.skip("there is no mpiexec")
    pytest.importorskip("mpi4py")
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    allowed |= {"OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    command = ["mpiexec", "-n", "3", sys.executable, "-m", "mpi4py.futures", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=PLACE | allowed, timeout=400)


@pytest.mark.slow
def test_mpi_in_a_script(study: Study, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(MPI))
    done = mpi(str(tmp_path / "script.py"), str(study.path))
    assert (done.stdout, done.returncode) == ("same\n", 0), done.stderr


@pytest.mark.slow
def test_mpi_on_the_command_line(study: Study, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import fastsumo as fs\n\n@fs.model(dim=1)\ndef mine(z, params):\n    return z[0]\n"
    )
    study.add([f"{tmp_path / 'mine.py'}:mine", "note"], CAPPED, 300_001)
    command = ["study", "run", str(study.path), "--executor", "mpi", "--chunk-seconds", "0.1"]
    done = mpi("-m", "fastsumo", *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done") == 2
    assert same_bits(study[1], fs.simulate(NOTE, CAPPED, 300_001))
