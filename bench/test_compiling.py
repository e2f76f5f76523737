"""What models take to compile: random ones of fifty operations, each in a process that has the engine compiled.

A lap is the processor time of one model, of random source: expressions of coordinates, parameters and a row, with
choices, loops and helpers among them. None may be of a kind that the compiler chokes on.
"""

from __future__ import annotations

import inspect
import random
import time
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo import vmath
from fastsumo.engine.cpu.kernels.weights import compiled

OPERATIONS = 50
SHAPES = ("parameters alone", "everything", "choices", "many choices", "no parameters", "a loop")
MODELS = 8  # of each shape
_TWO = ("minimum", "maximum", "logaddexp")
_ONE = tuple(name for name in vmath.__all__ if len(inspect.signature(getattr(vmath, name)).parameters) == 1)
_PARAMETERS = ("params[0]", "params[1]", "params[2]", "row[0]", "row[1]")
_NUMBERS = ("0.5", "2.0", "-1.25")


def expression(rng: random.Random, operations: int, leaves: tuple[str, ...]) -> str:
    """A random expression of so many operations, or a few less."""
    if operations <= 0:
        return rng.choice(leaves)
    kind, first = rng.random(), rng.randrange(operations)
    rest = operations - 1 - first
    if kind < 0.45:
        return f"{rng.choice(_ONE)}({expression(rng, operations - 1, leaves)})"
    if kind < 0.8:
        return f"({expression(rng, first, leaves)} {rng.choice('+-*/')} {expression(rng, rest, leaves)})"
    if kind < 0.9:
        return f"{rng.choice(_TWO)}({expression(rng, first, leaves)}, {expression(rng, rest, leaves)})"
    if kind < 0.95:
        return f"{expression(rng, 0, leaves)} * ({expression(rng, operations - 2, leaves)}) ** 2"
    condition = f"{rng.choice(leaves)} > {expression(rng, rest // 2, leaves)}"
    return f"({expression(rng, first, leaves)} if {condition} else {expression(rng, rest // 2, leaves)})"


def source(shape: str, seed: int) -> str:
    """A random model, as Python."""
    rng, third = random.Random(f"{shape} {seed}"), OPERATIONS // 3
    leaves: tuple[str, ...] = ("z[0]", "z[1]", *_PARAMETERS, *_NUMBERS)
    lines = [f"    return {expression(rng, OPERATIONS, leaves)}"]
    if shape == "parameters alone":
        lines = [f"    return {expression(rng, OPERATIONS, _PARAMETERS)}"]
    elif shape == "no parameters":
        lines = [f"    return {expression(rng, OPERATIONS, ('z[0]', 'z[1]', *_NUMBERS))}"]
    elif shape == "choices":
        lines = [
            f"    a = {expression(rng, third, _PARAMETERS)}",
            f"    if a > {rng.choice(leaves)}:",
            f"        a = {expression(rng, third, leaves)}",
            f"    return {expression(rng, third, (*leaves, 'a'))}",
        ]
    elif shape == "many choices":
        names = ("a", "b", "c", "d")
        inside = (*_PARAMETERS, *names)
        lines = ["    a, b, c, d = params[0], row[0], params[1], row[1]"]
        for word in ("if", "elif", "elif", "if", "elif"):
            values = ", ".join(expression(rng, 1, inside) for _ in names)
            lines += [
                f"    {word} {rng.choice(inside)} > {expression(rng, 2, inside)}:",
                f"        {', '.join(names)} = {values}",
            ]
        lines.append(f"    return {expression(rng, OPERATIONS - 30, (*leaves, *names))}")
    elif shape == "a loop":
        lines = [
            f"    a, total = {expression(rng, third, leaves)}, 0.0",
            "    for j in range(z.size):",
            f"        total += {expression(rng, third, (*leaves, 'z[j]', 'a'))}",
            f"    return {expression(rng, third, (*leaves, 'a', 'total'))}",
        ]
    return "\n".join(["def random_model(z, row, params):", *lines])


def random_model(shape: str, seed: int) -> fs.Model:
    """One of the models."""
    scope: dict[str, Any] = {name: getattr(vmath, name) for name in vmath.__all__} | {"__name__": __name__}
    exec(source(shape, seed), scope)
    return fs.Model(scope["random_model"], 2, [0.3, 1.2, 0.7], data=np.array([[0.4, 0.9]])).at_row(0)


@pytest.mark.parametrize("shape", SHAPES)
def test_compiling(benchmark: Any, shape: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if benchmark.disabled:
        pytest.skip("compiles for long; tests/engine/cpu/kernels/test_invariants.py looks at what is compiled")
    fs.simulate(fs.models.note(), fs.ELBO(), 100)
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))
    seeds, seconds = iter(range(MODELS)), []

    def lap() -> None:
        model, began = random_model(shape, next(seeds)), time.process_time()
        compiled(model)
        seconds.append(time.process_time() - began)

    benchmark.pedantic(lap, rounds=MODELS, iterations=1)
    benchmark.extra_info["largest processor seconds"] = max(seconds)
