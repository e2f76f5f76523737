"""How the package's own functions become LLVM code: with as few instructions as say the same.

What Numba writes for a variable, an index or a loop is made for any Python code, and LLVM is left to find out that most
of it has no effect, which took half of the time that the engine takes to compile. Here a variable is a value where it
has one definition, an index is neither counted from the end nor checked, and numbers are added by the one instruction
that types say. The machine code that LLVM ends with is the same.
"""

from __future__ import annotations

import copy
import operator
from functools import cache
from typing import Any

from llvmlite.ir import Constant, Function, FunctionType, IntType, IRBuilder, Undefined
from numba import types
from numba.core import callconv, cgutils, ir
from numba.core.analysis import compute_use_defs
from numba.core.compiler_machinery import register_pass
from numba.core.cpu import CPUContext
from numba.core.ir_utils import get_definition, guard
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering
from numba.core.unsafe import eh
from numba.cpython.builtins import do_minmax

from fastsumo.jit.whole import with_whole_numbers

_LEAST_AND_MOST = {min: operator.lt, max: operator.gt}
_BY_TYPES = (operator.pow, operator.ipow)  # operators with implementations for constants


RAISED = -1  # what a C function returns in place of an exception
_QUIET: set[str] = set()  # functions, by their names in LLVM, that never raise an exception
_TRUE, _FALSE = (Constant(IntType(1), truth) for truth in (1, 0))
_IS_FINE = callconv.Status(callconv.RETCODE_OK, _TRUE, _FALSE, _FALSE, _FALSE, _FALSE, _FALSE, None)


class _CallConv(callconv.CPUCallConv):
    """Numba's, without asking functions for exceptions that never raise one."""

    def call_function(self, builder: Any, callee: Any, resty: Any, argtys: Any, args: Any, attrs: Any = None) -> Any:
        if callee.name not in _QUIET or attrs is not None or isinstance(resty, types.Optional):
            return super().call_function(builder, callee, resty, argtys, args, attrs)
        result, exception = callee.function_type.args[:2]
        place = cgutils.alloca_once(builder, result.pointee)
        given = self._get_arg_packer(argtys).as_arguments(builder, args)
        builder.call(callee, [place, Constant(exception, None), *given])
        return _IS_FINE, self.context.get_returned_value(builder, resty, builder.load(place))

    def return_status_propagate(self, builder: Any, status: Any) -> None:
        if status is _IS_FINE:
            builder.unreachable()
        else:
            super().return_status_propagate(builder, status)

    def _return_errcode_raw(self, builder: Any, code: Any) -> None:
        if code is not callconv.RETCODE_OK:
            builder.function.raises = True
        super()._return_errcode_raw(builder, code)


class _Target(CPUContext):
    """A target with `min` and `max` of two numbers as instructions."""

    @property
    def call_conv(self) -> Any:
        return _CallConv(self)

    def get_constant_generic(self, builder: Any, ty: Any, val: Any) -> Any:
        if isinstance(ty, types.Dispatcher):  # which function it is, its type says
            return self.get_dummy_value()
        return super().get_constant_generic(builder, ty, val)

    def create_cfunc_wrapper(self, library: Any, fndesc: Any, env: Any, call_helper: Any) -> None:
        """Numba's would print the exception, and return whatever is there."""
        module, kind = self.create_module("cfunc_wrapper"), self.get_value_type(fndesc.restype)
        called = FunctionType(kind, [self.get_value_type(each) for each in fndesc.argtypes])
        function = Function(module, called, fndesc.llvm_cfunc_wrapper_name)
        callee = self.declare_function(module, fndesc)
        builder = IRBuilder(function.append_basic_block())
        given = fndesc.restype, fndesc.argtypes, function.args
        status, found = self.call_conv.call_function(builder, callee, *given, attrs=("noinline",))
        builder.ret(builder.select(status.is_error, Constant(kind, RAISED), found))
        library.add_ir_module(module)

    def post_lowering(self, mod: Any, library: Any) -> None:
        if self.enable_nrt:
            super().post_lowering(mod, library)

    def pair_first(self, builder: Any, val: Any, ty: Any) -> Any:
        return self.data_model_manager[ty].get(builder, val, "first")

    def pair_second(self, builder: Any, val: Any, ty: Any) -> Any:
        return self.data_model_manager[ty].get(builder, val, "second")

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        key = getattr(fn, "typing_key", None)
        if key in _LEAST_AND_MOST and is_of_two(sig.args):
            compare = _LEAST_AND_MOST[key]
            return lambda builder, args, loc=None: do_minmax(self, builder, sig.args, args, compare)
        return super().get_function(fn, sig, _firstcall)


class _Unchecked(_Target):
    """A target that indexes arrays from their begin."""

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        key = getattr(fn, "typing_key", fn)
        if key is operator.getitem and _is_plain(*sig.args[:2]):
            return lambda builder, args, loc=None: builder.load(self._place(builder, sig, args))
        if key is operator.setitem and _is_plain(*sig.args[:2]):
            return lambda builder, args, loc=None: self._store(builder, sig, args)
        return super().get_function(fn, sig, _firstcall)

    def get_getattr(self, typ: Any, attr: str) -> Any:
        if attr == "size" and isinstance(typ, types.Array):
            return _size
        return super().get_getattr(typ, attr)

    def _place(self, builder: Any, sig: Any, args: Any) -> Any:
        kind, index = sig.args[:2]
        data = self.data_model_manager[kind].get(builder, args[0], "data")
        return builder.gep(data, [self.cast(builder, args[1], index, types.intp)])

    def _store(self, builder: Any, sig: Any, args: Any) -> Any:
        kind, _, given = sig.args
        value = self.cast(builder, args[2], given, kind.dtype)
        builder.store(value, self._place(builder, sig, args))
        return self.get_dummy_value()


def _size(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
    return context.data_model_manager[typ].get(builder, value, "nitems")


def _is_plain(kind: Any, index: Any) -> bool:
    """Whether this is a place in a vector of numbers that lie side by side."""
    return (
        isinstance(kind, types.Array)
        and kind.ndim == 1
        and kind.layout == "C"
        and kind.aligned
        and isinstance(kind.dtype, types.Number)
        and isinstance(index, types.Integer)
    )


def is_of_two(kinds: Any) -> bool:
    """Whether these are two numbers, as `min` and `max` mostly get."""
    return len(kinds) == 2 and all(isinstance(each, types.Number) for each in kinds)


@cache
def lean(targetctx: Any, checked: bool = False) -> Any:
    """The same target, with our ways; what is registered with one is known to both."""
    other = copy.copy(targetctx)
    other.__class__ = _Target if checked else _Unchecked
    return with_whole_numbers(other) if checked else other


class _Lower(Lower):
    def lower_normal_function(self, fndesc: Any) -> None:
        super().lower_normal_function(fndesc)
        if not hasattr(self.function, "raises"):
            _QUIET.add(self.function.name)

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op == "getiter" and self._counts_up(expr.value):
            return self._begin(resty, self.loadvar(expr.value.name))
        if expr.op == "iternext" and isinstance(kind := self.typeof(expr.value.name), types.RangeIteratorType):
            return self._next(resty, kind, self.loadvar(expr.value.name))
        return super().lower_expr(resty, expr)

    def _counts_up(self, var: Any) -> bool:
        """Whether this is `range` with a step of one."""
        if not isinstance(self.typeof(var.name), types.RangeType):
            return False
        made = guard(get_definition, self.func_ir, var)
        if not isinstance(made, ir.Expr) or made.op != "call" or made.kws or made.vararg:
            return False
        called = guard(get_definition, self.func_ir, made.func)
        return isinstance(called, ir.Global) and called.value is range and len(made.args) < 3

    def _begin(self, kind: Any, numbers: Any) -> Any:
        """An iterator over a range: as Numba's, but that the number of steps is a difference."""
        builder, model = self.builder, self.context.data_model_manager[kind]
        start, stop, step = cgutils.unpack_tuple(builder, numbers, 3)
        at, left = (cgutils.alloca_once(builder, start.type) for _ in range(2))
        size = builder.sub(stop, start)
        zero = Constant(size.type, 0)
        builder.store(start, at)
        builder.store(builder.select(builder.icmp_signed(">", size, zero), size, zero), left)
        iterator = Constant(model.get_value_type(), Undefined)
        for name, value in (("iter", at), ("stop", stop), ("step", step), ("count", left)):
            iterator = model.set(builder, iterator, value, name)
        return iterator

    def _next(self, pair: Any, kind: Any, iterator: Any) -> Any:
        builder, model = self.builder, self.context.data_model_manager[kind]
        at, step, left = (model.get(builder, iterator, name) for name in ("iter", "step", "count"))
        count, value = builder.load(left), builder.load(at)
        one, zero = (Constant(count.type, number) for number in (1, 0))
        goes_on = builder.icmp_signed(">", count, zero)
        with builder.if_then(goes_on):
            builder.store(builder.sub(count, one, flags=["nsw"]), left)
            builder.store(builder.add(value, step), at)
        both = self.context.data_model_manager[pair]
        found = both.set(builder, Constant(both.get_value_type(), Undefined), value, "first")
        return both.set(builder, found, goes_on, "second")

    def _find_singly_assigned_variable(self) -> None:
        """All variables of one definition that comes before their uses, in the order of blocks.

        Not those that hold a reference, which is given up where ways join, whether or not there was a definition; and
        not those of a function that catches exceptions, which has more ways than its blocks tell.
        """
        blocks = self.func_ir.blocks
        steps = [
            (offset, step) for offset, block in blocks.items() for step in block.body if isinstance(step, ir.Assign)
        ]
        if any(isinstance(step.value, ir.Global) and step.value.value is eh.mark_try_block for _, step in steps):
            super()._find_singly_assigned_variable()
            return
        defined: dict[str, int] = {}
        several = set()
        for offset, step in steps:
            name = step.target.name
            if name in defined or self._holds_reference(name):
                several.add(name)
            defined[name] = offset
        for offset, uses in compute_use_defs(blocks).usemap.items():
            several.update(name for name in uses if defined.get(name, offset + 1) >= offset)
        self._singly_assigned_vars = set(defined) - several
        self._blk_local_varmap: dict[str, Any] = {}

    def _holds_reference(self, name: str) -> bool:
        if not self.context.enable_nrt:
            return False
        return bool(self.context.data_model_manager[self.typeof(name)].contains_nrt_meminfo())

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        signature = self.fndesc.calltypes[expr]
        if op in _BY_TYPES or not all(isinstance(each, types.Number | types.Boolean) for each in signature.args):
            return super().lower_binop(resty, expr, op)
        function = self.context.typing_context.resolve_value_type(op)
        try:
            found = self.context.get_function(function, signature)
        except KeyError:  # the compiler was taught about it meanwhile
            return super().lower_binop(resty, expr, op)
        result = found(self.builder, self._cast((expr.lhs, expr.rhs), signature))
        return self.context.cast(self.builder, result, signature.return_type, resty)

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        if not (isinstance(self.context, _Unchecked) and _is_plain(*signature.args[:2])):
            return super().lower_getitem(resty, expr, value, index, signature)
        found = self.context.get_function(operator.getitem, signature)
        result = found(self.builder, self._cast((value, index), signature))
        return self.context.cast(self.builder, result, signature.return_type, resty)

    def lower_setitem(self, target: Any, index: Any, value: Any, signature: Any) -> Any:
        if not (isinstance(self.context, _Unchecked) and _is_plain(*signature.args[:2])):
            return super().lower_setitem(target, index, value, signature)
        found = self.context.get_function(operator.setitem, signature)
        return found(self.builder, self._cast((target, index, value), signature))

    def _cast(self, variables: Any, signature: Any) -> list[Any]:
        """The values of variables, as a function of this signature takes them."""
        return [
            self.context.cast(self.builder, self.loadvar(var.name), self.typeof(var.name), kind)
            for var, kind in zip(variables, signature.args, strict=True)
        ]


@register_pass(mutates_CFG=True, analysis_only=False)
class Lowering(NativeLowering):
    """Numba's pass, with `_Lower`."""

    _name = "lean_lowering"

    @property
    def lowering_class(self) -> Any:
        return _Lower
