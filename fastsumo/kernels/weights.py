"""The one compiled function a model has: weights of a list of (trial, sample) pairs, and the call to it.

Weights come as ``mantissa * 2**power``, which no log weight can overflow.

The engine knows a model only as the address of this function, so it is compiled once for all models; the function is
cached under a hash of everything that was inlined into it (`fingerprint.py`).
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core.extending import intrinsic

from fastsumo.kernels import _jit, transforms
from fastsumo.kernels.fingerprint import fingerprint
from fastsumo.kernels.lanes import WIDTH, has_loop, weigher
from fastsumo.kernels.lazy import parts, with_lazy_sums
from fastsumo.kernels.memory import table_at
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
    types.CPointer(types.float64),  # mantissas, the result; NaN for a log weight that is NaN or +inf
    types.CPointer(types.float64),  # powers of 2, the result
)


class CompiledModel(NamedTuple):
    """A model as the engine sees it: the address of its compiled function."""

    address: int
    numbers: np.ndarray
    row: np.ndarray  # the one row of data of a model made by `Model.at_row`
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
        model.columns,
    )
    function = getattr(model.function, "py_func", model.function)
    callback = _compile(function, shape, fingerprint(function, shape))
    row = np.zeros(1) if model.row is None else np.ascontiguousarray(model.row)
    return CompiledModel(callback.address, numbers if numbers.size else np.zeros(1), row, callback)


@lru_cache(maxsize=256)
def _compile(function: Any, shape: _Shape, digest: str | None) -> Any:
    lazy = with_lazy_sums(function)
    sums = [function] if lazy is None else [lazy, function]
    for wide in (True, False) if has_loop(function) else (False,):
        for each in sums if wide else sums[:-1]:
            # It may do more than lanes can, or more with a sum of exponentials than to add to it.
            with suppress(Exception), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "(?s).*Lanes")  # the user has none
                return _jit.callback(_weights(each, shape, wide), _SIGNATURE, digest)
    return _jit.callback(_weights(function, shape, False), _SIGNATURE, digest)


def _weights(function: Any, shape: _Shape, wide: bool) -> Any:
    """The function to compile, with the model's function and the sizes as constants in its closure."""
    dim, noise_dim, columns = shape.dim, shape.noise_dim, shape.columns
    params_size, numbers_size, columns_size = shape.params, max(shape.numbers, 1), max(columns, 1)
    lanes = max(_NARROWEST, min(_WIDEST, _BUFFER // noise_dim)) // WIDTH * WIDTH
    fill_noise = fill_normals if shape.noise == "normal" else fill_uniforms
    density = _jit.inlined(function)
    transform = getattr(transforms, shape.transform) if shape.transform else None

    if columns:

        @_jit.inlined
        def evaluate(x, i, row, params):
            return density(x[:, i], row, params)
    else:

        @_jit.inlined
        def evaluate(x, i, row, params):
            return density(x[:, i], params)

    if wide:
        weigh = weigher(density, transform, dim, columns, params_size, lanes)
    elif transform is None:

        @_jit.inlined
        def weigh(z, numbers, row, mantissa, power):
            params = numbers[:params_size]
            for i in range(power.size):
                mantissa[i], power[i] = parts(evaluate(z, i, row, params))
    else:

        @_jit.inlined
        def weigh(z, numbers, row, mantissa, power):
            log_q, params = power, numbers[:params_size]
            transform(z, dim, numbers[params_size:], log_q)
            x = table_at(z.ctypes.data, dim, lanes)  # its owner, the noise, lives until the loop over chunks ends
            for i in range(power.size):
                mantissa[i], power[i] = parts(evaluate(x, i, row, params) - log_q[i])

    def weights(trials_at, samples_at, n, key, numbers_at, row_at, mantissa_at, power_at):
        trials, samples = carray(trials_at, (n,)), carray(samples_at, (n,))
        numbers, row = carray(numbers_at, (numbers_size,)), carray(row_at, (columns_size,))
        mantissa, power = carray(mantissa_at, (n,)), carray(power_at, (n,))
        noise = np.empty((noise_dim, lanes))
        try:
            for start in range(0, n, lanes):
                stop = min(start + lanes, n)
                fill_noise(trials[start:stop], samples[start:stop], key, noise)
                weigh(noise, numbers, row, mantissa[start:stop], power[start:stop])
        except Exception:
            return 1
        return 0

    return weights


@intrinsic
def call_weights(typingctx, address, trials, samples, n, key, numbers, row, mantissa, power):
    """Call a model's compiled function by its address; pointers travel as integers. Not 0 if the model raised."""
    signature = types.int64(*[types.int64] * 9)

    def codegen(context, builder, signature, args):
        i64, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        kinds = [pointer, pointer, i64, i64, pointer, pointer, pointer, pointer]
        target = builder.inttoptr(args[0], ir.FunctionType(i64, kinds).as_pointer())
        values = [
            builder.inttoptr(value, kind) if kind is pointer else value
            for value, kind in zip(args[1:], kinds, strict=True)
        ]
        return builder.call(target, values)

    return signature, codegen
