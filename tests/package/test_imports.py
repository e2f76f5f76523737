"""The imports of the package, counted anew with `ast`: no circle, none of its own in a function, Numba's inside in jit.

Which package may import which is in `test_contracts.py`.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable

import imports
import pytest

INSIDE = ("numba.core", "llvmlite")  # what may be other in the next version of Numba


def test_there_is_no_circle() -> None:
    graph = {module: imported_directly(module) for module in imports.modules()}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(order) == len(graph)
    assert order.index("fastsumo.cli.trials") > order.index("fastsumo.engine.cpu.kernels.short")


def imported_directly(module: str) -> set[str]:
    """As `imports.imported_modules`, without the packages that a module is in: they have run before it."""
    return {name for name in imports.imported_modules(module) if not f"{module}.".startswith(f"{name}.")}


def test_a_circle_would_be_seen() -> None:
    graph: dict[str, set[str]] = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


def test_no_import_of_its_own_is_in_a_function() -> None:
    found = [
        f"{module}: {each.name}"
        for module in imports.modules()
        for each in imports.imports(module)
        if each.inside and each.name.partition(".")[0] == "fastsumo"
    ]
    assert found == []


def test_the_inside_of_numba_is_known_to_one_package() -> None:
    knows = {module for module in imports.modules() if any(map(is_inside, names(module)))}
    assert {module for module in knows if not module.startswith("fastsumo.jit.")} == set()
    assert "fastsumo.jit.cache" in knows


def names(module: str) -> Iterable[str]:
    return (each.name for each in imports.imports(module))


def is_inside(name: str) -> bool:
    return any(f"{name}.".startswith(f"{inside}.") for inside in INSIDE)
