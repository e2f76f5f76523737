"""What is used of Numba's inside is written down, is used in `jit` alone, and is there in the installed version."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator

import imports

from fastsumo.jit.numba_internals import ATTRIBUTES, IMPORTED, TRIED

INSIDE = ("numba.core", "numba.np", "numba.cloudpickle", "numba.misc", "numba.typed", "numba.cpython", "llvmlite")


def is_inside(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in INSIDE)


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def used_in(source: str) -> Iterator[tuple[str, str]]:
    """Private modules with the names that are taken from them, by import or as attributes of a module."""
    tree, modules = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {each.asname or each.name: each.name for each in node.names if is_inside(each.name)}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("numba", "llvmlite"):
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                if is_inside(whole) and is_module(whole):
                    modules[each.asname or each.name] = whole
                elif is_inside(node.module):
                    yield node.module, each.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def test_the_list_is_what_is_imported() -> None:
    found = defaultdict(set)
    for name, path in imports.modules().items():
        if name.startswith("fastsumo.jit"):
            for module, used in used_in(path.read_text(encoding="utf-8")):
                found[module].add(used)
    assert {module: sorted(names) for module, names in found.items()} == {
        module: sorted(names) for module, names in IMPORTED.items()
    }


def test_what_would_be_missing_is_seen() -> None:
    source = "from numba.core import cgutils as c\nfrom numba.core.errors import X\nimport llvmlite.binding as b\n"
    found = set(used_in(source + "import numba\nfrom numba import types\nc.pack_array, b.initialize, numba.njit\n"))
    assert found == {
        ("numba.core.cgutils", "pack_array"),
        ("numba.core.errors", "X"),
        ("llvmlite.binding", "initialize"),
    }


def test_nothing_else_looks_inside() -> None:
    others = sorted(name for name in imports.modules() if not name.startswith("fastsumo.jit"))
    assert len(others) > 200
    assert [(name, each.name) for name in others for each in imports.imports(name) if is_inside(each.name)] == []


def test_all_of_it_is_in_this_version() -> None:
    for module, names in IMPORTED.items():
        assert [name for name in names if not hasattr(importlib.import_module(module), name)] == [], module
    for where, names in ATTRIBUTES.items():
        module, _, owner = where.rpartition(".")
        there = getattr(importlib.import_module(module), owner)
        assert [name for name in names if not hasattr(there, name)] == [], where


def test_the_bounds_of_the_package_are_the_versions_that_were_tried() -> None:
    project = tomllib.loads((imports.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (bound,) = (each for each in project["dependencies"] if each.startswith("numba"))
    low, high = re.fullmatch(r"numba>=0\.(\d+),<0\.(\d+)", bound).groups()
    assert tuple(f"0.{minor}" for minor in range(int(low), int(high))) == TRIED
