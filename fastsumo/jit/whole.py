"""Whole numbers in a model: what Python gives, or an error, where compiled code would go on with another number.

Python's whole numbers have no limits; compiled ones have 64 bits and wrap, and a float that is NaN, infinite or too
large for one becomes anything. So the code of a model and of its helpers is made by a target, and with a lowering, that
look at each operation and each conversion: what its type does not hold is an error, and so is a division by 0. A list
that would change what is put into it is refused.

Numbers of NumPy's smaller types are added in 64 bits by compiled code, but not by NumPy: what NumPy's own type does not
hold is an error too. So it is in arrays, and where compiled code gives those another type it is refused. What NumPy
does in one go, as in `numpy.sum`, wraps with and without a compiler, and is left alone. A sum of two truth values is
refused: which of Python's or NumPy's they are, compiled code does not know.

Where LLVM sees that a number is in range, as those that count through a vector are, nothing is left of a check.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core import ir as code
from numba.core.ir_utils import get_definition, guard
from numba.np.numpy_support import as_dtype

_USE = "Python's have no limit, those of compiled code do (int64: 2**63): use floats"
_NEGATIVE = "a whole number to a negative power is not a whole number: use floats"
_WHOLE = 2.0**52  # from here on every float is whole
_EXACT = 2**53  # up to here every whole number is a float
_PYTHONS = (types.int64, types.boolean)  # which NumPy has too
_COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)


def demand(context: Any, builder: Any, fine: Any, kind: type[Exception], message: str) -> None:
    """Raise, unless something is so."""
    with builder.if_then(builder.not_(fine), likely=False):
        line = getattr(context, "line", None)
        context.call_conv.return_user_exc(builder, kind, (message,), loc=line, func_name="model")


def in_range(builder: Any, value: Any, kind: Any, low: int, high: int) -> Any:
    """Whether a whole number of a type is from ``low`` to ``high``, which may be beyond the type."""
    compare = builder.icmp_signed if kind.signed else builder.icmp_unsigned
    fine = cgutils.true_bit
    if low > kind.minval:
        fine = compare(">=", value, value.type(low))
    if high < kind.maxval:
        fine = builder.and_(fine, compare("<=", value, value.type(high)))
    return fine


def operated(context: Any, builder: Any, kind: Any, operation: str, x: Any, y: Any) -> Any:
    """``x + y``, ``x - y`` or ``x * y`` of a type: ``operation`` is LLVM's word."""
    both = getattr(builder, f"{'s' if kind.signed else 'u'}{operation}_with_overflow")(x, y)
    said = {"add": "a sum", "sub": "a difference", "mul": "a product"}[operation]
    fine = builder.not_(builder.extract_value(both, 1))
    demand(context, builder, fine, OverflowError, f"{said} of whole numbers is beyond {kind}; {_USE}")
    return builder.extract_value(both, 0)


def constant_power(context: Any, builder: Any, kind: Any, x: Any, n: int) -> Any:
    """``x**n`` for a constant ``n`` by multiplications."""
    if n < 0:
        demand(context, builder, cgutils.false_bit, OverflowError, _NEGATIVE)
    result, square = x.type(1), x
    while n > 0:
        result = operated(context, builder, kind, "mul", result, square) if n & 1 else result
        n >>= 1
        square = operated(context, builder, kind, "mul", square, square) if n else square
    return result


def _truncated(context: Any, builder: Any, x: Any, source: Any, kind: Any) -> Any:
    """A float as a whole number of a type, if it is one but for its fraction."""
    x = context.cast(builder, x, source, types.float64)
    low, high = float(kind.minval - 1), float(kind.maxval + 1)
    above = builder.fcmp_ordered(">=" if low == kind.minval else ">", x, x.type(low))  # -2**63 - 1 is no float
    fine = builder.and_(above, builder.fcmp_ordered("<", x, x.type(high)))
    message = f"a float that {kind} does not hold, or NaN, becomes a whole number; {_USE}"
    demand(context, builder, fine, OverflowError, message)
    convert = builder.fptosi if kind.signed else builder.fptoui
    return convert(x, context.get_value_type(kind))


def _by(operation: str) -> Callable[..., Any]:
    def made(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = sig.return_type
        x, y = (context.cast(builder, arg, source, kind) for arg, source in zip(args, sig.args, strict=True))
        return operated(context, builder, kind, operation, x, y)

    return made


def _negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind = sig.return_type
    x = context.cast(builder, args[0], sig.args[0], kind)
    return operated(context, builder, kind, "sub", x.type(0), x)


def _absolute(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind = sig.return_type
    x = context.cast(builder, args[0], sig.args[0], kind)
    if not kind.signed:
        return x
    fine = in_range(builder, x, kind, kind.minval + 1, kind.maxval)
    demand(context, builder, fine, OverflowError, f"abs of a whole number is beyond {kind}; {_USE}")
    return builder.select(builder.icmp_signed("<", x, x.type(0)), builder.neg(x), x)


def _shifts(context: Any, builder: Any, sig: Any, args: Any) -> tuple[Any, Any, Any]:
    """The number, by how many places it is shifted, at most those that there are, and whether these are too many."""
    kind, by = sig.return_type, sig.args[1]
    x = context.cast(builder, args[0], sig.args[0], kind)
    demand(context, builder, in_range(builder, args[1], by, 0, by.maxval), ValueError, "negative shift count")
    count = context.cast(builder, args[1], by, types.uint64)
    most = count.type(kind.bitwidth - 1)
    many = builder.icmp_unsigned(">", count, most)
    return x, builder.select(many, most, count), many


def _left(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    x, count, many = _shifts(context, builder, sig, args)
    kind = sig.return_type
    found = builder.shl(x, count)
    back = (builder.ashr if kind.signed else builder.lshr)(found, count)
    fine = builder.and_(builder.not_(many), builder.icmp_unsigned("==", back, x))
    fine = builder.or_(fine, builder.icmp_unsigned("==", x, x.type(0)))
    demand(context, builder, fine, OverflowError, f"a whole number shifted to the left is beyond {kind}; {_USE}")
    return found


def _right(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    x, count, many = _shifts(context, builder, sig, args)
    if sig.return_type.signed:
        return builder.ashr(x, count)
    return builder.select(many, x.type(0), builder.lshr(x, count))


def _power(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, message = sig.return_type, _NEGATIVE

    def power(x, n):  # type: ignore[no-untyped-def]
        result, square, left = kind(1), kind(x), n
        if left < 0:
            raise OverflowError(message)
        while True:
            if left & 1:
                result = result * square
            left >>= 1
            if not left:
                return result
            square = square * square

    return context.compile_internal(builder, power, sig, args)


def _divided(operation: Any) -> Callable[..., Any]:
    def made(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = getattr(sig.return_type, "dtype", sig.return_type)
        x, y = (context.cast(builder, arg, source, kind) for arg, source in zip(args, sig.args, strict=True))
        fine = builder.icmp_unsigned("!=", y, y.type(0))
        demand(context, builder, fine, ZeroDivisionError, "integer division or modulo by zero")
        if kind.signed and operation is not operator.mod:
            overflows = builder.and_(
                builder.icmp_signed("==", x, x.type(kind.minval)), builder.icmp_signed("==", y, y.type(-1))
            )
            message = f"a quotient of whole numbers is beyond {kind}; {_USE}"
            demand(context, builder, builder.not_(overflows), OverflowError, message)
        same = sig.return_type(kind, kind)
        function = context.typing_context.resolve_value_type(operation)
        function.get_call_type(context.typing_context, same.args, {})  # which implementation it has, Numba learns here
        return super(WholeNumbers, context).get_function(function, same)(builder, (x, y))

    return made


def _total(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """`sum` of a tuple, or of what a loop goes through."""
    kind = sig.return_type
    if not isinstance(sig.args[0], types.BaseTuple):

        def total(numbers, start=0):  # type: ignore[no-untyped-def]
            found = kind(start)
            for number in numbers:
                found = found + number
            return found

        return context.compile_internal(builder, total, sig, args)
    found = context.get_constant(kind, 0)
    if len(args) > 1 and not isinstance(sig.args[1], types.Omitted):
        found = context.cast(builder, args[1], sig.args[1], kind)
    for source, item in zip(sig.args[0].types, cgutils.unpack_tuple(builder, args[0]), strict=True):
        found = operated(context, builder, kind, "add", found, context.cast(builder, item, source, kind))
    return found


def _whole_of_float(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _truncated(context, builder, args[0], sig.args[0], sig.return_type)


def _rounded(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    x = context.cast(builder, args[0], sig.args[0], types.float64)
    least, most = x.type(-_WHOLE), x.type(_WHOLE)
    far = builder.select(builder.fcmp_ordered("<", x, x.type(0.0)), least, most)
    small = builder.and_(builder.fcmp_ordered(">", x, least), builder.fcmp_ordered("<", x, most))
    whole = builder.fsub(builder.fadd(x, far), far)  # as llvm.rint does, which a GPU's compiler has not
    return _truncated(context, builder, builder.select(small, whole, x), types.float64, sig.return_type)


def _itself(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.cast(builder, args[0], sig.args[0], sig.return_type)


_OF_WHOLE: dict[Any, Callable[..., Any]] = {
    **{each: _by("add") for each in (operator.add, operator.iadd)},
    **{each: _by("sub") for each in (operator.sub, operator.isub)},
    **{each: _by("mul") for each in (operator.mul, operator.imul)},
    **dict.fromkeys((operator.lshift, operator.ilshift), _left),
    **dict.fromkeys((operator.rshift, operator.irshift), _right),
    **dict.fromkeys((operator.pow, operator.ipow, pow, np.power), _power),
    **{each: _divided(operator.floordiv) for each in (operator.floordiv, operator.ifloordiv)},
    **{each: _divided(operator.mod) for each in (operator.mod, operator.imod)},
    divmod: _divided(divmod),
    operator.neg: _negative,
    abs: _absolute,
    **dict.fromkeys((math.floor, math.ceil, math.trunc), _itself),
}
_ELEMENTWISE = (  # what can leave the range of a type
    *_OF_WHOLE,
    *(np.add, np.subtract, np.multiply, np.floor_divide, np.left_shift, np.negative, np.square, np.absolute),
)
_FILLED = (np.array, np.asarray, np.full, np.full_like, np.arange)
_SUMS = (sum, np.ptp)
_PRODUCTS = (operator.mul, operator.imul)
_OF_FLOAT: dict[Any, Callable[..., Any]] = {int: _whole_of_float, round: _rounded}


def _check_of(function: Any, sig: Any) -> Callable[..., Any] | None:
    """What is done in the place of a function that would give, or take, whole numbers without looking at them."""
    whole = [isinstance(kind, types.Integer) for kind in sig.args]
    if function is sum and isinstance(sig.return_type, types.Integer):
        return _total
    if len(whole) == 1 and isinstance(sig.args[0], types.Float) and isinstance(sig.return_type, types.Integer):
        return _OF_FLOAT.get(function)
    if not whole or not all(whole) or function not in _OF_WHOLE:
        return None
    if any(isinstance(kind, types.Literal) for kind in sig.args):
        raise NotImplementedError  # a constant power of Numba's, which then takes the general one
    return _OF_WHOLE[function]


class WholeNumbers:
    """What a target is taught of them; it comes before the target's own class."""

    line: Any = None  # of the user's that is compiled

    def get_function(self, fn: Any, sig: Any, _firstcall: bool = True) -> Any:
        made = _check_of(getattr(fn, "typing_key", None), sig)
        if made is not None:
            return lambda builder, args, loc=None: made(self, builder, sig, args)
        return super().get_function(fn, sig, _firstcall)  # type: ignore[misc]

    def cast(self, builder: Any, val: Any, fromty: Any, toty: Any) -> Any:
        if isinstance(toty, types.Integer) and fromty != toty and not isinstance(fromty, types.Literal):
            if isinstance(fromty, types.Float):
                return _truncated(self, builder, val, fromty, toty)
            if isinstance(fromty, types.Integer):
                fine = in_range(builder, val, fromty, toty.minval, toty.maxval)
                demand(self, builder, fine, OverflowError, f"a whole number of {fromty} does not fit {toty}")
        return super().cast(builder, val, fromty, toty)  # type: ignore[misc]


def unlike_numpy(function: Any, returned: Any, given: list[Any]) -> str:
    """Why an operation on arrays is refused, or a function: NumPy gives other whole numbers, or raises."""
    if function in _SUMS and any(_is_small_array(kind) for kind in given):
        return f"{function.__name__} of an array of NumPy's small whole numbers is another one in NumPy: use numpy.sum"
    if function in (np.floor_divide, np.divmod) and any(isinstance(e, types.Float) for k in given for e in _inside(k)):
        return f"numpy.{function.__name__} of floats rounds the quotient first, where NumPy does not: use // and %"
    if not isinstance(returned, types.Array) or not isinstance(returned.dtype, types.Integer):
        return ""
    dtype = as_dtype(returned.dtype)
    if function in _FILLED:
        kinds = [kind for each in given for kind in _inside(each)]
        if any(isinstance(kind, types.Float) for kind in kinds) or (
            returned.dtype.bitwidth < 64 and any(kind == types.int64 for kind in kinds)
        ):
            return f"numpy.{function.__name__} does not look at what {dtype} holds: use .astype(numpy.{dtype})"
        return ""
    if function in _ELEMENTWISE and all(
        isinstance(kind, types.Array | types.Integer | types.Boolean) for kind in given
    ):
        kinds = [1 if _is_pythons(kind) else as_dtype(getattr(kind, "dtype", kind)) for kind in given]
        if np.result_type(*kinds) != dtype:
            return f"whole numbers in arrays have types of NumPy, but {dtype} when compiled: use .astype(numpy.int64)"
    return ""


def unlike_truth(function: Any, kinds: Any, value: Any) -> str:
    """Why an operation is refused: Python's truth values add up to a number, those of NumPy to a truth value."""
    truths = all(_is_truth(function, kinds, each) for each in (value.lhs, value.rhs))
    if truths and value.fn in (operator.add, operator.iadd):
        return "a sum of two truth values is 1 in NumPy where both are true, but 2 when compiled: use int(...)"
    return ""


def _is_truth(function: Any, kinds: Any, variable: Any) -> bool:
    """Whether a variable is a truth value, or a product of them, which NumPy makes one of."""
    if isinstance(kinds[variable.name], types.Boolean):
        return True
    made = guard(get_definition, function, variable)
    product = isinstance(made, code.Expr) and made.op in ("binop", "inplace_binop") and made.fn in _PRODUCTS
    return product and all(_is_truth(function, kinds, each) for each in (made.lhs, made.rhs))


def unlike_list(kind: Any, given: Any) -> bool:
    """Whether this is a list that would change a number that is put into it; one of Python's takes it as it is."""
    if not isinstance(kind, types.List):
        return False
    return any(
        (isinstance(held, types.Integer | types.Boolean) and isinstance(each, types.Float))
        or (held == types.boolean and isinstance(each, types.Integer))
        for held, each in zip(_inside(kind.dtype), _inside(given), strict=False)
    )


def _is_small_array(kind: Any) -> bool:
    return isinstance(kind, types.Array) and isinstance(kind.dtype, types.Integer) and kind.dtype.bitwidth < 64


def _inside(kind: Any) -> list[Any]:
    """The types of numbers that a type has."""
    if isinstance(kind, types.BaseTuple):
        return [each for item in kind.types for each in _inside(item)]
    return _inside(kind.dtype) if isinstance(kind, types.Sequence | types.Array) else [kind]


def _is_pythons(kind: Any) -> bool:
    """Whether numbers of a type are Python's, which take the type of NumPy's that they come together with."""
    return kind in _PYTHONS or isinstance(kind, types.Literal)


@cache
def with_whole_numbers(target: Any) -> Any:
    """The same target, taught; what is registered with one is known to both."""
    other = copy.copy(target)
    other.__class__ = type("Taught", (WholeNumbers, type(target)), {})
    other.cached_internal_func = {}  # what is compiled for one is not for the other
    return other


class LowerWhole:
    """What a lowering is taught of them; it comes before the lowering's own class."""

    builder: Any
    context: Any
    loc: Any
    typeof: Any
    loadvar: Any
    _returns_a_float = False  # whatever its whole numbers are
    _variable: type = code.Var  # for another target Numba may have another

    def lower_inst(self, inst: Any) -> None:
        self.context.line = self.loc
        super().lower_inst(inst)  # type: ignore[misc]

    def lower_binop(self, resty: Any, expr: Any, op: Any) -> Any:
        if op in _COMPARISONS:
            self._compare(expr.lhs, expr.rhs)
            self._compare(expr.rhs, expr.lhs)
        if op is operator.contains and any(
            isinstance(each, types.Float) for each in _inside(self.typeof(expr.lhs.name))
        ):
            self._stay_exact(expr.rhs, types.float64)
        if {types.int64, types.uint64} == {self.typeof(each.name) for each in (expr.lhs, expr.rhs)}:
            for each in (expr.lhs, expr.rhs):
                self._stay_exact(each, types.float64)  # which NumPy makes of them
        result = super().lower_binop(resty, expr, op)  # type: ignore[misc]
        self._fit_numpy(result, resty, expr.lhs, expr.rhs)
        return result

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op == "cast" and not self._returns_a_float:
            self._stay_exact(expr.value, resty)
        if expr.op == "build_list":
            for each in expr.items:
                self._stay_exact(each, resty.dtype)
        result = super().lower_expr(resty, expr)  # type: ignore[misc]
        if expr.op == "unary":
            self._fit_numpy(result, resty, expr.value)
        return result

    def lower_assign(self, ty: Any, inst: Any) -> Any:
        if isinstance(inst.value, self._variable):
            self._stay_exact(inst.value, ty)
        return super().lower_assign(ty, inst)  # type: ignore[misc]

    def _lower_call_normal(self, fnty: Any, expr: Any, signature: Any) -> Any:
        function = getattr(fnty, "typing_key", None)
        if (
            function is round
            and len(expr.args) == 1
            and isinstance(kind := self.typeof(expr.args[0].name), types.Integer)
        ):
            return self.context.cast(self.builder, self.loadvar(expr.args[0].name), kind, signature.return_type)
        if function is range and len(expr.args) > 1:  # whose length is a difference
            start, stop = (self.typeof(each.name) for each in expr.args[:2])
            first, last = (self.loadvar(each.name) for each in expr.args[:2])
            if start == stop == types.int64:
                operated(self.context, self.builder, types.int64, "sub", last, first)
        if function in (min, max):
            for each in expr.args:
                self._stay_exact(each, signature.return_type)
        result = super()._lower_call_normal(fnty, expr, signature)  # type: ignore[misc]
        if function is abs:
            self._fit_numpy(result, signature.return_type, *expr.args)
        return result

    def _fit_numpy(self, result: Any, kind: Any, *given: Any) -> None:
        """Hold a result to the type that NumPy gives it: Python's numbers, int64 here, take that of the others."""
        kinds = [self.typeof(each.name) for each in given]
        if not (
            isinstance(kind, types.Integer) and all(isinstance(each, types.Integer | types.Boolean) for each in kinds)
        ):
            return
        own = [as_dtype(each) for each in kinds if not _is_pythons(each)]
        if not own or (dtype := np.result_type(*own)).kind not in "iu":
            return
        low, high = (int(getattr(np.iinfo(dtype), name)) for name in ("min", "max"))
        message = f"a whole number is beyond NumPy's {dtype}: compute with numpy.int64(...), of 64 bits"
        values = [(self.loadvar(each.name), of) for each, of in zip(given, kinds, strict=True) if of == types.int64]
        for value, of in [(result, kind), *values]:
            fine = in_range(self.builder, value, of, low, high)
            demand(self.context, self.builder, fine, OverflowError, message)

    def _compare(self, var: Any, other: Any) -> None:
        """Python compares a whole number with a float exactly, compiled code rounds it: an error where they differ."""
        kind, against = self.typeof(var.name), self.typeof(other.name)
        if isinstance(kind, types.Integer) and isinstance(against, types.Float) and not _is_small(kind):
            n, x = self.loadvar(var.name), self.loadvar(other.name)
            rounded = self.context.cast(self.builder, n, kind, against)
            differs = self.builder.fcmp_unordered("!=", rounded, x)
            fine = self.builder.or_(differs, self._is_exact(n, kind))
            message = "a whole number beyond 2**53 is compared with a float that it is rounded to"
            demand(self.context, self.builder, fine, OverflowError, message)

    def _stay_exact(self, var: Any, to: Any) -> None:
        """A whole number that becomes a float since another way to the same place has one: Python keeps it."""
        kind = self.typeof(var.name)
        if isinstance(kind, types.Integer) and isinstance(to, types.Float) and not _is_small(kind):
            fine = self._is_exact(self.loadvar(var.name), kind)
            message = "a whole number beyond 2**53 becomes a float, since there is one in its place elsewhere"
            demand(self.context, self.builder, fine, OverflowError, message)

    def _is_exact(self, n: Any, kind: Any) -> Any:
        """Whether a number of 64 bits is a float64 without rounding: but for zeros at its end it has 53 bits."""
        lowest = self.builder.cttz(self.builder.or_(n, n.type(1 << 63)), cgutils.true_bit)
        odd = (self.builder.ashr if kind.signed else self.builder.lshr)(n, lowest)
        fine = (in_range(self.builder, each, kind, -_EXACT, _EXACT) for each in (n, odd))
        return self.builder.or_(*fine)


def _is_small(kind: Any) -> bool:
    """Whether all numbers of a type, or this constant, are floats without rounding."""
    if isinstance(kind, types.IntegerLiteral):
        return abs(kind.literal_value) <= _EXACT
    return bool(kind.bitwidth <= 32)
