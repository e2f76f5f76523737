"""The hash of a model's function: every edit that matters changes it, and nothing else does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from fastsumo.jit.fingerprint import fingerprint, source_fingerprint

SOURCE = """
import math, operator
import numba
import numpy as np
from fastsumo import vmath
from fastsumo.vmath import exp, log

A, B, T = 2.0, 3, (1.0, (2, 3))
X = np.arange(4.0)

@numba.njit
def deep(x):
    return x * 0.5

@numba.njit(fastmath=False)
def helper(x):
    return deep(x) + A

def f(z, params, scale=1.0):
    total = helper(z[0]) + B * scale + T[1][0] + X[2]
    for i in range(z.size):
        total += math.sin(z[i]) + vmath.exp(z[i]) + log(2.0) + np.abs(z[i])
    return total
"""

EDITS = {
    "a number in the function": ("log(2.0)", "log(3.0)"),
    "an operator": ("+ B * scale", "- B * scale"),
    "a function of a module": ("math.sin", "math.cos"),
    "a function of vmath": ("vmath.exp", "vmath.expm1"),
    "what a name stands for": ("import exp, log", "import exp, log1p as log"),
    "a global number": ("A, B, T = 2.0, 3", "A, B, T = 2.0, 4"),
    "the type of a number": ("A, B, T = 2.0, 3", "A, B, T = 2.0, 3.0"),
    "a nested tuple": ("(2, 3))", "(4, 3))"),
    "an array": ("np.arange(4.0)", "np.arange(4.0) + 1"),
    "the type of an array": ("np.arange(4.0)", "np.arange(4)"),
    "a default": ("scale=1.0", "scale=2.0"),
    "a helper": ("deep(x) + A", "deep(x) - A"),
    "a helper's global": ("A, B, T = 2.0", "A, B, T = 2.5"),
    "a helper's helper": ("x * 0.5", "x * 0.25"),
    "a helper's options": ("fastmath=False", "fastmath=True"),
}


def built(source: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "edited"}
    exec(compile(source, "edited.py", "exec"), scope)
    return scope


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_every_edit_changes_the_hash(edit):
    assert edit[0] in SOURCE
    before, after = built(SOURCE)["f"], built(SOURCE.replace(*edit))["f"]
    assert fingerprint(before) is not None
    assert fingerprint(after) is not None
    assert fingerprint(before) != fingerprint(after)
    assert source_fingerprint(before) != source_fingerprint(after)


def test_what_does_not_matter_does_not_change_the_hash():
    before = built(SOURCE)["f"]
    for edit in [
        ("total = ", "# why\n    total  =  "),
        ("X = ", "unused = 5\nX = "),
        ("import math, ", "\n\nimport math, "),
    ]:
        assert fingerprint(built(SOURCE.replace(*edit))["f"]) == fingerprint(before)
    assert fingerprint(before) == fingerprint(built(SOURCE)["f"])
    assert fingerprint(before, "context") != fingerprint(before)


def test_the_hash_is_that_of_the_present_values():
    scope = built(SOURCE)
    before = fingerprint(scope["f"])
    scope["X"][2] = 17.0
    changed = fingerprint(scope["f"])
    assert changed != before
    scope["X"][2] = 2.0
    assert fingerprint(scope["f"]) == before


def test_what_cannot_be_hashed_has_no_hash():
    class Thing:
        value = 1.0

    thing = Thing()
    assert fingerprint(lambda z, params: thing.value) is None
    assert fingerprint(math.sin) is None
    assert len(source_fingerprint(lambda z, params: thing.value)) == 64


def test_functions_with_one_code_and_different_cells_differ():
    def closed_over(slope: float) -> Callable[..., float]:
        return lambda z, params: slope * z[0]

    assert fingerprint(closed_over(1.0)) != fingerprint(closed_over(2.0))
    assert fingerprint(closed_over(1.0)) == fingerprint(closed_over(1.0))
    assert fingerprint(closed_over(1.0)) != fingerprint(closed_over(1))


def test_recursive_helpers_have_a_hash():
    scope = built("""
import numba
@numba.njit
def a(x):
    return x if x < 1.0 else b(x - 1.0)
@numba.njit
def b(x):
    return x if x < 1.0 else a(x - 1.0)
def f(z, params):
    return a(z[0])
""")
    assert fingerprint(scope["f"]) is not None
