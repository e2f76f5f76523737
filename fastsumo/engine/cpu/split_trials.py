"""Split trials, which all threads of a run share: who does which chunk when. The arithmetic is in `kernels/split.py`.

A chunk is first weighed, by anyone, then its logs are taken, once all chunks before it are weighed. Only so many
chunks have memory at a time, so a trial of 10^9 samples needs no more than one of 10^7. Few runs meet one; where
that is not likely, what it takes is compiled by the first thread to need it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from fastsumo.engine.cpu.kernels.split import split_add, split_bases, split_logs, split_sums, split_value
from fastsumo.engine.status import EXTENDED, OK
from fastsumo.jit.options import compile_for
from fastsumo.trial import kinds
from fastsumo.trial.segments import BASE, BASE_LOW, STATE_SIZE
from fastsumo.trial.sizes import SEGMENT

if TYPE_CHECKING:
    from fastsumo.engine.cpu.kernels.scratch import Scratch
    from fastsumo.trial.params import KernelParams

SPLIT_ABOVE = 2**22  # samples; all threads work together on a trial of more
_CHUNK = 2**19  # samples, 4 MiB of lane sums


def compile_split(params: KernelParams) -> None:
    """Compile what split trials take, before there are threads and a clock."""
    compile_for(split_sums, params, 0, 0, 0, 0, 0, 0)
    compile_for(split_bases, 0, 0, 0, 0)
    compile_for(split_logs, params, 0, 0, 0, 0, 0, 0, 0, 0)
    compile_for(split_add, 0, 0, 0, 0.0)
    compile_for(split_value, params, 0, 0)


class SplitTrials:
    """The split trials of a run that are under way. Every method may be called by any thread."""

    def __init__(self, params: KernelParams, threads: int) -> None:
        self._params, self._memory = params, deque(np.empty(_CHUNK) for _ in range(2 * threads + 1))
        self._lock = threading.Lock()
        self._waiting: list[_SplitTrial] = []

    def add(self, trial: int, terms: int) -> None:
        """A trial that a block has left out."""
        with self._lock:
            self._waiting.append(_SplitTrial(self._params, trial, terms))

    @property
    def pending(self) -> list[int]:
        """Trial numbers of those that are not finished."""
        with self._lock:
            return [split.trial for split in self._waiting]

    def step(self, scratch: Scratch) -> tuple[bool, _SplitTrial | None, int]:
        """Do one piece of work if there is any: whether there was, a trial that is over, and the status.

        `EXTENDED` comes with a trial whose weights leave the linear range: one thread has to run it, from its start.
        """
        with self._lock:
            task = next((found for split in self._waiting if (found := split.task(self._memory)) is not None), None)
        if task is None:
            return False, None, OK
        split, chunk = task
        status = chunk.weigh(scratch) if not chunk.weighed else chunk.take_logs(scratch)
        with self._lock:
            if split not in self._waiting:  # given up by another thread
                return True, None, OK
            if status == EXTENDED:
                self._memory.extend(np.empty(_CHUNK) for _ in split.chunks)
                self._waiting.remove(split)
                return True, split, EXTENDED
            if status == OK and split.settle(chunk, self._memory):
                self._waiting.remove(split)
                return True, split, OK
        return True, None, status


class _SplitTrial:
    """One trial: its chunks in order, and the state after those that are settled. Guarded by `SplitTrials`' lock."""

    def __init__(self, params: KernelParams, trial: int, terms: int) -> None:
        self.params, self.trial, self.terms = params, trial, terms
        self.samples = terms + params.minimum
        self.state, self.based = np.zeros(STATE_SIZE), np.zeros(STATE_SIZE)
        self._begun = 0  # samples given to chunks
        self.chunks: deque[_Chunk] = deque()

    def task(self, memory: deque[Any]) -> tuple[_SplitTrial, _Chunk] | None:
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
        if not chunk.weighed:
            chunk.weighed = True
        else:
            chunk.done = True
        for each in self.chunks:
            if not each.weighed:
                break
            if not each.based:
                split_bases(self.based.ctypes.data, each.totals.ctypes.data, each.bases.ctypes.data, each.segments)
                each.based = True
        while self.chunks and self.chunks[0].done:
            first = self.chunks.popleft()
            split_add(self.state.ctypes.data, first.logs.ctypes.data, first.segments, float(first.alive[0]))
            memory.append(first.sums)
        return self._begun == self.samples and not self.chunks

    def value(self) -> float:
        """The trial's value, once it is finished."""
        self.state[BASE], self.state[BASE_LOW] = self.based[BASE], self.based[BASE_LOW]
        return float(split_value(self.params, self.state.ctypes.data, self.terms))


class _Chunk:
    """A stretch of a trial's samples."""

    def __init__(self, split: _SplitTrial, start: int, count: int, sums: Any) -> None:
        self.split, self.start, self.count, self.sums = split, start, count, sums
        self.segments = -(-count // SEGMENT)
        self.totals, self.logs = np.zeros(self.segments + 1), np.zeros(self.segments + 1)
        self.bases, self.alive = np.zeros(2 * self.segments + 2), np.zeros(1)
        self.weighed = self.based = self.taken = self.done = False

    def weigh(self, scratch: Scratch) -> int:
        """First pass. The status."""
        addresses = self.sums.ctypes.data, self.totals.ctypes.data
        return int(split_sums(self.split.params, scratch.address, self.split.trial, self.start, self.count, *addresses))

    def take_logs(self, scratch: Scratch) -> int:
        """Second pass. The status."""
        if self.split.params.kind != kinds.IWAE:
            arrays = (self.sums, self.bases, self.logs, self.alive)
            addresses = (array.ctypes.data for array in arrays)
            split_logs(self.split.params, scratch.address, self.start, self.count, self.split.terms, *addresses)
        return OK
