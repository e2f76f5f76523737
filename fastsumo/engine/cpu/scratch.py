"""The scratch memory of one worker, laid out by hand: kernels get its address."""

from __future__ import annotations

import numpy as np

from fastsumo.trial import kinds
from fastsumo.trial.params import KernelParams
from fastsumo.trial.sizes import LANES, SHORT, TILE

BUFFER = 2048  # log weights asked for in one call

_ROW = 8 * (TILE + 2 * LANES)  # bytes of one array of scratch memory; no multiple of 4096, which caches dislike
(
    TERMS,  # int64: K of a tile's trials, by trial
    TRIAL,  # uint64: trial numbers, in the order they are worked on; the next five are in that order too
    ORDERED_TERMS,  # int64
    VALUES,
    TOTAL,  # sums of weights: mantissas ...
    EXPONENT,  # ... and exponents of 2
    PRODUCT,  # products of prefix means, or sums of weighted logs
    EXPONENTS,  # sums of exponents
    TRIALS,  # uint64: a buffer of (trial, sample) pairs ...
    SAMPLES,  # uint64
    MANTISSA,  # ... their weights mantissa * 2**power ...
    POWER,
    WEIGHT,  # ... and as plain numbers, relative to 2**shift
    OFFSET,
    PREFIX_SUM,
    PIECES,  # int64, four to a piece: what the buffer holds
    PLACES,  # int64: where trials of each K go
    SUMS,  # partial sums of a tile
    STATE,  # of a long trial
    REPORT,  # int64: trial of an error, stop flag
    STORE,  # mantissas and then powers of a long trial of the jackknife; as much room as that needs
) = (row * _ROW for row in range(21))
_ROWS = 20
_ALIGNMENT = 64  # bytes: a vector that lies across two cache lines costs two accesses


class Scratch:
    """Scratch memory of one worker."""

    def __init__(self, params: KernelParams | None = None) -> None:
        stored = params.cap if params is not None and params.kind == kinds.JVI and params.cap > SHORT else 0
        self._memory = np.zeros(_ROWS * _ROW // 8 + 2 * stored + _ALIGNMENT // 8)
        unaligned = -self._memory.ctypes.data % _ALIGNMENT
        self._memory = self._memory[unaligned // 8 :]
        self.address = self._memory.ctypes.data
        self.report = self._memory[REPORT // 8 :][:2].view(np.int64)

    def stop(self) -> None:
        """Ask the kernel that uses this memory to end early."""
        self.report[1] = 1
