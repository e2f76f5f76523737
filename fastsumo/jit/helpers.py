"""Helpers of a user's model, compiled as the model itself: anew, with checked indices, inside of it.

A helper that the user's script has compiled stays as it is; a twin of it is made of the same Python function. So nothing
in a model's code is left of what its helpers were when somebody first called them, and none reads out of range.
"""

from __future__ import annotations

import operator
from types import ModuleType
from typing import Any

import numba
from numba.core import ir
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.dispatcher import Dispatcher

from fastsumo.jit.fingerprint import is_known

_ITS_OWN = {"boundscheck": True, "parallel": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


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
                    twin = _twin(value, type(state.pipeline))
                    if twin is not value:
                        step.value, found = ir.Global(name, twin, step.value.loc), True
        return found


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


def _twin(value: Any, compiler: Any) -> Any:
    """What stands for a value: itself, if it is no helper and holds none."""
    if isinstance(value, tuple) and type(value) is tuple:
        twins = tuple(_twin(each, compiler) for each in value)
        return value if all(map(operator.is_, twins, value)) else twins
    if not isinstance(value, Dispatcher) or is_known(value.py_func.__module__ or ""):
        return value
    if value not in compiler.twins:
        options = {**value.targetoptions, **_ITS_OWN, "pipeline_class": compiler}
        compiler.twins[value] = numba.jit(locals=value.locals, **options)(value.py_func)
        compiler.twins[compiler.twins[value]] = compiler.twins[value]
    return compiler.twins[value]
