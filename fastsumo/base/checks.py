"""Checks of arguments, shared by every public function. Each returns the value it accepted."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """``value`` as an int between ``low`` and ``high``; integral floats such as 1e7 are whole numbers too."""
    allowed = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    given = _plain(value)
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if not isinstance(given, (int, np.integer)) and not float(given).is_integer():
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    if int(given) < low or (high is not None and int(given) > high):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return int(given)


def real(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, closed: str = "") -> float:
    """``value`` as a finite float between ``low`` and ``high``; ``closed`` names the ends that are allowed."""
    left, right = ("[" if "low" in closed else "("), ("]" if "high" in closed else ")")
    allowed = (
        "a finite number" if math.isinf(low) and math.isinf(high) else f"a number in {left}{low:g}, {high:g}{right}"
    )
    given = _plain(value)
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, numbers.Real):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    number = float(given)
    above = number > low or ("low" in closed and number == low)
    below = number < high or ("high" in closed and number == high)
    if not (math.isfinite(number) and above and below):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def vector(name: str, value: Any) -> NDArray[np.float64]:
    """``value`` as a new one-dimensional array of finite float64 that nobody can write to."""
    try:
        array = np.array(value, dtype=np.float64, ndmin=1)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a sequence of numbers, got {value!r}") from None
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got an array of shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} must be finite, got {array[~np.isfinite(array)][0]} at index {np.argmin(np.isfinite(array))}"
        )
    array.flags.writeable = False
    return array


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """``value`` if it is one of ``allowed``; otherwise an error that suggests the nearest."""
    options = list(allowed)
    if value in options:
        return str(value)
    near = difflib.get_close_matches(str(value), options, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(f"unknown {name} {value!r}{hint} (known: {', '.join(options)})")


def _plain(value: Any) -> Any:
    """The number that an array without dimensions holds; all else as it is."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
