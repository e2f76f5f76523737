"""A content hash of a Python function and of all that compiling it would freeze: helpers, constants, arrays.

Two functions with the same hash compile to the same code. Where something cannot be hashed by content, the answer is
None: the function is then compiled in each process and not kept.
"""

from __future__ import annotations

import dis
import hashlib
import types
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis), slice, range)
_KNOWN = (
    "numpy",
    "numba",
    "math",
    "cmath",
    "builtins",
    "operator",
    "fastsumo.vmath",
    "fastsumo.trial",
    "fastsumo.jit",
    "fastsumo.engine",
)


class _Unhashable(Exception):
    pass


def fingerprint(function: Callable[..., Any], *context: Any) -> str | None:
    """Hex digest of ``function``, of what it reaches and of ``context``; None where there is none by content."""
    parts = [repr(context)]
    try:
        _add_function(parts, getattr(function, "py_func", function), {})
    except _Unhashable:
        return None
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def source_fingerprint(function: Callable[..., Any]) -> str:
    """Hash of what the function computes, whatever compiles it; its code alone where content cannot be hashed."""
    function = getattr(function, "py_func", function)
    parts: list[str] = []
    try:
        _add_function(parts, function, {})
    except _Unhashable:
        parts = []
        if hasattr(function, "__code__"):
            _add_code(parts, function.__code__)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _add_function(parts: list[str], function: Any, seen: dict[int, int]) -> None:
    if id(function) in seen:
        parts.append(f"seen {seen[id(function)]}")
        return
    seen[id(function)] = len(seen)
    if not isinstance(function, types.FunctionType):
        raise _Unhashable(function)
    if not _is_plain(function.__defaults__):
        raise _Unhashable(function)
    parts.append(f"defaults {function.__defaults__!r}")
    _add_code(parts, function.__code__)
    for name, value in reached(function):
        parts.append(name)
        _add_value(parts, value, seen)


def _add_code(parts: list[str], code: types.CodeType) -> None:
    parts.append(f"code {code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _add_code(parts, constant)
        else:
            parts.append(f"const {type(constant).__name__} {constant!r}")


def _add_value(parts: list[str], value: Any, seen: dict[int, int]) -> None:
    """One global, closure cell or module attribute. Frozen by Numba, so its content counts."""
    if hasattr(value, "py_func"):
        parts.append(f"options {sorted(value.targetoptions.items())}")
        value = value.py_func
    module = getattr(value, "__module__", None) or ""
    if _is_plain(value) or isinstance(value, np.generic):
        parts.append(f"{type(value).__name__} {value!r}")
    elif isinstance(value, np.ndarray) and value.dtype != object:
        parts.append(f"array {value.dtype.str} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}")
    elif isinstance(value, types.ModuleType) and is_known(value.__name__):
        parts.append(f"module {value.__name__}")
    elif is_known(module) and hasattr(value, "__name__"):
        parts.append(f"known {module}.{value.__name__}")
    elif isinstance(value, tuple):
        parts.append(f"tuple {len(value)}")
        for item in value:
            _add_value(parts, item, seen)
    elif isinstance(value, (type, np.ufunc)) and is_known(module or "numpy"):
        parts.append(f"known {value!r}")
    else:
        _add_function(parts, value, seen)


def reached(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values that the function's code loads from outside: globals (through modules) and closure cells."""
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        yield f"cell {name}", cell.cell_contents
    for code in nested(function.__code__):
        instructions = instructions_of(code)
        for i, instruction in enumerate(instructions):
            if instruction.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
                continue
            name, value = instruction.argval, _lookup(function, instruction.argval)
            for step in instructions[i + 1 :]:
                if not isinstance(value, types.ModuleType) or step.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                    break
                name, value = f"{name}.{step.argval}", getattr(value, step.argval, None)
            yield f"global {name}", value


@lru_cache(maxsize=1024)
def instructions_of(code: types.CodeType) -> tuple[dis.Instruction, ...]:
    """The instructions of a code object, which take longer to list than short runs take to run."""
    return tuple(dis.get_instructions(code))


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
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


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def is_known(module: str) -> bool:
    return any(module == known or module.startswith(known + ".") for known in _KNOWN)
