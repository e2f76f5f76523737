"""A variable that has no value where a model asks for it is an error, as in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

import fastsumo as fs
from fastsumo.jit.checked import HelperCompiler


def by_branches(n):  # type: ignore[no-untyped-def]
    if n > 0:
        x = 1.5
    elif n < 0:
        x = 2.5
    return x


def by_a_loop(n):  # type: ignore[no-untyped-def]
    for i in range(n):
        x = 2.0 * i
    return x + i


def by_a_while(n):  # type: ignore[no-untyped-def]
    while n > 0:
        n -= 1
        x = 0.5 * n
    return x


def asked_again(n):  # type: ignore[no-untyped-def]
    if n > 0:
        x = 1.0
    total = 0.0
    for _ in range(n + 1):
        total += x
    return total


def by_the_same_question(n):  # type: ignore[no-untyped-def]
    if n > 0:
        x = 3.0
    total = 1.0
    if n > 0:
        total += x
    return total


def of_other_types(n):  # type: ignore[no-untyped-def]
    if n > 0:
        array = np.ones(2)
        pair = 2.0, 3
    return array[0] + pair[1]


def outcome(function: Callable[..., float], n: int) -> Any:
    try:
        return function(n)
    except UnboundLocalError as error:
        return str(error)


@pytest.mark.parametrize(
    "function",
    [by_branches, by_a_loop, by_a_while, asked_again, by_the_same_question, of_other_types],
    ids=lambda function: function.__name__,
)
def test_what_has_no_value_raises(function: Any) -> None:
    compiled = numba.njit(boundscheck=True, error_model="numpy", pipeline_class=HelperCompiler)(function)
    assert [outcome(compiled, n) for n in (-1, 0, 1, 2)] == [outcome(function, n) for n in (-1, 0, 1, 2)]


def test_a_row_of_a_kind_that_no_line_expects_is_an_error() -> None:
    """Not one of those that the proof looks at."""

    def scaled(z, row, params):  # type: ignore[no-untyped-def]
        if row[0] == 1.0:
            scale = 0.5
        elif row[0] == 2.0:
            scale = 1.5
        return scale * z[0]

    model = fs.Model(scaled, 1, data=[[1.0], [3.0], [2.0], [1.0], [2.0]])
    with pytest.raises(fs.ModelError, match=r"UnboundLocalError: .* 'scale' .* row 1, .*`return scale \* z\[0\]`"):
        fs.evaluate(model, fs.IWAE(2), 10)
