"""What a model's function must not reach: randomness of its own, clocks, files, output, Python inside compiled code.

A trial is a function of its number, so that it can be replayed; a log weight is a function of its arguments. Nor must
it reach what reads memory without looking at bounds, and cannot be compiled in a way that does (`jit/checked.py`).
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterator
from typing import Any

from fastsumo.errors import ModelError
from fastsumo.jit.reached import functions, loads, nested, of_library, overloads_of, reached, template_function
from fastsumo.models.vectorized import FOR_BATCHES

_IMPURE = {
    "random": "draws random numbers of its own",
    "secrets": "draws random numbers of its own",
    "numpy.random": "draws random numbers of its own",
    "time": "reads a clock",
    "datetime": "reads a clock",
    **dict.fromkeys(("os", "posix", "nt"), "asks the operating system"),
    "io": "reads or writes files",
    "_io": "reads or writes files",
    "numba.np.ufunc.parallel": "asks which thread it runs in",
    "numba.core.withcontexts": "runs Python in the middle of compiled code",
    "print": "prints",
    "input": "reads what is typed",
    "open": "opens files",
}
_UNCHECKED = {
    "numba.np.ufunc.gufunc": "is made by numba.guvectorize",
    "numba.experimental": "is made by numba.experimental",
    "numba.stencils": "is made by numba.stencil",
    "numba.core.ccallback": "is made by numba.cfunc",
    "numba.core.extending": "is made by numba.extending.intrinsic",
    "numba.np.numpy_support": "takes an address",
    "numpy.lib.stride_tricks.as_strided": "takes strides",
    **dict.fromkeys(("numba.unsafe", "numba.np.unsafe", "numba.cpython.unsafe"), "is for Numba alone"),
}
_A_FUNCTION = "a log weight must be a function of z, the data and params alone: a trial is a function of its number"
_CHECKED = "indices in that are not checked: use numbers, tuples and arrays, and functions under numba.njit"


def check_purity(function: Callable[..., Any], name: str) -> None:
    """
    Raises
    ------
    fastsumo.ModelError
        If the function, or a helper of it, reaches what makes it more than a function of its arguments.
    """
    for each in functions(function):
        lowered = [template.key for template in overloads_of(each) if template_function(template) is None]
        for word, value in reached(each):
            for why, rule in ((_found(value, _IMPURE), _A_FUNCTION), (_unchecked(value, lowered), _CHECKED)):
                line = _line_using(each, word) if why else None
                if line is not None:
                    where = f"{each.__code__.co_filename}, line {line}"
                    used = word.partition(" ")[2]
                    far = f"; {FOR_BATCHES}" if _package(each) != _package(function) else ""
                    raise ModelError(f"model {name!r} uses {used}, which {why} ({where}); {rule}{far}")


def _package(function: Any) -> str:
    return str(getattr(function, "__module__", None)).partition(".")[0]


def _unchecked(value: Any, lowered: list[Any]) -> str | None:
    """Why nothing checks what a value that a function reaches reads, if it is so."""
    if any(value is each for each in lowered):
        return "is made by numba.extending.type_callable"
    if of_library(value):  # such as the package's own intrinsics
        name = f"{getattr(value, '__module__', '')}.{getattr(value, '__name__', '')}"
        return next((why for known, why in _UNCHECKED.items() if _is_in(name, known)), None)
    return _found(value, _UNCHECKED)


def _found(value: Any, modules: dict[str, str]) -> str | None:
    """What is said of the module that a value is from, or its type, or that of what it is a method of."""
    if isinstance(value, types.ModuleType):  # held by another name, from which anything may be taken
        return next((why for known, why in modules.items() if _is_in(value.__name__, known)), None)
    for each in (value, type(value), type(getattr(value, "__self__", None))):
        module = getattr(each, "__module__", None) or ""
        module = f"builtins.{each.__name__}" if module in ("builtins", "_io") and callable(each) else module
        for known, why in modules.items():
            if _is_in(module, known) or module == f"builtins.{known}":
                return why
    return None


def _is_in(module: str, known: str) -> bool:
    return module == known or module.startswith(f"{known}.")


def _line_using(function: types.FunctionType, word: str) -> int | None:
    """The first line that uses a name of `reached` and can be come to; None if there is none."""
    name = word.partition(" ")[2]
    for code in nested(function.__code__):
        dead = set(_dead(function, code))
        for step in dis.get_instructions(code):
            if step.offset not in dead and step.argval == name.partition(".")[0] and "LOAD" in step.opname:
                return step.positions.lineno if step.positions else code.co_firstlineno
    return None


def _dead(function: types.FunctionType, code: types.CodeType) -> Iterator[int]:
    """Offsets of instructions behind the question whether a constant from outside is true, where it is not."""
    constants = {str(load): load.value for load in loads(function)}
    steps = list(dis.get_instructions(code))
    for i, step in enumerate(steps):
        if not (step.opname.startswith("POP_JUMP") and step.argval > step.offset):
            continue
        before = next((each for each in reversed(steps[:i]) if each.opname != "TO_BOOL"), None)
        names = () if before is None else (f"global {before.argval}", f"cell {before.argval}")
        known = [constants[name] for name in names if name in constants and isinstance(constants[name], bool)]
        if known and ("IF_FALSE" in step.opname) != known[0]:
            yield from range(step.offset + 1, step.argval)
