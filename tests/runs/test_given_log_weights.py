"""Log weights from elsewhere: values, paths, jackknife and gradients against their formulas, and every form of input.

The slow twins here take one row and take the log of a mean of every prefix.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from complaints import fails
from zoo import slow

import fastsumo as fs
from fastsumo.engine.cpu.given.threads import rows_of
from fastsumo.estimators.roulette import Geometric, Harmonic, HarmonicGeometric, PowerLaw, Roulette, Table

LAWS = [
    Harmonic(),
    HarmonicGeometric(alpha=20, rate=0.02),
    PowerLaw(1.3),
    Geometric(0.01),
    Table(np.arange(1.0, 4000.0) ** -0.9),
]
EPS = np.finfo(float).eps
INF = math.inf


def log_mean(log_weights: np.ndarray) -> float:
    top = log_weights.max()
    return top if top == -INF else top + math.log(np.exp(log_weights - top).mean())


def naive_path(row: np.ndarray) -> np.ndarray:
    """``L_1, L_2, ...``, each on its own; the same rows come under every law."""
    return _path_of(np.asarray(row, np.float64).tobytes()).copy()


@functools.lru_cache(maxsize=512)
def _path_of(row: bytes) -> np.ndarray:
    values = np.frombuffer(row)
    return np.array([log_mean(values[:k]) for k in range(1, values.size + 1)])


def naive_sumo(row: np.ndarray, terms: int, law: Roulette, minimum: int) -> tuple[float, float]:
    """SUMO by its definition, and how much rounding of the path may change it."""
    path = naive_path(np.asarray(row, float)[: terms + minimum])[minimum - 1 :]
    if path[0] == -INF:
        return -INF, 0.0
    weights = 1.0 / law.survival(np.arange(1, terms + 1))
    value = path[0] + math.fsum(np.diff(path) * weights)
    size = max(1.0, np.abs(path).max(), np.abs(np.asarray(row))[np.isfinite(row)].max())
    return value, 8 * EPS * size * (1.0 + weights.sum()) + 1e-13 * abs(value)


def naive_coefficients(row: np.ndarray, terms: int, law: Roulette, minimum: int) -> np.ndarray:
    """``w_i`` times the sum of ``c_k / S_k`` over ``k >= max(i, m)``."""
    used = terms + minimum
    log_sums = naive_path(row[:used]) + np.log(np.arange(1, used + 1))
    weights = np.concatenate([[1.0], 1.0 / law.survival(np.arange(1, terms + 1)), [0.0]])
    out = np.zeros(row.size)
    k = np.arange(minimum, used)  # k + 1 samples
    c = weights[k + 1 - minimum] - weights[k + 2 - minimum]
    for i in range(used):
        if row[i] > -INF:
            within = k >= i
            out[i] = np.sum(c[within] * np.exp(row[i] - log_sums[k[within]]))
    return out


def naive_jvi(row: np.ndarray, order: int) -> float:
    """The jackknife from means over all subsets that leave out 0, 1, .. ``order`` weights."""
    n, total = row.size, 0.0
    for left_out in range(order + 1):
        levels = [log_mean(np.delete(row, gone)) for gone in itertools.combinations(range(n), left_out)]
        sign = (-1) ** left_out / (math.factorial(order - left_out) * math.factorial(left_out))
        total += sign * (n - left_out) ** order * float(np.mean(levels))
    return total


def some_rows(lengths: list[int], scale: float, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = [rng.normal(scale=scale, size=n) + rng.normal(scale=3 * scale) for n in lengths]
    for i, row in enumerate(rows):
        if i % 3 == 1:
            row[rng.random(row.size) < 0.3] = -INF
            row[-1] = rng.normal()
    return rows


LENGTHS = [2, 3, 4, 5, 17, 40, 100, 191, 192, 193, 194, 300, 1023, 1024, 1025, 1030, 2500, 2, 3, 9]


@pytest.mark.parametrize("minimum", [1, slow(2), slow(70)])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_sumo_is_its_definition(law: Roulette, minimum: int) -> None:
    for scale in (1.0, 60.0, 1e5):
        rows = some_rows([n + minimum - 1 for n in LENGTHS], scale)
        terms = [row.size - minimum for row in rows]
        values = fs.sumo(rows, terms, law, minimum)
        for row, k, value in zip(rows, terms, values, strict=True):
            expected, tolerance = naive_sumo(row, k, law, minimum)
            assert value == expected or abs(value - expected) <= tolerance, (row.size, scale)


def test_a_first_prefix_without_weight_is_minus_infinity() -> None:
    rows = np.zeros((4, 200))
    rows[1, 0] = rows[2, :3] = -INF
    for used in (3, 9, 70, 200):
        np.testing.assert_allclose(fs.sumo(rows[:, :used], used - 1), [0.0, -INF, -INF, 0.0], atol=1e-14)
        np.testing.assert_array_equal(fs.sumo(rows[:, :used], used - 2, minimum=2) == -INF, [False, False, True, False])
    rows[:] = -INF
    np.testing.assert_array_equal(fs.sumo(rows, 5), 4 * [-INF])
    np.testing.assert_array_equal(fs.sumo(rows, 150), 4 * [-INF])
    np.testing.assert_array_equal(fs.iwae(rows), 4 * [-INF])


def test_sumo_of_a_very_long_row() -> None:
    row = np.random.default_rng(1).normal(size=1_000_001) + 7.0
    path = np.log(np.cumsum(np.exp(np.asarray(row, np.longdouble)))) - np.log(
        np.arange(1, row.size + 1, dtype=np.longdouble)
    )
    terms = row.size - 1
    expected = path[0] + np.sum(np.diff(path) * np.arange(1, terms + 1))
    assert float(abs(fs.sumo([row], terms)[0] - expected)) < 1e-9 * abs(expected)
    law = PowerLaw(0.8)
    expected = path[0] + np.sum(np.diff(path) * np.arange(1, terms + 1, dtype=np.longdouble) ** 0.8)
    assert float(abs(fs.sumo([row], terms, law)[0] - expected)) < 1e-9 * abs(expected)


def test_only_what_is_used_is_read() -> None:
    rows = np.full((2, 100), math.nan)
    rows[:, :3] = [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]
    expected = [naive_sumo(rows[0], 2, Harmonic(), 1)[0], 1.0]
    np.testing.assert_allclose(fs.sumo(rows, [2, 2]), expected, rtol=1e-15)
    np.testing.assert_allclose(fs.sumo([rows[0], rows[1]], 2), expected, rtol=1e-15)


@pytest.mark.parametrize("scale", [1.0, 60.0, 1e5])
def test_iwae_and_its_path(scale: float) -> None:
    rows = [np.full(3, -INF), np.full(1500, -INF), *some_rows([1, *LENGTHS], scale)]
    rows[4][:2] = -INF
    paths = fs.cumulative_iwae(rows)
    for row, value, path in zip(rows, fs.iwae(rows), paths, strict=True):
        expected = naive_path(row)
        np.testing.assert_allclose(path, expected, rtol=2e-14, atol=2e-14)
        np.testing.assert_allclose(value, expected[-1], rtol=2e-14, atol=2e-14)
    matrix = np.random.default_rng(3).normal(scale=scale, size=(50, 90))
    np.testing.assert_allclose(fs.iwae(matrix, k=7), [naive_path(r)[6] for r in matrix], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 60.0, 1e5])
def test_jackknife_is_its_definition(order: int, scale: float) -> None:
    lengths = [3, 3, 4, 5, 20, 66] + ([128, 1030] if order == 1 else [])
    rows = [row for row in some_rows(lengths, scale) if np.isfinite(row).sum() > order]
    for row, value in zip(rows, fs.jvi(rows, order), strict=True):
        size = row.size**order * max(1.0, np.abs(row[np.isfinite(row)]).max())
        assert abs(value - naive_jvi(row, order)) < 1e-14 * size


def test_jackknife_where_one_weight_is_nearly_all() -> None:
    for rest in (-30.0, -90.0, -800.0, -1e5):
        rows = [[rest, 0.0], [0.0, rest, rest - 1.0], [rest] * 40 + [5.0], [rest] * 100 + [5.0]]
        for row, value in zip(rows, fs.jvi(rows), strict=True):
            assert value == pytest.approx(naive_jvi(np.array(row), 1), rel=1e-13)
    rows = [[0.0, -INF], [0.0] + 100 * [-INF], [-INF, -INF]]
    np.testing.assert_array_equal(fs.jvi(rows), 3 * [-INF])


@pytest.mark.parametrize("minimum", [1, 3])
@pytest.mark.parametrize("law", LAWS[:4], ids=lambda law: type(law).__name__)
def test_coefficients_are_their_formula(law: Roulette, minimum: int) -> None:
    for scale in (1.0, 60.0, 1e5):
        rows = some_rows([n + minimum - 1 for n in (2, 3, 9, 64, 192, 193, 220)], scale)
        terms = [row.size - minimum for row in rows]
        for row, k, found in zip(rows, terms, fs.sumo_coefficients(rows, terms, law, minimum), strict=True):
            weights = 1.0 / law.survival(np.arange(1, k + 1))
            tolerance = 1e-13 * weights.sum() * max(1.0, scale * 1e-2)
            np.testing.assert_allclose(found, naive_coefficients(row, k, law, minimum), atol=tolerance)
            assert np.all(found[row == -INF] == 0.0)


def test_coefficients_of_a_row_add_up_to_one() -> None:
    rows = some_rows([*LENGTHS, 5000], 1.0)
    terms = [row.size - 1 for row in rows]
    for row, found in zip(rows, fs.sumo_coefficients(rows, terms), strict=True):
        if row[0] > -INF:
            assert found.sum() == pytest.approx(1.0, abs=1e-13 * row.size)


@pytest.mark.parametrize("length", [6, 90, 1500])
def test_coefficients_are_finite_differences_of_values(length: int) -> None:
    rng = np.random.default_rng(length)
    row = rng.normal(size=length)
    row[4] = -INF
    step, terms = 1e-5, length - 2
    found = fs.sumo_coefficients(row[None, :], terms)[0]
    for i in rng.choice(length, 6, replace=False):
        up, down = row.copy(), row.copy()
        up[i], down[i] = row[i] + step, row[i] - step
        difference = np.subtract(*fs.sumo([up, down], terms)) / (2 * step)
        assert found[i] == pytest.approx(difference, abs=1e-7 * length, rel=1e-6)
    assert found[4] == 0.0
    assert found[-1] == 0.0  # beyond what is used


@pytest.mark.parametrize("law", [Harmonic(), PowerLaw(1.2)], ids=["harmonic", "power"])
def test_coefficients_are_the_gradient_of_autograd(law: Roulette) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    rng = np.random.default_rng(5)
    for length, minimum in ((5, 1), (30, 2), (200, 1), (1200, 1)):
        values = rng.normal(scale=2.0, size=(3, length))
        values[:, 3] = -INF
        terms = length - minimum
        x = torch.tensor(values, requires_grad=True)
        path = torch.logcumsumexp(x, dim=1) - torch.log(torch.arange(1.0, length + 1.0, dtype=torch.float64))
        weights = torch.tensor(1.0 / law.survival(np.arange(1, terms + 1)))
        total = (path[:, minimum - 1] + (torch.diff(path[:, minimum - 1 :], dim=1) * weights).sum(1)).sum()
        total.backward()
        found = fs.sumo_coefficients(x, terms, law, minimum)
        np.testing.assert_allclose(found.numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-12 * length)
        kept = torch.nan_to_num(x, neginf=0.0)
        x.grad = None
        (found * kept).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy()[:, 4], found.numpy()[:, 4])
        np.testing.assert_allclose(fs.sumo(x, terms, law, minimum).sum(), total.item(), rtol=1e-10)


def flat(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(rows), np.concatenate([[0], np.cumsum([row.size for row in rows])])


def same(found: Any, expected: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("lengths", [[3, 7, 2, 100, 1], [1] * 5, [2000, 3, 70]], ids=str)
def test_ragged_and_flat_rows_agree(lengths: list[int]) -> None:
    rows = some_rows([n + 1 for n in lengths], 1.0)
    values, offsets = flat(rows)
    padded = np.concatenate([[9.0], values, [9.0, 9.0]])
    terms = np.array(lengths)
    for given, places in ((values, offsets), (padded, offsets + 1), (np.repeat(values, 2)[::2], offsets)):
        same(fs.sumo(given, terms, offsets=places), fs.sumo(rows, terms))
        same(fs.iwae(given, offsets=places), fs.iwae(rows))
        same(fs.jvi(given, offsets=places), fs.jvi(rows))
        inside = slice(places[0], places[-1])
        path = fs.cumulative_iwae(given, offsets=places)
        assert path.shape == given.shape
        same(path[inside], np.concatenate(fs.cumulative_iwae(rows)))
        same(
            fs.sumo_coefficients(given, terms, offsets=places)[inside],
            np.concatenate(fs.sumo_coefficients(rows, terms)),
        )


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7, 3), (300, 90), (3, 3000)], ids=str)
def test_layouts_and_types_of_a_matrix_agree(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    terms = np.random.default_rng(1).integers(1, shape[1], shape[0])
    wide = np.zeros((2 * shape[0], shape[1] + 5), np.float32)
    wide[::2, 2:-3] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    layouts = [
        x,
        x.astype(float),
        x.astype(">f8"),
        np.asfortranarray(x),
        wide[::2, 2:-3],
        x[::-1][::-1],
        frozen,
        list(x),
    ]
    functions: list[Callable[[Any], Any]] = [
        lambda x: fs.sumo(x, terms),
        lambda x: fs.iwae(x, k=2),
        fs.jvi,
        lambda x: np.vstack(fs.cumulative_iwae(x)),
        lambda x: np.vstack(fs.sumo_coefficients(x, terms)),
    ]
    for function in functions:
        expected = function(x)
        assert expected.dtype == np.float64
        for layout in layouts:
            same(function(layout), expected)


def test_tensors_of_torch_and_arrays_of_jax() -> None:
    """What goes in as one comes out as one, of its dtype."""
    x = np.random.default_rng(0).normal(size=(20, 9)).astype(np.float32)
    functions: list[Callable[[Any], Any]] = [
        lambda x: fs.sumo(x, 8),
        fs.iwae,
        fs.jvi,
        fs.cumulative_iwae,
        lambda x: fs.sumo_coefficients(x, 8),
    ]
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for function in functions:
        expected = function(x)
        assert isinstance(expected, np.ndarray)
        for tensor in (torch.from_numpy(x), torch.from_numpy(x.astype(float)), torch.from_numpy(x).requires_grad_()):
            found = function(tensor)
            assert (found.dtype, found.device, found.requires_grad) == (tensor.dtype, tensor.device, False)
            np.testing.assert_allclose(found.numpy(), expected, rtol=2e-7 if found.dtype == torch.float32 else 0.0)
    assert fs.sumo(list(torch.from_numpy(x)), torch.tensor(8)).dtype == torch.float32
    assert all(isinstance(row, torch.Tensor) for row in fs.cumulative_iwae(list(torch.from_numpy(x))))
    leaf = torch.from_numpy(x).requires_grad_()
    (fs.sumo_coefficients(leaf, 8) * leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), fs.sumo_coefficients(x, 8), rtol=2e-7)
    with pytest.raises(TypeError, match="float16"):
        fs.sumo(torch.zeros((2, 2), dtype=torch.float16), 1)
    with pytest.raises(TypeError, match="CPU"):
        fs.sumo(torch.zeros((2, 2), device="meta"), 1)
    with pytest.raises(TypeError, match="CPU"):
        fs.sumo(torch.zeros((2, 2), dtype=torch.bfloat16), 1)
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    array = jax.numpy.asarray(x)
    for function in functions:
        found = function(array)
        assert (type(found), found.dtype, found.device) == (type(array), array.dtype, array.device)
        np.testing.assert_allclose(np.asarray(found), function(x), rtol=2e-7)


def test_arrays_that_jax_traces() -> None:
    """They have no numbers yet: what is wrong with the others is said at once, gradients are those of the objective."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    x = jax.numpy.asarray(np.random.default_rng(0).normal(size=(20, 9)), np.float32)
    for function in (lambda x: fs.sumo(x, 8), fs.iwae, fs.cumulative_iwae, lambda x: fs.taylor(x, 3, log_center=1.0)):
        found = jax.jit(function)(x)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found, function(x))
    assert jax.vmap(fs.iwae)(x.reshape(4, 5, 9)).shape == (4, 5)

    def objective(x: Any) -> Any:
        return (fs.sumo_coefficients(x, 8) * x).sum()

    for gradient in (jax.grad(objective), jax.jit(jax.grad(objective))):
        np.testing.assert_array_equal(gradient(x), fs.sumo_coefficients(x, 8))
    terms = jax.numpy.asarray(np.resize([1, 8, 3], 20))
    for of_terms in (fs.sumo, fs.sumo_coefficients):
        expected = of_terms(x, terms)
        np.testing.assert_array_equal(jax.jit(of_terms)(x, terms), expected)
        np.testing.assert_array_equal(
            jax.jit(lambda k, of_terms=of_terms: of_terms(np.asarray(x), terms=k))(terms), expected
        )
        by_row = jax.vmap(lambda row, k, of_terms=of_terms: of_terms(row[None], k[None])[0])(x, terms)
        np.testing.assert_array_equal(by_row, expected)
    centered = jax.jit(lambda x, c: fs.taylor(x, terms=3, log_center=c))
    np.testing.assert_array_equal(centered(x, 2.0), fs.taylor(x, terms=3, log_center=2.0))
    with pytest.raises(Exception, match="needs 10"):
        jax.jit(fs.sumo)(x, terms + 1).block_until_ready()
    with pytest.raises(TypeError, match="offsets must be known"):
        jax.jit(lambda w, o: fs.iwae(w, offsets=o))(x[0], jax.numpy.asarray([0, 9]))
    with pytest.raises(ValueError, match="needs 11"):
        jax.jit(lambda x: fs.sumo(x, 10))(x)
    with pytest.raises(TypeError, match="float16"):
        jax.jit(fs.iwae)(x.astype(np.float16))
    with pytest.raises(ValueError, match="callbacks do not support JVP"):
        jax.grad(lambda x: fs.sumo(x, 8).sum())(x)


def test_an_object_with_dlpack_alone() -> None:
    class Capsule:
        def __init__(self, array: np.ndarray) -> None:
            self._array = array

        def __dlpack__(self, **options: Any) -> Any:
            return self._array.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self._array.__dlpack_device__()

    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(fs.iwae(Capsule(x)), fs.iwae(x))


@pytest.mark.parametrize("low", [-1e5, -1e10, -1e38, -np.finfo(np.float64).max])
@pytest.mark.parametrize("minimum", [1, 2])
def test_the_first_prefix_cancels_however_small_it_is(low: float, minimum: int) -> None:
    """``L_m + (L_{m+1} - L_m) / P(K >= 1)`` is ``L_{m+1}``."""
    rows = np.append(np.full((1, minimum), low), [[0.5, 1.0]], axis=1)
    path = fs.cumulative_iwae(rows)[0]
    for law in (Harmonic(), HarmonicGeometric(2, 0.5)):
        values = [fs.sumo(rows, k, law, minimum)[0] for k in (1, 2)]
        assert values[0] == pytest.approx(path[minimum], rel=1e-14)
        last = (path[minimum + 1] - path[minimum]) / law.survival(2)
        assert values[1] == pytest.approx(path[minimum] + last, rel=1e-13)


def test_log_weights_too_far_apart_are_told() -> None:
    largest = np.finfo(np.float64).max
    for rows in ([[0.0, 1.0], [-largest, largest]], [[-largest, largest], [0.0, 1.0]]):
        for function in (lambda x: fs.sumo(x, 1), lambda x: fs.sumo_coefficients(x, 1), fs.cumulative_iwae):
            fails(lambda function=function, rows=rows: function(np.array(rows)), ValueError, "too far apart")  # type: ignore[misc]
    fails(lambda: fs.sumo(np.zeros((1, 2)), np.uint64(2**63)), ValueError, "below 2\\^63, got 9223372036854775808")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrices_are_not_copied(dtype: type) -> None:
    x = np.zeros((5, 4), dtype)
    piece = rows_of(x, None).piece(1, np.full(3, 2))
    assert np.shares_memory(piece.values, x)
    x.flags.writeable = False
    assert np.shares_memory(rows_of(x, None).piece(0, np.full(5, 4)).values, x)
    rows = rows_of([x[0], x[1]], None)
    assert np.shares_memory(rows.piece(1, np.full(1, 4)).values, x)


def test_values_do_not_depend_on_threads() -> None:
    law = Harmonic(cap=5000)
    terms = fs.draw_terms(40_000, law, seed=4)
    values, offsets = flat(some_rows([int(k) + 1 for k in terms], 2.0))
    for function in (fs.sumo, fs.sumo_coefficients):
        one = function(values, None, law, seed=4, offsets=offsets, threads=1)
        np.testing.assert_array_equal(function(values, terms, law, offsets=offsets, threads=3), one)
    one = fs.cumulative_iwae(values, offsets=offsets, threads=1)
    np.testing.assert_array_equal(fs.cumulative_iwae(values, offsets=offsets), one)


def test_drawn_terms_are_those_of_the_law() -> None:
    law = Harmonic(cap=30)
    terms = fs.draw_terms(1000, law, seed=9)
    np.testing.assert_array_equal(terms, law.sample(1000, seed=9))
    x = np.random.default_rng(0).normal(size=(1000, 31))
    np.testing.assert_array_equal(fs.sumo(x, None, law, seed=9), fs.sumo(x, terms, law))


def test_sumo_of_weights_drawn_elsewhere_has_the_mean_of_its_cap() -> None:
    """``E[SUMO] = E[L_{cap+1}]``: with exponential weights that is ``digamma(cap + 1) - log(cap + 1)``."""
    from scipy.special import digamma

    law, rng = Harmonic(cap=20), np.random.default_rng(7)
    values = fs.sumo(np.log(rng.exponential(size=(200_000, 21))), None, law, seed=7)
    error = values.std() / math.sqrt(values.size)
    assert abs(values.mean() - (digamma(21) - math.log(21))) < 4 * error


def test_trials_of_the_engine_again() -> None:
    model, estimator = fs.models.note(), fs.SUMO(Harmonic(cap=300), minimum=2)
    trials = [fs.replay(model, estimator, trial=t, seed=3) for t in range(20)]
    values = fs.sumo([t.log_weights for t in trials], None, Harmonic(cap=300), 2, seed=3)
    np.testing.assert_allclose(values, [t.value for t in trials], rtol=1e-12, atol=1e-12)
    for path, trial in zip(fs.cumulative_iwae([t.log_weights for t in trials]), trials, strict=True):
        np.testing.assert_allclose(path, trial.iwae, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", [math.nan, INF, -math.nan])
@pytest.mark.parametrize("width", [4, 100, 3000])
def test_nan_and_infinity_name_the_row(bad: float, width: int) -> None:
    x = np.random.default_rng(0).normal(size=(50, width))
    x[41, 2] = x[17, 3] = bad
    functions: list[Callable[[Any], Any]] = [
        lambda x: fs.sumo(x, 3),
        lambda x: fs.sumo_coefficients(x, 3),
        lambda x: fs.sumo(x, width - 1),
        lambda x: fs.sumo_coefficients(x, width - 1),
        fs.iwae,
        fs.jvi,
        fs.cumulative_iwae,
    ]
    for function in functions:
        with pytest.raises(ValueError, match=r"row 17 of log_weights holds -?(nan|inf) at place 3"):
            function(x)
        with pytest.raises(ValueError, match=r"row 17 .* place 3"):
            function(list(x))
    x[17, 3], x[41, 2], x[30, 0] = 0.0, 0.0, bad
    for function in functions:
        with pytest.raises(ValueError, match=r"row 30 .* place 0"):
            function(x)
        with pytest.raises(ValueError, match=r"row 30 .* place 0"):
            function(np.where(np.isfinite(x), 1e4 * x, x))
    with pytest.raises(ValueError, match=r"row 30 .* place 0"):
        fs.jvi(x[:, :4], order=2)


def test_bad_forms() -> None:
    x = np.zeros((3, 4))
    with pytest.raises(ValueError, match="matrix"):
        fs.sumo(np.zeros(4))
    with pytest.raises(ValueError, match="matrix"):
        fs.iwae(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="empty"):
        fs.sumo(np.zeros((0, 4)))
    with pytest.raises(ValueError, match="empty"):
        fs.iwae(np.zeros((4, 0)))
    with pytest.raises(ValueError, match="empty"):
        fs.iwae([])
    with pytest.raises(ValueError, match="row 1 has 0 log weights"):
        fs.iwae([x[0], x[0][:0]])
    with pytest.raises(ValueError, match="row 0 of log_weights must be a vector"):
        fs.iwae([1.0, 2.0])
    with pytest.raises(ValueError, match="row 1 of log_weights must be a vector"):
        fs.iwae([x[0], x])
    for dtype in (np.float16, np.int64, np.complex128, np.bool_, np.longdouble, object):
        with pytest.raises(TypeError, match="float32 or float64"):
            fs.sumo(x.astype(dtype), 1)
    with pytest.raises(TypeError, match="row 1 of log_weights must be float32 or float64, got float16"):
        fs.iwae([x[0], x[0].astype(np.float16)])
    with pytest.raises(TypeError, match="log_weights"):
        fs.iwae("weights")
    with pytest.raises(TypeError, match="masked"):
        fs.iwae(np.ma.masked_array(x, x > 1))
    with pytest.raises(TypeError, match="roulette"):
        fs.sumo(x, 1, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="minimum"):
        fs.sumo(x, 1, minimum=0)
    with pytest.raises(ValueError, match="threads"):
        fs.sumo(x, 1, threads=0)
    with pytest.raises(ValueError, match="order"):
        fs.jvi(x, order=3)
    with pytest.raises(ValueError, match="row 0 has 2 log weights; the jackknife of order 2 needs at least 3"):
        fs.jvi(x[:, :2], order=2)


def test_bad_terms_and_offsets() -> None:
    x = np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"row 1 has 4 log weights and needs 8 \(its K = 7, plus 1; .*1 of 3 rows"):
        fs.sumo(x, [1, 7, 3])
    with pytest.raises(ValueError, match="row 2 has 4 log weights and needs 5"):
        fs.sumo(x, [1, 2, 3], minimum=2)
    with pytest.raises(ValueError, match=r"fs.draw_terms\(1000, Harmonic\(\), seed=1\) \+ 1 is how many"):
        fs.sumo(np.zeros((1000, 4)), seed=1)
    with pytest.raises(ValueError, match="row 2 has 4 log weights and needs 5"):
        fs.iwae([np.zeros(5), np.zeros(9), np.zeros(4)], k=5)
    with pytest.raises(ValueError, match="shape"):
        fs.sumo(x, [1, 2])
    with pytest.raises(ValueError, match="at least 1, got 0 for row 1"):
        fs.sumo(x, [1, 0, 1])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        fs.sumo(x, 0)
    with pytest.raises(TypeError, match="whole numbers"):
        fs.sumo(x, [1.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="never draws K = 3, the terms of row 2"):
        fs.sumo(x, [1, 2, 3], Harmonic(cap=2))
    v = np.zeros(10)
    with pytest.raises(ValueError, match="must not decrease; row 1 goes from 5 to 4"):
        fs.sumo(v, 1, offsets=[0, 5, 4, 10])
    with pytest.raises(ValueError, match="from 0 to 10"):
        fs.sumo(v, 1, offsets=[0, 5, 11])
    with pytest.raises(ValueError, match="from 0 to 10"):
        fs.sumo(v, 1, offsets=[-1, 5, 10])
    with pytest.raises(ValueError, match="at least 2"):
        fs.sumo(v, 1, offsets=[0])
    with pytest.raises(TypeError, match="whole numbers"):
        fs.sumo(v, 1, offsets=[0.0, 10.0])
    with pytest.raises(ValueError, match="one vector"):
        fs.sumo(x, 1, offsets=[0, 4])
    with pytest.raises(ValueError, match="row 1 has 0"):
        fs.sumo(v, 1, offsets=[0, 5, 5, 10])
    with pytest.raises(ValueError, match="rows"):
        fs.draw_terms(0)
