"""A model's function at points of the caller's choice, compiled; the engine itself draws its points (`weights.py`).

For tuning, where the same points count under many proposals.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from fastsumo.engine.cpu.kernels.chunks import arguments_at, arguments_of
from fastsumo.engine.faults import compiling
from fastsumo.errors import ModelError
from fastsumo.jit import options
from fastsumo.jit.copies import thawed
from fastsumo.jit.fingerprint import by_content, fingerprint
from fastsumo.jit.memory import copied, floats
from fastsumo.jit.sources import compiler_settings, source_digest
from fastsumo.models.proof import Proof

if TYPE_CHECKING:
    from fastsumo.models.model import Model

_SIGNATURE = types.int64(*[types.int64] * 5)
_CALL = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 6)


def values_at(model: Model, points: np.ndarray) -> np.ndarray:
    """The function of a model without data at points (n, dim): the log weight, or the log density with a proposal.

    Raises
    ------
    fastsumo.ModelError
        If the model cannot be compiled, raises, or gives NaN or +inf; names the point.
    """
    out = model.values(points) if model.vectorized else _compiled_values(model, points)
    bad = ~(out <= np.finfo(np.float64).max)
    if bad.any():
        at = points[int(np.argmax(bad))]
        raise ModelError(
            f"model {model.name!r} returned {out[bad][0]} at {at.tolist()}; allowed are finite numbers and -inf"
        )
    return out


def _compiled_values(model: Model, points: np.ndarray) -> np.ndarray:
    function = getattr(model.function, "py_func", model.function)
    shape = model.dim, model.params.size, model.columns
    with compiling(model):
        digest = fingerprint(function, source_digest(__name__, Proof.__module__), compiler_settings(), shape)
        callback = by_content(_compile, digest)(function, shape, digest, Proof(model))
    out = _called(callback.address, points, model.row, model.params)
    if out is None:
        at = next(each for each in points if _called(callback.address, each[None], model.row, model.params) is None)
        raise ModelError(f"model {model.name!r} raised {_raised(model, at)} at {at.tolist()}")
    return out


def _raised(model: Model, point: np.ndarray) -> str:
    """What the plain function raises at a point, in words."""
    try:
        model.values(point[None])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "an exception"


def _called(address: int, points: np.ndarray, row: np.ndarray | None, params: np.ndarray) -> np.ndarray | None:
    """What the compiled function gives; None where it raises."""
    table, out, numbers = np.ascontiguousarray(points.T), np.empty(len(points)), np.append(params, 0.0)
    held = np.zeros(1) if row is None else np.ascontiguousarray(row)
    addresses = numbers.ctypes.data, held.ctypes.data, out.ctypes.data
    return None if _CALL(address)(table.ctypes.data, len(points), *addresses) else out


def _one_by_one(
    address: int, z: np.ndarray, row: np.ndarray | None, params: np.ndarray, near: np.ndarray
) -> list[float | None]:
    """See `proof.Compiled`."""
    values = (_called(address, point[None], row, params) for point in z)
    return [None if value is None else float(value[0]) for value in values]


@lru_cache(maxsize=64)
def _compile(function: Any, shape: tuple[int, int, int], digest: str | None, proof: Proof) -> Any:
    with thawed(function) as now:
        return _compile_now(now, shape, digest, proof)


def _compile_now(function: Any, shape: tuple[int, int, int], digest: str | None, proof: Proof) -> Any:
    dim, params_size, columns = shape
    density = options.checked(function, *arguments_of(dim, columns, params_size))

    arguments, params_of, row_of = arguments_at(dim, columns, False), copied(params_size), copied(columns)

    def values(points_at, n, numbers_at, row_at, out_at):
        out, row, params = floats(out_at, n), row_of(row_at), params_of(numbers_at)
        for i in range(n):
            out[i] = 1.0 * density(*arguments(points_at, i, 8 * n, row, params))
        return 0

    return options.callback(
        values, _SIGNATURE, digest, proof.look, lambda address: proof.compare(partial(_one_by_one, address))
    )
