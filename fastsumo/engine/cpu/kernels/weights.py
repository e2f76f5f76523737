"""What is compiled of a model: from a chunk of noise to the weights of its samples; and the calls to that.

Weights come for the linear range or for the extended one (`trial/ranges.py`). What is done with them is elsewhere.

The engine knows a model only as addresses: of the function that fills a chunk with noise, which models share, and of
these two, so it is compiled once for all models; they are cached under a hash of everything that was inlined into them
(`jit/fingerprint.py`), and the one for the extended range is compiled when it is needed.
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

_NOISE = types.int64(
    types.int64,  # address of trials, uint64
    types.int64,  # of samples, uint64
    types.int64,  # how many pairs
    types.uint64,  # key
    types.int64,  # address of the chunk, float64: a row for each number of a sample
    types.int64,  # how many rows
    types.int64,  # numbers of a row, of which the first are filled
)
_WEIGHTS = types.int64(
    types.int64,  # address of the chunk of noise, which is used up
    types.int64,  # for how many samples
    types.int64,  # address of the numbers of the model, float64, see Model.packed
    types.int64,  # of the row of data, float64
    types.float64,  # shift: linear weights are relative to 2**shift
    types.int64,  # address of the result, float64: linear weights, or mantissas (NaN for a log weight NaN or +inf)
    types.int64,  # of powers of 2, float64; not used for linear weights
)
WEIGHED, FAILED, OUTSIDE = 0, 1, 2  # what that returns; OUTSIDE: some weight is not in the linear range
_LARGEST_SHIFT = 2.0**40  # beyond, log weights have too few digits for anything


class CompiledModel(NamedTuple):
    """A model as the engine sees it: its numbers, and the addresses of its compiled functions."""

    numbers: np.ndarray
    row: np.ndarray  # the one row of data of a model made by `Model.at_row`
    function: Any
    shape: Shape
    digest: str | None  # of the function and all that it reaches, as they are now

    @property
    def noise_at(self) -> int:
        """Of the function that fills a chunk with noise."""
        return int(_noise(self.shape.noise).address)

    @property
    def noise_dim(self) -> int:
        return self.shape.noise_dim

    @property
    def chunk(self) -> int:
        """How many samples' noise is worked on at a time, a multiple of `WIDTH`."""
        return _chunk(self.shape)

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


def _chunk(shape: Shape) -> int:
    return max(_FEWEST, min(_MOST, _BUFFER // shape.noise_dim)) // WIDTH * WIDTH


@lru_cache
def _noise(kind: str) -> Any:
    """The function that fills a chunk with noise of a kind."""
    fill_noise = fill_normals if kind == "normal" else fill_uniforms

    def noise(trials_at, samples_at, n, key, chunk_at, rows, columns):
        fill_noise(words(trials_at, n), words(samples_at, n), key, table_at(chunk_at, rows, columns))
        return 0

    noise.__name__ = f"{kind}_noise"  # what it is cached under
    return options.callback(noise, _NOISE, source_digest(__name__, kind))


def _callback(function: Any, shape: Shape, digest: str | None, linear: bool, by_lanes: bool) -> Any:
    chunk = Chunk(shape.dim, shape.columns, shape.params, _chunk(shape))
    density = options.inlined(function)
    before = partial(try_lanes, density, chunk) if by_lanes else None
    return options.callback(_weights(density, shape, chunk, linear, by_lanes), _WEIGHTS, digest, before)


def _weights(density: Any, shape: Shape, chunk: Chunk, linear: bool, by_lanes: bool) -> Any:
    """The function to compile, with the model's function and the sizes as constants in its closure."""
    samples, noise_dim = chunk.samples, shape.noise_dim
    rows = transforms.rows_of(shape.transform, shape.dim, shape.noise_dim)
    numbers_size, columns_size = max(shape.numbers, 1), max(shape.columns, 1)
    transform = getattr(transforms, shape.transform) if shape.transform else None
    weigh_chunk = weigher(density, transform, chunk, linear, by_lanes)

    def weights(noise_at, n, numbers_at, row_at, shift, result_at, power_at):
        if linear and not fabs(shift) < _LARGEST_SHIFT:
            return OUTSIDE
        numbers, row = floats(numbers_at, numbers_size), floats(row_at, columns_size)
        noise, result, power = table_at(noise_at, noise_dim, samples), floats(result_at, n), floats(power_at, n)
        if rows > noise_dim:
            table = np.empty((rows, samples))
            table[:noise_dim] = noise
            noise = table
        try:
            outside = weigh_chunk(noise, numbers, row, shift, result, power)
        except Exception:
            return FAILED
        return OUTSIDE if outside else WEIGHED

    weights.__name__ = "linear_weights" if linear else "extended_weights"  # what it is cached under
    return weights


call_noise = by_address(_NOISE)  # its address first, like ...
call_weights = by_address(_WEIGHTS)  # ... that of a model's compiled function
