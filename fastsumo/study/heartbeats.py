"""Processes that work on the same study: signs of life, what each has claimed, and who is dead.

A process lives while its beat grows by the clock of whoever watches; nobody's time of day counts.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

from fastsumo.study.records import Run, Span
from fastsumo.study.store import Store

BEAT = 2.0  # seconds between two signs of life
_DEAD = 30.0  # seconds without one
_HERE: set[tuple[str, int]] = set()  # runs of this process that are at work: (path, run)


class Heartbeats:
    """This process and the others at the same study, as their rows show them.

    Parameters
    ----------
    store : Store
        Open for writing; all methods but `forget` write, and are called inside a transaction.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._path = store, str(store.path)
        self._own: Run | None = None
        self._seen: dict[int, tuple[int, float]] = {}  # by run: its beat, and when that was new by our clock
        self.others: list[Run] = []

    def watch(self) -> None:
        """Look again; rows of the dead are dropped, and with them what they had claimed."""
        now = time.monotonic()
        self.others = []
        for run in self._store.runs():
            if self._own is not None and run.id == self._own.id:
                continue
            beat, since = self._seen.get(run.id, (-1, now))
            if beat != run.beat:
                since = now
            self._seen[run.id] = (run.beat, since)
            if now - since > _DEAD or is_gone(run, self._path):
                self._store.drop_run(run.id)
            else:
                self.others.append(run)

    def claims(self, cell: int) -> list[Span]:
        """Spans of a cell that others are at."""
        return [span for run in self.others for span in run.claims.get(cell, [])]

    def sign(self, claims: dict[int, list[Span]]) -> None:
        """A sign of life, and what this process is at, by cell."""
        if self._own is None:
            self._own = self._store.add_run(machine_name(), os.getpid())
            _HERE.add((self._path, self._own.id))
        self._own.claims = claims
        self._own.beat += 1
        self._store.update_run(self._own)

    def leave(self) -> None:
        """Take this process's row away."""
        if self._own is not None:
            self._store.drop_run(self._own.id)

    def forget(self) -> None:
        """This process's row, where it is still there, is that of a dead one."""
        if self._own is not None:
            _HERE.discard((self._path, self._own.id))


def machine_name() -> str:
    """This machine as far as process numbers mean the same: its name, its start, its container."""
    parts = [platform.node()]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(source) if "ns" in source else Path(source).read_text().strip())
        except OSError:
            parts.append("")
    return " ".join(parts).strip()


def is_gone(run: Run, path: str) -> bool:
    """Whether the process of a run surely does not exist any more."""
    if run.machine != machine_name() or sys.platform == "win32":  # there, signal 0 would end it
        return False
    if run.pid == os.getpid():
        return (path, run.id) not in _HERE
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
