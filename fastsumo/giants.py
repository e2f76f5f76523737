"""Giant trials, shared by all threads of a run: who does which chunk when. The arithmetic is in `kernels/giant.py`.

A chunk is first weighed, by anyone, then its logs are taken, once all chunks before it are weighed. Only so many
chunks have memory at a time, so a trial of 10^9 samples needs no more than one of 10^7. Few runs meet a giant; where
that is not likely, what it takes is compiled by the first thread to need it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastsumo.kernels.job import Job, Work

GIANT = 2**22  # samples of a trial from which on all threads work on it together
NO_GIANT = 2**62
_CHUNK = 2**19  # samples, 4 MiB of lane sums


class Giants:
    """The giant trials of a run that are under way. Every method may be called by any thread."""

    def __init__(self, job: Job, threads: int) -> None:
        self._job, self._memory = job, deque(np.empty(_CHUNK) for _ in range(2 * threads + 1))
        self._lock = threading.Lock()
        self._waiting: list[_Giant] = []

    def compile(self, work: Work) -> None:
        """Compile what giants take, before there are threads and a clock."""
        from fastsumo.kernels import giant
        from fastsumo.kernels._jit import compile_for

        compile_for(giant.giant_sums, self._job, work.address, 0, 0, 0, 0, 0)
        compile_for(giant.giant_bases, 0, 0, 0, 0)
        compile_for(giant.giant_logs, self._job, work.address, 0, 0, 0, 0, 0, 0, 0)
        compile_for(giant.giant_add, 0, 0, 0, 0.0)
        compile_for(giant.giant_value, self._job, 0, 0)

    def add(self, trial: int, terms: int) -> None:
        """A giant that a block has left out."""
        with self._lock:
            self._waiting.append(_Giant(self._job, trial, terms))

    @property
    def pending(self) -> list[int]:
        """Trial numbers of giants that are not finished."""
        with self._lock:
            return [giant.trial for giant in self._waiting]

    def step(self, work: Work) -> tuple[bool, _Giant | None, int]:
        """Do one piece of work if there is any: whether there was, a giant that is over, and the status.

        `WIDE` comes with a giant whose weights are not plain numbers: it is no longer one, and for one thread to do.
        """
        from fastsumo.kernels.job import OK, WIDE

        with self._lock:
            task = next((found for giant in self._waiting if (found := giant.task(self._memory)) is not None), None)
        if task is None:
            return False, None, OK
        giant, chunk = task
        status = chunk.weigh(work) if not chunk.weighed else chunk.take_logs(work)
        with self._lock:
            if giant not in self._waiting:  # given up by another thread
                return True, None, OK
            if status == WIDE:
                self._memory.extend(np.empty(_CHUNK) for _ in giant.chunks)
                self._waiting.remove(giant)
                return True, giant, WIDE
            if status == OK and giant.settle(chunk, self._memory):
                self._waiting.remove(giant)
                return True, giant, OK
        return True, None, status


class _Giant:
    """One trial: its chunks in order, and the state after those that are settled. Guarded by `Giants`' lock."""

    def __init__(self, job: Job, trial: int, terms: int) -> None:
        from fastsumo.kernels.long import STATE_SIZE

        self.job, self.trial, self.terms = job, trial, terms
        self.samples = terms + job.minimum
        self.state, self.based = np.zeros(STATE_SIZE), np.zeros(STATE_SIZE)
        self._begun = 0  # samples given to chunks
        self.chunks: deque[_Chunk] = deque()

    def task(self, memory: deque[Any]) -> tuple[_Giant, _Chunk] | None:
        """A chunk to take the logs of, or else one to weigh."""
        for chunk in self.chunks:
            if chunk.based and not chunk.taken:
                chunk.taken = True
                return self, chunk
        if self._begun < self.samples and memory:
            chunk = _Chunk(self, self._begun, min(_CHUNK, self.samples - self._begun), memory.popleft())
            self._begun += chunk.count
            self.chunks.append(chunk)
            return self, chunk
        return None

    def settle(self, chunk: _Chunk, memory: deque[Any]) -> bool:
        """Note what became of a chunk; whether the trial is finished."""
        from fastsumo.kernels.giant import giant_add, giant_bases

        if not chunk.weighed:
            chunk.weighed = True
        else:
            chunk.done = True
        for each in self.chunks:
            if not each.weighed:
                break
            if not each.based:
                giant_bases(self.based.ctypes.data, each.totals.ctypes.data, each.bases.ctypes.data, each.segments)
                each.based = True
        while self.chunks and self.chunks[0].done:
            first = self.chunks.popleft()
            giant_add(self.state.ctypes.data, first.logs.ctypes.data, first.segments, float(first.alive[0]))
            memory.append(first.sums)
        return self._begun == self.samples and not self.chunks

    def value(self) -> float:
        """The trial's value, once it is finished."""
        from fastsumo.kernels.giant import giant_value
        from fastsumo.kernels.long import BASE, BASE_LOW

        self.state[BASE], self.state[BASE_LOW] = self.based[BASE], self.based[BASE_LOW]
        return float(giant_value(self.job, self.state.ctypes.data, self.terms))


class _Chunk:
    """A stretch of a giant's samples."""

    def __init__(self, giant: _Giant, start: int, count: int, sums: Any) -> None:
        from fastsumo.kernels.job import SEGMENT

        self.giant, self.start, self.count, self.sums = giant, start, count, sums
        self.segments = -(-count // SEGMENT)
        self.totals, self.logs = np.zeros(self.segments + 1), np.zeros(self.segments + 1)
        self.bases, self.alive = np.zeros(2 * self.segments + 2), np.zeros(1)
        self.weighed = self.based = self.taken = self.done = False

    def weigh(self, work: Work) -> int:
        """First pass. The status."""
        from fastsumo.kernels.giant import giant_sums

        addresses = self.sums.ctypes.data, self.totals.ctypes.data
        return int(giant_sums(self.giant.job, work.address, self.giant.trial, self.start, self.count, *addresses))

    def take_logs(self, work: Work) -> int:
        """Second pass. The status."""
        from fastsumo.estimators import LAST
        from fastsumo.kernels.giant import giant_logs
        from fastsumo.kernels.job import OK

        if self.giant.job.kind != LAST:
            arrays = (self.sums, self.bases, self.logs, self.alive)
            addresses = (array.ctypes.data for array in arrays)
            giant_logs(self.giant.job, work.address, self.start, self.count, self.giant.terms, *addresses)
        return OK
