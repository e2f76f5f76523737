"""Compiler options, here and nowhere else: how the package's own functions and a user's model are compiled.

No fast-math anywhere: with explicit `fma` the arithmetic is plain IEEE, so a vector lane, a loop remainder and a
replayed trial round alike, on every CPU. Where compiled code is kept is in `cache.py`, under which key in `sources.py`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
from numba import types
from numba.core.ccallback import CFunc
from numba.core.errors import NumbaError
from numba.core.sigutils import normalize_signature
from numba.extending import overload

from fastsumo.jit.cache import ContentCache
from fastsumo.jit.pipeline import EngineCompiler, EntryCompiler, PartCompiler, SettledCompiler
from fastsumo.jit.powers import power, whole_power
from fastsumo.jit.sources import source_digest

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # of what only compiled code calls
REFUSED = (NumbaError, NotImplementedError)  # raised where code asks of a type what it cannot do
_LARGEST_POWER = 0x10000  # beyond, Numba takes the general power too
_NO_HEAP = {"_nrt": False}  # the engine works on memory it is given: no reference counts to compile

_PART: dict[str, Any] = {"pipeline_class": PartCompiler, **_OPTIONS, **_NO_WRAPPERS}
INLINED: Any = {"forceinline": True, **_PART}


@overload(power, jit_options=INLINED, prefer_literal=True)
def _power(x, n):  # type: ignore[no-untyped-def]
    if isinstance(x, types.Float) and isinstance(n, types.IntegerLiteral) and abs(n.literal_value) <= _LARGEST_POWER:
        return lambda x, n: whole_power(x, n)
    return lambda x, n: x**n


def inlined(function: Callable[..., Any]) -> Any:
    """A small device function that LLVM must inline, so that the loop around it vectorises."""
    return numba.njit(**INLINED)(function)


def device(function: Callable[..., Any]) -> Any:
    """A device function that is called, not inlined; compiled once, not again for an argument that is a constant."""
    dispatcher = numba.njit(**{**_PART, "pipeline_class": EngineCompiler}, **_NO_HEAP)(function)
    resolve = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: resolve([types.unliteral(each) for each in args], kws)
    return dispatcher


def kernel(function: Callable[..., Any], *more: str) -> Any:
    """An entry point of the engine: called from Python, releases the GIL, cached on disk.

    ``more`` are modules that the function reaches through its closure and not through the imports of its own.
    """
    dispatcher = numba.njit(**_OPTIONS, **_NO_HEAP, pipeline_class=EntryCompiler)(function)
    dispatcher._cache = ContentCache(function, lambda: source_digest(function.__module__, *more))
    return dispatcher


def compile_for(dispatcher: Any, *arguments: Any) -> None:
    """Compile a kernel for such arguments, or find it compiled, without running it.

    To be called before a clock runs that is not to measure the compiler.
    """
    with _no_collections():
        dispatcher.compile(tuple(numba.typeof(argument) for argument in arguments))


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
    branches: bool = False,
) -> Any:
    """A native function with a C address, compiled at once; cached under ``digest`` unless that is None.

    ``before`` is called if it has to be compiled; what it raises is raised. ``branches`` says that code of a user's
    that has some is inlined into it.
    """
    pipeline = SettledCompiler if branches else EntryCompiler
    compiled: Any = _Callback(function, normalize_signature(signature), {}, dict(_OPTIONS), pipeline_class=pipeline)
    compiled.before = before
    if digest is not None:
        compiled._cache = ContentCache(function, lambda: digest)
    with _no_collections():
        compiled.compile()
    return compiled
