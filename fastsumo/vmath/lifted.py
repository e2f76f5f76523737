"""Elementary functions of lanes: those of `vmath`, and those of math and NumPy as models may spell them.

Importing this module teaches them to the compiler; nothing is compiled here.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from fastsumo import vmath
from fastsumo.jit.lanes import lifted
from fastsumo.jit.options import inlined

# As math and NumPy spell them; not all functions are in both.
_SPELLED = (
    *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "fabs", "abs", "square"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *("erf", "erfc", "gamma", "lgamma", "pow", "power", "hypot", "atan2", "arctan2"),
    *("maximum", "minimum", "logaddexp"),
)

for _function in (getattr(vmath, name) for name in vmath.__all__ if name != "logsumexp"):
    lifted(_function, _function)
lifted(vmath._log_sum_step, vmath._log_sum_step)
for _function in (
    *(getattr(module, name) for module in (math, np) for name in _SPELLED if hasattr(module, name)),
    *(abs, operator.pow, operator.ipow),
):
    lifted(_function, _function, pure=False)
lifted(min, inlined(lambda x, y: min(x, y)))
lifted(max, inlined(lambda x, y: max(x, y)))
