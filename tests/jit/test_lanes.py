"""Models compiled for `WIDTH` samples at a time against the same models compiled for one: every bit alike."""

from __future__ import annotations

import ctypes
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError
from zoo import slow

import fastsumo as fs
from fastsumo import vmath
from fastsumo.engine.cpu.kernels import chunks, log_weights, weights
from fastsumo.jit import lanes
from fastsumo.jit.options import REFUSED
from fastsumo.trial.lazy_sums import with_lazy_sums
from fastsumo.vmath import exp, log, log_sigmoid, logaddexp

TABLE = np.arange(12.0).reshape(4, 3) / 7.0
PARAMS = np.linspace(-0.7, 0.9, 12)


@numba.njit
def square(x):  # type: ignore[no-untyped-def]
    return x * x


@numba.njit(error_model="numpy")
def sum_over(x, factor):  # type: ignore[no-untyped-def]
    total = 0
    for v in x:
        total += factor * v
    return total


def chain(z, params):  # type: ignore[no-untyped-def]
    state, total = 0.0, params[3]
    for t in range(z.size):
        state = params[0] * state + params[1] * z[t]
        total -= params[2] * state * state
    return total


def margins(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(TABLE.shape[0]):
        margin = 0.0
        for j in range(z.size):
            margin += TABLE[i, j] * z[j]
        total += log_sigmoid(margin)
    return total


def arithmetic(z, params):  # type: ignore[no-untyped-def]
    total = 1
    for k, v in enumerate(z):
        total = (total - k) / (v * v + 2) + True
        total *= +v - 3
        total /= -v
        total -= params[k] ** 2 + 1 / v
    return total + abs(z[-1]) + float(z[0])


def powers(z, params):  # type: ignore[no-untyped-def]
    total = z[0]
    for j in range(1, z.size):
        total += z[j] ** 2 + z[j] ** 3 - 0.01 * z[j] ** 7 + (1.0 + z[j]) ** -2 + abs(z[j]) ** 1.5 + 2.0 ** z[j]
        total -= z[j] ** 0 + z[j] ** z.size + math.pow(abs(z[j]), params[j])
    return total


def extremes(z, params):  # type: ignore[no-untyped-def]
    low, high = z[0], z[0]
    for v in z[1:]:
        low, high = min(low, v), max(v, high)
    return low + high * max(0, z[0]) - min(z[1], 0.5) + np.maximum(z[0], 0.0) * np.minimum(0.1, z[1])


def spellings(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in z:
        total += math.exp(v) - math.log1p(v * v) + math.sqrt(abs(v)) * math.tanh(v) + math.lgamma(1.0 + v * v)
        total += np.exp(-v * v) * np.log(1.0 + abs(v)) + np.sqrt(v * v) + np.sin(v) * math.cos(v) + math.erf(v)
    return total


def mixture(z, params):  # type: ignore[no-untyped-def]
    near, far = 0.0, -1.0
    for j in range(z.size):
        near -= 0.5 * z[j] * z[j]
        far -= 0.125 * (z[j] - 1.0) ** 2
    return z[0] + logaddexp(near, far) - params[0] + z[1]


def nested_sums(z, params):  # type: ignore[no-untyped-def]
    """Here the sum of exponentials is needed itself."""
    total = -1.0
    for j in range(z.size):
        total = logaddexp(total, z[j])
    return 2.0 * total


def sum_with_a_number(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in z:
        total += v
    return logaddexp(total, -1)


def helpers(z, params):  # type: ignore[no-untyped-def]
    return sum_over(z, params[1]) - square(z[0]) + square(params[0]) + sum_over(params, 2)


def over_params(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for p in params:
        if p > 0.0:
            total += p * z[0]
    return total if params[0] < 0.0 else z[1]


def edges(z, params):  # type: ignore[no-untyped-def]
    """Logarithms of negative numbers, of 0 and of infinity."""
    total = 0.0
    for j in range(1):
        total += log(max(z[j], 0.0)) + log(z[j + 1] + 1.5)
    return total + 0.0 / (z[2] - z[2] + max(z[2], 0.0))


def too_large(z, params):  # type: ignore[no-untyped-def]
    total = 1e300
    for v in z:
        total *= exp(100.0 * v)
    return total


def constant(z, params):  # type: ignore[no-untyped-def]
    count = 0
    for _ in range(z.size):
        count += 1
    return count


_UNARY = [name for name in vmath.__all__ if len(inspect.signature(getattr(vmath, name)).parameters) == 1]
_POSITIVE = ("log", "log1p", "log2", "log10", "sqrt")
_CALLS = [
    f"{n}({'u' if n in _POSITIVE else 'v' if n in _UNARY else 'v, u'})" for n in vmath.__all__ if n != "logsumexp"
]
_CALLS += ["logsumexp(component, 3, v, u)", "logsumexp((v, 1.0 - u, u))", "logsumexp(z)"]


@numba.njit
def component(k, v, u):  # type: ignore[no-untyped-def]
    return u - k * v


_SCOPE: dict[str, Any] = {"vmath": vmath, "component": component}
exec(
    "def all_of_vmath(z, params):\n total = 0.0\n for v in z:\n  u = vmath.fabs(v)\n"
    + "".join(f"  total += 0.01 * vmath.{call}\n" for call in _CALLS)
    + " return total",
    _SCOPE,
)
all_of_vmath = _SCOPE["all_of_vmath"]

TOGETHER: list[Callable[..., Any]] = [
    *(chain, margins, arithmetic, powers, extremes, helpers, over_params, too_large, all_of_vmath),
]
FUNCTIONS = [*TOGETHER, spellings, mixture, edges, sum_with_a_number, constant]
exec(
    "def one_of_them(z, params):\n"
    + "".join(f" if params[{PARAMS.size}] == {i}: return {f.__name__}(z, params)\n" for i, f in enumerate(TOGETHER))
    + " return z[0]",
    _SCOPE | {each.__name__: numba.njit(error_model="numpy")(each) for each in TOGETHER},
    _MADE := {},
)
one_of_them = _MADE["one_of_them"]  # all of them in one model, as what takes long to compile is what they share


def together(function: Callable[..., Any]) -> fs.Model:
    """The model of one of the functions, compiled with the others."""
    return fs.Model(one_of_them, 3, np.append(PARAMS, TOGETHER.index(function)))


def branch(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in z:
        if v > 0.0:
            total += v
    return total


def table_of_its_own(z, params):  # type: ignore[no-untyped-def]
    squares = np.zeros(z.size)
    for j in range(z.size):
        squares[j] = z[j] * z[j]
    return squares.sum()


def array_at_once(z, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for _ in range(2):
        total += (z * z).sum() + np.sum(np.exp(z))
    return total


FALL_BACK = [branch, table_of_its_own, array_at_once]

QUESTIONS = [
    *("1.0 if v else 2.0", "v and 1.0", "1.0 if v == 0.5 else 2.0", "1.0 if v != v else 2.0", "(v > z[0]) * 1.0"),
    *("1.0 if v in (1.0, 2.0) else v", "1.0 if math.isnan(v) else v", "1.0 if isinstance(v, float) else 2.0"),
    *("params[int(v)]", "v // 0.5", "v % 0.3", "round(v)", "math.floor(v)", "z.sum()", "np.sum(z)"),
]


def log_weights_of(model: fs.Model, by_lanes: bool | None, count: int) -> Any:
    """Log weights that compiled code writes, and their second terms if there are any; and how many it says there are.

    ``by_lanes`` None is for that which the engine would choose.
    """
    shape = shape_of(model)
    callback = compiled(model.function, shape, by_lanes)
    row = np.zeros(1) if model.row is None else model.row
    trials, samples = np.full(count, 5, np.uint64), np.arange(count, dtype=np.uint64)
    out, numbers = np.full((2, count + 2 * lanes.WIDTH), 7.5), np.append(model.packed(), 0.0)
    address, size = ctypes.c_int64, chunks.chunk_of(shape)
    noise = np.zeros((shape.noise_dim, size))
    fill = ctypes.CFUNCTYPE(address, *[address] * 7)(weights._noise(shape.noise).address)
    call = ctypes.CFUNCTYPE(address, *[address] * 7)(callback.address)
    for start in range(0, count, size):
        n = min(size, count - start)
        pairs = [each[start:].ctypes.data for each in (trials, samples)]
        fill(*pairs, n, 3, noise.ctypes.data, *noise.shape)
        results = [each[start:].ctypes.data for each in out]
        terms = call(noise.ctypes.data, n, 0, numbers.ctypes.data, row.ctypes.data, *results)
        assert terms in (log_weights.ONE, log_weights.TWO)
    assert np.all(out[terms:] == 7.5)
    assert np.all(out[:, count:] == 7.5)
    found = out[:terms, :count]
    return np.where(np.isnan(found), np.nan, found)  # of a NaN, which is an error, the sign does not count


@functools.cache
def compiled(function: Callable[..., Any], shape: weights.Shape, by_lanes: bool | None) -> Any:
    if by_lanes is None:
        return weights._compile.__wrapped__(function, shape, None)
    return weights._callback(with_lazy_sums(function) or function, shape, None, by_lanes)


def shape_of(model: fs.Model) -> weights.Shape:
    transform = "" if model.proposal is None else model.proposal.transform
    sizes = model.dim, model.noise_dim, model.params.size, model.packed().size, model.columns
    return weights.Shape(model.noise, transform, *sizes)


def test_the_same_bits_together() -> None:
    """One test, so that one worker compiles what they share."""
    for function in TOGETHER:
        by_lanes, one_by_one = (log_weights_of(together(function), way, 300) for way in (True, False))
        assert by_lanes.tobytes() == one_by_one.tobytes(), function.__name__
        assert np.unique(one_by_one, axis=1).shape[1] > 20, function.__name__


@pytest.mark.slow
@pytest.mark.parametrize(
    "function", [each if each is mixture else slow(each) for each in FUNCTIONS], ids=lambda f: f.__name__
)
def test_the_same_bits(function: Callable[..., Any]) -> None:
    model = fs.Model(function, 3, PARAMS)
    assert chunks.has_loop(function)
    by_lanes, one_by_one = log_weights_of(model, True, 300), log_weights_of(model, False, 300)
    assert by_lanes.tobytes() == one_by_one.tobytes()
    assert function is constant or np.unique(one_by_one, axis=1).shape[1] > 20


@pytest.mark.slow
def test_edges_are_what_they_should_be() -> None:
    found = log_weights_of(fs.Model(edges, 3, PARAMS), True, 300)[0]
    assert all(kind.any() for kind in (np.isnan(found), np.isneginf(found), np.isfinite(found)))
    assert np.isposinf(log_weights_of(together(too_large), True, 300)[0]).any()


def test_remainders() -> None:
    model = fs.Model(chain, 3, PARAMS)
    every = log_weights_of(model, False, 2500)
    for count in (1, lanes.WIDTH - 1, lanes.WIDTH, lanes.WIDTH + 1, 2500):
        assert log_weights_of(model, True, count).tobytes() == every[:, :count].tobytes(), count


_TRIANGLE = [[1.3, 0.2, 0.0], [0.2, 0.9, 0.1], [0.0, 0.1, 1.1]]
_NORMAL = fs.proposals.Gaussian([0.1, 0.2, -0.3], _TRIANGLE)
_STUDENT = fs.proposals.StudentT([0.0, 0.1, 0.0], [1.0, 2.0, 0.5], 4.0)


@pytest.mark.parametrize("function", [slow(margins), mixture], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "proposal",
    [slow(_NORMAL), slow(_STUDENT), slow(fs.proposals.Mixture([_NORMAL, _STUDENT], [0.4, 0.6]))],
    ids=lambda p: p.transform,
)
def test_proposals(function: Callable[..., Any], proposal: fs.proposals.Proposal) -> None:
    model = fs.importance(function, proposal, params=PARAMS)
    assert log_weights_of(model, True, 300).tobytes() == log_weights_of(model, False, 300).tobytes()


@pytest.mark.slow
def test_rows_of_data() -> None:
    model = fs.models.random_effects_logistic(rows=2, observations=9).at_row(1)
    assert log_weights_of(model, True, 300).tobytes() == log_weights_of(model, False, 300).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("dim", [31, 100])
def test_chunks_of_any_dimension(dim: int) -> None:
    model = fs.Model(chain, dim, PARAMS)
    assert log_weights_of(model, True, 300).tobytes() == log_weights_of(model, False, 300).tobytes()


@pytest.mark.parametrize("function", [branch, *map(slow, FALL_BACK[1:])], ids=lambda f: f.__name__)
def test_what_lanes_cannot_do(function: Callable[..., Any]) -> None:
    model = fs.Model(function, 3, PARAMS)
    with pytest.raises(TypingError):
        log_weights_of(model, True, 1)
    assert log_weights_of(model, None, 300).tobytes() == log_weights_of(model, False, 300).tobytes()


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_is_asked_of_lanes_that_has_one_answer(question: str) -> None:
    scope: dict[str, Any] = {"math": math, "np": np}
    exec(f"def asks(z, params):\n total = 0.0\n for v in z:\n  total += {question}\n return total", scope)
    with pytest.raises(REFUSED):  # a TypingError, or NotImplementedError up to Numba 0.66
        log_weights_of(fs.Model(scope["asks"], 3, PARAMS), True, 1)


@pytest.mark.slow
def test_no_warning_of_the_compiler_is_shown(recwarn: pytest.WarningsRecorder) -> None:
    def dots(z, params):  # type: ignore[no-untyped-def]
        total = 0.0
        for _ in range(2):
            total += np.dot(z, z)
        return total

    log_weights_of(fs.Model(dots, 3), None, 1)
    assert list(recwarn) == []


def test_a_nested_sum_is_taken_by_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fs.Model(nested_sums, 3, PARAMS)
    found = tried(monkeypatch, model)
    assert found == [True, True]


def test_which_way_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tried(monkeypatch, fs.Model(chain, 3, PARAMS)) == [True]
    assert tried(monkeypatch, fs.Model(lambda z, params: z[0], 1)) == [False]
    assert tried(monkeypatch, fs.models.note()) == [False]
    assert tried(monkeypatch, fs.Model(branch, 3)) == [True, False]


def tried(monkeypatch: pytest.MonkeyPatch, model: fs.Model) -> list[bool]:
    """Whether each attempt of the engine at compiling a model was by lanes; what is not is not compiled here."""
    attempts, compile_weights = [], weights._callback

    def spy(function: Any, shape: Any, digest: Any, by_lanes: bool, proof: Any = None) -> Any:
        attempts.append(by_lanes)
        return compile_weights(function, shape, digest, by_lanes) if by_lanes else None

    with monkeypatch.context() as patch:
        patch.setattr(weights, "_callback", spy)
        weights._compile.__wrapped__(model.function, shape_of(model), None)
    return attempts


def test_loops_are_found() -> None:
    def straight(z, params):  # type: ignore[no-untyped-def]
        return z[0] if params[0] > 0.0 else square(exp(z[0]))

    def unrolled(z, params):  # type: ignore[no-untyped-def]
        while True:
            return z[0]

    def in_a_list(z, params):  # type: ignore[no-untyped-def]
        return sum([2.0 * v for v in z])

    assert not chunks.has_loop(straight)
    assert not chunks.has_loop(unrolled)
    assert chunks.has_loop(in_a_list)
    assert chunks.has_loop(lambda z, params: sum_over(z, 2.0))
    assert chunks.has_loop(numba.njit(chain))
