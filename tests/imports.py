"""What modules of fastsumo import, read with `ast`: imports inside functions too, none that are for types alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import fastsumo as fs

ROOT = Path(fs.__file__).parents[1]


class Import(NamedTuple):
    """A module that is imported, or a name that may be one, and whether that happens inside a function."""

    name: str
    inside: bool


@cache
def modules() -> dict[str, Path]:
    """All modules and packages, by name."""
    files = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / "fastsumo").rglob("*.py")}
    return {".".join(at.parent.parts if at.name == "__init__" else at.parts): path for at, path in files.items()}


@cache
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports, of any package; relative names are resolved."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[Import] = []
    for node, inside in _statements(ast.parse(path.read_text(encoding="utf-8")), False):
        if isinstance(node, ast.Import):
            found += [Import(each.name, inside) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            found += [Import(name, inside) for name in (source, *(f"{source}.{each.name}" for each in node.names))]
    return tuple(found)


def imported_modules(module: str) -> set[str]:
    """The modules of fastsumo that a module imports, the packages that they are in among them."""
    found = {each.name for each in imports(module)} & modules().keys()
    return {above for name in found for above in _with_packages(name)} - {module}


def reached(*start: str) -> set[str]:
    """These modules and all of fastsumo that they import, directly or not."""
    found: set[str] = set()
    waiting = {above for name in start for above in _with_packages(name)}
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= imported_modules(module) - found
    return found


def _with_packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _statements(node: ast.AST, inside: bool) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes, and whether they are inside a function; none under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for each in child.orelse:
                yield each, inside
                yield from _statements(each, inside)
            continue
        yield child, inside
        yield from _statements(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
