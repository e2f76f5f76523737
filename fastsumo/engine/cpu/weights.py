"""What is compiled of a model: the weights of a list of (trial, sample) pairs, and the call to that.

Weights come as plain numbers relative to a power of 2, or, where one is too large or small for that, as
``mantissa * 2**power``, which no log weight can overflow.

The engine knows a model only as the addresses of these two functions, so it is compiled once for all models; the
functions are cached under a hash of everything that was inlined into them (`fingerprint.py`), and the one for weights
of any scale is compiled when it is needed.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import types

from fastsumo.engine.cpu.chunks import Chunk, has_loop, try_lanes, weigher
from fastsumo.jit import options
from fastsumo.jit.bits import fabs
from fastsumo.jit.calls import by_address
from fastsumo.jit.fingerprint import fingerprint
from fastsumo.jit.lanes import WIDTH
from fastsumo.jit.memory import floats, words
from fastsumo.jit.sources import source_digest
from fastsumo.models import transforms
from fastsumo.trial.lazy_sums import with_lazy_sums
from fastsumo.trial.philox import fill_normals, fill_uniforms

if TYPE_CHECKING:
    from fastsumo.models.model import Model

_BUFFER = 4096  # float64 numbers of noise worked on at a time: 32 KiB, a first-level cache
_WIDEST, _NARROWEST = 1024, 64

_SIGNATURE = types.int64(
    types.int64,  # address of trials, uint64
    types.int64,  # of samples, uint64
    types.int64,  # how many pairs
    types.uint64,  # key
    types.int64,  # address of the numbers of the model, float64, see Model.packed
    types.int64,  # of the row of data, float64
    types.float64,  # shift: plain weights are relative to 2**shift
    types.int64,  # address of the result, float64: plain weights, or mantissas (NaN for a log weight NaN or +inf)
    types.int64,  # of powers of 2, float64; not used for plain weights
)
WEIGHED, FAILED, NOT_PLAIN = 0, 1, 2  # what it returns
_LARGEST_SHIFT = 2.0**40  # beyond, log weights have too few digits for anything


class CompiledModel(NamedTuple):
    """A model as the engine sees it: its numbers, and the addresses of its compiled functions."""

    numbers: np.ndarray
    row: np.ndarray  # the one row of data of a model made by `Model.at_row`
    function: Any
    shape: _Shape
    digest: str | None  # of the function and all that it reaches, as they are now

    @property
    def linear_at(self) -> int:
        """Of the function for plain weights; compiled or read from the cache at the first call."""
        return int(_compile(self.function, self.shape, self.digest, True).address)

    @property
    def extended_at(self) -> int:
        """Of the function for weights of any scale, likewise."""
        return int(_compile(self.function, self.shape, self.digest, False).address)


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
    """The model with its function compiled for plain weights, and its numbers."""
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
    row = np.zeros(1) if model.row is None else np.ascontiguousarray(model.row)
    found = CompiledModel(
        numbers if numbers.size else np.zeros(1),
        row,
        function,
        shape,
        fingerprint(function, source_digest(__name__), shape),
    )
    assert found.linear_at
    return found


@lru_cache(maxsize=256)
def _compile(function: Any, shape: _Shape, digest: str | None, only_plain: bool) -> Any:
    """The compiled function; the cache keeps it alive.

    Tried in turn: by lanes, if that promises anything, and with lazy sums. The function may do more than lanes can, or
    more with a sum of exponentials than to add to it; what compiles is cached as the one code of the model.
    """
    lazy = with_lazy_sums(function)
    sums = [function] if lazy is None else [lazy, function]
    ways = [(each, by_lanes) for by_lanes in ((True, False) if has_loop(function) else (False,)) for each in sums]
    for each, by_lanes in ways[:-1]:
        with suppress(Exception), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*Lanes")  # the user has none
            return _callback(each, shape, digest, only_plain, by_lanes)
    return _callback(*ways[-1][:1], shape, digest, only_plain, False)


def _callback(function: Any, shape: _Shape, digest: str | None, only_plain: bool, by_lanes: bool) -> Any:
    lanes = max(_NARROWEST, min(_WIDEST, _BUFFER // shape.noise_dim)) // WIDTH * WIDTH
    chunk = Chunk(shape.dim, shape.columns, shape.params, lanes)
    density = options.inlined(function)
    before = partial(try_lanes, density, chunk) if by_lanes else None
    return options.callback(_weights(density, shape, chunk, only_plain, by_lanes), _SIGNATURE, digest, before)


def _weights(density: Any, shape: _Shape, chunk: Chunk, only_plain: bool, by_lanes: bool) -> Any:
    """The function to compile, with the model's function and the sizes as constants in its closure."""
    lanes, noise_dim = chunk.lanes, shape.noise_dim
    numbers_size, columns_size = max(shape.numbers, 1), max(shape.columns, 1)
    fill_noise = fill_normals if shape.noise == "normal" else fill_uniforms
    transform = getattr(transforms, shape.transform) if shape.transform else None
    weigh = weigher(density, transform, chunk, only_plain, by_lanes)

    def weights(trials_at, samples_at, n, key, numbers_at, row_at, shift, result_at, power_at):
        numbers, row = floats(numbers_at, numbers_size), floats(row_at, columns_size)
        noise = np.empty((noise_dim, lanes))
        start, others = 0, int(only_plain and not fabs(shift) < _LARGEST_SHIFT)
        try:
            while start < n and others == 0:  # and no way out in the middle: what raises would not be caught
                size, at = min(lanes, n - start), 8 * start
                fill_noise(words(trials_at + at, size), words(samples_at + at, size), key, noise)
                result, power = floats(result_at + at, size), floats(power_at + at, size)
                others = weigh(noise, numbers, row, shift, result, power)
                start += size
        except Exception:
            return FAILED
        return NOT_PLAIN if others else WEIGHED

    weights.__name__ = "plain_weights" if only_plain else "any_weights"  # what it is cached under
    return weights


call_weights = by_address(_SIGNATURE)  # of a model's compiled function, its address first
