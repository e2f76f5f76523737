"""Which models have the same bits on every machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
from numba import njit
from zoo import MODELS

import fastsumo as fs
from fastsumo import vmath
from fastsumo.models.portable import is_portable
from fastsumo.vmath import exp, log

TABLE = np.arange(3.0)


def helper(x):  # type: ignore[no-untyped-def]
    return log(1.0 + exp(x)) + TABLE[1]


def other(x):  # type: ignore[no-untyped-def]
    return math.tanh(x)


@njit(fastmath=True)
def fast(x):  # type: ignore[no-untyped-def]
    return x + 1.0


PORTABLE: dict[str, Any] = {
    "arithmetic": lambda z, params: z[0] * params[0] - abs(z[0]) / 3.0,
    "exact functions": lambda z, params: math.sqrt(z[0] * z[0]) + np.sqrt(2.0) + max(z[0], min(1.0, math.floor(z[0]))),
    "vmath as a module": lambda z, params: vmath.tanh(z[0]) + math.pi,
    "a helper": lambda z, params: helper(z[0]),
    "whole powers": lambda z, params: z[0] ** 2 + params[0] ** -3,
}
OTHERS: dict[str, Any] = {
    "math": lambda z, params: math.exp(z[0]),
    "numpy": lambda z, params: np.log(z[0] * z[0]),
    "a helper": lambda z, params: helper(z[0]) + other(z[0]),
    "a power": lambda z, params: (z[0] * z[0]) ** params[0],
    "a root as a power": lambda z, params: (z[0] * z[0]) ** 0.5,
    "pow": lambda z, params: pow(z[0], 2.5),
    "fast-math": lambda z, params: fast(z[0]),
    "BLAS": lambda z, params: np.dot(TABLE, TABLE) + z[0],
    "a function in a function": lambda z, params: (lambda x: math.sin(x))(z[0]),
    "another library": lambda z, params: scipy.special.ndtr(z[0]),
}
PORTABLE["a compiled helper"] = (lambda compiled: lambda z, params: compiled(z[0]))(njit(helper))


@pytest.mark.parametrize("function", PORTABLE.values(), ids=PORTABLE)
def test_vmath_and_what_is_exact_are_the_same_anywhere(function: Any) -> None:
    assert is_portable(fs.Model(function, 1, [1.0]))


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_whoever_asks_somebody_else_is_not(function: Any) -> None:
    assert not is_portable(fs.Model(function, 1, [1.0]))


def test_models_of_the_package() -> None:
    assert all(is_portable(model) for name, model in MODELS.items() if name != "libm")
    assert not is_portable(MODELS["libm"])
    assert not is_portable(fs.models.random_effects_logistic(rows=3))  # NumPy prepares its rows


def test_results_know_it() -> None:
    result = fs.simulate(fs.models.note(), fs.ELBO(), 100)
    assert result.provenance.portable is True
    assert result.provenance.to_dict()["portable"] is True
    old = {name: value for name, value in result.provenance.stored().items() if name != "portable"}
    assert type(result.provenance).of_stored(old).portable is None
