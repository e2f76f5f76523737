"""From a chunk of noise to the weights of its samples, one by one or by lanes.

LLVM makes SIMD of a loop over samples only if the model has no loop inside; a model that has one is compiled for
several samples at a time (`jit/lanes.py`, `lane_weights.py`), where it can be.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types

from fastsumo.engine.cpu.kernels.lane_weights import lane_extended, lane_linear
from fastsumo.jit.bits import float_bits
from fastsumo.jit.lanes import POINTS, WIDTH, points, put, take
from fastsumo.jit.memory import readonly, table_at
from fastsumo.jit.options import inlined
from fastsumo.jit.reached import nested, of_library, python_function, reached
from fastsumo.trial.lazy_sums import extended_weight, linear_weight
from fastsumo.trial.ranges import LARGEST_LINEAR, SMALLEST_LINEAR, count_outside
from fastsumo.vmath import logsumexp

_SMALLEST_LINEAR_BITS, _LARGEST_LINEAR_BITS = np.array([SMALLEST_LINEAR, LARGEST_LINEAR]).view(np.int64).tolist()


class Chunk(NamedTuple):
    """What is compiled for: sizes, and how many samples' noise is worked on at a time, a multiple of `WIDTH`."""

    dim: int
    columns: int
    params: int
    samples: int


def arguments_of(dim: int, columns: int, params: int) -> tuple[int, ...]:
    """Sizes of what a model's function is given; a row only if there are columns."""
    return (dim, columns, params) if columns else (dim, params)


def weigher(density: Any, transform: Any, chunk: Chunk, linear: bool, by_lanes: bool) -> Any:
    """``weigh_chunk(z, given, numbers, row, shift, result, power)`` for the first ``result.size`` samples of ``z``.

    ``result`` becomes weights for the linear range, and how many are outside of it is returned; or it becomes
    mantissas, and ``power`` powers. ``density`` takes points, a row of data if the model has ``columns``, and params;
    ``transform`` is a proposal's map, or None. ``z`` is noise or, if ``given``, points to take as they are, where the
    weight is the exponential of the density alone.
    """
    dim, samples, params_size = chunk.dim, chunk.samples, chunk.params
    if transform is None:

        @inlined
        def mapped(z, given, numbers, log_q):
            return z
    else:

        @inlined
        def mapped(z, given, numbers, log_q):
            if given:
                log_q[:] = 0.0
            else:
                transform(z, dim, numbers[params_size:], log_q)
            return table_at(z.ctypes.data, dim, samples)  # its owner, the noise, lives until the loop over chunks ends

    log_weight = _log_weight(density, transform is not None, chunk, by_lanes)
    if linear and by_lanes:

        @inlined
        def weigh_chunk(z, given, numbers, row, shift, weight, power):
            x, params, n = mapped(z, given, numbers, weight), numbers[:params_size], weight.size
            for i in range(0, n, WIDTH):
                put(weight.ctypes.data + 8 * i, n - i, lane_linear(log_weight(x, i, row, params, weight), shift))
            return count_outside(weight)
    elif linear:

        @inlined
        def weigh_chunk(z, given, numbers, row, shift, weight, power):
            x, params = mapped(z, given, numbers, weight), numbers[:params_size]
            smallest, largest = _LARGEST_LINEAR_BITS, _SMALLEST_LINEAR_BITS
            for i in range(weight.size):
                found = linear_weight(log_weight(x, i, row, params, weight), shift)
                smallest, largest = min(smallest, float_bits(found)), max(largest, float_bits(found))
                weight[i] = found
            return count_outside(weight) if smallest < _SMALLEST_LINEAR_BITS or largest > _LARGEST_LINEAR_BITS else 0
    elif by_lanes:

        @inlined
        def weigh_chunk(z, given, numbers, row, shift, mantissa, power):
            x, params, n = mapped(z, given, numbers, power), numbers[:params_size], power.size
            for i in range(0, n, WIDTH):
                f, e = lane_extended(log_weight(x, i, row, params, power))
                put(mantissa.ctypes.data + 8 * i, n - i, f)
                put(power.ctypes.data + 8 * i, n - i, e)
            return 0
    else:

        @inlined
        def weigh_chunk(z, given, numbers, row, shift, mantissa, power):
            x, params = mapped(z, given, numbers, power), numbers[:params_size]
            for i in range(power.size):
                mantissa[i], power[i] = extended_weight(log_weight(x, i, row, params, power))
            return 0

    return weigh_chunk


def _log_weight(density: Any, has_proposal: bool, chunk: Chunk, by_lanes: bool) -> Any:
    """``log_weight(x, i, row, params, log_q)`` of sample ``i``, or of the `WIDTH` samples from ``i`` on.

    Of these, some may be left over from before, beyond the chunk's end.
    """
    dim, stride = chunk.dim, 8 * chunk.samples
    if chunk.columns:

        @inlined
        def density_at(x, row, params):
            return density(readonly(x), readonly(row), readonly(params))
    else:

        @inlined
        def density_at(x, row, params):
            return density(readonly(x), readonly(params))

    if by_lanes and has_proposal:

        @inlined
        def log_weight(x, i, row, params, log_q):
            at = 8 * i
            return density_at(points(x.ctypes.data + at, dim, stride), row, params) - take(
                log_q.ctypes.data + at, log_q.size - i
            )
    elif by_lanes:

        @inlined
        def log_weight(x, i, row, params, log_q):
            return density_at(points(x.ctypes.data + 8 * i, dim, stride), row, params)
    elif has_proposal:

        @inlined
        def log_weight(x, i, row, params, log_q):
            return density_at(x[:, i], row, params) - log_q[i]
    else:

        @inlined
        def log_weight(x, i, row, params, log_q):
            return density_at(x[:, i], row, params)

    return log_weight


def try_lanes(density: Any, chunk: Chunk) -> None:
    """Compile a density for lanes, before all that is around it; an exception if lanes cannot do what it does."""
    density.compile((POINTS, *[types.Array(types.float64, 1, "C", readonly=True)] * (2 if chunk.columns else 1)))


def has_loop(function: Callable[..., Any]) -> bool:
    """Whether the code of a function, or of a helper that it calls, jumps back."""
    seen: set[int] = set()

    def search(each: Any) -> bool:
        if each is logsumexp:  # which is a loop wherever it is called
            return True
        plain = python_function(each)
        if id(plain) in seen or not hasattr(plain, "__code__") or of_library(each):
            return False
        seen.add(id(plain))
        jumps = (step for code in nested(plain.__code__) for step in dis.get_instructions(code))
        if any(step.opcode in (*dis.hasjrel, *dis.hasjabs) and step.argval < step.offset for step in jumps):
            return True
        return any(search(value) for _, value in reached(plain))

    return search(function)
