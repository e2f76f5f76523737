"""Results as tables of pandas and xarray."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import fastsumo as fs

NOTE = fs.models.note()


@pytest.fixture(scope="module")
def result() -> fs.Result:
    return fs.simulate(NOTE, fs.SUMO(), 20_000, seed=1)


@pytest.mark.parametrize("table", ["extremes", "by_terms", "trace", "histogram"])
def test_tables_of_a_result_as_frames(result: fs.Result, table: str) -> None:
    pytest.importorskip("pandas")
    frame = result.to_dataframe(table)
    if table == "histogram":
        assert frame["count"].sum() == result.trials
        middle = (frame["low"] + frame["high"]) / 2
        assert np.average(middle, weights=frame["count"]) == pytest.approx(result.mean, abs=0.01)
        return
    expected = getattr(result, table)
    assert list(frame.columns) == list(expected.dtype.names)
    assert frame.iloc[-1].tolist() == pytest.approx(list(expected[-1].tolist()), nan_ok=True)


def test_an_unknown_table_is_refused(result: fs.Result) -> None:
    with pytest.raises(ValueError, match="table"):
        result.to_dataframe("values")


def test_a_result_as_a_dataset(result: fs.Result, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    data = result.to_xarray()
    assert float(data["mean"]) == result.mean
    assert set(data.dims) == {"rank", "octave", "checkpoint", "bin"}
    assert data["extreme_value"].values.tolist() == result.extremes["value"].tolist()
    assert float(data["running_mean"].sel(checkpoint=result.trials)) == pytest.approx(result.mean, rel=1e-12)
    assert int(data["octave_trials"].sel(octave=1)) == result.by_terms["trials"][0]
    assert data.attrs["inference_library"] == data.attrs["creation_library"] == "fastsumo"
    assert data.attrs["inference_library_version"] == fs.__version__
    assert data.attrs["sampling_time"] == result.elapsed
    assert data.attrs["log_evidence"] == pytest.approx(math.log(2 * math.pi))
    assert "created_at" in data.attrs
    small = data.drop_vars([name for name, each in data.variables.items() if each.dtype.kind == "u"])
    small.to_netcdf(tmp_path / "r.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "r.nc", engine="scipy") as again:
        assert float(again["variance"]) == result.variance
