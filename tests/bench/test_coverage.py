"""The coverage study of `bench.coverage`, with few short repetitions: what it runs, resumes, counts and writes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import fastsumo as fs
from bench import coverage

SIZES, REPETITIONS = (100, 1000, 10_000), 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coverage")
    coverage.study(folder, math.inf, SIZES, REPETITIONS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", coverage.LAWS)
def test_every_repetition_is_there_once(folder: Path, name: str) -> None:
    rows = coverage.collected(folder, name)
    assert sorted(zip(rows["size"].tolist(), rows["repetition"].tolist(), strict=True)) == [
        (size, repetition) for size in SIZES for repetition in range(REPETITIONS)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "repetition"), [(100, 11), (1000, 3), (10_000, 0), (10_000, 9)])
def test_a_repetition_is_a_run_of_its_own_trials(folder: Path, size: int, repetition: int) -> None:
    rows = coverage.collected(folder, "harmonic")
    found = rows[(rows["size"] == size) & (rows["repetition"] == repetition)][0]
    result = fs.simulate(fs.models.note(), fs.SUMO(), size, coverage.SEED, first_trial=size * repetition)
    for place, method in enumerate(coverage.METHODS):
        interval = result.interval(method=method)
        assert (found["low"][place], found["high"][place]) == pytest.approx((interval.low, interval.high), nan_ok=True)


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    coverage.study(tmp_path, 0.0, SIZES, REPETITIONS)
    assert list(tmp_path.iterdir()) == []
    coverage.study(tmp_path, math.inf, SIZES, 2)
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) == 4
    coverage.study(tmp_path, math.inf, SIZES, 2)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


@pytest.mark.slow
def test_parts_share_the_work(folder: Path, tmp_path: Path) -> None:
    for part in (2, 1):
        arguments = [str(tmp_path), "--largest", "1e4", "--repetitions", "3", "--part", f"{part}/2"]
        assert coverage.main(arguments) == 0
        assert len(list(tmp_path.iterdir())) == {2: 2, 1: 6}[part]
    for wrong in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(SystemExit):
            coverage.main([str(tmp_path), "--part", wrong])


def test_coverage_counts() -> None:
    rows = np.zeros(4, coverage.ROW)
    rows["low"], rows["high"] = -1.0, [[1.0], [2.0], [3.0], [0.5]]
    rows["low"][1, 2] = rows["high"][1, 2] = np.nan
    share, width, missing = coverage.coverage(rows, 0.75)
    assert share[:3].tolist() == [0.75, 0.75, 0.5]
    assert width[0] == 1.25
    assert missing[:3].tolist() == [0.0, 0.0, 0.25]


@pytest.mark.slow
def test_the_page_gets_both_tables(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = coverage.report(folder)
    assert "| coverage, half width | 10² trials, 12 times | 10³ trials, 12 times | 10⁴ trials, 12 times |" in text
    assert text.count("| median-of-means |") == 2
    page = tmp_path / "tails.md"
    page.write_text("before\n{}\nwhat was there\n{}\nafter\n".format(*coverage.MARKERS), encoding="utf-8")
    arguments = [str(tmp_path / "runs"), "--largest", "1e4", "--repetitions", "2"]
    assert coverage.main(arguments) == coverage.main([*arguments, "--page", str(page)]) == 0
    assert capsys.readouterr().out.strip() in page.read_text(encoding="utf-8")
    assert "what was there" not in page.read_text(encoding="utf-8")
