"""Elementary functions that LLVM turns into SIMD, for Python and for compiled code alike.

Each public function takes numbers and arrays in Python. Inside functions compiled by Numba it takes scalars,
or a 1-D array if it has one argument, and a loop over it becomes vector instructions with no call left. One
source with fused multiply-adds spelled out and no fast-math serves all of these, so a vector lane, the
remainder of a loop and a call from Python give the same bits. Nothing is compiled at import. Names with an
underscore are the engine's.
"""

from fastsumo.vmath._exponential import _exp_over as _exp_over
from fastsumo.vmath._exponential import _exp_parts as _exp_parts
from fastsumo.vmath._exponential import _pow2 as _pow2
from fastsumo.vmath._exponential import exp, exp2, expm1, sigmoid, tanh
from fastsumo.vmath._gamma import lgamma
from fastsumo.vmath._logarithm import _log_of as _log_of
from fastsumo.vmath._logarithm import _log_positive as _log_positive
from fastsumo.vmath._logarithm import _minus_two_log as _minus_two_log
from fastsumo.vmath._logarithm import log, log1p, log2, log10, log_sigmoid, logaddexp, softplus
from fastsumo.vmath._normal import erf, erfc, normal_cdf, normal_log_pdf
from fastsumo.vmath._plain import fabs, maximum, minimum, sqrt
from fastsumo.vmath._references import by_references as by_references
from fastsumo.vmath._sums import _log_sum_step as _log_sum_step
from fastsumo.vmath._sums import logsumexp
from fastsumo.vmath._trigonometric import _sincos_turns as _sincos_turns
from fastsumo.vmath._trigonometric import cos, sin, tan

__all__ = [
    "cos",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_sigmoid",
    "logaddexp",
    "logsumexp",
    "maximum",
    "minimum",
    "normal_cdf",
    "normal_log_pdf",
    "sigmoid",
    "sin",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
]
