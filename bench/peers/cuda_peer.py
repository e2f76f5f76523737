"""The CUDA C++ peer: builds ``cuda_peer.cu`` with the system's nvcc in a temporary folder and calls it. No mathematics.

It needs a GPU and nvcc; where these are missing it says so. `bench.gpu` runs it, and times its kernels alone.
"""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from bench.peers.problem import Outcome

SOURCE = Path(__file__).with_name("cuda_peer.cu")
_NO_CAP = 2**52


@cache
def library() -> ctypes.CDLL:
    """Compiled library. Raises RuntimeError with the reason where it cannot be built."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise RuntimeError("no nvcc on the path")
    folder = Path(tempfile.mkdtemp(prefix="sumo-cuda-peer-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shared = folder / "peer.so"
    command = [nvcc, "-O3", "-arch=native", "-shared", "-Xcompiler", "-fPIC", str(SOURCE), "-o", str(shared)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no message"]
        raise RuntimeError(f"nvcc cannot build the CUDA peer: {lines[-1]}")
    loaded = ctypes.CDLL(str(shared))
    doubles = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    integers = np.ctypeslib.ndpointer(np.int64, flags="C_CONTIGUOUS")
    loaded.run.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_int64, ctypes.c_int64, doubles, integers, doubles]
    return loaded


def unavailable() -> str | None:
    try:
        library()
        timed(True, 1, 1, 0)
    except (RuntimeError, OSError) as error:
        return str(error)
    return None


def timed(is_iwae: bool, n: int, size: int, seed: int) -> tuple[Outcome, float]:
    """Trials of IWAE(size), or of SUMO capped at ``size``, and the seconds that their kernel took."""
    values, terms, seconds = np.empty(n), np.full(n, size), np.empty(1)
    error = library().run(int(is_iwae), seed, n, size, values, terms, seconds)
    if error:
        raise RuntimeError(f"no GPU for the CUDA peer (CUDA error {error})")
    samples = n * size if is_iwae else int(terms.sum()) + n
    return Outcome(values, terms, samples), float(seconds[0])


def warm_up(cap: int | None, threads: int) -> None:
    trials(100, cap, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    return timed(False, n, _NO_CAP if cap is None else cap, seed)[0]


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    return timed(True, n, k, seed)[0]
