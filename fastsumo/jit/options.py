"""Compiler options, here and nowhere else: how the package's own functions and a user's model are compiled.

No fast-math anywhere: with explicit `fma` the arithmetic is plain IEEE, so a vector lane, a loop remainder and a
replayed trial round alike, on every CPU. Where compiled code is kept is in `cache.py`, under which key in `sources.py`.
"""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numba
import numpy as np
from numba import types
from numba.core.ccallback import CFunc
from numba.core.errors import NumbaError, NumbaWarning
from numba.core.sigutils import normalize_signature
from numba.extending import overload

from fastsumo.jit.cache import ContentCache
from fastsumo.jit.checked import ModelCompiler
from fastsumo.jit.pipeline import (
    EngineCompiler,
    EntryCompiler,
    LoopCompiler,
    PartCompiler,
    SettledCompiler,
)
from fastsumo.jit.powers import power, whole_power
from fastsumo.jit.sources import source_digest

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # of what only compiled code calls
REFUSED = (NumbaError, NotImplementedError, AssertionError)  # where code asks of a type what it cannot do
_LARGEST_POWER = 0x10000  # beyond, Numba takes the general power too
_compiled_for: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()  # kernels, and the kinds of their arguments
_one_at_a_time = threading.Lock()
_NO_HEAP = {"_nrt": False}  # the engine works on memory it is given: no reference counts to compile

_PART: dict[str, Any] = {"pipeline_class": PartCompiler, **_OPTIONS, **_NO_WRAPPERS}
INLINED: Any = {"forceinline": True, **_PART}
_HEAP = {"_nrt": True}  # what is compiled with arrays of its own, whoever calls it


@overload(power, jit_options=INLINED, prefer_literal=True)
def _power(x, n):  # type: ignore[no-untyped-def]
    known = isinstance(n, types.IntegerLiteral) and abs(n.literal_value) <= _LARGEST_POWER
    if known and isinstance(x, types.Float | types.Integer):
        return lambda x, n: whole_power(x, n)
    return lambda x, n: x**n


def _njit(function: Callable[..., Any], **options: Any) -> Any:
    if numba.config.DISABLE_JIT:
        raise ImportError("fastsumo is compiled code, and NUMBA_DISABLE_JIT turns the compiler off: unset it")
    return numba.njit(**options)(function)


def allocating(function: Callable[..., Any]) -> Any:
    """A function that LLVM must inline, and that takes memory for arrays of its own."""
    return _njit(function, **INLINED, **_HEAP)


def inlined(function: Callable[..., Any]) -> Any:
    """A small device function that LLVM must inline, so that the loop around it vectorises."""
    return _njit(function, **INLINED)


def checked(function: Callable[..., Any], *sizes: int) -> Any:
    """A user's function of vectors of these sizes, inlined likewise.

    Indices are checked, and cost nothing where LLVM sees that they are in range. One that is not raises, or cannot be
    compiled if it is a constant. Those in its helpers are checked if it is a copy (`copies.py`).
    """
    compiler = type("OneModel", (ModelCompiler,), {"sizes": sizes})
    return _njit(function, **{**INLINED, **_HEAP, "boundscheck": True, "pipeline_class": compiler})


def device(function: Callable[..., Any], compiler: type[EngineCompiler] = EngineCompiler) -> Any:
    """A device function that is called, not inlined; compiled once, not again for an argument that is a constant."""
    dispatcher = _njit(function, **{**_PART, "pipeline_class": compiler}, **_NO_HEAP)
    resolve = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: resolve([types.unliteral(each) for each in args], kws)
    return dispatcher


def apart(function: Callable[..., Any]) -> Any:
    """A device function that LLVM must not inline, with a loop that wants all registers for itself."""
    return device(function, LoopCompiler)


def kernel(function: Callable[..., Any], *more: str) -> Any:
    """An entry point of the engine: called from Python, releases the GIL, cached on disk.

    ``more`` are modules that the function reaches through its closure and not through the imports of its own.
    """
    dispatcher = _njit(function, **_OPTIONS, **_NO_HEAP, no_cfunc_wrapper=True, pipeline_class=EntryCompiler)
    dispatcher._cache = _cache_of(function, *more)
    return dispatcher


def _cache_of(function: Callable[..., Any], *more: str) -> ContentCache:
    return ContentCache(function, lambda: source_digest(function.__module__, *more), is_kernel=True)


def compile_for(dispatcher: Any, *arguments: Any) -> None:
    """Compile a kernel for such arguments, or find it compiled, without running it.

    To be called before a clock runs that is not to measure the compiler. Arrays of one dtype have the same layout here.
    """
    kinds = tuple(map(_kind, arguments))
    if kinds in (known := _compiled_for.setdefault(dispatcher, set())):
        return
    with _no_collections():
        dispatcher.compile(tuple(numba.typeof(argument) for argument in arguments))
    known.add(kinds)


def _kind(argument: Any) -> Any:
    """What the type of a kernel's argument hangs on: much cheaper than the type."""
    if isinstance(argument, np.ndarray):
        return argument.dtype, argument.ndim
    return (type(argument), *map(type, argument)) if isinstance(argument, tuple) else type(argument)


@contextmanager
def _no_collections() -> Iterator[None]:
    """No garbage collections: they go through all that the compiler has made, again and again, a tenth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Unsaved:
    """A cache that is read, but not written to before `save`."""

    def __init__(self, cache: ContentCache | None) -> None:
        self._cache, self._what = cache, tuple[Any, ...]()

    def load_overload(self, *what: Any) -> Any:
        return None if self._cache is None else self._cache.load_overload(*what)

    def save_overload(self, *what: Any) -> None:
        self._what = what

    @property
    def is_new(self) -> bool:
        """Whether something was compiled."""
        return bool(self._what)

    def save(self) -> None:
        if self._cache is not None and self._what:
            self._cache.save_overload(*self._what)


class _Callback(CFunc):
    """A native function that has something to do before it is compiled, but not before it is read from the cache."""

    before: Callable[[], None] | None = None

    def _compile_uncached(self) -> Any:
        if self.before is not None:
            self.before()
        return super()._compile_uncached()  # type: ignore[misc]


def callback(
    function: Callable[..., Any],
    signature: Any,
    digest: str | None,
    before: Callable[[], None] | None = None,
    proof: Callable[[int], None] | None = None,
) -> Any:
    """A user's native function with a C address, compiled at once; cached under ``digest`` unless that is None.

    It returns a number, `lowering.RAISED` where the function raises, and works on memory it is given.
    ``before`` is called if it has to be compiled, and ``proof`` with the address of what was; only what has passed its
    proof is cached. What these raise is raised.
    """
    compiled: Any = _Callback(
        function, normalize_signature(signature), {}, {**_OPTIONS, **_NO_HEAP}, pipeline_class=SettledCompiler
    )
    compiled.before = before
    compiled._cache = cache = _Unsaved(None if digest is None else ContentCache(function, lambda: digest))
    with _no_collections(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)  # about a user's function, it would name a line of the package
        compiled.compile()
    if cache.is_new and proof is not None:
        proof(compiled.address)
    cache.save()
    return compiled


def native(function: Callable[..., Any], signature: Any, *more: str) -> Any:
    """A function of the engine with a C address, which kernels call; compiled at once, once, and cached as they are."""
    with _one_at_a_time:
        return _native(function, signature, *more)


@cache
def _native(function: Callable[..., Any], signature: Any, *more: str) -> Any:
    options = {**_OPTIONS, **_NO_HEAP}
    compiled: Any = CFunc(function, normalize_signature(signature), {}, options, pipeline_class=EntryCompiler)
    compiled._cache = _cache_of(function, *more)
    with _no_collections():
        compiled.compile()
    return compiled


def is_kept(function: Callable[..., Any], *more: str) -> bool:
    """Whether a `native` function is in the cache."""
    return _cache_of(function, *more).is_kept()
