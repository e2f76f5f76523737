"""Whether a model's numbers are the same bits on every machine: whether it asks nobody but `vmath` and the processor.

IEEE arithmetic, square roots, comparisons and whatever else is exact are the same anywhere; a logarithm of libm is not.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fastsumo.jit.fingerprint import source_fingerprint
from fastsumo.jit.reached import instructions_of, nested, reached
from fastsumo.models.model import Model

_EXACT = {
    *("abs", "absolute", "bool", "ceil", "copysign", "empty", "enumerate", "fabs", "float", "float64", "floor", "fma"),
    *(
        "int",
        "int64",
        "isfinite",
        "isinf",
        "isnan",
        "isqrt",
        "len",
        "max",
        "maximum",
        "min",
        "minimum",
        "ones",
        "range",
    ),
    *("reversed", "round", "sign", "sqrt", "square", "trunc", "tuple", "zeros", "zip"),
}
_LARGEST_POWER = 0x10000  # constant whole powers up to it are multiplications


def is_portable(model: Model) -> bool:
    """Whether trials of a model have the same bits on every CPU with fused multiply-add, whatever libm is there.

    False also where that cannot be seen: for functions of other libraries or of batches, and for rows that a
    ``prepare`` function has NumPy make.

    Examples
    --------
    >>> import fastsumo as fs, math
    >>> is_portable(fs.models.note()), is_portable(fs.Model(lambda z, params: math.tanh(z[0]), 1))
    (True, False)
    """
    return (
        model.prepare is None and not model.vectorized and _is_exact(model.function, source_fingerprint(model.function))
    )


@lru_cache(maxsize=256)
def _is_exact(function: Callable[..., Any], content: str) -> bool:
    """Whether a function of this content is."""
    return _asks_nobody(function, set())


def _asks_nobody(value: Any, seen: set[int]) -> bool:
    """Whether what a function loads, or a value that one loads, is exact everywhere."""
    if hasattr(value, "py_func"):
        if value.targetoptions.get("fastmath"):
            return False
        value = value.py_func
    if id(value) in seen:
        return True
    seen.add(id(value))
    module = getattr(value, "__module__", None) or ""
    if module.startswith("fastsumo.vmath") or isinstance(value, types.ModuleType | np.ndarray | np.generic):
        return True  # of a module only what is taken from it counts
    if isinstance(value, tuple):
        return all(_asks_nobody(each, seen) for each in value)
    if isinstance(value, types.FunctionType) and module.partition(".")[0] not in ("numpy", "numba"):
        return not _has_power(value) and all(_asks_nobody(each, seen) for _, each in reached(value))
    if callable(value):
        return module in ("math", "builtins", "numpy", "") and getattr(value, "__name__", "") in _EXACT
    return True


def _has_power(function: types.FunctionType) -> bool:
    """Whether it takes powers other than constant whole ones."""
    for code in nested(function.__code__):
        before: dis.Instruction | None = None
        for step in instructions_of(code):
            if step.opname == "BINARY_OP" and step.argrepr.startswith("**"):
                exponent: Any = before.argval if before is not None and before.opname.startswith("LOAD_") else None
                if not isinstance(exponent, int) or abs(exponent) > _LARGEST_POWER:
                    return True
            before = step
    return False
