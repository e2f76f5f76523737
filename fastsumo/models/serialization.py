"""How a model is written down, so that another process, another day, can make it again.

It becomes a built-in's name or its function's code by value, together with the hash of its source, which whoever makes
it again compares. Nothing is run here.
"""

from __future__ import annotations

import copy
import difflib
import enum
import inspect
import pickle
import sys
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastsumo.errors import ModelError
from fastsumo.jit.fingerprint import unknown_content
from fastsumo.jit.pickling import dumps_by_value
from fastsumo.jit.reached import functions, reached
from fastsumo.models.model import Model, source_hash
from fastsumo.models.parsing import parse_model
from fastsumo.models.vectorized import Batched

_SHOWN = 50  # numbers of an array
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"  # code by value is of one minor version


class Recipe(NamedTuple):
    """What a process needs to make a model again; small, and hashable.

    Attributes
    ----------
    name : str
    params : tuple of float
    source : str
        Hash of its source; see `models.model.source_hash`.
    spec : str or None
        The name of a built-in model.
    capsule : bytes or None
        The model by value, where it is not built in.
    python : str
        The version of Python that the capsule is for.
    """

    name: str
    params: tuple[float, ...]
    source: str
    spec: str | None
    capsule: bytes | None
    python: str


def recipe(model: Model) -> Recipe:
    """Write a model down.

    Raises
    ------
    TypeError
        If its function holds something that cannot be sent to another process, or told from another there.
    """
    function = model.function
    unknown = function.unknown() if isinstance(function, Batched) else unknown_content(function)
    if unknown:
        raise TypeError(
            f"model {model.name!r} cannot be sent to another process: nothing tells whether {unknown[0]} is "
            f"the same there; {_other_way(model)}"
        )
    source = source_hash(model)
    capsule = None if model.built_in is not None else _capsule(model)
    return Recipe(model.name, tuple(model.params.tolist()), source, model.built_in, capsule, PYTHON)


def made(recipe: Recipe) -> Model:
    """The model again, made once in a process.

    Raises
    ------
    fastsumo.ModelError
        If it cannot be made here, or is not the same here.
    """
    model = _made(recipe._replace(params=()))
    here = source_hash(model)  # each time: what it reaches may be changed where it was made
    if here != recipe.source:
        raise ModelError(
            f"model {recipe.name!r} is not the same here (source {here}, not {recipe.source}): "
            "is it the same version of fastsumo and of the model's modules?"
        )
    return model.with_params(recipe.params)


@lru_cache(maxsize=64)
def _made(recipe: Recipe) -> Model:
    if recipe.spec is not None:
        model = parse_model(recipe.spec)
    else:
        if recipe.python != PYTHON:
            raise ModelError(
                f"model {recipe.name!r} was written down by Python {recipe.python}, but here runs Python {PYTHON}"
            )
        try:
            model = pickle.loads(recipe.capsule or b"")
        except Exception as error:
            raise ModelError(f"model {recipe.name!r} cannot be made here: {type(error).__name__}: {error}") from None
        model.built_in = None  # which those that an older version wrote down do not say
    return model


def origin_of(model: Model) -> str | None:
    """A word by which `parse_model` makes a model anywhere; None for one that a script defines, or nobody holds.

    Examples
    --------
    >>> import fastsumo as fs
    >>> origin_of(fs.models.gamma(1.5)), origin_of(fs.Model(lambda z, params: z[0], 1))
    ('gamma(1.5)', None)
    """
    if model.origin is not None or model.built_in is not None:
        return model.origin or model.built_in
    module = sys.modules.get(_module_of(model))
    if module is None or module.__name__ == "__main__" or _is_own(module.__name__):
        return None
    file = getattr(module, "__file__", None)
    held = [name for name, value in vars(module).items() if isinstance(value, Model) and _are_same(value, model)]
    return f"{Path(file).resolve()}:{held[0]}" if held and file and file.endswith(".py") else None


def _are_same(one: Model, other: Model) -> bool:
    """Whether two models differ in nothing but parameters and what is known of them."""
    return one.function is other.function and source_hash(one) == source_hash(other)


def _module_of(model: Model) -> str:
    """The module that the model's function says it is of; empty for one that `exec` made."""
    return getattr(model.function, "__module__", None) or ""


def _is_own(module: str) -> bool:
    return module.startswith("fastsumo.")


def _capsule(model: Model) -> bytes:
    """The model by value: its function's code and all it reaches, whatever module they came from."""
    bare = copy.copy(model)
    bare._evidence, bare.laplace, bare.origin = model.log_evidence, None, None
    modules = {function.__globals__.get("__name__", "") for function in _functions(model)} - {"__main__"}
    known = [sys.modules[name] for name in sorted(modules) if name in sys.modules and not _is_own(name)]
    try:
        return dumps_by_value(bare, known)
    except Exception as error:
        raise TypeError(
            f"model {model.name!r} cannot be sent to another process ({type(error).__name__}: {error}); "
            f"{_other_way(model)}"
        ) from None


def _other_way(model: Model) -> str:
    if model.vectorized:
        return (
            "factory= takes what makes its function there (a function, or an import path 'package.module:function'), "
            "version= a word that names it"
        )
    return "its function should use numbers, arrays, modules and other functions only"


def _functions(model: Model) -> Iterator[Any]:
    """The model's function and the user's functions that it reaches."""
    function: Any = model.function
    if isinstance(function, Batched):  # nothing else is known of what those of a framework reach
        yield from (each for each in (function.wrapped, function.factory) if inspect.isfunction(each))
        return
    yield from functions(function)


def description(model: Model) -> str:
    """What a person needs to see of a model: its source text, that of its helpers, the constants it uses."""
    lines = [f"noise = {model.noise}, dim = {model.dim}, log_evidence = {model.log_evidence!r}"]
    if model.proposal is not None:
        numbers = np.array2string(model.proposal.packed(), max_line_width=10**6, threshold=50)
        lines.append(f"proposal = {model.proposal.transform} {numbers}")
    if isinstance(model.function, Batched):
        lines.append(f"vectorized, factory = {model.function.factory!r}, version = {model.function.version!r}")
    for function in _functions(model):
        for name, value in reached(function):
            if isinstance(value, (int, float, np.generic, enum.Enum)):
                lines.append(f"{name.split()[-1]} = {value!r}")
            elif isinstance(value, np.ndarray):
                lines.append(f"{name.split()[-1]} = {np.array_repr(value.ravel()[:_SHOWN])}")
        try:
            lines += textwrap.dedent(inspect.getsource(function)).splitlines()
        except (OSError, TypeError):
            lines.append(f"(no source text of {function.__name__})")
    return "\n".join(lines)


def difference(before: str, after: str) -> str:
    """What changed between two descriptions, in a line.

    Examples
    --------
    >>> difference("a = 1\\nb = 2", "a = 1\\nb = 3")
    '`b = 2` is now `b = 3`'
    """
    changes = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]
    gone = [line[2:].strip() for line in changes if line[0] == "-" and line[2:].strip()]
    come = [line[2:].strip() for line in changes if line[0] == "+" and line[2:].strip()]
    if not gone and not come:
        return "something that its text does not show"
    shown = [" / ".join(lines[:3]) + (" / ..." if len(lines) > 3 else "") for lines in (gone, come)]
    if not come:
        return f"`{shown[0]}` is gone"
    return f"`{shown[0]}` is now `{shown[1]}`" if gone else f"`{shown[1]}` is new"
