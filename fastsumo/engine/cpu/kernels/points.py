"""A model's function at points of the caller's choice, compiled; the engine itself draws its points (`weights.py`).

For tuning, where the same points count under many proposals.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import carray, types

from fastsumo.engine.faults import compiling
from fastsumo.errors import ModelError
from fastsumo.jit import options
from fastsumo.jit.copies import thawed
from fastsumo.jit.fingerprint import by_content, fingerprint
from fastsumo.jit.memory import table_at
from fastsumo.jit.sources import compiler_settings, source_digest

if TYPE_CHECKING:
    from fastsumo.models.model import Model

_FLOATS = types.CPointer(types.float64)
_SIGNATURE = types.int64(types.int64, types.int64, _FLOATS, _FLOATS, _FLOATS)
_POINTER = ctypes.POINTER(ctypes.c_double)


def values_at(model: Model, points: np.ndarray) -> np.ndarray:
    """The function of a model without data at points (n, dim): the log weight, or the log density with a proposal.

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or gives NaN or +inf; names the point.
    """
    function = getattr(model.function, "py_func", model.function)
    shape = model.dim, model.params.size, model.columns
    with compiling(model):
        digest = fingerprint(function, source_digest(__name__), compiler_settings(), shape)
        callback = by_content(_compile, digest)(function, shape, digest)
    table, out = np.ascontiguousarray(points.T), np.empty(points.shape[0])
    numbers = np.append(model.params, 0.0)
    row = np.zeros(1) if model.row is None else np.ascontiguousarray(model.row)
    addresses = (array.ctypes.data_as(_POINTER) for array in (numbers, row, out))
    if callback.ctypes(table.ctypes.data, points.shape[0], *addresses):
        raise ModelError(f"model {model.name!r} raised an exception at one of {points.shape[0]} points")
    bad = ~(out <= np.finfo(np.float64).max)
    if bad.any():
        at = points[int(np.argmax(bad))]
        raise ModelError(
            f"model {model.name!r} returned {out[bad][0]} at {at.tolist()}; allowed are finite numbers and -inf"
        )
    return out


@lru_cache(maxsize=64)
def _compile(function: Any, shape: tuple[int, int, int], digest: str | None) -> Any:
    with thawed(function) as now:
        return _compile_now(now, shape, digest)


def _compile_now(function: Any, shape: tuple[int, int, int], digest: str | None) -> Any:
    dim, params_size, columns = shape
    columns_size = max(columns, 1)
    density = options.inlined(function)

    if columns:

        @options.inlined
        def density_at(x, i, row, params):
            return float(density(x[:, i], row, params))
    else:

        @options.inlined
        def density_at(x, i, row, params):
            return float(density(x[:, i], params))

    def values(points_at, n, numbers_at, row_at, out_at):
        numbers, row = carray(numbers_at, (params_size + 1,)), carray(row_at, (columns_size,))
        out = carray(out_at, (n,))
        x, params = table_at(points_at, dim, n), numbers[:params_size]
        try:
            for i in range(n):
                out[i] = density_at(x, i, row, params)
        except Exception:
            return 1
        return 0

    return options.callback(values, _SIGNATURE, digest)
