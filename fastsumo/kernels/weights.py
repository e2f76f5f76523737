"""The one compiled function a model has: log weights of a list of (trial, sample) pairs. And the call to it.

The engine knows a model only as the address of this function, so it is compiled once for all models; the function is
cached under a hash of everything that was inlined into it (`fingerprint.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core.extending import intrinsic

from fastsumo.kernels import _jit, transforms
from fastsumo.kernels.fingerprint import fingerprint
from fastsumo.kernels.philox import fill_normals, fill_uniforms

if TYPE_CHECKING:
    from fastsumo.model import Model

_BUFFER = 4096  # float64 numbers of noise worked on at a time: 32 KiB, a first-level cache
_WIDEST, _NARROWEST = 1024, 64

_SIGNATURE = types.int64(
    types.CPointer(types.uint64),  # trials
    types.CPointer(types.uint64),  # samples
    types.int64,  # how many pairs
    types.uint64,  # key
    types.CPointer(types.float64),  # numbers of the model, see Model.packed
    types.CPointer(types.float64),  # row of data
    types.CPointer(types.float64),  # log weights, the result
)


class CompiledModel(NamedTuple):
    """A model as the engine sees it."""

    address: int
    numbers: np.ndarray
    callback: Any  # keeps the code alive


class _Shape(NamedTuple):
    """What is compiled into the function: all of a model but its numbers."""

    noise: str
    transform: str
    dim: int
    noise_dim: int
    params: int
    numbers: int
    columns: int


def compiled(model: Model) -> CompiledModel:
    """The model's compiled log weight and its numbers; compiled or read from the cache at the first call."""
    numbers = np.ascontiguousarray(model.packed(), dtype=np.float64)
    shape = _Shape(
        model.noise,
        "" if model.proposal is None else model.proposal.transform,
        model.dim,
        model.noise_dim,
        model.params.size,
        numbers.size,
        0 if model.data is None else model.data.shape[1],
    )
    callback = _compile(model.function, shape, fingerprint(model.function, shape))
    return CompiledModel(callback.address, numbers if numbers.size else np.zeros(1), callback)


@lru_cache(maxsize=256)
def _compile(function: Any, shape: _Shape, digest: str | None) -> Any:
    return _jit.callback(_log_weights(function, shape), _SIGNATURE, digest)


def _log_weights(function: Any, shape: _Shape) -> Any:
    """The function to compile, with the model's function and the sizes as constants in its closure."""
    dim, noise_dim, columns = shape.dim, shape.noise_dim, shape.columns
    params_size, numbers_size, columns_size = shape.params, max(shape.numbers, 1), max(columns, 1)
    lanes = max(_NARROWEST, min(_WIDEST, _BUFFER // noise_dim))
    fill_noise = fill_normals if shape.noise == "normal" else fill_uniforms
    density = _jit.inlined(getattr(function, "py_func", function))
    transform = getattr(transforms, shape.transform) if shape.transform else None

    if columns:

        @_jit.inlined
        def evaluate(x, row, params, out):
            for i in range(out.size):
                out[i] = density(x[:, i], row, params)

        @_jit.inlined
        def evaluate_minus(x, row, params, out):
            for i in range(out.size):
                out[i] = density(x[:, i], row, params) - out[i]
    else:

        @_jit.inlined
        def evaluate(x, row, params, out):
            for i in range(out.size):
                out[i] = density(x[:, i], params)

        @_jit.inlined
        def evaluate_minus(x, row, params, out):
            for i in range(out.size):
                out[i] = density(x[:, i], params) - out[i]

    if transform is None:

        @_jit.inlined
        def chunk(z, numbers, row, out):
            evaluate(z, row, numbers[:params_size], out)
    else:

        @_jit.inlined
        def chunk(z, numbers, row, out):
            transform(z, dim, numbers[params_size:], out)
            evaluate_minus(z[:dim], row, numbers[:params_size], out)

    def log_weights(trials_at, samples_at, n, key, numbers_at, row_at, out_at):
        trials, samples = carray(trials_at, (n,)), carray(samples_at, (n,))
        numbers, row = carray(numbers_at, (numbers_size,)), carray(row_at, (columns_size,))
        out = carray(out_at, (n,))
        noise = np.empty((noise_dim, lanes))
        try:
            for start in range(0, n, lanes):
                stop = min(start + lanes, n)
                fill_noise(trials[start:stop], samples[start:stop], key, noise)
                chunk(noise, numbers, row, out[start:stop])
        except Exception:  # noqa: BLE001 - what a model raises is shown by a replay in plain Python
            return 1
        return 0

    return log_weights


@intrinsic
def call_log_weights(typingctx, address, trials, samples, n, key, numbers, row, out):
    """Call a compiled log weight by its address; pointers travel as integers."""
    signature = types.int64(*[types.int64] * 8)

    def codegen(context, builder, signature, args):
        i64, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        kinds = [pointer, pointer, i64, i64, pointer, pointer, pointer]
        target = builder.inttoptr(args[0], ir.FunctionType(i64, kinds).as_pointer())
        values = [
            builder.inttoptr(value, kind) if kind is pointer else value
            for value, kind in zip(args[1:], kinds, strict=True)
        ]
        return builder.call(target, values)

    return signature, codegen
