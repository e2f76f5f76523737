"""`Statistics` as compact bytes, and `Fold`: many of them added up exactly, cheaply, in any order.

What a worker sends back and what a study's file keeps are the same bytes. Nothing of files or workers lives here.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.errors import DamagedError
from fastsumo.statistics.exact import LIMBS, carry
from fastsumo.statistics.statistics import EXTREME, EXTREMES, Statistics, _integer, largest_first, to_float
from fastsumo.statistics.tally import GROUPS, OCTAVES, PERIODS, POWERS

_MAGIC = b"FSS1"
_HEAD = struct.Struct("<4sII")  # magic, checksum of what follows, bytes of the directory
_SUMS = ("octave_sums", "group_sums", "period_sums")
_COUNTS = ("octave_counts", "group_counts", "period_counts")
_LIMITS = {"smallest": float, "largest": float, "zero_weight": int, "largest_terms": int, "overflowed": int}
_ADDED = ("zero_weight", "overflowed")
_PENDING = 64  # histograms kept side by side before they are added up


def pack(statistics: Statistics, center: float, threshold: float = -1.0) -> bytes:
    """Compact bytes of the statistics of trials of one seed.

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
    for name in _SUMS:
        arrays |= _packed_sums(name, getattr(statistics, name))
    for name in (*_COUNTS, "period_largest"):
        arrays[name] = getattr(statistics, name)
    arrays["bins"], arrays["bin_counts"] = np.diff(statistics.bins, prepend=0), statistics.bin_counts
    extremes = statistics.extremes
    extremes = extremes[np.abs(extremes["value"] - center) >= threshold]
    arrays |= {f"extreme_{name}": np.ascontiguousarray(extremes[name]) for name in ("trial", "value", "terms")}
    limits = {name: repr(getattr(statistics, name)) for name in _LIMITS}  # repr, as JSON has no infinity
    shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    directory = json.dumps({"limits": limits, "arrays": shapes}, separators=(",", ":")).encode()
    body = zlib.compress(directory + b"".join(array.tobytes() for array in arrays.values()), 1)
    return _HEAD.pack(_MAGIC, zlib.crc32(body), len(directory)) + body


def _packed_sums(name: str, sums: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Exact sums as the rows and the columns of digits that are not zero, and signs."""
    flat = sums.reshape(-1, sums.shape[-1])
    rows = np.flatnonzero(flat.any(axis=1))
    digits = flat[rows]
    signs = np.where(digits[:, -1] < 0, -1, 1).astype(np.int8)
    digits *= signs[:, None]
    carry(digits)
    used = np.flatnonzero(digits.any(axis=0))
    low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    return {
        f"{name}_rows": rows.astype(np.int32),
        f"{name}_signs": signs,
        f"{name}_low": np.array([low], np.int32),
        name: digits[:, low:high].astype(np.uint32),
    }


def _unpack(packed: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
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
    limits = {name: _LIMITS[name](text) for name, text in directory["limits"].items()}
    return limits, arrays


class Fold:
    """Statistics of the trials of one seed, open to additions of packed ones. Any order gives the same bits.

    Parameters
    ----------
    center : float
    seed : int
    packed : bytes, optional
        To begin with.
    """

    def __init__(self, center: float, seed: int, packed: bytes | None = None) -> None:
        self.center, self.seed = center, seed
        self._shapes = {
            "octave_sums": (OCTAVES, POWERS, LIMBS),
            "group_sums": (GROUPS, LIMBS),
            "period_sums": (PERIODS, 2, LIMBS),
        }
        self._sums = {name: np.zeros((math.prod(shape[:-1]), LIMBS), np.int64) for name, shape in self._shapes.items()}
        sizes: dict[str, tuple[int, ...]]
        sizes = {"octave_counts": (OCTAVES, 2), "group_counts": (GROUPS,), "period_counts": (PERIODS,)}
        self._counts = {name: np.zeros(size, np.int64) for name, size in sizes.items()}
        self._period_largest = np.full(PERIODS, -1.0)
        self._limits: dict[str, Any] = {"smallest": math.inf, "largest": -math.inf, "largest_terms": 0}
        self._limits |= dict.fromkeys(_ADDED, 0)
        self._histograms: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._extremes = [np.empty(0, EXTREME)]
        self._added = 0
        if packed is not None:
            self.add(packed)

    def add(self, packed: bytes) -> None:
        """Add packed statistics of other trials, exactly."""
        limits, arrays = _unpack(packed)
        for name, sums in self._sums.items():
            digits, low = arrays[name], int(arrays[f"{name}_low"][0])
            sums[arrays[f"{name}_rows"], low : low + digits.shape[1]] += digits * arrays[f"{name}_signs"][
                :, None
            ].astype(np.int64)
        for name, counts in self._counts.items():
            counts += arrays[name]
        np.maximum(self._period_largest, arrays["period_largest"], out=self._period_largest)
        kept = self._limits
        kept["smallest"], kept["largest"] = (
            min(kept["smallest"], limits["smallest"]),
            max(kept["largest"], limits["largest"]),
        )
        kept["largest_terms"] = max(kept["largest_terms"], limits["largest_terms"])
        for name in _ADDED:
            kept[name] += limits[name]
        self._histograms.append((np.cumsum(arrays["bins"]), arrays["bin_counts"]))
        extremes = np.empty(arrays["extreme_trial"].size, EXTREME)
        extremes["seed"] = self.seed
        for name in ("trial", "value", "terms"):
            extremes[name] = arrays[f"extreme_{name}"]
        self._extremes.append(extremes)
        self._added += 1
        if self._added % _PENDING == 0 or sum(part.size for part in self._extremes) > 4 * EXTREMES:
            self._settle()

    def statistics(self) -> Statistics:
        """All of it, in the form that a `Result` holds."""
        self._settle()
        sums: dict[str, Any] = {name: self._sums[name].reshape(shape).copy() for name, shape in self._shapes.items()}
        counts: dict[str, Any] = {name: counts.copy() for name, counts in self._counts.items()}
        bins, bin_counts = self._histograms[0]
        return Statistics(
            **sums,
            **counts,
            period_largest=self._period_largest.copy(),
            bins=bins,
            bin_counts=bin_counts,
            extremes=self._extremes[0],
            **self._limits,
        )

    def packed(self) -> bytes:
        """All of it, as bytes."""
        return pack(self.statistics(), self.center)

    def threshold(self) -> float:
        """Distance below which no further trial can be among the extremes; -1 where any can."""
        self._settle()
        furthest = self._extremes[0]
        return float(abs(furthest["value"][-1] - self.center)) if furthest.size == EXTREMES else -1.0

    def estimate(self) -> tuple[float, float]:
        """Mean of the finite trials and its standard error."""
        finite = int(self._counts["octave_counts"][:, 0].sum())
        if finite < 2 or self._limits["overflowed"]:
            return math.nan, math.nan
        totals = self._sums["octave_sums"].reshape(self._shapes["octave_sums"])[:, :2].sum(axis=0)
        first, second = (Fraction(_integer(row), 1 << 1074) for row in totals)
        variance = (second - first**2 / finite) / (finite - 1)
        return self.center + to_float(first / finite), math.sqrt(to_float(variance / finite))

    def _settle(self) -> None:
        """Carry the sums, and make one of the histograms and one of the extremes side by side."""
        if self._added == 0 and self._histograms:
            return
        self._added = 0
        for sums in self._sums.values():
            carry(sums)
        bins = np.concatenate([np.empty(0, np.int64), *(bins for bins, _ in self._histograms)])
        counts = np.concatenate([np.empty(0, np.int64), *(counts for _, counts in self._histograms)])
        order = np.argsort(bins, kind="stable")
        bins, counts = bins[order], counts[order]
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        self._histograms = [(bins[first], np.add.reduceat(counts, first) if first.size else counts)]
        self._extremes = [largest_first(np.concatenate(self._extremes), self.center)]
