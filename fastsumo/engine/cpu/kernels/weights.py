"""What is compiled of a model: from a chunk of noise to the log weights of its samples; and the calls to that.

The engine knows a model only as addresses: of the function that fills a chunk with noise, which models share, and of
this one, so it is compiled once for all models; that is cached under a hash of everything that was inlined into it
(`jit/fingerprint.py`). What becomes of log weights is in `exponentials.py`.
"""

from __future__ import annotations

import ctypes
import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from fastsumo.engine.cpu.kernels.chunks import FAILED, arguments_of, chunk_of, has_loop, log_weigher, try_lanes
from fastsumo.engine.cpu.kernels.log_weights import TWO
from fastsumo.engine.cpu.kernels.look_up import look_up
from fastsumo.engine.shapes import Shape, numbers_of, shape_of
from fastsumo.errors import SlowModelWarning
from fastsumo.jit import options
from fastsumo.jit.calls import by_address
from fastsumo.jit.copies import thawed
from fastsumo.jit.fingerprint import by_content, fingerprint
from fastsumo.jit.memory import table_at, words
from fastsumo.jit.sources import compiler_settings, source_digest
from fastsumo.trial.lazy_sums import with_lazy_sums
from fastsumo.trial.philox import fill_normals, fill_uniforms
from fastsumo.trial.ranges import are_log_weights
from fastsumo.vmath import logaddexp

if TYPE_CHECKING:
    from fastsumo.models.model import Model
    from fastsumo.models.proof import Proof

_GIVEN = "given"  # noise that is no noise

_NOISE = types.int64(
    types.int64,  # address of trials, uint64
    types.int64,  # of samples, uint64
    types.int64,  # how many pairs
    types.uint64,  # key
    types.int64,  # address of the chunk, float64: a row for each number of a sample
    types.int64,  # how many rows
    types.int64,  # numbers of a row, of which the first are filled
)
_LOG_WEIGHTS = types.int64(
    types.int64,  # address of the chunk of noise, which is used up; or of points
    types.int64,  # for how many samples
    types.int64,  # 1 if they are points, that are taken as they are, without a proposal
    types.int64,  # address of the numbers of the model, float64, see Model.packed
    types.int64,  # of the row of data, float64
    types.int64,  # address of the log weights, float64
    types.int64,  # of their second terms, if they have two; else not used
)
_CALL = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 8)
_NOISE_CALL = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 4, ctypes.c_uint64, *[ctypes.c_int64] * 3)


@dataclass(frozen=True)
class CompiledModel:
    """A model as the engine sees it: its numbers, and the address of its compiled function, which it keeps alive."""

    numbers: np.ndarray
    row: np.ndarray  # the one row of data of a model made by `Model.at_row`
    function: Any
    shape: Shape
    digest: str | None  # of the function and all that it reaches, as they are now
    proof: Proof | None

    @property
    def noise_at(self) -> int:
        """Of the function that fills a chunk with noise."""
        return noise_address(self.shape.noise)

    @property
    def noise_dim(self) -> int:
        return self.shape.noise_dim

    @property
    def chunk(self) -> int:
        """How many samples' noise is worked on at a time, a multiple of `WIDTH`."""
        return chunk_of(self.shape)

    @property
    def log_weights_at(self) -> int:
        """Of the model's function; compiled or read from the cache at the first call."""
        return int(self._log_weights.address)

    @cached_property
    def _log_weights(self) -> Any:
        return by_content(_compile, self.digest)(self.function, self.shape, self.digest, self.proof)

    def values_at(self, points: np.ndarray) -> np.ndarray | None:
        """The function at points (n, dim): log weights, or log densities if there is a proposal; None if one raises."""
        return _at_points(self.log_weights_at, self.shape, points, self.numbers, self.row, logaddexp)


def compiled(model: Model, proof: Proof | None = None) -> CompiledModel:
    """The model with its function compiled, proved if there is a proof, and its numbers."""
    (numbers, row), shape = numbers_of(model), shape_of(model)
    function = getattr(model.function, "py_func", model.function)
    proved = () if proof is None else (type(proof).__module__,)  # code is as good as the proof that it passed
    digest = fingerprint(function, source_digest(__name__, *proved), compiler_settings(), shape)
    found = CompiledModel(numbers, row, function, shape, digest, proof)
    assert found.log_weights_at
    return found


def looked_up() -> CompiledModel:
    """In the place of a vectorised model: its log weight is the one number that a sample draws (`look_up.py`)."""
    digest, shape = source_digest(__name__, _GIVEN), Shape(_GIVEN, "", 1, 1, 0, 0, 0)
    return CompiledModel(np.zeros(1), np.zeros(1), _itself, shape, digest, None)


def _itself(z, params):
    return z[0]


def noise_address(kind: str) -> int:
    """Of the function that fills a chunk with noise of a kind."""
    return int(_noise(kind).address)


@lru_cache(maxsize=256)
def _compile(function: Any, shape: Shape, digest: str | None, proof: Proof | None = None) -> Any:
    """The compiled function, proved; the cache keeps it alive.

    Tried in turn: by lanes, if that promises anything, and with lazy sums. The function may do more than lanes can, or
    more with a sum of exponentials than to add to it, and the compiler then says so; what compiles and passes its proof
    is cached as the one code of the model. Any other error means that something is broken: the model runs, but slower
    than it could.
    """
    with thawed(function) as now:
        return _compile_now(now, shape, digest, proof)


def _compile_now(function: Any, shape: Shape, digest: str | None, proof: Proof | None) -> Any:
    lazy = with_lazy_sums(function)
    sums = [function] if lazy is None else [lazy, function]
    ways = [(each, by_lanes) for by_lanes in ((True, False) if has_loop(function) else (False,)) for each in sums]
    broken: Exception | None = None
    for each, by_lanes in ways[:-1]:
        try:
            found = _callback(each, shape, digest, by_lanes, proof)
            break
        except options.REFUSED:
            continue
        except Exception as error:
            broken = broken or error
    else:
        found = _callback(ways[-1][0], shape, digest, False, proof)
    if broken is not None:
        name, why = getattr(function, "__qualname__", "?"), f"{type(broken).__name__}: {broken}".splitlines()[0]
        warnings.warn(
            f"the fast way to compile {name!r} failed ({why}): the same numbers come, but slower. That is a fault of "
            "fastsumo, or of a version of Numba that it does not know; please report it",
            SlowModelWarning,
            stacklevel=2,
        )
    return found


@lru_cache
def _noise(kind: str) -> Any:
    """The function that fills a chunk with noise of a kind."""
    if kind == _GIVEN:
        return options.callback(look_up, _NOISE, source_digest(__name__, kind))
    fill_noise = fill_normals if kind == "normal" else fill_uniforms

    def noise(trials_at, samples_at, n, key, chunk_at, rows, columns):
        fill_noise(words(trials_at, n), words(samples_at, n), key, table_at(chunk_at, rows, columns))
        return 0

    noise.__name__ = f"{kind}_noise"  # what it is cached under
    return options.callback(noise, _NOISE, source_digest(__name__, kind))


def _callback(function: Any, shape: Shape, digest: str | None, by_lanes: bool, proof: Proof | None = None) -> Any:
    density = options.checked(function, *arguments_of(shape.dim, shape.columns, shape.params))

    def before() -> None:
        if proof is not None:
            proof.look()
        if by_lanes:
            try_lanes(density, shape)

    def check(address: int) -> None:
        if proof is not None:
            proof.compare(partial(_values_at, address, shape))

    return options.callback(log_weigher(density, shape, by_lanes), _LOG_WEIGHTS, digest, before, check)


def _values_at(
    address: int, shape: Shape, z: np.ndarray, row: np.ndarray | None, params: np.ndarray
) -> list[float | None]:
    """What the compiled function gives at points: see `proof.Compiled`."""
    numbers = np.append(params, np.zeros(max(shape.numbers, 1) - params.size))
    held = np.zeros(1) if row is None else np.ascontiguousarray(row)
    together = _at_points(address, shape, z, numbers, held)
    if together is not None:
        return list(together.tolist())
    alone = [_at_points(address, shape, point[None], numbers, held) for point in z]
    return [None if each is None else float(each[0]) for each in alone]


def _at_points(
    address: int, shape: Shape, points: np.ndarray, numbers: np.ndarray, row: np.ndarray, add: Any = np.logaddexp
) -> np.ndarray | None:
    """What the compiled function gives at points (n, dim), without a proposal's log density; None if one raises."""
    chunk = np.zeros((shape.noise_dim, chunk_of(shape)))
    values = np.empty(len(points))
    for start in range(0, len(points), chunk.shape[1]):
        some = points[start : start + chunk.shape[1]]
        chunk[: shape.dim, : len(some)] = some.T
        found = _called(address, chunk, len(some), 1, numbers, row, add)
        if found is None:
            return None
        values[start : start + len(some)] = found
    return values


def _called(
    address: int, chunk: np.ndarray, n: int, given: int, numbers: np.ndarray, row: np.ndarray, add: Any = np.logaddexp
) -> np.ndarray | None:
    """Log weights of the first ``n`` samples of a chunk, which is used up; None if one raises.

    ``add`` is the log of the sum of two exponentials.
    """
    first, second = np.empty((2, chunk.shape[1]))
    where = chunk.ctypes.data, n, given, numbers.ctypes.data, row.ctypes.data
    terms = _CALL(address)(*where, first.ctypes.data, second.ctypes.data)
    if terms == FAILED:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(add(first[:n], second[:n])) if terms == TWO else first[:n]


def first_failure(
    compiled: CompiledModel, trials: np.ndarray, samples: np.ndarray, key: int, row: np.ndarray | None
) -> tuple[int, np.ndarray] | None:
    """The place of the first (trial, sample) for which the model raises or has no log weight, and its noise."""
    size, shape = compiled.chunk, compiled.shape
    noise, held = np.zeros((shape.noise_dim, size)), compiled.row if row is None else np.ascontiguousarray(row)

    def fails(begin: int, end: int) -> bool:
        pairs = trials[begin:].ctypes.data, samples[begin:].ctypes.data, end - begin
        _NOISE_CALL(compiled.noise_at)(*pairs, key, noise.ctypes.data, *noise.shape)
        found = _called(compiled.log_weights_at, noise, end - begin, 0, compiled.numbers, held)
        return found is None or not np.all(are_log_weights(found))

    for begin in range(0, trials.size, size):
        end = min(begin + size, trials.size)
        if fails(begin, end):
            while end - begin > 1:
                middle = (begin + end) // 2
                begin, end = (begin, middle) if fails(begin, middle) else (middle, end)
            _NOISE_CALL(compiled.noise_at)(
                trials[begin:].ctypes.data, samples[begin:].ctypes.data, 1, key, noise.ctypes.data, *noise.shape
            )
            return begin, noise[:, 0].copy()
    return None


call_noise = by_address(_NOISE)  # its address first, like ...
call_log_weights = by_address(_LOG_WEIGHTS)  # ... that of a model's compiled function
