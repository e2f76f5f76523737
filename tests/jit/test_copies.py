"""Copies of functions: helpers in them are compiled from what they say now, and what is the user's stays as it was."""

from __future__ import annotations

import functools
import math
import types
from typing import Any

import numba
import numpy as np
import pytest
from numba.extending import overload
from zoo import slow

from fastsumo.jit.copies import plain, thawed

C = 1.0
cfg = types.ModuleType("cfg")


def stub(x):  # type: ignore[no-untyped-def]
    return deep(x)


@overload(stub)
def _stub(x):  # type: ignore[no-untyped-def]
    return lambda x: deep(x)


@numba.njit
def deep(x):  # type: ignore[no-untyped-def]
    return x + C


@numba.njit
def helper(x):  # type: ignore[no-untyped-def]
    return deep(x)


@numba.njit(error_model="numpy")
@functools.wraps(math.exp)
def wrapped(x):  # type: ignore[no-untyped-def]
    return 1.0 / (x - x) if x < 0.0 else deep(x)


@numba.njit("float64(float64)")
def signed(x):  # type: ignore[no-untyped-def]
    return x + C


@numba.vectorize
def ufunc(x):  # type: ignore[no-untyped-def]
    return x + C


@numba.njit
def even(n):  # type: ignore[no-untyped-def]
    return C if n == 0 else odd(n - 1)


@numba.njit
def odd(n):  # type: ignore[no-untyped-def]
    return -C if n == 0 else even(n - 1)


both = (2.0, helper)
cfg.helper, cfg.deeper = helper, types.ModuleType("deeper")  # type: ignore[attr-defined]
cfg.deeper.helper = helper


def with_a_default(x, inner=helper):  # type: ignore[no-untyped-def]
    return inner(x)


FUNCTIONS = {
    "a default": with_a_default,
    "two deep": lambda x: helper(x),
    "in a tuple": lambda x: both[1](x) * both[0],
    "in a module": lambda x: cfg.helper(x) + cfg.deeper.helper(x),
    "under another name": lambda x: wrapped(x),
    "for one signature": lambda x: signed(x),
    "a ufunc": lambda x: ufunc(x),
    "an overload": lambda x: stub(x),
    "each other": lambda x: even(2) + x,
}


QUICK = ("under another name", "a ufunc", "an overload", "each other")


def closed_over() -> Any:
    inner = helper
    return lambda x: inner(x)


def module_closed_over() -> Any:
    held = cfg
    return lambda x: held.helper(x) + held.deeper.helper(x)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(module_closed_over(), id="in a module in a cell"),
        *((pytest.param if name in QUICK else slow)(each, id=name) for name, each in FUNCTIONS.items()),
        slow(closed_over(), id="in a cell"),
    ],
)
def test_helpers_are_what_they_say_now(function, monkeypatch):
    numba.njit(function)(0.5)
    first = plain(function)(0.5)
    monkeypatch.setitem(globals(), "C", 25.0)
    second = plain(function)(0.5)
    assert second - first in (24.0, 48.0)
    with thawed(function) as now:
        assert numba.njit(now)(0.5) == second
    monkeypatch.undo()
    with thawed(function) as now:
        assert numba.njit(now)(0.5) == first


def test_what_is_the_users_stays():
    before = dict(globals()), dict(vars(cfg)), list(helper.overloads)
    with thawed(FUNCTIONS["in a module"]) as now:
        numba.njit(now)(1)
    assert (dict(globals()), dict(vars(cfg)), list(helper.overloads)) == before


def test_what_reaches_no_helper_is_itself():
    function = lambda x: math.exp(x) + C  # noqa: E731
    assert plain(function) is function
    with thawed(function) as now:
        assert now is function


def test_a_helper_keeps_its_options():
    with thawed(FUNCTIONS["under another name"]) as now:
        assert numba.njit(now)(-1.0) == math.inf
    with pytest.raises(ZeroDivisionError):
        plain(FUNCTIONS["under another name"])(-1.0)


@numba.vectorize
def kinked(x):  # type: ignore[no-untyped-def]
    return x if x > 0.0 else 0


def test_a_ufunc_is_one_in_plain_python_too():
    function = plain(lambda x: kinked(x))
    assert function(np.array([[-1.0, 2.5], [0.5, -3.0]])).tolist() == [[0.0, 2.5], [0.5, 0.0]]
    assert function(2.5) == 2.5
