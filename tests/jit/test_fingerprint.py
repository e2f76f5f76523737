"""The hash of a model's function: every edit that matters changes it, and nothing else does.

That what is compiled is what was hashed is in `test_copies.py`.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import operator
import types
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.extending import overload, overload_attribute

from fastsumo.jit.fingerprint import _Content, fingerprint, source_fingerprint, unknown_content

SOURCE = """
import enum, functools, math, operator, types
import numba
from numba.extending import overload
import numpy as np
from fastsumo import vmath
from fastsumo.vmath import exp, log

A, B, T = 2.0, 3, (1.0, (2, 3))
X = np.arange(4.0)
R = np.array([(1.0, 2)], dtype=[("a", "f8"), ("b", "i4")])
cfg = types.ModuleType("cfg")
cfg.C, cfg.deeper = 5.0, types.ModuleType("deeper")
cfg.deeper.D = 6.0

class Kind(enum.Enum):
    SMALL = 1
    LARGE = 2

class Level(enum.IntEnum):
    LOW = 1

chosen = Kind.SMALL

def stub(x):
    return 0.0

@overload(stub)
def _stub(x):
    return lambda x: x * 0.75

@numba.vectorize
def elementwise(x):
    return x + 7.5

@numba.njit
@functools.wraps(math.exp)
def wrapped(x):
    return x * 8.5

@numba.njit
def first(x):
    return x + 9.5

HELPERS = (first, (wrapped,))

@numba.njit
def deep(x):
    return x * 0.5

@numba.njit(fastmath=False)
def helper(x):
    return deep(x) + A

def f(z, params, scale=1.0, table=np.ones(3), *, more=np.zeros(2)):
    total = R[0].a + cfg.C + cfg.deeper.D + stub(z[0]) + elementwise(z[0]) + wrapped(z[0]) + HELPERS[0](z[0])
    total += Level.LOW
    if chosen == Kind.SMALL:
        total += 1.0
    try:
        total += 1.0
    except ValueError:
        total += 2.0
    total += helper(z[0]) + B * scale + T[1][0] + X[2]
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
    "an array as a default": ("np.ones(3)", "np.ones(3) + 1"),
    "a default of a keyword": ("np.zeros(2)", "np.ones(2)"),
    "a name of a parameter": ("scale=1.0, table", "table=1.0, scale"),
    "a structured array": ("(1.0, 2)]", "(1.5, 2)]"),
    "a field's type": ('("b", "i4")', '("b", "i8")'),
    "an attribute of a module": ("cfg.C, cfg.deeper = 5.0", "cfg.C, cfg.deeper = 5.5"),
    "an attribute of a module in a module": ("D = 6.0", "D = 6.5"),
    "a member of an enumeration": ("chosen = Kind.SMALL", "chosen = Kind.LARGE"),
    "the value of a member": ("LARGE = 2", "LARGE = 3"),
    "the number of a member": ("LOW = 1", "LOW = 2"),
    "the body of an overload": ("x * 0.75", "x * 0.5"),
    "a ufunc": ("x + 7.5", "x + 7.25"),
    "a helper with another's name": ("x * 8.5", "x * 8.25"),
    "a helper in a tuple": ("x + 9.5", "x + 9.25"),
    "what is caught": ("except ValueError", "except TypeError"),
    "a helper": ("deep(x) + A", "deep(x) - A"),
    "a helper's global": ("A, B, T = 2.0", "A, B, T = 2.5"),
    "a helper's helper": ("x * 0.5", "x * 0.25"),
    "a helper's options": ("fastmath=False", "fastmath=True"),
}


def built(source: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "edited"}
    exec(compile(source, "edited.py", "exec"), scope)
    return scope


@functools.cache
def original() -> Callable[..., Any]:
    """The function before any edit."""
    return built(SOURCE)["f"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_every_edit_changes_the_hash(edit):
    assert edit[0] in SOURCE
    before, after = original(), built(SOURCE.replace(*edit))["f"]
    assert fingerprint(before) is not None
    assert fingerprint(after) is not None
    assert fingerprint(before) != fingerprint(after)
    assert source_fingerprint(before) != source_fingerprint(after)


def test_signatures_of_a_helper_change_the_hash():
    """What has signatures is compiled at once."""
    source = (
        "import numba\n@numba.njit(SIGNED)\ndef signed(x):\n    return x\ndef f(z, params):\n    return signed(z[0])"
    )
    none, one, again, other = (
        built(source.replace("SIGNED", each))["f"] for each in ("", "'f8(f8)'", "'f8(f8)'", "'f8(i8)'")
    )
    assert fingerprint(one) == fingerprint(again)
    assert len({fingerprint(each) for each in (none, one, other)} - {None}) == 3
    assert len({source_fingerprint(each) for each in (none, one, other)}) == 3


def test_what_does_not_matter_does_not_change_the_hash():
    before = built(SOURCE)["f"]
    for edit in [
        ("total = ", "# why\n    total  =  "),
        ("X = ", "unused = 5\nX = "),
        ("import enum, ", "\n\nimport enum, "),
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
    scope["f"].__defaults__[1][0] = 17.0
    assert fingerprint(scope["f"]) != before
    assert source_fingerprint(scope["f"]) != source_fingerprint(built(SOURCE)["f"])


def test_what_cannot_be_hashed_has_no_hash():
    class Thing:
        value = 1.0

    thing = Thing()
    labs = ctypes.CDLL(None).labs
    callback = numba.cfunc("float64(float64)")(lambda x: x)
    masked, records = np.ma.masked_array([1.0, 2.0], [True, False]), np.rec.array([(1.0,)], dtype=[("a", "f8")])
    functions = [
        lambda z, params: thing.value,
        lambda z, params: labs(3),
        lambda z, params: callback(z[0]),
        lambda z, params: masked[0],
        lambda z, params: records[0].a,
        math.sin,
    ]
    assert [fingerprint(function) for function in functions] == [None] * len(functions)
    assert unknown_content(functions[1]) == ["'labs' (_FuncPtr)"]
    for one, other in itertools.combinations(functions, 2):
        assert source_fingerprint(one) != source_fingerprint(other)
    assert source_fingerprint(functions[0]) == source_fingerprint(lambda z, params: thing.value)  # itself
    thing = Thing()
    assert source_fingerprint(functions[0]) != source_fingerprint(functions[1])


def test_what_is_taught_to_the_compiler_counts_where_it_is_used():
    functions = [
        lambda z, params: math.nextafter(z[0], 0.0),
        lambda z, params: z.fourth_of_all,
        lambda z, params: operator.xor(z[0], 2.0),
        lambda z, params: z[0],
    ]
    before = [fingerprint(function) for function in functions]
    overload(math.nextafter)(lambda x, y: lambda x, y: x + 4.5)
    overload_attribute(numba.types.Array, "fourth_of_all")(lambda x: lambda x: x[3])
    assert [fingerprint(function) for function in functions[2:]] == before[2:]
    assert not set(before[:2]) & {fingerprint(function) for function in functions}


def test_a_set_has_one_hash_in_any_order():
    """That of texts is another in every process."""
    code = (lambda z, params: z[0] in {0, 8}).__code__
    sets = [frozenset(order) for order in ((0, 8), (8, 0))]
    assert len({repr(each) for each in sets}) == 2
    written = [[each if isinstance(const, frozenset) else const for const in code.co_consts] for each in sets]
    functions = [types.FunctionType(code.replace(co_consts=tuple(consts)), {}) for consts in written]
    assert len({source_fingerprint(function) for function in functions}) == 1


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


WATCHED = """
import math, types
import numba
import numpy as np
from fastsumo.vmath import exp

A, T = 2.0, (1.0, np.ones(2))
X, N = np.arange(4.0), np.float64(3.0)
cfg = types.ModuleType("cfg")
cfg.C = 5.0

@numba.njit
def deep(x, shift=0.5):
    return x * shift

@numba.njit(fastmath=False)
def helper(x):
    return deep(x) + A

def closed(slope):
    def f(z, params, scale=1.0):
        return exp(helper(z[0])) + slope * math.sin(z[0]) + cfg.C + T[1][0] + X[2] + N + scale
    return f

f = closed(1.5)
g = closed(2.5)
"""


CHANGES = {
    "a global": "A = 3.0",
    "the type of a global": "A = 2",
    "a global of the module's that hides a library's": "math = types.SimpleNamespace(sin=math.sin)",
    "an array": "X[2] = 9.0",
    "an array in a tuple": "T[1][0] = 9.0",
    "a number of NumPy's": "N = np.float32(3.0)",
    "an attribute of a module": "cfg.C = 5.5",
    "a helper": "helper = deep",
    "a helper's options": "helper.targetoptions['fastmath'] = True",
    "a helper's default": "deep.py_func.__defaults__ = (0.25,)",
    "what a helper is compiled for": "helper.compile('float64(float64)'); helper.disable_compile()",
    "a cell": "f.__closure__[0].cell_contents = 1.75",
    "an own default": "f.__defaults__ = (1,)",
    "the code": "f.__code__ = f.__code__.replace(co_consts=tuple(one and 7 for one in f.__code__.co_consts))",
    "a default of a keyword": "f.__kwdefaults__ = {'more': 1.0}",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_hash_that_is_remembered_is_that_of_what_is_there_now(change):
    """What is changed in place, after the function was hashed."""
    scope = built(WATCHED)
    before = [fingerprint(scope["f"]) for _ in range(3)]
    exec(change, scope)
    assert before == before[:1] * 3
    assert fingerprint(scope["f"]) != before[0]
    assert source_fingerprint(scope["f"]) == _Content(scope["f"]).digest()


def test_what_has_not_changed_is_not_read_again(monkeypatch):
    scope, read = built(WATCHED), []
    add = _Content._add_code
    monkeypatch.setattr(_Content, "_add_code", lambda content, code: (read.append(code), add(content, code)))
    hashes = [source_fingerprint(scope["f"]) for _ in range(5)]
    assert len(set(hashes)) == 1
    assert [code.co_name for code in read] == ["f", "helper", "deep"]
    assert source_fingerprint(scope["g"]) != hashes[0]  # another function of the same code
    scope["X"][1] += 1.0
    assert source_fingerprint(scope["f"]) != hashes[0]
    assert len(read) == 9
