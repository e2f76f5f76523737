"""The key of the package's own compiled code: it covers every module whose code or constants can be in it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imports
import pytest

import fastsumo as fs
from fastsumo.jit import options, sources
from fastsumo.jit.cache import ContentCache
from fastsumo.jit.sources import reached_modules, source_digest
from fastsumo.vmath import _call, _exponential

COMPILED = sorted(name for name in imports.modules() if name.startswith(("fastsumo.engine.cpu", "fastsumo.vmath")))

LAZY = {"fastsumo", "fastsumo._version"}  # what the front door imports at first, which no kernel reads


@pytest.mark.parametrize("module", COMPILED)
def test_all_imports_are_followed(module: str) -> None:
    """As `ast` sees them, packages that run on the way included."""
    assert reached_modules(module) - LAZY == imports.reached(module) - LAZY


def _kernels() -> Iterator[tuple[str, Any]]:
    """Every kernel that a module of the package has or makes, with the module that its key begins at."""
    importlib.import_module("fastsumo.engine.cpu.engine")
    for name in COMPILED:
        for value in vars(importlib.import_module(name)).values():
            for each in _flat(value):
                cache = getattr(each, "_cache", None)
                if isinstance(cache, ContentCache):
                    yield each.py_func.__module__, each


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _used(function: Callable[..., Any], seen: set[str]) -> None:
    """The modules of all functions that a compiled function calls, constants that it reads aside."""
    if function.__module__.partition(".")[0] != "fastsumo" or function.__qualname__ in seen:
        return
    seen |= {function.__qualname__, f"module {function.__module__}"}
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    names = [function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__]
    for value in _flat([*cells, *names]):
        inner = getattr(value, "py_func", getattr(value, "_defn", value))
        if callable(inner) and hasattr(inner, "__code__"):
            _used(inner, seen)


def test_what_kernels_call_is_in_their_key() -> None:
    """The functions themselves are asked where they are from: what comes through a closure is seen too."""
    found = list(_kernels())
    assert len(found) > 15
    for module, kernel in found:
        seen: set[str] = set()
        _used(kernel.py_func, seen)
        used = {name.removeprefix("module ") for name in seen if name.startswith("module ")}
        assert used <= reached_modules(module), kernel


def test_a_loop_over_an_elementary_function_has_its_module_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function comes through a closure, to a loop in another module."""
    asked: list[tuple[str, ...]] = []

    def digest(*modules: str) -> str:
        asked.append(modules)
        return ""

    monkeypatch.setattr(options, "source_digest", digest)
    _call._loop.__wrapped__(_exponential._exp, 1)._cache._digest()
    assert asked == [("fastsumo.vmath._call", "fastsumo.vmath._exponential")]


@pytest.mark.parametrize("module", ["fastsumo.engine.cpu.kernels.block", "fastsumo.engine.cpu.kernels.weights"])
def test_an_edit_of_any_of_them_changes_the_key(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = source_digest(module), sources._source
    for edited in imports.modules():
        monkeypatch.setattr(
            sources, "_source", lambda name, edited=edited: read(name) + "\n# edited" * (name == edited)
        )
        changed = source_digest.__wrapped__(module) != before
        assert changed == (edited in reached_modules(module)), edited


def test_what_the_key_depends_on_stays_small() -> None:
    """An edit of a figure or a command must not compile the engine anew."""
    for module in ("fastsumo.engine.cpu.kernels.block", "fastsumo.engine.cpu.kernels.weights"):
        packages = {name.split(".")[1] for name in reached_modules(module) if "." in name}
        assert not packages & {"cli", "plot", "report", "runs", "study", "tails", "theory"}, module


def test_numba_options_live_in_one_place() -> None:
    """No `njit` with options outside `jit/options.py`, but for the peer that is no part of the engine."""
    package = Path(fs.__file__).parent
    named = [path.name for path in package.rglob("*.py") if re.search(r"\bn?jit\(|cfunc\(", path.read_text())]
    assert sorted(named) == ["options.py", "plain_numba.py"]
