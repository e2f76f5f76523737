"""`Statistics` as compact bytes: what a worker sends back, what a study keeps, what a saved result holds.

Sums are stored as the rows and the columns of digits that are not zero. Nothing of files or workers lives here.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsumo.errors import DamagedError
from fastsumo.statistics.exact import Digits
from fastsumo.statistics.statistics import COUNTS, EXTREME, LIMITS, SUMS, Statistics

_MAGIC = b"FSS1"
_HEAD = struct.Struct("<4sII")  # magic, checksum of what follows, bytes of the directory
_ALIKE = ("trial", "value", "terms")  # what is always kept of an extreme; the seed where there are several


class Parts(NamedTuple):
    """Statistics taken apart, as `pack` writes them and the merger adds them."""

    sums: list[Digits]
    counts: dict[str, NDArray[np.int64]]
    period_largest: NDArray[np.float64]
    bins: NDArray[np.int64]
    bin_counts: NDArray[np.int64]
    limits: dict[str, Any]
    extremes: NDArray[Any]


def parts_of(statistics: Statistics) -> Parts:
    """The parts of statistics, none left out."""
    return Parts(
        [statistics.sums],
        {name: getattr(statistics, name) for name in COUNTS},
        statistics.period_largest,
        statistics.bins,
        statistics.bin_counts,
        {name: getattr(statistics, name) for name in LIMITS},
        statistics.kept,
    )


def pack(statistics: Statistics, center: float, threshold: float = -1.0) -> bytes:
    """Compact bytes of statistics.

    Parameters
    ----------
    statistics : Statistics
    center : float
        The one they were made with.
    threshold : float
        Extremes nearer to the centre are left out: those that cannot be among the `EXTREMES` furthest of all, because
        so many at this distance are already known.

    Returns
    -------
    bytes
        At most a few hundred kilobytes, most of it extremes.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name in SUMS:
        arrays |= _packed_sums(name, statistics.sums_of(name))
    for name in (*COUNTS, "period_largest"):
        arrays[name] = getattr(statistics, name)
    arrays["bins"], arrays["bin_counts"] = np.diff(statistics.bins, prepend=0), statistics.bin_counts
    extremes = statistics.extremes
    extremes = extremes[np.abs(extremes["value"] - center) >= threshold]
    arrays |= {f"extreme_{name}": np.ascontiguousarray(extremes[name]) for name in _ALIKE}
    seeds = np.unique(extremes["seed"])
    arrays["extreme_seed"] = seeds if seeds.size == 1 else np.ascontiguousarray(extremes["seed"])
    limits = {name: repr(getattr(statistics, name)) for name in LIMITS}  # repr, as JSON has no infinity
    shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    directory = json.dumps({"limits": limits, "arrays": shapes}, separators=(",", ":")).encode()
    body = zlib.compress(directory + b"".join(array.tobytes() for array in arrays.values()), 1)
    return _HEAD.pack(_MAGIC, zlib.crc32(body), len(directory)) + body


def unpack(packed: bytes, seed: int = 0) -> Parts:
    """What `pack` wrote; ``seed`` is that of the extremes where the bytes, of an older version, do not hold it.

    Raises
    ------
    DamagedError
        If the bytes are none that `pack` wrote.
    """
    limits, arrays = _content(packed)
    sums = []
    for name, (first, _) in SUMS.items():
        digits = arrays[name] * arrays[f"{name}_signs"][:, None].astype(np.int64)
        sums.append(Digits(first + arrays[f"{name}_rows"], int(arrays[f"{name}_low"][0]), digits))
    extremes = np.empty(arrays["extreme_trial"].size, EXTREME)
    extremes["seed"] = arrays.get("extreme_seed", seed)
    for name in _ALIKE:
        extremes[name] = arrays[f"extreme_{name}"]
    return Parts(
        sums,
        {name: arrays[name] for name in COUNTS},
        arrays["period_largest"],
        np.cumsum(arrays["bins"]),
        arrays["bin_counts"],
        limits,
        extremes,
    )


def _packed_sums(name: str, sums: Digits) -> dict[str, NDArray[Any]]:
    """Exact sums as the rows and the columns of digits that are not zero, and signs."""
    other = sums.digits.any(axis=1)
    digits = sums.digits[other]
    used = np.flatnonzero(digits.any(axis=0))
    begin, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    return {
        f"{name}_rows": sums.rows[other].astype(np.int32),
        f"{name}_signs": np.where((digits < 0).any(axis=1), -1, 1).astype(np.int8),
        f"{name}_low": np.array([sums.low + begin if used.size else 0], np.int32),
        name: np.abs(digits[:, begin:end]).astype(np.uint32),
    }


def _content(packed: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The numbers and the arrays of packed statistics."""
    try:
        magic, checksum, size = _HEAD.unpack_from(packed)
        body = memoryview(packed)[_HEAD.size :]
        if magic != _MAGIC or zlib.crc32(body) != checksum:
            raise DamagedError("the checksum of stored statistics is wrong")
        content = zlib.decompress(body)
        directory = json.loads(content[:size])
    except (struct.error, zlib.error, ValueError) as error:
        raise DamagedError(f"stored statistics are damaged ({error})") from None
    arrays, place = {}, size
    for name, (kind, shape) in directory["arrays"].items():
        count = math.prod(shape)
        arrays[name] = np.frombuffer(content, kind, count, place).reshape(shape)
        place += arrays[name].nbytes
    limits = {name: LIMITS[name](text) for name, text in directory["limits"].items()}
    return limits, arrays
