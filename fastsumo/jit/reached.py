"""What a function reaches: globals, attributes of modules, closure cells, defaults, and what others add by overloads.

What becomes of that is not known here: a hash in `fingerprint.py`, a copy in `copies.py`.
"""

from __future__ import annotations

import dis
import operator
import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

from numba.core.dispatcher import Dispatcher
from numba.core.typing.templates import builtin_registry
from numba.np.ufunc.dufunc import DUFunc

_LIBRARIES = (
    *("numpy", "numba", "math", "cmath", "builtins", "operator", "_operator"),
    *("fastsumo.vmath", "fastsumo.trial", "fastsumo.jit", "fastsumo.engine"),
)
_OPERATORS = frozenset(id(value) for value in (*vars(operator).values(), bool))
WRITTEN = "fastsumo_written"  # the attribute of an overload that is for a while another
_KINDS = {"LOAD_GLOBAL": "global", "LOAD_NAME": "global", "LOAD_DEREF": "cell"}


class Load(NamedTuple):
    """Something that code loads from outside, with where it is found."""

    kind: str  # "cell", "global" or "default"
    name: str
    attributes: tuple[str, ...]  # of modules, one in the other
    value: Any

    def __str__(self) -> str:
        return " ".join([self.kind, ".".join([self.name, *self.attributes])])


def python_function(value: Any) -> Any:
    """The plain function of what Numba has decorated; anything else as it is."""
    if isinstance(value, DUFunc):
        return value._dispatcher.py_func
    return value.py_func if isinstance(value, Dispatcher) else value


def reached(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values that a function has from outside: what its code loads, its defaults, and what tuples hold."""
    found = [(str(load), load.value) for load in (*loads(function), *_defaults(function))]
    for word, value in found:
        yield word, value
        if isinstance(value, tuple):
            found += [(word, item) for item in value]


def functions(function: Any) -> Iterator[types.FunctionType]:
    """A function and all that it reaches, as plain Python; those in overloads too, those of libraries not."""
    waiting, seen = [function], set()
    while waiting:
        each = python_function(waiting.pop())
        if id(each) in seen or not isinstance(each, types.FunctionType) or _is_library(_home(each)):
            continue
        seen.add(id(each))
        yield each
        waiting += [*(value for _, value in reached(each)), *map(template_function, overloads_of(each))]


def loads(function: types.FunctionType) -> Iterator[Load]:
    """What a function's code loads, through modules: globals and closure cells; one that is empty yet is left out."""
    cells: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            cells[name] = cell.cell_contents
            if not isinstance(cells[name], types.ModuleType):
                yield Load("cell", name, (), cells[name])
    for kind, name, attributes in _asked_for(function.__code__):
        if kind == "cell" and not isinstance(cells.get(name), types.ModuleType):
            continue
        value, followed = cells[name] if kind == "cell" else _lookup(function, name), 0
        while followed < len(attributes) and isinstance(value, types.ModuleType):
            value = getattr(value, attributes[followed], None)
            followed += 1
        yield Load(kind, name, attributes[:followed], value)


def _defaults(function: types.FunctionType) -> Iterator[Load]:
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
    for name, value in [*zip(names, values, strict=True), *(function.__kwdefaults__ or {}).items()]:
        yield Load("default", name, (), value)


@lru_cache(maxsize=1024)
def _asked_for(code: types.CodeType) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Globals and cells that code loads, each with the attributes that it then takes one after the other."""
    found = []
    for each in nested(code):
        instructions = [step for step in instructions_of(each) if step.opname != "EXTENDED_ARG"]
        for i, instruction in enumerate(instructions):
            kind = _KINDS.get(instruction.opname)
            if kind == "global" or (kind == "cell" and instruction.argval in code.co_freevars):
                after = takewhile(lambda step: step.opname in ("LOAD_ATTR", "LOAD_METHOD"), instructions[i + 1 :])
                found.append((kind, instruction.argval, tuple(step.argval for step in after)))
    return tuple(found)


@lru_cache(maxsize=1024)
def instructions_of(code: types.CodeType) -> tuple[dis.Instruction, ...]:
    """The instructions of a code object, which take longer to list than short runs take to run."""
    return tuple(dis.get_instructions(code))


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code, and that of the functions written inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


def _lookup(function: types.FunctionType, name: str) -> Any:
    if name in function.__globals__:
        return function.__globals__[name]
    builtins = function.__globals__.get("__builtins__", {})
    table = builtins if isinstance(builtins, dict) else vars(builtins)
    return table.get(name)


def of_library(value: Any) -> bool:
    """Whether a value is what a library that does not change holds under the name that the value bears.

    What a value says of itself is not enough: `functools.wraps` lets a user's function bear the name of another.
    """
    if isinstance(value, types.ModuleType):
        return _is_library(value.__name__) and sys.modules.get(value.__name__) is value
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", getattr(value, "__name__", None))
    if not isinstance(module, str) or not isinstance(name, str) or not _is_library(module):
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    plain = python_function(value)
    return found is value and (not isinstance(plain, types.FunctionType) or _is_library(_home(plain)))


def _home(function: types.FunctionType) -> str:
    """The module whose globals are a function's."""
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return str(name) if module is not None and vars(module) is function.__globals__ else ""


def _is_library(module: str) -> bool:
    return any(module == known or module.startswith(known + ".") for known in _LIBRARIES)


def overloads_of(function: types.FunctionType) -> list[Any]:
    """What was taught to Numba, other than by the libraries, of what a function reaches and of attributes that it asks.

    `template_function` has the Python function of each.
    """
    functions, attributes = _taught(len(builtin_registry.functions), len(builtin_registry.attributes))
    if not functions:
        return []
    keys = {id(value) for _, value in reached(function)} | _OPERATORS
    names = {name for code in nested(function.__code__) for name in code.co_names}
    keys |= {id(each._overload_func) for each in attributes if each._attr in names}
    return [each for each in functions if id(each.key) in keys]


@lru_cache(maxsize=1)
def _taught(functions: int, attributes: int) -> tuple[list[Any], list[Any]]:
    """Templates of overloads and intrinsics that no library made; the registries only grow."""
    return (
        [each for each in builtin_registry.functions[:functions] if _is_foreign(each)],
        [each for each in builtin_registry.attributes[:attributes] if _is_foreign(each)],
    )


def _is_foreign(template: Any) -> bool:
    """Whether a template is of a user's function, which `register_jitable` and `type_callable` hold in a cell."""
    made = template_function(template) or vars(template).get("generic")
    held = (cell.cell_contents for cell in getattr(made, "__closure__", None) or ())
    functions = [each for each in (made, *held) if isinstance(each, types.FunctionType)]
    return not all(_is_library(_home(each)) for each in functions)


def template_function(template: Any) -> Any:
    """The Python function of an overload or an intrinsic, as its user wrote it; None for what is neither."""
    made = getattr(template, "_overload_func", None) or getattr(template, "_definition_func", None)
    return getattr(made, WRITTEN, made)
