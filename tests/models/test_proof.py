"""Models that are not what they say: each is an error before its first trial, or at the trial that shows it.

Legal ones, and that they agree with Python, are in `test_agreement.py`.
"""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from complaints import fails
from numba import objmode
from numba.experimental import jitclass
from numba.extending import intrinsic, lower_builtin, overload, register_jitable, type_callable
from zoo import slow

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.engine.faults import compiling
from fastsumo.jit.copies import thawed
from fastsumo.models.plain import plain
from fastsumo.models.proof import Proof
from fastsumo.models.purity import check_purity
from fastsumo.vmath import exp, log, logaddexp

NORMAL = fs.proposals.Gaussian([0.0, 0.0], 1.0)
GENERATOR = np.random.default_rng(0)
DEBUG = False
CALLS = [0]
OWN = [1.0]


NAME = "probit"


def weights_of(model: fs.Model) -> None:
    """What is compiled of a model, and proved, without the engine around it."""
    with compiling(model):
        weights.compiled(model, Proof(model))


def look(function: Any, params: Any = (1.5, -0.5), dim: int = 2, **more: Any) -> None:
    """The part of the proof that compiles nothing."""
    Proof(fs.Model(function, dim, params, name="mine", **more)).look()


# --- indices --------------------------------------------------------------------------------------------------------


@numba.njit
def reads_too_far(values):  # type: ignore[no-untyped-def]
    return values[5]


@register_jitable
def reads_too_far_too(values):  # type: ignore[no-untyped-def]
    return values[-3]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        *(("z[0] + z[1] + z[2]", 2), ("z[-3]", -3), ("params[2] * z[0]", 2), ("params[-3]", -3), ("z[z.size]", 2)),
        *(("reads_too_far(z)", 5), ("reads_too_far_too(params)", -3), ("z[0] if z[0] < 4.0 else z[7]", 7)),
        *(("params[6] if z[0] * z[1] < -12.0 else 0.0", 6), ("z[np.array([0, 9])].sum()", 9), ("np.take(z, 4)", 4)),
        *(("sum([z[j] for j in range(4)])", 2), ("z[1:][1]", 1), ("z.flat[7]", 7), ("z[(3,)]", 3), ("TABLE[3]", 3)),
    ],
)
def test_an_index_out_of_range_is_named(text: str, index: int) -> None:
    scope = dict(globals())
    exec(f"def model(z, params):\n return {text}", scope)
    text = fails(lambda: look(scope["model"]), fs.ModelError, f"index {index} is out of bounds")
    assert "model 'mine' raises IndexError" in text


def test_a_row_is_as_long_as_it_is() -> None:
    fails(lambda: look(lambda z, row, params: row[3], data=np.ones((5, 3))), fs.ModelError, "index 3 is out of bounds")
    model = fs.importance(lambda x, params: -0.5 * x[2] ** 2, NORMAL, name="mine")
    fails(lambda: fs.theory.predict(model, fs.ELBO()), fs.ModelError, "index 2 is out of bounds for axis 0 with size 2")


def hidden(z, params):  # type: ignore[no-untyped-def]
    """Out of range once in 2000 samples, behind a helper, where no point of a proof is."""
    return reads_too_far(params) if 2.42 < z[0] < 2.45 else z[0]


def test_what_no_point_shows_is_an_error_of_the_trial() -> None:
    model = fs.Model(hidden, 1, [1.0, 2.0], name="mine")
    text = fails(
        lambda: fs.simulate(model, fs.IWAE(2), 100_000), fs.ModelError, "model 'mine' raised IndexError: index 5"
    )
    trial = int(re.findall(r"in trial (\d+) of seed 0", text)[0])
    assert f"trial={trial}, seed=0" in text
    fails(lambda: fs.replay(model, fs.IWAE(2), trial), fs.ModelError, "index 5 is out of bounds for axis 0 with size 2")
    assert fs.replay(model, fs.IWAE(2), trial + 1).log_weights.size == 2
    assert fs.sample(model, fs.IWAE(2), 1, first_trial=trial + 1)[0].size == 1


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("z[7] if z[0] + z[1] > 40.0 else z[0]", 7),
        slow("params[-9] if np.sum(z) > 80.0 and z[0] > 50.0 else z[0]", -9),
    ],
)
def test_a_constant_index_is_seen_where_nobody_comes(text: str, index: int) -> None:
    scope = dict(globals())
    exec(f"def model(z, params):\n return {text}", scope)
    model = fs.Model(scope["model"], 2, [1.5], name="mine")
    look(scope["model"], [1.5])
    fails(lambda: fs.simulate(model, fs.ELBO(), 10), fs.ModelError, f"index {index} is out of bounds for axis 0")


TABLE = np.arange(3.0)


def taught(values):  # type: ignore[no-untyped-def]
    return values[5]


@overload(taught)
def _taught(values):  # type: ignore[no-untyped-def]
    return lambda values: values[5]


@numba.vectorize
def looks_up(x):  # type: ignore[no-untyped-def]
    return TABLE[5] + x


@numba.njit
def applied(function, values):  # type: ignore[no-untyped-def]
    return function(values)


@numba.njit("float64(float64[:])", boundscheck=False)
def declared(values):  # type: ignore[no-untyped-def]
    return values[5]


@numba.njit
def unwritten(values):  # type: ignore[no-untyped-def]
    memory = np.empty(3)
    memory[0] = values[0]
    return memory.sum()


@numba.njit(error_model="numpy")
def over_nothing(n):  # type: ignore[no-untyped-def]
    return 7 // n


@numba.njit(locals={"half": numba.int64})
def rounded_down(x):  # type: ignore[no-untyped-def]
    half = 0.5 * x
    return 2.0 * half


@numba.vectorize
def cubed(n):  # type: ignore[no-untyped-def]
    return n * n * n


READERS = [
    *("reads_too_far_too(params)", "TABLE[int(z[0] + 7.0)]", "(lambda v: v[4])(params)", "taught(params)"),
    *("looks_up(z[0])", "looks_up(z).sum()", "applied(lambda v: v[4], params)", "declared(params)"),
    *("1.0 * (7 // int(params[1]))", "1.0 * (7 % int(params[1]))", "1.0 * divmod(7, int(params[1]))[0]"),
    *(
        "1.0 * over_nothing(int(params[1]))",
        "1.0 * cubed(2**22)",
        "0.5 * int(z[0] + 1e19)",
        "2.0 * int(z[0] + 4e9) ** 3",
    ),
]


def test_whatever_reads_is_checked() -> None:
    """All in one function, behind a question of params, where no point of a proof is.

    So are whole numbers: over 0, or too large for 64 bits.
    """
    lines = [f" if params[0] == {i}.0:\n  return {text}\n" for i, text in enumerate(READERS)]
    exec(
        f"def model(z, params):\n{''.join(lines)} return unwritten(z) + 7 % 3 + rounded_down(z[0] + 1.0) - 1.0",
        scope := dict(globals()),
    )
    shape = weights.Shape("normal", "", 1, 1, 2, 2, 0)
    with thawed(scope["model"]) as now:
        made = weights._callback(now, shape, None, False)
    for i in range(len(READERS) + 1):
        params = np.array([float(i), 0.0])
        found = weights._values_at(made.address, shape, np.zeros((1, 1)), None, params)
        assert found == ([None] if i < len(READERS) else [1.0]), i


@numba.guvectorize(["(float64[:], float64[:])"], "(n)->()")
def reduced(values, out):  # type: ignore[no-untyped-def]
    out[0] = values[5]


@jitclass([("held", numba.float64[:])])
class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held


@numba.cfunc("float64(float64)")
def native(x):  # type: ignore[no-untyped-def]
    return x


@numba.stencil
def neighbours(values):  # type: ignore[no-untyped-def]
    return values[-1] + values[1]


@intrinsic
def raw(typingctx, x):  # type: ignore[no-untyped-def]
    return x(x), lambda context, builder, signature, args: args[0]


@numba.njit
def deep_down(values):  # type: ignore[no-untyped-def]
    return reduced(values)


def lowered(x):  # type: ignore[no-untyped-def]
    return x


@type_callable(lowered)
def _typed(context):  # type: ignore[no-untyped-def]
    return lambda x: x


@lower_builtin(lowered, numba.types.Float)
def _lowered(context, builder, signature, args):  # type: ignore[no-untyped-def]
    return args[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *(("reduced(z)", "reduced, which is made by numba.guvectorize"), ("deep_down(z)", "reduced, which is made by")),
        *(("Holder(z).held[9]", "Holder, which is made by numba.exper"), ("native(z[0])", "native, .* numba.cfunc")),
        *(("neighbours(z)[1]", "neighbours, .* numba.stencil"), ("raw(z[0])", "raw, .* numba.extending.intrinsic")),
        ("lowered(z[0])", "lowered, .* numba.extending.type_callable"),
        *(("numba.carray(z.ctypes, 9)[8]", "numba.carray, which takes an address"),),
        ("np.lib.stride_tricks.as_strided(z, (9,))[8]", "np.lib.stride_tricks.as_strided, which takes strides"),
    ],
)
def test_what_cannot_be_checked_is_refused(text: str, word: str) -> None:
    exec(f"def model(z, params):\n return {text} if z[0] > 99.0 else z[0]", scope := dict(globals()))
    told = fails(lambda: look(scope["model"]), fs.ModelError, f"model 'mine' uses {word}")
    assert "functions under numba.njit" in told


module = types.ModuleType("module")
module.helper, module.ufunc = reads_too_far, looks_up  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        slow("z.ctypes.data * 1.0", "nothing checks"),
        slow("reads_flat(params)", "an index of .flat"),
        slow("np.take_along_axis(z, np.array([9]), 0)[0]", "nothing checks what numpy.take_along_axis"),
        slow("unchecked(z)", "an index of getitem_unchecked"),
        slow("float(hash(NAME))", "hashes differ from process to process"),
        slow("float(NAME.__hash__())", "hashes differ from process to process"),
        ("held.helper(z)", "reads_too_far is reached by a way that is not followed"),
        slow("held.ufunc(z[0])", "looks_up is reached by a way that is not followed"),
        ("catches(z[0])", "where Python raises, compiled code goes on with infinity or NaN, and catches nothing"),
        slow("library.empty(3)[0]", "empty is reached by a way that is not followed"),
        ("(z[0] > 1.0) + (z[0] > 2.0)", "a sum of two truth values is 1 in NumPy where both are true"),
        slow("(z[0] > 1.0) * (z[0] < 2.0) + (z[0] > 2.0)", "a sum of two truth values is 1 in NumPy"),
        slow("np.floor_divide(z[0], 0.1)", "numpy.floor_divide of floats rounds the quotient first"),
        slow("np.divmod(z, 0.1)[0][0]", "numpy.divmod of floats rounds the quotient first"),
    ],
)
def test_what_only_the_compiler_sees_is_refused(text: str, word: str) -> None:
    lines = ["held, library = module, np", f"return {text} if z[0] > 99.0 else z[0]"]
    exec("\n ".join(["def model(z, params):", *lines]), scope := dict(globals()))
    model = fs.Model(scope["model"], 1, [1.0], name="mine")
    with pytest.raises(fs.ModelError, match=f"model 'mine' cannot be compiled: {word}"):
        weights_of(model)


@numba.njit
def catches(x):  # type: ignore[no-untyped-def]
    try:
        return math.exp(x)
    except Exception:
        return 5.0


@numba.njit
def reads_flat(values):  # type: ignore[no-untyped-def]
    return values.flat[5]


@numba.njit
def unchecked(values):  # type: ignore[no-untyped-def]
    return numba.typed.List([values[0]]).getitem_unchecked(7)


# --- writing --------------------------------------------------------------------------------------------------------


@numba.njit
def writes(values):  # type: ignore[no-untyped-def]
    values[0] = 1.0
    return values[0]


WRITERS = [
    *(
        "z[0] = 1.0",
        "z[:] = 0.0",
        "z += 1.0",
        "z[0] -= params[0]",
        "params[0] += 1e-6",
        "params[:1] = 2.0",
        "z.fill(0.0)",
    ),
    *("z.sort()", "writes(params)", "np.add(z, z, z)", "params.reshape(2, 1)[0, 0] = 1.0", "[params][0][0] = 1.0"),
    *(
        "z[0], z[1] = z[1], z[0]",
        "np.fill_diagonal(params.reshape(1, 2), 5.0)",
        "params.T[0] = 1.0",
        "z[::-1][0] = 2.0",
    ),
    *("z.flat[0] = 1.0", "params.view(np.int64)[0] = 1", "np.nan_to_num(z, copy=False)", "np.asarray(params)[1] = 0.0"),
]


def writer(text: str) -> Any:
    scope = dict(globals())
    exec(f"def model(z, params):\n {text}\n return z[0]", scope)
    return scope["model"]


@pytest.mark.parametrize("text", WRITERS)
def test_writing_into_what_is_given_is_an_error(text: str) -> None:
    fails(lambda: look(writer(text)), fs.ModelError, "model 'mine' writes into what it is given")


def test_plain_calls_leave_the_callers_arrays_alone() -> None:
    model = fs.Model(lambda z, row, params: writes(row), 1, data=np.ones((2, 2)), name="mine")
    noise, row = np.zeros((3, 1)), np.array([5.0, 6.0])
    fails(lambda: model(noise, row), fs.ModelError, "writes into what it is given")
    assert row.tolist() == [5.0, 6.0]
    fails(lambda: fs.Model(writer("z[0] = 1.0"), 1, [0.0])(noise), fs.ModelError, "work on a copy")
    assert not noise.any()
    model = fs.importance(lambda x, params: writes(x), NORMAL, params=[1.0])
    fails(lambda: fs.theory.predict(model, fs.ELBO()), fs.ModelError, "writes into what it is given")


@pytest.mark.parametrize(
    "text",
    [
        "params[0] += 1e-6",
        *map(slow, ("z[0] = 1.0", "z += 1.0", "z.fill(0.0)", "z.sort()", "writes(z)", "np.add(z, z, z)")),
        slow("np.ascontiguousarray(params)[0] = 1.0"),
        slow("np.dot(np.ones((2, 2)), np.ones(2), params)"),
        *map(slow, ("z.flat[0] = 1.0", "np.fill_diagonal(params.reshape(1, 2), 5.0)", "params.T[0] = 1.0")),
    ],
)
def test_writing_where_no_point_comes_is_an_error_of_the_compiler(text: str) -> None:
    scope = dict(globals())
    exec(f"def model(z, params):\n if 2.42 < z[0] < 2.45:\n  {text}\n return z[0]", scope)
    model = fs.Model(scope["model"], 2, [1.5, -0.5], name="mine")
    fails(lambda: fs.simulate(model, fs.ELBO(), 10), fs.ModelError, "model 'mine' cannot be compiled")


def test_what_is_improbable_is_left_to_the_run() -> None:
    """A table is as long as a run needs it, not as long as all numbers at their furthest together would."""
    table = np.zeros(200)
    look(lambda z, params: table[int(z @ z)], dim=64)
    look(lambda z, params: table[int(100 + 5 * z.sum())], dim=10)
    look(lambda z, params: table[int(100 + 18 * z[0])])
    fails(lambda: look(lambda z, params: table[int(100 + 25 * z[0])]), fs.ModelError, "index 22. is out of bounds")


def test_its_own_arrays_can_be_written() -> None:
    look(lambda z, params: writes(z.copy()) + writes(np.zeros(2)) + writes(z + 1.0))


# --- functions that are no functions --------------------------------------------------------------------------------


@numba.njit
def noisy(x):  # type: ignore[no-untyped-def]
    return x + np.random.random()  # noqa: NPY002 - what Numba knows


def prints(z, params):  # type: ignore[no-untyped-def]
    print("at", z[0])
    return z[0]


def prints_if(z, params):  # type: ignore[no-untyped-def]
    if DEBUG:
        print("at", z[0])
    return z[0]


def objects(z, params):  # type: ignore[no-untyped-def]
    x = z[0]
    with objmode(x="float64"):
        x += random.random()
    return x


def counts(z, params):  # type: ignore[no-untyped-def]
    CALLS[0] += 1
    return z[0] + CALLS[0]


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda z, params: np.random.normal(), "np.random.normal, which draws random numbers"),  # noqa: NPY002
        (lambda z, params: random.gauss(0.0, 1.0), "random.gauss, which draws random numbers"),
        (lambda z, params: noisy(z[0]), "np.random.random, which draws random numbers"),
        (lambda z, params: GENERATOR.normal(), "GENERATOR, which draws random numbers"),
        (lambda z, params: z[0] if z[0] < 99.0 else time.time(), "time.time, which reads a clock"),
        (lambda z, params: float(open("file").read()), "open, which reads or writes files"),  # noqa: SIM115
        (prints, "print, which prints"),
        (objects, "objmode, which runs Python"),
    ],
)
def test_a_log_weight_is_a_function(function: Any, word: str) -> None:
    model = fs.Model(function, 2, name="mine")
    uses = [
        *(lambda: fs.simulate(model, fs.ELBO(), 10), lambda: fs.sample(model, fs.ELBO(), 10)),
        *(lambda: fs.replay(model, fs.ELBO(), 0), lambda: fs.theory.predict(model, fs.ELBO())),
        *(lambda: fs.levels(model, 4, 100), lambda: model([0.0, 0.0])),
    ]
    for use in uses:
        text = fails(use, fs.ModelError, f"model 'mine' uses {word}")
        assert "a trial is a function of its number" in text
        assert "test_proof.py, line" in text


@numba.njit
def loud(x):  # type: ignore[no-untyped-def]
    print(x)
    return x


@numba.vectorize
def loud_ufunc(x):  # type: ignore[no-untyped-def]
    print(x)
    return x


def loud_stub(x):  # type: ignore[no-untyped-def]
    return x


@overload(loud_stub)
def _loud(x):  # type: ignore[no-untyped-def]
    def told(x):  # type: ignore[no-untyped-def]
        print(x)
        return x

    return told


LOUD = (abs, (loud,))


def in_cells() -> Any:
    drawn, clock = np.random, time
    return lambda z, params: z[0] if z[0] < 99.0 else drawn.normal() + clock.time()


def in_a_default(z, params, say=print):  # type: ignore[no-untyped-def]
    say(z[0])
    return z[0]


def in_a_named_default(z, params, *, helper=loud):  # type: ignore[no-untyped-def]
    return helper(z[0])


def by_another_name(z, params):  # type: ignore[no-untyped-def]
    drawn = np.random
    return z[0] if z[0] < 99.0 else drawn.normal()


@pytest.mark.parametrize(
    ("function", "word"),
    [
        *((in_a_default, "say, which prints"), (in_a_named_default, "print, which prints")),
        *((lambda z, params: LOUD[1][0](z[0]), "print, which"), (lambda z, params: loud_ufunc(z[0]), "print, which")),
        *((lambda z, params: loud_stub(z[0]), "print, which"), (in_cells(), "drawn.normal, which draws")),
        *(
            (by_another_name, "np.random, which draws"),
            (lambda z, params: numba.get_thread_id(), "numba.get_thread_id"),
        ),
    ],
)
def test_whatever_way_it_is_reached(function: Any, word: str) -> None:
    fails(lambda: look(function), fs.ModelError, f"model 'mine' uses {word}")


def test_an_overload_is_looked_at_while_it_is_compiled() -> None:
    fails(lambda: weights_of(fs.Model(lambda z, params: loud_stub(z[0]), 1)), fs.ModelError, "print, which prints")


def test_what_is_not_come_to_is_not_looked_at() -> None:
    check_purity(prints_if, "mine")
    look(prints_if)


def test_state_that_no_name_shows_is_seen_in_two_calls() -> None:
    fails(
        lambda: look(counts), fs.ModelError, "model 'mine' gives .* and then .*: a log weight must be a function of z"
    )


def test_a_print_ends_at_once() -> None:
    """In a process of its own, as the first thing that it does."""
    code = "import fastsumo as fs\ndef f(z, params):\n    print('at', z[0])\n    return z[0]\n"
    code += "try: fs.simulate(fs.Model(f, 1), fs.ELBO(), 10)\nexcept fs.ModelError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "uses print, which prints" in done.stdout


# --- numbers --------------------------------------------------------------------------------------------------------


def test_sums_of_exponentials_are_compared_as_numbers() -> None:
    def model(z, params):  # type: ignore[no-untyped-def]
        u, v = logaddexp(z[0], 0.0), logaddexp(-z[0], 1.0)
        return 1.0 if u < v else 0.0

    found = fs.simulate(fs.Model(model, 1), fs.ELBO(), 40_000)
    expected = 0.5 * math.erfc(-math.asinh((math.e - 1.0) / 2.0) / math.sqrt(2.0))
    assert abs(found.mean - expected) < 5.0 * math.sqrt(expected * (1.0 - expected) / 40_000)


def far(z, params):  # type: ignore[no-untyped-def]
    return params[0] if z[0] > params[1] else -1.0


@pytest.mark.parametrize("low", [-(2.0**50) - 4.0, -1e16, 1e30, -1e100])
def test_far_log_weights_are_kept(low: float) -> None:
    model = fs.Model(far, 1, [low, 0.0])
    values, _ = fs.sample(model, fs.ELBO(), 50)
    np.testing.assert_allclose(np.unique(values), sorted([low, -1.0]), rtol=1e-15)
    pairs, _ = fs.sample(model, fs.IWAE(2), 50)
    found = np.unique(pairs[pairs > -1e9] if low < 0.0 else pairs[pairs > 0.0])
    np.testing.assert_allclose(found, [-1.0 - math.log(2.0), -1.0] if low < 0.0 else [low], rtol=1e-15)


def test_what_is_further_is_an_error_that_says_how_a_weight_of_zero_is_written() -> None:
    for trials, shift in ((10, 0.0), (200_000, 4.0)):  # at once, and in the middle of a run
        model = fs.Model(far, 1, [-1e300, shift], name="mine")
        text = fails(
            lambda model=model, n=trials: fs.simulate(model, fs.ELBO(), n), fs.ModelError, r"returned -1e\+300"
        )
        assert "-math.inf for a weight of zero" in text


def test_a_sum_may_have_a_part_that_is_as_good_as_nothing() -> None:
    def model(z, params):  # type: ignore[no-untyped-def]
        return logaddexp(-1e300, z[0]) - 1.0

    one = fs.replay(fs.Model(model, 1), fs.IWAE(50), 0)
    z = fs.replay(fs.Model(far, 1, [0.0, 99.0]), fs.IWAE(50), 0)
    assert np.all(np.isfinite(one.log_weights))
    assert np.all(z.log_weights == -1.0)


# --- the proof itself -----------------------------------------------------------------------------------------------


def test_a_wrong_number_is_an_error() -> None:
    def values(z: Any, row: Any, params: Any) -> list[float | None]:
        return [float(point[0] * 2.0 + 1e-9 * (point[0] > 1.0)) for point in z]

    proof = Proof(fs.Model(lambda z, params: z[0] * 2.0, 1, name="mine"))
    proof.compare(lambda z, row, params: [float(2.0 * point[0]) for point in z])
    fails(
        lambda: proof.compare(values), fs.ModelError, r"gives \S+ in plain Python but \S+ when it is compiled, at z = "
    )
    fails(lambda: proof.compare(lambda *given: [None] * len(given[0])), fs.ModelError, "but an exception when")


def test_a_whole_number_that_is_too_large_is_an_error_that_says_where() -> None:
    """One that hardly a trial meets, and no point of a proof."""

    def log_density(x, row, params):  # type: ignore[no-untyped-def]
        rare = int(x[0] * row[0]) if 0.123 < x[0] < 0.1233 else 0
        return float(rare * rare * rare % 7) - x[0] ** 2

    proposal = fs.proposals.Gaussian([0.0], 1.0)
    model = fs.importance(log_density, proposal, data=np.full((3, 1), 1e8), name="mine")
    text = fails(
        lambda: fs.evaluate(model, fs.IWAE(2), 10_000), fs.ModelError, "'mine' raised OverflowError: a product"
    )
    assert "beyond int64" in text
    assert "`return float(rare * rare * rare % 7) - x[0] ** 2`" in text
    assert "use floats" in text


@numba.njit
def endless(n):  # type: ignore[no-untyped-def]
    return 1.0 if n == 0 else n * endless(n - 1)


def logistic(x: float, far: float) -> float:
    return 1.0 / (1.0 + math.exp(x)) if x < 709.0 else far


def test_what_would_never_end_is_not_compiled() -> None:
    fails(lambda: look(lambda z, params: endless(int(3.0 * z[0]))), fs.ModelError, "'mine' calls itself without end")


def test_where_no_trial_comes_an_exception_of_compiled_code_is_none_of_the_proof() -> None:
    """It is an error when one comes there."""
    proof = Proof(fs.Model(lambda z, params: z[0], 1, name="mine"))

    def compare(least: float) -> None:
        proof.compare(lambda points, *_: [None if abs(z[0]) > least else float(z[0]) for z in points])

    compare(6.0)
    fails(lambda: compare(4.0), fs.ModelError, "but an exception when it is compiled")


@pytest.mark.parametrize(
    ("function", "compiled", "is_right"),
    [
        (lambda z, params: 7 // int(z[0]), lambda z: float(7 // int(z) if int(z) else 0), False),
        (lambda z, params: float(7 % int(z[0])), lambda z: float(7 % int(z) if int(z) else 0), False),
        (lambda z, params: int(math.log(z[0])), lambda z: float(int(math.log(z))) if z > 0.0 else -(2.0**63), False),
        (lambda z, params: 7 / int(z[0]), lambda z: 7 / int(z) if int(z) else math.inf, True),
        (lambda z, params: math.log(z[0]), lambda z: math.log(z) if z > 0.0 else math.nan, True),
        (lambda z, params: 1.0 / (1.0 + math.exp(800.0 * z[0])), lambda z: logistic(800.0 * z, 0.0), True),
        (lambda z, params: 1.0 / (1.0 + math.exp(800.0 * z[0])), lambda z: logistic(800.0 * z, 1.0), False),
    ],
)
def test_where_python_raises_the_processor_decides_or_it_is_an_error(function, compiled, is_right) -> None:  # type: ignore[no-untyped-def]
    """What is finite there must be what infinity and NaN give."""
    proof = Proof(fs.Model(function, 1, name="mine"))

    def compare() -> None:
        proof.compare(lambda z, row, params: [compiled(float(point[0])) for point in z])

    if is_right:
        compare()
    else:
        fails(compare, fs.ModelError, "Error: .* in plain Python but .* say what the log weight is there")


def test_rounding_is_not_an_error() -> None:
    """What is lost to cancellation is no disagreement; as much where nothing is cancelled is one."""

    def cancels(z, params):  # type: ignore[no-untyped-def]
        return 1e9 * (exp(z[0]) - exp(z[0] * (1.0 + 1e-9)))

    def compare(function: Any) -> None:
        off = 1.0 + 1e-8
        Proof(fs.Model(function, 1)).compare(lambda z, row, params: [off * float(function(x, params)) for x in z])

    compare(cancels)
    fails(lambda: compare(lambda z, params: exp(z[0])), fs.ModelError, "when it is compiled")


def test_a_fast_way_that_is_wrong_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))  # what is cached has been told of

    def model(z, params):  # type: ignore[no-untyped-def]
        return logaddexp(z[0], -z[0])

    monkeypatch.setattr(weights, "with_lazy_sums", lambda function: lambda z, params: z[0])
    with pytest.warns(fs.errors.SlowModelWarning, match="in plain Python but"):
        one = fs.replay(fs.Model(model, 1, name="mine"), fs.IWAE(50), 0)
    assert np.all(one.log_weights >= math.log(2.0) - 1e-12)


def test_a_proof_is_remembered_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))
    seen: list[str] = []
    for name in ("look", "compare"):
        before = getattr(Proof, name)

        def spy(self: Any, *given: Any, name: str = name, before: Any = before) -> None:
            seen.append(name)
            before(self, *given)

        monkeypatch.setattr(Proof, name, spy)
    slope = 0.625

    def model(z, params):  # type: ignore[no-untyped-def]
        return slope * z[0]

    fs.sample(fs.Model(model, 1, log_evidence=0.0), fs.ELBO(), 5)
    assert seen == ["look", "compare"]
    weights._compile.cache_clear()
    fs.sample(fs.Model(model, 1, log_evidence=0.0), fs.ELBO(), 5)
    assert seen == ["look", "compare"]


def test_what_fails_its_proof_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))
    model = fs.Model(lambda z, params: 0.375 * z[0], 1, name="mine")

    def refuse(self: Proof, compiled: Any) -> None:
        raise fs.ModelError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(Proof, "compare", refuse)
        fails(lambda: fs.sample(model, fs.ELBO(), 5), fs.ModelError, "refused")
    kept = list(tmp_path.glob("compiled/*log_weights*"))
    assert kept == []


def test_helpers_are_plain_in_plain_python() -> None:
    fails(lambda: plain(lambda z: reads_too_far(z))(np.zeros(2)), IndexError, "index 5")
    assert plain(lambda z, params: factorial(4) + z[0])([1.0], ()) == 25.0


@numba.njit
def factorial(n):  # type: ignore[no-untyped-def]
    return 1.0 if n <= 1 else n * factorial(n - 1)


@pytest.mark.slow
def test_a_helper_that_calls_itself_runs_again_in_another_process(tmp_path: Path) -> None:
    code = "import test_proof, fastsumo as fs\ndef f(z, params):\n    return test_proof.factorial(4) + z[0]\n"
    code += "print(fs.sample(fs.Model(f, 1), fs.ELBO(), 3)[0].sum())"
    paths = os.pathsep.join(
        [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(fs.__file__).parents[1])]
    )
    environment = os.environ | {"FASTSUMO_CACHE_DIR": str(tmp_path), "PYTHONPATH": paths}
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1]


def test_a_model_that_is_slow_in_python_is_looked_at_once() -> None:
    calls = [0]

    def slow_model(z, params):  # type: ignore[no-untyped-def]
        calls[0] += 1
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            pass
        return 0.0

    proof = Proof(fs.Model(slow_model, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastsumo.models.proof.check_purity", lambda *given: None)  # which sees a clock
        proof.look()
    assert calls[0] == 1


# --- words ----------------------------------------------------------------------------------------------------------


def plain_helper(x):  # type: ignore[no-untyped-def]
    return log(x)


def test_an_unknown_global_comes_with_what_to_do() -> None:
    model = fs.Model(lambda z, params: plain_helper(z[0] ** 2), 1)
    fails(lambda: fs.simulate(model, fs.ELBO(), 10), fs.ModelError, "plain_helper.*decorate it with numba.njit")


@pytest.mark.parametrize("text", [slow("np.dot(z, z)"), "(TABLE @ z).sum()"])
def test_nothing_is_said_of_layouts(text: str, recwarn: pytest.WarningsRecorder) -> None:
    scope = {"np": np, "TABLE": np.eye(3)}
    exec(f"def model(z, params):\n return {text}", scope)
    assert fs.sample(fs.Model(scope["model"], 3), fs.ELBO(), 5)[0].size == 5
    assert len(recwarn) == 0


def test_a_compiler_that_is_off_is_named() -> None:
    code = "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'; import fastsumo as fs; fs.models.note()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "NUMBA_DISABLE_JIT turns the compiler off: unset it" in done.stderr
