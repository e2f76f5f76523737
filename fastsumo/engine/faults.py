"""What is said of a model that cannot be compiled, raises, or returns no log weight: the line, the trial, and why."""

from __future__ import annotations

import dis
import linecache
import math
import numbers
import re
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.engine.status import BAD_VALUE, RAISED
from fastsumo.errors import ModelError
from fastsumo.estimators.estimators import Estimator
from fastsumo.jit.copies import exception_of
from fastsumo.models.model import PILOT_TRIAL, ROW_TRIALS, Model
from fastsumo.models.plain import line_of, plain, readonly
from fastsumo.models.vectorized import FOR_BATCHES
from fastsumo.trial.ranges import are_log_weights


@contextmanager
def compiling(model: Model, target: str = "") -> Iterator[None]:
    """Turn the compiler's complaint about a model into a `ModelError` that points at the user's line.

    ``target`` goes into the message, such as " for a GPU".
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # mostly NumbaError, but what the compiler meets in a user's code can raise anything
        why = _no_number(model) or _complaint(error, model)
        raise ModelError(f"model {model.name!r} cannot be compiled{target}: {why}") from None


def trial_error(
    model: Model,
    estimator: Estimator,
    seed: int,
    trial: int,
    status: int,
    culprit: tuple[int, NDArray[np.float64]] | None = None,
) -> ModelError:
    """The error of a trial whose log weight raised or was none, with how to see it.

    ``culprit`` are the trial and the noise of such a sample, where they were found.
    """
    near = "near" if culprit is None else "in"
    trial, noise = (trial, None) if culprit is None else culprit
    row, at, where = None, trial, f"trial {trial} of seed {seed}"
    again = f"fs.replay(model, {estimator!r}, trial={trial}, seed={seed})"
    if model.data is not None:
        row, at = divmod(trial, ROW_TRIALS)
        where = f"trial {at} of row {row}, seed {seed}"
        if at == PILOT_TRIAL:
            where = f"the pilot of row {row}, which finds a centre for Taylor (trial {at}, seed {seed})"
        again = f"fs.replay(model, {estimator!r}, trial={at}, seed={seed}, row={row})"
    if status == BAD_VALUE:
        error = ModelError(
            f"the value of {where} is too large for float64: weights of model {model.name!r} lie far above "
            f"exp(log_center), and the products of {estimator!r} with them; take a larger log_center; {again} shows it"
        )
        error.trial = at
        return error
    found = _found(model, row, noise, status == RAISED)
    if status == RAISED:
        raised, line = "an exception", ""
        if isinstance(found, Exception):
            raised, line = f"{type(found).__name__}: {found}", line_of(found)
        error = ModelError(f"model {model.name!r} raised {raised} {near} {where}{line}; see {again}")
    else:
        far = isinstance(found, float) and math.isfinite(found)
        what, allowed = "NaN or +inf", "finite numbers and -inf"
        if far:
            what, allowed = repr(found), "numbers between -2**500 and 2**500, and -math.inf for a weight of zero"
        error = ModelError(
            f"model {model.name!r} returned {what} as a log weight in {where}; allowed are {allowed}; {again} shows it"
        )
    error.trial = at
    return error


def _no_number(model: Model) -> str:
    """What the model returns in plain Python where that is no number; empty where it is one, or it raises."""
    try:
        arguments = model.arguments(None if model.data is None else model.data[0])
        returned = plain(model.function)(readonly(np.full(model.dim, 0.5)), *arguments)
    except Exception:
        return ""
    if isinstance(returned, numbers.Real | np.bool_) or (isinstance(returned, np.ndarray) and returned.ndim == 0):
        return ""
    hint = f"; {FOR_BATCHES}" if hasattr(returned, "__dlpack__") and not isinstance(returned, np.ndarray) else ""
    return f"it must return one number, the log weight, but returned {returned!r}{hint}"


def _found(model: Model, row: int | None, noise: NDArray[np.float64] | None, raises: bool) -> float | Exception | None:
    """What plain Python finds wrong with the model, at the noise or at a few random points: what it raises or gives.

    Where it finds nothing, but compiled code ``raises``: what that says.
    """
    generator = np.random.default_rng(0)
    draw = generator.standard_normal if model.noise == "normal" else generator.random
    raw = None if row is None or model.data is None else model.data[row]
    try:
        values = model(draw((200, model.noise_dim)) if noise is None else noise[None], raw)
        if raises and noise is not None:  # whole numbers beyond 64 bits do in compiled code
            point = noise if model.proposal is None else model.proposal.points(noise[None])[0]
            return exception_of(model.function, readonly(point), *model.arguments(raw))
    except Exception as error:
        return error
    bad = values[~are_log_weights(values)]
    return float(bad[0]) if bad.size else None


def _complaint(error: Any, model: Model) -> str:
    """The gist of Numba's message, and the line of the user's function it is about."""
    text = str(error)
    code = getattr(model.function, "__code__", None)
    message = _gist(text)
    if code is None:
        return message
    first, last = code.co_firstlineno, max((line for _, _, line in code.co_lines() if line), default=0)
    lines = [
        int(number)
        for name, number in re.findall(r'(?:File "|Raised from )([^"\n]+?)(?:", line | \()(\d+)', text)
        if code.co_filename.endswith(name) or name in code.co_filename
    ]
    inside = [line for line in lines if first <= line <= last] + _lines_naming(code, message)
    if not inside:
        return message
    line = inside[0]
    source = linecache.getline(code.co_filename, line).strip()
    where = f"{code.co_filename}, line {line}" + (f": `{source}`" if source else "")
    return f"{message} ({where})"


def _lines_naming(code: types.CodeType, message: str) -> list[int]:
    """Lines of the function that use a name which the message quotes."""
    quoted = re.findall(r"'(\w+)'", message)
    where = [(i.argval, i.positions.lineno) for i in dis.get_instructions(code) if i.positions is not None]
    return [line for name in quoted[::-1] for used, line in where if used == name and line is not None]


_GIVEN = "z, rows of data, params or arrays from outside"
_HINTS = (
    (r"(modify|into a) readonly array", f"a model must not write into {_GIVEN}: work on a copy, such as z.copy()"),
    (r"Untyped global name .*<class 'function'>", "decorate it with numba.njit"),
    (
        r"Untyped global name|Unknown attribute|NameError: name '(torch|jax|jnp|scipy|sklearn|tensorflow|tf|keras)'",
        "a model can use numbers, arrays, the modules math and numpy as far as Numba knows them, fastsumo.vmath, and "
        f"functions compiled by numba.njit; {FOR_BATCHES}",
    ),
    (r"signature: float\(bool\)\n", "float(int(...)) takes a truth value"),
    (r"supports contiguous array only", "one of z is np.ascontiguousarray(z)"),
    (r"\ANo implementation of [\s\S]*readonly array", f"what writes into {_GIVEN} must do so into a copy"),
)


def _gist(text: str) -> str:
    """The first informative sentence of a Numba message, and what to do about it where that is known."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    sentence = _sentence(plain)
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, f"{sentence}\n{plain}")), None)
    return sentence + (f"; {hint}" if hint else "")


def _sentence(text: str) -> str:
    skipped = ("Failed in nopython", "During", "File ", "<source", "Overload", "Use of unsupported", "This error")
    patterns = (
        r"nothing checks what [^\n]+|an index of \.flat [^\n]+|numpy\.\w+ can write into [^\n]+",
        r"index -?\d+ is out of bounds [^\n]+",
        r"Cannot modify readonly array",
        r"NameError: .*",
        r"module '[^']+' has no attribute .*",
        r"Untyped global name '[^']+'.*",
        r"Unknown attribute '[^']+' of type [^\n]+",
        r"No implementation of function [^\n]+found for signature(?::\s+>>> [^\n]+)?",
        r"Cannot unify [^\n]+",
        r"Unsupported[^\n]+|.*not supported[^\n]*",
        r"Use of unsupported[^\n]+",
        r"\w+\(\) supports [^\n]+",
        r"Invalid use of [^\n]+",
    )
    plain = text.split(" Raised from ")[0]
    for pattern in patterns:
        found = re.search(pattern, plain)
        if found:
            return re.sub(r"(\s|>>>)+", " ", found.group(0)).strip().rstrip(":")
    for line in plain.splitlines():
        if line.strip() and not line.strip().startswith(skipped):
            return line.strip()
    return "the compiler gave no reason"
