"""Results as the tables of other packages: pandas and xarray, which are imported when one is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastsumo._version import __version__
from fastsumo.estimators.labels import label
from fastsumo.plot.protocols import Run
from fastsumo.tails._runs import hill_of

if TYPE_CHECKING:
    import pandas
    import xarray

TABLES = ("extremes", "by_terms", "trace", "histogram", "summary")
_NUMBERS = ("mean", "std_error", "variance", "skewness", "kurtosis", "min", "max", "trials", "cost")


def dataframe(rows: Any, columns: Iterable[str] | None = None) -> pandas.DataFrame:
    """A pandas DataFrame of a structured array, a dict of columns or a list of rows.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("this needs pandas, which is not installed: pip install 'fastsumo[parquet]'") from None
    if isinstance(rows, np.ndarray):
        return pandas.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
    return pandas.DataFrame(rows, columns=None if columns is None else list(columns))


def table_of(result: Run, name: str) -> Any:
    """One of the tables of a run, as columns by name."""
    if name == "histogram":
        bins = result.histogram
        return {"low": bins.low + bins.center, "high": bins.high + bins.center, "count": bins.counts}
    if name == "summary":
        return _summary(result)
    return getattr(result, name)


def _summary(result: Run) -> dict[str, list[Any]]:
    """One row, with the names that ArviZ has for it where it has one."""
    run, hill = result.provenance, hill_of(result)
    sd, quantiles = math.sqrt(result.variance), result.quantile([0.05, 0.5, 0.95])
    row: dict[str, Any] = {"model": run.model, "estimator": label(run.estimator), "mean": result.mean, "sd": sd}
    row |= dict(zip(("5%", "50%", "95%"), quantiles.tolist(), strict=True))
    row |= {"mcse_mean": result.std_error, "mcse_sd": 0.5 * result.variance_error / sd if sd > 0.0 else math.nan}
    row |= {"tail_index": math.nan if hill is None else hill.estimate, "trials": result.trials, "cost": result.cost}
    return {name: [value] for name, value in row.items()}


def dataset(result: Run) -> xarray.Dataset:
    """The xarray Dataset of a run; see `Result.to_xarray`."""
    try:
        import xarray
    except ImportError:
        raise ImportError("to_xarray needs xarray, which is not installed: pip install 'fastsumo[xarray]'") from None
    variables: dict[str, Any] = {name: getattr(result, name) for name in _NUMBERS}
    coordinates: dict[str, Any] = {}
    kinds = {"extremes": ("rank", "extreme"), "by_terms": ("octave", "octave"), "trace": ("checkpoint", "running")}
    for name, (dim, prefix) in kinds.items():
        rows = getattr(result, name)
        for field in rows.dtype.names:
            variables[f"{prefix}_{field}"] = (dim, rows[field])
        coordinates[dim] = np.arange(len(rows))
    coordinates["octave"], coordinates["checkpoint"] = result.by_terms["low"], result.trace["trials"]
    bins = result.histogram
    variables["histogram"] = ("bin", bins.counts)
    coordinates |= {"bin": np.arange(bins.counts.size)}
    coordinates |= {"bin_low": ("bin", bins.low + bins.center), "bin_high": ("bin", bins.high + bins.center)}
    return xarray.Dataset(variables, coordinates, _attributes(result))


def _attributes(result: Run) -> dict[str, Any]:
    """What ArviZ writes of where data come from, and what was run; all of it can be written to netCDF."""
    from datetime import UTC, datetime

    run = result.provenance
    known = {"log_evidence": run.log_evidence, "chi_square": run.chi_square}
    return {
        "created_at": datetime.now(UTC).isoformat(),
        "creation_library": "fastsumo",
        "creation_library_version": __version__,
        "creation_library_language": "Python",
        "inference_library": "fastsumo",
        "inference_library_version": run.version,
        "sampling_time": result.elapsed,
        "model_name": run.model,
        "estimator": label(run.estimator, "exact"),
        "params": np.array(run.params),
        "seeds": ", ".join(map(str, result.ranges)),
        "center": result.center,
        "zero_weight_trials": result.zero_weight_trials,
        "source": run.source,
    } | {name: value for name, value in known.items() if value is not None and not math.isnan(value)}
