"""What is the same for all samples is computed before the loop over them.

LLVM's vectoriser takes minutes over what is left inside: a minute for the log of an exponential of one parameter.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from zoo import thinned

import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.vmath import exp, lgamma, log, log1p, sin, tanh


def parameters_alone(z, row, params):  # type: ignore[no-untyped-def]
    return log(exp(params[0]))


def row_alone(z, row, params):  # type: ignore[no-untyped-def]
    return log(log1p(exp(lgamma(row[0])))) + z[0]


def choices(z, row, params):  # type: ignore[no-untyped-def]
    a, b = params[0], row[1]
    if a > b:
        a = log1p(exp(a)) if a > params[1] else sin(tanh(a))
    if tanh(a) > row[0]:
        b = exp(a) if b > a else log1p(b * b)
    return a * b * z[0]


def choices_of_many(z, row, params):  # type: ignore[no-untyped-def]
    """LLVM leaves branches that decide on four values: over what hangs on these it thought for minutes."""
    a, b, c, d = params[0], params[1], row[0], row[1]
    if a > 1.0:
        a, b, c, d = b, a, d, c
    elif b > 1.0:
        a, b, c, d = exp(b), c, d, a
    elif c > 1.0:
        a, b, c, d = c, exp(d), a, b
    if a + b > d:
        a, b, c, d = d, tanh(a), b, c
    elif b > exp(c):
        a, b, c, d = exp(b), c, d, a
    else:
        a, b, c, d = exp(d), exp(a), exp(b), c
    return log1p(exp(a - b) * (c + d)) * z[0]


def one_that_depends(z, row, params):  # type: ignore[no-untyped-def]
    return log1p(exp(params[0] * params[1])) * z[0] if z[0] > row[0] else exp(row[1])


def every_sample(z, row, params):  # type: ignore[no-untyped-def]
    return params[0] * exp(z[0])


@functools.cache
def vectors(function: Any) -> int:
    """How many instructions multiply and add vectors in the loops of the compiled function."""
    model = fs.Model(function, 1, [0.3, 1.2], data=[[0.4, 0.9]]).at_row(0)
    shape = weights.compiled(model).shape
    code = weights._callback(function, shape, None, False)._library.get_llvm_str()
    loops = re.findall(r"(?ms)^vector\.body\w*:.*?^\S+:", code)
    assert loops
    return len(re.findall(r"call <\d+ x double> @llvm\.fma", "".join(loops)))


@pytest.mark.parametrize(
    "function", thinned([choices, parameters_alone, row_alone, one_that_depends, choices_of_many], 4)
)
def test_vectors_are_for_what_differs(function: Any) -> None:
    assert vectors(function) == 0
    assert vectors(every_sample) > 0
