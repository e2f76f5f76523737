"""A second process that compiles, while this one compiles something else: what it makes, this one reads from the cache.

Numba compiles one function at a time in a process, and LLVM only adds to that, so that a second core would have nothing
to do for as long as a first run compiles. The process is a fork of this one, which needs no start, and ends before it
is waited for, or is ended with the command that allowed it. Where there can be none, nothing else is different.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from numba.core.registry import cpu_target

from fastsumo.jit.cache import is_writable

_LONGEST = 60.0  # seconds that are waited for a process, some ten times what it takes
_GLANCE = 0.01  # seconds between two looks whether it has ended
_children: set[int] | None = None  # processes that compile; None where there may be none


@contextmanager
def two_may_compile() -> Iterator[None]:
    """There may be a second process: for a program of our own, as what a fork does to others' is not known."""
    global _children
    before, _children = _children, set()
    try:
        yield
    finally:
        for child in _children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        _children = before


def beside(done: Callable[[], bool], *jobs: Callable[[], object]) -> Callable[[], None]:
    """Have another process do what only fills the cache, if that is allowed, possible and not done; waits for it.

    Whoever has called what is returned looks into the cache, and compiles what is not there.
    """
    if _children is None or not _can_fork() or not is_writable() or done():
        return nothing
    cpu_target.target_context.refresh()  # loads half of Numba, which both need
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, from Python 3.12 on: those of BLAS, that idle
        child = os.fork()
    if child == 0:
        _do(jobs)
    _children.add(child)
    return lambda: _wait(child)


def nothing() -> None:
    """Nobody is waited for."""


def _can_fork() -> bool:
    """Whether no other thread may hold a lock, and no other process does this work already."""
    alone = threading.active_count() == 1 and multiprocessing.parent_process() is None
    return sys.platform == "linux" and alone


def _do(jobs: tuple[Callable[[], object], ...]) -> None:
    """The other process: it says nothing, and does nothing at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        for job in jobs:
            job()
    finally:
        os._exit(0)


def _wait(child: int) -> None:
    """Wait for a process, but not forever: one that hangs is ended, and all that it would do is done here."""
    if not (_children and child in _children):
        return
    end = time.monotonic() + _LONGEST
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(_GLANCE)
    _children.remove(child)
