"""Whole numbers of compiled code are Python's and NumPy's, or an error."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import types

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.jit.checked import HelperCompiler
from fastsumo.jit.whole import unlike_list, unlike_numpy

LARGEST = 2**63 - 1
WHOLE = [*range(-3, 4), 31, 63, 64, 65, -64, 2**31, 2**32, 3037000499, 3037000500, -3037000500, 2**53, 2**53 + 1]
WHOLE += [2**62, -(2**62), LARGEST, -LARGEST, -LARGEST - 1]
FLOATS = [0.0, 0.5, -0.5, 1.5, 2.5, -1.5, 126.7, 127.5, 128.0, -128.9, 254.9, 255.9, 256.0, -0.99, 2.0**31 - 0.5]
FLOATS += [2.0**31, -(2.0**31) - 0.5, -(2.0**31) - 1.0, 2.0**32, 2.0**53, 1.2e18, 2.0**63 - 1024.0, 2.0**63, -(2.0**63)]
FLOATS += [-(2.0**63) - 2048.0, 2.0**64, 1e300, math.inf, -math.inf, math.nan]


def operations(which, x, y):  # type: ignore[no-untyped-def]
    if which == 0:
        found = x + y
    elif which == 1:
        found = x - y
    elif which == 2:
        found = x * y
    elif which == 3:
        found = x // y
    elif which == 4:
        found = x % y
    elif which == 5:
        found = divmod(x, y)[0]
    elif which == 6:
        found = x << y
    elif which == 7:
        found = x >> y
    elif which == 8:
        found = -x
    elif which == 9:
        found = abs(x)
    elif which == 10:
        found = x**y
    elif which == 11:
        found = x**3
    elif which == 12:
        found = sum((x, y))
    elif which == 13:
        found = ~x & y | x ^ 5
    elif which == 14:
        found = math.floor(x) - round(y)
    else:
        found = int(x < y) + int(x == float(y))
    return float(found)


OPERATIONS = range(16)


def conversions(which, x, vector):  # type: ignore[no-untyped-def]
    if which == 0:
        found = int(x)
    elif which == 1:
        found = math.floor(x)
    elif which == 2:
        found = math.ceil(x)
    elif which == 3:
        found = math.trunc(x)
    elif which == 4:
        found = round(x)
    elif which == 5:
        found = int(np.int64(x))
    elif which == 6:
        found = int(np.int32(x))
    elif which == 7:
        found = int(np.uint8(x))
    elif which == 8:
        found = int(vector.astype(np.int64)[1])
    elif which == 9:
        small = np.zeros(2, np.int8)
        small[1] = int(x)
        found = int(small[1])
    elif which == 10:
        return math.ldexp(1.0, int(x))
    elif which == 11:
        n = int(x)
        either = n + 1 if x > 0.0 else 0.5
        return either % 7
    elif which == 12:
        return max(int(x) + 1, 0.5) % 7
    else:
        count = 0
        for i in range(-int(x) - 1, int(x) + 1):
            count += i % 3
            if count > 5:
                break
        return float(count)
    return float(found)


CONVERSIONS = range(14)


def compiled(function: Callable[..., float]) -> Callable[..., float]:
    """As helpers of a model are."""
    return numba.njit(boundscheck=True, error_model="numpy", pipeline_class=HelperCompiler)(function)  # type: ignore[no-any-return]


def outcome(function: Callable[..., float], *given: Any) -> float | Exception:
    try:
        with np.errstate(all="ignore"):
            return float(function(*given))
    except (ArithmeticError, ValueError) as error:
        return error


def held(function: Callable[..., float], cases: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Cases where compiled code raises and Python does not; elsewhere they agree, and Python's errors are errors."""
    made, strict = compiled(function), []
    for given in cases:
        python, found = outcome(function, *given), outcome(made, *given)
        if isinstance(found, float) and isinstance(python, Exception):
            assert not math.isfinite(found), given
        elif isinstance(found, float):
            assert found == python, given
        elif isinstance(python, float):
            strict.append((*given, python))
    return strict


def test_operations_are_pythons_or_an_error() -> None:
    def cases() -> Iterator[tuple[int, int, int]]:
        for which in OPERATIONS:
            for x in WHOLE:
                yield from ((which, x, y) for y in WHOLE if which not in (6, 10) or y < 1000)

    strict = held(operations, cases())
    assert 200 < len(strict) < 1500
    for which, x, y, python in strict:
        is_power = which == 10 and y < 0
        is_compared = which == 15 and abs(x) > 2**53
        assert is_power or is_compared or abs(python) >= 2.0**62 or which == 12, (which, x, y)


def test_conversions_are_pythons_or_an_error() -> None:
    cases = ((which, np.float64(x), np.array([0.0, x])) for which in CONVERSIONS for x in FLOATS)
    strict = held(conversions, cases)
    least = {6: 2.0**31, 7: 0.5, 9: 128.0, 10: 2.0**31, 11: 2.0**53, 12: 2.0**53}
    assert {which for which, *_ in strict} == {*CONVERSIONS} - {9}
    assert [each for each in strict if abs(each[1]) < least.get(each[0], 2.0**62)] == []


@pytest.mark.parametrize(("one", "other"), [(np.uint8, int), (np.int32, np.int32)])
def test_small_numbers_are_numpys_or_an_error(one: type[np.integer], other: type) -> None:
    """NumPy adds in their own types, compiled code in 64 bits."""
    limits = np.iinfo(one)
    few = [0, 1, 2, 7, 100, limits.max - 1, limits.max, limits.min]
    cases = ((which, one(x), other(y)) for which in OPERATIONS for x in few for y in few if which != 10 and which != 12)
    strict = held(operations, cases)
    assert {which for which, *_ in strict} >= {0, 1, 2, 6, 8}


def test_small_numbers_do_what_their_error_says() -> None:
    x, y = np.uint8(200), np.uint8(100)
    with pytest.raises(OverflowError, match=r"beyond NumPy's uint8: compute with numpy.int64\(\.\.\.\)"):
        compiled(lambda x, y: int(x) + int(y))(x, y)
    assert compiled(lambda x, y: np.int64(x) + np.int64(y))(x, y) == 300
    assert compiled(lambda x, y: np.int64(y) - np.int64(x))(x, y) == -100


def test_a_division_that_no_code_before_had(tmp_path: Path) -> None:
    """In a process of its own, since Numba remembers those that it has seen."""
    code = "import numpy as np, fastsumo as fs\n"
    code += "print(fs.sample(fs.Model(lambda z, params: np.ravel(np.eye(2))[0] + 0.0 * z[0], 1), fs.ELBO(), 1)[0])"
    environment = os.environ | {"FASTSUMO_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(fs.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[1.]\n"


def test_arrays_that_have_other_types_in_numpy_are_refused() -> None:
    small, large = (types.Array(kind, 1, "C") for kind in (types.int8, types.int64))
    floats, two = types.Array(types.float64, 1, "C"), types.IntegerLiteral(2)
    for function, returned, given in (
        (np.multiply, large, [small, two]),
        (np.multiply, large, [small, types.int64]),
        (np.full, small, [types.int64, types.int64]),
        (np.array, large, [types.List(types.float64)]),
        (sum, types.int64, [small]),
    ):
        assert unlike_numpy(function, returned, given), function
    for function, returned, given in (
        (np.multiply, large, [large, two]),
        (np.multiply, small, [small, small]),
        (np.multiply, floats, [small, types.float64]),
        (np.multiply, large, [types.Array(types.boolean, 1, "C"), types.int64]),
        (np.array, large, [types.List(types.int64)]),
        (np.sum, types.int64, [small]),
        (sum, types.int64, [large]),
    ):
        assert not unlike_numpy(function, returned, given), function


def test_lists_that_would_change_what_they_are_given_are_refused() -> None:
    whole, truths, pairs = (types.List(kind) for kind in (types.int64, types.boolean, types.UniTuple(types.int64, 2)))
    for kind, given in (
        (whole, types.float64),
        (truths, types.int64),
        (truths, types.float64),
        (pairs, types.UniTuple(types.float64, 2)),
    ):
        assert unlike_list(kind, given), kind
    floats, array = types.List(types.float64), types.Array(types.int64, 1, "C")
    for kind, given in ((whole, types.boolean), (floats, types.int64), (array, types.float64), (whole, types.int64)):
        assert not unlike_list(kind, given), kind


def test_whole_numbers_by_lanes() -> None:
    def model(z, params):  # type: ignore[no-untyped-def]
        total, product = 0.0, 1
        for i in range(len(z)):
            product *= int(params[0]) * (2 * i + 1)
            total += z[i] * 1e-3
        return total + product % 5

    shape = weights.Shape("normal", "", 3, 3, 1, 1, 0)
    made = weights._callback(model, shape, None, by_lanes=True)
    zeros = np.zeros((1, 3)), None
    values = [weights._values_at(made.address, shape, *zeros, np.array([x])) for x in (2.0, 1e6, 1e19)]
    assert values == [[0.0], [None], [None]]
