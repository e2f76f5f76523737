"""Helpers of a user's model, compiled as the model itself: anew, with checked indices, inside of it.

A helper that the user's script has compiled stays as it is; a twin is made of its Python function. So nothing of
what its helpers were when somebody first called them is left in a model's code, and none reads out of range.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.core import errors, ir, registry
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.dispatcher import Dispatcher
from numba.extending import overload

from fastsumo.jit.indices import out_of_range
from fastsumo.jit.memory import readonly
from fastsumo.jit.reached import of_library


class Twins:
    """The twins of one model's helpers, made when they are asked for: ``make(function, options, locals, twins)``."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._made: dict[Any, Any] = {}

    def of(self, value: Any) -> Any:
        """What stands for a value: itself, if it is no helper and holds none."""
        if value is np.ascontiguousarray or value is np.asfortranarray:
            return in_order_c if value is np.ascontiguousarray else in_order_fortran
        if type(value) is tuple:
            twins = tuple(map(self.of, value))
            return value if all(map(operator.is_, twins, value)) else twins
        function = getattr(value, "py_func", None) if isinstance(value, Dispatcher) else _jitable(value)
        if function is None or value in self._made.values() or of_library(value):
            return value
        if value not in self._made:
            options, kinds = (value.targetoptions, value.locals) if isinstance(value, Dispatcher) else ({}, {})
            self._made[value] = self._make(function, options, kinds, self)
        return self._made[value]


@register_pass(mutates_CFG=False, analysis_only=False)
class CheckedHelpers(FunctionPass):
    """Put twins in the place of the compiled functions that a function reaches by name."""

    _name = "checked_helpers"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        found = False
        for block in state.func_ir.blocks.values():
            for step in block.body:
                if isinstance(step, ir.Assign):
                    name, value = _constant(state.func_ir, step.value)
                    twin = state.pipeline.twins.of(value)
                    if twin is not value:
                        step.value, found = ir.Global(name, twin, step.value.loc), True
        return found


def in_order_c(array: Any) -> Any:
    """`numpy.ascontiguousarray`, which Numba takes for a copy where it is none: read-only if the array is."""
    raise NotImplementedError("compiled code only")


def in_order_fortran(array: Any) -> Any:
    """`numpy.asfortranarray`, likewise."""
    raise NotImplementedError("compiled code only")


@overload(in_order_c)
def _in_order_c(array):  # type: ignore[no-untyped-def]
    if isinstance(array, types.Array) and not array.mutable:
        return lambda array: readonly(np.ascontiguousarray(array))
    return lambda array: np.ascontiguousarray(array)


@overload(in_order_fortran)
def _in_order_fortran(array):  # type: ignore[no-untyped-def]
    if isinstance(array, types.Array) and not array.mutable:
        return lambda array: readonly(np.asfortranarray(array))
    return lambda array: np.asfortranarray(array)


def _constant(function: Any, value: Any) -> tuple[str, Any]:
    """Name and value of a global, a closure's cell or a module's attribute; nothing for anything else."""
    if isinstance(value, ir.Global | ir.FreeVar):
        return value.name, value.value
    if isinstance(value, ir.Expr) and value.op == "getattr":
        definitions = function._definitions[value.value.name]
        owner = _constant(function, definitions[0])[1] if len(definitions) == 1 else None
        if isinstance(owner, ModuleType):
            return value.attr, getattr(owner, value.attr, None)
    return "", None


def _jitable(value: Any) -> Any:
    """The function itself, if it is one that `numba.extending.register_jitable` has registered."""
    if not isinstance(value, FunctionType) or of_library(value):
        return None
    known = registry.cpu_target.typing_context._lookup_global(value)
    for template in getattr(known, "templates", ()):
        overload = getattr(template, "_overload_func", None)
        if any(cell.cell_contents is value for cell in getattr(overload, "__closure__", None) or ()):
            return value
    return None


@register_pass(mutates_CFG=False, analysis_only=True)
class NoBackDoors(FunctionPass):
    """Refuse what Numba lets a function do to an array without looking at bounds, or at whether it is read-only."""

    _name = "no_back_doors"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            for step in block.body:
                why = _back_door(step, state.typemap)
                if why:
                    raise errors.TypingError(why, loc=step.loc)
        why, where = out_of_range(state.func_ir, state.pipeline.sizes) if state.pipeline.sizes else ("", None)
        if why:
            raise errors.TypingError(why, loc=where)
        return False


def _back_door(step: Any, kinds: Any) -> str:
    value = getattr(step, "value", None)
    target = step.target if isinstance(step, ir.SetItem | ir.StaticSetItem) else None
    if isinstance(value, ir.Expr) and value.op in ("getitem", "static_getitem"):
        target = value.value
    if target is not None and isinstance(kinds[target.name], types.NumpyFlatType):
        return "an index of .flat is not checked: use one of the array itself"
    if isinstance(value, ir.Expr) and value.op == "call":
        function: Any = getattr(kinds[value.func.name], "typing_key", None)
        given = [kinds[each.name] for each in (*value.args, *dict(value.kws).values())]
        writes = function in (np.nditer, np.fill_diagonal) or (function is np.nan_to_num and len(given) > 1)
        given = given[2:] if function is np.dot else given
        writes |= function is np.dot
        if writes and any(isinstance(kind, types.Array) and not kind.mutable for kind in given):
            return f"numpy.{function.__name__} can write into a readonly array, as z, rows of data and params are"
    return ""
