"""What a person sees of a run under way: a live view, one line where it is narrow, lines elsewhere, or nothing."""

from __future__ import annotations

import io
import math
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import fastsumo as fs
from fastsumo.report import progress
from fastsumo.report.progress import Lines, Progress, Screen, line, lines, make_progress
from fastsumo.statistics.snapshot import Snapshot, snapshot_of
from fastsumo.statistics.tally import Tally

NOTE = fs.models.note()
FOUND = Snapshot(1000, 1.84, 0.012, -40.5, 0.05, 2.02, 0.1, 0, (400, 120, 33, 9, 2, 1))


class Watcher(Progress):
    """Looks at the run as often as it can."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.seen: list[Snapshot] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def update(self, done: int, glance: Callable[[], Snapshot | None]) -> None:
        found = glance()
        if found is not None:
            self.seen.append(found)


@pytest.mark.parametrize("estimator", [fs.SUMO(), fs.IWAE(5), fs.MLMC()], ids=repr)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_last_glance_is_the_result(estimator: fs.SUMO, threads: int) -> None:
    watcher = Watcher()
    r = fs.simulate(NOTE, estimator, 300_000, seed=2, threads=threads, progress=watcher)
    last = watcher.seen[-1]
    assert last.trials == r.trials
    assert last.mean == pytest.approx(r.mean, rel=1e-12)
    assert last.std_error == pytest.approx(r.std_error, rel=1e-12)
    assert last.largest == r.extremes["value"][0]
    assert last.share == pytest.approx((last.largest - r.center) ** 2 / r.by_terms["sum_squares"].sum())
    distance = np.abs(fs.sample(NOTE, estimator, 300_000, seed=2)[0] - r.center)
    beyond = [int(np.count_nonzero(distance >= 2.0 ** (last.first_octave + j))) for j in range(len(last.beyond))]
    assert list(last.beyond) == beyond


def test_the_hill_index_of_a_glance_is_that_of_the_trials() -> None:
    watcher = Watcher()
    r = fs.simulate(NOTE, fs.SUMO(), 1_000_000, seed=3, progress=watcher)
    last = watcher.seen[-1]
    distance = np.sort(np.abs(fs.sample(NOTE, fs.SUMO(), 1_000_000, seed=3)[0] - r.center))[::-1]
    exact = 1.0 / np.mean(np.log(distance[:2500] / distance[2500]))
    assert last.hill == pytest.approx(exact, rel=0.02)
    assert last.hill_error == pytest.approx(last.hill / math.sqrt(2500), rel=0.02)


def test_a_glance_at_next_to_nothing() -> None:
    assert snapshot_of([Tally()], 0.0) is None
    watcher = Watcher()
    fs.simulate(NOTE, fs.ELBO(), 1, progress=watcher)
    last = watcher.seen[-1]
    assert (last.trials, last.std_error) == (1, 0.0)
    assert math.isnan(last.hill)
    assert "Hill index ?" in lines(last)[1]

    @fs.model(dim=1)
    def constant(z, params):
        return 2.0

    fs.simulate(constant, fs.SUMO(fs.roulette.Harmonic(cap=3)), 1000, progress=watcher)
    assert watcher.seen[-1].mean == pytest.approx(2.0)
    assert lines(watcher.seen[-1])[0].startswith("estimate  2")


def drawn(width: int, encoding: str = "utf-8") -> str:
    """All that a run's live view writes on a terminal."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=out, force_terminal=True, width=width, height=24, legacy_windows=False, color_system=None)
    screen = Screen(1000, "note · SUMO(roulette=Harmonic())", console)
    screen._EVERY = 0.0  # type: ignore[misc]
    with screen:
        screen.stage("compiling")
        screen.stage("running")
        screen.update(0, lambda: None)
        screen.update(250, lambda: FOUND)
    out.flush()
    return out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_the_live_view() -> None:
    shown = drawn(120)
    assert "compiling: note · SUMO(roulette=Harmonic())" in shown
    assert "25%" in shown
    assert "trials/s" in shown
    for text in lines(FOUND):
        assert text in shown
    assert "▇▆▅▃▁▁" in shown


def test_a_narrow_terminal_has_one_line() -> None:
    shown = drawn(60)
    assert "compiling: note" in shown
    assert "25 % · 1.840 ± 0.012" in shown
    assert "largest trial" not in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert max(map(len, re.split(r"[\r\n]", plain))) <= 60


def test_a_terminal_without_the_characters() -> None:
    shown = drawn(120, encoding="ascii")
    assert "trials beyond 1 *+=:__ 40.5" in shown


def test_a_line_is_cut_at_a_part() -> None:
    whole = line(250, 1000, 2.0, FOUND)
    assert whole == "25 % · 1.840 ± 0.012 · 125 trials/s · 6 s left · largest -40.5 · Hill index 2.0 ± 0.1"
    assert line(250, 1000, 2.0, FOUND, 60) == "25 % · 1.840 ± 0.012 · 125 trials/s · 6 s left"
    assert line(0, 1000, 0.0, None) == "0 %"


def test_lines_for_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    log = Lines(1000, "note · ELBO()")
    log.stage("compiling")
    log.stage("running")
    for now[0] in (1.0, 59.0, 61.0, 100.0, 130.0):
        log.update(int(now[0]), lambda: FOUND)
    log.update(1000, lambda: FOUND)
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d fastsumo: note · ELBO\(\): 6 % · 1\.840 ± 0\.012 · 1 trials/s · .*", first)
    assert ": 13 % ·" in second


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "settings", "kind"),
    [
        (True, {}, Screen),
        (True, {"CI": "true"}, Lines),
        (True, {"CI": "false"}, Screen),
        (True, {"TERM": "dumb"}, Lines),
        (False, {}, Lines),
    ],
)
@pytest.mark.parametrize("wanted", [None, True])
def test_what_is_shown_where(
    terminal: bool, settings: dict[str, str], kind: type, wanted: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    assert type(make_progress(wanted, 10, "note")) is kind
    assert type(make_progress(False, 10, "note")) is Progress
    mine = Watcher()
    assert make_progress(mine, 10, "note") is mine


def test_a_screen_is_drawn_four_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [100.0], []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Screen(1000, "note", console) as screen:
        screen.stage("running")
        for step in range(200):  # two seconds, as often as a run calls
            now[0] = 100.0 + step / 100.0
            screen.update(step, lambda: looks.append(now[0]))  # type: ignore[func-returns-value, arg-type, return-value]
    assert 7 <= len(looks) <= 9


@pytest.mark.skipif(os.name == "nt", reason="a terminal of POSIX")
def test_a_real_terminal_is_left_clean(tmp_path: Path) -> None:
    """The live view is gone when the result is printed, and the cursor is back."""
    import pty

    terminal, far_end = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1]), "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("CI", None)
    command = [sys.executable, "-m", "fastsumo", "run", "--trials", "2M", "--no-plot"]
    process = subprocess.Popen(command, stdin=far_end, stdout=far_end, stderr=far_end, env=environment, cwd=tmp_path)
    os.close(far_end)
    seen = b""
    while select.select([terminal], [], [], 300.0)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(terminal)
    assert process.wait(timeout=300) == 0
    text = seen.decode()
    assert "compiling" in text
    after = text[text.rindex("\x1b[?25h") :]
    assert "model           note" in after
    assert "largest trial  " in after
    assert "compiling" not in after
