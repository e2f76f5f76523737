"""How Numba's compiler is bent: code that only goes into other code is optimised once, there, and passes are chosen.

Subclasses of Numba's own classes; `numba_internals.py` lists them.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, DefaultPassBuilder
from numba.core.typed_passes import NopythonTypeInference
from numba.core.untyped_passes import ReconstructSSA

from fastsumo.jit.helpers import CheckedHelpers, NoBackDoors
from fastsumo.jit.powers import ConstantPowers

_IDLE_PASSES = ("InlineClosureLikes", "GenericRewrites", "NopythonRewrites", "InlineInlinables", "LiteralUnroll")


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


class PartCompiler(Compiler):
    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, library or _Part(targetctx.codegen(), "part"), *rest)

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(ConstantPowers, ReconstructSSA)
        passes.finalize()
        return [passes]


class ModelCompiler(PartCompiler):
    """For a user's function of vectors of some ``sizes``; ``twins`` are what stands for its helpers (`helpers.py`)."""

    twins: Any
    sizes: tuple[int, ...] = ()

    def define_pipelines(self) -> list[Any]:
        return [_with_twins(passes) for passes in super().define_pipelines()]


class HelperCompiler(Compiler):
    """For the helpers of a user's function, which may call themselves: Numba sees to that in code of their own."""

    twins: Any
    sizes: tuple[int, ...] = ()

    def define_pipelines(self) -> list[Any]:
        return [_with_twins(DefaultPassBuilder.define_nopython_pipeline(self.state))]


def _with_twins(passes: Any) -> Any:
    passes.add_pass_after(CheckedHelpers, ReconstructSSA)
    passes.add_pass_after(NoBackDoors, NopythonTypeInference)
    passes.finalize()
    return passes


class EngineCompiler(PartCompiler):
    """Without the passes for what the engine's own functions have none of: closures and expressions of arrays."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [each for each in passes.passes if each[0].__name__ not in _IDLE_PASSES]
        passes.finalize()
        return [passes]
