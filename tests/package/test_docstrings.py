"""Every public name says what it takes and gives back, with an example that is run; `help(fs)` is the map."""

from __future__ import annotations

import dataclasses
import doctest
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pytest

import fastsumo as fs
from fastsumo.estimators.estimators import Estimator

MODULES = ("models", "proposals", "roulette", "tails", "theory", "vmath", "plot")
NOT_RUN = ("fastsumo.__main__", "fastsumo.cli.new_model")  # a command, and a template


def _names_of(module: ModuleType) -> list[str]:
    """What a module offers: its ``__all__``, else what is defined in it."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return [name for name in own if not name.startswith("_")]


def _public() -> Iterator[tuple[str, Any]]:
    """Functions and classes by the name that a person types, each once."""
    seen: set[int] = set()
    for prefix, module in [("fs", fs), *((f"fs.{name}", getattr(fs, name)) for name in MODULES)]:
        for name in _names_of(module):
            value = getattr(module, name)
            if callable(value) and not isinstance(value, ModuleType) and id(value) not in seen:
                seen.add(id(value))
                yield f"{prefix}.{name}", value


PUBLIC = dict(_public())


def _sections(text: str) -> dict[str, str]:
    """numpydoc sections by name; what stands before the first is ''."""
    parts = re.split(r"^(\w[\w ]*)\n-+$", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def _described(section: str) -> set[str]:
    """The names that a section of parameters or attributes describes."""
    heads = [line.split(" : ")[0] for line in section.splitlines() if line and not line.startswith(" ")]
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def _parameters(value: Any) -> set[str]:
    """Names of the parameters that a person can give; of a class those of its constructor."""
    return {name for name in inspect.signature(value).parameters if name != "self" and not name.startswith("_")}


def _may_fail(name: str) -> bool:
    """Functions of `fs` itself, estimators and laws that take something."""
    value = PUBLIC[name]
    kind = inspect.isclass(value) and issubclass(value, (Estimator, fs.roulette.Roulette))
    own = inspect.isfunction(value) and name.count(".") == 1 and name != "fs.show_versions"
    return bool((own or kind) and _parameters(value))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_is(name: str) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    summary = text.split("\n\n")[0]
    assert summary.strip().endswith((".", "`", ")", ":"))
    assert ">>> " in text, "no example"


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if not name.startswith("fs.vmath.")])
def test_a_public_name_says_what_it_takes(name: str) -> None:
    value = PUBLIC[name]
    if inspect.isclass(value) and issubclass(value, (Warning, Exception)):
        return
    sections = _sections(inspect.getdoc(value) or "")
    described = _described(sections.get("Parameters", "")) | _described(sections.get("Attributes", ""))
    hidden = {"statistics", "sums"}  # what a Result and an Evaluation are made of, seen through their attributes
    assert _parameters(value) - hidden <= described


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if inspect.isfunction(value)])
def test_a_public_function_says_what_it_gives(name: str) -> None:
    returned = inspect.signature(PUBLIC[name]).return_annotation
    if not name.startswith("fs.vmath.") and returned not in (None, "None", inspect.Signature.empty):
        assert "Returns" in _sections(inspect.getdoc(PUBLIC[name]) or "")


@pytest.mark.parametrize("name", [name for name in PUBLIC if _may_fail(name)])
def test_a_public_name_says_what_it_raises(name: str) -> None:
    assert "Raises" in _sections(inspect.getdoc(PUBLIC[name]) or "")


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if inspect.isclass(value)])
def test_methods_and_properties_have_a_word(name: str) -> None:
    cls = PUBLIC[name]
    members = [member for member in vars(cls) if not member.startswith("_")]
    fields = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    silent = [m for m in members if m not in fields and not (inspect.getdoc(getattr(cls, m)) or "").strip()]
    assert silent == []


def test_help_is_a_map() -> None:
    text = fs.__doc__ or ""
    missing = [name for name in fs.__all__ if not re.search(rf"`{re.escape(name)}`", text)]
    assert missing in ([], ["__version__"])
    assert max(map(len, text.splitlines())) <= 120


def _modules() -> list[str]:
    """Modules in which there are examples."""
    found = ["fastsumo", *(each.name for each in pkgutil.walk_packages(fs.__path__, "fastsumo."))]
    files = {name: importlib.util.find_spec(name).origin for name in found if name not in NOT_RUN}  # type: ignore[union-attr]
    return [name for name, file in files.items() if ">>> " in Path(str(file)).read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", _modules())
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of the package, public or not, gives what it says."""
    if name.startswith("fastsumo.study.study") and not hasattr(fs, "Study"):
        pytest.skip("studies are not public yet")
    monkeypatch.setitem(mpl.rcParams, "figure.max_open_warning", 0)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("name", [name for name in PUBLIC if name.startswith("fs.vmath.")])
def test_examples_of_compiled_functions(name: str) -> None:
    """doctest does not find what is no plain function."""
    value = PUBLIC[name]
    runner = doctest.DocTestRunner(verbose=False)
    (test,) = doctest.DocTestFinder().find(value, name, globs=vars(fs.vmath).copy())
    assert runner.run(test).failed == 0
