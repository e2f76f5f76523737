"""Polynomials with constant coefficients, unrolled while compiling, so the vectoriser meets no inner loop.

Nothing here knows which function a polynomial approximates.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from numba import types
from numba.extending import intrinsic


@intrinsic
def polynomial(typingctx, x, coefficients):
    """``c[0] + c[1] x + ...`` as pairs in powers of ``x**2``: half of Horner's latency for one product."""

    def codegen(context, builder, signature, args):
        value, tuple_ = args
        terms = [builder.extract_value(tuple_, i) for i in range(signature.args[1].count)]
        pairs = [builder.fma(odd, value, even) for even, odd in zip(terms[::2], terms[1::2], strict=False)]
        pairs += terms[len(pairs) * 2 :]
        square = builder.fmul(value, value)
        result = pairs.pop()
        while pairs:
            result = builder.fma(result, square, pairs.pop())
        return result

    if not isinstance(coefficients, types.UniTuple):
        return None
    return types.float64(types.float64, coefficients), codegen
