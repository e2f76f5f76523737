"""Which bin a trial falls into: the octave of its `K`, the period of its number. In compiled code, for every engine."""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from fastsumo.jit.options import device


@device
def octave_of(terms: Any) -> Any:
    """``floor(log2(K))``, and 0 for `K` below 2."""
    octave = 0
    while terms >> (octave + 1):
        octave += 1
    return octave


@device
def period_of(trial: Any) -> Any:
    """Which stretch of trial numbers: [0], [1], [2], [3], [4, 5], [6, 7], [8, 11], [12, 15], ..."""
    if trial < uint64(2):
        return int64(trial)
    octave = 1
    while trial >> uint64(octave + 1):
        octave += 1
    return 2 * octave + int64((trial >> uint64(octave - 1)) & uint64(1))
