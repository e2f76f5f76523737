"""Variables that a model may ask for before they have a value: an error, as in Python.

Compiled code would go on with 0. So each variable that some way through the code leaves without a value gets a flag
beside it, and its uses on such a way look at that. LLVM removes what it sees to be set, as after a loop that is sure to
have steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from numba import types
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import build_definitions
from numba.extending import intrinsic

from fastsumo.jit.powers import NODES, Nodes
from fastsumo.jit.whole import demand


@register_pass(mutates_CFG=False, analysis_only=False)
class AssignedFirst(FunctionPass):
    """Look at the flags of variables; it comes before variables are made to be assigned once."""

    _name = "assigned_first"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        return insert_checks(state.func_ir, NODES, compute_cfg_from_blocks, build_definitions)


def insert_before(passes: Any, known: Any, made: Any) -> None:
    """Put a pass of the compiler before another one."""
    at = next(i for i, (each, _) in enumerate(passes.passes) if each is known)
    passes.passes.insert(at, (made, made.__doc__ or ""))


def insert_checks(func_ir: Any, nodes: Nodes, flow: Any, build: Any) -> bool:
    """The pass, with the nodes and two functions of the compiler that runs it. Whether it changed anything."""
    blocks = func_ir.blocks
    places = list(_early_uses(blocks, nodes, flow(blocks)))
    names = {name for *_, name in places}
    if not names:
        return False
    checks: dict[int, list[str]] = {}
    for step, name in places:
        checks.setdefault(id(step), []).append(name)
    first = blocks[min(blocks)]
    numbers = count()

    def new(word: str, loc: Any) -> Any:
        return first.scope.define(f"${word}.{next(numbers)}", loc)

    flags = {name: new(f"has.{name}", first.loc) for name in sorted(names)}

    def flagged(step: Any) -> Iterator[Any]:
        for name in checks.get(id(step), ()):
            function, said, nothing = (new(f"check.{each}", step.loc) for each in ("function", "name", "nothing"))
            yield nodes.Assign(nodes.Global("is_assigned", is_assigned, step.loc), function, step.loc)
            yield nodes.Assign(nodes.Const(name.partition(".")[0], step.loc), said, step.loc)
            yield nodes.Assign(nodes.Expr.call(function, [flags[name], said], (), step.loc), nothing, step.loc)
        yield step
        name = _assigned(step, nodes)
        if name in flags:
            yield nodes.Assign(nodes.Const(True, step.loc), flags[name], step.loc)

    for block in blocks.values():
        block.body = [each for step in block.body for each in flagged(step)]
    first.body[:0] = [nodes.Assign(nodes.Const(False, first.loc), flag, first.loc) for flag in flags.values()]
    func_ir._definitions = build(blocks)
    return True


def _early_uses(blocks: Any, nodes: Nodes, graph: Any) -> Iterator[tuple[Any, str]]:
    """Steps, with the names of variables that they use and that some way to them does not assign."""
    every = {name for block in blocks.values() for step in block.body if (name := _assigned(step, nodes))}
    after = dict.fromkeys(blocks, every)  # what is assigned on every way through a block, or asked for there
    before: dict[Any, set[str]] = {}
    while True:
        for label in blocks:
            ways = [after[label] for label, _ in graph.predecessors(label)]
            before[label] = set.intersection(*ways) if ways else set()
        found = {label: before[label] | _touched(block, nodes) for label, block in blocks.items()}
        if found == after:
            break
        after = found
    for label, block in blocks.items():
        known = set(before[label])
        for step in block.body:
            for name in _used(step, nodes):
                if name in every - known:
                    yield step, name
            known.update(_used(step, nodes), [_assigned(step, nodes)])


def _touched(block: Any, nodes: Nodes) -> set[str]:
    return {name for step in block.body for name in (_assigned(step, nodes), *_used(step, nodes)) if name}


def _assigned(step: Any, nodes: Nodes) -> str:
    """The name of the user's variable that a step assigns."""
    return step.target.name if isinstance(step, nodes.Assign) and step.target.name[0] != "$" else ""


def _used(step: Any, nodes: Nodes) -> list[str]:
    """The names of the user's variables that a step takes."""
    value = step.value if isinstance(step, nodes.Assign) else step
    taken = [value] if isinstance(value, nodes.Var) else value.list_vars() if hasattr(value, "list_vars") else []
    return list(dict.fromkeys(var.name for var in taken if var.name[0] != "$"))


@intrinsic(prefer_literal=True)
def is_assigned(typingctx, flag, name):  # type: ignore[no-untyped-def]
    """What raises, of a variable's flag and its name."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        message = f"cannot access local variable {name.literal_value!r} where it is not associated with a value"
        demand(context, builder, args[0], UnboundLocalError, message)
        return context.get_dummy_value()

    return types.none(types.boolean, name), codegen
