"""Processes that share a study, are interrupted or killed in the middle: the bits of one undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from bits import same_bits
from steps import PLACE, after_each_store, chunks_of
from zoo import breaks, slow

import fastsumo as fs
from fastsumo.errors import StudyError
from fastsumo.study.study import Study

NOTE = fs.models.note()


CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))


QUICK: dict[str, Any] = {"progress": False, "chunk_seconds": 0.02}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.study")


CHILD = """
    import sys
    import fastsumo as fs
    from steps import after_each_store, chunks_of
    from fastsumo.study import heartbeats

    path, chunk, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    heartbeats._DEAD = 1e9  # however long it is made to wait

    def told(stored):
        print("stored", flush=True)
        if stored == pause:
            sys.stdin.readline()

    study = fs.Study(path)
    after_each_store(told)
    if chunk:
        chunks_of(chunk)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        study.run(threads=2, progress=False, chunk_seconds=1e5)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
"""


class Child:
    """A process that runs the study as soon as it is told to, and waits to be told again after so many stores.

    A chunk has so many trials, whatever the machine; without, it takes a day.
    """

    def __init__(self, study: Study, chunk: int = 2**17, pause: int = 0) -> None:
        what = [textwrap.dedent(CHILD), str(study.path), str(chunk), str(pause)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", *what], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=PLACE
        )
        self.hears("ready")

    def hears(self, word: str) -> None:
        """Wait until it says so."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said == f"{word}\n", (said, self.process.communicate()[1])

    def go(self) -> None:
        """Tell it to go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[str, str, int]:
        """Its last word, its complaints and its exit code."""
        said, errors = self.process.communicate(timeout=600)
        return said.removeprefix("stored\n" * said.count("stored\n")), errors, self.process.returncode


@pytest.mark.slow
def test_two_processes_share_a_study(study: Study) -> None:
    """One is held in the middle until the other has begun, and taken something."""
    study.add(NOTE, CAPPED, 3_000_000, seeds=range(2))
    one, other = Child(study, pause=1), Child(study, pause=1)
    for child in (one, other):
        child.go()
        child.hears("stored")
    assert len(study.status().runs) == 2
    for child in (one, other):
        child.go()
    for child in (one, other):
        assert child.end() == ("", "", 0)
    assert study.status().runs == ()
    for seed in range(2):
        assert same_bits(study[seed], fs.simulate(NOTE, CAPPED, 3_000_000, seed))


@pytest.mark.slow
def test_cells_added_while_a_process_runs_are_run_too(study: Study) -> None:
    study.add(NOTE, CAPPED, 4_000_000)
    child = Child(study, pause=1)
    child.go()
    child.hears("stored")
    study.add(breaks.with_params([99.0]), CAPPED, 50_000)
    seen = [study[0].trials]  # a reader sees one moment of the file, also while it is written
    child.go()
    while child.process.poll() is None:
        seen.append(study[0].trials)
        time.sleep(0.05)
    assert child.end() == ("", "", 0)
    assert 0 < seen[0] < 4_000_000
    assert seen == sorted(seen)
    assert same_bits(study[1], fs.simulate(breaks.with_params([99.0]), CAPPED, 50_000))
    assert study[0].trials == 4_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")
@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
def test_a_study_that_is_not_there_any_more_stops(study: Study, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Else all that is still to be run would be stored where nobody finds it."""
    elsewhere = study.path.with_name("b.study")

    def take_away(stored: int) -> None:
        if stored == 2:
            study.path.rename(elsewhere)
            if what == "replaced":
                shutil.copy(elsewhere.with_name("c.study"), study.path)
            if what == "deleted":
                elsewhere.unlink()

    study.add(NOTE, CAPPED, 10**10)
    Study(elsewhere.with_name("c.study")).add(NOTE, CAPPED, 7)
    after_each_store(take_away, monkeypatch)
    chunks_of(2**17, monkeypatch)
    with pytest.raises(StudyError, match=r"a\.study was moved, deleted or replaced while it was in use"):
        study.run(threads=2, progress=False)
    if what == "moved":  # with the log that stayed where it was, nothing is lost
        elsewhere.rename(study.path)
        assert study[0].trials >= 2**17
    if what == "replaced":  # SQLite would take the log that was left for the new file's
        with pytest.raises(StudyError, match=r"a\.study-wal is not of a\.study, but the log of another study"):
            study.status()
    if what == "deleted":
        with pytest.raises(StudyError, match=r"a\.study-wal lies there, with the last trials of a study that is gone"):
            study.add(NOTE, CAPPED, 10)
        study.path.with_name("a.study-wal").unlink()
        study.add(NOTE, CAPPED, 10)
        assert [cell.target for cell in study.status().cells] == [10]


def test_control_c_keeps_finished_chunks(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(stored: int) -> None:
        if stored == 2:
            signal.raise_signal(signal.SIGINT)

    study.add(NOTE, CAPPED, 10**10)
    after_each_store(press, monkeypatch)
    chunks_of(2**17, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        study.run(threads=2, progress=False, chunk_seconds=1e5)
    finished_chunks_are_kept(study)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigint_of_a_process_keeps_finished_chunks(study: Study) -> None:
    study.add(NOTE, CAPPED, 10**10)
    child = Child(study, pause=2)
    child.go()
    for _ in range(2):
        child.hears("stored")
    child.go()
    child.process.send_signal(signal.SIGINT)
    assert child.end() == ("interrupted\n", "", 130)
    finished_chunks_are_kept(study)


def finished_chunks_are_kept(study: Study) -> None:
    kept = study[0]
    assert 0 < kept.trials < 10**10
    assert kept.interrupted
    assert study.status().runs == ()
    assert [file.name for file in study.path.parent.iterdir()] == ["a.study"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_control_c_does_not_wait_for_chunks(study: Study) -> None:
    study.add(fs.models.lognormal(1.0), fs.ELBO(), 10**13)
    child = Child(study, chunk=0)
    child.go()
    while study.status().cells[0].state == "new":
        assert child.process.poll() is None
        time.sleep(0.05)
    child.process.send_signal(signal.SIGINT)
    assert child.end() == ("interrupted\n", "", 130)
    assert study.status().cells[0].trials == 0


# Forks of a process that has all of fastsumo loaded: a run begins at once, and the blow falls anywhere in it. Each fork
# tells when it has stored something; some that they will not do more than they have to be seen doing.
KILLS = """
    import os, random, signal, sys, time
    import fastsumo as fs
    from steps import after_each_store, chunks_of

    path, kills, most = sys.argv[1], int(sys.argv[2]), 6
    chunks_of(2**12)
    random.seed(7)
    fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=80)), 1000)
    study = fs.Study(path)

    def runs_until_killed(told):
        def tell(stored):
            os.write(told, b".")
            if stored == most:
                signal.pause()

        try:
            after_each_store(tell)
            study.run(threads=2, progress=False, chunk_seconds=1e5)
        finally:
            os._exit(0)

    before = 0
    for kill in range(kills):
        heard, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            runs_until_killed(told)
        os.close(told)
        wanted = kill % 4
        for _ in range(wanted):
            assert os.read(heard, 1) == b".", "it ended before it was killed"
        time.sleep(random.uniform(0.0, 0.05))
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        os.close(heard)
        done = sum(cell.trials for cell in study.status().cells)
        assert done >= before + (wanted > 0), (done, before, wanted)
        before = done
    print(before)
    study.run(threads=2, progress=False)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("kills", "trials"), [(4, 800_000), slow(10, 4_000_000), slow(100, 40_000_000)])
def test_kill_at_random_moments_and_resume_to_the_same_bits(
    study: Study, kills: int, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork stores 6 times at most, 4 chunks of 2^12 trials each: however fast it is, enough is left for the next."""
    half = trials // 2 + 77
    chunks_of(2**12, monkeypatch)  # the file says of which size the first are
    study.add([NOTE, fs.models.gamma(0.5)], CAPPED, 5000)
    study.run(threads=1, **QUICK)
    study.extend(half)
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLS), str(study.path), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, env=PLACE)
    assert done.returncode == 0, done.stderr
    assert 10_000 < int(done.stdout) < 2 * half
    for cell, model in enumerate([NOTE, fs.models.gamma(0.5)]):
        assert same_bits(study[cell], fs.simulate(model, CAPPED, half))
