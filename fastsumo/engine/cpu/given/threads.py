"""Rows of log weights in every form that they come in, cut into pieces of consecutive rows and handed to threads.

A matrix, a list of vectors, or a vector with offsets; from NumPy, PyTorch or JAX, as they lie in memory. Errors of form
are raised here. What is computed of rows is in `values.py`, `jackknife.py` and `gradient.py`.
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.base.machine import available_threads
from fastsumo.engine.cpu.given.parts import SCRATCH

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PIECE_ROWS = 2**16  # rows and weights of a piece of work: arrays that stay in a second-level cache,
_PIECE_WEIGHTS = 2**18  # and long enough that Python's part does not count
_SERIAL = 2**15  # weights that are not worth a thread


@dataclass(frozen=True)
class Piece:
    """Consecutive rows, as the kernels take them."""

    first: int  # number of the first row
    values: NDArray[Any]  # contiguous
    starts: Ints  # where rows begin in `values`
    used: Ints  # how many of their weights count
    shift: int | Ints  # from there to where rows begin in an output of one number a weight

    @property
    def taken(self) -> tuple[NDArray[Any], Ints, Ints]:
        """What every kernel begins with."""
        return self.values, self.starts, self.used

    @property
    def rows(self) -> slice:
        """Where an output of one number a row has them."""
        return slice(self.first, self.first + self.used.size)

    @property
    def places(self) -> Ints:
        """Where rows begin in an output of one number a weight."""
        return self.starts + self.shift


@dataclass(frozen=True)
class Used:
    """How many weights of each row count: ``counts``, one number or one for each row, and ``more``."""

    counts: Ints | int
    more: int = 0

    def largest(self) -> int:
        return int(np.max(self.counts)) + self.more

    def of(self, first: int, rows: int) -> Ints:
        """Those of some rows."""
        if isinstance(self.counts, int):
            return np.full(rows, self.counts + self.more, np.int64)
        part = self.counts[first : first + rows]
        return part + self.more if self.more else part


class Rows(ABC):
    """Log weights in one of the forms that they come in."""

    count: int

    @abstractmethod
    def lengths(self) -> Ints | int:
        """Weights of each row, or of every row."""

    @abstractmethod
    def row(self, r: int) -> NDArray[Any]:
        """One row."""

    @abstractmethod
    def piece(self, first: int, used: Ints) -> Piece:
        """The rows from ``first`` on, as many as ``used`` tells of."""

    @abstractmethod
    def room(self) -> Floats:
        """Zeros, one for each weight, to fill at a piece's ``places``."""

    def shaped(self, out: Floats) -> Any:
        """What `room` gave, in the form of the rows."""
        return out

    def alone(self) -> int:
        """Rows of more weights than this make a piece alone."""
        return _PIECE_WEIGHTS


class _Matrix(Rows):
    """A matrix; copied piece by piece where its rows are not contiguous, and then only what is used."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values, (self.count, self._width) = values, values.shape
        self._multiples = self._width * np.arange(min(self.count, _PIECE_ROWS), dtype=np.int64)

    def lengths(self) -> int:
        return self._width

    def row(self, r: int) -> NDArray[Any]:
        return self._values[r]

    def piece(self, first: int, used: Ints) -> Piece:
        rows, starts = self._values[first : first + used.size], self._multiples[: used.size]
        shift: int | Ints = first * self._width
        if not rows.flags.c_contiguous:
            width = int(used.max())
            rows, starts = rows[:, :width], width * np.arange(used.size, dtype=np.int64)
            shift = self._multiples[: used.size] - starts + first * self._width
        return Piece(first, _memory(rows), starts, used, shift)

    def room(self) -> Floats:
        return np.zeros(self._values.size)

    def shaped(self, out: Floats) -> Any:
        return out.reshape(self._values.shape)


class _Flat(Rows):
    """One vector and the offsets of its rows."""

    def __init__(self, values: NDArray[Any], offsets: Ints) -> None:
        self._values, self._offsets, self.count = values, offsets, offsets.size - 1

    def lengths(self) -> Ints:
        return np.diff(self._offsets)

    def row(self, r: int) -> NDArray[Any]:
        return self._values[self._offsets[r] : self._offsets[r + 1]]

    def piece(self, first: int, used: Ints) -> Piece:
        starts, end = self._offsets[first : first + used.size], self._offsets[first + used.size]
        if self._values.flags.c_contiguous:
            return Piece(first, _memory(self._values), starts, used, 0)
        low = int(starts[0])
        return Piece(first, _memory(self._values[low:end]), starts - low, used, low)

    def room(self) -> Floats:
        return np.zeros(self._values.size)


class _Ragged(Rows):
    """A list of vectors; short ones are copied together piece by piece."""

    def __init__(self, rows: Sequence[NDArray[Any]]) -> None:
        self._rows, self.count = rows, len(rows)
        self._offsets = np.concatenate([[0], np.cumsum([row.size for row in rows])])

    def lengths(self) -> Ints:
        return np.diff(self._offsets)

    def row(self, r: int) -> NDArray[Any]:
        return self._rows[r]

    def piece(self, first: int, used: Ints) -> Piece:
        rows = [self._rows[first + r][:n] for r, n in enumerate(used)]
        values = rows[0] if len(rows) == 1 else np.concatenate(rows)
        starts = np.cumsum(used) - used
        return Piece(first, _memory(values), starts, used, self._offsets[first : first + used.size] - starts)

    def room(self) -> Floats:
        return np.zeros(self._offsets[-1])

    def shaped(self, out: Floats) -> Any:
        return np.split(out, self._offsets[1:-1])

    def alone(self) -> int:
        return _SERIAL


class _Memory:
    """An array's memory as NumPy sees it, not marked read-only (as JAX marks it): kernels know one kind of array."""

    def __init__(self, array: NDArray[Any]) -> None:
        interface = dict(array.__array_interface__)
        self._array, self.__array_interface__ = array, {**interface, "data": (interface["data"][0], False)}


def _memory(values: NDArray[Any]) -> NDArray[Any]:
    """One contiguous vector of the values, without a copy where it can be."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return flat if flat.flags.writeable else np.asarray(_Memory(flat))


def rows_of(log_weights: Any, offsets: ArrayLike | None) -> Rows:
    """The log weights as rows; every error of form is raised here."""
    if offsets is None and isinstance(log_weights, (list, tuple)):
        return _ragged(log_weights)
    values = _array("log_weights", log_weights)
    if values.size == 0:
        raise ValueError(f"log_weights is empty: its shape is {values.shape}")
    if offsets is not None:
        if values.ndim != 1:
            raise ValueError(f"with offsets, log_weights must be one vector, got shape {values.shape}")
        return _Flat(values, _offsets(offsets, values.size))
    if values.ndim != 2:
        raise ValueError(
            "log_weights must be a matrix (rows, samples), a list of vectors, or a vector with offsets; "
            f"got one array of shape {values.shape} and no offsets"
        )
    return _Matrix(values)


def _ragged(rows: Sequence[Any]) -> Rows:
    if len(rows) == 0:
        raise ValueError("log_weights is empty: a list without rows")
    vectors = [_array(f"row {r} of log_weights", row) for r, row in enumerate(rows)]
    for r, vector in enumerate(vectors):
        if vector.ndim != 1:
            raise ValueError(
                f"row {r} of log_weights must be a vector, the log weights of a trial, got "
                + (
                    f"one number, {vector}; of one trial, write [log_weights]"
                    if vector.ndim == 0
                    else f"shape {vector.shape}"
                )
            )
    return _Ragged(vectors)


def _array(name: str, value: Any) -> NDArray[Any]:
    """``value`` as float32 or float64 in the machine's byte order, on the same memory where that is possible."""
    if checks.is_masked(value):
        raise TypeError(f"{name} is a masked array; give -inf for weights of zero, or rows of several lengths")
    if hasattr(value, "detach"):  # a tensor that may record gradients, or lie on a GPU
        value = value.detach()
        value = value.cpu() if value.device.type not in ("cpu", "meta") else value
    try:
        array = np.from_dlpack(value) if _only_dlpack(value) else np.asarray(value)
    except Exception as error:  # whatever the other library raises
        hint = "; under jax.grad and jax.jit it has no numbers: compute outside of them, or by jax.pure_callback"
        raise TypeError(
            f"{name} cannot be read as an array in the memory of the CPU: {str(error).splitlines()[0]}"
            f"{hint if 'trace' in type(error).__name__.lower() else ''}"
        ) from None
    if isinstance(value, (list, tuple)) and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} must be float32 or float64, got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def alike(log_weights: Any) -> Callable[[Any], Any]:
    """What makes of arrays, or lists of them, such as the log weights are: their framework, dtype and device.

    NumPy's stay what they are, in double precision. A list is made alike its first row.
    """
    one = log_weights[0] if isinstance(log_weights, (list, tuple)) and len(log_weights) else log_weights
    if hasattr(one, "detach"):
        tensor = sys.modules["torch"].as_tensor
    elif isinstance(one, np.ndarray) or not hasattr(one, "__array_namespace__"):
        return lambda found: found
    else:
        tensor = one.__array_namespace__().asarray

    def make(found: Any) -> Any:
        if isinstance(found, list):
            return [make(each) for each in found]
        return tensor(found, dtype=one.dtype, device=one.device)

    return make


def _only_dlpack(value: Any) -> bool:
    return hasattr(value, "__dlpack__") and not hasattr(value, "__array__")


def whole_numbers(name: str, value: ArrayLike) -> Ints:
    array = checks.array(name, value.detach() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, got {array.dtype}")
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must be below 2^63, got {array.max()}")
    return np.asarray(array, dtype=np.int64, order="C")


def _offsets(value: ArrayLike, size: int) -> Ints:
    offsets = whole_numbers("offsets", value)
    if offsets.ndim != 1 or offsets.size < 2:
        raise ValueError(f"offsets must be a vector of rows + 1 numbers, at least 2, got shape {offsets.shape}")
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if falls.size:
        r = int(falls[0])
        raise ValueError(f"offsets must not decrease; row {r} goes from {offsets[r]} to {offsets[r + 1]}")
    if offsets[0] < 0 or offsets[-1] > size:
        raise ValueError(f"offsets must lie from 0 to {size}, got {offsets[0]} to {offsets[-1]}")
    return offsets


class _Queue:
    """Hands out pieces of consecutive rows, in order."""

    def __init__(self, rows: Rows, used: Used) -> None:
        self._rows, self._used, self._next, self._lock = rows, used, 0, threading.Lock()
        self.bad: list[int] = []  # rows that hold NaN or +inf; no piece is handed out after the first
        self.closed = False  # no piece is handed out any more

    def take(self) -> Piece | None:
        with self._lock:
            first = self._next
            if first >= self._rows.count or self.bad or self.closed:
                return None
            used = self._used.of(first, min(_PIECE_ROWS, self._rows.count - first))
            used = used[: self._size(used)]
            self._next = first + used.size
        return self._rows.piece(first, used)

    def _size(self, used: Ints) -> int:
        """How many of the rows make a piece."""
        if used.size * int(used.max()) <= _PIECE_WEIGHTS:
            return used.size
        size = int(np.searchsorted(np.cumsum(used), _PIECE_WEIGHTS, side="right"))
        large = np.flatnonzero(used[:size] > self._rows.alone())
        return max(int(large[0]) if large.size else size, 1)


def run(rows: Rows, used: Used, work: Callable[[Piece, Floats], int], threads: int | None) -> None:
    """Work through all rows on threads; ``work`` answers with the first bad row of a piece, or -1."""
    workers = available_threads() if threads is None else checks.whole("threads", threads, 1, 4096)
    queue = _Queue(rows, used)

    def loop() -> None:
        scratch = np.zeros(SCRATCH)
        while (piece := queue.take()) is not None:
            bad = work(piece, scratch)
            if bad >= 0:
                queue.bad.append(piece.first + bad)

    if workers == 1 or rows.count == 1 or rows.count * used.largest() < _SERIAL:
        loop()
    else:
        nothing = np.empty(0, np.int64)
        work(Piece(0, _memory(rows.row(0)[:1]), nothing, nothing, 0), np.zeros(SCRATCH))  # compiles, on this thread
        with ThreadPoolExecutor(workers) as pool:
            try:
                for done in [pool.submit(loop) for _ in range(workers)]:
                    done.result()
            finally:  # Ctrl-C, or no memory: the other threads end with their present piece
                queue.closed = True
    if queue.bad:
        _complain(rows, used, min(queue.bad))


def _complain(rows: Rows, used: Used, bad: int) -> None:
    """Say what is wrong with a row; one whose differences overflow is there, or before it in one piece of work."""
    for r in [bad, *range(bad)] if bad < rows.count else range(rows.count):
        row = rows.row(r)[: used.of(r, 1)[0]]
        wrong = np.flatnonzero(~(row < np.inf))
        if wrong.size:
            raise ValueError(
                f"row {r} of log_weights holds {row[wrong[0]]} at place {wrong[0]}; "
                "allowed are finite numbers and -inf (a weight of zero)"
            )
        finite = row[row > -np.inf].astype(np.float64)
        with np.errstate(over="ignore"):
            if finite.size and np.isinf(np.ptp(finite)):
                raise ValueError(
                    f"row {r} of log_weights holds {finite.min():g} and {finite.max():g}, too far apart for float64; "
                    "of a weight of zero the log is -inf"
                )
    raise AssertionError("no row is wrong")
