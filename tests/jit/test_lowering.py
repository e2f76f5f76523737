"""What the package's own functions become: loops, indices, least and most, and exceptions, as in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import int64, uint64

from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import device, inlined, kernel

NAN, INF = math.nan, math.inf


@inlined
def halved(x):  # type: ignore[no-untyped-def]
    return x / 2 if x > 1.0 else x


@device
def loops(out, first, stop, step):  # type: ignore[no-untyped-def]
    """Counts, sums and where a loop ended, of all kinds of ranges."""
    at, total, last = 0, 0, -1
    for i in range(stop):
        total += i
        last = i
    out[0], out[1] = total, last
    for i in range(first, stop):
        at += 1
        for j in range(i):
            total += j
            if j > 3:
                break
    out[2], out[3] = at, total
    for i in range(first, stop, step):
        at, last = at + i, i
    out[4], out[5] = at, last
    word = uint64(0)
    for i in range(uint64(3)):
        word += i
    out[6] = int64(word)


@kernel
def run_loops(out_at, first, stop, step):  # type: ignore[no-untyped-def]
    loops(ints(out_at, 7), first, stop, step)


@kernel
def extremes(x_at, n, out_at):  # type: ignore[no-untyped-def]
    x, out = floats(x_at, n), floats(out_at, 3)
    least, most = x[0], x[0]
    for i in range(1, x.size):
        least, most = min(least, x[i]), max(most, x[i])
    out[0], out[1], out[2] = least, most, halved(x[uint64(n - 1)]) + min(n, 2.5)


def compiled(function: Any, *arguments: Any, size: int, dtype: Any) -> list[Any]:
    out = np.zeros(size, dtype)
    function(out.ctypes.data, *arguments)
    return out.tolist()


@pytest.mark.parametrize(
    ("first", "stop", "step"),
    [(0, 9, 1), (2, 9, 3), (5, 2, 1), (5, 2, -1), (-4, 3, 2), (3, 0, -7), (0, 0, 1), (-2, -9, 1)],
)
def test_loops_are_those_of_python(first: int, stop: int, step: int) -> None:
    plain: list[int] = [0] * 7

    loops.py_func(plain, first, stop, step)
    assert compiled(run_loops, first, stop, step, size=7, dtype=np.int64) == plain


def test_an_exception_of_a_function_that_is_called_is_raised() -> None:
    with pytest.raises(ValueError, match="must not be zero"):
        compiled(run_loops, 0, 5, 0, size=7, dtype=np.int64)
    assert compiled(run_loops, 0, 5, 1, size=7, dtype=np.int64)[0] == 10


@pytest.mark.parametrize(
    "x", [[1.5, NAN, 2.5], [NAN, 1.0], [2.0, NAN], [-0.0, 0.0], [0.0, -0.0], [INF, -INF, 3.0], [7.0]]
)
def test_least_and_most_are_those_of_python(x: list[float]) -> None:
    """To the sign of zero, and in what becomes of NaN."""
    values, out = np.array(x), np.zeros(3)
    extremes(values.ctypes.data, len(x), out.ctypes.data)
    least, most = x[0], x[0]
    for each in x[1:]:
        least, most = min(least, each), max(most, each)
    wanted = [least, most, halved.py_func(x[-1]) + min(len(x), 2.5)]
    np.testing.assert_array_equal(out.view(np.int64), np.array(wanted).view(np.int64))
