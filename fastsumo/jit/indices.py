"""Constant indices that are out of range, found in code to which no run need come: behind a question of noise.

Only what is sure is found. An index behind a question of sizes, params or data may be meant for others than those at
hand; what is not constant, or in a helper, is checked as it runs (`boundscheck` in `options.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks

_OF_SIZE = ("size", "shape", "ndim", "dtype", "itemsize", "nbytes", "strides")


def out_of_range(function: Any, sizes: tuple[int, ...]) -> tuple[str, Any]:
    """What is wrong, and where, with a constant index into an argument; the first ones are vectors of these sizes."""
    for label, block in function.blocks.items():
        for step in block.body:
            value = getattr(step, "value", None)
            if not isinstance(value, ir.Expr) or value.op != "static_getitem" or type(value.index) is not int:
                continue
            argument = _argument(function, value.value)
            if argument is None or argument >= len(sizes) or -sizes[argument] <= value.index < sizes[argument]:
                continue
            if all(_asks_noise(function, question, set()) for question in _questions(function, label)):
                return f"index {value.index} is out of bounds for axis 0 with size {sizes[argument]}", step.loc
    return "", None


def _argument(function: Any, variable: Any) -> int | None:
    """The place of the argument that a variable is; None if it is something else."""
    while isinstance(variable, ir.Var):
        definitions = function._definitions[variable.name]
        variable = definitions[0] if len(definitions) == 1 else None
    return variable.index if isinstance(variable, ir.Arg) else None


def _questions(function: Any, label: int) -> Iterator[Any]:
    """Variables that decide whether a block is come to."""
    graph = compute_cfg_from_blocks(function.blocks)
    after = graph.post_dominators()
    for before in graph.dominators()[label]:
        last = function.blocks[before].terminator
        if before != label and isinstance(last, ir.Branch) and label not in after[before]:
            yield last.cond


def _asks_noise(function: Any, variable: Any, seen: set[str]) -> bool:
    """Whether a variable depends on the numbers in the first argument."""
    if variable.name in seen:
        return False
    seen.add(variable.name)
    for value in function._definitions[variable.name]:
        if isinstance(value, ir.Arg):
            if value.index == 0:
                return True
        elif isinstance(value, ir.Var):
            if _asks_noise(function, value, seen):
                return True
        elif (
            isinstance(value, ir.Expr)
            and not _is_size(function, value)
            and any(_asks_noise(function, each, seen) for each in value.list_vars())
        ):
            return True
    return False


def _is_size(function: Any, value: Any) -> bool:
    if value.op == "getattr":
        return value.attr in _OF_SIZE
    called = function._definitions[value.func.name] if value.op == "call" else []
    return any(getattr(each, "value", None) is len for each in called)
