"""From a chunk of noise to the log weights of its samples, one by one or by lanes.

LLVM makes SIMD of a loop over samples only if the model has no loop inside; a model that has one is compiled for
several samples at a time (`jit/lanes.py`, `log_weights.py`), where it can be. Weights are another loop
(`exponentials.py`): a CPU has the more of short steps under way at a time.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types

from fastsumo.engine.cpu.kernels.log_weights import write, write_lanes
from fastsumo.engine.shapes import Shape
from fastsumo.jit.lanes import POINTS, WIDTH, points, take
from fastsumo.jit.lowering import RAISED
from fastsumo.jit.memory import copied, floats, strided, table_at
from fastsumo.jit.options import allocating, inlined
from fastsumo.jit.reached import nested, of_library, python_function, reached
from fastsumo.models import transforms
from fastsumo.vmath import logsumexp

_BUFFER = 4096  # float64 numbers of noise worked on at a time: 32 KiB, a first-level cache
_MOST, _FEWEST = 1024, 64  # samples that they are for
FAILED = RAISED  # what a model's function returns in place of how many terms log weights have
_point = strided(types.Array(types.float64, 1, "A", readonly=True))


def chunk_of(shape: Shape) -> int:
    """How many samples' noise is worked on at a time, a multiple of `WIDTH`."""
    return max(_FEWEST, min(_MOST, _BUFFER // shape.noise_dim)) // WIDTH * WIDTH


def arguments_of(dim: int, columns: int, params: int) -> tuple[int, ...]:
    """Sizes of what a model's function is given; a row only if there are columns."""
    return (dim, columns, params) if columns else (dim, params)


def log_weigher(density: Any, shape: Shape, by_lanes: bool) -> Any:
    """The function to compile for a model: for its arguments see `weights._LOG_WEIGHTS`.

    ``density`` takes points, a row of data if there are columns, and params. All else is the same for all models of a
    shape, and compiled once for them.
    """
    step, stride = WIDTH if by_lanes else 1, 8 * chunk_of(shape)
    params_of, row_of = copied(shape.params), copied(shape.columns)
    begin = _mapping(shape) if shape.transform else _nothing
    arguments = arguments_at(shape.dim, shape.columns, by_lanes)
    relative, put = _relative(bool(shape.transform), by_lanes), write_lanes if by_lanes else write

    def log_weights(noise_at, n, given, numbers_at, row_at, first_at, second_at):
        params, row = params_of(numbers_at), row_of(row_at)
        begin(noise_at, n, given, numbers_at, first_at)
        terms = 0
        for k in range((n + (step - 1)) // step):
            i = step * k
            log_weight = density(*arguments(noise_at, i, stride, row, params))
            terms = put(relative(log_weight, first_at, i, n), i, n, first_at, second_at)
        return terms

    return log_weights


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
def _relative(has_proposal: bool, by_lanes: bool) -> Any:
    """``relative(log_weight, log_q_at, i, n)``: less the log density of a proposal, if there is one."""
    if not has_proposal:
        return inlined(lambda log_weight, log_q_at, i, n: log_weight)
    if by_lanes:
        return inlined(lambda log_weight, log_q_at, i, n: log_weight - take(log_q_at + 8 * i, n - i))
    return inlined(lambda log_weight, log_q_at, i, n: log_weight - floats(log_q_at, n)[i])


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
