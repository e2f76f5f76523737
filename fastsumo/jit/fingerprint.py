"""A content hash of a Python function and of all that compiling it would freeze: helpers, constants, arrays, overloads.

Two functions with the same hash compile to the same code, if each helper is compiled as it is now (`copies.py`). Where
something cannot be hashed by content there is no such hash: the function is compiled for each run and not kept.
"""

from __future__ import annotations

import enum
import hashlib
import operator
import secrets
import types
from collections.abc import Callable, Hashable, Iterable
from functools import cache, lru_cache
from pathlib import PurePath
from typing import Any

import numpy as np
from numba import types as numba_types
from numba.core.dispatcher import Dispatcher
from numba.core.typing.templates import builtin_registry
from numba.np.ufunc.dufunc import DUFunc

from fastsumo.jit.reached import Load, loads, of_library, overloads_of, python_function, template_function

_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis))  # and no subclass: repr is all of them
_MOST_UNKNOWN = 1000  # values without content that are kept alive, so that no other can be taken for them


def fingerprint(function: Callable[..., Any], *context: Hashable) -> str | None:
    """Hex digest of ``function``, of what it reaches and of ``context``; None where there is none by content."""
    content = _content_of(function)
    return None if content.unknown else content.digest(*context)


def by_content(compile_one: Any, digest: str | None) -> Any:
    """A function under `functools.lru_cache`, or what is under it where its result may not be used a second time."""
    return compile_one if digest is not None else compile_one.__wrapped__


def source_fingerprint(function: Callable[..., Any]) -> str:
    """Hash of what the function computes, whatever compiles it.

    What has no content counts as itself: the same object in this process, and nothing in another one.
    """
    return _content_of(function).digest()


def code_fingerprint(function: Any) -> tuple[str, list[str]]:
    """Hash of a function's own code and of the values in its defaults and cells; what it calls counts by name alone.

    Of a `functools.partial` what it was given counts too. With it, which of the values cannot be hashed by content.
    """
    content, plain = _Content(), python_function(getattr(function, "func", function))
    values = [*getattr(function, "args", ()), *sorted(getattr(function, "keywords", {}).items())]
    if isinstance(plain, types.FunctionType):
        content._add_code(plain.__code__)
        values += [*(plain.__defaults__ or ()), *(load.value for load in loads(plain) if load.kind == "cell")]
    content._say(getattr(plain, "__module__", ""), getattr(plain, "__qualname__", type(plain).__qualname__))
    for value in values:
        content._add_value("a value of the factory", str(value) if isinstance(value, PurePath) else value)
    return content.digest(), content.unknown


def unknown_content(function: Callable[..., Any]) -> list[str]:
    """What the function reaches and cannot be hashed by content, in words; empty where the hash is of everything.

    Examples
    --------
    >>> import math, ctypes
    >>> clock = ctypes.CDLL(None).clock
    >>> unknown_content(lambda z, params: math.sin(z[0])), unknown_content(lambda z, params: clock())
    ([], ["'clock' (_FuncPtr)"])
    """
    return _content_of(function).unknown


def _content_of(function: Callable[..., Any]) -> _Content:
    """The content of a function as it is now: that which it had before, if nothing has changed since.

    To look whether something has takes a tenth of the time.
    """
    plain = python_function(function)
    if not isinstance(plain, types.FunctionType):
        return _Content(function)
    kept = _kept_of(plain)
    if not (kept and kept[0].is_as_it_was()):
        kept[:] = [_Content(function)]
    return kept[0]


@lru_cache(maxsize=256)
def _kept_of(function: types.FunctionType) -> list[_Content]:
    """Where the last content of a function is kept."""
    return []


class _Content:
    """All of a function that counts, as text to be hashed, and what could not be told."""

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self.unknown: list[str] = []
        self._changes = False  # in ways that nobody could see
        self._functions: list[tuple[types.FunctionType, tuple[Any, ...], list[Load]]] = []  # and what they loaded
        self._told: list[tuple[Callable[[Any], Any], Any, Any]] = []  # of what can change, and how it is told again
        self._taught = _lessons()
        self._digests: dict[tuple[Hashable, ...], str] = {}
        self._parts: list[str] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []  # alive, so that an identity stands for one object
        if function is not None:
            name = getattr(python_function(function), "__name__", "the function")
            self._add_function(name, python_function(function))

    def digest(self, *context: Hashable) -> str:
        if context not in self._digests:
            text = "\0".join([repr(context), *self._parts] if context else self._parts)
            self._digests[context] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._digests[context]

    def is_as_it_was(self) -> bool:
        """Whether what is reached has the content that was told here."""
        return (
            not (self._changes or self.unknown)
            and self._taught == _lessons()
            and all(
                all(map(operator.is_, _own(function), own)) and _are_same(loads(function), found)
                for function, own, found in self._functions
            )
            and all(tell(value) == told for tell, value, told in self._told)
        )

    def _say(self, *what: Any) -> None:
        self._parts += [str(each) for each in what]

    def _tell(self, tell: Callable[[Any], Any], value: Any) -> Any:
        """Tell of something that can change, in a way in which it can be told again."""
        self._told.append((tell, value, told := tell(value)))
        return told

    def _is_new(self, value: Any) -> bool:
        if id(value) in self._seen:
            self._say("seen", self._seen[id(value)])
            return False
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)
        return True

    def _add_function(self, name: str, function: Any) -> None:
        if not isinstance(function, types.FunctionType):
            self._add_unknown(name, function)
            return
        if not self._is_new(function):
            return
        self._say("defaults")
        self._add_value(name, function.__defaults__)
        self._add_value(name, function.__kwdefaults__)
        self._add_code(function.__code__)
        found = list(loads(function))
        self._functions.append((function, _own(function), found))
        for load in found:
            self._say(load)
            self._add_value(".".join([load.name, *load.attributes]), load.value)
        for template in overloads_of(function):
            self._changes = True
            self._say("overload", sorted(template.__dict__.get("_jit_options", {}).items()))
            self._add_function(name, template_function(template))

    def _add_code(self, code: types.CodeType) -> None:
        self._say("code", code.co_code.hex(), code.co_exceptiontable.hex(), code.co_flags)
        self._say(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        self._say(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add_code(constant)
            else:
                is_set = isinstance(constant, frozenset)  # whose order is another in every process
                self._say("const", type(constant).__name__, sorted(map(repr, constant)) if is_set else repr(constant))

    def _add_value(self, name: str, value: Any) -> None:
        """One global, closure cell, default or attribute of a module. Frozen by Numba, so its content counts."""
        kind = type(value)
        if kind in _PLAIN:
            self._say(kind.__name__, repr(value))
        elif kind in (slice, range):
            self._say(kind.__name__)
            self._add_value(name, (value.start, value.stop, value.step))
        elif of_library(value):
            self._add_library(value)
        elif isinstance(value, np.generic) and not value.dtype.hasobject:
            self._say("number", *self._tell(_number, value))
        elif kind is np.ndarray and not value.dtype.hasobject:
            self._say("array", *self._tell(_array, value))
        elif isinstance(value, np.dtype):
            self._say("dtype", self._tell(repr, value))
        elif isinstance(value, (numba_types.Number, numba_types.Boolean)):
            self._say("type", value)
        elif isinstance(value, tuple) and (kind is tuple or hasattr(kind, "_fields")):
            self._say("tuple", kind.__qualname__, getattr(kind, "_fields", None), len(value))
            for item in value:
                self._add_value(name, item)
        elif kind in (dict, list, set, frozenset):
            self._add_collection(name, value)
        elif isinstance(value, enum.Enum):
            self._say("member", value.name)
            self._add_value(name, kind)
        elif isinstance(value, enum.EnumMeta):
            self._add_enumeration(name, value)
        elif isinstance(value, Dispatcher):
            self._add_dispatcher(name, value)
        elif isinstance(value, DUFunc):
            self._changes = True
            self._say("vectorized", value.identity, value._frozen and list(map(str, value._dispatcher.overloads)))
            self._add_value(name, dict(value.targetoptions))
            self._add_function(name, value._dispatcher.py_func)
        else:
            self._add_function(name, value)

    def _add_library(self, value: Any) -> None:
        where = "" if isinstance(value, types.ModuleType) else value.__module__
        self._say("library", where, getattr(value, "__qualname__", value.__name__))

    def _add_collection(self, name: str, value: Any) -> None:
        """A dict, list or set; of those without an order, what is inside in the order of its text."""
        self._changes = True
        self._say(type(value).__name__, len(value))
        if not self._is_new(value):
            return
        items = value.items() if isinstance(value, dict) else value
        for item in items if isinstance(value, list) else sorted(items, key=repr):
            self._add_value(name, item)

    def _add_enumeration(self, name: str, kind: enum.EnumMeta) -> None:
        self._changes = True
        self._say("enumeration", kind.__qualname__, [base.__name__ for base in kind.__mro__])
        if self._is_new(kind):
            members: dict[str, enum.Enum] = dict(kind.__members__)
            for member, each in members.items():
                self._say(member)
                self._add_value(name, each.value)

    def _add_dispatcher(self, name: str, value: Any) -> None:
        changes = self._changes
        self._say("compiled", type(value).__qualname__, self._tell(_compiled, value)[0])
        self._add_value(name, dict(value.targetoptions))
        self._add_value(name, {key: str(kind) for key, kind in dict(value.locals).items()})
        self._add_value(name, value._compiler.pipeline_class)
        self._changes = changes  # what was said since is told by `_compiled`
        self._add_function(name, value.py_func)

    def _add_unknown(self, name: str, value: Any) -> None:
        self.unknown.append(f"{name!r} ({type(value).__name__})")
        self._say("unknown", _process(), _number_of(value))


def _own(function: types.FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _are_same(found: Iterable[Load], before: list[Load]) -> bool:
    """Whether the same objects were found in the same places."""
    now = list(found)
    return len(now) == len(before) and all(
        one.value is other.value and one[:3] == other[:3] for one, other in zip(now, before, strict=True)
    )


def _lessons() -> tuple[int, int]:
    """How much the compiler was taught, by the libraries and by others: what it was it does not forget."""
    return len(builtin_registry.functions), len(builtin_registry.attributes)


def _number(value: Any) -> tuple[str, str]:
    return repr(value.dtype), value.tobytes().hex()


def _array(value: Any) -> tuple[Any, ...]:
    flags = value.flags
    sizes = repr(value.dtype), value.shape, flags.c_contiguous, flags.f_contiguous, flags.aligned
    return *sizes, hashlib.sha256(value.tobytes()).hexdigest()


def _compiled(value: Any) -> tuple[Any, ...]:
    """What Numba was told to do with a function."""
    signatures = value._can_compile or list(map(str, value.nopython_signatures))
    options = repr(value.targetoptions), repr(value.locals), value._compiler.pipeline_class
    return signatures, *options, value.py_func


@cache
def _process() -> str:
    """What stands for this process, and for no other."""
    return secrets.token_hex(16)


_unknown: dict[int, Any] = {}


def _number_of(value: Any) -> str:
    """What stands for one object in this process: its identity, as long as it is kept alive here."""
    if _unknown.setdefault(id(value), value) is not value or len(_unknown) > _MOST_UNKNOWN:
        _unknown.pop(id(value))
        return secrets.token_hex(16)
    return str(id(value))
