"""The proof of a model: what is compiled of it gives what its plain Python function gives, or there is an error.

At a few dozen points, ordinary ones and the furthest that noise can be, the plain function is called twice, on arrays
that nobody can write into, and its indices are NumPy's to check; then the compiled function is called twice. All must
agree. What no point shows is left to the compiler: it knows the arguments to be read-only, and checks each index that
it does not see to be in range (`jit/options.py`).
"""

from __future__ import annotations

import math
import random
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.errors import ModelError
from fastsumo.jit.copies import exception_of
from fastsumo.models.model import Model
from fastsumo.models.plain import by_processor, line_of, plain, readonly, writing_is_an_error
from fastsumo.models.purity import check_purity
from fastsumo.models.vectorized import Batched, differ, tolerance_of
from fastsumo.trial.ranges import FURTHEST
from fastsumo.vmath import by_references

Floats = NDArray[np.float64]

_TOLERANCE = 1e-12  # relative above 1
_FAR = 5.0  # standard deviations that some trial of a million has; what goes wrong there is an error ...
_FURTHEST = 8.5  # ... and about the largest that there are, where it only has to go wrong in the compiled code too
_FEW = 4  # dimensions
_SECONDS = 0.1  # of the processor's, in plain calls, after which no further point is looked at
_NEIGHBOURS = 12  # calls that tell how far rounding alone can move a value
_ALONE = 3  # points
_COUNTS = (
    "compiled code adds truth values as numbers and counts in float64, where NumPy does not: int(...) and "
    ".astype(float) say what is meant"
)
_RAISES = "compiled code goes on where Python raises: say what the log weight is there"


class Point(NamedTuple):
    """Arguments of a model's function."""

    z: Floats
    row: Floats | None
    params: Floats
    ordinary: bool  # what goes wrong here is sure to go wrong in a run

    @property
    def arguments(self) -> tuple[Floats, ...]:
        return (self.z, self.params) if self.row is None else (self.z, self.row, self.params)


# ``(z (n, dim), row, params) -> n values``: what compiled code gives at points; None where it raises.
Compiled = Callable[[Floats, Floats | None, Floats], list[float | None]]


class Proof:
    """The proof of one model; `look` is the part before it is compiled, `compare` that after.

    Examples
    --------
    >>> try:
    ...     Proof(Model(lambda z, params: z[1], 1, name="short")).look()
    ... except ModelError as error:
    ...     print(str(error).partition(", at")[0])
    model 'short' raises IndexError: index 1 is out of bounds for axis 0 with size 1
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def __hash__(self) -> int:
        return hash(self._model.function)

    def __eq__(self, other: object) -> bool:
        """What is proved for one is proved for the other."""
        return isinstance(other, Proof) and self._model.function is other._model.function

    @cached_property
    def _function(self) -> Callable[..., Any]:
        return plain(self._model.function)

    @cached_property
    def _by_processor(self) -> Callable[..., Any]:
        """The plain function with infinity or NaN where the functions of `math` raise."""
        return plain(self._model.function, by_processor())

    def look(self) -> None:
        """
        Raises
        ------
        fastsumo.ModelError
            If the plain function is no function of its arguments, writes into them, or takes an index out of range.
        """
        function = self._model.function
        if isinstance(function, Batched):
            _prove_batches(self._model, function)
        else:
            assert self._found

    @cached_property
    def _found(self) -> list[tuple[Point, Any]]:
        """Points, with what the plain function gives there: a number, or the exception that it raises."""
        check_purity(self._model.function, self._model.name)
        found: list[tuple[Point, Any]] = []
        begin = time.thread_time()
        for point in _points(self._model):
            value = again = self._plain(point)
            if time.thread_time() - begin < _SECONDS:
                again = self._plain(point)
            if not _same(value, again):
                raise ModelError(
                    f"model {self._model.name!r} gives {_said(value)} and then {_said(again)}, {self._at(point)}: "
                    "a log weight must be a function of z, the data and params alone"
                )
            found.append((point, value))
            if time.thread_time() - begin > _SECONDS:
                break
        return found

    def _plain(
        self, point: Point, noisy: random.Random | None = None, by_vmath: bool = False, by_processor: bool = False
    ) -> Any:
        """What the plain function gives or raises; vmath is libm in it, and wrong by some ulp if ``noisy``."""
        function = self._by_processor if by_processor else self._function
        with np.errstate(all="ignore"), nullcontext() if by_vmath else by_references(noisy):
            try:
                with writing_is_an_error(self._model.name):
                    return float(function(*map(readonly, point.arguments)))
            except ModelError:
                raise
            except RecursionError as error:  # which would end the process, were it compiled
                raise ModelError(
                    f"model {self._model.name!r} calls itself without end, {self._at(point)}{line_of(error)}"
                ) from None
            except IndexError as error:
                if point.ordinary:
                    batches = "; a function of batches is for vectorized=True" if "too many ind" in str(error) else ""
                    why = f"raises IndexError: {error}, {self._at(point)}{line_of(error)}{batches}"
                    raise ModelError(f"model {self._model.name!r} {why}") from None
                return error
            except Exception as error:
                return error

    def compare(self, compiled: Compiled) -> None:
        """
        Raises
        ------
        fastsumo.ModelError
            If the compiled function gives anything else than the plain one.
        """
        for points, values in _alike(self._found):
            z, row, params = np.stack([point.z for point in points]), points[0].row, points[0].params
            first, second = (compiled(z, row, params) for _ in range(2))
            for point, value, one, other in zip(points, values, first, second, strict=True):
                if not _same(one, other):
                    raise ModelError(
                        f"model {self._model.name!r} gives {_said(one)} and then {_said(other)} when it is compiled, "
                        f"{self._at(point)}: a log weight must be a function of z, the data and params alone"
                    )
                if not self._agree(point, value, one):
                    raise ModelError(
                        f"model {self._model.name!r} gives {_said(value)} in plain Python but {_said(one)} when it is "
                        f"compiled, {self._at(point)}; {self._why(point, value, one)}"
                    )

    def _why(self, point: Point, value: Any, compiled: float | None) -> str:
        if isinstance(value, Exception):
            return _RAISES
        error = exception_of(self._model.function, *map(readonly, point.arguments)) if compiled is None else None
        return _COUNTS if error is None else f"{_said(error)}{line_of(error)}"

    def _agree(self, point: Point, value: Any, compiled: float | None) -> bool:
        if _agree(value, compiled, 0.0) or (not point.ordinary and (isinstance(value, Exception) or compiled is None)):
            return True  # what does not happen, or is an error when it does
        values = list(self._neighbours(point, value))
        finite = [each for each in values if isinstance(each, float) and math.isfinite(each)]
        spread = 4.0 * (max(finite) - min(finite)) if finite else 0.0
        return any(_agree(each, compiled, spread) for each in values)

    def _neighbours(self, point: Point, value: Any) -> Iterator[Any]:
        """What vmath itself gives, and what is got if arguments and functions are off by a few ulp."""
        raises = isinstance(value, Exception)
        yield value
        yield self._plain(point, by_vmath=True, by_processor=raises)
        generator = random.Random(0)
        ulps = np.random.default_rng(0)
        for _ in range(_NEIGHBOURS):
            moved = [x * (1.0 + ulps.uniform(-4.0, 4.0, x.shape) * 2.0**-52) for x in point.arguments]
            z, params = moved[0], moved[-1]
            row = None if point.row is None else moved[1]
            yield self._plain(Point(z, row, params, False), generator, by_processor=raises)

    def _at(self, point: Point) -> str:
        return _where(self._model, point)


def _where(model: Model, point: Point) -> str:
    """The arguments of a model's function in a message."""
    named = {"z" if model.proposal is None else "x": point.z, "row": point.row, "params": point.params}
    shown = (
        f"{name} = {np.array2string(each, separator=', ', threshold=12, edgeitems=3, max_line_width=10**6)}"
        for name, each in named.items()
        if each is not None and each.size
    )
    return f"at {', '.join(shown)}"


def _prove_batches(model: Model, function: Batched) -> None:
    """Hold a function of batches to itself: all points at once, twice; and a few of them alone."""
    points = [point for point in _points(model) if point.ordinary]
    z = np.stack([point.z for point in points])
    x = [] if points[0].row is None else [np.stack([point.row for point in points if point.row is not None])]

    def called(chosen: slice) -> Floats:
        with np.errstate(all="ignore"):
            return model.call(function, *(each[chosen] for each in (z, *x)))

    values = called(slice(None))
    within = tolerance_of(values) * np.maximum(1.0, np.abs(values))
    again = called(slice(None))
    for i in np.flatnonzero(differ(values, again, within))[:1]:
        raise ModelError(
            f"model {model.name!r} gives {values[i]} and then {again[i]} for the same batch of {len(z)} samples, "
            f"{_where(model, points[i])}: does it draw random numbers, or is a dropout on (a network in PyTorch: "
            ".eval())? A log weight must be a function of z, the data and params alone"
        )
    for i in np.linspace(0, len(z) - 1, _ALONE).astype(int).tolist():
        alone = called(slice(i, i + 1))
        if differ(values[i : i + 1], alone, within[i : i + 1]).any():
            raise ModelError(
                f"model {model.name!r} gives {values[i]} in a batch of {len(z)} samples but {alone[0]} alone, "
                f"{_where(model, points[i])}: does a mean, a sum or a normalisation go over the batch (a network in "
                "PyTorch: .eval())? The log weight of a sample must not depend on the others"
            )


def _agree(value: Any, compiled: float | None, spread: float) -> bool:
    """Whether compiled code gives what plain Python gives."""
    if isinstance(value, ArithmeticError | ValueError | TypeError) and _is_arithmetic(value):
        return compiled is None or not abs(compiled) <= FURTHEST  # where Python raises, the processor goes on
    if not isinstance(value, float):
        return compiled is None
    if compiled is None:
        return False
    if value == -math.inf or compiled == -math.inf:
        return value == compiled
    if not abs(value) <= FURTHEST:
        return not abs(compiled) <= FURTHEST
    return abs(compiled - value) <= _TOLERANCE * max(1.0, abs(value)) + spread


def _is_arithmetic(error: Exception) -> bool:
    said = ("math domain error", "expected a", "cannot convert float", "complex")
    return isinstance(error, ArithmeticError) or any(each in str(error) for each in said)


def _points(model: Model) -> Iterator[Point]:
    """Ordinary and far points in turn, for a few rows of data."""
    rows: list[Floats | None] = [model.row]
    if model.data is not None:
        last = model.data.shape[0] - 1
        rows = [model.rows(i, i + 1)[0] for i in sorted({0, last // 2, last})]
    for i, (noise, ordinary) in enumerate(_noise(model)):
        z = noise if model.proposal is None else model.proposal.points(noise[None])[0]
        yield Point(z, rows[i % len(rows)], model.params, ordinary)


def _noise(model: Model) -> Iterator[tuple[Floats, bool]]:
    """Noise, and whether it is ordinary."""
    size, generator = model.noise_dim, np.random.default_rng(0)
    signs = np.where(np.arange(size) % 2, -1.0, 1.0)
    if model.noise == "uniform":
        least = 2.0**-53
        for _ in range(8):
            yield generator.random(size), True
            yield 0.5 + signs * (generator.random(size) - 0.5), True
        yield np.full(size, 0.5), True
        for edge in (1e-6, least):
            for each in (np.full(size, edge), np.full(size, 1.0 - edge), np.where(signs > 0.0, edge, 1.0 - edge)):
                yield each, edge > least
        return
    few = size <= _FEW
    for i in range(10):
        yield generator.standard_normal(size), True
        yield 2.5 * generator.standard_normal(size).clip(-2.0, 2.0), few
        if i < 3:
            direction = (np.ones(size), -np.ones(size), signs)[i]
            yield _FAR / math.sqrt(size) * direction, True
            yield _FURTHEST * direction, False
    for j in range(min(size, _FEW)):
        for far in (_FAR, -_FAR, _FURTHEST, -_FURTHEST):
            alone = generator.standard_normal(size)
            alone[j] = far
            yield alone, abs(far) == _FAR
    yield np.zeros(size), False
    yield 1e-9 * signs, True


def _alike(found: list[tuple[Point, Any]]) -> Iterator[tuple[list[Point], list[Any]]]:
    """Points of one row and of one vector of parameters together."""
    groups: dict[tuple[int, int], list[tuple[Point, Any]]] = {}
    for each in found:
        groups.setdefault((id(each[0].row), id(each[0].params)), []).append(each)
    for group in groups.values():
        yield [point for point, _ in group], [value for _, value in group]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other)


def _said(value: Any) -> str:
    if value is None:
        return "an exception"
    return f"{type(value).__name__}: {value}" if isinstance(value, Exception) else repr(value)
