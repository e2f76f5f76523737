"""Checks of arguments, shared by every public function. Each returns the value it accepted."""

from __future__ import annotations

import difflib
import math
import numbers
import reprlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """``value`` as an int between ``low`` and ``high``; integral floats such as 1e7 are whole numbers too."""
    allowed = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    given = _plain(value)
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be {allowed}, got {_shown(value)}")
    if not isinstance(given, (int, np.integer)) and not float(given).is_integer():
        raise ValueError(f"{name} must be {allowed}, got {_shown(value)}")
    if int(given) < low or (high is not None and int(given) > high):
        raise ValueError(f"{name} must be {allowed}, got {_shown(value)}")
    return int(given)


def real(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, closed: str = "") -> float:
    """``value`` as a finite float between ``low`` and ``high``; ``closed`` names the ends that are allowed."""
    left, right = ("[" if "low" in closed else "("), ("]" if "high" in closed else ")")
    allowed = (
        "a finite number" if math.isinf(low) and math.isinf(high) else f"a number in {left}{low:g}, {high:g}{right}"
    )
    given = _plain(value)
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, numbers.Real):
        raise TypeError(f"{name} must be {allowed}, got {_shown(value)}")
    try:
        number = float(given)
    except OverflowError:  # an int that no float64 holds
        number = math.inf
    above = number > low or ("low" in closed and number == low)
    below = number < high or ("high" in closed and number == high)
    if not (math.isfinite(number) and above and below):
        raise ValueError(f"{name} must be {allowed}, got {_shown(value)}")
    return number


def vector(name: str, value: Any) -> NDArray[np.float64]:
    """``value`` as a new one-dimensional array of finite float64 that nobody can write to."""
    array = np.atleast_1d(floats(name, value))
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got an array of shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} must be finite, got {array[~np.isfinite(array)][0]} at index {np.argmin(np.isfinite(array))}"
        )
    array.flags.writeable = False
    return array


def floats(name: str, value: Any) -> NDArray[np.float64]:
    """``value`` as a new array of float64, of any shape."""
    try:
        return array(name, value).astype(np.float64)
    except OverflowError:  # an int that no float64 holds
        raise ValueError(f"{name} must be numbers that float64 can hold, got {_shown(value)}") from None
    except ValueError:
        raise TypeError(f"{name} must be a sequence of numbers, got {_shown(value)}") from None


def array(name: str, value: Any) -> NDArray[Any]:
    """``value`` as an array of real numbers, itself if it is one; not masked, whose hidden values would be used."""
    if is_masked(value):
        raise TypeError(
            f"{name} must not be a masked array: the values under the mask would be used; leave them out "
            "(.compressed()) or say what they are (.filled(...))"
        )
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a sequence of numbers, got {_shown(value)}") from None
    if found.dtype.kind == "O":  # such as fractions, or ints that are too large for int64
        for each in found.flat:
            if not isinstance(each, (numbers.Real, Decimal)):
                raise TypeError(f"{name} must be real numbers, got {_shown(each)}")
    elif found.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got {_shown(value)} ({found.dtype})")
    return found


def is_masked(value: Any) -> bool:
    """Whether a value is a masked array, or a list that has one in it."""
    if isinstance(value, (list, tuple)):
        return any(map(is_masked, value))
    return isinstance(value, np.ma.MaskedArray)


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """``value`` if it is one of ``allowed``; otherwise an error that suggests the nearest."""
    options = list(allowed)
    if value in options:
        return str(value)
    near = difflib.get_close_matches(str(value), options, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"unknown {name} {value!r}{hint} (known: {', '.join(options)})")


def line(name: str, value: Any) -> str:
    """``value`` as text that a table shows in a line: not blank, and without what moves a terminal's cursor."""
    text = str(value)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{name} must be a word or words that can be printed in a line, got {text!r}")
    return text


def no_parameter(name: str, takes: Iterable[str]) -> str:
    """What is said of a parameter that there is none of that name, with the nearest and all that there are.

    Examples
    --------
    >>> no_parameter("kap", ["cap", "alpha"])
    "no parameter 'kap'; it takes cap, alpha; did you mean 'cap'?"
    """
    names = list(takes)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near and len(names) > 1 else ""
    return f"no parameter {name!r}; it takes {', '.join(names) or 'nothing'}{hint}"


def _shown(value: Any) -> str:
    """A value in a message, not at length."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python spells no int of more than 4300 digits
        return f"an int of {value.bit_length()} bits" if isinstance(value, int) else type(value).__name__


def _plain(value: Any) -> Any:
    """The number that an array without dimensions holds; all else as it is."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
