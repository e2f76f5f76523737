"""The example scripts: which there are, what each says of itself, its text."""

from __future__ import annotations

import ast
from importlib import resources

from fastsumo.base import checks

_FOLDER = resources.files(__package__) / "examples"


def names() -> list[str]:
    """Scripts by name.

    Examples
    --------
    >>> "banana" in names()
    True
    """
    return sorted(file.name.removesuffix(".py") for file in _FOLDER.iterdir() if file.name.endswith(".py"))


def read(name: str) -> str:
    """The text of a script."""
    return (_FOLDER / f"{checks.choice('example', name, names())}.py").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """The first line of what a script says of itself."""
    return (ast.get_docstring(ast.parse(read(name))) or "").partition("\n")[0]
