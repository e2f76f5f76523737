"""What a function's code reaches: globals, attributes of modules, closure cells, and what others add by overloads.

What becomes of that is not known here: a hash in `fingerprint.py`, a copy in `copies.py`.
"""

from __future__ import annotations

import dis
import operator
import sys
import types
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

from numba.core.dispatcher import Dispatcher
from numba.core.typing.templates import builtin_registry

_LIBRARIES = (
    *("numpy", "numba", "math", "cmath", "builtins", "operator", "_operator"),
    *("fastsumo.vmath", "fastsumo.trial", "fastsumo.jit", "fastsumo.engine"),
)
_OPERATORS = frozenset(id(value) for value in vars(operator).values())


class Load(NamedTuple):
    """Something that code loads from outside, with where it is found."""

    kind: str  # "cell" or "global"
    name: str
    attributes: tuple[str, ...]  # of modules, one in the other
    value: Any

    def __str__(self) -> str:
        return " ".join([self.kind, ".".join([self.name, *self.attributes])])


def python_function(value: Any) -> Any:
    """The plain function of what Numba has decorated; anything else as it is."""
    return value.py_func if isinstance(value, Dispatcher) else value


def reached(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values that the function's code loads from outside: globals (through modules) and closure cells."""
    for load in loads(function):
        yield str(load), load.value


def loads(function: types.FunctionType) -> Iterator[Load]:
    """`reached`, with where each value is found; a cell that is empty yet is left out."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield Load("cell", name, (), cell.cell_contents)
        except ValueError:
            continue
    for name, attributes in _asked_for(function.__code__):
        value, followed = _lookup(function, name), 0
        while followed < len(attributes) and isinstance(value, types.ModuleType):
            value = getattr(value, attributes[followed], None)
            followed += 1
        yield Load("global", name, attributes[:followed], value)


@lru_cache(maxsize=1024)
def _asked_for(code: types.CodeType) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Globals that a function's code loads, each with the attributes that it then takes one after the other."""
    found = []
    for each in nested(code):
        instructions = [step for step in instructions_of(each) if step.opname != "EXTENDED_ARG"]
        for i, instruction in enumerate(instructions):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                after = takewhile(lambda step: step.opname in ("LOAD_ATTR", "LOAD_METHOD"), instructions[i + 1 :])
                found.append((instruction.argval, tuple(step.argval for step in after)))
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


def overloads(values: list[Any], names: set[str]) -> list[Any]:
    """What was taught to Numba, other than by the libraries, of these values and of attributes of these names.

    Each has a Python function in ``_overload_func``, or in ``_definition_func`` if it is an intrinsic.
    """
    functions, attributes = _taught(len(builtin_registry.functions), len(builtin_registry.attributes))
    if not functions:
        return []
    keys = {id(value) for value in values} | _OPERATORS
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
    """Whether a template is of a user's function, by `overload` or by `register_jitable`, which holds it in a cell."""
    made = template_function(template)
    held = (cell.cell_contents for cell in getattr(made, "__closure__", None) or ())
    functions = [each for each in (made, *held) if isinstance(each, types.FunctionType)]
    return not all(_is_library(_home(each)) for each in functions)


def template_function(template: Any) -> Any:
    """The Python function of an overload or an intrinsic; None for what is neither."""
    return getattr(template, "_overload_func", None) or getattr(template, "_definition_func", None)
