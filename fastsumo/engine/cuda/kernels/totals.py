"""The copies of a tally added into the first, which are then empty."""

from typing import Any

from numba import int64, types

from fastsumo.engine.cuda.kernels.sizes import TALLY_BYTES
from fastsumo.jit.memory import ints
from fastsumo.statistics.tally import COUNTERS_AT, HISTOGRAM_AT, LIMITS_AT, OVERFLOWED, PERIOD_LARGEST_AT, ZERO_WEIGHT

SIGNATURE = types.void(types.int64, types.int64)  # address of the copies of the tally, how many
_WORDS = TALLY_BYTES // 8
_LARGEST, _HISTOGRAM, _LIMITS, _COUNTERS = PERIOD_LARGEST_AT // 8, HISTOGRAM_AT // 8, LIMITS_AT // 8, COUNTERS_AT // 8


def totals_kernel(cuda: Any) -> Any:
    """The kernel, with a thread for some numbers of a tally each."""

    def add_copies(tally, copies):
        step = int64(cuda.gridDim.x) * int64(cuda.blockDim.x)
        begin = int64(cuda.blockIdx.x) * int64(cuda.blockDim.x) + int64(cuda.threadIdx.x)
        for i in range(begin, _WORDS, step):
            counted = i == _COUNTERS + ZERO_WEIGHT or i == _COUNTERS + OVERFLOWED
            if i < _LARGEST or (i >= _HISTOGRAM and i < _LIMITS) or counted:
                total = int64(0)
                for c in range(copies):
                    copy = ints(tally + c * TALLY_BYTES, _WORDS)
                    total += copy[i]
                    copy[i] = 0
                ints(tally, _WORDS)[i] = total

    return add_copies
