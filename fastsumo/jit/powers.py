"""Constant whole powers as multiplications, for numbers and for lanes: ``x**2`` in a model stays SIMD.

A pass of the compiler finds them; where it runs is in `pipeline.py`. Any other power is vmath's, or Numba's.
"""

from __future__ import annotations

import operator
from contextlib import suppress
from typing import Any, NamedTuple

from numba import types
from numba.core import ir
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.errors import ConstantInferenceError
from numba.core.ir_utils import build_definitions
from numba.extending import intrinsic

from fastsumo.jit.whole import constant_power


class Nodes(NamedTuple):
    """What the code of a compiler is made of: numba-cuda has classes of its own."""

    Expr: Any
    Var: Any
    Global: Any
    Assign: Any
    Const: Any


NODES = Nodes(ir.Expr, ir.Var, ir.Global, ir.Assign, ir.Const)


@register_pass(mutates_CFG=False, analysis_only=False)
class ConstantPowers(FunctionPass):
    """Turn ``x**2`` into a call of `power`.

    Numba means to make multiplications of constant exponents, but looks for the operator under a wrong name (0.61 to
    0.68); its loop over the bits of the exponent keeps the loop around it from becoming SIMD.
    """

    _name = "constant_powers"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        return insert_powers(state.func_ir, NODES, ConstantInferenceError, build_definitions)


def insert_powers(func_ir: Any, nodes: Nodes, unknown: type[Exception], build: Any) -> bool:
    """The pass, with the nodes, the error and a function of the compiler that runs it. Whether it changed any."""
    found = 0
    for block in func_ir.blocks.values():
        for at, step in reversed(list(enumerate(block.body))):
            value = getattr(step, "value", None)
            if isinstance(value, nodes.Expr) and value.op == "binop" and value.fn is operator.pow:
                with suppress(unknown):
                    if isinstance(func_ir.infer_constant(value.rhs), int):
                        name = nodes.Var(block.scope, f"$constant_power.{found}", value.loc)
                        step.value = nodes.Expr.call(name, [value.lhs, value.rhs], (), value.loc)
                        called = nodes.Global("power", power, value.loc)
                        block.body.insert(at, nodes.Assign(called, name, value.loc))
                        found += 1
    if found:
        func_ir._definitions = build(func_ir.blocks)
    return found > 0


def power(x: Any, n: Any) -> Any:
    """``x**n``."""
    raise NotImplementedError("compiled code only")


def multiplied(builder: Any, x: Any, one: Any, n: int) -> Any:
    """The LLVM value ``x**n`` by multiplications in Numba's order; ``x`` and ``one`` are numbers or vectors."""
    exponent, square, result = abs(n), x, one
    while exponent:
        result = builder.fmul(result, square) if exponent & 1 else result
        square, exponent = builder.fmul(square, square), exponent >> 1
    return builder.fdiv(one, result) if n < 0 else result


@intrinsic(prefer_literal=True)
def whole_power(typingctx, x, n):  # type: ignore[no-untyped-def]
    """``x**n`` for a constant whole ``n``."""

    kind = types.unliteral(x)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if isinstance(kind, types.Integer):
            return constant_power(context, builder, kind, args[0], n.literal_value)
        return multiplied(builder, args[0], context.get_constant(kind, 1.0), n.literal_value)

    return kind(kind, n), codegen
