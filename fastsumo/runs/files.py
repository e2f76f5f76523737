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
from fastsumo.base.files import is_database, readable, written_whole
from fastsumo.errors import DamagedError
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.parsing import parse_estimator
from fastsumo.estimators.roulette import Table
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json
from fastsumo.runs.provenance import Provenance
from fastsumo.statistics import format_1
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.statistics.packed import pack
from fastsumo.statistics.spans import joined
from fastsumo.statistics.statistics import Statistics

if TYPE_CHECKING:
    from fastsumo.runs.result import Result
    from fastsumo.runs.stratified import Stratified

FORMAT = 2
_MAGIC = "fastsumo result"
_STRATA = "fastsumo strata"  # the magic of a run by strata: a header, and packed statistics for each


def write(result: Result, target: Path) -> None:
    """Write a result; the file is replaced as a whole or not at all."""
    header = {"magic": _MAGIC, "format": FORMAT, "platform": platform.platform()} | _header(result)
    _write({"header": json.dumps(header).encode(), "statistics": pack(result.statistics, result.center)}, target)


def _header(result: Result) -> dict[str, Any]:
    """All of a result but its statistics."""
    return {
        "provenance": result.tail_source.stored(),
        "ranges": {str(seed): spans for seed, spans in result.ranges.items()},
        "center": result.center,
        "elapsed": result.elapsed,
        "threads": result.threads,
        "interrupted": result.interrupted,
    }


def write_strata(found: Stratified, target: Path) -> None:
    """Write a run by strata; the file is replaced as a whole or not at all."""
    header = {
        "magic": _STRATA,
        "format": FORMAT,
        "estimator": json.loads(estimator_to_json(found.estimator)),
        "center": found.center,
        "pilot_cost": found.pilot_cost,
        "interrupted": found.interrupted,
        "platform": platform.platform(),
        "strata": [_header(result) for result in found.results],
    }
    arrays = {"header": json.dumps(header).encode()}
    arrays |= {f"statistics_{j}": pack(result.statistics, found.center) for j, result in enumerate(found.results)}
    _write(arrays, target)


def _write(parts: dict[str, bytes], target: Path) -> None:
    arrays: dict[str, Any] = {name: np.frombuffer(part, np.uint8) for name, part in parts.items()}
    with written_whole(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def read(file: Path) -> dict[str, Any]:
    """The fields of the `Result` that a file holds; or of a run by strata, with ``strata`` for the fields of each.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is no result, is cut short, or was written by a newer format.
    """
    if not file.exists():
        raise FileNotFoundError(f"no such result file: {file}")
    readable(file)
    if is_database(file):
        raise ValueError(
            f"{file} is not a fastsumo result, but a study: open it with fs.Study, or `fastsumo study show`"
        )
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        if header["magic"] not in (_MAGIC, _STRATA):
            raise KeyError("magic")
    except Exception:  # whatever foreign bytes make NumPy, zipfile and json raise
        raise ValueError(f"{file} is not a fastsumo result, or is cut short") from None
    try:
        if header["format"] == FORMAT and header["magic"] == _STRATA:
            parts = [_unpacked(part, arrays[f"statistics_{j}"]) for j, part in enumerate(header["strata"])]
            names = ("center", "pilot_cost", "interrupted")
            estimator = estimator_from_json(json.dumps(header["estimator"]))
            return {"estimator": estimator, "strata": parts} | {name: header[name] for name in names}
        if header["format"] == FORMAT:
            return _unpacked(header, arrays["statistics"])
        if header["format"] == 1:
            estimator = _estimator_of_format_1(header["provenance"], arrays.pop("law_table", None))
            provenance = Provenance.of_stored({"origin": None} | header["provenance"], estimator)
            merger = StatisticsMerger(header["center"])
            merger.add_parts(format_1.parts_of(arrays))
            return _fields(header, provenance, merger.statistics())
        version = header.get("provenance", {}).get("version", "?")
    except Exception as error:
        raise ValueError(f"{file} is a damaged fastsumo result ({type(error).__name__}: {error})") from None
    raise ValueError(
        f"{file} has result format {header['format']}, this version of fastsumo reads format {FORMAT} and older; "
        f"it was written by fastsumo {version}"
    )


def _unpacked(header: dict[str, Any], packed: NDArray[np.uint8]) -> dict[str, Any]:
    merger = StatisticsMerger(header["center"])
    merger.add_packed(packed.tobytes())
    return _fields(header, Provenance.of_stored(header["provenance"]), merger.statistics())


def _fields(header: dict[str, Any], provenance: Provenance, statistics: Statistics) -> dict[str, Any]:
    """The fields, if the statistics are those of the trials: a fault of first versions counted some trials twice."""
    ranges = {int(seed): joined([(low, high) for low, high in spans]) for seed, spans in header["ranges"].items()}
    counted = sum(high - low for spans in ranges.values() for low, high in spans)
    if statistics.finite + statistics.zero_weight != counted:
        raise DamagedError("its statistics are not those of its trials")
    return {
        "provenance": provenance,
        "statistics": statistics,
        "ranges": ranges,
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
