"""The file of a result: an archive of a header and of packed statistics. Format 1 is read too.

Format 1 had the estimator as its ``repr``, and one array for each part of the statistics.
"""

from __future__ import annotations

import json
import platform
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import words
from fastsumo.base.files import written_whole
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.parsing import parse_estimator
from fastsumo.estimators.roulette import Table
from fastsumo.runs.provenance import Provenance
from fastsumo.statistics import format_1
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.statistics.packed import pack
from fastsumo.statistics.statistics import Statistics

if TYPE_CHECKING:
    from fastsumo.runs.result import Result

FORMAT = 2
_MAGIC = "fastsumo result"


def write(result: Result, target: Path) -> None:
    """Write a result; the file is replaced as a whole or not at all."""
    header = {
        "magic": _MAGIC,
        "format": FORMAT,
        "provenance": result.tail_source.stored(),
        "ranges": {str(seed): spans for seed, spans in result.ranges.items()},
        "center": result.center,
        "elapsed": result.elapsed,
        "threads": result.threads,
        "interrupted": result.interrupted,
        "platform": platform.platform(),
    }
    parts = {"header": json.dumps(header).encode(), "statistics": pack(result.statistics, result.center)}
    arrays: dict[str, Any] = {name: np.frombuffer(part, np.uint8) for name, part in parts.items()}
    with written_whole(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def read(file: Path) -> dict[str, Any]:
    """The fields of the `Result` that a file holds.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is no result, is cut short, or was written by a newer format.
    """
    if not file.exists():
        raise FileNotFoundError(f"no such result file: {file}")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        if header["magic"] != _MAGIC:
            raise KeyError("magic")
    except Exception as error:  # whatever foreign bytes make NumPy, zipfile and json raise
        raise ValueError(f"{file} is not a fastsumo result, or is cut short ({type(error).__name__})") from None
    try:
        if header["format"] == FORMAT:
            merger = StatisticsMerger(header["center"])
            merger.add_packed(arrays["statistics"].tobytes())
            return _fields(header, Provenance.of_stored(header["provenance"]), merger.statistics())
        if header["format"] == 1:
            estimator = _estimator_of_format_1(header["provenance"], arrays.pop("law_table", None))
            provenance = Provenance.of_stored({"origin": None} | header["provenance"], estimator)
            return _fields(header, provenance, format_1.statistics_of(arrays))
        version = header["provenance"].get("version", "?")
    except Exception as error:
        raise ValueError(f"{file} is a damaged fastsumo result ({type(error).__name__}: {error})") from None
    raise ValueError(
        f"{file} has result format {header['format']}, this version of fastsumo reads format {FORMAT} and older; "
        f"it was written by fastsumo {version}"
    )


def _fields(header: dict[str, Any], provenance: Provenance, statistics: Statistics) -> dict[str, Any]:
    return {
        "provenance": provenance,
        "statistics": statistics,
        "ranges": {int(seed): [(low, high) for low, high in spans] for seed, spans in header["ranges"].items()},
        "center": header["center"],
        "elapsed": header["elapsed"],
        "threads": header["threads"],
        "interrupted": header["interrupted"],
    }


def _estimator_of_format_1(stored: dict[str, Any], table: NDArray[np.float64] | None) -> Estimator:
    """The estimator of a ``repr``, with all values of the table that is its law of `K`, where it has one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # said once, when it was made
        if table is None:
            return parse_estimator(stored["estimator"])
        given = words.parse(stored["estimator"])
        rest = ", ".join(f"{name}={value}" for name, value in given.named.items() if name != "roulette")
        return parse_estimator(f"{given.name}({rest})", Table(table))
