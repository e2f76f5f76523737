"""Log weights of the first samples of trials, for `Engine.increments`."""

from typing import Any

import numpy as np
from numba import int64, types, uint64

from fastsumo.engine.cuda.kernels.record import Kind, reader
from fastsumo.engine.cuda.kernels.weight import pair_on_card, weight_of
from fastsumo.engine.shapes import Shape
from fastsumo.jit.memory import floats
from fastsumo.trial.ranges import is_linear
from fastsumo.vmath import _log_of

SIGNATURE = types.void(
    types.int64,  # address of the params
    types.uint64,  # first trial
    types.int64,  # how many
    types.int64,  # samples of each
    types.int64,  # address of the log weights, a row for each trial
)


def log_weights_kernel(function: Any, shape: Shape, kind: Kind, cuda: Any, pair: Any = pair_on_card) -> Any:
    """The kernel. What is outside the linear range, or where the model raises, is left as it was."""
    read, weight = reader(kind), weight_of(function, shape, cuda, pair)

    def log_weights(params_at, first, count, n, out_at):
        params = read(params_at)
        step = int64(cuda.gridDim.x) * int64(cuda.blockDim.x)
        begin = int64(cuda.blockIdx.x) * int64(cuda.blockDim.x) + int64(cuda.threadIdx.x)
        out = floats(out_at, count * n)
        for i in range(begin, count * n, step):
            w = weight(params, first + uint64(i // n), uint64(i % n))
            if is_linear(w):
                out[i] = _log_of(w, params.shift) if w > 0.0 else -np.inf

    return log_weights
