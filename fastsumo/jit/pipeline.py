"""How Numba's compiler is bent: code that only goes into other code is optimised once, there, and passes are chosen.

Subclasses of Numba's own classes; `numba_internals.py` lists them.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import llvmlite.binding as llvm
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder, Flags
from numba.core.runtime.nrtopt import remove_redundant_nrt_refct
from numba.core.typed_passes import NativeLowering
from numba.core.typing.context import Context
from numba.core.typing.templates import signature
from numba.core.untyped_passes import ReconstructSSA

from fastsumo.jit.choices import with_choices
from fastsumo.jit.lowering import Lowering, is_of_two, lean
from fastsumo.jit.powers import ConstantPowers
from fastsumo.jit.vectors import made_wide

_IDLE_PASSES = ("InlineClosureLikes", "NopythonRewrites", "InlineInlinables", "LiteralUnroll")
_IDLE_IN_ENGINE = (
    "GenericRewrites",  # for constant places in tuples, and slices of them
    "InlineOverloads",
    "IRLegalization",  # says where variables end, for counts of references
)


class _Code(JITCodeLibrary):
    """Code with all that it calls, each function of it once, which is optimised as a whole.

    Numba would link what a function calls into it, optimise and emit that, and so again for whoever calls the function:
    more than half of the time that the engine would take to compile.
    """

    _final_module: Any

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self._parts: dict[_Part, None] = {}

    def add_linking_library(self, library: Any) -> None:
        if isinstance(library, _Part):
            for each in library.others:
                super().add_linking_library(each)
            self._parts.update(library.parts)
        else:
            super().add_linking_library(library)

    def finalize(self) -> None:
        _link(self._final_module, self._parts)
        super().finalize()


def _link(module: Any, parts: Iterable[_Part]) -> None:
    """Put into a module what it calls of some parts, and what that calls.

    LLVM takes a part only if it is called by what is there already.
    """
    home = {name: part.module for part in parts for name in part.functions}
    while called := [each.name for each in module.functions if each.is_declaration and each.name in home]:
        for name in called:
            module.link_in(home.pop(name), preserve=True)


class _Part(JITCodeLibrary):
    """Code that only goes into other code: it is optimised there, and has no machine code of its own."""

    _final_module: Any

    class _Unbound:
        def set_env(self, name: str, environment: Any) -> None:
            """What Python never calls needs no environment."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.module, self.functions = self._final_module, list[str]()
        self.parts: dict[_Part, None] = {self: None}  # this one, and what it calls
        self.others: dict[Any, None] = {}  # what else it calls

    @property
    def codegen(self) -> Any:
        return self._Unbound()

    def add_linking_library(self, library: Any) -> None:
        if isinstance(library, _Part):
            self.parts.update(library.parts)
            self.others.update(library.others)
        else:
            self.others[library] = None

    def add_llvm_module(self, module: Any) -> None:
        self._optimize_functions(module)
        for function in module.functions:
            if not function.is_declaration:
                function.linkage = "linkonce_odr"
                self.functions.append(function.name)
        self._final_module = self.module = module

    def finalize(self) -> None:
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """For Numba's own libraries, which link what they call and not what that calls."""
        whole = self.module.clone()
        _link(whole, self.parts)
        for other in self.others:
            whole.link_in(other._get_module_for_linking(), preserve=True)
        return whole

    def get_pointer_to_function(self, name: str) -> int:
        return 0


class _Apart(_Part):
    """Code that is called from where it goes, and never put in the place of the call."""

    def add_ir_module(self, module: Any) -> None:
        for function in module.functions:
            if function.blocks:
                function.attributes.add("noinline")
        super().add_ir_module(module)


class _Settled(_Code):
    """Code that is simplified until no branch falls away any more, and only then made SIMD.

    Where two ways differ by numbers that are the same for all lanes, LLVM takes the numbers out of the loop, then has a
    choice in place of the branch, which it takes out of the loop the next time; `choices.py` helps where it would not.
    What is left inside, and is the same for all lanes, costs its vectoriser (20 to 22) time that doubles with every
    operation.

    Then references are counted no more than they have to be: counting those to nobody, as of arrays over addresses,
    is a call, and where one is left there are no vectors.
    """

    def _optimize_final_module(self) -> None:
        module = self._settled(self._final_module)
        text = str(module)
        for _ in range(_blocks(module)):
            chosen = with_choices(text)
            if chosen == text:
                break
            module = self._settled(llvm.parse_assembly(chosen))
            before, text = text, str(module)
            if text == before:  # LLVM went back on all of it
                break
        self._final_module = remove_redundant_nrt_refct(module)
        super()._optimize_final_module()

    def _settled(self, module: Any) -> Any:
        before = 0
        while before != (before := _blocks(module)):
            tuning = llvm.create_pipeline_tuning_options(speed_level=2)
            tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = False
            passes = llvm.create_pass_builder(self._codegen._tm, tuning)
            passes.getModulePassManager().run(module, passes)
        return module


class _Remembering(Context):
    """A typing context that resolves an operator on numbers and arrays once; Numba asks every template at each use.

    That is an eighth of what the engine takes to compile. Kept is what the operator and the types decide alone: where
    the implementation is the operator's own, and not one that is compiled under the flags of the caller.
    """

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        if func in (operator.getitem, operator.setitem) and isinstance(args[0], types.Array):
            func, args = self._lookup_global(func), tuple(map(types.unliteral, args))
        if kws or not isinstance(func, types.Function) or not all(map(_is_decided, args)):
            return super().resolve_function_type(func, args, kws)
        if func.typing_key in (min, max) and is_of_two(args):
            return signature(self.unify_types(*map(types.unliteral, args)), *args)
        key = func, args
        found = _RESOLVED.get(key)
        if found is None:
            found = super().resolve_function_type(func, args, kws)
            if found is not None and func.get_impl_key(found) is func.typing_key:
                _RESOLVED[key] = found
        return found

    def resolve_setitem(self, target: Any, index: Any, value: Any) -> Any:
        return self.resolve_function_type(operator.setitem, (target, index, value), {})


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

    _code: type[_Code] = _Code

    def define_pipelines(self) -> list[Any]:
        return [_of_our_own(self.state)]

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        if library is None:
            library = self._code(made_wide(targetctx.codegen()), "entry")
            library.enable_object_caching()
        super().__init__(_remembering(typingctx), lean(targetctx), library, *rest)


class SettledCompiler(EntryCompiler):
    """For entries with a user's code in them."""

    _code = _Settled


class PartCompiler(OurCompiler):
    _checked = False  # whether indices are
    _code: type[_Part] = _Part

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        target = lean(targetctx, self._checked)
        super().__init__(_remembering(typingctx), target, library or self._code(targetctx.codegen(), "part"), *rest)

    def define_pipelines(self) -> list[Any]:
        return [with_powers(_of_our_own(self.state))]


class EngineCompiler(PartCompiler):
    """Without powers, and what else the engine has none of."""

    def define_pipelines(self) -> list[Any]:
        return [_of_our_own(self.state, *_IDLE_IN_ENGINE)]


class LoopCompiler(EngineCompiler):
    """For what must not be inlined."""

    _code = _Apart


def _of_our_own(state: Any, *idle: str) -> Any:
    """Without the passes for what the package's own functions have none of: closures and expressions of arrays."""
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.passes = [
        (Lowering if each is NativeLowering else each, why)
        for each, why in passes.passes
        if each.__name__ not in (*_IDLE_PASSES, *idle)
    ]
    passes.finalize()
    return passes


def with_powers(passes: Any) -> Any:
    """With constant whole powers by multiplications."""
    passes.add_pass_after(ConstantPowers, ReconstructSSA)
    passes.finalize()
    return passes
