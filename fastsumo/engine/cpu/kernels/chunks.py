"""From a chunk of noise to the weights of its samples, one by one or by lanes.

LLVM makes SIMD of a loop over samples only if the model has no loop inside; a model that has one is compiled for
several samples at a time (`jit/lanes.py`, `lane_weights.py`), where it can be.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types

from fastsumo.engine.cpu.kernels.lane_weights import lane_extended, lane_linear
from fastsumo.engine.shapes import Shape
from fastsumo.jit.bits import fabs, float_bits
from fastsumo.jit.lanes import POINTS, WIDTH, points, put, take
from fastsumo.jit.lowering import RAISED
from fastsumo.jit.memory import copied, floats, strided, table_at
from fastsumo.jit.options import allocating, inlined
from fastsumo.jit.reached import nested, of_library, python_function, reached
from fastsumo.models import transforms
from fastsumo.trial.lazy_sums import extended_weight, linear_weight
from fastsumo.trial.ranges import LARGEST_LINEAR, LARGEST_SHIFT, SMALLEST_LINEAR, count_outside
from fastsumo.vmath import logsumexp

_BUFFER = 4096  # float64 numbers of noise worked on at a time: 32 KiB, a first-level cache
_MOST, _FEWEST = 1024, 64  # samples that they are for
WEIGHED, FAILED, OUTSIDE = 0, RAISED, 2  # what a model's function returns; OUTSIDE: not all are in the linear range
_point = strided(types.Array(types.float64, 1, "A", readonly=True))
_SMALLEST_LINEAR_BITS, _LARGEST_LINEAR_BITS = np.array([SMALLEST_LINEAR, LARGEST_LINEAR]).view(np.int64).tolist()


def chunk_of(shape: Shape) -> int:
    """How many samples' noise is worked on at a time, a multiple of `WIDTH`."""
    return max(_FEWEST, min(_MOST, _BUFFER // shape.noise_dim)) // WIDTH * WIDTH


def arguments_of(dim: int, columns: int, params: int) -> tuple[int, ...]:
    """Sizes of what a model's function is given; a row only if there are columns."""
    return (dim, columns, params) if columns else (dim, params)


def weigher(density: Any, shape: Shape, linear: bool, by_lanes: bool) -> Any:
    """The function to compile for a model: for its arguments see `weights._WEIGHTS`.

    ``density`` takes points, a row of data if there are columns, and params. All else is the same for all models of a
    shape, and compiled once for them.
    """
    step, stride = WIDTH if by_lanes else 1, 8 * chunk_of(shape)
    params_of, row_of = copied(shape.params), copied(shape.columns)
    begin = _mapping(shape) if shape.transform else _nothing
    arguments = arguments_at(shape.dim, shape.columns, by_lanes)
    start, weigh, end = _weighing(bool(shape.transform), linear, by_lanes)

    def weights(noise_at, n, given, numbers_at, row_at, shift, result_at, power_at):
        if linear and not fabs(shift) < LARGEST_SHIFT:
            return OUTSIDE
        params, row = params_of(numbers_at), row_of(row_at)
        begin(noise_at, n, given, numbers_at, result_at if linear else power_at)
        seen = start
        for k in range((n + (step - 1)) // step):
            log_weight = density(*arguments(noise_at, step * k, stride, row, params))
            seen = weigh(seen, log_weight, shift, step * k, n, result_at, power_at)
        return end(seen, n, result_at)

    weights.__name__ = "linear_weights" if linear else "extended_weights"  # what it is cached under
    return weights


@inlined
def _nothing(noise_at, n, given, numbers_at, log_q_at):
    """Points are the noise."""


@cache
def _mapping(shape: Shape) -> Any:
    """``begin(noise_at, n, given, numbers_at, log_q_at)``: a proposal's map, in place, and the points' log densities.

    They are 0 where points are ``given``, to be taken as they are.
    """
    dim, noise_dim, params, samples = shape.dim, shape.noise_dim, shape.params, chunk_of(shape)
    size, rows = shape.numbers - params, transforms.rows_of(shape.transform, dim, noise_dim)
    mapped = getattr(transforms, shape.transform)

    if rows == noise_dim:

        @inlined
        def map_noise(noise, numbers, log_q):
            mapped(noise, dim, numbers, log_q)
    else:

        @allocating
        def map_noise(noise, numbers, log_q):
            table = np.empty((rows, samples))
            table[:noise_dim] = noise
            mapped(table, dim, numbers, log_q)
            noise[:dim] = table[:dim]

    @inlined
    def begin(noise_at, n, given, numbers_at, log_q_at):
        log_q = floats(log_q_at, n)
        if given:
            log_q[:] = 0.0
        else:
            map_noise(table_at(noise_at, noise_dim, samples), floats(numbers_at + 8 * params, size), log_q)

    return begin


@cache
def arguments_at(dim: int, columns: int, by_lanes: bool) -> Any:
    """``arguments(x_at, i, stride, row, params)`` of a density for sample ``i``, or for `WIDTH` samples from it on.

    Of these, some may be left over from before, beyond the chunk's end. Rows of ``x`` are ``stride`` bytes apart.
    """
    point = points if by_lanes else _point
    if columns:
        return inlined(lambda x_at, i, stride, row, params: (point(x_at, i, dim, stride), row, params))
    return inlined(lambda x_at, i, stride, row, params: (point(x_at, i, dim, stride), params))


@cache
def _weighing(has_proposal: bool, linear: bool, by_lanes: bool) -> Any:
    """What is done with log weights: ``start``, ``weigh(seen, log_weight, shift, i, n, result_at, power_at)``, ``end``.

    ``result`` becomes weights for the linear range, or mantissas, and ``power`` powers; before, one of them holds the
    log densities of a proposal. ``end(seen, n, result_at)`` is what is returned.
    """
    if by_lanes and has_proposal:

        @inlined
        def relative(log_weight, log_q_at, i, n):
            return log_weight - take(log_q_at + 8 * i, n - i)
    elif has_proposal:

        @inlined
        def relative(log_weight, log_q_at, i, n):
            return log_weight - floats(log_q_at, n)[i]
    else:

        @inlined
        def relative(log_weight, log_q_at, i, n):
            return log_weight

    start: Any = 0
    if linear and by_lanes:

        @inlined
        def weigh(seen, log_weight, shift, i, n, result_at, power_at):
            put(result_at + 8 * i, n - i, lane_linear(relative(log_weight, result_at, i, n), shift))
            return seen

        @inlined
        def end(seen, n, result_at):
            return OUTSIDE if count_outside(floats(result_at, n)) else WEIGHED
    elif linear:
        start = _LARGEST_LINEAR_BITS, _SMALLEST_LINEAR_BITS  # smallest and largest weight so far

        @inlined
        def weigh(seen, log_weight, shift, i, n, result_at, power_at):
            found = linear_weight(relative(log_weight, result_at, i, n), shift)
            floats(result_at, n)[i] = found
            return min(seen[0], float_bits(found)), max(seen[1], float_bits(found))

        @inlined
        def end(seen, n, result_at):
            are = seen[0] >= _SMALLEST_LINEAR_BITS and seen[1] <= _LARGEST_LINEAR_BITS
            return WEIGHED if are or count_outside(floats(result_at, n)) == 0 else OUTSIDE
    elif by_lanes:

        @inlined
        def weigh(seen, log_weight, shift, i, n, result_at, power_at):
            mantissa, power = lane_extended(relative(log_weight, power_at, i, n))
            put(result_at + 8 * i, n - i, mantissa)
            put(power_at + 8 * i, n - i, power)
            return seen

        @inlined
        def end(seen, n, result_at):
            return WEIGHED
    else:

        @inlined
        def weigh(seen, log_weight, shift, i, n, result_at, power_at):
            found = extended_weight(relative(log_weight, power_at, i, n))
            floats(result_at, n)[i], floats(power_at, n)[i] = found
            return seen

        @inlined
        def end(seen, n, result_at):
            return WEIGHED

    return start, weigh, end


def try_lanes(density: Any, shape: Shape) -> None:
    """Compile a density for lanes, before all that is around it; an exception if lanes cannot do what it does."""
    density.compile((POINTS, *[types.Array(types.float64, 1, "C", readonly=True)] * (2 if shape.columns else 1)))


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
