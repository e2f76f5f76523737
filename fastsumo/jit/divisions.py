"""Whole numbers divided by 0 in a model: an error, as in Python, where code that goes on after errors has 0.

A pass of the compiler finds divisions; where it runs is in `checked.py`, what is compiled of them in `options.py`.
Numbers that are not whole are divided as the processor does it, and give infinity or NaN.
"""

from __future__ import annotations

import operator
from typing import Any

from numba.core import ir
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import build_definitions


def quotient(x: Any, y: Any) -> Any:
    """``x // y``."""
    raise NotImplementedError("compiled code only")


def remainder(x: Any, y: Any) -> Any:
    """``x % y``."""
    raise NotImplementedError("compiled code only")


def quotient_and_remainder(x: Any, y: Any) -> Any:
    """``divmod(x, y)``."""
    raise NotImplementedError("compiled code only")


_DIVISIONS = {operator.floordiv: quotient, operator.ifloordiv: quotient}
_DIVISIONS |= {operator.mod: remainder, operator.imod: remainder}


@register_pass(mutates_CFG=False, analysis_only=False)
class WholeDivisions(FunctionPass):
    """Turn ``x // y``, ``x % y`` and ``divmod`` into calls of functions that check what they divide by."""

    _name = "whole_divisions"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        found = 0
        for block in state.func_ir.blocks.values():
            for at, step in reversed(list(enumerate(block.body))):
                value = getattr(step, "value", None)
                if isinstance(value, ir.Global) and value.value is divmod:
                    step.value, found = ir.Global(value.name, quotient_and_remainder, value.loc), found + 1
                elif isinstance(value, ir.Expr) and value.op in ("binop", "inplace_binop") and value.fn in _DIVISIONS:
                    name, function = ir.Var(block.scope, f"$whole_division.{found}", value.loc), _DIVISIONS[value.fn]
                    step.value = ir.Expr.call(name, [value.lhs, value.rhs], (), value.loc)
                    called = ir.Global(function.__name__, function, value.loc)
                    block.body.insert(at, ir.Assign(called, name, value.loc))
                    found += 1
        if found:
            state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return found > 0
