"""How a model and an estimator are written down, so that another process, another day, can make them again.

Estimators become JSON. A model becomes a built-in's name or its function's code by value, together with the hash of its
source, which whoever makes it again compares. Nothing is run here.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import inspect
import json
import pickle
import sys
import textwrap
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastsumo.errors import ModelError
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.roulette import Roulette
from fastsumo.jit.fingerprint import is_known, reached
from fastsumo.models import parsing
from fastsumo.models.model import Model, source_hash

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"  # code by value is of one minor version


class Recipe(NamedTuple):
    """What a process needs to make a model again; small, and hashable.

    Attributes
    ----------
    name : str
    params : tuple of float
    source : str
        Hash of its source; see `fastsumo.model.source_hash`.
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


def estimator_to_json(estimator: Estimator) -> str:
    """JSON that `estimator_from_json` reads back.

    Raises
    ------
    TypeError
        If the estimator or its law is none of fastsumo's.

    Examples
    --------
    >>> import fastsumo as fs
    >>> estimator_to_json(fs.IWAE(5))
    '{"type": "IWAE", "k": 5}'
    """
    return json.dumps(_as_json(estimator))


def estimator_from_json(text: str) -> Estimator:
    """The estimator that `estimator_to_json` wrote.

    Examples
    --------
    >>> estimator_from_json('{"type": "IWAE", "k": 5}')
    IWAE(k=5)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # said once, when it was made
        made = _from_json(json.loads(text))
    if not isinstance(made, Estimator):
        raise ValueError(f"not an estimator: {text}")
    return made


def _as_json(value: Any) -> Any:
    if isinstance(value, (Estimator, Roulette)):
        kind = type(value)
        if _kinds().get(kind.__name__) is not kind:
            raise TypeError(
                f"a study holds fastsumo's own estimators and laws, got {value!r}; use fs.roulette.Table for a law"
            )
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return {"type": kind.__name__} | {name: _as_json(getattr(value, name)) for name in fields}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = _kinds().get(value["type"])
    if kind is None:
        raise ValueError(f"this version of fastsumo has no {value['type']!r}")
    return kind(*[_from_json(part) for name, part in value.items() if name != "type"])


def _kinds() -> dict[str, type]:
    """fastsumo's estimators and laws by name."""
    found: dict[str, type] = {}
    waiting: list[type] = [Estimator, Roulette]
    while waiting:
        below: list[type] = waiting.pop().__subclasses__()
        waiting += below
        found |= {kind.__name__: kind for kind in below if kind.__module__.startswith("fastsumo.")}
    return found


def recipe(model: Model) -> Recipe:
    """Write a model down.

    Raises
    ------
    TypeError
        If its function holds something that cannot be sent to another process.
    """
    spec = _built_in(model)
    capsule = None if spec is not None else _capsule(model)
    return Recipe(model.name, tuple(model.params.tolist()), source_hash(model), spec, capsule, PYTHON)


def made(recipe: Recipe) -> Model:
    """The model again, made once in a process.

    Raises
    ------
    fastsumo.ModelError
        If it cannot be made here, or is not the same here.
    """
    return _made(recipe._replace(params=())).with_params(recipe.params)


@lru_cache(maxsize=64)
def _made(recipe: Recipe) -> Model:
    if recipe.spec is not None:
        model = parsing.model(recipe.spec)
    else:
        if recipe.python != PYTHON:
            raise ModelError(
                f"model {recipe.name!r} was written down by Python {recipe.python}, but here runs Python {PYTHON}"
            )
        try:
            model = pickle.loads(recipe.capsule or b"")
        except Exception as error:
            raise ModelError(f"model {recipe.name!r} cannot be made here: {type(error).__name__}: {error}") from None
    here = source_hash(model)
    if here != recipe.source:
        raise ModelError(
            f"model {recipe.name!r} is not the same here (source {here}, not {recipe.source}): "
            "is it the same version of fastsumo and of the model's modules?"
        )
    return model


def _built_in(model: Model) -> str | None:
    """The name by which `specs.model` makes this model, or None."""
    if not getattr(model.function, "__module__", "").startswith("fastsumo."):
        return None
    try:
        same = parsing.model(model.name)
    except (ValueError, TypeError):
        return None
    fits = same.params.size == model.params.size and same.dim == model.dim
    return model.name if fits and source_hash(same) == source_hash(model) else None


def _capsule(model: Model) -> bytes:
    """The model by value: its function's code and all it reaches, whatever module they came from."""
    from numba import cloudpickle

    bare = copy.copy(model)
    bare._evidence, bare.laplace, bare.origin = model.log_evidence, None, None
    modules = {function.__module__ for function in _functions(model)} - {"__main__"}
    known = [sys.modules[name] for name in sorted(modules) if name in sys.modules and not name.startswith("fastsumo.")]
    known = [module for module in known if module.__name__ not in cloudpickle.list_registry_pickle_by_value()]
    for module in known:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(bare))
    except Exception as error:
        raise TypeError(
            f"model {model.name!r} cannot be sent to another process ({type(error).__name__}: {error}); "
            "its function should use numbers, arrays, modules and other functions only"
        ) from None
    finally:
        for module in known:
            cloudpickle.unregister_pickle_by_value(module)


def _functions(model: Model) -> Iterator[Any]:
    """The model's function and the user's functions that it reaches."""
    waiting, seen = [model.function], set()
    while waiting:
        function = waiting.pop()
        function = getattr(function, "py_func", function)
        if id(function) in seen or not inspect.isfunction(function) or is_known(function.__module__ or ""):
            continue
        seen.add(id(function))
        yield function
        waiting += [value for _, value in reached(function)]


def description(model: Model) -> str:
    """What a person needs to see of a model: its source text, that of its helpers, the constants it uses."""
    lines = [f"noise = {model.noise}, dim = {model.dim}, log_evidence = {model.log_evidence!r}"]
    if model.proposal is not None:
        numbers = np.array2string(model.proposal.packed(), max_line_width=10**6, threshold=50)
        lines.append(f"proposal = {model.proposal.transform} {numbers}")
    for function in _functions(model):
        for name, value in reached(function):
            if isinstance(value, (int, float, np.generic)):
                lines.append(f"{name.split()[-1]} = {value!r}")
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
