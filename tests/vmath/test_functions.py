"""`fastsumo.vmath`: ulp errors against mpmath, edges against NumPy, equal bits everywhere, SIMD in assembly.

The kernels that use these functions are tested elsewhere.
"""

import doctest
import functools
import inspect
import math
import platform
import re
import subprocess
import sys
from fractions import Fraction

import mpmath
import numba
import numpy as np
import pytest
from scipy import special
from zoo import slow

from fastsumo import vmath
from fastsumo.vmath import _exp_over, _exp_parts, _log_positive, _minus_two_log, _pow2, _sincos_turns

UNARY = [name for name in vmath.__all__ if len(inspect.signature(getattr(vmath, name)).parameters) == 1]
BINARY = [name for name in vmath.__all__ if name not in (*UNARY, "logsumexp")]
INF, NAN = float("inf"), float("nan")
TINY, SMALLEST_NORMAL, HUGE = 5e-324, sys.float_info.min, sys.float_info.max


@functools.cache
def compiled(device):
    """A plain loop over ``device``, as users write it."""

    @numba.njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.shape[0]):
            out[i] = device(x[i])

    return loop


@functools.cache
def compiled_binary(device):
    @numba.njit(error_model="numpy")
    def loop(x, y, out):
        for i in range(x.shape[0]):
            out[i] = device(x[i], y[i])

    return loop


def worst_ulp(values, arguments, exact):
    """The largest error of finite ``values``, in units of the last place of the exact result."""
    worst = 0.0
    with mpmath.workdps(50):
        for value, x in zip(values.tolist(), arguments.tolist(), strict=True):
            truth = exact(mpmath.mpf(x))
            rounded = float(truth)
            assert np.isfinite(value), f"{value} at {x!r}, exactly {rounded}"
            worst = max(worst, float(abs(mpmath.mpf(value) - truth) / mpmath.mpf(np.spacing(abs(rounded)))))
    return worst


def log_uniform(rng, low, high, size, signed=False):
    """Numbers with exponents uniform between ``low`` and ``high``, subnormal ones included."""
    x = np.exp2(rng.uniform(low, high, size))
    return x * rng.choice([-1.0, 1.0], size) if signed else x


def positive(rng):
    beside_one = 1 + log_uniform(rng, -52, -2, 100, signed=True)
    return [log_uniform(rng, -1074, 1024, 300), rng.uniform(0.5, 2, 300), beside_one]


def real(low, high):
    """Points over ``[low, high]``, more of them near 0 and at every smaller scale."""

    def points(rng):
        near = log_uniform(rng, -1074, 0, 200, signed=True)
        return [rng.uniform(low, high, 300), rng.uniform(-1, 1, 200), near[(near > low) & (near < high)]]

    return points


def over_gamma(rng):
    beside = log_uniform(rng, -52, -2, 200, signed=True)
    wide, narrow = log_uniform(rng, -1074, 1014, 200), rng.uniform(0, 12, 400)
    return [wide, narrow, 1 + beside, 2 + beside, np.arange(1, 18) / 2, np.nextafter(np.arange(1, 18) / 2, 0)]


def angles(rng):
    far_from_zeros = [6605602279699.387, 5290762888998.387, 26589260688891.676, -88713194.22647801]
    beside_zeros = np.arange(1.0, 300.0) * (np.pi / 2)
    return [rng.uniform(-1e5, 1e5, 300), log_uniform(rng, -1000, 45, 300, signed=True), beside_zeros, far_from_zeros]


LOG_2, LOG_10 = (lambda: mpmath.log(2)), (lambda: mpmath.log(10))

# name: points, exact function, largest error the docstring promises
ACCURACY = {
    "exp": (real(-745.1, 709.78), mpmath.exp, 1),
    "exp2": (real(-1074.9, 1023.99), lambda x: mpmath.mpf(2) ** x, 1),
    "expm1": (lambda rng: [*real(-60, 709.78)(rng), rng.uniform(0.347, 0.4, 300)], mpmath.expm1, 2),
    "tanh": (real(-25, 25), mpmath.tanh, 3),
    "sigmoid": (real(-745, 45), lambda x: 1 / (1 + mpmath.exp(-x)), 3),
    "log": (positive, mpmath.log, 1),
    "log2": (positive, lambda x: mpmath.log(x) / LOG_2(), 2),
    "log10": (lambda rng: [*positive(rng), [1.3299540842451318]], lambda x: mpmath.log(x) / LOG_10(), 2),
    "log1p": (lambda rng: [*positive(rng), -log_uniform(rng, -1074, -1e-9, 400)], mpmath.log1p, 2),
    "softplus": (real(-745, 745), lambda x: mpmath.log1p(mpmath.exp(x)), 3),
    "log_sigmoid": (real(-745, 745), lambda x: -mpmath.log1p(mpmath.exp(-x)), 3),
    "sin": (angles, mpmath.sin, 2),
    "cos": (angles, mpmath.cos, 2),
    "tan": (lambda rng: [*angles(rng), [67871.75088666276]], mpmath.tan, 4),
    "erf": (real(-6, 6), mpmath.erf, 3),
    "erfc": (lambda rng: [*real(-6, 27.2)(rng), [0.5018387889639243]], mpmath.erfc, 5),
    "lgamma": (lambda rng: [*over_gamma(rng), [1.4999917117043269]], mpmath.loggamma, 4),
    "normal_cdf": (
        lambda rng: [*real(-38.4, 9)(rng), [-0.03041418458638351]],
        lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
        5,
    ),
    "normal_log_pdf": (
        lambda rng: [rng.uniform(-40, 40, 300), log_uniform(rng, -1000, 511, 200, True)],
        lambda x: -x * x / 2 - mpmath.log(2 * mpmath.pi) / 2,
        2,
    ),
    "sqrt": (positive, mpmath.sqrt, 0.5),
}


@pytest.mark.parametrize("every", [3, slow(1)])
@pytest.mark.parametrize("name", ACCURACY)
def test_error_in_ulp(name, every):
    """At points of which, where there are many, so many are left out."""
    points, exact, bound = ACCURACY[name]
    x = np.concatenate([part[:: every if len(part) > 100 else 1] for part in points(np.random.default_rng(20240501))])
    assert worst_ulp(getattr(vmath, name)(x), x, exact) <= bound


def test_every_inexact_unary_function_has_a_measured_bound():
    assert set(UNARY) - set(ACCURACY) == {"fabs"}


def test_logaddexp_error_is_relative_to_its_largest_part():
    rng = np.random.default_rng(3)
    x = rng.uniform(-50, 50, 400)
    y = x + rng.uniform(-40, 40, 400)
    x = np.append(x, [-0.2551144032285771, *rng.uniform(-0.7, 0, 400)])  # where the sum is near 0
    y = np.append(y, [-0.24661906316461998, *rng.uniform(-0.7, 0, 400)])
    values = vmath.logaddexp(x, y)
    with mpmath.workdps(50):
        for a, b, value in zip(x.tolist(), y.tolist(), values.tolist(), strict=True):
            truth = mpmath.log(mpmath.exp(mpmath.mpf(a)) + mpmath.exp(mpmath.mpf(b)))
            assert abs(value - truth) <= 2 * np.spacing(max(abs(a), abs(b), abs(value)))


def test_lgamma_below_zero_is_accurate_to_its_largest_part():
    rng = np.random.default_rng(21)
    x = -np.concatenate([rng.uniform(0, 12, 300), log_uniform(rng, -1000, 10, 200), [0.5, 1.5, 2.0**51 + 0.5]])
    with mpmath.workdps(50):
        for a, value in zip(x.tolist(), vmath.lgamma(x).tolist(), strict=True):
            left = mpmath.log(mpmath.pi / abs(mpmath.sinpi(a)))
            right = mpmath.loggamma(1 - mpmath.mpf(a))
            assert abs(value - (left - right)) <= 3 * np.spacing(float(max(abs(left), abs(right))))


@pytest.mark.parametrize(
    ("x", "exact"), [(np.linspace(709.7, 711.0, 2001), mpmath.expm1), (np.linspace(-1e4, -1e4 + 9, 64), mpmath.gamma)]
)
def test_overflow_is_infinite(x, exact):
    """`expm1` from its first infinity on, where it was NaN; poles and what is beside them of `lgamma`."""
    if exact is mpmath.expm1:
        values = vmath.expm1(x)
        np.testing.assert_array_equal(np.isinf(values), x > 709.782712893384)
        assert not np.isnan(values).any()
    else:
        np.testing.assert_array_equal(np.isposinf(vmath.lgamma(x)), x == np.rint(x))


EDGES = np.array(
    [
        *(0.0, -0.0, 1.0, -1.0, -2.0, np.nextafter(-1, 0), INF, -INF, NAN),
        *(TINY, -TINY, SMALLEST_NORMAL, 1e-310, -1e-310, HUGE, -HUGE, 1e300, -1e300),
        *(-745.0, -745.2, -746.0, -1e5, 709.0, 709.79, 710.0, 1e5, 40.0, -40.0),
    ]
)


def lgamma_of(x):
    try:
        return math.lgamma(x)
    except OverflowError:
        return INF


REFERENCE = {
    "sigmoid": lambda x: np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x))),
    "log_sigmoid": special.log_expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "erf": special.erf,
    "erfc": special.erfc,
    "lgamma": lambda x: np.array([INF if each <= 0 and each == np.rint(each) else lgamma_of(each) for each in x]),
    "normal_cdf": special.ndtr,
    "normal_log_pdf": lambda x: -0.5 * x * x - 0.5 * np.log(2 * np.pi),
}


def assert_same_edges(values, expected):
    """Zeros with their signs, infinities and NaN where the reference has them; other numbers close."""
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    special_value = (expected == 0) | np.isinf(expected)
    np.testing.assert_array_equal(values[special_value], expected[special_value])
    np.testing.assert_array_equal(np.signbit(values[special_value]), np.signbit(expected[special_value]))
    others = ~special_value & ~np.isnan(expected)
    np.testing.assert_allclose(values[others], expected[others], rtol=1e-15, atol=5 * TINY)


@pytest.mark.parametrize("name", UNARY)
def test_edges_are_numpys(name):
    too_far = np.isfinite(EDGES) & (np.abs(EDGES) > 2**45)
    in_domain = EDGES[~too_far] if name in ("sin", "cos", "tan") else EDGES
    with np.errstate(all="ignore"):
        expected = REFERENCE.get(name, getattr(np, name, None))(in_domain)
    with np.errstate(all="raise"):  # nothing of ours may raise a floating-point error in Python
        values = getattr(vmath, name)(in_domain)
    assert_same_edges(values, expected)


@pytest.mark.parametrize("name", BINARY)
def test_edges_of_two_arguments_are_numpys(name):
    grids = np.meshgrid([0.0, 1.0, -1e5, 1e300, INF, -INF, NAN], [2.0, INF, -INF, NAN])
    x, y = (grid.ravel() for grid in grids)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    with np.errstate(all="raise"):
        values, swapped = getattr(vmath, name)(x, y), getattr(vmath, name)(y, x)
    assert_same_edges(values, expected)
    assert_same_edges(swapped, expected)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_trigonometry_outside_its_domain_is_nan_not_noise(name):
    assert np.isfinite(getattr(vmath, name)(2.0**45))
    assert np.isnan(getattr(vmath, name)([np.nextafter(2.0**45, INF), -1e300])).all()


def test_exact_values():
    n = np.arange(-1074, 1024)
    np.testing.assert_array_equal(vmath.exp2(n), np.ldexp(1.0, n))
    np.testing.assert_array_equal(vmath.log2(np.ldexp(1.0, n)), n)
    np.testing.assert_array_equal(vmath.log10([float(f"1e{k}") for k in range(23)]), np.arange(23))
    assert vmath.exp(1.0) == np.e


def test_sine_and_cosine_stay_within_one():
    x = np.linspace(-50, 50, 20_001)
    quarter_turns = np.arange(-999, 1000) * (np.pi / 2)
    for values in (vmath.sin(x), vmath.cos(x), vmath.sin(quarter_turns), vmath.cos(quarter_turns)):
        assert np.abs(values).max() <= 1


def hostile(rng, size=1003):
    """Numbers of every kind, of a length that is no multiple of a vector."""
    x = rng.normal(0, 30, size)
    x[::7] = rng.choice(EDGES, x[::7].size)
    return x


def same_bits(a, b):
    np.testing.assert_array_equal(np.asarray(a).view(np.int64), np.asarray(b).view(np.int64))


@pytest.mark.parametrize("name", UNARY)
def test_bits_agree_between_python_compiled_arrays_and_scalars(name):
    function, x = getattr(vmath, name), hostile(np.random.default_rng(5))
    # NaN has many bit patterns, and which one comes out is not promised.
    expected = np.where(np.isnan(function(x)), NAN, function(x))
    out = np.empty_like(x)
    compiled(function)(x, out)
    same_bits(np.where(np.isnan(out), NAN, out), expected)
    scalars = np.array([function(value) for value in x[-60:].tolist()])
    same_bits(np.where(np.isnan(scalars), NAN, scalars), expected[-60:])
    shifted = function(x[3:])  # other lanes, another remainder
    same_bits(np.where(np.isnan(shifted), NAN, shifted), expected[3:])


@pytest.mark.parametrize("name", BINARY)
def test_bits_agree_for_two_arguments(name):
    rng = np.random.default_rng(6)
    function, x, y, out = getattr(vmath, name), rng.normal(0, 9, 101), rng.normal(0, 9, 101), np.empty(101)
    compiled_binary(function)(x, y, out)
    same_bits(out, function(x, y))
    same_bits(out, [function(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])


@numba.njit
def parabola(k, x):
    return -0.5 * (x - k) * (x - k)


@numba.njit
def sums_of_exponentials(x):
    return vmath.logsumexp(x), vmath.logsumexp((x[0], x[1])), vmath.logsumexp(parabola, x.size, x[1])


@pytest.mark.parametrize("size", [2, 3, 50, 1000])
@pytest.mark.parametrize("spread", [0.1, 30.0, 1e5])
def test_logsumexp(size, spread):
    x = np.random.default_rng(size).normal(-3.0, spread, size)
    with mpmath.workdps(50):
        truth = mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(each)) for each in x.tolist()))
    value = vmath.logsumexp(x)
    assert abs(value - truth) <= 2 * np.spacing(max(abs(x.max()), math.log(size), abs(value))) + size * 2**-53
    loop = vmath.logsumexp(parabola.py_func, size, x[1])
    assert sums_of_exponentials(x) == (value, vmath.logsumexp(x[:2]), loop)
    assert loop == vmath.logsumexp([parabola(k, x[1]) for k in range(size)])


def test_logsumexp_of_extremes():
    found = [vmath.logsumexp(x) for x in ([], [-INF, -INF], [-INF, 2.0], [INF, 1.0, INF], [-INF, INF], [HUGE, HUGE])]
    assert found == [-INF, -INF, 2.0, INF, INF, HUGE]
    assert math.isnan(vmath.logsumexp([1.0, NAN, INF]))
    assert vmath.logsumexp(parabola, 0, 1.0) == -INF
    for wrong in (lambda: vmath.logsumexp(parabola), lambda: vmath.logsumexp([1.0], 3), lambda: vmath.logsumexp(1j)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError, match="one dimension"):
        vmath.logsumexp(np.zeros((2, 2)))


def test_compiled_code_takes_integers_float32_and_arrays():
    exp = vmath.exp

    @numba.njit
    def mixed(i, f, x):
        return exp(i), exp(f), exp(x)

    integer, single, array = mixed(2, np.float32(0.1), np.array([1, 2, 3]))
    assert (integer, single) == (exp(2.0), exp(float(np.float32(0.1))))
    same_bits(array, exp([1.0, 2.0, 3.0]))


def test_python_takes_any_shape_layout_and_real_type():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::-1, ::2]
    result = vmath.log1p(x)
    assert result.shape == x.shape
    assert result.dtype == np.float64
    same_bits(result.ravel(), vmath.log1p(x.ravel().astype(float)))
    assert isinstance(vmath.exp(np.float64(1)), float)
    assert isinstance(vmath.exp(np.array(1)), float)
    assert vmath.exp([]).shape == (0,)
    assert vmath.exp(Fraction(1, 2)) == vmath.exp(0.5) == vmath.exp(np.array(0.5, ">f8"))
    frozen = np.array([1.0, 2.0])
    frozen.flags.writeable = False
    same_bits(vmath.exp(frozen), [vmath.exp(1.0), vmath.exp(2.0)])
    np.testing.assert_array_equal(frozen, [1.0, 2.0])


def test_two_arguments_broadcast():
    x, y = np.arange(3.0)[:, None], np.arange(4)
    np.testing.assert_allclose(vmath.logaddexp(x, y), np.logaddexp(x, y), rtol=1e-15)
    assert vmath.logaddexp(x, 1.0).shape == (3, 1)
    with pytest.raises(ValueError, match="broadcast"):
        vmath.logaddexp(np.arange(3.0), np.arange(4.0))


@pytest.mark.parametrize("value", [1j, "1", np.array([1 + 2j]), np.datetime64("2020-01-01"), None, object()])
def test_what_is_no_real_number_is_refused(value):
    with pytest.raises(TypeError):
        vmath.exp(value)


# --- the engine's device functions


@numba.njit(error_model="numpy")
def exp_parts(x):
    f, n = np.empty_like(x), np.empty_like(x)
    for i in range(x.size):
        f[i], n[i] = _exp_parts(x[i])
    return f, n


@numba.njit(error_model="numpy")
def exp_over(x, n):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = _exp_over(x[i], n[i], 1000.0)
    return out


@numba.njit(error_model="numpy")
def sincos_turns(u):
    s, c = np.empty_like(u), np.empty_like(u)
    for i in range(u.size):
        s[i], c[i] = _sincos_turns(u[i])
    return s, c


def test_exp_parts_reach_beyond_the_range_of_doubles():
    rng = np.random.default_rng(8)
    x = np.concatenate([rng.uniform(-1e5, 1e5, 300), rng.uniform(-2, 2, 300)])
    f, n = exp_parts(x)
    assert f.min() > 0.7
    assert f.max() < 1.42
    np.testing.assert_array_equal(n, np.rint(n))
    with mpmath.workdps(50):
        for a, fraction, exponent in zip(x.tolist(), f.tolist(), n.tolist(), strict=True):
            truth = mpmath.exp(mpmath.mpf(a)) / mpmath.mpf(2) ** int(exponent)
            assert abs(fraction - truth) <= 1.2 * np.spacing(float(truth))


def test_exp_parts_of_extremes():
    f, n = exp_parts(np.array([1e15, 1e300, HUGE, -1e15, -1e300, -HUGE, -INF]))
    assert np.isfinite(n).all()
    assert (n[:3] > 1e15).all()
    assert (n[3:] < -1e15).all()
    assert f[-1] == 0
    assert (f[:-1] > 0.6).all()
    assert (f[:-1] < 1.5).all()


@pytest.mark.parametrize("scale", [1.0, 300.0, 1e5, 1e9])
def test_exp_over_has_the_digits_of_exp_parts(scale):
    x = np.random.default_rng(11).normal(scale=scale, size=2000)
    f, power = exp_parts(x)
    n = power + np.random.default_rng(12).integers(-900, 900, x.size)
    same_bits(exp_over(x, n), np.ldexp(f, (power - n).astype(int)))


def test_exp_over_is_limited():
    x, n = np.array([INF, 1e300, 1e6, -1e6, -1e300, -INF, NAN]), np.zeros(7)
    found = exp_over(x, n)
    assert np.all(np.abs(np.log2(found[:3]) - 1000) < 1.01)
    assert np.all(np.abs(np.log2(found[3:6]) + 1000) < 1.01)
    assert np.isnan(found[6])


def test_pow2_is_exact_and_flushes_below_normal_numbers():
    n = np.array([-(2.0**61), -1e5, -1075.0, -1023.0, *range(-1022, 1024)])
    out = np.empty_like(n)
    compiled(_pow2)(n, out)
    same_bits(out, np.where(n < -1022, 0.0, np.ldexp(1.0, np.maximum(n, -1022).astype(int))))


def test_log_positive_is_log():
    ordinary = log_uniform(np.random.default_rng(9), -1022, 1023, 2000)
    x = np.concatenate([ordinary, [1.0, SMALLEST_NORMAL, HUGE]])
    out = np.empty_like(x)
    compiled(_log_positive)(x, out)
    same_bits(out, vmath.log(x))


def test_minus_two_log():
    rng = np.random.default_rng(13)
    near_one = 1.0 - np.concatenate([2.0 ** -np.arange(1.0, 54.0), rng.random(300) * 1e-3])
    x = np.concatenate([rng.random(1000), near_one, 2.0 ** -np.arange(1.0, 54.0), [SMALLEST_NORMAL]])
    out = np.empty_like(x)
    compiled(_minus_two_log)(x, out)
    assert worst_ulp(out, x, lambda t: -2 * mpmath.log(t)) <= 3


def test_sincos_of_turns():
    eighths = np.arange(8) / 8
    below_eighths = np.nextafter(eighths[1:], 0)
    u = np.concatenate([np.random.default_rng(10).random(400), eighths, below_eighths, [2.0**-53]])
    s, c = sincos_turns(u)
    assert worst_ulp(s, u, lambda t: mpmath.sinpi(2 * t)) <= 2
    assert worst_ulp(c, u, lambda t: mpmath.cospi(2 * t)) <= 2
    assert s[400:408:2].tolist() == [0, 1, 0, -1]
    assert c[400:408:2].tolist() == [1, 0, -1, 0]


# --- what the compiler makes of them

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
VECTORISED = ["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "logaddexp", "sigmoid", "normal_cdf"]
VECTORISED += ["tan", "erfc", "lgamma"]


def body_of(loop, arrays):
    """The assembly of ``loop`` itself, without the wrappers that Numba puts around it."""
    loop.compile((numba.float64[::1],) * arrays)
    (text,) = loop.inspect_asm().values()
    label = next(line for line in text.splitlines() if re.match(r"_ZN.*loop.*:$", line))
    return text[text.index(f"\n{label}\n") :].split(".Lfunc_end")[0]


@pytest.mark.skipif(not ON_X86, reason="reads x86-64 assembly")
@pytest.mark.parametrize("name", VECTORISED)
def test_a_loop_becomes_vector_instructions_without_a_call(name):
    function = getattr(vmath, name)
    body = body_of(compiled_binary(function), 3) if name in BINARY else body_of(compiled(function), 2)
    assert re.search(r"vfn?m(add|sub)\d+pd\s.*%[yz]mm", body)
    assert not re.search(r"\bcallq?\b", body)


@pytest.mark.skipif(not ON_X86, reason="reads x86-64 assembly")
def test_the_assembly_check_would_see_a_call():
    body = body_of(compiled(numba.njit(lambda x: math.lgamma(x))), 2)
    assert re.search(r"\bcallq?\b", body)
    assert not re.search(r"vfn?m(add|sub)\d+pd\s.*%[yz]mm", body)


def test_import_compiles_nothing():
    code = (
        "import fastsumo.vmath as v, numba.core.dispatcher as d, gc; "
        "print(sum(len(o.overloads) for o in gc.get_objects() if isinstance(o, d.Dispatcher) "
        "and o.py_func.__module__.startswith('fastsumo.')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert run.stdout.strip() == "0"


@pytest.mark.parametrize("name", vmath.__all__)
def test_docstring_example_and_sections(name):
    function = getattr(vmath, name)
    for section in ("Parameters", "Returns", "Notes", "Examples"):
        assert f"\n{section}\n---" in inspect.getdoc(function)
    (test,) = doctest.DocTestFinder().find(function, name, globs=vars(vmath).copy())
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
