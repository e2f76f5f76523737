"""What a word such as ``gamma:1.5`` or ``file.py:name`` stands for among models; `base/words.py` has the grammar."""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from fastsumo.base import checks, words
from fastsumo.estimators.estimators import Estimator
from fastsumo.models import builtin
from fastsumo.models.model import Model
from fastsumo.models.proposals import Proposal


def parse_model(text: str) -> Model:
    """The model that ``text`` names: built in, or ``path/to/file.py:name``, or ``module:name``.

    Examples
    --------
    >>> parse_model("gamma(1.5)").name, parse_model("gamma:1.5").name
    ('gamma(1.5)', 'gamma(1.5)')
    """
    file = re.fullmatch(r"(.+\.py)(?::(.*))?", text)
    if file:
        return _model_of(_load_file(Path(file[1])), file[2], text)
    dotted = re.fullmatch(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*(?:\(.*\))?)", text)
    if "/" in text or os.sep in text or Path(text).exists():
        raise ValueError(f"model {text!r} is not of the form path/to/file.py:name")
    makers = built_in()
    if dotted and words.key(dotted[1]) not in map(words.key, makers):
        return _model_of(_import(dotted[1]), dotted[2], text)
    given = words.parse(text)
    try:
        maker = words.find("model", given.name, makers)
    except ValueError as error:
        raise ValueError(f"{error}; your own are path/to/file.py:name or module:name") from None
    made: Model = words.call("model", maker, given)
    return made


def as_model(model: Any) -> Model:
    """A model, or the one that a word stands for; what is neither is an error that says what was meant.

    Examples
    --------
    >>> as_model("gamma:1.5").name
    'gamma(1.5)'
    >>> as_model(builtin.note)
    Traceback (most recent call last):
    TypeError: model must be a fastsumo Model, got <function note>; did you mean note(...)?
    """
    if isinstance(model, str):
        return parse_model(model)
    if isinstance(model, Model):
        return model
    shown, hint = repr(model), ""
    if inspect.isfunction(model):
        shown = f"<function {model.__name__}>"
        makes = (
            model.__module__.startswith("fastsumo.models.") and inspect.signature(model).return_annotation == "Model"
        )
        hint = f"; did you mean {model.__name__}(...)?" if makes else "; decorate it with @fs.model(dim=...)"
    elif isinstance(model, Estimator):
        hint = "; the model comes first, then the estimator"
    elif isinstance(model, Proposal):
        hint = "; fs.importance(log_density, proposal) makes one"
    elif callable(model):
        hint = "; decorate it with @fs.model(dim=...)"
    raise TypeError(f"model must be a fastsumo Model, got {shown}{hint}")


@cache
def built_in() -> dict[str, Callable[..., Any]]:
    """The functions that make built-in models, by name.

    Examples
    --------
    >>> sorted(built_in())[:2]
    ['funnel', 'gamma']
    """
    found = inspect.getmembers(builtin, inspect.isfunction)
    return {name: value for name, value in found if value.__module__ == builtin.__name__ and name[0] != "_"}


def _load_file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own; files beside it can be imported while it runs."""
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    name = "fastsumo_user_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    beside = str(path.resolve().parent)
    sys.path.insert(0, beside)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"cannot load {path}: {_where(error, path)}") from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(beside)
    return module


def _import(name: str) -> ModuleType:
    """Import a module; the current folder counts, as for ``python -m``."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"cannot import module {name!r}: {error}") from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"cannot import module {name!r}: {type(error).__name__}: {error}") from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def _where(error: BaseException, path: Path) -> str:
    """What went wrong in a user's file, and in which line of it."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    frames, file = traceback.extract_tb(error.__traceback__), str(path.resolve())
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{type(error).__name__}: {error}" + (f" (line {lines[-1]})" if lines else "")


def _model_of(module: ModuleType, wanted: str | None, text: str) -> Model:
    """The model of a module by name, or made by a function of it, or its only one."""
    known = {name: value for name, value in vars(module).items() if isinstance(value, Model)}
    if not wanted:
        if len(known) == 1:
            wanted = next(iter(known))
            text = f"{text.rstrip(':')}:{wanted}"
            return _from(text, known[wanted])
        if not known:
            raise ValueError(f"{text} has no model; decorate a function with @fs.model(dim=...)")
        which = f"{text.rstrip(':')}:{next(iter(known))}"
        raise ValueError(f"{text} has the models {', '.join(known)}: say which, as in {which}")
    given = words.parse(wanted)
    value = vars(module).get(given.name)
    if isinstance(value, Model):
        if wanted.strip() != given.name:
            raise ValueError(
                f"{given.name!r} of {text!r} is a model, and takes nothing after its name; its params are given with "
                "--params, or with_params in Python"
            )
        return _from(text, value)
    if inspect.isfunction(value) and wanted.rstrip() != given.name and not wanted.rstrip().endswith(")"):
        raise ValueError(f"{wanted!r} is not of the form name or name(value, ...)")
    if callable(value) and wanted.rstrip().endswith(")"):
        made = words.call("function", value, given)
        if isinstance(made, Model):
            return _from(text, made)
        raise ValueError(f"{given.name} of {text!r} returned {type(made).__name__}, not a fastsumo Model")
    if callable(value):
        raise ValueError(
            f"{given.name!r} is a function, not a model: decorate it with @fs.model(dim=...), or call it, as in "
            f"{given.name}(...), where it makes one"
        )
    if value is not None:
        raise ValueError(f"{given.name!r} is of type {type(value).__name__}, not a fastsumo Model")
    checks.choice("model", given.name, known or ["none: the file has no model"])
    raise AssertionError("unreachable")


def _from(text: str, model: Model) -> Model:
    """A copy of the model that knows the word it came from, in a form that holds from any folder."""
    other = copy.copy(model)
    other.origin = lasting(text)
    return other


def lasting(text: str) -> str:
    """A word for a model that holds from any folder: that of a file with the whole path.

    Examples
    --------
    >>> lasting("gamma:1.5"), lasting("folder.module:name")
    ('gamma:1.5', 'folder.module:name')
    """
    file, colon, name = text.rpartition(":")
    if file.endswith(".py"):
        return f"{Path(file).absolute()}{colon}{name}"
    return str(Path(text).absolute()) if text.endswith(".py") else text
