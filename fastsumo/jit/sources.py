"""The key of compiled code: a hash of the source of a module and of all modules of the package that it imports.

What goes in follows from the imports as they stand, so that a file that moves, or a new one, cannot drop out unseen.
Beside it stand the compiler's settings.
"""

from __future__ import annotations

import hashlib
import operator
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config

_PACKAGE = __name__.partition(".")[0]
_IMPORTS = re.compile(rf"^[ \t]*from ((?:{_PACKAGE}|\.)[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+[^\n]*\n|\n)+", re.MULTILINE)


# Settings of Numba that are no part of the key: threads, folders, colours, and other devices than the CPU.
_ELSEWHERE = ("CACHE_", "COLOR_", "CUDA_", "DISABLE_CUDA", "ENABLE_CUDASIM", "FORCE_CUDA_CC", "NUMBA_", "THREADING_")
_FILE = ".numba_config.yaml"  # in the working folder: Numba reads settings from it too
_settings: tuple[tuple[object, ...], str] = (), ""  # as they last were, and in words, which takes long to say
_read: tuple[dict[Any, Any], object] | None = None  # variables, and what Numba made of them, when it last read them


def compiler_settings() -> str:
    """Numba's settings as they are now, by ``NUMBA_`` variables or in `numba.config`: all that may change the code.

    Those that print what is compiled count too: nothing is printed of what comes from the cache.
    """
    global _settings
    _reload()
    values: tuple[object, ...] = _values()(vars(config))
    known, text = _settings
    if len(values) != len(known) or not all(map(operator.is_, values, known)):
        text = repr([(name, repr(value)) for name, value in zip(_names(), values, strict=True)])
        _settings = values, text
    return text


def _reload() -> None:
    """Have Numba read its settings again, which takes as long as a thousand trials, if they may have changed."""
    global _read
    variables = getattr(os.environ, "_data", os.environ)  # the dict inside, which is compared in no time
    kept, in_file = config._env_reloader, os.path.exists(_FILE)
    if in_file or _read is None or variables != _read[0] or kept.old_environ is not _read[1]:
        config.reload_config()
        _read = None if in_file else (dict(variables), kept.old_environ)


@cache
def _names() -> list[str]:
    """The settings that count, in order."""
    names = [name for name in vars(config) if name.isupper() and not name.startswith(("_", *_ELSEWHERE))]
    return sorted(names)


@cache
def _values() -> Callable[[dict[str, Any]], Any]:
    """Takes them from the variables of `numba.config`."""
    return operator.itemgetter(*_names())


@cache
def source_digest(*modules: str) -> str:
    """Content hash of modules of the package, of all that they import of it, and of the compiler's version."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for name in sorted(reached_modules(*modules)):
        digest.update(name.encode() + _source(name).encode())
    return digest.hexdigest()


def reached_modules(*modules: str) -> set[str]:
    """These modules of the package and all of it that they import, directly or not; imports for types alone left out.

    Examples
    --------
    >>> sorted(reached_modules("fastsumo.jit.memory"))
    ['fastsumo.jit', 'fastsumo.jit.memory']
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or _file(name) is None:
            continue
        found.add(name)
        waiting += _imported(name)
        if "." in (above := name.rpartition(".")[0]):
            waiting.append(above)  # a package that runs when its module is imported
    return found


@cache
def _imported(module: str) -> tuple[str, ...]:
    """What a module imports of the package: modules, and names that may be modules."""
    found = []
    for written, names in _IMPORTS.findall(_FOR_TYPES.sub("", _source(module))):
        source = _absolute(written, module)
        found.append(source)
        found += [f"{source}.{name.split()[0]}" for name in names.strip("()").split(",") if name.strip()]
    return tuple(found)


def _absolute(written: str, module: str) -> str:
    """A module as it is named in an import of another one, with its whole name."""
    name = written.lstrip(".")
    if name == written:
        return name
    file = _file(module)
    inside = file is not None and file.name == "__init__.py"
    above = module.split(".")
    above = above[: len(above) - (len(written) - len(name)) + inside]
    return ".".join([*above, name] if name else above)


@cache
def _file(module: str) -> Path | None:
    """The source of a module of the package; None for a name that is none."""
    root = Path(__file__).resolve().parents[1]
    inside = root.joinpath(*module.split(".")[1:])
    return next((file for file in (inside.with_suffix(".py"), inside / "__init__.py") if file.is_file()), None)


@cache
def _source(module: str) -> str:
    file = _file(module)
    return "" if file is None else file.read_text(encoding="utf-8")
