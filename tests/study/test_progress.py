"""What is seen of a study that runs: lines, a table, its speed and the time that is left."""

from __future__ import annotations

import math
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import fastsumo as fs
from fastsumo.estimators.serialization import estimator_to_json
from fastsumo.study import progress
from fastsumo.study.records import Cell
from fastsumo.study.study import Study

NOTE = fs.models.note()


CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.study")


def test_lines_for_a_log(study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    study.add(NOTE, CAPPED, 300_000, seeds=range(2))
    study.run(threads=2, progress=None, chunk_seconds=0.02)
    said = capsys.readouterr().err.splitlines()
    assert any(
        re.search(r"[\d.]+ % · .* of 600 k trials · .* trials/s · .* left · \d of 2 cells done", line) for line in said
    )
    assert any(re.search(r" · cell \d: [\d.]+ %, 1\.8\d+ ± 0\.0\d+", line) for line in said)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [({}, progress.Screen), ({"TERM": "dumb"}, progress.Lines), ({"CI": "true"}, progress.Lines)],
)
def test_a_terminal_that_cannot_move_its_cursor_has_lines(
    settings: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert type(progress.make_meter(None, 2)) is kind


def test_progress_is_what_it_may_be(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.add(NOTE, "elbo", 10)
    monkeypatch.setattr("fastsumo.study.study._prepared", None)  # nothing is done before
    with pytest.raises(TypeError, match="progress must be True, False, None or a Meter, got 'yes'"):
        study.run(progress="yes")  # type: ignore[arg-type]
    assert study.status().runs == ()


def test_the_table_of_a_terminal(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setattr(progress, "_SAMPLE", 0.0)
    seen = set()

    class Watched(progress.Screen):
        def table(self, *what: Any) -> str:
            text = super().table(*what)
            assert all(len(line) <= self._console.width for line in text.splitlines())
            seen.add(text)
            return text

    study.add(NOTE, CAPPED, 2_000_000)
    with Watched(2) as screen:
        study.run(threads=2, progress=screen, chunk_seconds=0.02)
        assert screen.speed([Cell(0, 1, (), "", 0, 2_000_000, done=[(0, 2_000_000)])]) > 0
    rows = [text.splitlines()[1] for text in seen if text]
    assert any(re.match(r" +0 .* [\d.]+ %  .* s  +1\.8\d+ ± 0\.0\d+$", row) for row in rows), rows


def test_speed_and_time_left_are_those_of_all_processes_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    what = estimator_to_json(fs.ELBO())
    cell = Cell(0, 1, (), what, 0, 10**9, "open", pilot_trials=1000, pilot_seconds=0.01, piece=1000, chunk=1000)
    idle = Cell(1, 1, (), what, 1, 10**9, "open", pilot_trials=1000, pilot_seconds=0.01, piece=1000, chunk=1000)
    meter = progress.Meter(2)
    for second in range(0, 1000, 5):  # first 1000 trials a second, then four times as many, of workers as fast
        clock[0] = float(second)
        busy = 1 if second <= 500 else 4
        meter.show({0: cell, 1: idle}, {}, [])
        cell.done = [(0, (cell.done[0][1] if cell.done else 0) + 5000 * busy)]
        cell.elapsed += 5.0 * busy
    assert meter.speed([cell]) == pytest.approx(4000, rel=0.05)
    assert meter.speed([idle]) == 0.0
    assert meter.seconds_left([cell]) == pytest.approx((1e9 - cell.trials_done) * 1e-3 / 4.0, rel=0.05)
    assert math.isnan(meter.seconds_left([cell, Cell(2, 1, (), what, 2, 10**9)]))


def test_time_left_knows_that_heavy_laws_grow_dearer() -> None:
    def cell(what: fs.SUMO) -> Cell:
        return Cell(
            0,
            1,
            (),
            estimator_to_json(what),
            0,
            10**12,
            "open",
            pilot_trials=10**6,
            pilot_seconds=1.0,
            piece=4096,
            chunk=2**22,
        )

    flat = progress.seconds_of_work(cell(fs.SUMO(fs.roulette.Harmonic(cap=80))))
    heavy = progress.seconds_of_work(cell(fs.SUMO(fs.roulette.Harmonic())))
    assert flat == pytest.approx(1e6, rel=1e-6)
    assert heavy == pytest.approx(1e6 * (math.log(1e12) + 1.6) / (math.log(1e6) + 1.6), rel=0.1)
    assert progress.duration(heavy).endswith("h")
