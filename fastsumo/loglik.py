"""Log weights that come from elsewhere: SUMO, IWAE, JVI and gradients of rows of them, and `K` to draw beforehand.

Rows arrive from NumPy, PyTorch or JAX as they lie in memory; this file checks them, cuts them into pieces of consecutive rows
and hands these to threads. What is computed is in `kernels/rows*.py`. No model is evaluated here.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo import _check
from fastsumo.machine import available_threads
from fastsumo.roulette import MAX_TERMS, Harmonic, Roulette

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HARMONIC = Harmonic()
_PIECE_ROWS = 2**16  # rows and weights of a piece of work: arrays that stay in a second-level cache,
_PIECE_WEIGHTS = 2**18  # and long enough that Python's part does not count
_SERIAL = 2**15  # weights that are not worth a thread


def sumo(
    log_weights: Any,
    terms: ArrayLike | None = None,
    roulette: Roulette = _HARMONIC,
    minimum: int = 1,
    seed: int = 0,
    *,
    offsets: ArrayLike | None = None,
    threads: int | None = None,
) -> Floats:
    """SUMO of log weights computed elsewhere: one trial a row, unbiased for `log Z` (Luo et al., ICLR 2020).

    ``L_m + sum_{j=1..K} (L_{m+j} - L_{m+j-1}) / P(K >= j)``, with ``L_k`` the log of the mean of a row's first ``k``
    weights, ``m = minimum``, and ``K`` the row's ``terms``. A row needs ``K + minimum`` log weights; more are not read.

    Parameters
    ----------
    log_weights : array_like
        A matrix (rows, samples); or a list of vectors; or, with ``offsets``, one vector that holds row ``r`` from
        ``offsets[r]`` to ``offsets[r + 1]``. float32 or float64, from NumPy, PyTorch or JAX, in the memory of the CPU. It
        is not copied, but for pieces of data that is not C-contiguous; float32 is computed with in double precision.
        -inf is a weight of zero.
    terms : int or array_like of int, shape (rows,), optional
        ``K`` of each row, drawn from ``roulette``. By default ``fs.draw_terms(rows, roulette, seed)``.
    roulette : Roulette
        The law of ``K``.
    minimum : int
        Samples before the first increment.
    seed : int
        Of the drawn terms.
    offsets : array_like of int, shape (rows + 1,), optional
        Where rows begin and end in a vector of log weights.
    threads : int, optional
        By default the cores that this process may use. The values do not depend on it.

    Returns
    -------
    ndarray of float64, shape (rows,)
        -inf where the first ``minimum`` weights of a row are all zero.

    Raises
    ------
    ValueError
        If a row is too short for its terms (the message says how many log weights rows need), if a row holds NaN or +inf
        (the message names it), or shapes do not fit.
    TypeError
        If the log weights are neither float32 nor float64.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.isclose(sumo([[0.0, np.log(3.0)]], terms=1)[0], np.log(2.0)))
    True
    >>> law = Harmonic(cap=100)
    >>> terms = draw_terms(3, law, seed=1)
    >>> rows = [np.zeros(k + 1) for k in terms]
    >>> sumo(rows, roulette=law, seed=1)
    array([0., 0., 0.])
    """
    from fastsumo.kernels.rows import sumo_rows

    rows, used, m = _trials(log_weights, terms, roulette, minimum, seed, offsets)
    law, inverse, short = roulette.law(), _inverse(), _reciprocals(roulette)
    values = np.empty(rows.count)

    def work(piece: _Piece, scratch: Floats) -> int:
        part = values[piece.first : piece.first + piece.used.size]
        return int(sumo_rows(piece.values, piece.starts, piece.used, m, law, short, inverse, scratch, part))

    _run(rows, used, work, threads)
    return values


def sumo_coefficients(
    log_weights: Any,
    terms: ArrayLike | None = None,
    roulette: Roulette = _HARMONIC,
    minimum: int = 1,
    seed: int = 0,
    *,
    offsets: ArrayLike | None = None,
    threads: int | None = None,
) -> Any:
    """Derivatives of each row's SUMO with respect to its log weights, for use in a training objective.

    ``(coefficients * log_weights).sum()``, with the coefficients held constant, has the gradient of
    ``sumo(log_weights).sum()`` in any framework. With ``SUMO = sum_k c_k L_k`` the coefficient of ``log w_i`` is
    ``w_i`` times the sum of ``c_k / (w_1 + ... + w_k)`` over ``k >= max(i, minimum)``; those of a row add up to 1.

    Parameters
    ----------
    log_weights, terms, roulette, minimum, seed, offsets, threads
        As in `sumo`.

    Returns
    -------
    ndarray of float64, or list of them
        In the form of the log weights; 0 for weights of zero and beyond the ``K + minimum`` that are used. Where the value
        is -inf, they are the derivatives of the part of the sum over prefixes that have weight.

    Examples
    --------
    >>> import numpy as np
    >>> sumo_coefficients(np.zeros((1, 4)), terms=1)
    array([[0.5, 0.5, 0. , 0. ]])
    """
    from fastsumo.kernels.rows_gradient import gradient_rows
    from fastsumo.kernels.rows_parts import SEGMENT

    rows, used, m = _trials(log_weights, terms, roulette, minimum, seed, offsets)
    law, short, out = roulette.law(), _reciprocals(roulette), rows.room()

    def work(piece: _Piece, scratch: Floats) -> int:
        bases = np.empty(2 * (int(piece.used.max()) // SEGMENT + 1))
        taken = piece.values, piece.starts, piece.used
        return int(gradient_rows(*taken, m, law, short, scratch, bases, piece.places, out))

    _run(rows, used, work, threads)
    return rows.shaped(out)


def iwae(
    log_weights: Any, k: int | None = None, *, offsets: ArrayLike | None = None, threads: int | None = None
) -> Floats:
    """``L_k``, the log of the mean of each row's first ``k`` weights (Burda et al., 2016).

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`.
    k : int, optional
        By default all weights of the row.

    Returns
    -------
    ndarray of float64, shape (rows,)

    Examples
    --------
    >>> iwae([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], k=2)
    array([1., 2.])
    """
    from fastsumo.kernels.rows import iwae_rows

    rows = _rows_of(log_weights, offsets)
    used = _whole_rows(rows, 1, "iwae") if k is None else _Used(_check.whole("k", k, 1, MAX_TERMS))
    _check_lengths(rows, used, "k")
    values, inverse = np.empty(rows.count), _inverse()

    def work(piece: _Piece, scratch: Floats) -> int:
        part = values[piece.first : piece.first + piece.used.size]
        return int(iwae_rows(piece.values, piece.starts, piece.used, inverse, scratch, part))

    _run(rows, used, work, threads)
    return values


def jvi(
    log_weights: Any, order: int = 1, *, offsets: ArrayLike | None = None, threads: int | None = None
) -> Floats:
    """Jackknife of IWAE over all weights of each row (Nowozin, ICLR 2018): bias ``O(n^-2)``, or ``O(n^-3)`` at order 2.

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`. Rows must have more than ``order`` weights.
    order : {1, 2}
        Order 2 leaves out every pair: it takes time in proportion to the square of a row's length.

    Returns
    -------
    ndarray of float64, shape (rows,)
        -inf where the weights without one (or two) of them are all zero.

    Examples
    --------
    >>> jvi([[1.0, 1.0, 1.0]])
    array([1.])
    """
    from fastsumo.kernels.rows_jackknife import jackknife_rows

    rows, degree = _rows_of(log_weights, offsets), _check.whole("order", order, 1, 2)
    used = _whole_rows(rows, degree + 1, f"the jackknife of order {degree}")
    values, inverse = np.empty(rows.count), _inverse()

    def work(piece: _Piece, scratch: Floats) -> int:
        part = values[piece.first : piece.first + piece.used.size]
        return int(jackknife_rows(piece.values, piece.starts, piece.used, degree, inverse, scratch, part))

    _run(rows, used, work, threads)
    return values


def cumulative_iwae(
    log_weights: Any, *, offsets: ArrayLike | None = None, threads: int | None = None
) -> Any:
    """``L_1, L_2, ...`` of each row: the logs of the running means of its weights.

    Parameters
    ----------
    log_weights, offsets, threads
        As in `sumo`.

    Returns
    -------
    ndarray of float64, or list of them
        In the form of the log weights; -inf up to a row's first weight that is not zero.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(cumulative_iwae([[0.0, np.log(3.0)]]), [[0.0, np.log(2.0)]]))
    True
    """
    from fastsumo.kernels.rows import path_rows

    rows = _rows_of(log_weights, offsets)
    used, inverse, out = _whole_rows(rows, 1, "cumulative_iwae"), _inverse(), rows.room()

    def work(piece: _Piece, scratch: Floats) -> int:
        return int(path_rows(piece.values, piece.starts, piece.used, inverse, scratch, piece.places, out))

    _run(rows, used, work, threads)
    return rows.shaped(out)


def draw_terms(
    rows: int,
    roulette: Roulette = _HARMONIC,
    seed: int = 0,
) -> Ints:
    """``K`` of trials ``0 .. rows - 1``: what `sumo` draws, and `fs.simulate` too. Row ``r`` needs ``K + minimum`` weights.

    Examples
    --------
    >>> draw_terms(5, Harmonic(cap=1))
    array([1, 1, 1, 1, 1])
    """
    return _law_of(roulette).sample(_check.whole("rows", rows, 1), seed)


@dataclass(frozen=True)
class _Piece:
    """Consecutive rows, as the kernels take them."""

    first: int  # number of the first row
    values: NDArray[Any]  # contiguous
    starts: Ints  # where rows begin in `values`
    used: Ints  # how many of their weights count
    shift: int | Ints  # from there to where rows begin in an output of one number a weight

    @property
    def places(self) -> Ints:
        return self.starts + self.shift


@dataclass(frozen=True)
class _Used:
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


class _Rows(ABC):
    """Log weights in one of the forms that they come in."""

    count: int

    @abstractmethod
    def lengths(self) -> Ints | int:
        """Weights of each row, or of every row."""

    @abstractmethod
    def row(self, r: int) -> NDArray[Any]:
        """One row."""

    @abstractmethod
    def piece(self, first: int, used: Ints) -> _Piece:
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


class _Matrix(_Rows):
    """A matrix; copied piece by piece where its rows are not contiguous, and then only what is used."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values, (self.count, self._width) = values, values.shape
        self._multiples = self._width * np.arange(min(self.count, _PIECE_ROWS), dtype=np.int64)

    def lengths(self) -> int:
        return self._width

    def row(self, r: int) -> NDArray[Any]:
        return self._values[r]

    def piece(self, first: int, used: Ints) -> _Piece:
        rows, starts = self._values[first : first + used.size], self._multiples[: used.size]
        shift: int | Ints = first * self._width
        if not rows.flags.c_contiguous:
            width = int(used.max())
            rows, starts = rows[:, :width], width * np.arange(used.size, dtype=np.int64)
            shift = self._multiples[: used.size] - starts + first * self._width
        return _Piece(first, _memory(rows), starts, used, shift)

    def room(self) -> Floats:
        return np.zeros(self._values.size)

    def shaped(self, out: Floats) -> Any:
        return out.reshape(self._values.shape)


class _Flat(_Rows):
    """One vector and the offsets of its rows."""

    def __init__(self, values: NDArray[Any], offsets: Ints) -> None:
        self._values, self._offsets, self.count = values, offsets, offsets.size - 1

    def lengths(self) -> Ints:
        return np.diff(self._offsets)

    def row(self, r: int) -> NDArray[Any]:
        return self._values[self._offsets[r] : self._offsets[r + 1]]

    def piece(self, first: int, used: Ints) -> _Piece:
        starts, end = self._offsets[first : first + used.size], self._offsets[first + used.size]
        if self._values.flags.c_contiguous:
            return _Piece(first, _memory(self._values), starts, used, 0)
        low = int(starts[0])
        return _Piece(first, _memory(self._values[low:end]), starts - low, used, low)

    def room(self) -> Floats:
        return np.zeros(self._values.size)


class _Ragged(_Rows):
    """A list of vectors; short ones are copied together piece by piece."""

    def __init__(self, rows: Sequence[NDArray[Any]]) -> None:
        self._rows, self.count = rows, len(rows)
        self._offsets = np.concatenate([[0], np.cumsum([row.size for row in rows])])

    def lengths(self) -> Ints:
        return np.diff(self._offsets)

    def row(self, r: int) -> NDArray[Any]:
        return self._rows[r]

    def piece(self, first: int, used: Ints) -> _Piece:
        rows = [self._rows[first + r][:n] for r, n in enumerate(used)]
        values = rows[0] if len(rows) == 1 else np.concatenate(rows)
        starts = np.cumsum(used) - used
        return _Piece(first, _memory(values), starts, used, self._offsets[first : first + used.size] - starts)

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


def _rows_of(log_weights: Any, offsets: ArrayLike | None) -> _Rows:
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


def _ragged(rows: Sequence[Any]) -> _Rows:
    if len(rows) == 0:
        raise ValueError("log_weights is empty: a list without rows")
    vectors = [_array(f"row {r} of log_weights", row) for r, row in enumerate(rows)]
    for r, vector in enumerate(vectors):
        if vector.ndim != 1:
            raise ValueError(f"row {r} of log_weights must be a vector, got shape {vector.shape}")
    return _Ragged(vectors)


def _array(name: str, value: Any) -> NDArray[Any]:
    """``value`` as float32 or float64 in the machine's byte order, on the same memory where that is possible."""
    if hasattr(value, "detach"):  # a tensor that may record gradients
        value = value.detach()
    try:
        array = np.from_dlpack(value) if _only_dlpack(value) else np.asarray(value)
    except Exception as error:  # whatever the other library raises
        raise TypeError(
            f"{name} cannot be read as an array in the memory of the CPU: {str(error).splitlines()[0]}"
        ) from None
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; give -inf for weights of zero, or rows of several lengths")
    if isinstance(value, (list, tuple)) and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} must be float32 or float64, got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _only_dlpack(value: Any) -> bool:
    return hasattr(value, "__dlpack__") and not hasattr(value, "__array__")


def _whole_numbers(name: str, value: ArrayLike) -> Ints:
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, got {array.dtype}")
    return np.asarray(array, dtype=np.int64, order="C")


def _offsets(value: ArrayLike, size: int) -> Ints:
    offsets = _whole_numbers("offsets", value)
    if offsets.ndim != 1 or offsets.size < 2:
        raise ValueError(f"offsets must be a vector of rows + 1 numbers, at least 2, got shape {offsets.shape}")
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if falls.size:
        r = int(falls[0])
        raise ValueError(f"offsets must not decrease; row {r} goes from {offsets[r]} to {offsets[r + 1]}")
    if offsets[0] < 0 or offsets[-1] > size:
        raise ValueError(f"offsets must lie from 0 to {size}, got {offsets[0]} to {offsets[-1]}")
    return offsets


def _law_of(roulette: Any) -> Roulette:
    if not isinstance(roulette, Roulette):
        raise TypeError(f"roulette must be a law such as fs.roulette.Harmonic(), got {roulette!r}")
    return roulette


def _trials(
    log_weights: Any, terms: ArrayLike | None, roulette: Any, minimum: int, seed: int, offsets: ArrayLike | None
) -> tuple[_Rows, _Used, int]:
    """The rows, how many weights each uses, and the minimum."""
    law, m = _law_of(roulette), _check.whole("minimum", minimum, 1, MAX_TERMS)
    _check.whole("seed", seed, 0, 2**64 - 1)
    rows = _rows_of(log_weights, offsets)
    if terms is None:
        counts, hint = law.sample(rows.count, seed), f"fs.draw_terms({rows.count}, {law!r}, seed={seed})"
    else:
        counts, hint = _terms(terms, law, rows.count), "terms"
    used = _Used(counts, m)
    _check_lengths(rows, used, f"its K = {{}}, plus {m}; {hint} + {m} is how many each row needs")
    return rows, used, m


def _terms(terms: ArrayLike, law: Roulette, rows: int) -> Ints | int:
    counts = _whole_numbers("terms", terms)
    if counts.shape not in ((), (rows,)):
        raise ValueError(f"terms must be one number or one for each of {rows} rows, got shape {counts.shape}")
    if counts.min() < 1:
        r = int(np.argmin(counts))
        raise ValueError(f"terms must be at least 1, got {counts.min()} for row {r}")
    if not law.survival(counts.max()) > np.finfo(float).tiny:
        r = int(np.argmax(counts))
        raise ValueError(f"{law!r} never draws K = {counts.max()}, the terms of row {r}")
    return counts if counts.ndim else int(counts)


def _check_lengths(rows: _Rows, used: _Used, reason: str) -> None:
    """Rows must be as long as what is used of them."""
    lengths, largest = rows.lengths(), used.largest()
    if largest <= np.min(lengths):
        return
    needs = used.of(0, rows.count)
    short = np.flatnonzero(needs > lengths)
    if short.size:
        r = int(short[0])
        raise ValueError(
            f"row {r} has {rows.row(r).size} log weights and needs {needs[r]} "
            f"({reason.format(needs[r] - used.more)}); {short.size} of {rows.count} rows are too short, "
            f"and the longest needs {largest}"
        )


def _whole_rows(rows: _Rows, least: int, what: str) -> _Used:
    """Each row's own length, at least ``least``."""
    lengths = rows.lengths()
    if np.min(lengths) < least:
        r = int(np.argmin(lengths))
        raise ValueError(f"row {r} has {np.min(lengths)} log weights; {what} needs at least {least}")
    return _Used(lengths)


def _inverse() -> Floats:
    """``1 / k`` for the kernels of short rows."""
    from fastsumo.kernels.rows_parts import SHORT

    return 1.0 / np.maximum(np.arange(SHORT + 1), 1)


def _reciprocals(law: Roulette) -> Floats:
    """``1 / P(K >= j)`` for the kernels of short rows; 0 where `K` cannot be as large."""
    from fastsumo.kernels.rows_parts import SHORT

    survival = law.survival(np.arange(SHORT + 2))
    return np.divide(1.0, survival, out=np.zeros(SHORT + 2), where=survival > np.finfo(float).tiny)


class _Queue:
    """Hands out pieces of consecutive rows, in order."""

    def __init__(self, rows: _Rows, used: _Used) -> None:
        self._rows, self._used, self._next, self._lock = rows, used, 0, threading.Lock()
        self.bad: list[int] = []  # rows that hold NaN or +inf; no piece is handed out after the first

    def take(self) -> _Piece | None:
        with self._lock:
            first = self._next
            if first >= self._rows.count or self.bad:
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


def _run(rows: _Rows, used: _Used, work: Callable[[_Piece, Floats], int], threads: int | None) -> None:
    """Work through all rows on threads; ``work`` answers with the first bad row of a piece, or -1."""
    from fastsumo.kernels.rows_parts import SCRATCH

    workers = available_threads() if threads is None else _check.whole("threads", threads, 1, 4096)
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
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(loop) for _ in range(workers)]:
                done.result()
    if queue.bad:
        r = min(queue.bad)
        row = rows.row(r)[: used.of(r, 1)[0]]
        i = int(np.flatnonzero(~(row < np.inf))[0])
        raise ValueError(
            f"row {r} of log_weights holds {row[i]} at place {i}; allowed are finite numbers and -inf (a weight of zero)"
        )
