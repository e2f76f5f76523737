"""How Numba's compiler is bent: code that only goes into other code is optimised once, there, and passes are chosen.

Subclasses of Numba's own classes; `numba_internals.py` lists them.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, ClassVar

import llvmlite.binding as llvm
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder, Flags
from numba.core.runtime.nrtopt import remove_redundant_nrt_refct
from numba.core.typing.context import Context
from numba.core.untyped_passes import ReconstructSSA

from fastsumo.jit.powers import ConstantPowers
from fastsumo.jit.vectors import made_wide

_IDLE_PASSES = ("InlineClosureLikes", "NopythonRewrites", "InlineInlinables", "LiteralUnroll")
_CONSTANT_PLACES = "GenericRewrites"  # of tuples, and slices of them


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


class _Settled(JITCodeLibrary):
    """Code that is simplified until no branch falls away any more, and only then made SIMD.

    Where two ways differ by numbers that are the same for all lanes, LLVM takes the numbers out of the loop, then has a
    choice in place of the branch, which it takes out of the loop the next time. What is left inside, and is the same
    for all lanes, costs its vectoriser (20 to 22) time that doubles with every operation.

    Then references are counted no more than they have to be: counting those to nobody, as of arrays over addresses,
    is a call, and where one is left there are no vectors.
    """

    _final_module: Any

    def _optimize_final_module(self) -> None:
        module, before = self._final_module, 0
        while before != (before := _blocks(module)):
            tuning = llvm.create_pipeline_tuning_options(speed_level=2)
            tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = False
            passes = llvm.create_pass_builder(self._codegen._tm, tuning)
            passes.getModulePassManager().run(module, passes)
        self._final_module = remove_redundant_nrt_refct(module)
        super()._optimize_final_module()


class _Remembering(Context):
    """A typing context that resolves an operator on numbers and arrays once; Numba asks every template at each use.

    That is an eighth of what the engine takes to compile. Kept is what the operator and the types decide alone: where
    the implementation is the operator's own, and not one that is compiled under the flags of the caller.
    """

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        if kws or not isinstance(func, types.Function) or not all(map(_is_decided, args)):
            return super().resolve_function_type(func, args, kws)
        key = func, args
        signature = _RESOLVED.get(key)
        if signature is None:
            signature = super().resolve_function_type(func, args, kws)
            if signature is not None and func.get_impl_key(signature) is func.typing_key:
                _RESOLVED[key] = signature
        return signature


_RESOLVED: dict[Any, Any] = {}


def _is_decided(kind: Any) -> bool:
    """Whether a type is of numbers, or arrays or tuples of them, and will not be refined."""
    return isinstance(kind, (types.Number, types.Boolean, types.Array, types.BaseTuple)) and kind.is_precise()


@cache
def _remembering(typingctx: Any) -> Any:
    """The same context, which remembers; what is registered with one is known to both."""
    other = copy.copy(typingctx)
    other.__class__ = _Remembering
    return other


def _blocks(module: Any) -> int:
    return sum(1 for function in module.functions for _ in function.blocks)


class _Shared(Flags):
    """Flags of which there is one object for all that are equal, so that it is equal to itself alone.

    They are in the key under which Numba looks for what it has compiled, thousands of times for a kernel; flags are
    else compared option by option, and all have one hash, which takes a fifth of its time.
    """

    __slots__ = ()
    __eq__, __hash__ = object.__eq__, object.__hash__
    _all: ClassVar[list[_Shared]] = []

    @classmethod
    def of(cls, flags: Flags) -> _Shared:
        found = next((each for each in cls._all if each.values() == flags.values()), None)
        if found is None:
            cls._all.append(found := cls(flags))
        return found

    def copy(self) -> Flags:
        """Those that may be changed."""
        return Flags(self)


class _Given(Flags):
    """The flags that a function is compiled with; Numba puts a copy of them where they are asked for."""

    def copy(self) -> Flags:
        return _Shared.of(self)


class OurCompiler(Compiler):
    """With flags that are compared by identity."""

    def __init__(
        self, typing: Any, target: Any, library: Any, args: Any, returned: Any, flags: Any, kinds: Any
    ) -> None:
        super().__init__(typing, target, library, args, returned, _Given(flags), kinds)


class EntryCompiler(OurCompiler):
    """For what is called from outside: kernels, and what is around models."""

    _code: type[JITCodeLibrary] = JITCodeLibrary

    def define_pipelines(self) -> list[Any]:
        return [_of_our_own(self.state)]

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        if library is None:
            library = self._code(made_wide(targetctx.codegen()), "entry")
            library.enable_object_caching()
        super().__init__(_remembering(typingctx), targetctx, library, *rest)


class SettledCompiler(EntryCompiler):
    """For entries with a user's code in them."""

    _code = _Settled


class PartCompiler(OurCompiler):
    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(_remembering(typingctx), targetctx, library or _Part(targetctx.codegen(), "part"), *rest)

    def define_pipelines(self) -> list[Any]:
        return [with_powers(_of_our_own(self.state))]


class EngineCompiler(PartCompiler):
    """Without powers and slices of tuples: what the engine calls has none."""

    def define_pipelines(self) -> list[Any]:
        return [_of_our_own(self.state, _CONSTANT_PLACES)]


def _of_our_own(state: Any, *idle: str) -> Any:
    """Without the passes for what the package's own functions have none of: closures and expressions of arrays."""
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.passes = [each for each in passes.passes if each[0].__name__ not in (*_IDLE_PASSES, *idle)]
    passes.finalize()
    return passes


def with_powers(passes: Any) -> Any:
    """With constant whole powers by multiplications."""
    passes.add_pass_after(ConstantPowers, ReconstructSSA)
    passes.finalize()
    return passes
