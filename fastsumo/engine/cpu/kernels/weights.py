"""What is compiled of a model: the weights of a list of (trial, sample) pairs, and the call to that.

Weights come for the linear range or for the extended one (`trial/ranges.py`). What is done with them is elsewhere.

The engine knows a model only as the addresses of these two functions, so it is compiled once for all models; the
functions are cached under a hash of everything that was inlined into them (`jit/fingerprint.py`), and the one for the
extended range is compiled when it is needed.
"""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import types

from fastsumo.engine.cpu.kernels.chunks import Chunk, has_loop, try_lanes, weigher
from fastsumo.engine.shapes import Shape, numbers_of, shape_of
from fastsumo.errors import SlowModelWarning
from fastsumo.jit import options
from fastsumo.jit.bits import fabs
from fastsumo.jit.calls import by_address
from fastsumo.jit.fingerprint import fingerprint
from fastsumo.jit.lanes import WIDTH
from fastsumo.jit.memory import floats, table_at, words
from fastsumo.jit.sources import source_digest
from fastsumo.models import transforms
from fastsumo.trial.lazy_sums import with_lazy_sums
from fastsumo.trial.philox import fill_normals, fill_uniforms

if TYPE_CHECKING:
    from fastsumo.models.model import Model

_BUFFER = 4096  # float64 numbers of noise worked on at a time: 32 KiB, a first-level cache
_MOST, _FEWEST = 1024, 64  # samples that they are for

_SIGNATURE = types.int64(
    types.int64,  # address of trials, uint64
    types.int64,  # of samples, uint64
    types.int64,  # how many pairs
    types.uint64,  # key
    types.int64,  # address of the numbers of the model, float64, see Model.packed
    types.int64,  # of the row of data, float64
    types.float64,  # shift: linear weights are relative to 2**shift
    types.int64,  # address of the result, float64: linear weights, or mantissas (NaN for a log weight NaN or +inf)
    types.int64,  # of powers of 2, float64; not used for linear weights
)
WEIGHED, FAILED, OUTSIDE = 0, 1, 2  # what it returns; OUTSIDE: some weight is not in the linear range
_LARGEST_SHIFT = 2.0**40  # beyond, log weights have too few digits for anything


class CompiledModel(NamedTuple):
    """A model as the engine sees it: its numbers, and the addresses of its compiled functions."""

    numbers: np.ndarray
    row: np.ndarray  # the one row of data of a model made by `Model.at_row`
    function: Any
    shape: Shape
    digest: str | None  # of the function and all that it reaches, as they are now

    @property
    def linear_at(self) -> int:
        """Of the function for the linear range; compiled or read from the cache at the first call."""
        return int(_compile(self.function, self.shape, self.digest, True).address)

    @property
    def extended_at(self) -> int:
        """Of that for the extended range, likewise."""
        return int(_compile(self.function, self.shape, self.digest, False).address)


def compiled(model: Model) -> CompiledModel:
    """The model with its function compiled for the linear range, and its numbers."""
    (numbers, row), shape = numbers_of(model), shape_of(model)
    function = getattr(model.function, "py_func", model.function)
    found = CompiledModel(numbers, row, function, shape, fingerprint(function, source_digest(__name__), shape))
    assert found.linear_at
    return found


@lru_cache(maxsize=256)
def _compile(function: Any, shape: Shape, digest: str | None, linear: bool) -> Any:
    """The compiled function; the cache keeps it alive.

    Tried in turn: by lanes, if that promises anything, and with lazy sums. The function may do more than lanes can, or
    more with a sum of exponentials than to add to it, and the compiler then says so; what compiles is cached as the one
    code of the model. Any other error means that something is broken: the model runs, but slower than it could.
    """
    lazy = with_lazy_sums(function)
    sums = [function] if lazy is None else [lazy, function]
    ways = [(each, by_lanes) for by_lanes in ((True, False) if has_loop(function) else (False,)) for each in sums]
    broken: Exception | None = None
    for each, by_lanes in ways[:-1]:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "(?s).*Lanes")  # the user has none
                found = _callback(each, shape, digest, linear, by_lanes)
            break
        except options.REFUSED:
            continue
        except Exception as error:
            broken = broken or error
    else:
        found = _callback(ways[-1][0], shape, digest, linear, False)
    if broken is not None:
        name, why = getattr(function, "__qualname__", "?"), f"{type(broken).__name__}: {broken}".splitlines()[0]
        warnings.warn(
            f"the fast way to compile {name!r} failed ({why}): the same numbers come, but slower. That is a fault of "
            "fastsumo, or of a version of Numba that it does not know; please report it",
            SlowModelWarning,
            stacklevel=2,
        )
    return found


def _callback(function: Any, shape: Shape, digest: str | None, linear: bool, by_lanes: bool) -> Any:
    samples = max(_FEWEST, min(_MOST, _BUFFER // shape.noise_dim)) // WIDTH * WIDTH
    chunk = Chunk(shape.dim, shape.columns, shape.params, samples)
    density = options.inlined(function)
    before = partial(try_lanes, density, chunk) if by_lanes else None
    return options.callback(_weights(density, shape, chunk, linear, by_lanes), _SIGNATURE, digest, before)


def _weights(density: Any, shape: Shape, chunk: Chunk, linear: bool, by_lanes: bool) -> Any:
    """The function to compile, with the model's function and the sizes as constants in its closure."""
    samples, noise_dim = chunk.samples, shape.noise_dim
    rows = transforms.rows_of(shape.transform, shape.dim, shape.noise_dim)
    numbers_size, columns_size = max(shape.numbers, 1), max(shape.columns, 1)
    fill_noise = fill_normals if shape.noise == "normal" else fill_uniforms
    transform = getattr(transforms, shape.transform) if shape.transform else None
    weigh_chunk = weigher(density, transform, chunk, linear, by_lanes)

    def weights(trials_at, samples_at, n, key, numbers_at, row_at, shift, result_at, power_at):
        numbers, row = floats(numbers_at, numbers_size), floats(row_at, columns_size)
        table = np.empty((rows, samples))
        noise = table_at(table.ctypes.data, noise_dim, samples)
        start, outside = 0, int(linear and not fabs(shift) < _LARGEST_SHIFT)
        try:
            while start < n and outside == 0:  # and no way out in the middle: what raises would not be caught
                size, at = min(samples, n - start), 8 * start
                fill_noise(words(trials_at + at, size), words(samples_at + at, size), key, noise)
                result, power = floats(result_at + at, size), floats(power_at + at, size)
                outside = weigh_chunk(table, numbers, row, shift, result, power)
                start += size
        except Exception:
            return FAILED
        return OUTSIDE if outside else WEIGHED

    weights.__name__ = "linear_weights" if linear else "extended_weights"  # what it is cached under
    return weights


call_weights = by_address(_SIGNATURE)  # of a model's compiled function, its address first
