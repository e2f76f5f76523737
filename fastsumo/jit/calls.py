"""Calls by address, so that a kernel is compiled once for all functions of one signature.

Functions that have an address are made in `options.py`; who keeps them alive is not known here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
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
