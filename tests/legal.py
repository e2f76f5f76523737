"""A hundred legal models with tricks: what Python lets a log weight be, of three numbers of noise and four params."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from fastsumo import vmath

globals().update({name: getattr(vmath, name) for name in vmath.__all__})  # what the lines below call

DIM, PARAMS = 3, np.array([0.75, -1.5, 2.0, 0.3])
TABLE = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
COUNTS = np.array([3, 1, 4, 1, 5, 9])
FLAGS = np.array([True, False, True])
SINGLE = np.array([0.5, 0.25, -2.0], np.float32)
COEFFICIENTS = (0.5, -0.25, 0.125)
NESTED = ((1.0, 2.0), (3.0, 4.0))
MIXED = (1, 2.5, True)
HUGE, TINY, DEBUG, ORDER, NAME = 1e200, 1e-300, False, 3, "probit"


@numba.njit
def square(x):
    return x * x


@numba.njit
def first_of(values):
    return values[0]


@numba.njit
def pair_of(x):
    return x + 1.0, x - 1.0


@numba.njit
def maybe(x, use=True):
    return x if use else 0.0


@numba.njit
def factorial(n):
    return 1.0 if n <= 1 else n * factorial(n - 1)


@numba.njit("float64(float64, float64)")
def declared(x, y):
    return x - y


@numba.njit(inline="always")
def put_in(x):
    return 3.0 * x if x > 0 else -x


@numba.njit(fastmath=True)
def fast(x):
    return x * 0.5 + 1.0


@numba.njit
def total(*values):
    found = 0.0
    for v in values:
        found += v
    return found


@numba.njit
def applied(function, x):
    return function(x)


@numba.extending.register_jitable
def jitable(x, y=2.0):
    return x / y


FUNCTIONS = (square, fast)


def closed_over(shift):
    def inner(z, params):
        return z[0] - shift

    return inner


closure = closed_over(1.25)
compiled_already = numba.njit(lambda z, params: z[0] * params[2] - z[2])

ONE_LINE = dict(
    line.split(": ", 1)
    for line in """
constant: -1.5
whole: -3
truth: z[0] > 0.0
negated: not z[0] > params[0]
numpy_truth: z[0] < z[1]
whole_of_truth: int(z[0] > 0.5) - 2
sum_of_truths: int(z[0] > 0) + int(z[1] > 0)
truncated: int(z[0] * 3.0)
floor: math.floor(z[0]) - math.ceil(z[1])
rounded: round(z[0] * 4.0) * 0.25
floor_division: z[0] // 0.5 + 7 // 2 - -7 // 2
remainder: z[0] % 0.7 - -7 % 3 + 7 % -3
divmod: divmod(z[0], 0.5)[0]
chained: 1.0 if -1.0 < z[0] < 1.0 else -1.0
and_or: (z[0] > 0 and z[1] > 0 or z[2] > 0) * 2.0
or_of_numbers: (z[0] > 0 or z[1] < 0) - 0.5
last: z[-1] + z[-2] - z[-3]
slices: z[1:].sum() - z[:-1].sum() + z[::-1][0] - z[::2][1]
length: len(z) + z.size + z.shape[0] + z.ndim - 0.5 * params.size
by_length: z[4] if len(z) > 4 and z[0] > 9.0 else z[1]
by_params: z[6] if params[0] > 50.0 else z[2]
in_a_tuple: z[0] if 2 in (1, 2, 3) else z[1]
not_in: 1.0 if ORDER not in (1, 2) else 0.0
is_none: z[0] if params is not None else 0.0
text: z[0] if NAME == 'probit' else z[1]
folded: 2.0 ** 0.5 * 3 ** 2 / 7 * z[0]
folded_whole: (1 << 10) - 2 ** 5 + (0xFF & 0x3C) | 1
whole_powers: z[0] ** 2 - z[1] ** 3 + z[2] ** -2 + 2 ** 3
half_powers: abs(z[0]) ** 0.5 + abs(z[1]) ** 1.5 + 2.0 ** z[2]
nothing_to_the_nothing: (z[0] - z[0]) ** 0 + 0.0 ** 0
of_table: TABLE[1, 2] * z[0] + TABLE[-1, -1] + TABLE[2][1]
of_counts: COUNTS[2] * z[0] / COUNTS[-1] + COUNTS.sum()
of_flags: z[0] if FLAGS[0] else z[1]
of_single: z[0] * SINGLE[1] + SINGLE[2]
of_tuple: COEFFICIENTS[0] * z[0] + COEFFICIENTS[-1]
of_nested: NESTED[1][0] * z[0] - NESTED[0][1]
of_mixed: MIXED[0] + MIXED[1] * z[0] + MIXED[2]
length_of_constants: len(COEFFICIENTS) * z[0] - len(TABLE) + TABLE.shape[1]
minimum: min(z[0], z[1], 0.5) - max(z[2], -0.5)
of_whole: max(0, z[0]) + min(1, z[1])
builtins: abs(z[0]) + float(3) + sum((z[0], z[1])) + pow(z[2], 2)
numpy_functions: np.exp(-abs(z[0])) + np.log1p(z[1] ** 2) + np.sign(z[2]) + np.hypot(z[0], z[1])
numpy_reductions: np.sum(z) + np.max(z) - np.min(z) + np.mean(z) + np.argmax(z) + np.prod(z)
arrays_at_once: np.sum(np.exp(-z * z) * params[:3])
spread: z.std() + z.var() + np.median(z)
dots: np.dot(z, z) - np.dot(params[1:], z)
matrix: (TABLE @ z).sum()
quadratic: z @ TABLE[:3] @ z
where: np.where(z > 0, z, -0.5 * z).sum()
clipped: np.clip(z, -1.0, 1.0)[0]
sorted_copy: np.sort(z)[1]
cumulated: np.cumsum(z)[-1] - z.cumsum()[0]
any_all: 1.0 * np.any(z > 1.0) - 2.0 * np.all(z > -1.0)
isnan: 0.0 if math.isnan(z[0]) or np.isinf(z[1]) else z[2]
never_nan: 1.0 if z[0] != z[0] else z[0]
math_functions: math.sin(z[0]) + math.atan2(z[1], z[2]) + math.erf(z[0]) + math.lgamma(1.0 + z[1] ** 2)
infinite: -math.inf if z[0] < 0.0 else z[0]
minus_a_lot: -1e30 * z[0] ** 2
large: 1e5 + z[0]
small: 1e-300 * z[0] + 1e-310
huge_ratio: HUGE * z[0] / HUGE / 2.0
tiny_sum: TINY + z[0] - TINY
overflowing: -exp(700.0 + 10.0 * z[0] ** 2) * 0.0 if z[0] > 10 else z[1]
cancelling: (1e8 + z[0]) - 1e8
to_nothing: log(exp(-800.0 - z[0] ** 2))
helper: square(z[0]) - square(square(z[1]))
helper_of_vector: first_of(z) - first_of(params) + first_of(COEFFICIENTS)
helper_of_two: pair_of(z[0])[1]
keyword: maybe(z[0], use=z[1] > 0) + maybe(z[1])
recursive: factorial(5) + factorial(int(abs(z[0])))
declared_types: declared(z[0], 1)
inlined_helper: put_in(z[0])
fast_helper: fast(z[0])
star: total(z[0], z[1], 1.0)
function_given: applied(square, z[0])
function_in_tuple: FUNCTIONS[0](z[1])
jitable_helper: jitable(z[0]) - jitable(z[1], y=4.0)
lambda_within: (lambda x: x * x + z[1])(z[0])
comprehension: sum([v * v for v in z])
generator: sum([TABLE[0, j] * z[j] for j in range(3)])
module_of_functions: vmath.exp(-z[0] ** 2) + vmath.normal_log_pdf(z[1])
sum_of_exponentials: logaddexp(z[0], -z[1])
sum_and_shift: params[1] + logaddexp(z[0], -1.0) - z[2]
sum_compared: 1.0 if logaddexp(z[0], 0.0) < logaddexp(-z[0], 1.0) else 0.0
sum_is_largest: max(logaddexp(z[0], 0.0), z[1])
sum_chosen: logaddexp(z[0], 0.0) if z[1] > 0 else z[2]
sum_of_sums: logaddexp(logaddexp(z[0], z[1]), z[2])
sum_halved: 0.5 * logaddexp(z[0], z[1])
sum_true: 1.0 if logaddexp(z[0], 0.0) else 2.0
sum_in_a_tuple: (logaddexp(z[0], 0.0), z[1])[0]
sum_to_the_left: z[0] - logaddexp(z[1], 0.0)
sum_far_apart: logaddexp(-1e300, z[0]) + logaddexp(1e4, z[1]) - 1e4
sum_of_nothing: logaddexp(-math.inf, z[0])
complex_within: abs(complex(z[0], z[1]))
real_part: (complex(z[0], 1.0) * 1j).imag
bits: float((int(abs(z[0]) * 8) ^ 5) & 7 | 2)
stable: -log1p(exp(-abs(z[0]))) + log_sigmoid(z[1]) + sqrt(abs(z[2])) * tanh(z[0])
""".strip().splitlines()
)


def early(z, params):
    if z[0] > 1.0:
        return -z[0]
    if z[1] > 1.0:
        return z[1]
    return 0.25


def early_in_a_loop(z, params):
    for j in range(z.size):
        if z[j] > 0.5:
            return j - z[j]
    return -1


def mixed_results(z, params):
    if z[0] > 0:
        return 1
    return z[0]


def loop_with_else(z, params):
    for v in z:
        if v > 2.0:
            break
    else:
        return 3.5
    return v


def unrolled(z, params):
    found = 0.0
    for c, v in zip(COEFFICIENTS, z):  # noqa: B905 - Numba has no `strict`
        found += c * v
    return found


def counted(z, params):
    found, k = 0.0, 0
    while k < 10:
        k += 1
        if k % 3 == 0:
            continue
        if k > 8:
            break
        found += z[k % 3] / k
    return found


def backwards(z, params):
    found = 1.0
    for j in range(z.size - 1, -1, -1):
        found = found * 0.5 + z[j]
    return found


def enumerated(z, params):
    found = 0.0
    for j, v in enumerate(z, 1):
        found += j * v * TABLE[j, j - 1]
    return found


def swapped(z, params):
    a, b = z[0], z[1]
    a, b = b, a + b
    a, b = b, a - b
    return a / (2.0 + b * b)


def own_array(z, params):
    squares = np.zeros(z.size)
    for j in range(z.size):
        squares[j] = z[j] * z[j]
    squares[0] += 1.0
    return -squares.sum()


def own_copy(z, params):
    mine = z.copy()
    mine.sort()
    mine[0] -= params[0]
    return mine[0] + mine[-1] * z[0]


def own_list(z, params):
    found = [0.0]
    for v in z:
        found.append(found[-1] + v)
    return found[-1] - found[1] + len(found)


def own_dict(z, params):
    seen = {0: 1.0}
    for j in range(3):
        seen[j] = z[j] * j
    return seen[2] - seen[0]


def nested_functions(z, params):
    def weight(x, scale=2.0):
        return scale * x - params[0]

    return weight(z[0]) + weight(z[1], 0.5)


def rebound(z, params):
    z0 = z[0]
    z0 *= 2
    z0 -= params[1]
    return z0


def debugging(z, params):
    if DEBUG:
        print("never", z[0])
    return z[0]


def by_size(z, params):
    if z.size > 5:
        return z[5]
    return z[0] + (params[7] if params.size > 7 else 0.5)


def guarded(z, params):
    if params[0] > 100.0:
        return z[2] + params[3]
    assert params.size == 4
    return z[1] if z[1] == z[1] else math.nan


def newton(z, params):
    x, target = 1.0, 1.0 + z[0] * z[0]
    for _ in range(60):
        x = 0.5 * (x + target / x)
    return -x


def accumulated(z, params):
    state = 0.0
    for t in range(40):
        state = params[0] * state + 0.1 * z[t % 3]
    return -state * state


def tuples(z, params):
    point = (z[0], z[1])
    scaled = (point[0] * 2.0, point[1] * 0.5)
    (a, b), c = scaled, z[2]
    return a - b * c if point < scaled else a


def unpacked(z, params):
    a, b, c = z
    return a * b - c


def matrix_of_its_own(z, params):
    a = np.eye(3) + 0.1 * np.outer(TABLE[0], TABLE[1])
    return -0.5 * z @ np.linalg.solve(a, z) - 0.5 * np.log(np.linalg.det(a))


def docstring_only(z, params):
    """A log weight."""
    return z[0]


BLOCKS: list[Callable[..., Any]] = [
    *(
        early,
        early_in_a_loop,
        mixed_results,
        loop_with_else,
        unrolled,
        counted,
        backwards,
        enumerated,
        swapped,
        own_array,
    ),
    *(
        own_copy,
        own_list,
        own_dict,
        nested_functions,
        rebound,
        debugging,
        by_size,
        guarded,
        newton,
        accumulated,
        tuples,
    ),
    *(unpacked, matrix_of_its_own, docstring_only, closure, compiled_already),
]


def _made(name: str, text: str) -> Callable[..., Any]:
    exec(f"def {name}(z, params):\n return {text}", globals(), made := {})
    return made[name]  # type: ignore[no-any-return]


MODELS = {name: _made(name, text) for name, text in ONE_LINE.items()} | {
    getattr(each, "py_func", each).__name__ + ("_compiled" if hasattr(each, "py_func") else ""): each for each in BLOCKS
}
