"""The one file with compiler options, and the disk cache of what was compiled.

No fast-math anywhere: with explicit `fma` the arithmetic is plain IEEE, so a vector lane, a loop remainder and a
replayed trial round alike, on every CPU. The cache lives in the user's cache folder and is keyed by the *content*
of all code that can be inlined into an entry, never by file times or object identities.
"""

from __future__ import annotations

import gc
import hashlib
import operator
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import platformdirs
from numba import types
from numba.core import caching, ir
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.errors import ConstantInferenceError
from numba.core.extending import intrinsic, overload
from numba.core.ir_utils import build_definitions
from numba.core.untyped_passes import ReconstructSSA

MAX_CACHE_FILES = 400  # a user's edits each leave one entry (an index and an object file); the oldest go first

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # of what only compiled code calls
_IDLE_PASSES = ("InlineClosureLikes", "GenericRewrites", "NopythonRewrites", "InlineInlinables", "LiteralUnroll")
_LARGEST_POWER = 0x10000  # beyond, Numba takes the general power too
_NO_HEAP = {"_nrt": False}  # the engine works on memory it is given: no reference counts to compile


class _Part(JITCodeLibrary):
    """Code that only goes into other code: optimised there, once, and no machine code of its own.

    Numba would optimise and emit every function by itself, and again inside every function that calls it, which is
    more than half of the time that the engine takes to compile.
    """

    class _Unbound:
        def set_env(self, name: str, environment: Any) -> None:
            """What Python never calls needs no environment."""

    @property
    def codegen(self) -> Any:
        return self._Unbound()

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0


@register_pass(mutates_CFG=False, analysis_only=False)
class _ConstantPowers(FunctionPass):
    """Turn ``x**2`` into a call of `power`.

    Numba means to make multiplications of constant exponents, but looks for the operator under a wrong name (0.61 to
    0.68); its loop over the bits of the exponent keeps the loop around it from becoming SIMD.
    """

    _name = "constant_powers"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        found = 0
        for block in state.func_ir.blocks.values():
            for at, step in reversed(list(enumerate(block.body))):
                value = getattr(step, "value", None)
                if isinstance(value, ir.Expr) and value.op == "binop" and value.fn is operator.pow:
                    with suppress(ConstantInferenceError):
                        if isinstance(state.func_ir.infer_constant(value.rhs), int):
                            name = ir.Var(block.scope, f"$constant_power.{found}", value.loc)
                            step.value = ir.Expr.call(name, [value.lhs, value.rhs], (), value.loc)
                            block.body.insert(at, ir.Assign(ir.Global("power", power, value.loc), name, value.loc))
                            found += 1
        if found:
            state.func_ir._definitions = build_definitions(state.func_ir.blocks)
        return found > 0


def power(x: Any, n: Any) -> Any:
    """``x**n``."""
    raise NotImplementedError("compiled code only")


def multiplied(builder: Any, x: Any, one: Any, n: int) -> Any:
    """The LLVM value ``x**n`` by multiplications in Numba's order; ``x`` and ``one`` are numbers or vectors."""
    exponent, square, result = abs(n), x, one
    while exponent:
        result = builder.fmul(result, square) if exponent & 1 else result
        square, exponent = builder.fmul(square, square), exponent >> 1
    return builder.fdiv(one, result) if n < 0 else result


@intrinsic(prefer_literal=True)
def _whole_power(typingctx, x, n):  # type: ignore[no-untyped-def]
    """``x**n`` for a constant whole ``n``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return multiplied(builder, args[0], context.get_constant(x, 1.0), n.literal_value)

    return x(x, n), codegen


class _PartCompiler(Compiler):
    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, library or _Part(targetctx.codegen(), "part"), *rest)

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_ConstantPowers, ReconstructSSA)
        passes.finalize()
        return [passes]


class _EngineCompiler(_PartCompiler):
    """Without the passes for what the engine's own functions have none of: closures and expressions of arrays."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [each for each in passes.passes if each[0].__name__ not in _IDLE_PASSES]
        passes.finalize()
        return [passes]


_PART: dict[str, Any] = {"pipeline_class": _PartCompiler, **_OPTIONS, **_NO_WRAPPERS}
INLINED: Any = {"forceinline": True, **_PART}


@overload(power, jit_options=INLINED, prefer_literal=True)
def _power(x, n):  # type: ignore[no-untyped-def]
    if isinstance(x, types.Float) and isinstance(n, types.IntegerLiteral) and abs(n.literal_value) <= _LARGEST_POWER:
        return lambda x, n: _whole_power(x, n)
    return lambda x, n: x**n


def inlined(function: Callable[..., Any]) -> Any:
    """A small device function that LLVM must inline, so that the loop around it vectorises."""
    return numba.njit(**INLINED)(function)


def device(function: Callable[..., Any]) -> Any:
    """A device function that is called, not inlined; compiled once, not again for an argument that is a constant."""
    dispatcher = numba.njit(**{**_PART, "pipeline_class": _EngineCompiler}, **_NO_HEAP)(function)
    resolve = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: resolve([types.unliteral(each) for each in args], kws)
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """An entry point of the engine: called from Python, releases the GIL, cached on disk."""
    dispatcher = numba.njit(**_OPTIONS, **_NO_HEAP)(function)
    dispatcher._cache = _ContentCache(function, lambda: engine_digest())
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
    function: Callable[..., Any], signature: Any, digest: str | None, before: Callable[[], None] | None = None
) -> Any:
    """A native function with a C address, compiled at once; cached under ``digest`` unless that is None.

    ``before`` is called if it has to be compiled; what it raises is raised.
    """
    compiled: Any = _Callback(function, numba.core.sigutils.normalize_signature(signature), {}, dict(_OPTIONS))
    compiled.before = before
    if digest is not None:
        compiled._cache = _ContentCache(function, lambda: digest)
    with _no_collections():
        compiled.compile()
    return compiled


_FROZEN = ("kernels/*.py", "vmath/*.py", "estimators.py", "roulette.py")  # the last two for their constants


@cache
def engine_digest() -> str:
    """Content hash of every source file that may be inlined into a kernel, and of the compiler's version."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {_OPTIONS}".encode())
    sources = (path for pattern in _FROZEN for path in package.glob(pattern))
    for path in sorted(sources):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where compiled code is kept: ``FASTSUMO_CACHE_DIR`` or the user's cache folder."""
    chosen = os.environ.get("FASTSUMO_CACHE_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("fastsumo", appauthor=False))


class _Locator(caching._CacheLocator):
    """Answers Numba's questions about where a cache entry goes; the digest is both stamp and name."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def get_cache_path(self) -> str:
        return str(cache_folder() / "compiled")

    def get_source_stamp(self) -> str:
        return self._digest

    def get_disambiguator(self) -> str:
        return self._digest[:20]


class _Impl(caching.CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any], digest: str) -> None:
        self._locator = _Locator(digest)
        self._lineno = function.__code__.co_firstlineno
        self._filename_base = self.get_filename_base(f"{function.__module__}.{function.__name__}", "")

    def check_cachable(self, data: Any) -> bool:
        return not data.library.has_dynamic_globals


class _ContentCache:
    """Numba's cache protocol over content-keyed entries. A folder that cannot be used means no cache, no error."""

    def __init__(self, function: Callable[..., Any], digest: Callable[[], str]) -> None:
        self._function, self._digest = function, digest

    @lru_cache(maxsize=1)  # noqa: B019 - one per kernel, lives as long as the process
    def _inner(self) -> caching.Cache:
        inner = caching.FunctionCache.__new__(_Keyed)
        inner._impl = _Impl(self._function, self._digest())
        inner._name, inner._py_func = repr(self._function), self._function
        inner._cache_path = inner._impl.locator.get_cache_path()
        inner._cache_file = caching.IndexDataCacheFile(
            inner._cache_path, inner._impl.filename_base, inner._impl.locator.get_source_stamp()
        )
        inner.enable()
        return inner

    @property
    def cache_path(self) -> str:
        return str(self._inner()._cache_path)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            found = self._inner().load_overload(signature, target_context)
        except Exception:  # a damaged or foreign entry: compile again, and replace it
            with suppress(OSError):
                self._index().unlink()
            return None
        if found is not None:
            self._touch()
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            folder = self._index().parent
            folder.mkdir(parents=True, exist_ok=True)
            self._inner().save_overload(signature, data)
            _prune(folder)
        except OSError:
            return

    def _index(self) -> Path:
        return Path(self._inner()._cache_file._index_path)

    def _touch(self) -> None:
        """Make the entry young again, so that what is used is not pruned."""
        with suppress(OSError):
            for path in self._index().parent.glob(f"{self._index().stem}.*"):
                os.utime(path)

    def enable(self) -> None:
        self._inner().enable()

    def disable(self) -> None:
        self._inner().disable()

    def flush(self) -> None:
        self._inner().flush()


class _Keyed(caching.FunctionCache):
    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple()


def _prune(folder: Path) -> None:
    """Drop the oldest entries beyond `MAX_CACHE_FILES`. Another process may be pruning too."""
    aged = []
    for path in folder.iterdir():
        try:
            aged.append((path.stat().st_mtime, path))
        except OSError:
            continue
    for _, path in sorted(aged)[:-MAX_CACHE_FILES]:
        path.unlink(missing_ok=True)
