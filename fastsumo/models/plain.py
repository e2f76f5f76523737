"""A model's function in plain Python: its helpers not compiled, what it is given read-only."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.errors import ModelError
from fastsumo.jit.copies import plain as plain

_OURS = str(Path(__file__).parents[1])
# Functions of `math` that raise, and what NumPy calls those that give infinity or NaN instead.
_RAISING = dict.fromkeys(
    ("cos", "cosh", "exp", "exp2", "expm1", "fmod", "log", "log10", "log1p", "log2", "sin", "sinh")
)
_RAISING |= dict.fromkeys(("sqrt", "tan"))
_RAISING |= {"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "atanh": "arctanh", "pow": "float_power"}


def by_processor() -> dict[int, Any]:
    """What stands for functions of `math`, by identity, where it shall give infinity or NaN instead of raising."""
    found = {id(getattr(math, name)): getattr(np, instead or name) for name, instead in _RAISING.items()}
    return found | {id(function): _without_error(function) for function in (math.gamma, math.lgamma)}


def _without_error(function: Callable[[float], float]) -> Callable[[float], Any]:
    """Infinity for too large a number, and for a pole."""

    def called(x: float) -> Any:
        try:
            return np.float64(function(x))
        except (OverflowError, ValueError):
            return np.float64(math.inf)

    return called


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    """A view of an array that cannot be written into."""
    view = array.view()
    view.flags.writeable = False
    return view


@contextmanager
def writing_is_an_error(name: str) -> Iterator[None]:
    """Turn NumPy's complaint about a read-only array into a `ModelError` with the user's line."""
    try:
        yield
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}, line {frame.lineno}: `{frame.line}`"
        raise ModelError(
            f"model {name!r} writes into what it is given ({where}): z, rows of data and params are read-only; "
            "work on a copy, such as z.copy()"
        ) from None


def line_of(error: BaseException) -> str:
    """Where in the user's files an exception was raised, for the end of a message."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(_OURS)]
    return f" ({frames[-1].filename}, line {frames[-1].lineno}: `{frames[-1].line}`)" if frames else ""
