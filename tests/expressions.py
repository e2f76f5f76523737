"""Models that Hypothesis writes: trees of expressions over vmath, comparisons, branches, loops, helpers, constants.

A model is the text of a function's body, of three numbers of noise and four params. Of three kinds: any; such as lanes
can do, which ask nothing of a coordinate; and such as end in a sum of exponentials that is never evaluated.
"""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numba
import numpy as np
from hypothesis import strategies as st

from fastsumo import vmath

DIM, PARAMS = 3, np.array([0.75, -1.5, 2.0, 0.3])


@numba.njit
def helper(x):  # type: ignore[no-untyped-def]
    return 0.5 * x - 1.0


@numba.njit
def other(x, y):  # type: ignore[no-untyped-def]
    if y > x:
        return x * y + 1.0
    return x - y


@numba.njit
def along(values, factor):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in values:
        total += factor * v
    return total


@numba.njit
def evaluated(x, y):  # type: ignore[no-untyped-def]
    return vmath.logaddexp(x, y)


SCOPE: dict[str, Any] = {
    **{name: getattr(vmath, name) for name in vmath.__all__},
    "helper": helper,
    "other": other,
    "along": along,
    "evaluated": evaluated,
    "math": math,
    "np": np,
    "TABLE": np.linspace(-1.0, 1.0, 12).reshape(4, 3),
    "C": 1.25,
    "K": 3,
}

_CONSTANTS = ["0.5", "-1.25", "2.0", "3", "-7", "1e-3", "100.0", "C", "K", "math.pi", "TABLE[1, 2]", "(2.0 ** 0.5)"]
_PLAIN = ["z[0]", "z[1]", "z[2]", "z[-1]", "params[0]", "params[1]", "params[2]", "params[-1]", *_CONSTANTS]
_ANY_REAL = [
    *("sin({})", "cos({})", "tanh({})", "exp(-fabs({}))", "expm1(-fabs({}))", "sigmoid({})", "log_sigmoid({})"),
    *("softplus({})", "erf({})", "erfc({})", "normal_cdf({})", "normal_log_pdf({})", "log1p(fabs({}))", "exp({})"),
    *("log(fabs({}) + 0.1)", "sqrt(fabs({}))", "exp2(-fabs({}))", "log2(1.0 + fabs({}))", "log10(0.5 + fabs({}))"),
    *("fabs({})", "(-{})", "{} ** 2", "{} ** 3", "abs({})", "math.exp(-abs({}))", "np.log1p(abs({}))", "helper({})"),
]
_TWO = [
    *("({} + {})", "({} - {})", "({} * {})", "{} / (1.5 + fabs({}))", "min({}, {})", "max({}, {})"),
    *("minimum({}, {})", "maximum({}, {})", "logaddexp({}, {})"),
]
_QUESTIONS = ["{} < {}", "{} >= {}", "{} != {}", "not {} > {}", "-1.0 < {} <= {}"]
_TRUTHS = ["({}) and ({})", "({}) or ({})"]
_CHOICES = ["({} if {} else {})"]


def _filled(shape: str, parts: list[str]) -> str:
    return shape.format(*(f"({part})" if " " in part and part[0] != "(" else part for part in parts))


@st.composite
def expressions(draw: Any, depth: int, asks: bool, atoms: list[str]) -> str:
    """An expression; it asks for the values of coordinates if ``asks``."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(atoms))
    inner = expressions(depth - 1, asks, atoms)
    kind = draw(st.integers(0, 5 if asks else 3))
    if kind <= 1:
        return _filled(draw(st.sampled_from(_ANY_REAL)), [draw(inner)])
    if kind <= 3:
        return _filled(draw(st.sampled_from(_TWO)), [draw(inner), draw(inner)])
    question = _filled(draw(st.sampled_from(_QUESTIONS)), [draw(inner), draw(inner)])
    if draw(st.integers(0, 3)) == 0:
        more = _filled(draw(st.sampled_from(_QUESTIONS)), [draw(inner), draw(inner)])
        question = _filled(draw(st.sampled_from(_TRUTHS)), [question, more])
    if kind == 4:
        return f"({draw(inner)} if {question} else {draw(inner)})"
    return draw(st.sampled_from([f"other({draw(inner)}, {draw(inner)})", f"(2.0 * ({question}) - 0.5)"]))


@st.composite
def bodies(draw: Any, depth: int = 3) -> str:
    """The body of any model."""
    atoms, inside = [*_PLAIN, "a", "b"], min(depth, 2)
    lines = [f"a = {draw(expressions(depth, True, _PLAIN))} + 0.0", f"b = 1.0 * z[{draw(st.integers(-3, 2))}]"]
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["if", "else", "for", "while", "leave"]))
        first, second = draw(expressions(inside, True, atoms)), draw(expressions(inside, True, atoms))
        if kind == "if":
            lines.append(f"if {first} < {second}:\n a = {first} + 0.0")
        elif kind == "else":
            lines.append(f"if {first} > 0.5:\n b = {second} + 0.0\nelse:\n a, b = b, a")
        elif kind == "for":
            inner = draw(expressions(inside, True, [*atoms, "z[j]", "TABLE[j, 0]", "j"]))
            skip = draw(st.sampled_from(["", f" if {first} > 1.0:\n  continue\n", f" if {first} > 2.0:\n  break\n"]))
            lines.append(f"for j in range(z.size):\n{skip} a = 0.5 * a + {inner}")
        elif kind == "while":
            lines.append(f"k = 0\nwhile k < 4 and a < 50.0:\n k += 1\n a = 0.5 * a + {first}")
        else:
            lines.append(f"if {first} > 3.0:\n return 1.0 * {second}")
    return "\n".join([*lines, f"return 1.0 * ({draw(expressions(depth, True, atoms))})"])


@st.composite
def bodies_for_lanes(draw: Any, depth: int = 3) -> str:
    """The body of a model that goes through its coordinates without asking for their values."""
    inner = draw(expressions(depth, False, [*_PLAIN, "v", "v", "TABLE[j, 1]", "total"]))
    ends = draw(expressions(min(depth, 2), False, [*_PLAIN, "total"]))
    start = draw(st.sampled_from(["0", "0.0", "params[1]", "z[0]"]))
    more = draw(st.sampled_from(["", " + along(z, 0.5)", " - along(params, 2.0)"]))
    loop = f"for j, v in enumerate(z):\n total = 0.5 * total + {inner}"
    return f"total = {start}\n{loop}\nreturn total + {ends}{more}"


@st.composite
def bodies_for_sums(draw: Any, depth: int = 2) -> str:
    """The body of a model that ends in a sum of exponentials."""
    parts = [draw(expressions(depth, True, _PLAIN)) for _ in range(3)]
    left, right, shift = (part.replace("logaddexp(", "evaluated(") for part in parts)  # those within are numbers
    shape = draw(st.sampled_from(["{sum}", "{sum} + {shift}", "{shift} + {sum}", "{sum} - {shift}"]))
    return "return " + shape.format(sum=f"logaddexp({left}, {right})", shift=f"({shift})")


def together(written: list[str]) -> Any:
    """One function of all: that of number ``params[4]``."""
    parts = [f" if params[4] == {i}:\n{textwrap.indent(body, '  ')}\n" for i, body in enumerate(written)]
    text = "def together(z, params):\n" + "".join(parts)
    text += " return " + (
        "logaddexp(z[0], z[1])" if written[0].startswith("return") and "logaddexp" in written[0] else "z[0]"
    )
    exec(text, scope := dict(SCOPE))
    return scope["together"]
