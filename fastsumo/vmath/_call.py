"""How one compiled function serves both worlds: Python (scalars, arrays) and functions compiled by Numba.

Nothing here knows any mathematics. Nothing is compiled before the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.jit.options import INLINED, kernel
from fastsumo.vmath._references import reference


def elementwise(device: Any, *arguments: ArrayLike) -> Any:
    """``device`` elementwise over the broadcast arguments: a float for scalars, else a float64 array."""
    numbers = [np.array([value], np.float64) for value in arguments if isinstance(value, float | int)]
    if len(numbers) == len(arguments):  # scalars, without NumPy's ceremony
        known = reference(device.py_func.__name__[1:], *arguments)  # type: ignore[arg-type]
        if known is not None:
            return known
        result = np.empty(1)
        _loop(device, len(numbers))(*numbers, result)
        return float(result[0])
    arrays = [as_float64(value) for value in arguments]
    if len(arrays) > 1:
        arrays = list(np.broadcast_arrays(*arrays))
    shape = arrays[0].shape
    # One memory layout, so that there is one compiled loop and one sequence of roundings.
    flat = [np.require(array.reshape(-1), np.float64, ["C", "A", "W"]) for array in arrays]
    out = np.empty(flat[0].shape)
    _loop(device, len(flat))(*flat, out)
    return out.reshape(shape) if shape else float(out[0])


def compiled_as(function: Callable[..., Any], device: Any) -> None:
    """Let functions compiled by Numba call ``function``: scalars, and for one argument also a 1-D array."""

    def scalar(x: Any) -> bool:
        return isinstance(x, types.Integer | types.Float | types.Boolean)

    def unary(x):  # type: ignore[no-untyped-def]  # Numba compares signatures, annotations included
        if scalar(x):
            return lambda x: device(float(x))
        if isinstance(x, types.Array) and x.ndim == 1 and scalar(x.dtype):

            def over_array(x):  # type: ignore[no-untyped-def]
                out = np.empty(x.shape[0], np.float64)
                for i in range(x.shape[0]):
                    out[i] = device(float(x[i]))
                return out

            return over_array
        return None

    def binary(x, y):  # type: ignore[no-untyped-def]
        return (lambda x, y: device(float(x), float(y))) if scalar(x) and scalar(y) else None

    arity = device.py_func.__code__.co_argcount
    overload(function, jit_options=INLINED)(unary if arity == 1 else binary)


def as_float64(value: ArrayLike) -> NDArray[np.float64]:
    return checks.array("x", value).astype(np.float64, copy=False)


@cache
def _loop(device: Any, arity: int) -> Any:
    def unary(x: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            out[i] = device(x[i])

    def binary(x: Any, y: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            out[i] = device(x[i], y[i])

    loop = unary if arity == 1 else binary
    loop.__name__ = f"loop{device.py_func.__name__}"  # names the entry on disk, so each function has its own
    return kernel(loop, device.py_func.__module__)
