"""The C peer: builds ``c_peer.c`` with the system's gcc in a temporary folder and calls it. No mathematics.

The code is specific to the note's problem and to gcc with libmvec; where these are missing the peer says so.
``trials`` here computes the weights p/q; ``c_log_weight.py`` goes through their logarithm, which is what a
model of fastsumo returns.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from bench.peers.problem import Outcome

SOURCE = Path(__file__).with_name("c_peer.c")
OPTIMISE = ("-O3", "-ffast-math", "-mprefer-vector-width=512", "-fno-plt")


@cache
def library(march: str = "native", log_weight: bool = False) -> ctypes.CDLL:
    """Compiled library. Raises RuntimeError with the reason where it cannot be built."""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise RuntimeError("no gcc on the path")
    folder = Path(tempfile.mkdtemp(prefix="sumo-c-peer-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    item, shared = folder / "peer.o", folder / "peer.so"
    define = ("-DLOG_WEIGHT",) if log_weight else ()
    flags = [*OPTIMISE, f"-march={march}", "-fopenmp", "-fPIC", *define]
    compiled = [gcc, *flags, "-c", str(SOURCE), "-o", str(item)]
    # Linked by itself: with -ffast-math gcc adds start-up code that makes the whole process flush denormals.
    linked = [gcc, "-shared", "-fopenmp", str(item), "-o", str(shared), "-lmvec", "-lm"]
    for command in (compiled, linked):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(f"gcc cannot build the C peer: {lines[-1]}")
    loaded = ctypes.CDLL(str(shared))
    doubles = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    integers = np.ctypeslib.ndpointer(np.int64, flags="C_CONTIGUOUS")
    loaded.sumo_trials.restype = ctypes.c_int64
    loaded.sumo_trials.argtypes = [
        *(ctypes.c_uint64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int),
        *(doubles, integers),
    ]
    loaded.iwae_trials.restype = ctypes.c_int64
    loaded.iwae_trials.argtypes = [ctypes.c_uint64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int, doubles]
    return loaded


def unavailable() -> str | None:
    if os.name != "posix":
        return "the C peer needs gcc with libmvec, on Linux"
    try:
        library()
    except (RuntimeError, OSError) as error:
        return str(error)
    return None


def run(built: ctypes.CDLL, n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    values, terms = np.empty(n), np.empty(n, np.int64)
    samples = built.sumo_trials(seed, n, 0 if cap is None else cap, threads, values, terms)
    if samples < 0:
        raise MemoryError("no memory for the C peer")
    return Outcome(values, terms, samples)


def run_iwae(built: ctypes.CDLL, n: int, k: int, seed: int, threads: int) -> Outcome:
    values = np.empty(n)
    samples = built.iwae_trials(seed, n, k, threads, values)
    if samples < 0:
        raise MemoryError("no memory for the C peer")
    return Outcome(values, np.full(n, k), samples)


def warm_up(cap: int | None, threads: int) -> None:
    trials(100, cap, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    return run(library(), n, cap, seed, threads)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    return run_iwae(library(), n, k, seed, threads)
