"""A second process that compiles: when there is one, that it is silent, and that it does not outlive who allowed it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fastsumo as fs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a second process")

ROOT = str(Path(fs.__file__).parents[1])
PRELUDE = """
import os, sys, threading, time
from pathlib import Path
import fastsumo.jit.beside as beside_module
from fastsumo.jit.beside import beside, nothing, two_may_compile
cache = Path(os.environ["FASTSUMO_CACHE_DIR"])
def job():
    print("said", flush=True)
    (cache / "done").write_text(str(os.getpid()))
def is_begun(done=False): return beside(lambda: done, job) is not nothing
"""


def _run(cache: Path, code: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FASTSUMO_CACHE_DIR": str(cache), "PYTHONPATH": ROOT}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    return found


def test_who_waits_finds_what_the_other_process_did(tmp_path: Path) -> None:
    found = _run(
        tmp_path / "cache",
        """
        with two_may_compile():
            wait = beside(lambda: False, job)
            wait()
            assert int((cache / "done").read_text()) != os.getpid()
            wait()  # nobody any more
        print("end")
        """,
    )
    assert (found.stdout, found.stderr) == ("end\n", "")


def test_when_there_is_no_other_process(tmp_path: Path) -> None:
    _run(
        tmp_path / "cache",
        """
        assert not is_begun()  # in a process of somebody else's
        with two_may_compile():
            assert not is_begun(done=True)
            release = threading.Event()
            thread = threading.Thread(target=release.wait)
            thread.start()
            assert not is_begun()  # a fork with another thread
            release.set()
            thread.join()
            os.environ["FASTSUMO_CACHE_DIR"] = str(cache / "done" / "inside a file")
            (cache / "done").write_text("")
            assert not is_begun()
            os.environ["FASTSUMO_CACHE_DIR"] = str(cache)
            assert is_begun()
        assert not is_begun()
        """,
    )


def test_it_may_fail_or_hang_and_ends_with_the_command(tmp_path: Path) -> None:
    found = _run(
        tmp_path / "cache",
        """
        def fail(): raise MemoryError
        with two_may_compile():
            beside(lambda: False, fail, job)()
            assert not (cache / "done").exists()
            beside_module._LONGEST = 0.1
            beside(lambda: False, lambda: time.sleep(1e6))()  # ends, if not by itself
            beside(lambda: False, lambda: time.sleep(1e6))
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            print("nobody")
        """,
    )
    assert (found.stdout, found.stderr) == ("nobody\n", "")


@pytest.mark.parametrize("threads", [2, 1])
@pytest.mark.slow
def test_a_first_run_gives_the_same_and_keeps_all(tmp_path: Path, threads: int) -> None:
    command = [sys.executable, "-m", "fastsumo", "run", "note", "--trials=1e6", f"--threads={threads}", "--json"]
    environment = os.environ | {"FASTSUMO_CACHE_DIR": str(tmp_path), "PYTHONPATH": ROOT}
    first, second = (
        subprocess.run(command, capture_output=True, text=True, env=environment, check=True) for _ in range(2)
    )
    assert "compiling" in first.stderr
    assert second.stderr == ""
    a, b = json.loads(first.stdout), json.loads(second.stdout)
    del a["elapsed"], b["elapsed"]
    assert a == b
    assert a["mean"] == fs.simulate("note", "sumo", 10**6).mean
