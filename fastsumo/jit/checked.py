"""How a user's code is compiled: every index is checked, and there is no way around that.

The function of a model, and copies of its helpers (`copies.py`): what the user's script has compiled stays as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core import errors, ir
from numba.core.compiler import DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.dispatcher import Dispatcher
from numba.core.lowering import Lower
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering, NopythonTypeInference
from numba.core.unsafe.eh import mark_try_block
from numba.core.untyped_passes import MakeFunctionToJitFunction, ReconstructSSA
from numba.extending import overload
from numba.np.ufunc.dufunc import DUFunc

from fastsumo.jit.assigned import AssignedFirst, insert_before
from fastsumo.jit.indices import out_of_range
from fastsumo.jit.memory import readonly
from fastsumo.jit.pipeline import OurCompiler, PartCompiler, with_powers
from fastsumo.jit.powers import power
from fastsumo.jit.reached import of_library
from fastsumo.jit.whole import LowerWhole, unlike_list, unlike_numpy, unlike_truth, with_whole_numbers

_POINTERS = (types.CPointer, types.RawPointer, types.ArrayCTypes)
_TEXT = (types.UnicodeType, types.Bytes, types.UnicodeCharSeq, types.CharSeq)
_UNCHECKED = (np.lib.stride_tricks.as_strided, np.take_along_axis)
_LIST = "a list of whole numbers or of truth values is given other numbers, and would change them: begin with floats"
_ATTRIBUTES = {
    "getitem_unchecked": "an index of getitem_unchecked is not checked: use one in brackets",
    "__hash__": "hashes differ from process to process",
}


class ModelCompiler(PartCompiler):
    """For a user's function of vectors of some ``sizes``."""

    _checked = True
    sizes: tuple[int, ...] = ()

    def define_pipelines(self) -> list[Any]:
        return [_checked(with_powers(DefaultPassBuilder.define_nopython_pipeline(self.state)), _LoweringModel)]


class HelperCompiler(OurCompiler):
    """For the helpers of a user's function, which may call themselves: Numba sees to that in code of their own."""

    sizes: tuple[int, ...] = ()

    def __init__(self, typingctx: Any, targetctx: Any, *rest: Any) -> None:
        super().__init__(typingctx, with_whole_numbers(targetctx), *rest)

    def define_pipelines(self) -> list[Any]:
        return [_checked(DefaultPassBuilder.define_nopython_pipeline(self.state), _LoweringHelper)]


def helper_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a helper: those that the user gave, but for indices, and without loops in parallel."""
    return {**options, "boundscheck": True, "parallel": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def checked_helper(helper: Any, function: Callable[..., Any]) -> Any:
    """A function that is compiled as a helper is, and checked; of no other types than those that it is given."""
    return type(helper)(function, {}, helper_options(helper.targetoptions), pipeline_class=HelperCompiler)


class _Ufunc(DUFunc):  # type: ignore[misc]
    """One whose function is checked."""


def checked_ufunc(ufunc: Any, function: Callable[..., Any]) -> Any:
    """A ufunc of a function that is compiled as a helper is, and checked; Numba's drop the exceptions in it."""
    names = ", ".join(f"x{i}" for i in range(ufunc.nin))
    options = helper_options({"error_model": "numpy", "fastmath": ufunc.targetoptions.get("fastmath", False)})
    helper = CPUDispatcher(function, {}, {"nopython": True, **options}, pipeline_class=HelperCompiler)
    made = _Ufunc(eval(f"lambda {names}: helper({names})", {"helper": helper}), ufunc.identity)

    class Kernel(made._lower_me.kernel):  # type: ignore[misc, name-defined]
        def generate(self, *given: Any) -> Any:
            kinds, outer = self.inner_sig, self.outer_sig
            cast = [self.cast(*each) for each in zip(given, outer.args, kinds.args, strict=True)]
            found = self.context.call_internal(self.builder, self.cres.fndesc, kinds, cast)
            return self.cast(found, kinds.return_type, outer.return_type)

    made._lower_me.kernel = Kernel
    return made


def in_order_c(array: Any) -> Any:
    """`numpy.ascontiguousarray`, which Numba takes for a copy where it is none: read-only if the array is."""
    raise NotImplementedError("compiled code only")


def in_order_fortran(array: Any) -> Any:
    """`numpy.asfortranarray`, likewise."""
    raise NotImplementedError("compiled code only")


@overload(in_order_c)
def _in_order_c(array):  # type: ignore[no-untyped-def]
    if isinstance(array, types.Array) and not array.mutable:
        return lambda array: readonly(np.ascontiguousarray(array))
    return lambda array: np.ascontiguousarray(array)


@overload(in_order_fortran)
def _in_order_fortran(array):  # type: ignore[no-untyped-def]
    if isinstance(array, types.Array) and not array.mutable:
        return lambda array: readonly(np.asfortranarray(array))
    return lambda array: np.asfortranarray(array)


INSTEAD: dict[int, Any] = {  # by identity
    id(np.ascontiguousarray): in_order_c,
    id(np.asfortranarray): in_order_fortran,
    id(np.empty): np.zeros,  # what is in memory that nobody has written is no function of anything
    id(np.empty_like): np.zeros_like,
}


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringHelper(NativeLowering):  # type: ignore[misc]
    """Numba's pass, with whole numbers looked at."""

    _name = "lowering_helper"

    class _Lower(LowerWhole, Lower):  # type: ignore[misc]
        pass

    @property
    def lowering_class(self) -> Any:
        return self._Lower


@register_pass(mutates_CFG=True, analysis_only=False)
class _LoweringModel(_LoweringHelper):
    _name = "lowering_model"

    class _Lower(LowerWhole, Lower):  # type: ignore[misc]
        _returns_a_float = True


def _checked(passes: Any, lowering: type[NativeLowering]) -> Any:
    passes.add_pass_after(_CheckedClosures, MakeFunctionToJitFunction)
    passes.add_pass_after(_NoBackDoors, NopythonTypeInference)
    passes.passes = [(lowering if each is NativeLowering else each, why) for each, why in passes.passes]
    insert_before(passes, ReconstructSSA, AssignedFirst)
    passes.finalize()
    return passes


@register_pass(mutates_CFG=False, analysis_only=False)
class _CheckedClosures(FunctionPass):
    """Check what Numba compiles by itself: functions written inside a function, where they are given to another."""

    _name = "checked_closures"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        found = False
        for block in state.func_ir.blocks.values():
            for step in block.body:
                value = step.value if isinstance(step, ir.Assign) else None
                if isinstance(value, ir.Global) and isinstance(made := value.value, Dispatcher) and _is_unchecked(made):
                    step.value, found = ir.Global(value.name, checked_helper(made, made.py_func), value.loc), True
        return found


def _is_unchecked(value: Any) -> bool:
    if isinstance(value, DUFunc):
        return not isinstance(value, _Ufunc)
    return (
        isinstance(value, Dispatcher) and not of_library(value) and value._compiler.pipeline_class is not HelperCompiler  # type: ignore[attr-defined]
    )


def _has_text(kind: Any) -> bool:
    kind = types.unliteral(kind)
    return isinstance(kind, _TEXT) or (isinstance(kind, types.BaseTuple) and any(map(_has_text, kind)))


@register_pass(mutates_CFG=False, analysis_only=True)
class _NoBackDoors(FunctionPass):
    """Refuse what nothing checks: bounds of arrays, whether they are read-only, exceptions that are not raised."""

    _name = "no_back_doors"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            for step in block.body:
                why = _back_door(step, state.typemap, state.func_ir)
                if why:
                    raise errors.TypingError(why, loc=step.loc)
        why, where = out_of_range(state.func_ir, state.pipeline.sizes) if state.pipeline.sizes else ("", None)
        if why:
            raise errors.TypingError(why, loc=where)
        return False


def _back_door(step: Any, kinds: Any, whole: Any) -> str:
    value = getattr(step, "value", None)
    if isinstance(value, ir.Global) and value.value is mark_try_block:
        return "where Python raises, compiled code goes on with infinity or NaN, and catches nothing: use if, not try"
    if isinstance(step, ir.Assign) and isinstance(kinds[step.target.name], _POINTERS):
        return "nothing checks what is read by an address: use indices of the array itself"
    if isinstance(value, ir.Expr) and value.op == "getattr" and value.attr in _ATTRIBUTES:
        return _ATTRIBUTES[value.attr]
    target = step.target if isinstance(step, ir.SetItem | ir.StaticSetItem) else None
    if target is not None and unlike_list(kinds[target.name], kinds[step.value.name]):
        return _LIST
    if isinstance(value, ir.Expr) and value.op in ("getitem", "static_getitem"):
        target = value.value
    if target is not None and isinstance(kinds[target.name], types.NumpyFlatType):
        return "an index of .flat is not checked: use one of the array itself"
    if isinstance(value, ir.Expr) and value.op == "call":
        kind = kinds[value.func.name]
        function: Any = kind.dispatcher if isinstance(kind, types.Dispatcher) else getattr(kind, "typing_key", None)
        given = [kinds[each.name] for each in (*value.args, *dict(value.kws).values())]
        if id(function) in INSTEAD or _is_unchecked(function):
            return f"{function.__name__} is reached by a way that is not followed: call it by a name of its own"
        if any(function is each for each in _UNCHECKED):
            return f"nothing checks what numpy.{function.__name__} reads: use indices or slices"
        if function is hash and any(map(_has_text, given)):
            return _ATTRIBUTES["__hash__"]
        writes = function in (np.nditer, np.fill_diagonal) or (function is np.nan_to_num and len(given) > 1)
        into = given[2:] if function is np.dot else given
        writes |= function is np.dot
        if writes and any(isinstance(kind, types.Array) and not kind.mutable for kind in into):
            return f"numpy.{function.__name__} can write into a readonly array, as z, rows of data and params are"
        return unlike_numpy(operator.pow if function is power else function, kinds[step.target.name], given)
    if isinstance(value, ir.Expr) and value.op in ("binop", "inplace_binop", "unary"):
        given = [kinds[each.name] for each in value.list_vars()]
        if value.op == "inplace_binop" and unlike_list(given[0], getattr(given[1], "dtype", None)):
            return _LIST
        truth = value.op != "unary" and unlike_truth(whole, kinds, value)
        return truth or unlike_numpy(value.fn, kinds[step.target.name], given)
    return ""
