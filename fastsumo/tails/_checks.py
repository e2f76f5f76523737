"""How ``fastsumo.tails`` reads samples, and the one warning it issues. Single numbers are for `base/checks.py`.

No statistics here. Input that cannot be read is an error; input that is read but says nothing (constant, too
few points, nothing on the wanted side) gives NaN and a `TailWarning`, issued by the function that met it.
"""

from __future__ import annotations

import sys
import warnings
from os import PathLike
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Side = Literal["left", "right", "both"]

MIN_POINTS: Final = 20
SIDES: Final = ("left", "right", "both")


class TailWarning(UserWarning):
    """The data allow no answer (it is NaN), or an answer to be read with care.

    Examples
    --------
    >>> from fastsumo import tails
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     tails.tail_index([1.0, 1.0, 1.0]).estimate
    nan
    >>> caught[0].category.__name__
    'TailWarning'
    """


def warn(message: str) -> None:
    """Issue a `TailWarning` that points at the caller's line, outside fastsumo, whose functions NumPy has decorated."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(("fastsumo.", "numpy.")):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, TailWarning, stacklevel=depth - 1)


def as_sample(values: ArrayLike, name: str = "values") -> FloatArray:
    """Read `values` as a one-dimensional array of finite float64; of a structured array the field ``value``.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If the array is empty, not one-dimensional, or holds NaN or an infinity.
    """
    fields = getattr(getattr(values, "dtype", None), "names", None) or ()
    if isinstance(values, (str, PathLike)):
        raise TypeError(f"{name} must be numbers or a result, got the path {str(values)!r}: fs.load reads it")
    array = checks.array(name, values["value"] if "value" in fields else values)  # type: ignore[index,call-overload]
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be real numbers, not an array of {array.dtype}")
    if array.ndim != 1:
        got = f"not of shape {array.shape}" if array.ndim else f"got the number {array}"
        raise ValueError(f"{name} must be one-dimensional, {got}")
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    sample = array.astype(np.float64, copy=False)
    bad = ~np.isfinite(sample)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(f"{name}[{first}] is {sample[first]}: all {name} must be finite")
    return sample


def as_counts(values: ArrayLike, name: str) -> IntArray:
    """Read `values` as a one-dimensional array of whole numbers that are at least 0."""
    array = checks.array(name, values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, not an array of {array.dtype}")
    if array.ndim != 1 or (array < 0).any():
        raise ValueError(f"{name} must be one-dimensional and at least 0")
    return array.astype(np.int64, copy=False)


def says_nothing(deviations: FloatArray, what: str) -> bool:
    """Whether there are fewer than 20 deviations, or all are the same; then a warning says that there is no `what`."""
    few = len(deviations) < MIN_POINTS
    if not few and deviations.min() != deviations.max():
        return False
    warn(f"no {what}: " + (f"only {len(deviations)} values known on this side" if few else "all values are the same"))
    return True


def normal_quantile(level: float) -> float:
    """Two-sided normal quantile: 1.96 for a level of 0.95."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + 0.5 * level))
