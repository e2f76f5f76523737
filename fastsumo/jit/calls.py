"""Calls of two kinds more: by address, and such that an exception is an answer.

By address a kernel is compiled once for all functions of one signature. Functions that have one are made in
`options.py`; who keeps them alive is not known here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import NumbaError
from numba.extending import intrinsic


def by_address(signature: Any) -> Any:
    """An intrinsic ``call(address, arguments)`` of native functions of a signature; the arguments are a tuple."""

    @intrinsic
    def call(typingctx, address, arguments):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, given: Any, args: Any) -> Any:
            kinds = [context.get_value_type(kind) for kind in signature.args]
            function = ir.FunctionType(context.get_value_type(signature.return_type), kinds)
            values = zip(cgutils.unpack_tuple(builder, args[1]), arguments, signature.args, strict=True)
            cast = [context.cast(builder, value, kind, wanted) for value, kind, wanted in values]
            return builder.call(builder.inttoptr(args[0], function.as_pointer()), cast)

        return signature.return_type(types.int64, arguments), codegen

    return call


@intrinsic
def attempt(typingctx, function, arguments):  # type: ignore[no-untyped-def]
    """``(function(*arguments), False)`` of a compiled function, or ``(0, True)`` if it raises.

    What it raised is lost: for code that nobody can be told by, as on a GPU.
    """
    try:
        called = function.get_call_type(typingctx, tuple(arguments), {})
    except NumbaError as error:  # Numba would wrap it in words about `attempt`
        raise RuntimeError(str(error)) from None

    def codegen(context: Any, builder: Any, given: Any, args: Any) -> Any:
        found = function.dispatcher.overloads[called.args]
        context.active_code_library.add_linking_library(found.library)
        values = cgutils.unpack_tuple(builder, args[1])
        status, value = context.call_internal_no_propagate(builder, found.fndesc, called, values)
        return context.make_tuple(builder, given.return_type, [value, status.is_error])

    return types.Tuple([called.return_type, types.boolean])(function, arguments), codegen
